/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_SAY_H
#define GATEWAY_HOLD_SAY_H

#include "gateway/hold.h"

/*
 * What inspection says of the object so far, as a verdict of the policy's; logged, if there is something to log that was
 * not before. What is known of it comes first: RULE_CONTENT, refused or observed. Only where that lets it pass, and the
 * scanner could not say, is it RULE_UNJUDGED: refused, observed, or with `fail: pass` an alarm. False: there is nothing
 * that refuses, or would, and *ret_v is untouched. *ret_keep: it is to go to the quarantine.
 */
MUST_USE bool hold_say_verdict(
	struct association *as, const struct side *s, struct hold *h, struct verdict *ret_v, bool *ret_keep);

#endif
