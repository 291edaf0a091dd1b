// SPDX-License-Identifier: BSD-3-Clause
//
// What commands may do to a session, and what a handshake datagram meets.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include <rte_mbuf.h>

#include "dataplane/filter.h"
#include "dataplane/flood.h"
#include "tests/unit/dataplane/rig.h"

#define SLOT   5
#define SECOND 1000000000ull

static struct rig_gateway *a, *b;

static int set_up(void **)
{
	struct rig_options o = {.n_workers = 2};

	a = rig_gateway(1, &o);
	b = rig_gateway(2, &o);
	rig_join(a, b, SLOT, 1500, CIPHER_AES_256_GCM);
	return 0;
}

static int tear_down(void **)
{
	rig_gateway_free(a);
	rig_gateway_free(b);
	return 0;
}

static struct cmd_key key_of(uint8_t generation, uint8_t dir, uint8_t lane)
{
	return (struct cmd_key){
		.head.session = SLOT,
		.rx_key_id = PKT_KEY_ID(SLOT, generation),
		.tx_key_id = PKT_KEY_ID(SLOT, generation),
		.deadline_ns = a->w[0]->now_ns + 600 * SECOND,
		.dir = dir,
		.lane = lane,
		.cipher = CIPHER_AES_256_GCM,
		.n_lanes = 2,
	};
}

// ---------------------------------------------------------------- commands

static void keys_that_make_no_sense_are_refused_and_change_nothing(void **)
{
	struct worker *w = a->w[0];
	struct session before = w->sessions[SLOT];
	struct cmd_key k;

#define REFUSED(error, change)                                                    \
	do {                                                                      \
		k = key_of(2, 0, 1);                                              \
		change;                                                           \
		assert_int_equal(session_key_install(w, &k), error);              \
		assert_memory_equal(&w->sessions[SLOT], &before, sizeof(before)); \
	} while (0)
	REFUSED(-ENOENT, k.head.session = 6);
	REFUSED(-ENOENT, k.head.session = UINT32_MAX);
	REFUSED(-ENOENT, k.head.session = RIG_SESSIONS);
	REFUSED(-EINVAL, k.rx_key_id = PKT_KEY_ID(6, 2));
	REFUSED(-EINVAL, k.dir = 2);
	REFUSED(-EINVAL, k.lane = 0);
	REFUSED(-EINVAL, k.lane = 3);
	REFUSED(-EINVAL, k.cipher = 0);
	REFUSED(-EINVAL, k.cipher = 3);
	REFUSED(-ESTALE, k.deadline_ns = w->now_ns);
	REFUSED(-EPERM, k.lane = 2);              // worker 1's
	REFUSED(-EPERM, (k.lane = 2, k.dir = 1)); // worker 1's
#undef REFUSED
}

static void a_key_lives_600_seconds_at_most_whatever_control_says(void **)
{
	struct cmd_key k = key_of(2, 0, 1);
	struct cmd_epoch d = {.head.session = SLOT, .rx_key_id = k.rx_key_id};
	struct epoch *e;

	k.deadline_ns = UINT64_MAX;
	assert_int_equal(session_key_install(a->w[0], &k), 0);
	e = session_epoch(&a->w[0]->sessions[SLOT], k.rx_key_id);
	assert_true(e->deadline_ns == a->w[0]->now_ns + SESSION_KEY_LIFE_NS);
	d.deadline_ns = UINT64_MAX;
	assert_int_equal(session_deadline_set(a->w[0], &d), 0);
	assert_true(e->deadline_ns == a->w[0]->now_ns + SESSION_KEY_LIFE_NS);
	d.deadline_ns = a->w[0]->now_ns; // a revoked certificate: at once
	assert_int_equal(session_deadline_set(a->w[0], &d), 0);
	assert_null(session_epoch(&a->w[0]->sessions[SLOT], k.rx_key_id));
	assert_true(rig_had_event(a, EV_EXPIRED));
}

