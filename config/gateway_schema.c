// SPDX-License-Identifier: BSD-3-Clause
//
// Every key of a gateway's file: where it goes, what it may be, what it means.
#include "config/gateway.h"
#include "config/schema_macros.h"
#include "wire/link.h"

static_assert(CONFIG_PORTS_MAX == LINK_PORTS_MAX, "both processes bound ports alike");
static_assert(CONFIG_WORKERS_MAX == LINK_WORKERS_MAX, "both processes bound workers alike");

static const char *const polling_words[] = {"adaptive", "busy", NULL};
static const char *const hugepages_words[] = {"auto", "require", "never", NULL};
static const char *const role_words[] = {"lan", "wan", NULL};
static const char *const kind_words[] = {"af_xdp", "dpdk", "tap", "udp", NULL};
static const char *const super_words[] = {"auto", "off", NULL};
static const char *const mode_words[] = {"auto", "copy", "zerocopy", NULL};
static const char *const guard_words[] = {"auto", "allow", "drop", NULL};
static const char *const stp_words[] = {"drop", "forward", NULL};
static const char *const loop_words[] = {"cut", "ignore", NULL};
static const char *const cipher_words[] = {"auto", "aes-256-gcm", "chacha20-poly1305", NULL};

static const struct config_key cpu_item = ITEM(CONFIG_TYPE_CPU, sizeof(uint16_t), RANGE(0, 1023));
static const struct config_key prefix_item = ITEM(CONFIG_TYPE_PREFIX, sizeof(struct config_prefix));
static const struct config_key endpoint_item =
	ITEM(CONFIG_TYPE_ENDPOINT, sizeof(struct config_endpoint));
static const struct config_key ident_item = ITEM(CONFIG_TYPE_IDENT, sizeof(const char *));

static const struct config_key gateway_keys[] = {
	{.name = "name",
		.type = CONFIG_TYPE_NAME,
		AT(gateway_config, name),
		.required = true,
		.restart = CONFIG_RESTART_CONTROL,
		.doc = "This gateway's name in the network; its certificate carries it and peers "
		       "list it."},
	{.name = "network",
		.type = CONFIG_TYPE_NAME,
		AT(gateway_config, network),
		.required = true,
		.restart = CONFIG_RESTART_CONTROL,
		.doc = "The network's name, the same on the hub and on every gateway."},
	{.name = "state_dir",
		.type = CONFIG_TYPE_PATH,
		AT(gateway_config, state_dir),
		.restart = CONFIG_RESTART_CONTROL,
		.dflt = "/var/lib/postern",
		.doc = "Directory for the encrypted key, the certificate and what must survive a "
		       "reboot."},
	{.name = "run_dir",
		.type = CONFIG_TYPE_PATH,
		AT(gateway_config, dataplane.run_dir),
		.max = CONFIG_RUN_DIR_MAX,
		.restart = CONFIG_RESTART_BOTH,
		.dflt = "/run/postern",
		.doc = "Directory for the sockets by which the processes and `postern` talk."},
	{.name = "user",
		.type = CONFIG_TYPE_USER,
		AT(gateway_config, dataplane.user),
		.max = 31,
		.restart = CONFIG_RESTART_BOTH,
		.dflt_doc = "`postern` where that account exists, else none",
		.doc = "Account that control changes to once it is set up. `root` keeps it, "
		       "without root's capabilities."},
	{.name = "dataplane_user",
		.type = CONFIG_TYPE_USER,
		AT(gateway_config, dataplane.dataplane_user),
		.max = 31,
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt_doc = "`postern-dataplane` where that account exists, else `nobody`",
		.doc = "Account that the data-plane changes to once it is set up. Neither `root` "
		       "nor one of the other two."},
	{.name = "signer_user",
		.type = CONFIG_TYPE_USER,
		AT(gateway_config, signer_user),
		.max = 31,
		.restart = CONFIG_RESTART_CONTROL,
		.dflt_doc = "`postern-signer` where that account exists, else `nobody`",
		.doc = "Account of the process that holds the private key. Neither `root` nor one "
		       "of the other two."},
};
static const struct config_schema gateway_section = {
	.name = "section",
	.doc = "Who this gateway is, and where it keeps things.",
	KEYS(gateway_keys),
};

