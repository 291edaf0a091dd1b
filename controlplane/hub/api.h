// SPDX-License-Identifier: BSD-3-Clause
//
// The hub's local API on <run_dir>/hub.sock (rpc.h): status, token.create, token.list, token.drop,
// gateways, revoke, version.
//
// Loop thread only. Floor 4.
#pragma once

#include "controlplane/hub/hub.h"

int api_create(struct hub *h, struct hub_error *ret_error);
