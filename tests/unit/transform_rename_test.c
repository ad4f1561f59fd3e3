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

static const struct rename how = {shout, patient, NULL};
static uint8_t out[4096];

#define IMPLICIT       "1.2.840.10008.1.2"
#define EXPLICIT       "1.2.840.10008.1.2.1"
#define BYTES(literal) span_of((const uint8_t *)(literal), sizeof(literal) - 1)

static void becomes(const char *syntax, struct span from, struct span to)
{
	struct writer w = writer_of(out, sizeof(out));
	assert_int_equal(rename_data_set(&how, span_str(syntax), from, &w), 0);
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
	return rename_data_set(&how, span_str(syntax), from, &w);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_a_query),
		cmocka_unit_test(names_in_sequences),
		cmocka_unit_test(what_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
