// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/revocation.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/common/x509.h"
#include "wire/bytes.h"

enum offset {
	OFF_MAGIC = 0,
	OFF_VERSION = 4,
	OFF_ZERO = 5,
	OFF_N = 6,
	OFF_NET = 8,
	OFF_NUMBER = 24,
	OFF_ISSUED = 32,
	OFF_ISSUER = 40,
};

enum entry_offset {
	ENTRY_SPKI = 0,
	ENTRY_SERIAL_LEN = 32,
	ENTRY_SERIAL = 33,
	ENTRY_ZERO = 53,
	ENTRY_UNTIL = 56,
};

#define LIST_VERSION 1

static const uint8_t magic[4] = {'P', 'S', 'T', 'R'};
static const char label[] = "postern/1 revocations"; // its NUL is part of the label

static bool entry_ok(const uint8_t *e)
{
	uint8_t serial_len = e[ENTRY_SERIAL_LEN];

	if (serial_len > REVOCATION_SERIAL_MAX)
		return false;
	if (serial_len > 0 && e[ENTRY_SERIAL] == 0)
		return false; // serials have no leading zeros, or one would have two names
	if (!sodium_is_zero(e + ENTRY_SERIAL + serial_len, ENTRY_UNTIL - ENTRY_SERIAL - serial_len))
		return false;
	return serial_len > 0 || !sodium_is_zero(e + ENTRY_SPKI, REVOCATION_HASH_BYTES);
}

int revocation_parse(const uint8_t *bytes, size_t len, struct revocation_view *ret_view)
{
	struct revocation_view v = {.bytes = bytes, .len = len};

	if (len < REVOCATION_HEADER_BYTES + REVOCATION_SIG_BYTES || len > REVOCATION_BYTES_MAX)
		return -EBADMSG;
	if (memcmp(bytes + OFF_MAGIC, magic, sizeof(magic)) != 0 ||
		bytes[OFF_VERSION] != LIST_VERSION || bytes[OFF_ZERO] != 0)
		return -EBADMSG;
	v.n_entries = get_le16(bytes + OFF_N);
	if (v.n_entries > REVOCATION_ENTRIES_MAX ||
		len != REVOCATION_HEADER_BYTES + v.n_entries * REVOCATION_ENTRY_BYTES +
				REVOCATION_SIG_BYTES)
		return -EBADMSG;
	v.net_id = bytes + OFF_NET;
	v.number = get_le64(bytes + OFF_NUMBER);
	v.issued = get_le64(bytes + OFF_ISSUED);
	v.issuer_spki = bytes + OFF_ISSUER;
	v.entries = bytes + REVOCATION_HEADER_BYTES;
	if (v.number == 0)
		return -EBADMSG;
	for (unsigned i = 0; i < v.n_entries; i++) {
		const uint8_t *e = v.entries + i * REVOCATION_ENTRY_BYTES;

		if (!entry_ok(e))
			return -EBADMSG;
		if (i > 0 && memcmp(e - REVOCATION_ENTRY_BYTES, e, REVOCATION_ENTRY_BYTES) >= 0)
			return -EBADMSG;
	}
	*ret_view = v;
	return 0;
}

static int check_signature(const uint8_t *bytes, size_t signed_len, const uint8_t *pk)
{
	size_t len = sizeof(label) + signed_len;
	uint8_t *m = malloc(len);
	int err;

	if (m == NULL)
		return -ENOMEM;
	memcpy(m, label, sizeof(label));
	memcpy(m + sizeof(label), bytes, signed_len);
	err = crypto_sign_verify_detached(bytes + signed_len, m, len, pk) == 0 ? 0 : -EBADMSG;
	free(m);
	return err;
}

int revocation_verify(const struct revocation_view *view, const uint8_t net_id[16],
	const uint8_t issuer_pk[32], uint64_t now_s, uint64_t held_number)
{
	uint8_t spki[X509_HASH_BYTES];
	int err;

	if (memcmp(view->net_id, net_id, 16) != 0)
		return -EXDEV;
	x509_spki_hash(issuer_pk, spki);
	if (memcmp(view->issuer_spki, spki, sizeof(spki)) != 0)
		return -EKEYREJECTED;
	err = check_signature(view->bytes, view->len - REVOCATION_SIG_BYTES, issuer_pk);
	if (err < 0)
		return err;
	if (view->issued > now_s && view->issued - now_s > REVOCATION_SKEW_S)
		return -ETIME;
	if (view->number < held_number)
		return -ESTALE;
	return 0;
}

bool revocation_contains(const struct revocation_view *view, const uint8_t *serial,
	size_t serial_len, const uint8_t spki_hash[REVOCATION_HASH_BYTES])
{
	while (serial_len > 0 && serial[0] == 0) {
		serial++;
		serial_len--;
	}
	for (unsigned i = 0; i < view->n_entries; i++) {
		const uint8_t *e = view->entries + i * REVOCATION_ENTRY_BYTES;
		size_t n = e[ENTRY_SERIAL_LEN];

		// A key field of zeros is no key.
		if (!bytes_are_zero(e + ENTRY_SPKI, REVOCATION_HASH_BYTES) &&
			memcmp(e + ENTRY_SPKI, spki_hash, REVOCATION_HASH_BYTES) == 0)
			return true;
		if (n > 0 && n == serial_len && memcmp(e + ENTRY_SERIAL, serial, n) == 0)
			return true;
	}
	return false;
}

