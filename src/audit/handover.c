/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/handover_parts.h"

#include "audit/armor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char title[] = "gantry-hand-over@v1";

#define CHUNK          65536
#define STATEMENT_MOST (NOTE_MOST + HANDOVER_SEGMENTS_MOST * 128u)

/* ---- Files ---- */

/* Read a file to its end, hash it, and write it to another if that is open. */
static int stream(const struct journal_io *io, int from, int to, struct handover_segment *segment)
{
	uint8_t *bytes = malloc(CHUNK);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int r = bytes && c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 ? 0 : ERR_NO_MEMORY;
	size_t got = CHUNK;
	segment->bytes = 0;
	while (r == 0 && got == CHUNK) {
		r = io_read(io, from, bytes, CHUNK, segment->bytes, &got);
		if (r == 0 && EVP_DigestUpdate(c, bytes, got) != 1) {
			r = ERR_NO_MEMORY;
		}
		if (r == 0 && to >= 0) {
			r = io_write(io, to, bytes, got, segment->bytes);
		}
		segment->bytes += r < 0 ? 0 : got;
	}
	if (r == 0 && EVP_DigestFinal_ex(c, segment->sha256.at, NULL) != 1) {
		r = ERR_NO_MEMORY;
	}
	EVP_MD_CTX_free(c);
	free(bytes);
	return r;
}

int handover_hash(
	const struct journal_io *io, int dir, const char *name, struct handover_segment *ret_segment)
{
	struct handover_segment s = {0};
	int fd = io->open(io->arg, dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0) {
		return io_error();
	}
	int r = stream(io, fd, -1, &s);
	(void)io->close(io->arg, fd);
	if (r == 0) {
		s.first = ret_segment->first;
		*ret_segment = s;
	}
	return r;
}

