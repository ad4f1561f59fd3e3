/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/armor.h"
#include "audit/deed.h"
#include "audit/handover.h"
#include "audit/verify_parts.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STATEMENT_MOST (1024u * 1024)

/* Of the boundary's checkpoint: by the journal's key, and of the same journal. */
static bool vouched_for(const struct verifier *v, const struct handover_statement *s)
{
	struct signed_note note;
	bool good = false;
	if (strcmp(s->origin, v->origin) != 0 || note_read(s->note, &note) < 0) {
		return false;
	}
	for (size_t i = 0; i < v->request->n_keys; i++) {
		int r = note_check(&note, &v->request->keys[i], NULL);
		if (r == ERR_DENIED) {
			return false;
		}
		good |= r == 0 && v->request->keys[i].type == NOTE_ED25519;
	}
	return good;
}

static int check_files(struct verifier *v, int dir, const char *name, const struct handover_statement *s)
{
	unsigned bad = v->result.bad;
	for (size_t i = 0; i < s->n; i++) {
		const struct handover_segment *wanted = &s->segments[i];
		struct handover_segment got = {0};
		char file[SEGMENT_NAME_LEN];
		segment_name(wanted->first, file);
		int r = handover_hash(&journal_io_system, dir, file, &got);
		if (r < 0 && r != ERR_NOT_FOUND) {
			return r;
		}
		if (r == ERR_NOT_FOUND || got.bytes != wanted->bytes ||
			!merkle_same(&got.sha256, &wanted->sha256)) {
			verify_found(v, VERIFY_STATEMENT, wanted->first, wanted->first, name, 0, "%s %s",
				file,
				r == ERR_NOT_FOUND ? "was handed over and is not there"
						   : "is not what was handed over: its SHA-256 is another");
		}
	}
	/* One that begins where what is here begins says nothing of what was before. */
	if (v->result.bad == bad && vouched_for(v, s) && s->first < v->gone_until && s->next > v->stated) {
		v->stated = s->next;
	}
	return 0;
}

static int check_statement(struct verifier *v, int dir, const char *name)
{
	struct handover_statement s;
	uint8_t *bytes;
	size_t len;
	int r = io_read_file(&journal_io_system, dir, name, STATEMENT_MOST, &bytes, &len);
	if (r < 0 && r != ERR_LIMIT) {
		return r == ERR_NOT_FOUND ? 0 : r;
	}
	int e = r < 0 ? r : handover_read(span_of(bytes, len), &s);
	if (e < 0) {
		verify_found(v, VERIFY_STATEMENT, 0, 0, name, 0, "this is no hand-over statement");
		if (r == 0) {
			free(bytes);
		}
		return e == ERR_NO_MEMORY ? e : 0;
	}
	if (!vouched_for(v, &s)) {
		verify_found(v, VERIFY_STATEMENT, s.first, s.next, name, 0,
			"the checkpoint of this hand-over is not signed by the key of `%s`", v->origin);
	}
	r = check_files(v, dir, name, &s);
	free(s.segments);
	free(bytes);
	return r;
}

/* ---- Signed records of hand-overs ---- */

/* Signed falsely, by a key that was given. Records whose key was not given are not held against anything. */
static bool is_false(const struct verifier *v, const struct signed_note *note)
{
	for (size_t i = 0; i < v->request->n_keys; i++) {
		if (note_check(note, &v->request->keys[i], NULL) == ERR_DENIED) {
			return true;
		}
	}
	return false;
}

/* The statement is there, and the one that is told of. */
static int check_told(struct verifier *v, int dir, const char *name, const struct deed *d)
{
	struct handover_segment got = {0};
	uint8_t wanted[MERKLE_HASH];
	const char *statement = deed_get(d, "statement"), *hex = deed_get(d, "sha256");
	if (strcmp(name + strlen("record-"), statement) != 0) {
		verify_found(v, VERIFY_STATEMENT, 0, 0, name, 0, "this record tells of another hand-over");
		return 0;
	}
	int r = handover_hash(&journal_io_system, dir, statement, &got);
	if (r < 0 && r != ERR_NOT_FOUND) {
		return r;
	}
	if (r == ERR_NOT_FOUND || armor_read_hex(span_str(hex), wanted, sizeof(wanted)) < 0 ||
		memcmp(wanted, got.sha256.at, sizeof(wanted)) != 0) {
		verify_found(v, VERIFY_STATEMENT, 0, 0, name, 0, "%s %s", statement,
			r == ERR_NOT_FOUND ? "is told of and is not there"
					   : "is not what this record tells of: its SHA-256 is another");
	}
	return 0;
}

