/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/armor.h"
#include "audit_said.h"

static void test_good(void **state)
{
	struct made_folder f;
	struct said s;
	make(&f, RECORDS, 0);
	verify(&f, &s);
	assert_int_equal(s.result.bad, 0);
	assert_int_equal(s.result.first, 0);
	assert_int_equal(s.result.size, RECORDS);
	assert_int_equal(s.result.covered, RECORDS);
	assert_true(s.result.segments > 3);
	assert_int_equal(
		s.result.checkpoints, s.result.segments); /* one for each but the last, and the latest */
	for (unsigned i = 0; i < VERIFY_KINDS; i++) {
		assert_int_equal(s.of[i], 0);
		assert_true(strcmp(verify_kind_name((enum verify_kind)i), "unknown") != 0);
	}
	made_folder_done(&f);
}

static void test_uncovered(void **state)
{
	struct made_folder f;
	struct said s;
	struct journal *j;
	struct journal_recovered rec;
	uint64_t index;
	make(&f, 10, 0);
	assert_int_equal(journal_open(f.dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	assert_int_equal(made_append(j, 10, &index), 0);
	assert_int_equal(made_append(j, 3, &index), 0); /* of an earlier time */
	assert_int_equal(journal_commit(j), 0);
	verify(&f, &s);
	assert_int_equal(s.result.bad, 0);
	assert_int_equal(s.of[VERIFY_UNCOVERED], 1);
	assert_int_equal(s.first[VERIFY_UNCOVERED], 10);
	assert_int_equal(s.end[VERIFY_UNCOVERED], 12);
	assert_int_equal(s.of[VERIFY_TIME], 1);
	assert_int_equal(s.first[VERIFY_TIME], 11);
	/* While it is written to, half a record at the end is no fault; and afterwards it is. */
	uint64_t *first;
	size_t n;
	assert_int_equal(segment_list(f.dir, &first, &n), 0);
	char name[SEGMENT_NAME_LEN];
	segment_name(first[n - 1], name);
	free(first);
	int fd = openat(f.dir, name, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "\0\0\1\0half", 8), 8);
	close(fd);
	verify(&f, &s);
	assert_int_equal(s.result.bad, 0);
	assert_int_equal(s.of[VERIFY_TORN], 1);
	journal_close(j);
	verify(&f, &s);
	assert_int_equal(s.of[VERIFY_BYTES], 1);
	assert_int_equal(s.result.bad, 1);
	made_folder_done(&f);
}

static void test_nothing(void **state)
{
	struct made_folder f = made_folder();
	struct said s = {0};
	struct note_key key;
	struct verify_request none = {
		.dirs = &f.dir, .n_dirs = 1, .keys = &key, .n_keys = 1, .found = found, .arg = &s};
	int fd = openat(f.dir, "somebody-else's", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	made_key(1, MADE_ORIGIN, NOTE_ED25519, &key);
	assert_int_equal(journal_verify(&none, &s.result), ERR_NOT_FOUND);
	assert_int_equal(s.of[VERIFY_FOREIGN], 0);
	assert_int_equal(unlinkat(f.dir, "somebody-else's", 0), 0);
	made_folder_done(&f);
	make(&f, 5, 0);
	assert_int_equal(renameat(f.dir, "segment-00000000000000000000", f.dir, "away"), 0);
	verify(&f, &s);
	assert_int_equal(s.of[VERIFY_NO_SEGMENT], 1);
	assert_true(s.result.bad > 0);
	assert_int_equal(renameat(f.dir, "away", f.dir, "segment-00000000000000000000"), 0);
	assert_int_equal(unlinkat(f.dir, "checkpoint", 0), 0);
	verify(&f, &s);
	assert_int_equal(s.of[VERIFY_UNVOUCHED], 1);
	struct verify_request q = {.dirs = &f.dir, .n_dirs = 1, .found = found, .arg = &s};
	assert_int_equal(journal_verify(&q, &s.result), ERR_VALUE);
	made_folder_done(&f);
}

/* Any bit of any byte of any file. */
static void test_every_byte(void **state)
{
	struct made_folder f;
	struct said s;
	make(&f, 24, 0);
	int fd = openat(f.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	const struct dirent *e;
	unsigned files = 0;
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.') {
			continue;
		}
		char name[256];
		size_t len;
		snprintf(name, sizeof(name), "%s", e->d_name);
		uint8_t *bytes = made_read(f.dir, name, &len);
		for (size_t i = 0; i < len; i++) {
			uint8_t bit = (uint8_t)(1 << (i % 8));
			bytes[i] ^= bit;
			made_write(f.dir, name, bytes, len);
			verify(&f, &s);
			assert_true(s.result.bad > 0);
			bytes[i] ^= bit;
		}
		made_write(f.dir, name, bytes, len);
		free(bytes);
		files++;
	}
	closedir(d);
	assert_true(files > 4);
	verify(&f, &s);
	assert_int_equal(s.result.bad, 0);
	made_folder_done(&f);
}

/* ---- What was done to the records, against a good copy of their hashes ---- */

struct good {
	struct merkle_hash leaves[RECORDS];
};

static void take_leaves(const struct made_folder *f, struct good *g)
{
	struct journal_reader *r;
	struct journal_entry e;
	unsigned n = 0;
	assert_int_equal(journal_reader_open(&f->dir, 1, &r), 0);
	while (journal_reader_next(r, &e) == 1) {
		assert_true(n < RECORDS);
		g->leaves[n++] = e.leaf;
	}
	assert_int_equal(n, RECORDS);
	journal_reader_free(r);
}

/* The journal written anew, in one segment, with the numbers of made_record() in this order; the checkpoint as it was. */
static void rewrite(struct made_folder *f, const unsigned *numbers, unsigned n)
{
	struct journal *j;
	struct journal_recovered rec;
	uint64_t index;
	size_t len;
	uint8_t *checkpoint = made_read(f->dir, "checkpoint", &len);
	made_folder_empty(f);
	assert_int_equal(journal_open(f->dir, MADE_ORIGIN, NULL, NULL, &j, &rec), 0);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(made_append(j, numbers[i], &index), 0);
	}
	assert_int_equal(journal_commit(j), 0);
	journal_close(j);
	made_write(f->dir, "checkpoint", checkpoint, len);
	free(checkpoint);
}

