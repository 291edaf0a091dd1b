// SPDX-License-Identifier: BSD-3-Clause
//
// Any bytes as a configuration file: read or refused, never anything else, and a refusal that a
// terminal can be shown.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/diff.h"
#include "config/gateway.h"
#include "config/hub.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/config/env.h"

static void check_text(const char *text, size_t size)
{
	fuzz_must(memchr(text, '\0', size) != NULL);
	for (; *text != '\0'; text++)
		fuzz_must((unsigned char)*text >= ' ' || *text == '\t');
}

static void check_error(const struct config_error *err, int ret, size_t size)
{
	fuzz_must(ret == -EINVAL || ret == -ENOMEM);
	fuzz_must(err->message[0] != '\0');
	fuzz_must(err->line <= size + 2);
	fuzz_must((err->line == 0) == (err->column == 0));
	fuzz_must(err->caret < CONFIG_ERROR_SOURCE);
	check_text(err->message, sizeof(err->message));
	check_text(err->hint, sizeof(err->hint));
	check_text(err->key, sizeof(err->key));
	check_text(err->source, sizeof(err->source));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct gateway_config *g = NULL;
	struct dataplane_config *d = NULL;
	struct hub_config *h = NULL;
	struct config_error err;
	int ret;

	memset(&err, 'x', sizeof(err));
	ret = config_parse_gateway("fuzz.yaml", text, size, &env_test, &g, &err);
	if (ret < 0) {
		check_error(&err, ret, size);
	} else {
		struct config_diff diff;

		config_diff_gateway(g, g, &diff);
		fuzz_must(diff.n_changes == 0);
		fuzz_must(g->dataplane.n_workers > 0 && g->dataplane.n_ports > 0);
		for (unsigned i = 0; i < g->n_peers; i++)
			fuzz_must(config_segment_by_id(&g->dataplane, g->peers[i].segment_ids[0]) !=
				  NULL);
	}
	memset(&err, 'x', sizeof(err));
	ret = config_parse_dataplane("fuzz.yaml", text, size, &env_test, &d, &err);
	// What a gateway accepts, its data-plane accepts.
	fuzz_must(g == NULL || d != NULL);
	if (ret < 0)
		check_error(&err, ret, size);
	memset(&err, 'x', sizeof(err));
	ret = config_parse_hub("fuzz.yaml", text, size, &env_test, &h, &err);
	if (ret < 0)
		check_error(&err, ret, size);
	config_free_gateway(g);
	config_free_dataplane(d);
	config_free_hub(h);
	return 0;
}
