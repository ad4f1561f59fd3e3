/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/scope.h"
#include "audit/proof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "audit_made.h"

#define RECORDS 120

static struct {
	struct made_folder folder;
	struct journal *journal;
	struct note_key key, stranger;
} j;

/* Segments of about 15 records, each with its checkpoint; the last 5 records are after the last checkpoint. */
static int set_up(void **state)
{
	const struct journal_params params = {.segment_bytes = 2000};
	struct journal_recovered r;
	uint64_t index;
	j.folder = made_folder();
	assert_int_equal(journal_open(j.folder.dir, MADE_ORIGIN, &params, NULL, &j.journal, &r), 0);
	for (unsigned i = 0; i < RECORDS; i++) {
		assert_int_equal(made_append(j.journal, i, &index), 0);
		assert_int_equal(journal_commit(j.journal), 0);
		if (i < RECORDS - 5) {
			made_checkpoints(j.journal);
		}
	}
	made_key(1, MADE_ORIGIN, NOTE_ED25519, &j.key);
	made_key(2, MADE_ORIGIN, NOTE_ED25519, &j.stranger);
	assert_true(made_count(&j.folder, FILE_SEGMENT) > 4);
	return 0;
}

static int tear_down(void **state)
{
	journal_close(j.journal);
	made_folder_done(&j.folder);
	return 0;
}

static struct scope_request request_of(uint64_t first, uint64_t end)
{
	return (struct scope_request){.dirs = &j.folder.dir,
		.n_dirs = 1,
		.keys = &j.key,
		.n_keys = 1,
		.first = first,
		.end = end,
		.least = first,
		.furthest = end - 1};
}

static void test_each_range(void **state)
{
	for (uint64_t first = 0; first < RECORDS; first += 7) {
		for (uint64_t end = first + 1; end <= RECORDS; end += 9) {
			struct scope_request q = request_of(first, end);
			struct scope_result r = {0};
			bool some = first < RECORDS - 5;
			assert_int_equal(scope_prove(&q, &r), 0);
			assert_int_equal(r.proved, some);
			assert_false(r.contradicts);
			assert_int_equal(r.damaged, UINT64_MAX);
			assert_int_equal(r.read, end - first);
			if (some) {
				assert_int_equal(r.covered, end < RECORDS - 5 ? end : RECORDS - 5);
				assert_true(r.checkpoint.size >= r.covered);
				assert_true(r.from <= first);
			}
			scope_done(&r);
		}
	}
}

static void test_least_and_furthest(void **state)
{
	struct scope_request q = request_of(60, 62);
	struct scope_result r = {0};
	q.least = 3;
	q.furthest = 110;
	assert_int_equal(scope_prove(&q, &r), 0);
	assert_true(r.proved);
	assert_int_equal(r.covered, 62);
	assert_int_equal(r.from, 0);
	assert_true(r.checkpoint.size > 110);
	assert_int_equal(r.read, 2);
	scope_done(&r);
}

/* Least and greatest. */
static void made_segments(const struct made_folder *f, uint64_t ret_starts[2])
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	const struct dirent *entry;
	uint64_t at;
	assert_non_null(d);
	while ((entry = readdir(d))) {
		if (segment_file_of(entry->d_name, &at) == FILE_SEGMENT) {
			ret_starts[0] = at < ret_starts[0] ? at : ret_starts[0];
			ret_starts[1] = at > ret_starts[1] ? at : ret_starts[1];
		}
	}
	closedir(d);
}

/* Segments at either end that are not there leave no gap between those that are. */
static void test_ends(void **state)
{
	struct scope_ends ends;
	uint64_t starts[2] = {UINT64_MAX, 0};
	char names[2][SEGMENT_NAME_LEN];
	uint64_t first = 0, last = 0;
	struct journal_reader *r;
	struct journal_entry e;
	scope_find_ends(&j.folder.dir, 1, 0, RECORDS - 1, &ends);
	assert_false(ends.before_absent || ends.after_absent);
	assert_true(ends.ends);
	scope_find_ends(&j.folder.dir, 1, 40, 60, &ends);
	assert_false(ends.before_absent || ends.after_absent || ends.ends);
	assert_int_equal(ends.spoken_of, RECORDS - 5);
	made_segments(&j.folder, starts);
	segment_name(starts[0], names[0]);
	segment_name(starts[1], names[1]);
	assert_int_equal(renameat(j.folder.dir, names[0], j.folder.dir, "away-first"), 0);
	assert_int_equal(renameat(j.folder.dir, names[1], j.folder.dir, "away-last"), 0);
	assert_int_equal(journal_reader_open(&j.folder.dir, 1, &r), 0);
	first = journal_reader_first(r);
	while (journal_reader_next(r, &e) == 1) {
		last = e.index;
	}
	journal_reader_free(r);
	assert_true(first > 0 && last < RECORDS - 6);
	scope_find_ends(&j.folder.dir, 1, first, last, &ends);
	assert_true(ends.before_absent && ends.after_absent);
	scope_find_ends(&j.folder.dir, 1, first + 1, last - 1, &ends);
	assert_false(ends.before_absent || ends.after_absent);
	assert_int_equal(renameat(j.folder.dir, "away-first", j.folder.dir, names[0]), 0);
	assert_int_equal(renameat(j.folder.dir, "away-last", j.folder.dir, names[1]), 0);
}

