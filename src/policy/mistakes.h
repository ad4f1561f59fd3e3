/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_MISTAKES_H
#define POLICY_MISTAKES_H

#include "base/attr.h"
#include "policy/region.h"
#include "policy/site.h"

/* Mistakes while they are being found. One list a pass. */
#define MISTAKES_MOST 500 /* more are only counted */

struct mistake_row;

struct mistake_list {
	struct region *region;
	struct mistake_row *rows; /* newest first */
	unsigned n, n_errors, left_out;
};

/* ERR_NO_MEMORY. */
MUST_USE int mistakes_begin(struct mistake_list *l);

void mistake_error(struct mistake_list *l, unsigned line, unsigned column, const char *fmt, ...) PRINTF(4, 5);
void mistake_warning(struct mistake_list *l, unsigned line, unsigned column, const char *fmt, ...)
	PRINTF(4, 5);

/* Hand over: sorted, errors first. The list is empty afterwards. ERR_NO_MEMORY (and *ret_mistakes is empty). */
MUST_USE int mistakes_end(struct mistake_list *l, struct mistakes *ret_mistakes);

#endif
