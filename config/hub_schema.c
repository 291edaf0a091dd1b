// SPDX-License-Identifier: BSD-3-Clause
//
// Every key of a hub's file: where it goes, what it may be, what it means.
#include "config/hub.h"
#include "config/schema_macros.h"

static const char *const silence_words[] = {"nft", "off", NULL};

static const struct config_key endpoint_item =
	ITEM(CONFIG_TYPE_ENDPOINT, sizeof(struct config_endpoint));

static const struct config_key hub_keys[] = {
	{.name = "name",
		.type = CONFIG_TYPE_NAME,
		AT(hub_config, name),
		.required = true,
		.doc = "The hub's name, which its certificate carries."},
	{.name = "network",
		.type = CONFIG_TYPE_NAME,
		AT(hub_config, network),
		.required = true,
		.doc = "The network's name, the same on every gateway."},
	{.name = "listen",
		LIST(hub_config, listen, n_listen, endpoint_item),
		RANGE(1, CONFIG_HUB_LISTEN_MAX),
		.required = true,
		.doc = "Addresses to listen on, TCP and UDP alike. The port is 7667 where none is "
		       "written; "
		       "`0.0.0.0` and `\"[::]\"` mean all."},
	{.name = "advertise",
		LIST(hub_config, advertise, n_advertise, endpoint_item),
		RANGE(1, CONFIG_HUB_LISTEN_MAX),
		.dflt_doc = "what `listen` says",
		.doc = "Addresses that gateways should use, where they differ: behind a NAT, or "
		       "listening on "
		       "all."},
	{.name = "udp2_port",
		.type = CONFIG_TYPE_NUMBER,
		AT(hub_config, udp2_port),
		RANGE(1, 65535),
		.dflt_doc = "none",
		.doc = "A second UDP port on the same addresses, by which gateways learn what kind "
		       "of NAT they "
		       "sit behind."},
	{.name = "silence",
		.type = CONFIG_TYPE_ENUM,
		AT(hub_config, silence),
		.words = silence_words,
		.dflt = "nft",
		.doc = "`nft` keeps the TCP port shut to whoever has not knocked by UDP first; "
		       "`off` accepts "
		       "but says nothing."},
	{.name = "state_dir",
		.type = CONFIG_TYPE_PATH,
		AT(hub_config, state_dir),
		.dflt = "/var/lib/postern-hub",
		.doc = "Directory for keys and the database."},
	{.name = "run_dir",
		.type = CONFIG_TYPE_PATH,
		AT(hub_config, run_dir),
		.max = CONFIG_RUN_DIR_MAX,
		.dflt = "/run/postern-hub",
		.doc = "Directory for the socket that `postern hub` talks to."},
	{.name = "user",
		.type = CONFIG_TYPE_USER,
		AT(hub_config, user),
		.max = 31,
		.dflt_doc = "`postern-hub` where that account exists, else none",
		.doc = "Account that the hub changes to once it is set up. `root` keeps it, "
		       "without root's capabilities."},
	{.name = "signer_user",
		.type = CONFIG_TYPE_USER,
		AT(hub_config, signer_user),
		.max = 31,
		.dflt_doc = "`postern-signer` where that account exists, else `nobody`",
		.doc = "Account of the process that holds the hub's private key. Neither `root` "
		       "nor `user`."},
};
static const struct config_schema hub_section = {
	.name = "section",
	.doc = "Who the hub is, and where it is reached.",
	KEYS(hub_keys),
};

static const struct config_key authority_keys[] = {
	{.name = "passphrase_file",
		.type = CONFIG_TYPE_SECRET,
		AT(hub_config, authority.passphrase_file),
		.dflt_doc = "this or `key_credential`",
		.doc = "File whose first line opens the issuing key (Argon2id). Mode 0600."},
	{.name = "key_credential",
		.type = CONFIG_TYPE_CREDENTIAL,
		AT(hub_config, authority.key_credential),
		.dflt_doc = "this or `passphrase_file`",
		.doc = "Name of a systemd credential that opens it instead "
		       "(`LoadCredentialEncrypted=`)."},
	{.name = "argon2_mib",
		.type = CONFIG_TYPE_NUMBER,
		AT(hub_config, authority.argon2_mib),
		RANGE(8, 4096),
		.dflt = "64",
		.doc = "Memory that one guess of the passphrase costs, in MiB. Used when a key is "
		       "written."},
	{.name = "argon2_passes",
		.type = CONFIG_TYPE_NUMBER,
		AT(hub_config, authority.argon2_passes),
		RANGE(1, 20),
		.dflt = "3",
		.doc = "Passes over that memory."},
	{.name = "leaf_days",
		.type = CONFIG_TYPE_NUMBER,
		AT(hub_config, authority.leaf_days),
		RANGE(1, 825),
		.dflt = "90",
		.doc = "Life of a gateway's certificate, in days; it is renewed at two thirds of "
		       "it."},
	{.name = "token_hours",
		.type = CONFIG_TYPE_NUMBER,
		AT(hub_config, authority.token_hours),
		RANGE(1, 8760),
		.dflt = "24",
		.doc = "Life of an enrolment token unless `postern hub token` says otherwise, in "
		       "hours."},
};
static const struct config_schema authority_section = {
	.name = "section",
	.doc = "The authority that enrols gateways.",
	KEYS(authority_keys),
};

static const struct config_key limit_keys[] = {
	{.name = "gateways",
		.type = CONFIG_TYPE_NUMBER,
		AT(hub_config, limits.gateways),
		RANGE(1, 100000),
		.dflt = "4096",
		.doc = "Gateways that may be enrolled."},
	{.name = "pending",
		.type = CONFIG_TYPE_NUMBER,
		AT(hub_config, limits.pending),
		RANGE(1, 1024),
		.dflt = "64",
		.doc = "TCP connections that have not proved who they are yet."},
	{.name = "intents_per_gateway",
		.type = CONFIG_TYPE_NUMBER,
		AT(hub_config, limits.intents_per_gateway),
		RANGE(1, 65536),
		.dflt = "1024",
		.doc = "Open intents that one gateway may leave here."},
};
static const struct config_schema limits_section = {
	.name = "section",
	.doc = "Bounds that keep one gateway, or a stranger, from using the hub up.",
	KEYS(limit_keys),
};

static const struct config_key hub_sections[] = {
	{.name = "hub",
		.type = CONFIG_TYPE_MAP,
		.sub = &hub_section,
		.required = true,
		.doc = "Who the hub is."},
	{.name = "authority",
		.type = CONFIG_TYPE_MAP,
		.sub = &authority_section,
		.required = true,
		.doc = "How its keys are kept."},
	{.name = "limits", .type = CONFIG_TYPE_MAP, .sub = &limits_section},
};
const struct config_schema config_hub_schema = {
	.name = "file",
	.doc = "A hub's file",
	KEYS(hub_sections),
};

const char *config_silence_name(enum config_silence v)
{
	return silence_words[v];
}
