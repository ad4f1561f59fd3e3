/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/handover.h"
#include "audit/verify_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRESS_BYTES (8u * 1024 * 1024)

static const struct {
	const char *name;
	bool bad;
} kinds[] = {
	[VERIFY_NO_SEGMENT] = {"no-segment", true},
	[VERIFY_HEAD] = {"head", true},
	[VERIFY_STATE] = {"state", true},
	[VERIFY_ORIGIN] = {"origin", true},
	[VERIFY_RECORD] = {"record", true},
	[VERIFY_BYTES] = {"bytes", true},
	[VERIFY_GAP] = {"gap", true},
	[VERIFY_OVERLAP] = {"overlap", true},
	[VERIFY_CHECKPOINT] = {"checkpoint", true},
	[VERIFY_SIGNATURE] = {"signature", true},
	[VERIFY_UNVOUCHED] = {"unvouched", true},
	[VERIFY_CONTRADICTS] = {"contradicts", true},
	[VERIFY_TRUNCATED] = {"truncated", true},
	[VERIFY_CHANGED] = {"changed", true},
	[VERIFY_REMOVED] = {"removed", true},
	[VERIFY_INSERTED] = {"inserted", true},
	[VERIFY_MOVED] = {"moved", true},
	[VERIFY_ASIDE] = {"aside", true},
	[VERIFY_STATEMENT] = {"statement", true},
	[VERIFY_TORN] = {"torn", false},
	[VERIFY_UNCOVERED] = {"uncovered", false},
	[VERIFY_HANDED_OVER] = {"handed-over", false},
	[VERIFY_ELSEWHERE] = {"elsewhere", false},
	[VERIFY_UNCHECKED] = {"unchecked", false},
	[VERIFY_TIME] = {"time", false},
	[VERIFY_FOREIGN] = {"foreign", false},
};
static_assert(ARRAY_LEN(kinds) == VERIFY_KINDS, "a row a kind");

const char *verify_kind_name(enum verify_kind kind)
{
	return (unsigned)kind < VERIFY_KINDS ? kinds[kind].name : "unknown";
}

void verify_found(struct verifier *v, enum verify_kind kind, uint64_t first, uint64_t end, const char *file,
	uint64_t offset, const char *format, ...)
{
	struct verify_finding f = {
		.kind = kind, .bad = kinds[kind].bad, .first = first, .end = end, .offset = offset};
	va_list args;
	snprintf(f.file, sizeof(f.file), "%s", file);
	va_start(args, format);
	vsnprintf(f.text, sizeof(f.text), format, args);
	va_end(args);
	v->result.bad += f.bad;
	v->request->found(v->request->arg, &f);
}

/* ---- Segments ---- */

struct place {
	int dir;
	uint64_t first;
};

struct places {
	struct place *place;
	size_t n;
	uint64_t bytes;
};

