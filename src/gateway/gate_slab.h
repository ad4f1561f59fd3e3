/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_GATE_SLAB_H
#define GATEWAY_GATE_SLAB_H

#include "base/attr.h"

#include <stdbool.h>

/*
 * Memory for what the gate knows of peers, in pages that a forked process does not have at all: an association that
 * is taken over finds nothing of the others, and the fork is cheaper.
 */

/* Zeroed; NULL: no memory. All of one size come from one list. size at most 64 KiB. */
void *slab_alloc(size_t size);
void slab_free(void *p, size_t size);

/* True: processes forked from now on have a copy, until false. For the status report. */
void slab_share(bool shared);

#endif
