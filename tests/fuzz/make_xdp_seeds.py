#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the seeds of fuzz_xdp: one frame for each way through the XDP program's parser.

usage: make_xdp_seeds.py [DIRECTORY]   (default: corpus/xdp beside this file)"""
import os
import struct
import sys

PORT = 7667
MACS = bytes(range(12))
LIVE = bytes(range(1, 9))


def udp(payload, dport=PORT, lie=0):
    return struct.pack('>HHHH', 40000, dport, 8 + len(payload) + lie, 0) + payload


def ipv4(body, proto=17, fragment=0x4000, words=0, lie=0):
    header = bytearray(struct.pack('>BBHHHBBH4s4s', 0x45 + words, 0, 20 + 4 * words + len(body) + lie, 1, fragment,
                                   64, proto, 0, b'\x0a\x01\0\x02', b'\x0a\x02\0\x02') + bytes(4 * words))
    total = sum(struct.unpack(f'>{len(header) // 2}H', header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    header[10:12] = struct.pack('>H', total ^ 0xffff)
    return MACS + b'\x08\x00' + bytes(header) + body


def ipv6(body, chain=(), lie=0):
    """chain: (number, 8 or more bytes whose first is to be the next header's number)"""
    following = [n for n, _ in chain[1:]] + [17]
    extensions = b''.join(bytes([f]) + e[1:] for f, (_, e) in zip(following, chain))
    first = chain[0][0] if chain else 17
    return MACS + b'\x86\xdd' + struct.pack('>IHBB', 6 << 28, len(extensions) + len(body) + lie, first, 64) + \
        bytes(15) + b'\x01' + bytes(15) + b'\x02' + extensions + body


def handshake(kind, length, tag=LIVE):
    return (bytes([kind, 0]) + struct.pack('<H', length) + bytes(4) + tag + bytes(length))[:length]


DATA = b'\x18' + bytes(59)
OPTIONS = bytes(8)
SEEDS = {
    'data_4': ipv4(udp(DATA)), 'data_6': ipv6(udp(DATA)), 'padded': ipv4(udp(DATA)) + bytes(6),
    'm1': ipv4(udp(handshake(0x11, 128))), 'm1_dead_tag': ipv4(udp(handshake(0x11, 128, bytes(8)))),
    'punch': ipv4(udp(handshake(0x10, 40))), 'm2': ipv6(udp(handshake(0x12, 682))),
    'm3': ipv4(udp(handshake(0x13, 610))), 'retry': ipv4(udp(handshake(0x14, 56))),
    'lie': ipv4(udp(handshake(0x11, 128)[:2] + b'\1\0' + handshake(0x11, 128)[4:])),
    'type': ipv4(udp(b'\x7f' + bytes(59))), 'short': ipv4(udp(DATA[:20])), 'empty': ipv4(udp(b'')),
    'options_4': ipv4(udp(DATA), words=2), 'fragment_4': ipv4(udp(DATA), fragment=0x2000),
    'later_4': ipv4(udp(DATA), fragment=0x2001), 'total_4': ipv4(udp(DATA), lie=100), 'tcp': ipv4(udp(DATA), proto=6),
    'other_port': ipv4(udp(DATA, dport=53)), 'udp_length': ipv4(udp(DATA, lie=-5)),
    'hop_6': ipv6(udp(DATA), [(0, OPTIONS)]), 'chain_6': ipv6(udp(DATA), [(0, OPTIONS), (43, OPTIONS), (60, OPTIONS)]),
    'fragment_6': ipv6(udp(DATA), [(44, bytes(8))]), 'later_6': ipv6(udp(DATA), [(44, b'\0\0\0\x08' + bytes(4))]),
    'total_6': ipv6(udp(DATA), lie=100), 'long_chain_6': ipv6(udp(DATA), [(60, OPTIONS)] * 7),
    'vlan': MACS + b'\x81\x00\x00\x05' + ipv4(udp(DATA))[12:], 'arp': MACS + b'\x08\x06' + bytes(46), 'cut': MACS,
}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    directory = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, 'corpus/xdp')
    os.makedirs(directory, exist_ok=True)
    for name, frame in SEEDS.items():
        with open(os.path.join(directory, name), 'wb') as f:
            f.write(frame)


main()
