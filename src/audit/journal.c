/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/journal_parts.h"

#include "base/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* All that is kept of a record but its hash. */
static void note(struct journal *j, uint64_t index, const struct journal_record *record)
{
	transfers_take(&j->transfers, index, record);
	if (!j->has_times) {
		j->has_times = true;
		j->first_ms = j->least_ms = j->greatest_ms = record->time_ms;
	}
	j->least_ms = record->time_ms < j->least_ms ? record->time_ms : j->least_ms;
	j->greatest_ms = record->time_ms > j->greatest_ms ? record->time_ms : j->greatest_ms;
}

void journal_took(struct journal *j, const struct journal_record *record, const struct merkle_hash *leaf)
{
	note(j, j->range.size, record);
	merkle_append(&j->range, leaf);
}

uint64_t journal_size(const struct journal *j)
{
	return j->range.size;
}

void journal_range(const struct journal *j, struct merkle_range *ret_range)
{
	merkle_range_copy(ret_range, &j->range);
}

void journal_root(const struct journal *j, struct merkle_hash *ret_root)
{
	merkle_root(&j->range, ret_root);
}

size_t journal_pending(const struct journal *j)
{
	return j->n_pending;
}

bool journal_rolls(const struct journal *j, int64_t time_ms)
{
	if (j->fd < 0) {
		return true;
	}
	/*
	 * A clock that is set back a little does not make a segment old. One that was put right by as much as a segment lasts does, or the
	 * segment would never be, and wrong times would stand among right ones.
	 */
	int64_t apart = time_ms > j->first_ms ? time_ms - j->first_ms : j->first_ms - time_ms;
	return j->has_times && (j->len >= j->params.segment_bytes || apart >= j->params.segment_ms);
}

bool journal_at_head(const struct journal *j, int64_t time_ms)
{
	return j->n_pending == 0 && (j->suspect || !j->has_times || journal_rolls(j, time_ms));
}

/* ---- Appending ---- */

static int room(struct journal *j, size_t n)
{
	if (n > j->params.pending_most - j->buf_len) {
		return ERR_LIMIT;
	}
	if (n <= j->buf_cap - j->buf_len) {
		return 0;
	}
	size_t cap = j->buf_cap ? j->buf_cap : 65536;
	while (cap < j->buf_len + n) {
		cap *= 2;
	}
	uint8_t *buf = realloc(j->buf, cap);
	if (!buf) {
		return ERR_NO_MEMORY;
	}
	j->buf = buf;
	j->buf_cap = cap;
	return 0;
}

int journal_append(struct journal *j, const struct journal_record *record, uint64_t *ret_index)
{
	struct merkle_hash leaf;
	size_t len;
	if (record->n_tokens > JOURNAL_TOKENS_MOST || record->body.len > JOURNAL_BODY_MOST ||
		j->pending.size >= MERKLE_MOST - 1) {
		return ERR_LIMIT;
	}
	int r = room(j, FRAME_HEAD + record_len(record));
	if (r == 0 && record->kind == AUDIT_BEGIN) {
		r = transfers_reserve(&j->transfers, j->n_begins + 1);
	}
	uint8_t *at = j->buf + j->buf_len;
	r = r < 0 ? r : record_write(record, at + FRAME_HEAD, j->buf_cap - j->buf_len - FRAME_HEAD, &len);
	if (r < 0) {
		return r;
	}
	frame_close(at, len, &leaf);
	if (j->n_pending == 0) {
		j->pending_first_ms = record->time_ms;
	}
	j->buf_len += FRAME_HEAD + len;
	j->n_pending++;
	j->n_begins += record->kind == AUDIT_BEGIN;
	*ret_index = j->pending.size;
	j->last_leaf = leaf;
	merkle_append(&j->pending, &leaf);
	return 0;
}

bool journal_pending_last(const struct journal *j, uint64_t *ret_index, struct merkle_hash *ret_leaf)
{
	if (j->n_pending > 0) {
		*ret_index = j->pending.size - 1;
		*ret_leaf = j->last_leaf;
	}
	return j->n_pending > 0;
}

void journal_place(const struct journal *j, struct journal_place *ret_place)
{
	ret_place->buf_len = j->buf_len;
	ret_place->n_pending = j->n_pending;
	ret_place->n_begins = j->n_begins;
	merkle_range_copy(&ret_place->pending, &j->pending);
}

void journal_back(struct journal *j, const struct journal_place *place)
{
	j->buf_len = place->buf_len;
	j->n_pending = place->n_pending;
	j->n_begins = place->n_begins;
	merkle_range_copy(&j->pending, &place->pending);
}

