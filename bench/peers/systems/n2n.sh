# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
system_name() { echo "n2n"; }
system_describe() { echo "$(edge -h 2>&1 | sed -n 's/^Welcome to \(n2n v.[0-9.]*\).*/\1/p'), Twofish (its only cipher)"; }

system_up() {
	local g
	topo_spawn hub "$SITES_DIR/supernode.log" supernode -l 7654
	for g in gwA gwB; do
		topo_spawn $g "$SITES_DIR/edge-$g.log" env N2N_KEY=benchmark edge -d tap0 -a "10.99.0.$([ $g = gwA ] && echo 1 || echo 2)" \
			-c bench -l "$TOPO_HUB_ADDR:7654" -p 7655 -M 1500 -r \
			-m "02:6e:32:6e:00:0$([ $g = gwA ] && echo 1 || echo 2)"
		wait_for 5 ip -n "$(ns $g)" link show tap0 || return 1
	done
	bridge_up tap0
}