static void a_fourth_epoch_takes_the_place_of_the_oldest_not_in_use(void **)
{
	struct session *s = &a->w[0]->sessions[SLOT];

	for (unsigned generation = 2; generation < 40; generation++) {
		struct cmd_key k = key_of(generation, 0, 1);

		assert_int_equal(session_key_install(a->w[0], &k), 0);
		assert_non_null(session_epoch(s, PKT_KEY_ID(SLOT, 1))); // sent under
		assert_non_null(session_epoch(s, PKT_KEY_ID(SLOT, generation)));
		if (generation > 2)
			assert_non_null(session_epoch(s, PKT_KEY_ID(SLOT, generation - 1)));
		if (generation > 3)
			assert_null(session_epoch(s, PKT_KEY_ID(SLOT, generation - 2)));
	}
}

static void a_slot_is_not_given_to_another_peer_before_it_is_deleted(void **)
{
	struct cmd_session c = {.head.session = SLOT, .mac_quota = 5, .peer_id = {9}};

	c.segments[0] = 1 << RIG_SEGMENT;
	assert_int_equal(session_set(a->w[0], &c), -EEXIST);
	assert_int_equal(session_del(a->w[0], SLOT), 0);
	assert_int_equal(session_del(a->w[0], SLOT), -ENOENT);
	assert_int_equal(session_set(a->w[0], &c), 0);
	assert_null(session_tx_epoch(&a->w[0]->sessions[SLOT]));
	c.segments[31] = 0x80; // 255 does not exist
	assert_int_equal(session_set(a->w[0], &c), -EINVAL);
	c.segments[31] = 0;
	c.mac_quota = 0;
	assert_int_equal(session_set(a->w[0], &c), -EINVAL);
	c.mac_quota = 1;
	c.role = 2;
	assert_int_equal(session_set(a->w[0], &c), -EINVAL);
}

static void what_is_said_of_no_session_or_epoch_is_refused(void **)
{
	struct worker *w = a->w[0];
	const uint32_t nobody[] = {SLOT + 1, w->dp->max_sessions};

	for (unsigned i = 0; i < 2; i++) {
		struct cmd_key k = key_of(2, 0, 1);
		struct cmd_tags t = {.head.session = nobody[i], .n_tags = 1};
		struct cmd_epoch e = {
			.head.session = nobody[i], .rx_key_id = PKT_KEY_ID(nobody[i], 1)};
		struct path_desc d = rig_path(a, b, 1400, 4);

		k.head.session = nobody[i];
		assert_int_equal(session_key_install(w, &k), -ENOENT);
		assert_int_equal(session_tags_set(w, &t), -ENOENT);
		assert_int_equal(session_tx_switch(w, &e), -ENOENT);
		assert_int_equal(session_key_retire(w, &e), -ENOENT);
		assert_int_equal(session_deadline_set(w, &e), -ENOENT);
		assert_int_equal(session_path_use(w, nobody[i], &d), -ENOENT);
		assert_int_equal(session_mtu_set(w, nobody[i], 1400), -ENOENT);
		session_epoch_heard(w, nobody[i], e.rx_key_id);
		session_expire(w, nobody[i]);
		assert_null(session_get(w, nobody[i]));
		// An epoch that this session does not have, and one that is another session's.
		e.head.session = SLOT;
		assert_int_equal(session_tx_switch(w, &e), -EINVAL);
		assert_int_equal(session_key_retire(w, &e), -ENOENT);
		assert_int_equal(session_deadline_set(w, &e), -ENOENT);
	}
	assert_int_equal(a->n_events, 0);
}

static void tags_that_make_no_sense_are_refused(void **)
{
	struct cmd_tags t = {.head.session = SLOT, .n_tags = 3};

	t.set = 2;
	assert_int_equal(session_tags_set(a->w[0], &t), -EINVAL);
	t.set = 1;
	t.n_tags = 4;
	assert_int_equal(session_tags_set(a->w[0], &t), -EINVAL);
	t.n_tags = 3;
	t.role = 2;
	assert_int_equal(session_tags_set(a->w[0], &t), -EINVAL);
}

// The first of two sessions with one tag keeps it.
static void a_tag_of_another_session_is_left_to_it(void **)
{
	struct cmd_tags t = {.head.session = SLOT, .n_tags = 1, .tag = {{7}}};
	struct cmd_session c = {.head.session = SLOT + 1, .mac_quota = 5, .peer_id = {9}};
	struct worker *w = a->w[0];

	assert_int_equal(session_tags_set(w, &t), 0);
	assert_int_equal(session_set(w, &c), 0);
	t.head.session = SLOT + 1;
	assert_int_equal(session_tags_set(w, &t), 0);
	assert_int_equal(w->sessions[SLOT].pair[0].n_tags, 1);
	assert_int_equal(w->sessions[SLOT + 1].pair[0].n_tags, 0);
}

