# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Two sites behind two NATs, an internet, a hub and a stranger, in network namespaces. Sourced by
# tools/demo, tools/bench and tests/smoke; needs root and tools/lib/say.sh.
#
#   site A                                                                          site B
#   hostA ──── gwA ──────── natA ─────────┐               ┌───────── natB ──────── gwB ──── hostB
#   10.66.0.1  lan0 wan0    10.1.0.1      │               │          10.2.0.1    wan0 lan0  10.66.0.2
#                  10.1.0.2    203.0.113.2│               │198.51.100.2    10.2.0.2
#                                        internet (router)
#                               192.0.2.10│               │192.0.2.130
#                                        hub           stranger
#
# With TOPO_V6=1 the underlay is IPv6 alone: no addresses are translated, but the routers still let in only
# what was asked for. gwA 2001:db8:a::2, gwB 2001:db8:b::2, hub 2001:db8:c::10, stranger 2001:db8:d::82.
#
# With TOPO_DIRECT=1 there is a cable between the gateways in place of routers and internet, for who measures
# gateways and not Linux's NAT; the hub hangs on site B's gateway, which routes to it. gwA 198.51.100.1,
# gwB 198.51.100.2.
#
#   hostA ──── gwA ───────────────── gwB ──── hostB
#              lan0 wan0   wan0 lan0  └─ hub
#
# The hosts share one subnet and have no route to anything else: what they say to each other, a tunnel
# carried. The NAT routers masquerade, keep ports where they can and drop whatever was not asked for
# (a port-restricted cone). No cable here computes checksums for its sender, as no real cable does.

# Every namespace, and every interface the host could see, begins with this.
TOPO_PREFIX=${TOPO_PREFIX:-pt$$}
TOPO_NODES=(hostA gwA natA internet natB gwB hostB hub stranger)
TOPO_MTU=${TOPO_MTU:-1500}
TOPO_LAN_MTU=${TOPO_LAN_MTU:-$TOPO_MTU} # between host and gateway
TOPO_V6=${TOPO_V6:-0}
TOPO_DIRECT=${TOPO_DIRECT:-0}
[ "$TOPO_DIRECT" -eq 0 ] || TOPO_NODES=(hostA gwA gwB hostB hub)
TOPO_HUB_ADDR=192.0.2.10
[ "$TOPO_V6" -eq 0 ] || TOPO_HUB_ADDR='[2001:db8:c::10]'
TOPO_PIDS=() # processes started by topo_spawn, killed by topo_down

ns() { printf '%s-%s' "$TOPO_PREFIX" "$1"; }
in_ns() { local node=$1 && shift && ip netns exec "$(ns "$node")" "$@"; }

# topo_spawn NODE LOG COMMAND...: run in the background in NODE, its output added to LOG; the pid, in
# $TOPO_PID, is the command's own (that of `in_ns ... &` is a shell's, which passes no signal on).
topo_spawn() {
	local node=$1 log=$2
	shift 2
	ip netns exec "$(ns "$node")" "$@" >>"$log" 2>&1 </dev/null &
	TOPO_PID=$!
	TOPO_PIDS+=("$TOPO_PID")
}

