#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Control is killed under load: not a frame is lost, and the new one takes the sessions over.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
check "frames cross" pings
load_start 10000 6
for n in 1 2 3; do
	sleep 1
	kill -9 "$(site_pid gwA control)"
done
load_end '.lost == 0 and .duplicates == 0 and .end_seen'
check "control is back" wait_for 10 site_ready gwA
check "and knows the peer as up" wait_for 10 peer_is gwA up
check "it can rekey" eval 'wait_for 5 pst gwA rekey site-b.demo'
check "frames cross" pings
