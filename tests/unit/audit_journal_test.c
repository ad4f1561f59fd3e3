/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit_made.h"

#include <errno.h>
#include <sys/stat.h>

static struct journal *open_at(const struct made_folder *f, const struct journal_params *params,
	struct journal_recovered *ret_recovered)
{
	struct journal *j;
	assert_int_equal(journal_open(f->dir, MADE_ORIGIN, params, NULL, &j, ret_recovered), 0);
	return j;
}

/* Append records from..to-1 and commit them one by one. */
static void append_all(struct journal *j, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		uint64_t index;
		assert_int_equal(made_append(j, i, &index), 0);
		assert_int_equal(index, i);
		assert_int_equal(journal_commit(j), 0);
	}
}

/* All records of the folder are those of made_record(), and so many. */
static void has_records(const struct made_folder *f, uint64_t wanted)
{
	struct journal_reader *r;
	struct journal_entry e;
	uint64_t n = 0;
	int got;
	assert_int_equal(journal_reader_open(&f->dir, 1, &r), 0);
	while ((got = journal_reader_next(r, &e)) == 1) {
		char body[128];
		struct journal_record record = made_record((unsigned)n, body);
		assert_int_equal(e.index, n);
		assert_int_equal(e.record.association, n);
		assert_true(span_eq(e.record.body, record.body));
		n++;
	}
	assert_int_equal(got, 0);
	assert_int_equal(n, wanted);
	journal_reader_free(r);
}

/* ---- Records ---- */

static void test_record(void **state)
{
	char body[128];
	struct journal_record record = made_record(2, body), got, untouched;
	uint8_t bytes[512], clear[FRAME_CLEAR_MOST];
	size_t len, clear_len;
	record.about = 5;
	record.outcome = 8;
	record.count = 77;
	record.epoch = 3;
	assert_int_equal(record_write(&record, bytes, sizeof(bytes), &len), 0);
	assert_int_equal(len, record_len(&record));
	assert_int_equal(record_write_clear(&record, clear, sizeof(clear), &clear_len), 0);
	assert_int_equal(clear_len, record_clear_len(&record));
	assert_memory_equal(bytes, clear, clear_len);
	assert_int_equal(record_read(span_of(bytes, len), &got), 0);
	assert_int_equal(got.kind, AUDIT_QUERY);
	assert_int_equal(got.outcome, 8);
	assert_int_equal(got.time_ms, record.time_ms);
	assert_int_equal(got.about, 5);
	assert_int_equal(got.association, 2);
	assert_int_equal(got.epoch, 3);
	assert_int_equal(got.turn, 2);
	assert_int_equal(got.count, 77);
	assert_int_equal(got.n_tokens, 2);
	assert_memory_equal(got.tokens, record.tokens, 34);
	assert_true(span_eq(got.body, record.body));
	memset(&untouched, 0x5a, sizeof(untouched));
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);
		assert_non_null(copy);
		memcpy(copy, bytes, cut);
		got = untouched;
		assert_int_equal(record_read(span_of(copy, cut), &got), ERR_TRUNCATED);
		assert_memory_equal(&got, &untouched, sizeof(got));
		free(copy);
	}
	assert_int_equal(record_read(span_of(bytes, len + 1), &got), ERR_TRAILING);
	bytes[0] = 2;
	assert_int_equal(record_read(span_of(bytes, len), &got), ERR_UNSUPPORTED);
	bytes[0] = 1;
	bytes[43] = JOURNAL_TOKENS_MOST + 1;
	assert_int_equal(record_read(span_of(bytes, len), &got), ERR_LIMIT);
	bytes[43] = 2;
	memset(bytes + clear_len, 0xff, 4);
	assert_int_equal(record_read(span_of(bytes, len), &got), ERR_LIMIT);
	record.n_tokens = JOURNAL_TOKENS_MOST + 1;
	assert_int_equal(record_write(&record, bytes, sizeof(bytes), &len), ERR_LIMIT);
}

/* ---- Appending, and opening again ---- */

