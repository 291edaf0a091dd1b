# SPDX-License-Identifier: BSD-3-Clause
"""Frames of every size and kind, sent by one host and compared by the other: frames.py send|recv MAC COUNT FILE.

MAC is the other host's. Every frame follows from its number, which is in its last four bytes: sizes from 60
to 1514 bytes, and 1518 with a tag; unicast, broadcast, multicast; untagged, VLAN, QinQ; IPv4 of sixteen flows
with checksums that are wrong, and ethertypes nobody knows. FILE is shared: how far the receiver has come, so
that the sender never outruns a slow machine.
"""
import itertools
import mmap
import random
import socket
import struct
import sys
import time

WINDOW = 256  # frames under way at most
SIZES = range(60, 1515)
PATTERN = random.Random(42).randbytes(1 << 16)
TAGS = [b'', b'', b'\x81\x00\x0f\xfe', b'\x88\xa8\x00\x07\x81\x00\x00\x09']
TYPES = [b'\x88\xb5', b'\x88\xb6', b'\x89\x02', b'\x08\x00']
GROUPS = [None, b'\xff' * 6, b'\x01\x00\x5e\x01\x02\x03']


def frame(i, dst, src):
    h = i * 2654435761 >> 7
    size = SIZES[i % len(SIZES)]
    tags = TAGS[h % 4]
    size += len(tags) if len(tags) == 4 else 0  # one tag may come on top of the MTU, two may not
    kind = TYPES[(h >> 2) % 4]
    body = (GROUPS[(h >> 4) % 3] or dst) + src + tags + kind
    if kind == b'\x08\x00':
        body += struct.pack('>BBHHHBBHIIHHHH', 0x45, 0, 28, i & 0xffff, 0, 64, 17, 0xbad, 0xc6120001, 0xc6130001,
                            10000 + (h >> 8) % 16, 9, 8, 0xbad)
    at = i * 7919 % (len(PATTERN) - 1600)
    return body + PATTERN[at:at + size - len(body) - 4] + struct.pack('>I', i)


def send(s, peer, count, reached):
    me = s.getsockname()[4]
    for i in range(count):
        end = time.monotonic() + 10
        while i - reached() > WINDOW:
            if time.monotonic() > end:
                sys.exit(f'the receiver stands at frame {reached()} of {i}')
            time.sleep(0.0005)
        s.send(frame(i, peer, me))


def received(s, peer):
    """What came from the peer; the kernel has taken the outer tag off and tells it beside the frame."""
    s.setsockopt(263, 8, 1)  # PACKET_AUXDATA
    s.settimeout(1)
    print('ready', flush=True)
    end = time.monotonic() + 8
    while time.monotonic() < end:  # not a time-out of the socket: the gateway's own probes keep arriving
        try:
            data, aux, _, _ = s.recvmsg(4096, 64)
        except TimeoutError:
            continue
        if data[6:12] != peer or data[12:14] == b'\x08\x06':  # ARP is the host's own
            continue
        end = time.monotonic() + 8
        for _, _, c in aux:
            status, _, _, _, _, tci, tpid = struct.unpack('IIIHHHH', c[:20])
            if status & 0x10:
                data = data[:12] + struct.pack('>HH', tpid if status & 0x40 else 0x8100, tci) + data[12:]
        yield data


def compare(s, peer, count, reach):
    me = s.getsockname()[4]
    last = {}  # destination → the latest number
    n = 0
    for n, data in zip(itertools.count(1), received(s, peer)):
        i = int.from_bytes(data[-4:], 'big')
        want = frame(i, me, peer) if i < count else b''
        if data != want:
            sys.exit(f'frame {n} differs: {len(data)} bytes {data[:32].hex()}, not {len(want)} bytes {want[:32].hex()}')
        if i <= last.get(data[:6], -1):
            sys.exit(f'frame {i} came after frame {last[data[:6]]} to the same destination')
        last[data[:6]] = i
        reach(i + 1)
        if n == count:
            break
    if n != count:
        sys.exit(f'{count - n} of {count} frames did not arrive')
    print(n, 'frames bit for bit, in order for each destination')


def main():
    role, peer, count, path = sys.argv[1], bytes.fromhex(sys.argv[2].replace(':', '')), int(sys.argv[3]), sys.argv[4]
    with open(path, 'r+b') as f:
        shared = mmap.mmap(f.fileno(), 8)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    s.bind(('eth0', 3))
    if role == 'send':
        send(s, peer, count, lambda: struct.unpack('Q', shared)[0])
    else:
        compare(s, peer, count, lambda i: struct.pack_into('Q', shared, 0, i))


main()
