/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIV_SPAWN_H
#define PRIV_SPAWN_H

#include "base/attr.h"
#include "base/err.h"
#include "priv/drop.h"

#include <sys/types.h>

/* The roles that are programs of their own. An association is not: the gate forks it. */
enum role_id { ROLE_GATE = 1, ROLE_LOOKUP, ROLE_STORE, ROLE_KEYS, ROLE_AUDIT, ROLE_FORWARD, ROLE_COUNT };

/* "gate"; static storage. 0 when there is no such role. */
const char *role_name(enum role_id r);
enum role_id role_by_name(const char *name);

/* A role finds its channel to the supervisor here, and its log at descriptor 2. */
#define ROLE_CHANNEL 3

struct spawn {
	enum role_id role;
	int exe;  /* this program, opened by spawn_open_self */
	int null; /* /dev/null */
	int log;  /* becomes descriptors 1 and 2 */
	const struct drop *
		drop; /* what it becomes; NULL: it drops its privileges itself, when it has opened what it needs */
	const char *const *args; /* after `--role NAME`; may be NULL */
	unsigned n_args;
	unsigned
		files; /* descriptors it may need: RLIMIT_NOFILE is raised to this as far as the system allows */
};

/* The program that runs now, whatever happens to its file later. ERR_SYSTEM. */
MUST_USE int spawn_open_self(int *ret_fd);

/*
 * fork + exec of this program as `--role NAME`, in a process group of its own, with a clean environment, no
 * descriptor but the ones above, and a SOCK_SEQPACKET channel. *ret_channel is ours: close-on-exec, non-blocking.
 */
MUST_USE int spawn_role(const struct spawn *what, pid_t *ret_pid, int *ret_channel);

/* For a forked child: it has nothing of others, but these descriptors. Those that are negative are none. */
void descriptors_keep(const int *kept, unsigned n);

#endif