static void an_epoch_ends_at_its_deadline_and_no_other_does(void **)
{
	struct worker *w = a->w[0];
	struct session *s = &w->sessions[SLOT];
	struct cmd_key k = key_of(2, 0, 1);

	k.deadline_ns = w->now_ns + 5 * SECOND;
	assert_int_equal(session_key_install(w, &k), 0);
	rig_clock(a, k.deadline_ns - 1);
	session_expire(w, SLOT);
	assert_non_null(session_epoch(s, k.rx_key_id));
	rig_clock(a, k.deadline_ns);
	session_expire(w, SLOT);
	assert_null(session_epoch(s, k.rx_key_id));
	assert_non_null(session_epoch(s, PKT_KEY_ID(SLOT, 1)));
	assert_int_equal(a->n_events, 1);
	assert_true(rig_had_event(a, EV_EXPIRED));
}

static void leaving_a_segment_ends_its_floods(void **)
{
	struct cmd_session c = {.head.session = SLOT, .mac_quota = 5};

	memcpy(c.peer_id, a->w[0]->sessions[SLOT].peer_id, sizeof(c.peer_id));
	assert_int_equal(a->w[0]->flood->peers[RIG_SEGMENT].n, 1);
	c.segments[0] = 1 << 2;
	assert_int_equal(session_set(a->w[0], &c), 0);
	assert_int_equal(a->w[0]->flood->peers[RIG_SEGMENT].n, 0);
	assert_int_equal(a->w[0]->flood->peers[2].n, 1);
	assert_int_equal(session_set(a->w[0], &c), 0);
	assert_int_equal(a->w[0]->flood->peers[2].n, 1);
	assert_int_equal(session_del(a->w[0], SLOT), 0);
	assert_int_equal(a->w[0]->flood->peers[2].n, 0);
}

static void a_switch_to_an_epoch_without_a_key_is_refused(void **)
{
	struct cmd_key k = key_of(2, 0, 1); // receive only

	assert_int_equal(rig_switch(a, SLOT, 2), -ENOENT);
	assert_int_equal(session_key_install(a->w[0], &k), 0);
	assert_int_equal(rig_switch(a, SLOT, 2), -ENOKEY);
	assert_int_equal(
		session_tx_epoch(&a->w[0]->sessions[SLOT])->rx_key_id, PKT_KEY_ID(SLOT, 1));
	assert_non_null(session_tx_epoch(&a->w[0]->sessions[SLOT])->tx);
}

static void a_switch_wipes_the_old_transmit_key_and_keeps_the_old_receive_key(void **)
{
	struct epoch *old = session_tx_epoch(&a->w[0]->sessions[SLOT]);

	rig_epoch(a, b, SLOT, 2, CIPHER_CHACHA20);
	assert_int_equal(rig_switch(a, SLOT, 2), 0);
	assert_null(old->tx);
	assert_non_null(old->rx[0]);
	assert_int_equal(rig_retire(a, SLOT, 1), 0);
	assert_null(session_epoch(&a->w[0]->sessions[SLOT], PKT_KEY_ID(SLOT, 1)));
	assert_int_not_equal(rig_retire(a, SLOT, 1), 0);
}

static void paths_are_taken_only_for_wan_ports_within_their_mtu(void **)
{
	struct cmd_path c = {.head.session = SLOT, .path = rig_path(a, b, 1400, 4)};

	c.path.port_idx = RIG_LAN;
	assert_int_equal(session_path_set(a->w[0], &c), -EINVAL);
	c.path.port_idx = 200;
	assert_int_equal(session_path_set(a->w[0], &c), -EINVAL);
	c.path.port_idx = RIG_WAN;
	a->dp.port[RIG_WAN].mtu = 1399;
	assert_int_equal(session_path_set(a->w[0], &c), -EINVAL);
	assert_int_equal(a->w[0]->sessions[SLOT].path.mtu, 1500);
	a->dp.port[RIG_WAN].mtu = 1500;
	assert_int_equal(session_path_set(a->w[0], &c), 0);
	assert_int_equal(session_mtu_set(a->w[0], SLOT, 1300), 0);
	assert_int_equal(a->w[0]->sessions[SLOT].path.mtu, 1300);
	assert_int_equal(session_mtu_set(a->w[0], SLOT, 1200), -EINVAL);
	c.path.family = 0; // no path any more
	assert_int_equal(session_path_set(a->w[0], &c), 0);
	assert_int_equal(session_mtu_set(a->w[0], SLOT, 1300), -ENOENT);
}

