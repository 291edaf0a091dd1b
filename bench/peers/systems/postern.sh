# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
system_describe() { echo "Postern $("$POSTERN" version | sed -n 's/^postern //p'), AF_XDP, one worker a gateway, through both NATs"; }

system_up() { sites_up; }
