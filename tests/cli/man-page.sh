#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# postern(1) and --help tell the same: every command and option of one is in the other.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
postern=${BUILD:-$top/build}/tools/postern
page=$top/docs/postern.1
failed=0

[ -f "$page" ] || { echo "docs/postern.1 is missing" && exit 1; }
text=$(MANWIDTH=200 man --warnings -l -E UTF-8 "$page" 2>/tmp/man-warnings.$$ | col -bx) || failed=1
if [ -s /tmp/man-warnings.$$ ]; then cat /tmp/man-warnings.$$ && failed=1; fi
rm -f /tmp/man-warnings.$$

# "status", "intents list", …: two leading blanks, the name, blanks, the summary.
mapfile -t commands < <("$postern" --help | sed -nE 's/^  ([a-z-]+( (init|token|gateways|revoke|status|list|add|remove))?)( |$).*/\1/p')
[ ${#commands[@]} -ge 16 ] || { echo "only ${#commands[@]} commands in --help" && failed=1; }
for c in "${commands[@]}"; do
	grep -qE "^ *postern $c( |\$)" <<<"$text" || { echo "postern.1 does not tell of: postern $c" && failed=1; }
	# shellcheck disable=SC2086
	help=$("$postern" $c --help) || { echo "postern $c --help fails" && failed=1; }
	grep -q '^Examples:' <<<"$help" || { echo "postern $c --help has no examples" && failed=1; }
	grep -qe '--json' <<<"$help" || { echo "postern $c has no --json" && failed=1; }
	for option in $(grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' <<<"$help" | grep -oE -e '--[a-z-]+' | grep -vE -e '--(help|usage)$'); do
		grep -qF -- "$option" <<<"$text" || { echo "postern.1 does not tell of: postern $c $option" && failed=1; }
	done
done
for option in $(grep -oE -e '(^|[ ,])--[a-z-]+' <<<"$text" | tr -d ' ,' | sort -u | grep -vE -e '--(help|version)$'); do
	found=0
	for c in "${commands[@]}"; do
		# shellcheck disable=SC2086
		"$postern" $c --help | grep -qe "$option" && found=1 && break
	done
	[ $found -eq 1 ] || { echo "postern.1 tells of $option, which no command has" && failed=1; }
done
for code in 0 1 2 3 4; do
	grep -qE "^ *$code  +" <<<"$text" || { echo "postern.1 does not explain exit status $code" && failed=1; }
done
exit $failed
