#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Let the C handshake and the executable specification shake hands, each in both roles.

usage: interop.py HS_PEER [ROUNDS]"""
import os
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import pki

A, B = 'site-a.' + pki.NETWORK, 'site-b.' + pki.NETWORK  # the smaller name is the client


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(('127.0.0.1', 0))
        return str(s.getsockname()[1])


def bound(port):
    """Is the UDP port taken? The server is ready then; /proc says so without sending anything."""
    with open('/proc/net/udp') as f:
        return any(line.split()[1].endswith(f':{int(port):04X}') for line in f.readlines()[1:])


def run(directory, client, server, rounds):
    port = free_port()
    s = subprocess.Popen(server + ['server', directory, B, A, port, rounds])
    c = None
    try:
        deadline = time.monotonic() + 20
        while not bound(port):
            if s.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        c = subprocess.Popen(client + ['client', directory, A, B, port, rounds])
        return c.wait() == 0 and s.wait() == 0
    finally:
        for p in (s, c):
            if p is not None and p.poll() is None:
                p.kill()
                p.wait()


def main():
    in_c = [sys.argv[1]]
    rounds = sys.argv[2] if len(sys.argv) > 2 else '200'
    reference = [sys.executable, os.path.join(HERE, 'peer.py')]
    with tempfile.TemporaryDirectory(prefix='postern-interop-') as d:
        pki.make(d, [A, B])
        for client, server in ((in_c, reference), (reference, in_c)):
            begin = time.monotonic()
            if not run(d, client, server, rounds):
                sys.exit('the handshake failed')
            print(f'{rounds} handshakes in {time.monotonic() - begin:.1f} s', flush=True)


if __name__ == '__main__':
    main()
