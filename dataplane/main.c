// SPDX-License-Identifier: BSD-3-Clause
// postern-dataplane: DPDK primary process of a gateway. The main thread starts everything, gives
// its privileges up, then serves control's socket and writes the forwarding table; workers do the
// rest.
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>
#include <rte_byteorder.h>
#include <rte_eal.h>

#include "config/gateway.h"
#include "dataplane/aead.h"
#include "dataplane/eal.h"
#include "dataplane/exception.h"
#include "dataplane/fdb.h"
#include "dataplane/janitor.h"
#include "dataplane/link.h"
#include "config/log.h"
#include "dataplane/netdev.h"
#include "dataplane/notify.h"
#include "dataplane/policy.h"
#include "dataplane/runtime.h"
#include "dataplane/stats.h"
#include "dataplane/worker.h"
#include "sandbox/crash.h"
#include "version.h"

#define TICK_MS          50
#define TICKS_PER_S      (1000 / TICK_MS)
#define EXIT_CONFIG      78 // EX_CONFIG: restarting will not help
#define LAN_QUOTA        65536
#define WATCHDOG_DIVISOR 2

struct options {
	const char *config;
	bool check_only;
};

static void usage(FILE *out)
{
	fputs("usage: postern-dataplane -c FILE\n"
	      "  -c, --config FILE  the gateway's YAML (sections gateway, dataplane, ports, "
	      "segments)\n"
	      "      --version      print the version\n"
	      "  -h, --help         print this\n"
	      "POSTERN_LOG=debug shows more; POSTERN_BPF_DIR names the XDP programs' directory.\n",
		out);
}

// Returns -1 to go on, else the exit status.
static int parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			ret->config = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			puts("postern-dataplane " POSTERN_VERSION);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (ret->config == NULL || optind != argc) {
		usage(stderr);
		return 2;
	}
	return -1;
}

// ---------------------------------------------------------------- start

static int check_limits(const struct dataplane_config *cfg)
{
	if (cfg->n_ports > PORTS_MAX) {
		log_error("at most %d ports; the configuration has %u", PORTS_MAX, cfg->n_ports);
		return -EINVAL;
	}
	if (cfg->n_workers > WORKERS_MAX) {
		log_error("at most %d workers; the configuration has %u", WORKERS_MAX,
			cfg->n_workers);
		return -EINVAL;
	}
	return 0;
}

static int make_segments(struct runtime *rt)
{
	const struct dataplane_config *cfg = rt->cfg;
	struct segment_table *t = &rt->dp.segments;
	int err;

	segment_table_init(t);
	for (unsigned i = 0; i < cfg->n_segments; i++) {
		const struct config_segment *s = &cfg->segments[i];

		err = segment_add(t, s->id, s->vlan_aware, s->bum_pps);
		if (err < 0) {
			log_error("segment %s: %s", s->name, strerror(-err));
			return err;
		}
		t->segment[s->id].guard = (struct guard_rules){
			.dhcp = s->guards.dhcp,
			.ra = s->guards.ra,
			.stp_forward = s->guards.stp == CONFIG_STP_FORWARD,
			.loop_cut = s->guards.loop == CONFIG_LOOP_CUT,
		};
		for (unsigned k = 0; k < s->n_ports; k++) {
			err = segment_attach(
				t, s->id, (uint8_t)s->ports[k].port_idx, s->ports[k].vlan);
			if (err < 0) {
				log_error("segment %s: port %s: %s", s->name, s->ports[k].port,
					strerror(-err));
				return err;
			}
		}
	}
	return 0;
}

static int add_statics(struct runtime *rt, const struct config_segment *s)
{
	const struct segment_table *t = &rt->dp.segments;
	const struct segment *seg = &t->segment[s->id];

	for (unsigned i = 0; i < s->n_statics; i++) {
		const struct config_static *st = &s->statics[i];
		int err = -ENOENT;

		if (st->port == NULL)
			continue;
		for (unsigned a = 0; a < seg->n_attached && err == -ENOENT; a++) {
			if (t->attachment[seg->attached[a]].port_idx == st->port_idx)
				err = fdb_static_add(rt->dp.fdb, st->mac,
					segment_domain(seg, st->vlan),
					fdb_dst(FDB_LAN, seg->attached[a]));
		}
		if (err < 0) {
			log_error("segment %s: static entry %u: %s", s->name, i, strerror(-err));
			return err;
		}
	}
	return 0;
}

