#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Frames of every kind and size from 60 to 1518 bytes cross bit for bit, in order for each destination.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
check "frames cross" pings
frames_cross 3000 || fail "not what was sent"
