/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "dicom/dicomdir.h"
#include "dicom/dicomdir_write.h"

#include <stdio.h>

/* A DICOMDIR as it is written: its offsets are followed, and it is read by our reader. */

#define CT "1.2.840.10008.5.1.4.1.1.2"
#define LE "1.2.840.10008.1.2.1"

#define NAME(s)                                                                                              \
	{                                                                                                    \
		(const uint8_t *)"\x10\0\x10\0PN\x04\0" s, 12                                                \
	}
static const struct dicomdir_record records[] = {
	{0, "PATIENT", NAME("Doe "), NULL, NULL, NULL, NULL},
	{1, "STUDY", {NULL, 0}, NULL, NULL, NULL, NULL},
	{2, "SERIES", {NULL, 0}, NULL, NULL, NULL, NULL},
	{3, "IMAGE", {NULL, 0}, "D0000000\\F0000000", CT, "1.2.3", LE},
	{3, "SR DOCUMENT", {NULL, 0}, "D0000000\\F0000001", CT, "1.2.34", LE},
	{2, "SERIES", {NULL, 0}, NULL, NULL, NULL, NULL},
	{3, "IMAGE", {NULL, 0}, "D0000000\\F0000002", CT, "1.2.5", LE},
	{0, "PATIENT", NAME("Roe "), NULL, NULL, NULL, NULL},
};
enum { N = sizeof(records) / sizeof(records[0]) };

/* By the levels above: the next of the same level, and the first below; -1: there is none. */
static const int next[N] = {7, -1, 5, 4, -1, -1, -1, -1}, lower[N] = {1, 2, 3, -1, -1, 6, -1, -1};

static uint8_t bytes[8192];

static size_t write_all(void)
{
	struct writer w = writer_of(bytes, sizeof(bytes));
	assert_int_equal(dicomdir_write("1.2.99", records, N, &w), 0);
	return w.len;
}

static uint32_t u32(size_t at)
{
	return bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16 |
	       (uint32_t)bytes[at + 3] << 24;
}

static size_t find(const char *what, size_t n, size_t len)
{
	const uint8_t *p = memmem(bytes, len, what, n);
	assert_non_null(p);
	return (size_t)(p - bytes);
}

static void offsets_lead_to_records(void **state)
{
	size_t len = write_all(), at[N], item = find("\x04\0\x20\x12SQ\0", 7, len) + 12;
	for (size_t i = 0; i < N; i++) {
		at[i] = item;
		assert_int_equal(u32(item), 0xE000FFFE);
		item += 8 + u32(item + 4);
	}
	assert_int_equal(item, len);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(u32(at[i] + 16), next[i] < 0 ? 0 : at[next[i]]);
		assert_int_equal(u32(at[i] + 38), lower[i] < 0 ? 0 : at[lower[i]]);
	}
	assert_int_equal(u32(find("\x04\0\0\x12UL", 6, len) + 8), at[0]);
	assert_int_equal(u32(find("\x04\0\x02\x12UL", 6, len) + 8), at[7]);
}

static void is_read_again(void **state)
{
	static struct dicomdir d;
	char path[DICOMDIR_PATH + 1];
	dicomdir_begin(&d);
	dicomdir_feed(&d, span_of(bytes, write_all()));
	dicomdir_last(&d);
	for (unsigned i = 0; i < 3; i++) {
		char want[32];
		snprintf(want, sizeof(want), "D0000000/F000000%u", i);
		assert_int_equal(dicomdir_next(&d, path), 1);
		assert_string_equal(path, want);
	}
	assert_int_equal(dicomdir_next(&d, path), 0);
}

static void refuses(void **state)
{
	struct dicomdir_record r[N];
	struct writer w = writer_of(bytes, sizeof(bytes));
	assert_int_equal(dicomdir_write("1.2.99", records, 0, &w), ERR_ORDER);
	assert_int_equal(dicomdir_write("1.2.99", records + 1, 1, &w), ERR_ORDER);
	assert_int_equal(dicomdir_write("1..2", records, N, &w), ERR_VALUE);
	memcpy(r, records, sizeof(r));
	r[2].level = 3;
	assert_int_equal(dicomdir_write("1.2.99", r, N, &w), ERR_ORDER);
	memcpy(r, records, sizeof(r));
	r[3].file = "d0000000";
	assert_int_equal(dicomdir_write("1.2.99", r, N, &w), ERR_VALUE);
	r[3].file = records[3].file;
	r[0].keys.len = 11;
	assert_int_equal(dicomdir_write("1.2.99", r, N, &w), ERR_LENGTH);
	size_t len = write_all();
	for (size_t cap = 0; cap < len; cap++) {
		w = writer_of(bytes, cap);
		assert_int_equal(dicomdir_write("1.2.99", records, N, &w), ERR_SPACE);
	}
}

static void names_files(void **state)
{
	char file[DICOMDIR_FILE_ID];
	assert_int_equal(dicomdir_file_id(0, file), 0);
	assert_string_equal(file, "D0000000\\F0000000");
	assert_int_equal(dicomdir_file_id(1234567, file), 0);
	assert_string_equal(file, "D0001234\\F1234567");
	assert_true(dicomdir_file_id_valid(file));
	assert_int_equal(dicomdir_file_id(10000000, file), ERR_LIMIT);
	assert_true(dicomdir_file_id_valid("A\\B\\C\\D\\E\\F\\G\\H_12"));
	static const char *const bad[] = {
		"", "\\", "A\\", "ABCDEFGHI", "A.B", "a", "A B", "A\\B\\C\\D\\E\\F\\G\\H\\I"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(dicomdir_file_id_valid(bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(offsets_lead_to_records),
		cmocka_unit_test(is_read_again), cmocka_unit_test(refuses), cmocka_unit_test(names_files)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
