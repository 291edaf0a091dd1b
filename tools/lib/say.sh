# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# How the scripts talk: colour only on a terminal, errors with a way out. Sourced, never run.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	C_BOLD=$'\e[1m' C_DIM=$'\e[2m' C_RED=$'\e[31m' C_GREEN=$'\e[32m' C_YELLOW=$'\e[33m' C_OFF=$'\e[0m'
else
	C_BOLD='' C_DIM='' C_RED='' C_GREEN='' C_YELLOW='' C_OFF=''
fi

say() { printf '%s\n' "$*"; }
title() { printf '\n%s%s%s\n' "$C_BOLD" "$*" "$C_OFF"; }
note() { printf '%s%s%s\n' "$C_DIM" "$*" "$C_OFF"; }
warn() { printf '%s%s:%s %s\n' "$C_YELLOW" "${0##*/}" "$C_OFF" "$*" >&2; }

# die MESSAGE [HINT]: what happened, then what to do.
die() {
	printf '%s%s: %s%s\n' "$C_RED" "${0##*/}" "$1" "$C_OFF" >&2
	[ -z "${2:-}" ] || printf '  → %s\n' "$2" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" -eq 0 ] || die "this needs root: $1" "Run it again as: sudo $0${2:+ $2}"
}

now_ms() { local t=${EPOCHREALTIME/./}; echo "${t%???}"; }
