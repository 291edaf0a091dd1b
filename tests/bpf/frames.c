// SPDX-License-Identifier: BSD-3-Clause
#include "tests/bpf/frames.h"

#include <string.h>

static void put8(struct frame *f, unsigned int v)
{
	f->bytes[f->len++] = (uint8_t)v;
}

static void put16(struct frame *f, unsigned int v)
{
	put8(f, v >> 8);
	put8(f, v & 0xff);
}

static void put_zero(struct frame *f, size_t n)
{
	memset(f->bytes + f->len, 0, n);
	f->len += n;
}

static void put_ethernet(struct frame *f, const struct frame_spec *spec)
{
	for (int i = 0; i < 12; i++)
		put8(f, 0x02 + i);
	if (spec->vlan != 0) {
		put16(f, 0x8100);
		put16(f, spec->vlan);
	}
	put16(f, spec->family == 6 ? 0x86dd : 0x0800);
}

static void put_ipv4(struct frame *f, const struct frame_spec *spec, size_t udp_bytes)
{
	unsigned int header = 20 + 4 * spec->ipv4_option_words;

	put8(f, 0x40 | header / 4);
	put8(f, 0);
	put16(f, (unsigned int)((int)(header + udp_bytes) + spec->ip_len_delta));
	put16(f, 1);
	put16(f, spec->ip_fragment);
	put8(f, 64);
	put8(f, spec->ip_proto != 0 ? spec->ip_proto : 17);
	put16(f, 0);
	put_zero(f, 8);
	for (int i = 0; i < 4 * spec->ipv4_option_words; i++)
		put8(f, 1); // no-operation
}

static void put_ipv6(struct frame *f, const struct frame_spec *spec, size_t udp_bytes)
{
	unsigned int proto = spec->ip_proto != 0 ? spec->ip_proto : 17;
	unsigned int ext = spec->has_ext ? 8 : 0;

	put16(f, 0x6000);
	put16(f, 0);
	put16(f, (unsigned int)((int)(udp_bytes + ext) + spec->ip_len_delta));
	put8(f, ext != 0 ? spec->ext : proto);
	put8(f, 64);
	put_zero(f, 32);
	if (ext != 0) {
		put8(f, proto);
		put8(f, 0);
		put16(f, spec->ip_fragment);
		put_zero(f, 4);
	}
}

void frame_build(struct frame *f, const struct frame_spec *spec, const void *payload, size_t n)
{
	f->len = 0;
	put_ethernet(f, spec);
	if (spec->family == 6)
		put_ipv6(f, spec, 8 + n);
	else
		put_ipv4(f, spec, 8 + n);
	put16(f, 50000);
	put16(f, spec->dport != 0 ? spec->dport : TEST_PORT);
	put16(f, (unsigned int)((int)(8 + n) + spec->udp_len_delta));
	put16(f, 0);
	memcpy(f->bytes + f->len, payload, n);
	f->len += n;
	put_zero(f, spec->trailer);
}

size_t payload_data(uint8_t *out, size_t n)
{
	memset(out, 0xa5, n);
	if (n > 0)
		out[0] = 0x18;
	return n;
}

size_t payload_handshake(uint8_t *out, uint8_t type, size_t n, const uint8_t tag[8])
{
	memset(out, 0xa5, n);
	out[0] = type;
	out[1] = 0;
	out[2] = (uint8_t)n;
	out[3] = (uint8_t)(n >> 8);
	memcpy(out + 8, tag, 8);
	return n;
}
