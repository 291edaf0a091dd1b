# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
system_name() { echo "tinc switch"; }
system_describe() { echo "$(tincd --version | head -1), switch mode, AES-256-CBC and SHA-256 (its strongest)"; }

system_up() {
	local g
	for g in gwA gwB; do
		local d=$SITES_DIR/$g/tinc
		mkdir -p "$d/hosts"
		printf 'Name = %s\nMode = switch\nInterface = tap0\nDeviceType = tap\nPrivateKeyFile = %s/rsa\n' $g "$d" >"$d/tinc.conf"
		[ $g = gwB ] || echo "ConnectTo = gwB" >>"$d/tinc.conf"
		openssl genrsa -traditional -out "$d/rsa" 2048
		chmod 600 "$d/rsa"
		{
			[ $g = gwA ] || echo "Address = 198.51.100.2"
			printf 'Cipher = aes-256-cbc\nDigest = sha256\n'
			openssl rsa -in "$d/rsa" -RSAPublicKey_out
		} >"$SITES_DIR/tinc-host-$g"
	done
	for g in gwA gwB; do
		cp "$SITES_DIR/tinc-host-gwA" "$SITES_DIR/$g/tinc/hosts/gwA"
		cp "$SITES_DIR/tinc-host-gwB" "$SITES_DIR/$g/tinc/hosts/gwB"
		topo_spawn $g "$SITES_DIR/tinc-$g.log" tincd -D -c "$SITES_DIR/$g/tinc" --pidfile="$SITES_DIR/$g/tinc.pid"
		wait_for 5 ip -n "$(ns $g)" link show tap0 || return 1
	done
	bridge_up tap0
}