// ---------------------------------------------------------------- handshake datagrams

static const uint8_t mac_keys[2][32] = {{3}, {5}};

// Tags under a name of three letters; a knock carries the second one of "tag".
static int set_tags_of(
	struct rig_gateway *g, const char *name, uint8_t set, uint8_t role, uint8_t n)
{
	static const char when[3][6] = {"-prev", "-now.", "-next"};
	struct cmd_tags t = {.head.session = SLOT, .set = set, .n_tags = n, .role = role};

	for (unsigned i = 0; i < 3; i++) {
		memcpy(t.tag[i], name, 3);
		memcpy(t.tag[i] + 3, when[i], 5);
	}
	memcpy(t.mac_key, mac_keys, sizeof(mac_keys));
	return session_tags_set(g->w[0], &t);
}

static int set_tags(struct rig_gateway *g, uint8_t role, uint8_t n)
{
	return set_tags_of(g, "tag", 0, role, n);
}

struct knock {
	uint8_t data[PKT_HS_MAX_LEN];
	uint16_t bytes;
};

static struct knock knock_of(uint8_t type, uint64_t ts)
{
	static const uint16_t lengths[] = {PKT_PUNCH_LEN, PKT_M1_LEN, 682, 610, PKT_RETRY_LEN};
	struct knock k = {.bytes = lengths[type - PKT_TYPE_PUNCH]};
	struct pkt_hs *h = (struct pkt_hs *)k.data;
	unsigned at = type == PKT_TYPE_M1 ? PKT_M1_MAC1_OFF : k.bytes - PKT_MAC_LEN;

	h->type = type;
	h->len = k.bytes;
	memcpy(h->tag, "tag-now.", 8);
	h->ts = ts;
	crypto_generichash(
		k.data + at, PKT_MAC_LEN, k.data, at, mac_keys[type == PKT_TYPE_M3 ? 1 : 0], 32);
	return k;
}

// DROP_N: it may go up.
static enum drop_reason verdict(struct rig_gateway *g, const struct knock *k)
{
	struct outer_view v = {.payload = (uint8_t *)k->data, .payload_bytes = k->bytes};
	enum drop_reason why = DROP_N;
	uint32_t slot = 0;

	if (!filter_handshake(g->w[0], &v, &slot, &why))
		return why;
	assert_int_equal(slot, SLOT);
	return DROP_N;
}

static void a_stranger_gets_no_further_than_his_tag(void **)
{
	struct knock k = knock_of(PKT_TYPE_M1, 100);

	assert_int_equal(verdict(b, &k), DROP_HS_TAG); // no tags at all
	assert_int_equal(set_tags(b, 1, 3), 0);
	k.data[PKT_OFF_TAG] ^= 1;
	assert_int_equal(verdict(b, &k), DROP_HS_TAG);
	assert_int_equal(set_tags(b, 1, 0), 0); // forgotten
	k.data[PKT_OFF_TAG] ^= 1;
	assert_int_equal(verdict(b, &k), DROP_HS_TAG);
	assert_int_equal(set_tags(b, 1, 3), 0);
	assert_int_equal(session_del(b->w[0], SLOT), 0);
	assert_int_equal(verdict(b, &k), DROP_HS_TAG);
}

