// SPDX-License-Identifier: BSD-3-Clause
// The signed revocation list.
//
// The hub signs it with the issuing key; hubs and peers pass it on unchanged. Entries name a
// certificate by serial and a key by its SPKI hash, never by a hash of the DER, which an attacker
// can vary without breaking the signature (PROTOCOL.md §10). An entry may be dropped when `until`
// has passed: the certificate is then expired anyway. The number only rises.
//
// Layout, little-endian, RFC-free and fixed:
//
//	 0 magic[4] "PSTR"   4 u8 version = 1   5 u8 0   6 u16 n entries
//	 8 net_id[16]   24 u64 number   32 u64 issued (unix seconds)   40 issuer's SPKI hash[32]
//	72 entries, 64 B each, strictly ascending as byte strings:
//	     0 SPKI hash[32] (zero: serial only)   32 u8 serial length (0: SPKI only)   33
// serial[20], the 	     rest zero   53 zero[3]   56 u64 until 	then sig[64] =
// Ed25519(L("revocations") ‖ all bytes before)
//
// Pure: no I/O, time passed in. Thread safe. Floor 2.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REVOCATION_HEADER_BYTES 72u
#define REVOCATION_ENTRY_BYTES  64u
#define REVOCATION_SIG_BYTES    64u
#define REVOCATION_ENTRIES_MAX  1000u // a list fits one hub record of 64 KiB
#define REVOCATION_BYTES_MAX                                                         \
	(REVOCATION_HEADER_BYTES + REVOCATION_ENTRIES_MAX * REVOCATION_ENTRY_BYTES + \
		REVOCATION_SIG_BYTES)
#define REVOCATION_SERIAL_MAX 20u
#define REVOCATION_HASH_BYTES 32u
#define REVOCATION_SKEW_S     600u // clocks may differ by this much, as for intents

struct revocation_entry {
	uint8_t spki_hash[REVOCATION_HASH_BYTES]; // all zero: any key
	uint8_t serial[REVOCATION_SERIAL_MAX];    // big-endian, without leading zeros
	uint8_t serial_len;                       // 0: any serial of that key
	uint64_t until;                           // unix seconds
};

// Points into the caller's bytes, which must outlive it.
struct revocation_view {
	const uint8_t *bytes;
	size_t len;
	const uint8_t *entries;
	uint16_t n_entries;
	uint64_t number;
	uint64_t issued;
	const uint8_t *net_id;      // 16
	const uint8_t *issuer_spki; // 32
};

// Errors: -EBADMSG, whatever is wrong with the shape. Says nothing about the signature.
int revocation_parse(const uint8_t *bytes, size_t len, struct revocation_view *ret_view);

// Is this parsed list one to believe: our network's, signed by this issuing key, not issued in the
// future, and not older than one already held (held_number, 0 for none)?
//
// errors:  -EXDEV: another network's; -EKEYREJECTED: another issuer's key; -EBADMSG: signature;
//          -ETIME: issued more than REVOCATION_SKEW_S in the future; -ESTALE: number below
//          held_number (an equal number is accepted: the same list again)
int revocation_verify(const struct revocation_view *view, const uint8_t net_id[16],
	const uint8_t issuer_pk[32], uint64_t now_s, uint64_t held_number);

// Does the list name this certificate, by its serial or by its key?
bool revocation_contains(const struct revocation_view *view, const uint8_t *serial,
	size_t serial_len, const uint8_t spki_hash[REVOCATION_HASH_BYTES]);

void revocation_entry_get(const struct revocation_view *view, unsigned idx,
	struct revocation_entry *ret_entry); // idx < n_entries

// Build the bytes that are signed (everything but the signature); entries are sorted and doubled
// ones merged, those whose `until` lies before issued are left out.
//
// errors:  -E2BIG: more than REVOCATION_ENTRIES_MAX; -EINVAL: an entry names nothing; -ENOBUFS
int revocation_build(const struct revocation_entry *entries, size_t n, const uint8_t net_id[16],
	uint64_t number, uint64_t issued, const uint8_t issuer_spki[32], uint8_t *buf, size_t cap,
	size_t *ret_len);

// Append the signature by this seed; *len grows by REVOCATION_SIG_BYTES.
int revocation_sign(const uint8_t seed[32], uint8_t *buf, size_t cap, size_t *len);

const char *revocation_strerror(int err);
