/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_RATCHET_H
#define AUDIT_RATCHET_H

#include "base/attr.h"
#include "base/err.h"

#include <stdint.h>

/*
 * The keys of an epoch's bodies: key n = HMAC-SHA256(chain n, "body"), chain n + 1 = HMAC-SHA256(chain n, "next"), and
 * chain 0 is the epoch's seed. One way alone: who has chain n has what comes, and nothing of what was.
 */
#define RATCHET_KEY 32

struct ratchet {
	uint8_t chain[RATCHET_KEY];
	uint32_t turn; /* the next key's number */
};

/* ERR_NO_MEMORY. chain and turn are zero. */
MUST_USE int ratchet_init(struct ratchet *r);
void ratchet_done(struct ratchet *r);

/* The next key; chain and turn go on, and nothing of the former chain is left in memory. ERR_NO_MEMORY, ERR_SYSTEM: as before. */
MUST_USE int ratchet_step(struct ratchet *r, uint8_t ret_key[RATCHET_KEY]);

#endif
