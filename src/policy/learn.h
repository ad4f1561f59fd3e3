/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_LEARN_H
#define POLICY_LEARN_H

#include "base/attr.h"
#include "base/span.h"
#include "policy/refusal.h"
#include "policy/site.h"

#include <stdbool.h>

/*
 * From what was seen to the least YAML that allows it. Sightings come from logs (`gantry learn`) or from one refusal
 * (`gantry explain`). With a site, only what it lacks is written, as lines to lay over it (policy/tree.h). What is not
 * known is never invented: it becomes a comment that says what to fill in.
 */
#define LEARN_TRANSFER_SYNTAXES 0x1u /* also restrict flows to the transfer syntaxes seen */
#define LEARN_ECHO              0x2u /* a flow that was seen to carry nothing is given `echo` */

#define LEARN_MOST              2000 /* nodes, and pairs of nodes, in one run */

struct learn;

/* site may be NULL; it is borrowed. NULL: no memory. */
MUST_USE struct learn *learn_new(const struct site *site, unsigned flags);
void learn_free(struct learn *l);

/* What a refusal's record (or that of a decision to allow) says was seen. ERR_LIMIT, ERR_NO_MEMORY. */
MUST_USE int learn_add(struct learn *l, const struct refusal *seen);

/* Can lines be written of it? What could stand in no gantry.yaml is passed over by learn_add(). */
bool learn_can(const struct refusal *seen);

/*
 * One line of a log with its newline, text or JSON: 1 it was a decision that let something pass (decision allow, observe or alarm),
 * 0 it was something else.
 */
MUST_USE int learn_log_line(struct learn *l, struct span line);

/* Is the line of the gateway's log at all, whatever it tells? */
MUST_USE bool learn_is_log_line(struct span line);

/* The YAML, "" when nothing is missing. *ret_text is malloc'ed. */
MUST_USE int learn_write(struct learn *l, char **ret_text);

#endif