static void test_append(void **state)
{
	struct made_folder f = made_folder();
	struct journal_recovered rec;
	struct journal *j = open_at(&f, NULL, &rec);
	struct merkle_hash root, again;
	assert_true(rec.fresh);
	assert_int_equal(rec.size, 0);
	assert_int_equal(journal_commit(j), 0);
	append_all(j, 0, 100);
	assert_int_equal(journal_size(j), 100);
	journal_root(j, &root);
	/* One writer. */
	struct journal *second;
	assert_int_equal(journal_open(f.dir, MADE_ORIGIN, NULL, NULL, &second, &rec), ERR_EXISTS);
	/* What is not committed is not there. */
	uint64_t index;
	assert_int_equal(made_append(j, 100, &index), 0);
	assert_int_equal(journal_pending(j), 1);
	journal_close(j);
	has_records(&f, 100);
	assert_int_equal(journal_open(f.dir, "another.example", NULL, NULL, &second, &rec), ERR_VALUE);
	assert_int_equal(journal_open(f.dir, "no name", NULL, NULL, &second, &rec), ERR_VALUE);
	j = open_at(&f, NULL, &rec);
	assert_false(rec.fresh);
	assert_int_equal(rec.size, 100);
	assert_int_equal(rec.cut_bytes, 0);
	assert_int_equal(rec.damage, JOURNAL_UNDAMAGED);
	journal_root(j, &again);
	assert_true(merkle_same(&root, &again));
	append_all(j, 100, 120);
	journal_close(j);
	has_records(&f, 120);
	struct stat st;
	assert_int_equal(fstatat(f.dir, "segment-00000000000000000000", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640 & ~022);
	made_folder_done(&f);
}

static void test_append_limits(void **state)
{
	struct made_folder f = made_folder();
	struct journal_recovered rec;
	struct journal *j = open_at(&f, &(struct journal_params){.pending_most = 1024}, &rec);
	static uint8_t giant[JOURNAL_BODY_MOST + 1];
	char body[128];
	uint64_t index;
	struct journal_record r = made_record(0, body);
	r.kind = 0;
	assert_int_equal(journal_append(j, &r, &index), ERR_VALUE);
	r = made_record(0, body);
	r.body = span_of(giant, sizeof(giant));
	assert_int_equal(journal_append(j, &r, &index), ERR_LIMIT);
	r.body = span_of(giant, 900);
	assert_int_equal(journal_append(j, &r, &index), 0);
	assert_int_equal(journal_append(j, &r, &index), ERR_LIMIT);
	assert_int_equal(journal_commit(j), 0);
	assert_int_equal(journal_append(j, &r, &index), 0);
	assert_int_equal(index, 1);
	assert_int_equal(journal_commit(j), 0);
	journal_close(j);
	/* The largest there is goes through writing and reading. */
	j = open_at(&f, NULL, &rec);
	static struct journal_token tokens[JOURNAL_TOKENS_MOST];
	r.body = span_of(giant, JOURNAL_BODY_MOST);
	r.n_tokens = JOURNAL_TOKENS_MOST;
	r.tokens = tokens;
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(journal_append(j, &r, &index), 0);
	}
	assert_int_equal(journal_commit(j), 0);
	journal_close(j);
	j = open_at(&f, NULL, &rec);
	assert_int_equal(rec.size, 7);
	journal_close(j);
	made_folder_done(&f);
}

/* ---- Segments ---- */

static const struct journal_params small = {.segment_bytes = 1000};

