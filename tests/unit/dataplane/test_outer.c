// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/outer.h"

#define PAYLOAD 100

static const struct path_desc v4 = {
	.family = 4,
	.port_idx = 1,
	.mtu = 1500,
	.be_sport = RTE_BE16(7667),
	.be_dport = RTE_BE16(7668),
	.src_ip = {192, 0, 2, 1},
	.dst_ip = {198, 51, 100, 2},
	.src_mac = {2, 0, 0, 0, 0, 1},
	.dst_mac = {2, 0, 0, 0, 0, 2},
};

static const struct path_desc v6 = {
	.family = 6,
	.port_idx = 1,
	.mtu = 1500,
	.be_sport = RTE_BE16(7667),
	.be_dport = RTE_BE16(7668),
	.src_ip = {0x20, 1, 0x0d, 0xb8, [15] = 1},
	.dst_ip = {0x20, 1, 0x0d, 0xb8, [15] = 2},
	.src_mac = {2, 0, 0, 0, 0, 1},
	.dst_mac = {2, 0, 0, 0, 0, 2},
};

// A frame of this path around PAYLOAD bytes; returns its length.
static unsigned frame_of(const struct path_desc *d, uint8_t dscp, uint8_t frame[256])
{
	static uint8_t buf[512];
	struct outer_path path;
	uint8_t *at;

	assert_int_equal(outer_path_build(d, &path), 0);
	for (unsigned i = 0; i < PAYLOAD; i++)
		buf[100 + i] = i;
	at = outer_write(&path, buf + 100, PAYLOAD, dscp);
	memcpy(frame, at, path.header_bytes + PAYLOAD);
	return path.header_bytes + PAYLOAD;
}

static void fix_ipv4(uint8_t *frame)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = ~rte_raw_cksum(ip, (ip->version_ihl & 15) * 4);
}

// Is lane `lane` expected from `sport` at the path's far end, or from another address?
static bool lane_port(
	const struct path_desc *d, unsigned n_dports, uint16_t sport, unsigned lane, bool elsewhere)
{
	struct path_desc desc = *d;
	struct outer_path path;
	uint8_t ip[16];

	desc.n_dports = n_dports;
	assert_int_equal(outer_path_build(&desc, &path), 0);
	memcpy(ip, d->dst_ip, sizeof(ip));
	ip[d->family == 4 ? 3 : 15] ^= elsewhere;
	return outer_is_lane_port(&path,
		outer_source_number(d->family, ip, rte_cpu_to_be_16(sport), d->port_idx),
		rte_cpu_to_be_16(sport), lane);
}

static void only_a_lanes_own_source_port_is_no_move(void **)
{
	const struct path_desc *families[] = {&v4, &v6};

	for (unsigned k = 0; k < 2; k++) {
		const struct path_desc *d = families[k];

		assert_false(lane_port(d, 0, 7669, 2, false)); // the peer said nothing
		assert_false(lane_port(d, 1, 7669, 2, false));
		assert_false(lane_port(d, 4, 7669, 2, true));  // another address
		assert_false(lane_port(d, 4, 7669, 1, false)); // lane 1 has one port only
		assert_false(lane_port(d, 4, 7670, 2, false)); // another lane's
		assert_false(lane_port(d, 4, 7667, 2, false));
		assert_false(lane_port(d, 4, 7672, 5, false)); // lane 5 begins anew
		assert_true(lane_port(d, 4, 7669, 2, false));
		assert_true(lane_port(d, 4, 7671, 4, false));
		assert_true(lane_port(d, 4, 7669, 6, false));
	}
}

