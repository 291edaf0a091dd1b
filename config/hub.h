// SPDX-License-Identifier: BSD-3-Clause
//
// A hub's configuration: one YAML file checked once into one immutable struct.
//
// Floor 1. Loading is for one thread; the result is never written again, so any thread may read it.
// Every pointer in it lives until config_free_hub().
#pragma once

#include "config/error.h"
#include "config/types.h"

enum { CONFIG_HUB_LISTEN_MAX = 8 };

// How the TCP port is hidden from whoever has not knocked by UDP.
enum config_silence {
	CONFIG_SILENCE_NFT, // an nft set opens it to a source after its valid PUNCH
	CONFIG_SILENCE_OFF, // it accepts, but sends nothing before a valid M1
};

struct config_authority {
	// Exactly one is given.
	const char *passphrase_file;
	const char *key_credential; // name below $CREDENTIALS_DIRECTORY, see systemd.exec(5)
	uint32_t argon2_mib;
	uint32_t argon2_passes;
	uint32_t leaf_days;   // life of a gateway's certificate
	uint32_t token_hours; // default life of an enrolment token
};

struct config_hub_limits {
	uint32_t gateways; // enrolled at most
	uint32_t pending;  // TCP connections that have not authenticated yet
	uint32_t intents_per_gateway;
};

struct hub_config {
	const char *path; // the file, as given
	const char *name;
	const char *network;
	const char *state_dir;                // database and keys
	const char *run_dir;                  // <run_dir>/hub.sock
	const char *user;                     // account to drop to, or NULL to stay
	const char *signer_user;              // never the same, never root; NULL: nobody
	const struct config_endpoint *listen; // TCP and UDP
	unsigned n_listen;
	uint16_t udp2_port; // second UDP port on the same addresses, for telling NAT kinds apart; 0
			    // without
	// What tokens tell gateways to connect to, where it differs from listen (wildcard or NAT);
	// else none. A hub that listens on a wildcard must give it.
	const struct config_endpoint *advertise;
	unsigned n_advertise;
	enum config_silence silence;
	struct config_authority authority;
	struct config_hub_limits limits;
};

// Read and check a whole file, against this machine.
//
// errors: as config_load_gateway()
int config_load_hub(const char *path, struct hub_config **ret, struct config_error *err);
void config_free_hub(struct hub_config *cfg);

// The same from memory, against a given machine. name stands for the file in errors.
int config_parse_hub(const char *name, const char *text, size_t len, const struct config_env *env,
	struct hub_config **ret, struct config_error *err);

const char *config_silence_name(enum config_silence v);
