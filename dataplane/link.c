// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/gateway.h"
#include "dataplane/fdb.h"
#include "config/log.h"
#include "dataplane/runtime.h"
#include "dataplane/stats.h"
#include "dataplane/worker.h"
#include "sandbox/account.h"

#define MESSAGES_BURST 32
// The kernel fills the room that aligning the control message leaves: what comes must be closed.
#define FDS_ROOM       CMSG_SPACE(LINK_RING_FDS * sizeof(int))
#define FDS_MAX        ((FDS_ROOM - CMSG_LEN(0)) / sizeof(int))

struct link_server {
	struct runtime *rt;
	int listen_fd;
	int conn_fd; // -1: no control
	char path[108];
	// An attach under way.
	uint32_t generation;
	uint32_t newest; // rings of this generation are with the workers
	uint32_t rings_seq;
	bool waiting; // for workers to take them
	struct ring_set *fresh[WORKERS_MAX];
};

struct message {
	union {
		struct link_head head;
		struct link_rings rings;
		struct link_tags tags;
		struct link_fdb_get fdb_get;
		struct link_fdb_flush fdb_flush;
		uint8_t bytes[LINK_MESSAGE_BYTES];
	};
	int fds[FDS_MAX];
	unsigned n_fds;
};

static void drop_fresh(struct link_server *link)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		ring_set_destroy(link->fresh[i]);
		link->fresh[i] = NULL;
	}
}

static void disconnect(struct link_server *link, const char *why)
{
	if (link->conn_fd < 0)
		return;
	log_notice("control: %s; forwarding goes on with the keys there are", why);
	close(link->conn_fd);
	link->conn_fd = -1;
	link->waiting = false;
	drop_fresh(link);
}

// ---------------------------------------------------------------- to control

static bool send_bytes(struct link_server *link, const void *msg, size_t bytes, int fd)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = bytes};
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		hdr.msg_control = control;
		hdr.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	if (sendmsg(link->conn_fd, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)bytes)
		return true;
	disconnect(link, "does not take our messages, disconnected");
	return false;
}

static struct link_head head_of(uint16_t op, size_t bytes, uint32_t seq)
{
	return (struct link_head){.magic = LINK_MAGIC,
		.version = SHM_VERSION,
		.op = op,
		.bytes = (uint32_t)bytes,
		.seq = seq};
}

static void send_status(struct link_server *link, uint32_t seq, int status)
{
	struct link_status msg = {.head = head_of(LINK_STATUS, sizeof(msg), seq), .status = status};

	(void)send_bytes(link, &msg, sizeof(msg), -1);
}

static void send_hello(struct link_server *link)
{
	const struct runtime *rt = link->rt;
	struct link_hello msg = {.head = head_of(LINK_HELLO, sizeof(msg), 0),
		.boot_id = rt->boot_id,
		.max_sessions = rt->dp.max_sessions,
		.max_lanes = LINK_WORKERS_MAX,
		.n_workers = rt->dp.n_workers,
		.n_ports = rt->dp.n_ports,
		.aes_hw = rt->aes_hw,
		.adaptive = rt->cfg->polling == CONFIG_POLL_ADAPTIVE,
		.hugepages = rt->hugepages,
		.super = rt->super_pool != NULL};

	for (unsigned i = 0; i < rt->dp.n_ports; i++) {
		static const uint8_t kinds[] = {[CONFIG_KIND_AF_XDP] = LINK_KIND_AF_XDP,
			[CONFIG_KIND_DPDK] = LINK_KIND_DPDK,
			[CONFIG_KIND_TAP] = LINK_KIND_TAP,
			[CONFIG_KIND_UDP] = LINK_KIND_UDP};
		struct link_port *p = &msg.port[i];

		snprintf(p->name, sizeof(p->name), "%s", rt->port[i].cfg->name);
		snprintf(p->ifname, sizeof(p->ifname), "%s", rt->port[i].ifname);
		p->role = rt->dp.port[i].role;
		p->kind = kinds[rt->port[i].kind];
		p->mtu = rt->dp.port[i].mtu;
		p->be_overlay_port = rt->dp.port[i].be_overlay_port;
		memcpy(p->mac, rt->dp.port[i].mac, sizeof(p->mac));
	}
	(void)send_bytes(link, &msg, sizeof(msg), rt->stats->fd);
}