static void located(const unsigned *numbers, unsigned n, struct said *ret_said)
{
	struct made_folder f;
	struct good g;
	make(&f, RECORDS, 0);
	take_leaves(&f, &g);
	rewrite(&f, numbers, n);
	verify_with(&f.dir, 1, &(struct verify_request){.good = g.leaves, .n_good = RECORDS}, ret_said);
	assert_true(ret_said->of[VERIFY_CONTRADICTS] + ret_said->of[VERIFY_TRUNCATED] == 1 || n > RECORDS);
	made_folder_done(&f);
}

static unsigned all_but(struct said *s, enum verify_kind kind)
{
	unsigned n = 0;
	for (unsigned i = VERIFY_CHANGED; i <= VERIFY_MOVED; i++) {
		n += i == kind ? 0 : s->of[i];
	}
	return n;
}

static void test_located(void **state)
{
	unsigned numbers[RECORDS + 2];
	struct said s;
	for (unsigned at = 0; at < RECORDS; at++) {
		for (unsigned i = 0; i < RECORDS; i++) {
			numbers[i] = i == at ? 100 : i;
		}
		located(numbers, RECORDS, &s); /* changed */
		assert_int_equal(s.of[VERIFY_CHANGED], 1);
		assert_int_equal(s.first[VERIFY_CHANGED], at);
		assert_int_equal(s.end[VERIFY_CHANGED], at + 1);
		assert_int_equal(all_but(&s, VERIFY_CHANGED), 0);
		for (unsigned i = 0; i < RECORDS - 1; i++) {
			numbers[i] = i < at ? i : i + 1;
		}
		located(numbers, RECORDS - 1, &s); /* removed */
		assert_int_equal(s.of[VERIFY_REMOVED], 1);
		assert_int_equal(s.first[VERIFY_REMOVED], at);
		assert_int_equal(s.end[VERIFY_REMOVED], at + 1);
		assert_int_equal(all_but(&s, VERIFY_REMOVED), 0);
		for (unsigned i = 0; i < RECORDS + 1; i++) {
			numbers[i] = i < at ? i : i == at ? 100 : i - 1;
		}
		located(numbers, RECORDS + 1, &s); /* inserted */
		assert_int_equal(s.of[VERIFY_INSERTED], 1);
		assert_int_equal(s.first[VERIFY_INSERTED], at);
		assert_int_equal(all_but(&s, VERIFY_INSERTED), 0);
	}
}

static void test_located_moved(void **state)
{
	unsigned numbers[RECORDS];
	struct said s;
	for (unsigned from = 0; from < RECORDS; from += 3) {
		for (unsigned to = 0; to < RECORDS; to += 5) {
			unsigned n = 0;
			if (from == to) {
				continue;
			}
			for (unsigned i = 0; i < RECORDS; i++) {
				numbers[n] = i == from ? to : i == to ? from : i;
				n++;
			}
			located(numbers, RECORDS, &s); /* two swapped */
			unsigned apart = from < to ? to - from : from - to;
			/* Neighbours that were swapped are told as one run. */
			assert_int_equal(s.of[VERIFY_MOVED], apart == 1 ? 1 : 2);
			assert_int_equal(all_but(&s, VERIFY_MOVED), 0);
			n = 0;
			for (unsigned i = 0; i < RECORDS; i++) {
				if (i != from) {
					if (n == to) {
						numbers[n++] = from;
					}
					numbers[n++] = i;
				}
			}
			if (n < RECORDS) {
				numbers[n] = from;
			}
			located(numbers, RECORDS, &s); /* one put elsewhere */
			assert_true(s.of[VERIFY_MOVED] == 1);
			assert_int_equal(all_but(&s, VERIFY_MOVED), 0);
		}
	}
	for (unsigned i = 0; i < RECORDS; i++) {
		numbers[i] = i < 10 ? i : i < 20 ? 100 + i : i + 5;
	}
	located(numbers, 25, &s); /* ten changed, five removed, and the end */
	assert_int_equal(s.of[VERIFY_CHANGED], 1);
	assert_int_equal(s.first[VERIFY_CHANGED], 10);
	assert_int_equal(s.end[VERIFY_CHANGED], 20);
	assert_int_equal(s.of[VERIFY_REMOVED], 2);
	assert_int_equal(s.first[VERIFY_REMOVED], 30);
	assert_int_equal(s.end[VERIFY_REMOVED], 40);
}

