#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tools/bench compare and plot: verdicts that know the spread, and errors that say what to do.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# expect CODE TEXT ARGUMENTS...: exit status, and what must be said.
expect() {
	local want=$1 text=$2 got
	shift 2
	"$top/tools/bench" "$@" >"$dir/out" 2>&1
	got=$?
	[ $got -eq "$want" ] && grep -qF -- "$text" "$dir/out" && return 0
	echo "tools/bench $*: exit status $got, not $want, or '$text' is missing:"
	cat "$dir/out"
	failed=1
}
# results FILE FRAMES_PER_S SPREAD AEAD
results() {
	printf '{"machine": {"cpu": "a CPU", "optimized": true}, "rows": [{"op": "seal", "size": 64, "flows": 1, "peers": 1,
		"macs": 1, "cipher": "aes-256-gcm", "mtu": 1500, "burst": 64, "frames_per_s": %s, "spread": %s,
		"aead_calls_per_s": %s, "cycles_per_frame": 100}]}' "$2" "$3" "$4" >"$dir/$1.json"
}

expect 2 "no JSON" compare "$0" "$0"
expect 2 "No such file" compare "$dir/none.json" "$dir/none.json"
echo '{"rows": []}' >"$dir/empty.json"
expect 2 "holds no rows" compare "$dir/empty.json" "$dir/empty.json"
echo '{"rows": [{"dance": 1}]}' >"$dir/odd.json"
expect 2 "no benchmark known" plot "$dir/odd.json" -o "$dir"

results a 100e6 0.02 50e6
results close 98.5e6 0.02 50e6
results slow 95e6 0.02 50e6
results noisy 95e6 0.12 50e6
results tiny 99.5e6 0 50e6
results fast 110e6 0.02 50e6
results throttled 90e6 0.02 45e6
results exact 100e6 0 50e6
expect 0 "0 faster, 0 slower, 1 the same" compare "$dir/a.json" "$dir/a.json"
expect 0 "1 the same" compare "$dir/a.json" "$dir/close.json"
expect 1 "1 slower" compare "$dir/a.json" "$dir/slow.json"
expect 0 "1 the same" compare "$dir/a.json" "$dir/noisy.json"
expect 0 "1 the same" compare "$dir/exact.json" "$dir/tiny.json"
expect 0 "1 faster" compare "$dir/a.json" "$dir/fast.json"
expect 1 "1 slower" compare "$dir/a.json" "$dir/throttled.json"
expect 0 "1 the same" compare --against-aead "$dir/a.json" "$dir/throttled.json"
sed -i 's/true/false/' "$dir/a.json"
expect 1 "mean nothing" compare "$dir/a.json" "$dir/slow.json"
expect 2 "holds no bench/postern-bench-path" ab "$dir" "$dir"
if command -v gnuplot >/dev/null; then
	expect 0 "a-throughput.svg" plot "$dir/a.json" -o "$dir/plots"
	printf '{"latency_curve_us": [[0, 10], [0.9, 12], [0.99, 30]], "rx_frames": 100}' >"$dir/gen.json"
	expect 0 "gen-latency.svg" plot "$dir/gen.json" -o "$dir/plots"
	[ -s "$dir/plots/a-throughput.png" ] && grep -q 'mean nothing' "$dir/plots/a-throughput.svg" || { echo "no plot, or no warning in it" && failed=1; }
fi

# The page: made from results alone, and a number that somebody typed is found.
mkdir "$dir/perf"
expect 2 "holds no results" page -d "$dir/perf" --check
printf '{"bench": "handshake", "machine": {"cpu": "a CPU"}, "rows": [{"what": "library", "about": "", "per_s": 4123.4}]}' >"$dir/perf/handshake.json"
if command -v gnuplot >/dev/null; then
	expect 0 "goals met: 1 of 1" page -d "$dir/perf"
	expect 0 "is what the results give" page -d "$dir/perf" --check
	sed -i 's/4,123/5,123/' "$dir/perf.md"
	expect 1 "is not what" page -d "$dir/perf" --check
fi
exit $failed
