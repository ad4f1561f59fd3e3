/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include "policy/decide.h"

/* A rule's sentence when nothing more is known. Static. */
const char *rule_frame(enum rule r);

/*
 * Finish a verdict: observe mode turns a policy refusal into a remark. 0 when the matter passes, ERR_DENIED when it is
 * refused. route NULL: nothing softens it.
 */
MUST_USE int verdict_end(const struct site *s, const struct route *r, struct verdict *v);

/* The same when the mode is already known. */
MUST_USE int verdict_settle(struct verdict *v, bool observe);

/* A limit that may only alarm. */
MUST_USE int verdict_over(const struct site *s, const struct route *r, enum over over, struct verdict *v);

#endif
