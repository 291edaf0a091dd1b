#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A token enrols what it was made for, once, and in its time; everything else is told why not.
. "$(dirname "$0")/lib.sh"

hub_config && site_config gwA && site_config gwB
check "a hub runs" eval 'hub_init && hub_start'

token() { pst hub hub token "$@" 2>/dev/null; }
a=$(token site-a.demo)
refuse "text that is no token" "token" pst gwA enrol "hello"
refuse "a token with a typing error" "damaged|typing|copied|token" pst gwA enrol "${a:0:40}x${a:41}"
refuse "a token for another name" "name" pst gwB enrol "$a"
check "the token works for its name after that" pst gwA enrol "$a"
refuse "enrolling a member again by mistake" "already|again" pst gwA enrol "$a"

one=$(token)
check "a token for any name" pst gwB enrol "$one"
rm -rf "$SITES_DIR"/gwA/state/*
sed -i 's/site-a.demo/site-c.demo/' "$SITES_DIR/gwA/gateway.yaml"
refuse "a used token" "use" pst gwA enrol "$one"
short=$(token --hours 0.0003)
sleep 2.2
refuse "an expired token" "expired|over" pst gwA enrol "$short"
dropped=$(token)
id=$(pst hub hub token --list --json | jq -r 'map(select(.state == "live")) | last.id')
check "a token is dropped" pst hub hub token --drop "$id"
pst gwA enrol "$dropped" >/dev/null 2>&1 && fail "a dropped token enrols"

# The name belongs to the key that enrolled it first.
sed -i 's/site-b.demo/site-x.demo/; s/site-c.demo/site-b.demo/' "$SITES_DIR/gwA/gateway.yaml"
refuse "a name that another key holds" "name|taken|holds" pst gwA enrol "$(token site-b.demo)"
pst hub hub gateways --json | jq -e 'length == 2' >/dev/null || fail "there are not just the two gateways"