static const struct config_key identity_keys[] = {
	{.name = "passphrase_file",
		.type = CONFIG_TYPE_SECRET,
		AT(gateway_config, identity.passphrase_file),
		.restart = CONFIG_RESTART_CONTROL,
		.dflt_doc = "this or `key_credential`",
		.doc = "File whose first line opens the private key (Argon2id). Mode 0600."},
	{.name = "key_credential",
		.type = CONFIG_TYPE_CREDENTIAL,
		AT(gateway_config, identity.key_credential),
		.restart = CONFIG_RESTART_CONTROL,
		.dflt_doc = "this or `passphrase_file`",
		.doc = "Name of a systemd credential that opens the private key instead "
		       "(`LoadCredentialEncrypted=`)."},
	{.name = "argon2_mib",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, identity.argon2_mib),
		RANGE(8, 4096),
		.restart = CONFIG_RESTART_CONTROL,
		.dflt = "64",
		.doc = "Memory that one guess of the passphrase costs, in MiB. Used when the key "
		       "is written."},
	{.name = "argon2_passes",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, identity.argon2_passes),
		RANGE(1, 20),
		.restart = CONFIG_RESTART_CONTROL,
		.dflt = "3",
		.doc = "Passes over that memory."},
};
static const struct config_schema identity_section = {
	.name = "section",
	.doc = "How the private key, made on this machine and never leaving its signer, is kept "
	       "shut.",
	KEYS(identity_keys),
};

static const struct config_key hub_keys[] = {
	{.name = "name",
		.type = CONFIG_TYPE_NAME,
		AT(gateway_config, hub_name),
		.restart = CONFIG_RESTART_CONTROL,
		.dflt_doc = "from enrolment",
		.doc = "The hub's name, as its certificate carries it."},
	{.name = "addresses",
		LIST(gateway_config, hub_addresses, n_hub_addresses, endpoint_item),
		RANGE(1, CONFIG_HUB_ADDRESSES_MAX),
		.restart = CONFIG_RESTART_CONTROL,
		.dflt_doc = "from enrolment",
		.doc = "Where the hub listens, TCP and UDP alike, tried in this order. The port is "
		       "7667 where "
		       "none is written."},
	{.name = "udp2_port",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, hub_udp2_port),
		RANGE(1, 65535),
		.restart = CONFIG_RESTART_CONTROL,
		.dflt_doc = "from enrolment",
		.doc = "The hub's second UDP port; seeing this gateway from two ports tells which "
		       "kind of NAT "
		       "it sits behind."},
};
static const struct config_schema hub_section = {
	.name = "section",
	.doc = "Where the hub is. Enrolment stores all of this, so the section is needed only to "
	       "override "
	       "it.",
	KEYS(hub_keys),
};

