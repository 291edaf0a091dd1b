// SPDX-License-Identifier: BSD-3-Clause
//
// What people write on the command line, as numbers: rates, sizes, counts, addresses.
//
// Sizes are bytes of a frame as a port sees it, from the destination address to the end of the
// payload, without the FCS: RFC 2544's 64 is 60 here. Floor 2. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNITS_WHY_BYTES 512
#define SIZE_LEAST      60
#define SIZE_MOST       9600
#define MIX_MAX         64

enum rate_kind { RATE_MAX, RATE_PPS, RATE_BPS, RATE_RECORDED };

struct rate {
	enum rate_kind kind;
	double value; // frames or bits (of the frame's own bytes) a second
};

// "max", "1Mpps", "250 kpps", "2.5Gbps", "2.5Gb/s". errors: -EINVAL, with a sentence in why.
int units_rate(const char *text, struct rate *ret_rate, char why[UNITS_WHY_BYTES]);

// The sizes that are sent in turn.
struct mix {
	unsigned n;
	uint16_t bytes[MIX_MAX];
	double mean;
};

// 7 of 64, 4 of 570 and 1 of 1514 bytes, the large ones spread out.
void mix_imix(struct mix *ret_mix);
void mix_single(unsigned bytes, struct mix *ret_mix);
unsigned mix_least(const struct mix *mix);
unsigned mix_most(const struct mix *mix);

// "64", "64,512,1514", "imix": all of them in one mix. errors: -EINVAL.
int units_mix(const char *text, struct mix *ret_mix, char why[UNITS_WHY_BYTES]);

// Rows of a table: each word of the list by itself. errors: -EINVAL.
struct size_row {
	char name[16];
	struct mix mix;
};
int units_size_rows(const char *text, struct size_row *rows, unsigned max, unsigned *ret_n,
	char why[UNITS_WHY_BYTES]);

// A whole number within bounds; k, M and G may follow. errors: -EINVAL, -ERANGE.
int units_count(const char *text, const char *what, uint64_t least, uint64_t most,
	uint64_t *ret_value, char why[UNITS_WHY_BYTES]);
int units_real(const char *text, const char *what, double least, double most, double *ret_value,
	char why[UNITS_WHY_BYTES]);

// errors: -EINVAL.
int units_mac(const char *text, uint8_t ret_mac[6], char why[UNITS_WHY_BYTES]);
int units_ipv4(const char *text, uint32_t *ret_addr, char why[UNITS_WHY_BYTES]); // host order