static int check_record(struct verifier *v, int dir, const char *name)
{
	static struct deed d;
	struct signed_note note;
	uint8_t *bytes;
	size_t len;
	int r = io_read_file(&journal_io_system, dir, name, NOTE_MOST, &bytes, &len);
	if (r < 0 && r != ERR_LIMIT) {
		return r == ERR_NOT_FOUND ? 0 : r;
	}
	int e = r < 0 ? r : note_read(span_of(bytes, len), &note);
	e = e < 0 ? e : deed_read(note.text, &d);
	int end = 0;
	if (e < 0 || d.what != DEED_HAND_OVER || strcmp(d.origin, v->origin) != 0 || is_false(v, &note)) {
		verify_found(v, VERIFY_STATEMENT, 0, 0, name, 0,
			"this is no signed record of a hand-over of `%s`", v->origin);
	} else {
		end = check_told(v, dir, name, &d);
	}
	if (r == 0) {
		free(bytes);
	}
	return end;
}

static int check_folder(struct verifier *v, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	uint64_t first;
	if (!d) {
		if (fd >= 0) {
			close(fd);
		}
		return ERR_SYSTEM;
	}
	while (r == 0 && (e = readdir(d))) {
		enum journal_file kind = segment_file_of(e->d_name, &first);
		r = kind == FILE_HANDOVER ? check_statement(v, dir, e->d_name)
		    : kind == FILE_RECORD ? check_record(v, dir, e->d_name)
		                          : 0;
	}
	closedir(d);
	return r;
}

/* Hand-overs that the journal has been told of since its end was read. */
static void told_since(const struct verifier *v, uint64_t *known)
{
	int dir = v->request->dirs[0];
	uint64_t *first = NULL;
	size_t n = 0;
	if (segment_list(dir, &first, &n) < 0) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct segment *s;
		struct frame f;
		struct journal_record record;
		uint64_t next;
		if (first[i] < v->previous || segment_open(&journal_io_system, dir, first[i], &s) < 0) {
			continue;
		}
		while (segment_next(s, &f) == 1) {
			bool told = f.whole && record_read(f.payload, &record) == 0 &&
			            record.kind == JOURNAL_HANDOVER &&
			            handover_body_read(record.body, &next) == 0;
			*known = told && next > *known ? next : *known;
		}
		segment_free(s);
	}
	free(first);
}

/* First it is owed, then it goes, then it is told, then it is owed no more: who asks in that order, after it went, misses it at no moment. */
uint64_t verify_known_gone(const struct verifier *v, uint64_t known, uint64_t until)
{
	int dir = v->request->dirs[0];
	uint64_t owed = handover_owed(dir);
	if (until > known && verify_is_live(dir)) {
		known = owed > known ? owed : known;
		known = v->told > known ? v->told : known;
		told_since(v, &known);
	}
	return known;
}

/* Is it a cold folder that was given as the journal's? */
static bool is_cold(const struct verifier *v)
{
	char name[HANDOVER_STATEMENT_LEN];
	snprintf(name, sizeof(name), "hand-over-%020" PRIu64, v->gone_until);
	return faccessat(v->request->dirs[0], name, F_OK, 0) == 0;
}

/*
 * What is gone from the beginning must have been handed over: by a statement in the folders that were given, by a record that is covered,
 * or, while the journal is written, by what is about to be.
 */
static void check_gone(struct verifier *v)
{
	uint64_t known = v->told_covered > v->stated ? v->told_covered : v->stated;
	known = verify_known_gone(v, known, v->gone_until);
	if (v->gone_until > known) {
		verify_found(v, VERIFY_GAP, known, v->gone_until, "", 0,
			"records %" PRIu64 " to %" PRIu64
			" are not here, and nothing shows that they were handed over: no record that a checkpoint covers, and no statement in the "
			"folders that were given (--cold)%s%s",
			known, v->gone_until - 1,
			handover_owed(v->request->dirs[0]) >= v->gone_until
				? "; the journal's owed-hand-over says that it was begun"
				: "",
			is_cold(v) ? "; a cold folder by itself is judged by --cold without the journal"
				   : "");
	}
}

int verify_statements(struct verifier *v)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < v->request->n_dirs; i++) {
		r = check_folder(v, v->request->dirs[i]);
	}
	if (r == 0 && !v->request->part) {
		check_gone(v);
	}
	return r;
}
