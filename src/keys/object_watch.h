/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_OBJECT_WATCH_H
#define KEYS_OBJECT_WATCH_H

#include "keys/object.h"

/*
 * The signatures of a data set, verified while it streams past once. What they are over is said by MAC Parameters (4FFE,0001), behind most
 * of what is signed: until then what can be signed is kept, OBJECT_WATCH_MOST bytes of it. An element that does not fit, and signatures of
 * items, leave a signature that cannot be told (OBJECT_UNKNOWN).
 */
#define OBJECT_WATCH_MOST (1u << 20)

/*
 * So many MACs are made at once, of the MAC parameters that come first, since each byte is hashed for each of them: signatures of others cannot
 * be told.
 */
#define OBJECT_WATCH_MACS 8

struct object_watch;

/* ERR_UNSUPPORTED: the transfer syntax is not known; ERR_NO_MEMORY. */
MUST_USE int object_watch_new(struct span transfer_syntax, struct object_watch **ret_watch);
void object_watch_free(struct object_watch *w);

/* Bytes of the data set, in pieces of any size; nothing of them is borrowed afterwards. */
void object_watch_feed(struct object_watch *w, struct span bytes);

/* It was all. Errors as of object_verify(): no more is known of it than ret->why. */
MUST_USE int object_watch_end(
	struct object_watch *w, const struct object_trust *trust, int64_t now_s, struct object_report *ret);

#endif
