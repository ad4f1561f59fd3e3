/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/proof.h"

#include "audit/armor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char inclusion_title[] = "c2sp.org/tlog-proof@v1";
static const char consistency_title[] = "gantry-consistency-proof@v1";
static const char record_title[] = "gantry-record\n";
static const char leaf_title[] = "gantry-leaf\n";

/* ---- Writing ---- */

static void put_hashes(struct writer *w, const struct merkle_proof *path)
{
	for (unsigned i = 0; i < path->n; i++) {
		armor_write(w, span_of(path->hash[i].at, MERKLE_HASH));
		writer_u8(w, '\n');
	}
	writer_u8(w, '\n');
}

static int take(struct writer *w, char **ret_text, size_t *ret_len)
{
	int r = writer_end(w);
	if (r < 0) {
		free(w->ptr);
		return r;
	}
	*ret_text = (char *)w->ptr;
	*ret_len = w->len;
	return 0;
}

#define REST_MOST (1024 + MERKLE_PROOF_MOST * (ARMOR_LEN(MERKLE_HASH) + 1))

int proof_write_inclusion(uint64_t index, const struct merkle_hash *leaf, struct span record,
	const struct merkle_proof *path, struct span note, char **ret_text, size_t *ret_len)
{
	const char *kind = record.ptr ? record_title : leaf_title;
	struct span what = record.ptr ? record : span_of(leaf->at, MERKLE_HASH);
	size_t n = strlen(kind) + what.len, cap = ARMOR_LEN(n) + REST_MOST + note.len;
	uint8_t *extra = malloc(n), *text = malloc(cap);
	if (!extra || !text) {
		free(extra);
		free(text);
		return ERR_NO_MEMORY;
	}
	struct writer e = writer_of(extra, n), w = writer_of(text, cap);
	armor_write_text(&e, kind);
	writer_span(&e, what);
	armor_write_text(&w, inclusion_title);
	armor_write_text(&w, "\nextra ");
	armor_write(&w, writer_span_of(&e));
	armor_write_text(&w, "\nindex ");
	armor_write_number(&w, index);
	writer_u8(&w, '\n');
	put_hashes(&w, path);
	writer_span(&w, note);
	free(extra);
	return take(&w, ret_text, ret_len);
}

int proof_write_consistency(struct span old_note, const struct merkle_proof *path, struct span new_note,
	char **ret_text, size_t *ret_len)
{
	size_t cap = ARMOR_LEN(old_note.len) + REST_MOST + new_note.len;
	uint8_t *text = malloc(cap);
	if (!text) {
		return ERR_NO_MEMORY;
	}
	struct writer w = writer_of(text, cap);
	armor_write_text(&w, consistency_title);
	armor_write_text(&w, "\nold ");
	armor_write(&w, old_note);
	writer_u8(&w, '\n');
	put_hashes(&w, path);
	writer_span(&w, new_note);
	return take(&w, ret_text, ret_len);
}

/* ---- Reading ---- */

static bool begins(struct span s, const char *with, struct span *ret_rest)
{
	size_t n = strlen(with);
	if (s.len < n || memcmp(s.ptr, with, n) != 0) {
		return false;
	}
	*ret_rest = span_of(s.ptr + n, s.len - n);
	return true;
}

/* `line` after its word, decoded into p->bytes. */
static int read_extra(struct proof *p, struct span text)
{
	size_t len, cap = text.len / 4 * 3 + 1;
	p->bytes = malloc(cap);
	if (!p->bytes) {
		return ERR_NO_MEMORY;
	}
	int r = armor_read(text, p->bytes, cap, &len);
	if (r == 0) {
		p->extra = span_of(p->bytes, len);
	}
	return r;
}

/* What the extra says of the leaf. Another program's extra says nothing to us. */
static void take_leaf(struct proof *p)
{
	struct span rest;
	if (begins(p->extra, record_title, &rest)) {
		p->record = rest;
		p->has_record = p->has_leaf = true;
		merkle_leaf(rest, &p->leaf);
	} else if (begins(p->extra, leaf_title, &rest) && rest.len == MERKLE_HASH) {
		memcpy(p->leaf.at, rest.ptr, MERKLE_HASH);
		p->has_leaf = true;
	}
}

static int read_hashes(struct span *text, struct merkle_proof *path)
{
	struct span line;
	int r;
	while ((r = armor_line(text, &line)) == 0 && line.len > 0) {
		if (path->n == MERKLE_PROOF_MOST) {
			return ERR_LIMIT;
		}
		r = armor_read_exactly(line, path->hash[path->n++].at, MERKLE_HASH);
		if (r < 0) {
			return ERR_VALUE;
		}
	}
	return r;
}

