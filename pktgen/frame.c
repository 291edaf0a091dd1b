// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/frame.h"

#include <string.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <rte_memcpy.h>
#include <rte_udp.h>

#include "pktgen/units.h"

#define MAGIC_DATA     0x5067
#define MAGIC_REPLAYED 0x5072
#define MAGIC_CTL      0x5063
#define SEED           0x706f7374u
#define PORTS_FIRST    10000u // of flows
#define PORTS_N        50000u
#define UNSURE         50 // the pattern is compared behind this: two tags at most

// Bytes that no counter or compression reproduces by chance, laid so that a frame of any length
// ends with the same ones.
static uint8_t pattern[SIZE_MOST];

__attribute__((constructor)) static void pattern_fill(void)
{
	uint32_t x = SEED;

	for (size_t i = 0; i < sizeof(pattern); i++) {
		x = x * 1664525u + 1013904223u;
		pattern[i] = (uint8_t)(x >> 24);
	}
}

unsigned frame_least(const struct frame_spec *spec)
{
	return SIZE_LEAST + (spec->vlan != 0 ? 4 : 0);
}

void frame_mac_step(uint8_t mac[6], uint32_t steps)
{
	uint32_t low =
		(uint32_t)mac[2] << 24 | (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 | mac[5];

	low += steps;
	mac[2] = (uint8_t)(low >> 24);
	mac[3] = (uint8_t)(low >> 16);
	mac[4] = (uint8_t)(low >> 8);
	mac[5] = (uint8_t)low;
}

void frame_head_build(const struct frame_spec *spec, uint32_t flow, struct frame_head *ret_head)
{
	struct frame_head h = {.l3 = RTE_ETHER_HDR_LEN};
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.time_to_live = 64,
		.next_proto_id = 17,
		.src_addr = rte_cpu_to_be_32(spec->sip + flow / PORTS_N),
		.dst_addr = rte_cpu_to_be_32(spec->dip),
	};
	struct rte_udp_hdr udp = {
		.src_port = rte_cpu_to_be_16(
			spec->n_flows > 1 ? (uint16_t)(PORTS_FIRST + flow % PORTS_N) : spec->sport),
		.dst_port = rte_cpu_to_be_16(spec->dport),
	};

	memcpy(h.bytes, spec->dmac, 6);
	memcpy(h.bytes + 6, spec->smac, 6);
	frame_mac_step(h.bytes, flow % spec->n_dmacs);
	frame_mac_step(h.bytes + 6, flow % spec->n_smacs);
	if (spec->vlan != 0) {
		h.bytes[12] = 0x81;
		h.bytes[14] = (uint8_t)(spec->vlan >> 8);
		h.bytes[15] = (uint8_t)spec->vlan;
		h.l3 += RTE_VLAN_HLEN;
	}
	h.bytes[h.l3 - 2] = 0x08;
	h.ip_sum = rte_raw_cksum(&ip, sizeof(ip));
	memcpy(h.bytes + h.l3, &ip, sizeof(ip));
	memcpy(h.bytes + h.l3 + sizeof(ip), &udp, sizeof(udp));
	h.len = (uint8_t)(h.l3 + sizeof(ip) + sizeof(udp));
	*ret_head = h;
}

void frame_write(uint8_t *buf, unsigned bytes, const struct frame_head *head)
{
	unsigned body = bytes - head->len - FRAME_PROBE_BYTES;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(buf + head->l3);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	uint16_t be_len = rte_cpu_to_be_16((uint16_t)(bytes - head->l3));
	uint32_t sum = head->ip_sum + be_len;

	memcpy(buf, head->bytes, sizeof(head->bytes));
	ip->total_length = be_len;
	ip->hdr_checksum = (uint16_t)~__rte_raw_cksum_reduce(sum);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(bytes - head->l3 - sizeof(*ip)));
	rte_memcpy(buf + head->len, pattern + sizeof(pattern) - body, body);
}

static uint16_t check_of(uint16_t magic, uint64_t where, uint64_t time, uint32_t seed)
{
	uint32_t crc = rte_hash_crc_8byte(where, seed);

	crc = rte_hash_crc_8byte(time | (uint64_t)magic << 48, crc);
	return (uint16_t)(crc ^ crc >> 16);
}

static void probe_write(uint8_t *at, uint16_t magic, const struct probe *p, uint32_t seed)
{
	uint64_t where = (uint64_t)p->run << 56 | (uint64_t)p->stream << 32 | p->seq;
	uint64_t time = p->time & FRAME_TIME_MASK;
	uint16_t be_magic = rte_cpu_to_be_16(magic);
	uint16_t be_check = rte_cpu_to_be_16(check_of(magic, where, time, seed));
	uint64_t be_where = rte_cpu_to_be_64(where);
	uint64_t be_time = rte_cpu_to_be_64(time << 16);

	memcpy(at, &be_magic, 2);
	memcpy(at + 2, &be_check, 2);
	memcpy(at + 4, &be_where, 8);
	memcpy(at + 12, &be_time, 6);
}

void frame_probe_write(uint8_t *buf, unsigned bytes, const struct probe *probe)
{
	probe_write(buf + bytes - FRAME_PROBE_BYTES, MAGIC_DATA, probe, SEED);
}

void frame_probe_write_replayed(
	uint8_t *buf, unsigned bytes, const struct probe *probe, uint32_t body_sum)
{
	probe_write(buf + bytes - FRAME_PROBE_BYTES, MAGIC_REPLAYED, probe, body_sum);
}

