/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/search_parts.h"

#include <stdlib.h>

/* Records into items: one a transfer, and one a record of any other kind. */

/* ---- Items ---- */

void item_free(struct item *i)
{
	if (i) {
		for (unsigned k = 0; k < i->n; k++) {
			free(i->part[k].body);
		}
		free(i);
	}
}

/* len 0: it could not be opened. */
static int add_part(struct search *s, struct item *i, uint64_t index, size_t len)
{
	uint8_t *body = NULL;
	if (i->n == SEARCH_PARTS) {
		return 0;
	}
	if (len > 0) {
		body = malloc(len);
		if (!body) {
			return ERR_NO_MEMORY;
		}
		memcpy(body, s->body, len);
	}
	i->part[i->n++] = (struct part){.index = index, .body = body, .len = len};
	return 0;
}

static int new_item(struct search *s, const struct journal_entry *e, size_t len, struct item **ret_item)
{
	struct item *i = calloc(1, sizeof(*i));
	if (!i || add_part(s, i, e->index, len) != 0) {
		free(i);
		return ERR_NO_MEMORY;
	}
	i->index = e->index;
	i->time_ms = i->end_ms = e->record.time_ms;
	i->outcome = e->record.outcome;
	i->count = e->record.count;
	*s->queue_end = i;
	s->queue_end = &i->next;
	*ret_item = i;
	return 0;
}

/* ---- Transfers ---- */

static size_t track_place(const struct search *s, uint64_t begin)
{
	size_t low = 0, high = s->n_tracks;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s->tracks[middle].begin < begin) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static struct track *track_find(struct search *s, uint64_t begin)
{
	size_t at = track_place(s, begin);
	return at < s->n_tracks && s->tracks[at].begin == begin ? &s->tracks[at] : NULL;
}

