// SPDX-License-Identifier: BSD-3-Clause
//
// The hub's tables and every statement that is run on them.
//
// Floor 3, for store*.c only.
#pragma once

// Version 1. A change adds a step from the version before; user_version says where a file stands.
#define STORE_SCHEMA_1                                                                       \
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"    \
	"CREATE TABLE gateways ("                                                            \
	"  id INTEGER PRIMARY KEY,"                                                          \
	"  name TEXT NOT NULL,"                                                              \
	"  pk BLOB NOT NULL UNIQUE CHECK (length(pk) = 32),"                                 \
	"  gate BLOB NOT NULL,"                                                              \
	"  created INTEGER NOT NULL,"                                                        \
	"  revoked INTEGER NOT NULL DEFAULT 0,"                                              \
	"  last_seen INTEGER NOT NULL DEFAULT 0,"                                            \
	"  last_addr TEXT NOT NULL DEFAULT '',"                                              \
	"  m1_ts INTEGER NOT NULL DEFAULT 0,"                                                \
	"  punch_ts INTEGER NOT NULL DEFAULT 0);"                                            \
	"CREATE UNIQUE INDEX gateways_name ON gateways (name) WHERE revoked = 0;"            \
	"CREATE TABLE tokens ("                                                              \
	"  id BLOB PRIMARY KEY CHECK (length(id) = 16),"                                     \
	"  secret BLOB NOT NULL,"                                                            \
	"  created INTEGER NOT NULL,"                                                        \
	"  expires INTEGER NOT NULL,"                                                        \
	"  uses_max INTEGER NOT NULL,"                                                       \
	"  uses INTEGER NOT NULL DEFAULT 0 CHECK (uses_max = 0 OR uses <= uses_max),"        \
	"  note TEXT NOT NULL) WITHOUT ROWID;"                                               \
	"CREATE TABLE token_names ("                                                         \
	"  token BLOB NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,"                    \
	"  name TEXT NOT NULL, PRIMARY KEY (token, name)) WITHOUT ROWID;"                    \
	"CREATE TABLE token_seen ("                                                          \
	"  token BLOB NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,"                    \
	"  ts INTEGER NOT NULL, x BLOB NOT NULL, PRIMARY KEY (token, ts, x)) WITHOUT ROWID;" \
	"CREATE TABLE certificates ("                                                        \
	"  serial BLOB PRIMARY KEY,"                                                         \
	"  gateway INTEGER NOT NULL REFERENCES gateways (id),"                               \
	"  der BLOB NOT NULL,"                                                               \
	"  spki BLOB NOT NULL,"                                                              \
	"  not_before INTEGER NOT NULL,"                                                     \
	"  not_after INTEGER NOT NULL,"                                                      \
	"  issued INTEGER NOT NULL,"                                                         \
	"  token BLOB) WITHOUT ROWID;"                                                       \
	"CREATE INDEX certificates_gateway ON certificates (gateway, issued);"               \
	"CREATE TABLE intents ("                                                             \
	"  sender INTEGER NOT NULL REFERENCES gateways (id),"                                \
	"  to_name TEXT NOT NULL,"                                                           \
	"  hash BLOB NOT NULL UNIQUE,"                                                       \
	"  body BLOB NOT NULL,"                                                              \
	"  serial INTEGER NOT NULL,"                                                         \
	"  not_after INTEGER NOT NULL,"                                                      \
	"  state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),"                               \
	"  other BLOB,"                                                                      \
	"  PRIMARY KEY (sender, to_name)) WITHOUT ROWID;"                                    \
	"CREATE TABLE revocations ("                                                         \
	"  id INTEGER PRIMARY KEY,"                                                          \
	"  spki BLOB NOT NULL,"                                                              \
	"  serial BLOB NOT NULL,"                                                            \
	"  until INTEGER NOT NULL,"                                                          \
	"  revoked INTEGER NOT NULL,"                                                        \
	"  UNIQUE (spki, serial));"                                                          \
	"PRAGMA user_version = 1;"

#define GATEWAY_COLUMNS                                                                         \
	"g.id, g.name, g.pk, g.gate, g.created, g.revoked, g.last_seen, g.last_addr, g.m1_ts, " \
	"g.punch_ts, (SELECT max(not_after) FROM certificates c WHERE c.gateway = g.id)"
#define CERT_COLUMNS  "gateway, serial, der, spki, not_before, not_after, token"
#define TOKEN_COLUMNS "id, secret, created, expires, uses_max, uses, note"
#define INTENT_COLUMNS \
	"i.sender, g.name, i.to_name, i.hash, i.body, i.serial, i.not_after, i.state, i.other"
#define INTENT_FROM " FROM intents i JOIN gateways g ON g.id = i.sender "

