/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_SUGGEST_H
#define POLICY_SUGGEST_H

#include "base/attr.h"
#include "policy/refusal.h"
#include "policy/site.h"

/* What would allow a thing that was refused. */
struct suggestion {
	char *yaml; /* lines to lay over gantry.yaml (policy/tree.h); "" where no line would help. malloc'ed */
	const char *note; /* what to know before writing them; "" where there is nothing. Static */
	bool keeps_none;  /* its flow quarantines nothing */
	/* Set by who can read the quarantine: numbers of the objects there that were refused so. Borrowed; NULL: not known. */
	const uint64_t *kept;
	size_t n_kept;
};

/* ERR_NO_MEMORY. */
MUST_USE int suggest(const struct site *s, const struct refusal *r, struct suggestion *ret_suggestion);
void suggestion_done(struct suggestion *g);

#endif
