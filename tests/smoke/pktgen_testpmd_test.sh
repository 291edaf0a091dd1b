#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Somebody else's forwarder between the generator's ports: every frame comes back from DPDK's testpmd.
. "$(dirname "$0")/pktgen_lib.sh"
command -v dpdk-testpmd >/dev/null || skip "dpdk-testpmd is not installed (package dpdk-dev)"

topo_spawn dut "$dir/testpmd.log" dpdk-testpmd --no-huge --no-pci --no-telemetry --file-prefix "$TOPO_PREFIX" -m 512 \
	--vdev net_af_packet0,iface=d0 --vdev net_af_packet1,iface=d1 -- \
	--forward-mode=io --auto-start --total-num-mbufs=8192 --stats-period=1
wait_for 20 grep -q 'NIC statistics' "$dir/testpmd.log" || fail "testpmd does not start"

clean "64-byte frames, one way, by AF_PACKET" run --tx af_packet:p0 --rx af_packet:p1 --rate 10kpps --count 10k
clean "IMIX in 100 flows, both ways, by AF_XDP" run --tx af_xdp:p0 --rx af_xdp:p1 --bidir --size imix --flows 100 --rate 10kpps --count 10k
expect "two directions" '.directions | length == 2 and all(.rx_frames == .tx_frames and .tx_frames == 10000)'
expect "with latency" '.latency_us | .n == 20000 and .p50 > 0 and .p50 <= .p99 and .p99 <= .p999 and .p999 <= .max'
clean "a VLAN tag stays on" run --tx af_packet:p0 --rx af_packet:p1 --vlan 100 --size 68,1518 --rate 10kpps --count 2k

# testpmd's own account: at least what we sent.
sent=$(jq .tx_frames <<<"$RESULT")
wait_for 5 awk -v n="$sent" '/RX-packets/ && $2 >= n {found = 1} END {exit !found}' "$dir/testpmd.log" ||
	fail "testpmd saw fewer frames than were sent"
echo "ok: testpmd counts as many"
