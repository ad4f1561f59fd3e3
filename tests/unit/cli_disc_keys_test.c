/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "dicom_made.h"

#include "cli/disc_keys.h"
#include "dicom/part10.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* What records of a DICOMDIR have of objects: read by a process, in each encoding, whole, cut off, and as nobody should write it. */

#define SR      "1.2.840.10008.5.1.4.1.1.88.11"
#define STATE   "1.2.840.10008.5.1.4.1.1.11.1"
#define CT      "1.2.840.10008.5.1.4.1.1.2"
#define HANGING "1.2.840.10008.5.1.4.38.1"
#define PDF     "1.2.840.10008.5.1.4.1.1.104.1"
#define OBJECT  65536
#define UNKNOWN 0xFFFFFFFFu
#define SECONDS 20

static struct sandbox *sandbox;
static struct disc_keys *keys;
static uint8_t object[16 * OBJECT], found[DISC_KEYS_MOST];
static struct writer w;
static size_t found_len;
static int file = -1;

static int set_up(void **state)
{
	(void)state;
	file = memfd_create("object", MFD_CLOEXEC);
	return sandbox_new(SANDBOX_KEYS, NULL, 0, &sandbox) == 0 && disc_keys_new(&keys) == 0 && file >= 0
	               ? 0
	               : -1;
}

static int tear_down(void **state)
{
	(void)state;
	sandbox_free(sandbox);
	disc_keys_free(keys);
	close(file);
	return 0;
}

static const char *const syntaxes[] = {[ENCODING_IMPLICIT_LE] = "1.2.840.10008.1.2",
	[ENCODING_EXPLICIT_LE] = "1.2.840.10008.1.2.1",
	[ENCODING_EXPLICIT_BE] = "1.2.840.10008.1.2.2"};

static void begin(enum encoding e, const char *sop_class)
{
	const struct part10_meta meta = {.sop_class = span_str(sop_class),
		.sop_instance = span_str("1.2.3"),
		.transfer_syntax = span_str(syntaxes[e]),
		.implementation_class = span_str("1.2.3.4")};
	w = writer_of(object, sizeof(object));
	assert_int_equal(part10_write(&meta, &w), 0);
}

/* len bytes of it, of which the process gets all. */
static int read_keys(size_t len)
{
	assert_int_equal(writer_end(&w), 0);
	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(pwrite(file, object, len, 0), len);
	return disc_keys_read(keys, sandbox, file, 0, len, SECONDS);
}

static void put_keys(unsigned level, const char *sop_class)
{
	struct writer to = writer_of(found, sizeof(found));
	disc_keys_put(keys, level, sop_class, &(struct disc_made){7, "1.2.7"}, &to);
	assert_int_equal(writer_end(&to), 0);
	found_len = to.len;
}

/* The same bytes, as the elements of a test write them. */
static void assert_found(const struct writer *wants)
{
	assert_int_equal(found_len, wants->len);
	assert_memory_equal(found, wants->ptr, wants->len);
}

static void put_code(struct writer *to, enum encoding e, uint32_t tag, const char *value, uint32_t length)
{
	put_head(to, e, tag, "SQ", length);
	put_item(to, e, UNKNOWN);
	put_text(to, e, 0x00080100, "SH", value);
	put_text(to, e, 0x00080102, "SH", "DCM ");
	put_text(to, e, 0x00080104, "LO", "Word");
	put_item_end(to, e);
	put_sequence_end(to, e);
}

/* An item of a content tree, with a code in it. */
static void put_content(struct writer *to, enum encoding e, const char *relationship, const char *code)
{
	put_item(to, e, UNKNOWN);
	put_text(to, e, 0x0040A010, "CS", relationship);
	put_text(to, e, 0x0040A040, "CS", "CODE");
	put_code(to, e, 0x0040A043, code, UNKNOWN);
	put_item_end(to, e);
}

