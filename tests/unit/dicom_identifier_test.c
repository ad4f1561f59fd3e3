/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "base/writer.h"
#include "dicom/identifier.h"

#define UNDEFINED 0xFFFFFFFFu

/* The tests' own writer of elements, in each encoding. */
static void put_u16(struct writer *w, enum encoding e, uint16_t v)
{
	if (e == ENCODING_EXPLICIT_BE) {
		writer_u16be(w, v);
	} else {
		writer_u16le(w, v);
	}
}

static void put_u32(struct writer *w, enum encoding e, uint32_t v)
{
	if (e == ENCODING_EXPLICIT_BE) {
		writer_u32be(w, v);
	} else {
		writer_u32le(w, v);
	}
}

static void put_head(struct writer *w, enum encoding e, uint32_t tag, const char *vr, uint32_t len)
{
	put_u16(w, e, (uint16_t)(tag >> 16));
	put_u16(w, e, (uint16_t)tag);
	if (e == ENCODING_IMPLICIT_LE || tag >> 16 == 0xFFFE) {
		put_u32(w, e, len);
		return;
	}
	writer_bytes(w, vr, 2);
	if (strcmp(vr, "SQ") == 0 || strcmp(vr, "UN") == 0 || strcmp(vr, "OB") == 0 ||
		strcmp(vr, "UT") == 0) {
		writer_u16le(w, 0);
		put_u32(w, e, len);
	} else {
		put_u16(w, e, (uint16_t)len);
	}
}

static void put_text(struct writer *w, enum encoding e, uint32_t tag, const char *vr, const char *text)
{
	put_head(w, e, tag, vr, (uint32_t)strlen(text));
	writer_bytes(w, text, strlen(text));
}

/* A worklist query: a level above, a sequence with an item of two keys, a key after it. */
static size_t query(uint8_t *buf, size_t cap, enum encoding e, bool undefined)
{
	uint8_t inner[128];
	struct writer w = writer_of(buf, cap), i = writer_of(inner, sizeof(inner));
	put_text(&i, e, 0x00080060, "CS", "CT");
	put_text(&i, e, 0x00400002, "DA", "20261123");
	uint32_t n = (uint32_t)i.len;
	put_text(&w, e, 0x00080052, "CS", "STUDY ");
	put_text(&w, e, 0x00100010, "PN", "DOE^*");
	put_head(&w, e, 0x00400100, "SQ", undefined ? UNDEFINED : n + 8);
	put_head(&w, e, 0xFFFEE000, "", undefined ? UNDEFINED : n);
	writer_bytes(&w, inner, n);
	if (undefined) {
		put_head(&w, e, 0xFFFEE00D, "", 0);
		put_head(&w, e, 0xFFFEE0DD, "", 0);
	}
	put_text(&w, e, 0x00401001, "SH", "");
	assert_int_equal(writer_end(&w), 0);
	return w.len;
}

static void walk_query(enum encoding e, bool undefined)
{
	static const struct {
		uint32_t tag;
		unsigned depth;
		const char *vr, *value;
	} expected[] = {{0x00080052, 0, "CS", "STUDY "}, {0x00100010, 0, "PN", "DOE^*"},
		{0x00400100, 0, "SQ", ""}, {0x00080060, 1, "CS", "CT"}, {0x00400002, 1, "DA", "20261123"},
		{0x00401001, 0, "SH", ""}};
	uint8_t buf[512];
	struct span s = exact(buf, query(buf, sizeof(buf), e, undefined));
	struct identifier_walk w;
	struct element el;
	identifier_begin(&w, s, e);
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_int_equal(identifier_next(&w, &el), 1);
		assert_int_equal(el.tag, expected[i].tag);
		assert_int_equal(el.depth, expected[i].depth);
		assert_string_equal(el.vr, expected[i].vr);
		assert_span(el.value, expected[i].value);
		assert_true(el.depth == 0 || el.path[0] == 0x00400100);
	}
	assert_int_equal(identifier_next(&w, &el), 0);
	assert_int_equal(identifier_next(&w, &el), 0);
	struct span v = {0};
	assert_int_equal(identifier_find(s, e, 0x00400002, &v), 0);
	assert_span(v, "20261123");
	assert_int_equal(identifier_find(s, e, 0x00401001, &v), 0);
	assert_int_equal(v.len, 0);
	assert_int_equal(identifier_find(s, e, 0x00100020, &v), ERR_NOT_FOUND);
	exact_free(s);
}

