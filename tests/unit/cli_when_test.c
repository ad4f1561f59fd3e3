/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/when.h"
#include "cli/audit_print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define NOW  INT64_C(1764000000000)
#define HOUR INT64_C(3600000)

static void zone(const char *name)
{
	assert_int_equal(setenv("TZ", name, 1), 0);
	tzset();
}

static void test_good(void **state)
{
	/* 2026-11-23T00:00:00Z. Central Europe is an hour before it, and had 25 hours on 2026-10-25. */
	const int64_t day = INT64_C(1795392000000);
	const struct {
		const char *text;
		int64_t begin, end;
	} cases[] = {{"2026-11-23", day - HOUR, day + 23 * HOUR - 1},
		{"2026-10-25", day - 29 * 24 * HOUR - 2 * HOUR, day - 28 * 24 * HOUR - HOUR - 1},
		{"2026-11-23T17:11", day + 16 * HOUR + 11 * 60000, day + 16 * HOUR + 12 * 60000 - 1},
		{"2026-11-23 17:11:05", day + 16 * HOUR + 11 * 60000 + 5000,
			day + 16 * HOUR + 11 * 60000 + 5999},
		{"2026-11-23T17:11:05Z", day + 17 * HOUR + 11 * 60000 + 5000,
			day + 17 * HOUR + 11 * 60000 + 5999},
		{"2026-11-23T17:11:05-05:30", day + 22 * HOUR + 41 * 60000 + 5000,
			day + 22 * HOUR + 41 * 60000 + 5999},
		{"2024-02-29T00:00Z", INT64_C(1709164800000), INT64_C(1709164859999)},
		{"7d", NOW - 7 * 24 * HOUR, NOW - 7 * 24 * HOUR}, {"12h", NOW - 12 * HOUR, NOW - 12 * HOUR},
		{"0m", NOW, NOW}};
	zone("Europe/Berlin");
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t begin = 0, end = 0;
		assert_int_equal(when_parse(cases[i].text, false, NOW, &begin), 0);
		assert_int_equal(when_parse(cases[i].text, true, NOW, &end), 0);
		assert_int_equal(begin, cases[i].begin);
		assert_int_equal(end, cases[i].end);
	}
}

/* Where clocks were set back a time is there twice, and where they were set forward not at all: nothing asked for is left out. */
static void test_changed_clocks(void **state)
{
	static const struct {
		const char *zone, *text, *begin, *end;
	} cases[] = {
		{"Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:59Z"},
		{"Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00:00Z", "2026-10-25T02:00:59Z"},
		{"Europe/Berlin", "2026-10-25T01:59:59", "2026-10-24T23:59:59Z", "2026-10-24T23:59:59Z"},
		{"Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00:00Z", "2026-03-29T00:59:59Z"},
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z"},
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z"},
		{"America/Havana", "2026-10-31", "2026-10-31T04:00:00Z", "2026-11-01T03:59:59Z"},
		{"America/Havana", "2026-03-08", "2026-03-08T05:00:00Z", "2026-03-09T03:59:59Z"},
		{"Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:59Z"},
	};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t begin = 0, end = 0, wanted_begin = 0, wanted_end = 0;
		zone(cases[i].zone);
		assert_int_equal(when_parse(cases[i].text, false, NOW, &begin), 0);
		assert_int_equal(when_parse(cases[i].text, true, NOW, &end), 0);
		assert_int_equal(when_parse(cases[i].begin, false, NOW, &wanted_begin), 0);
		assert_int_equal(when_parse(cases[i].end, true, NOW, &wanted_end), 0);
		assert_int_equal(begin, wanted_begin);
		assert_int_equal(end, wanted_end);
	}
}

static void test_bad(void **state)
{
	static const char *const cases[] = {"", "x", "2026", "2026-1-1", "2026-13-01", "2026-00-01",
		"2026-11-31", "2026-02-29", "1969-12-31", "2026-11-23T", "2026-11-23T24:00", "2026-11-23T17",
		"2026-11-23T17:60", "2026-11-23T17:11:60", "2026-11-23T17:11:05x", "2026-11-23T17:11+15:00",
		"2026-11-23T17:11ZZ", "2026-11-23x", "7", "d", "7w", "7dd", "-7d", "1234567d",
		"2026-11-23T17:11+1"};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t ms = 5;
		assert_int_equal(when_parse(cases[i], false, NOW, &ms), ERR_VALUE);
		assert_int_equal(ms, 5);
	}
}

static void test_shown(void **state)
{
	char text[WHEN_LEN], zoned[WHEN_ZONED_LEN], day[WHEN_DAY_LEN];
	zone("Europe/Berlin");
	when_text(INT64_C(1795392000000) + 23 * HOUR, text);
	assert_string_equal(text, "2026-11-24 00:00:00");
	when_zoned(INT64_C(1795392000000) + 23 * HOUR, zoned);
	assert_string_equal(zoned, "2026-11-24 00:00:00 +0100");
	when_day(INT64_C(1795392000000) + 23 * HOUR - 1, day);
	assert_string_equal(day, "2026-11-23");
	assert_int_equal(when_day_number(INT64_C(1795392000000) + 23 * HOUR),
		when_day_number(INT64_C(1795392000000) + 23 * HOUR - 1) + 1);
}

/* RFC 4180 2, and nothing that a spreadsheet calculates. */
static void test_csv(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	static const char *const cells[] = {"plain", "a,b", "say \"a\"", "two\r\nlines", "=1+1", "+1", "-1",
		"@x", "\t=1", "=\"a\"", "", "a=b",
		"\xef\xbc\x9d"
		"1",
		"\xef\xbc\xa0", "\xef\xbc\x91"};
	assert_non_null(f);
	for (unsigned i = 0; i < ARRAY_LEN(cells); i++) {
		csv_text(f, cells[i], i == 0);
	}
	csv_number(f, 7, false);
	csv_end(f);
	(void)fclose(f);
	assert_string_equal(text,
		"plain,\"a,b\",\"say \"\"a\"\"\",\"two\r\nlines\",'=1+1,'+1,'-1,'@x,'\t=1,\"'=\"\"a\"\"\",,a=b,'\xef\xbc\x9d"
		"1,'\xef\xbc\xa0,\xef\xbc\x91,7\r\n");
	free(text);
}

/* What others wrote does not command a terminal, nor turn the rest of the line; what is written from right to left stays. */
static void test_text(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	assert_int_equal(audit_put_text(f, "a\x1b[2J\x7f\xc2\x9b"
					   "1m\xe2\x80\xae"
					   "b\xe2\x81\xa6\xe2\x80\x8f\xd8\x9c"),
		14);
	assert_int_equal(audit_put_text(f, "|\xd7\xa9\xe5\xb1\xb1\xe2\x80\x94\xe2"), 5);
	(void)fclose(f);
	assert_string_equal(text, "a?[2J??1m?b???|\xd7\xa9\xe5\xb1\xb1\xe2\x80\x94\xe2");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_changed_clocks),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
