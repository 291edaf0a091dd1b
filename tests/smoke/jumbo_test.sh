#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# 9000-byte packets between the hosts cross 1500-byte WANs. Not over AF_XDP, whose pages have no room for
# them: the ports are DPDK devices here (net_pcap to the hosts, net_af_packet to the WAN), and the gateway
# host itself reaches the hub through the WAN port's exception interface.
#
#   hostA ──9000── lan0 gwA wan0 ──1500── … ──1500── wan0 gwB lan0 ──9000── hostB
#                    10.1.0.2 exc0
TOPO_LAN_MTU=9000
. "$(dirname "$0")/lib.sh"

hub_config
check "a hub runs" eval 'hub_init && hub_start'
for g in gwA gwB; do
	net=10.$([ $g = gwA ] && echo 1 || echo 2).0
	SITE_INTENT=true site_config $g
	sed -i -e 's/name: lan0, role: lan, kind: af_xdp, interface: lan0, mtu: 1500/name: lan0, role: lan, kind: dpdk, device: "net_pcap0,rx_iface_in=lan0,tx_iface=lan0", mtu: 9000/' \
		-e 's/name: wan0, role: wan, kind: af_xdp, interface: wan0/name: wan0, role: wan, kind: dpdk, device: "net_af_packet0,iface=wan0", interface: exc0/' \
		"$SITES_DIR/$g/gateway.yaml"
	check "$g enrols" site_enrol $g
	# The address moves from the NIC, which is the data-plane's now, to the exception interface.
	ip -n "$(ns $g)" addr flush dev wan0
	site_start $g
	check "$g has its exception interface" wait_for 15 ip -n "$(ns $g)" link show exc0
	ip -n "$(ns $g)" link set exc0 up
	ip -n "$(ns $g)" addr add $net.2/24 dev exc0
	ip -n "$(ns $g)" route replace default via $net.1
done
check "the gateway's host reaches the hub through it" wait_for 5 in_ns gwA ping -c 1 -W 1 192.0.2.10
check "they connect" eval 'wait_for 30 peer_is gwA up && wait_for 5 peer_is gwB up'
check "small packets cross" wait_for 10 pings 1
check "9000-byte packets with DF cross" in_ns hostA ping -M "do" -s 8972 -c 10 -i 0.05 -W 2 10.66.0.2
check "and the other way" in_ns hostB ping -M "do" -s 8972 -c 10 -i 0.05 -W 2 10.66.0.1
check "every size crosses" in_ns hostA bash -c 'for s in $(seq 1400 97 8972); do ping -M "do" -s $s -c 1 -W 2 10.66.0.2 >/dev/null || { echo "size $s"; exit 1; }; done'
