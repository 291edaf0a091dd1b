#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A gateway that ends, in order or killed, leaves interfaces as they were for the next start, and of its
# firewall table only what keeps the kernel silent, until it is told to take that away.
. "$(dirname "$0")/lib.sh"

xdp_left() { ip -n "$(ns gwA)" -d link show | grep -c 'prog/xdp'; }
has_table() { [ -n "$(tables)" ]; }
tables() { in_ns gwA nft list tables; }

before=$(tables)
check "two sites come up" sites_up
[ "$(xdp_left)" -eq 2 ] || fail "not both ports have their program"
site_stop gwA
sleep 0.2
[ "$(xdp_left)" -eq 0 ] || fail "a program stays attached after an orderly end"
# The data-plane may not remove names any more when it ends: its socket stays, refusing, until the next one.
[ ! -e "$SITES_DIR/gwA/run/control.sock" ] || fail "a socket stays: $(ls "$SITES_DIR/gwA/run")"
[ "$(tables | wc -l)" -eq 1 ] || fail "not one nft table stays: $(tables)"
check "the table can be taken away" in_ns gwA "$CONTROL" -c "$SITES_DIR/gwA/gateway.yaml" --silence off
[ "$(tables)" = "$before" ] || fail "nft tables stay: $(tables)"
check "twice, too" in_ns gwA "$CONTROL" -c "$SITES_DIR/gwA/gateway.yaml" --silence off
check "the interfaces work for the kernel" in_ns gwA ping -c 1 -W 2 192.0.2.10

site_start gwA
check "it comes up again" wait_for 20 peer_is gwA up
in_ns gwA nft flush ruleset
check "a flushed ruleset gets the table back" wait_for 5 has_table
# The supervisor first, or it would restart what follows.
kill -9 "${SUPERVISOR[gwA]}"
wait "${SUPERVISOR[gwA]}" 2>/dev/null
for p in dataplane control; do kill -9 "$(site_pid gwA $p)"; done
for pid in $(ip netns pids "$(ns gwA)"); do kill -9 "$pid"; done
sleep 0.2
site_start gwA
check "and after everything was killed" wait_for 20 peer_is gwA up
check "frames cross" wait_for 5 pings 1