static int make_fdb(struct runtime *rt)
{
	struct fdb_config cfg = {
		.entries = rt->cfg->fdb_entries,
		.n_workers = rt->cfg->n_workers,
		.max_sessions = rt->dp.max_sessions,
		.n_attachments = rt->dp.segments.n_attachments,
		.lan_quota = LAN_QUOTA,
		.domain_segment = rt->dp.segments.domain_segment,
	};
	int err;

	for (unsigned i = 0; i < rt->cfg->n_segments; i++) {
		const struct config_segment *s = &rt->cfg->segments[i];

		cfg.ageing_s[s->id] = s->ageing_s > UINT16_MAX ? UINT16_MAX : (uint16_t)s->ageing_s;
	}
	if (getrandom(cfg.hash_secret, sizeof(cfg.hash_secret), 0) != sizeof(cfg.hash_secret))
		return -EIO;
	err = fdb_create(&cfg, &rt->dp.fdb);
	if (err < 0)
		log_error("no memory for a forwarding table of %u entries: raise "
			  "dataplane.memory_mib",
			cfg.entries);
	for (unsigned i = 0; err == 0 && i < rt->cfg->n_segments; i++)
		err = add_statics(rt, &rt->cfg->segments[i]);
	return err;
}

static int make_stats(struct runtime *rt)
{
	struct stats_shape shape = {.n_workers = rt->cfg->n_workers,
		.n_ports = rt->cfg->n_ports,
		.n_sessions = rt->dp.max_sessions,
		.boot_id = rt->boot_id};
	int err = stats_create(&shape, &rt->stats);

	if (err < 0)
		log_error("no memory for the counters: %s", strerror(-err));
	return err;
}

// Hold the port in the kernel, unread, so that it answers nobody while no program of ours is
// attached: from a stale one's removal until the new one knows the port.
static void reserve_port(uint16_t port)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (unsigned i = 0; i < 2; i++) {
		int err = netdev_reserve_port(families[i], rte_cpu_to_be_16(port));

		if (err < 0 && err != -EADDRINUSE && err != -EAFNOSUPPORT)
			log_warning("cannot reserve UDP port %u in the kernel: %s", port,
				strerror(-err));
	}
}

static int open_ports(struct runtime *rt)
{
	char why[PORT_WHY_BYTES] = "";
	int err = port_pool_create(rt->cfg, &rt->pool, why);
	struct port_pools pools = {.pool = rt->pool};

	if (err == 0)
		pools.super = rt->super_pool = port_super_pool_create(rt->cfg);
	for (unsigned i = 0; err == 0 && i < rt->cfg->n_ports; i++) {
		err = port_open(&rt->cfg->ports[i], (uint8_t)i, &pools,
			rt->cfg->polling == CONFIG_POLL_BUSY, &rt->dp.port[i], &rt->port[i], why);
		if (err < 0)
			break;
		rt->dp.n_ports++;
		err = exception_open(rt, i, why);
		if (err < 0)
			break;
		log_info("port %s: %s %s, %u queue%s, MTU %u%s", rt->cfg->ports[i].name,
			config_port_kind_name(rt->port[i].kind),
			rt->cfg->ports[i].kind == CONFIG_KIND_DPDK ? rt->cfg->ports[i].device
								   : rt->port[i].ifname,
			rt->port[i].n_queues, rt->port[i].n_queues == 1 ? "" : "s",
			rt->dp.port[i].mtu, rt->dp.port[i].super ? ", super-frames" : "");
	}
	if (err < 0)
		log_error("%s", why);
	return err;
}

static int prepare_ports(struct runtime *rt)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	char why[PORT_WHY_BYTES] = "";

	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	for (unsigned i = 0; i < rt->cfg->n_ports; i++) {
		const struct config_port *port = &rt->cfg->ports[i];

		for (unsigned k = 0; port->role == CONFIG_ROLE_WAN && k < port->source_ports; k++)
			reserve_port(port->overlay_port + k);
	}
	for (unsigned i = 0; i < rt->cfg->n_ports; i++) {
		int err = port_prepare(&rt->cfg->ports[i], &rt->port[i], why);

		if (err < 0) {
			log_error("%s", why);
			return err;
		}
	}
	return 0;
}

