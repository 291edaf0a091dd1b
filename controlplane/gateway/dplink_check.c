// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/gateway/dplink_check.h"

#include <string.h>

#define SESSIONS_MAX (1u << 24) // the slot's share of a key_id
#define LANES_MAX    255u
#define MTU_MIN      1280
#define MTU_MAX      9216

static bool text_ok(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool port_ok(const struct link_port *port)
{
	return text_ok(port->name, sizeof(port->name)) &&
	       text_ok(port->ifname, sizeof(port->ifname)) &&
	       (port->role == LINK_ROLE_LAN || port->role == LINK_ROLE_WAN);
}

bool dplink_hello_ok(const struct link_hello *hello, size_t n_bytes)
{
	if (n_bytes != sizeof(*hello) || hello->head.magic != LINK_MAGIC ||
		hello->head.version != SHM_VERSION || hello->head.op != LINK_HELLO ||
		hello->head.bytes != n_bytes)
		return false;
	if (hello->n_workers < 1 || hello->n_workers > LINK_WORKERS_MAX ||
		hello->n_ports > LINK_PORTS_MAX || hello->max_sessions < 1 ||
		hello->max_sessions > SESSIONS_MAX || hello->max_lanes < 1 ||
		hello->max_lanes > LANES_MAX)
		return false;
	for (unsigned i = 0; i < hello->n_ports; i++) {
		if (!port_ok(&hello->port[i]))
			return false;
	}
	return true;
}

static bool path_ok(const struct path_desc *path, bool may_be_none, const struct link_hello *hello)
{
	if (path->family == 0)
		return may_be_none;
	return (path->family == 4 || path->family == 6) && path->port_idx < hello->n_ports;
}

static bool session_ok(uint32_t session, const struct link_hello *hello)
{
	return session < hello->max_sessions;
}

bool dplink_event_ok(const struct event *event, unsigned worker, const struct link_hello *hello)
{
	static const uint16_t bytes[EV_OP_MAX] = {
		[EV_ACK] = sizeof(struct event_ack),
		[EV_NEW_EPOCH] = sizeof(struct event_epoch),
		[EV_PATH] = sizeof(struct event_path),
		[EV_PATH_DEAD] = sizeof(struct event_path),
		[EV_PMTU] = sizeof(struct event_path),
		[EV_SOFT_LIMIT] = sizeof(struct event_epoch),
		[EV_EXPIRED] = sizeof(struct event_epoch),
		[EV_FORGERIES] = sizeof(struct event_epoch),
		[EV_FIRST_FRAME] = sizeof(struct event_epoch),
		[EV_SESSION] = sizeof(struct event_session),
		[EV_MAC_QUOTA] = sizeof(struct event_head),
		[EV_LOOP] = sizeof(struct event_epoch),
	};
	const struct event_head *head = &event->head;

	if (head->op == 0 || head->op >= EV_OP_MAX || head->bytes != bytes[head->op] ||
		head->worker != worker)
		return false;
	switch (head->op) {
	case EV_ACK:
		return session_ok(head->session, hello) || head->session == NO_SESSION;
	case EV_PATH:
		return session_ok(head->session, hello) && path_ok(&event->path.path, false, hello);
	case EV_PMTU:
		return session_ok(head->session, hello) && event->path.path.mtu >= MTU_MIN &&
		       event->path.path.mtu <= MTU_MAX;
	case EV_SESSION:
		return session_ok(head->session, hello) &&
		       path_ok(&event->session.path, true, hello);
	default:
		return session_ok(head->session, hello);
	}
}

bool dplink_punt_ok(const struct punt *punt, unsigned worker, const struct link_hello *hello)
{
	return punt->bytes >= DPLINK_PUNT_MIN_BYTES && punt->bytes <= DATAGRAM_MAX_BYTES &&
	       punt->worker == worker && session_ok(punt->session, hello) &&
	       path_ok(&punt->from, false, hello) && punt->from.be_dport != 0;
}

bool dplink_stats_ok(const struct stats_head *stats, size_t mapped_bytes,
	const struct link_hello *hello, struct stats_head *ret_head)
{
	struct stats_head head;
	size_t workers_end, sessions_end;

	if (mapped_bytes < sizeof(head))
		return false;
	// The data-plane can change the page while we look: judge a copy, hand out the copy, and
	// keep the compiler from looking at the page a second time.
	memcpy(&head, stats, sizeof(head));
	__asm__ volatile("" ::: "memory");
	if (head.magic != STATS_MAGIC || head.version != SHM_VERSION ||
		head.n_workers != hello->n_workers || head.n_ports != hello->n_ports ||
		head.n_sessions != hello->max_sessions || head.total_bytes > mapped_bytes)
		return false;
	if (head.worker_offset % 64 != 0 || head.session_offset % 64 != 0 ||
		head.worker_offset > mapped_bytes || head.session_offset > mapped_bytes)
		return false;
	workers_end = head.worker_offset + sizeof(struct stats_worker) * head.n_workers;
	sessions_end = head.session_offset +
		       sizeof(struct stats_session) * head.n_workers * (size_t)head.n_sessions;
	if (workers_end > mapped_bytes || sessions_end > mapped_bytes)
		return false;
	*ret_head = head;
	return true;
}

bool dplink_fdb_ok(const struct link_fdb *fdb, size_t n_bytes, const struct link_hello *hello)
{
	if (n_bytes < offsetof(struct link_fdb, entry) || fdb->n > LINK_FDB_MAX ||
		n_bytes < offsetof(struct link_fdb, entry) + fdb->n * sizeof(fdb->entry[0]))
		return false;
	for (uint32_t i = 0; i < fdb->n; i++) {
		const struct link_fdb_entry *entry = &fdb->entry[i];

		if (entry->where == LINK_FDB_PORT
				? entry->idx >= hello->n_ports
				: entry->where != LINK_FDB_PEER || !session_ok(entry->idx, hello))
			return false;
	}
	return true;
}
