/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_ONCE_H
#define GATEWAY_ONCE_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A record of proofs that are good once (Kerberos authenticators, SAML assertions): their hashes, each until it would be
 * refused for its age. It lies in a file of the folder `state`, which the supervisor opens and the lookup maps: it outlives both,
 * but not the machine. Jobs, which read what strangers send, do not inherit it.
 */
struct once;

#define ONCE_FILE "used-once"

/*
 * Open it; it is begun now if it is not there, is none, or is of an earlier start of the machine. For the supervisor; the
 * descriptor is the caller's. ERR_SYSTEM.
 */
MUST_USE int once_open(int dir, int64_t now_s, int *ret_fd);

/* Map it; the descriptor may be closed. ERR_PEER: it is none. ERR_SYSTEM. */
MUST_USE int once_map(int fd, struct once **ret_once);

/* Wall seconds: what was used before is not in it. */
int64_t once_since(const struct once *o);

/* Note one. ERR_EXISTS: it is there already. ERR_LIMIT: no room that has run out; it is not noted. */
MUST_USE int once_note(struct once *o, const uint8_t key[32], int64_t until_s, int64_t now_s);

void once_unmap(struct once *o);

#endif
