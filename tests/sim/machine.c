// SPDX-License-Identifier: BSD-3-Clause
// What a gateway finds on its machine: its key behind a signer, its certificates, addresses and
// neighbours, and a disk. The definitions here stand in for the libraries' own of the same name.
#include "tests/sim/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "tests/unit/controlplane/mint.h"

#define DISK_FD 1000 // and beside it the directory's

static EVP_PKEY *root_key, *issuing_key;
static X509 *root, *issuing;
static uint8_t issuing_seed[32], issuing_spki[32];
static uint8_t net_id[16];

// ------------------------------------------------------------------ signer

struct signer {
	struct sim_gateway *g;
};

enum identity_error signer_spawn(struct signer **ret)
{
	*ret = calloc(1, sizeof(**ret));
	(*ret)->g = loop_current();
	return IDENTITY_OK;
}

void signer_set_user(struct signer *, uid_t, gid_t)
{
}

enum identity_error signer_open_key(struct signer *, const struct identity_source *)
{
	return IDENTITY_OK;
}

int signer_public(struct signer *s, uint8_t ret_pk[SIGNER_PUBLIC_BYTES])
{
	memcpy(ret_pk, s->g->pk, 32);
	return 0;
}

int signer_sign(struct signer *s, const char *label, const void *msg, size_t len,
	uint8_t ret_sig[SIGNER_SIGNATURE_LEN])
{
	uint8_t buf[2048] = "postern/1 ";
	size_t n = strlen((char *)buf), l = strlen(label) + 1;

	if (n + l + len > sizeof(buf))
		return -EMSGSIZE;
	memcpy(buf + n, label, l);
	memcpy(buf + n + l, msg, len);
	return crypto_sign_detached(ret_sig, NULL, buf, n + l + len, s->g->sk);
}

int signer_secret(struct signer *s, const char *label, uint8_t ret_key[SIGNER_SECRET_BYTES])
{
	return crypto_generichash(
		ret_key, 32, (const uint8_t *)label, strlen(label), s->g->secret, 32);
}

int signer_fd(const struct signer *)
{
	return -1;
}

void signer_close(struct signer *s)
{
	free(s);
}

// ------------------------------------------------------------------ identities

static EVP_PKEY *fresh_key(uint8_t seed[32])
{
	EVP_PKEY *key;

	randombytes_buf(seed, 32);
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	mint_must(key != NULL);
	return key;
}

static void make_authority(void)
{
	struct mint any = {.not_after = 4000ll * MINT_DAY};
	uint8_t seed[32], pk[32];
	size_t pk_len = sizeof(pk);

	root_key = fresh_key(seed);
	issuing_key = fresh_key(issuing_seed);
	root = mint_ca(&any, root_key, NULL, root_key);
	issuing = mint_ca(&any, issuing_key, root, root_key);
	mint_must(EVP_PKEY_get_raw_public_key(issuing_key, pk, &pk_len) == 1);
	x509_spki_hash(pk, issuing_spki);
	randombytes_buf(net_id, sizeof(net_id));
}

static struct x509_bytes der_of(X509 *cert)
{
	X509_up_ref(cert);
	return mint_der(cert);
}

// leaf ‖ issuing ‖ root, for this name and key.
static size_t build_chain(const char *name, const uint8_t pk[32], int64_t life_s, X509 *issuer,
	EVP_PKEY *issuer_key, X509 *top, uint8_t buf[DER_LIST_MAX_LEN])
{
	struct mint leaf = {.not_after = life_s, .raw_pk = pk};
	struct der_list list = {.n = 3};
	struct x509_bytes der[3];
	char san[64];
	size_t len;

	snprintf(san, sizeof(san), "critical,DNS:%s", name);
	leaf.san = san;
	der[0] = mint_der(mint_leaf(&leaf, issuer_key, issuer, issuer_key));
	der[1] = der_of(issuer);
	der[2] = der_of(top);
	for (unsigned i = 0; i < 3; i++)
		list.cert[i] = (struct der_view){der[i].der, der[i].len};
	len = der_list_build(&list, buf, DER_LIST_MAX_LEN);
	mint_must(len > 0);
	for (unsigned i = 0; i < 3; i++)
		free((void *)(uintptr_t)der[i].der);
	return len;
}