// X(NAME, "sql")
#define STORE_QUERIES(X)                                                                           \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                \
	X(COMMIT, "COMMIT")                                                                        \
	X(ROLLBACK, "ROLLBACK")                                                                    \
	X(META_GET, "SELECT value FROM meta WHERE key = ?")                                        \
	X(META_SET,                                                                                \
		"INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value") \
	X(GATEWAY_ADD, "INSERT INTO gateways (name, pk, gate, created) VALUES (?, ?, ?, ?)")       \
	X(GATEWAY_BY_NAME,                                                                         \
		"SELECT " GATEWAY_COLUMNS " FROM gateways g WHERE name = ? AND revoked = 0")       \
	X(GATEWAY_BY_PK, "SELECT " GATEWAY_COLUMNS " FROM gateways g WHERE pk = ?")                \
	X(GATEWAY_EACH,                                                                            \
		"SELECT " GATEWAY_COLUMNS " FROM gateways g WHERE revoked = 0 OR ? ORDER BY name") \
	X(GATEWAY_COUNT, "SELECT count(*) FROM gateways WHERE revoked = 0")                        \
	X(GATEWAY_M1, "UPDATE gateways SET m1_ts = ? WHERE id = ?")                                \
	X(GATEWAY_PUNCH, "UPDATE gateways SET punch_ts = ? WHERE id = ?")                          \
	X(GATEWAY_SEEN, "UPDATE gateways SET last_addr = ?, last_seen = ? WHERE id = ?")           \
	X(GATEWAY_REVOKE, "UPDATE gateways SET revoked = ? WHERE id = ?")                          \
	X(CERT_ADD, "INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                    \
	X(CERT_NEWEST, "SELECT " CERT_COLUMNS " FROM certificates WHERE gateway = ? "              \
		       "ORDER BY issued DESC, not_after DESC LIMIT 1")                             \
	X(CERT_FIND, "SELECT " CERT_COLUMNS " FROM certificates WHERE serial = ?")                 \
	X(CERT_EACH, "SELECT " CERT_COLUMNS " FROM certificates WHERE gateway = ? "                \
		     "AND not_after >= ?")                                                         \
	X(REVOKE_ADD, "INSERT OR IGNORE INTO revocations (spki, serial, until, revoked) "          \
		      "VALUES (?, ?, ?, ?)")                                                       \
	X(REVOKE_EACH, "SELECT spki, serial, until FROM revocations WHERE until >= ?")             \
	X(TOKEN_ADD, "INSERT INTO tokens (" TOKEN_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)")        \
	X(TOKEN_NAME_ADD, "INSERT INTO token_names VALUES (?, ?)")                                 \
	X(TOKEN_NAMES, "SELECT name FROM token_names WHERE token = ? ORDER BY name")               \
	X(TOKEN_FIND, "SELECT " TOKEN_COLUMNS " FROM tokens WHERE id = ?")                         \
	X(TOKEN_EACH, "SELECT " TOKEN_COLUMNS " FROM tokens ORDER BY created, id")                 \
	X(TOKEN_USE, "UPDATE tokens SET uses = uses + 1 WHERE id = ?")                             \
	X(TOKEN_DROP, "DELETE FROM tokens WHERE id = ?")                                           \
	X(TOKEN_SEEN, "INSERT INTO token_seen VALUES (?, ?, ?)")                                   \
	X(TOKEN_FORGET, "DELETE FROM token_seen WHERE ts < ?")                                     \
	X(INTENT_PUT, "INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, NULL) "                    \
		      "ON CONFLICT (sender, to_name) DO UPDATE SET hash = excluded.hash, "         \
		      "body = excluded.body, serial = excluded.serial, "                           \
		      "not_after = excluded.not_after, state = excluded.state, other = NULL")      \
	X(INTENT_FIND,                                                                             \
		"SELECT " INTENT_COLUMNS INTENT_FROM "WHERE i.sender = ? AND i.to_name = ?")       \
	X(INTENT_BY_HASH, "SELECT " INTENT_COLUMNS INTENT_FROM "WHERE i.hash = ?")                 \
	X(INTENT_MATCH, "UPDATE intents SET state = 1, other = ? WHERE hash = ?")                  \
	X(INTENT_DROP, "UPDATE intents SET state = 2, other = NULL WHERE hash = ?")                \
	X(INTENT_DROP_OF, "UPDATE intents SET state = 2, other = NULL WHERE sender = ?")           \
	X(INTENT_EXPIRE, "UPDATE intents SET state = 2, other = NULL "                             \
			 "WHERE not_after < ? AND state <> 2")                                     \
	X(INTENT_PRUNE, "DELETE FROM intents WHERE sender = ?1 AND state = 2 AND to_name NOT IN "  \
			"(SELECT to_name FROM intents WHERE sender = ?1 AND state = 2 "            \
			"ORDER BY serial DESC LIMIT ?2)")                                          \
	X(INTENT_COUNT,                                                                            \
		"SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1) "     \
		"FROM intents WHERE ?1 = 0 OR sender = ?1")

enum store_query {
#define STORE_QUERY_ENUM(name, sql) Q_##name,
	STORE_QUERIES(STORE_QUERY_ENUM)
#undef STORE_QUERY_ENUM
		Q_COUNT,
};
