#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The documented exit codes, and that an error says what to do next: as text and as JSON.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
postern=${BUILD:-$top/build}/tools/postern
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# expect CODE ARGUMENTS...
expect() {
	local want=$1 got
	shift
	"$postern" "$@" >"$dir/out" 2>"$dir/err"
	got=$?
	[ $got -eq "$want" ] && return 0
	echo "postern $*: exit status $got, not $want"
	cat "$dir/out" "$dir/err"
	failed=1
}
says() { grep -qF -- "$1" "$dir/out" "$dir/err" || { echo "missing: $1" && cat "$dir/out" "$dir/err" && failed=1; }; }

printf 'gateway: {nam: x}\n' >"$dir/bad.yaml"
expect 2
expect 2 dance
says "--help lists them all"
expect 2 peers --bogus
expect 2 intents
expect 2 intents add
says "which peer?"
expect 2 peers a b
expect 2 intents add x --wait=soon
expect 2 hub token --uses 0
expect 2 enrol
expect 2 status surplus
expect 0 --help
expect 0 intents --help
expect 0 version
expect 0 version --json
jq -e .postern "$dir/out" >/dev/null || { echo "version --json is not JSON" && failed=1; }
expect 3 status -s "$dir/none.sock"
says "is not running"
says "→ Start it"
expect 3 hub status -s "$dir/none.sock"
expect 4 check-config "$dir/bad.yaml"
says "bad.yaml:1:"
expect 4 check-config "$dir/absent.yaml"
expect 4 status -c "$dir/bad.yaml"
expect 4 enrol pstn1.AAAA -c "$dir/bad.yaml"
expect 3 peers --json -s "$dir/none.sock"
jq -e '.error.code == "not-running" and (.error.hint | length > 0)' "$dir/out" >/dev/null || { echo "no JSON error" && failed=1; }
expect 4 check-config --json "$dir/bad.yaml"
jq -e '.error | .code == "config-refused" and .line == 1' "$dir/out" >/dev/null || { echo "no JSON config error" && failed=1; }
# A full disk is an error, not silence.
"$postern" version --json >/dev/full 2>/dev/null && { echo "version to a full disk succeeds" && failed=1; }
exit $failed
