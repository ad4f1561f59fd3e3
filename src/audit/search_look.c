/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/search_parts.h"

/* Opening records: the key of their epoch, their body, their event. */

static bool is_fatal(int e)
{
	return e == ERR_SYSTEM || e == ERR_NO_MEMORY;
}

int search_fetch(
	struct search *s, struct journal_reader **reader, uint64_t index, struct journal_entry *ret_entry)
{
	int e = *reader ? 0 : journal_reader_open(s->dirs, s->n_dirs, reader);
	if (e != 0) {
		return is_fatal(e) ? e : ERR_NOT_FOUND;
	}
	journal_reader_seek(*reader, index);
	do {
		e = journal_reader_next(*reader, ret_entry);
	} while (e == ERR_VALUE); /* a damaged one before it */
	if (is_fatal(e)) {
		return e;
	}
	return e == 1 && ret_entry->index == index ? 0 : ERR_NOT_FOUND;
}

int search_key(struct search *s, const struct journal_entry *e)
{
	struct epoch *ignored;
	return epochs_find(&s->epochs, e->index) ? 0 : epochs_add(&s->epochs, e->index, &e->record, &ignored);
}

int search_epoch(struct search *s, const struct journal_record *r, struct epoch **ret_epoch)
{
	struct journal_entry key;
	*ret_epoch = epochs_find(&s->epochs, r->epoch);
	if (*ret_epoch) {
		return 0;
	}
	int e = r->epoch == JOURNAL_NONE ? ERR_NOT_FOUND : search_fetch(s, &s->keys, r->epoch, &key);
	if (is_fatal(e)) {
		return e;
	}
	bool there = e == 0 && key.record.kind == JOURNAL_KEY;
	return epochs_add(&s->epochs, r->epoch, there ? &key.record : NULL, ret_epoch);
}

/* Its epoch's key is not to be had: it is for others, not there, or does not open. */
static void no_key(struct search *s, const struct journal_entry *e, int why)
{
	struct search_totals *t = &s->totals;
	if (why == ERR_NOT_FOUND) {
		t->closed_first = t->closed == 0 || e->index < t->closed_first ? e->index : t->closed_first;
		t->closed_last = t->closed == 0 || e->index > t->closed_last ? e->index : t->closed_last;
		t->closed++;
		return;
	}
	s->unsealed = true;
	search_tell(s, &(struct search_problem){.kind = why == ERR_MISSING ? SEARCH_NO_KEY : SEARCH_SHUT,
			       .first = e->index,
			       .end = e->index + 1,
			       .key = e->record.epoch});
}

static void does_not_open(struct search *s, const struct journal_entry *e)
{
	s->unsealed = true;
	search_tell(
		s, &(struct search_problem){.kind = SEARCH_UNSEALED, .first = e->index, .end = e->index + 1});
}

static int open_body(struct search *s, const struct journal_entry *e, struct epoch *epoch, size_t *ret_len)
{
	const struct journal_record *r = &e->record;
	struct span head = span_of(e->payload.ptr, record_clear_len(r)), event;
	int err = seal_open(epoch->seal, r->turn, head, r->body, s->body, sizeof(s->body), ret_len);
	err = err == 0 ? body_event(span_of(s->body, *ret_len), &event) : err;
	return err == 0 ? audit_event_read(event, &s->event) : err;
}

bool search_fits(struct search *s, uint64_t index)
{
	struct search_totals *t = &s->totals;
	enum match match = matcher_event(&s->matcher, &s->event);
	if (match == MATCH_UNKNOWN) {
		t->unnamed_first = t->unnamed == 0 || index < t->unnamed_first ? index : t->unnamed_first;
		t->unnamed_last = t->unnamed == 0 || index > t->unnamed_last ? index : t->unnamed_last;
		t->unnamed++;
	}
	return match >= MATCH_BY_SUBJECT;
}

int search_look(struct search *s, const struct journal_entry *e, bool check, size_t *ret_len)
{
	struct epoch *epoch;
	bool tokens = check && s->matcher.n > 0 && !s->criteria.open_all;
	size_t len;
	int r = search_epoch(s, &e->record, &epoch);
	r = r == 0 && tokens ? epoch_tokens(&s->epochs, epoch) : r;
	if (r != 0) {
		return r;
	}
	if (tokens && epoch->has_tokens && !matcher_has_tokens(&s->matcher, epoch, &e->record)) {
		return 0;
	}
	r = epoch_open(&s->epochs, epoch);
	if (r != 0 || epoch->error != 0) {
		if (r == 0) {
			no_key(s, e, epoch->error);
		}
		return r;
	}
	r = open_body(s, e, epoch, &len);
	if (r != 0) {
		if (!is_fatal(r)) {
			does_not_open(s, e);
		}
		return is_fatal(r) ? r : 0;
	}
	s->totals.opened++;
	*ret_len = len;
	return !check || search_fits(s, e->index);
}
