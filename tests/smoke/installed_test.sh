#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What `meson install` lays out finds its own parts: two sites come up from it alone.
. "$(dirname "$0")/lib.sh"

command -v meson >/dev/null || skip "meson is not installed"
prefix=$(meson introspect "$BUILD" --buildoptions | jq -r '.[] | select(.name == "prefix").value')
check "the build installs" meson install -C "$BUILD" --no-rebuild --destdir "$SITES_DIR/inst"
installed=$SITES_DIR/inst$prefix

# The sites' programs, from there; nothing tells them where the others are.
unset POSTERN_LIBEXEC POSTERN_BPF_DIR
mkdir -p "$SITES_DIR/tree"/{tools,controlplane,dataplane}
ln -s "$installed/bin/postern" "$SITES_DIR/tree/tools/postern"
ln -s "$installed/bin" "$SITES_DIR/tree/controlplane/hub"
ln -s "$installed/libexec/postern" "$SITES_DIR/tree/controlplane/gateway"
rmdir "$SITES_DIR/tree/dataplane" && ln -s "$installed/libexec/postern" "$SITES_DIR/tree/dataplane"
BUILD=$SITES_DIR/tree POSTERN=$SITES_DIR/tree/tools/postern
check "two sites come up" sites_up
check "frames cross" pings
