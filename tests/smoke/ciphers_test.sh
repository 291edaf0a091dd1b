#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One side without AES in hardware (forced by policy): both agree on ChaCha20-Poly1305, frames cross.
. "$(dirname "$0")/lib.sh"

hub_config && SITE_INTENT=true site_config gwA 'policy: {cipher: chacha20-poly1305}' && SITE_INTENT=true site_config gwB
check "the sites come up" eval 'hub_init && hub_start && site_enrol gwA && site_enrol gwB && site_start gwA && site_start gwB && wait_for 20 peer_is gwA up && wait_for 5 peer_is gwB up'
for g in gwA gwB; do
	c=$(pst $g peers "${SITE_PEER[$g]}" --json | jq -r .cipher)
	[ "$c" = chacha20-poly1305 ] || fail "$g uses $c"
done
check "frames cross" wait_for 5 pings 1
load_start 5000 2
load_end '.lost == 0 and .duplicates == 0'
