// SPDX-License-Identifier: BSD-3-Clause
//
// A few certificates in a row: leaf ‖ intermediates ‖ root, each u16 length ‖ DER. Carried by M2
// and M3 over TCP and by the records CERT, MATCH and POLICY.
//
// Any thread. Floor 0. PROTOCOL.md §14.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DER_LIST_MAX     4
#define DER_CERT_MAX_LEN 1200 // a leaf has PKT_LEAF_MAX at most
#define DER_LIST_MAX_LEN (DER_LIST_MAX * (2 + DER_CERT_MAX_LEN))

struct der_view {
	const uint8_t *der;
	size_t len;
};

// Views into somebody else's bytes; n is 1..DER_LIST_MAX after a successful parse.
struct der_list {
	unsigned n;
	struct der_view cert[DER_LIST_MAX];
};

// Split a byte string that holds exactly such a list. 0, or -EBADMSG (empty, too many, a length of
// 0 or above DER_CERT_MAX_LEN, trailing bytes) with *ret untouched. The DER itself is not looked
// at.
int der_list_parse(const void *p, size_t len, struct der_list *ret);

// Write a list. Bytes written, or 0 when buf is too small or the list is not one that parses.
size_t der_list_build(const struct der_list *list, uint8_t *buf, size_t cap);

// Length der_list_build() would write.
size_t der_list_len(const struct der_list *list);
