/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIV_MEMFD_H
#define PRIV_MEMFD_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/* Bytes for another role, in memory that nobody can change or shrink any more. */

/* The descriptor is the caller's, close-on-exec. ERR_SYSTEM. */
MUST_USE int memfd_of(const char *name, struct span bytes, int *ret_fd);

struct memfd_map {
	struct span bytes;
};

/*
 * Map what another role sent. The seals are checked first, so that the sender cannot change the bytes under the
 * reader or make it fault: ERR_PEER without them. ERR_LIMIT over MEMFD_MOST. The descriptor stays the caller's and may
 * be closed at once. Works in every sandbox.
 */
#define MEMFD_MOST (64u * 1024 * 1024)
MUST_USE int memfd_map(int fd, struct memfd_map *ret_map);
void memfd_unmap(struct memfd_map *map);

#endif
