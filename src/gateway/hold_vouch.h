/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_VOUCH_H
#define GATEWAY_HOLD_VOUCH_H

#include "gateway/hold.h"

/*
 * Objects that are signed as they pass. What is signed is hashed while the object comes in (where it is made anew, what it becomes, by
 * an engine that goes ahead of the one whose result leaves); then the key holder makes the signature, and what leaves is the object with it. So
 * such an object is held whole (and read twice, where what it was goes with it: gateway/hold_originals.h), and whether it can be signed is known before any of it leaves. Harmless where the flow does not sign.
 */

/* NULL: the flow that allowed the request does not sign. */
const struct sign_rules *hold_vouches(const struct association *as, const struct operation *o);

/* Its command has come, and h->remake is ready. False: it has been refused. */
MUST_USE bool hold_vouch_begin(struct association *as, struct side *s, struct hold *h,
	const struct sign_rules *rules, const struct deidentify_rules *anew);
void hold_vouch_feed(struct hold *h, struct span bytes);

/* It was all, and may leave, or is gone over before. False: it has been refused, and the message is not over. */
MUST_USE bool hold_vouch_end(struct association *as, struct side *s, struct hold *h);

/* One piece of what is gone over, where h->vouching.rehearses. It may be refused then, and the message is over. */
void hold_vouch_rehearse(struct association *as, struct side *s, struct hold *h);

/* It cannot be held whole. False: it has been refused. */
MUST_USE bool hold_vouch_give_up(struct association *as, struct side *s, struct hold *h, const char *why);

void hold_vouch_drop(struct hold *h);

#endif