void machine_issue(struct sim_gateway *g, uint64_t not_after_s)
{
	free(g->chain);
	g->chain = calloc(1, DER_LIST_MAX_LEN);
	mint_must(g->chain != NULL);
	g->chain_len = build_chain(g->name, g->pk, (int64_t)(not_after_s - MINT_NOW), issuing,
		issuing_key, root, g->chain);
	g->cert_not_after_s = not_after_s;
}

static uint8_t rogue_seed[32];

void machine_rogue_sign(const char *label, uint8_t *signed_bytes, size_t len)
{
	struct sim_gateway rogue = {0};
	struct signer signer = {&rogue};

	crypto_sign_seed_keypair(rogue.pk, rogue.sk, rogue_seed);
	if (len > 64)
		signer_sign(&signer, label, signed_bytes, len - 64, signed_bytes + len - 64);
}

void machine_rogue_chain(const char *name, uint8_t buf[DER_LIST_MAX_LEN], struct der_list *ret)
{
	struct mint any = {.not_after = 4000ll * MINT_DAY};
	uint8_t seed[32], pk[32], sk[64];
	EVP_PKEY *top_key = fresh_key(seed), *key = fresh_key(seed);
	X509 *top = mint_ca(&any, top_key, NULL, top_key),
	     *issuer = mint_ca(&any, key, top, top_key);

	crypto_sign_seed_keypair(pk, sk, rogue_seed);
	mint_must(der_list_parse(buf, build_chain(name, pk, 90ll * MINT_DAY, issuer, key, top, buf),
			  ret) == 0);
	X509_free(top);
	X509_free(issuer);
	EVP_PKEY_free(top_key);
	EVP_PKEY_free(key);
}

void machine_identities(void)
{
	make_authority();
	for (unsigned i = 0; i < world.n; i++) {
		struct sim_gateway *g = &world.gw[i];
		uint8_t seed[32];

		randombytes_buf(seed, sizeof(seed));
		randombytes_buf(g->secret, sizeof(g->secret));
		crypto_sign_seed_keypair(g->pk, g->sk, seed);
		machine_issue(g, g->cert_not_after_s);
	}
}

size_t machine_revocations(uint64_t number, unsigned gateways_mask, uint8_t *buf, size_t cap)
{
	struct revocation_entry entries[SIM_GATEWAYS_MAX];
	size_t n = 0, len;

	for (unsigned i = 0; i < world.n; i++) {
		if (!(gateways_mask & 1u << i))
			continue;
		entries[n] = (struct revocation_entry){.until = UINT64_MAX};
		x509_spki_hash(world.gw[i].pk, entries[n++].spki_hash);
	}
	mint_must(revocation_build(entries, n, net_id, number, SIM_UNIX_S + world.now_us / SIM_S,
			  issuing_spki, buf, cap, &len) == 0);
	mint_must(revocation_sign(issuing_seed, buf, cap, &len) == 0);
	return len;
}

// What enrolment would have left on the disk.
int __wrap_enrol_load(const char *, const uint8_t secret[32], struct enrol_state *ret)
{
	const struct sim_gateway *g = loop_current();
	struct enrol_state *s = ret;

	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", g->name);
	snprintf(s->network, sizeof(s->network), MINT_NETWORK);
	snprintf(s->hub_name, sizeof(s->hub_name), "hub." MINT_NETWORK);
	s->addresses[0] = (struct config_endpoint){.addr = {4, {192, 0, 2, 1}}, .port = 7667};
	s->n_addresses = 1;
	s->udp2_port = 7668;
	memcpy(s->net_id, net_id, sizeof(net_id));
	memcpy(s->gate_secret, secret, 32);
	memcpy(s->chain, g->chain, g->chain_len);
	s->chain_len = g->chain_len;
	return 0;
}

