/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/scope.h"
#include "audit/io.h"
#include "audit/merkle_many.h"
#include "audit/proof.h"
#include "audit/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRESS_RECORDS 4096

struct candidate {
	struct checkpoint checkpoint;
	uint8_t *note;
	size_t len;
};

struct candidates {
	struct candidate *at;
	size_t n, cap;
};

/* ---- Checkpoints ---- */

static bool is_signed(const struct scope_request *q, const struct signed_note *note, const char *origin)
{
	for (size_t i = 0; i < q->n_keys; i++) {
		if (q->keys[i].type == NOTE_ED25519 && strcmp(q->keys[i].name, origin) == 0 &&
			note_check(note, &q->keys[i], NULL) == 0) {
			return true;
		}
	}
	return false;
}

/* Takes bytes, which are malloc'd. */
static int add(
	const struct scope_request *q, struct candidates *c, const char *origin, uint8_t *bytes, size_t len)
{
	struct candidate one = {.note = bytes, .len = len};
	struct signed_note note;
	if (checkpoint_read_note(span_of(bytes, len), &note, &one.checkpoint) < 0 ||
		strcmp(one.checkpoint.origin, origin) != 0 || !is_signed(q, &note, origin)) {
		free(bytes);
		return 0;
	}
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		struct candidate *more = realloc(c->at, cap * sizeof(*more));
		if (!more) {
			free(bytes);
			return ERR_NO_MEMORY;
		}
		c->at = more;
		c->cap = cap;
	}
	c->at[c->n++] = one;
	return 0;
}

static int add_folder(const struct scope_request *q, struct candidates *c, const char *origin, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), e = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	if (!d) {
		if (fd >= 0) {
			close(fd);
		}
		return ERR_SYSTEM;
	}
	while (e == 0 && (errno = 0, entry = readdir(d))) {
		uint64_t first;
		uint8_t *bytes;
		size_t len;
		enum journal_file kind = segment_file_of(entry->d_name, &first);
		if (kind != FILE_CHECKPOINT && kind != FILE_SEGMENT_CHECKPOINT) {
			continue;
		}
		e = io_read_file(&journal_io_system, dir, entry->d_name, NOTE_MOST, &bytes, &len);
		/* One that is gone, or is no checkpoint, is none. */
		e = e == 0 ? add(q, c, origin, bytes, len) : e == ERR_NO_MEMORY ? e : 0;
	}
	closedir(d);
	return e;
}

static int by_size(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	uint64_t m = x->checkpoint.size, n = y->checkpoint.size;
	return m < n ? -1 : m > n;
}

static int given(const struct scope_request *q, struct candidates *c, const char *origin)
{
	uint8_t *copy = malloc(q->note.len + 1);
	if (!copy) {
		return ERR_NO_MEMORY;
	}
	memcpy(copy, q->note.ptr, q->note.len);
	int e = add(q, c, origin, copy, q->note.len);
	return e == 0 && c->n == 0 ? ERR_VALUE : e;
}

static int find(const struct scope_request *q, struct candidates *c, const char *origin)
{
	int e = 0;
	if (q->note.ptr) {
		return given(q, c, origin);
	}
	for (size_t i = 0; e == 0 && i < q->n_dirs; i++) {
		e = add_folder(q, c, origin, q->dirs[i]);
	}
	if (e == 0 && c->n > 0) {
		qsort(c->at, c->n, sizeof(c->at[0]), by_size);
	}
	return e == 0 && c->n == 0 ? ERR_NOT_FOUND : e;
}

static void candidates_done(struct candidates *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->at[i].note);
	}
	free(c->at);
}

/* The first that covers all, or else the last. */
static uint64_t target(const struct scope_request *q, const struct candidates *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->at[i].checkpoint.size > q->furthest) {
			return c->at[i].checkpoint.size;
		}
	}
	return c->at[c->n - 1].checkpoint.size;
}

/* ---- The pass ---- */

/* At the beginning of the segment that has the record. */
static int go_to(struct journal_reader *r, uint64_t index, struct merkle_range *ret_before)
{
	journal_reader_seek(r, index);
	int e = journal_reader_before(r, ret_before);
	if (e == 0) {
		journal_reader_seek(r, ret_before->size);
	}
	return e;
}

