/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_made.h"

#include "transform/rename.h"

#include <stdio.h>

/* Names in small data sets: which are replaced, and that all else stays. */

static int shout(void *arg, struct span uid, char ret_name[RENAME_NAME])
{
	(void)arg;
	if (span_eq(uid, span_str("1.9"))) {
		return ERR_CLOSED;
	}
	snprintf(ret_name, RENAME_NAME, "2.25.%.*s", (int)uid.len, (const char *)uid.ptr);
	return 0;
}

static int patient(void *arg, struct span issuer, struct span id, char ret_name[RENAME_NAME])
{
	(void)arg;
	snprintf(ret_name, RENAME_NAME, "%.*s/%.*s", (int)issuer.len, (const char *)issuer.ptr, (int)id.len,
		(const char *)id.ptr);
	return 0;
}

static const struct rename how = {shout, patient, NULL, NULL};
static uint8_t out[4096];

#define IMPLICIT       "1.2.840.10008.1.2"
#define EXPLICIT       "1.2.840.10008.1.2.1"
#define BYTES(literal) span_of((const uint8_t *)(literal), sizeof(literal) - 1)

static void becomes(const char *syntax, struct span from, struct span to)
{
	struct writer w = writer_of(out, sizeof(out));
	assert_int_equal(rename_data_set(&how, span_str(syntax), from, &w, NULL), 0);
	assert_int_equal(w.len, to.len);
	assert_memory_equal(out, to.ptr, to.len);
}

static void names_of_a_query(void **state)
{
	(void)state;
	becomes(IMPLICIT,
		BYTES("\x08\0\x52\0\6\0\0\0STUDY " /* the level stays */
		      "\x10\0\x10\0\4\0\0\0A^B "
		      "\x10\0\x20\0\2\0\0\0"
		      "7 "
		      "\x10\0\x21\0\2\0\0\0H "
		      "\x20\0\x0D\0\x08\0\0\0"
		      "1.2\\1.3\0"),
		BYTES("\x08\0\x52\0\6\0\0\0STUDY "
		      "\x10\0\x10\0\4\0\0\0A^B "
		      "\x10\0\x20\0\4\0\0\0H/7 "
		      "\x10\0\x21\0\2\0\0\0H "
		      "\x20\0\x0D\0\x12\0\0\0"
		      "2.25.1.2\\2.25.1.3\0"));
	/* What is asked for, and has no value, gets none. */
	becomes(EXPLICIT, BYTES("\x08\0\x18\0UI\0\0\x10\0\x20\0LO\0\0"),
		BYTES("\x08\0\x18\0UI\0\0\x10\0\x20\0LO\0\0"));
}

static void names_in_sequences(void **state)
{
	(void)state;
	becomes(EXPLICIT,
		BYTES("\x08\0\x99\x11SQ\0\0\x14\0\0\0"
		      "\xFE\xFF\0\xE0\x0C\0\0\0"
		      "\x08\0\x55\x11UI\4\0"
		      "1.2\0"),
		BYTES("\x08\0\x99\x11SQ\0\0\xFF\xFF\xFF\xFF"
		      "\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF"
		      "\x08\0\x55\x11UI\x08\0"
		      "2.25.1.2"
		      "\xFE\xFF\x0D\xE0\0\0\0\0"
		      "\xFE\xFF\xDD\xE0\0\0\0\0"));
	/* A patient ID inside a sequence is another's. */
	becomes(IMPLICIT,
		BYTES("\x10\0\x02\x10\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0\x10\0\x20\0\2\0\0\0"
		      "7 "),
		BYTES("\x10\0\x02\x10\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF\x10\0\x20\0\2\0\0\0"
		      "7 \xFE\xFF\x0D\xE0\0\0\0\0\xFE\xFF\xDD\xE0\0\0\0\0"));
}

static int fails(const char *syntax, struct span from, size_t cap)
{
	struct writer w = writer_of(out, cap);
	return rename_data_set(&how, span_str(syntax), from, &w, NULL);
}

