/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_says.h"

/* UN of defined length that is tried as a sequence (PS3.5 6.2.2, note 2). */
static const enum encoding el = ENCODING_EXPLICIT_LE, il = ENCODING_IMPLICIT_LE;

static void is_one(void **state)
{
	static const uint32_t tags[] = {
		0x00081115, 0x00091001}; /* as the dictionary has it, and as it has not */
	for (size_t k = 0; k < ARRAY_LEN(tags); k++) {
		char text[512];
		struct writer w = writer_of(buf, sizeof(buf));
		put_head(&w, el, tags[k], "UN", 18 + 26);
		put_item(&w, il, 10);
		put_text(&w, il, 0x00080060, "", "CT");
		put_item(&w, il, UNDEFINED_LENGTH);
		put_text(&w, il, 0x00091001, "", "PQ");
		put_item_end(&w, il);
		put_text(&w, el, 0x00100010, "PN", "AB");
		snprintf(text, sizeof(text),
			"sequence %08x UN 2c @0 /0\nitem fffee000 a @12 /1\nelement 00080060 CS 2 @20 /1\nvalue 2\n"
			"item-end fffee000 0 @30 /1\nitem fffee000 ffffffff @30 /1\n"
			"element 00091001 UN 2 @38 /1\nvalue 2\nitem-end fffee000 0 @48 /1\n"
			"sequence-end %08x 0 @56 /0\n"
			"element 00100010 PN 2 @56 /0\nvalue 2\nend 00100010 PN 2 @66 /0\n",
			tags[k], tags[k]);
		expect(&w, el, DATASET_END, 66, text);
		/* … and inside an implicit data set, where it has no VR at all. */
		if (k == 1) {
			w = writer_of(buf, sizeof(buf));
			put_head(&w, il, tags[k], "", 8);
			put_item(&w, il, 0);
			expect(&w, il, DATASET_END, 16,
				"sequence 00091001 UN 8 @0 /0\nitem fffee000 0 @8 /1\nitem-end fffee000 0 @16 /1\n"
				"sequence-end 00091001 0 @16 /0\nend 00091001 0 @16 /0\n");
		}
	}
}

/* What does not begin as one is a value, with all its bytes; nor is what the dictionary has as something else. */
static void is_none(void **state)
{
	static const struct {
		uint32_t tag;
		const char *bytes;
		uint32_t n;
	} rows[] = {
		{0x00091001, "\xFE\xFF\0\xE0\1\0\0\0", 8}, /* longer than there is */
		{0x00091001, "\xFE\xFF\0\xE0\0\0\0", 7},
		{0x00091001, "\xFE\xFF\0\xE1\0\0\0\0", 8},
		{0x00091001, "\xFF\xFE\xE0\0\0\0\0\0", 8},
		{0x00100010, "\xFE\xFF\0\xE0\0\0\0\0", 8},
		{0x00081115, "abcdefghijklmnop", 16},
		{0x00081115, "", 0},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		char text[256];
		struct writer w = writer_of(buf, sizeof(buf));
		put_head(&w, el, rows[k].tag, "UN", rows[k].n);
		writer_bytes(&w, rows[k].bytes, rows[k].n);
		snprintf(text, sizeof(text), "%selement %08x UN %x @0 /0\nvalue %u\nend %08x UN %x @%u /0\n",
			rows[k].n % 2 ? "note odd-length @0\n" : "", rows[k].tag, rows[k].n, rows[k].n,
			rows[k].tag, rows[k].n, 12 + rows[k].n);
		expect(&w, el, DATASET_END, 12 + rows[k].n, text);
	}
}

/* Where it stops being one, the rest is a value, from the head that was none on; and what is behind it is read as ever. */
static void broken(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t n;
		const char *says; /* from the item on */
		unsigned left;
	} rows[] = {
		{"abcdefgh", 8, "", 8},
		{"\x08\0\x60\0\2\0\0\0CT\x08\0\x70\0\x7F\0\0\0", 18,
			"element 00080060 CS 2 @20 /1\nvalue 2\n", 8},
		{"\x08\0\x60\0\2\0\0\0CT\x08\0\x70\0\2", 15, "element 00080060 CS 2 @20 /1\nvalue 2\n", 5},
		{"\xFE\xFF\0\xE0\0\0\0\0", 8, "", 8},
		/* A sequence by its tag, that reaches too far; and one of undefined length that does not end. */
		{"\x08\0\x15\x11\x7F\0\0\0", 8, "", 8},
		{"\x08\0\x15\x11\xFF\xFF\xFF\xFF", 8, "sequence 00081115 SQ ffffffff @20 /1\n", 0},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		char text[512];
		uint32_t n = rows[k].n, end = 12 + 8 + n, at = end - rows[k].left;
		struct writer w = writer_of(buf, sizeof(buf));
		put_head(&w, el, 0x00091001, "UN", 8 + n);
		put_item(&w, il, n);
		writer_bytes(&w, rows[k].bytes, n);
		put_text(&w, el, 0x00100010, "PN", "AB");
		snprintf(text, sizeof(text),
			"%ssequence 00091001 UN %x @0 /0\n%sitem fffee000 %x @12 /1\n%s"
			"note unknown-broken @%u\nelement 00091001 UN %x @%u /0\nvalue %u\n"
			"element 00100010 PN 2 @%u /0\nvalue 2\nend 00100010 PN 2 @%u /0\n",
			n % 2 ? "note odd-length @0\n" : "", 8 + n, n % 2 ? "note odd-length @12\n" : "", n,
			rows[k].says, at, rows[k].left, at, rows[k].left, end, end + 10);
		expect(&w, el, DATASET_END, end + 10, text);
	}
}

