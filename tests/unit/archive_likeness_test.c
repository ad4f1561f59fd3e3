/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/likeness.h"

#include "dicom_made.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ELE "1.2.840.10008.1.2.1"
#define ILE "1.2.840.10008.1.2"

/* A signed object, and what of it may be otherwise. */
struct made {
	enum encoding encoding;
	const char *name, *uid, *time, *value, *certificate, *pixels;
	const char *content, *creator, *mark; /* of its originals, or NULL: there are none */
	unsigned signatures;
	bool defined; /* the lengths of the signatures' items */
	unsigned cut; /* bytes that are missing at the end */
};

static const struct made first = {.encoding = ENCODING_EXPLICIT_LE,
	.name = "Doe^J ",
	.uid = "2.25.1234\0",
	.time = "20260102030405.000000+0000",
	.value = "the first value ",
	.certificate = "certificate ",
	.pixels = "pixels",
	.signatures = 1};

static void put_signature(struct writer *w, const struct made *m)
{
	uint8_t bytes[512];
	struct writer of = writer_of(bytes, sizeof(bytes));
	put_head(&of, m->encoding, 0x04000005, "US", 2);
	put_u16(&of, m->encoding, 1);
	put_text(&of, m->encoding, 0x04000100, "UI", m->uid);
	put_text(&of, m->encoding, 0x04000105, "DT", m->time);
	put_text(&of, m->encoding, 0x04000115, "OB", m->certificate);
	put_text(&of, m->encoding, 0x04000120, "OB", m->value);
	put_item(w, m->encoding, m->defined ? (uint32_t)of.len : UNDEFINED_LENGTH);
	writer_span(w, writer_span_of(&of));
	if (!m->defined) {
		put_item_end(w, m->encoding);
	}
}

static void put_originals(struct writer *w, const struct made *m)
{
	put_head(w, m->encoding, 0x04000500, "SQ", UNDEFINED_LENGTH);
	put_item(w, m->encoding, UNDEFINED_LENGTH);
	put_text(w, m->encoding, 0x04000510, "UI", "1.2.840.10008.1.2.1\0");
	put_text(w, m->encoding, 0x04000520, "OB", m->content);
	put_text(w, m->encoding, 0x04010010, "LO", m->creator);
	put_text(w, m->encoding, 0x04011001, "OB", m->mark);
	put_item_end(w, m->encoding);
	put_sequence_end(w, m->encoding);
}

static int digest(const struct made *m, const char *syntax, uint8_t ret[LIKENESS_LEN])
{
	uint8_t bytes[4096] = "in front of it: file meta information";
	struct writer w = writer_of(bytes, sizeof(bytes));
	w.len = 100;
	put_text(&w, m->encoding, 0x00100010, "PN", m->name);
	if (m->content) {
		put_originals(&w, m);
	}
	put_text(&w, m->encoding, 0x7FE00010, "OB", m->pixels);
	if (m->signatures > 0) {
		put_head(&w, m->encoding, 0xFFFAFFFA, "SQ", UNDEFINED_LENGTH);
		for (unsigned i = 0; i < m->signatures; i++) {
			put_signature(&w, m);
		}
		put_sequence_end(&w, m->encoding);
	}
	assert_int_equal(writer_end(&w), 0);
	int fd = memfd_create("object", MFD_CLOEXEC);
	assert_int_equal(write(fd, bytes, w.len - m->cut), w.len - m->cut);
	int e = likeness_of(fd, 100, span_str(syntax), ret);
	close(fd);
	return e;
}

static bool is_like_the_first(const struct made *m)
{
	uint8_t one[LIKENESS_LEN], other[LIKENESS_LEN];
	struct made as = first;
	as.encoding = m->encoding;
	const char *syntax = m->encoding == ENCODING_IMPLICIT_LE ? ILE : ELE;
	assert_int_equal(digest(&as, syntax, one), 0);
	assert_int_equal(digest(m, syntax, other), 0);
	return memcmp(one, other, LIKENESS_LEN) == 0;
}

/* Signed by the same at another time. */
static void again(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct made m = first;
		m.encoding = i ? ENCODING_IMPLICIT_LE : ENCODING_EXPLICIT_LE;
		assert_true(is_like_the_first(&m));
		m.uid = "2.25.987654321012";
		m.time = "20270102030405.000000+0000";
		m.value = "another, longer value ";
		assert_true(is_like_the_first(&m));
	}
}

static void otherwise(void **state)
{
	struct made others[7];
	for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
		others[i] = first;
	}
	others[0].name = "Doe^K ";
	others[1].name = "Doe^John";
	others[2].pixels = "pixelS";
	others[3].pixels = "pixels!!";
	others[4].certificate = "Certificate ";
	others[5].certificate = "certificate one ";
	others[6].signatures = 2;
	for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
		assert_false(is_like_the_first(&others[i]));
	}
}

/* What it was, encrypted anew: for the same mark the same, if that is whole, ours, and beside it. */
static void originals(void **state)
{
	static const char *const marks[] = {"0123456789abcdef", "0123456789abcdeF", "0123456789abcd"};
	static const char *const creators[] = {"GANTRY_ORIGINALS", "GANTRY_ORIGINALX", "GANTRY_ORIGINALS  "};
	uint8_t one[LIKENESS_LEN], other[LIKENESS_LEN];
	(void)state;
	for (unsigned signatures = 0; signatures < 2; signatures++) {
		struct made m = first;
		m.signatures = signatures;
		m.content = "encrypted once  ";
		m.creator = creators[0];
		m.mark = marks[0];
		assert_int_equal(digest(&m, ELE, one), 0);
		struct made as = m;
		as.content = "encrypted twice ";
		assert_int_equal(digest(&as, ELE, other), 0);
		assert_memory_equal(one, other, LIKENESS_LEN);
		as.content = "encrypted thrice";
		as.mark = marks[1];
		assert_int_equal(digest(&as, ELE, other), 0);
		assert_memory_not_equal(one, other, LIKENESS_LEN);
		as.mark = marks[0];
		as.content = "and longer than that";
		assert_int_equal(digest(&as, ELE, other), 0);
		assert_memory_not_equal(one, other, LIKENESS_LEN);
		for (unsigned i = 0; i < 2; i++) {
			as = m;
			as.creator = creators[i ? 1 + signatures : 0];
			as.mark = marks[i ? 0 : 2];
			int e = signatures ? 0 : ERR_NOT_FOUND;
			assert_int_equal(digest(&as, ELE, one), e);
			as.content = "encrypted twice ";
			assert_int_equal(digest(&as, ELE, other), e);
			assert_true(e < 0 || memcmp(one, other, LIKENESS_LEN) != 0);
		}
	}
}

/* What is not signed is compared byte by byte, and by nothing else; what cannot be read neither. */
static void none(void **state)
{
	uint8_t ret[LIKENESS_LEN];
	struct made m = first;
	m.signatures = 0;
	assert_int_equal(digest(&m, ELE, ret), ERR_NOT_FOUND);
	m = first;
	for (m.cut = 1; m.cut < 60; m.cut++) {
		assert_int_equal(digest(&m, ELE, ret), ERR_VALUE);
	}
	m.cut = 0;
	assert_int_equal(digest(&m, "1.2.3", ret), ERR_VALUE);
	assert_int_equal(digest(&m, ELE, ret), 0);
	assert_int_equal(likeness_of(-1, 0, span_str(ELE), ret), ERR_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(again),
		cmocka_unit_test(otherwise),
		cmocka_unit_test(originals),
		cmocka_unit_test(none),
	};
	likeness_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