void journal_drop(struct journal *j)
{
	j->buf_len = j->n_pending = j->n_begins = 0;
	merkle_range_copy(&j->pending, &j->range);
}

/* ---- Segments ---- */

static void close_segment(struct journal *j)
{
	if (j->fd >= 0) {
		(void)j->io->close(j->io->arg, j->fd);
	}
	j->fd = -1;
}

int journal_add_boundary(struct journal *j, uint64_t segment, uint64_t size, const struct merkle_hash *root)
{
	if (j->n_boundaries == j->cap_boundaries) {
		size_t cap = j->cap_boundaries ? 2 * j->cap_boundaries : 16;
		struct boundary *more = realloc(j->boundaries, cap * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		j->boundaries = more;
		j->cap_boundaries = cap;
	}
	j->boundaries[j->n_boundaries++] = (struct boundary){.segment = segment, .size = size, .root = *root};
	return 0;
}

static int store_boundary(struct journal *j, uint64_t segment, struct span note)
{
	char name[CHECKPOINT_NAME_LEN];
	segment_checkpoint_name(segment, name);
	return io_replace(j->io, j->dir, name, note);
}

/* The segment before this one is finished: its end wants a checkpoint, or has the last one. */
static int finish_segment(struct journal *j)
{
	struct merkle_hash root;
	if (j->range.size == j->first || j->range.size < j->last.size) {
		return 0; /* without a record, or beyond what can be signed any more */
	}
	if (j->range.size == j->last.size) {
		return store_boundary(j, j->first, span_of(j->last_note, j->last_note_len));
	}
	merkle_root(&j->range, &root);
	if (j->n_boundaries > 0 && j->boundaries[j->n_boundaries - 1].size == j->range.size) {
		return 0; /* remembered when it was tried before */
	}
	return journal_add_boundary(j, j->first, j->range.size, &root);
}

int journal_begin_segment(struct journal *j)
{
	struct segment_head head = {.first = j->range.size, .before = j->range};
	char name[SEGMENT_NAME_LEN];
	uint8_t *bytes = NULL;
	size_t len, n = transfers_len(&j->transfers);
	int fd;
	uint8_t *transfers = malloc(n);
	if (!transfers) {
		return ERR_NO_MEMORY;
	}
	struct writer w = writer_of(transfers, n);
	transfers_write(&j->transfers, &w);
	head.transfers = writer_span_of(&w);
	memcpy(head.origin, j->origin, sizeof(head.origin));
	if (j->has_times) {
		head.previous = j->first;
		head.least_ms = j->least_ms;
		head.greatest_ms = j->greatest_ms;
	}
	int r = writer_end(&w);
	r = r < 0 ? r : segment_head_write(&head, &bytes, &len);
	r = r < 0 ? r : finish_segment(j);
	segment_name(head.first, name);
	r = r < 0 ? r : io_begin(j->io, j->dir, name, span_of(bytes, len), &fd);
	free(bytes);
	free(transfers);
	if (r < 0) {
		return r;
	}
	close_segment(j);
	j->fd = fd;
	j->first = head.first;
	j->len = len;
	j->has_times = false;
	j->dirty = j->suspect = false;
	return 0;
}

/* Is what was committed still to be read, as it was? */
static int read_back(struct journal *j)
{
	struct segment *s;
	struct frame f;
	int r = segment_open(j->io, j->dir, j->first, &s);
	if (r < 0) {
		return r == ERR_SYSTEM || r == ERR_NO_MEMORY || r == ERR_SPACE ? r : ERR_VALUE;
	}
	struct merkle_range range = segment_head_of(s)->before;
	while (r == 0 && segment_offset(s) < j->len) {
		r = segment_next(s, &f);
		if (r == 1) {
			merkle_append(&range, &f.leaf);
		}
		r = r == 1 ? 0 : r == ERR_SYSTEM ? r : ERR_VALUE;
	}
	if (r == 0 && (segment_offset(s) != j->len || !merkle_range_same(&range, &j->range))) {
		r = ERR_VALUE;
	}
	segment_free(s);
	return r;
}

/* Take off the file what does not count. */
static int cut_back(struct journal *j)
{
	if (j->io->truncate(j->io->arg, j->fd, (off_t)j->len) < 0) {
		return io_error();
	}
	j->dirty = false;
	return 0;
}

/*
 * After a failed fdatasync nobody knows which of the file's bytes are on the disk, and the system says so only once. What was
 * committed is read back, what was not is taken off, and the segment is left as it is: a new one begins.
 */
static int leave_suspect(struct journal *j)
{
	int r = read_back(j);
	r = r < 0 ? r : cut_back(j);
	if (r == 0 && j->io->fdatasync(j->io->arg, j->fd) < 0) {
		r = io_error();
	}
	return r;
}

/* A segment to which can be written. */
static int make_ready(struct journal *j)
{
	int r = 0;
	if (j->suspect) {
		r = leave_suspect(j);
	} else if (j->dirty) {
		r = cut_back(j);
	}
	if (r == 0 && (j->suspect || journal_rolls(j, j->pending_first_ms))) {
		r = journal_begin_segment(j);
	}
	return r;
}

/* ---- Committing ---- */

static void take_pending(struct journal *j)
{
	struct reader r = reader_of(span_of(j->buf, j->buf_len));
	for (size_t i = 0; i < j->n_pending; i++) {
		struct journal_record record;
		uint32_t len;
		struct span payload;
		/* Written by journal_append() a moment ago. */
		if (reader_u32be(&r, &len) < 0 || reader_skip(&r, 8) < 0 ||
			reader_bytes(&r, len, &payload) < 0 || record_read(payload, &record) < 0) {
			abort();
		}
		note(j, j->range.size + i, &record);
	}
	merkle_range_copy(&j->range, &j->pending); /* which journal_append() has hashed already */
	j->len += j->buf_len;
}

int journal_commit(struct journal *j)
{
	if (j->n_pending == 0) {
		return 0;
	}
	int r = make_ready(j);
	if (r == 0) {
		r = io_write(j->io, j->fd, j->buf, j->buf_len, j->len);
		j->dirty = r < 0;
		if (r == 0 && j->io->fdatasync(j->io->arg, j->fd) < 0) {
			r = io_error();
			j->dirty = j->suspect = true;
		}
		if (j->dirty) {
			/* Now if it can be, so that nobody finds it; and again before the next. */
			int saved = errno;
			if (cut_back(j) < 0) {
				j->dirty = true;
			}
			errno = saved;
		}
	}
	if (r == 0) {
		take_pending(j);
	}
	journal_drop(j);
	return r == ERR_NOT_FOUND ? ERR_SYSTEM : r;
}

/* ---- Checkpoints ---- */

/* What wants to be signed next. False: nothing. */
static bool next_checkpoint(const struct journal *j, struct checkpoint *ret_checkpoint)
{
	struct checkpoint c = {.size = j->range.size};
	if (j->n_boundaries > 0) {
		c.size = j->boundaries[0].size;
		c.root = j->boundaries[0].root;
	} else if (j->range.size > j->last.size) {
		merkle_root(&j->range, &c.root);
	} else {
		return false;
	}
	memcpy(c.origin, j->origin, sizeof(c.origin));
	*ret_checkpoint = c;
	return true;
}

bool journal_checkpoint_due(const struct journal *j)
{
	struct checkpoint c;
	return next_checkpoint(j, &c);
}

int journal_checkpoint_text(struct journal *j, char *buf, size_t cap, size_t *ret_len)
{
	struct checkpoint c;
	if (!next_checkpoint(j, &c)) {
		return ERR_AGAIN;
	}
	int r = checkpoint_write(&c, buf, cap, ret_len);
	if (r == 0) {
		j->asked = c;
	}
	return r;
}

int journal_store_checkpoint(struct journal *j, struct span note)
{
	struct signed_note n;
	struct checkpoint c;
	int r = checkpoint_read_note(note, &n, &c);
	if (r < 0 || !j->asked.origin[0] || strcmp(c.origin, j->asked.origin) != 0 ||
		c.size != j->asked.size || c.extended || !merkle_same(&c.root, &j->asked.root)) {
		return ERR_VALUE;
	}
	uint8_t *copy = malloc(note.len);
	if (!copy) {
		return ERR_NO_MEMORY;
	}
	memcpy(copy, note.ptr, note.len);
	bool boundary = j->n_boundaries > 0 && j->boundaries[0].size == c.size;
	if (boundary) {
		r = store_boundary(j, j->boundaries[0].segment, note);
	}
	r = r < 0 ? r : io_replace(j->io, j->dir, "checkpoint", note);
	if (r < 0) {
		free(copy);
		return r;
	}
	if (boundary) {
		j->n_boundaries--;
		memmove(j->boundaries, j->boundaries + 1, j->n_boundaries * sizeof(j->boundaries[0]));
	}
	free(j->last_note);
	j->last_note = copy;
	j->last_note_len = note.len;
	j->last = c;
	j->asked = (struct checkpoint){0};
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j) {
		return;
	}
	if (j->fd >= 0 && j->dirty) {
		(void)!cut_back(j);
	}
	close_segment(j);
	if (j->dir >= 0) {
		(void)j->io->close(j->io->arg, j->dir);
	}
	transfers_done(&j->transfers);
	free(j->boundaries);
	free(j->last_note);
	free(j->buf);
	free(j);
}
