#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The hub changes over to a new issuing key: gateways believe lists and leaves of either.
. "$(dirname "$0")/lib.sh"

check "two sites come up" sites_up
check "frames cross" pings
site_stop hub
check "the hub makes a new issuing key" in_ns hub "$HUB" new-issuing -c "$SITES_DIR/hub/hub.yaml"
check "the hub is back" hub_start
connected() { [ "$(site_get gwA .hub.state)" = connected ] && [ "$(site_get gwB .hub.state)" = connected ]; }
check "both gateways find it again" wait_for 20 connected
check "they know the new issuer" wait_for 5 test -s "$SITES_DIR/gwA/state/issuer-other.der"
check "keys of certificates of the old issuer still come" pst gwA rekey site-b.demo
check "frames cross" pings
# The list is signed by the new key.
check "site-b is revoked" pst hub hub revoke site-b.demo --reason "a test"
check "site-a drops it" wait_for 3 eval '! peer_is gwA up'
