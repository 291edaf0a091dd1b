# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A hub and the gateways of two sites, set up and running on the topology. Sourced after say.sh and
# topology.sh by tools/demo, tools/bench and tests/smoke.
#
#   $SITES_DIR/hub/       hub.yaml, passphrase, state/, run/, hub.log
#   $SITES_DIR/gwA/       gateway.yaml, passphrase, state/, run/, dataplane.log, control.log
#   $SITES_DIR/gwB/       the same
#
# Gateway gwA is called site-a.demo, gwB site-b.demo, in the network "demo"; the segment is "office", id 1.

BUILD=${BUILD:-$top/build}
POSTERN=$BUILD/tools/postern
# In a build tree the programs lie apart; installed, they lie side by side.
export POSTERN_LIBEXEC=$BUILD/controlplane/signer
SITES_DIR= # made by sites_init

declare -A SITE_NAME=([gwA]=site-a.demo [gwB]=site-b.demo)
declare -A SITE_PEER=([gwA]=site-b.demo [gwB]=site-a.demo)
declare -A SITE_CPU=([gwA]=0 [gwB]=$(($(nproc) > 1 ? 1 : 0)))
declare -A SUPERVISOR=() # node → pid

sites_init() {
	local node
	SITES_DIR=$(mktemp -d "${TMPDIR:-/tmp}/postern.XXXXXX") || return 1
	for node in hub gwA gwB; do
		mkdir -p "$SITES_DIR/$node/state" "$SITES_DIR/$node/run"
		chmod 700 "$SITES_DIR/$node/state"
		(umask 077 && head -c 24 /dev/urandom | base64 >"$SITES_DIR/$node/passphrase")
	done
}

# hub_config [EXTRA YAML]
hub_config() {
	cat >"$SITES_DIR/hub/hub.yaml" <<-YAML
		hub:
		  name: hub.demo
		  network: demo
		  listen: ["$TOPO_HUB_ADDR:7667"]
		  udp2_port: 7668
		  state_dir: $SITES_DIR/hub/state
		  run_dir: $SITES_DIR/hub/run
		authority:
		  passphrase_file: $SITES_DIR/hub/passphrase
	YAML
	[ -z "${1:-}" ] || printf '%s\n' "$1" >>"$SITES_DIR/hub/hub.yaml"
}

# site_config NODE [EXTRA YAML]: intents are left to be added by hand. SITE_LAN and SITE_WAN are what its
# ports are made of, if not AF_XDP; SITE_SEGMENT is more of the segment's settings.
site_config() {
	local dir=$SITES_DIR/$1
	cat >"$dir/gateway.yaml" <<-YAML
		gateway:
		  name: ${SITE_NAME[$1]}
		  network: demo
		  state_dir: $dir/state
		  run_dir: $dir/run
		identity:
		  passphrase_file: $dir/passphrase
		dataplane:
		  workers: [${SITE_WORKERS:-${SITE_CPU[$1]}}]
		  main_cpu: ${SITE_CPU[$1]}
		  polling: ${SITE_POLLING:-adaptive}
		ports:
		  - {name: lan0, role: lan, ${SITE_LAN:-kind: af_xdp, interface: lan0}, mtu: $TOPO_MTU}
		  - {name: wan0, role: wan, ${SITE_WAN:-kind: af_xdp, interface: wan0}, mtu: $TOPO_MTU}
		segments:
		  - {id: 1, name: office, ports: [lan0]${SITE_SEGMENT:+, $SITE_SEGMENT}}
		peers:
		  - {name: ${SITE_PEER[$1]}, segments: [office], intent: ${SITE_INTENT:-false}}
	YAML
	[ -z "${2:-}" ] || printf '%s\n' "$2" >>"$dir/gateway.yaml"
}

# The CLI as seen from a gateway or the hub: `pst gwA peers`, `pst hub hub token`.
pst() {
	local node=$1 file=gateway.yaml
	shift
	[ "$node" != hub ] || file=hub.yaml
	in_ns "$node" "$POSTERN" "$@" -c "$SITES_DIR/$node/$file"
}

hub_init() { pst hub hub init; }

hub_start() {
	topo_spawn hub "$SITES_DIR/hub/supervise.log" "$top/tools/supervise" "$SITES_DIR/hub" \
		"hub=$BUILD/controlplane/hub/postern-hub -c $SITES_DIR/hub/hub.yaml"
	SUPERVISOR[hub]=$TOPO_PID
	wait_for 10 pst hub hub status
}

# site_enrol NODE: a token for its name, and the enrolment; prints the steps.
site_enrol() {
	pst hub hub token "${SITE_NAME[$1]}" >"$SITES_DIR/$1/token" 2>/dev/null || return 1
	pst "$1" enrol --token-file "$SITES_DIR/$1/token"
}

site_start() {
	# shellcheck disable=SC2086
	topo_spawn "$1" "$SITES_DIR/$1/supervise.log" "$top/tools/supervise" ${SUPERVISE:-} "$SITES_DIR/$1" \
		"dataplane=$BUILD/dataplane/postern-dataplane -c $SITES_DIR/$1/gateway.yaml" \
		"control=${SITES_CONTROL:-$BUILD/controlplane/gateway/postern-control} -c $SITES_DIR/$1/gateway.yaml"
	SUPERVISOR[$1]=$TOPO_PID
}

site_stop() {
	[ -z "${SUPERVISOR[$1]:-}" ] || topo_stop "${SUPERVISOR[$1]}"
	unset "SUPERVISOR[$1]"
}

site_pid() { cat "$SITES_DIR/$1/$2.pid" 2>/dev/null; } # NODE dataplane|control|hub

site_get() { pst "$1" status --json 2>/dev/null | jq -re "$2"; }

# Ready for intents: the data-plane runs and the hub is connected.
site_ready() {
	[ "$(site_get "$1" '.dataplane.state + " " + .hub.state')" = "running connected" ]
}

peer_state() { pst "$1" peers --json 2>/dev/null | jq -r ".[] | select(.name == \"${SITE_PEER[$1]}\").state"; }
peer_is() { [ "$(peer_state "$1")" = "$2" ]; }

# sites_connect: from nothing to a connection that carries frames.
sites_up() {
	hub_config && SITE_INTENT=${SITE_INTENT:-true} site_config gwA && SITE_INTENT=${SITE_INTENT:-true} site_config gwB
	hub_init && hub_start && site_enrol gwA && site_enrol gwB || return 1
	site_start gwA && site_start gwB
	wait_for 15 site_ready gwA && wait_for 15 site_ready gwB || return 1
	[ "${SITE_INTENT:-true}" = false ] || { wait_for 10 peer_is gwA up && wait_for 10 peer_is gwB up; }
}

# What the daemons said, for a failure's report.
sites_logs() {
	local f
	[ -n "$SITES_DIR" ] || return 0
	for f in "$SITES_DIR"/*/{hub,dataplane,control}.log; do
		[ -s "$f" ] || continue
		printf '%s\n' "--- ${f#"$SITES_DIR"/} (last ${1:-15} lines)"
		tail -n "${1:-15}" "$f"
	done
}

sites_down() {
	local node
	for node in "${!SUPERVISOR[@]}"; do topo_stop "${SUPERVISOR[$node]}"; done
	SUPERVISOR=()
	topo_down
	[ -z "$SITES_DIR" ] || rm -rf "$SITES_DIR"
	SITES_DIR=
}
