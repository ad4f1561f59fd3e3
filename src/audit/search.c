/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/search.h"
#include "audit/search_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * One pass over the scope. What matches waits in a queue until all is known of it, and of all before it: a transfer until
 * its end was read. What is still open then is looked for in what comes after the scope.
 */

#define READ_A_TURN 4096

/* ---- Small things ---- */

const char *search_state_name(enum search_state state)
{
	static const char *const names[] = {[SEARCH_EVENT] = "",
		[SEARCH_RUNNING] = "running",
		[SEARCH_COMPLETE] = "complete",
		[SEARCH_PARTLY] = "partly",
		[SEARCH_FAILED] = "failed",
		[SEARCH_REFUSED] = "refused",
		[SEARCH_INTERRUPTED] = "interrupted"};
	return (unsigned)state < ARRAY_LEN(names) ? names[state] : "unknown";
}

/* "record 5", "records 5 to 9" */
static void name_records(const struct search_problem *p, char ret_text[64])
{
	if (p->end == p->first + 1) {
		snprintf(ret_text, 64, "record %" PRIu64, p->first);
	} else {
		snprintf(ret_text, 64, "records %" PRIu64 " to %" PRIu64, p->first, p->end - 1);
	}
}

void search_problem_text(const struct search_problem *p, char *buf, size_t cap)
{
	char records[64];
	name_records(p, records);
	switch (p->kind) {
	case SEARCH_DAMAGED:
		if (p->end > p->first) {
			snprintf(buf, cap,
				"%s cannot be read: segment %" PRIu64 " is damaged at byte %" PRIu64, records,
				p->segment, p->offset);
		} else {
			snprintf(buf, cap,
				"what follows record %" PRIu64 " cannot be read: segment %" PRIu64
				" is damaged at byte %" PRIu64,
				p->first, p->segment, p->offset);
		}
		break;
	case SEARCH_GAP:
		snprintf(buf, cap, "%s %s not in these folders", records,
			p->end == p->first + 1 ? "is" : "are");
		break;
	case SEARCH_NO_KEY:
		snprintf(buf, cap,
			"records of %" PRIu64 " to %" PRIu64
			" cannot be opened: their key is in record %" PRIu64 ", which cannot be read",
			p->first, p->end - 1, p->key);
		break;
	case SEARCH_SHUT:
		snprintf(buf, cap,
			"records of %" PRIu64 " to %" PRIu64
			" cannot be opened: their key, in record %" PRIu64
			", does not open. It is damaged, or the auditor's key is on a token that may not derive with it "
			"(CKA_DERIVE)",
			p->first, p->end - 1, p->key);
		break;
	case SEARCH_UNSEALED:
		snprintf(buf, cap, "record %" PRIu64 " does not open with its key, or holds no event",
			p->first);
		break;
	case SEARCH_AWAY:
		snprintf(buf, cap,
			"record %" PRIu64 " is of a transfer that began in record %" PRIu64
			", which is not there",
			p->first, p->key);
		break;
	}
}

static void emit(struct search *s, const struct search_problem *p)
{
	s->totals.problems++;
	if (s->problem) {
		s->problem(s->arg, p);
	}
}

static void emit_held(struct search *s)
{
	if (s->held.end > 0) {
		emit(s, &s->held);
		s->held.end = 0;
	}
}

/* An epoch whose key is missing is one problem, not one for each of its records. */
void search_tell(struct search *s, const struct search_problem *p)
{
	if (s->held.end > 0 && p->kind == s->held.kind && p->key == s->held.key) {
		s->held.first = p->first < s->held.first ? p->first : s->held.first;
		s->held.end = p->end > s->held.end ? p->end : s->held.end;
		return;
	}
	emit_held(s);
	if (p->kind == SEARCH_NO_KEY || p->kind == SEARCH_SHUT) {
		s->held = *p;
	} else {
		emit(s, p);
	}
}

static bool is_wanted(const struct search *s, const struct search_hit *h)
{
	const struct search_criteria *c = &s->criteria;
	return (c->outcomes == 0 || (c->outcomes >> h->outcome & 1)) &&
	       (c->refusal == 0 || c->refusal == h->refusal);
}

static void damage_ends(struct search *s, uint64_t at)
{
	if (s->damaged) {
		s->damaged = false;
		s->damage.end = at > s->damage.first ? at : 0;
		search_tell(s, &s->damage);
	}
}

static void count(struct search *s, const struct journal_entry *e)
{
	struct search_totals *t = &s->totals;
	t->first = t->read == 0 || e->index < t->first ? e->index : t->first;
	t->last = t->read == 0 || e->index > t->last ? e->index : t->last;
	t->last_ms = e->record.time_ms;
	t->read++;
	merkle_sha256(span_of(t->chain.at, MERKLE_HASH), span_of(e->leaf.at, MERKLE_HASH), &t->chain);
	s->next = e->index + 1;
}

