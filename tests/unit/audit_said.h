/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SAID_H
#define AUDIT_SAID_H

/* What a verifier says of journals that tests make. After cmocka.h. */

#include "audit/handover.h"
#include "audit/verify.h"
#include "audit_made.h"

#define RECORDS 40

/* A journal of `size` records in several segments, in the manner of made_record(), all of it vouched for. */
static inline void make(struct made_folder *f, unsigned size, unsigned first_number)
{
	struct journal *j;
	struct journal_recovered rec;
	struct journal_params params = {.segment_bytes = 1000};
	uint64_t index;
	*f = made_folder();
	assert_int_equal(journal_open(f->dir, MADE_ORIGIN, &params, NULL, &j, &rec), 0);
	for (unsigned i = 0; i < size; i++) {
		assert_int_equal(made_append(j, first_number + i, &index), 0);
		assert_int_equal(journal_commit(j), 0);
	}
	made_checkpoints(j);
	journal_close(j);
}

/* The record of a hand-over, as the auditor makes it. */
static inline void made_told(struct journal *j, uint64_t next, int64_t time_ms)
{
	struct handover h = {.statement = "hand-over-00000000000000000000", .next = next};
	char body[HANDOVER_BODY_MOST];
	uint64_t index;
	handover_body(&h, body);
	const struct journal_record r = {.kind = JOURNAL_HANDOVER,
		.time_ms = time_ms,
		.about = JOURNAL_NONE,
		.epoch = JOURNAL_NONE,
		.body = span_str(body)};
	assert_int_equal(journal_append(j, &r, &index), 0);
	assert_int_equal(journal_commit(j), 0);
}

/* ---- What a verifier says ---- */

struct said {
	unsigned of[VERIFY_KINDS];
	uint64_t first[VERIFY_KINDS], end[VERIFY_KINDS]; /* of the last of the kind */
	struct verify_result result;
};

static inline void found(void *arg, const struct verify_finding *f)
{
	struct said *s = arg;
	s->of[f->kind]++;
	s->first[f->kind] = f->first;
	s->end[f->kind] = f->end;
	assert_true(strlen(f->text) > 10);
	assert_true(strlen(f->text) < sizeof(f->text) - 1);
}

static inline void verify_with(
	const int *dirs, size_t n_dirs, const struct verify_request *more, struct said *ret_said)
{
	struct note_key keys[2];
	struct said s = {0};
	struct verify_request q = *more;
	made_key(1, MADE_ORIGIN, NOTE_ED25519, &keys[0]);
	made_key(3, "witness.example/w1", NOTE_COSIGNATURE, &keys[1]);
	q.dirs = dirs;
	q.n_dirs = n_dirs;
	q.keys = keys;
	q.n_keys = 2;
	q.found = found;
	q.arg = &s;
	assert_int_equal(journal_verify(&q, &s.result), 0);
	*ret_said = s;
}

static inline void verify(const struct made_folder *f, struct said *ret_said)
{
	verify_with(&f->dir, 1, &(struct verify_request){0}, ret_said);
}

#endif
