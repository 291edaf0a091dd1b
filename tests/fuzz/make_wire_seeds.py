#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seeds for the targets that read wire/: the vectors, cut the way each target takes its input.

usage: make_wire_seeds.py    from anywhere; writes corpus/<target>/"""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, '..', '..')


def vectors(path):
    found = {}
    with open(os.path.join(ROOT, path)) as f:
        for line in f:
            if line[0] != '#':
                name, _, value = line.split()
                found[name] = bytes.fromhex(value)
    return found


def put(target, name, data):
    os.makedirs(os.path.join(HERE, 'corpus', target), exist_ok=True)
    with open(os.path.join(HERE, 'corpus', target, name), 'wb') as f:
        f.write(data)


def main():
    ref, intro = vectors('tests/reference/vectors.txt'), vectors('tests/vectors/introduction.txt')
    records = vectors('tests/vectors/records.txt')
    segments = vectors('tests/vectors/segments.txt')
    for name, data in segments.items():
        if name.endswith('.super'):
            put('super', name[:-6], segments[name[:-6] + '.size'] + data)
    for name in ('M1', 'M2', 'M3', 'M4', 'data'):
        put('datagram', name, ref[name])
    for name in ('punch_client', 'punch_server', 'retry'):
        put('datagram', name, intro[name])
    put('datagram', 'blocks', struct.pack('<HBB', 3, 1, 0) + b'abc' + struct.pack('<HBB', 1, 2, 7) + b'x' +
        bytes(8))
    put('m1', 'vector', ref['M1'][24:96])
    put('m1', 'aes', bytes([9]) + bytes(31) + bytes(32) + struct.pack('<II', 3 | 15 << 8, 0))
    chain = struct.pack('<H', 3) + b'abc' + struct.pack('<H', 2) + b'de'
    for name, caps in (('chacha', 2 | 2 << 24), ('aes', 3 | 1 << 24), ('wrong', 3 | 2 << 24)):
        put('m2', name, bytes(32) + struct.pack('<IIQH', 8, caps, 1, len(chain)) + chain)
    put('m3', 'chain', struct.pack('<QH', 1, len(chain)) + chain)
    put('m3', 'lie', struct.pack('<QH', 1, len(chain) + 1) + chain)
    put('intent', 'A', ref['intent_A'])
    put('intent', 'B', ref['intent_B'])
    types = dict(error=1, ping=2, csr=3, cert_enrol=4, cert_renew=4, put_intent=5, drop_intent=6, match=7,
                 match_rollover=7, candidates=8, observed_4=9, observed_6=9, relay_ask=11, relay_grant=11,
                 policy=12, policy_plain=12)
    for name, number in types.items():
        put('record', name, struct.pack('<H', number) + records[name])
    put('record', 'rollover', struct.pack('<H', 0) + records['rollover'])
    pieces = [records[f'piece_{i}'] for i in range(3)]
    put('record_stream', 'intent', b''.join(bytes([len(p)]) + p for p in pieces))
    put('record_stream', 'empty', bytes([6]) + struct.pack('<HI', 2, 0))
    put('record_stream', 'two', (bytes([8]) + struct.pack('<HI', 2, 2) + b'ab') * 2)
    put('candidates', 'three', intro['candidates'])
    put('candidates', 'sealed', intro['candidates_sealed_c2s'])
    put('candidates', 'chain', chain)


if __name__ == '__main__':
    main()