static void found_damage(struct search *s, int e)
{
	if (!s->damaged) {
		s->damaged = true;
		s->damage = (struct search_problem){
			.kind = e == ERR_MISSING ? SEARCH_GAP : SEARCH_DAMAGED, .first = s->next};
		journal_reader_where(s->reader, &s->damage.segment, &s->damage.offset);
	}
}

/* ---- After the scope ---- */

/*
 * Until all that waits has ended, and one record further: the last record of the scope may be the first of two ends.
 * ERR_AGAIN: go on.
 */
static int read_tail(struct search *s)
{
	uint64_t begin;
	struct journal_entry e;
	if (!search_waits(s, &begin) ||
		(s->criteria.until_ms == INT64_MAX && s->criteria.end == UINT64_MAX)) {
		return 0;
	}
	if (!s->tail) {
		int r = journal_reader_open(s->dirs, s->n_dirs, &s->tail);
		if (r != 0) {
			return r;
		}
		journal_reader_seek(s->tail, begin + 1);
	}
	for (unsigned i = 0; i < READ_A_TURN; i++) {
		int r = journal_reader_next(s->tail, &e);
		if (r == 0 || r == ERR_SYSTEM || r == ERR_NO_MEMORY) {
			return r;
		}
		r = r == 1 ? search_take_tail(s, &e) : 0; /* damage that is no part of the scope */
		if (r < 0) {
			return r;
		}
		if (!search_waits(s, &begin)) {
			return 0;
		}
	}
	return ERR_AGAIN;
}

/* ---- The pass ---- */

static int finish(struct search *s)
{
	int e = read_tail(s);
	if (e != 0) {
		return e;
	}
	search_settle(s);
	emit_held(s);
	for (struct item *i = s->queue; i; i = i->next) {
		i->final = true;
	}
	s->done = true;
	return 0;
}

static int read_some(struct search *s)
{
	struct journal_entry e;
	for (unsigned i = 0; i < READ_A_TURN && !(s->queue && s->queue->final); i++) {
		int r = journal_reader_next(s->reader, &e);
		if (r == 1 && e.index < s->criteria.end) {
			damage_ends(s, e.index);
			count(s, &e);
			r = search_take(s, &e);
			if (r < 0) {
				return r;
			}
		} else if (r >= 0) {
			damage_ends(s, 0);
			journal_reader_free(s->reader);
			s->reader = NULL;
			return 0;
		} else if (r == ERR_SYSTEM || r == ERR_NO_MEMORY) {
			return r;
		} else {
			found_damage(s, r);
		}
	}
	return s->queue && s->queue->final ? 0 : ERR_AGAIN;
}

static uint64_t taken(const struct audit_event *ev)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < ev->n_sop; i++) {
		n += ev->sop[i].instances;
	}
	return n;
}

static void fill_event(struct search *s, const struct item *i)
{
	struct span event = span_of(NULL, 0);
	const struct part *p = &i->part[i->best];
	s->event = (struct audit_event){0};
	/* It was read before. */
	if (p->body && body_event(span_of(p->body, p->len), &event) == 0) {
		(void)!audit_event_read(event, &s->event);
	}
}

/* Refusal and failed instances may be in the second end; an interruption's sentence in its own record. */
static void add_other(struct search *s, const struct item *i, struct search_hit *h)
{
	for (unsigned k = 0; k < i->n; k++) {
		struct span event;
		const struct part *p = &i->part[k];
		if (k == i->best || !p->body || body_event(span_of(p->body, p->len), &event) != 0 ||
			audit_event_read(event, &s->other) != 0) {
			continue;
		}
		h->refusal = h->refusal ? h->refusal : s->other.refusal;
		h->failed = s->other.failed > h->failed ? s->other.failed : h->failed;
		if (!s->event.text[0]) {
			memcpy(s->event.text, s->other.text, sizeof(s->event.text));
		}
	}
}

static void fill(struct search *s, const struct item *i, struct search_hit *h)
{
	fill_event(s, i);
	*h = (struct search_hit){.index = i->index,
		.time_ms = i->time_ms,
		.end_ms = i->end_ms,
		.state = i->transfer ? i->state : SEARCH_EVENT,
		.outcome = (enum audit_outcome)i->outcome,
		.refusal = s->event.refusal,
		.failed = s->event.failed,
		.count = i->count,
		.by_subject = matcher_event(&s->matcher, &s->event) == MATCH_BY_SUBJECT,
		.sealed_end = i->sealed_end,
		.event = &s->event,
		.n_parts = i->n};
	add_other(s, i, h);
	for (unsigned k = 0; k < i->n; k++) {
		h->part[k] = i->part[k].index;
	}
	uint64_t by_event = i->transfer && s->event.kind == AUDIT_TRANSFERRED ? taken(&s->event) : 0;
	h->count = by_event > h->count ? by_event : h->count;
	if (h->state == SEARCH_FAILED && h->refusal) {
		h->state = SEARCH_REFUSED;
	}
	h->at_least = h->state == SEARCH_RUNNING || h->state == SEARCH_INTERRUPTED;
}