// A control that was restarted may hold its two pair keys the other way round.
static void tags_that_change_sets_stay_known(void **)
{
	struct knock k = knock_of(PKT_TYPE_M1, 100);

	assert_int_equal(set_tags_of(b, "tag", 0, 1, 3), 0);
	assert_int_equal(set_tags_of(b, "old", 1, 1, 3), 0);
	assert_int_equal(set_tags_of(b, "old", 0, 1, 3), 0);
	assert_int_equal(verdict(b, &k), DROP_HS_TAG); // nobody's in between
	assert_int_equal(set_tags_of(b, "tag", 1, 1, 3), 0);
	assert_int_equal(verdict(b, &k), DROP_N);
	// One that is alone, moved to the other set before its old place is forgotten.
	assert_int_equal(set_tags_of(b, "tag", 0, 1, 3), 0);
	assert_int_equal(set_tags_of(b, "tag", 1, 1, 0), 0);
	assert_int_equal(verdict(b, &k), DROP_N);
	// Both in the table, the newer first.
	assert_int_equal(set_tags_of(b, "old", 1, 1, 3), 0);
	assert_int_equal(set_tags_of(b, "tag", 1, 1, 3), 0);
	assert_int_equal(set_tags_of(b, "old", 0, 1, 3), 0);
	assert_int_equal(verdict(b, &k), DROP_N);
	assert_int_equal(set_tags_of(b, "tag", 1, 1, 0), 0);
	assert_int_equal(verdict(b, &k), DROP_HS_TAG);
}

static void every_bit_of_a_handshake_datagram_is_under_its_mac(void **)
{
	static const uint8_t types[] = {PKT_TYPE_PUNCH, PKT_TYPE_M1, PKT_TYPE_M3};

	assert_int_equal(set_tags(b, 1, 3), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct knock k = knock_of(types[i], 100);

		for (unsigned bit = 0; bit < k.bytes * 8u; bit++) {
			// mac2 is control's to check, under a cookie only it knows.
			if (types[i] == PKT_TYPE_M1 && bit >= PKT_M1_MAC2_OFF * 8)
				break;
			k.data[bit / 8] ^= 1 << bit % 8;
			if (verdict(b, &k) == DROP_N)
				fail_msg("type %02x, bit %u", types[i], bit);
			k.data[bit / 8] ^= 1 << bit % 8;
		}
		assert_int_equal(verdict(b, &k), DROP_N);
	}
}

static void messages_of_the_wrong_direction_are_refused(void **)
{
	assert_int_equal(set_tags(a, 0, 3), 0);
	assert_int_equal(set_tags(b, 1, 3), 0);
	for (uint8_t type = PKT_TYPE_PUNCH; type <= PKT_TYPE_RETRY; type++) {
		struct knock k = knock_of(type, 100);
		bool to_server = type == PKT_TYPE_M1 || type == PKT_TYPE_M3;
		bool both = type == PKT_TYPE_PUNCH;

		assert_int_equal(verdict(b, &k), to_server || both ? DROP_N : DROP_HS_ROLE);
		assert_int_equal(verdict(a, &k), !to_server || both ? DROP_N : DROP_HS_ROLE);
	}
}

static void old_time_stamps_and_too_many_duplicates_are_refused(void **)
{
	struct knock m1 = knock_of(PKT_TYPE_M1, 100), older = knock_of(PKT_TYPE_M1, 99);
	struct knock newer = knock_of(PKT_TYPE_M1, 101), punch = knock_of(PKT_TYPE_PUNCH, 50);
	struct knock punched = knock_of(PKT_TYPE_PUNCH, 49);
	unsigned passed = 0;

	assert_int_equal(set_tags(b, 1, 3), 0);
	assert_int_equal(verdict(b, &m1), DROP_N);
	assert_int_equal(verdict(b, &older), DROP_HS_TS);
	for (unsigned i = 0; i < 200; i++)
		passed += verdict(b, &m1) == DROP_N;
	assert_int_equal(passed, 16);
	assert_int_equal(verdict(b, &m1), DROP_HS_DUPLICATE);
	assert_int_equal(verdict(b, &newer), DROP_N);
	assert_int_equal(verdict(b, &m1), DROP_HS_TS);
	// PUNCH has a time of its own and may repeat it.
	assert_int_equal(verdict(b, &punch), DROP_N);
	assert_int_equal(verdict(b, &punch), DROP_N);
	assert_int_equal(verdict(b, &punched), DROP_HS_TS);
	// New tags of the same pair key do not open the past again; a new pair key begins anew.
	assert_int_equal(set_tags(b, 1, 3), 0);
	assert_int_equal(verdict(b, &m1), DROP_HS_TS);
}

