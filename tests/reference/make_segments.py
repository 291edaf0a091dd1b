#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Super-frames and what a kernel makes of them, built segment by segment from the RFCs alone.

usage: make_segments.py > tests/vectors/segments.txt"""
import struct

FIN, SYN, PSH, ACK, ECE, CWR = 0x01, 0x02, 0x08, 0x10, 0x40, 0x80
ETH = bytes.fromhex('020000000002020000000001')
IP4 = (bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2]))
VIA6 = bytes.fromhex('20010db8' + '00' * 11 + '77')
IP6 = (bytes.fromhex('20010db8' + '00' * 11 + '01'), bytes.fromhex('20010db8' + '00' * 11 + '02'))


def inet_sum(b):
    b += b'\0' * (len(b) & 1)
    s = sum(struct.unpack('!%dH' % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s


def checksum(b):
    return ~inet_sum(b) & 0xffff


def pseudo(ips, proto, n):
    return ips[0] + ips[1] + struct.pack('!IBBBB', n, 0, 0, 0, proto)


def frame(tags, ips, ext, kind, ident, proto, l4):
    b = ETH + tags
    if len(ips[0]) == 16:
        body = ext + l4
        first = ext[0:1] and bytes([kind]) or bytes([proto])
        return b + b'\x86\xdd' + b'\x6a\x50\0\0' + struct.pack('!H', len(body)) + first + b'\x40' + ips[0] + ips[1] + body
    ihl = 5 + len(ext) // 4
    h = struct.pack('!BBHHHBBH', 0x40 | ihl, 0xb8, ihl * 4 + len(l4), ident & 0xffff, 0x4000, 64, proto, 0) + ips[0] + ips[1] + ext
    h = h[:10] + struct.pack('!H', checksum(h)) + h[12:]
    return b + b'\x08\x00' + h + l4


def tcp(ips, seq, flags, options, payload, whole):
    h = struct.pack('!HHIIBBHHH', 5201, 43210, seq & 0xffffffff, 0x01020304, (5 + len(options) // 4) << 4, flags, 501, 0, 0) + options
    s = pseudo(ips, 6, len(h) + len(payload))
    # A kernel leaves the pseudo-header's sum in a super-frame for its device.
    c = inet_sum(s) if whole else checksum(s + h + payload)
    return h[:16] + struct.pack('!H', c) + h[18:] + payload


def udp(ips, payload, whole):
    h = struct.pack('!HHHH', 4433, 50000, 8 + len(payload), 0)
    s = pseudo(ips, 17, len(h) + len(payload))
    c = inet_sum(s) if whole else checksum(s + h + payload) or 0xffff
    return h[:6] + struct.pack('!H', c) + payload


def case(name, size, n, l4, tags=b'', ips=IP4, ext=b'', kind=60, via=None, ident=0xfffe):
    # What is on its way by `via` has that address in its header; checksums cover the last one.
    way = (ips[0], via or ips[1])
    payload = bytes((7 * i + (i >> 8)) & 0xff for i in range(n))
    proto = 17 if l4 == 'udp' else 6
    options = bytes.fromhex('0101080a0102030405060708')

    def build(at, part, first, last, whole):
        if proto == 17:
            return udp(ips, part, whole)
        flags = l4 if whole else l4 & ~(0 if first else CWR) & ~(0 if last else FIN | PSH)
        return tcp(ips, 0xfffff800 + at, flags, options, part, whole)

    out = frame(tags, way, ext, kind, ident, proto, build(0, payload, True, True, True))
    print('%s.size (2) %s' % (name, struct.pack('<H', size).hex()))
    print('%s.super (%d) %s' % (name, len(out), out.hex()))
    for i, at in enumerate(range(0, n, size)):
        part = payload[at:at + size]
        out = frame(tags, way, ext, kind, ident + i, proto, build(at, part, at == 0, at + size >= n, False))
        print('%s.%d (%d) %s' % (name, i, len(out), out.hex()))


print('# Written by tests/reference/make_segments.py; do not edit.')
case('tcp4', 300, 1000, ACK | PSH | FIN | CWR | ECE)
case('tcp4_exact', 300, 900, ACK | PSH, tags=bytes.fromhex('81000064'))
case('tcp4_options', 101, 333, ACK, ext=bytes.fromhex('94040000'))
case('tcp6', 301, 1000, ACK | PSH | FIN | CWR, ips=IP6)
case('tcp6_tagged', 300, 601, ACK | PSH, ips=IP6, tags=bytes.fromhex('88a80064810000c8'))
case('tcp6_extension', 200, 500, ACK | PSH, ips=IP6, ext=bytes.fromhex('0600010400000000'))
case('udp4', 201, 1000, 'udp')
case('udp6', 200, 999, 'udp', ips=IP6)
route = bytes.fromhex('06040401' + '01000000') + IP6[1] + VIA6
case('tcp6_route', 200, 500, ACK | PSH, ips=IP6, ext=route, kind=43, via=VIA6)
case('udp6_route', 200, 500, 'udp', ips=IP6, ext=bytes([17, 2, 2, 1, 0, 0, 0, 0]) + IP6[1], kind=43, via=VIA6)
case('tcp6_arrived', 200, 500, ACK | PSH, ips=IP6, ext=route[:3] + b'\0' + route[4:], kind=43)
