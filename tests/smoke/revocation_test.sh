#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A revoked gateway is cut off within a second, and stays out.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
check "frames cross" pings
from=$(now_ms)
check "site-b is revoked" pst hub hub revoke site-b.demo --reason "a test"
check "site-a drops it" wait_for 3 eval '! peer_is gwA up'
echo "    after $(($(now_ms) - from)) ms"
check "no frame crosses" dead
sleep 2
peer_is gwA up && fail "the connection came back"
pst hub hub gateways --json | jq -e '.[] | select(.name == "site-b.demo").revoked' >/dev/null || fail "the hub does not show it"
# Its certificate and gate are worthless: not even the hub answers it any more.
site_stop gwB
site_start gwB
sleep 3
[ "$(site_get gwB .hub.state)" != connected ] || fail "the hub takes the revoked gateway"
