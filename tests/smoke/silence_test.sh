#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A stranger's scan gets nothing back: from gateway and hub, running, hanging, killed, and stopped in order.
#
#   natA ──(scans 10.1.0.2:7667)──► gwA          stranger ──(scans 192.0.2.10)──► hub
. "$(dirname "$0")/lib.sh"

# scan TEXT NODE IFACE CAPTURE-FILTER ENDPOINT...
scan() {
	local text=$1 node=$2 iface=$3 filter=$4 pcap=$SITES_DIR/scan.pcap
	shift 4
	rm -f "$pcap"
	topo_spawn "$node" /dev/null tcpdump -i "$iface" -Q in -nn -U -w "$pcap" "$filter"
	local dump=$TOPO_PID
	wait_for 5 test -s "$pcap" || fail "tcpdump does not start"
	in_ns "$node" python3 "$top/tools/lib/scan.py" 3000 "$@" >"$SITES_DIR/scan.json" || fail "the scan did not run"
	sleep 0.3
	topo_stop "$dump"
	[ "$(stat -c %s "$pcap")" -eq 24 ] || { tcpdump -r "$pcap" -nn -c 5 >&2; fail "$text: something came back"; }
	echo "ok: $text: nothing came back"
}
scan_gw() { scan "$1" natA lan0 "src host 10.1.0.2 and dst host 10.1.0.1" 10.1.0.2:7667; }
# The stranger's port numbers are not known to the hub; ARP is not the hub's.
scan_hub() { scan "$1" stranger eth0 "not arp" 192.0.2.10:7667; }

check "two sites come up" sites_up
scan_gw "a running gateway"
scan_hub "a running hub"
check "frames cross as before" pings

kill -9 "$(site_pid gwA control)"
scan_gw "a gateway whose control was just killed"
wait_for 10 site_ready gwA
# Held dead: the supervisor would bring it back.
kill -STOP "$(site_pid gwA dataplane)"
scan_gw "a gateway whose data-plane hangs"
kill -CONT "$(site_pid gwA dataplane)"
dataplane=$(site_pid gwA dataplane)
for pid in $(pgrep -P "${SUPERVISOR[gwA]}"); do
	[ "$(pgrep -P "$pid")" != "$dataplane" ] || kill -STOP "$pid"
done
kill -9 "$dataplane"
scan_gw "a gateway whose data-plane is dead"
for pid in $(pgrep -P "${SUPERVISOR[gwA]}"); do kill -CONT "$pid"; done

hub=$(site_pid hub hub)
for pid in $(pgrep -P "${SUPERVISOR[hub]}"); do kill -STOP "$pid"; done
kill -9 "$hub"
scan "a hub that is dead, by UDP" stranger eth0 "not arp and not tcp" 192.0.2.10:7667
for pid in $(pgrep -P "${SUPERVISOR[hub]}"); do kill -CONT "$pid"; done

site_stop gwA
scan_gw "a gateway that was stopped"
site_stop hub
scan_hub "a hub that was stopped"
