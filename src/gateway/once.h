/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_ONCE_H
#define GATEWAY_ONCE_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A record of proofs that are good once (Kerberos authenticators, SAML assertions): their hashes, each until it would be
 * refused for its age. It lies in memory that the supervisor made and the lookup maps, so that it outlives a lookup. Jobs, which
 * read what strangers send, do not inherit it.
 */
struct once;

/* A new record, begun now. For the supervisor; the descriptor is the caller's. ERR_SYSTEM. */
MUST_USE int once_make(int64_t now_s, int *ret_fd);

/* Map it; the descriptor may be closed. ERR_PEER: it is none. ERR_SYSTEM. */
MUST_USE int once_map(int fd, struct once **ret_once);

/* Wall seconds: what was used before is not in it. */
int64_t once_since(const struct once *o);

/* Note one. ERR_EXISTS: it is there already. ERR_LIMIT: no room that has run out; it is not noted. */
MUST_USE int once_note(struct once *o, const uint8_t key[32], int64_t until_s, int64_t now_s);

void once_unmap(struct once *o);

#endif
