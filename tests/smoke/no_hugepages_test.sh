#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# hugepages: require without any is refused with the way out; never and auto do without.
. "$(dirname "$0")/lib.sh"

[ "$(awk '/^HugePages_Free/{print $2}' /proc/meminfo)" -eq 0 ] || skip "this machine has free hugepages"
site_config gwA
file=$SITES_DIR/gwA/gateway.yaml
sed -i 's/^dataplane:/dataplane:\n  hugepages: require/' "$file"
refuse "hugepages required, none there" "hugepages" in_ns gwA timeout 20 "$DATAPLANE" -c "$file"
for mode in never auto; do
	sed -i "s/hugepages: .*/hugepages: $mode/" "$file"
	topo_spawn gwA "$SITES_DIR/gwA/dataplane.log" "$DATAPLANE" -c "$file"
	check "hugepages: $mode starts" wait_for 15 test -S "$SITES_DIR/gwA/run/dataplane.sock"
	wait_for 10 grep -q "^<.>ready" "$SITES_DIR/gwA/dataplane.log" || fail "it does not get ready"
	topo_stop "$TOPO_PID"
	grep -qi "ordinary pages\|no hugepages\|without hugepages\|plain" "$SITES_DIR/gwA/dataplane.log" || fail "the log does not say which memory"
	: >"$SITES_DIR/gwA/dataplane.log"
done