// ---------------------------------------------------------------- from control

static int duplicate(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int attach_rings(const struct message *m, struct ring_set **ret_rings)
{
	static const struct {
		uint32_t bytes, slots;
	} shape[RING_KINDS] = {
		[RING_CMD] = {sizeof(struct cmd), RING_CMD_SLOTS},
		[RING_EVENT] = {sizeof(struct event), RING_EVENT_SLOTS},
		[RING_PUNT] = {sizeof(struct punt), RING_PUNT_SLOTS},
		[RING_LANE0] = {sizeof(struct punt), RING_LANE0_SLOTS},
		[RING_INJECT] = {sizeof(struct inject), RING_INJECT_SLOTS},
	};
	struct ring_set *rings = calloc(1, sizeof(*rings));
	int err = 0;

	if (rings == NULL)
		return -ENOMEM;
	rings->generation = m->rings.generation;
	rings->doorbell_fd = -1;
	for (unsigned i = 0; i < RING_KINDS; i++)
		rings->ring[i] = SEALED_RING_INIT;
	// What was not taken over is closed with the message.
	for (unsigned i = 0; i < RING_KINDS && err == 0; i++) {
		int head = duplicate(m->fds[2 * i]), body = duplicate(m->fds[2 * i + 1]);

		err = sealed_ring_attach(
			head, body, shape[i].bytes, shape[i].slots, &rings->ring[i]);
		if (err < 0) {
			close(head);
			close(body);
		} else {
			sealed_ring_close_fds(&rings->ring[i]);
		}
	}
	if (err == 0) {
		rings->doorbell_fd = duplicate(m->fds[2 * RING_KINDS]);
		err = rings->doorbell_fd < 0 ? -errno : 0;
	}
	if (err < 0) {
		ring_set_destroy(rings);
		return err;
	}
	*ret_rings = rings;
	return 0;
}

// Workers take new rings all at once, when the last worker's have come.
static int on_rings(struct link_server *link, const struct message *m)
{
	const struct link_rings *r = &m->rings;
	const struct runtime *rt = link->rt;
	int err;

	if (m->n_fds != LINK_RING_FDS || r->worker >= rt->dp.n_workers ||
		r->n_workers != rt->dp.n_workers || r->generation == 0 || link->waiting)
		return -EINVAL;
	if (r->worker == 0) {
		drop_fresh(link);
		link->generation = r->generation;
	} else if (r->generation != link->generation || link->fresh[r->worker - 1] == NULL ||
		   link->fresh[r->worker] != NULL) {
		return -EINVAL;
	}
	err = attach_rings(m, &link->fresh[r->worker]);
	if (err < 0)
		return err;
	if (r->worker + 1u < rt->dp.n_workers)
		return 1;
	for (unsigned i = 0; i < rt->dp.n_workers; i++) {
		ring_set_destroy(worker_rings_retired(rt->worker[i]));
		worker_rings_offer(rt->worker[i], link->fresh[i]);
		link->fresh[i] = NULL;
	}
	link->rings_seq = r->head.seq;
	link->waiting = true;
	return 1;
}

static void check_attached(struct link_server *link)
{
	const struct runtime *rt = link->rt;

	if (!link->waiting)
		return;
	for (unsigned i = 0; i < rt->dp.n_workers; i++) {
		if (atomic_load_explicit(&rt->worker[i]->generation, memory_order_acquire) !=
			link->generation)
			return;
	}
	for (unsigned i = 0; i < rt->dp.n_workers; i++)
		ring_set_destroy(worker_rings_retired(rt->worker[i]));
	link->waiting = false;
	log_info("control attached (rings of generation %u)", link->generation);
	send_status(link, link->rings_seq, 0);
}

static int on_tags(struct link_server *link, const struct link_tags *t)
{
	struct runtime *rt = link->rt;
	int err = 0;

	if (t->n > LINK_TAGS_MAX || t->add > 1 || t->replace > 1 || t->reserved != 0)
		return -EINVAL;
	for (unsigned p = 0; p < rt->dp.n_ports; p++) {
		const struct xdp_maps *maps = &rt->port[p].xdp;

		if (rt->dp.port[p].role != LINK_ROLE_WAN)
			continue;
		if (t->replace)
			xdp_tags_clear(maps);
		for (unsigned i = 0; i < t->n; i++) {
			if (!t->add)
				xdp_tag_remove(maps, t->tag[i]);
			else if (err == 0)
				err = xdp_tag_add(maps, t->tag[i]);
		}
	}
	return err;
}

static uint32_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint32_t)t.tv_sec;
}