static int make_workers(struct runtime *rt)
{
	int err = 0;

	rt->dp.n_workers = (uint16_t)rt->cfg->n_workers;
	for (unsigned i = 0; i < rt->cfg->n_workers; i++) {
		err = worker_create(rt, (uint16_t)i, &rt->worker[i]);
		if (err == -EBADMSG) {
			log_error(
				"the cipher library gives wrong answers on this CPU: not starting");
			return err;
		}
		if (err < 0) {
			log_error("worker %u cannot be made: %s", i, strerror(-err));
			return err;
		}
	}
	err = workers_wire(rt);
	if (err < 0)
		log_error("workers cannot be given their queues: %s", strerror(-err));
	return err;
}

// ---------------------------------------------------------------- run

struct clock_ticks {
	struct loop_known loops;
	unsigned n;
	uint64_t watchdog_us;
	uint64_t watchdog_due_us;
};

static const char *segment_name(const struct runtime *rt, uint8_t id)
{
	const struct config_segment *s = config_segment_by_id(rt->cfg, id);

	return s != NULL ? s->name : "?";
}

// What a loop at a peer is about, control tells; it knows the peer's name.
static void tell_loop(void *ctx, fdb_dst_t place, uint8_t segment, bool cut)
{
	struct runtime *rt = ctx;
	const struct attachment *a = &rt->dp.segments.attachment[fdb_dst_idx(place)];

	const struct segment *s = &rt->dp.segments.segment[segment];

	// Stations are reached another way now, which the LAN may have shown in its own place.
	fdb_flush(rt->dp.fdb, place);
	for (unsigned i = 0; i < s->n_attached; i++)
		fdb_flush(rt->dp.fdb, fdb_dst(FDB_LAN, s->attached[i]));
	if (fdb_dst_where(place) == FDB_PEER) {
		if (!cut)
			log_notice(
				"segment %s: a loop by way of a peer is gone, it is joined again",
				segment_name(rt, segment));
		return;
	}
	if (cut)
		log_warning("segment %s: port %s (VLAN %u) closes a loop; it is cut off until the "
			    "loop is gone",
			segment_name(rt, segment), rt->cfg->ports[a->port_idx].name, a->vid);
	else
		log_notice("segment %s: the loop at port %s (VLAN %u) is gone, it is joined again",
			segment_name(rt, segment), rt->cfg->ports[a->port_idx].name, a->vid);
}

static void on_tick(struct runtime *rt, struct link_server *link, struct clock_ticks *ticks)
{
	struct timespec t;
	uint64_t now_us;

	clock_gettime(CLOCK_BOOTTIME, &t);
	now_us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
	(void)fdb_run(rt->dp.fdb, (uint32_t)t.tv_sec);
	link_run(link);
	loop_run(&rt->dp.loop, &ticks->loops, (uint32_t)t.tv_sec, tell_loop, rt);
	if (++ticks->n % TICKS_PER_S == 0)
		stats_collect(rt);
	if (ticks->watchdog_us != 0 && now_us >= ticks->watchdog_due_us) {
		ticks->watchdog_due_us = now_us + ticks->watchdog_us / WATCHDOG_DIVISOR;
		notify_send("WATCHDOG=1");
	}
}

static int open_timer(void)
{
	static const struct itimerspec tick = {
		.it_interval.tv_nsec = TICK_MS * 1000000, .it_value.tv_nsec = TICK_MS * 1000000};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &tick, NULL) < 0) {
		log_error("no timer: %s", strerror(errno));
		return -errno;
	}
	return fd;
}