static int track_add(struct search *s, const struct track *t)
{
	if (s->n_tracks == s->cap_tracks) {
		size_t cap = s->cap_tracks ? 2 * s->cap_tracks : 64;
		struct track *more = realloc(s->tracks, cap * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		s->tracks = more;
		s->cap_tracks = cap;
	}
	size_t at = track_place(s, t->begin);
	memmove(&s->tracks[at + 1], &s->tracks[at], (s->n_tracks - at) * sizeof(*t));
	s->tracks[at] = *t;
	s->n_tracks++;
	return 0;
}

static void track_remove(struct search *s, uint64_t begin)
{
	size_t at = track_place(s, begin);
	if (at < s->n_tracks && s->tracks[at].begin == begin) {
		s->n_tracks--;
		memmove(&s->tracks[at], &s->tracks[at + 1], (s->n_tracks - at) * sizeof(s->tracks[0]));
	}
}

static int begin(struct search *s, const struct journal_entry *e)
{
	struct track t = {.begin = e->index};
	size_t len = 0;
	s->unsealed = false;
	int r = matcher_head(&s->matcher, &e->record) ? search_look(s, e, true, &len) : 0;
	if (r == 1) {
		r = new_item(s, e, len, &t.item);
		if (r == 0) {
			t.item->transfer = true;
			t.item->state = SEARCH_RUNNING;
		}
	}
	/* One that is damaged may still have an end that says the same. */
	t.away = r == 0 && s->unsealed;
	return r < 0 ? r : track_add(s, &t);
}

/* What is not there may be asked for: that is a doubt, as any gap. */
static int begin_before(struct search *s, uint64_t index)
{
	struct journal_entry e;
	int r = search_fetch(s, &s->begins, index, &e);
	if (r == 0 && e.record.kind == AUDIT_BEGIN) {
		return begin(s, &e);
	}
	if (r == 0 || r == ERR_NOT_FOUND) {
		search_tell(
			s, &(struct search_problem){.kind = SEARCH_GAP, .first = index, .end = index + 1});
		r = track_add(s, &(struct track){.begin = index, .away = true});
	}
	return r;
}

int search_under_way(struct search *s, const struct journal_reader *r)
{
	struct transfers t;
	int e = journal_reader_under_way(r, &t);
	if (e != 0) {
		/* A head that is damaged is found when it is read. */
		return e == ERR_SYSTEM || e == ERR_NO_MEMORY ? e : 0;
	}
	for (size_t i = 0; e == 0 && i < t.n_open; i++) {
		e = begin_before(s, t.open[i].begin);
		struct track *begun = e == 0 ? track_find(s, t.open[i].begin) : NULL;
		if (begun && begun->item) {
			begun->item->count = t.open[i].count;
		}
	}
	transfers_done(&t);
	return e;
}

/* That of a record that goes on with one; its beginning may lie before the scope. */
static int track_of(struct search *s, const struct journal_entry *e, struct track **ret_track)
{
	struct journal_entry first;
	uint64_t about = e->record.about;
	*ret_track = track_find(s, about);
	if (*ret_track) {
		return 0;
	}
	int r = about < e->index ? search_fetch(s, &s->begins, about, &first) : ERR_NOT_FOUND;
	if (r == 0 && first.record.kind == AUDIT_BEGIN) {
		r = begin(s, &first);
	} else if (r == 0 || r == ERR_NOT_FOUND) {
		r = track_add(s, &(struct track){.begin = about, .away = true});
	}
	*ret_track = r == 0 ? track_find(s, about) : NULL;
	return r;
}

/* An end without its beginning: what it says itself must do. */
static int end_alone(struct search *s, const struct journal_entry *e, struct track *t)
{
	struct epoch *epoch;
	size_t len = 0;
	if (!matcher_head(&s->matcher, &e->record)) {
		return 0;
	}
	/* Its tokens are those of the beginning, perhaps of another key: they are no reason to leave it out. */
	int r = search_look(s, e, false, &len);
	if (r != 1) {
		return r;
	}
	bool wanted = search_fits(s, e->index);
	if (!wanted && e->record.kind == AUDIT_INTERRUPTED) {
		/* It does not say whose it was; its tokens do, and nothing could be compared. */
		r = search_epoch(s, &e->record, &epoch);
		r = r == 0 ? epoch_tokens(&s->epochs, epoch) : r;
		wanted = r == 0 && epoch->has_tokens && s->matcher.n > 0 &&
		         !matcher_certificate(&s->matcher) &&
		         matcher_has_tokens(&s->matcher, epoch, &e->record);
	}
	if (r < 0 || !wanted) {
		return r < 0 ? r : 0;
	}
	search_tell(s, &(struct search_problem){
			       .kind = SEARCH_AWAY, .first = e->index, .end = e->index + 1, .key = t->begin});
	r = new_item(s, e, len, &t->item);
	if (r == 0) {
		t->item->transfer = true;
	}
	return r;
}

static void set_state(struct item *i, const struct journal_record *r)
{
	bool passed = i->count > 0;
	if (r->kind == AUDIT_INTERRUPTED) {
		i->state = SEARCH_INTERRUPTED;
	} else if (r->outcome == AUDIT_SUCCESS) {
		i->state = SEARCH_COMPLETE;
	} else {
		i->state = passed ? SEARCH_PARTLY : SEARCH_FAILED;
	}
}

void search_settle(struct search *s)
{
	struct track *t = s->ending == JOURNAL_NONE ? NULL : track_find(s, s->ending);
	if (t) {
		if (t->item) {
			t->item->final = true;
		}
		track_remove(s, s->ending);
	}
	s->ending = JOURNAL_NONE;
}

bool search_waits(const struct search *s, uint64_t *ret_begin)
{
	for (size_t i = 0; i < s->n_tracks; i++) {
		/* The one that has just ended is still among them. */
		if (s->tracks[i].item) {
			*ret_begin = s->tracks[i].begin;
			return true;
		}
	}
	return false;
}

static int end(struct search *s, const struct journal_entry *e)
{
	const struct journal_record *r = &e->record;
	struct track *t;
	size_t len = 0;
	int err = track_of(s, e, &t);
	bool second = err == 0 && t->item && t->item->ended;
	bool alone = err == 0 && t->away && !t->item;
	if (alone) {
		err = end_alone(s, e, t);
	}
	struct item *i = err == 0 ? t->item : NULL;
	if (err != 0) {
		return err;
	}
	s->ending = r->about;
	if (!i) {
		return 0;
	}
	if (!alone) {
		err = search_look(s, e, false, &len);
		err = err < 0 ? err : add_part(s, i, e->index, err == 1 ? len : 0);
		i->sealed_end |= len == 0;
	}
	i->end_ms = r->time_ms;
	i->outcome = r->outcome > i->outcome ? r->outcome : i->outcome;
	i->count = r->count > i->count ? r->count : i->count;
	/* The best is the first end: it has the counts; one that was interrupted knows only its beginning. */
	if (!second && r->kind == AUDIT_TRANSFERRED && len > 0) {
		i->best = i->n - 1;
	}
	set_state(i, r);
	i->ended = true;
	return err;
}

/* ---- Records ---- */

static int single(struct search *s, const struct journal_entry *e)
{
	struct item *i;
	size_t len = 0;
	int r = matcher_head(&s->matcher, &e->record) ? search_look(s, e, true, &len) : 0;
	if (r != 1) {
		return r;
	}
	r = new_item(s, e, len, &i);
	if (r == 0) {
		i->final = true;
		if (e->record.kind == AUDIT_TRANSFERRED) {
			i->transfer = true;
			set_state(i, &e->record);
		}
	}
	return r;
}

static int progress(struct search *s, const struct journal_entry *e)
{
	struct track *t;
	int r = track_of(s, e, &t);
	if (r == 0 && t->item && e->record.count > t->item->count) {
		t->item->count = e->record.count;
		t->item->end_ms = e->record.time_ms;
	}
	return r;
}

/* Does the record go on with a transfer? */
static bool is_about(const struct journal_record *r)
{
	return r->about != JOURNAL_NONE &&
	       (r->kind == AUDIT_TRANSFERRED || r->kind == AUDIT_INTERRUPTED || r->kind == AUDIT_PROGRESS);
}

int search_take(struct search *s, const struct journal_entry *e)
{
	const struct journal_record *r = &e->record;
	bool in_time = r->time_ms >= s->criteria.from_ms && r->time_ms <= s->criteria.until_ms;
	if (r->kind == JOURNAL_KEY) {
		return search_key(s, e);
	}
	if (!is_about(r) || r->about != s->ending) {
		search_settle(s);
	}
	if (is_about(r)) {
		/* What is beside the scope counts for transfers that are within it. */
		const struct track *t = in_time ? NULL : track_find(s, r->about);
		if (!in_time && (!t || !t->item)) {
			return 0;
		}
		return r->kind == AUDIT_PROGRESS ? progress(s, e) : end(s, e);
	}
	if (!in_time || r->kind >= AUDIT_KIND_COUNT) {
		return 0;
	}
	return r->kind == AUDIT_BEGIN ? begin(s, e) : single(s, e);
}

static bool is_part(const struct item *i, uint64_t index)
{
	for (unsigned k = 0; k < i->n; k++) {
		if (i->part[k].index == index) {
			return true;
		}
	}
	return false;
}

int search_take_tail(struct search *s, const struct journal_entry *e)
{
	const struct journal_record *r = &e->record;
	if (r->kind == JOURNAL_KEY) {
		return 0;
	}
	struct track *t = is_about(r) ? track_find(s, r->about) : NULL;
	if (t && t->item && is_part(t->item, e->index)) {
		return 0; /* the pass has seen it */
	}
	struct track *ending =
		s->ending == JOURNAL_NONE || s->ending == r->about ? NULL : track_find(s, s->ending);
	if (ending && ending->item && e->index > ending->item->part[ending->item->n - 1].index) {
		search_settle(s);
		t = is_about(r) ? track_find(s, r->about) : NULL;
	}
	if (!t || !t->item) {
		return 0;
	}
	return r->kind == AUDIT_PROGRESS ? progress(s, e) : end(s, e);
}
