#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Super-frames: a gateway's own TCP hands 64 KB at once to a tap, which cross whole over a udp port to a
# gateway that takes them, and as ordinary frames with right checksums to one that does not.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is not installed"

cat >"$SITES_DIR/pipe.py" <<'PY'
"""pipe.py recv FAMILY PORT | send FAMILY ADDRESS PORT BYTES: what went over TCP, hashed at both ends."""
import hashlib, os, socket, sys
family = socket.AF_INET6 if sys.argv[2] == '6' else socket.AF_INET
h, n = hashlib.sha256(), 0
s = socket.socket(family, socket.SOCK_STREAM)
if sys.argv[1] == 'recv':
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('::' if family == socket.AF_INET6 else '', int(sys.argv[3])))
    s.listen(1)
    c, _ = s.accept()
    while b := c.recv(1 << 18):
        h.update(b)
        n += len(b)
else:
    s.connect((sys.argv[3], int(sys.argv[4])))
    block = os.urandom(1 << 20)
    while n < int(sys.argv[5]):
        h.update(block)
        s.sendall(block)
        n += len(block)
    s.close()
print(n, h.hexdigest())
PY
# carry TEXT FROM TO FAMILY ADDRESS: 32 MiB of noise over TCP arrive as they were sent.
carry() {
	local port=$((9200 + RANDOM % 500)) received
	topo_spawn "$3" "$SITES_DIR/received" timeout 60 python3 "$SITES_DIR/pipe.py" recv "$4" $port
	local receiver=$TOPO_PID
	: >"$SITES_DIR/received"
	wait_for 10 eval "in_ns $3 ss -ltn | grep -q :$port" || fail "$1: nobody listens"
	in_ns "$2" timeout 60 python3 "$SITES_DIR/pipe.py" send "$4" "$5" $port $((32 << 20)) >"$SITES_DIR/sent" ||
		fail "$1: not sent"
	wait $receiver || fail "$1: not received"
	received=$(cat "$SITES_DIR/received")
	[ "$received" = "$(cat "$SITES_DIR/sent")" ] || fail "$1: sent $(cat "$SITES_DIR/sent"), received $received"
	echo "ok: $1"
}
counters() { pst gwA peers site-b.demo --json | jq -r '"\(.tx_frames) \(.tx_bytes)"'; }
# mean_of BEFORE AFTER: bytes a frame between two of the above
mean_of() { awk -v a="$1" -v b="$2" 'BEGIN {split(a, x); split(b, y); print int((y[2] - x[2]) / (y[1] - x[1]))}'; }
tap_address() { # NODE LAST
	ip -n "$(ns "$1")" addr add 10.66.0.$2/24 dev tap0
	in_ns "$1" sysctl -qw net.ipv6.conf.tap0.disable_ipv6=0
	ip -n "$(ns "$1")" addr add fd66::$2/64 dev tap0 nodad
}
tap='kind: tap, interface: tap0' udp='kind: udp, interface: wan0'

hub_config
for g in gwA gwB; do SITE_INTENT=true SITE_LAN=$tap SITE_WAN=$udp site_config $g; done
check "the hub starts" eval 'hub_init && hub_start && site_enrol gwA && site_enrol gwB'
site_start gwA && site_start gwB
check "two taps over udp ports connect" wait_for 20 peer_is gwA up
tap_address gwA 1 && tap_address gwB 2
check "each says that it takes super-frames" eval '[ "$(pst gwA peers site-b.demo --json | jq .super_frames)" = true ]'
check "the path has the whole MTU" wait_for 10 eval '[ "$(pst gwA peers site-b.demo --json | jq ".path.mtu")" = 1500 ]'
before=$(counters)
carry "TCP over IPv4, tap to tap" gwA gwB 4 10.66.0.2
mean=$(mean_of "$before" "$(counters)")
[ "$mean" -gt 6000 ] || fail "frames of $mean bytes: no super-frames crossed"
echo "    a frame had $mean bytes in the mean"
carry "and back" gwB gwA 4 10.66.0.1
carry "TCP over IPv6" gwA gwB 6 fd66::2

# The far side without: an AF_XDP LAN port with a host behind it.
site_stop gwB
SITE_INTENT=true SITE_WAN=$udp site_config gwB
site_start gwB
ip -n "$(ns gwA)" neigh flush dev tap0 # the address is another station's now
check "the far side comes back with an AF_XDP LAN port" wait_for 30 in_ns gwA ping -c 1 -W 1 10.66.0.2
check "and says that it takes none" eval '[ "$(pst gwA peers site-b.demo --json | jq .super_frames)" = false ]'
in_ns hostB ethtool -K eth0 gro off >/dev/null 2>&1
topo_spawn hostB /dev/null tcpdump -nni eth0 --immediate-mode -B 8192 -c 3000 -w "$SITES_DIR/far.pcap" src 10.66.0.1
dump=$TOPO_PID
sleep 0.5
carry "TCP from a tap to a host behind AF_XDP" gwA hostB 4 10.66.0.2
wait $dump
tcpdump -nnvvr "$SITES_DIR/far.pcap" 2>/dev/null >"$SITES_DIR/far.txt"
grep -q 'cksum.*(correct)' "$SITES_DIR/far.txt" || fail "tcpdump verified no checksum"
! grep -qE 'bad cksum|incorrect' "$SITES_DIR/far.txt" || fail "$(grep -m3 -E 'bad cksum|incorrect' "$SITES_DIR/far.txt")"
longest=$(grep -o 'length [0-9]*)$' "$SITES_DIR/far.txt" | tr -dc '0-9\n' | sort -n | tail -1)
[ "${longest:-0}" -gt 1000 ] && [ "$longest" -le 1500 ] || fail "an IP packet of $longest bytes arrived"
echo "ok: it got packets of at most $longest bytes, every checksum right"
carry "and back" hostB gwA 4 10.66.0.1