static void test_leaves_file(void **state)
{
	char text[1024], origin[NOTE_NAME_MOST + 1];
	struct writer w = writer_of(text, sizeof(text));
	struct merkle_hash *leaves;
	uint64_t first;
	size_t n;
	leaves_write_head(&w, MADE_ORIGIN, 7);
	armor_write_text(&w, "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
	assert_int_equal(leaves_read(writer_span_of(&w), origin, &first, &leaves, &n), 0);
	assert_int_equal(first, 7);
	assert_int_equal(n, 1);
	assert_string_equal(origin, MADE_ORIGIN);
	free(leaves);
	for (size_t cut = 0; cut < w.len; cut++) {
		int r = leaves_read(span_of(text, cut), origin, &first, &leaves, &n);
		if (r == 0) {
			assert_int_equal(cut, w.len - 45); /* no leaf yet */
			free(leaves);
		}
	}
}

/* ---- Checkpoints that left the machine ---- */

static void test_exported(void **state)
{
	struct made_folder f, other;
	struct said s;
	size_t len;
	make(&f, RECORDS, 0);
	make(&other, RECORDS, 1); /* with the same key: the key too was taken */
	uint8_t *note = made_read(f.dir, "checkpoint", &len);
	struct verify_exported exported = {"old", span_of(note, len)};
	struct verify_request q = {.exported = &exported, .n_exported = 1};
	verify_with(&f.dir, 1, &q, &s);
	assert_int_equal(s.result.bad, 0);
	verify_with(&other.dir, 1, &q, &s);
	assert_int_equal(s.of[VERIFY_CONTRADICTS], 1);
	assert_int_equal(s.result.bad, 1);
	made_folder_done(&other);
	make(&other, RECORDS - 3, 0); /* cut, with a checkpoint of its own */
	verify_with(&other.dir, 1, &q, &s);
	assert_int_equal(s.of[VERIFY_TRUNCATED], 1);
	assert_int_equal(s.first[VERIFY_TRUNCATED], RECORDS - 3);
	assert_int_equal(s.end[VERIFY_TRUNCATED], RECORDS);
	assert_int_equal(s.result.bad, 1);
	/* A forged one is no evidence against the journal, and is told. */
	note[40] ^= 1;
	verify_with(&f.dir, 1, &q, &s);
	assert_int_equal(s.of[VERIFY_SIGNATURE] + s.of[VERIFY_CHECKPOINT], 1);
	assert_int_equal(s.of[VERIFY_CONTRADICTS], 0);
	free(note);
	made_folder_done(&other);
	made_folder_done(&f);
}

static void test_missing_segment(void **state)
{
	struct made_folder f;
	struct said s;
	struct good g;
	uint64_t *first;
	size_t n;
	make(&f, RECORDS, 0);
	take_leaves(&f, &g);
	assert_int_equal(segment_list(f.dir, &first, &n), 0);
	char name[SEGMENT_NAME_LEN];
	segment_name(first[1], name);
	assert_int_equal(unlinkat(f.dir, name, 0), 0);
	verify_with(&f.dir, 1, &(struct verify_request){.good = g.leaves, .n_good = RECORDS}, &s);
	assert_int_equal(s.of[VERIFY_GAP], 1);
	assert_int_equal(s.first[VERIFY_GAP], first[1]);
	assert_int_equal(s.end[VERIFY_GAP], first[2]);
	assert_int_equal(s.of[VERIFY_REMOVED], 1);
	assert_int_equal(s.first[VERIFY_REMOVED], first[1]);
	assert_int_equal(s.end[VERIFY_REMOVED], first[2]);
	/* What is left is still vouched for. */
	assert_int_equal(s.result.covered, RECORDS);
	free(first);
	made_folder_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_uncovered),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_located),
		cmocka_unit_test(test_located_moved),
		cmocka_unit_test(test_leaves_file),
		cmocka_unit_test(test_exported),
		cmocka_unit_test(test_missing_segment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