static void test_segments(void **state)
{
	struct made_folder f = made_folder();
	struct journal_recovered rec;
	struct merkle_range range = {0};
	struct journal *j = open_at(&f, &small, &rec);
	append_all(j, 0, 50);
	made_checkpoints(j);
	append_all(j, 50, 60);
	journal_close(j);
	unsigned segments = made_count(&f, FILE_SEGMENT);
	assert_true(segments > 5);
	has_records(&f, 60);
	/* Every finished segment that was signed has its checkpoint, of exactly its end. */
	uint64_t *first;
	size_t n;
	assert_int_equal(segment_list(f.dir, &first, &n), 0);
	for (size_t i = 0; i + 1 < n && first[i + 1] <= 50; i++) {
		char name[64];
		size_t len;
		struct signed_note note;
		struct checkpoint c;
		snprintf(name, sizeof(name), "segment-%020llu.checkpoint", (unsigned long long)first[i]);
		uint8_t *bytes = made_read(f.dir, name, &len);
		assert_int_equal(checkpoint_read_note(span_of(bytes, len), &note, &c), 0);
		assert_int_equal(c.size, first[i + 1]);
		free(bytes);
	}
	for (unsigned i = 0; i < 60; i++) {
		char body[128];
		uint8_t bytes[512];
		size_t len;
		struct merkle_hash leaf;
		struct journal_record r = made_record(i, body);
		assert_int_equal(record_write(&r, bytes, sizeof(bytes), &len), 0);
		merkle_leaf(span_of(bytes, len), &leaf);
		merkle_append(&range, &leaf);
	}
	j = open_at(&f, &small, &rec);
	struct merkle_hash root, wanted;
	journal_root(j, &root);
	merkle_root(&range, &wanted);
	assert_true(merkle_same(&root, &wanted));
	/* Boundaries that nobody signed are found again when it is opened. */
	assert_true(journal_checkpoint_due(j));
	made_checkpoints(j);
	journal_close(j);
	assert_int_equal(made_count(&f, FILE_SEGMENT_CHECKPOINT), segments - 1);
	free(first);
	made_folder_done(&f);
}

static void test_segment_age(void **state)
{
	struct made_folder f = made_folder();
	struct journal_recovered rec;
	struct journal *j = open_at(&f, &(struct journal_params){.segment_ms = 10000}, &rec);
	append_all(j, 0, 10);
	assert_int_equal(made_count(&f, FILE_SEGMENT), 1);
	assert_true(journal_rolls(j, 1700000000000 + 10000));
	assert_false(journal_rolls(j, 1700000000000 + 9999));
	/* Set back a little, and put right. */
	assert_false(journal_rolls(j, 1700000000000 - 9999));
	assert_true(journal_rolls(j, 1700000000000 - 10000));
	assert_true(journal_rolls(j, INT64_MIN / 2));
	append_all(j, 10, 25);
	assert_int_equal(made_count(&f, FILE_SEGMENT), 3);
	journal_close(j);
	has_records(&f, 25);
	made_folder_done(&f);
}

/* A checkpoint that is asked for before a segment's end and comes after it, and one that is the segment's end by chance. */
static void test_checkpoints(void **state)
{
	struct made_folder f = made_folder();
	struct journal_recovered rec;
	struct journal *j = open_at(&f, &(struct journal_params){.segment_ms = 10000}, &rec);
	char text[CHECKPOINT_MOST], note[1024];
	size_t len;
	assert_int_equal(journal_checkpoint_text(j, text, sizeof(text), &len), ERR_AGAIN);
	append_all(j, 0, 8);
	assert_int_equal(journal_checkpoint_text(j, text, sizeof(text), &len), 0);
	append_all(j, 8, 12);
	size_t note_len = made_note(span_of(text, len), note, sizeof(note));
	assert_int_equal(journal_store_checkpoint(j, span_of(note, note_len)), 0);
	assert_int_equal(journal_store_checkpoint(j, span_of(note, note_len)), ERR_VALUE); /* not asked for */
	assert_int_equal(journal_checkpoint_text(j, text, sizeof(text), &len), 0);
	assert_memory_equal(text + sizeof(MADE_ORIGIN) - 1, "\n10\n", 4); /* the boundary first */
	text[len - 5] ^= 1;
	note_len = made_note(span_of(text, len), note, sizeof(note));
	assert_int_equal(journal_store_checkpoint(j, span_of(note, note_len)), ERR_VALUE);
	made_checkpoints(j);
	append_all(j, 12, 20);
	made_checkpoints(j); /* of 20, where the segment ends */
	append_all(j, 20, 21);
	assert_int_equal(made_count(&f, FILE_SEGMENT), 3);
	assert_int_equal(made_count(&f, FILE_SEGMENT_CHECKPOINT), 2);
	journal_close(j);
	made_folder_done(&f);
}