/* The innermost is what is broken; around it all goes on. The bytes of the rest are those that came, as pieces too. */
static void nested_and_broken(void **state)
{
	struct dataset *d = &p.f.d;
	struct writer w = writer_of(buf, sizeof(buf));
	put_head(&w, el, 0x00091001, "UN", 8 + 8 + 16 + 10);
	put_item(&w, il, 8 + 16 + 10);
	put_head(&w, il, 0x00091002, "", 16);
	put_item(&w, il, 8);
	writer_bytes(&w,
		"\x7F"
		"ELF\2\1\1\0",
		8);
	put_text(&w, il, 0x00091003, "", "PQ");
	expect(&w, el, DATASET_END, 54,
		"sequence 00091001 UN 2a @0 /0\nitem fffee000 22 @12 /1\nsequence 00091002 UN 10 @20 /1\n"
		"item fffee000 8 @28 /2\nnote unknown-broken @36\nelement 00091002 UN 8 @36 /1\nvalue 8\n"
		"element 00091003 UN 2 @44 /1\nvalue 2\nitem-end fffee000 0 @54 /1\n"
		"sequence-end 00091001 0 @54 /0\nend 00091001 0 @54 /0\n");
	for (size_t cut = 1; cut < w.len; cut++) {
		uint8_t whole[64], own[8];
		struct writer to = writer_of(whole, sizeof(whole));
		int event = DATASET_MORE;
		assert_int_equal(dataset_begin(d, el, NULL), 0);
		dataset_try_un(d);
		for (unsigned part = 0; part < 2; part++) {
			dataset_feed(d, part ? span_of(buf + cut, w.len - cut) : span_of(buf, cut));
			while ((event = dataset_next(d)) > 0) {
				if (event == DATASET_VALUE) {
					writer_bytes(&to, d->value.ptr, d->value.len);
				} else if (event == DATASET_ELEMENT && cut % 2) {
					dataset_collect(d, own, sizeof(own));
				} else if (event == DATASET_ELEMENT) {
					dataset_pieces(d);
				}
			}
		}
		assert_int_equal(event, DATASET_MORE);
		assert_int_equal(to.len, 10);
		assert_memory_equal(whole,
			"\x7F"
			"ELF\2\1\1\0"
			"PQ",
			10);
	}
}

/* Depth is no matter of how bytes are read: it ends all; and what is cut off is cut off. */
static void not_mended(void **state)
{
	struct writer w = writer_of(buf, sizeof(buf));
	unsigned levels = LIMIT_SEQUENCE_DEPTH + 1;
	for (unsigned k = levels; k > 0; k--) {
		put_head(&w, il, 0x00091001, "", 16 * k - 8);
		put_item(&w, il, 16 * (k - 1));
	}
	assert_int_equal(dataset_begin(&p.f.d, il, NULL), 0);
	dataset_try_un(&p.f.d);
	dataset_feed(&p.f.d, writer_span_of(&w));
	int event;
	while ((event = dataset_next(&p.f.d)) > 0) {
	}
	assert_int_equal(event, ERR_LIMIT);
	w = writer_of(buf, sizeof(buf));
	put_head(&w, el, 0x00091001, "UN", 16);
	put_item(&w, il, 8);
	expect(&w, el, ERR_TRUNCATED, 20, "sequence 00091001 UN 10 @0 /0\nitem fffee000 8 @12 /1\n");
}

static int try(void **state)
{
	tries = true;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_one),
		cmocka_unit_test(is_none),
		cmocka_unit_test(broken),
		cmocka_unit_test(nested_and_broken),
		cmocka_unit_test(not_mended),
	};
	return cmocka_run_group_tests(tests, try, NULL);
}