static void what_cannot_be(void **state)
{
	(void)state;
	const struct span good = BYTES("\x08\0\x18\0\4\0\0\0"
				       "1.2\0");
	assert_int_equal(fails(IMPLICIT, good, sizeof(out)), 0);
	assert_int_equal(fails(IMPLICIT, good, 15), ERR_SPACE);
	assert_int_equal(fails(IMPLICIT, span_of(good.ptr, good.len - 1), sizeof(out)), ERR_TRUNCATED);
	assert_int_equal(fails("1.2.840.10008.1.2.1.99", good, sizeof(out)), ERR_UNSUPPORTED);
	assert_int_equal(fails("1.2.3", good, sizeof(out)), ERR_NOT_FOUND);
	/* The error of who makes names. */
	assert_int_equal(fails(IMPLICIT,
				 BYTES("\x08\0\x18\0\4\0\0\0"
				       "1.9\0"),
				 sizeof(out)),
		ERR_CLOSED);
	/* Fragments are not of such data sets. */
	assert_int_equal(fails(EXPLICIT, BYTES("\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\0\0\0\0"),
				 sizeof(out)),
		ERR_UNSUPPORTED);
}

/* ---- Questions ---- */

static struct deidentify_rules rules;
static const struct rename asking = {shout, patient, NULL, &rules};

static int asks(unsigned options, struct span from, uint32_t *ret_tag)
{
	struct writer w = writer_of(out, sizeof(out));
	rules.options = options;
	*ret_tag = 0;
	return rename_data_set(&asking, span_str(IMPLICIT), from, &w, ret_tag);
}

static void must_not_tell(uint32_t tag, struct span from)
{
	uint32_t at;
	assert_int_equal(asks(0, from, &at), ERR_DENIED);
	assert_int_equal(at, tag);
}

static void what_may_not_be_told(void **state)
{
	(void)state;
	must_not_tell(0x00100010, BYTES("\x10\0\x10\0\4\0\0\0A^B "));
	must_not_tell(0x00100010, BYTES("\x10\0\x10\0\4\0\0\0A*  "));
	must_not_tell(0x00080050, BYTES("\x08\0\x50\0\2\0\0\0A7"));
	must_not_tell(0x00100030, BYTES("\x10\0\x30\0\x08\0\0\0"
					"19700101"));
	must_not_tell(0x00080020, BYTES("\x08\0\x20\0\x08\0\0\0"
					"20200101"));
	must_not_tell(0x00101000, BYTES("\x10\0\0\x10\2\0\0\0X1"));
	/* An issuer without its patient. */
	must_not_tell(0x00100021, BYTES("\x10\0\x21\0\2\0\0\0H "));
	/* Private, and what nobody knows. */
	must_not_tell(0x00091001, BYTES("\x09\0\1\x10\2\0\0\0X1"));
	must_not_tell(0x00080003, BYTES("\x08\0\3\0\2\0\0\0X1"));
	/* A text where the dictionary has a number: Rows, in explicit VR. */
	struct writer w = writer_of(out, sizeof(out));
	uint32_t at = 0;
	rules.options = 0;
	assert_int_equal(
		rename_data_set(&asking, span_str(EXPLICIT), BYTES("\x28\0\x10\0LO\4\0A^B "), &w, &at),
		ERR_DENIED);
	assert_int_equal(at, 0x00280010);
	/* In sequences: another's patient ID; and anything in one that is removed (Request Attributes). */
	must_not_tell(0x00100020, BYTES("\x10\0\x02\x10\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0\x10\0\x20\0\2\0\0\0"
					"7 "));
	must_not_tell(0x00080104, BYTES("\x40\0\x75\2\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0\x08\0\4\1\2\0\0\0"
					"7 "));
}

