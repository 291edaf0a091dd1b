# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
system_name() { echo "OpenVPN tap"; }
system_describe() { echo "$(openvpn --version | sed -n '1s/ \[.*//; 1s/ x86.*//p'), tap, AES-256-GCM, UDP"; }

system_up() {
	local g
	openssl ecparam -name prime256v1 -genkey -noout -out "$SITES_DIR/key.pem" &&
		openssl req -x509 -new -key "$SITES_DIR/key.pem" -subj /CN=bench -days 2 -out "$SITES_DIR/cert.pem" || return 1
	for g in gwA gwB; do
		local role=(--tls-client --remote 198.51.100.2 1194)
		[ $g = gwA ] || role=(--tls-server --dh none --lport 1194)
		topo_spawn $g "$SITES_DIR/openvpn-$g.log" openvpn --dev tap0 --dev-type tap --proto udp4 "${role[@]}" \
			--ca "$SITES_DIR/cert.pem" --cert "$SITES_DIR/cert.pem" --key "$SITES_DIR/key.pem" \
			--data-ciphers AES-256-GCM --disable-dco --sndbuf 2097152 --rcvbuf 2097152 --verb 3
		wait_for 5 ip -n "$(ns $g)" link show tap0 || return 1
	done
	bridge_up tap0
}