static const struct config_key dataplane_keys[] = {
	{.name = "workers",
		LIST(gateway_config, dataplane.worker_cpus, dataplane.n_workers, cpu_item),
		RANGE(1, CONFIG_WORKERS_MAX),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt_doc = "the highest usable CPU",
		.doc = "CPUs, one pinned worker each. A worker runs whole frames from port to "
		       "port."},
	{.name = "main_cpu",
		.type = CONFIG_TYPE_CPU,
		AT(gateway_config, dataplane.main_cpu),
		RANGE(0, 1023),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt_doc = "the lowest usable CPU",
		.doc = "CPU for everything in the data-plane that is not a frame. It may be a "
		       "worker's."},
	{.name = "polling",
		.type = CONFIG_TYPE_ENUM,
		AT(gateway_config, dataplane.polling),
		.words = polling_words,
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "adaptive",
		.doc = "`busy` spins and takes its whole CPU; `adaptive` sleeps when there is "
		       "nothing to do."},
	{.name = "idle_sleep_us",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, dataplane.idle_sleep_us),
		RANGE(10, 10000),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "150",
		.doc = "Longest sleep of an idle worker under `adaptive`, in microseconds: what "
		       "the first frame "
		       "after a pause may wait."},
	{.name = "hugepages",
		.type = CONFIG_TYPE_ENUM,
		AT(gateway_config, dataplane.hugepages),
		.words = hugepages_words,
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "auto",
		.doc = "`auto` takes them when there are enough, `require` refuses to start "
		       "without, `never` "
		       "uses plain memory."},
	{.name = "memory_mib",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, dataplane.memory_mib),
		RANGE(32, 65536),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "160",
		.doc = "Memory for packet buffers and tables, in MiB. The default serves 64 peers "
		       "in 256 MiB "
		       "altogether."},
	{.name = "max_peers",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, dataplane.max_peers),
		RANGE(1, CONFIG_PEERS_MAX),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "64",
		.doc = "Peers connected at the same time."},
	{.name = "fdb_entries",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, dataplane.fdb_entries),
		RANGE(256, 1048576),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "16384",
		.doc = "MAC addresses that can be known at the same time, all segments together."},
	{.name = "mbufs",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, dataplane.n_mbufs),
		RANGE(2048, 4194304),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "16384",
		.doc = "Packet buffers, all ports together."},
	{.name = "reassembly_mib",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, dataplane.reassembly_mib),
		RANGE(1, 1024),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "16",
		.doc = "Most that one worker may hold of frames that have not arrived whole, in "
		       "MiB."},
};
static const struct config_schema dataplane_section = {
	.name = "section",
	.doc = "CPUs, memory and table sizes of the data-plane process.",
	KEYS(dataplane_keys),
};