/* ---- Reading ---- */

static void test_reader(void **state)
{
	struct made_folder f = made_folder();
	struct journal_recovered rec;
	struct journal_reader *r;
	struct journal_entry e;
	assert_int_equal(journal_reader_open(&f.dir, 1, &r), ERR_NOT_FOUND);
	struct journal *j = open_at(&f, &small, &rec);
	append_all(j, 0, 60);
	journal_close(j);
	assert_int_equal(journal_reader_open(&f.dir, 1, &r), 0);
	for (unsigned i = 0; i < 60; i++) {
		journal_reader_seek(r, i);
		assert_int_equal(journal_reader_next(r, &e), 1);
		assert_int_equal(e.index, i);
	}
	assert_int_equal(journal_reader_next(r, &e), 0);
	journal_reader_seek(r, 60);
	assert_int_equal(journal_reader_next(r, &e), 0);
	for (unsigned from = 0; from < 60; from += 7) {
		unsigned n = 0;
		journal_reader_seek(r, 0);
		journal_reader_times(r, 1700000000000 + 1000 * from, 1700000000000 + 1000 * (from + 5));
		for (; journal_reader_next(r, &e) == 1; n++) {
			assert_int_equal(e.index, from + n);
		}
		assert_int_equal(n, from + 5 < 60 ? 6 : 60 - from);
	}
	journal_reader_free(r);
	/* A segment in the middle is gone: said once, and what is behind it is still read. */
	uint64_t *first;
	size_t n;
	assert_int_equal(segment_list(f.dir, &first, &n), 0);
	char name[SEGMENT_NAME_LEN];
	segment_name(first[2], name);
	assert_int_equal(unlinkat(f.dir, name, 0), 0);
	assert_int_equal(journal_reader_open(&f.dir, 1, &r), 0);
	unsigned read = 0, gaps = 0;
	for (int got; (got = journal_reader_next(r, &e)) != 0;) {
		gaps += got == ERR_MISSING;
		read += got == 1;
		assert_true(got == 1 || got == ERR_MISSING);
	}
	assert_int_equal(gaps, 1);
	assert_int_equal(read, 60 - (first[3] - first[2]));
	journal_reader_free(r);
	free(first);
	made_folder_done(&f);
}

/* Segments of other times are not even read: a damaged one is not seen. */
static void test_reader_skips(void **state)
{
	struct made_folder f = made_folder();
	struct journal_recovered rec;
	struct journal_reader *r;
	struct journal_entry e;
	struct journal *j = open_at(&f, &small, &rec);
	append_all(j, 0, 60);
	journal_close(j);
	int fd = openat(f.dir, "segment-00000000000000000000", O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "xxxx", 4, 300), 4);
	close(fd);
	assert_int_equal(journal_reader_open(&f.dir, 1, &r), 0);
	journal_reader_times(r, 1700000000000 + 30000, INT64_MAX);
	unsigned n = 0;
	while (journal_reader_next(r, &e) == 1) {
		n++;
	}
	assert_int_equal(n, 30);
	journal_reader_seek(r, 0);
	journal_reader_times(r, INT64_MIN, INT64_MAX);
	int got;
	while ((got = journal_reader_next(r, &e)) == 1) {
	}
	assert_int_equal(got, ERR_VALUE);
	journal_reader_free(r);
	made_folder_done(&f);
}

/* ---- Transfers ---- */

static uint64_t transfer(struct journal *j, uint8_t kind, uint64_t about, uint32_t count)
{
	static const struct journal_token tokens[2] = {{1, {7}}, {4, {8}}};
	struct journal_record r = {.kind = kind,
		.about = about,
		.count = count,
		.association = 40,
		.epoch = JOURNAL_NONE,
		.time_ms = 1700000000000,
		.n_tokens = kind == AUDIT_BEGIN ? 2 : 0,
		.tokens = tokens};
	uint64_t index = 0;
	assert_int_equal(journal_append(j, &r, &index), 0);
	assert_int_equal(journal_commit(j), 0);
	return index;
}

