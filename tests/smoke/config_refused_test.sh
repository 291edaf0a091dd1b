#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A mistake in a configuration file: no process starts, the error points at it; on reload the old stays.
. "$(dirname "$0")/lib.sh"

bad=$SITES_DIR/bad.yaml
site_config gwA
good=$(cat "$SITES_DIR/gwA/gateway.yaml")

# try TEXT WORDS SED-EXPRESSION
try() {
	sed -E "$3" <<<"$good" >"$bad"
	[ "$(cat "$bad")" != "$good" ] || fail "the mistake \"$1\" changed nothing"
	refuse "check-config: $1" "bad.yaml:[0-9]+:[0-9]+.*($2)" in_ns gwA "$POSTERN" check-config "$bad"
	refuse "control: $1" "$2" in_ns gwA timeout 10 "$CONTROL" -c "$bad"
}
try "an unknown key, with the nearest one" "unknown key|workers" 's/workers:/worker:/'
try "a CPU that does not exist" "cpu|CPU" 's/workers: \[.*\]/workers: [1000]/'
try "an MTU that cannot be" "mtu" 's/(wan0, mtu): [0-9]+/\1: 100/; s/mtu: 1500\}$/mtu: 100}/'
try "two ports on one interface" "interface" 's/interface: wan0/interface: lan0/'
try "a word where a number belongs" "number|integer|whole" 's/id: 1,/id: one,/'

sed -E 's/workers:/worker:/' <<<"$good" >"$bad"
refuse "data-plane: an unknown key" "bad.yaml:[0-9]+:[0-9]+" in_ns gwA timeout 10 "$DATAPLANE" -c "$bad"
hub_config
sed -i 's/listen:/lisen:/' "$SITES_DIR/hub/hub.yaml"
refuse "hub: an unknown key" "hub.yaml:[0-9]+:[0-9]+" in_ns hub timeout 10 "$HUB" -c "$SITES_DIR/hub/hub.yaml"

check "two sites come up" sites_up
sed -i 's/segments: \[office\]/segments: [ofice]/' "$SITES_DIR/gwA/gateway.yaml"
refuse "reload: a segment that does not exist" "ofice|segment" pst gwA reload -s "$SITES_DIR/gwA/run/control.sock"
check "the connection stands as before" pings