static void put_report(enum encoding e)
{
	begin(e, SR);
	put_text(&w, e, 0x00080023, "DA", "20260102");
	put_text(&w, e, 0x00080033, "TM", "1011");
	put_text(&w, e, 0x00200013, "IS", "12");
	put_code(&w, e, 0x0040A043, "1234", UNKNOWN);
	put_head(&w, e, 0x0040A073, "SQ", UNKNOWN);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const times[] = {"20260101120000", "20260103120000", "20260102120000"};
		put_item(&w, e, UNKNOWN);
		put_text(&w, e, 0x0040A030, "DT", times[i]);
		put_text(&w, e, 0x0040A075, "PN", "Somebody");
		put_item_end(&w, e);
	}
	put_sequence_end(&w, e);
	put_text(&w, e, 0x0040A491, "CS", "COMPLETE");
	put_text(&w, e, 0x0040A493, "CS", "VERIFIED");
	put_head(&w, e, 0x0040A730, "SQ", UNKNOWN);
	put_content(&w, e, "CONTAINS", "5555");
	put_content(&w, e, "HAS CONCEPT MOD ", "6666");
	put_content(&w, e, "HAS OBS CONTEXT ", "7777");
	put_sequence_end(&w, e);
}

static void test_report(void **state)
{
	(void)state;
	for (enum encoding e = ENCODING_IMPLICIT_LE; e <= ENCODING_EXPLICIT_BE; e++) {
		enum encoding le = ENCODING_EXPLICIT_LE;
		uint8_t expected[4096];
		struct writer to = writer_of(expected, sizeof(expected));
		put_report(e);
		assert_int_equal(read_keys(w.len), 0);
		put_keys(3, SR);
		put_text(&to, le, 0x00080023, "DA", "20260102");
		put_text(&to, le, 0x00080033, "TM", "1011");
		put_text(&to, le, 0x00200013, "IS", "12");
		put_text(&to, le, 0x0040A030, "DT", "20260103120000");
		put_code(&to, le, 0x0040A043, "1234", UNKNOWN);
		put_text(&to, le, 0x0040A491, "CS", "COMPLETE");
		put_text(&to, le, 0x0040A493, "CS", "VERIFIED");
		put_head(&to, le, 0x0040A730, "SQ", UNKNOWN);
		put_content(&to, le, "HAS CONCEPT MOD ", "6666");
		put_sequence_end(&to, le);
		assert_found(&to);
	}
}

/* Cut off anywhere: it cannot be read so far, or it is read with less; never more than it has, and never nothing said. */
static void test_cut(void **state)
{
	(void)state;
	put_report(ENCODING_EXPLICIT_LE);
	size_t all = w.len, good = 0;
	for (size_t n = 0; n < all; n += 3) {
		int e = read_keys(n);
		assert_true(e == 0 || e == ERR_VALUE);
		if (e == 0) {
			good++;
			put_keys(3, SR);
		}
	}
	assert_true(good < 20); /* between two elements of the top */
}

static void put_series(struct writer *to, enum encoding e, unsigned images)
{
	put_head(to, e, 0x00081115, "SQ", UNKNOWN);
	put_item(to, e, UNKNOWN);
	put_head(to, e, 0x00081140, "SQ", UNKNOWN);
	for (unsigned i = 0; i < images; i++) {
		char uid[24];
		snprintf(uid, sizeof(uid), "1.2.3.%08u", i);
		put_item(to, e, UNKNOWN);
		put_text(to, e, 0x00081150, "UI", "1.2.840.10");
		put_text(to, e, 0x00081155, "UI", uid);
		put_item_end(to, e);
	}
	put_sequence_end(to, e);
	put_text(to, e, 0x0020000E, "UI", "1.2.3.45");
	put_item_end(to, e);
	put_sequence_end(to, e);
}

