#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A small network for the interoperability test: root, name-constrained issuing key, leaves; all Ed25519,
written as DER beside the leaves' 32-byte seeds."""
import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

NETWORK = 'example-corp'
# ExtendedKeyUsage { 2.25.196727437062173965898933283370887822130.1 } as DER: the library of Debian 12 knows no
# arcs of 128 bits.
EKU_GATEWAY = bytes.fromhex('30170615' + '6982a880a9e0aaaaa28ac1b4a4e6e6c8fbd0f632' + '01')
EKU_OID = ObjectIdentifier('2.5.29.37')


def raw_public(key):
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def raw_private(key):
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def _name(cn):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def _usage(sign, ca):
    return x509.KeyUsage(digital_signature=sign, content_commitment=False, key_encipherment=False,
                         data_encipherment=False, key_agreement=False, key_cert_sign=ca, crl_sign=ca,
                         encipher_only=False, decipher_only=False)


def _build(subject, issuer, public, days):
    now = datetime.datetime.utcnow()
    return (x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
            .public_key(public).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=10))
            .not_valid_after(now + datetime.timedelta(days=days)))


def make(directory, names):
    def put(name, data):
        with open(os.path.join(directory, name), 'wb') as f:
            f.write(data)

    root, issuing = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    cert = (_build('root', 'root', root.public_key(), 3650)
            .add_extension(x509.BasicConstraints(True, 1), True)
            .add_extension(_usage(False, True), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(root.public_key()), False)
            .sign(root, None))
    put('root.der', cert.public_bytes(Encoding.DER))
    permitted = x509.NameConstraints([x509.DNSName(NETWORK)], None)
    cert = (_build('issuing', 'root', issuing.public_key(), 365)
            .add_extension(x509.BasicConstraints(True, 0), True)
            .add_extension(_usage(False, True), True)
            .add_extension(permitted, True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(issuing.public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), False)
            .sign(root, None))
    put('issuing.der', cert.public_bytes(Encoding.DER))
    for name in names:
        key = Ed25519PrivateKey.generate()
        cert = (_build('gateway', 'issuing', key.public_key(), 90)
                .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), True)
                .add_extension(x509.UnrecognizedExtension(EKU_OID, EKU_GATEWAY), True)
                .add_extension(_usage(True, False), True)
                .add_extension(x509.BasicConstraints(False, None), True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing.public_key()), False)
                .sign(issuing, None))
        put(name + '.der', cert.public_bytes(Encoding.DER))
        put(name + '.seed', raw_private(key))


def _walk(der):
    """The (tag, content) pairs in a row of DER values."""
    i = 0
    while i < len(der):
        tag, n, i = der[i], der[i + 1], i + 2
        if n & 0x80:
            size = n & 0x7f
            n, i = int.from_bytes(der[i:i + size], 'big'), i + size
        yield tag, der[i:i + n]
        i += n


def _extensions(tbs):
    """Extension values by OID, out of a TBSCertificate; the library cannot read our EKU."""
    found = {}
    (_, fields), = _walk(tbs)
    for tag, content in _walk(fields):
        if tag != 0xa3:
            continue
        (_, extensions), = _walk(content)
        for _, extension in _walk(extensions):
            parts = list(_walk(extension))
            assert parts[0][1] not in found, 'an extension twice'
            found[parts[0][1]] = parts[-1][1]
    return found


def check_leaf(directory, der, name):
    """The leaf's public key, after the checks that PROTOCOL.md §4 asks for; raises otherwise."""
    def load(file):
        with open(os.path.join(directory, file), 'rb') as f:
            return x509.load_der_x509_certificate(f.read())

    root, issuing, leaf = load('root.der'), load('issuing.der'), x509.load_der_x509_certificate(der)
    root.public_key().verify(root.signature, root.tbs_certificate_bytes)
    root.public_key().verify(issuing.signature, issuing.tbs_certificate_bytes)
    issuing.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes)
    now = datetime.datetime.utcnow()
    assert leaf.not_valid_before <= now <= leaf.not_valid_after
    extensions = _extensions(leaf.tbs_certificate_bytes)
    assert extensions[bytes.fromhex('551d11')] == b'\x30' + bytes([len(name) + 2]) + b'\x82' + bytes(
        [len(name)]) + name.encode()
    assert extensions[bytes.fromhex('551d25')] == EKU_GATEWAY
    return raw_public(leaf.public_key())
