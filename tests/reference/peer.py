#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The executable specification as a peer: postern_ref.py behind a UDP socket, with real certificates.

Each round is an introduction (the intents go straight over the socket; no hub is needed to judge the
cryptography), a handshake, M4, and a data packet each way.

usage: peer.py client|server DIR MY-NAME PEER-NAME PORT ROUNDS
       the server binds 127.0.0.1:PORT; DIR as written by pki.py"""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pki
import postern_ref as ref
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TIMEOUT_S = 10


class Peer:
    def __init__(self, client, directory, me, peer, port):
        self.client, self.dir, self.me, self.peer = client, directory, me, peer
        with open(os.path.join(directory, me + '.der'), 'rb') as f:
            self.cert = f.read()
        with open(os.path.join(directory, me + '.seed'), 'rb') as f:
            self.pk, self.sk = ref.edkeys(f.read())
        with open(os.path.join(directory, 'root.der'), 'rb') as f:
            root = pki.x509.load_der_x509_certificate(f.read())
        with open(os.path.join(directory, peer + '.der'), 'rb') as f:
            self.peer_cert = f.read()  # what the hub's MATCH would carry
        self.net = ref.net_id(pki.raw_public(root.public_key()), pki.NETWORK.encode())
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(TIMEOUT_S)
        self.last_serial = 0
        if client:
            self.sock.connect(('127.0.0.1', port))
        else:
            self.sock.bind(('127.0.0.1', port))

    def send(self, b):
        self.sock.send(b)

    def recv(self, first):
        """The next datagram that begins like this; others (late duplicates) are passed over."""
        while True:
            b, source = self.sock.recvfrom(65536)
            if b[:len(first)] == first:
                if not self.client:
                    self.sock.connect(source)
                return b

    def check_cert(self, der):
        pk = pki.check_leaf(self.dir, der, self.peer)
        assert der == self.peer_cert, 'not the certificate of the intent'
        return pk

    def introduce(self, caps):
        now = int(time.time())
        isk = os.urandom(32)
        mine = ref.make_intent(self.net, time.time_ns() // 1000, now, now + 86400, ref.xpk(isk),
                               ref.H(self.cert), caps, self.me.encode(), self.peer.encode(), self.sk)
        if self.client:
            self.send(mine)
        theirs = self.recv(b'PSTI')
        if not self.client:
            self.send(mine)
        peer_pk = pki.check_leaf(self.dir, self.peer_cert, self.peer)
        got = ref.parse_intent(theirs, self.net, self.me.encode(), self.peer.encode(), peer_pk,
                               ref.H(self.peer_cert), now, self.last_serial)
        self.last_serial = got['serial']
        client_intent, server_intent = (mine, theirs) if self.client else (theirs, mine)
        return ref.Pair(self.client, self.net, client_intent, server_intent, isk, ref.xpk(isk), got['ipk'])

    def handshake_client(self, p, caps, key_id):
        x, ts, now = os.urandom(32), time.time_ns() // 1000, int(time.time())
        m1 = ref.m1(p, key_id, ts, now, ref.xpk(x), os.urandom(32), caps)
        self.send(m1)
        m2 = self.recv(b'\x12')
        m3, ts, cipher, tx_id = ref.m3(p, m1, m2, x, caps, self.check_cert, self.cert, self.sk, now, 3)
        self.send(m3)
        m4 = self.recv(b'\x18\0')
        assert struct.unpack_from('<IQ', m4, 4) == (key_id, 0)
        assert ref.undata(ts, 0, m4) == (16, 0, b'')
        return ts, cipher, tx_id

    def handshake_server(self, p, caps, key_id):
        m1 = self.recv(b'\x11')
        now = int(time.time())
        assert len(m1) == 128 and ref.gh(16, m1[:96], p.mack[1]) == m1[96:112]
        assert m1[8:16] in [p.tag(1, now + d) for d in (-600, 0, 600)]
        m2, st = ref.m2(p, m1, key_id, now, os.urandom(32), os.urandom(32), caps, 4, self.cert, self.sk)
        self.send(m2)
        m3 = self.recv(b'\x13')
        assert struct.unpack_from('<I', m3, 4)[0] == key_id and m3[16:24] == m1[16:24]
        ts = ref.finish(p, st, m3, self.check_cert)
        tx_id = struct.unpack_from('<I', m1, 4)[0]
        self.send(ref.data(ts, 0, tx_id, 0, 0, 16, 0, b''))
        return ts, st['cipher'], tx_id

    @staticmethod
    def data_keys(ts, d, lane, counter):
        k, iv = ref.lane(ts, d, lane)
        return k, bytes(a ^ b for a, b in zip(iv, struct.pack('<IQ', 0, counter)))

    def seal(self, ts, d, cipher, key_id, lane, counter, frame):
        if cipher == ref.CHA:
            return ref.data(ts, d, key_id, lane, counter, 1, 0, frame)
        k, nonce = self.data_keys(ts, d, lane, counter)
        hdr = struct.pack('<BBHIQ', 0x18, lane, 0, key_id, counter)
        return hdr + AESGCM(k).encrypt(nonce, struct.pack('<HBB', len(frame), 1, 0) + frame, hdr)

    def open(self, ts, d, cipher, packet):
        if cipher == ref.CHA:
            kind, _, frame = ref.undata(ts, d, packet)
        else:
            k, nonce = self.data_keys(ts, d, packet[1], struct.unpack_from('<Q', packet, 8)[0])
            plain = AESGCM(k).decrypt(nonce, packet[16:], packet[:16])
            n, kind, _ = struct.unpack_from('<HBB', plain)
            frame = plain[4:4 + n]
        assert kind == 1
        return frame

    def round(self, i):
        caps = 3 if i & 1 else 2
        key_id = (i + 1) << 8 | 1
        p = self.introduce(caps)
        ts, cipher, tx_id = (self.handshake_client if self.client else self.handshake_server)(
            p, caps, key_id)
        lane, counter = 1 + i % 255, i * 1000003 % 2**31
        if self.client:
            frame = os.urandom(60 + i % 1000)
            self.send(self.seal(ts, 1, cipher, tx_id, lane, counter, frame))
            assert self.open(ts, 0, cipher, self.recv(b'\x18' + bytes([lane]))) == frame
        else:
            frame = self.open(ts, 1, cipher, self.recv(b'\x18' + bytes([lane])))
            self.send(self.seal(ts, 0, cipher, tx_id, lane, counter, frame))
        return cipher


def main():
    role, directory, me, peer, port, rounds = sys.argv[1:]
    p = Peer(role == 'client', directory, me, peer, int(port))
    ciphers = [0, 0, 0]
    for i in range(int(rounds)):
        ciphers[p.round(i)] += 1
    print(f'reference as {role}: {rounds} handshakes, {ciphers[1]} with AES-256-GCM lanes, '
          f'{ciphers[2]} with ChaCha20-Poly1305 lanes')


if __name__ == '__main__':
    main()
