// SPDX-License-Identifier: BSD-3-Clause
// Two connected peers while somebody on the path sends noise, altered copies and replays, and while
// processes die: whatever happens, neither ever sends what the other cannot receive, no key_id is
// installed twice, and left alone they are connected again.
//
// Input: operations of four bytes, {what, a, b, c}; see step().
#include <string.h>
#include <sodium.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/controlplane/peer_sim.h"

#define KEPT  16
#define STEPS 64

static struct sim world;
static uint8_t kept[KEPT][PKT_HS_MAX_LEN];
static size_t kept_len[KEPT];
static unsigned n_kept;

static bool keep(
	struct sim *s, unsigned from, const struct config_endpoint *to, uint8_t *data, size_t len)
{
	memcpy(kept[n_kept % KEPT], data, len);
	kept_len[n_kept++ % KEPT] = len;
	return true;
}

static void noise(uint8_t side, uint8_t seed, uint8_t type)
{
	struct config_endpoint from = world.side[1 - side].at;
	uint8_t bytes[300];

	from.port += seed;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(seed * 31 + i * 7);
	bytes[0] = type;
	sim_inject(&world, side, &from, bytes, 36 + seed);
}

static void altered(uint8_t side, uint8_t which, uint8_t where)
{
	unsigned k = which % KEPT;
	struct config_endpoint from = world.side[1 - side].at;
	uint8_t bytes[PKT_HS_MAX_LEN];

	if (kept_len[k] == 0)
		return;
	memcpy(bytes, kept[k], kept_len[k]);
	// 0: an exact replay.
	if (where != 0)
		bytes[where * 5u % kept_len[k]] ^= where;
	from.port += where % 3;
	sim_inject(&world, side, &from, bytes, kept_len[k]);
}

static void step(const uint8_t op[4])
{
	uint8_t side = op[1] & 1;
	struct peer_now now = sim_time(&world);
	struct peer *p = &world.side[side].peer;

	switch (op[0] % 9) {
	case 0:
		noise(side, op[2], op[3]);
		break;
	case 1:
	case 2:
		altered(side, op[2], op[3]);
		break;
	case 3:
		sim_run(&world, 1000ull * (op[2] | op[3] << 8));
		break;
	case 4:
		peer_rekey(p, &now);
		break;
	case 5:
		peer_path_died(p, &now);
		break;
	case 6:
		world.loss_percent = op[2] % 60;
		world.jitter_us = op[3] * 1000ull;
		break;
	case 7:
		// Events of a data-plane that lies.
		peer_saw_new_epoch(p, op[2] << 8 | op[3], &now);
		peer_installed(p, op[2] << 8 | op[3], 0, &now);
		peer_retired(p, op[2] << 8 | op[3]);
		break;
	case 8:
		world.cut = op[2] & 1;
		break;
	}
	sim_run(&world, 500);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool lied = false;

	fuzz_must(sodium_init() >= 0);
	memset(kept_len, 0, sizeof(kept_len));
	n_kept = 0;
	sim_init(&world, 1);
	world.filter = keep;
	world.traffic = true;
	sim_introduce(&world);
	fuzz_must(sim_run_until_up(&world, 2000000) != UINT64_MAX);
	for (size_t i = 0; i + 4 <= size && i < 4 * STEPS; i += 4) {
		lied |= data[i] % 9 == 7;
		step(data + i);
	}
	world.loss_percent = 0;
	world.jitter_us = 0;
	world.cut = false;
	sim_run(&world, 180000000);
	fuzz_must(world.violations % 1000 == 0 || lied);
	fuzz_must(world.violations < 1000); // a key_id installed twice
	fuzz_must(world.side[0].peer.state == PEER_UP && world.side[1].peer.state == PEER_UP);
	sim_fini(&world);
	return 0;
}
