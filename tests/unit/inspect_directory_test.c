/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

/* DICOMDIRs: which record is pointed to by which. */

#define DIRECTORY "1.2.840.10008.1.3.10"

struct record {
	uint32_t next, lower; /* numbers of records, from 1; 0: none; over 100: an offset of nothing */
	const char *type;
	uint16_t in_use;
};

static void put_long(struct writer *w, uint32_t tag, uint32_t v)
{
	put_head(w, e, tag, "UL", 4);
	writer_u32le(w, v);
}

static void put_record(struct writer *w, const struct record *r, const uint32_t at[])
{
	put_item(w, e, UNDEFINED_LENGTH);
	put_long(w, 0x00041400, at[r->next]);
	put_short(w, 0x00041410, r->in_use);
	put_long(w, 0x00041420, at[r->lower]);
	put_string(w, 0x00041430, "CS", r->type);
	put_item_end(w, e);
}

/* at: where each record is to be pointed to; ret_at: where each stands, which does not depend on it. */
static struct writer make(uint32_t first, uint32_t last, const struct record *r, unsigned n,
	const uint32_t at[], uint32_t ret_at[])
{
	struct writer w = writer_of(bytes, sizeof(bytes));
	writer_fill(&w, 0, 128);
	writer_bytes(&w, "DICM", 4);
	put_head(&w, e, 0x00020000, "UL", 4);
	writer_u32le(&w, 28 + 16 + 28);
	put_string(&w, 0x00020002, "UI", DIRECTORY);
	put_string(&w, 0x00020003, "UI", "1.2.3.45");
	put_string(&w, 0x00020010, "UI", EXPLICIT);
	put_long(&w, 0x00041200, at[first]);
	put_long(&w, 0x00041202, at[last]);
	put_head(&w, e, 0x00041220, "SQ", UNDEFINED_LENGTH);
	for (unsigned k = 0; k < n; k++) {
		ret_at[k + 1] = (uint32_t)writer_span_of(&w).len;
		put_record(&w, &r[k], at);
	}
	put_sequence_end(&w, e);
	return w;
}

static void expect_directory(
	uint32_t first, uint32_t last, const struct record *r, unsigned n, const char *checks)
{
	char is[1024];
	uint32_t at[9] = {0}, same[9] = {0};
	struct inspect_about about = {.file = true};
	(void)make(first, last, r, n, at, same);
	memcpy(at, same, sizeof(at));
	at[8] = 77777; /* nothing stands there */
	struct writer w = make(first, last, r, n, at, same);
	for (size_t step = 0; step < 2; step++) {
		inspect_pieces(&inspected, &about, writer_span_of(&w), 0, step, step == 0);
		said_checks(&inspected, is, sizeof(is));
		assert_string_equal(is, checks);
	}
}

static void records(void **state)
{
	static const struct {
		uint32_t first, last;
		struct record r[4];
		const char *checks;
	} rows[] = {
		{1, 1,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {4, 0, "SERIES", 65535},
				{0, 0, "SERIES", 65535}},
			""},
		/* In another order. */
		{3, 3,
			{{0, 0, "SERIES", 65535}, {0, 4, "STUDY", 65535}, {0, 2, "PATIENT", 65535},
				{1, 0, "SERIES", 65535}},
			""},
		/* A type that there is not. */
		{1, 1,
			{{0, 2, "PERSON", 65535}, {0, 3, "STUDY", 65535}, {4, 0, "SERIES", 65535},
				{0, 0, "SERIES", 65535}},
			"directory"},
		{1, 1,
			{{0, 2, "", 65535}, {0, 3, "STUDY", 65535}, {4, 0, "SERIES", 65535},
				{0, 0, "SERIES", 65535}},
			"directory"},
		/* Back to the first: without end. */
		{1, 1,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {4, 0, "SERIES", 65535},
				{1, 0, "SERIES", 65535}},
			"directory"},
		{1, 1,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {4, 0, "SERIES", 65535},
				{0, 4, "SERIES", 65535}},
			"directory"},
		/* One twice, and one not. */
		{1, 1,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {2, 0, "SERIES", 65535},
				{0, 0, "SERIES", 65535}},
			"directory"},
		/* Into nothing; nowhere. */
		{1, 1,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {8, 0, "SERIES", 65535},
				{0, 0, "SERIES", 65535}},
			"directory"},
		{0, 0,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {4, 0, "SERIES", 65535},
				{0, 0, "SERIES", 65535}},
			"directory"},
		{1, 8,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {4, 0, "SERIES", 65535},
				{0, 0, "SERIES", 65535}},
			"directory"},
		/* One that nothing points to: only if it is not in use, or if files point to it. */
		{1, 1,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {0, 0, "SERIES", 65535},
				{0, 0, "SERIES", 65535}},
			"directory"},
		{1, 1,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {0, 0, "SERIES", 65535},
				{0, 0, "SERIES", 0}},
			""},
		{1, 1,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {0, 0, "SERIES", 65535},
				{0, 0, "MRDR", 0}},
			""},
		{1, 1,
			{{0, 2, "PATIENT", 65535}, {0, 3, "STUDY", 65535}, {4, 0, "SERIES", 65535},
				{0, 0, "SERIES", 0}},
			""},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		expect_directory(rows[k].first, rows[k].last, rows[k].r, 4, rows[k].checks);
	}
	expect_directory(0, 0, rows[0].r, 0, "");
}

static void references(void **state)
{
	static const struct {
		const char *uid, *checks;
	} rows[] = {{"1.2.3.5", ""}, {"1.2.3.4", "reference-to-itself"}, {"1.2.3.44", ""}, {"", ""}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_head(&w, e, 0x00081140, "SQ", UNDEFINED_LENGTH);
		put_item(&w, e, UNDEFINED_LENGTH);
		put_string(&w, 0x00081150, "UI", SECONDARY);
		put_string(&w, 0x00081155, "UI", rows[k].uid);
		put_item_end(&w, e);
		put_sequence_end(&w, e);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(references),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
