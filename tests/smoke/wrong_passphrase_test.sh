#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The key does not open: with another passphrase, without one, or readable by all.
. "$(dirname "$0")/lib.sh"

hub_config && site_config gwA
check "a hub runs" eval 'hub_init && hub_start'
check "a gateway enrols" site_enrol gwA
cp "$SITES_DIR/gwA/passphrase" "$SITES_DIR/right"

control() { in_ns gwA timeout 10 "$CONTROL" -c "$SITES_DIR/gwA/gateway.yaml"; }
echo "not the passphrase" >"$SITES_DIR/gwA/passphrase"
refuse "control with the wrong passphrase" "passphrase" control
refuse "enrolling again with the wrong passphrase" "passphrase" \
	pst gwA enrol --again --token-file "$SITES_DIR/gwA/token"
chmod 644 "$SITES_DIR/gwA/passphrase"
refuse "a passphrase file that others may read" "mode|others|0600|permission" control
rm "$SITES_DIR/gwA/passphrase"
refuse "no passphrase file" "passphrase" control
(umask 077 && cp "$SITES_DIR/right" "$SITES_DIR/gwA/passphrase")
head -c 100 "$SITES_DIR/gwA/state/identity.key" >"$SITES_DIR/short" && cp "$SITES_DIR/short" "$SITES_DIR/gwA/state/identity.key"
refuse "a damaged key file" "damaged|key" control