static void every_length_that_lies_is_refused(void **)
{
	const struct path_desc *families[] = {&v4, &v6};

	for (unsigned k = 0; k < 2; k++) {
		enum drop_reason why;
		struct outer_view v;
		uint8_t frame[256];
		unsigned bytes = frame_of(families[k], 0, frame);

		for (unsigned cut = 0; cut < bytes; cut++) {
			uint8_t *exact = malloc(cut + 1); // so that a sanitizer sees an overread

			memcpy(exact, frame, cut);
			assert_false(outer_parse(exact, cut, &v, &why));
			assert_int_equal(why, DROP_RX_MALFORMED);
			free(exact);
		}
		assert_true(outer_parse(frame, bytes, &v, &why));
		// Ethernet padding behind the datagram is not part of it.
		assert_true(outer_parse(frame, bytes + 20, &v, &why));
		assert_int_equal(v.payload_bytes, PAYLOAD);
		frame[bytes - PAYLOAD - 4] ^= 1; // the UDP length alone
		assert_false(outer_parse(frame, bytes, &v, &why));
		assert_int_equal(why, DROP_RX_MALFORMED);
	}
}

struct refusal {
	const char *name;
	unsigned at;
	uint8_t xor ;
	bool fix; // the IPv4 header checksum
	enum drop_reason why;
};

static const struct refusal refusals4[] = {
	{"another ethertype", 12, 0x80, false, DROP_OUTER_FOREIGN},
	{"IP version 5", 14, 0x10, true, DROP_RX_MALFORMED},
	{"a header of 16 bytes", 14, 0x01, true, DROP_RX_MALFORMED},
	{"TCP", 23, 17 ^ 6, true, DROP_OUTER_FOREIGN},
	{"more fragments follow", 20, 0x20, true, DROP_OUTER_FRAGMENT},
	{"a later fragment", 21, 0x01, true, DROP_OUTER_FRAGMENT},
	{"a later fragment by its upper bits", 20, 0x10, true, DROP_OUTER_FRAGMENT},
	{"a wrong header checksum", 24, 0x01, false, DROP_OUTER_CHECKSUM},
	{"a changed address", 26, 0x01, false, DROP_OUTER_CHECKSUM},
};

static const struct refusal refusals6[] = {
	{"another ethertype", 13, 0x01, false, DROP_OUTER_FOREIGN},
	{"IP version 4", 14, 0x20, false, DROP_RX_MALFORMED},
	{"TCP", 20, 17 ^ 6, false, DROP_OUTER_FOREIGN},
	{"a fragment header", 20, 17 ^ 44, false, DROP_OUTER_FRAGMENT},
	{"hop-by-hop options", 20, 17 ^ 0, false, DROP_OUTER_FOREIGN},
};

static void run(const struct refusal *r, const struct path_desc *d)
{
	enum drop_reason why = DROP_N;
	struct outer_view v;
	uint8_t frame[256];
	unsigned bytes = frame_of(d, 0, frame);

	frame[r->at] ^= r->xor ;
	if (r->fix)
		fix_ipv4(frame);
	if (outer_parse(frame, bytes, &v, &why) || why != r->why)
		fail_msg("IPv%u, %s: %u", d->family, r->name, why);
}

static void what_is_no_whole_datagram_is_refused_with_its_reason(void **)
{
	uint8_t frame[256];
	struct outer_view v;
	enum drop_reason why;
	unsigned bytes;

	for (unsigned i = 0; i < sizeof(refusals4) / sizeof(refusals4[0]); i++)
		run(&refusals4[i], &v4);
	for (unsigned i = 0; i < sizeof(refusals6) / sizeof(refusals6[0]); i++)
		run(&refusals6[i], &v6);
	bytes = frame_of(&v6, 0, frame);
	frame[14 + 40 + 6] = 0;
	frame[14 + 40 + 7] = 0;
	assert_false(outer_parse(frame, bytes, &v, &why)); // IPv6 has no zero checksum
	assert_int_equal(why, DROP_OUTER_CHECKSUM);
}

