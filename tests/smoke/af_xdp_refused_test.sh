#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A WAN interface that refuses AF_XDP: the gateway says so and carries on with a UDP socket.
. "$(dirname "$0")/lib.sh"

# The kernel attaches no XDP program to a veth whose peer may send on more queues than it has.
ip -n "$(ns gwA)" link del wan0
ip link add wan0 netns "$(ns gwA)" mtu "$TOPO_MTU" numtxqueues 1 numrxqueues 1 type veth \
	peer name lan0 netns "$(ns natA)" mtu "$TOPO_MTU" numtxqueues 4 numrxqueues 4
topo_port gwA wan0 && topo_port natA lan0
topo_addr gwA wan0 10.1.0.2/24 && topo_route gwA default 10.1.0.1
topo_addr natA lan0 10.1.0.1/24
in_ns natA ethtool -L lan0 tx 4 rx 4 >/dev/null 2>&1

check "two sites come up" sites_up
grep -q "carrying on with a UDP socket" "$SITES_DIR/gwA/dataplane.log" || fail "the kernel refused nothing, or nothing was said"
echo "ok: $(grep -m1 -o 'port wan0: the kernel does not attach.*' "$SITES_DIR/gwA/dataplane.log" | cut -c1-90)"
check "the port is said to be udp" eval 'pst gwA status --json | jq -e "[.. | .kind? // empty] | any(. == \"udp\")"'
check "frames cross" pings
