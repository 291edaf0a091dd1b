# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the generator's own tests begin with: a namespace `gen` with two ports, and one, `dut`, in the middle.
# Sourced by tests/smoke/pktgen_*_test.sh.
#
#   gen  p0 ──── d0  dut  d1 ──── p1  gen
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$top/build}
PKTGEN=$BUILD/pktgen/postern-pktgen
TOPO_PREFIX=pg$$
. "$top/tools/lib/say.sh"
. "$top/tools/lib/topology.sh"
TOPO_NODES=(gen dut)
dir=$(mktemp -d "${TMPDIR:-/tmp}/postern.XXXXXX")

skip() { echo "skipped: $*" && exit 125; }
fail() {
	echo "FAILED: $*" >&2
	tail -n 20 "$dir"/*.log >&2 2>/dev/null
	exit 1
}

# pktgen ARGUMENTS...: run in gen; what it says goes to $dir/pktgen.log, its result to $RESULT.
pktgen() {
	rm -f "$dir/result.json"
	in_ns gen timeout 60 "$PKTGEN" "$@" --json "$dir/result.json" >>"$dir/pktgen.log" 2>&1 ||
		fail "postern-pktgen $* ends with $?"
	RESULT=$(cat "$dir/result.json")
}

holds() { jq -e "$1" <<<"$RESULT" >/dev/null; }

# expect TEXT EXPRESSION: the last result satisfies the jq expression.
expect() {
	holds "$2" || fail "$1: not $2 in $(jq -c 'del(.directions)' <<<"$RESULT")"
	echo "ok: $1"
}

# No frame may be missing where nothing drops any; a machine that is busy with other things gets three tries.
clean() {
	local text=$1 try
	shift
	for try in 1 2 3; do
		pktgen "$@"
		holds '.lost == 0' && break
		echo "    (try $try lost $(jq .lost <<<"$RESULT"))"
	done
	expect "$text" '.lost == 0 and .duplicated == 0 and .reordered == 0 and .corrupted == 0 and .rx_frames > 0 and .rx_frames == .tx_frames'
}

[ "$(id -u)" -eq 0 ] || skip "needs root for network namespaces"
for tool in ip nft jq; do command -v $tool >/dev/null || skip "$tool is not installed"; done
[ -x "$PKTGEN" ] || skip "postern-pktgen is not built"
trap 'topo_down; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
for node in "${TOPO_NODES[@]}"; do
	ip netns add "$(ns $node)" || skip "network namespaces cannot be made here"
	in_ns "$node" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
done
topo_wire gen p0 dut d0
topo_wire gen p1 dut d1
