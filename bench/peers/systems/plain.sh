# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The ceiling: both LANs bridged over a cable between the gateways, no tunnel, no cryptography.
system_name() { echo "plain bridge"; }
system_describe() { echo "kernel bridge over a cable, no tunnel"; }

system_up() {
	bridge_up wan0
}
