/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit_said.h"

/* A journal in several cold folders, of which not all are given to the verifier. */

#define MANY       100
#define TIME_OF(n) (1700000000000 + 1000 * (int64_t)(n))

/* Of one journal: three segments are in a, the next three in b, the rest is where it was. */
struct parted {
	struct made_folder f, a, b;
	struct handover in_a, in_b;
	uint64_t *first;
	size_t n;
};

/* Signed to the end, as the gateway does. */
static void tell(const struct made_folder *f, const struct handover *h)
{
	const struct journal_params params = {.segment_bytes = 1000};
	char body[HANDOVER_BODY_MOST];
	struct journal *j;
	struct journal_recovered rec;
	uint64_t index;
	assert_int_equal(journal_open(f->dir, MADE_ORIGIN, &params, NULL, &j, &rec), 0);
	handover_body(h, body);
	const struct journal_record r = {.kind = JOURNAL_HANDOVER,
		.time_ms = TIME_OF(MANY),
		.about = JOURNAL_NONE,
		.epoch = JOURNAL_NONE,
		.body = span_str(body)};
	assert_int_equal(journal_append(j, &r, &index), 0);
	assert_int_equal(journal_commit(j), 0);
	made_checkpoints(j);
	journal_close(j);
	assert_int_equal(handover_told(f->dir, NULL), 0);
}

static void part(struct parted *p, bool told)
{
	*p = (struct parted){.a = made_folder(), .b = made_folder()};
	make(&p->f, MANY, 0);
	assert_int_equal(segment_list(p->f.dir, &p->first, &p->n), 0);
	assert_true(p->n >= 9);
	assert_int_equal(
		journal_hand_over(p->f.dir, p->a.dir, TIME_OF(p->first[3]), INT64_MAX, NULL, &p->in_a), 0);
	assert_int_equal(p->in_a.next, p->first[3]);
	if (told) {
		tell(&p->f, &p->in_a);
	} else {
		assert_int_equal(handover_told(p->f.dir, NULL), 0);
	}
	assert_int_equal(
		journal_hand_over(p->f.dir, p->b.dir, TIME_OF(p->first[6]), INT64_MAX, NULL, &p->in_b), 0);
	assert_int_equal(p->in_b.next, p->first[6]);
	if (told) {
		tell(&p->f, &p->in_b);
	}
}

static void parted_done(struct parted *p)
{
	free(p->first);
	made_folder_done(&p->b);
	made_folder_done(&p->a);
	made_folder_done(&p->f);
}

/* The folders of that string: f, a, b. Without f they are judged by themselves. */
static void verify_folders(const struct parted *p, const char *which, struct said *ret_said)
{
	int dirs[3];
	size_t n = 0;
	for (; which[n]; n++) {
		dirs[n] = which[n] == 'f' ? p->f.dir : which[n] == 'a' ? p->a.dir : p->b.dir;
	}
	verify_with(dirs, n, &(struct verify_request){.part = which[0] != 'f'}, ret_said);
}

static void remove_segment(const struct made_folder *f, uint64_t first)
{
	char name[SEGMENT_NAME_LEN], checkpoint[CHECKPOINT_NAME_LEN];
	segment_name(first, name);
	segment_checkpoint_name(first, checkpoint);
	assert_int_equal(unlinkat(f->dir, name, 0), 0);
	assert_int_equal(unlinkat(f->dir, checkpoint, 0), 0);
}

