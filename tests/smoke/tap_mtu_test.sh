#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A tap whose MTU somebody raises behind our back (`ip link set`): a frame that is too long for its buffers is
# counted as missed and goes nowhere, not on with its end cut off.
. "$(dirname "$0")/lib.sh"

for g in gwA gwB; do
	SITE_INTENT=true SITE_LAN='kind: tap, interface: tap0, super_frames: off' \
		SITE_WAN='kind: udp, interface: wan0' site_config $g
done
hub_config
check "the hub starts" eval 'hub_init && hub_start && site_enrol gwA && site_enrol gwB'
site_start gwA && site_start gwB
check "two taps without super-frames connect" wait_for 20 peer_is gwA up
for end in gwA:1 gwB:2; do ip -n "$(ns ${end%:*})" addr add 10.66.0.${end#*:}/24 dev tap0; done
ip -n "$(ns hostA)" addr flush dev eth0
check "frames cross" wait_for 10 in_ns gwA ping -c 1 -W 1 10.66.0.2
missed() { pst gwA stats --json | jq -e '.ports.lan0.rx_missed'; }
check "none is missed" eval '[ "$(missed)" = 0 ]'

ip -n "$(ns gwA)" link set tap0 mtu 4000
topo_spawn gwB "$SITES_DIR/far.txt" tcpdump -nneli tap0 --immediate-mode 'ether proto 0x88b5'
dump=$TOPO_PID
wait_for 10 grep -q listening "$SITES_DIR/far.txt" || fail "tcpdump does not listen"
# To everybody, of an ethertype of their own: with headers 74, 1514, 1523, 3014 and 75 bytes.
in_ns gwA python3 -c '
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("tap0", 0))
for n in (60, 1500, 1509, 3000, 61):
    s.send(b"\xff" * 6 + b"\x02\x00\x00\x00\x00\x07" + b"\x88\xb5" + bytes(n))'
check "the last short frame arrives" wait_for 10 grep -q 'length 75:' "$SITES_DIR/far.txt"
topo_stop "$dump"
lengths=$(grep -o 'length [0-9]*:' "$SITES_DIR/far.txt" | tr -dc '0-9\n' | xargs)
[ "$lengths" = "74 1514 75" ] || fail "frames of $lengths bytes arrived, not of 74, 1514 and 75"
echo "ok: what fits its buffers arrives as it was"
check "the two others are counted" wait_for 5 eval '[ "$(missed)" = 2 ]'
check "frames still cross" in_ns gwA ping -c 1 -W 1 10.66.0.2
