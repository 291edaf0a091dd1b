#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Control without a data-plane says so, and goes on by itself when it comes.
. "$(dirname "$0")/lib.sh"

hub_config && SITE_INTENT=true site_config gwA && SITE_INTENT=true site_config gwB
check "a hub runs, the sites enrol" eval 'hub_init && hub_start && site_enrol gwA && site_enrol gwB'
site_start gwB
topo_spawn gwA "$SITES_DIR/gwA/control.log" "$CONTROL" -c "$SITES_DIR/gwA/gateway.yaml"
check "control runs without a data-plane" wait_for 10 site_get gwA .name
[ "$(site_get gwA .dataplane.state)" = absent ] || fail "status does not say that the data-plane is absent"
pst gwA status | grep -q "data-plane *absent" || fail "the table does not say it"
refuse "fdb without a data-plane" "data-plane" pst gwA fdb
pst gwA fdb >/dev/null 2>&1
[ $? -eq 3 ] || fail "its exit status is not 3"
topo_spawn gwA "$SITES_DIR/gwA/dataplane.log" "$DATAPLANE" -c "$SITES_DIR/gwA/gateway.yaml"
check "the data-plane comes, and the connection with it" wait_for 20 peer_is gwA up
check "frames cross" wait_for 5 pings 1
