/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_INSPECT_SAID_H
#define TESTS_INSPECT_SAID_H

#include "net_bytes.h"

#include <stdio.h>

#include "inspect/inspect.h"

/* What an inspection said, as text; two that say the same have the same. */
#define SAID_MOST 16384

static struct inspect inspected;
static struct inflater inspect_inflater;

static inline void said_text(const struct inspect *i, char to[SAID_MOST])
{
	size_t n = 0;
	to[0] = '\0';
	for (unsigned c = 0; c < CHECK_N; c++) {
		if (i->counts[c] > 0) {
			n += (size_t)snprintf(to + n, SAID_MOST - n, "%s %u\n",
				inspect_check_row((enum inspect_check)c)->name, i->counts[c]);
		}
	}
	for (unsigned k = 0; k < i->n_findings; k++) {
		const struct inspect_finding *f = &i->findings[k];
		char path[INSPECT_PATH];
		inspect_path(f, path);
		n += (size_t)snprintf(to + n, SAID_MOST - n, "%u %s @%lu %s\n", f->check, path,
			(unsigned long)f->offset, f->excerpt);
		assert_true(n < SAID_MOST);
	}
	snprintf(to + n, SAID_MOST - n, "%s|%s|%s|%s|%s|%s|%lu", i->facts.modality, i->facts.body_part,
		i->facts.burned_in, i->facts.photometric, i->facts.sop_class, i->facts.sop_instance,
		(unsigned long)i->facts.bytes);
}

/* first bytes, then pieces of step bytes (0: the rest whole), each in an allocation of its own if exactly. */
static inline void inspect_pieces(struct inspect *i, const struct inspect_about *about, struct span s,
	size_t first, size_t step, bool exactly)
{
	inspect_begin(i, about, &inspect_inflater);
	for (size_t at = 0, turn = 0; at < s.len; turn++) {
		size_t n = turn == 0 && first > 0 ? first : step > 0 ? step : s.len - at;
		n = n < s.len - at ? n : s.len - at;
		if (exactly) {
			struct span copy = exact(s.ptr + at, n);
			inspect_feed(i, copy);
			exact_free(copy);
		} else {
			inspect_feed(i, span_of(s.ptr + at, n));
		}
		at += n;
	}
	inspect_end(i);
}

/* The names of the checks that found something, with spaces between. */
static inline void said_checks(const struct inspect *i, char *to, size_t cap)
{
	size_t n = 0;
	to[0] = '\0';
	for (unsigned c = 0; c < CHECK_N; c++) {
		if (i->counts[c] > 0) {
			n += (size_t)snprintf(to + n, cap - n, "%s%s", n ? " " : "",
				inspect_check_row((enum inspect_check)c)->name);
			assert_true(n < cap);
		}
	}
}

#endif
