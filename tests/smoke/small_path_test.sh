#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A path of 1280 bytes in the middle: full-size frames still cross, TCP as well, and the MTU is found.
#
#   gwA ── natA ── internet ──(MTU 1280)── natB ── gwB
. "$(dirname "$0")/lib.sh"

ip -n "$(ns internet)" link set natB mtu 1280
ip -n "$(ns natB)" link set wan0 mtu 1280
check "two sites come up" sites_up
check "1500-byte packets with DF cross" wait_for 15 in_ns hostA ping -M "do" -s 1472 -c 3 -i 0.1 -W 1 10.66.0.2
check "and the other way" wait_for 15 in_ns hostB ping -M "do" -s 1472 -c 3 -i 0.1 -W 1 10.66.0.1
check "the path's MTU is known" wait_for 15 eval "pst gwA peers site-b.demo --json | jq -e '.path.mtu <= 1280'"
load_start 2000 2
load_end '.lost == 0'
