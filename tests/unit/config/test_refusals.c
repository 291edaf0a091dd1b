// SPDX-License-Identifier: BSD-3-Clause
//
// Every mistake a file can hold, and the place, the sentence and the way out it gets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/gateway.h"
#include "config/hub.h"
#include "tests/unit/config/compose.h"
#include "tests/unit/config/env.h"

enum file_kind { GATEWAY, HUB, RAW };

struct refusal {
	const char *name;
	enum file_kind kind; // RAW: the text is the whole file
	const char *text;
	unsigned line, column;
	const char *message; // part of it
	const char *hint;    // part of it
};

#define PORTS                                                          \
	"  - {name: lan0, role: lan, kind: af_xdp, interface: eth1}\n" \
	"  - {name: lan1, role: lan, kind: tap, interface: tap0}\n"
#define WAN0     "  - {name: wan0, role: wan, kind: af_xdp, interface: eth0}\n"
#define AWARE(n) "  - {id: " n ", name: s" n ", vlan_aware: true}\n"
#define SEGMENTS "  - {id: 2, name: lab, ports: [lan1]}\n"

static const struct refusal refusals[] = {
	// The text itself.
	{"an empty file is refused", RAW, "", 0, 0, "the file is empty", "examples in config/"},
	{"a file of comments is refused", RAW, "# nothing\n", 0, 0, "the file is empty",
		"examples"},
	{"a list is no configuration", RAW, "- gateway\n", 1, 1, "mapping of sections", "gateway:"},
	{"a word is no configuration", RAW, "gateway\n", 1, 1, "mapping of sections", "gateway:"},
	{"a second document is refused", GATEWAY, "policy: {}\n---\n", 2, 1, "second YAML document",
		"remove the '---'"},
	{"an anchor is refused", GATEWAY, "policy: &p {}\n", 1, 9, "anchors", "write values out"},
	{"an alias is refused before it is followed", RAW, "policy: *p\n", 1, 9, "aliases",
		"write the value out"},
	{"a bomb of aliases is refused at its first anchor", RAW,
		"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", 1, 4, "anchors", "remove it"},
	{"a merge key is refused", RAW, "policy:\n  <<: *p\n", 2, 7, "aliases",
		"write the value out"},
	{"a tag is refused", GATEWAY, "policy: !!map {}\n", 1, 9, "tags", "remove it"},
	{"a tab as indentation is refused", RAW, "policy:\n\trekey_s: 60\n", 2, 1,
		"tab in the indentation", "spaces"},
	{"a tab after spaces is refused", RAW, "policy:\n  \trekey_s: 60\n", 2, 3,
		"tab in the indentation", "spaces"},
	{"a control character is refused", RAW, "policy: \x1b[31m\n", 1, 9, "control character",
		"remove it"},
	{"a bidirectional override is refused", RAW, "policy: \xe2\x80\xae x\n", 1, 9,
		"control character", "remove it"},
	{"a lone carriage return is refused", RAW, "a: 1\rb: 2\n", 1, 5, "control character",
		"remove it"},
	{"broken UTF-8 is refused", RAW, "policy: caf\xe9\n", 1, 12, "byte 0xe9 is not UTF-8",
		"UTF-8"},
	{"overlong UTF-8 is refused", RAW, "a: \xc0\xaf\n", 1, 4, "byte 0xc0", "UTF-8"},
	{"a UTF-16 surrogate is refused", RAW, "a: \xed\xa0\x80\n", 1, 4, "byte 0xed", "UTF-8"},
	{"UTF-8 cut at the end of the file is refused", RAW, "a: \xe2\x82", 1, 4, "byte 0xe2",
		"UTF-8"},
	{"an unclosed quote is refused", RAW, "gateway:\n  name: \"site-a\n", 2, 10, "YAML syntax",
		"indentation"},
	{"a wrong indentation is refused", RAW, "gateway:\n  name: site-a\n network: x\n", 3, 2,
		"YAML syntax", "indentation"},
	{"an unclosed bracket is refused", RAW, "dataplane:\n  workers: [1, 2\n  polling: busy\n",
		4, 1, "YAML syntax", "indentation"},
	{"two keys on one line are refused", RAW, "gateway: name: site-a\n", 1, 14, "YAML syntax",
		"indentation"},
	{"a list as a key is refused", RAW, "? [a]\n: b\n", 1, 3, "cannot be a key", "plain words"},
	{"an escape that hides a NUL is refused", GATEWAY,
		"gateway: {name: \"a\\0b\", network: x}\n", 1, 17, "one line of plain text",
		"without escapes"},
	{"a value over several lines is refused", GATEWAY,
		"gateway:\n  network: x\n  name: |\n    site\n    a\n", 4, 1,
		"one line of plain text", "one line"},
	{"nesting without end is refused", RAW, "a: [[[[[[[[[[[[]]]]]]]]]]]]\n", 1, 11,
		"nested too deeply", "that deep"},

	// Keys.
	{"an unknown section gets the nearest one", GATEWAY, "polcy: {}\n", 1, 1,
		"unknown key 'polcy' in the file", "did you mean 'policy'?"},
	{"an unknown key gets the nearest one", GATEWAY, "dataplane:\n  worker: [1]\n", 2, 3,
		"unknown key 'worker' in dataplane", "did you mean 'workers'?"},
	{"a key in the wrong case gets the right one", GATEWAY, "policy:\n  Rekey_S: 60\n", 2, 3,
		"unknown key 'Rekey_S'", "did you mean 'rekey_s'?"},
	{"a key with a dash gets the one with an underscore", GATEWAY, "policy:\n  rekey-s: 60\n",
		2, 3, "unknown key 'rekey-s'", "did you mean 'rekey_s'?"},
	{"a key of another section is sent there", GATEWAY, "dataplane:\n  rekey_s: 60\n", 2, 3,
		"unknown key 'rekey_s' in dataplane", "belongs in section 'policy'"},
	{"a section indented by mistake is sent to the margin", GATEWAY,
		"dataplane:\n  policy: {}\n", 2, 3, "unknown key 'policy'", "left margin"},
	{"a key like no other gets the list of valid ones", GATEWAY, "policy:\n  zzzzzz: 1\n", 2, 3,
		"unknown key 'zzzzzz'", "valid here: rekey_s, key_life_s"},
	{"an unknown key in a list says which item", GATEWAY,
		"ports:\n" PORTS "  - name: wan0\n    rol: wan\n", 5, 5,
		"unknown key 'rol' in ports[2]", "did you mean 'role'?"},
	{"a hub's section in a gateway's file is unknown", GATEWAY, "authority: {}\n", 1, 1,
		"unknown key 'authority'", "valid here"},
	{"a duplicate key is refused where it comes again", GATEWAY,
		"policy:\n  rekey_s: 60\n  keepalive_s: 5\n  rekey_s: 90\n", 4, 3,
		"duplicate key 'rekey_s'", "line 2"},
	{"a duplicate section is refused", GATEWAY, "policy: {}\npolicy: {}\n", 2, 1,
		"duplicate key 'policy'", "line 1"},
	{"a missing section is named", RAW, "gateway: {name: a, network: b}\n", 1, 1,
		"no section 'identity'", "add 'identity:'"},
	{"a missing key is named at its section", GATEWAY, "policy: {}\ngateway:\n  name: site-a\n",
		2, 1, "section gateway has no 'network'", "add 'network:'"},
	{"a missing key in a list is named at its item", GATEWAY,
		"ports:\n" PORTS "  - name: wan0\n    role: wan\n", 4, 5,
		"port ports[2] has no 'kind'", "add 'kind:'"},
	{"a key without a value is refused", GATEWAY, "policy:\n  rekey_s:\n", 2, 3,
		"policy.rekey_s has no value", "remove the line"},
	{"null is no value", GATEWAY, "policy: {rekey_s: ~}\n", 1, 10, "has no value",
		"remove the line"},
	{"a section without keys is refused", GATEWAY, "policy:\n", 1, 1, "policy has no value",
		"remove the line"},

	// Types.
	{"a value where a section belongs is refused", GATEWAY, "policy: fast\n", 1, 9,
		"policy must be a mapping of keys, not a single value", "indent"},
	{"a mapping where a list belongs is refused", GATEWAY, "ports: {name: lan0}\n", 1, 1,
		"ports must be a list, not a mapping", "'- '"},
	{"a value where a list belongs is refused", GATEWAY, "dataplane: {workers: 1}\n", 1, 22,
		"dataplane.workers must be a list, not a single value", "[a, b]"},
	{"a list where a value belongs is refused", GATEWAY, "policy: {rekey_s: [60]}\n", 1, 10,
		"policy.rekey_s must be a whole number, not a list", "one line"},
	{"text where a number belongs is refused", GATEWAY, "policy: {rekey_s: often}\n", 1, 19,
		"must be a whole number, not 'often'", "between 1 and 300"},
	{"a number with a unit is refused", GATEWAY, "policy: {rekey_s: 60s}\n", 1, 19, "'60s'",
		"the unit is in the key's name"},
	{"a quoted number is refused", GATEWAY, "policy: {rekey_s: \"60\"}\n", 1, 19,
		"must be a whole number", "remove the quotes"},
	{"a number in octal is refused", GATEWAY, "policy: {rekey_s: 060}\n", 1, 19,
		"must be a whole number", "leading zeros"},
	{"a number in hex is refused", GATEWAY, "policy: {rekey_s: 0x3c}\n", 1, 19,
		"must be a whole number", "decimal"},
	{"a negative number is refused", GATEWAY, "policy: {rekey_s: -1}\n", 1, 19,
		"must be a whole number, not '-1'", "digits only"},
	{"a fraction is refused", GATEWAY, "policy: {rekey_s: 1.5}\n", 1, 19,
		"must be a whole number", "digits only"},
	{"yes is not true", GATEWAY, "peers: [{name: b, segments: [lab], intent: yes}]\n", 1, 44,
		"must be true or false, not 'yes'", "write true"},
	{"off is not false", GATEWAY, "peers: [{name: b, segments: [lab], intent: off}]\n", 1, 44,
		"not 'off'", "write false"},
	{"quoted true is text", GATEWAY, "peers: [{name: b, segments: [lab], intent: \"true\"}]\n",
		1, 44, "must be true or false", "remove the quotes"},

	// Ranges and formats.
	{"a number below its range is refused", GATEWAY, "policy: {key_life_s: 9}\n", 1, 22,
		"policy.key_life_s is out of range: 9", "between 10 and 600"},
	{"a number above its range is refused", GATEWAY, "policy: {intent_days: 8}\n", 1, 23,
		"out of range: 8", "between 1 and 7"},
	{"a number beyond 32 bits is refused, not wrapped", GATEWAY,
		"policy: {intent_days: 4294967297}\n", 1, 23, "out of range", "between 1 and 7"},
	{"a number of a thousand digits' worth is refused", GATEWAY,
		"policy: {intent_days: 99999999999999999999999999999999}\n", 1, 23, "out of range",
		"between 1 and 7"},
	{"an unknown word gets the nearest one", GATEWAY, "dataplane: {polling: bussy}\n", 1, 22,
		"dataplane.polling cannot be 'bussy'", "did you mean 'busy'?"},
	{"an unknown word like none gets the list", GATEWAY, "dataplane: {polling: sometimes}\n", 1,
		22, "cannot be 'sometimes'", "one of: adaptive, busy"},
	{"a CPU that does not exist is refused", GATEWAY, "dataplane: {workers: [1, 4]}\n", 1, 26,
		"dataplane.workers[1]: this machine has no CPU 4", "lscpu"},
	{"a CPU listed twice is refused", GATEWAY, "dataplane: {workers: [1, 2, 1]}\n", 1, 29,
		"CPU 1 is listed twice", "its own CPU"},
	{"an empty list of workers is refused", GATEWAY, "dataplane: {workers: []}\n", 1, 13,
		"dataplane.workers is empty", "at least 1"},
	{"buffers that memory cannot hold are refused", GATEWAY,
		"dataplane: {memory_mib: 32, mbufs: 65536}\n", 1, 36,
		"65536 mbufs need more than 32 MiB", "raise memory_mib"},
	{"memory too small for the default of buffers is refused", GATEWAY,
		"dataplane: {memory_mib: 32}\n", 1, 25, "16384 mbufs need more", "lower mbufs"},
	{"an upper-case name is refused", GATEWAY, "gateway: {name: Site-A, network: x}\n", 1, 17,
		"gateway.name must be a lower-case DNS name, not 'Site-A'", "a-z"},
	{"a name with an underscore is refused", GATEWAY, "gateway: {name: site_a, network: x}\n",
		1, 17, "lower-case DNS name", "a-z"},
	{"a name that begins with a dash is refused", GATEWAY,
		"gateway: {name: -site, network: x}\n", 1, 17, "lower-case DNS name", "inner '-'"},
	{"a name with an empty label is refused", GATEWAY, "gateway: {name: a..b, network: x}\n", 1,
		17, "lower-case DNS name", "labels"},
	{"a relative path is refused", GATEWAY,
		"gateway: {name: a, network: x, state_dir: var/lib}\n", 1, 43,
		"gateway.state_dir must be an absolute path", "begin it with '/'"},
	{"a path that climbs is refused", GATEWAY,
		"gateway: {name: a, network: x, state_dir: /var/../etc}\n", 1, 43,
		"must be an absolute path", "'..'"},
	{"a run directory too deep for a socket is refused", GATEWAY,
		"gateway: {name: a, network: x, run_dir: "
		"/run/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/"
		"cccccccccccccccc}\n",
		1, 41, "gateway.run_dir is too long", "at most 80"},
	{"an account that does not exist is refused", GATEWAY,
		"gateway: {name: a, network: x, user: nobdy}\n", 1, 38, "no account 'nobdy'",
		"adduser"},

	// Identity.
	{"no way to open the key is refused", GATEWAY, "identity: {argon2_mib: 16}\n", 1, 1,
		"does not say what opens the private key", "add passphrase_file"},
	{"two ways to open the key are refused", GATEWAY,
		"identity:\n  passphrase_file: /secret/pass\n  key_credential: k\n", 3, 19,
		"both passphrase_file and key_credential", "keep one"},
	{"a passphrase file that is absent is refused", GATEWAY,
		"identity: {passphrase_file: /secret/none}\n", 1, 29, "/secret/none does not exist",
		"install -m 600"},
	{"a passphrase file that cannot be read is refused", GATEWAY,
		"identity: {passphrase_file: /secret/denied}\n", 1, 29,
		"cannot read /secret/denied", "as root"},
	{"a passphrase file open to its group is refused", GATEWAY,
		"identity: {passphrase_file: /secret/group}\n", 1, 29,
		"others than its owner can open /secret/group (mode 0640)", "chmod 600"},
	{"a passphrase file open to everyone is refused", GATEWAY,
		"identity: {passphrase_file: /secret/world}\n", 1, 29, "(mode 0604)", "chmod 600"},
	{"a directory as a passphrase file is refused", GATEWAY,
		"identity: {passphrase_file: /secret/dir}\n", 1, 29, "not a regular file", ""},
	{"an empty passphrase file is refused", GATEWAY,
		"identity: {passphrase_file: /secret/empty}\n", 1, 29, "is empty",
		"1 to 4096 bytes"},
	{"a huge passphrase file is refused", GATEWAY,
		"identity: {passphrase_file: /secret/huge}\n", 1, 29, "is too large",
		"1 to 4096 bytes"},
	{"a credential with a path is refused", GATEWAY, "identity: {key_credential: ../key}\n", 1,
		28, "must be a credential's name", "without a path"},

	// Hub section.
	{"a hub's host name is not resolved", GATEWAY,
		"hub: {name: hub, addresses: [\"hub.example.net:7667\"]}\n", 1, 30,
		"must be an IP address with a port", "names are not resolved"},
	{"a hub without addresses is refused", GATEWAY, "hub: {name: hub}\n", 1, 1,
		"name and addresses together", "enrolment stores them"},
	{"a wildcard is nobody's address", GATEWAY, "hub: {name: hub, addresses: [\"0.0.0.0\"]}\n",
		1, 30, "hub.addresses[0] is nobody's own address", "sent to"},
	{"a group is nobody's address", GATEWAY, "hub: {name: hub, addresses: [\"[ff02::1]:7\"]}\n",
		1, 30, "nobody's own address", "sent to"},
	{"port 0 is refused", GATEWAY, "hub: {name: hub, addresses: [\"192.0.2.1:0\"]}\n", 1, 30,
		"must be an IP address with a port", "192.0.2.1:7667"},
	{"port 65536 is refused", GATEWAY, "hub: {name: hub, addresses: [\"192.0.2.1:65536\"]}\n",
		1, 30, "must be an IP address with a port", "such as"},
	{"a second port equal to the first is refused", GATEWAY,
		"hub: {name: hub, addresses: [\"192.0.2.1\"], udp2_port: 7667}\n", 1, 55,
		"must differ from the hub's first port", "hub's own file"},
	{"a hub with this gateway's name is refused", GATEWAY,
		"hub: {name: site-a, addresses: [\"192.0.2.1\"]}\n", 1, 13,
		"this gateway's own name", "rename"},

	// Ports.
	{"no ports at all is refused", GATEWAY, "ports: []\n", 1, 1, "ports is empty",
		"at least 1"},
	{"no WAN port is refused", GATEWAY, "ports:\n" PORTS, 1, 1, "no port has the role wan",
		"role: wan"},
	{"two ports of one name are refused", GATEWAY,
		"ports:\n" PORTS "  - {name: lan0, role: wan, kind: af_xdp, interface: eth0}\n", 4,
		12, "port 'lan0' (ports[0]) already has this name", "its own"},
	{"two ports on one interface are refused", GATEWAY,
		"ports:\n" PORTS "  - {name: wan0, role: wan, kind: af_xdp, interface: eth1}\n", 4,
		54, "port 'lan0' (ports[0]) already has this interface", "its own"},
	{"two ports on one device are refused", GATEWAY,
		"ports:\n" PORTS
		"  - {name: w0, role: wan, kind: dpdk, device: net_null0, interface: x0}\n"
		"  - {name: w1, role: wan, kind: dpdk, device: net_null0, interface: x1}\n",
		5, 47, "already has this device", "its own"},
	{"a WAN MTU below IPv6's is refused", GATEWAY,
		"ports:\n" PORTS
		"  - {name: w, role: wan, kind: af_xdp, interface: eth0, mtu: 1279}\n",
		4, 62, "a WAN port cannot have an MTU of 1279", "at least 1280"},
	{"an AF_XDP MTU above a page is refused", GATEWAY,
		"ports:\n" PORTS
		"  - {name: w, role: wan, kind: af_xdp, interface: eth0, mtu: 3401}\n",
		4, 62, "an af_xdp port cannot carry an MTU of 3401", "at most 3400"},
	{"an MTU no port can have is refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: dpdk, device: x, mtu: 9217}\n", 4,
		54, "ports[2].mtu is out of range", "between 576 and 9216"},
	{"a tap as WAN is refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: tap, interface: t1}\n", 4, 32,
		"cannot be a WAN port", "use af_xdp"},
	{"udp as LAN is refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: lan, kind: udp, interface: eth0}\n", 4, 32,
		"cannot be a LAN port", "use tap"},
	{"udp without an interface is refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: udp}\n", 4, 6,
		"port ports[2] has no 'interface'", "leads to the other sites"},
	{"udp with a device is refused", GATEWAY,
		"ports:\n" PORTS
		"  - {name: w, role: wan, kind: udp, interface: eth0, device: x}\n",
		4, 62, "ports[2].device has no meaning here", "kind dpdk"},
	{"udp with an address is refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: udp, interface: eth0, "
		"addresses: [192.0.2.2/24]}\n",
		4, 54, "ports[2].addresses has no meaning here", "the kernel has"},
	{"af_xdp without an interface is refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: af_xdp}\n", 4, 6,
		"port ports[2] has no 'interface'", "kernel interface"},
	{"af_xdp with a device is refused", GATEWAY,
		"ports:\n" PORTS
		"  - {name: w, role: wan, kind: af_xdp, interface: eth0, device: x}\n",
		4, 65, "ports[2].device has no meaning here", "kind dpdk"},
	{"dpdk without a device is refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: dpdk, interface: wan0}\n", 4, 6,
		"port ports[2] has no 'device'", "PCI address"},
	{"a dpdk WAN without addresses is refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: dpdk, device: net_null0}\n", 4, 6,
		"port ports[2] has no 'interface'", "exception interface"},
	{"a dpdk WAN with interface and addresses is refused", GATEWAY,
		"ports:\n" PORTS
		"  - name: w\n    role: wan\n    kind: dpdk\n    device: net_null0\n"
		"    interface: x0\n    addresses: [192.0.2.2/24]\n",
		9, 5, "both interface and addresses", "remove one"},
	{"a dpdk WAN without a next hop is refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: dpdk, device: net_null0, "
		"addresses: [192.0.2.2/24]}\n",
		4, 6, "port ports[2] has no 'gateway_mac'", "no kernel resolves"},
	{"an address without a prefix length is refused", GATEWAY,
		"ports:\n" PORTS
		"  - {name: w, role: wan, kind: dpdk, device: x, addresses: [192.0.2.2]}\n",
		4, 61, "with a prefix length", "192.0.2.2/24"},
	{"addresses on an af_xdp port are refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: af_xdp, interface: eth0, "
		"addresses: [192.0.2.2/24]}\n",
		4, 57, "ports[2].addresses has no meaning here", "the kernel has"},
	{"source ports on a LAN port are refused", GATEWAY,
		"ports:\n" WAN0
		"  - {name: lan0, role: lan, kind: af_xdp, interface: eth1, source_ports: 2}\n"
		"  - {name: lan1, role: lan, kind: tap, interface: tap0}\n",
		3, 74, "ports[1].source_ports has no meaning here", "WAN ports"},
	{"source ports on a socket are refused", GATEWAY,
		"ports:\n" PORTS
		"  - {name: w, role: wan, kind: udp, interface: eth0, source_ports: 2}\n",
		4, 68, "ports[2].source_ports has no meaning here", "from its own port alone"},
	{"more than sixteen source ports are refused", GATEWAY,
		"ports:\n" PORTS
		"  - {name: w, role: wan, kind: af_xdp, interface: eth0, source_ports: 17}\n",
		4, 71, "ports[2].source_ports is out of range: 17", "between 1 and 16"},
	{"source ports beyond the last port are refused", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: af_xdp, interface: eth0, "
		"overlay_port: 65535, source_ports: 2}\n",
		4, 92, "2 ports from 65535 on go beyond 65535", "fewer"},
	{"source ports that differ are refused", GATEWAY,
		"ports:\n" PORTS WAN0
		"  - {name: w, role: wan, kind: af_xdp, interface: eth7, source_ports: 2}\n",
		5, 6, "has source_ports 1, this one 2", "the same"},
	{"an overlay port on a LAN port is refused", GATEWAY,
		"ports:\n" WAN0
		"  - {name: lan0, role: lan, kind: af_xdp, interface: eth1, overlay_port: 5}\n"
		"  - {name: lan1, role: lan, kind: tap, interface: tap0}\n",
		3, 74, "ports[1].overlay_port has no meaning here", "WAN ports"},
	{"a group address as a port's MAC is refused", GATEWAY,
		"ports:\n" WAN0
		"  - {name: lan1, role: lan, kind: tap, interface: t, mac: 01:00:5e:00:00:01}\n",
		3, 59, "must be a MAC address", "six hex pairs"},
	{"super-frames of an af_xdp port are refused", GATEWAY,
		"ports:\n" PORTS
		"  - {name: w, role: wan, kind: af_xdp, interface: eth0, super_frames: off}\n",
		4, 71, "ports[2].super_frames has no meaning here", "only a tap"},
	{"a way to have super-frames that nobody knows is refused", GATEWAY,
		"ports:\n" WAN0
		"  - {name: lan1, role: lan, kind: tap, interface: t, super_frames: on}\n",
		3, 68, "super_frames", "auto"},
	{"virtio-user without hugepages is refused", GATEWAY,
		"dataplane: {hugepages: never}\nports:\n" PORTS
		"  - {name: w, role: wan, kind: dpdk, device: \"net_virtio_user0,path=/x\", "
		"interface: y}\n",
		5, 46, "virtio-user does not work without hugepages", "auto or require"},
	{"an interface name too long is refused", GATEWAY,
		"ports:\n" PORTS
		"  - {name: w, role: wan, kind: af_xdp, interface: abcdefghijklmnop}\n",
		4, 51, "must be an interface name", "at most 15"},

	// Segments.
	{"a segment number above a byte is refused", GATEWAY,
		"segments:\n  - {id: 256, name: x, ports: [lan0]}\n", 2, 10,
		"segments[0].id is out of range", "between 0 and 255"},
	{"two segments of one number are refused", GATEWAY,
		"segments:\n  - {id: 2, name: office, ports: [lan0]}\n" SEGMENTS, 3, 10,
		"segment 'office' (segments[0]) already has this id", "its own"},
	{"two segments of one name are refused", GATEWAY,
		"segments:\n  - {id: 1, name: lab, ports: [lan0]}\n" SEGMENTS, 3, 19,
		"already has this name", "its own"},
	{"a segment that names an unknown port gets the nearest", GATEWAY,
		"segments:\n  - {id: 1, name: office, ports: [lan00]}\n" SEGMENTS, 2, 35,
		"there is no port 'lan00'", "did you mean 'lan0'?"},
	{"a WAN port in a segment is refused", GATEWAY,
		"segments:\n  - {id: 1, name: office, ports: [lan0, wan0]}\n" SEGMENTS, 2, 41,
		"'wan0' is a WAN port", "joins LAN ports"},
	{"a port in two segments is refused", GATEWAY,
		"segments:\n  - {id: 1, name: office, ports: [lan0, lan1]}\n" SEGMENTS, 3, 32,
		"segment 'office' already has port 'lan1'", "{port: lan1, vlan: N}"},
	{"an MTU that AF_XDP's buffers cannot hold is refused on every port", GATEWAY,
		"ports:\n" PORTS "  - {name: w, role: wan, kind: af_xdp, interface: eth0}\n"
		"  - {name: j, role: lan, kind: dpdk, device: net_null0, mtu: 9000}\n",
		5, 62, "cannot be in one gateway with an af_xdp port", "at most 3400"},
	{"more VLAN-aware segments than fit are refused", GATEWAY,
		"segments:\n  - {id: 99, name: z, ports: [lan0, lan1]}\n" AWARE("1") AWARE("2")
			AWARE("3") AWARE("4") AWARE("5") AWARE("6") AWARE("7") AWARE("8") AWARE("9")
				AWARE("10") AWARE("11") AWARE("12") AWARE("13") AWARE("14")
					AWARE("15") AWARE("16") "peers: []\n",
		18, 37, "only 15 segments can be vlan_aware", "false"},
	{"a VLAN of a port in two segments is refused", GATEWAY,
		"segments:\n  - {id: 1, name: office, ports: [{port: lan0, vlan: 7}]}\n"
		"  - {id: 2, name: lab, ports: [lan1, {port: lan0, vlan: 7}]}\n",
		3, 45, "segment 'office' already has VLAN 7 of port 'lan0'", "one segment"},
	{"VLAN 4095 is refused", GATEWAY,
		"segments:\n  - {id: 1, name: office, ports: [{port: lan0, vlan: 4095}]}\n", 2, 54,
		"segments[0].ports[0].vlan is out of range", "between 1 and 4094"},
	{"a LAN port in no segment is refused", GATEWAY,
		"segments:\n  - {id: 1, name: office, ports: [lan0]}\nports:\n" PORTS WAN0, 5, 12,
		"LAN port 'lan1' belongs to no segment", "ports of a segment"},
	{"a static station nowhere is refused", GATEWAY,
		"segments:\n" SEGMENTS
		"  - {id: 1, name: o, ports: [lan0], static: [{mac: 02:00:00:00:00:01}]}\n",
		3, 47, "entry segments[1].static[0] has no 'port'", "add 'port:'"},
	{"a static station behind a port outside the segment is refused", GATEWAY,
		"segments:\n" SEGMENTS "  - {id: 1, name: o, ports: [lan0], static: [{mac: "
		"02:00:00:00:00:01, port: lan1}]}\n",
		3, 77, "port 'lan1' does not belong to segment 'o'", "segments[1].ports"},
	{"a static station in a VLAN nobody tells apart is refused", GATEWAY,
		"segments:\n" SEGMENTS "  - {id: 1, name: o, ports: [lan0], "
		"static: [{mac: 02:00:00:00:00:01, port: lan0, vlan: 3}]}\n",
		3, 89, "does not tell VLANs apart", "vlan_aware: true"},
	{"a static station listed twice is refused", GATEWAY,
		"segments:\n" SEGMENTS "  - {id: 1, name: office, ports: [lan0], "
		"static: [{mac: 02:00:00:00:00:01, port: lan0}, {mac: 02:00:00:00:00:01, port: "
		"lan0}]}\n",
		3, 95, "already in segments[1].static[0]", "keep one"},
	{"a static station behind an unknown port gets the nearest", GATEWAY,
		"segments:\n" SEGMENTS "  - {id: 1, name: office, ports: [lan0], "
		"static: [{mac: 02:00:00:00:00:01, port: lan9}]}\n",
		3, 82, "there is no port 'lan9'", "did you mean"},

	// Peers and policy.
	{"this gateway as its own peer is refused", GATEWAY,
		"peers: [{name: site-a, segments: [lab]}]\n", 1, 16,
		"'site-a' is this gateway itself", "other gateways"},
	{"the hub as a peer is refused", GATEWAY,
		"peers: [{name: hub, segments: [lab]}]\nhub: {name: hub, addresses: "
		"[\"192.0.2.1\"]}\n",
		1, 16, "'hub' is the hub", "its section is 'hub'"},
	{"a peer listed twice is refused", GATEWAY,
		"peers:\n  - {name: b, segments: [lab]}\n  - {name: b, segments: [office]}\n", 3,
		12, "peer 'b' is already peers[0]", "join"},
	{"a peer in an unknown segment gets the nearest", GATEWAY,
		"peers: [{name: b, segments: [lab, ofice]}]\n", 1, 35,
		"there is no segment 'ofice'", "did you mean 'office'?"},
	{"a peer in one segment twice is refused", GATEWAY,
		"peers: [{name: b, segments: [lab, lab]}]\n", 1, 35,
		"segment 'lab' is listed twice", "remove one"},
	{"a peer in no segment is refused", GATEWAY, "peers: [{name: b, segments: []}]\n", 1, 19,
		"peers[0].segments is empty", "at least 1"},
	{"more peers than the data-plane has room for are refused", GATEWAY,
		"dataplane: {max_peers: 1}\n"
		"peers: [{name: b, segments: [lab]}, {name: c, segments: [lab]}]\n",
		1, 24, "2 peers are listed", "max_peers to 2"},
	{"a pin of the wrong length is refused", GATEWAY,
		"peers: [{name: b, segments: [lab], pin: abcd}]\n", 1, 41, "must be 64 hex digits",
		"postern status"},
	{"a key file of the wrong size is refused", GATEWAY,
		"peers: [{name: b, segments: [lab], psk_file: /secret/pass}]\n", 1, 46,
		"neither 32 bytes nor 64 hex digits", "/dev/urandom"},
	{"a cipher nobody knows gets the nearest", GATEWAY,
		"peers: [{name: b, segments: [lab], cipher: aes-128-gcm}]\n", 1, 44,
		"cannot be 'aes-128-gcm'", "did you mean 'aes-256-gcm'?"},
	{"an address without brackets and with a port is refused", GATEWAY,
		"peers: [{name: b, segments: [lab], addresses: [\"2001:db8::zz\"]}]\n", 1, 48,
		"must be an IP address with a port", "[2001:db8::1]"},
	{"keys that die before a second try to renew them are refused", GATEWAY,
		"policy: {rekey_s: 100, key_life_s: 199}\n", 1, 36,
		"key_life_s 199 is too short for rekey_s 100", "twice"},
	{"rekeying too late for the default life is refused", GATEWAY, "policy: {key_life_s: 60}\n",
		1, 22, "too short for rekey_s 120", "twice"},

	// Hubs.
	{"a gateway's section in a hub's file is unknown", HUB, "peers: []\n", 1, 1,
		"unknown key 'peers'", "valid here: hub, authority, limits"},
	{"a hub without a listener is refused", HUB, "hub:\n  name: h\n  network: x\n", 1, 1,
		"section hub has no 'listen'", "add 'listen:'"},
	{"a hub that listens on all must say where it is", HUB,
		"hub: {name: h, network: x, listen: [\"0.0.0.0\"]}\n", 1, 37,
		"does not tell gateways where to go", "hub.advertise"},
	{"a hub that listens twice on one address is refused", HUB,
		"hub: {name: h, network: x, listen: [\"192.0.2.1\", \"192.0.2.1:7667\"]}\n", 1, 50,
		"already hub.listen[0]", "remove one"},
	{"a hub's second port equal to its first is refused", HUB,
		"hub: {name: h, network: x, listen: [\"192.0.2.1\"], udp2_port: 7667}\n", 1, 62,
		"must differ from the port in hub.listen[0]", "7668"},
	{"a hub that advertises a wildcard is refused", HUB,
		"hub: {name: h, network: x, listen: [\"192.0.2.1\"], advertise: [\"[::]:1\"]}\n", 1,
		63, "nobody's own address", "sent to"},
	{"a leaf that would outlive its issuer is refused", HUB,
		"authority: {passphrase_file: /secret/pass, leaf_days: 826}\n", 1, 55,
		"authority.leaf_days is out of range", "between 1 and 825"},
	{"a hub's loose passphrase file is refused", HUB,
		"authority: {passphrase_file: /secret/world}\n", 1, 30, "(mode 0604)", "chmod 600"},
	{"a silence nobody knows is refused", HUB,
		"hub: {name: h, network: x, listen: [\"192.0.2.1\"], silence: ntf}\n", 1, 60,
		"hub.silence cannot be 'ntf'", "did you mean 'nft'?"},
};

