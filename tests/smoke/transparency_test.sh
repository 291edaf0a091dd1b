#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Frames of every kind and size from 60 to 1518 bytes cross bit for bit, in order for each destination.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
check "frames cross" pings
cat >"$SITES_DIR/frames.py" <<'PY'
"""send|recv: every length with a pattern; unknown ethertypes, VLAN and QinQ tags, broadcast and unicast."""
import hashlib, random, socket, struct, sys, time

def frames(dst, src):
    r = random.Random(42)
    for n in list(range(60, 1515)) + [60, 1514] * 20:
        head = r.choice([dst, b"\xff" * 6, b"\x01\x00\x5e\x01\x02\x03"]) + src
        tags = r.choice([b"", b"", b"\x81\x00" + struct.pack(">H", r.randrange(1, 4095)), b"\x88\xa8\x00\x07\x81\x00\x00\x09"])
        n += len(tags) if len(tags) == 4 else 0  # one tag may come on top of the MTU, two may not
        body = head + tags + r.choice([b"\x88\xb5", b"\x88\xb6", b"\x89\x02"])
        yield body + r.randbytes(n - len(body))

s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
s.bind(("eth0", 3))
if sys.argv[1] == "send":
    dst = bytes.fromhex(sys.argv[2].replace(":", ""))
    for i, f in enumerate(frames(dst, s.getsockname()[4])):
        s.send(f)
        if i % 20 == 19:
            time.sleep(0.002)
else:
    me = s.getsockname()[4]
    want = list(frames(me, bytes.fromhex(sys.argv[2].replace(":", ""))))
    s.setsockopt(263, 8, 1)  # PACKET_AUXDATA: the kernel takes the outer tag off
    s.settimeout(8)
    queues = {}
    for f in want:
        queues.setdefault(f[:6], []).append(f)
    got = 0
    print("ready", flush=True)
    while got < len(want):
        data, aux, _, addr = s.recvmsg(4096, 64)
        if data[6:12] != want[0][6:12]:
            continue
        for level, kind, c in aux:
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", c[:20])
            if status & 0x10:
                data = data[:12] + struct.pack(">HH", tpid if status & 0x40 else 0x8100, tci) + data[12:]
        expected = queues.get(data[:6], [b""]).pop(0)
        if data != expected:
            print("frame", got, "differs: got", len(data), data[:24].hex(), "want", len(expected), expected[:24].hex())
            sys.exit(1)
        got += 1
    print(got, "frames bit for bit, in order for each destination")
PY
macA=$(in_ns hostA cat /sys/class/net/eth0/address) macB=$(in_ns hostB cat /sys/class/net/eth0/address)
topo_spawn hostB "$SITES_DIR/recv.out" python3 "$SITES_DIR/frames.py" recv "$macA"
recv=$TOPO_PID
wait_for 5 grep -q ready "$SITES_DIR/recv.out" || fail "the receiver does not start"
in_ns hostA python3 "$SITES_DIR/frames.py" send "$macB" || fail "the sender fails"
wait "$recv" || { cat "$SITES_DIR/recv.out" >&2; fail "not what was sent"; }
tail -n 1 "$SITES_DIR/recv.out"
