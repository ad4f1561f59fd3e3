/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/handover.h"
#include "audit/proof.h"
#include "audit_faulty.h"
#include "audit_said.h"

/* ---- Hand-over ---- */

#define TIME_OF(n) (1700000000000 + 1000 * (int64_t)(n))

/* told: the journal has a record of what went, without which that is missing where the cold folder is not looked at. */
static void both_good(const struct made_folder *f, const struct made_folder *cold, uint64_t size, bool told)
{
	struct said s;
	const int dirs[2] = {f->dir, cold->dir};
	verify_with(dirs, 2, &(struct verify_request){0}, &s);
	assert_int_equal(s.result.bad, 0);
	assert_int_equal(s.result.first, 0);
	assert_int_equal(s.result.size, size);
	verify(f, &s);
	assert_int_equal(s.result.bad, told ? 0 : 1);
	assert_int_equal(s.of[VERIFY_GAP], told ? 0 : 1);
	assert_int_equal(s.result.covered, size);
}

/* Cut anywhere, or with more behind it, it is none, and nothing goes by it. */
static void assert_owed_whole(const struct made_folder *f, const struct made_folder *cold)
{
	struct handover h;
	size_t len;
	unsigned segments = made_count(f, FILE_SEGMENT);
	uint8_t *text = made_read(f->dir, "owed-hand-over", &len);
	uint8_t *more = calloc(1, len + 1);
	assert_non_null(more);
	memcpy(more, text, len);
	for (size_t n = 0; n <= len + 1; n++) {
		made_write(f->dir, "owed-hand-over", more, n);
		int wanted = n == len ? 0 : ERR_VALUE;
		assert_int_equal(
			journal_hand_over(f->dir, cold->dir, INT64_MAX, INT64_MAX, NULL, &h), wanted);
		assert_int_equal(made_count(f, FILE_SEGMENT), segments);
	}
	made_write(f->dir, "owed-hand-over", text, len);
	free(more);
	free(text);
}

/* What lies in the cold is guarded too. */
static void cold_is_guarded(const struct made_folder *cold, const char *statement)
{
	struct said s;
	size_t len;
	char name[SEGMENT_NAME_LEN];
	uint8_t *text = made_read(cold->dir, statement, &len);
	text[len / 2] ^= 1;
	made_write(cold->dir, statement, text, len);
	verify(cold, &s);
	assert_true(s.result.bad > 0);
	text[len / 2] ^= 1;
	made_write(cold->dir, statement, text, len);
	free(text);
	segment_name(0, name);
	text = made_read(cold->dir, name, &len);
	text[len - 1] ^= 1;
	made_write(cold->dir, name, text, len);
	verify(cold, &s);
	assert_int_equal(s.of[VERIFY_STATEMENT], 1);
	assert_int_equal(s.of[VERIFY_RECORD], 1);
	free(text);
}