// ------------------------------------------------------------------ the kernel

int netlink_create(uv_loop_t *, netlink_changed_fn *, void *, struct netlink **ret)
{
	*ret = NULL;
	return 0;
}

void netlink_destroy(struct netlink *)
{
}

int netlink_link_get(struct netlink *, const char *, struct netlink_link *ret)
{
	*ret = (struct netlink_link){.ifindex = 2, .mtu = 1500, .up = true};
	return 0;
}

static struct config_addr own_address(void)
{
	uint32_t ip = loop_current()->local.ip;

	return (struct config_addr){4, {ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255}};
}

int netlink_addrs_get(struct netlink *, uint32_t, struct config_addr *ret, size_t)
{
	ret[0] = own_address();
	return 1;
}

int netlink_resolve(struct netlink *, const struct netlink_link *, const struct config_addr *dst,
	struct netlink_hop *ret)
{
	if (dst->family != 4)
		return -ENETUNREACH;
	*ret = (struct netlink_hop){
		.ifindex = 2, .dst_mac = {2, 0, 0, 0, 0, 0xfe}, .mtu = 1500, .src = own_address()};
	return 0;
}

int netlink_route(struct netlink *, const struct netlink_link *, const struct config_addr *dst,
	struct netlink_hop *ret)
{
	return netlink_resolve(NULL, NULL, dst, ret);
}

void netlink_refresh(struct netlink *, const struct netlink_link *, const struct config_addr *)
{
}

void silence_start(struct control *)
{
}

void silence_attached(struct control *, const struct link_hello *)
{
}

void silence_tick(struct control *)
{
}

void silence_stop(struct control *)
{
}

int api_start(struct control *)
{
	return 0;
}

// ------------------------------------------------------------------ disk: one file, replaced whole

static uint8_t *fresh;
static size_t fresh_len, read_at;

static int disk_open(const char *path, int flags, mode_t)
{
	const struct sim_gateway *g = loop_current();

	if (g->disk_fails) {
		errno = EIO;
		return -1;
	}
	if (flags & O_DIRECTORY)
		return DISK_FD + 1;
	if (flags & O_CREAT) {
		free(fresh);
		fresh = NULL;
		fresh_len = 0;
	} else if (g->disk == NULL) {
		errno = ENOENT;
		return -1;
	}
	read_at = 0;
	return DISK_FD;
}

static ssize_t disk_read(int, void *buf, size_t len)
{
	const struct sim_gateway *g = loop_current();
	size_t left = g->disk_len - read_at;

	if (len > left)
		len = left;
	memcpy(buf, g->disk + read_at, len);
	read_at += len;
	return (ssize_t)len;
}

static ssize_t disk_write(int, const void *buf, size_t len)
{
	uint8_t *more = realloc(fresh, fresh_len + len);

	mint_must(more != NULL);
	fresh = more;
	memcpy(fresh + fresh_len, buf, len);
	fresh_len += len;
	return (ssize_t)len;
}

static int disk_nothing(int)
{
	return 0;
}

static int disk_fstat(int, struct stat *st)
{
	*st = (struct stat){.st_mode = S_IFREG | 0600,
		.st_uid = geteuid(),
		.st_size = (off_t)loop_current()->disk_len};
	return 0;
}

static int disk_rename(const char *, const char *)
{
	struct sim_gateway *g = loop_current();

	free(g->disk);
	g->disk = fresh;
	g->disk_len = fresh_len;
	fresh = NULL;
	return 0;
}

static int disk_two_names(const char *, const char *)
{
	errno = EPERM;
	return -1;
}

static int disk_unlink(const char *)
{
	return 0;
}

const struct atomic_file_ops machine_disk = {
	.open = disk_open,
	.read = disk_read,
	.write = disk_write,
	.fsync = disk_nothing,
	.fstat = disk_fstat,
	.close = disk_nothing,
	.rename = disk_rename,
	.link = disk_two_names,
	.unlink = disk_unlink,
};
