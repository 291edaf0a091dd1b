#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# No hub: enrolling says so and how to find out why; a connection that is up does not notice.
. "$(dirname "$0")/lib.sh"

hub_config && site_config gwA
check "a hub runs" eval 'hub_init && hub_start'
token=$(pst hub hub token site-a.demo 2>/dev/null)
site_stop hub
from=$(now_ms)
refuse "enrolling while the hub is down" "hub|reach|answer" pst gwA enrol "$token"
pst gwA enrol "$token" >/dev/null 2>&1
[ $? -eq 3 ] || fail "its exit status is not 3"
[ $(($(now_ms) - from)) -lt 30000 ] || fail "it took more than 30 s"
sites_down
sites_init && topo_up

check "two sites come up" sites_up
site_stop hub
check "status says that the hub is away" wait_for 30 eval '[ "$(site_get gwA .hub.state)" != connected ]'
check "frames cross without a hub" pings
check "a rekey works without a hub" pst gwA rekey site-b.demo
check "and after that frames cross" pings
hub_start || fail "the hub does not start again"
check "the gateways find it again" wait_for 40 eval '[ "$(site_get gwA .hub.state)" = connected ]'