static void a_flood_of_genuine_handshakes_is_limited(void **)
{
	unsigned passed = 0;

	assert_int_equal(set_tags(b, 1, 3), 0);
	for (unsigned i = 0; i < 1000; i++) {
		struct knock k = knock_of(PKT_TYPE_M1, 100 + i);

		passed += verdict(b, &k) == DROP_N;
	}
	assert_int_equal(passed, 64);
	rig_clock(b, b->w[0]->now_ns + SECOND);
	struct knock k = knock_of(PKT_TYPE_M1, 5000);
	assert_int_equal(verdict(b, &k), DROP_N);
}

static void replays_do_not_use_up_the_share_of_what_is_new(void **)
{
	// What somebody saw on the wire, and what the peer sends next.
	static const uint8_t to_server[][2] = {{PKT_TYPE_PUNCH, PKT_TYPE_M1},
		{PKT_TYPE_M1, PKT_TYPE_M1}, {PKT_TYPE_M3, PKT_TYPE_M1}, {PKT_TYPE_M3, PKT_TYPE_M3}};
	static const uint8_t to_client[][2] = {{PKT_TYPE_PUNCH, PKT_TYPE_M2},
		{PKT_TYPE_M2, PKT_TYPE_M2}, {PKT_TYPE_RETRY, PKT_TYPE_M2}};
	uint64_t ts = 100;

	assert_int_equal(set_tags(a, 0, 3), 0);
	assert_int_equal(set_tags(b, 1, 3), 0);
	for (unsigned i = 0; i < 7; i++) {
		struct rig_gateway *g = i < 4 ? b : a;
		const uint8_t *pair = i < 4 ? to_server[i] : to_client[i - 4];
		struct knock seen = knock_of(pair[0], ++ts), next = knock_of(pair[1], ++ts);
		unsigned passed = 0;

		for (unsigned k = 0; k < 1000; k++)
			passed += verdict(g, &seen) == DROP_N;
		assert_in_range(passed, 1, 17);
		if (verdict(g, &next) != DROP_N)
			fail_msg(
				"type %02x does not pass behind replays of %02x", pair[1], pair[0]);
		if (pair[0] == pair[1])
			assert_int_equal(verdict(g, &seen), DROP_HS_TS);
	}
}

static void a_false_mac_does_not_move_the_time_stamp(void **)
{
	struct knock k = knock_of(PKT_TYPE_M1, UINT64_MAX), good = knock_of(PKT_TYPE_M1, 100);

	assert_int_equal(set_tags(b, 1, 3), 0);
	k.data[PKT_M1_MAC1_OFF] ^= 1;
	assert_int_equal(verdict(b, &k), DROP_HS_MAC);
	assert_int_equal(verdict(b, &good), DROP_N);
}

static void lane_0_is_limited_and_a_strange_source_does_not_use_up_the_paths_share(void **)
{
	struct path_desc d = rig_path(a, b, 1500, 4);
	uint8_t data[64] = {PKT_TYPE_DATA};
	struct outer_view v = {
		.family = 4, .payload = data, .payload_bytes = PKT_MIN_LEN, .be_sport = d.be_sport};
	uint8_t stranger[4] = {203, 0, 113, 9};
	enum drop_reason why;
	unsigned passed = 0;

	v.src_ip = stranger;
	for (unsigned i = 0; i < 1000; i++)
		passed += filter_lane0(b->w[0], SLOT, &v, RIG_WAN, &why);
	assert_int_equal(passed, 8);
	assert_int_equal(why, DROP_LANE0_SOURCE);
	v.src_ip = d.src_ip;
	passed = 0;
	for (unsigned i = 0; i < 1000; i++)
		passed += filter_lane0(b->w[0], SLOT, &v, RIG_WAN, &why);
	assert_int_equal(passed, 256);
	assert_int_equal(why, DROP_LANE0_BUCKET);
	v.payload_bytes = PKT_MIN_LEN - 1;
	assert_false(filter_lane0(b->w[0], SLOT, &v, RIG_WAN, &why));
	v.payload_bytes = PKT_HS_MAX_LEN + 1;
	assert_false(filter_lane0(b->w[0], SLOT, &v, RIG_WAN, &why));
	assert_int_equal(why, DROP_LANE0_SHAPE);
}

// ---------------------------------------------------------------- lanes