static int by_first(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Each once: one that is being handed over lies in two folders, and the first that was named counts. */
static int list_places(const struct verify_request *q, struct places *p)
{
	for (size_t d = 0; d < q->n_dirs; d++) {
		uint64_t *first = NULL;
		size_t n = 0;
		int r = segment_list(q->dirs[d], &first, &n);
		struct place *more = r < 0 ? NULL : realloc(p->place, (p->n + n + 1) * sizeof(*more));
		if (r < 0 || !more) {
			free(first);
			return r < 0 ? r : ERR_NO_MEMORY;
		}
		p->place = more;
		size_t known = p->n;
		for (size_t i = 0; i < n; i++) {
			char name[SEGMENT_NAME_LEN];
			struct stat st;
			size_t k = 0;
			while (k < known && more[k].first != first[i]) {
				k++;
			}
			if (k < known) {
				continue;
			}
			more[p->n++] = (struct place){.dir = q->dirs[d], .first = first[i]};
			segment_name(first[i], name);
			p->bytes += fstatat(q->dirs[d], name, &st, AT_SYMLINK_NOFOLLOW) == 0
			                    ? (uint64_t)st.st_size
			                    : 0;
		}
		free(first);
	}
	if (p->n > 0) {
		qsort(p->place, p->n, sizeof(p->place[0]), by_first);
	}
	return 0;
}

/* Does somebody write to the journal right now? Then its end may be half there. */
bool verify_is_live(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool live = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	if (fd >= 0) {
		close(fd);
	}
	return live;
}

/* ---- A segment's head against the records before it ---- */

static bool same_transfers(const struct verifier *v, struct span wanted)
{
	size_t len = transfers_len(&v->transfers);
	uint8_t *bytes = malloc(len);
	if (!bytes) {
		return false;
	}
	struct writer w = writer_of(bytes, len);
	transfers_write(&v->transfers, &w);
	bool same = span_eq(writer_span_of(&w), wanted);
	free(bytes);
	return same;
}

/* Go on from what the head says. A checkpoint of later will say whether it was true. */
static void take_head(struct verifier *v, const struct segment_head *h)
{
	transfers_done(&v->transfers);
	v->unknown = transfers_read(h->transfers, &v->transfers) < 0;
	v->range = h->before;
}

/* Segments go to a cold folder oldest first: of those that are gone since they were listed none before them may be left. */
static bool went_in_order(const struct verifier *v, const struct places *p, size_t at)
{
	bool gone = v->gone;
	for (size_t i = 0; gone && i < at; i++) {
		char name[SEGMENT_NAME_LEN];
		struct stat st;
		segment_name(p->place[i].first, name);
		for (size_t d = 0; gone && d < v->request->n_dirs; d++) {
			gone = fstatat(v->request->dirs[d], name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
			       errno == ENOENT;
		}
	}
	return gone;
}

static void check_head(struct verifier *v, const struct segment_head *h, const char *name, bool went)
{
	uint64_t size = v->range.size;
	if (strcmp(h->origin, v->origin) != 0) {
		verify_found(v, VERIFY_ORIGIN, h->first, h->first, name, 0,
			"the segment is of the journal `%s`, not of `%s`", h->origin, v->origin);
	}
	if (!v->begun) {
		if (h->first > 0) {
			verify_found(v, VERIFY_HANDED_OVER, 0, h->first, name, 0,
				"the records before %" PRIu64
				" are not here (handed over?); what is here is verified from there on, and follows from them by "
				"the hashes in its head",
				h->first);
		}
		v->result.first = v->leaves.first = v->gone_until = h->first;
		take_head(v, h);
	} else if (h->first > size && went) {
		verify_found(v, VERIFY_HANDED_OVER, size, h->first, name, 0,
			"records %" PRIu64 " to %" PRIu64
			" went while this was verified, with all before them (handed over?): verify again, with the cold folder",
			size, h->first - 1);
		v->gone_until = h->first;
		take_head(v, h);
	} else if (h->first > size) {
		verify_gap(v, h->first, name);
		take_head(v, h);
	} else if (h->first < size) {
		verify_found(v, VERIFY_OVERLAP, h->first, size, name, 0,
			"the segment begins with record %" PRIu64
			", but the one before it has records up to %" PRIu64,
			h->first, size - 1);
		take_head(v, h);
	} else if (!merkle_range_same(&h->before, &v->range)) {
		verify_found(v, VERIFY_STATE, h->first, h->first, name, 0,
			"the head's hashes are not those of the records before it: a record before %" PRIu64
			", or the head, was changed",
			h->first);
	} else if (!v->unknown &&
		   (!same_transfers(v, h->transfers) || h->previous != (v->any ? v->previous : 0) ||
			   h->least_ms != (v->any ? v->least_ms : 0) ||
			   h->greatest_ms != (v->any ? v->greatest_ms : 0))) {
		verify_found(v, VERIFY_STATE, h->first, h->first, name, 0,
			"the head says something else of the records before it than they do");
	}
	v->begun = true;
}

/* ---- Records ---- */

static int keep_leaf(struct verifier *v, const struct merkle_hash *leaf)
{
	struct leaves *l = &v->leaves;
	if (!v->request->good) {
		return 0;
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 4096;
		struct merkle_hash *more = realloc(l->hash, cap * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		l->hash = more;
		l->cap = cap;
	}
	l->hash[l->n++] = *leaf;
	return 0;
}

static void take_times(struct verifier *v, uint64_t index, int64_t time_ms)
{
	v->least_ms = !v->any || time_ms < v->least_ms ? time_ms : v->least_ms;
	v->greatest_ms = !v->any || time_ms > v->greatest_ms ? time_ms : v->greatest_ms;
	v->any = true;
	struct verify_result *r = &v->result;
	bool first = index == r->first;
	r->least_ms = first || time_ms < r->least_ms ? time_ms : r->least_ms;
	r->greatest_ms = first || time_ms > r->greatest_ms ? time_ms : r->greatest_ms;
	if (!first && time_ms < v->last_ms) {
		v->first_back = v->steps_back++ == 0 ? index : v->first_back;
		int64_t back = v->last_ms - time_ms;
		v->farthest_back_ms = back > v->farthest_back_ms ? back : v->farthest_back_ms;
	}
	v->last_ms = time_ms;
}

static int take_frame(struct verifier *v, const struct frame *f, const char *name)
{
	struct journal_record record;
	uint64_t index = v->range.size;
	int r = record_read(f->payload, &record);
	if (!f->whole || r < 0) {
		verify_found(v, VERIFY_RECORD, index, index + 1, name, f->offset,
			"record %" PRIu64 " is damaged: %s", index,
			f->whole ? "its bytes are no record"
				 : "its bytes and the hash beside them do not fit");
		v->unknown = true;
	} else {
		if (record.kind == AUDIT_BEGIN && transfers_reserve(&v->transfers, 1) < 0) {
			v->unknown = true;
		}
		if (record.kind == JOURNAL_HANDOVER && verify_told(v, index, record.body) < 0) {
			return ERR_NO_MEMORY;
		}
		transfers_take(&v->transfers, index, &record);
		take_times(v, index, record.time_ms);
	}
	merkle_append(&v->range, &f->leaf);
	r = keep_leaf(v, &f->leaf);
	if (v->at_vouched < v->n_vouched && v->vouched[v->at_vouched].checkpoint.size <= v->range.size) {
		verify_compare(v);
	}
	return r;
}

static int end_segment(struct verifier *v, struct segment *s, int r, bool last, const char *name)
{
	uint64_t rest = 0, offset = segment_offset(s);
	if (r == 0) {
		return 0;
	}
	if (r != ERR_TRUNCATED && r != ERR_LENGTH) {
		return r;
	}
	r = segment_rest(s, &rest);
	if (r < 0) {
		return r;
	}
	if (last && verify_is_live(v->request->dirs[0])) {
		verify_found(v, VERIFY_TORN, v->range.size, v->range.size, name, offset,
			"the journal is being written: its last append is half there");
	} else {
		verify_found(v, VERIFY_BYTES, v->range.size, v->range.size, name, offset,
			"%" PRIu64 " bytes after record %" PRIu64 " are no record%s", rest, v->range.size - 1,
			last ? " (an append that was cut short, or damage: opening the journal decides)"
			     : "");
	}
	return 0;
}

/* One that was handed over since the folders were listed lies in another one: it is there before it goes. */
static int open_place(const struct verifier *v, const struct place *p, struct segment **ret_segment)
{
	int r = segment_open(&journal_io_system, p->dir, p->first, ret_segment);
	for (size_t i = 0; r == ERR_NOT_FOUND && i < v->request->n_dirs; i++) {
		r = segment_open(&journal_io_system, v->request->dirs[i], p->first, ret_segment);
	}
	return r;
}

static int verify_segment(struct verifier *v, const struct places *places, size_t at)
{
	const struct place *p = &places->place[at];
	bool last = at + 1 == places->n;
	struct segment *s;
	struct frame f;
	char name[SEGMENT_NAME_LEN];
	segment_name(p->first, name);
	int r = open_place(v, p, &s);
	if (r == ERR_NOT_FOUND) {
		v->gone = true; /* what comes next says what that means */
		return 0;
	}
	if (r == ERR_SYSTEM || r == ERR_NO_MEMORY || r == ERR_SPACE) {
		return r;
	}
	if (r < 0) {
		verify_found(v, VERIFY_HEAD, p->first, p->first, name, 0,
			"the segment's head cannot be read: %s", err_str(r));
		v->unknown = true;
		return 0;
	}
	check_head(v, segment_head_of(s), name, went_in_order(v, places, at));
	v->own_begun |= !v->request->part && p->dir == v->request->dirs[0];
	v->gone = false;
	v->any = false;
	v->previous = p->first;
	verify_compare(v);
	uint64_t told = 0;
	while ((r = segment_next(s, &f)) == 1) {
		r = take_frame(v, &f, name);
		if (r < 0) {
			break;
		}
		if (v->request->progress && segment_offset(s) - told >= PROGRESS_BYTES) {
			told = segment_offset(s);
			v->request->progress(v->request->arg, v->result.bytes + told, places->bytes);
		}
	}
	v->result.bytes += segment_offset(s);
	v->result.segments++;
	r = end_segment(v, s, r, last, name);
	segment_free(s);
	return r;
}

static void sum_up(struct verifier *v)
{
	char text[32];
	v->result.size = v->range.size;
	merkle_root(&v->range, &v->result.root);
	verify_compare_rest(v);
	v->result.covered = v->agreed;
	if (v->n_vouched == 0 && v->range.size > 0) {
		verify_found(v, VERIFY_UNVOUCHED, v->result.first, v->range.size, "", 0,
			"there is no checkpoint that the key signed: nothing vouches for these records");
	} else if (v->agreed < v->range.size && !v->request->part) {
		uint64_t from = v->agreed > v->result.first ? v->agreed : v->result.first;
		verify_found(v, VERIFY_UNCOVERED, from, v->range.size, "", 0,
			"%" PRIu64 " records after the last checkpoint that agrees are not yet covered",
			v->range.size - from);
	}
	if (v->steps_back > 0) {
		snprintf(text, sizeof(text), "%" PRId64 ".%03d", v->farthest_back_ms / 1000,
			(int)(v->farthest_back_ms % 1000));
		verify_found(v, VERIFY_TIME, v->first_back, v->first_back + 1, "", 0,
			"%" PRIu64
			" records are of an earlier time than the one before, by %s s at most: the clock was set back, or what "
			"they tell of was kept until it could be recorded",
			v->steps_back, text);
	}
}

/* Those that begin with record `from` and later. ret_last: the last of them; as it was where there is none. */
static int verify_listed(struct verifier *v, uint64_t from, uint64_t *ret_last, size_t *ret_n)
{
	struct places p = {0};
	int r = list_places(v->request, &p);
	*ret_n = 0;
	for (size_t i = 0; r == 0 && i < p.n; i++) {
		if (p.place[i].first >= from) {
			*ret_last = p.place[i].first;
			++*ret_n;
			r = verify_segment(v, &p, i);
		}
	}
	free(p.place);
	return r;
}

/* The last that there was may have been handed over before it was read: then there are others by now. */
static int verify_segments(struct verifier *v)
{
	uint64_t last = 0;
	size_t n = 0;
	int r = verify_listed(v, 0, &last, &n);
	if (r == 0 && n == 0) {
		verify_found(v, VERIFY_NO_SEGMENT, 0, 0, "", 0, "there is no journal");
	}
	while (r == 0 && n > 0 && v->gone) {
		r = verify_listed(v, last + 1, &last, &n);
	}
	if (r == 0 && v->gone) {
		char name[SEGMENT_NAME_LEN];
		segment_name(last, name);
		verify_found(v, VERIFY_HEAD, last, last, name, 0, "the segment went while this was verified");
		v->unknown = true;
	}
	return r;
}

static int verify_all(struct verifier *v)
{
	int r = verify_collect(v);
	r = r < 0 ? r : verify_segments(v);
	if (r < 0) {
		return r;
	}
	sum_up(v);
	verify_gaps(v);
	r = v->request->good ? verify_locate(v) : 0;
	return r < 0 ? r : verify_statements(v);
}

int journal_verify(const struct verify_request *request, struct verify_result *ret_result)
{
	struct verifier v = {.request = request};
	for (size_t i = 0; i < request->n_keys && !v.origin; i++) {
		v.origin = request->keys[i].type == NOTE_ED25519 ? request->keys[i].name : NULL;
	}
	if (!v.origin || request->n_dirs == 0 || request->n_dirs > JOURNAL_FOLDERS_MOST) {
		return ERR_VALUE;
	}
	int r = verify_all(&v);
	transfers_done(&v.transfers);
	free(v.vouched);
	free(v.leaves.hash);
	free(v.hand_overs);
	if (r == 0) {
		*ret_result = v.result;
	}
	return r;
}