int search_next(struct search *s, struct search_hit *ret_hit)
{
	for (;;) {
		item_free(s->current);
		s->current = NULL;
		if (!s->queue || !s->queue->final) {
			int e = s->reader ? read_some(s) : s->done ? 0 : finish(s);
			if (e != 0) {
				return e;
			}
			if (!s->queue && s->done) {
				return 0;
			}
			if (!s->queue || !s->queue->final) {
				continue;
			}
		}
		struct item *i = s->queue;
		s->queue = i->next;
		if (!s->queue) {
			s->queue_end = &s->queue;
		}
		s->current = i;
		fill(s, i, ret_hit);
		if (is_wanted(s, ret_hit)) {
			return 1;
		}
	}
}

int search_message(struct search *s, unsigned part, uint8_t *buf, size_t cap, size_t *ret_len)
{
	struct span event;
	if (!s->current || part >= s->current->n || !s->current->part[part].body) {
		return ERR_MISSING;
	}
	const struct part *p = &s->current->part[part];
	return body_read(span_of(p->body, p->len), &event, buf, cap, ret_len);
}

const struct search_totals *search_totals(const struct search *s)
{
	return &s->totals;
}

/* ---- The beginning ---- */

/* The first record of these times; ERR_NOT_FOUND. Damage is found by the pass. */
static int first_of_times(struct search *s, int64_t from_ms, int64_t until_ms, uint64_t *ret_index)
{
	struct journal_reader *r = NULL;
	struct journal_entry entry = {0};
	int e = journal_reader_open(s->dirs, s->n_dirs, &r);
	if (e == 0) {
		journal_reader_times(r, from_ms, until_ms);
		do {
			e = journal_reader_next(r, &entry);
		} while (e < 0 && e != ERR_SYSTEM && e != ERR_NO_MEMORY);
	}
	journal_reader_free(r);
	if (e == 1) {
		*ret_index = entry.index;
	}
	return e == 1 ? 0 : e == 0 ? ERR_NOT_FOUND : e;
}

/* What went on at the beginning of the time: before the first record of it, or where none is of it, before what came next. */
static int begin_times(struct search *s)
{
	const struct search_criteria *c = &s->criteria;
	struct journal_reader *r = NULL;
	uint64_t index = UINT64_MAX;
	if (c->from_ms == INT64_MIN || (c->kinds != 0 && !(c->kinds >> AUDIT_BEGIN & 1))) {
		return 0;
	}
	int e = first_of_times(s, c->from_ms, c->until_ms, &index);
	if (e == ERR_NOT_FOUND && c->until_ms < INT64_MAX) {
		e = first_of_times(s, c->until_ms + 1, INT64_MAX, &index);
	}
	e = e == 0 || e == ERR_NOT_FOUND ? journal_reader_open(s->dirs, s->n_dirs, &r) : e;
	if (e == 0) {
		journal_reader_seek(r, index);
		e = search_under_way(s, r);
	}
	journal_reader_free(r);
	return e;
}

int search_open(const int *dirs, size_t n_dirs, const struct hpke_opener *opener,
	const struct search_criteria *criteria, void (*problem)(void *arg, const struct search_problem *p),
	void *arg, struct search **ret_search)
{
	struct search *s = calloc(1, sizeof(*s));
	if (!s) {
		return ERR_NO_MEMORY;
	}
	s->dirs = dirs;
	s->n_dirs = n_dirs;
	s->criteria = *criteria;
	s->problem = problem;
	s->arg = arg;
	s->queue_end = &s->queue;
	s->ending = JOURNAL_NONE;
	epochs_init(&s->epochs, opener, &s->matcher);
	int e = matcher_make(&s->criteria, &s->matcher);
	e = e == 0 ? journal_reader_open(dirs, n_dirs, &s->reader) : e;
	if (e != 0) {
		search_free(s);
		return e;
	}
	s->next = journal_reader_first(s->reader);
	if (criteria->first > 0 || criteria->end != UINT64_MAX) {
		journal_reader_seek(s->reader, criteria->first);
		s->next = criteria->first > s->next ? criteria->first : s->next;
		e = criteria->under_way ? search_under_way(s, s->reader) : 0;
	} else {
		journal_reader_times(s->reader, criteria->from_ms, criteria->until_ms);
		e = begin_times(s);
	}
	if (e != 0) {
		search_free(s);
		return e;
	}
	*ret_search = s;
	return 0;
}

void search_free(struct search *s)
{
	if (!s) {
		return;
	}
	item_free(s->current);
	while (s->queue) {
		struct item *i = s->queue;
		s->queue = i->next;
		item_free(i);
	}
	epochs_done(&s->epochs);
	journal_reader_free(s->reader);
	journal_reader_free(s->keys);
	journal_reader_free(s->begins);
	journal_reader_free(s->tail);
	free(s->tracks);
	explicit_bzero(s->body, sizeof(s->body));
	free(s);
}
