// SPDX-License-Identifier: BSD-3-Clause
#include "wire/der_list.h"

#include <errno.h>

#include "wire/bytes.h"

int der_list_parse(const void *p, size_t len, struct der_list *ret)
{
	struct bytes_reader r = bytes_reader(p, len);
	struct der_list list = {0};

	while (!r.bad && r.left > 0) {
		uint16_t n = bytes_take_le16(&r);
		const uint8_t *der = bytes_take(&r, n);

		if (der == NULL || n == 0 || n > DER_CERT_MAX_LEN || list.n == DER_LIST_MAX)
			return -EBADMSG;
		list.cert[list.n++] = (struct der_view){.der = der, .len = n};
	}
	if (!bytes_done(&r) || list.n == 0)
		return -EBADMSG;
	*ret = list;
	return 0;
}

size_t der_list_len(const struct der_list *list)
{
	size_t len = 0;

	for (unsigned i = 0; i < list->n; i++)
		len += 2 + list->cert[i].len;
	return len;
}

size_t der_list_build(const struct der_list *list, uint8_t *buf, size_t cap)
{
	struct bytes_writer w = bytes_writer(buf, cap);

	if (list->n == 0 || list->n > DER_LIST_MAX)
		return 0;
	for (unsigned i = 0; i < list->n; i++) {
		const struct der_view *c = &list->cert[i];

		if (c->len == 0 || c->len > DER_CERT_MAX_LEN)
			return 0;
		bytes_add_le16(&w, (uint16_t)c->len);
		bytes_add(&w, c->der, c->len);
	}
	return w.bad ? 0 : w.len;
}
