#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Both gateways restart while the hub is down: what they kept on disk is enough to meet again.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
check "frames cross" pings
site_stop hub
site_stop gwA
site_stop gwB
sleep 0.5
from=$(now_ms)
site_start gwA
site_start gwB
check "they are up without the hub" eval 'wait_for 20 peer_is gwA up && wait_for 20 peer_is gwB up'
echo "    after $(($(now_ms) - from)) ms"
check "frames cross" wait_for 5 pings 1
