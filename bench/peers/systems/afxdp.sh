# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What AF_XDP sockets alone can carry here: DPDK's testpmd forwards between them, no tunnel, no
# cryptography.
system_name() { echo "bare AF_XDP forwarding"; }
system_describe() { echo "testpmd io forwarding over AF_XDP, no cryptography ($(dpkg-query -W -f "\${Version}" dpdk-dev))"; }

system_up() {
	local g cpu=0
	for g in gwA gwB; do
		topo_spawn $g "$SITES_DIR/testpmd-$g.log" dpdk-testpmd --no-huge --no-shconf --no-pci \
			--file-prefix="$TOPO_PREFIX$g" -m 192 --lcores "0@$cpu,1@$cpu" --no-telemetry \
			--vdev net_af_xdp0,iface=lan0 --vdev net_af_xdp1,iface=wan0 -- \
			--forward-mode=io --nb-cores=1 --total-num-mbufs=16384 --no-mlockall --auto-start --stats-period=60
		cpu=$((cpu + 1 < $(nproc) ? cpu + 1 : cpu))
	done
	wait_for 10 in_ns hostA ping -c 1 -W 1 10.66.0.2
}