static int read_fields(struct span *text, struct proof *p)
{
	struct span line, rest;
	int r = armor_line(text, &line);
	if (r == 0 && p->kind == PROOF_CONSISTENCY) {
		return armor_after(line, "old", &rest) ? read_extra(p, rest) : ERR_VALUE;
	}
	if (r == 0 && armor_after(line, "extra", &rest)) {
		r = read_extra(p, rest);
		r = r < 0 ? r : armor_line(text, &line);
	}
	return r < 0 ? r : armor_after(line, "index", &rest) ? armor_read_number(rest, &p->index) : ERR_VALUE;
}

int proof_read(struct span text, struct proof *ret_proof)
{
	struct proof p = {0};
	struct span line;
	if (text.len > PROOF_MOST) {
		return ERR_LENGTH;
	}
	if (armor_line(&text, &line) < 0) {
		return ERR_TYPE;
	}
	if (span_eq(line, span_str(consistency_title))) {
		p.kind = PROOF_CONSISTENCY;
	} else if (!span_eq(line, span_str(inclusion_title))) {
		return ERR_TYPE;
	}
	int r = read_fields(&text, &p);
	r = r < 0 ? r : read_hashes(&text, &p.path);
	if (r < 0) {
		proof_done(&p);
		return r;
	}
	p.note = text;
	if (p.kind == PROOF_INCLUSION) {
		take_leaf(&p);
	}
	*ret_proof = p;
	return 0;
}

void proof_done(struct proof *p)
{
	free(p->bytes);
	*p = (struct proof){0};
}

/* ---- Checking ---- */

/* A checkpoint that the journal's key signed. False: *v says why not. */
static bool is_signed(struct span bytes, const struct note_key *keys, size_t n_keys, const char *which,
	struct checkpoint *ret_checkpoint, bool witnesses, struct proof_verdict *v)
{
	struct signed_note note;
	bool good = false;
	if (checkpoint_read_note(bytes, &note, ret_checkpoint) < 0) {
		snprintf(v->why, sizeof(v->why), "the %s is none", which);
		return false;
	}
	for (size_t i = 0; i < n_keys; i++) {
		uint64_t time_s;
		int r = note_check(&note, &keys[i], &time_s);
		if (r == ERR_DENIED) {
			snprintf(v->why, sizeof(v->why), "the %s has a false signature of `%.200s`", which,
				keys[i].name);
			return false;
		}
		if (r == 0 && keys[i].type == NOTE_ED25519) {
			good |= strcmp(keys[i].name, ret_checkpoint->origin) == 0;
		} else if (r == 0 && witnesses && v->n_witnesses < ARRAY_LEN(v->witness)) {
			v->witness_s[v->n_witnesses] = time_s;
			v->witness[v->n_witnesses++] = &keys[i];
		}
	}
	if (!good) {
		snprintf(v->why, sizeof(v->why), "the %s is not signed by the key that was given", which);
	}
	return good;
}

static bool check_consistency(
	const struct proof *p, const struct note_key *keys, size_t n_keys, struct proof_verdict *v)
{
	if (!is_signed(p->extra, keys, n_keys, "old checkpoint", &v->old, false, v)) {
		return false;
	}
	if (strcmp(v->old.origin, v->checkpoint.origin) != 0) {
		snprintf(v->why, sizeof(v->why), "the checkpoints are of two journals");
		return false;
	}
	if (merkle_check_consistency(
		    v->old.size, v->checkpoint.size, &v->old.root, &v->checkpoint.root, &p->path) < 0) {
		snprintf(v->why, sizeof(v->why),
			"the hashes do not lead from the old checkpoint to the new one: this is no proof that the new one continues "
			"the old one");
		return false;
	}
	return true;
}

static bool check_inclusion(const struct proof *p, struct span record, struct proof_verdict *v)
{
	struct merkle_hash leaf = p->leaf;
	if (record.ptr) {
		merkle_leaf(record, &leaf);
		if (p->has_leaf && !merkle_same(&leaf, &p->leaf)) {
			snprintf(v->why, sizeof(v->why),
				"the record that was given is not the one that the proof is about");
			return false;
		}
	} else if (!p->has_leaf) {
		snprintf(v->why, sizeof(v->why),
			"the proof says nothing of its record, which must be given beside it");
		return false;
	}
	if (merkle_check_inclusion(p->index, v->checkpoint.size, &leaf, &p->path, &v->checkpoint.root) < 0) {
		snprintf(v->why, sizeof(v->why),
			"the hashes do not lead from record %" PRIu64 " to the checkpoint's root", p->index);
		return false;
	}
	return true;
}

