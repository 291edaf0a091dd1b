// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/hub/silence.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nftables/libnftables.h>

#include "controlplane/common/clock.h"

#define RULES_MAX  4096
#define RECENT_MAX 256
#define REFRESH_US (10 * CLOCK_US_PER_S) // a source opened less than this ago is left alone
#define PORTS_TEXT 128

struct recent {
	struct config_addr addr;
	uint64_t at_us;
};

struct silence {
	struct nft_ctx *nft;
	char table[32];
	struct recent recent[RECENT_MAX]; // a cache: what falls out of it is opened again
	unsigned next;
};

__attribute__((format(printf, 2, 3))) static int run(struct silence *s, const char *fmt, ...)
{
	char text[RULES_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof(text))
		return -ENOBUFS;
	return nft_run_cmd_from_buffer(s->nft, text) == 0 ? 0 : -EIO;
}

// "7667, 7668": a set's elements, each port once.
static void add_port(char text[PORTS_TEXT], uint16_t port)
{
	char one[8];
	size_t len = strlen(text);

	snprintf(one, sizeof(one), "%u", port);
	for (const char *p = text; (p = strstr(p, one)) != NULL; p++) {
		char after = p[strlen(one)];

		if ((p == text || p[-1] == ' ') && (after == '\0' || after == ','))
			return;
	}
	snprintf(text + len, PORTS_TEXT - len, "%s%s", len > 0 ? ", " : "", one);
}

// bound: also drop datagrams to UDP ports nobody is bound to, which takes a kernel module of its
// own.
static int replace_table(struct silence *s, const char *tcp, const char *udp, bool bound)
{
	// "add" before "delete" lets one transaction replace a table that may not be there.
	return run(s,
		"add table inet %1$s\n"
		"delete table inet %1$s\n"
		"table inet %1$s {\n"
		"	set open4 { type ipv4_addr; flags timeout; size 65536; }\n"
		"	set open6 { type ipv6_addr; flags timeout; size 65536; }\n"
		"	chain input {\n"
		"		type filter hook input priority -10; policy accept;\n"
		"		tcp dport { %2$s } jump knocked\n"
		"		%4$s udp dport { %3$s } jump bound\n"
		"	}\n"
		"	chain knocked {\n"
		"		ct state established accept\n"
		"		tcp flags & (fin|syn|rst|ack) != syn drop\n"
		"		ip saddr @open4 accept\n"
		"		ip6 saddr @open6 accept\n"
		"		drop\n"
		"	}\n"
		"	chain bound {\n"
		"		%4$s socket wildcard 0 accept\n"
		"		%4$s socket wildcard 1 accept\n"
		"		%4$s drop\n"
		"	}\n"
		"}\n",
		s->table, tcp, udp, bound ? "" : "#");
}

static int say(struct silence *s, int err, char ret_error[SILENCE_TEXT])
{
	const char *said = nft_ctx_get_error_buffer(s->nft);

	snprintf(ret_error, SILENCE_TEXT, "%.*s", (int)strcspn(said, "\n"), said);
	return err;
}

static struct silence *create(uint16_t port)
{
	struct silence *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (s->nft == NULL) {
		free(s);
		return NULL;
	}
	nft_ctx_buffer_output(s->nft);
	nft_ctx_buffer_error(s->nft);
	snprintf(s->table, sizeof(s->table), "postern_hub_%u", port);
	return s;
}

int silence_create(const struct config_endpoint *listen, unsigned n_listen, uint16_t udp2_port,
	struct silence **ret_silence, char ret_error[SILENCE_TEXT])
{
	struct silence *s = create(listen[0].port);
	char tcp[PORTS_TEXT] = "", udp[PORTS_TEXT] = "";
	int err;

	if (s == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < n_listen; i++) {
		add_port(tcp, listen[i].port);
		add_port(udp, listen[i].port);
	}
	if (udp2_port != 0)
		add_port(udp, udp2_port);
	err = replace_table(s, tcp, udp, true);
	if (err < 0)
		err = replace_table(s, tcp, udp, false);
	if (err < 0) {
		say(s, err, ret_error);
		silence_destroy(s);
		return err;
	}
	*ret_silence = s;
	return 0;
}

int silence_release(const struct config_endpoint *listen, char ret_error[SILENCE_TEXT])
{
	struct silence *s = create(listen[0].port);
	int err;

	if (s == NULL)
		return -ENOMEM;
	err = run(s, "add table inet %1$s\ndelete table inet %1$s\n", s->table);
	if (err < 0)
		say(s, err, ret_error);
	silence_destroy(s);
	return err;
}

void silence_destroy(struct silence *s)
{
	if (s == NULL)
		return;
	nft_ctx_free(s->nft);
	free(s);
}

static bool opened_lately(struct silence *s, const struct config_addr *from, uint64_t now)
{
	for (unsigned i = 0; i < RECENT_MAX; i++) {
		struct recent *r = &s->recent[i];

		if (r->at_us != 0 && memcmp(&r->addr, from, sizeof(*from)) == 0) {
			if (now - r->at_us < REFRESH_US)
				return true;
			r->at_us = now;
			return false;
		}
	}
	s->recent[s->next] = (struct recent){*from, now};
	s->next = (s->next + 1) % RECENT_MAX;
	return false;
}

int silence_open(struct silence *s, const struct config_addr *from)
{
	char text[INET6_ADDRSTRLEN];
	const char *set = from->family == 6 ? "open6" : "open4";

	if (opened_lately(s, from, clock_mono_us()))
		return 0;
	if (inet_ntop(from->family == 6 ? AF_INET6 : AF_INET, from->bytes, text, sizeof(text)) ==
		NULL)
		return -EINVAL;
	// Adding what is there does not renew its time, so it goes and comes in one transaction.
	return run(s,
		"add element inet %1$s %2$s { %3$s }\n"
		"delete element inet %1$s %2$s { %3$s }\n"
		"add element inet %1$s %2$s { %3$s timeout %4$us }\n",
		s->table, set, text, SILENCE_OPEN_S);
}
