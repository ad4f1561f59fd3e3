/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_SAY_H
#define GATEWAY_HOLD_SAY_H

#include "gateway/hold.h"

/*
 * What inspection says of the object so far, as a verdict of the policy's; logged, if there is something to log that was
 * not before. True: the flow refuses it, or would (*ret_v).
 */
MUST_USE bool hold_say_verdict(
	struct association *as, const struct side *s, struct hold *h, struct verdict *ret_v);

#endif
