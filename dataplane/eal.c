// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/eal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "config/gateway.h"
#include "config/log.h"

#define ARGS_MAX  96
#define ARG_BYTES 320

struct args {
	int n;
	char *argv[ARGS_MAX + 1];
	char text[ARGS_MAX][ARG_BYTES];
};

static char last_error[256];

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;

	if (a->n >= ARGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(a->text[a->n], ARG_BYTES, fmt, ap);
	va_end(ap);
	a->argv[a->n] = a->text[a->n];
	a->n++;
}

bool eal_device_is_pci(const char *device)
{
	unsigned domain, bus, slot, func;
	int used = 0;

	if (sscanf(device, "%x:%x:%x.%x%n", &domain, &bus, &slot, &func, &used) == 4)
		return device[used] == '\0' || device[used] == ',';
	if (sscanf(device, "%x:%x.%x%n", &bus, &slot, &func, &used) == 3)
		return device[used] == '\0' || device[used] == ',';
	return false;
}

static size_t free_hugepage_bytes(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	struct dirent *entry;
	size_t total = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		unsigned long kib, n = 0;
		char path[320];
		FILE *f;

		if (sscanf(entry->d_name, "hugepages-%lukB", &kib) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages",
			entry->d_name);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fscanf(f, "%lu", &n) == 1)
			total += n * kib * 1024;
		fclose(f);
	}
	closedir(dir);
	return total;
}

// DPDK's own lines become ours: its errors are kept for the sentence that explains a failure, and
// shown as they are only to somebody who debugs.
static ssize_t log_sink(void *cookie, const char *text, size_t len)
{
	char line[256];

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	if (len == 0)
		return 1;
	log_quote(line, sizeof(line), text, len);
	if (rte_log_cur_msg_loglevel() <= (int)RTE_LOG_ERR)
		snprintf(last_error, sizeof(last_error), "%s", line);
	log_debug("dpdk: %s", line);
	return (ssize_t)len;
}

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	(void)log_sink(cookie, text, len);
	return (ssize_t)len;
}

const char *eal_last_error(void)
{
	return last_error;
}

void eal_forget_error(void)
{
	last_error[0] = '\0';
}

static void add_cpus(struct args *a, const struct dataplane_config *cfg)
{
	char cpus[ARG_BYTES];
	int at = snprintf(cpus, sizeof(cpus), "%d@%u", EAL_MAIN_LCORE, cfg->main_cpu);

	for (unsigned i = 0; i < cfg->n_workers && at < (int)sizeof(cpus) - 16; i++)
		at += snprintf(cpus + at, sizeof(cpus) - (size_t)at, ",%u@%u", EAL_WORKER_LCORE(i),
			cfg->worker_cpus[i]);
	add(a, "--lcores=%s", cpus);
	add(a, "--main-lcore=%d", EAL_MAIN_LCORE);
}

static void add_devices(struct args *a, const struct dataplane_config *cfg)
{
	bool pci = false;

	for (unsigned i = 0; i < cfg->n_ports; i++) {
		const struct config_port *p = &cfg->ports[i];

		if (p->kind != CONFIG_KIND_DPDK || !eal_device_is_pci(p->device))
			continue;
		add(a, "--allow=%s", p->device);
		pci = true;
	}
	if (!pci)
		add(a, "--no-pci");
}

int eal_start(const struct dataplane_config *cfg, struct eal_facts *ret_facts)
{
	static struct args args; // EAL keeps pointers to some
	struct eal_facts facts = {.hugepage_bytes = free_hugepage_bytes()};
	size_t need = (size_t)cfg->memory_mib << 20;
	cookie_io_functions_t sink = {.write = log_write};
	FILE *stream;

	facts.hugepages = cfg->hugepages != CONFIG_HUGEPAGES_NEVER && facts.hugepage_bytes >= need;
	if (cfg->hugepages == CONFIG_HUGEPAGES_REQUIRE && !facts.hugepages) {
		log_error("dataplane.hugepages is require, but only %zu of %u MiB are free as "
			  "hugepages: reserve them (sysctl vm.nr_hugepages=%u) or set it to auto",
			facts.hugepage_bytes >> 20, cfg->memory_mib, (cfg->memory_mib + 1) / 2);
		return -ENOMEM;
	}
	stream = fopencookie(NULL, "w", sink);
	if (stream != NULL) {
		setvbuf(stream, NULL, _IOLBF, 512);
		rte_openlog_stream(stream);
	}
	args.n = 0;
	add(&args, "postern-dataplane");
	add(&args, "--file-prefix=postern-%d", (int)getpid());
	add(&args, "--no-telemetry");
	add(&args, "--log-level=*:%s", log_enabled(LOG_DEBUG) ? "info" : "error");
	add_cpus(&args, cfg);
	add_devices(&args, cfg);
	if (facts.hugepages) {
		add(&args, "--in-memory");
		add(&args, "--single-file-segments");
		add(&args, "--socket-limit=%u", cfg->memory_mib);
	} else {
		add(&args, "--no-huge");
		add(&args, "--no-shconf");
		add(&args, "-m");
		add(&args, "%u", cfg->memory_mib);
	}
	if (rte_eal_init(args.n, args.argv) < 0) {
		log_error("DPDK did not start: %s (%s)", rte_strerror(rte_errno), last_error);
		return rte_errno == ENOMEM ? -ENOMEM : -EIO;
	}
	log_info("packet memory: %u MiB on %s", cfg->memory_mib,
		facts.hugepages ? "hugepages" : "ordinary pages (no hugepages are reserved)");
	*ret_facts = facts;
	return 0;
}