static void test_transfers(void **state)
{
	struct made_folder f = made_folder();
	struct journal_recovered rec;
	/* Each record a segment of its own: all must come through their heads. */
	struct journal *j = open_at(&f, &(struct journal_params){.segment_bytes = 1}, &rec);
	uint64_t a = transfer(j, AUDIT_BEGIN, JOURNAL_NONE, 0), b = transfer(j, AUDIT_BEGIN, JOURNAL_NONE, 0);
	uint64_t c = transfer(j, AUDIT_BEGIN, JOURNAL_NONE, 0);
	(void)transfer(j, AUDIT_PROGRESS, a, 10);
	(void)transfer(j, AUDIT_PROGRESS, c, 3);
	uint64_t end = transfer(j, AUDIT_TRANSFERRED, b, 5);
	(void)transfer(j, AUDIT_PROGRESS, a, 20);
	(void)transfer(j, AUDIT_TRANSFERRED, 999, 5); /* of nothing */
	(void)transfer(j, AUDIT_TRANSFERRED, b, 5);   /* again */
	journal_close(j);
	j = open_at(&f, NULL, &rec);
	assert_int_equal(rec.n_open, 2);
	assert_int_equal(rec.open[0].begin, a);
	assert_int_equal(rec.open[0].count, 20);
	assert_int_equal(rec.open[0].association, 40);
	assert_int_equal(rec.open[0].n_tokens, 2);
	assert_int_equal(rec.open[0].tokens[1].value[0], 8);
	assert_int_equal(rec.open[1].begin, c);
	assert_int_equal(rec.open[1].count, 3);
	assert_int_equal(rec.n_closed, 1);
	assert_int_equal(rec.closed[0].begin, b);
	assert_int_equal(rec.closed[0].end, end);
	(void)transfer(j, AUDIT_INTERRUPTED, a, 20);
	(void)transfer(j, AUDIT_INTERRUPTED, c, 3);
	for (unsigned i = 0; i < 300; i++) {
		(void)transfer(j, AUDIT_TRANSFERRED, transfer(j, AUDIT_BEGIN, JOURNAL_NONE, 0), i);
	}
	journal_close(j);
	j = open_at(&f, NULL, &rec);
	assert_int_equal(rec.n_open, 0);
	assert_int_equal(rec.n_closed, TRANSFERS_CLOSED_MOST);
	assert_int_equal(rec.closed[TRANSFERS_CLOSED_MOST - 1].end, rec.size - 1);
	journal_close(j);
	made_folder_done(&f);
}

static void test_transfers_limit(void **state)
{
	struct made_folder f = made_folder();
	struct journal_recovered rec;
	struct journal *j = open_at(&f, NULL, &rec);
	struct journal_record r = {.kind = AUDIT_BEGIN, .about = JOURNAL_NONE, .epoch = JOURNAL_NONE};
	uint64_t index;
	for (unsigned i = 0; i < TRANSFERS_OPEN_MOST; i++) {
		assert_int_equal(journal_append(j, &r, &index), 0);
	}
	assert_int_equal(journal_append(j, &r, &index), ERR_LIMIT);
	assert_int_equal(journal_commit(j), 0);
	assert_int_equal(journal_append(j, &r, &index), ERR_LIMIT);
	r.kind = AUDIT_TRANSFERRED;
	r.about = 9;
	assert_int_equal(journal_append(j, &r, &index), 0);
	assert_int_equal(journal_commit(j), 0);
	r.kind = AUDIT_BEGIN;
	r.about = JOURNAL_NONE;
	assert_int_equal(journal_append(j, &r, &index), 0);
	assert_int_equal(journal_commit(j), 0);
	journal_close(j);
	j = open_at(&f, NULL, &rec);
	assert_int_equal(rec.n_open, TRANSFERS_OPEN_MOST);
	journal_close(j);
	made_folder_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_limits),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_segment_age),
		cmocka_unit_test(test_checkpoints),
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_reader_skips),
		cmocka_unit_test(test_transfers),
		cmocka_unit_test(test_transfers_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