static void on_fdb_get(struct link_server *link, const struct link_fdb_get *get)
{
	const struct segment_table *segments = &link->rt->dp.segments;
	struct fdb_entry entries[LINK_FDB_MAX];
	struct link_fdb msg = {0};
	uint32_t cursor = get->cursor;

	msg.n = fdb_dump(link->rt->dp.fdb, now_s(), &cursor, entries, LINK_FDB_MAX);
	for (uint32_t i = 0; i < msg.n; i++) {
		const struct fdb_entry *e = &entries[i];
		struct link_fdb_entry *out = &msg.entry[i];
		uint16_t segment = segments->domain_segment[e->domain];

		memcpy(out->mac, e->mac, sizeof(out->mac));
		out->segment = (uint8_t)segment;
		if (segment < SEGMENTS_MAX && segments->segment[segment].vlan_aware)
			out->vlan = (uint16_t)(e->domain - segments->segment[segment].domain_base);
		out->idx = fdb_dst_idx(e->dst);
		out->where = LINK_FDB_PEER;
		if (fdb_dst_where(e->dst) == FDB_LAN) {
			out->where = LINK_FDB_PORT;
			out->idx = segments->attachment[out->idx % ATTACHMENTS_MAX].port_idx;
		}
		out->is_static = e->is_static;
		out->age_s = e->age_s;
	}
	msg.next_cursor = cursor;
	msg.head = head_of(LINK_FDB, sizeof(msg), get->head.seq);
	(void)send_bytes(link, &msg, sizeof(msg), -1);
}

static int on_fdb_flush(struct link_server *link, const struct link_fdb_flush *flush)
{
	if (flush->reserved != 0)
		return -EINVAL;
	if (flush->session != NO_SESSION && flush->session >= link->rt->dp.max_sessions)
		return -ERANGE;
	fdb_flush(link->rt->dp.fdb,
		flush->session == NO_SESSION ? 0 : fdb_dst(FDB_PEER, flush->session));
	return 0;
}

// Returns false when the message is not of the protocol: then the peer is no control of ours.
static bool dispatch(struct link_server *link, const struct message *m, size_t bytes)
{
	const struct link_head *h = &m->head;
	int status;

	if (bytes < sizeof(*h) || h->magic != LINK_MAGIC || h->version != SHM_VERSION ||
		h->bytes != bytes || (m->n_fds != 0 && h->op != LINK_RINGS))
		return false;
	switch (h->op) {
	case LINK_RINGS:
		status = bytes == sizeof(m->rings) ? on_rings(link, m) : -EPROTO;
		break;
	case LINK_TAGS:
		status = bytes == sizeof(m->tags) ? on_tags(link, &m->tags) : -EPROTO;
		break;
	case LINK_FDB_GET:
		if (bytes != sizeof(m->fdb_get) || m->fdb_get.reserved != 0)
			return false;
		on_fdb_get(link, &m->fdb_get);
		return true;
	case LINK_FDB_FLUSH:
		status =
			bytes == sizeof(m->fdb_flush) ? on_fdb_flush(link, &m->fdb_flush) : -EPROTO;
		break;
	default:
		status = -EOPNOTSUPP;
		break;
	}
	if (status <= 0)
		send_status(link, h->seq, status);
	return true;
}

