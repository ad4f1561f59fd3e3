/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char line[LIMIT_LOG_LINE + 1];

static size_t format(enum log_format f, const char *sentence, const struct log_field *fields, size_t n)
{
	size_t len = log_format_line(
		f, line, LIMIT_LOG_LINE, LOG_LEVEL_WARNING, "test.event", sentence, fields, n);
	assert_true(len > 1 && len <= LIMIT_LOG_LINE);
	assert_int_equal(line[len - 1], '\n');
	line[len] = '\0';
	/* One line is one line, whatever a peer sent. */
	assert_ptr_equal(strchr(line, '\n'), line + len - 1);
	return len;
}

/* The line as JSON has it; it must be valid. */
static json_t *parsed(const char *sentence, const struct log_field *fields, size_t n)
{
	json_error_t error;
	size_t len = format(LOG_FORMAT_JSON, sentence, fields, n);
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(object);
	return object;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	assert_non_null(text);
	return text;
}

static void json_line(void **state)
{
	const struct log_field fields[] = {LOG_TEXT("calling", "CT1"), LOG_NUMBER("bytes", -5),
		LOG_TEXT("empty", ""), LOG_TEXT("none", NULL)};
	json_t *o = parsed("A sentence.", fields, ARRAY_LEN(fields));
	assert_string_equal(text_of(o, "level"), "warning");
	assert_string_equal(text_of(o, "event"), "test.event");
	assert_string_equal(text_of(o, "calling"), "CT1");
	assert_string_equal(text_of(o, "message"), "A sentence.");
	assert_int_equal(json_integer_value(json_object_get(o, "bytes")), -5);
	assert_null(json_object_get(o, "empty"));
	assert_null(json_object_get(o, "none"));
	assert_int_equal(strlen(text_of(o, "time")), CLOCK_ISO_LEN - 1);
	json_decref(o);
}

/* Every byte that a peer can put into a title. */
static void json_escapes(void **state)
{
	for (unsigned c = 1; c < 256; c++) {
		const char text[] = {'a', (char)c, 'b', '\0'};
		const struct log_field field = LOG_TEXT("x", text);
		json_t *o = parsed(text, &field, 1);
		const char *back = text_of(o, "x");
		assert_int_equal(back[0], 'a');
		assert_int_equal(back[strlen(back) - 1], 'b');
		if (c < 0x80) {
			assert_string_equal(back, text);
			assert_string_equal(text_of(o, "message"), text);
		}
		json_decref(o);
	}
}

static void json_utf8(void **state)
{
	static const char *const good[] = {"\xc3\xa4", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80"};
	static const char *const bad[] = {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xf8\x88", "\xe6\xbc", "\xff\xfe", "\x80"};
	for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
		const struct log_field field = LOG_TEXT("x", good[i]);
		json_t *o = parsed("", &field, 1);
		assert_string_equal(text_of(o, "x"), good[i]);
		json_decref(o);
	}
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		const struct log_field field = LOG_TEXT("x", bad[i]);
		json_decref(parsed("", &field, 1));
	}
}

/* Values of any length, of bytes that grow when escaped: a valid line within the limit, each time. */
static void json_long(void **state)
{
	static char text[3 * LIMIT_LOG_LINE];
	static const char kinds[] = {'a', '"', '\x01'};
	for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t n = 600; n < sizeof(text); n += 371) {
			memset(text, kinds[k], n);
			text[n] = '\0';
			const struct log_field fields[] = {
				LOG_TEXT("first", text), LOG_TEXT("second", "here"), LOG_TEXT("third", text)};
			json_decref(parsed(text, fields, ARRAY_LEN(fields)));
		}
	}
}

static void text_line(void **state)
{
	const struct log_field fields[] = {LOG_TEXT("plain", "CT1"), LOG_TEXT("spaced", "a b"),
		LOG_TEXT("forged", "x\n2026-01-01T00:00:00.000Z error gate fake"), LOG_NUMBER("n", 7)};
	format(LOG_FORMAT_TEXT, "Said.", fields, ARRAY_LEN(fields));
	assert_non_null(strstr(line, " warning "));
	assert_non_null(strstr(line, " test.event plain=CT1 spaced=\"a b\" forged=\"x\\u000a"));
	assert_non_null(strstr(line, " n=7 \"Said.\"\n"));
}

static void levels_and_sink(void **state)
{
	int ends[2];
	char got[1024];
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	log_to(ends[1], LOG_FORMAT_TEXT);
	log_role("tester");
	log_least(LOG_LEVEL_NOTICE);
	log_say(LOG_LEVEL_INFO, "test.quiet", "unheard");
	assert_int_equal(read(ends[0], got, sizeof(got)), -1);
	log_say(LOG_LEVEL_NOTICE, "test.loud", "heard %d", 3);
	ssize_t n = read(ends[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_non_null(strstr(got, "notice  tester test.loud \"heard 3\"\n"));
	log_event(LOG_LEVEL_ERROR, "test.event", "s", LOG_NUMBER("a", 1), LOG_TEXT("b", "c"));
	n = read(ends[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_non_null(strstr(got, "test.event a=1 b=c s\n") || strstr(got, "test.event a=1 b=c \"s\"\n"));
	/* A sink that is gone is no error of the caller's. */
	log_to(-1, LOG_FORMAT_TEXT);
	log_say(LOG_LEVEL_ERROR, "test.gone", "nowhere");
	log_to(2, LOG_FORMAT_TEXT);
	close(ends[0]);
	close(ends[1]);
}

static void clocks(void **state)
{
	char text[CLOCK_ISO_LEN];
	clock_iso(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	clock_iso(1709209425123, text);
	assert_string_equal(text, "2024-02-29T12:23:45.123Z");
	clock_iso(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
	clock_iso(INT64_C(253402300799999), text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	clock_iso(INT64_C(-62167219200000), text);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
	static const int64_t none[] = {INT64_MIN, INT64_C(-62167219200001), INT64_C(253402300800000)};
	for (unsigned i = 0; i < ARRAY_LEN(none); i++) {
		clock_iso(none[i], text);
		assert_int_equal(strlen(text), CLOCK_ISO_LEN - 1);
		assert_memory_equal(text, "1970-01-01T00:00:00", 19);
	}
	clock_iso(INT64_MAX, text);
	assert_non_null(memchr(text, '\0', sizeof(text)));
	int64_t mono = clock_mono_ms();
	assert_true(clock_mono_ms() >= mono);
	int64_t tick = clock_tick_ms();
	assert_true(tick >= mono - 10 && tick <= clock_mono_ms());
	assert_true(clock_wall_ms() > 1700000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_line),
		cmocka_unit_test(json_escapes),
		cmocka_unit_test(json_utf8),
		cmocka_unit_test(json_long),
		cmocka_unit_test(text_line),
		cmocka_unit_test(levels_and_sink),
		cmocka_unit_test(clocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
