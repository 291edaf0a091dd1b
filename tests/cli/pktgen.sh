#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# postern-pktgen: exit codes, one clear error each, and a manual that says what --help says.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
pktgen=${BUILD:-$top/build}/pktgen/postern-pktgen
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# expect CODE WORDS ARGUMENTS...: the exit status, and a line of what it says.
expect() {
	local want=$1 words=$2 got lines
	shift 2
	timeout 20 "$pktgen" "$@" >"$dir/out" 2>"$dir/err"
	got=$?
	[ $got -eq "$want" ] || { echo "postern-pktgen $*: exit status $got, not $want" && cat "$dir/out" "$dir/err" && failed=1; }
	grep -qF -- "$words" "$dir/out" "$dir/err" || { echo "postern-pktgen $*: nothing of \"$words\" in:" && cat "$dir/out" "$dir/err" && failed=1; }
	case $want in 0 | 5) return ;; esac
	lines=$(grep -c '^postern-pktgen' "$dir/err")
	[ "$want" -eq 2 ] || [ "$lines" -eq 1 ] || { echo "postern-pktgen $*: $lines errors, not one" && cat "$dir/err" && failed=1; }
}

expect 2 "Usage:"
expect 2 'no command "dance"' dance
expect 2 "Give --tx PORT" run
expect 2 "Give --rx PORT" receive
expect 2 "which procedure?" rfc2544 --tx net_ring0
expect 2 "no use for" run --tx net_ring0 surplus
expect 2 "impossible rate" run --tx net_ring0 --rate 0pps
expect 2 "impossible rate" run --tx net_ring0 --rate 9000Gbps
expect 2 "is no rate" run --tx net_ring0 --rate 1000
expect 2 "out of bounds for a frame's size" run --tx net_ring0 --size 59
expect 2 "at least 64 bytes" run --tx net_ring0 --size 60 --vlan 5
expect 2 "exclude each other" run --tx net_ring0 --size 64 --pcap x
expect 2 "--bidir needs two ports" run --tx net_ring0 --bidir
expect 2 "may not run on CPU" run --tx net_ring0 --cores 1000
expect 2 "write af_xdp:eth0" run --tx eth0
expect 2 ".svg or .png" run --tx net_ring0 --plot x.pdf
expect 3 "there is no interface nothere0" run --tx af_xdp:nothere0
expect 3 "net_nosuch0: DPDK cannot open it" run --tx net_nosuch0
expect 4 "No such file" run --tx net_ring0 --pcap "$dir/absent.pcap"
expect 4 "no pcap file" run --tx net_ring0 --pcap "$pktgen"
printf '\xd4\xc3\xb2\xa1\2\0\4\0\0\0\0\0\0\0\0\0\xff\xff\0\0\1\0\0\0\1\0\0\0\0\0\0\0\100\0\0\0\100\0\0\0cut' >"$dir/cut.pcap"
expect 4 "damaged after frame 0: truncated" run --tx net_ring0 --pcap "$dir/cut.pcap"
expect 1 "cannot write /dev/full" run --tx net_ring0 --count 10 --quiet --plot /dev/full/x.svg
expect 1 "cannot write /nonexistent/x.json" run --tx net_ring0 --count 10 --quiet --json /nonexistent/x.json
expect 5 "100.000000 %" run --tx net_null0,no-rx=1 --count 100 --strict --settle 0.1 --no-learn --quiet
expect 0 "100.000000 %" run --tx net_null0,no-rx=1 --count 100 --settle 0.1 --no-learn --quiet
# More than any core does, and what an empty port takes is the core's affair or the driver's.
expect 0 "Limited by the " run --tx net_null0,no-rx=1 --rate 1000Mpps --duration 0.2 --settle 0.1 --no-learn --quiet
expect 0 "Asked for were 1000.0000 Mpps" run --tx net_null0,no-rx=1 --rate 1000Mpps --duration 0.2 --settle 0.1 --no-learn --quiet
expect 0 "postern-pktgen" --version
expect 6 "no receiver said hello" send --tx net_null0,no-rx=1 --quiet

# Counts that can be known beforehand.
expect 0 '"rx_frames": 30000' run --tx net_ring0 --count 30k --flows 7 --size imix --quiet --json -
jq -e '.tx_frames == 30000 and .lost == 0 and .duplicated == 0 and .reordered == 0 and .corrupted == 0 and .foreign == 0
	and (.latency_us | .n == 30000 and .p50 > 0 and .max >= .p999) and .tx_bytes == 30000 / 12 * (7 * 64 + 4 * 570 + 1514)' "$dir/out" >/dev/null ||
	{ echo "the account of 30000 frames is wrong:" && cat "$dir/out" && failed=1; }

# Plots: of latency, and of each procedure.
if command -v gnuplot >/dev/null; then
	expect 0 "sent" run --tx net_ring0 --count 1000 --quiet --plot "$dir/run.svg"
	for procedure in throughput latency loss back-to-back recovery; do
		expect 0 "RFC 2544 $procedure" rfc2544 $procedure --tx net_ring0 --cores 0 --trial 0.05 --settle 0.05 --rate 10kpps --size 64,imix \
			--repeat 1 --quiet --plot "$dir/$procedure.svg"
	done
	for plot in run throughput latency loss back-to-back recovery; do
		grep -q '</svg>' "$dir/$plot.svg" || { echo "no drawing of $plot" && failed=1; }
	done
fi

# Replay: once through, and over again.
python3 - "$dir/good.pcap" <<'PY'
import struct, sys
lens = [42, 60, 300, 1500, 1514] * 20
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for i, n in enumerate(lens):
        f.write(struct.pack("<IIII", 0, i, n, n) + bytes((i + j) % 251 for j in range(n)))
PY
expect 0 '"rx_frames": 100,' run --tx net_ring0 --pcap "$dir/good.pcap" --quiet --json -
jq -e '.lost == 0 and .corrupted == 0 and .tx_bytes == 20 * (60 + 78 + 318 + 1518 + 1518)' "$dir/out" >/dev/null ||
	{ echo "the account of the replayed file is wrong:" && cat "$dir/out" && failed=1; }
grep -q "20 of 100 frames are too long" "$dir/err" && { echo "--quiet says more than errors" && failed=1; }
expect 0 '"rx_frames": 1234,' run --tx net_ring0 --pcap "$dir/good.pcap" --count 1234 --rate 100kpps --quiet --json -
expect 0 "20 of 100 frames are too long" run --tx net_ring0 --pcap "$dir/good.pcap"

# The manual and --help tell the same.
text=$(MANWIDTH=200 man --warnings -l -E UTF-8 "$top/docs/postern-pktgen.1" 2>"$dir/warnings" | col -bx)
[ ! -s "$dir/warnings" ] || { cat "$dir/warnings" && failed=1; }
for command in run send receive rfc2544; do "$pktgen" $command --help; done >"$dir/help" || failed=1
for option in $(grep -oE '^ +--[a-z-]+' "$dir/help" | sort -u | grep -v usage); do
	grep -qF -- "$option" <<<"$text" || { echo "postern-pktgen.1 does not tell of $option" && failed=1; }
done
for option in $(grep -oE -e '(^|[ ,])--[a-z-]+' <<<"$text" | tr -d ' ,' | sort -u); do
	grep -qe "$option" "$dir/help" || { echo "postern-pktgen.1 tells of $option, which no command has" && failed=1; }
done
for code in 0 1 2 3 4 5 6; do
	grep -qE "^ *$code  +" <<<"$text" || { echo "postern-pktgen.1 does not explain exit status $code" && failed=1; }
done
exit $failed