struct pass {
	const struct scope_request *q;
	struct candidates *c;
	struct merkle_range range;
	struct candidate *best;
	int64_t best_ms;
	bool contradicts;
};

/* Is what was read until now what was signed? */
static void compare(struct pass *p, int64_t last_ms)
{
	struct merkle_hash root;
	bool made = false;
	for (size_t i = 0; i < p->c->n; i++) {
		struct candidate *one = &p->c->at[i];
		if (one->checkpoint.size != p->range.size || one->checkpoint.size <= p->q->first) {
			continue;
		}
		if (!made) {
			merkle_root(&p->range, &root);
			made = true;
		}
		if (merkle_same(&root, &one->checkpoint.root)) {
			p->best = one;
			p->best_ms = last_ms;
		} else {
			p->contradicts = true;
		}
	}
}

static bool is_checkpoint(const struct candidates *c, uint64_t size)
{
	const struct candidate key = {.checkpoint.size = size};
	return bsearch(&key, c->at, c->n, sizeof(key), by_size) != NULL;
}

static int run(struct pass *p, struct journal_reader *r, struct scope_result *out)
{
	struct journal_entry e;
	const struct scope_request *q = p->q;
	uint64_t until = target(q, p->c) > q->end ? target(q, p->c) : q->end;
	while (p->range.size < until && !p->contradicts) {
		int err = journal_reader_next(r, &e);
		if (err == ERR_SYSTEM || err == ERR_NO_MEMORY) {
			return err;
		}
		if (err != 1 || e.index != p->range.size) {
			out->damaged = p->range.size;
			return 0;
		}
		merkle_append(&p->range, &e.leaf);
		if (e.index >= q->first && e.index < q->end) {
			merkle_sha256(span_of(out->chain.at, MERKLE_HASH), span_of(e.leaf.at, MERKLE_HASH),
				&out->chain);
			out->read++;
		}
		if (is_checkpoint(p->c, p->range.size)) {
			compare(p, e.record.time_ms);
		}
		if (q->progress && p->range.size % PROGRESS_RECORDS == 0) {
			q->progress(q->arg, p->range.size, until);
		}
	}
	return 0;
}

static void conclude(struct pass *p, struct scope_result *out)
{
	struct candidate *best = p->best;
	out->contradicts = p->contradicts;
	if (!best || p->contradicts) {
		return;
	}
	out->proved = true;
	out->checkpoint = best->checkpoint;
	out->covered = best->checkpoint.size < p->q->end ? best->checkpoint.size : p->q->end;
	out->covered_ms = p->best_ms;
	out->note = best->note;
	out->note_len = best->len;
	best->note = NULL;
}

int scope_prove(const struct scope_request *request, struct scope_result *ret_result)
{
	struct journal_reader *r = NULL;
	struct candidates c = {0};
	struct pass p = {.q = request, .c = &c};
	struct scope_result out = {.damaged = UINT64_MAX};
	char origin[NOTE_NAME_MOST + 1];
	int e = journal_reader_open(request->dirs, request->n_dirs, &r);
	if (e != 0) {
		return e;
	}
	e = journal_reader_origin(r, origin);
	e = e == 0 ? find(request, &c, origin) : e;
	e = e == 0 ? go_to(r, request->least, &p.range) : e;
	if (e == 0) {
		out.from = p.range.size;
		e = run(&p, r, &out);
	}
	if (e == 0) {
		conclude(&p, &out);
		*ret_result = out;
	}
	candidates_done(&c);
	journal_reader_free(r);
	return e;
}

void scope_done(struct scope_result *r)
{
	free(r->note);
	r->note = NULL;
}

/* ---- Proofs ---- */

static int read_leaves(struct journal_reader *r, struct merkle_many *m, uint64_t from, uint64_t size)
{
	struct journal_entry e;
	for (uint64_t i = from; i < size; i++) {
		int err = journal_reader_next(r, &e);
		if (err != 1 || e.index != i) {
			return err == ERR_SYSTEM || err == ERR_NO_MEMORY ? err : ERR_VALUE;
		}
		merkle_many_leaf(m, &e.leaf);
	}
	return 0;
}

