// SPDX-License-Identifier: BSD-3-Clause
//
// The main thread's socket to control (wire/link.h): says who we are, takes rings and hands them to
// workers, answers what concerns the main thread. One control at a time; a newer one replaces the
// older. Its death changes nothing: workers go on with the keys they have.
//
// Thread: main. Every field of a message is validated as if hostile. Floor 4.
#pragma once

#include <poll.h>
#include <stdint.h>

struct link_server;
struct runtime;

// Listen on <run_dir>/dataplane.sock. errors: -errno; logs a sentence.
int link_create(struct runtime *rt, struct link_server **ret_link);
void link_destroy(struct link_server *link);

#define LINK_WAIT_FDS 2

// What to wait for, asked before each wait (of a descriptor that is -1, for nothing); and what to
// do when one is readable, or now and then.
void link_wait(const struct link_server *link, struct pollfd fds[LINK_WAIT_FDS]);
void link_run(struct link_server *link);
