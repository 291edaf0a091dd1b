# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Super-frames: no AF_XDP, no driver. The hosts are what a gateway's own virtual machines or containers are:
# their cable to it (not that between the gateways) has the offloads of a virtual one, so that what their TCP
# makes at once reaches the tap at once. Between the gateways the kernel cuts and merges.
SITE_LAN='kind: tap, interface: tap0' SITE_WAN='kind: udp, interface: wan0'
system_name() { echo "Postern tap + udp"; }
system_describe() { echo "Postern $("$POSTERN" version | sed -n 's/^postern //p'), tap with super-frames, UDP socket, one worker a gateway, polling: ${SITE_POLLING:-adaptive}"; }

system_up() {
	local end
	sites_up || return 1
	bridge_up tap0
	for end in hostA:eth0 gwA:lan0 gwB:lan0 hostB:eth0; do
		in_ns "${end%:*}" ethtool -K "${end#*:}" tx on tso on gso on
	done
	for end in gwA gwB; do in_ns $end ethtool -K wan0 gro on; done
}
