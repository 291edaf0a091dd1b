// SPDX-License-Identifier: BSD-3-Clause
// The socket to control: what a hostile or stale peer gets, and that rings swap by generation.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "dataplane/fdb.h"
#include "dataplane/link.h"
#include "dataplane/stats.h"
#include "tests/unit/dataplane/runtime_rig.h"

static struct rt_rig *rig;
static struct link_server *server;
static char dir[64];
static int sock = -1;

static int dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/dataplane.sock", dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	link_run(server);
	return fd;
}

static int set_up(void **)
{
	struct link_hello hello;

	rig = rt_rig_create(1, 2);
	snprintf(dir, sizeof(dir), "/tmp/postern-test-link.XXXXXX");
	assert_non_null(mkdtemp(dir));
	rig->cfg.run_dir = dir;
	assert_int_equal(link_create(rig->rt, &server), 0);
	sock = dial();
	assert_int_equal(recv(sock, &hello, sizeof(hello), MSG_DONTWAIT), sizeof(hello));
	return 0;
}

static int tear_down(void **)
{
	if (sock >= 0)
		close(sock);
	link_destroy(server);
	rmdir(dir);
	rt_rig_destroy(rig);
	return 0;
}

static struct link_head head(uint16_t op, size_t bytes, uint32_t seq)
{
	return (struct link_head){LINK_MAGIC, SHM_VERSION, op, (uint32_t)bytes, seq};
}

// The status that comes back, 1 when nothing does, 2 when we are disconnected.
static int status_of(uint32_t seq)
{
	struct link_status st;
	ssize_t n;

	link_run(server);
	n = recv(sock, &st, sizeof(st), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 2;
	if (n < 0)
		return 1;
	assert_int_equal(n, sizeof(st));
	assert_int_equal(st.head.op, LINK_STATUS);
	assert_int_equal(st.head.seq, seq);
	return st.status;
}

static int say(const void *msg, size_t bytes)
{
	const struct link_head *h = msg;

	assert_int_equal(send(sock, msg, bytes, 0), bytes);
	return status_of(h->seq);
}

static void send_fds(const void *msg, size_t bytes, const int *fds, unsigned n)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = {0};
	struct iovec iov = {(void *)(uintptr_t)msg, bytes};
	struct msghdr hdr = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	assert_int_equal(sendmsg(sock, &hdr, 0), bytes);
}

struct offer {
	struct sealed_ring ring[RING_KINDS];
	int fds[LINK_RING_FDS];
};

static void make_rings(struct offer *o)
{
	static const uint32_t bytes[] = {sizeof(struct cmd), sizeof(struct event),
		sizeof(struct punt), sizeof(struct punt), sizeof(struct inject)};
	static const uint32_t slots[] = {RING_CMD_SLOTS, RING_EVENT_SLOTS, RING_PUNT_SLOTS,
		RING_LANE0_SLOTS, RING_INJECT_SLOTS};

	for (unsigned i = 0; i < RING_KINDS; i++) {
		o->ring[i] = SEALED_RING_INIT;
		assert_int_equal(sealed_ring_create("t", bytes[i], slots[i], &o->ring[i]), 0);
		o->fds[2 * i] = o->ring[i].head_fd;
		o->fds[2 * i + 1] = o->ring[i].body_fd;
	}
	o->fds[2 * RING_KINDS] = eventfd(0, EFD_NONBLOCK);
}

static void free_rings(struct offer *o)
{
	for (unsigned i = 0; i < RING_KINDS; i++)
		sealed_ring_fini(&o->ring[i]);
	close(o->fds[2 * RING_KINDS]);
}

static int offer_rings(struct offer *o, uint32_t generation, uint16_t worker, unsigned n_fds)
{
	struct link_rings m = {.head = head(LINK_RINGS, sizeof(m), 40u + worker),
		.generation = generation,
		.worker = worker,
		.n_workers = 2};

	send_fds(&m, sizeof(m), o->fds, n_fds);
	return status_of(40u + worker);
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 512; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void hello_says_who_we_are_and_hands_counters_read_only(void **)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct link_hello hello;
	struct iovec iov = {&hello, sizeof(hello)};
	struct msghdr hdr = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	int fd;

	close(sock);
	sock = dial();
	assert_int_equal(recvmsg(sock, &hdr, MSG_DONTWAIT), sizeof(hello));
	assert_int_equal(hello.n_workers, 2);
	assert_int_equal(hello.max_sessions, RT_SESSIONS);
	assert_int_equal(hello.port[1].role, LINK_ROLE_WAN);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&hdr)), sizeof(fd));
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_ptr_not_equal(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(ftruncate(fd, 0), -1);
	close(fd);
}