static const struct config_key port_keys[] = {
	{.name = "name",
		.type = CONFIG_TYPE_IDENT,
		AT(config_port, name),
		.required = true,
		.restart = CONFIG_RESTART_BOTH,
		.doc = "What segments, counters and logs call it."},
	{.name = "role",
		.type = CONFIG_TYPE_ENUM,
		AT(config_port, role),
		.words = role_words,
		.required = true,
		.restart = CONFIG_RESTART_BOTH,
		.doc = "`lan` faces the hosts, `wan` faces the other sites."},
	{.name = "kind",
		.type = CONFIG_TYPE_ENUM,
		AT(config_port, kind),
		.words = kind_words,
		.required = true,
		.restart = CONFIG_RESTART_BOTH,
		.doc = "`af_xdp` shares a kernel interface, `dpdk` owns a device, `tap` makes an "
		       "interface of "
		       "this host itself (LAN only), `udp` is a socket of the kernel (WAN only): "
		       "it needs neither "
		       "driver nor AF_XDP."},
	{.name = "interface",
		.type = CONFIG_TYPE_INTERFACE,
		AT(config_port, interface),
		.restart = CONFIG_RESTART_BOTH,
		.dflt_doc = "needed for af_xdp, tap and udp",
		.doc = "The kernel's interface (af_xdp, udp), or the one to create (tap; for a "
		       "dpdk WAN "
		       "port the "
		       "exception interface that carries its addresses)."},
	{.name = "device",
		.type = CONFIG_TYPE_TEXT,
		AT(config_port, device),
		.max = 255,
		.restart = CONFIG_RESTART_BOTH,
		.dflt_doc = "needed for dpdk",
		.doc = "PCI address, or a DPDK vdev with its arguments such as "
		       "`net_memif0,role=server`."},
	{.name = "mode",
		.type = CONFIG_TYPE_ENUM,
		AT(config_port, mode),
		.words = mode_words,
		.restart = CONFIG_RESTART_BOTH,
		.dflt = "auto",
		.doc = "af_xdp only: force copy or zero-copy instead of what the driver can do."},
	{.name = "queues",
		.type = CONFIG_TYPE_NUMBER,
		AT(config_port, n_queues),
		RANGE(1, CONFIG_QUEUES_MAX),
		.restart = CONFIG_RESTART_BOTH,
		.dflt = "1",
		.doc = "Receive and transmit queues; for udp sockets that share the port. For "
		       "af_xdp as many as `ethtool -l` shows "
		       "combined, or "
		       "frames of the others never arrive."},
	{.name = "mtu",
		.type = CONFIG_TYPE_NUMBER,
		AT(config_port, mtu),
		RANGE(CONFIG_MTU_MIN, CONFIG_MTU_MAX),
		.restart = CONFIG_RESTART_BOTH,
		.dflt = "1500",
		.doc = "Largest payload of a frame on this port, in bytes. WAN at least 1280; at "
		       "most 3400 "
		       "on every port of a gateway that has an af_xdp port. LAN and WAN need not "
		       "match: "
		       "frames are cut and joined as needed."},
	{.name = "mac",
		.type = CONFIG_TYPE_MAC,
		AT(config_port, mac),
		FLAG(config_port, has_mac),
		.restart = CONFIG_RESTART_BOTH,
		.dflt_doc = "the device's own",
		.doc = "tap and dpdk only: the port's address."},
	{.name = "super_frames",
		.type = CONFIG_TYPE_ENUM,
		AT(config_port, super),
		.words = super_words,
		.restart = CONFIG_RESTART_BOTH,
		.dflt = "auto",
		.doc = "tap only: let this host's TCP and UDP hand over up to 64 KB as one frame, "
		       "which crosses whole "
		       "to peers that have such a port, too, and as ordinary frames to others. "
		       "Costs `reassembly_mib` and 4 MiB of `memory_mib` for each worker. `off`: "
		       "never."},
	{.name = "overlay_port",
		.type = CONFIG_TYPE_NUMBER,
		AT(config_port, overlay_port),
		RANGE(1, 65535),
		.restart = CONFIG_RESTART_BOTH,
		.dflt = "7667",
		.doc = "WAN only: UDP port of everything that leaves and arrives here."},
	{.name = "source_ports",
		.type = CONFIG_TYPE_NUMBER,
		AT(config_port, source_ports),
		RANGE(1, CONFIG_SOURCE_PORTS_MAX),
		.restart = CONFIG_RESTART_BOTH,
		.dflt = "1",
		.doc = "WAN only, not udp, the same on every WAN port: workers send from so many "
		       "ports, beginning at `overlay_port`, so that a peer's network card spreads "
		       "them over its queues. Each port is used once it is proven to get through; "
		       "nothing is accepted on those after the first."},
	{.name = "addresses",
		LIST(config_port, addresses, n_addresses, prefix_item),
		RANGE(1, CONFIG_PORT_ADDRESSES_MAX),
		.restart = CONFIG_RESTART_BOTH,
		.dflt_doc = "none",
		.doc = "dpdk WAN without `interface`: the port's own addresses with prefix length. "
		       "Elsewhere "
		       "the kernel has them."},
	{.name = "gateway_mac",
		.type = CONFIG_TYPE_MAC,
		AT(config_port, gateway_mac),
		FLAG(config_port, has_gateway_mac),
		.restart = CONFIG_RESTART_BOTH,
		.dflt_doc = "needed with `addresses`",
		.doc = "With `addresses`: the station that everything is sent to, as no kernel "
		       "resolves "
		       "neighbours there."},
};
static const struct config_schema port_schema = {
	.name = "port",
	.doc = "The ports, in an order that counters keep. At least one WAN port.",
	KEYS(port_keys),
	.identity = "name",
	.size = sizeof(struct config_port),
};

static const struct config_key segment_port_keys[] = {
	{.name = "port",
		.type = CONFIG_TYPE_IDENT,
		AT(config_segment_port, port),
		.restart = CONFIG_RESTART_DATAPLANE,
		.required = true,
		.doc = "Name of a LAN port."},
	{.name = "vlan",
		.type = CONFIG_TYPE_NUMBER,
		AT(config_segment_port, vlan),
		RANGE(1, 4094),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt_doc = "the whole port, tags untouched",
		.doc = "Only frames with this 802.1Q tag, which is taken off here and put back "
		       "there."},
};
static const struct config_schema segment_port_schema = {
	.name = "port",
	.doc = "A name alone, or a mapping when only one VLAN of the port belongs to the segment.",
	KEYS(segment_port_keys),
	.shorthand = "port",
	.size = sizeof(struct config_segment_port),
};
static const struct config_key segment_port_item =
	ITEM(CONFIG_TYPE_MAP, sizeof(struct config_segment_port), .sub = &segment_port_schema);

