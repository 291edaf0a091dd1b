# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The same over a cable whose ends cut and merge UDP themselves, as NICs with USO and the virtual ones of a
# hypervisor do. (OpenVPN gains nothing by it: it was tried.)
. "$here/systems/postern-super.sh"
eval "lan_$(declare -f system_up)"
system_name() { echo "Postern tap + udp, NIC offloads"; }

system_up() {
	local g
	lan_system_up || return 1
	for g in gwA gwB; do in_ns $g ethtool -K wan0 tso on tx-udp-segmentation on; done
}
