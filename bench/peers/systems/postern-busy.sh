# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The same with workers that never sleep.
SITE_POLLING=busy
. "$here/systems/postern.sh"
system_name() { echo "Postern af_xdp, busy"; }