/* What a presentation state is for; where that is longer than any record, all else is there. */
static void test_state(void **state)
{
	static uint8_t expected[DISC_KEYS_MOST];
	enum encoding e = ENCODING_EXPLICIT_LE;
	(void)state;
	for (unsigned images = 3; images <= 11000; images += images == 3 ? 2997 : 8000) {
		struct writer to = writer_of(expected, sizeof(expected));
		begin(ENCODING_IMPLICIT_LE, STATE);
		put_series(&w, ENCODING_IMPLICIT_LE, images);
		put_text(&w, ENCODING_IMPLICIT_LE, 0x00700080, "CS", "LABEL ");
		assert_int_equal(read_keys(w.len), 0);
		put_keys(3, STATE);
		if (images <= 3000) {
			put_series(&to, e, images);
		}
		put_text(&to, e, 0x00200013, "IS", "7 ");
		put_text(&to, e, 0x00700080, "CS", "LABEL ");
		put_text(&to, e, 0x00700081, "LO", "");
		put_text(&to, e, 0x00700082, "DA", "19000101");
		put_text(&to, e, 0x00700083, "TM", "000000");
		put_text(&to, e, 0x00700084, "PN", "");
		assert_found(&to);
	}
}

/* A title is a code with a value, long or a URN, and a meaning; half of one is none, and only the first counts. */
static void test_title(void **state)
{
	static const struct {
		uint32_t value;
		const char *vr;
		bool scheme, meaning, good;
	} rows[] = {{0x00080100, "SH", true, true, true}, {0x00080119, "UC", true, true, true},
		{0x00080120, "UR", false, true, true}, {0x00080100, "SH", false, true, false},
		{0x00080119, "UC", true, false, false}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum encoding e = ENCODING_EXPLICIT_LE;
		uint8_t expected[512];
		struct writer to = writer_of(expected, sizeof(expected)), *both[] = {&w, &to};
		begin(e, SR);
		for (unsigned k = 0; k < 2; k++) {
			put_head(both[k], e, 0x0040A043, "SQ", UNKNOWN);
			put_item(both[k], e, UNKNOWN);
			for (uint32_t tag = 0x00080100; tag <= 0x00080120; tag++) {
				if (tag == rows[i].value) {
					put_text(both[k], e, tag, rows[i].vr, "urn:x:12");
				} else if (tag == 0x00080102 && rows[i].scheme) {
					put_text(both[k], e, tag, "SH", "99X ");
				} else if (tag == 0x00080104 && rows[i].meaning) {
					put_text(both[k], e, tag, "LO", "Word");
				}
			}
			put_item_end(both[k], e);
			if (k == 0) {
				put_item(&w, e, UNKNOWN);
				put_text(&w, e, 0x00080104, "LO", "Another ");
				put_item_end(&w, e);
			}
			put_sequence_end(both[k], e);
		}
		assert_int_equal(read_keys(w.len), 0);
		put_keys(3, SR);
		bool there = memmem(found, found_len, to.ptr, to.len) != NULL;
		assert_true(there == rows[i].good);
		assert_true((memmem(found, found_len, "121181", 6) != NULL) == !rows[i].good);
		assert_null(memmem(found, found_len, "Another", 7));
	}
}

