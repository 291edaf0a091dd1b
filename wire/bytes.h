// SPDX-License-Identifier: BSD-3-Clause
//
// Integers in byte strings: little-endian as everything in PROTOCOL.md, and the one big-endian
// length of the TCP framing; and a reader that cannot run past its end.
//
// Any thread. Floor 0. PROTOCOL.md §2.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The packed structs of packet.h are read in place, which is right only on little-endian machines.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Postern is little-endian on the wire");

static inline uint16_t get_le16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t get_le32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t get_le64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void put_le16(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put_le32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put_le64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline uint16_t get_be16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline void put_be16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

// True when all n bytes are zero. For reserved fields, not for secrets: stops at the first one set.
static inline bool bytes_are_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		if (b[i] != 0)
			return false;
	}
	return true;
}

// Reads an untrusted byte string from front to back.
//
// Any read past the end sets `bad`, and it and every later read give zero or NULL; so a parser
// reads everything first and asks bytes_done() or `bad` once.
struct bytes_reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static inline struct bytes_reader bytes_reader(const void *p, size_t len)
{
	return (struct bytes_reader){.at = p, .left = len};
}

// The next n bytes as a view into the input, or NULL.
static inline const uint8_t *bytes_take(struct bytes_reader *r, size_t n)
{
	const uint8_t *at = r->at;

	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	if (n == 0)
		return at;
	r->at += n;
	r->left -= n;
	return at;
}

static inline uint8_t bytes_take_u8(struct bytes_reader *r)
{
	const uint8_t *p = bytes_take(r, 1);

	return p != NULL ? *p : 0;
}

static inline uint16_t bytes_take_le16(struct bytes_reader *r)
{
	const uint8_t *p = bytes_take(r, 2);

	return p != NULL ? get_le16(p) : 0;
}

static inline uint32_t bytes_take_le32(struct bytes_reader *r)
{
	const uint8_t *p = bytes_take(r, 4);

	return p != NULL ? get_le32(p) : 0;
}

static inline uint64_t bytes_take_le64(struct bytes_reader *r)
{
	const uint8_t *p = bytes_take(r, 8);

	return p != NULL ? get_le64(p) : 0;
}

// Skip n reserved bytes, which must be zero.
static inline void bytes_take_zero(struct bytes_reader *r, size_t n)
{
	const uint8_t *p = bytes_take(r, n);

	if (p != NULL && !bytes_are_zero(p, n))
		r->bad = true;
}

// True when everything was read and nothing was missing.
static inline bool bytes_done(const struct bytes_reader *r)
{
	return !r->bad && r->left == 0;
}

// Writes a byte string into a buffer of fixed size; too little room sets `bad` and writes nothing
// more.
struct bytes_writer {
	uint8_t *start;
	size_t len; // written so far
	size_t cap;
	bool bad;
};

static inline struct bytes_writer bytes_writer(void *p, size_t cap)
{
	return (struct bytes_writer){.start = p, .cap = cap};
}

// Room for n bytes, to be filled by the caller, or NULL.
static inline uint8_t *bytes_room(struct bytes_writer *w, size_t n)
{
	uint8_t *at = w->start + w->len;

	if (w->bad || n > w->cap - w->len) {
		w->bad = true;
		return NULL;
	}
	w->len += n;
	return at;
}

static inline void bytes_add(struct bytes_writer *w, const void *p, size_t n)
{
	uint8_t *at = bytes_room(w, n);

	if (at != NULL && n > 0)
		memcpy(at, p, n);
}

static inline void bytes_add_u8(struct bytes_writer *w, uint8_t v)
{
	bytes_add(w, &v, sizeof(v));
}

static inline void bytes_add_le16(struct bytes_writer *w, uint16_t v)
{
	bytes_add(w, &v, sizeof(v));
}

static inline void bytes_add_le32(struct bytes_writer *w, uint32_t v)
{
	bytes_add(w, &v, sizeof(v));
}

static inline void bytes_add_le64(struct bytes_writer *w, uint64_t v)
{
	bytes_add(w, &v, sizeof(v));
}

static inline void bytes_add_zero(struct bytes_writer *w, size_t n)
{
	uint8_t *at = bytes_room(w, n);

	if (at != NULL && n > 0)
		memset(at, 0, n);
}
