#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# docs/performance.md is what the committed results give: no number in it was typed.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
[ -d "$top/docs/performance" ] || { echo "skipped: there are no results in docs/performance (sudo tools/bench all)"; exit 77; }
exec "$top/tools/bench" page --check
