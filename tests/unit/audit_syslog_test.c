/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/syslog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t buf[70000];

static void message(void **state)
{
	static const char wanted[] =
		"<85>1 2026-11-23T17:11:00.123Z gw1.example gantry 4711 IHE+RFC-3881 - \xef\xbb\xbf"
		"<AuditMessage/>";
	const struct syslog_from from = {"gw1.example", "gantry", SYSLOG_MSGID_AUDIT, 4711};
	const struct span text = span_str("<AuditMessage/>");
	size_t len = 0;
	assert_int_equal(syslog_write(&from, 1795453860123, text, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, sizeof(wanted) - 1);
	assert_memory_equal(buf, wanted, len);
	for (size_t cap = 0; cap < len; cap++) {
		size_t untouched = 7;
		assert_int_equal(syslog_write(&from, 1795453860123, text, buf, cap, &untouched), ERR_SPACE);
		assert_int_equal(untouched, 7);
	}
	assert_int_equal(syslog_write(&from, 1795453860123, text, buf, len, &len), 0);
}

static void nothing_known(void **state)
{
	static const char wanted[] = "<85>1 1970-01-01T00:00:00.000Z - - - - - \xef\xbb\xbfx";
	const struct syslog_from from = {"", "", "", 0};
	size_t len = 0;
	assert_int_equal(syslog_write(&from, 0, span_str("x"), buf, sizeof(buf), &len), 0);
	assert_int_equal(len, sizeof(wanted) - 1);
	assert_memory_equal(buf, wanted, len);
}

/* RFC 5424 6: HOSTNAME 255, APP-NAME 48, MSGID 32 characters, all of them printable ASCII. */
static void names(void **state)
{
	char text[300];
	size_t len;
	memset(text, 'a', sizeof(text));
	text[48] = 0;
	assert_true(syslog_is_name(text, SYSLOG_APP_MOST));
	text[48] = 'a';
	text[49] = 0;
	assert_false(syslog_is_name(text, SYSLOG_APP_MOST));
	assert_false(syslog_is_name("", 10));
	static const char *const bad[] = {"a b", " a", "a\n", "\x7f", "\xc3\xa4", "a\t"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct syslog_from from[] = {
			{bad[i], "a", "b", 1}, {"h", bad[i], "b", 1}, {"h", "a", bad[i], 1}};
		for (size_t k = 0; k < ARRAY_LEN(from); k++) {
			assert_int_equal(
				syslog_write(&from[k], 1, span_str("x"), buf, sizeof(buf), &len), ERR_VALUE);
		}
	}
	const struct syslog_from from = {"h", "a", "m", 1};
	assert_int_equal(syslog_write(&from, -1, span_str("x"), buf, sizeof(buf), &len), ERR_VALUE);
	assert_int_equal(
		syslog_write(&from, 253402300800000, span_str("x"), buf, sizeof(buf), &len), ERR_VALUE);
	assert_int_equal(syslog_write(&from, 253402300799999, span_str("x"), buf, sizeof(buf), &len), 0);
	assert_memory_equal(buf, "<85>1 9999-12-31T23:59:59.999Z ", 31);
}

static void counts(void **state)
{
	char text[SYSLOG_COUNT_MOST];
	assert_int_equal(syslog_count(1, text), 2);
	assert_string_equal(text, "1 ");
	assert_int_equal(syslog_count(65507, text), 6);
	assert_string_equal(text, "65507 ");
	assert_int_equal(syslog_count(SIZE_MAX, text), 21);
	assert_string_equal(text, "18446744073709551615 ");
}

/* A cut never leaves half a character. */
static void fits(void **state)
{
	static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1, 2, 3, 4, 1 bytes */
	static const size_t wanted[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
	for (size_t most = 0; most < ARRAY_LEN(wanted); most++) {
		assert_int_equal(syslog_fit(span_str(text), most), wanted[most]);
	}
	/* What is no UTF-8 is cut where the bytes end. */
	memset(buf, 0x80, 100);
	assert_int_equal(syslog_fit(span_of(buf, 100), 50), 50);
	assert_int_equal(syslog_fit(span_of(buf, 0), 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message),
		cmocka_unit_test(nothing_known),
		cmocka_unit_test(names),
		cmocka_unit_test(counts),
		cmocka_unit_test(fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
