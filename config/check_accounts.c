// SPDX-License-Identifier: BSD-3-Clause
#include "config/check.h"

#include <string.h>

static void take_default(const struct config_reader *r, const char **user, const char *dflt)
{
	if (*user == NULL && r->env->user_exists != NULL && r->env->user_exists(r->env->ctx, dflt))
		*user = dflt;
}

int config_check_accounts(struct config_reader *r, const char **user, const char *user_dflt,
	const char **apart, const char *key, const char *apart_dflt)
{
	take_default(r, user, user_dflt);
	take_default(r, apart, apart_dflt);
	if (*apart == NULL)
		return 0;
	config_reader_at(r, "%s", key);
	config_reader_hint(r, "create one: adduser --system --group %s", apart_dflt);
	if (strcmp(*apart, "root") == 0)
		return config_reader_fail(r, "%s: this process never stays root", key);
	if (*user != NULL && strcmp(*apart, *user) == 0)
		return config_reader_fail(
			r, "%s: two processes under one account could reach into each other", key);
	return 0;
}