/* Under the name.new, so that a name stands for all of it. */
static int copy_to(
	const struct journal_io *io, int from, int cold, const char *name, struct handover_segment *segment)
{
	char fresh[CHECKPOINT_NAME_LEN + 8];
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	int to = io->open(io->arg, cold, fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (to < 0) {
		return io_error();
	}
	int r = stream(io, from, to, segment);
	if (r == 0 && (io->fdatasync(io->arg, to) < 0 || io->rename(io->arg, cold, fresh, name) < 0 ||
			      io->fsync(io->arg, cold) < 0)) {
		r = io_error();
	}
	if (io->close(io->arg, to) < 0 && r == 0) {
		r = io_error();
	}
	return r;
}

static bool same_file(const struct handover_segment *a, const struct handover_segment *b)
{
	return a->bytes == b->bytes && merkle_same(&a->sha256, &b->sha256);
}

/* A file into the cold folder, and read again there. What lies there is of an interrupted hand-over, or not ours to replace. */
static int copy(
	const struct journal_io *io, int dir, int cold, const char *name, struct handover_segment *segment)
{
	struct handover_segment there = {0};
	int from = io->open(io->arg, dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (from < 0) {
		return io_error();
	}
	int r = handover_hash(io, cold, name, &there);
	bool fresh = r == ERR_NOT_FOUND;
	if (fresh) {
		r = copy_to(io, from, cold, name, segment);
		r = r < 0 ? r : handover_hash(io, cold, name, &there);
	} else if (r == 0) {
		r = stream(io, from, -1, segment);
	}
	(void)io->close(io->arg, from);
	return r < 0 ? r : same_file(&there, segment) ? 0 : fresh ? ERR_VALUE : ERR_EXISTS;
}

/* ---- Which segments ---- */

static int damaged(int r)
{
	return r == ERR_SYSTEM || r == ERR_NO_MEMORY || r == ERR_SPACE ? r : ERR_VALUE;
}

/* Its records, and only they, lead from its head to the next one's. */
static int is_sound(const struct journal_io *io, int dir, uint64_t first, const struct segment_head *next)
{
	struct segment *s;
	struct frame f;
	int r = segment_open(io, dir, first, &s);
	if (r < 0) {
		return damaged(r);
	}
	struct merkle_range range = segment_head_of(s)->before;
	while ((r = segment_next(s, &f)) == 1 && f.whole) {
		merkle_append(&range, &f.leaf);
	}
	segment_free(s);
	return r == 1                                     ? ERR_VALUE
	       : r < 0                                    ? damaged(r)
	       : merkle_range_same(&range, &next->before) ? 0
	                                                  : ERR_VALUE;
}

struct run {
	const struct journal_io *io;
	int dir, cold;
	int64_t before_ms, now_ms;
	uint64_t *first;
	size_t n;
	struct handover_segment *segments;
	size_t n_old;
	char origin[NOTE_NAME_MOST + 1];
	uint8_t *note; /* of the last that goes */
	size_t note_len;
};

/* The checkpoint of a segment's end. 1: there is one, and it is what the next head says; 0; errors. */
static int has_checkpoint(struct run *run, uint64_t first, const struct segment_head *next)
{
	char name[CHECKPOINT_NAME_LEN];
	uint8_t *bytes;
	size_t len;
	struct signed_note note;
	struct checkpoint c;
	struct merkle_hash root;
	segment_checkpoint_name(first, name);
	int r = io_read_file(run->io, run->dir, name, NOTE_MOST, &bytes, &len);
	if (r == ERR_NOT_FOUND) {
		return 0;
	}
	if (r < 0) {
		return damaged(r);
	}
	merkle_root(&next->before, &root);
	if (checkpoint_read_note(span_of(bytes, len), &note, &c) < 0 || strcmp(c.origin, next->origin) != 0 ||
		c.size != next->first || !merkle_same(&c.root, &root)) {
		free(bytes);
		return ERR_VALUE;
	}
	free(run->note);
	run->note = bytes;
	run->note_len = len;
	return 1;
}

/* The newest time of a segment that is not after now. 1; 0: it has none; errors. */
static int newest_until_now(struct run *run, uint64_t first, int64_t *ret_ms)
{
	struct segment *s;
	struct frame f;
	struct journal_record record;
	int64_t newest = INT64_MIN;
	bool found = false;
	int r = segment_open(run->io, run->dir, first, &s);
	if (r < 0) {
		return damaged(r);
	}
	while ((r = segment_next(s, &f)) == 1) {
		if (f.whole && record_read(f.payload, &record) == 0 && record.time_ms <= run->now_ms &&
			record.time_ms >= newest) {
			newest = record.time_ms;
			found = true;
		}
	}
	segment_free(s);
	*ret_ms = newest;
	return r < 0 ? damaged(r) : found;
}

/* The same of the i-th, whose next one's head is h. *ret_all: it has no other times. */
static int newest_of(struct run *run, size_t i, const struct segment_head *h, int64_t *ret_ms, bool *ret_all)
{
	*ret_ms = h->greatest_ms;
	*ret_all = h->greatest_ms <= run->now_ms;
	return *ret_all ? 1 : newest_until_now(run, run->first[i], ret_ms);
}

/*
 * Does the first segment after the i-th that has a time say that it is old? A segment that the clock was wrong in is as old as that
 * one at least; by its own word alone it would go as soon as somebody had put the clock off for a while.
 */
static int next_is_old(struct run *run, size_t i)
{
	int r = 0;
	for (i++; r == 0 && i + 1 < run->n; i++) {
		struct segment *next;
		int64_t newest = INT64_MAX;
		bool all;
		r = segment_open(run->io, run->dir, run->first[i + 1], &next);
		if (r < 0) {
			return damaged(r);
		}
		r = newest_of(run, i, segment_head_of(next), &newest, &all);
		segment_free(next);
		if (r == 1) {
			return newest < run->before_ms;
		}
	}
	return r;
}

/* By the times of its records. 1, 0, errors. */
static int is_of_before(struct run *run, size_t i, const struct segment_head *h)
{
	int64_t newest = INT64_MAX;
	bool all;
	int r = newest_of(run, i, h, &newest, &all);
	if (r < 0 || (r == 1 && newest >= run->before_ms)) {
		return r < 0 ? r : 0;
	}
	return all ? 1 : next_is_old(run, i);
}

/* The segment that is next to the i-th is not the one that came after it. 0, while it is to stay anyway; errors. */
static int is_apart(struct run *run, size_t i)
{
	int64_t newest = INT64_MAX;
	int r = newest_until_now(run, run->first[i], &newest);
	return r == 1 && newest < run->before_ms ? ERR_VALUE : r < 0 ? r : 0;
}

/* 1: the i-th segment is old enough, sound and vouched for; 0: it stays, and all after it. */
static int is_old(struct run *run, size_t i)
{
	struct segment *next;
	int r = segment_open(run->io, run->dir, run->first[i + 1], &next);
	if (r < 0) {
		return damaged(r);
	}
	const struct segment_head *h = segment_head_of(next);
	r = h->previous == run->first[i] ? is_of_before(run, i, h) : is_apart(run, i);
	r = r == 1 ? has_checkpoint(run, run->first[i], h) : r;
	int sound = r == 1 ? is_sound(run->io, run->dir, run->first[i], h) : 0;
	r = sound < 0 ? sound : r;
	memcpy(run->origin, h->origin, sizeof(run->origin));
	segment_free(next);
	return r;
}

/* ---- The statement ---- */

/* An interrupted hand-over has left one, of less perhaps; another journal's is not ours to replace. */
static int may_state(const struct run *run, const char *name)
{
	struct handover_statement s;
	uint8_t *bytes;
	size_t len;
	int r = io_read_file(run->io, run->cold, name, STATEMENT_MOST, &bytes, &len);
	if (r < 0) {
		return r == ERR_NOT_FOUND ? 0 : r == ERR_LIMIT ? ERR_EXISTS : r;
	}
	r = handover_read(span_of(bytes, len), &s);
	if (r == 0) {
		r = strcmp(s.origin, run->origin) == 0 ? 0 : ERR_EXISTS;
		free(s.segments);
	} else if (r != ERR_NO_MEMORY) {
		r = ERR_EXISTS;
	}
	free(bytes);
	return r;
}

static int write_statement(struct run *run, struct handover *h)
{
	size_t cap = STATEMENT_MOST;
	uint8_t *text = malloc(cap);
	if (!text) {
		return ERR_NO_MEMORY;
	}
	struct writer w = writer_of(text, cap);
	armor_write_text(&w, title);
	writer_u8(&w, '\n');
	armor_write_text(&w, run->origin);
	armor_write_text(&w, "\nrecords ");
	armor_write_number(&w, h->first);
	writer_u8(&w, ' ');
	armor_write_number(&w, h->next);
	writer_u8(&w, '\n');
	for (size_t i = 0; i < run->n_old; i++) {
		char name[SEGMENT_NAME_LEN];
		segment_name(run->segments[i].first, name);
		armor_write_text(&w, name);
		writer_u8(&w, ' ');
		armor_write_number(&w, run->segments[i].bytes);
		writer_u8(&w, ' ');
		armor_write_hex(&w, span_of(run->segments[i].sha256.at, MERKLE_HASH));
		writer_u8(&w, '\n');
	}
	writer_u8(&w, '\n');
	writer_bytes(&w, run->note, run->note_len);
	int r = writer_end(&w);
	if (r == 0) {
		snprintf(h->statement, sizeof(h->statement), "hand-over-%020" PRIu64, h->first);
		merkle_sha256(writer_span_of(&w), (struct span){0}, &h->sha256);
		r = may_state(run, h->statement);
		r = r < 0 ? r : io_replace(run->io, run->cold, h->statement, writer_span_of(&w));
	}
	free(text);
	return r;
}

static int read_segments(struct span *text, struct handover_statement *s)
{
	struct span line, word;
	int r;
	s->segments = calloc(HANDOVER_SEGMENTS_MOST, sizeof(*s->segments));
	if (!s->segments) {
		return ERR_NO_MEMORY;
	}
	while ((r = armor_line(text, &line)) == 0 && line.len > 0) {
		struct handover_segment *g = &s->segments[s->n];
		char name[SEGMENT_NAME_LEN] = "";
		if (s->n == HANDOVER_SEGMENTS_MOST) {
			return ERR_LIMIT;
		}
		if (line.len < SEGMENT_NAME_LEN + 2 * MERKLE_HASH + 1) {
			return ERR_VALUE;
		}
		memcpy(name, line.ptr, SEGMENT_NAME_LEN - 1);
		size_t bytes = line.len - SEGMENT_NAME_LEN - 2 * MERKLE_HASH - 1;
		word = span_of(line.ptr + SEGMENT_NAME_LEN, bytes);
		if (segment_file_of(name, &g->first) != FILE_SEGMENT ||
			line.ptr[SEGMENT_NAME_LEN - 1] != ' ' || line.ptr[SEGMENT_NAME_LEN + bytes] != ' ' ||
			armor_read_number(word, &g->bytes) < 0 ||
			armor_read_hex(span_of(line.ptr + SEGMENT_NAME_LEN + bytes + 1, 2 * MERKLE_HASH),
				g->sha256.at, MERKLE_HASH) < 0) {
			return ERR_VALUE;
		}
		if (s->n > 0 ? g->first <= s->segments[s->n - 1].first : g->first != s->first) {
			return ERR_ORDER;
		}
		s->n++;
	}
	return r < 0 ? r : s->n == 0 ? ERR_VALUE : 0;
}

int handover_read(struct span text, struct handover_statement *ret_statement)
{
	struct handover_statement s = {0};
	struct span line, origin = {0}, rest;
	struct signed_note note;
	int r = armor_line(&text, &line);
	r = r < 0 ? r : span_eq(line, span_str(title)) ? armor_line(&text, &origin) : ERR_VALUE;
	r = r < 0 ? r : note_name_valid(origin) ? armor_line(&text, &line) : ERR_VALUE;
	if (r < 0) {
		return r;
	}
	memcpy(s.origin, origin.ptr, origin.len);
	const uint8_t *space = armor_after(line, "records", &rest) ? memchr(rest.ptr, ' ', rest.len) : NULL;
	if (!space || armor_read_number(span_of(rest.ptr, (size_t)(space - rest.ptr)), &s.first) < 0 ||
		armor_read_number(span_of(space + 1, rest.len - (size_t)(space - rest.ptr) - 1), &s.next) <
			0 ||
		s.next <= s.first) {
		return ERR_VALUE;
	}
	r = read_segments(&text, &s);
	r = r < 0 ? r : checkpoint_read_note(text, &note, &s.checkpoint);
	if (r == 0 && (s.checkpoint.size != s.next || strcmp(s.checkpoint.origin, s.origin) != 0)) {
		r = ERR_VALUE;
	}
	if (r < 0) {
		free(s.segments);
		return r;
	}
	s.note = text;
	*ret_statement = s;
	return 0;
}

/* ---- Doing it ---- */

static int copy_all(struct run *run, struct handover *h)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < run->n_old; i++) {
		char name[CHECKPOINT_NAME_LEN];
		struct handover_segment checkpoint = {0};
		run->segments[i].first = run->first[i];
		segment_name(run->first[i], name);
		r = copy(run->io, run->dir, run->cold, name, &run->segments[i]);
		segment_checkpoint_name(run->first[i], name);
		r = r < 0 ? r : copy(run->io, run->dir, run->cold, name, &checkpoint);
		h->bytes += run->segments[i].bytes;
	}
	return r;
}

