/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_REMAKE_H
#define GATEWAY_HOLD_REMAKE_H

#include "gateway/hold.h"

/* Objects that are made anew before they leave, or only signed, and how these leave. */

/* What the flow that allowed the request makes of its objects. NULL: it lets them as they are. */
const struct deidentify_flow *hold_remakes(const struct association *as, const struct operation *o);

/* Its command has come: the new UID, the engine; flow NULL: neither. False: it has been refused. */
MUST_USE bool hold_remake_begin(struct association *as, struct side *s, struct hold *h,
	const struct deidentify_flow *flow, struct operation *o);

/* It cannot be made anew, for a reason of the caller's. */
void hold_remake_refuse(
	struct association *as, struct side *s, const struct hold *h, enum rule rule, const char *why);

/* It is known already that it cannot be made anew: engine is another that has failed with e. */
void hold_remake_fail(
	struct association *as, struct side *s, struct hold *h, struct deidentify *engine, int e);

/* Queue what may leave; h->keep bytes of what came do not count. True: something happened. */
bool hold_remake_pump(struct association *as, struct side *s, struct hold *h);
bool hold_remake_is_ready(const struct association *as, const struct side *s, const struct hold *h);

#endif