static void ip_options_are_skipped(void **)
{
	uint8_t frame[256], with[256];
	struct outer_view v;
	enum drop_reason why;
	unsigned bytes = frame_of(&v4, 0, frame);

	memcpy(with, frame, 34);
	memset(with + 34, 1, 4); // four no-operations
	memcpy(with + 38, frame + 34, bytes - 34);
	with[14] = 0x46;
	put_be16(with + 16, get_be16(with + 16) + 4);
	fix_ipv4(with);
	assert_true(outer_parse(with, bytes + 4, &v, &why));
	assert_int_equal(v.payload_bytes, PAYLOAD);
	assert_int_equal(v.payload[7], 7);
}

static void what_is_written_is_what_is_read(void **)
{
	const struct path_desc *families[] = {&v4, &v6};

	for (unsigned k = 0; k < 2; k++) {
		for (unsigned dscp = 0; dscp < 256; dscp++) {
			struct path_desc back;
			struct outer_path path;
			struct outer_view v;
			enum drop_reason why;
			uint8_t frame[256];
			unsigned bytes = frame_of(families[k], dscp, frame);

			assert_true(outer_parse(frame, bytes, &v, &why));
			assert_int_equal(v.dscp, dscp & 0xfc); // ECN is not copied
			assert_int_equal(v.payload_bytes, PAYLOAD);
			assert_int_equal(v.payload[99], 99);
			assert_int_equal(v.be_dport, RTE_BE16(7668));
			// The way back, seen from the other side, has this datagram's source.
			outer_reverse(&v, 1, 1400, &back);
			assert_int_equal(outer_path_build(&back, &path), 0);
			assert_true(path.source_key == outer_source_key(&v, 1));
			assert_false(path.source_key == outer_source_key(&v, 2));
			assert_memory_equal(back.dst_ip, families[k]->src_ip, 16);
			assert_memory_equal(back.dst_mac, families[k]->src_mac, 6);
		}
	}
}

static void ipv4_goes_out_unfragmentable_with_a_right_header_checksum(void **)
{
	uint8_t frame[256];
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + 14);

	for (unsigned dscp = 0; dscp < 256; dscp += 4) {
		frame_of(&v4, dscp, frame);
		assert_int_equal(rte_raw_cksum(ip, sizeof(*ip)), 0xffff);
		assert_int_equal(ip->fragment_offset, RTE_BE16(RTE_IPV4_HDR_DF_FLAG));
		assert_int_equal(((const struct rte_udp_hdr *)(ip + 1))->dgram_cksum, 0);
	}
}

static void paths_that_cannot_be_are_refused(void **)
{
	struct outer_path p;
	struct path_desc d;

#define REFUSED(change)                                              \
	do {                                                         \
		d = v4;                                              \
		change;                                              \
		assert_int_equal(outer_path_build(&d, &p), -EINVAL); \
	} while (0)
	REFUSED(d.family = 5);
	REFUSED(d.mtu = 1279);
	REFUSED(d.mtu = 9217);
	REFUSED(d.be_sport = 0);
	REFUSED(d.be_dport = 0);
	REFUSED(d.dst_ip[0] = 224);
	REFUSED(d.dst_ip[0] = 255);
	REFUSED(d.src_ip[0] = 0);
	REFUSED(d.dst_mac[0] = 1);
	REFUSED(memset(d.dst_mac, 0, 6));
	REFUSED((d = v6, d.dst_ip[0] = 0xff));
	REFUSED((d = v6, memset(d.dst_ip, 0, 16)));
#undef REFUSED
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_that_lies_is_refused),
		cmocka_unit_test(what_is_no_whole_datagram_is_refused_with_its_reason),
		cmocka_unit_test(paths_that_cannot_be_are_refused),
		cmocka_unit_test(only_a_lanes_own_source_port_is_no_move),
		cmocka_unit_test(ip_options_are_skipped),
		cmocka_unit_test(what_is_written_is_what_is_read),
		cmocka_unit_test(ipv4_goes_out_unfragmentable_with_a_right_header_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
