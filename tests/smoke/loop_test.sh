#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two sites whose LANs are also joined by a cable do not melt: the tunnel is cut out of the segment, said so
# in log and status, and joined again when the cable is gone.
#
#   hostA ─ br0 ─ eth0 ── gwA ══ tunnel ══ gwB ── eth0 ─ br0 ─ hostB
#            └──────────────── cable ─────────────────────┘
. "$(dirname "$0")/lib.sh"

bridge() { # NODE ADDRESS; a bridge without an address of its own takes the lowest of its ports'
	ip -n "$(ns "$1")" link add br0 address "02:00:5e:00:00:0${2:8:1}" type bridge && ip -n "$(ns "$1")" link set br0 up
	ip -n "$(ns "$1")" addr flush dev eth0 && ip -n "$(ns "$1")" addr add "$2" dev br0
	ip -n "$(ns "$1")" link set eth0 master br0
}
ip -n "$(ns hostA)" link add br0 type bridge 2>/dev/null || skip "this kernel has no bridge"
ip -n "$(ns hostA)" link del br0
frames() { in_ns hostB cat /sys/class/net/eth0/statistics/rx_packets; }
looped() { [ "$(site_get "$1" '.loops | join(" ")')" = office ]; }
joined() { [ "$(site_get gwA '.loops | length')" = 0 ] && [ "$(site_get gwB '.loops | length')" = 0 ]; }

check "two sites come up" sites_up
bridge hostA 10.66.0.1/24 && bridge hostB 10.66.0.2/24
check "frames cross the tunnel" wait_for 10 pings 1

topo_wire hostA cable hostB cable
ip -n "$(ns hostA)" link set cable master br0
ip -n "$(ns hostB)" link set cable master br0
in_ns hostA ping -b -c 20 -i 0.05 -W 0.1 10.66.0.255 >/dev/null 2>&1
check "gateways find the loop" wait_for 15 looped gwA
grep -q "segment office is joined with it by another way" "$SITES_DIR/gwA/control.log" \
	|| fail "control says nothing of it"
before=$(frames)
in_ns hostA ping -b -c 20 -i 0.05 -W 0.1 10.66.0.255 >/dev/null 2>&1
sleep 1
after=$(frames)
echo "    $((after - before)) frames at hostB's port in two seconds, 20 broadcasts among them"
[ $((after - before)) -lt 200 ] || fail "the loop still carries frames"
# The bridges learn the other way from the first broadcast that comes by it.
speak() { in_ns hostA ping -b -c 1 -W 0.1 10.66.0.255; in_ns hostB ping -b -c 1 -W 0.1 10.66.0.255; pings 1; }
check "hosts reach each other by the cable" wait_for 10 speak

ip -n "$(ns hostA)" link del cable
check "without the cable the tunnel is joined again" wait_for 30 joined
check "and carries frames" wait_for 10 speak