/* What is said of each choice of folders: all good, good and of a part, or bad. */
static void test_cold_folders_one_by_one(void **state)
{
	(void)state;
	static const struct {
		const char *which;
		bool partial;
		unsigned first, end; /* segments: what is said to be elsewhere */
	} rows[] = {{"f", false, 0, 0}, {"fa", true, 3, 6}, {"fb", false, 0, 0}, {"fab", false, 0, 0},
		{"a", true, 3, 3}, {"b", true, 6, 6}, {"ab", true, 6, 6}};
	struct parted p;
	struct said s;
	part(&p, true);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		verify_folders(&p, rows[i].which, &s);
		assert_int_equal(s.result.bad, 0);
		assert_int_equal(s.result.partial, rows[i].partial);
		assert_int_equal(s.of[VERIFY_ELSEWHERE], rows[i].partial);
		assert_true(!rows[i].partial || s.first[VERIFY_ELSEWHERE] == p.first[rows[i].first]);
		assert_true(!rows[i].partial || s.end[VERIFY_ELSEWHERE] == p.first[rows[i].end]);
	}
	/* Given as the journal, a cold folder is one from which much was removed. */
	verify(&p.b, &s);
	assert_int_equal(s.of[VERIFY_GAP], 1);
	parted_done(&p);
	/* Without a record that is covered nothing shows that it was handed over. */
	part(&p, false);
	verify_folders(&p, "fa", &s);
	assert_true(s.of[VERIFY_GAP] == 1 && !s.result.partial);
	parted_done(&p);
}

/* Somebody removes a segment, and what tells of it in its folder. */
static void test_removed_is_not_elsewhere(void **state)
{
	(void)state;
	struct parted p;
	struct said s;
	static const struct {
		char from;
		unsigned segment;
		const char *which;
	} rows[] = {
		{'f', 6, "f"},                  /* the oldest that is left */
		{'f', 6, "fab"},                /* the same beside what went before */
		{'f', 6, "fa"}, {'f', 7, "fb"}, /* one in the midst of its folder */
		{'a', 2, "fa"},                 /* the last of a hand-over, the others of which are here */
		{'a', 2, "fab"}, {'a', 1, "fab"}, {'b', 3, "fab"}, /* the first of one */
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		part(&p, true);
		const struct made_folder *from = rows[i].from == 'f'   ? &p.f
		                                 : rows[i].from == 'a' ? &p.a
		                                                       : &p.b;
		remove_segment(from, p.first[rows[i].segment]);
		if (rows[i].from != 'f') {
			const struct handover *h = rows[i].from == 'a' ? &p.in_a : &p.in_b;
			assert_int_equal(unlinkat(from->dir, h->statement, 0), 0);
		}
		verify_folders(&p, rows[i].which, &s);
		assert_true(s.of[VERIFY_GAP] > 0);
		assert_true(s.result.bad > 0);
		parted_done(&p);
	}
	/* By itself a folder shows it while its statement is there, and that no checkpoint vouches for its end. */
	part(&p, true);
	char name[CHECKPOINT_NAME_LEN];
	segment_checkpoint_name(p.first[5], name);
	assert_int_equal(unlinkat(p.b.dir, name, 0), 0);
	verify_folders(&p, "b", &s);
	assert_int_equal(s.of[VERIFY_UNVOUCHED], 1);
	assert_true(s.first[VERIFY_UNVOUCHED] == p.first[5] && s.end[VERIFY_UNVOUCHED] == p.first[6]);
	segment_name(p.first[5], name);
	assert_int_equal(unlinkat(p.b.dir, name, 0), 0);
	verify_folders(&p, "b", &s);
	assert_int_equal(s.of[VERIFY_STATEMENT], 1);
	parted_done(&p);
}

/* What left the machine earlier is of more than a part has. */
static void test_part_with_what_was_exported(void **state)
{
	(void)state;
	struct parted p;
	struct said s;
	size_t len;
	part(&p, true);
	uint8_t *note = made_read(p.f.dir, "checkpoint", &len);
	const struct verify_exported exported = {"exported", span_of(note, len)};
	verify_with(&p.b.dir, 1,
		&(struct verify_request){.part = true, .exported = &exported, .n_exported = 1}, &s);
	assert_true(s.result.bad == 0 && s.of[VERIFY_UNCHECKED] == 1);
	verify_with(&p.b.dir, 1, &(struct verify_request){.exported = &exported, .n_exported = 1}, &s);
	assert_int_equal(s.of[VERIFY_TRUNCATED], 1);
	free(note);
	parted_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cold_folders_one_by_one),
		cmocka_unit_test(test_removed_is_not_elsewhere),
		cmocka_unit_test(test_part_with_what_was_exported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