void proof_check(const struct proof *p, const struct note_key *keys, size_t n_keys, struct span record,
	struct proof_verdict *ret_verdict)
{
	struct proof_verdict v = {0};
	v.good = is_signed(p->note, keys, n_keys, "checkpoint", &v.checkpoint, true, &v) &&
	         (p->kind == PROOF_CONSISTENCY ? check_consistency(p, keys, n_keys, &v)
					       : check_inclusion(p, record, &v));
	*ret_verdict = v;
}

/* ---- Making ---- */

struct making {
	struct journal_reader *reader;
	struct merkle_range range;
	struct merkle_prover *prover;
	bool copies; /* the record's bytes go into the proof */
	uint64_t index;
	struct merkle_hash leaf;
	struct span record;
	uint8_t *bytes;
};

static void making_done(struct making *m)
{
	journal_reader_free(m->reader);
	merkle_prover_free(m->prover);
	free(m->bytes);
}

/* Begin at the segment that has record `from`: what is before it is known by its head. */
static int start(struct making *m, const int *dirs, size_t n_dirs, uint64_t from)
{
	int r = journal_reader_open(dirs, n_dirs, &m->reader);
	if (r < 0) {
		return r;
	}
	if (from < journal_reader_first(m->reader)) {
		return ERR_NOT_FOUND;
	}
	journal_reader_seek(m->reader, from);
	r = journal_reader_before(m->reader, &m->range);
	if (r < 0) {
		return r;
	}
	journal_reader_seek(m->reader, m->range.size);
	return merkle_prover_start(m->prover, &m->range);
}

static int keep_record(struct making *m, const struct journal_entry *e)
{
	m->leaf = e->leaf;
	if (!m->copies) {
		return 0;
	}
	m->bytes = malloc(e->payload.len);
	if (!m->bytes) {
		return ERR_NO_MEMORY;
	}
	memcpy(m->bytes, e->payload.ptr, e->payload.len);
	m->record = span_of(m->bytes, e->payload.len);
	return 0;
}

/* Read up to `size` records; on the way the root of old (NULL: none) is held against what is there. */
static int read_on(struct making *m, const struct checkpoint *c, const struct checkpoint *old)
{
	struct merkle_hash root;
	int r = 0;
	while (r == 0) {
		if ((old && m->range.size == old->size) || m->range.size == c->size) {
			merkle_root(&m->range, &root);
			if (!merkle_same(&root, m->range.size == c->size ? &c->root : &old->root)) {
				return ERR_VALUE;
			}
		}
		if (m->range.size == c->size) {
			return 0;
		}
		struct journal_entry e;
		r = journal_reader_next(m->reader, &e);
		if (r <= 0) {
			return r == 0 ? ERR_MISSING : r;
		}
		if (e.index != m->range.size) {
			return ERR_MISSING;
		}
		merkle_prover_leaf(m->prover, e.index, &e.leaf);
		merkle_append(&m->range, &e.leaf);
		r = e.index == m->index ? keep_record(m, &e) : 0;
	}
	return r;
}

int proof_make_inclusion(const int *dirs, size_t n_dirs, uint64_t index, bool with_record, struct span note,
	char **ret_text, size_t *ret_len)
{
	struct making m = {.copies = with_record, .index = index};
	struct signed_note n;
	struct checkpoint c;
	struct merkle_proof path;
	if (checkpoint_read_note(note, &n, &c) < 0 || index >= c.size) {
		return ERR_VALUE;
	}
	int r = merkle_prove_inclusion(index, c.size, &m.prover);
	r = r < 0 ? r : start(&m, dirs, n_dirs, index);
	r = r < 0 ? r : read_on(&m, &c, NULL);
	r = r < 0 ? r : merkle_prover_end(m.prover, &path);
	r = r < 0 ? r : proof_write_inclusion(index, &m.leaf, m.record, &path, note, ret_text, ret_len);
	making_done(&m);
	return r;
}

int proof_make_consistency(const int *dirs, size_t n_dirs, struct span old_note, struct span new_note,
	char **ret_text, size_t *ret_len)
{
	struct making m = {.index = UINT64_MAX};
	struct signed_note n;
	struct checkpoint old, c;
	struct merkle_proof path;
	if (checkpoint_read_note(old_note, &n, &old) < 0 || checkpoint_read_note(new_note, &n, &c) < 0 ||
		strcmp(old.origin, c.origin) != 0 || old.size > c.size || old.size == 0) {
		return ERR_VALUE;
	}
	int r = merkle_prove_consistency(old.size, c.size, &m.prover);
	r = r < 0 ? r : start(&m, dirs, n_dirs, old.size);
	r = r < 0 ? r : read_on(&m, &c, &old);
	r = r < 0 ? r : merkle_prover_end(m.prover, &path);
	r = r < 0 ? r : proof_write_consistency(old_note, &path, new_note, ret_text, ret_len);
	making_done(&m);
	return r;
}