static void walks(void **state)
{
	for (int undefined = 0; undefined < 2; undefined++) {
		walk_query(ENCODING_IMPLICIT_LE, undefined);
		walk_query(ENCODING_EXPLICIT_LE, undefined);
		walk_query(ENCODING_EXPLICIT_BE, undefined);
	}
}

static void truncated(void **state)
{
	static const enum encoding all[] = {ENCODING_IMPLICIT_LE, ENCODING_EXPLICIT_LE, ENCODING_EXPLICIT_BE};
	for (size_t k = 0; k < 6; k++) {
		uint8_t buf[512];
		enum encoding e = all[k / 2];
		size_t n = query(buf, sizeof(buf), e, k % 2);
		for (size_t i = 0; i < n; i++) {
			struct span s = exact(buf, i), v = span_str("before");
			int err = identifier_find(s, e, 0x00401001, &v);
			/* Where an element ends the rest is simply not there. */
			assert_true(err == ERR_TRUNCATED || err == ERR_NOT_FOUND);
			assert_true(i > 0 || err == ERR_NOT_FOUND);
			assert_span(v, "before");
			exact_free(s);
		}
	}
}

static int walk(struct writer *w, enum encoding e)
{
	struct span s = exact(w->ptr, w->len), v;
	int err = identifier_find(s, e, 0xFFFFFFFF, &v);
	exact_free(s);
	return err;
}

#define ENC     ENCODING_EXPLICIT_LE
#define FRESH() (w = writer_of(buf, sizeof(buf)))

static void malformed(void **state)
{
	uint8_t buf[256];
	struct writer w;
	FRESH(); /* order, twice */
	put_text(&w, ENC, 0x00100020, "LO", "X ");
	put_text(&w, ENC, 0x00100010, "PN", "Y ");
	assert_int_equal(walk(&w, ENC), ERR_ORDER);
	FRESH();
	put_text(&w, ENC, 0x00100020, "LO", "X ");
	put_text(&w, ENC, 0x00100020, "LO", "Y ");
	assert_int_equal(walk(&w, ENC), ERR_DUPLICATE);
	FRESH(); /* no VR */
	put_text(&w, ENC, 0x00100020, "l!", "X ");
	assert_int_equal(walk(&w, ENC), ERR_VALUE);
	FRESH(); /* giant */
	put_head(&w, ENC, 0x00100020, "UT", 0xFFFFFFFE);
	assert_int_equal(walk(&w, ENC), ERR_TRUNCATED);
	FRESH(); /* an item or a delimiter where none belongs */
	put_head(&w, ENC, 0xFFFEE000, "", 0);
	assert_int_equal(walk(&w, ENC), ERR_ORDER);
	FRESH();
	put_head(&w, ENC, 0xFFFEE0DD, "", 0);
	assert_int_equal(walk(&w, ENC), ERR_ORDER);
	FRESH(); /* an element directly in a sequence */
	put_head(&w, ENC, 0x00400100, "SQ", UNDEFINED);
	put_text(&w, ENC, 0x00400101, "LO", "X ");
	assert_int_equal(walk(&w, ENC), ERR_ORDER);
	FRESH(); /* a delimiter that has a length, and one in a sequence of defined length */
	put_head(&w, ENC, 0x00400100, "SQ", UNDEFINED);
	put_head(&w, ENC, 0xFFFEE0DD, "", 2);
	assert_int_equal(walk(&w, ENC), ERR_LENGTH);
	FRESH();
	put_head(&w, ENC, 0x00400100, "SQ", 8);
	put_head(&w, ENC, 0xFFFEE0DD, "", 0);
	assert_int_equal(walk(&w, ENC), ERR_ORDER);
	FRESH(); /* an item that leaves its sequence, though bytes follow */
	put_head(&w, ENC, 0x00400100, "SQ", 8);
	put_head(&w, ENC, 0xFFFEE000, "", 8);
	put_text(&w, ENC, 0x00400101, "LO", "");
	assert_int_equal(walk(&w, ENC), ERR_TRUNCATED);
	FRESH(); /* encapsulated pixel data */
	put_head(&w, ENC, 0x7FE00010, "OB", UNDEFINED);
	assert_int_equal(walk(&w, ENC), ERR_UNSUPPORTED);
}