/* Above objects, and what has to be there and is not. */
static void test_above(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	uint8_t expected[1024];
	(void)state;
	begin(e, CT);
	put_text(&w, e, 0x00080005, "CS", "ISO_IR 100");
	put_text(&w, e, 0x00080008, "CS", "ORIGINAL");
	put_text(&w, e, 0x00100010, "PN", "Doe^John");
	put_text(&w, e, 0x0020000D, "UI", "1.2.3.45");
	assert_int_equal(read_keys(w.len), 0);
	struct writer to = writer_of(expected, sizeof(expected));
	put_text(&to, e, 0x00080005, "CS", "ISO_IR 100");
	put_text(&to, e, 0x00100010, "PN", "Doe^John");
	put_text(&to, e, 0x00100020, "LO", "7 ");
	put_keys(0, CT);
	assert_found(&to);
	to.len = 0;
	put_text(&to, e, 0x00080005, "CS", "ISO_IR 100");
	put_text(&to, e, 0x00080020, "DA", "19000101");
	put_text(&to, e, 0x00080030, "TM", "000000");
	put_text(&to, e, 0x00080050, "SH", "");
	put_text(&to, e, 0x00081030, "LO", "");
	put_text(&to, e, 0x0020000D, "UI", "1.2.3.45");
	put_text(&to, e, 0x00200010, "SH", "7 ");
	put_keys(1, CT);
	assert_found(&to);
	to.len = 0;
	put_text(&to, e, 0x00080005, "CS", "ISO_IR 100");
	put_text(&to, e, 0x00080008, "CS", "ORIGINAL");
	put_text(&to, e, 0x00200013, "IS", "7 ");
	put_keys(3, CT);
	assert_found(&to);
	/* A series' UID is made up; a study's date is better known from elsewhere. */
	to.len = 0;
	put_text(&to, e, 0x00080005, "CS", "ISO_IR 100");
	put_text(&to, e, 0x00080060, "CS", "OT");
	put_head(&to, e, 0x0020000E, "UI", 6);
	writer_bytes(&to, "1.2.7", 6);
	put_text(&to, e, 0x00200011, "IS", "7 ");
	put_keys(2, CT);
	assert_found(&to);
	begin(e, CT);
	put_text(&w, e, 0x00080022, "DA", "20260103");
	put_text(&w, e, 0x00080023, "DA", "20260104");
	put_text(&w, e, 0x00080033, "TM", "1011");
	assert_int_equal(read_keys(w.len), 0);
	put_keys(1, CT);
	to.len = 0;
	put_text(&to, e, 0x00080020, "DA", "20260103");
	put_text(&to, e, 0x00080030, "TM", "1011");
	assert_true(found_len > to.len);
	assert_memory_equal(found, to.ptr, to.len);
	begin(e, CT);
	put_text(&w, e, 0x00080005, "CS", "ISO_IR 100");
	assert_int_equal(read_keys(w.len), 0);
	/* The title of a document may be none. */
	to.len = 0;
	put_text(&to, e, 0x00080005, "CS", "ISO_IR 100");
	put_text(&to, e, 0x00080023, "DA", "");
	put_text(&to, e, 0x00080033, "TM", "");
	put_text(&to, e, 0x00200013, "IS", "7 ");
	put_head(&to, e, 0x0040A043, "SQ", 0);
	put_text(&to, e, 0x00420010, "ST", "");
	put_text(&to, e, 0x00420012, "LO", "application/octet-stream");
	put_keys(3, PDF);
	assert_found(&to);
}

/* Numbers, of each byte order, of another length, and of none; a sequence that has to be there. */
static void test_numbers(void **state)
{
	static const struct {
		const char *bytes[3]; /* by encoding */
		uint32_t len;
		uint8_t wants[2];
	} rows[] = {{{"\3\1", "\3\1", "\1\3"}, 2, {3, 1}}, {{"\3\1\0\0", "\3\1\0\0", "\1\3\0\0"}, 4, {0, 0}},
		{{"", "", ""}, 0, {0, 0}}};
	(void)state;
	for (enum encoding e = ENCODING_IMPLICIT_LE; e <= ENCODING_EXPLICIT_BE; e++) {
		for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
			uint8_t expected[1024];
			struct writer to = writer_of(expected, sizeof(expected));
			begin(e, HANGING);
			put_code(&w, e, 0x0072000E, "1234", UNKNOWN);
			put_head(&w, e, 0x00720014, "US", rows[i].len);
			writer_bytes(&w, rows[i].bytes[e], rows[i].len);
			assert_int_equal(read_keys(w.len), 0);
			put_keys(3, HANGING);
			put_text(&to, ENCODING_EXPLICIT_LE, 0x00720002, "SH", "UNKNOWN ");
			put_text(&to, ENCODING_EXPLICIT_LE, 0x00720004, "LO", "UNKNOWN ");
			put_text(&to, ENCODING_EXPLICIT_LE, 0x00720006, "CS", "SITE");
			put_text(&to, ENCODING_EXPLICIT_LE, 0x00720008, "LO", "UNKNOWN ");
			put_text(&to, ENCODING_EXPLICIT_LE, 0x0072000A, "DT", "19000101");
			put_head(&to, ENCODING_EXPLICIT_LE, 0x0072000C, "SQ", 0);
			put_code(&to, ENCODING_EXPLICIT_LE, 0x0072000E, "1234", UNKNOWN);
			put_head(&to, ENCODING_EXPLICIT_LE, 0x00720014, "US", 2);
			writer_bytes(&to, rows[i].wants, 2);
			assert_found(&to);
		}
	}
}

