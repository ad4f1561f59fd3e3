/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/deed.h"

#include <stdio.h>
#include <stdlib.h>

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char good[] = "gantry-record@v1\n"
			   "hospital.example/gantry\n"
			   "what antivirus-definitions\n"
			   "time 2026-11-26T02:18:40Z\n"
			   "by 1000 anna@pc7\n"
			   "engine ClamAV 1.0.7\n"
			   "definitions " HASH "\n"
			   "corpus " HASH "\n"
			   "files 52\n"
			   "clean 50\n"
			   "found 2\n"
			   "failed 0\n"
			   "bytes-per-second 81000000\n"
			   "memory 1400000000\n";

static struct deed d, untouched;

/* Copied to exactly its size, so that a step over its end is seen. */
static int reads(const char *text, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, text, len);
	d = untouched;
	int e = deed_read(span_of(copy, len), &d);
	if (e < 0) {
		assert_memory_equal(&d, &untouched, sizeof(d));
	}
	free(copy);
	return e;
}

static void reads_what_it_writes(void **state)
{
	char text[DEED_MOST];
	size_t len = 0;
	assert_int_equal(reads(good, strlen(good)), 0);
	assert_string_equal(d.origin, "hospital.example/gantry");
	assert_int_equal(d.what, DEED_ANTIVIRUS_DEFINITIONS);
	assert_int_equal(d.time_s, 1795659520); /* date -d 2026-11-26T02:18:40Z +%s */
	assert_int_equal(d.uid, 1000);
	assert_string_equal(d.by, "anna@pc7");
	assert_string_equal(deed_get(&d, "engine"), "ClamAV 1.0.7");
	assert_string_equal(deed_get(&d, "definitions-before"), "");
	assert_string_equal(deed_get(&d, "memory"), "1400000000");
	assert_string_equal(deed_get(&d, "nothing"), "");
	assert_int_equal(deed_write(&d, text, sizeof(text), &len), 0);
	assert_int_equal(len, strlen(good));
	assert_memory_equal(text, good, len);
	for (size_t n = 0; n < strlen(good); n++) {
		assert_int_equal(deed_write(&d, text, n, &len), ERR_SPACE);
	}
	assert_int_equal(deed_set(&d, "definitions-before", HASH), 0);
	assert_int_equal(deed_set(&d, "note", "after the change of the engine"), 0);
	assert_int_equal(deed_write(&d, text, sizeof(text), &len), 0);
	assert_int_equal(reads(text, len), 0);
	assert_string_equal(deed_get(&d, "note"), "after the change of the engine");
}

static void cut_and_trailing(void **state)
{
	char longer[sizeof(good) + 64];
	for (size_t n = 0; n < strlen(good); n++) {
		assert_true(reads(good, n) < 0);
	}
	for (unsigned c = 0; c < 256; c++) {
		memcpy(longer, good, sizeof(good));
		longer[strlen(good)] = (char)c;
		assert_true(reads(longer, sizeof(good)) < 0);
	}
	snprintf(longer, sizeof(longer), "%smemory 1400000000\n", good); /* a field twice */
	assert_int_equal(reads(longer, strlen(longer)), ERR_TRAILING);
	char *giant = calloc(1, DEED_MOST + 1);
	assert_non_null(giant);
	memset(giant, 'a', DEED_MOST);
	assert_int_equal(reads(giant, DEED_MOST + 1), ERR_LENGTH);
	free(giant);
}