static void test_strangers_checkpoints(void **state)
{
	struct scope_request q = request_of(1, 5);
	struct scope_result r = {0};
	q.keys = &j.stranger;
	assert_int_equal(scope_prove(&q, &r), ERR_NOT_FOUND);
	q.note = span_str("no checkpoint");
	assert_int_equal(scope_prove(&q, &r), ERR_VALUE);
}

/* ---- Proofs ---- */

static struct {
	uint64_t indices[RECORDS];
	size_t n;
} written;

static int check_proof(void *arg, uint64_t index, const char *text, size_t len)
{
	struct proof p;
	static struct proof_verdict v;
	assert_int_equal(proof_read(span_of(text, len), &p), 0);
	proof_check(&p, &j.key, 1, span_of(NULL, 0), &v);
	assert_true(v.good);
	assert_int_equal(p.index, index);
	assert_true(p.has_record);
	written.indices[written.n++] = index;
	proof_done(&p);
	return arg ? ERR_SPACE : 0;
}

static void test_proofs(void **state)
{
	const uint64_t indices[] = {20, 21, 40, 77, 99, 114};
	struct scope_request q = request_of(20, 115);
	struct scope_result r = {0};
	assert_int_equal(scope_prove(&q, &r), 0);
	assert_true(r.proved);
	written.n = 0;
	assert_int_equal(scope_proofs(&q, &r, indices, 6, check_proof, NULL), 0);
	assert_int_equal(written.n, 6);
	assert_memory_equal(written.indices, indices, sizeof(indices));
	assert_int_equal(scope_proofs(&q, &r, indices, 6, check_proof, &written), ERR_SPACE);
	assert_int_equal(scope_proofs(&q, &r, indices, 0, check_proof, &written), 0);
	scope_done(&r);
}

/* ---- What was changed ---- */

/* Change a byte of record `index`, and mend the frame's hash if it is to look whole. */
static void change(
	uint64_t index, bool mend, char ret_name[SEGMENT_NAME_LEN], uint8_t **ret_before, size_t *ret_len)
{
	uint64_t *first = NULL;
	size_t n = 0, at = 0;
	struct segment *s;
	struct frame f = {0};
	assert_int_equal(segment_list(j.folder.dir, &first, &n), 0);
	while (at + 1 < n && first[at + 1] <= index) {
		at++;
	}
	segment_name(first[at], ret_name);
	assert_int_equal(segment_open(&journal_io_system, j.folder.dir, first[at], &s), 0);
	do {
		assert_int_equal(segment_next(s, &f), 1);
	} while (f.index != index);
	*ret_before = made_read(j.folder.dir, ret_name, ret_len);
	uint8_t *bytes = made_read(j.folder.dir, ret_name, ret_len);
	size_t payload = f.payload.len;
	bytes[f.offset + FRAME_HEAD + payload - 1] ^= 1;
	if (mend) {
		struct merkle_hash leaf;
		frame_close(bytes + f.offset, payload, &leaf);
	}
	made_write(j.folder.dir, ret_name, bytes, *ret_len);
	free(bytes);
	free(first);
	segment_free(s);
}

static void test_damaged_and_changed(void **state)
{
	for (unsigned mend = 0; mend < 2; mend++) {
		char name[SEGMENT_NAME_LEN];
		uint8_t *before;
		size_t len;
		struct scope_request q = request_of(40, 60);
		struct scope_result r = {0};
		change(50, mend, name, &before, &len);
		assert_int_equal(scope_prove(&q, &r), 0);
		if (mend) {
			assert_true(r.contradicts);
			assert_false(r.proved);
		} else {
			assert_int_equal(r.damaged, 50);
			assert_false(r.contradicts);
			assert_true(!r.proved || r.covered <= 50);
		}
		scope_done(&r);
		/* What comes before it in the tree is as good as before. */
		q = request_of(10, 20);
		assert_int_equal(scope_prove(&q, &r), 0);
		assert_true(r.proved);
		assert_int_equal(r.covered, 20);
		scope_done(&r);
		made_write(j.folder.dir, name, before, len);
		free(before);
	}
}

/* Records before the scope are known by a head alone, and a false head is found. */
static void test_false_head(void **state)
{
	char name[SEGMENT_NAME_LEN];
	uint64_t *first = NULL;
	size_t n = 0, len;
	assert_int_equal(segment_list(j.folder.dir, &first, &n), 0);
	assert_true(n > 4);
	struct scope_request q = request_of(first[3] + 1, first[3] + 3);
	struct scope_result r = {0};
	segment_name(first[3], name);
	uint8_t *before = made_read(j.folder.dir, name, &len), *bytes;
	struct segment_head head;
	size_t head_len, new_len;
	assert_int_equal(segment_head_read(span_of(before, len), &head, &head_len), 0);
	head.before.node[0].at[0] ^= 1;
	assert_int_equal(segment_head_write(&head, &bytes, &new_len), 0);
	assert_int_equal(new_len, head_len);
	uint8_t *all = malloc(len);
	assert_non_null(all);
	memcpy(all, before, len);
	memcpy(all, bytes, new_len);
	made_write(j.folder.dir, name, all, len);
	assert_int_equal(scope_prove(&q, &r), 0);
	assert_true(r.contradicts);
	scope_done(&r);
	made_write(j.folder.dir, name, before, len);
	free(all);
	free(bytes);
	free(before);
	free(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_range),
		cmocka_unit_test(test_least_and_furthest),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_strangers_checkpoints),
		cmocka_unit_test(test_proofs),
		cmocka_unit_test(test_damaged_and_changed),
		cmocka_unit_test(test_false_head),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