static void what_is_not_the_protocol_is_disconnected(void **)
{
	struct link_tags t;
	struct {
		const char *name;
		struct link_head h;
		size_t bytes;
	} cases[] = {
		{"a wrong magic", {1, SHM_VERSION, LINK_TAGS, sizeof(t), 1}, sizeof(t)},
		{"another version", {LINK_MAGIC, SHM_VERSION + 1, LINK_TAGS, sizeof(t), 1},
			sizeof(t)},
		{"a length that lies", {LINK_MAGIC, SHM_VERSION, LINK_TAGS, sizeof(t) - 1, 1},
			sizeof(t)},
		{"half a head", {LINK_MAGIC, SHM_VERSION, LINK_TAGS, 8, 1}, 8},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct link_hello hello;

		memset(&t, 0, sizeof(t));
		t.head = cases[i].h;
		if (say(&t, cases[i].bytes) != 2)
			fail_msg("%s is not disconnected", cases[i].name);
		close(sock);
		sock = dial();
		assert_int_equal(recv(sock, &hello, sizeof(hello), MSG_DONTWAIT), sizeof(hello));
	}
}

static void bad_requests_are_refused_with_a_reason(void **)
{
	struct link_tags t = {.head = head(LINK_TAGS, sizeof(t), 7), .n = LINK_TAGS_MAX + 1};
	struct link_fdb_flush f = {
		.head = head(LINK_FDB_FLUSH, sizeof(f), 8), .session = RT_SESSIONS};
	struct link_head h = head(99, sizeof(h), 9);

	assert_int_equal(say(&t, sizeof(t)), -EINVAL);
	t.n = 1;
	t.add = 2;
	assert_int_equal(say(&t, sizeof(t)), -EINVAL);
	t.add = 1;
	t.reserved = 1;
	assert_int_equal(say(&t, sizeof(t)), -EINVAL);
	t.head.bytes = 100;
	assert_int_equal(say(&t, 100), -EPROTO);
	assert_int_equal(say(&f, sizeof(f)), -ERANGE);
	assert_int_equal(say(&h, sizeof(h)), -EOPNOTSUPP);
	f.session = NO_SESSION;
	assert_int_equal(say(&f, sizeof(f)), 0);
}

static void rings_that_are_not_what_was_agreed_are_refused(void **)
{
	struct offer o;
	unsigned before = open_fds();
	int swapped;

	make_rings(&o);
	assert_int_equal(offer_rings(&o, 1, 0, LINK_RING_FDS - 1), -EINVAL);
	assert_int_equal(offer_rings(&o, 0, 0, LINK_RING_FDS), -EINVAL); // no generation
	assert_int_equal(offer_rings(&o, 1, 2, LINK_RING_FDS), -EINVAL); // no such worker
	assert_int_equal(offer_rings(&o, 1, 1, LINK_RING_FDS), -EINVAL); // worker 0 comes first
	swapped = o.fds[0];
	o.fds[0] = o.fds[1]; // a page that is not sealed
	assert_true(offer_rings(&o, 1, 0, LINK_RING_FDS) < 0);
	o.fds[0] = swapped;
	swapped = o.fds[0];
	o.fds[0] = o.fds[4]; // a ring of another shape
	assert_true(offer_rings(&o, 1, 0, LINK_RING_FDS) < 0);
	o.fds[0] = swapped;
	free_rings(&o);
	assert_int_equal(open_fds(), before);
}

// One more than belongs there still fits the control message's padding.
static void a_descriptor_too_many_is_refused_and_closed(void **)
{
	struct link_rings m = {
		.head = head(LINK_RINGS, sizeof(m), 41), .generation = 1, .n_workers = 2};
	int fds[LINK_RING_FDS + 1];
	unsigned before = open_fds();

	for (unsigned i = 0; i < LINK_RING_FDS + 1; i++)
		fds[i] = eventfd(0, 0);
	send_fds(&m, sizeof(m), fds, LINK_RING_FDS + 1);
	assert_int_equal(status_of(41), -EINVAL);
	for (unsigned i = 0; i < LINK_RING_FDS + 1; i++)
		close(fds[i]);
	assert_int_equal(open_fds(), before);
}

