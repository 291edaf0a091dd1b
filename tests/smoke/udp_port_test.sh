#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# WAN ports on kernel sockets (kind udp): through both NATs to an AF_XDP gateway and to each other, frames
# of every size, no word to strangers whatever state it is in, and a path that follows a new address.
. "$(dirname "$0")/lib.sh"

# One side on a socket, the other on AF_XDP: they must not notice.
hub_config
SITE_INTENT=true SITE_WAN='kind: udp, interface: wan0' site_config gwA
SITE_INTENT=true site_config gwB
check "the hub starts" eval 'hub_init && hub_start && site_enrol gwA && site_enrol gwB'
site_start gwA && site_start gwB
check "a udp port and an af_xdp port connect" wait_for 20 peer_is gwA up
check "frames cross" pings
check "full-size frames with DF cross" wait_for 10 in_ns hostA ping -M "do" -s 1472 -c 3 -i 0.1 -W 1 10.66.0.2
load_start 2000 2
load_end '.duplicates == 0 and .lost <= .sent / 50'
load_start 2000 2 hostB hostA
load_end '.duplicates == 0 and .lost <= .sent / 50'
check "the path has the whole MTU" wait_for 10 eval '[ "$(pst gwA peers site-b.demo --json | jq ".path.mtu")" = 1500 ]'

# DSCP goes outside as it is inside.
topo_spawn natA "$SITES_DIR/dscp.out" timeout 5 tcpdump -nni lan0 -c 1 -v 'src 10.1.0.2 and udp port 7667 and ip[1] == 0xb8'
dscp=$TOPO_PID
sleep 0.5
in_ns hostA ping -Q 0xb8 -c 5 -i 0.1 -W 1 10.66.0.2 >/dev/null
check "DSCP is copied" wait $dscp
grep -q 'DF' "$SITES_DIR/dscp.out" || fail "DF is not set"

# A new address: the far side sees it, asks whether it is we, and follows.
ip -n "$(ns gwA)" addr del 10.1.0.2/24 dev wan0
ip -n "$(ns gwA)" addr add 10.1.0.77/24 dev wan0
ip -n "$(ns gwA)" route replace default via 10.1.0.1
check "frames cross after the address has changed" wait_for 10 pings 1
check "the far side has followed" wait_for 5 grep -q "moved to a new path" "$SITES_DIR/gwB/control.log"

# Silence: to the port, running, data-plane killed, all stopped.
probe() { # TEXT
	local out=$SITES_DIR/silence.pcap
	topo_spawn natA /dev/null tcpdump -nni lan0 -w "$out" --immediate-mode src host 10.1.0.77 and dst host 10.1.0.1
	local dump=$TOPO_PID
	sleep 0.5
	in_ns natA "$BUILD/tests/smoke/seqgen" send 10.1.0.77 7667 200 1 200 >/dev/null 2>&1
	for byte in 10 11 12 13 14 18 00 ff; do
		printf "\\x$byte%0127d" 0 >"$SITES_DIR/noise"
		in_ns natA bash -c "cat '$SITES_DIR/noise' >/dev/udp/10.1.0.77/7667"
		in_ns natA bash -c "printf '\\x$byte' >/dev/udp/10.1.0.77/7667"
	done 2>/dev/null
	sleep 0.5
	topo_stop "$dump"
	[ "$(tcpdump -nnr "$out" 2>/dev/null | wc -l)" -eq 0 ] ||
		{ tcpdump -nnr "$out" 2>/dev/null | head -5; fail "$1: it answered"; }
	echo "ok: silent: $1"
}
probe "running"
kill -9 "$(site_pid gwA dataplane)"
probe "data-plane killed"
check "it comes back" wait_for 30 pings 1
site_stop gwA
probe "all stopped"

# Both on sockets.
site_stop gwB
SITE_INTENT=true SITE_WAN='kind: udp, interface: wan0' site_config gwB
site_start gwA && site_start gwB
check "two udp ports connect" wait_for 30 pings 1
load_start 2000 2
load_end '.duplicates == 0 and .lost <= .sent / 50'
