#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A lossless row's verdict: a loss is the machine's only where the kernel's full queues account for all of it.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
# Its functions alone: the rest of the file brings up sites.
eval "$(sed -n '/^account_of() {/,$p' "$top/tests/reliability/sites.sh")"
row_result() {
	echo "$1"
	exit
}
zero='{"sent": 0, "refused": 0, "arrived": 0, "delivered": 0, "full": 0, "wait_a": 0, "wait_b": 0, "a_took": 0,
	"a_ring_full": 0, "a_gave": 0, "a_packets": 0, "b_ring_full": 0, "b_packets": 0, "b_took": 0, "b_gave": 0,
	"a_drops": {}, "b_drops": {}}'
whole='.sent = 100 | .a_took = 100 | .a_gave = 100 | .a_packets = 10 | .b_packets = 10 | .b_took = 100 | .b_gave = 100 | .arrived = 100'
failed=0

# expect VERDICT OTHER-GOALS LOST WHAT-DIFFERS
expect() {
	local load got
	load=$(jq -n --argjson n "$3" '{sent: 100, lost: $n, duplicates: 0, max_gap_ms: 50, end_seen: true}')
	got=$(row_lossless "$2" figure "$zero" "$(jq "$whole | $4" <<<"$zero")" | tail -n 1)
	[ "$got" = "$1" ] && return 0
	echo "$3 lost, other goals $2, $4: $got, not $1"
	failed=1
}

expect true true 0 .
expect false false 0 .
expect false true 3 . # nobody has them
expect false true 3 '.b_took = 97 | .b_gave = 97 | .arrived = 97' # opened, and no frames came of it
expect false true 3 '.a_gave = 97 | .b_took = 97 | .b_gave = 97 | .arrived = 97'
expect false true 3 '.full = 2' # and the third?
expect unshown true 3 '.full = 3'
expect false false 3 '.full = 3'
expect unshown true 3 '.b_ring_full = 1 | .b_packets = 9 | .b_took = 97 | .b_gave = 97 | .arrived = 97 | .wait_b = 25'
expect false true 3 '.b_ring_full = 1 | .b_packets = 9 | .b_took = 97 | .b_gave = 97 | .arrived = 97 | .wait_b = 24'
[ $failed -eq 0 ] && echo "ten verdicts are as they must be"
exit $failed
