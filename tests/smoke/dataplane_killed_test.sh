#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The data-plane is killed: a new one takes ports and peers over, with fresh keys.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
check "frames cross" pings
for g in gwA gwB; do
	load_start 1000 5
	sleep 1
	kill -9 "$(site_pid $g dataplane)"
	load_end '.end_seen and .duplicates == 0 and .max_gap_ms < 5000'
	echo "ok: frames cross again after $g's was killed, $(jq .max_gap_ms <<<"$LOAD") ms without one"
done
check "both say up" eval 'wait_for 5 peer_is gwA up && wait_for 5 peer_is gwB up'
! grep -h "address has changed" "$SITES_DIR"/gw?/control.log || fail "control took the data-plane's absence for a move"
echo "ok: and neither has left the hub"
