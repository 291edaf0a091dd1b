# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Layer 3, for the record: it carries no Ethernet. The gateways answer ARP for the other side's host.
system_name() { echo "wireguard-go (layer 3)"; }
system_describe() { echo "wireguard-go $(wireguard-go --version | sed -n '1s/.* v\?\([0-9][0-9.]*\).*/\1/p'), layer 3 only, ChaCha20-Poly1305"; }
system_dmac() { in_ns gwA cat /sys/class/net/lan0/address; }

system_up() {
	local g host other p wg public_gwA public_gwB
	for g in gwA gwB; do
		(umask 077 && wg genkey >"$SITES_DIR/$g/key")
		declare "public_$g=$(wg pubkey <"$SITES_DIR/$g/key")"
	done
	for g in gwA gwB; do
		wg=wg${g#gw}$$ # its control sockets lie in one directory, whatever the namespace
		if [ $g = gwA ]; then host=10.66.0.1 other=10.66.0.2 p=$public_gwB; else host=10.66.0.2 other=10.66.0.1 p=$public_gwA; fi
		topo_spawn $g "$SITES_DIR/wireguard-$g.log" env WG_PROCESS_FOREGROUND=1 wireguard-go -f "$wg"
		wait_for 5 ip -n "$(ns $g)" link show "$wg" || return 1
		wait_for 5 in_ns $g wg set "$wg" listen-port 51820 private-key "$SITES_DIR/$g/key" peer "$p" \
			endpoint "$([ $g = gwA ] && echo 198.51.100.2 || echo 198.51.100.1):51820" allowed-ips "$other/32" || return 1
		ip -n "$(ns $g)" link set "$wg" mtu 1420 up
		ip -n "$(ns $g)" route add "$host/32" dev lan0
		ip -n "$(ns $g)" route add "$other/32" dev "$wg"
		in_ns $g sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.lan0.proxy_arp=1
	done
}
