# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
system_name() { echo "fastd"; }
system_describe() { echo "$(fastd --version), salsa2012+umac (its fastest AEAD)"; }

system_up() {
	local g other secret_gwA secret_gwB public_gwA public_gwB
	for g in gwA gwB; do
		local keys
		keys=$(fastd --generate-key 2>/dev/null)
		declare "secret_$g=$(sed -n 's/^Secret: //p' <<<"$keys")" "public_$g=$(sed -n 's/^Public: //p' <<<"$keys")"
	done
	# The side that is called first: a lost first handshake costs fastd twenty seconds.
	for g in gwB gwA; do
		other=$([ $g = gwA ] && echo gwB || echo gwA)
		local s=secret_$g p=public_$other
		cat >"$SITES_DIR/fastd-$g.conf" <<-CONF
			mode tap;
			interface "tap0";
			method "salsa2012+umac";
			bind any:10000;
			mtu 1500;
			secret "${!s}";
			peer "$other" {
				key "${!p}";
				$([ $g = gwA ] && echo 'remote ipv4 198.51.100.2 port 10000;')
			}
		CONF
		topo_spawn $g "$SITES_DIR/fastd-$g.log" fastd -c "$SITES_DIR/fastd-$g.conf"
		wait_for 5 ip -n "$(ns $g)" link show tap0 || return 1
	done
	bridge_up tap0
}
