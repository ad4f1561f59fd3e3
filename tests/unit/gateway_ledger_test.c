/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/gate_ledger.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/gantry-ledger-XXXXXX";

static int open_file(void)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static struct ledger *fresh(void)
{
	struct ledger *l = ledger_new();
	assert_non_null(l);
	assert_int_equal(ledger_open(l, open_file()), 0);
	return l;
}

static const struct refusal *refusal(unsigned n)
{
	static struct refusal r;
	r = (struct refusal){.rule = RULE_CALLER_UNKNOWN, .port = (uint16_t)n, .address = "10.0.0.1"};
	snprintf(r.calling, sizeof(r.calling), "CT%u", n);
	snprintf(r.called, sizeof(r.called), "PACS");
	snprintf(r.sentence, sizeof(r.sentence), "a sentence");
	return &r;
}

/* The file's lines, as they are read back. */
static unsigned count_lines(bool want_counts, struct refusal *last)
{
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	char line[8192];
	unsigned n = 0;
	while (fgets(line, sizeof(line), f)) {
		bool is_count = false;
		struct refusal r;
		if (refusal_from_json(span_of(line, strcspn(line, "\n")), &r, &is_count) == 0 &&
			is_count == want_counts) {
			n++;
			*last = r;
		}
	}
	fclose(f);
	return n;
}

static void test_numbers(void **state)
{
	struct refusal last;
	struct ledger *l = fresh();
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(ledger_add(l, refusal(i), 1000), i);
	}
	/* The same again, from another port: the same number, and no line yet. */
	struct refusal again = *refusal(3);
	again.port = 9999;
	assert_int_equal(ledger_add(l, &again, 2000), 3);
	assert_int_equal(ledger_add(l, &again, 3000), 3);
	assert_int_equal(ledger_recent(l, 0)->number, 3);
	assert_int_equal(ledger_recent(l, 0)->count, 3);
	assert_int_equal(count_lines(false, &last), 5);
	assert_int_equal(count_lines(true, &last), 0);
	ledger_check(l, 1000 + LEDGER_SAY_MS - 1, false);
	assert_int_equal(count_lines(true, &last), 0);
	ledger_check(l, 1000 + LEDGER_SAY_MS, false);
	assert_int_equal(count_lines(true, &last), 1);
	assert_int_equal(last.number, 3);
	assert_int_equal(last.count, 3);
	/* Said once, not each time. */
	ledger_check(l, 1000 + 3 * LEDGER_SAY_MS, true);
	assert_int_equal(count_lines(true, &last), 1);
	ledger_free(l);
	/* After a restart numbers go on. */
	l = fresh();
	assert_int_equal(ledger_last_number(l), 5);
	assert_int_equal(ledger_add(l, refusal(3), 9000), 6);
	ledger_free(l);
}

static void test_forgotten(void **state)
{
	struct ledger *l = fresh();
	uint64_t n = ledger_add(l, refusal(70), 1000);
	assert_int_equal(ledger_add(l, refusal(70), 1000 + LEDGER_FORGET_MS - 1), n);
	/* The silence counts from the last time. */
	assert_int_equal(ledger_add(l, refusal(70), 1000 + 2 * LEDGER_FORGET_MS - 2), n);
	assert_int_equal(ledger_add(l, refusal(70), 1000 + 4 * LEDGER_FORGET_MS), n + 1);
	ledger_free(l);
}

static void test_bounded(void **state)
{
	struct refusal last;
	struct ledger *l = fresh();
	uint64_t first = ledger_add(l, refusal(1000), 1000);
	assert_int_equal(ledger_add(l, refusal(1000), 1000), first);
	unsigned counts = count_lines(true, &last);
	for (unsigned i = 0; i < LEDGER_RECENT; i++) {
		(void)ledger_add(l, refusal(2000 + i), 1000);
	}
	assert_null(ledger_recent(l, LEDGER_RECENT));
	/* The one that had to go left its count behind, and would be new. */
	assert_int_equal(count_lines(true, &last), counts + 1);
	assert_int_equal(last.number, first);
	assert_int_equal(last.count, 2);
	assert_true(ledger_add(l, refusal(1000), 1000) > first);
	ledger_free(l);
}

/* Numbers are found behind a long run of counts, behind a line cut short, and in a new file. */
static void test_tail(void **state)
{
	struct ledger *l = fresh();
	uint64_t n = ledger_add(l, refusal(5000), 1000);
	ledger_free(l);
	FILE *f = fopen(path, "a");
	for (unsigned i = 0; i < 20000; i++) {
		char *line = NULL;
		assert_int_equal(refusal_count_to_json(1 + i % 3, i, 1000, &line), 0);
		fputs(line, f);
		free(line);
	}
	fputs("{\"number\":99", f);
	fclose(f);
	l = fresh();
	assert_int_equal(ledger_last_number(l), n);
	assert_int_equal(ledger_add(l, refusal(5001), 1000), n + 1);
	/* The cut line stands alone, and the new one can be read. */
	struct refusal last;
	(void)count_lines(false, &last);
	assert_int_equal(last.number, n + 1);
	/* A new file in its place carries the number. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ledger_open(l, open_file()), 0);
	ledger_free(l);
	l = fresh();
	assert_int_equal(ledger_last_number(l), n + 1);
	ledger_free(l);
}

static void test_no_file(void **state)
{
	struct ledger *l = ledger_new();
	/* Without a file (a full disk, say) refusals still have numbers. */
	assert_int_equal(ledger_add(l, refusal(1), 1), 1);
	assert_int_equal(ledger_add(l, refusal(2), 1), 2);
	assert_false(ledger_full(l));
	ledger_check(l, 1, true);
	ledger_free(l);
	ledger_free(NULL);
}

static int set_up(void **state)
{
	int fd = mkstemp(path);
	close(fd);
	/* The log's lines are another test's. */
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	log_to(null, LOG_FORMAT_TEXT);
	return fd < 0 || null < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_no_file),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
