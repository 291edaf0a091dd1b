#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A machine that has nothing but git and the checkout: a fresh Debian 12 in a temporary directory, in which
# the README's own command blocks are run as they stand. Needs root, debootstrap and the network; about
# ten minutes and 4 GB. Run by `sudo tools/test --fresh`, never by default.
#
#   fresh-debian.sh [--blocks demo|test|all] [--keep]      (default: all)
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tools/lib/say.sh"

blocks=all keep=0
while [ $# -gt 0 ]; do
	case $1 in
	--blocks) blocks=$2 && shift ;;
	--keep) keep=1 ;;
	-h | --help) sed -n '3,7s/^# \{0,1\}//p' "$0" && exit 0 ;;
	*) echo "unknown argument: $1" >&2 && exit 2 ;;
	esac
	shift
done
need_root "it makes a root file system and enters it"
command -v debootstrap >/dev/null || { echo "skipped: debootstrap is not installed (tools/setup --bench)"; exit 125; }
mirror=${DEBIAN_MIRROR:-$(sed -nE 's/^deb (\[[^]]*\] )?(https?:[^ ]+) bookworm .*/\2/p; s/^URIs: *([^ ]+).*/\1/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v security | head -1 || true)}
[ -n "$mirror" ] || die "this machine names no Debian 12 mirror" "DEBIAN_MIRROR=URL names one."

root=$(mktemp -d /var/tmp/postern-fresh.XXXXXX)
unmount() {
	local m
	for m in dev/pts dev/hugepages dev proc sys/fs/bpf sys run; do
		! mountpoint -q "$root/$m" || umount -R "$root/$m" 2>/dev/null || umount -Rl "$root/$m"
	done
	! mountpoint -q "$root" || umount "$root" 2>/dev/null || umount -l "$root"
}
cleanup() {
	unmount
	if [ $keep -eq 1 ]; then say "left in $root"; else rm -rf --one-file-system "$root"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

title "A fresh Debian 12 from $mirror"
debootstrap --variant=minbase --include=ca-certificates,git,sudo bookworm "$root" "$mirror" >"$root.log" 2>&1 || {
	tail -n 5 "$root.log" >&2
	die "debootstrap failed" "Is the network there? DEBIAN_MIRROR=URL names another mirror."
}
rm -f "$root.log"
# As this machine reaches its packages and names, so does that one.
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
rm -rf "$root"/etc/apt/apt.conf.d/*docker* "$root/etc/apt/sources.list" && cp -a /etc/apt/sources.list* "$root/etc/apt/" 2>/dev/null
[ -s "$root/etc/apt/sources.list" ] || ls "$root"/etc/apt/sources.list.d/* >/dev/null 2>&1 || echo "deb $mirror bookworm main" >"$root/etc/apt/sources.list"
echo "127.0.0.1 localhost $(hostname)" >"$root/etc/hosts"
# `ip netns exec` changes how / is shared, for which / must be a mount.
mount --bind "$root" "$root" && mount --make-private "$root"
for m in proc sys dev; do mount --rbind "/$m" "$root/$m" && mount --make-rslave "$root/$m"; done
mount -t tmpfs none "$root/run"

title "The checkout"
git -C "$top" -c safe.directory='*' archive --format=tar HEAD | (mkdir -p "$root/opt/postern" && tar -x -C "$root/opt/postern")

# Every fenced sh block of the README before its first-gateway chapter, in order.
title "The README's blocks"
mapfile -d '' -t found < <(awk '/^## Your first/{exit} /^```sh/{inside = 1; text = ""; next} /^```/{if (inside) printf "%s%c", text, 0; inside = 0} inside{text = text $0 "\n"}' "$top/README.md")
[ ${#found[@]} -ge 2 ] || die "README.md has ${#found[@]} command blocks, not two"
for block in "${found[@]}"; do
	block=${block%$'\n'}
	[ "$blocks" = all ] || [[ $block == *"tools/$blocks"* ]] || continue
	say "+ $block"
	# A new network namespace keeps what the block does to interfaces and firewall away from this machine
	# once its packages are there; apt-get needs the machine's own network.
	chroot "$root" /bin/bash -lc "cd /opt/postern && tools/setup" || die "tools/setup fails on a fresh machine"
	unshare --net --mount-proc --pid --fork chroot "$root" /bin/bash -lc "ip link set lo up; mount -t proc proc /proc; cd /opt/postern && $block" ||
		die "the block failed: $block"
done
say "the README's blocks pass on a fresh Debian 12"
