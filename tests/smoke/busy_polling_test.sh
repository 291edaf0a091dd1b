#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Workers that never sleep (polling: busy) carry frames and give no slice of their CPU away: they make no call to
# yield, which the data-plane's filter would end it for, while control and hosts share that CPU.
. "$(dirname "$0")/lib.sh"

SITE_POLLING=busy
hub_config
for g in gwA gwB; do SITE_INTENT=true site_config $g; done
check "the hub starts" eval 'hub_init && hub_start && site_enrol gwA && site_enrol gwB'
site_start gwA && site_start gwB
check "two busy gateways connect" wait_for 30 peer_is gwA up
check "frames cross" wait_for 10 pings 1
data_plane=$(site_pid gwA dataplane)
load_start 500 2
load_end '.duplicates == 0 and .lost <= .sent / 20'
sleeps() { pst gwA stats --json | jq -e '[.. | .sleeps? // empty] | add'; }
check "and the workers never sleep" eval '[ "$(sleeps)" = 0 ]'
check "the data-plane is the one that started" eval '[ "$(site_pid gwA dataplane)" = "$data_plane" ]'
