// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/common/ctl_lane.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "controlplane/common/pair.h"

#define WINDOW 64

void ctl_lane_init(struct ctl_lane *l, const struct keysched_traffic *t, bool client,
	uint32_t rx_key_id, uint32_t tx_key_id, size_t max_len)
{
	*l = (struct ctl_lane){.rx_key_id = rx_key_id, .tx_key_id = tx_key_id, .max_len = max_len};
	keysched_traffic_lane(t, client ? PAIR_C2S : PAIR_S2C, PKT_LANE_CONTROL, &l->tx);
	keysched_traffic_lane(t, client ? PAIR_S2C : PAIR_C2S, PKT_LANE_CONTROL, &l->rx);
}

void ctl_lane_wipe(struct ctl_lane *l)
{
	sodium_memzero(l, sizeof(*l));
}

size_t ctl_lane_seal(
	struct ctl_lane *l, uint8_t kind, const void *payload, size_t len, uint8_t *out)
{
	struct pkt_data hdr = {
		.type = PKT_TYPE_DATA,
		.lane = PKT_LANE_CONTROL,
		.key_id = l->tx_key_id,
		.counter = l->tx_counter,
	};
	struct pkt_block block = {.len = (uint16_t)len, .kind = kind};
	uint8_t *plain = out + PKT_DATA_HDR_LEN;
	size_t plain_len = PKT_BLOCK_HDR_LEN + len;
	uint8_t nonce[PKT_NONCE_LEN];

	if (len > l->max_len - CTL_LANE_OVERHEAD || l->tx_counter >= PKT_COUNTER_CAP)
		return 0;
	memcpy(out, &hdr, sizeof(hdr));
	memcpy(plain, &block, sizeof(block));
	if (len > 0)
		memcpy(plain + PKT_BLOCK_HDR_LEN, payload, len);
	pkt_nonce(nonce, l->tx.iv, l->tx_counter);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		plain, NULL, plain, plain_len, out, sizeof(hdr), NULL, nonce, l->tx.key);
	l->tx_counter++;
	return PKT_DATA_HDR_LEN + plain_len + PKT_MAC_LEN;
}

// True when the counter is neither older than the window nor seen.
static bool counter_fresh(const struct ctl_lane *l, uint64_t counter)
{
	uint64_t age;

	if (l->rx_seen == 0 || counter > l->rx_newest)
		return true;
	age = l->rx_newest - counter;
	return age < WINDOW && (l->rx_seen >> age & 1) == 0;
}

static void counter_commit(struct ctl_lane *l, uint64_t counter)
{
	uint64_t ahead;

	if (l->rx_seen != 0 && counter <= l->rx_newest) {
		l->rx_seen |= 1ull << (l->rx_newest - counter);
		return;
	}
	ahead = l->rx_seen == 0 ? WINDOW : counter - l->rx_newest;
	l->rx_seen = (ahead < WINDOW ? l->rx_seen << ahead : 0) | 1;
	l->rx_newest = counter;
}

bool ctl_lane_peek(const void *packet, size_t len, size_t max_len, uint32_t *ret_key_id)
{
	const struct pkt_data *d = packet;

	if (len < PKT_MIN_LEN || len > max_len || d->type != PKT_TYPE_DATA ||
		d->lane != PKT_LANE_CONTROL || d->zero != 0)
		return false;
	*ret_key_id = d->key_id;
	return true;
}

int ctl_lane_open(
	struct ctl_lane *l, const void *packet, size_t len, uint8_t *plaintext, size_t *ret_len)
{
	const struct pkt_data *d = packet;
	uint8_t nonce[PKT_NONCE_LEN];
	unsigned long long n;
	uint32_t key_id;

	if (!ctl_lane_peek(packet, len, l->max_len, &key_id))
		return -EBADMSG;
	if (key_id != l->rx_key_id)
		return -ESTALE;
	if (d->counter >= PKT_COUNTER_CAP)
		return -EOVERFLOW;
	if (!counter_fresh(l, d->counter))
		return -EALREADY;
	pkt_nonce(nonce, l->rx.iv, d->counter);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(plaintext, &n, NULL,
		    (const uint8_t *)packet + PKT_DATA_HDR_LEN, len - PKT_DATA_HDR_LEN, packet,
		    PKT_DATA_HDR_LEN, nonce, l->rx.key) != 0)
		return -EBADMSG;
	counter_commit(l, d->counter);
	*ret_len = (size_t)n;
	return 0;
}
