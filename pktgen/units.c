// SPDX-License-Identifier: BSD-3-Clause
#include "pktgen/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PPS_MOST 1e9
#define BPS_MOST 1.6e12

#define WHY(why, ...) snprintf((why), UNITS_WHY_BYTES, __VA_ARGS__)

static const struct {
	const char *name;
	enum rate_kind kind;
	double factor;
} rate_units[] = {
	{"pps", RATE_PPS, 1},
	{"kpps", RATE_PPS, 1e3},
	{"mpps", RATE_PPS, 1e6},
	{"bps", RATE_BPS, 1},
	{"kbps", RATE_BPS, 1e3},
	{"mbps", RATE_BPS, 1e6},
	{"gbps", RATE_BPS, 1e9},
	{"kb/s", RATE_BPS, 1e3},
	{"mb/s", RATE_BPS, 1e6},
	{"gb/s", RATE_BPS, 1e9},
	{"kbit/s", RATE_BPS, 1e3},
	{"mbit/s", RATE_BPS, 1e6},
	{"gbit/s", RATE_BPS, 1e9},
};

int units_rate(const char *text, struct rate *ret_rate, char why[UNITS_WHY_BYTES])
{
	struct rate rate = {RATE_MAX, 0};
	char *end;
	double value;

	if (strcasecmp(text, "max") == 0) {
		*ret_rate = rate;
		return 0;
	}
	if (strcasecmp(text, "recorded") == 0) {
		*ret_rate = (struct rate){RATE_RECORDED, 0};
		return 0;
	}
	value = strtod(text, &end);
	while (*end == ' ')
		end++;
	for (size_t i = 0; end != text && i < sizeof(rate_units) / sizeof(rate_units[0]); i++) {
		if (strcasecmp(end, rate_units[i].name) == 0) {
			rate.kind = rate_units[i].kind;
			rate.value = value * rate_units[i].factor;
		}
	}
	if (rate.kind == RATE_MAX) {
		WHY(why,
			"\"%s\" is no rate: write 1Mpps, 250kpps, 2.5Gbps, 100Mbps, max or "
			"recorded",
			text);
		return -EINVAL;
	}
	if (!(rate.value >= 1) || rate.value > (rate.kind == RATE_PPS ? PPS_MOST : BPS_MOST)) {
		WHY(why, "%s is an impossible rate: between 1pps and 1000Mpps, or up to 1600Gbps",
			text);
		return -EINVAL;
	}
	*ret_rate = rate;
	return 0;
}

static void mix_add(struct mix *mix, unsigned bytes)
{
	mix->mean = (mix->mean * mix->n + bytes) / (mix->n + 1);
	mix->bytes[mix->n++] = (uint16_t)bytes;
}

void mix_imix(struct mix *ret_mix)
{
	static const uint16_t order[] = {64, 570, 64, 64, 570, 64, 1514, 64, 570, 64, 64, 570};

	*ret_mix = (struct mix){0};
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		mix_add(ret_mix, order[i]);
}

void mix_single(unsigned bytes, struct mix *ret_mix)
{
	*ret_mix = (struct mix){0};
	mix_add(ret_mix, bytes);
}

unsigned mix_least(const struct mix *mix)
{
	unsigned least = SIZE_MOST;

	for (unsigned i = 0; i < mix->n; i++)
		least = mix->bytes[i] < least ? mix->bytes[i] : least;
	return least;
}

unsigned mix_most(const struct mix *mix)
{
	unsigned most = 0;

	for (unsigned i = 0; i < mix->n; i++)
		most = mix->bytes[i] > most ? mix->bytes[i] : most;
	return most;
}

int units_size_rows(const char *text, struct size_row *rows, unsigned max, unsigned *ret_n,
	char why[UNITS_WHY_BYTES])
{
	unsigned n = 0;
	int err;

	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ",");
		struct size_row *row = &rows[n];
		uint64_t bytes;

		if (n == max || len >= sizeof(row->name)) {
			WHY(why, "\"%s\" is no list of at most %u sizes", text, max);
			return -EINVAL;
		}
		snprintf(row->name, sizeof(row->name), "%.*s", (int)len, at);
		if (strcasecmp(row->name, "imix") == 0) {
			mix_imix(&row->mix);
		} else {
			err = units_count(
				row->name, "a frame's size", SIZE_LEAST, SIZE_MOST, &bytes, why);
			if (err < 0)
				return err;
			mix_single((unsigned)bytes, &row->mix);
		}
		n++;
		at += len;
		if (*at == '\0')
			break;
	}
	*ret_n = n;
	return 0;
}

int units_mix(const char *text, struct mix *ret_mix, char why[UNITS_WHY_BYTES])
{
	struct size_row rows[MIX_MAX];
	struct mix mix = {0};
	unsigned n;
	int err = units_size_rows(text, rows, MIX_MAX, &n, why);

	if (err < 0)
		return err;
	for (unsigned i = 0; i < n; i++) {
		if (mix.n + rows[i].mix.n > MIX_MAX) {
			WHY(why, "\"%s\" makes more than %d sizes", text, MIX_MAX);
			return -EINVAL;
		}
		for (unsigned j = 0; j < rows[i].mix.n; j++)
			mix_add(&mix, rows[i].mix.bytes[j]);
	}
	*ret_mix = mix;
	return 0;
}

int units_real(const char *text, const char *what, double least, double most, double *ret_value,
	char why[UNITS_WHY_BYTES])
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(value)) {
		WHY(why, "\"%s\" is no number for %s", text, what);
		return -EINVAL;
	}
	if (value < least || value > most) {
		WHY(why, "%s is out of bounds for %s: %g to %g", text, what, least, most);
		return -ERANGE;
	}
	*ret_value = value;
	return 0;
}

int units_count(const char *text, const char *what, uint64_t least, uint64_t most,
	uint64_t *ret_value, char why[UNITS_WHY_BYTES])
{
	uint64_t factor = 1, value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	switch (end != text ? *end : '\0') {
	case 'k':
		factor = 1000;
		end++;
		break;
	case 'M':
		factor = 1000000;
		end++;
		break;
	case 'G':
		factor = 1000000000;
		end++;
		break;
	default:
		break;
	}
	if (end == text || *end != '\0' || text[0] < '0' || text[0] > '9') {
		WHY(why, "\"%s\" is no number for %s", text, what);
		return -EINVAL;
	}
	if (errno != 0 || value > most / factor || value * factor < least) {
		WHY(why, "%s is out of bounds for %s: %llu to %llu", text, what,
			(unsigned long long)least, (unsigned long long)most);
		return -ERANGE;
	}
	*ret_value = value * factor;
	return 0;
}

int units_mac(const char *text, uint8_t ret_mac[6], char why[UNITS_WHY_BYTES])
{
	unsigned b[6];
	int used = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		    &used) != 6 ||
		text[used] != '\0') {
		WHY(why, "\"%s\" is no MAC address: write 02:00:00:00:00:01", text);
		return -EINVAL;
	}
	for (unsigned i = 0; i < 6; i++)
		ret_mac[i] = (uint8_t)b[i];
	return 0;
}

int units_ipv4(const char *text, uint32_t *ret_addr, char why[UNITS_WHY_BYTES])
{
	struct in_addr addr;

	if (inet_pton(AF_INET, text, &addr) != 1) {
		WHY(why, "\"%s\" is no IPv4 address", text);
		return -EINVAL;
	}
	*ret_addr = ntohl(addr.s_addr);
	return 0;
}
