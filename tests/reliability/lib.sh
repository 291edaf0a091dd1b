# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the rows of this directory share. Sourced, never run; row.py is the same for Python.
#
# A row is an executable here whose third line is `# row N: the goal, one sentence` (`-` for N if it
# answers no row of the table of targets) and whose fourth is `# ci: yes` or `# ci: no`, whether the
# plain tools/test runs it. It takes --scale and --json, prints figures for people, and ends with
# row_result. Exit status: 0 the goal is met, 1 it is not, 77 it cannot run here, or what it saw says nothing
# about the goal because the machine was busy with something else.

row_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
row_file=$(cd "$(dirname "$0")" && pwd)/${0##*/}
row_name=${0##*/}
row_number=$(sed -n '3s/^# row \([-0-9]*\): .*/\1/p' "$row_file")
row_goal=$(sed -n '3s/^# row [-0-9]*: //p' "$row_file")
row_program_args= # of the program that row_cases runs
BUILD=${BUILD:-$row_top/build}

# row_args "$@": sets $scale (ci or full) and $row_json.
row_args() {
	scale=ci row_json=
	while [ $# -gt 0 ]; do
		case $1 in
		--scale) scale=${2:-} && shift ;;
		--json) row_json=${2:-} && shift ;;
		-h | --help) row_usage && exit 0 ;;
		*) row_usage >&2 && exit 2 ;;
		esac
		shift
	done
	case $scale in ci | full) ;; *) row_usage >&2 && exit 2 ;; esac
}

row_usage() {
	cat <<-USAGE
		Usage: tests/reliability/$row_name [--scale ci|full] [--json FILE]
		$row_goal
		Exit status: 0 the goal is met, 1 it is not, 77 it cannot run here.
	USAGE
}

# row_skip WHY
row_skip() {
	printf '%s\n' "$1"
	exit 77
}

# row_need PROGRAM...: the programs of the build tree that the row runs.
row_need() {
	local p
	for p in "$@"; do [ -x "$BUILD/$p" ] || row_skip "$BUILD/$p is not built: ninja -C $BUILD"; done
}

# row_result true|false|unshown FIGURE
row_result() {
	declare -A words=([true]="goal met" [false]="GOAL MISSED" [unshown]="NOT SHOWN HERE")
	printf '%s: %s (%s)\n' "$row_name" "$2" "${words[$1]}"
	[ -z "$row_json" ] || jq -n --arg row "$row_number" --arg name "$row_name" --arg goal "$row_goal" --arg figure "$2" \
		--arg verdict "$1" --arg scale "$scale" --arg date "$(date -u +%Y-%m-%d)" \
		--arg machine "$(nproc) × $(sed -n 's/^model name.*: //p;T;q' /proc/cpuinfo), Linux $(uname -r)" '{row: (if $row == "-" then null else $row | tonumber end),
		name: $name, goal: $goal, figure: $figure, pass: ($verdict == "true"), scale: $scale,
		command: ("tests/reliability/" + $name + " --scale " + $scale), date: $date, machine: $machine}
		| if $verdict == "unshown" then .shown = false else . end' >"$row_json"
	case $1 in true) exit 0 ;; unshown) exit 77 ;; *) exit 1 ;; esac
}

# row_timed true|false FIGURE: as row_result, for a goal in time: where the machine had other work before or
# after, a missed one says nothing. Such a row calls row_timed_begin first of all.
row_idle() { PYTHONPATH=$row_top/tests/reliability python3 -c 'import row; print(row.idle_percent())'; }
ROW_QUIET=75 # percent of the processors idle, as in row.py
row_timed_begin() { row_idle_before=$(row_idle); }
row_timed() {
	local verdict=$1 after
	after=$(row_idle)
	if [ "$verdict" = false ] && { [ "$row_idle_before" -lt $ROW_QUIET ] || [ "$after" -lt $ROW_QUIET ]; }; then verdict=unshown; fi
	row_result "$verdict" "$2; processors $row_idle_before % idle before, $after % after"
}

# row_cases PROGRAM CASE...: run a unit test's program; each of these cases must have been run and passed.
# What it prints is in $row_out.
row_cases() {
	local program=$BUILD/$1 c
	shift
	row_need "${program#"$BUILD/"}"
	row_out=$("$program" $row_program_args 2>&1)
	printf '%s\n' "$row_out"
	for c in "$@"; do
		grep -qx "\[       OK \] $c" <<<"$row_out" || row_result false "$c did not pass"
	done
}

# row_sim NAME: a row that the simulator has; its last line is the figure.
row_sim() {
	local out status full=()
	row_need tests/sim/postern-sim
	[ "$scale" = ci ] || full=(--full)
	out=$("$BUILD/tests/sim/postern-sim" --row "$1" "${full[@]}")
	status=$?
	printf '%s\n' "$out"
	row_result "$([ $status -eq 0 ] && echo true || echo false)" "$(tail -n 1 <<<"$out")"
}
