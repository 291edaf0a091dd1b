#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One system, once: bring it up between two hosts, measure, take it down. Called by bench/peers/run.
#
#   one.sh SYSTEM SECONDS     prints {"name", "about", "tcp1_gbps", ...}; exit 1 and why on stderr
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/bench/peers
TOPO_DIRECT=1 TOPO_PREFIX=pb$$
. "$top/tools/lib/say.sh"
. "$top/tools/lib/topology.sh"
. "$top/tools/lib/sites.sh"

system=$1 seconds=$2

# The system's interface and the LAN port in one bridge, in each gateway.
bridge_up() { # IFACE
	local g
	for g in gwA gwB; do
		ip -n "$(ns $g)" link add br0 type bridge
		ip -n "$(ns $g)" link set br0 up
		ip -n "$(ns $g)" link set lan0 master br0
		ip -n "$(ns $g)" link set "$1" up master br0
	done
}

# To whom host A's frames are addressed; empty: to the receiver, which says hello. A system of layer 3 says that
# its gateway is.
system_dmac() { :; }

# What every NIC does for its host: checksums, and frames in pieces. It neither cuts nor merges.
cable_nics() {
	local g
	for g in gwA gwB; do
		in_ns $g ethtool -K wan0 tx on tso off tx-udp-segmentation off >/dev/null 2>&1
		in_ns $g ethtool -K wan0 gso on >/dev/null 2>&1
	done
}

cpu_idle_s() { awk '/^cpu / {print ($5 + $6) / '"$(getconf CLK_TCK)"'}' /proc/stat; }

# tcp STREAMS: Gb/s; leaves the run's processor seconds a gigabyte, of the whole machine, in $cpu_file.
tcp() {
	local server out idle from
	topo_spawn hostB /dev/null iperf3 -s -1
	server=$TOPO_PID
	wait_for 5 eval "in_ns hostB ss -ltn | grep -q :5201" || return 1
	idle=$(cpu_idle_s) from=$(now_ms)
	out=$(in_ns hostA timeout $((seconds + 15)) iperf3 -c 10.66.0.2 -t "$seconds" -O 1 -P "$1" -J) || { topo_stop "$server"; return 1; }
	jq --argjson ms $(($(now_ms) - from)) --argjson idle "$idle" --argjson now "$(cpu_idle_s)" --argjson cpus "$(nproc)" \
		'($cpus * $ms / 1000 - ($now - $idle)) / ([.intervals[].sum.bytes] | add / 1e9)' <<<"$out" >"$cpu_file"
	wait "$server"
	jq '.end.sum_received.bits_per_second / 1e9' <<<"$out"
}

# udp_trial BYTES RATE [OPTION...]: frames a second that were sent and that arrived, and the share that did not.
udp_trial() {
	local bytes=$1 rate=$2 length=$(((seconds + 1) / 2)) receiver
	shift 2
	topo_spawn hostB "$SITES_DIR/receive.log" "$pktgen" receive --rx af_xdp:eth0 --cores $(($(nproc) - 1)) --quiet \
		--duration $((length + 6)) --json "$SITES_DIR/receive.json"
	receiver=$TOPO_PID
	in_ns hostA timeout $((length + 20)) "$pktgen" send --tx af_xdp:eth0 --cores 0 --quiet --size "$bytes" --rate "$rate" \
		--duration "$length" "$@" --json "$SITES_DIR/send.json" >>"$SITES_DIR/send.log" 2>&1 || { topo_stop "$receiver" && return 1; }
	wait "$receiver" || return 1
	jq -rn --slurpfile s "$SITES_DIR/send.json" --slurpfile r "$SITES_DIR/receive.json" \
		'[$s[0].tx_pps, $r[0].rx_pps, 1 - $r[0].rx_frames / $s[0].tx_frames] | @tsv'
}

# udp BYTES: the most frames a second that arrive while at most UDP_LOSS of those sent are lost, and how many were.
# First as many as the sender can, then what of these arrived, then by halves. Where no trial loses so little,
# the one that lost least.
UDP_LOSS=0.05 UDP_TRIALS=5
udp() {
	local rate=max best='null null 2' dmac to=() sent got loss least low=0 high=0 n
	[ -x "$pktgen" ] || { echo 'null null' && return; }
	dmac=$(system_dmac)
	[ -z "$dmac" ] || to=(--dmac "$dmac" --sip 10.66.0.1 --dip 10.66.0.2)
	for ((n = 0; n < UDP_TRIALS; n++)); do
		read -r sent got loss < <(udp_trial "$1" "$rate" "${to[@]}") && [ -n "$loss" ] || break
		if awk "BEGIN {exit !($loss <= $UDP_LOSS)}"; then
			low=$sent best="$got $loss 0"
			[ "$rate" != max ] || break # the sender was the limit
		else
			high=$sent
			read -r _ _ least <<<"$best"
			awk "BEGIN {exit !($loss < $least)}" && best="$got $loss $loss"
		fi
		awk "BEGIN {exit !($low > 0 && $high < $low * 1.03)}" && break
		rate=$(awk "BEGIN {printf \"%dpps\", ($low > 0 ? ($low + $high) / 2 : $n > 0 ? $got * 0.8 : $got)}")
	done
	read -r got loss _ <<<"$best"
	[ "$got" != null ] || { echo "UDP of $1 B was not counted:" && tail -n 2 "$SITES_DIR"/{send,receive}.log; } >&2
	echo "$got $loss"
}

# Round trips of small packets, not one waiting for the other: median and 99th percentile in microseconds.
round_trip() {
	in_ns hostA ping -i 0.002 -c $((seconds * 250)) -W 1 10.66.0.2 | sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | sort -g |
		awk '{t[NR] = $1} END {if (NR == 0) print "null null"; else print t[int(NR * 0.5) + 1] * 1000, t[int(NR * 0.99) + 1] * 1000}'
}

. "$here/systems/$system.sh" || exit 1
trap 'sites_down' EXIT
trap 'exit 130' INT TERM
sites_init && topo_up && cable_nics || exit 1
pktgen=$BUILD/pktgen/postern-pktgen cpu_file=$SITES_DIR/cpu
if ! system_up >"$SITES_DIR/log" 2>&1 || ! wait_for 40 in_ns hostA ping -c 1 -W 1 10.66.0.2; then
	echo "did not come up" >&2
	tail -n 5 "$SITES_DIR"/log "$SITES_DIR"/*.log >&2 2>/dev/null
	exit 1
fi
read -r p50 p99 < <(round_trip)
tcp1=$(tcp 1) && cpu=$(<"$cpu_file") && tcp4=$(tcp 4) || { echo "carries no TCP" >&2 && exit 1; }
read -r udp64 loss64 < <(udp 64)
read -r udp1300 loss1300 < <(udp 1300)
jq -n --arg name "$(system_name)" --arg about "$(system_describe 2>/dev/null)" --argjson tcp1 "$tcp1" --argjson tcp4 "$tcp4" \
	--argjson udp64 "$udp64" --argjson loss64 "$loss64" --argjson udp1300 "$udp1300" --argjson loss1300 "$loss1300" \
	--argjson p50 "$p50" --argjson p99 "$p99" --argjson cpu "$cpu" -c \
	'{name: $name, about: $about, tcp1_gbps: $tcp1, tcp4_gbps: $tcp4, udp64_pps: $udp64, udp64_loss: $loss64, udp1300_pps: $udp1300,
	udp1300_loss: $loss1300, rtt_p50_us: $p50, rtt_p99_us: $p99, cpu_s_per_gb: $cpu}'
