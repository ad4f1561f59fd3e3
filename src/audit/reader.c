/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/journal.h"

#include "audit/segment.h"

#include <stdlib.h>

struct place {
	int dir;
	uint64_t first;
};

struct journal_reader {
	int dirs[JOURNAL_FOLDERS_MOST];
	size_t n_dirs;
	struct place *places; /* by first index, each once */
	size_t n;
	size_t at;               /* the segment that is read, or is to be opened */
	struct segment *segment; /* NULL: not yet */
	uint64_t seek;           /* what is before it is left out */
	uint64_t next;           /* index that comes next, if nothing is missing */
	int64_t from_ms, until_ms;
	bool started;
	uint64_t offset;
};

static int by_first(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	return x->first < y->first ? -1 : x->first > y->first;
}

static int add_folder(struct journal_reader *r, int dir)
{
	uint64_t *first = NULL;
	size_t n = 0;
	int e = segment_list(dir, &first, &n);
	struct place *more = e < 0 || n == 0 ? NULL : realloc(r->places, (r->n + n) * sizeof(*more));
	if (e == 0 && n > 0 && !more) {
		e = ERR_NO_MEMORY;
	}
	if (more) {
		r->places = more;
		for (size_t i = 0; i < n; i++) {
			r->places[r->n++] = (struct place){.dir = dir, .first = first[i]};
		}
	}
	free(first);
	return e;
}

int journal_reader_open(const int *dirs, size_t n_dirs, struct journal_reader **ret_reader)
{
	if (n_dirs > JOURNAL_FOLDERS_MOST) {
		return ERR_LIMIT;
	}
	struct journal_reader *r = calloc(1, sizeof(*r));
	if (!r) {
		return ERR_NO_MEMORY;
	}
	int e = 0;
	for (size_t i = 0; e == 0 && i < n_dirs; i++) {
		r->dirs[r->n_dirs++] = dirs[i];
		e = add_folder(r, dirs[i]);
	}
	if (e >= 0 && !r->places) {
		e = ERR_NOT_FOUND;
	}
	if (e < 0) {
		journal_reader_free(r);
		return e;
	}
	qsort(r->places, r->n, sizeof(r->places[0]), by_first);
	/* One that is being handed over lies in both. */
	size_t kept = 1;
	for (size_t i = 1; i < r->n; i++) {
		if (r->places[i].first != r->places[kept - 1].first) {
			r->places[kept++] = r->places[i];
		}
	}
	r->n = kept;
	r->from_ms = INT64_MIN;
	r->until_ms = INT64_MAX;
	*ret_reader = r;
	return 0;
}

void journal_reader_free(struct journal_reader *r)
{
	if (r) {
		segment_free(r->segment);
		free(r->places);
		free(r);
	}
}

uint64_t journal_reader_first(const struct journal_reader *r)
{
	return r->places[0].first;
}

/* One that was handed over since the folders were listed lies in another one: it is there before it goes. */
static int open_place(const struct journal_reader *r, size_t at, struct segment **ret_segment)
{
	const struct place *p = &r->places[at];
	int e = segment_open(&journal_io_system, p->dir, p->first, ret_segment);
	for (size_t i = 0; e == ERR_NOT_FOUND && i < r->n_dirs; i++) {
		e = segment_open(&journal_io_system, r->dirs[i], p->first, ret_segment);
	}
	return e;
}

void journal_reader_seek(struct journal_reader *r, uint64_t index)
{
	segment_free(r->segment);
	r->segment = NULL;
	r->at = 0;
	while (r->at + 1 < r->n && r->places[r->at + 1].first <= index) {
		r->at++;
	}
	r->seek = index;
	r->started = false;
}

int journal_reader_origin(const struct journal_reader *r, char ret_origin[NOTE_NAME_MOST + 1])
{
	struct segment *s;
	int e = open_place(r, 0, &s);
	if (e == 0) {
		memcpy(ret_origin, segment_head_of(s)->origin, NOTE_NAME_MOST + 1);
		segment_free(s);
	}
	return e;
}

int journal_reader_before(struct journal_reader *r, struct merkle_range *ret_before)
{
	struct segment *s;
	int e = open_place(r, r->at < r->n ? r->at : r->n - 1, &s);
	if (e == 0) {
		*ret_before = segment_head_of(s)->before;
		segment_free(s);
	}
	return e;
}

