/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/verify_parts.h"

#include "audit/handover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Records that are missing between two segments. A hand-over takes the oldest, so that where the journal's own folder has a segment
 * before them they were removed. Otherwise they may lie in a cold folder that was not given: that is so if a record that a checkpoint
 * covers tells of it, and all that can be said if the journal's own folder was not given. Such a verdict is of a part. A hand-over
 * goes to one folder as a whole: where some of it is here, the rest was removed.
 */

/* Where the segments begin that are here without one missing between. */
static uint64_t begun_at(const struct verifier *v)
{
	return v->n_gaps > 0 ? v->gaps[v->n_gaps - 1].end : v->result.first;
}

void verify_gap(struct verifier *v, uint64_t end, const char *name)
{
	uint64_t first = v->range.size;
	if (v->n_gaps == ARRAY_LEN(v->gaps) || v->own_begun) {
		verify_found(v, VERIFY_GAP, first, end, name, 0,
			"%" PRIu64 " records are missing before this segment: %" PRIu64 " to %" PRIu64,
			end - first, first, end - 1);
		return;
	}
	uint64_t begun = begun_at(v);
	struct gap *g = &v->gaps[v->n_gaps++];
	*g = (struct gap){.first = first, .end = end, .agreed = v->agreed > begun ? v->agreed : begun};
	snprintf(g->file, sizeof(g->file), "%s", name);
}

int verify_told(struct verifier *v, uint64_t index, struct span body)
{
	struct told t = {0};
	if (handover_body_read(body, &t.next) != 0 || t.next > index || t.next <= v->told) {
		return 0;
	}
	v->told = t.next;
	v->told_by = t.by = index;
	(void)handover_body_statement(body, t.statement);
	if (v->n_hand_overs == v->cap_hand_overs) {
		size_t cap = v->cap_hand_overs ? 2 * v->cap_hand_overs : 64;
		struct told *more = realloc(v->hand_overs, cap * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		v->hand_overs = more;
		v->cap_hand_overs = cap;
	}
	v->hand_overs[v->n_hand_overs++] = t;
	return 0;
}

/* The first hand-over that reaches until there, of those that records tell of. NULL. */
static const struct told *hand_over_of(const struct verifier *v, uint64_t until)
{
	for (size_t i = 0; i < v->n_hand_overs; i++) {
		if (v->hand_overs[i].next >= until) {
			return &v->hand_overs[i];
		}
	}
	return NULL;
}

/* Of a hand-over that is told of some is missing, and some is here. */
static bool is_torn(const struct verifier *v, const struct gap *g)
{
	const struct told *first = hand_over_of(v, g->first + 1), *last = hand_over_of(v, g->end);
	const char *digits = first && first->statement[0] ? strpbrk(first->statement, "0123456789") : NULL;
	return (digits && strtoull(digits, NULL, 10) < g->first) || (last && last->next != g->end);
}

static void is_elsewhere(struct verifier *v, const struct gap *g)
{
	const struct told *t = hand_over_of(v, g->first + 1);
	if (t && t->statement[0]) {
		verify_found(v, VERIFY_ELSEWHERE, g->first, g->end, "", 0,
			"records %" PRIu64 " to %" PRIu64
			" are not in the folders that were given. They were handed over, as record %" PRIu64
			" tells: give the cold folder with %s too. If there is no such folder, they were removed from it",
			g->first, g->end - 1, t->by, t->statement);
	} else {
		verify_found(v, VERIFY_ELSEWHERE, g->first, g->end, "", 0,
			"records %" PRIu64 " to %" PRIu64
			" are not in the folders that were given: give the cold folder with hand-over-%020" PRIu64
			" too. If there is no such folder, they were removed",
			g->first, g->end - 1, g->first);
	}
	/* Of the records before it a checkpoint beyond says nothing that can be checked, and what is handed over has one at its end. */
	if (g->agreed < g->first) {
		verify_found(v, VERIFY_UNVOUCHED, g->agreed, g->first, "", 0,
			"no checkpoint vouches for records %" PRIu64 " to %" PRIu64
			", and what comes after them is not here",
			g->agreed, g->first - 1);
	}
	v->result.partial = true;
}

void verify_gaps(struct verifier *v)
{
	bool part = v->request->part;
	for (unsigned i = 0; i < v->n_gaps; i++) {
		struct gap *g = &v->gaps[i];
		bool gone = part || verify_known_gone(v, v->told_covered, g->end) >= g->end;
		g->elsewhere = gone && !is_torn(v, g);
		if (g->elsewhere) {
			is_elsewhere(v, g);
		} else {
			verify_found(v, VERIFY_GAP, g->first, g->end, g->file, 0,
				"%" PRIu64 " records are missing before this segment: %" PRIu64 " to %" PRIu64
				", and %s",
				g->end - g->first, g->first, g->end - 1,
				gone ? "what was handed over with them is here"
				     : "no record that a checkpoint covers tells that they were handed over");
		}
	}
	if (!part || v->range.size == 0) {
		return;
	}
	v->result.partial = true;
	verify_found(v, VERIFY_ELSEWHERE, v->range.size, v->range.size, "", 0,
		"records from %" PRIu64
		" on were not looked at: they are in the journal's folder, or in another cold folder",
		v->range.size);
	uint64_t from = v->agreed > begun_at(v) ? v->agreed : begun_at(v);
	if (v->n_vouched > 0 && from < v->range.size) {
		verify_found(v, VERIFY_UNVOUCHED, from, v->range.size, "", 0,
			"no checkpoint vouches for the last records, to %" PRIu64
			": what was handed over had one at its end",
			v->range.size - 1);
	}
}

bool verify_is_elsewhere(const struct verifier *v, uint64_t first, uint64_t end)
{
	for (unsigned i = 0; i < v->n_gaps; i++) {
		const struct gap *g = &v->gaps[i];
		if (g->elsewhere && first >= g->first && end <= g->end) {
			return true;
		}
	}
	return v->request->part && first >= v->range.size;
}