static int remove_all(struct run *run)
{
	/* Oldest first: what is left is a journal at any moment. */
	for (size_t i = 0; i < run->n_old; i++) {
		char name[CHECKPOINT_NAME_LEN];
		segment_name(run->first[i], name);
		if (run->io->unlink(run->io->arg, run->dir, name) < 0 && errno != ENOENT) {
			return io_error();
		}
		segment_checkpoint_name(run->first[i], name);
		if (run->io->unlink(run->io->arg, run->dir, name) < 0 && errno != ENOENT) {
			return io_error();
		}
	}
	return run->io->fsync(run->io->arg, run->dir) < 0 ? io_error() : 0;
}

/* Is what was stated in this cold folder? Another one may have been configured since: its segments and its record belong beside it. */
static int is_stated(const struct run *run, const struct handover *owed)
{
	struct handover_statement s;
	struct merkle_hash sha256;
	uint8_t *bytes;
	size_t len;
	int r = io_read_file(run->io, run->cold, owed->statement, STATEMENT_MOST, &bytes, &len);
	if (r < 0) {
		return r == ERR_NOT_FOUND || r == ERR_LIMIT ? ERR_MISSING : r;
	}
	merkle_sha256(span_of(bytes, len), (struct span){0}, &sha256);
	r = merkle_same(&sha256, &owed->sha256) ? handover_read(span_of(bytes, len), &s) : ERR_MISSING;
	if (r == 0) {
		r = s.first == owed->first && s.next == owed->next ? 0 : ERR_MISSING;
		free(s.segments);
	}
	free(bytes);
	return r == 0 || r == ERR_NO_MEMORY ? r : ERR_MISSING;
}