static int take_before(struct segment *s, uint64_t index, struct transfers *t)
{
	struct frame f;
	struct journal_record record;
	int e = 0;
	/* Damage is found by who reads on. */
	while (e == 0 && segment_next(s, &f) == 1 && f.index < index) {
		if (f.whole && record_read(f.payload, &record) == 0) {
			e = transfers_reserve(t, 1);
			if (e == 0) {
				transfers_take(t, f.index, &record);
			}
		}
	}
	return e == ERR_LIMIT ? 0 : e;
}

int journal_reader_under_way(const struct journal_reader *r, struct transfers *ret_transfers)
{
	struct segment *s;
	struct transfers t = {0};
	int e = open_place(r, r->at < r->n ? r->at : r->n - 1, &s);
	if (e < 0) {
		return e;
	}
	e = transfers_read(segment_head_of(s)->transfers, &t);
	e = e == 0 ? take_before(s, r->seek, &t) : e;
	segment_free(s);
	if (e == 0) {
		*ret_transfers = t;
	} else {
		transfers_done(&t);
	}
	return e;
}

void journal_reader_times(struct journal_reader *r, int64_t from_ms, int64_t until_ms)
{
	r->from_ms = from_ms;
	r->until_ms = until_ms;
}

void journal_reader_where(const struct journal_reader *r, uint64_t *ret_segment, uint64_t *ret_offset)
{
	*ret_segment = r->places[r->at < r->n ? r->at : r->n - 1].first;
	*ret_offset = r->offset;
}

/* Can nothing in the segment be of the time that is asked for? The head of the next one says so. */
static bool beside_times(const struct journal_reader *r, size_t at)
{
	struct segment *next;
	if ((r->from_ms == INT64_MIN && r->until_ms == INT64_MAX) || at + 1 >= r->n ||
		open_place(r, at + 1, &next) < 0) {
		return false;
	}
	const struct segment_head *h = segment_head_of(next);
	bool beside = h->previous == r->places[at].first && h->first > h->previous &&
	              (h->greatest_ms < r->from_ms || h->least_ms > r->until_ms);
	segment_free(next);
	return beside;
}

/* Go on to the next segment after this call, whatever comes of it. */
static int leave(struct journal_reader *r, int e)
{
	segment_free(r->segment);
	r->segment = NULL;
	r->at++;
	return e;
}

static int open_next(struct journal_reader *r)
{
	while (r->at < r->n && beside_times(r, r->at)) {
		r->at++;
		r->started = false;
	}
	if (r->at == r->n) {
		return 0;
	}
	uint64_t first = r->places[r->at].first;
	bool gap = r->started && first != r->next;
	r->started = true;
	r->next = first;
	r->offset = 0;
	if (gap) {
		return ERR_MISSING;
	}
	int e = open_place(r, r->at, &r->segment);
	if (e < 0) {
		r->started = false;
		r->at += e != ERR_NO_MEMORY;
		return e == ERR_NOT_FOUND                      ? ERR_MISSING
		       : e == ERR_SYSTEM || e == ERR_NO_MEMORY ? e
		                                               : ERR_VALUE;
	}
	return 1;
}

/* 1: *f is the next frame of any segment. */
static int next_frame(struct journal_reader *r, struct frame *f)
{
	for (;;) {
		if (!r->segment) {
			int e = open_next(r);
			if (e <= 0) {
				return e;
			}
		}
		r->offset = segment_offset(r->segment);
		int e = segment_next(r->segment, f);
		if (e == 1) {
			r->next = f->index + 1;
			return 1;
		}
		bool last = r->at + 1 == r->n;
		if (e == ERR_TRUNCATED && last) {
			e = 0; /* somebody is writing it, or was when it stopped */
		}
		if (e < 0) {
			r->started = false;
			return leave(r, e == ERR_LENGTH ? ERR_VALUE : e);
		}
		leave(r, 0);
	}
}

int journal_reader_next(struct journal_reader *r, struct journal_entry *ret_entry)
{
	for (;;) {
		struct frame f;
		struct journal_record record;
		int e = next_frame(r, &f);
		if (e <= 0) {
			return e;
		}
		if (f.index < r->seek) {
			continue;
		}
		if (!f.whole || record_read(f.payload, &record) < 0) {
			return ERR_VALUE;
		}
		if (record.time_ms < r->from_ms || record.time_ms > r->until_ms) {
			continue;
		}
		*ret_entry = (struct journal_entry){
			.index = f.index, .record = record, .payload = f.payload, .leaf = f.leaf};
		return 1;
	}
}
