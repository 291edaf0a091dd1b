#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A reload applies what changed without losing a frame.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
load_start 5000 4
sleep 0.5
sed -i 's/intent: true}/intent: true}\n  - {name: site-c.demo, segments: [office]}/' "$SITES_DIR/gwA/gateway.yaml"
check "the file holds" pst gwA check-config
check "reload" pst gwA reload
load_end '.lost == 0 and .end_seen'
check "the new peer is known" eval "pst gwA peers --json | jq -e 'any(.[]; .name == \"site-c.demo\")'"
check "the old one is up" peer_is gwA up
