// SPDX-License-Identifier: BSD-3-Clause
#include "wire/intent.h"

#include <errno.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/packet.h"

static const uint8_t magic[4] = {'P', 'S', 'T', 'I'};

// The rules that hold for what is built and for what is parsed.
static bool fields_ok(const struct intent *i)
{
	return name_valid(i->from, i->from_len) && name_valid(i->to, i->to_len) &&
	       name_compare(i->from, i->from_len, i->to, i->to_len) != 0 &&
	       (i->caps & PKT_CAP_RESERVED) == 0 && i->not_before <= i->not_after &&
	       i->not_after - i->not_before <= INTENT_MAX_LIFE_S;
}

int intent_parse(const void *p, size_t len, struct intent *ret)
{
	struct bytes_reader r = bytes_reader(p, len);
	struct intent i = {0};
	const uint8_t *m = bytes_take(&r, sizeof(magic));
	uint8_t version = bytes_take_u8(&r);
	uint8_t flags = bytes_take_u8(&r);
	uint16_t total = bytes_take_le16(&r);

	i.net_id = bytes_take(&r, 16);
	i.serial = bytes_take_le64(&r);
	i.not_before = bytes_take_le64(&r);
	i.not_after = bytes_take_le64(&r);
	i.ipk = bytes_take(&r, 32);
	i.cert_hash = bytes_take(&r, 32);
	i.caps = bytes_take_le32(&r);
	i.from_len = bytes_take_le16(&r);
	i.from = (const char *)bytes_take(&r, i.from_len);
	i.to_len = bytes_take_le16(&r);
	i.to = (const char *)bytes_take(&r, i.to_len);
	i.sig = bytes_take(&r, INTENT_SIG_LEN);

	if (!bytes_done(&r) || memcmp(m, magic, sizeof(magic)) != 0 || version != INTENT_VERSION ||
		flags != 0 || total != len || !fields_ok(&i))
		return -EBADMSG;
	*ret = i;
	return 0;
}

size_t intent_build(const struct intent *i, uint8_t *buf, size_t cap)
{
	struct bytes_writer w = bytes_writer(buf, cap);

	if (!fields_ok(i))
		return 0;
	bytes_add(&w, magic, sizeof(magic));
	bytes_add_u8(&w, INTENT_VERSION);
	bytes_add_u8(&w, 0);
	bytes_add_le16(&w, (uint16_t)(INTENT_FIXED_LEN + i->from_len + i->to_len + INTENT_SIG_LEN));
	bytes_add(&w, i->net_id, 16);
	bytes_add_le64(&w, i->serial);
	bytes_add_le64(&w, i->not_before);
	bytes_add_le64(&w, i->not_after);
	bytes_add(&w, i->ipk, 32);
	bytes_add(&w, i->cert_hash, 32);
	bytes_add_le32(&w, i->caps);
	bytes_add_le16(&w, i->from_len);
	bytes_add(&w, i->from, i->from_len);
	bytes_add_le16(&w, i->to_len);
	bytes_add(&w, i->to, i->to_len);
	return w.bad ? 0 : w.len;
}
