#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Somebody without rights gets a sentence, not the gateway.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
chmod 755 "$SITES_DIR" "$SITES_DIR/gwA" "$SITES_DIR/gwA/run"
nobody() { in_ns gwA setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
refuse "the socket is not for everybody" "may not|permission" nobody "$POSTERN" status -s "$SITES_DIR/gwA/run/control.sock"
mode=$(stat -c %a "$SITES_DIR/gwA/run/control.sock")
[ "$mode" = 660 ] || fail "the socket's mode is $mode"