static void a_lane_never_gives_a_counter_at_or_beyond_2_31(void **)
{
	struct lane_tx lane = {.next = LANE_HARD_LIMIT - 3};
	uint64_t first = 0;

	assert_false(lane_tx_reserve(&lane, 4, &first));
	assert_true(lane.next == LANE_HARD_LIMIT - 3);
	assert_true(lane_tx_reserve(&lane, 2, &first));
	assert_true(first == LANE_HARD_LIMIT - 3);
	assert_true(lane_tx_reserve(&lane, 1, &first));
	assert_true(first == LANE_HARD_LIMIT - 1);
	assert_false(lane_tx_reserve(&lane, 1, &first));
}

static void the_reference_data_packet_is_sealed_and_opened(void **)
{
	FILE *f = fopen(TEST_ROOT "/tests/reference/vectors.txt", "r");
	struct aead_key *key = aligned_alloc(64, sizeof(*key));
	static char line[4096], hex[4096];
	uint8_t packet[100] = {0}, want[100], lane_secret[44] = {0};
	struct lane_tx lane = {0};
	struct aead_op op;
	unsigned found = 0;
	size_t n;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "data (100) %4095s", hex) == 1)
			found += sodium_hex2bin(want, 100, hex, strlen(hex), NULL, &n, NULL) == 0;
		if (sscanf(line, "lane3_c2s (44) %4095s", hex) == 1)
			found += sodium_hex2bin(
					 lane_secret, 44, hex, strlen(hex), NULL, &n, NULL) == 0;
	}
	fclose(f);
	assert_int_equal(found, 2);

	// Lane 3, counter 42, one ETH block of 60 bytes in segment 0, four bytes of padding.
	lane.number = 3;
	lane.le_key_id = get_le32(want + 4);
	memcpy(lane.iv, lane_secret + 32, 12);
	assert_int_equal(
		aead_key_install(a->w[0]->aead, CIPHER_CHACHA20, lane_secret, &lane.key), 0);
	put_le16(packet + 16, 60);
	packet[18] = PKT_KIND_ETH;
	for (unsigned i = 0; i < 60; i++)
		packet[20 + i] = i;
	op = (struct aead_op){.data = packet + 16, .src = packet + 16, .bytes = 68};
	lane_packet_header(&lane, 42, &op);
	assert_true(aead_seal(a->w[0]->aead, CIPHER_CHACHA20, &op));
	assert_memory_equal(packet, want, 100);
	assert_true(aead_open(a->w[0]->aead, CIPHER_CHACHA20, &op));
	assert_int_equal(packet[20 + 59], 59);
	free(key);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(keys_that_make_no_sense_are_refused_and_change_nothing),
		T(a_key_lives_600_seconds_at_most_whatever_control_says),
		T(a_fourth_epoch_takes_the_place_of_the_oldest_not_in_use),
		T(a_slot_is_not_given_to_another_peer_before_it_is_deleted),
		T(what_is_said_of_no_session_or_epoch_is_refused),
		T(tags_that_make_no_sense_are_refused),
		T(a_tag_of_another_session_is_left_to_it),
		T(an_epoch_ends_at_its_deadline_and_no_other_does),
		T(leaving_a_segment_ends_its_floods),
		T(a_switch_to_an_epoch_without_a_key_is_refused),
		T(a_switch_wipes_the_old_transmit_key_and_keeps_the_old_receive_key),
		T(paths_are_taken_only_for_wan_ports_within_their_mtu),
		T(a_stranger_gets_no_further_than_his_tag),
		T(tags_that_change_sets_stay_known),
		T(every_bit_of_a_handshake_datagram_is_under_its_mac),
		T(messages_of_the_wrong_direction_are_refused),
		T(old_time_stamps_and_too_many_duplicates_are_refused),
		T(a_flood_of_genuine_handshakes_is_limited),
		T(replays_do_not_use_up_the_share_of_what_is_new),
		T(a_false_mac_does_not_move_the_time_stamp),
		T(lane_0_is_limited_and_a_strange_source_does_not_use_up_the_paths_share),
		T(a_lane_never_gives_a_counter_at_or_beyond_2_31),
		T(the_reference_data_packet_is_sealed_and_opened),
	};

	rig_init(4095, 10240);
	cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
