#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A port that cannot be opened: each reason has its sentence, and the interface is left as it was.
. "$(dirname "$0")/lib.sh"

site_config gwA
good=$(cat "$SITES_DIR/gwA/gateway.yaml")
bad=$SITES_DIR/bad.yaml
run() { in_ns gwA timeout 20 "$DATAPLANE" -c "$bad"; }

sed 's/interface: lan0/interface: nosuch0/' <<<"$good" >"$bad"
refuse "an interface that does not exist" "nosuch0" run
ip -n "$(ns gwA)" link set wan0 mtu 1300
printf '%s\n' "$good" >"$bad"
refuse "an interface whose MTU is too small" "mtu" run
ip -n "$(ns gwA)" link set wan0 mtu 1500
sed 's/interface: lan0/interface: lan0, queues: 4/' <<<"$good" >"$bad"
refuse "more queues than the interface has" "queue" run
printf '%s\n' "$good" >"$bad"
chmod 755 "$SITES_DIR" "$SITES_DIR"/gwA && chmod 777 "$SITES_DIR/gwA/run"
refuse "no privilege" "privilege|permission|root|CAP_" \
	in_ns gwA timeout 20 setpriv --bounding-set -all --inh-caps -all --reuid 65534 --clear-groups "$DATAPLANE" -c "$bad"
refuse "a DPDK device that does not exist" "device|port" eval 'sed "s/kind: af_xdp, interface: lan0/kind: dpdk, device: \"0000:ff:1f.7\"/" <<<"$good" >"$bad"; run'
for i in lan0 wan0; do
	ip -n "$(ns gwA)" -d link show $i | grep -q 'prog/xdp' && fail "$i has a program left"
done
echo "ok: no program is left on an interface"
