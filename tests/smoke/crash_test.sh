#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Whichever process dies of a fault leaves a report without secrets, and what is started next works.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
child() { pgrep -P "$1" -x "$2"; }
reports() { grep -c "^crash .*process=$2 cause=$3" "$SITES_DIR/$1/run/"*.crash 2>/dev/null | awk -F: '{n += $NF} END {print n + 0}'; }
reported() { [ "$(reports "$@")" -gt 0 ]; }

# crash NODE PROCESS SIGNAL PID
crash() {
	kill "-$3" "$4"
	check "$2 reports SIG$3" wait_for 3 reported "$1" "$2" "SIG$3, sent by another process"
	wait_for 5 eval "! grep -q '^State:.*[RSD] ' /proc/$4/status" || fail "it still runs"
	[ "$1" = hub ] || check "the gateway is up again" eval 'sleep 0.3; wait_for 30 peer_is gwA up && wait_for 30 peer_is gwB up'
}
for signal in SEGV ABRT BUS; do
	crash gwA postern-dataplane $signal "$(site_pid gwA dataplane)"
	crash gwA postern-control $signal "$(site_pid gwA control)"
done
crash gwA postern-signer SEGV "$(child "$(site_pid gwA control)" postern-signer)"
crash hub postern-hub SEGV "$(site_pid hub hub)"
check "the hub is back" wait_for 15 pst hub hub status
crash hub postern-signer SEGV "$(child "$(site_pid hub hub)" postern-signer)"
check "the hub is back" wait_for 15 pst hub hub status
check "frames cross" wait_for 10 pings 1

check "status tells of the last crash" eval 'pst gwA status | grep -q "^last crash .*postern-.*SIGSEGV.* at .*+0x"'
check "as JSON, too" eval "pst gwA status --json | jq -e '[.crashes[].process] | contains([\"postern-dataplane\"])'"
for f in $(find "$SITES_DIR" -name "*.crash" -size +0); do
	[ "$(stat -c %a "$f")" = 644 ] || fail "$f has mode $(stat -c %a "$f")"
	grep -q '  version .*, build [0-9a-f]\{40\}$' "$f" || fail "no build id in $f"
	grep -qE '^  #[0-9]+ libc.so.6\+0x' "$f" || fail "no place in $f"
	grep -qE '0x7f[0-9a-f]{8}|pstn1' "$f" && fail "an address or a secret in $f"
	sed -n 1,8p "$f"
done
[ -z "$(find "$SITES_DIR" -name 'core*' -size +0)" ] || fail "a core was dumped"
echo "ok: reports, no cores"