static void other_words(void **state)
{
	static const struct {
		const char *from, *to;
	} changes[] = {
		{"@v1", "@v2"},
		{"hospital.example", "hospital example"},
		{"hospital.example/gantry\n", "\n"},
		{"what ", "what  "},
		{"antivirus-definitions", "antivirus"},
		{"antivirus-definitions", "hand-over"}, /* with another's fields */
		{"T02:18:40Z", "T02:18:60Z"},
		{"T02:18:40Z", "T24:18:40Z"},
		{"2026-11-26T", "2026-11-31T"},
		{"2026-11-26T", "2026-02-29T"},
		{"2026-11-26T", "1969-12-31T"},
		{"02:18:40Z", "02:18:40z"},
		{"02:18:40Z", "02:18:40+00:00"},
		{"2026", " 226"},
		{"by 1000", "by 01000"},
		{"by 1000", "by -1"},
		{"by 1000", "by 4294967296"},
		{"by 1000 anna@pc7", "by 1000 "},
		{"by 1000 anna@pc7", "by 1000"},
		{"anna", "anna\x1b[31m"},
		{"anna", "an\xc2\x9bna"},
		{"anna", "an\xff\xff"},
		{"ClamAV 1.0.7", " ClamAV"},
		{"ClamAV 1.0.7", "ClamAV "},
		{"engine ClamAV 1.0.7\n", ""},
		{"corpus 00112233445566778899aabb", "corpus 00112233445566778899AABB"},
		{"corpus 00", "corpus 0"},
		{"corpus 00", "corpus 000"},
		{"files 52", "files 052"},
		{"files 52", "files "},
		{"files 52", "files 9223372036854775808"},
		{"files 52\nclean 50\n", "clean 50\nfiles 52\n"},
		{"files 52\n", "files 52\r\n"},
		{"files", "filex"},
		{"files 52\n", "files 52\n\n"},
	};
	char text[2 * sizeof(good)];
	for (unsigned i = 0; i < ARRAY_LEN(changes); i++) {
		const char *at = strstr(good, changes[i].from);
		assert_non_null(at);
		int n = snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, changes[i].to,
			at + strlen(changes[i].from));
		if (reads(text, (size_t)n) >= 0) {
			fail_msg("`%s` instead of `%s` is taken", changes[i].to, changes[i].from);
		}
	}
}

static void setting(void **state)
{
	char text[DEED_MOST], long_text[DEED_VALUE_MOST + 2];
	size_t len;
	d = (struct deed){.what = DEED_HAND_OVER, .origin = "o", .by = "gantry"};
	assert_string_equal(deed_missing(&d), "first");
	assert_int_equal(deed_write(&d, text, sizeof(text), &len), ERR_VALUE);
	assert_int_equal(deed_set(&d, "engine", "x"), ERR_NOT_FOUND);
	assert_int_equal(deed_set(&d, "first", "x"), ERR_VALUE);
	assert_int_equal(deed_set(&d, "sha256", "1"), ERR_VALUE);
	memset(long_text, 'a', sizeof(long_text));
	long_text[DEED_VALUE_MOST + 1] = 0;
	assert_int_equal(deed_set(&d, "statement", long_text), ERR_VALUE);
	long_text[DEED_VALUE_MOST] = 0;
	assert_int_equal(deed_set(&d, "statement", long_text), 0);
	static const char *const numbers[] = {"first", "next", "segments", "bytes"};
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		assert_int_equal(deed_set(&d, numbers[i], "9223372036854775807"), 0);
	}
	assert_string_equal(deed_missing(&d), "sha256");
	assert_int_equal(deed_set(&d, "sha256", HASH), 0);
	assert_null(deed_missing(&d));
	assert_int_equal(deed_write(&d, text, sizeof(text), &len), 0);
	d.by[0] = ' ';
	assert_int_equal(deed_write(&d, text, sizeof(text), &len), ERR_VALUE);
	d.by[0] = 'g';
	d.time_s = 253402300800;
	assert_int_equal(deed_write(&d, text, sizeof(text), &len), ERR_VALUE);
	d.time_s = -1;
	assert_int_equal(deed_write(&d, text, sizeof(text), &len), ERR_VALUE);
	d.time_s = 0;
	snprintf(d.origin, sizeof(d.origin), "a b");
	assert_int_equal(deed_write(&d, text, sizeof(text), &len), ERR_VALUE);
}

static void keys(void **state)
{
	static const uint8_t public[32] = {1};
	struct note_key key;
	char origin[NOTE_NAME_MOST + 1];
	assert_int_equal(deed_key_make("hospital.example/gantry", public, &key), 0);
	assert_string_equal(key.name, "hospital.example/gantry/records");
	assert_int_equal(deed_key_make("", public, &key),
		0); /* "/records": whose origin is wrong is refused elsewhere */
	memset(origin, 'a', sizeof(origin));
	origin[NOTE_NAME_MOST - 7] = 0;
	assert_int_equal(deed_key_make(origin, public, &key), ERR_VALUE);
	origin[NOTE_NAME_MOST - 8] = 0;
	assert_int_equal(deed_key_make(origin, public, &key), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_writes),
		cmocka_unit_test(cut_and_trailing),
		cmocka_unit_test(other_words),
		cmocka_unit_test(setting),
		cmocka_unit_test(keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
