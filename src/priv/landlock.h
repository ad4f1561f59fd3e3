/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIV_LANDLOCK_H
#define PRIV_LANDLOCK_H

#include "base/attr.h"
#include "base/err.h"
#include "priv/sandbox.h"

/*
 * A ruleset that denies every file but those below the paths. no_network: also TCP connect and bind. alone: also abstract
 * UNIX sockets and signals to processes outside. What the kernel does not know yet is left out. *ret_fd is -1 where
 * the kernel has no Landlock. ERR_SYSTEM.
 */
MUST_USE int landlock_new(
	const struct sandbox_path *paths, unsigned n, bool no_network, bool alone, int *ret_fd);

/* Enter it. Needs no_new_privs. ERR_SYSTEM. */
MUST_USE int landlock_enter(int fd);

int landlock_version(void);

#endif