# topo_stop PID...: ask, wait two seconds, then insist.
topo_stop() {
	local pid i
	kill "$@" 2>/dev/null || true
	for pid in "$@"; do
		for ((i = 0; i < 100; i++)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.02
		done
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

# topo_wire NODE IFACE NODE IFACE [MTU]: a cable between two nodes. One queue each: an AF_XDP socket serves
# one queue, and the kernel refuses XDP where the other end may send on more.
topo_wire() {
	local mtu=${5:-$TOPO_MTU}
	ip link add "$2" netns "$(ns "$1")" mtu "$mtu" numtxqueues 1 numrxqueues 1 type veth \
		peer name "$4" netns "$(ns "$3")" mtu "$mtu" numtxqueues 1 numrxqueues 1
	topo_port "$1" "$2"
	topo_port "$3" "$4"
}

topo_port() {
	in_ns "$1" ethtool -K "$2" tx off rxvlan off txvlan off >/dev/null 2>&1 || true
	ip -n "$(ns "$1")" link set "$2" up
}

topo_addr() { case $3 in *:*) set -- "$@" nodad ;; esac; ip -n "$(ns "$1")" addr add "$3" dev "$2" "${@:4}"; }
topo_route() { ip -n "$(ns "$1")" route add "$2" via "$3"; }

# A NAT router: lan side `lan0`, internet side `wan0`.
topo_nat() {
	in_ns "$1" nft -f - <<-'NFT'
		table ip nat {
			chain post {
				type nat hook postrouting priority srcnat; policy accept;
				oifname "wan0" masquerade
			}
		}
		table inet filter {
			chain input {
				type filter hook input priority filter; policy drop;
				iifname { "lan0", "lo" } accept
				icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
				ct state established,related accept
			}
			chain forward {
				type filter hook forward priority filter; policy drop;
				iifname "lan0" accept
				ct state established,related accept
			}
		}
	NFT
}

topo_ipv4() {
	local node
	topo_addr gwA wan0 10.1.0.2/24 && topo_route gwA default 10.1.0.1
	topo_addr natA lan0 10.1.0.1/24
	topo_addr natA wan0 203.0.113.2/30 && topo_route natA default 203.0.113.1
	topo_addr gwB wan0 10.2.0.2/24 && topo_route gwB default 10.2.0.1
	topo_addr natB lan0 10.2.0.1/24
	topo_addr natB wan0 198.51.100.2/30 && topo_route natB default 198.51.100.1
	topo_addr internet natA 203.0.113.1/30
	topo_addr internet natB 198.51.100.1/30
	topo_addr internet hub 192.0.2.9/29
	topo_addr internet stranger 192.0.2.129/29
	topo_addr hub eth0 192.0.2.10/29 && topo_route hub default 192.0.2.9
	topo_addr stranger eth0 192.0.2.130/29 && topo_route stranger default 192.0.2.129
	for node in natA natB internet; do in_ns $node sysctl -qw net.ipv4.ip_forward=1; done
}

topo_ipv6() {
	local node
	for node in natA natB internet; do in_ns $node sysctl -qw net.ipv6.conf.all.forwarding=1; done
	topo_addr gwA wan0 2001:db8:a::2/64 && topo_route gwA default 2001:db8:a::1
	topo_addr natA lan0 2001:db8:a::1/64
	topo_addr natA wan0 2001:db8:1::2/64 && topo_route natA default 2001:db8:1::1
	topo_addr gwB wan0 2001:db8:b::2/64 && topo_route gwB default 2001:db8:b::1
	topo_addr natB lan0 2001:db8:b::1/64
	topo_addr natB wan0 2001:db8:2::2/64 && topo_route natB default 2001:db8:2::1
	topo_addr internet natA 2001:db8:1::1/64
	topo_addr internet natB 2001:db8:2::1/64
	topo_addr internet hub 2001:db8:c::1/64
	topo_addr internet stranger 2001:db8:d::1/64
	topo_route internet 2001:db8:a::/64 2001:db8:1::2
	topo_route internet 2001:db8:b::/64 2001:db8:2::2
	topo_addr hub eth0 2001:db8:c::10/64 && topo_route hub default 2001:db8:c::1
	topo_addr stranger eth0 2001:db8:d::82/64 && topo_route stranger default 2001:db8:d::1
}

topo_up() {
	local node
	for node in "${TOPO_NODES[@]}"; do
		ip netns add "$(ns "$node")" || return 1
		# Before any interface is up: no router solicitations or other chatter in the captures.
		if [ "$TOPO_V6" -eq 0 ]; then
			in_ns "$node" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
				net.ipv6.conf.default.disable_ipv6=1
		else
			in_ns "$node" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0
		fi
		ip -n "$(ns "$node")" link set lo up
	done
	topo_wire hostA eth0 gwA lan0 "$TOPO_LAN_MTU"
	topo_wire gwB lan0 hostB eth0 "$TOPO_LAN_MTU"

	topo_addr hostA eth0 10.66.0.1/24
	topo_addr hostB eth0 10.66.0.2/24
	# What a driver does for a NIC by itself: merge received segments.
	in_ns hostA ethtool -K eth0 gro on >/dev/null 2>&1 || true
	in_ns hostB ethtool -K eth0 gro on >/dev/null 2>&1 || true

	if [ "$TOPO_DIRECT" -eq 0 ]; then topo_internet; else topo_cable; fi
}

topo_internet() {
	topo_wire gwA wan0 natA lan0
	topo_wire natA wan0 internet natA
	topo_wire internet natB natB wan0
	topo_wire natB lan0 gwB wan0
	topo_wire internet hub hub eth0
	topo_wire internet stranger stranger eth0
	if [ "$TOPO_V6" -eq 0 ]; then topo_ipv4; else topo_ipv6; fi
	topo_nat natA
	topo_nat natB
}

topo_cable() {
	topo_wire gwA wan0 gwB wan0
	topo_wire gwB hub hub eth0
	topo_addr gwA wan0 198.51.100.1/30 && topo_route gwA default 198.51.100.2
	topo_addr gwB wan0 198.51.100.2/30
	topo_addr gwB hub 192.0.2.9/29
	topo_addr hub eth0 192.0.2.10/29 && topo_route hub default 192.0.2.9
	in_ns gwB sysctl -qw net.ipv4.ip_forward=1
}

# Everything topo_up made, and what still runs inside. Safe to call twice, and half-way.
topo_down() {
	local node pids
	[ ${#TOPO_PIDS[@]} -eq 0 ] || topo_stop "${TOPO_PIDS[@]}"
	TOPO_PIDS=()
	for node in "${TOPO_NODES[@]}"; do
		[ -e "/run/netns/$(ns "$node")" ] || continue
		# Only processes inside our own namespaces: nothing else can be in there.
		pids=$(ip netns pids "$(ns "$node")" 2>/dev/null) || pids=
		# shellcheck disable=SC2086
		[ -z "$pids" ] || topo_stop $pids
		ip netns del "$(ns "$node")" 2>/dev/null || true
	done
}

# wait_for SECONDS COMMAND...: try again every 20 ms until it succeeds.
wait_for() {
	local end=$(($(now_ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt "$end" ] || return 1
		sleep 0.02
	done
}
