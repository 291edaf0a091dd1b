# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For rows that need two sites in namespaces: the smoke tests' helpers, with a row's endings. Sourced after
# lib.sh's row_args.
SITES_ROW_SCALE=$scale
. "$row_top/tests/smoke/lib.sh"
scale=$SITES_ROW_SCALE

skip() { row_skip "$*"; }
fail() {
	sites_logs 8 >&2
	row_result false "$*"
}

# respawn NODE: from here on the node's processes are restarted at once, however often they die.
respawn() {
	site_stop "$1"
	SUPERVISE=--eager site_start "$1"
}

# policy_config REKEY_S KEY_LIFE_S: for both sites, before sites_up.
site_extra() { printf 'policy: {rekey_s: %s, key_life_s: %s}' "$1" "$2"; }

# sites_up_with YAML: as sites_up, with this at the end of both files.
sites_up_with() {
	hub_config && SITE_INTENT=true site_config gwA "$1" && SITE_INTENT=true site_config gwB "$1"
	hub_init && hub_start && site_enrol gwA && site_enrol gwB || return 1
	site_start gwA && site_start gwB
	wait_for 15 site_ready gwA && wait_for 15 site_ready gwB && wait_for 10 peer_is gwA up && wait_for 10 peer_is gwB up
}

# ---------------------------------------------------------------- where frames stay

counter() { in_ns "$1" cat "/sys/class/net/$2/statistics/$3"; } # NODE IFACE NAME
udp_counter() { in_ns "$1" nstat -asz --json "$2" | jq ".kernel.$2"; } # NODE NAME

# settled: both gateways' counters, in $a and $b, taken while no frame was on its way between them.
settled() {
	local frames='[.ports.lan0, (.peers[] | {rx_frames, tx_frames})]'
	a=$(pst gwA stats --json) && b=$(pst gwB stats --json) && sleep 0.3 &&
		[ "$(jq -S "$frames" <<<"$a")" = "$(pst gwA stats --json | jq -S "$frames")" ] &&
		[ "$(jq -S "$frames" <<<"$b")" = "$(pst gwB stats --json | jq -S "$frames")" ]
}