static void take_fds(struct message *m, struct msghdr *hdr)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c != NULL; c = CMSG_NXTHDR(hdr, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n && m->n_fds < FDS_MAX; i++)
			memcpy(&m->fds[m->n_fds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

// Returns false when nothing more is to be read now.
static bool receive_one(struct link_server *link)
{
	struct message m = {0};
	char control[FDS_ROOM];
	struct iovec iov = {.iov_base = m.bytes, .iov_len = sizeof(m.bytes)};
	struct msghdr hdr = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(link->conn_fd, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	bool good;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		disconnect(link, "gone");
		return false;
	}
	take_fds(&m, &hdr);
	good = (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && dispatch(link, &m, (size_t)n);
	for (unsigned i = 0; i < m.n_fds; i++)
		close(m.fds[i]);
	if (!good)
		disconnect(link, "speaks another version or no protocol of ours, disconnected");
	return good && link->conn_fd >= 0;
}

static void accept_one(struct link_server *link)
{
	int fd = accept4(link->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	disconnect(link, "replaced by a newer one");
	link->conn_fd = fd;
	send_hello(link);
}

void link_run(struct link_server *link)
{
	accept_one(link);
	for (unsigned i = 0; i < MESSAGES_BURST && link->conn_fd >= 0; i++) {
		if (!receive_one(link))
			break;
	}
	check_attached(link);
}

void link_wait(const struct link_server *link, struct pollfd fds[LINK_WAIT_FDS])
{
	fds[0] = (struct pollfd){.fd = link->listen_fd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = link->conn_fd, .events = POLLIN};
}

// The socket is made as root, in a directory of control's, for control's account alone. What stands
// under the name is not followed: the directory's owner could have put a link there.
static int give_to_control(const struct link_server *link)
{
	const struct account to = account_find(link->rt->cfg->user, NULL);

	return to.change && lchown(link->path, to.uid, to.gid) < 0 ? -errno : 0;
}

static int listen_at(struct link_server *link)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t mask;
	int err;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", link->path);
	link->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->listen_fd < 0)
		return -errno;
	(void)unlink(link->path);
	mask = umask(0177);
	err = bind(link->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	umask(mask);
	if (err == 0)
		err = give_to_control(link);
	if (err < 0)
		return err;
	if (listen(link->listen_fd, 4) < 0)
		return -errno;
	return 0;
}

int link_create(struct runtime *rt, struct link_server **ret_link)
{
	struct link_server *link = calloc(1, sizeof(*link));
	int err;

	if (link == NULL)
		return -ENOMEM;
	*link = (struct link_server){.rt = rt, .listen_fd = -1, .conn_fd = -1};
	snprintf(link->path, sizeof(link->path), "%s/dataplane.sock", rt->cfg->run_dir);
	if (mkdir(rt->cfg->run_dir, 0755) < 0 && errno != EEXIST)
		log_warning("cannot make %s: %s", rt->cfg->run_dir, strerror(errno));
	err = listen_at(link);
	if (err < 0) {
		log_error("cannot listen on %s: %s", link->path, strerror(-err));
		link_destroy(link);
		return err;
	}
	*ret_link = link;
	return 0;
}

void link_destroy(struct link_server *link)
{
	if (link == NULL)
		return;
	drop_fresh(link);
	if (link->conn_fd >= 0)
		close(link->conn_fd);
	// The name stays: the next one replaces it.
	if (link->listen_fd >= 0)
		close(link->listen_fd);
	free(link);
}
