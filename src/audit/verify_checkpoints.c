/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/verify_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Is it signed by the journal's key, and by which witnesses? False: told why not. */
static bool is_signed(
	struct verifier *v, const struct signed_note *note, const char *file, bool *ret_cosigned)
{
	bool good = false, cosigned = false;
	for (size_t i = 0; i < v->request->n_keys; i++) {
		const struct note_key *key = &v->request->keys[i];
		int r = note_check(note, key, NULL);
		if (r == ERR_DENIED) {
			verify_found(v, VERIFY_SIGNATURE, 0, 0, file, 0,
				"the signature of `%s` is false: the checkpoint was changed, or forged",
				key->name);
			return false;
		}
		good |= r == 0 && key->type == NOTE_ED25519;
		cosigned |= r == 0 && key->type == NOTE_COSIGNATURE;
	}
	if (!good) {
		verify_found(v, VERIFY_SIGNATURE, 0, 0, file, 0,
			"the checkpoint is not signed by the key of `%s`", v->origin);
	}
	*ret_cosigned = cosigned;
	return good;
}

static int add(struct verifier *v, const char *file, struct span bytes)
{
	struct signed_note note;
	struct vouched c = {0};
	if (checkpoint_read_note(bytes, &note, &c.checkpoint) < 0) {
		verify_found(v, VERIFY_CHECKPOINT, 0, 0, file, 0, "this is no checkpoint");
		return 0;
	}
	if (strcmp(c.checkpoint.origin, v->origin) != 0) {
		verify_found(v, VERIFY_ORIGIN, 0, 0, file, 0,
			"the checkpoint is of the journal `%s`, not of `%s`", c.checkpoint.origin, v->origin);
		return 0;
	}
	if (!is_signed(v, &note, file, &c.cosigned)) {
		return 0;
	}
	if (v->n_vouched == v->cap_vouched) {
		size_t cap = v->cap_vouched ? 2 * v->cap_vouched : 64;
		struct vouched *more = realloc(v->vouched, cap * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		v->vouched = more;
		v->cap_vouched = cap;
	}
	snprintf(c.file, sizeof(c.file), "%s", file);
	v->vouched[v->n_vouched++] = c;
	return 0;
}

static int add_file(struct verifier *v, int dir, const char *name)
{
	uint8_t *bytes;
	size_t len;
	int r = io_read_file(&journal_io_system, dir, name, NOTE_MOST, &bytes, &len);
	if (r == ERR_LIMIT) {
		verify_found(v, VERIFY_CHECKPOINT, 0, 0, name, 0, "this is no checkpoint");
		return 0;
	}
	if (r < 0) {
		return r == ERR_NOT_FOUND ? 0 : r;
	}
	r = add(v, name, span_of(bytes, len));
	free(bytes);
	return r;
}

static int add_name(struct verifier *v, int dir, const char *name)
{
	uint64_t first;
	switch (segment_file_of(name, &first)) {
	case FILE_CHECKPOINT:
	case FILE_SEGMENT_CHECKPOINT:
		return add_file(v, dir, name);
	case FILE_DAMAGED:
		verify_found(v, VERIFY_ASIDE, 0, 0, name, 0,
			"this was kept aside as damaged when the journal was opened");
		return 0;
	case FILE_FOREIGN:
		if (strcmp(name, "spool") == 0) {
			return 0; /* what waits for repositories: a neighbour */
		}
		verify_found(v, VERIFY_FOREIGN, 0, 0, name, 0, "this file is none of the journal's");
		return 0;
	default:
		return 0;
	}
}

static int name_of_journal(struct verifier *v, int dir, const char *name)
{
	uint64_t first;
	(void)v, (void)dir;
	return segment_file_of(name, &first) != FILE_FOREIGN;
}

/* Until take() gives something else than 0. */
static int each_name(struct verifier *v, int dir, int (*take)(struct verifier *v, int dir, const char *name))
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int r = 0;
	if (!d) {
		if (fd >= 0) {
			close(fd);
		}
		return ERR_SYSTEM;
	}
	while (r == 0 && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			r = take(v, dir, e->d_name);
		}
	}
	closedir(d);
	return r;
}

static int by_size(const void *a, const void *b)
{
	const struct vouched *x = a, *y = b;
	if (x->checkpoint.size != y->checkpoint.size) {
		return x->checkpoint.size < y->checkpoint.size ? -1 : 1;
	}
	return strcmp(x->file, y->file);
}

int verify_collect(struct verifier *v)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < v->request->n_dirs; i++) {
		r = each_name(v, v->request->dirs[i], name_of_journal);
	}
	if (r < 0 || (r == 0 && v->request->n_exported == 0)) {
		return r < 0 ? r : ERR_NOT_FOUND;
	}
	r = 0;
	for (size_t i = 0; r == 0 && i < v->request->n_dirs; i++) {
		r = each_name(v, v->request->dirs[i], add_name);
	}
	for (size_t i = 0; r == 0 && i < v->request->n_exported; i++) {
		r = add(v, v->request->exported[i].name, v->request->exported[i].note);
	}
	if (r == 0 && v->n_vouched > 0) {
		qsort(v->vouched, v->n_vouched, sizeof(v->vouched[0]), by_size);
	}
	return r;
}

void verify_compare(struct verifier *v)
{
	for (; v->at_vouched < v->n_vouched; v->at_vouched++) {
		const struct vouched *c = &v->vouched[v->at_vouched];
		uint64_t size = c->checkpoint.size;
		struct merkle_hash root;
		if (size > v->range.size) {
			return;
		}
		if (size < v->range.size) {
			/* Records that are not here any more, or are missing. */
			verify_found(v, VERIFY_UNCHECKED, 0, size, c->file, 0,
				"the checkpoint of %" PRIu64 " records cannot be checked: they are not here",
				size);
			continue;
		}
		merkle_root(&v->range, &root);
		if (merkle_same(&root, &c->checkpoint.root)) {
			v->agreed = size;
			v->told_covered = v->told_by < size ? v->told : v->told_covered;
			v->result.checkpoints++;
			v->result.cosigned += c->cosigned;
			continue;
		}
		verify_found(v, VERIFY_CONTRADICTS, v->agreed, size, c->file, 0,
			"the journal contradicts this checkpoint of %" PRIu64
			" records: it was rewritten since, in %" PRIu64 " to %" PRIu64,
			size, v->agreed, size > 0 ? size - 1 : 0);
	}
}

void verify_compare_rest(struct verifier *v)
{
	for (; v->at_vouched < v->n_vouched; v->at_vouched++) {
		const struct vouched *c = &v->vouched[v->at_vouched];
		uint64_t size = c->checkpoint.size;
		if (v->request->part) {
			verify_found(v, VERIFY_UNCHECKED, 0, size, c->file, 0,
				"the checkpoint of %" PRIu64 " records cannot be checked: those from %" PRIu64
				" on are not here",
				size, v->range.size);
			continue;
		}
		verify_found(v, VERIFY_TRUNCATED, v->range.size, size, c->file, 0,
			"the checkpoint vouches for %" PRIu64 " records, and the journal has %" PRIu64
			": %" PRIu64 " missing, at its end or before",
			size, v->range.size, size - v->range.size);
	}
}
