/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_KEEP_H
#define GATEWAY_HOLD_KEEP_H

#include "gateway/hold.h"

#include <poll.h>

/*
 * An object that is held whole and goes into the quarantine (gateway/keep.h). It is refused first, so that the quarantine knows the
 * refusal's number, and answered when the quarantine has said what became of it. If it could not be kept it is refused all the
 * same: what was found in it was found, and its sender still has it.
 */

/* Refuse it with *v, and begin. True: under way, and the message is not over. False: refused, and could not be kept. */
MUST_USE bool hold_keep_begin(
	struct association *as, struct side *s, struct hold *h, const struct verdict *v);

/* For the loop: fd -1 where nothing is under way. */
struct pollfd hold_keep_poll(const struct hold *h);

/* Go on. May end the message. */
void hold_keep_step(struct association *as, struct side *s, struct hold *h);

/* Give up one that stands still. When to be called again. */
int64_t hold_keep_check(struct association *as, struct side *s, struct hold *h, int64_t now_ms);

#endif