/* What was stated and may still be there goes, each as before: nothing that is not in the cold folder. */
static int finish(struct run *run, const struct handover *owed)
{
	struct handover ignored = {0};
	int r = is_stated(run, owed);
	r = r < 0 ? r : segment_list(run->dir, &run->first, &run->n);
	while (r == 0 && run->n_old + 1 < run->n && run->first[run->n_old] < owed->next) {
		run->n_old++;
	}
	if (r < 0 || run->n_old == 0) {
		return r;
	}
	run->segments = calloc(run->n_old, sizeof(*run->segments));
	r = run->segments ? copy_all(run, &ignored) : ERR_NO_MEMORY;
	return r < 0 ? r : remove_all(run);
}

/* By another name, a link or a mount: what is removed after it was copied would be gone. */
static int are_two(int dir, int cold)
{
	struct stat a, b;
	if (fstat(dir, &a) < 0 || fstat(cold, &b) < 0) {
		return ERR_SYSTEM;
	}
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino ? ERR_DENIED : 0;
}

static int hand_over(struct run *run, struct handover *h)
{
	int r = are_two(run->dir, run->cold);
	r = r < 0 ? r : handover_owed_read(run->io, run->dir, h);
	if (r != 0) {
		return r < 0 ? r : finish(run, h);
	}
	r = segment_list(run->dir, &run->first, &run->n);
	while (r == 0 && run->n_old + 1 < run->n && run->n_old < HANDOVER_SEGMENTS_MOST) {
		r = is_old(run, run->n_old);
		if (r <= 0) {
			break;
		}
		run->n_old++;
		r = 0;
	}
	if (r < 0 || run->n_old == 0) {
		return r;
	}
	h->first = run->first[0];
	h->next = run->first[run->n_old];
	h->segments = run->n_old;
	run->segments = calloc(run->n_old, sizeof(*run->segments));
	r = run->segments ? copy_all(run, h) : ERR_NO_MEMORY;
	r = r < 0 ? r : write_statement(run, h);
	r = r < 0 ? r : handover_owed_write(run->io, run->dir, h);
	return r < 0 ? r : remove_all(run);
}

int journal_hand_over(int dir, int cold, int64_t before_ms, int64_t now_ms, const struct journal_io *io,
	struct handover *ret_handover)
{
	struct run run = {.io = io ? io : &journal_io_system,
		.dir = dir,
		.cold = cold,
		.before_ms = before_ms,
		.now_ms = now_ms};
	struct handover h = {0};
	int r = hand_over(&run, &h);
	free(run.first);
	free(run.segments);
	free(run.note);
	if (r == 0) {
		*ret_handover = h;
	}
	return r == ERR_NOT_FOUND ? ERR_SYSTEM : r;
}
