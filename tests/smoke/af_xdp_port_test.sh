#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A data-plane alone with one AF_XDP LAN and one WAN port: it forwards, survives kill -9, and says
# plainly why it cannot start. fake_control plays control.
#
#   host a ── lan0 [gateway a] wan0 ───── wan0 [gateway b] lan0 ── host b
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tools/lib/say.sh"
BUILD=${BUILD:-$top/build}
DP=$BUILD/dataplane/postern-dataplane
FAKE=$BUILD/tests/smoke/fake_control
export POSTERN_BPF_DIR=${POSTERN_BPF_DIR:-$BUILD/bpf}
P=pt-axp-$$
started=()

for tool in ip ethtool ping; do
	command -v $tool >/dev/null || { echo "skipped: $tool is missing" && exit 125; }
done
[ "$(id -u)" -eq 0 ] || { echo "skipped: needs root" && exit 125; }
ip netns add $P-ga 2>/dev/null || { echo "skipped: no network namespaces" && exit 125; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/postern-axp.XXXXXX")
chmod 755 "$dir" # one run is not root
cleanup() {
	local pid
	for pid in "${started[@]}"; do kill -9 "$pid" 2>/dev/null; done
	for n in ha ga gb hb; do ip netns del $P-$n 2>/dev/null; done
	rm -rf "$dir"
}
trap cleanup EXIT
fail() {
	echo "FAILED: $*"
	tail -n 20 "$dir"/*.log 2>/dev/null
	exit 1
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local until=$(($(now_ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt $until ] || return 1
		sleep 0.02
	done
}

topology() {
	local n
	for n in ha gb hb; do ip netns add $P-$n; done
	ip link add a0 netns $P-ha type veth peer name lan0 netns $P-ga
	ip link add b0 netns $P-hb type veth peer name lan0 netns $P-gb
	ip link add wan0 netns $P-ga type veth peer name wan0 netns $P-gb
	for n in ha:a0 hb:b0 ga:lan0 ga:wan0 gb:lan0 gb:wan0; do ip -n $P-${n%:*} link set "${n#*:}" up; done
	ip netns exec $P-ha ethtool -K a0 tx off >/dev/null
	ip netns exec $P-hb ethtool -K b0 tx off >/dev/null
	ip -n $P-ha addr add 10.9.0.1/24 dev a0
	ip -n $P-hb addr add 10.9.0.2/24 dev b0
	ip -n $P-ga addr add 192.0.2.1/24 dev wan0
	ip -n $P-gb addr add 192.0.2.2/24 dev wan0
}

# config SITE [SED...]: a gateway's YAML, changed by sed expressions.
config() {
	local site=$1
	shift
	mkdir -p "$dir/$site"
	cat >"$dir/$site.yaml" <<-YAML
		gateway: {name: site-$site, network: test, state_dir: $dir/$site, run_dir: $dir/$site}
		identity: {passphrase_file: $dir/none}
		dataplane: {workers: [0], main_cpu: 0, memory_mib: 128}
		ports:
		  - {name: lan0, role: lan, kind: af_xdp, interface: lan0, mtu: 1500}
		  - {name: wan0, role: wan, kind: af_xdp, interface: wan0, mtu: 1500}
		segments:
		  - {id: 1, name: office, ports: [lan0]}
	YAML
	while [ $# -gt 0 ]; do sed -i "$1" "$dir/$site.yaml" && shift; done
}

start_dp() {
	ip netns exec $P-g"$1" "$DP" -c "$dir/$1.yaml" >>"$dir/$1.log" 2>&1 &
	dp[$1]=$!
	started+=($!)
	wait_for 5 grep -q "ready:" "$dir/$1.log" || fail "data-plane $1 does not start"
}

mac() { ip -n $P-g"$1" link show wan0 | awk '/ether/ {print $2}'; }

# join EPOCH: both ends get keys.
join() {
	local pid
	for pid in "${ctl[@]}"; do kill "$pid" 2>/dev/null; done
	"$FAKE" "$dir/a/dataplane.sock" client 192.0.2.1 192.0.2.2 "$(mac b)" "$1" <"$dir/a/in" >"$dir/a.ctl.log" 2>&1 &
	ctl[a]=$!
	"$FAKE" "$dir/b/dataplane.sock" server 192.0.2.2 192.0.2.1 "$(mac a)" "$1" <"$dir/b/in" >"$dir/b.ctl.log" 2>&1 &
	ctl[b]=$!
	started+=("${ctl[a]}" "${ctl[b]}")
	disown "${ctl[a]}" "${ctl[b]}"
	wait_for 5 grep -q "in use" "$dir/a.ctl.log" || fail "control a"
	wait_for 5 grep -q "in use" "$dir/b.ctl.log" || fail "control b"
}

pings() { ip netns exec $P-ha ping -c 1 -W 1 "$@" 10.9.0.2; }

# refuses WORDS SED...: with this change the data-plane ends with this sentence.
refuses() {
	local words=$1 out
	shift
	config x "$@"
	if out=$(timeout 10 ip netns exec $P-ga "$DP" -c "$dir/x.yaml" 2>&1); then
		fail "started although: $words"
	fi
	grep -qF -- "$words" <<<"$out" || fail "not \"$words\" but: $out"
}

declare -A dp=() ctl=()
topology

# ---- what keeps it from starting, each with its own sentence
refuses "there is no interface nope" 's/interface: lan0/interface: nope/'
refuses "MTU of lan0 is 1500, too small for the configured 2000" '/name: lan0, role/s/mtu: 1500/mtu: 2000/'
refuses "has 1 queues, the configuration wants 4" '/name: lan0, role/s/mtu: 1500/mtu: 1500, queues: 4/'
ip -n $P-ga link set wan0 down
refuses "wan0 is down" ''
ip -n $P-ga link set wan0 up
ip -n $P-ha link set a0 mtu 9000
refuses "the kernel does not attach an XDP program to lan0" ''
ip -n $P-ha link set a0 mtu 1500
refuses "hugepages is require" 's/memory_mib: 128/memory_mib: 65536, hugepages: require/'
config x
out=$(ip netns exec $P-ga setpriv --bounding-set -all --inh-caps -all --reuid 65534 --clear-groups "$DP" -c "$dir/x.yaml" 2>&1) &&
	fail "started without privilege"
grep -q "no privilege to use AF_XDP" <<<"$out" || fail "without privilege: $out"
# A program of somebody else's is left alone.
ip -n $P-ga link set lan0 xdp obj "$POSTERN_BPF_DIR/postern_xdp_lan.o" sec xdp 2>/dev/null
ip -n $P-ga link show lan0 | grep -q "prog/xdp" || fail "no stale program to find"

# ---- it starts over its own stale program, and forwards
config a
config b
mkfifo "$dir/a/in" "$dir/b/in"
exec 8<>"$dir/a/in" 9<>"$dir/b/in"
start_dp a
grep -q "taking our stale XDP program" "$dir/a.log" || fail "the stale program was not seen"
start_dp b
join 1
wait_for 5 pings || fail "no ping across"
ip netns exec $P-ha ping -c 20 -i 0.01 -W 1 -s 1472 -M do -q 10.9.0.2 | grep -q " 0% packet loss" || fail "full frames are lost"

# Two at once on one interface: the second says so, the first goes on.
refuses "another postern-dataplane already serves lan0" ''
pings >/dev/null || fail "the first one suffered"

# The kernel answers pings of its own, and is silent on the overlay port.
ip netns exec $P-gb ping -c 1 -W 1 192.0.2.1 >/dev/null || fail "the host behind the WAN port is deaf"

# ---- kill -9: silence, then it starts again and forwards
kill -9 "${dp[a]}" && wait "${dp[a]}" 2>/dev/null
[ -z "$(ip netns exec $P-gb python3 - <<-'PY' 2>/dev/null
	import socket, os
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.settimeout(0.3)
	s.connect(("192.0.2.1", 7667))
	try:
	    for n in (1, 36, 40, 128, 1400):
	        s.send(b"\x11" + os.urandom(n - 1))
	    print(s.recv(1))
	except ConnectionRefusedError:
	    print("refused")
	except OSError:
	    pass
PY
)" ] || fail "a dead data-plane is not silent"
: >"$dir/a.log"
from=$(now_ms)
start_dp a
took=$(($(now_ms) - from))
join 2
wait_for 5 pings || fail "no ping after kill -9"

# ---- a clean end leaves the interface as it was
kill "${dp[a]}" && wait "${dp[a]}" || fail "did not end cleanly"
ip -n $P-ga link show lan0 | grep -q xdp && fail "our program is still on lan0"
ip -n $P-ga link show wan0 | grep -q xdp && fail "our program is still on wan0"

# ---- the same after it gave its privileges up
if getent passwd nobody >/dev/null; then
	config a 's/state_dir:/user: nobody, state_dir:/'
	: >"$dir/a.log"
	start_dp a
	grep -q "^Uid:[[:space:]]*65534[[:space:]]*65534[[:space:]]*65534" "/proc/${dp[a]}/status" || fail "did not become nobody"
	grep -q "^CapEff:[[:space:]]*0000000000000000" "/proc/${dp[a]}/status" || fail "kept a capability"
	join 3
	wait_for 5 pings || fail "no ping without privileges"
	kill "${dp[a]}" && wait "${dp[a]}" || fail "did not end cleanly as nobody"
	ip -n $P-ga link show lan0 | grep -q xdp && fail "nobody's program is still on lan0"
	ip -n $P-ga link show wan0 | grep -q xdp && fail "nobody's program is still on wan0"
fi
echo "restart after kill -9: ${took} ms to ready"