static void descriptors_where_none_belong_are_closed(void **)
{
	struct link_tags t = {.head = head(LINK_TAGS, sizeof(t), 7), .add = 1};
	unsigned before = open_fds();
	int fd = eventfd(0, 0);

	send_fds(&t, sizeof(t), &fd, 1);
	assert_int_equal(status_of(7), 2);
	close(fd);
	assert_int_equal(open_fds(), before - 1); // the connection is gone as well
}

static void attach(struct offer o[2], uint32_t generation)
{
	make_rings(&o[0]);
	make_rings(&o[1]);
	assert_int_equal(offer_rings(&o[0], generation, 0, LINK_RING_FDS), 1);
	assert_int_equal(offer_rings(&o[1], generation, 1, LINK_RING_FDS), 1);
	assert_int_equal(status_of(41), 1); // workers have not taken them yet
	rt_rig_turn(rig);
	assert_int_equal(status_of(41), 0);
}

static void workers_take_rings_together_and_the_old_are_let_go(void **)
{
	struct offer first[2], second[2];
	unsigned before = open_fds();

	attach(first, 5);
	assert_int_equal(rig->rt->worker[0]->rings->generation, 5);
	attach(second, 6);
	assert_int_equal(rig->rt->worker[1]->rings->generation, 6);
	for (unsigned i = 0; i < 2; i++) {
		free_rings(&first[i]);
		free_rings(&second[i]);
	}
	assert_int_equal(open_fds(), before + 2); // one doorbell for each worker
}

static void a_newer_control_replaces_the_older(void **)
{
	struct offer o[2];
	int old = sock;
	char byte;

	attach(o, 5);
	sock = dial();
	assert_int_equal(recv(old, &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(rig->rt->worker[0]->rings->generation, 5); // still served
	close(old);
	free_rings(&o[0]);
	free_rings(&o[1]);
}

static void control_that_dies_between_rings_leaves_nothing_behind(void **)
{
	struct offer o;
	unsigned before = open_fds();

	make_rings(&o);
	assert_int_equal(offer_rings(&o, 5, 0, LINK_RING_FDS), 1);
	free_rings(&o);
	close(sock);
	sock = -1;
	link_run(server);
	assert_null(rig->rt->worker[0]->rings);
	assert_int_equal(open_fds(), before - 2);
}

static void the_table_is_read_page_by_page(void **)
{
	struct link_fdb_get get = {.head = head(LINK_FDB_GET, sizeof(get), 3)};
	static struct link_fdb page;
	unsigned total = 0;

	for (unsigned i = 0; i < 300; i++) {
		uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};

		assert_int_equal(
			fdb_static_add(rig->rt->dp.fdb, mac, RT_SEGMENT, fdb_dst(FDB_PEER, 4)), 0);
	}
	do {
		assert_int_equal(send(sock, &get, sizeof(get), 0), sizeof(get));
		link_run(server);
		assert_int_equal(recv(sock, &page, sizeof(page), MSG_DONTWAIT), sizeof(page));
		assert_int_equal(page.head.op, LINK_FDB);
		for (unsigned i = 0; i < page.n; i++) {
			assert_int_equal(page.entry[i].where, LINK_FDB_PEER);
			assert_int_equal(page.entry[i].idx, 4);
			assert_int_equal(page.entry[i].segment, RT_SEGMENT);
			assert_true(page.entry[i].is_static);
		}
		total += page.n;
		get.cursor = page.next_cursor;
	} while (page.next_cursor != 0);
	assert_int_equal(total, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_not_the_protocol_is_disconnected, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			bad_requests_are_refused_with_a_reason, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			rings_that_are_not_what_was_agreed_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_descriptor_too_many_is_refused_and_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			descriptors_where_none_belong_are_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			hello_says_who_we_are_and_hands_counters_read_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			workers_take_rings_together_and_the_old_are_let_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_newer_control_replaces_the_older, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			control_that_dies_between_rings_leaves_nothing_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_table_is_read_page_by_page, set_up, tear_down),
	};

	rt_rig_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
