#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A Linux bridge that drops, doubles and damages some frames: the generator counts exactly what nft counts.
. "$(dirname "$0")/pktgen_lib.sh"

ip -n "$(ns dut)" link add br0 type bridge mcast_snooping 0
for port in d0 d1; do ip -n "$(ns dut)" link set $port master br0; done
topo_wire gen p2 dut d2
ip -n "$(ns dut)" link set d2 master br0
ip -n "$(ns dut)" link set br0 up
counter() { in_ns dut nft -j list counter $1 pg "$2" | jq '.nftables[] | .counter? // empty | .packets'; }
load="--rate 20kpps --count 20k"

# shellcheck disable=SC2086
clean "a bridge that only forwards" run --tx af_packet:p0 --rx af_packet:p1 $load --flows 16 --smacs 16 --dmacs 4
others=$(in_ns gen cat /sys/class/net/p2/statistics/rx_packets)
[ "$others" -lt 500 ] || fail "the bridge flooded $others frames to a third port: it learned nothing from the hellos"
echo "ok: hellos taught the bridge where everybody is"

# 64-byte frames have UDP length 30; hellos do not.
in_ns dut nft -f - <<-'NFT' || skip "nft has no bridge family here"
	table bridge pg {
		counter dropped {}
		chain forward {
			type filter hook forward priority 0; policy accept;
			iifname "d0" udp length 30 numgen inc mod 100 < 7 counter name dropped drop
		}
	}
NFT
# shellcheck disable=SC2086
pktgen run --tx af_packet:p0 --rx af_packet:p1 $load --flows 3
dropped=$(counter bridge dropped)
[ "$dropped" -eq 1400 ] || fail "nft dropped $dropped of 20000, not 7 %"
expect "nft dropped $dropped frames, as many are lost" ".lost == $dropped and .duplicated == 0 and .rx_frames == .tx_frames - $dropped"
expect "every stream has its share" '.directions[0].streams_with_events | length == 3 and (map(.lost) | add) == '"$dropped"

# From the other side of a process, by the sequence numbers and the sender's last word.
in_ns dut nft reset counters >/dev/null
topo_spawn gen "$dir/receive.log" "$PKTGEN" receive --rx af_packet:p1 --duration 30 --json "$dir/receive.json"
# shellcheck disable=SC2086
pktgen send --tx af_packet:p0 $load
wait "$TOPO_PID" || fail "receive ends with $?"
sent=$(jq .tx_frames <<<"$RESULT") dropped=$(counter bridge dropped)
RESULT=$(cat "$dir/receive.json")
expect "two processes: nft dropped $dropped of $sent" \
	".end_heard and .lost == $dropped and .rx_frames == $sent - $dropped and .latency_us.n == .rx_frames"

in_ns dut nft delete table bridge pg
in_ns dut nft -f - <<-'NFT' || skip "nft cannot double frames here"
	table netdev pg {
		counter doubled {}
		counter damaged {}
		chain in {
			type filter hook ingress device "d0" priority 0; policy accept;
			udp length 30 numgen inc mod 50 == 0 counter name doubled dup to "d1"
			udp length 30 numgen inc mod 80 == 1 @th,160,8 set 0xa5 counter name damaged
		}
	}
NFT
# shellcheck disable=SC2086
pktgen run --tx af_packet:p0 --rx af_packet:p1 $load
doubled=$(counter netdev doubled) damaged=$(counter netdev damaged)
[ "$doubled" -eq 400 ] && [ "$damaged" -eq 250 ] || fail "nft doubled $doubled and damaged $damaged"
expect "nft doubled $doubled and damaged $damaged frames, and so it is counted" \
	".duplicated == $doubled and .corrupted == $damaged and .lost == .corrupted"
