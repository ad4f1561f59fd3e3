/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIV_DROP_H
#define PRIV_DROP_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Who a role becomes. Looked up before the fork, so that between fork and exec nothing opens a file. */
#define DROP_GROUPS 64

struct drop {
	bool change; /* we are root: take the user's identity. Otherwise only capabilities go */
	uid_t uid;
	gid_t gid;
	gid_t groups[DROP_GROUPS];
	int n_groups;
	bool net_admin; /* keep CAP_NET_ADMIN: IP_TRANSPARENT sockets */
};

/* ERR_NOT_FOUND: no such user. Not root: the name is not looked at. */
MUST_USE int drop_prepare(const char *user, bool net_admin, struct drop *ret_drop);

/* In the new process, before its exec. Nothing that was dropped can come back. ERR_SYSTEM. */
MUST_USE int drop_now(const struct drop *d);

/* Without any capability, for good: an association forked from a gate that has one. One system call. ERR_SYSTEM. */
MUST_USE int drop_capabilities(void);

#endif
