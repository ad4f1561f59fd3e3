/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_DEIDENTIFY_H
#define POLICY_DEIDENTIFY_H

#include "transform/deidentify.h"

/* `deidentify` of a flow, in the words of `gantry deidentify`. Its struct is the engine's: struct deidentify_rules. */

struct deidentify_word {
	const char *word; /* NULL: the end */
	unsigned option;  /* of enum deidentify_option; 0: none of them */
};

/* What stands in `retain`, `clean` and `dates`. */
extern const struct deidentify_word deidentify_retain[], deidentify_clean[], deidentify_dates[];

#endif
