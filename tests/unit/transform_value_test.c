/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "dicom/vr.h"
#include "transform/pseudonym.h"
#include "transform/value.h"

#include <stdio.h>

/* ---- Dummies ---- */

static void test_dummies_are_valid(void **state)
{
	static const char vrs[] = "AEASATCSDADSDTFDFLISLOLTOBODOFOLOVOWPNSHSLSSSTSVTMUCULUNURUSUTUV";
	for (unsigned i = 0; vrs[i]; i += 2) {
		uint8_t buf[64];
		struct writer w = writer_of(buf, sizeof(buf));
		value_dummy(vrs + i, &w);
		assert_int_equal(writer_end(&w) < 0, 0);
		assert_true(w.len > 0 && w.len <= 16 && w.len % 2 == 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		uint8_t buf[8];
		struct writer w = writer_of(buf, sizeof(buf));
		value_dummy(i ? "SQ" : "UI", &w);
		assert_int_equal(w.len, 0);
	}
}

/* ---- Dates ---- */

static const struct {
	const char *vr, *value;
	int days;
	const char *moved;
} shifts[] = {
	{"DA", "20240301", -1, "20240229"},
	{"DA", "20230301", -1, "20230228"},
	{"DA", "20240101", -1, "20231231"},
	{"DA", "19000301", -1, "19000228"},
	{"DA", "20000301", -1, "20000229"},
	{"DA", "20240229", -366, "20230228"},
	{"DA", "20240229", 1, "20240301"},
	{"DA", "20240229", -3652, "20140301"},
	{"DA", "20240229 ", -1, "20240228"},
	{"DA", "2024.02.29", -1, "20240228"}, /* ACR-NEMA */
	{"DA", "20240229\\20240301", -1, "20240228\\20240229 "},
	{"DA", "20240229\\\\20240301", -1, "20240228\\\\20240229"},
	{"DA", "", -1, ""},
	{"DA", "yesterday", -1, ""},
	{"DA", "20241301", -1, ""},
	{"DA", "20240132", -1, ""},
	{"DA", "202402", -1, ""},
	{"DA", "20240229Zebedee", -1, ""},
	{"DA", "00000101", -1, ""},
	{"DT", "20240301101112.123456+0100", -1, "20240229101112.123456+0100"},
	{"DT", "20240301", -1, "20240229"},
	{"DT", "202403", -1, "202402"},
	{"DT", "2024", -1, "2023"},
	{"DT", "2024+0100 ", -1, "2023+0100 "},
	{"DT", "20240301101112\\20240302", -1, "20240229101112\\20240301 "},
	{"DT", "Zebedee", -1, ""},
	{"DT", "20240301 at Zurich", -1, ""},
	{"DT", "20240301-20240302", -1, ""}, /* no zone */
	{"DT", "2024-20240302", -1, ""},
	{"DT", "202403011", -1, ""},
	{"DT", "20240301101112.", -1, ""},
	{"DT", "20240301101112.5-1200", -1, "20240229101112.5-1200 "},
};

static void test_dates_are_moved(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(shifts); i++) {
		uint8_t buf[64];
		struct writer w = writer_of(buf, sizeof(buf));
		value_shift(shifts[i].vr, span_str(shifts[i].value), shifts[i].days, &w);
		if (!span_eq(writer_span_of(&w), span_str(shifts[i].moved)) &&
			!(w.len == strlen(shifts[i].moved) + 1 && buf[w.len - 1] == ' ')) {
			fail_msg("%s: \"%.*s\"", shifts[i].value, (int)w.len, (const char *)buf);
		}
		assert_int_equal(w.len % 2, 0);
	}
}

/* Every day of four centuries, there and back, and in order. */
static void test_calendar(void **state)
{
	char day[9] = "18000101", last[9] = "17991231";
	for (unsigned i = 0; i < 146097; i++) {
		uint8_t buf[16], back[16];
		struct writer w = writer_of(buf, sizeof(buf)), b = writer_of(back, sizeof(back));
		value_shift("DA", span_str(day), 1, &w);
		value_shift("DA", span_of(day, 8), -1, &b);
		assert_int_equal(w.len, 8);
		assert_memory_equal(back, last, 8);
		assert_true(memcmp(buf, day, 8) > 0);
		memcpy(last, day, 8);
		memcpy(day, buf, 8);
	}
	assert_string_equal(day, "22000101");
}

/* ---- Texts ---- */