struct proving {
	const struct scope_result *result;
	const struct merkle_many *many;
	int (*write)(void *arg, uint64_t index, const char *text, size_t len);
	void *arg;
};

static int write_one(const struct proving *p, const struct journal_entry *e)
{
	struct merkle_proof path;
	char *text = NULL;
	size_t len;
	const struct checkpoint *c = &p->result->checkpoint;
	int err = merkle_many_proof(p->many, e->index, &path);
	err = err == 0 ? merkle_check_inclusion(e->index, c->size, &e->leaf, &path, &c->root) : err;
	if (err != 0) {
		return ERR_VALUE;
	}
	err = proof_write_inclusion(e->index, &e->leaf, e->payload, &path,
		span_of(p->result->note, p->result->note_len), &text, &len);
	err = err == 0 ? p->write(p->arg, e->index, text, len) : err;
	free(text);
	return err;
}

static int write_all(const struct proving *p, struct journal_reader *r, const uint64_t *indices, size_t n)
{
	struct journal_entry e;
	journal_reader_seek(r, indices[0]);
	for (size_t i = 0; i < n;) {
		int err = journal_reader_next(r, &e);
		if (err != 1) {
			return err == ERR_SYSTEM || err == ERR_NO_MEMORY ? err : ERR_VALUE;
		}
		if (e.index != indices[i]) {
			continue;
		}
		err = write_one(p, &e);
		if (err != 0) {
			return err;
		}
		i++;
	}
	return 0;
}

int scope_proofs(const struct scope_request *request, const struct scope_result *result,
	const uint64_t *indices, size_t n,
	int (*write)(void *arg, uint64_t index, const char *text, size_t len), void *arg)
{
	struct journal_reader *r = NULL;
	struct merkle_many *m = NULL;
	struct merkle_range before;
	struct merkle_hash root;
	if (n == 0) {
		return 0;
	}
	int e = journal_reader_open(request->dirs, request->n_dirs, &r);
	e = e == 0 ? go_to(r, indices[0], &before) : e;
	e = e == 0 ? merkle_many_new(indices, n, result->checkpoint.size, &before, &m) : e;
	e = e == 0 ? read_leaves(r, m, before.size, result->checkpoint.size) : e;
	e = e == 0 ? merkle_many_root(m, &root) : e;
	e = e == 0 && !merkle_same(&root, &result->checkpoint.root) ? ERR_VALUE : e;
	if (e == 0) {
		const struct proving p = {.result = result, .many = m, .write = write, .arg = arg};
		e = write_all(&p, r, indices, n);
	}
	merkle_many_free(m);
	journal_reader_free(r);
	return e;
}

/* ---- What is beside them ---- */

static bool is_there(const int *dirs, size_t n_dirs, uint64_t index)
{
	struct journal_reader *r = NULL;
	struct journal_entry e;
	bool there = false;
	if (journal_reader_open(dirs, n_dirs, &r) == 0) {
		journal_reader_seek(r, index);
		there = journal_reader_next(r, &e) == 1 && e.index == index;
	}
	journal_reader_free(r);
	return there;
}

/* Its signature matters not: a false one can only add a doubt. */
static uint64_t speaks_of(int dir)
{
	uint8_t *bytes;
	size_t len;
	struct signed_note note;
	struct checkpoint c;
	if (io_read_file(&journal_io_system, dir, "checkpoint", NOTE_MOST, &bytes, &len) != 0) {
		return 0;
	}
	uint64_t size = checkpoint_read_note(span_of(bytes, len), &note, &c) == 0 ? c.size : 0;
	free(bytes);
	return size;
}

void scope_find_ends(
	const int *dirs, size_t n_dirs, uint64_t first, uint64_t last, struct scope_ends *ret_ends)
{
	*ret_ends = (struct scope_ends){.before_absent = first > 0 && !is_there(dirs, n_dirs, first - 1)};
	for (size_t i = 0; i < n_dirs; i++) {
		uint64_t size = speaks_of(dirs[i]);
		ret_ends->spoken_of = size > ret_ends->spoken_of ? size : ret_ends->spoken_of;
	}
	ret_ends->ends = !is_there(dirs, n_dirs, last + 1);
	ret_ends->after_absent = ret_ends->spoken_of > last + 1 && ret_ends->ends;
}