static const struct config_key static_keys[] = {
	{.name = "mac",
		.type = CONFIG_TYPE_MAC,
		AT(config_static, mac),
		.restart = CONFIG_RESTART_DATAPLANE,
		.required = true,
		.doc = "The station."},
	{.name = "vlan",
		.type = CONFIG_TYPE_NUMBER,
		AT(config_static, vlan),
		RANGE(1, 4094),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt_doc = "untagged",
		.doc = "Its VLAN, where the segment is `vlan_aware`."},
	{.name = "port",
		.type = CONFIG_TYPE_IDENT,
		AT(config_static, port),
		.required = true,
		.restart = CONFIG_RESTART_DATAPLANE,
		.doc = "The port of this segment behind which it is."},
};
static const struct config_schema static_schema = {
	.name = "entry",
	.doc = "Stations behind a port that are known without being learned, and that nobody else "
	       "can "
	       "claim.",
	KEYS(static_keys),
	.size = sizeof(struct config_static),
};
static const struct config_key static_item =
	ITEM(CONFIG_TYPE_MAP, sizeof(struct config_static), .sub = &static_schema);

static const struct config_key guard_keys[] = {
	{.name = "dhcp",
		.type = CONFIG_TYPE_ENUM,
		AT(config_guards, dhcp),
		.words = guard_words,
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "auto",
		.doc = "Replies of DHCP and DHCPv6 servers behind peers. `auto` lets them in as "
		       "long "
		       "as no such server was heard on this site's own LAN ports within an hour; "
		       "`drop` never, `allow` always."},
	{.name = "ra",
		.type = CONFIG_TYPE_ENUM,
		AT(config_guards, ra),
		.words = guard_words,
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "auto",
		.doc = "IPv6 router advertisements from behind peers, likewise."},
	{.name = "stp",
		.type = CONFIG_TYPE_ENUM,
		AT(config_guards, stp),
		.words = stp_words,
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "drop",
		.doc = "Spanning tree's BPDUs, both ways: `drop` keeps each site's tree its own."},
	{.name = "loop",
		.type = CONFIG_TYPE_ENUM,
		AT(config_guards, loop),
		.words = loop_words,
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "cut",
		.doc = "Send a probe on each LAN port every two seconds; a port or peer that it "
		       "comes "
		       "back from closes a loop and is cut out of the segment for as long."},
};
static const struct config_schema guard_schema = {
	.name = "guards",
	.doc = "What the segment keeps out by itself. Every drop is counted under a reason of its "
	       "own: "
	       "`guard-dhcp`, `guard-ra`, `guard-stp`, `loop`.",
	KEYS(guard_keys),
};

static const struct config_key segment_keys[] = {
	{.name = "id",
		.type = CONFIG_TYPE_NUMBER,
		AT(config_segment, id),
		RANGE(0, 255),
		.restart = CONFIG_RESTART_DATAPLANE,
		.required = true,
		.doc = "The segment's number on the wire, the same at every site."},
	{.name = "name",
		.type = CONFIG_TYPE_IDENT,
		AT(config_segment, name),
		.restart = CONFIG_RESTART_DATAPLANE,
		.required = true,
		.doc = "What peers, counters and commands call it."},
	{.name = "ports",
		LIST(config_segment, ports, n_ports, segment_port_item),
		RANGE(0, CONFIG_SEGMENT_PORTS_MAX),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt_doc = "none",
		.doc = "The LAN ports that belong to it."},
	{.name = "vlan_aware",
		.type = CONFIG_TYPE_BOOL,
		AT(config_segment, vlan_aware),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "false",
		.doc = "Learn addresses for each VLAN tag separately, for networks in which one "
		       "address shows "
		       "up in several VLANs."},
	{.name = "ageing_s",
		.type = CONFIG_TYPE_NUMBER,
		AT(config_segment, ageing_s),
		RANGE(1, 65535),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "300",
		.doc = "Forget an address not seen for this long, in seconds."},
	{.name = "mac_quota",
		.type = CONFIG_TYPE_NUMBER,
		AT(config_segment, mac_quota),
		RANGE(1, 1048576),
		.dflt = "1024",
		.doc = "Addresses that one peer may have; further ones are not learned. Where a "
		       "peer "
		       "joins several segments, the largest counts."},
	{.name = "bum_pps",
		.type = CONFIG_TYPE_NUMBER,
		AT(config_segment, bum_pps),
		RANGE(0, 100000000),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "20000",
		.doc = "Storm limit: broadcast, unknown and multicast frames a second from one "
		       "port or peer. 0 "
		       "lifts it."},
	{.name = "guards",
		.type = CONFIG_TYPE_MAP,
		AT(config_segment, guards),
		.sub = &guard_schema,
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt_doc = "see below",
		.doc = "What peers may not bring into the segment."},
	{.name = "static",
		LIST(config_segment, statics, n_statics, static_item),
		RANGE(0, CONFIG_STATIC_MAX),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt_doc = "none",
		.doc = "Stations entered by hand."},
};
static const struct config_schema segment_schema = {
	.name = "segment",
	.doc = "The Ethernets: which ports and which peers are one.",
	KEYS(segment_keys),
	.identity = "name",
	.size = sizeof(struct config_segment),
};