static void test_no_object(void **state)
{
	(void)state;
	begin(ENCODING_EXPLICIT_LE, CT);
	memcpy(object + 128, "XXXX", 4);
	assert_int_equal(read_keys(w.len), ERR_VALUE);
	/* What is longer than a value of a record is left away; nested deeper than is followed ends it. */
	begin(ENCODING_EXPLICIT_LE, SR);
	put_head(&w, ENCODING_EXPLICIT_LE, 0x0040A730, "SQ", UNKNOWN);
	for (unsigned i = 0; i < 70; i++) {
		put_item(&w, ENCODING_EXPLICIT_LE, UNKNOWN);
		put_text(&w, ENCODING_EXPLICIT_LE, 0x0040A010, "CS", "HAS CONCEPT MOD ");
		put_head(&w, ENCODING_EXPLICIT_LE, 0x0040A730, "SQ", UNKNOWN);
	}
	assert_int_equal(read_keys(w.len), ERR_VALUE);
	begin(ENCODING_EXPLICIT_LE, CT);
	put_head(&w, ENCODING_EXPLICIT_LE, 0x00100010, "PN", 2000);
	writer_fill(&w, 'A', 2000);
	assert_int_equal(read_keys(w.len), 0);
	put_keys(0, CT);
	assert_true(found_len < 40);
}

static void test_types(void **state)
{
	static const struct {
		const char *sop_class, *type;
		bool of_nobody;
	} rows[] = {{CT, "IMAGE", false}, {SR, "SR DOCUMENT", false}, {STATE, "PRESENTATION", false},
		{PDF, "ENCAP DOC", false}, {"1.2.840.10008.5.1.4.1.1.88.59", "KEY OBJECT DOC", false},
		{"1.2.840.10008.5.1.4.1.1.88.590", "SR DOCUMENT", false},
		{"1.2.840.10008.5.1.4.1.1.481.2", "RT DOSE", false},
		{"1.2.840.10008.5.1.4.1.1.481.1", "IMAGE", false},
		{"1.2.840.10008.5.1.4.1.1.66", "RAW DATA", false},
		{"1.2.840.10008.5.1.4.1.1.66.4", "IMAGE", false}, /* Segmentation */
		{"1.2.840.10008.5.1.4.1.1.66.5", "SURFACE", false},
		{"1.2.840.10008.5.1.4.1.1.67", "VALUE MAP", false},
		{"1.2.840.10008.5.1.4.1.1.91.1", "ANNOTATION", false},
		{"1.2.840.10008.5.1.4.1.1.4.2", "SPECTROSCOPY", false},
		{"1.2.840.10008.5.1.4.1.1.78.6", "SR DOCUMENT", false}, /* Spectacles */
		{"1.2.840.10008.5.1.4.1.1.78.7", "MEASUREMENT", false},
		{"1.2.840.10008.5.1.4.1.1.9.100.1", "PRESENTATION", false},
		{"1.2.840.10008.5.1.4.1.1.481.10", "RADIOTHERAPY", false},
		{"1.2.840.10008.5.1.4.1.1.481.23", "IMAGE", false},
		{"1.2.840.10008.5.1.4.34.7", "PLAN", false}, {HANGING, "HANGING PROTOCOL", true},
		{"1.2.840.10008.5.1.4.39.1", "PALETTE", true}, {"1.2.840.10008.5.1.4.43.1", "IMPLANT", true},
		{"1.2.840.10008.5.1.4.44.1", "IMPLANT ASSY", true},
		{"1.2.840.10008.5.1.4.45.1", "IMPLANT GROUP", true}, {"", "IMAGE", false}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(disc_keys_type(rows[i].sop_class), rows[i].type);
		assert_int_equal(disc_keys_of_nobody(rows[i].sop_class), rows[i].of_nobody);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_title),
		cmocka_unit_test(test_above),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_no_object),
		cmocka_unit_test(test_types),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
