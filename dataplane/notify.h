// SPDX-License-Identifier: BSD-3-Clause
//
// Tell systemd how we are. sd_notify() makes a socket for each message; this one is made while we
// still may. Main thread. Floor 4.
#pragma once

// Without $NOTIFY_SOCKET all calls do nothing.
void notify_open(void);

// One or more lines as in sd_notify(3).
void notify_send(const char *state);