static const struct config_key peer_keys[] = {
	{.name = "name",
		.type = CONFIG_TYPE_NAME,
		AT(config_peer, name),
		.required = true,
		.doc = "The other gateway's name."},
	{.name = "segments",
		LIST(config_peer, segments, n_segments, ident_item),
		RANGE(1, CONFIG_SEGMENTS_MAX),
		.required = true,
		.doc = "Names of the segments it may join."},
	{.name = "intent",
		.type = CONFIG_TYPE_BOOL,
		AT(config_peer, intent),
		.dflt = "true",
		.doc = "Connect from the start. With `false` only after `postern intents add`."},
	{.name = "psk_file",
		.type = CONFIG_TYPE_SECRET,
		AT(config_peer, psk_file),
		.dflt_doc = "none",
		.doc = "File with 32 bytes, or 64 hex digits, known only to these two gateways: "
		       "keeps recorded "
		       "traffic secret even from a quantum computer. Mode 0600."},
	{.name = "pin",
		.type = CONFIG_TYPE_KEY,
		AT(config_peer, pin),
		FLAG(config_peer, has_pin),
		.dflt_doc = "none",
		.doc = "The Ed25519 key its certificate must carry, as 64 hex digits: no authority "
		       "can put "
		       "another in its place."},
	{.name = "cipher",
		.type = CONFIG_TYPE_ENUM,
		AT(config_peer, cipher),
		.words = cipher_words,
		.dflt = "auto",
		.doc = "Force a cipher with this peer; `auto` follows `policy.cipher`."},
	{.name = "addresses",
		LIST(config_peer, addresses, n_addresses, endpoint_item),
		RANGE(1, CONFIG_PEER_ADDRESSES_MAX),
		.dflt_doc = "none",
		.doc = "Where to try it besides what the hub tells. The port is 7667 where none is "
		       "written."},
};
static const struct config_schema peer_schema = {
	.name = "peer",
	.doc = "The gateways this one wants to meet. Nobody else is answered.",
	KEYS(peer_keys),
	.identity = "name",
	.size = sizeof(struct config_peer),
};

static const struct config_key policy_keys[] = {
	{.name = "rekey_s",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, policy.rekey_s),
		RANGE(1, 300),
		.dflt = "120",
		.doc = "Make fresh keys this often, in seconds."},
	{.name = "key_life_s",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, policy.key_life_s),
		RANGE(10, 600),
		.dflt = "600",
		.doc = "A key dies at this age even if no fresh one could be made, in seconds. At "
		       "least twice "
		       "`rekey_s`."},
	{.name = "keepalive_s",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, dataplane.keepalive_s),
		RANGE(1, 120),
		.restart = CONFIG_RESTART_DATAPLANE,
		.dflt = "15",
		.doc = "Say something after this much silence, in seconds; when the peer is silent "
		       "three "
		       "times as long, the path counts as lost. The same at every site."},
	{.name = "intent_days",
		.type = CONFIG_TYPE_NUMBER,
		AT(gateway_config, policy.intent_days),
		RANGE(1, 7),
		.dflt = "7",
		.doc = "An intent to connect is valid this long and renewed in time, in days."},
	{.name = "cipher",
		.type = CONFIG_TYPE_ENUM,
		AT(gateway_config, policy.cipher),
		.words = cipher_words,
		.dflt = "auto",
		.doc = "`auto`: AES where both CPUs have it in hardware, else ChaCha20. Forcing "
		       "one is for tests "
		       "and mixed fleets."},
};
static const struct config_schema policy_section = {
	.name = "section",
	.doc = "Timers and choices that apply to every peer.",
	KEYS(policy_keys),
};

