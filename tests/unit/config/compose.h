// SPDX-License-Identifier: BSD-3-Clause
//
// Whole files out of the few lines a case is about: the case's lines come first, so that its line
// numbers count from there, then every section of a sound file that the case does not write itself.
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct section {
	const char *name;
	const char *text;
};

static const struct section gateway_base[] = {
	{"gateway:", "gateway: {name: site-a, network: example}\n"},
	{"identity:", "identity: {passphrase_file: /secret/pass}\n"},
	{"dataplane:", "dataplane: {workers: [1], main_cpu: 0}\n"},
	{"ports:", "ports:\n"
		   "  - {name: lan0, role: lan, kind: af_xdp, interface: eth1}\n"
		   "  - {name: lan1, role: lan, kind: tap, interface: tap0}\n"
		   "  - {name: wan0, role: wan, kind: af_xdp, interface: eth0}\n"},
	{"segments:", "segments:\n"
		      "  - {id: 1, name: office, ports: [lan0]}\n"
		      "  - {id: 2, name: lab, ports: [lan1]}\n"},
	{"peers:", "peers: [{name: site-b, segments: [office]}]\n"},
	{NULL, NULL},
};

static const struct section hub_base[] = {
	{"hub:", "hub: {name: hub, network: example, listen: [\"192.0.2.1\"]}\n"},
	{"authority:", "authority: {passphrase_file: /secret/pass}\n"},
	{NULL, NULL},
};

static bool writes_section(const char *text, const char *name)
{
	for (const char *p = text; p != NULL && *p != '\0';) {
		if (strncmp(p, name, strlen(name)) == 0)
			return true;
		p = strchr(p, '\n');
		p = p != NULL ? p + 1 : NULL;
	}
	return false;
}

static size_t compose(const struct section *base, const char *text, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, "%s", text);

	for (; base->name != NULL; base++) {
		if (!writes_section(text, base->name))
			len += (size_t)snprintf(buf + len, size - len, "%s", base->text);
	}
	return len;
}
