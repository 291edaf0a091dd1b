# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What every smoke test begins with. Sourced by tests/smoke/*_test.sh, which run by themselves, too:
#   sudo BUILD=$PWD/build tests/smoke/silence_test.sh
# Exit status: 0 passed, 1 failed (with what was expected and the daemons' logs), 125 skipped.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$top/build}
TOPO_PREFIX=ps$$
. "$top/tools/lib/say.sh"
. "$top/tools/lib/topology.sh"
. "$top/tools/lib/sites.sh"
SEQGEN=$BUILD/tests/smoke/seqgen
DATAPLANE=$BUILD/dataplane/postern-dataplane
CONTROL=$BUILD/controlplane/gateway/postern-control
HUB=$BUILD/controlplane/hub/postern-hub

skip() { echo "skipped: $*" && exit 125; }

fail() {
	echo "FAILED: $*" >&2
	sites_logs ${SMOKE_LOG_LINES:-12} >&2
	exit 1
}

# check TEXT COMMAND...: the command must succeed; its output is shown only if it does not. Runs in this
# shell, so that what it starts is known here.
check() {
	local text=$1
	shift
	if ! "$@" >"$SITES_DIR/check.out" 2>&1; then
		cat "$SITES_DIR/check.out" >&2
		fail "$text"
	fi
	echo "ok: $text"
}

# refuse TEXT WORDS COMMAND...: the command must end with an error that has these words, and soon.
refuse() {
	local text=$1 words=$2 out status
	shift 2
	out=$("$@" 2>&1)
	status=$?
	[ $status -ne 0 ] || fail "$text: it did not fail, but said: $out"
	[ $status -ne 124 ] || fail "$text: it did not end"
	[ $status -lt 128 ] || fail "$text: it died of signal $((status - 128)): $out"
	grep -qiE -- "$words" <<<"$out" || fail "$text: nothing of /$words/ in: $out"
	echo "ok: $text"
	sed 's/^/    /' <<<"$out" | head -n 6
}

pings() { in_ns hostA ping -c "${1:-3}" -i 0.05 -W 1 10.66.0.2 >/dev/null; }
dead() { ! in_ns hostA ping -c 2 -i 0.1 -W 0.3 10.66.0.2 >/dev/null; }

# load_start PPS SECONDS [FROM TO]: numbered datagrams from hostA to hostB in the background.
load_start() {
	local from=${3:-hostA} to=${4:-hostB} addr=10.66.0.2
	[ "$to" = hostB ] || addr=10.66.0.1
	rm -f "$SITES_DIR/load.json"
	topo_spawn "$to" "$SITES_DIR/load.json" "$SEQGEN" recv 9100 6
	LOAD_RECV=$TOPO_PID
	sleep 0.1
	topo_spawn "$from" /dev/null "$SEQGEN" send "$addr" 9100 "$1" "$2" 200
	LOAD_SEND=$TOPO_PID
}

# load_end EXPRESSION: wait for the account, which must satisfy the jq expression.
load_end() {
	wait "$LOAD_SEND" "$LOAD_RECV"
	LOAD=$(cat "$SITES_DIR/load.json")
	echo "    $LOAD"
	jq -e "$1" <<<"$LOAD" >/dev/null || fail "the account does not satisfy $1"
}

# frames_cross COUNT: frames of all kinds from hostA to hostB, compared by frames.py, whose last word is printed.
frames_cross() {
	local mac_a mac_b recv
	mac_a=$(in_ns hostA cat /sys/class/net/eth0/address) mac_b=$(in_ns hostB cat /sys/class/net/eth0/address)
	head -c 8 /dev/zero >"$SITES_DIR/reached" && rm -f "$SITES_DIR/recv.out"
	topo_spawn hostB "$SITES_DIR/recv.out" python3 "$top/tests/smoke/frames.py" recv "$mac_a" "$1" "$SITES_DIR/reached"
	recv=$TOPO_PID
	wait_for 10 grep -q ready "$SITES_DIR/recv.out" &&
		in_ns hostA python3 "$top/tests/smoke/frames.py" send "$mac_b" "$1" "$SITES_DIR/reached" && wait "$recv"
	local status=$?
	tail -n 1 "$SITES_DIR/recv.out"
	return $status
}

[ "$(id -u)" -eq 0 ] || skip "needs root for network namespaces"
for tool in ip nft jq tcpdump ping; do command -v $tool >/dev/null || skip "$tool is not installed"; done
for program in "$POSTERN" "$DATAPLANE" "$CONTROL" "$HUB"; do [ -x "$program" ] || skip "$program is not built"; done
trap sites_down EXIT
trap 'exit 130' INT TERM
sites_init && topo_up || skip "network namespaces cannot be made here"
