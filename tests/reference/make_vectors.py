#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Known answers for what postern_ref.py leaves out. Independent of the C code: only libsodium (through
postern_ref), struct, and python3-cryptography for AES-256-GCM.

usage: make_vectors.py [--check] DIR     writes, or compares with, DIR/*.txt"""
import io
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import postern_ref as ref
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

L, H, gh, kdf = ref.L, ref.H, ref.gh, ref.kdf
NOW = 1767225600
TS = NOW * 10**6 + 9
KEY_C, KEY_S = 0x11223344, 0x55667788


def seed(name):
    return gh(32, b'vector ' + name.encode())


def le16s(b):
    return struct.pack('<H', len(b)) + b


def xseal(key, nonce, ad, m):
    out = ref.C.create_string_buffer(len(m) + 16)
    ref._call(ref.S.crypto_aead_xchacha20poly1305_ietf_encrypt, out, None, m, ref.C.c_ulonglong(len(m)),
              ad, ref.C.c_ulonglong(len(ad)), None, nonce, key)
    return out.raw


class Two:
    """The reference's two gateways, and a pair from their intents."""

    def __init__(self):
        self.root = seed('root')
        self.net = ref.net_id(self.root, b'example-corp')
        self.pa, self.sa = ref.edkeys(seed('idA'))
        self.pb, self.sb = ref.edkeys(seed('idB'))
        self.ca = b'CERT-A:' + self.pa + bytes(409)
        self.cb = b'CERT-B:' + self.pb + bytes(409)
        a, b = b'site-a.example-corp', b'site-b.example-corp'
        self.ia = ref.make_intent(self.net, NOW * 10**6, NOW, NOW + 86400, ref.xpk(seed('ia')), H(self.ca),
                                  ref.AES | ref.CHA, a, b, self.sa)
        self.ib = ref.make_intent(self.net, NOW * 10**6 + 5, NOW, NOW + 86400, ref.xpk(seed('ib')),
                                  H(self.cb), ref.CHA, b, a, self.sb)
        ik = seed('ia')
        self.pair = ref.Pair(True, self.net, self.ia, self.ib, ik, ref.xpk(ik), ref.xpk(seed('ib')))


def gate_pair(secret, th0):
    """A pair from a shared secret (hub link, enrolment)."""
    p = ref.Pair.__new__(ref.Pair)
    p.client, p.th0, p.k = True, th0, gh(32, L(b'gate') + th0, secret)
    p.tagk = {1: kdf(p.k, 1, b'PSTNpair', 32), 0: kdf(p.k, 2, b'PSTNpair', 32)}
    p.mack = {i: kdf(p.k, 2 + i, b'PSTNpair', 32) for i in (1, 2, 3)}
    p.psk = kdf(p.k, 8, b'PSTNpair', 32)
    return p


def punch(p, client, ts, flags):
    b = b'\x10' + bytes([flags]) + struct.pack('<HI', 40, 0) + p.tag(1 if client else 0, NOW)
    b += struct.pack('<Q', ts)
    return b + gh(16, b, p.mack[1 if client else 2])


def candidates(ts, entries):
    b = struct.pack('<BB6xQ', 1, len(entries), ts)
    for family, kind, port, prio, addr in entries:
        b += struct.pack('<BBHI', family, kind, port, prio) + addr.ljust(16, b'\0')
    return b.ljust(208, b'\0')


def introduction(out):
    t = Two()
    p = t.pair
    psk = seed('psk')
    s2c, c2s = ref.kx(True, seed('ia'), ref.xpk(seed('ia')), ref.xpk(seed('ib')))
    out('K_pair_psk', gh(32, L(b'pair') + p.th0 + psk, s2c + c2s))
    for i in range(1, 9):
        out(f'sub_key_{i}', kdf(p.k, i, b'PSTNpair', 32))
    out('tag_c2s', p.tag(1, NOW))
    out('tag_s2c', p.tag(0, NOW))
    out('tag_c2s_next', p.tag(1, NOW + 600))
    out('punch_client', punch(p, True, TS, 0))
    out('punch_server', punch(p, False, TS + 1, 1))

    ad = L(b'candidates')
    plain = candidates(77, [(4, 1, 7667, 100, bytes([192, 0, 2, 9])),
                            (6, 2, 40000, 50, bytes.fromhex('20010db8000000000000000000000001')),
                            (4, 3, 1, 0, bytes([203, 0, 113, 254]))])
    nonce = seed('nonce')[:24]
    out('candidates', plain)
    out('candidates_sealed_c2s', nonce + xseal(kdf(p.k, 6, b'PSTNpair', 32), nonce, ad, plain))
    empty = candidates(78, [])
    out('candidates_sealed_s2c', nonce + xseal(kdf(p.k, 7, b'PSTNpair', 32), nonce, ad, empty))

    rnd, hedge = seed('rnd1') + seed('rnd2'), seed('hedge')
    out('hedged_x_sk', H(L(b'eph-x') + rnd[:32] + hedge + p.th0 + struct.pack('<Q', TS)))
    out('hedged_nonce', H(L(b'eph-n') + rnd[32:] + hedge + p.th0 + struct.pack('<Q', TS)))
    out('hedged_ipk_sk', H(L(b'ipk') + rnd[:32] + hedge + p.th0 + struct.pack('<Q', TS)))

    msg1 = ref.m1(p, KEY_C, TS, NOW, ref.xpk(seed('x')), seed('nc'), ref.AES | ref.CHA)
    source = b'\x04' + bytes([192, 0, 2, 1]).ljust(16, b'\0') + struct.pack('<H', 7667)
    cookie = gh(16, L(b'cookie') + source + p.th0, seed('cookie secret'))
    retry = b'\x14\0' + struct.pack('<HI', 56, KEY_C) + p.tag(0, NOW) + struct.pack('<Q', TS) + cookie
    out('retry', retry + gh(16, retry, p.mack[2]))
    out('m1_after_retry', msg1[:112] + gh(16, msg1[:112], cookie))


def handshake(out, prefix, p, field_c, field_s, t):
    """M1, M2, M3, lane keys for a pair and certificate fields; the hub is B."""
    caps = ref.CHA
    msg1 = ref.m1(p, KEY_C, TS, NOW, ref.xpk(seed('x')), seed('nc'), caps)
    msg2, st = ref.m2(p, msg1, KEY_S, NOW, seed('y'), seed('ns'), caps, 9, field_s, t.sb)
    msg3, tc, _, _ = ref.m3(p, msg1, msg2, seed('x'), caps, lambda der: t.pb, field_c, t.sa, NOW, 8)
    ts = ref.finish(p, st, msg3, lambda der: t.pa)
    assert ts == tc
    out(prefix + '_m1', msg1)
    out(prefix + '_m2', msg2)
    out(prefix + '_m3', msg3)
    for d in (0, 1):
        for plane in (0, 1):
            out(f'{prefix}_ts_{"s2c" if d == 0 else "c2s"}_{plane}', ts[(d, plane)])
    return ts


def hub(out):
    t = Two()
    gw, hubname = b'site-a.example-corp', b'hub.example-corp'
    th0 = H(L(b'th0-hub') + t.net + le16s(gw) + le16s(hubname))
    p = gate_pair(seed('gate secret'), th0)
    out('hub_th0', th0)
    out('hub_K_pair', p.k)
    chain_a = le16s(t.ca) + le16s(seed('issuing') * 10) + le16s(seed('root cert') * 9)
    chain_b = le16s(t.cb) + le16s(seed('issuing') * 10) + le16s(seed('root cert') * 9)
    handshake(out, 'hub', p, chain_a, chain_b, t)

    token_id = seed('token id')[:16]
    th0 = H(L(b'th0-enrol') + H(seed('root cert') * 9) + token_id + le16s(hubname))
    p = gate_pair(seed('token secret'), th0)
    out('enrol_th0', th0)
    out('enrol_K_pair', p.k)
    handshake(out, 'enrol', p, t.pa, chain_b, t)


def block(kind, segment, payload):
    return struct.pack('<HBB', len(payload), kind, segment) + payload


def packet(key, iv, key_id, lane, counter, plain, aes=False):
    hdr = struct.pack('<BBHIQ', 0x18, lane, 0, key_id, counter)
    nonce = bytes(a ^ b for a, b in zip(iv, struct.pack('<IQ', 0, counter)))
    if aes:
        return hdr + AESGCM(key).encrypt(nonce, plain, hdr)
    return hdr + ref.seal(key, hdr, plain, nonce)


def packets(out):
    """Self-contained: the lane keys come with them."""
    secret = seed('data plane secret')

    def lane_key(n):
        b = kdf(secret, n, b'PSTNlane', 64)
        return b[:32], b[32:44]

    out('data_secret', secret)
    for n in (1, 2, 255):
        k, iv = lane_key(n)
        out(f'lane_{n}', k + iv)
    k, iv = lane_key(1)
    eth = lambda n, c: bytes([0x02, 0, 0, 0, 0, c, 0x02, 0, 0, 0, 1, c, 8, 0]) + bytes(
        (i * 7 + c) & 255 for i in range(n - 14))
    f60, f61, f9216 = eth(60, 1), eth(61, 2), eth(9216, 3)
    packed = block(1, 0, f60) + block(1, 7, f61) + block(1, 255, eth(14, 4))
    cases = {
        'keepalive': (0, bytes(4)),
        'one_frame': (1, block(1, 0, f60)),
        'packed_three': (2, packed),
        'packed_padded': (3, packed + bytes(64)),
        'padding_of_three': (4, block(1, 0, f60) + bytes(3)),
        'probe': (5, block(4, 0, struct.pack('<I', 7)) + bytes(1400)),
        'probe_ack': (6, block(5, 0, struct.pack('<IH', 7, 1432))),
        'path_challenge': (7, block(6, 0, seed('challenge')[:8])),
        'path_response': (8, block(7, 0, seed('challenge')[:8])),
        'last_counter': (2**31 - 1, block(1, 0, f60)),
    }
    # A 9216-byte frame over a path of 1280: the plaintext of a packet is 1280 - 20 - 8 - 16 - 16.
    room = 1220
    pieces, rest = [], f9216
    first = struct.pack('<H', len(f9216)) + rest[:room - 4 - 4 - len(f60) - 2 - 4]
    head = block(1, 0, f60) + block(2, 0, first)
    pieces.append(head)
    rest = rest[len(first) - 2:]
    while rest:
        pieces.append(block(3, 0, rest[:room - 4]))
        rest = rest[room - 4:]
    pieces[-1] += block(1, 0, f61)      # the stream goes on behind the last piece
    for i, plain in enumerate(pieces):
        cases[f'frag_{i}'] = (100 + i, plain)
    out('frame_60', f60)
    out('frame_61', f61)
    out('frame_14', eth(14, 4))
    out('frame_9216', f9216)
    for name, (counter, plain) in cases.items():
        out('chacha_' + name, packet(k, iv, KEY_S, 1, counter, plain))
        out('aes_' + name, packet(k, iv, KEY_S, 1, counter, plain, aes=True))
    k2, iv2 = lane_key(2)
    out('chacha_lane_2', packet(k2, iv2, KEY_S, 2, 0, block(1, 0, f60)))
    k255, iv255 = lane_key(255)
    out('aes_lane_255', packet(k255, iv255, 0xffffffff, 255, 2**30, block(1, 0, f60), aes=True))


def records(out):
    t = Two()
    h1, h2 = H(t.ia), H(t.ib)
    chain = le16s(t.cb) + le16s(seed('issuing') * 10)
    text = b'this token is used up'
    out('error', struct.pack('<HHHH', 3, 3, len(text), 0) + text)
    out('ping', struct.pack('<QB7x', 99, 1))
    name = b'site-a.example-corp'
    csr = struct.pack('<BBHI', 1, 1, len(name), 0) + seed('th0') + t.pa + struct.pack('<QI', NOW, 3) + name
    out('csr', csr + ref.sign(L(b'csr') + csr, t.sa))
    out('cert_enrol', struct.pack('<IIQQ', 1, 0, NOW, NOW + 90 * 86400) + seed('gate secret') + chain)
    out('cert_renew', struct.pack('<IIQQ', 0, 0, NOW, NOW + 90 * 86400) + bytes(32) + chain)
    out('put_intent', t.ia)
    out('drop_intent', h1 + struct.pack('<HH', 1, 0))
    out('match', h1 + h2 + struct.pack('<HHHH', len(t.ib), len(chain), 0, 0) + t.ib + chain)
    roll = t.net + t.pb + seed('new key') + struct.pack('<QH', NOW, 19) + b'site-b.example-corp'
    roll += ref.sign(L(b'rollover') + roll, t.sb)
    out('rollover', roll)
    out('match_rollover',
        h1 + h2 + struct.pack('<HHHH', len(t.ib), len(chain), len(roll), 0) + t.ib + chain + roll)
    sealed = seed('sealed') * 7 + seed('sealed')[:24]
    out('candidates', h1 + h2 + struct.pack('<HH', len(sealed), 0) + sealed)
    out('observed_4', struct.pack('<QBBH', TS, 4, 0, 40000) + bytes([203, 0, 113, 7]).ljust(16, b'\0'))
    out('observed_6', struct.pack('<QBBH', TS, 6, 1, 7667) + bytes.fromhex('20010db8' + '00' * 11 + '01'))
    out('relay_ask', h1 + h2 + bytes([1]) + bytes(35))
    out('relay_grant', h1 + h2 + struct.pack('<BBHIQ', 2, 4, 41000, 50000, NOW + 3600) +
        bytes([203, 0, 113, 7]).ljust(16, b'\0') + bytes(4))
    out('policy', struct.pack('<QIIIH6x', 3, 86400, 604800, 1, len(chain)) + chain)
    out('policy_plain', struct.pack('<QIIIH6x', 4, 86400, 86400, 0, 0))
    # RECORD payloads of a PUT_INTENT cut into pieces of at most 100 bytes.
    for i in range(0, len(t.ia), 94):
        out(f'piece_{i // 94}', struct.pack('<HI', 5, len(t.ia)) + t.ia[i:i + 94])


def main():
    check = '--check' in sys.argv
    where = [a for a in sys.argv[1:] if not a.startswith('-')][0]
    failed = False
    for name, make in (('introduction', introduction), ('hub', hub), ('packets', packets),
                       ('records', records)):
        f = io.StringIO()
        f.write('# Written by tests/reference/make_vectors.py; do not edit.\n')
        make(lambda n, v: f.write(f'{n} ({len(v)}) {v.hex()}\n'))
        path = os.path.join(where, name + '.txt')
        if not check:
            with open(path, 'w') as out:
                out.write(f.getvalue())
        else:
            with open(path) as got:
                if got.read() != f.getvalue():
                    print(f'{path} differs from what the reference gives', file=sys.stderr)
                    failed = True
    sys.exit(failed)


if __name__ == '__main__':
    main()