# waited NODE: milliseconds that the gateway's workers wanted a processor and had none.
waited() {
	local task sum=0
	for task in "/proc/$(site_pid "$1" dataplane)"/task/*; do
		case $(cat "$task/comm") in rte-worker*) sum=$((sum + $(cut -d' ' -f2 "$task/schedstat") / 1000000)) ;; esac
	done
	echo $sum
}

# account_take: every counter between host A and host B, as JSON. With TOPO_DIRECT=1 and SITE_SEGMENT='guards:
# {loop: ignore}' (whose probes are frames that nobody sent) there is no hop but these.
account_take() {
	wait_for 20 settled || return 1
	jq -n --argjson a "$a" --argjson b "$b" --argjson sent "$(counter hostA eth0 tx_packets)" \
		--argjson refused "$(counter hostA eth0 tx_dropped)" --argjson arrived "$(counter hostB eth0 rx_packets)" \
		--argjson delivered "$(udp_counter hostB UdpInDatagrams)" --argjson full "$(udp_counter hostB UdpRcvbufErrors)" \
		--argjson wait_a "$(waited gwA)" --argjson wait_b "$(waited gwB)" '{$sent, $refused, $arrived, $delivered, $full, $wait_a, $wait_b,
		a_took: $a.ports.lan0.rx_frames, a_ring_full: $a.ports.lan0.rx_missed,
		a_gave: ([$a.peers[].tx_frames] | add), a_packets: ([$a.peers[].tx_packets] | add),
		b_ring_full: $b.ports.wan0.rx_missed, b_packets: ([$b.peers[].rx_packets] | add),
		b_took: ([$b.peers[].rx_frames] | add), b_gave: $b.ports.lan0.tx_frames,
		a_drops: $a.drops, b_drops: $b.drops}'
}

# account_of BEFORE AFTER: what stayed where, host A to host B. "machine": frames and packets that waited for a
# worker or a host without a processor until a ring or socket of the kernel was full. "ours": dropped by a
# gateway, by reason, or in no account.
account_of() {
	jq -n --argjson x "$1" --argjson y "$2" '
		def grown: . as $k | $y[$k] - $x[$k];
		def named($k): [$y[$k] | to_entries[] | {key, value: (.value - $x[$k][.key])} | select(.value != 0)] | from_entries;
		{sent: ("sent" | grown),
		machine: {host_queue: ("refused" | grown), a_ring_full: ("a_ring_full" | grown), b_ring_full_packets: ("b_ring_full" | grown),
			host_socket_full: ("full" | grown)},
		ours: {a_drops: named("a_drops"), b_drops: named("b_drops"),
			cable_to_a: (("sent" | grown) - ("a_took" | grown) - ("a_ring_full" | grown)),
			in_a: (("a_took" | grown) - ("a_gave" | grown)),
			cable_packets: (("a_packets" | grown) - ("b_packets" | grown) - ("b_ring_full" | grown)),
			packed: (if ("b_ring_full" | grown) == 0 then ("a_gave" | grown) - ("b_took" | grown) else 0 end),
			in_b: (("b_took" | grown) - ("b_gave" | grown)),
			cable_to_b: (("b_gave" | grown) - ("arrived" | grown))},
		waited_ms: {a: ("wait_a" | grown), b: ("wait_b" | grown)}}'
}

# load_add: wait for a load's account and add it to $load.
load='{"sent": 0, "lost": 0, "duplicates": 0, "reordered": 0, "max_gap_ms": 0, "end_seen": true}'
load_add() {
	wait "$LOAD_SEND" "$LOAD_RECV"
	load=$(jq --argjson l "$load" '{sent: (.sent + $l.sent), lost: (.lost + $l.lost), duplicates: (.duplicates + $l.duplicates),
		reordered: (.reordered + $l.reordered), max_gap_ms: ([.max_gap_ms, $l.max_gap_ms] | max),
		end_seen: (.end_seen and $l.end_seen)}' "$SITES_DIR/load.json") || load=null
	jq -c . <<<"$load"
}

# row_lossless true|false FIGURE BEFORE AFTER: the verdict of a row whose load ($load) must arrive whole, once;
# true or false says whether its other goals are met. What a queue of the kernel refused while a gateway's
# worker or a host waited for a processor is the machine's loss, not ours: if that is all of it, the row shows
# nothing.
row_lossless() {
	local account verdict=$1 figure
	account=$(account_of "$3" "$4")
	figure="$2, $(jq -r '"\(.sent) frames: \(.lost) lost, \(.duplicates) twice"' <<<"$load")"
	jq -e '.end_seen and .duplicates == 0' <<<"$load" >/dev/null || row_result false "$figure"
	jq -e '.lost == 0' <<<"$load" >/dev/null && row_result "$verdict" "$figure"
	jq . <<<"$account"
	jq -e --argjson gap "$(jq .max_gap_ms <<<"$load")" --argjson lost "$(jq .lost <<<"$load")" '
		([.ours[] | numbers] | all(. == 0)) and
		(.machine.b_ring_full_packets > 0 or .machine.host_queue + .machine.a_ring_full + .machine.host_socket_full >= $lost) and
		(.machine.a_ring_full == 0 or .waited_ms.a * 2 >= $gap) and
		(.machine.b_ring_full_packets == 0 or .waited_ms.b * 2 >= $gap)' <<<"$account" >/dev/null &&
		[ "$verdict" = true ] && verdict=unshown || verdict=false
	row_result $verdict "$figure; $(jq -r '"full queues of the kernel: \(.machine.host_queue) at host A, \(.machine.a_ring_full) before gateway A (its worker waited \(.waited_ms.a) ms for a CPU), \(.machine.b_ring_full_packets) packets before gateway B (\(.waited_ms.b) ms), \(.machine.host_socket_full) at host B; inside gateways \(.ours.in_a + .ours.packed + .ours.in_b), cables \(.ours.cable_to_a + .ours.cable_packets + .ours.cable_to_b)"' <<<"$account")"
}
