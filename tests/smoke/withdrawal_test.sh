#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Either side may end a connection; it comes back when both want it again.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
check "frames cross" pings
for side in gwA gwB; do
	other=$([ $side = gwA ] && echo gwB || echo gwA)
	check "$side withdraws" pst $side intents remove "${SITE_PEER[$side]}"
	check "$other notices" wait_for 3 eval "! peer_is $other up"
	check "no frame crosses" dead
	check "$side wants it again" pst $side intents add "${SITE_PEER[$side]}" --segment office --wait=15
	check "frames cross again" wait_for 5 pings 1
done