void revocation_entry_get(
	const struct revocation_view *view, unsigned idx, struct revocation_entry *ret_entry)
{
	const uint8_t *e = view->entries + idx * REVOCATION_ENTRY_BYTES;

	memcpy(ret_entry->spki_hash, e + ENTRY_SPKI, REVOCATION_HASH_BYTES);
	memcpy(ret_entry->serial, e + ENTRY_SERIAL, REVOCATION_SERIAL_MAX);
	ret_entry->serial_len = e[ENTRY_SERIAL_LEN];
	ret_entry->until = get_le64(e + ENTRY_UNTIL);
}

static void entry_put(uint8_t *e, const struct revocation_entry *entry)
{
	memset(e, 0, REVOCATION_ENTRY_BYTES);
	memcpy(e + ENTRY_SPKI, entry->spki_hash, REVOCATION_HASH_BYTES);
	e[ENTRY_SERIAL_LEN] = entry->serial_len;
	memcpy(e + ENTRY_SERIAL, entry->serial, entry->serial_len);
	put_le64(e + ENTRY_UNTIL, entry->until);
}

static int compare_entries(const void *a, const void *b)
{
	return memcmp(a, b, REVOCATION_ENTRY_BYTES);
}

int revocation_build(const struct revocation_entry *entries, size_t n, const uint8_t net_id[16],
	uint64_t number, uint64_t issued, const uint8_t issuer_spki[32], uint8_t *buf, size_t cap,
	size_t *ret_len)
{
	uint8_t *first = buf + REVOCATION_HEADER_BYTES;
	size_t kept = 0, unique = 0;

	if (number == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (entries[i].until < issued)
			continue;
		if (++kept > REVOCATION_ENTRIES_MAX)
			return -E2BIG;
	}
	if (cap < REVOCATION_HEADER_BYTES + kept * REVOCATION_ENTRY_BYTES + REVOCATION_SIG_BYTES)
		return -ENOBUFS;
	kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (entries[i].until < issued)
			continue;
		if (entries[i].serial_len > REVOCATION_SERIAL_MAX)
			return -EINVAL;
		entry_put(first + kept * REVOCATION_ENTRY_BYTES, &entries[i]);
		if (!entry_ok(first + kept * REVOCATION_ENTRY_BYTES))
			return -EINVAL;
		kept++;
	}
	qsort(first, kept, REVOCATION_ENTRY_BYTES, compare_entries);
	for (size_t i = 0; i < kept; i++) {
		uint8_t *e = first + i * REVOCATION_ENTRY_BYTES;

		if (i > 0 && memcmp(e - REVOCATION_ENTRY_BYTES, e, REVOCATION_ENTRY_BYTES) == 0)
			continue;
		memmove(first + unique++ * REVOCATION_ENTRY_BYTES, e, REVOCATION_ENTRY_BYTES);
	}
	memset(buf, 0, REVOCATION_HEADER_BYTES);
	memcpy(buf + OFF_MAGIC, magic, sizeof(magic));
	buf[OFF_VERSION] = LIST_VERSION;
	put_le16(buf + OFF_N, (uint16_t)unique);
	memcpy(buf + OFF_NET, net_id, 16);
	put_le64(buf + OFF_NUMBER, number);
	put_le64(buf + OFF_ISSUED, issued);
	memcpy(buf + OFF_ISSUER, issuer_spki, 32);
	*ret_len = REVOCATION_HEADER_BYTES + unique * REVOCATION_ENTRY_BYTES;
	return 0;
}

int revocation_sign(const uint8_t seed[32], uint8_t *buf, size_t cap, size_t *len)
{
	uint8_t pk[crypto_sign_PUBLICKEYBYTES], sk[crypto_sign_SECRETKEYBYTES];
	size_t m_len = sizeof(label) + *len;
	uint8_t *m;

	if (cap - *len < REVOCATION_SIG_BYTES)
		return -ENOBUFS;
	m = malloc(m_len);
	if (m == NULL)
		return -ENOMEM;
	memcpy(m, label, sizeof(label));
	memcpy(m + sizeof(label), buf, *len);
	crypto_sign_seed_keypair(pk, sk, seed);
	crypto_sign_detached(buf + *len, NULL, m, m_len, sk);
	sodium_memzero(sk, sizeof(sk));
	free(m);
	*len += REVOCATION_SIG_BYTES;
	return 0;
}

const char *revocation_strerror(int err)
{
	switch (err) {
	case 0:
		return "no error";
	case -EBADMSG:
		return "the revocation list is damaged or its signature is wrong: it is ignored "
		       "and "
		       "the one held stays";
	case -EXDEV:
		return "the revocation list belongs to another network: it is ignored; check the "
		       "hub's network name";
	case -EKEYREJECTED:
		return "the revocation list is signed by an unknown issuing key: enrol again, or "
		       "wait for the hub to send its new issuing certificate";
	case -ETIME:
		return "the revocation list comes from the future: check the clocks of this "
		       "machine "
		       "and of the hub";
	case -ESTALE:
		return "the revocation list is older than the one held: it is ignored";
	case -E2BIG:
		return "more certificates are revoked than a list holds (1000): wait for old ones "
		       "to "
		       "expire, or replace the issuing key";
	case -EINVAL:
		return "an entry names neither a serial nor a key: name one";
	default:
		return "the revocation list cannot be handled: out of memory or buffer space";
	}
}
