/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "transform/leftovers.h"
#include "transform/spelling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* Values that are written otherwise elsewhere: names without what is on their letters, dates, IDs. */

static struct leftovers l;

static bool finds(uint32_t tag, const char *vr, const char *value, const char *charset, const char *in)
{
	uint8_t bytes[256];
	struct dataset d;
	struct writer w = writer_of(bytes, sizeof(bytes));
	int event;
	leftovers_begin(&l, 0);
	leftovers_charset(&l, span_str(charset));
	leftovers_add(&l, tag, vr, span_str(value));
	writer_bytes(&w, "\x18\0\x10\x12UT\0\0", 8);
	writer_u32le(&w, (uint32_t)strlen(in));
	writer_span(&w, span_str(in));
	assert_int_equal(dataset_begin(&d, ENCODING_EXPLICIT_LE, NULL), 0);
	dataset_feed(&d, writer_span_of(&w));
	while ((event = dataset_next(&d)) > 0) {
		leftovers_event(&l, &d, event);
	}
	assert_int_equal(event, DATASET_MORE);
	assert_true(!l.found || l.grave);
	return l.found;
}

static void plain_names(void **state)
{
	static const struct {
		const char *name, *in;
		bool found;
	} rows[] = {{"M\xC3\xBCller^J", "seen by MUELLER", true}, {"M\xC3\xBCller^J", "Muller", true},
		{"M\xC3\x9CLLER^J", "mueller", true}, {"M\xC3\xBCller^J", "Miller", false},
		{"M\xC3\xBCller^J", "Muellerson", false}, {"Mueller^J", "M\xC3\xBCller", true},
		{"MUELLER^J", "M\xC3\xBCller", true}, {"MUELLER^J", "M\xDCLLER", true},
		{"Gro\xC3\x9F^J", "GROSS", true}, {"S\xC3\xB8rensen^J", "Soerensen", true},
		{"S\xC3\xB8rensen^J", "Sorensen", true}, {"\xC3\x85gren^J", "Aagren", true},
		{"Dvo\xC5\x99\xC3\xA1k^J", "DVORAK", true}, {"\xC5\x81ukasz^J", "Lukasz", true},
		{"\xC3\x87"
		 "elik^J",
			"Celik", true},
		{"Nu\xC3\xB1"
		 "ez^J",
			"Nunez", true},
		{"\xD0\x98\xD0\xB2\xD0\xB0\xD0\xBD\xD0\xBE\xD0\xB2^J", "Ivanov", false},
		{"Miller^J", "M\xC3\xBCller", false}};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (finds(0x00100010, "PN", rows[i].name, "ISO_IR 192", rows[i].in) != rows[i].found) {
			fail_msg("%s in %s", rows[i].name, rows[i].in);
		}
		/* Only of names. */
		assert_true(rows[i].found == false || strstr(rows[i].in, "\xC3") ||
			    strstr(rows[i].in, "\xDC") ||
			    !finds(0x00100020, "LO", rows[i].name, "ISO_IR 192", rows[i].in));
	}
}

/* A name that is a harmless word is searched for with the rest of it. */
static void harmless_names(void **state)
{
	static const char *const in[] = {
		"seen by Quentin Swan", "SWAN, QUENTIN", "Swan Quentin", "SWAN^QUENTIN"};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(finds(0x00100010, "PN", "Swan^Quentin", "", in[i]));
	}
	assert_false(finds(0x00100010, "PN", "Swan^Quentin", "", "ax swan"));
	assert_true(finds(0x00100010, "PN", "Swan^Hand", "", "of hand swan"));
	assert_false(finds(0x00100010, "PN", "Swan^Hand", "", "hand, ax swan"));
}

/* What is not of Latin script has no such spelling, nor has what is too long. */
static void spellings(void **state)
{
	uint8_t to[SPELLING_BYTES], longest[SPELLING_TEXT];
	(void)state;
	assert_int_equal(spelling_plain(span_str("\xC3\x84x"), true, to), 3);
	assert_memory_equal(to, "aex", 3);
	assert_int_equal(spelling_plain(span_str("\xC3\x84x"), false, to), 2);
	assert_int_equal(spelling_plain(span_str("x\xE5\xB1\xB1"), true, to), 0);
	assert_int_equal(spelling_plain(span_str("x\xC3\x97"), true, to), 0); /* times */
	for (size_t i = 0; i < sizeof(longest); i += 2) {
		memcpy(longest + i, "\xC3\x84", 2);
	}
	assert_int_equal(spelling_plain(span_of(longest, sizeof(longest)), false, to), sizeof(longest) / 2);
	assert_int_equal(spelling_plain(span_of(longest, sizeof(longest)), true, to), 0);
	assert_int_equal(spelling_umlauts(span_str("Mueller"), to), 7);
	assert_memory_equal(to, "M\xC3\xBCller", 7);
	assert_int_equal(spelling_umlauts(span_str("Miller"), to), 0);
	assert_int_equal(spelling_umlauts(span_str("u"), to), 0);
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = 'e';
	assert_int_equal(spelling_umlauts(span_of(longest, sizeof(longest)), to), 0);
}

static void short_years(void **state)
{
	static const char *const in[] = {"03.02.61", "born 03/02/61", "02/03/61", "03-02-61."},
				 *const not_in[] = {"103.02.61", "03.02.612", "03:02:61", "030261"};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(finds(0x00100030, "DA", "19610203", "", in[i]));
		assert_false(finds(0x00080020, "DA", "19610203", "", in[i]));
		assert_false(finds(0x00100030, "DA", "19610203", "", not_in[i]));
	}
}

static void ids(void **state)
{
	static const struct {
		const char *id, *in;
		bool found;
	} rows[] = {{"00123456", "of 123456", true}, {"12-34.56/7", "id1234567", false},
		{"12-34.56/7", "id 1234567", true}, {"PID 99 88", "PID9988", true},
		{"0012345", "12345", false}, {"00123456", "1234567", false}, {"1\\00123456", "123456", true},
		{"A000123456", "123456", false}};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (finds(0x00100020, "LO", rows[i].id, "", rows[i].in) != rows[i].found) {
			fail_msg("%s in %s", rows[i].id, rows[i].in);
		}
	}
	assert_true(finds(0x00080050, "SH", "00123456", "", "123456"));
	assert_false(finds(0x00081010, "SH", "00123456", "", "123456"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_names),
		cmocka_unit_test(harmless_names),
		cmocka_unit_test(spellings),
		cmocka_unit_test(short_years),
		cmocka_unit_test(ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
