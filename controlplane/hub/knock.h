// SPDX-License-Identifier: BSD-3-Clause
//
// The hub's UDP ports: they take PUNCHes and never send a byte.
//
// A valid PUNCH opens the TCP port to its source, and tells a gateway that is on its link, over
// that link, where it came from. Loop thread only. Floor 4. PROTOCOL.md §13, §14.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "controlplane/hub/hub.h"

int knock_create(struct hub *h, struct knock **ret_knock, struct hub_error *ret_error);
void knock_destroy(struct knock *k); // accepts NULL

// Write to the store what was seen since the last time.
void knock_flush(struct hub *h);

// Did this address knock in the last SILENCE_OPEN_S? For the cap on pending connections.
bool knock_was_heard(const struct knock *k, const struct config_addr *from);
