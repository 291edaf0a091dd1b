// SPDX-License-Identifier: BSD-3-Clause
//
// A new configuration in place of the old one, or the old one goes on.
#include "controlplane/gateway/control.h"

#include <errno.h>
#include <string.h>

#include "config/diff.h"
#include "controlplane/common/clock.h"
#include "config/log.h"

static const char *who_restarts(enum config_restart restart)
{
	static const char *const names[] = {"nobody", "control", "dataplane", "both"};

	return names[restart];
}

static void report_changes(const struct config_diff *diff, json_t *report)
{
	json_t *list = json_array();
	char text[CONFIG_ERROR_KEY + 32];

	for (unsigned i = 0; i < diff->n_changes && i < CONFIG_DIFF_MAX; i++) {
		const struct config_change *change = &diff->changes[i];

		config_change_format(change, text, sizeof(text));
		log_notice("reload: %s%s%s", text,
			change->restart == CONFIG_RELOAD_LIVE ? ""
							      : ", after a "
								"restart of ",
			change->restart == CONFIG_RELOAD_LIVE ? "" : who_restarts(change->restart));
		if (list != NULL)
			json_array_append_new(
				list, json_pack("{s:s, s:s}", "change", text, "restart",
					      who_restarts(change->restart)));
	}
	if (report == NULL || list == NULL) {
		json_decref(list);
		return;
	}
	json_object_set_new(report, "changes", list);
	json_object_set_new(report, "n_changes", json_integer(diff->n_changes));
	json_object_set_new(report, "restart", json_string(who_restarts(diff->restart)));
}

int control_reload(struct control *c, struct config_error *err, json_t *report)
{
	struct gateway_config *new, *old = c->config;
	struct config_diff diff;
	int status = config_load_gateway(c->config_path, &new, err);

	if (status < 0) {
		log_error("reload: the new configuration is refused, the old one stays");
		return status;
	}
	config_diff_gateway(old, new, &diff);
	report_changes(&diff, report);
	// Who we are and where our files lie cannot change under us: those keys wait for a restart,
	// and until then the whole file does, so that no half of it applies.
	if (diff.restart == CONFIG_RESTART_CONTROL || diff.restart == CONFIG_RESTART_BOTH) {
		log_notice("reload: nothing applied before postern-control is restarted");
		config_free_gateway(new);
		return 0;
	}
	c->config = new;
	c->env.rekey_us = new->policy.rekey_s *CLOCK_US_PER_S;
	c->env.key_life_us = new->policy.key_life_s *CLOCK_US_PER_S;
	peers_configure(c, new);
	config_free_gateway(old);
	if (!control_can_authenticate(c))
		control_identity_load(c);
	hubclient_start(c);
	for (uint32_t i = 0; i < c->n_slots; i++) {
		if (c->peers[i] != NULL)
			hubclient_publish(c, c->peers[i]);
	}
	state_mark(c);
	return 0;
}