static void an_error_stays(void **state)
{
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	struct identifier_walk walk;
	struct element e;
	put_text(&w, ENC, 0x00100020, "LO", "X ");
	put_text(&w, ENC, 0x00100010, "PN", "Y ");
	identifier_begin(&walk, writer_span_of(&w), ENC);
	assert_int_equal(identifier_next(&walk, &e), 1);
	assert_int_equal(identifier_next(&walk, &e), ERR_ORDER);
	assert_int_equal(identifier_next(&walk, &e), ERR_ORDER);
	assert_int_equal(e.tag, 0x00100020);
}

/* PS3.5 6.2.2, note 2: a UN of undefined length holds items in implicit VR. */
static void unknown_sequence(void **state)
{
	uint8_t buf[128];
	struct writer w = writer_of(buf, sizeof(buf));
	struct span v;
	put_head(&w, ENC, 0x00091010, "UN", UNDEFINED);
	put_head(&w, ENC, 0xFFFEE000, "", UNDEFINED);
	put_text(&w, ENCODING_IMPLICIT_LE, 0x00100020, "", "ID");
	put_head(&w, ENC, 0xFFFEE00D, "", 0);
	put_head(&w, ENC, 0xFFFEE0DD, "", 0);
	put_text(&w, ENC, 0x00100030, "DA", "");
	struct span s = exact(w.ptr, w.len);
	assert_int_equal(identifier_find(s, ENC, 0x00100020, &v), 0);
	assert_span(v, "ID");
	exact_free(s);
}

static int nested(unsigned depth)
{
	static uint8_t buf[32 * 100];
	struct writer w = writer_of(buf, sizeof(buf));
	for (unsigned i = 0; i < depth; i++) {
		put_head(&w, ENC, 0x00400100, "SQ", UNDEFINED);
		put_head(&w, ENC, 0xFFFEE000, "", UNDEFINED);
	}
	for (unsigned i = 0; i < depth; i++) {
		put_head(&w, ENC, 0xFFFEE00D, "", 0);
		put_head(&w, ENC, 0xFFFEE0DD, "", 0);
	}
	return walk(&w, ENC);
}

static void depth(void **state)
{
	assert_int_equal(nested(LIMIT_SEQUENCE_DEPTH), ERR_NOT_FOUND);
	assert_int_equal(nested(LIMIT_SEQUENCE_DEPTH + 1), ERR_LIMIT);
}

static void size(void **state)
{
	uint8_t *big = calloc(1, LIMIT_IDENTIFIER + 1);
	struct span v;
	assert_int_equal(identifier_find(span_of(big, LIMIT_IDENTIFIER + 1), ENC, 0x00100020, &v), ERR_LIMIT);
	free(big);
}

static void encodings(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_BE;
	assert_int_equal(encoding_of(span_str("1.2.840.10008.1.2"), &e), 0);
	assert_int_equal(e, ENCODING_IMPLICIT_LE);
	assert_int_equal(encoding_of(span_str("1.2.840.10008.1.2.4.70"), &e), 0);
	assert_int_equal(e, ENCODING_EXPLICIT_LE);
	assert_int_equal(encoding_of(span_str("1.2.840.10008.1.2.2"), &e), 0);
	assert_int_equal(e, ENCODING_EXPLICIT_BE);
	assert_int_equal(encoding_of(span_str("1.2.840.10008.1.2.1.99"), &e), 0);
	assert_int_equal(e, ENCODING_DEFLATED_LE);
	assert_int_equal(encoding_of(span_str("1.2.840.10008.1.1"), &e), ERR_NOT_FOUND);
	assert_int_equal(encoding_of(span_str("1.2.3"), &e), ERR_NOT_FOUND);
	assert_int_equal(e, ENCODING_DEFLATED_LE);
	struct identifier_walk w;
	struct element el;
	identifier_begin(&w, span_str(""), e);
	assert_int_equal(identifier_next(&w, &el), ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks),
		cmocka_unit_test(truncated),
		cmocka_unit_test(malformed),
		cmocka_unit_test(an_error_stays),
		cmocka_unit_test(unknown_sequence),
		cmocka_unit_test(depth),
		cmocka_unit_test(size),
		cmocka_unit_test(encodings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
