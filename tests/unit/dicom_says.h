/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DICOM_SAYS_H
#define TESTS_DICOM_SAYS_H

#include "dicom_events.h"
#include "dicom_made.h"

static const enum encoding all[] = {ENCODING_IMPLICIT_LE, ENCODING_EXPLICIT_LE, ENCODING_EXPLICIT_BE};
static struct parse p;
static uint8_t buf[65536];
static bool tries; /* dataset_try_un() */

/* Parse, whole and in every cut and in single bytes; what is said as text, the same each time. */
static inline char *says(struct span s, enum encoding e, int *ret_result)
{
	char *text = NULL;
	size_t n = 0;
	p = (struct parse){.encoding = e, .ask = ASK_COLLECT, .tries = tries};
	p.text = open_memstream(&text, &n);
	assert_non_null(p.text);
	struct digest whole = parse_in_pieces(&p, s, 0, true);
	fclose(p.text);
	p.text = NULL;
	*ret_result = whole.result;
	for (size_t i = 0; i <= s.len && s.len < 4096; i++) {
		assert_true(digest_eq(whole, parse_cut(&p, s, i)));
	}
	assert_true(digest_eq(whole, parse_in_pieces(&p, s, 1, true)));
	return text;
}

/* This data set is said to be this. Of the result where it is an error the offset, too. */
static inline void expect(
	const struct writer *w, enum encoding e, int result, uint64_t offset, const char *text)
{
	int r = 0;
	assert_int_equal(writer_end(w), 0);
	char *said = says(writer_span_of(w), e, &r);
	assert_string_equal(said, text);
	assert_int_equal(r, result);
	assert_int_equal(p.f.d.offset, offset);
	free(said);
}

/* Two items, the second with a sequence of its own that is empty; a key after it. */
static inline void put_nested(struct writer *w, enum encoding e, bool undefined)
{
	uint32_t head = e == ENCODING_IMPLICIT_LE ? 8 : 12;
	uint32_t first = 8 + 2, second = head;
	uint32_t sum = 8 + first + 8 + second;
	put_head(w, e, 0x00400100, "SQ", undefined ? UNDEFINED_LENGTH : sum);
	put_item(w, e, undefined ? UNDEFINED_LENGTH : first);
	put_text(w, e, 0x00080060, "CS", "CT");
	if (undefined) {
		put_item_end(w, e);
	}
	put_item(w, e, undefined ? UNDEFINED_LENGTH : second);
	put_head(w, e, 0x00081115, "SQ", undefined ? UNDEFINED_LENGTH : 0);
	if (undefined) {
		put_sequence_end(w, e);
		put_item_end(w, e);
		put_sequence_end(w, e);
	}
	put_text(w, e, 0x00401001, "SH", "");
}

#endif
