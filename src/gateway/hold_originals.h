/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_ORIGINALS_H
#define GATEWAY_HOLD_ORIGINALS_H

#include "gateway/hold.h"

/*
 * `deidentify: originals-to`: what an object was goes with it, encrypted (PS3.15 E.1.1). That stands before most of what it is about. So the engine
 * of h->remake goes over the object twice: while it comes in, when what it was is collected and nothing is made, and when it
 * leaves. Such an object is held whole, and refused if it cannot be. Harmless where the flow has nobody who gets them.
 */

/* Its command has come, and h->remake is ready; flow: what it is made anew by, or NULL. False: it has been refused. */
MUST_USE bool hold_originals_begin(
	struct association *as, struct side *s, struct hold *h, const struct deidentify_flow *flow);
void hold_originals_feed(struct hold *h, struct span bytes);

/* It was all; h->remake makes it with its originals. False: it has been refused, and the message is not over. */
MUST_USE bool hold_originals_end(struct association *as, struct side *s, struct hold *h);

/* The first run begins only now that the object is whole, as it has become another (gateway/hold_clean.h). Errors of remake_again(). */
MUST_USE int hold_originals_again(struct association *as, struct side *s, struct hold *h);

/* One piece of that run, where h->collects. It may be refused then, and the message is over. */
void hold_originals_collect(struct association *as, struct side *s, struct hold *h);

/* It cannot be held whole. False: it has been refused. */
MUST_USE bool hold_originals_give_up(struct association *as, struct side *s, struct hold *h, const char *why);

void hold_originals_drop(struct hold *h);

/* Can a site's originals be encrypted? why: a sentence; ret_at: the file that it is about. Errors of attributes_encrypt(). */
MUST_USE int hold_originals_check(const struct site *s, const struct blob **ret_at, char *why, size_t cap);

#endif
