#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A stranger's scan: datagrams of every plausible shape, TCP connections, to the given endpoints.

usage: scan.py DATAGRAMS ADDRESS:PORT[/udp]...     (/udp: no TCP connection there; seeded, so that a run repeats)
"""
import random
import socket
import struct
import sys
import time

TYPES = [0x10, 0x11, 0x12, 0x13, 0x14, 0x18]
LENGTHS = {0x10: 40, 0x11: 128, 0x12: 682, 0x13: 610, 0x14: 56, 0x18: 1400}


def datagram(r):
    """From pure noise to everything right but the keys."""
    kind = r.randrange(4)
    if kind == 0:
        return r.randbytes(r.choice([0, 1, 3, 4, 15, 16, 35, 36, 40, 128, 600, 1400, 1472]))
    t = r.choice(TYPES)
    length = LENGTHS[t] if kind > 1 else r.randrange(1, 1472)
    body = bytearray(r.randbytes(length))
    body[0] = t
    if length >= 24 and t != 0x18:
        body[1] = 0
        body[2:4] = struct.pack("<H", length if kind == 3 else r.randrange(65536))
        body[16:24] = struct.pack("<Q", int(time.time() * 1e6))
    elif length >= 16 and t == 0x18:
        body[1:16] = bytes([r.randrange(3), 0, 0]) + struct.pack("<IQ", r.randrange(1 << 10), r.randrange(1 << 20))
    return bytes(body)


def main():
    n = int(sys.argv[1])
    names = [a.removesuffix("/udp") for a in sys.argv[2:]]
    ends = [(a.rsplit(":", 1)[0], int(a.rsplit(":", 1)[1])) for a in names]
    r = random.Random(7667)
    sent = 0
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(n):
        try:
            udp.sendto(datagram(r), ends[i % len(ends)])
            sent += 1
        except OSError:
            pass
    opened = 0
    for arg, end in zip(sys.argv[2:], ends):
        if arg.endswith("/udp"):
            continue
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.settimeout(0.3)
        try:
            tcp.connect(end)
            opened += 1
            tcp.sendall(struct.pack(">H", 128) + datagram(r))
            tcp.recv(1)
        except OSError:
            pass
        tcp.close()
    print('{"datagrams":%d,"tcp_opened":%d}' % (sent, opened))


main()