/* Text in numbers, in overlays and curves; a sequence as bytes. */
static void values_where_none_belong(void **state)
{
	const struct {
		uint32_t tag;
		struct span from;
	} values[] = {{0x00280010, BYTES("\x28\0\x10\0LO\4\0A^B ")},
		{0x00280010, BYTES("\x28\0\x10\0UT\0\0\4\0\0\0A^B ")},
		{0x60000022, BYTES("\0\x60\x22\0LO\4\0A^B ")}, {0x50000022, BYTES("\0\x50\x22\0LO\4\0A^B ")},
		{0x00081199, BYTES("\x08\0\x99\x11OB\0\0\4\0\0\0A^B ")}};
	(void)state;
	rules.options = 0;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct writer w = writer_of(out, sizeof(out));
		uint32_t at = 0;
		assert_int_equal(
			rename_data_set(&asking, span_str(EXPLICIT), values[i].from, &w, &at), ERR_DENIED);
		assert_int_equal(at, values[i].tag);
	}
}

static void what_may_be_told(void **state)
{
	uint32_t at;
	(void)state;
	/* Keys without a value, wildcards that name nobody, what the profile keeps. */
	const struct span query = BYTES("\x08\0\x52\0\6\0\0\0STUDY "
					"\x08\0\x60\0\2\0\0\0CT"
					"\x10\0\x10\0\2\0\0\0* "
					"\x10\0\x20\0\2\0\0\0"
					"7 "
					"\x10\0\x21\0\2\0\0\0H "
					"\x10\0\x30\0\0\0\0\0"
					"\x20\0\x0D\0\4\0\0\0"
					"1.2\0");
	const struct span told = BYTES("\x08\0\x52\0\6\0\0\0STUDY "
				       "\x08\0\x60\0\2\0\0\0CT"
				       "\x10\0\x10\0\2\0\0\0* "
				       "\x10\0\x20\0\4\0\0\0H/7 "
				       "\x10\0\x21\0\0\0\0\0"
				       "\x10\0\x30\0\0\0\0\0"
				       "\x20\0\x0D\0\x08\0\0\0"
				       "2.25.1.2");
	assert_int_equal(asks(0, query, &at), 0);
	assert_memory_equal(out, told.ptr, told.len);
	/* Options let dates and UIDs pass as they are; shifted dates could not be found. */
	const struct span date = BYTES("\x08\0\x20\0\x08\0\0\0"
				       "20200101");
	assert_int_equal(asks(OPTION_FULL_DATES, date, &at), 0);
	assert_int_equal(asks(OPTION_SHIFTED_DATES, date, &at), ERR_DENIED);
	const struct span study = BYTES("\x20\0\x0D\0\4\0\0\0"
					"1.2\0");
	assert_int_equal(asks(OPTION_UIDS, study, &at), 0);
	assert_memory_equal(out, study.ptr, study.len);
	/* Storage commitment's own. */
	const struct span commitment = BYTES("\x08\0\x95\x11\4\0\0\0"
					     "1.2\0"
					     "\x08\0\x99\x11\x20\0\0\0\xFE\xFF\0\xE0\x18\0\0\0"
					     "\x08\0\x50\x11\4\0\0\0"
					     "1.8\0"
					     "\x08\0\x55\x11\4\0\0\0"
					     "1.3\0");
	const struct span asked = BYTES("\x08\0\x95\x11\x08\0\0\0"
					"2.25.1.2"
					"\x08\0\x99\x11\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF"
					"\x08\0\x50\x11\4\0\0\0"
					"1.8\0"
					"\x08\0\x55\x11\x08\0\0\0"
					"2.25.1.3");
	assert_int_equal(asks(0, commitment, &at), 0);
	assert_memory_equal(out, asked.ptr, asked.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_a_query),
		cmocka_unit_test(names_in_sequences),
		cmocka_unit_test(what_cannot_be),
		cmocka_unit_test(what_may_not_be_told),
		cmocka_unit_test(what_may_be_told),
		cmocka_unit_test(values_where_none_belong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
