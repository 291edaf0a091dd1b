#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Workers send from source ports of their own where those get through, from one where they do not; the order of every
# flow holds either way, and the ports are as silent as the first.
TOPO_V6=1
SITE_WORKERS='0, 1'
# A veth gives AF_XDP one queue; packet sockets share the flows of the LAN out among the workers by their hash.
SITE_LAN='kind: dpdk, device: "net_af_packet0,iface=lan0,qpairs=2", queues: 2'
SITE_WAN='kind: af_xdp, interface: wan0, source_ports: 2'
. "$(dirname "$0")/lib.sh"
PKTGEN=$BUILD/pktgen/postern-pktgen
[ -x "$PKTGEN" ] || skip "postern-pktgen is not built"
[ "$(nproc)" -ge 2 ] || skip "needs two CPUs for two workers"

sites_begin() {
	local node
	hub_config && hub_init && hub_start || return 1
	for node in gwA gwB; do
		# Ports are tried as often as keepalives are due.
		SITE_INTENT=true site_config $node 'policy: {keepalive_s: 2}' && site_enrol $node && site_start $node || return 1
	done
	wait_for 15 site_ready gwA && wait_for 15 site_ready gwB && wait_for 15 peer_is gwA up && wait_for 15 peer_is gwB up
}

# What the internet carries from site A, by source port.
in_ns internet nft -f - <<-'NFT'
	table inet count {
		counter a0 {}
		counter a1 {}
		chain forward {
			type filter hook forward priority 0;
			ip6 saddr 2001:db8:a::2 udp sport 7667 counter name a0
			ip6 saddr 2001:db8:a::2 udp sport 7668 counter name a1
		}
	}
NFT
packets() { in_ns internet nft -j list counter inet count "$1" | jq '.nftables[] | select(.counter).counter.packets'; }

# flows_cross TEXT: many flows from hostA to hostB; each frame must arrive, once and in order. A busy machine gets
# three tries.
flows_cross() {
	local try receiver
	for try in 1 2 3; do
		rm -f "$SITES_DIR/receive.json"
		topo_spawn hostB "$SITES_DIR/receive.log" "$PKTGEN" receive --rx af_packet:eth0 --duration 30 --json "$SITES_DIR/receive.json"
		receiver=$TOPO_PID
		in_ns hostA timeout 30 "$PKTGEN" send --tx af_packet:eth0 --size imix --flows 50 --smacs 5 --rate 4kpps --count 8k \
			>"$SITES_DIR/send.log" 2>&1 || { cat "$SITES_DIR/send.log" >&2; fail "send ends with $?"; }
		wait "$receiver" || { cat "$SITES_DIR/receive.log" >&2; fail "receive ends with $?"; }
		jq -e '.lost == 0' "$SITES_DIR/receive.json" >/dev/null && break
		echo "    (try $try lost $(jq .lost "$SITES_DIR/receive.json"))"
	done
	jq -e '.end_heard and .rx_frames == 8000 and .lost == 0 and .duplicated == 0 and .reordered == 0 and .corrupted == 0' \
		"$SITES_DIR/receive.json" >/dev/null || fail "$1: $(jq -c 'del(.directions)' "$SITES_DIR/receive.json")"
	echo "ok: $1, 50 flows keep their order"
}

check "two sites of two workers come up" sites_begin
check "frames cross" pings
a0=$(packets a0)
flows_cross "where routers let in only what was asked for"
a0=$(($(packets a0) - a0)) a1=$(packets a1)
[ "$a0" -gt 1000 ] || fail "only $a0 packets came from the overlay port"
[ "$a1" -ge 1 ] && [ "$a1" -lt 100 ] || fail "$a1 packets came from the second port: some tries, no frames, were to"
echo "ok: from one port ($a0 packets; $a1 tries of the second)"

for router in natA natB; do in_ns $router nft insert rule inet filter forward udp dport 7667-7669 accept; done
# Who gave up tries once in 16 s, who gets through every 2 s.
before=$(packets a1)
opened() { [ "$(packets a1)" -gt $((before + 6)) ]; }
wait_for 40 opened || fail "the second port is not used though it would get through"
a0=$(packets a0) a1=$(packets a1)
flows_cross "where the ports get through"
a0=$(($(packets a0) - a0)) a1=$(($(packets a1) - a1))
[ "$a0" -gt 500 ] && [ "$a1" -gt 500 ] || fail "the two ports sent $a0 and $a1 packets"
echo "ok: from two ports ($a0 and $a1 packets)"
! grep -q "moved to a new path" "$SITES_DIR"/gw[AB]/control.log || fail "a source port was taken for a move"
[ "$(pst gwB peers --json | jq -r '.[].path.remote' | grep -c 7668)" -eq 0 ] || fail "the path is a source port"
echo "ok: no path moved"

# Who saw these datagrams asks the port they came from; 7669 is nobody's.
topo_spawn stranger "$SITES_DIR/icmp.log" tcpdump -nnlq -i eth0 'icmp6[0] == 1'
sleep 0.5
for port in 7668 7667 7669; do
	in_ns stranger bash -c "for i in 1 2 3; do echo hello >/dev/udp/2001:db8:a::2/$port; sleep 0.3; done" 2>/dev/null
done
check "a port that is nobody's answers" wait_for 5 grep -q 'udp port 7669' "$SITES_DIR/icmp.log"
! grep -qE 'udp port 766[78]' "$SITES_DIR/icmp.log" || { cat "$SITES_DIR/icmp.log"; fail "one of ours answered"; }
echo "ok: the source ports are silent"