static const struct {
	const char *text, *clean;
} texts[] = {
	{"CT HEAD WITHOUT CONTRAST", "CT HEAD WITHOUT CONTRAST"},
	{"ct head for Zebedee", "ct head for "},
	{"T2 axial 5mm", "T2 axial 5mm"},
	{"chest 4711", "chest "},
	{"chest 2024-02-29", "chest"},
	{"chest 27.11.61", "chest"},
	{"chest 29-Feb-61 left", "chest left"},
	{"chest 7. M\xC3\xA4rz", "chest"},
	{"chest 12/1961", "chest"},
	{"06 12 34 56 78 chest", "chest"},
	{"chest 55 yo", "chest"},
	{"M 61 chest", "chest"},
	{"chest F/61", "chest"},
	{"61 male chest", "chest"},
	{"chest 61a", "chest"},
	{"chest 5/6", "chest"},
	{"chest 05.06", "chest"},
	{"chest 5.6.", "chest"},
	{"chest 05-06", "chest"},
	{"chest 3 mm 5 x 5 2d", "chest 3 mm 5 5 2d"},
	{"chest 13/14", "chest 13 14"},
	{"chest aged 7 left", "chest left"},
	{"chest 1.5 mm, 3 of 12", "chest 1 5 mm 3 of 12"},
	{"spine 4-5", "spine 4 5"},
	{"HEAD^John Roe", "HEAD"},
	{"knee-left", "knee left "},
	{"head (call 044 123 45 67)", "head"},
	{"M\xFCller head", "head"},
	{"head\xC3\xA9", ""},
	{"\x1B$B:43@ to \x1B(B head", "head"},
	{"head \x1B$B:43@ to", "head"},
	{"\x1B(J", ""},
	{"hand of Hand", "of"}, /* a name that is a word */
	{"", ""},
};

static void test_numbers_are_known(void **state)
{
	static const char *const numbers[] = {
		"", "12", "-1.5e+2", "1\\2.E3", "101112.5", "10:11:12 ", "045Y", "7 "};
	static const char *const others[] = {"Zebedee", "12 Z", "e", "Y", "12EE", "1e2 to 3"};
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		assert_true(value_is_number(span_str(numbers[i])));
	}
	for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
		assert_false(value_is_number(span_str(others[i])));
	}
	assert_true(value_is_number(span_of("12\0", 3)));
	assert_false(value_is_number(span_of("1\0 2", 4)));
}

static void test_texts_are_cleaned(void **state)
{
	struct value_names names = {.of = {span_str("Hand^Oliver"), span_str("4711")}};
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		uint8_t buf[64];
		struct writer w = writer_of(buf, sizeof(buf));
		value_clean(span_str(texts[i].text), &names, &w);
		size_t n = strlen(texts[i].clean);
		while (n > 0 && texts[i].clean[n - 1] == ' ') {
			n--;
		}
		size_t len = w.len;
		while (len > 0 && buf[len - 1] == ' ') {
			len--;
		}
		if (len != n || memcmp(buf, texts[i].clean, n) != 0) {
			print_error("%s: \"%.*s\"\n", texts[i].text, (int)w.len, (const char *)buf);
		}
		assert_true(len == n && memcmp(buf, texts[i].clean, n) == 0);
		assert_int_equal(w.len % 2, 0);
		if (w.len > 0) { /* what is clean stays so */
			assert_true(value_is_clean(writer_span_of(&w), &names));
		}
	}
	assert_false(value_is_clean(span_str("head of Zebedee"), &names));
	assert_false(value_is_clean(span_str("left hand"), &names));
	assert_true(value_is_clean(span_str("left hand"), NULL));
}

static void test_values_stay_apart(void **state)
{
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	value_clean_each(span_str("head\\Zebedee\\left knee"), NULL, &w);
	assert_true(span_eq(writer_span_of(&w), span_str("head\\\\left knee ")) ||
		    span_eq(writer_span_of(&w), span_str("head\\\\left knee")));
}

static void test_no_room(void **state)
{
	uint8_t buf[4];
	struct writer w = writer_of(buf, sizeof(buf));
	value_clean(span_str("head head head"), NULL, &w);
	assert_true(writer_end(&w) < 0);
}

/* ---- Pseudonyms ---- */

static uint8_t key[PSEUDONYM_KEY] = {1, 2, 3};
static const struct pseudonyms ours = {.make = pseudonym_make, .arg = key};