static int serve(struct runtime *rt, struct link_server *link, int signal_fd, int timer_fd)
{
	struct pollfd fds[2 + LINK_WAIT_FDS] = {
		{.fd = timer_fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
	struct clock_ticks ticks = {0};
	uint64_t ignored;

	(void)sd_watchdog_enabled(0, &ticks.watchdog_us);
	while ((fds[1].revents & POLLIN) == 0) {
		link_wait(link, fds + 2);
		if (poll(fds, 2 + LINK_WAIT_FDS, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[2].revents != 0 || fds[3].revents != 0)
			link_run(link);
		if (read(timer_fd, &ignored, sizeof(ignored)) > 0)
			on_tick(rt, link, &ticks);
	}
	return 0;
}

static void tell_janitor(const struct runtime *rt, struct janitor *janitor)
{
	for (unsigned i = 0; i < rt->dp.n_ports; i++) {
		struct xdp_attached attached;

		if (rt->port[i].ifindex != 0 &&
			xdp_attached_read(rt->port[i].ifindex, &attached) == 0 && attached.ours)
			janitor_add(janitor, rt->port[i].ifindex, attached.prog_id, attached.flags);
	}
}

static void stop_workers(struct runtime *rt)
{
	for (unsigned i = 0; i < rt->dp.n_workers && rt->worker[i] != NULL; i++)
		worker_stop(rt->worker[i]);
	for (unsigned i = 0; i < rt->dp.n_workers && rt->worker[i] != NULL; i++)
		worker_join(rt->worker[i]);
}

// After a start that failed half-way, with all our privileges.
static void take_back(struct runtime *rt)
{
	stop_workers(rt);
	for (unsigned i = 0; i < rt->dp.n_ports; i++)
		port_close(&rt->dp.port[i], &rt->port[i]);
	for (unsigned i = 0; i < rt->dp.n_workers; i++)
		worker_destroy(rt->worker[i]);
	fdb_destroy(rt->dp.fdb);
}

static int start(struct runtime *rt)
{
	struct eal_facts facts;
	int err;

	rt->dp.max_sessions = rt->cfg->max_peers;
	rt->aes_hw = aead_aes_in_hardware();
	if (getrandom(&rt->boot_id, sizeof(rt->boot_id), 0) != sizeof(rt->boot_id))
		return -EIO;
	err = loop_init(&rt->dp.loop);
	if (err == 0)
		err = check_limits(rt->cfg);
	if (err == 0)
		err = prepare_ports(rt);
	if (err == 0)
		err = eal_start(rt->cfg, &facts);
	if (err < 0)
		return err;
	rt->hugepages = facts.hugepages;
	err = open_ports(rt);
	if (err == 0)
		err = make_segments(rt);
	if (err == 0)
		err = make_fdb(rt);
	if (err == 0)
		err = make_stats(rt);
	if (err == 0)
		err = make_workers(rt);
	return err;
}

static int run(struct runtime *rt, int signal_fd)
{
	struct link_server *link = NULL;
	struct janitor *janitor = NULL;
	int timer_fd = -1, err;

	notify_open();
	err = janitor_start(rt->cfg, &janitor);
	if (err == 0)
		err = start(rt);
	if (err == 0)
		tell_janitor(rt, janitor);
	if (err == 0)
		err = link_create(rt, &link);
	for (unsigned i = 0; err == 0 && i < rt->dp.n_workers; i++)
		err = worker_launch(rt->worker[i]);
	if (err == 0)
		err = timer_fd = open_timer();
	if (err >= 0) {
		sandbox_lock_memory();
		err = policy_enter(rt);
		if (err < 0)
			log_error("privileges cannot be given up: %s", strerror(-err));
	}
	if (err == 0) {
		log_info("ready: %u worker%s, %s polling, AES %s", rt->dp.n_workers,
			rt->dp.n_workers == 1 ? "" : "s", config_polling_name(rt->cfg->polling),
			rt->aes_hw ? "in hardware" : "not in hardware");
		notify_send("READY=1");
		err = serve(rt, link, signal_fd, timer_fd);
		notify_send("STOPPING=1");
		stop_workers(rt);
		janitor_clean(janitor);
		// The kernel closes the rest: a driver's own clean-up makes calls that are
		// forbidden by now.
		_exit(err < 0 ? 1 : 0);
	}
	link_destroy(link);
	take_back(rt);
	janitor_clean(janitor);
	return err;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct config_error cfg_err;
	struct dataplane_config *cfg;
	struct runtime *rt;
	sigset_t signals;
	int status, signal_fd, err;

	log_init();
	status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	(void)mallopt(M_ARENA_MAX, 1); // further ones would grow by mprotect()
	if (sandbox_begin() < 0) {
		log_error("prctl does not work here: %s", strerror(errno));
		return 1;
	}
	if (config_load_dataplane(options.config, &cfg, &cfg_err) < 0) {
		config_error_print(stderr, &cfg_err);
		return EXIT_CONFIG;
	}
	(void)mkdir(cfg->run_dir, 0755);
	crash_init("postern-dataplane", cfg->run_dir);
	// Blocked before threads are made, so that only the main thread hears of an end.
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	rt = calloc(1, sizeof(*rt));
	if (rt == NULL || signal_fd < 0) {
		log_error("cannot start: %s", strerror(errno));
		return 1;
	}
	rt->cfg = cfg;
	err = run(rt, signal_fd);
	stats_destroy(rt->stats);
	free(rt);
	config_free_dataplane(cfg);
	return err < 0 ? 1 : 0;
}
