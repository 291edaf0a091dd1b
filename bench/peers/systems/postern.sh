# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
system_name() { echo "Postern af_xdp"; }
system_describe() { echo "Postern $("$POSTERN" version | sed -n 's/^postern //p'), AF_XDP, one worker a gateway, polling: ${SITE_POLLING:-adaptive}"; }

system_up() { sites_up; }
