#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What each process keeps once it runs, and that one account cannot reach into the next. Runs in a mount
# namespace of its own, in which the accounts exist that packaging/sysusers.d makes.
if [ -z "${ACCOUNTS:-}" ] && [ "$(id -u)" -eq 0 ]; then exec env ACCOUNTS=1 unshare --mount "$0" "$@"; fi
. "$(dirname "$0")/lib.sh"

accounts() {
	local file id=64900 name
	for file in passwd group; do cp "/etc/$file" "$SITES_DIR/$file" && chmod 644 "$SITES_DIR/$file"; done
	for name in $(awk '$1 == "u" {print $2}' "$top/packaging/sysusers.d/postern.conf"); do
		sed -i "/^$name:/d" "$SITES_DIR/passwd" "$SITES_DIR/group"
		echo "$name:x:$id:$id::/nonexistent:/usr/sbin/nologin" >>"$SITES_DIR/passwd"
		echo "$name:x:$id:" >>"$SITES_DIR/group"
		id=$((id + 1))
	done
	for file in passwd group; do mount --bind "$SITES_DIR/$file" "/etc/$file" || return 1; done
	chmod 711 "$SITES_DIR"
}
accounts || skip "cannot make accounts in a mount namespace"
trap 'sites_down; umount /etc/passwd /etc/group' EXIT

# field PID NAME: of /proc/PID/status
field() { awk -v name="$2:" '$1 == name {print $2}' "/proc/$1/status"; }
child() { pgrep -P "$1" -x "$2"; }

# holds NAME PID ACCOUNT CAPABILITIES
holds() {
	local name=$1 pid=$2 account=$3 caps=$4 f
	[ -n "$pid" ] || fail "$name does not run"
	[ "$(field "$pid" Uid)" = "$(id -u "$account")" ] || fail "$name is not $account: $(grep Uid "/proc/$pid/status")"
	[ "$(field "$pid" Gid)" = "$(id -g "$account")" ] || fail "$name is not of group $account"
	for f in CapEff CapPrm CapBnd; do
		[ "$(field "$pid" $f)" = "$caps" ] || fail "$name: $f $(field "$pid" $f), not $caps"
	done
	[ "$(field "$pid" CapInh)$(field "$pid" CapAmb)" = "00000000000000000000000000000000" ] || fail "$name inherits capabilities"
	[ "$(field "$pid" NoNewPrivs)" = 1 ] || fail "$name could gain privileges"
	[ "$(field "$pid" CoreDumping)" = 0 ] || fail "$name dumps core"
	grep -q '^Max core file size  *0  *0 ' "/proc/$pid/limits" || fail "$name may dump core"
	for f in "/proc/$pid"/task/*/status; do
		[ "$(awk '/^Seccomp:/ {print $2}' "$f")" = 2 ] || fail "$name: a thread is not filtered: $f"
		[ "$(awk '/^CapEff:/ {print $2}' "$f")" = "$caps" ] || fail "$name: a thread has capabilities: $f"
		[ "$(awk '/^Uid:/ {print $2}' "$f")" = "$(id -u "$account")" ] || fail "$name: a thread is another account: $f"
	done
	echo "ok: $name is $account with capabilities $caps, filtered, without core dumps"
}

net_admin=0000000000001000
none=0000000000000000
check "two sites come up" sites_up
check "frames cross" pings
holds control "$(site_pid gwA control)" postern $net_admin
holds signer "$(child "$(site_pid gwA control)" postern-signer)" postern-signer $none
holds data-plane "$(site_pid gwA dataplane)" postern-dataplane $none
holds janitor "$(child "$(site_pid gwA dataplane)" postern-janitor)" postern-dataplane $net_admin
holds hub "$(site_pid hub hub)" postern-hub $net_admin
holds "hub's signer" "$(child "$(site_pid hub hub)" postern-signer)" postern-signer $none

# as ACCOUNT COMMAND...
as() { local account=$1 && shift && setpriv --reuid="$account" --regid="$account" --clear-groups "$@"; }
run=$SITES_DIR/gwA/run state=$SITES_DIR/gwA/state
for account in postern-dataplane postern-signer postern-hub; do
	as $account "$POSTERN" status -s "$run/control.sock" >/dev/null 2>&1 && fail "$account can speak to control"
	for f in "$state" "$state"/*; do
		as $account cat "$f" >/dev/null 2>&1 && fail "$account can read $f"
		as $account ls "$f" >/dev/null 2>&1 && [ -d "$f" ] && fail "$account can list $f"
	done
	as $account python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(sys.argv[1])' \
		"$run/dataplane.sock" 2>/dev/null && fail "$account can speak to the data-plane"
	as $account touch "$run/mine" 2>/dev/null && fail "$account can write to $run"
done
as postern "$POSTERN" status -s "$run/control.sock" >/dev/null || fail "control's own account cannot speak to it"
echo "ok: no account but control's reaches control, the state or the data-plane's socket"

# The same accounts after the files belong to them already.
for p in control dataplane; do kill "$(site_pid gwA $p)"; done
check "it comes up again" eval 'sleep 0.5; wait_for 20 peer_is gwA up'
check "frames cross" wait_for 5 pings 1