uint32_t frame_body_sum(const uint8_t *body, unsigned bytes)
{
	uint32_t crc = SEED;
	uint64_t eight;

	// rte_hash_crc() wants what it reads to be aligned.
	for (; bytes >= sizeof(eight); bytes -= sizeof(eight), body += sizeof(eight)) {
		memcpy(&eight, body, sizeof(eight));
		crc = rte_hash_crc_8byte(eight, crc);
	}
	for (; bytes > 0; bytes--)
		crc = rte_hash_crc_1byte(*body++, crc);
	return crc;
}

// A frame whose end is not as we sent it may still be one of ours, cut or damaged.
static bool has_our_head(const uint8_t *buf, unsigned bytes, uint16_t dport)
{
	unsigned at = 12;

	while (at + 4 <= bytes && ((buf[at] == 0x81 && buf[at + 1] == 0x00) ||
					  (buf[at] == 0x88 && buf[at + 1] == 0xa8)))
		at += 4;
	// The pattern begins behind the headers; without any of it this is not ours either.
	return at + 2 + 28 <= bytes && buf[at] == 0x08 && buf[at + 1] == 0x00 &&
	       buf[at + 2] == RTE_IPV4_VHL_DEF && buf[at + 2 + 9] == 17 &&
	       (buf[at + 2 + 22] << 8 | buf[at + 2 + 23]) == dport;
}

enum frame_kind frame_read(
	const uint8_t *buf, unsigned bytes, uint16_t dport, struct probe *ret_probe)
{
	const uint8_t *at = buf + bytes - FRAME_PROBE_BYTES;
	uint16_t magic, check;
	uint64_t where, time = 0;
	uint32_t seed = SEED;

	if (bytes < RTE_ETHER_HDR_LEN + FRAME_PROBE_BYTES)
		return FRAME_FOREIGN;
	memcpy(&magic, at, 2);
	memcpy(&check, at + 2, 2);
	memcpy(&where, at + 4, 8);
	memcpy(&time, at + 12, 6);
	magic = rte_be_to_cpu_16(magic);
	where = rte_be_to_cpu_64(where);
	time = rte_be_to_cpu_64(time) >> 16;
	if (magic == MAGIC_CTL && bytes < FRAME_CTL_BYTES)
		return FRAME_FOREIGN;
	if (magic == MAGIC_REPLAYED || magic == MAGIC_CTL)
		seed = frame_body_sum(buf, bytes - FRAME_PROBE_BYTES);
	else if (magic != MAGIC_DATA)
		return has_our_head(buf, bytes, dport) ? FRAME_CORRUPTED : FRAME_FOREIGN;
	if (rte_be_to_cpu_16(check) != check_of(magic, where, time, seed))
		return FRAME_CORRUPTED;
	if (magic == MAGIC_DATA && bytes > UNSURE + FRAME_PROBE_BYTES) {
		unsigned body = bytes - UNSURE - FRAME_PROBE_BYTES;

		if (body > sizeof(pattern) ||
			memcmp(buf + UNSURE, pattern + sizeof(pattern) - body, body) != 0)
			return FRAME_CORRUPTED;
	}
	*ret_probe = (struct probe){
		.run = (uint8_t)(where >> 56),
		.stream = (uint32_t)(where >> 32) & 0xffffff,
		.seq = (uint32_t)where,
		.time = time,
	};
	return magic == MAGIC_CTL ? FRAME_CTL : FRAME_DATA;
}

#define CTL_BODY (FRAME_CTL_BYTES - FRAME_PROBE_BYTES - 24)

void frame_ctl_write(uint8_t *buf, const struct frame_spec *spec, uint32_t i, const uint8_t dmac[6],
	const struct ctl *ctl)
{
	struct probe probe = {.run = ctl->run};
	uint32_t op = rte_cpu_to_be_32(ctl->op), n = rte_cpu_to_be_32(ctl->n_streams);
	uint64_t machine = rte_cpu_to_be_64(ctl->machine), total = rte_cpu_to_be_64(ctl->total);
	struct frame_head head;

	frame_head_build(spec, i, &head);
	memcpy(head.bytes, dmac, 6);
	frame_write(buf, FRAME_CTL_BYTES, &head);
	memcpy(buf + CTL_BODY, &op, 4);
	memcpy(buf + CTL_BODY + 4, &n, 4);
	memcpy(buf + CTL_BODY + 8, &machine, 8);
	memcpy(buf + CTL_BODY + 16, &total, 8);
	probe_write(buf + FRAME_CTL_BYTES - FRAME_PROBE_BYTES, MAGIC_CTL, &probe,
		frame_body_sum(buf, FRAME_CTL_BYTES - FRAME_PROBE_BYTES));
}

void frame_ctl_read(const uint8_t *buf, unsigned bytes, struct ctl *ret_ctl)
{
	const uint8_t *at = buf + bytes - FRAME_PROBE_BYTES - 24;
	uint32_t op, n;
	uint64_t machine, total;

	memcpy(&op, at, 4);
	memcpy(&n, at + 4, 4);
	memcpy(&machine, at + 8, 8);
	memcpy(&total, at + 16, 8);
	*ret_ctl = (struct ctl){
		.op = rte_be_to_cpu_32(op),
		.n_streams = rte_be_to_cpu_32(n),
		.machine = rte_be_to_cpu_64(machine),
		.total = rte_be_to_cpu_64(total),
		.run = at[24 + 4],
	};
}
