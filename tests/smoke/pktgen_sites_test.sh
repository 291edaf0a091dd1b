#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The generator between two hosts whose Ethernet is carried by two Postern gateways.
. "$(dirname "$0")/lib.sh"
PKTGEN=$BUILD/pktgen/postern-pktgen
[ -x "$PKTGEN" ] || skip "postern-pktgen is not built"

check "two sites come up" sites_up
check "frames cross" pings
for try in 1 2 3; do
	rm -f "$SITES_DIR/receive.json" "$SITES_DIR/send.json"
	topo_spawn hostB "$SITES_DIR/receive.log" "$PKTGEN" receive --rx af_packet:eth0 --duration 30 --json "$SITES_DIR/receive.json"
	receiver=$TOPO_PID
	in_ns hostA timeout 30 "$PKTGEN" send --tx af_packet:eth0 --size imix --flows 50 --smacs 5 --rate 5kpps --count 10k \
		--json "$SITES_DIR/send.json" >"$SITES_DIR/send.log" 2>&1 || { cat "$SITES_DIR/send.log" >&2; fail "send ends with $?"; }
	wait "$receiver" || { cat "$SITES_DIR/receive.log" >&2; fail "receive ends with $?"; }
	sent=$(jq .tx_frames "$SITES_DIR/send.json")
	jq -c 'del(.directions)' "$SITES_DIR/receive.json"
	jq -e '.lost == 0' "$SITES_DIR/receive.json" >/dev/null && break
	echo "    (try $try)"
done
jq -e ".end_heard and .rx_frames == $sent and .rx_frames == 10000 and .lost == 0 and .duplicated == 0 and .reordered == 0 and .corrupted == 0
	and .latency_us.n == .rx_frames and .latency_us.p50 > 1" "$SITES_DIR/receive.json" >/dev/null || fail "not all $sent frames arrived, once, in order and intact"
echo "ok: $sent frames of 50 flows crossed, each once, in order and intact"