static void test_uids(void **state)
{
	char a[UID_MAX + 1], b[UID_MAX + 1];
	assert_int_equal(pseudonym_uid(&ours, span_str("1.2.3"), a), 0);
	assert_int_equal(pseudonym_uid(&ours, span_of("1.2.3\0", 6), b), 0);
	assert_string_equal(a, b); /* padding is no part of it */
	assert_memory_equal(a, "2.25.", 5);
	assert_true(uid_valid(span_str(a)));
	/* HMAC-SHA-256 of 00 and "1.2.3", its first 128 bits: Python's hmac. */
	assert_string_equal(a, "2.25.306237654494631979018609660965114316191");
	assert_int_equal(pseudonym_uid(&ours, span_str("1.2.4"), b), 0);
	assert_string_not_equal(a, b);
	uint8_t other[PSEUDONYM_KEY] = {1, 2, 4};
	struct pseudonyms theirs = {.make = pseudonym_make, .arg = other};
	assert_int_equal(pseudonym_uid(&theirs, span_str("1.2.3"), b), 0);
	assert_string_not_equal(a, b);
}

static void test_uids_of_the_standard_stay(void **state)
{
	size_t n;
	const struct uid_entry *all = uid_entries(&n);
	char uid[UID_MAX + 1];
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(pseudonym_uid(&ours, span_str(all[i].uid), uid), 0);
		assert_string_equal(uid, all[i].uid);
	}
	assert_int_equal(pseudonym_uid(&ours, span_str(""), uid), 0);
	assert_string_equal(uid, "");
}

static void test_uid_too_long(void **state)
{
	char uid[UID_MAX + 1] = "untouched";
	uint8_t text[UID_MAX + 1];
	memset(text, '1', sizeof(text));
	assert_int_equal(pseudonym_uid(&ours, span_of(text, sizeof(text)), uid), ERR_VALUE);
	assert_string_equal(uid, "untouched");
}

static void test_every_uid_is_valid(void **state)
{
	for (unsigned i = 0; i < 20000; i++) {
		char text[32], uid[UID_MAX + 1];
		snprintf(text, sizeof(text), "1.2.%u", i);
		assert_int_equal(pseudonym_uid(&ours, span_str(text), uid), 0);
		assert_true(uid_valid(span_str(uid)));
	}
}

static void test_patients(void **state)
{
	char a[PSEUDONYM_PATIENT_SIZE], b[PSEUDONYM_PATIENT_SIZE];
	assert_int_equal(pseudonym_patient(&ours, span_str("A"), span_str("17"), a), 0);
	assert_int_equal(strlen(a), 16);
	assert_int_equal(pseudonym_patient(&ours, span_str("A"), span_str("17"), b), 0);
	assert_string_equal(a, b);
	assert_int_equal(
		pseudonym_patient(&ours, span_str("A1"), span_str("7"), b), 0); /* not "A" and "17" */
	assert_string_not_equal(a, b);
	assert_int_equal(pseudonym_patient(&ours, span_str(""), span_str("17"), b), 0);
	assert_string_not_equal(a, b);
	static uint8_t long_id[2000];
	assert_int_equal(
		pseudonym_patient(&ours, span_str(""), span_of(long_id, sizeof(long_id)), b), ERR_VALUE);
}

static void test_days(void **state)
{
	int least = 0, most = -4000;
	for (unsigned i = 0; i < 5000; i++) {
		char id[16];
		int days = 0, again = 0;
		snprintf(id, sizeof(id), "%u", i);
		assert_int_equal(pseudonym_days(&ours, span_str(""), span_str(id), &days), 0);
		assert_int_equal(pseudonym_days(&ours, span_str(""), span_str(id), &again), 0);
		assert_int_equal(days, again);
		assert_true(days <= -1 && days >= -3652);
		least = days < least ? days : least;
		most = days > most ? days : most;
	}
	assert_true(least < -3500 && most > -150);
}

static int refuse(void *arg, enum pseudonym kind, struct span value, uint8_t ret[32])
{
	return ERR_PEER;
}

static void test_a_maker_that_refuses(void **state)
{
	const struct pseudonyms none = {.make = refuse};
	char uid[UID_MAX + 1] = "untouched";
	int days = 5;
	assert_int_equal(pseudonym_uid(&none, span_str("1.2.3"), uid), ERR_PEER);
	assert_int_equal(pseudonym_days(&none, span_str(""), span_str("1"), &days), ERR_PEER);
	assert_string_equal(uid, "untouched");
	assert_int_equal(days, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dummies_are_valid),
		cmocka_unit_test(test_dates_are_moved),
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_numbers_are_known),
		cmocka_unit_test(test_texts_are_cleaned),
		cmocka_unit_test(test_values_stay_apart),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_uids),
		cmocka_unit_test(test_uids_of_the_standard_stay),
		cmocka_unit_test(test_uid_too_long),
		cmocka_unit_test(test_every_uid_is_valid),
		cmocka_unit_test(test_patients),
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_a_maker_that_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
