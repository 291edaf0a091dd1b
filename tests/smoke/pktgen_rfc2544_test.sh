#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A bridge that lets 20,000 frames a second through: RFC 2544's procedures find that out.
. "$(dirname "$0")/pktgen_lib.sh"

ip -n "$(ns dut)" link add br0 type bridge mcast_snooping 0
for port in d0 d1; do ip -n "$(ns dut)" link set $port master br0; done
ip -n "$(ns dut)" link set br0 up
in_ns dut nft -f - <<-'NFT' || skip "nft has no bridge family here"
	table bridge pg {
		chain forward {
			type filter hook forward priority 0; policy accept;
			iifname "d0" udp length 30 limit rate over 20000/second burst 400 packets drop
		}
	}
NFT

# procedure EXPRESSION ARGUMENTS...: its result satisfies the expression, in one of three tries. What it finds
# depends on a sender that keeps its rate; where other processes take its CPU there is nothing to be found.
procedure() {
	local name=$1 expression=$2 try
	shift 2
	for try in 1 2 3; do
		pktgen rfc2544 "$name" --tx af_packet:p0 --rx af_packet:p1 --trial 0.4 --settle 0.15 --resolution 4 "$@"
		holds "$expression" && break
		echo "    (try $try: $(jq -c '.rows' <<<"$RESULT"))"
	done
	holds "$expression" || holds 'all(.trials[]; .cpu_share > 0.9)' || skip "$name: other processes take the sender's CPU"
	expect "$name" "$expression"
}

# 400 frames of burst are 1,000 a second over 0.4 s.
procedure throughput '.rows[0] | .pps > 15000 and .pps < 22500 and .confirmed and (.sender_limited | not)' --rate 50kpps
holds '[.trials[] | select(.tx_pps > 23000 and .lost == 0)] == []' || fail "a trial above the limit lost none: $(jq -c .trials <<<"$RESULT")"
echo "ok: no trial passes above the limit"
procedure loss '(.rows[0] | .offered_percent == 100 and .loss_percent > 20) and (.rows[-2:] | map(.loss_percent) == [0, 0])' --rate 30kpps
procedure latency '(.rows | length == 2) and all(.rows[]; .loss_percent == 0 and .latency_us.p99 > 0)' --rate 10kpps --shares 50,100
procedure back-to-back '.rows[0] | .frames > 200 and .frames < 1000' --rate 200kpps --repeat 1 --resolution 0.25
procedure recovery '.rows[0] | .runs == 1 and .seconds >= 0 and .seconds < 0.4' --rate 30kpps --repeat 1
