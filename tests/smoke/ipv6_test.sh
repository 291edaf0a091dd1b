#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An underlay of IPv6 alone: enrolment, introduction, path and frames; the routers' firewalls are punched.
TOPO_V6=1
. "$(dirname "$0")/lib.sh"

check "the hub is in reach" wait_for 5 in_ns gwA ping -c 1 -W 1 2001:db8:c::10
in_ns gwB ping -c 1 -W 0.5 2001:db8:a::2 >/dev/null 2>&1 && fail "the firewall in front of gwA is open"
check "two sites come up" sites_up
pst gwA peers site-b.demo --json | jq -e '.path.family == "ipv6"' >/dev/null || fail "the path is not IPv6"
check "frames cross" pings
check "full-size frames with DF cross" wait_for 10 in_ns hostA ping -M "do" -s 1472 -c 3 -i 0.1 -W 1 10.66.0.2
load_start 5000 2
load_end '.lost == 0 and .duplicates == 0'
