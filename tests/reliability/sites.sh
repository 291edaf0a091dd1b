# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For rows that need two sites in namespaces: the smoke tests' helpers, with a row's endings. Sourced after
# lib.sh's row_args.
SITES_ROW_SCALE=$scale
. "$row_top/tests/smoke/lib.sh"
scale=$SITES_ROW_SCALE

skip() { row_skip "$*"; }
fail() {
	sites_logs 8 >&2
	row_result false "$*"
}

# respawn NODE: from here on the node's processes are restarted at once, however often they die.
respawn() {
	site_stop "$1"
	SUPERVISE=--eager site_start "$1"
}

# policy_config REKEY_S KEY_LIFE_S: for both sites, before sites_up.
site_extra() { printf 'policy: {rekey_s: %s, key_life_s: %s}' "$1" "$2"; }

# sites_up_with YAML: as sites_up, with this at the end of both files.
sites_up_with() {
	hub_config && SITE_INTENT=true site_config gwA "$1" && SITE_INTENT=true site_config gwB "$1"
	hub_init && hub_start && site_enrol gwA && site_enrol gwB || return 1
	site_start gwA && site_start gwB
	wait_for 15 site_ready gwA && wait_for 15 site_ready gwB && wait_for 10 peer_is gwA up && wait_for 10 peer_is gwB up
}