static void test_hand_over(void **state)
{
	struct made_folder f, cold = made_folder();
	struct handover h, again;
	struct said s;
	uint64_t *first;
	size_t n;
	make(&f, RECORDS, 0);
	assert_int_equal(segment_list(f.dir, &first, &n), 0);
	assert_int_equal(journal_hand_over(f.dir, cold.dir, TIME_OF(0), INT64_MAX, NULL, &h), 0);
	assert_int_equal(h.segments, 0);
	/* The greatest time of the second segment is not before itself. */
	assert_int_equal(journal_hand_over(f.dir, cold.dir, TIME_OF(first[2] - 1), INT64_MAX, NULL, &h), 0);
	assert_int_equal(h.segments, 1);
	assert_int_equal(h.next, first[1]);
	both_good(&f, &cold, RECORDS, false);
	verify(&f, &s);
	assert_int_equal(s.of[VERIFY_HANDED_OVER], 1);
	verify(&cold, &s);
	assert_int_equal(s.result.bad, 0);
	assert_int_equal(s.result.covered, first[1]);
	/* The same again, until the journal was told of it. */
	assert_owed_whole(&f, &cold);
	assert_int_equal(journal_hand_over(f.dir, cold.dir, INT64_MAX, INT64_MAX, NULL, &again), 0);
	assert_memory_equal(&again, &h, sizeof(h));
	assert_int_equal(handover_told(f.dir, NULL), 0);
	assert_int_equal(handover_told(f.dir, NULL), ERR_NOT_FOUND);
	/* All but the last. */
	assert_int_equal(journal_hand_over(f.dir, cold.dir, INT64_MAX, INT64_MAX, NULL, &h), 0);
	assert_int_equal(h.segments, n - 2);
	assert_int_equal(h.first, first[1]);
	assert_int_equal(h.next, first[n - 1]);
	assert_int_equal(made_count(&f, FILE_SEGMENT), 1);
	assert_int_equal(made_count(&cold, FILE_HANDOVER), 2);
	both_good(&f, &cold, RECORDS, false);
	size_t len;
	struct handover_statement statement;
	struct merkle_hash sha256;
	uint8_t *text = made_read(cold.dir, h.statement, &len);
	merkle_sha256(span_of(text, len), (struct span){0}, &sha256);
	assert_true(merkle_same(&sha256, &h.sha256));
	assert_int_equal(handover_read(span_of(text, len), &statement), 0);
	assert_int_equal(statement.n, n - 2);
	free(statement.segments);
	for (size_t cut = 0; cut < len; cut++) {
		assert_true(handover_read(span_of(text, cut), &statement) < 0);
	}
	free(text);
	/* The journal goes on. */
	struct journal *j;
	struct journal_recovered rec;
	uint64_t index;
	assert_int_equal(journal_open(f.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	assert_int_equal(rec.size, RECORDS);
	assert_int_equal(rec.damage, JOURNAL_UNDAMAGED);
	assert_int_equal(made_append(j, RECORDS, &index), 0);
	made_told(j, first[1], TIME_OF(RECORDS));
	made_checkpoints(j);
	both_good(&f, &cold, RECORDS + 2, true); /* it is written, and the other one owed */
	journal_close(j);
	both_good(&f, &cold, RECORDS + 2, false);
	assert_int_equal(journal_open(f.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	made_told(j, first[n - 1], TIME_OF(RECORDS + 1));
	journal_close(j);
	verify(&f, &s);
	assert_int_equal(s.of[VERIFY_GAP], 1); /* no checkpoint covers it yet */
	assert_int_equal(journal_open(f.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	made_checkpoints(j);
	journal_close(j);
	both_good(&f, &cold, RECORDS + 3, true);
	cold_is_guarded(&cold, h.statement);
	free(first);
	made_folder_done(&cold);
	made_folder_done(&f);
}

/* A damaged segment stays where it is, and so does all after it; so does one that nobody signed. */
static void test_hand_over_damaged(void **state)
{
	struct made_folder f, cold = made_folder();
	struct handover h;
	uint64_t *first;
	size_t n, len;
	char name[CHECKPOINT_NAME_LEN];
	make(&f, RECORDS, 0);
	assert_int_equal(segment_list(f.dir, &first, &n), 0);
	segment_name(first[1], name);
	uint8_t *bytes = made_read(f.dir, name, &len);
	bytes[len - 1] ^= 1;
	made_write(f.dir, name, bytes, len);
	assert_int_equal(journal_hand_over(f.dir, cold.dir, INT64_MAX, INT64_MAX, NULL, &h), ERR_VALUE);
	assert_int_equal(made_count(&f, FILE_SEGMENT), n);
	assert_int_equal(made_count(&cold, FILE_SEGMENT), 0);
	bytes[len - 1] ^= 1;
	made_write(f.dir, name, bytes, len);
	free(bytes);
	segment_checkpoint_name(first[1], name);
	assert_int_equal(unlinkat(f.dir, name, 0), 0);
	assert_int_equal(journal_hand_over(f.dir, cold.dir, INT64_MAX, INT64_MAX, NULL, &h), 0);
	assert_int_equal(h.segments, 1);
	/* One that had gone is put back before others that did not come after it: said, and not waited for in silence. */
	assert_int_equal(handover_told(f.dir, NULL), 0);
	segment_name(first[0], name);
	bytes = made_read(cold.dir, name, &len);
	segment_name(first[1], name);
	assert_int_equal(unlinkat(f.dir, name, 0), 0);
	segment_name(first[0], name);
	made_write(f.dir, name, bytes, len);
	free(bytes);
	assert_int_equal(journal_hand_over(f.dir, cold.dir, TIME_OF(0), INT64_MAX, NULL, &h), 0);
	assert_int_equal(h.segments, 0);
	assert_int_equal(
		journal_hand_over(f.dir, cold.dir, TIME_OF(RECORDS), INT64_MAX, NULL, &h), ERR_VALUE);
	free(first);
	made_folder_done(&cold);
	made_folder_done(&f);
}

/* The journal's own folder by another name; and one that another journal's segments went to: nothing is lost of either. */
static void test_hand_over_elsewhere(void **state)
{
	struct made_folder f, other, cold = made_folder();
	struct handover h;
	size_t len, other_len;
	char path[300], name[SEGMENT_NAME_LEN];
	make(&f, RECORDS, 0);
	unsigned n = made_count(&f, FILE_SEGMENT);
	snprintf(path, sizeof(path), "%s/./", f.path);
	int same = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(same >= 0);
	assert_int_equal(journal_hand_over(f.dir, same, INT64_MAX, INT64_MAX, NULL, &h), ERR_DENIED);
	close(same);
	assert_int_equal(made_count(&f, FILE_SEGMENT), n);
	make(&other, RECORDS, 1);
	assert_int_equal(journal_hand_over(other.dir, cold.dir, INT64_MAX, INT64_MAX, NULL, &h), 0);
	unsigned in_cold = made_count(&cold, FILE_SEGMENT);
	segment_name(0, name);
	uint8_t *before = made_read(cold.dir, name, &len);
	assert_int_equal(journal_hand_over(f.dir, cold.dir, INT64_MAX, INT64_MAX, NULL, &h), ERR_EXISTS);
	uint8_t *after = made_read(cold.dir, name, &other_len);
	assert_true(span_eq(span_of(before, len), span_of(after, other_len)));
	free(before);
	free(after);
	assert_int_equal(made_count(&f, FILE_SEGMENT), n);
	assert_int_equal(made_count(&cold, FILE_SEGMENT), in_cold);
	made_folder_done(&cold);
	made_folder_done(&other);
	made_folder_done(&f);
}

/* Begun to one cold folder; then another one is configured. Nothing is parted from its statement, and it goes on when it is found. */
static void test_hand_over_to_another(void **state)
{
	struct made_folder f, cold = made_folder(), other = made_folder();
	struct handover h;
	struct said s;
	uint64_t *first;
	size_t n, len;
	make(&f, RECORDS, 0);
	assert_int_equal(segment_list(f.dir, &first, &n), 0);
	/* Of three that were stated one had been removed when it was stopped. */
	assert_int_equal(journal_hand_over(f.dir, cold.dir, TIME_OF(first[3]), INT64_MAX, NULL, &h), 0);
	assert_int_equal(h.segments, 3);
	for (unsigned i = 1; i < 3; i++) {
		char names[2][CHECKPOINT_NAME_LEN];
		segment_name(first[i], names[0]);
		segment_checkpoint_name(first[i], names[1]);
		for (unsigned k = 0; k < 2; k++) {
			uint8_t *bytes = made_read(cold.dir, names[k], &len);
			made_write(f.dir, names[k], bytes, len);
			free(bytes);
		}
	}
	unsigned left = made_count(&f, FILE_SEGMENT);
	assert_int_equal(journal_hand_over(f.dir, other.dir, INT64_MAX, INT64_MAX, NULL, &h), ERR_MISSING);
	assert_int_equal(made_count(&f, FILE_SEGMENT), left);
	assert_int_equal(made_count(&other, FILE_SEGMENT), 0);
	/* A statement of that name that is another one is not it. */
	uint8_t *text = made_read(cold.dir, h.statement, &len);
	text[len - 1] ^= 1;
	made_write(other.dir, h.statement, text, len);
	assert_int_equal(journal_hand_over(f.dir, other.dir, INT64_MAX, INT64_MAX, NULL, &h), ERR_MISSING);
	assert_int_equal(unlinkat(other.dir, h.statement, 0), 0);
	free(text);
	/* The folder of then. */
	assert_int_equal(journal_hand_over(f.dir, cold.dir, INT64_MAX, INT64_MAX, NULL, &h), 0);
	assert_int_equal(h.segments, 3);
	assert_int_equal(handover_told(f.dir, NULL), 0);
	both_good(&f, &cold, RECORDS, false);
	assert_int_equal(journal_hand_over(f.dir, other.dir, INT64_MAX, INT64_MAX, NULL, &h), 0);
	const int dirs[3] = {f.dir, cold.dir, other.dir};
	verify_with(dirs, 3, &(struct verify_request){0}, &s);
	assert_true(s.result.bad == 0 && s.result.first == 0 && s.result.size == RECORDS);
	/* The second folder says nothing of what is in the first. */
	verify(&other, &s);
	assert_int_equal(s.of[VERIFY_GAP], 1);
	assert_true(s.first[VERIFY_GAP] == 0 && s.end[VERIFY_GAP] == first[3]);
	free(first);
	made_folder_done(&other);
	made_folder_done(&cold);
	made_folder_done(&f);
}

/* ---- Clocks that were wrong ---- */

/* A segment for each row's times, days; the last one is open. All of it is vouched for. */
struct wrong {
	int days[6][3];
	unsigned goes; /* segments, with what is of before day 10 at day 100 */
};

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

static void make_wrong(struct made_folder *f, const struct wrong *w)
{
	struct journal *j;
	struct journal_recovered rec;
	struct journal_params params = {.segment_bytes = 1, .segment_ms = INT64_MAX};
	*f = made_folder();
	for (unsigned i = 0; i < ARRAY_LEN(w->days) && w->days[i][0]; i++) {
		params.segment_bytes = 1;
		for (unsigned k = 0; k < ARRAY_LEN(w->days[i]) && w->days[i][k]; k++) {
			char body[128];
			uint64_t index;
			struct journal_record r = made_record(k, body);
			r.time_ms = w->days[i][k] * DAY_MS;
			assert_int_equal(journal_open(f->dir, MADE_ORIGIN, &params, NULL, &j, &rec), 0);
			assert_int_equal(journal_append(j, &r, &index), 0);
			assert_int_equal(journal_commit(j), 0);
			made_checkpoints(j);
			journal_close(j);
			params.segment_bytes = 1u << 20;
		}
	}
}

/*
 * At day 100 what is of before day 10 goes. A time that is still to come keeps nothing from going, and lets nothing go before what came
 * after it; nor does a time long ago.
 */
static void test_hand_over_by_wrong_clocks(void **state)
{
	static const struct wrong rows[] = {{{{1}, {2}, {50}, {60}}, 2}, {{{1, 900, 2}, {3}, {50}, {60}}, 2},
		{{{900}, {3}, {50}, {60}}, 2}, {{{900}, {901}, {3}, {50}, {60}}, 3},
		/* What came after it is not old enough, or all that came after it is of a clock that was wrong. */
		{{{1, 900}, {50}, {60}}, 0}, {{{900}, {50}, {60}}, 0}, {{{1, 900}, {901}, {902}, {60}}, 0},
		{{{1}, {2, 900}, {20}, {60}}, 1}, {{{900}, {3, 11}, {60}}, 0},
		/* Set back for a while: neither what was before goes by it, nor it before that. */
		{{{50}, {1}, {2}, {60}}, 0}, {{{50, 900}, {1}, {60}}, 0}, {{{3}, {50, 1}, {2}, {60}}, 1},
		{{{1, 100}, {101, 2}, {3}, {60}}, 0}};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct made_folder f, cold = made_folder();
		struct handover h;
		make_wrong(&f, &rows[i]);
		assert_int_equal(journal_hand_over(f.dir, cold.dir, 10 * DAY_MS, 100 * DAY_MS, NULL, &h), 0);
		assert_int_equal(h.segments, rows[i].goes);
		made_folder_done(&cold);
		made_folder_done(&f);
	}
}

/* ---- What a record says of a hand-over ---- */

static void test_hand_over_body(void **state)
{
	struct handover h = {
		.statement = "hand-over-00000000000000000007", .next = 1234, .sha256.at = {0xab}};
	char body[HANDOVER_BODY_MOST], statement[HANDOVER_STATEMENT_LEN];
	uint64_t next = 5;
	handover_body(&h, body);
	assert_int_equal(handover_body_read(span_str(body), &next), 0);
	assert_int_equal(next, 1234);
	assert_true(handover_body_statement(span_str(body), statement));
	assert_string_equal(statement, h.statement);
	assert_false(handover_body_statement(span_of(body, strlen(h.statement)), statement));
	size_t len = strlen(body);
	for (size_t i = 0; i + 4 < len; i++) {
		assert_int_equal(handover_body_read(span_of(body, i), &next), ERR_VALUE);
	}
	for (size_t i = 0; i < len; i++) {
		char other[HANDOVER_BODY_MOST];
		memcpy(other, body, sizeof(other));
		other[i] = '~';
		bool in_name = i >= strlen("hand-over-") && i < strlen(h.statement);
		assert_int_equal(
			handover_body_statement(span_str(other), statement), i > strlen(h.statement));
		assert_int_equal(handover_body_read(span_str(other), &next), in_name ? 0 : ERR_VALUE);
	}
	assert_int_equal(next, 1234);
}

/* Stopped at each call, and done again: at no moment is a record in neither folder. */
static void test_hand_over_interrupted(void **state)
{
	static const enum fault faults[] = {FAULT_ONCE, FAULT_SHORT, FAULT_TORN};
	unsigned met = 0;
	for (size_t k = 0; k < ARRAY_LEN(faults); k++) {
		for (unsigned at = 1;; at++) {
			struct made_folder f, cold = made_folder();
			struct faulty y = {.at = at, .fault = faults[k], .error = at % 2 ? EIO : ENOSPC};
			struct journal_io io = faulty_io(&y);
			struct handover h;
			make(&f, RECORDS, 0);
			int r = journal_hand_over(f.dir, cold.dir, TIME_OF(20), INT64_MAX, &io, &h);
			met += y.failed;
			assert_true(r == 0 || r == ERR_SYSTEM || r == ERR_SPACE);
			const int dirs[2] = {f.dir, cold.dir};
			struct said s;
			verify_with(dirs, 2, &(struct verify_request){0}, &s);
			assert_int_equal(s.result.bad, 0);
			assert_int_equal(s.result.first, 0);
			assert_int_equal(s.result.size, RECORDS);
			/* Each is told of that has a statement; no segment goes without. */
			unsigned told = 0;
			do {
				assert_int_equal(
					journal_hand_over(f.dir, cold.dir, TIME_OF(20), INT64_MAX, NULL, &h),
					0);
				told += h.segments > 0;
			} while (handover_told(f.dir, NULL) == 0);
			assert_int_equal(h.segments, 0);
			assert_int_equal(told, made_count(&cold, FILE_HANDOVER));
			both_good(&f, &cold, RECORDS, told == 0);
			bool over = y.calls < at;
			made_folder_done(&cold);
			made_folder_done(&f);
			if (over) {
				break;
			}
		}
	}
	assert_true(met > 100);
}

/* ---- Proofs ---- */

static void check(const char *text, size_t len, bool good, struct span record)
{
	struct note_key key;
	struct proof p;
	struct proof_verdict v;
	made_key(1, MADE_ORIGIN, NOTE_ED25519, &key);
	assert_int_equal(proof_read(span_of(text, len), &p), 0);
	proof_check(&p, &key, 1, record, &v);
	assert_int_equal(v.good, good);
	assert_true(good || strlen(v.why) > 10);
	/* Of another key it is no proof. */
	made_key(2, MADE_ORIGIN, NOTE_ED25519, &key);
	proof_check(&p, &key, 1, record, &v);
	assert_false(v.good);
	proof_done(&p);
}

static void test_proofs(void **state)
{
	struct made_folder f, cold = made_folder();
	struct handover h;
	size_t len, text_len;
	char *text;
	make(&f, RECORDS, 0);
	uint8_t *note = made_read(f.dir, "checkpoint", &len);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < RECORDS; i++) {
			char body[128];
			uint8_t bytes[512];
			size_t n;
			struct journal_record record = made_record(i, body);
			int r = proof_make_inclusion(
				&f.dir, 1, i, i % 2, span_of(note, len), &text, &text_len);
			if (pass == 1 && i < h.next) {
				assert_int_equal(r, ERR_NOT_FOUND);
				const int dirs[2] = {f.dir, cold.dir};
				r = proof_make_inclusion(
					dirs, 2, i, i % 2, span_of(note, len), &text, &text_len);
			}
			assert_int_equal(r, 0);
			check(text, text_len, true, (struct span){0});
			assert_int_equal(record_write(&record, bytes, sizeof(bytes), &n), 0);
			check(text, text_len, true, span_of(bytes, n));
			bytes[n - 1] ^= 1;
			check(text, text_len, false, span_of(bytes, n));
			free(text);
		}
		assert_int_equal(journal_hand_over(f.dir, cold.dir, TIME_OF(20), INT64_MAX, NULL, &h), 0);
	}
	assert_int_equal(
		proof_make_inclusion(&f.dir, 1, RECORDS, false, span_of(note, len), &text, &text_len),
		ERR_VALUE);
	free(note);
	made_folder_done(&cold);
	made_folder_done(&f);
}

/* Every byte of a proof changed: not read, or not proved. What is in no hash (RFC's words of the extra) proves the same. */
static void test_proof_every_byte(void **state)
{
	struct made_folder f;
	size_t len, text_len;
	char *text;
	struct note_key key;
	make(&f, RECORDS, 0);
	made_key(1, MADE_ORIGIN, NOTE_ED25519, &key);
	uint8_t *note = made_read(f.dir, "checkpoint", &len);
	assert_int_equal(proof_make_inclusion(&f.dir, 1, 11, true, span_of(note, len), &text, &text_len), 0);
	for (size_t i = 0; i < text_len; i++) {
		struct proof p;
		struct proof_verdict v = {0};
		text[i] ^= 1;
		if (proof_read(span_of(text, text_len), &p) == 0) {
			proof_check(&p, &key, 1, (struct span){0}, &v);
			proof_done(&p);
		}
		assert_false(v.good);
		text[i] ^= 1;
	}
	for (size_t cut = 0; cut < text_len; cut++) {
		struct proof p;
		struct proof_verdict v = {0};
		char *copy = malloc(cut ? cut : 1);
		assert_non_null(copy);
		memcpy(copy, text, cut);
		if (proof_read(span_of(copy, cut), &p) == 0) {
			proof_check(&p, &key, 1, (struct span){0}, &v);
			proof_done(&p);
		}
		assert_false(v.good);
		free(copy);
	}
	free(text);
	free(note);
	made_folder_done(&f);
}

/* Of another journal's records it can neither be made nor held up. */
static void consistency_of_another(const struct made_folder *f, struct span new_note)
{
	struct made_folder other;
	struct merkle_proof none = {0};
	size_t len, text_len;
	char *text;
	make(&other, RECORDS - 5, 1);
	uint8_t *old = made_read(other.dir, "checkpoint", &len);
	struct span old_note = span_of(old, len);
	assert_int_equal(proof_make_consistency(&f->dir, 1, old_note, new_note, &text, &text_len), ERR_VALUE);
	assert_int_equal(proof_write_consistency(old_note, &none, new_note, &text, &text_len), 0);
	check(text, text_len, false, (struct span){0});
	free(text);
	free(old);
	made_folder_done(&other);
}

static void test_consistency(void **state)
{
	struct made_folder f;
	uint64_t *first;
	size_t n, len, text_len;
	char *text;
	make(&f, RECORDS, 0);
	uint8_t *note = made_read(f.dir, "checkpoint", &len);
	struct span new_note = span_of(note, len);
	assert_int_equal(segment_list(f.dir, &first, &n), 0);
	for (size_t i = 0; i + 1 < n; i++) {
		char name[CHECKPOINT_NAME_LEN];
		size_t old_len;
		segment_checkpoint_name(first[i], name);
		uint8_t *old = made_read(f.dir, name, &old_len);
		struct span old_note = span_of(old, old_len);
		assert_int_equal(proof_make_consistency(&f.dir, 1, old_note, new_note, &text, &text_len), 0);
		check(text, text_len, true, (struct span){0});
		free(text);
		assert_int_equal(
			proof_make_consistency(&f.dir, 1, new_note, old_note, &text, &text_len), ERR_VALUE);
		free(old);
	}
	assert_int_equal(proof_make_consistency(&f.dir, 1, new_note, new_note, &text, &text_len), 0);
	check(text, text_len, true, (struct span){0});
	free(text);
	consistency_of_another(&f, new_note);
	free(first);
	free(note);
	made_folder_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hand_over),
		cmocka_unit_test(test_hand_over_damaged),
		cmocka_unit_test(test_hand_over_elsewhere),
		cmocka_unit_test(test_hand_over_interrupted),
		cmocka_unit_test(test_hand_over_to_another),
		cmocka_unit_test(test_hand_over_by_wrong_clocks),
		cmocka_unit_test(test_hand_over_body),
		cmocka_unit_test(test_proofs),
		cmocka_unit_test(test_proof_every_byte),
		cmocka_unit_test(test_consistency),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
