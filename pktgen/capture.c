// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/capture.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pcap/pcap.h>

#include "pktgen/frame.h"
#include "pktgen/units.h"

#define WHY(why, ...) snprintf((why), CAPTURE_WHY_BYTES, __VA_ARGS__)

struct room {
	size_t frames, bytes, used;
};

static bool grow(struct capture *c, struct room *room, size_t len)
{
	if (c->n == room->frames) {
		size_t n = room->frames == 0 ? 1024 : room->frames * 2;
		void *frames = realloc(c->frames, n * sizeof(c->frames[0]));

		if (frames == NULL)
			return false;
		c->frames = frames;
		room->frames = n;
	}
	if (room->used + len > room->bytes) {
		size_t n = room->bytes * 2 + len + (1u << 20);
		void *bytes = realloc(c->bytes, n);

		if (bytes == NULL)
			return false;
		c->bytes = bytes;
		room->bytes = n;
	}
	return true;
}

static uint64_t nanoseconds(const struct pcap_pkthdr *header)
{
	return (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec;
}

// A frame that was recorded out of order comes right behind the one before it.
static void set_gap(struct capture *c, uint64_t from_ns, uint64_t to_ns)
{
	struct capture_frame *f = &c->frames[c->n - 1];

	f->gap_ns = to_ns > from_ns ? to_ns - from_ns : 0;
	c->seconds += (double)f->gap_ns / 1e9;
}

static int add(struct capture *c, struct room *room, const uint8_t *data, unsigned recorded,
	unsigned frame_most)
{
	unsigned body = recorded < SIZE_LEAST - FRAME_PROBE_BYTES ? SIZE_LEAST - FRAME_PROBE_BYTES
								  : recorded;
	struct capture_frame *f;
	uint8_t *to;

	if (body + FRAME_PROBE_BYTES > frame_most) {
		body = frame_most - FRAME_PROBE_BYTES;
		c->n_overwritten++;
	}
	if (!grow(c, room, body + FRAME_PROBE_BYTES))
		return -ENOMEM;
	to = c->bytes + room->used;
	memset(to, 0, body + FRAME_PROBE_BYTES);
	memcpy(to, data, recorded < body ? recorded : body);
	f = &c->frames[c->n++];
	*f = (struct capture_frame){
		.at = room->used,
		.body_sum = frame_body_sum(to, body),
		.len = (uint16_t)(body + FRAME_PROBE_BYTES),
	};
	room->used += f->len;
	c->longest = f->len > c->longest ? f->len : c->longest;
	c->mean += (f->len - c->mean) / c->n;
	return 0;
}

static int read_frames(
	pcap_t *pcap, const char *path, unsigned frame_most, struct capture *c, char *why)
{
	struct pcap_pkthdr *header;
	struct room room = {0};
	uint64_t at_ns = 0;
	const u_char *data;
	int got, err;

	while ((got = pcap_next_ex(pcap, &header, &data)) == 1) {
		if (header->caplen < header->len) {
			WHY(why,
				"%s: frame %u was recorded with %u of its %u bytes: record again "
				"with the whole frames (tcpdump -s 0)",
				path, c->n + 1, header->caplen, header->len);
			return -EINVAL;
		}
		if (header->len < 14 || header->len > frame_most) {
			WHY(why, "%s: frame %u has %u bytes; the port takes 14 to %u", path,
				c->n + 1, header->len, frame_most);
			return -EINVAL;
		}
		if (room.used > CAPTURE_BYTES_MAX) {
			WHY(why, "%s: more than %llu MiB: replay a part of it", path,
				CAPTURE_BYTES_MAX >> 20);
			return -EFBIG;
		}
		if (c->n > 0)
			set_gap(c, at_ns, nanoseconds(header));
		at_ns = nanoseconds(header);
		err = add(c, &room, data, header->len, frame_most);
		if (err < 0) {
			WHY(why, "%s: no memory for it", path);
			return err;
		}
	}
	if (got == PCAP_ERROR) {
		WHY(why, "%s: damaged after frame %u: %s", path, c->n, pcap_geterr(pcap));
		return -EINVAL;
	}
	if (c->n == 0) {
		WHY(why, "%s: no frame in it", path);
		return -EINVAL;
	}
	if (c->n > 1)
		set_gap(c, 0, (uint64_t)(c->seconds * 1e9 / (c->n - 1) + 0.5));
	return 0;
}

int capture_read(const char *path, unsigned frame_most, struct capture *ret_capture,
	char why[CAPTURE_WHY_BYTES])
{
	char error[PCAP_ERRBUF_SIZE] = "";
	struct capture c = {0};
	FILE *file = fopen(path, "rbe");
	pcap_t *pcap;
	int err;

	if (file == NULL) {
		err = -errno;
		WHY(why, "%s: %s", path, strerror(errno));
		return err;
	}
	pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, error);
	if (pcap == NULL) {
		fclose(file);
		WHY(why, "%s: no pcap file: %s", path, error);
		return -EINVAL;
	}
	if (pcap_datalink(pcap) != DLT_EN10MB) {
		WHY(why, "%s: its frames are %s, not Ethernet", path,
			pcap_datalink_val_to_description_or_dlt(pcap_datalink(pcap)));
		err = -EINVAL;
	} else {
		err = read_frames(pcap, path, frame_most, &c, why);
	}
	pcap_close(pcap);
	if (err < 0) {
		capture_free(&c);
		return err;
	}
	*ret_capture = c;
	return 0;
}

void capture_free(struct capture *capture)
{
	free(capture->frames);
	free(capture->bytes);
	*capture = (struct capture){0};
}
