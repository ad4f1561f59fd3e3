/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_CLEAN_H
#define GATEWAY_HOLD_CLEAN_H

#include "gateway/hold.h"

/*
 * `deidentify: clean-pixels`: what is burned into an object's pixels is made black before it is made anew (PS3.15 E.3.1). Such an object is
 * held whole. When it has been judged, as it came, all of it goes to a job of the lookup's (gateway/clean.h), and what comes back is put into
 * a second room; if that is a new object it takes the place of the one that came, and all that follows works on it: h->remake,
 * what it was (gateway/hold_originals.h), the signature (gateway/hold_vouch.h). An object of which it is not known what is burned into it, or
 * that could not be cleaned, for whatever reason, is refused. Harmless where the flow does not clean.
 */

/* Its command has come, and h->remake is ready; flow: what it is made anew by, or NULL. False: it has been refused. */
MUST_USE bool hold_clean_begin(
	struct association *as, struct side *s, struct hold *h, const struct deidentify_flow *flow);

/* It was all, and nothing is against it: HOLD_CLEANING. False: it has been refused, and the message is not over. */
MUST_USE bool hold_clean_start(struct association *as, struct side *s, struct hold *h);

/* For the loop: fd -1 where nothing is to be waited for. */
struct pollfd hold_clean_poll(const struct hold *h);

/* Would hold_clean_step() do something now, whatever poll says? */
bool hold_clean_is_ready(const struct hold *h);

/* Go on, a bounded part of it. May end the message, or have it go on by hold_pump(). */
void hold_clean_step(struct association *as, struct side *s, struct hold *h);

/* What is overdue. When to be called again; INT64_MAX. */
int64_t hold_clean_clock(struct association *as, struct side *s, struct hold *h, int64_t now_ms);

/* HOLD_CLEANING is over without an answer: refused, and the message is over. */
void hold_clean_end(struct association *as, struct side *s, struct hold *h, const char *why);

/* It cannot be held whole. False: it has been refused. */
MUST_USE bool hold_clean_give_up(struct association *as, struct side *s, struct hold *h, const char *why);

void hold_clean_drop(struct hold *h);

/* Can the rules of a site's flows be read? why: a sentence; ret_at: the file that it is about. ERR_VALUE, ERR_LIMIT, ERR_NO_MEMORY. */
MUST_USE int hold_clean_check(const struct site *s, const struct blob **ret_at, char *why, size_t cap);

#endif