static const struct config_key port_item =
	ITEM(CONFIG_TYPE_MAP, sizeof(struct config_port), .sub = &port_schema);
static const struct config_key segment_item =
	ITEM(CONFIG_TYPE_MAP, sizeof(struct config_segment), .sub = &segment_schema);
static const struct config_key peer_item =
	ITEM(CONFIG_TYPE_MAP, sizeof(struct config_peer), .sub = &peer_schema);

#define SECTION_DATAPLANE                                                               \
	{                                                                               \
		.name = "dataplane", .type = CONFIG_TYPE_MAP, .sub = &dataplane_section \
	}
#define SECTION_PORTS                                                                \
	{                                                                            \
		.name = "ports",                                                     \
		LIST(gateway_config, dataplane.ports, dataplane.n_ports, port_item), \
		RANGE(1, CONFIG_PORTS_MAX), .required = true, .ordered = true,       \
		.restart = CONFIG_RESTART_BOTH, .doc = "The ports of this gateway."  \
	}
#define SECTION_SEGMENTS                                                                      \
	{                                                                                     \
		.name = "segments",                                                           \
		LIST(gateway_config, dataplane.segments, dataplane.n_segments, segment_item), \
		RANGE(1, CONFIG_SEGMENTS_MAX), .required = true,                              \
		.restart = CONFIG_RESTART_DATAPLANE, .doc = "The Ethernets to join."          \
	}

static const struct config_key gateway_sections[] = {
	{.name = "gateway",
		.type = CONFIG_TYPE_MAP,
		.sub = &gateway_section,
		.required = true,
		.doc = "Who this gateway is."},
	{.name = "identity",
		.type = CONFIG_TYPE_MAP,
		.sub = &identity_section,
		.required = true,
		.doc = "How its private key is kept."},
	{.name = "hub", .type = CONFIG_TYPE_MAP, .sub = &hub_section},
	SECTION_DATAPLANE,
	SECTION_PORTS,
	SECTION_SEGMENTS,
	{.name = "peers",
		LIST(gateway_config, peers, n_peers, peer_item),
		RANGE(0, CONFIG_PEERS_MAX),
		.dflt_doc = "none",
		.doc = "The gateways this one wants to meet."},
	{.name = "policy", .type = CONFIG_TYPE_MAP, .sub = &policy_section},
};
const struct config_schema config_gateway_schema = {
	.name = "file",
	.doc = "A gateway's file",
	KEYS(gateway_sections),
};

static const struct config_key dataplane_sections[] = {
	{.name = "gateway", .type = CONFIG_TYPE_MAP, .sub = &gateway_section, .required = true},
	{.name = "identity", .type = CONFIG_TYPE_SKIP},
	{.name = "hub", .type = CONFIG_TYPE_SKIP},
	SECTION_DATAPLANE,
	SECTION_PORTS,
	SECTION_SEGMENTS,
	{.name = "peers", .type = CONFIG_TYPE_SKIP},
	{.name = "policy", .type = CONFIG_TYPE_MAP, .sub = &policy_section},
};
const struct config_schema config_dataplane_schema = {
	.name = "file",
	.doc = "A gateway's file, as the data-plane reads it",
	KEYS(dataplane_sections),
};

const char *config_polling_name(enum config_polling v)
{
	return polling_words[v];
}

const char *config_hugepages_name(enum config_hugepages v)
{
	return hugepages_words[v];
}

const char *config_port_role_name(enum config_port_role v)
{
	return role_words[v];
}

const char *config_port_kind_name(enum config_port_kind v)
{
	return kind_words[v];
}

const char *config_xdp_mode_name(enum config_xdp_mode v)
{
	return mode_words[v];
}

const char *config_cipher_name(enum config_cipher v)
{
	return cipher_words[v];
}