static char text[65536];

static int run_case(const struct refusal *c, struct config_error *err)
{
	size_t len = compose(c->kind == HUB ? hub_base : gateway_base, c->text, text, sizeof(text));
	struct gateway_config *g = NULL;
	struct hub_config *h = NULL;
	int ret;

	if (c->kind == HUB) {
		ret = config_parse_hub("hub.yaml", text, len, &env_test, &h, err);
		assert_null(h);
		return ret;
	}
	if (c->kind == RAW)
		len = strlen(c->text);
	ret = config_parse_gateway("gateway.yaml", text, len, &env_test, &g, err);
	assert_null(g);
	return ret;
}

static void check_refusal(void **state)
{
	const struct refusal *c = *state;
	struct config_error err = {.line = 9999};
	char *printed = NULL;
	size_t size;
	FILE *out = open_memstream(&printed, &size);

	assert_int_equal(run_case(c, &err), -EINVAL);
	config_error_print(out, &err);
	fclose(out);
	if (err.line != c->line || err.column != c->column || !strstr(err.message, c->message) ||
		!strstr(err.hint, c->hint))
		fail_msg("wanted %u:%u '%s' hint '%s', but got\n%s", c->line, c->column, c->message,
			c->hint, printed);
	if (c->hint[0] == '\0')
		assert_string_equal(err.hint, "");
	assert_string_equal(err.file, c->kind == HUB ? "hub.yaml" : "gateway.yaml");
	free(printed);
}

int main(void)
{
	enum { N = sizeof(refusals) / sizeof(refusals[0]) };
	struct CMUnitTest tests[N];

	for (unsigned i = 0; i < N; i++)
		tests[i] = (struct CMUnitTest){.name = refusals[i].name,
			.test_func = check_refusal,
			.initial_state = (void *)&refusals[i]};
	return cmocka_run_group_tests_name(
		"what a configuration file is refused for", tests, NULL, NULL);
}
