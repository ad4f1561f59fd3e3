/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_deflate.h"
#include "inspect_made.h"

#include "inspect/extract.h"

/* What a virus scanner is shown of an object: the rest as one text, and each file of its own. */
#define MOST 70000

struct shown {
	uint8_t rest[MOST], parts[MOST];
	size_t n_rest, n_parts; /* each part ends with "|" */
	bool open;
	const char *unread;
};

static struct shown whole, cut;
static struct extract x;
static struct inflater inflater;

static void take(struct shown *s, const struct extract_piece *p)
{
	uint8_t *to = p->to == EXTRACT_REST ? s->rest : s->parts;
	size_t *n = p->to == EXTRACT_REST ? &s->n_rest : &s->n_parts;
	assert_true(*n + p->bytes.len < MOST);
	if (p->to == EXTRACT_PART_END) {
		s->open = false;
		to[(*n)++] = '|';
		return;
	}
	assert_true(p->bytes.len > 0);
	memcpy(to + *n, p->bytes.ptr, p->bytes.len);
	*n += p->bytes.len;
	s->open |= p->to == EXTRACT_PART;
}

static void drain(struct shown *s)
{
	struct extract_piece p;
	while (extract_next(&x, &p)) {
		take(s, &p);
	}
}

static void show(struct shown *s, bool file, const char *syntax, struct span all, size_t step)
{
	memset(s, 0, sizeof(*s));
	extract_begin(&x, file, span_str(syntax), &inflater);
	for (size_t at = 0; at < all.len; at += step) {
		struct span piece = exact(all.ptr + at, step < all.len - at ? step : all.len - at);
		extract_feed(&x, piece);
		drain(s);
		exact_free(piece);
	}
	extract_last(&x);
	drain(s);
	s->unread = x.unread;
	assert_false(s->open);
}

static void is_shown(bool file, const char *syntax, struct span all)
{
	show(&whole, file, syntax, all, all.len ? all.len : 1);
	const size_t steps[] = {1, 2, 3, 7, 64, 1000};
	for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
		show(&cut, file, syntax, all, steps[k]);
		assert_int_equal(cut.n_rest, whole.n_rest);
		assert_memory_equal(cut.rest, whole.rest, whole.n_rest);
		assert_int_equal(cut.n_parts, whole.n_parts);
		assert_memory_equal(cut.parts, whole.parts, whole.n_parts);
		assert_ptr_equal(cut.unread, whole.unread);
	}
}

static bool holds(const uint8_t *bytes_, size_t n, const char *text)
{
	return memmem(bytes_, n, text, strlen(text)) != NULL;
}

#define REST(text)  holds(whole.rest, whole.n_rest, text)
#define PARTS(text) holds(whole.parts, whole.n_parts, text)

static void texts_are_the_rest_and_pixels_are_nothing(void **state)
{
	(void)state;
	struct writer w = image((struct image){1, 2, 4, 8, 8, 7, "MONOCHROME2", NULL});
	put_value(&w, 0x7FE00010, "OB", "PIXELPIX", 8);
	is_shown(false, EXPLICIT, writer_span_of(&w));
	assert_true(REST("Doe^Jane\n"));
	assert_true(REST("MONOCHROME2 \n"));
	assert_false(REST("PIXEL"));
	assert_int_equal(whole.n_parts, 0);
	assert_null(whole.unread);
}

static void documents_and_programs_are_files_of_their_own(void **state)
{
	(void)state;
	char program[300] = "MZ";
	program[0x3C] = 0x40;
	memcpy(program + 0x40, "PE\0\0", 4);
	memcpy(program + 294, "marker", 6);
	struct writer w = object(SECONDARY);
	put_string(&w, 0x00090010, "LO", "ACME");
	put_value(&w, 0x00091001, "UN", program, sizeof(program));
	put_value(&w, 0x00091002, "OB", "short", 5);
	put_value(&w, 0x00091003, "OB", "unknown bytes that are long", 27);
	put_value(&w, 0x00420011, "OB", "%PDF-1.4 body", 13);
	is_shown(false, EXPLICIT, writer_span_of(&w));
	assert_true(PARTS("marker|unknown bytes that are long"));
	assert_true(PARTS("%PDF-1.4 body"));
	assert_memory_equal(whole.parts, "MZ", 2);
	assert_true(REST("short"));
	assert_false(REST("marker"));
}

static void the_test_string_is_one_in_any_text(void **state)
{
	(void)state;
	struct writer w = object(SECONDARY);
	put_string(&w, 0x00104000, "LT", "X5O!P%@AP and so on");
	is_shown(false, EXPLICIT, writer_span_of(&w));
	assert_true(PARTS("X5O!P%@AP and so on"));
}

static void what_is_behind_is_one_file(void **state)
{
	(void)state;
	struct writer w = image((struct image){1, 2, 4, 8, 8, 7, "MONOCHROME2", NULL});
	put_value(&w, 0x7FE00010, "OB", "PIXELPIX", 8);
	writer_bytes(&w, "#!/bin/sh\necho behind the object", 32);
	is_shown(false, EXPLICIT, writer_span_of(&w));
	assert_int_equal(whole.n_parts, 33);
	assert_memory_equal(whole.parts, "#!/bin/sh\necho behind the object|", 33);
}

static void what_cannot_be_read_on_is_one_file(void **state)
{
	(void)state;
	struct writer w = object(SECONDARY);
	writer_bytes(&w, "\xFE\xFF\x00\xE0 not an element, and long enough to matter", 46);
	is_shown(false, EXPLICIT, writer_span_of(&w));
	assert_true(PARTS("not an element, and long enough to matter"));
	is_shown(false, "1.2.3", span_str("no such transfer syntax"));
	assert_true(PARTS("no such transfer syntax|"));
}

static void a_file_begins_with_its_preamble(void **state)
{
	(void)state;
	uint8_t file[600] = "MZ preamble";
	struct writer o = object(SECONDARY), w = writer_of(file, sizeof(file));
	writer_fill(&w, 0, 0);
	w.len = 128;
	writer_bytes(&w, "DICM", 4);
	put_string(&w, 0x00020010, "UI", EXPLICIT);
	writer_span(&w, writer_span_of(&o));
	is_shown(true, "", writer_span_of(&w));
	assert_memory_equal(whole.rest, "MZ preamble", 11);
	assert_true(REST("1.2.3.4"));
	is_shown(true, "", span_str("no DICOM at all"));
	assert_true(PARTS("no DICOM at all|"));
	is_shown(true, "", (struct span){0});
	assert_int_equal(whole.n_parts + whole.n_rest, 1); /* the end of nothing */
}

static void a_cut_value_is_shown_as_far_as_it_goes(void **state)
{
	(void)state;
	struct writer w = object(SECONDARY);
	put_head(&w, e, 0x00420011, "OB", 1000);
	writer_bytes(&w, "%PDF-1.4 cut", 12);
	is_shown(false, EXPLICIT, writer_span_of(&w));
	assert_true(PARTS("%PDF-1.4 cut|"));
}

static void deflated_is_inflated(void **state)
{
	static uint8_t deflated[4096];
	(void)state;
	struct writer w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_value(&w, 0x00420011, "OB", "%PDF-1.4 body", 13);
	size_t n = deflate_raw(writer_span_of(&w), deflated, sizeof(deflated));
	is_shown(false, "1.2.840.10008.1.2.1.99", span_of(deflated, n));
	assert_true(REST("Doe^Jane"));
	assert_true(PARTS("%PDF-1.4 body"));
	assert_null(whole.unread);
	memcpy(deflated + n, "behind", 6);
	is_shown(false, "1.2.840.10008.1.2.1.99", span_of(deflated, n + 6));
	assert_non_null(whole.unread);
	is_shown(false, "1.2.840.10008.1.2.1.99", span_of(deflated, n / 2));
	assert_non_null(whole.unread);
}

static void too_many_files_are_told(void **state)
{
	(void)state;
	struct writer w = object(SECONDARY);
	for (uint32_t k = 0; k < EXTRACT_PARTS + 1; k++) {
		put_value(&w, 0x00091000 + k, "OB", "#!/bin/sh\nexit 0", 16);
	}
	is_shown(false, EXPLICIT, writer_span_of(&w));
	assert_non_null(whole.unread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_the_rest_and_pixels_are_nothing),
		cmocka_unit_test(documents_and_programs_are_files_of_their_own),
		cmocka_unit_test(the_test_string_is_one_in_any_text),
		cmocka_unit_test(what_is_behind_is_one_file),
		cmocka_unit_test(what_cannot_be_read_on_is_one_file),
		cmocka_unit_test(a_file_begins_with_its_preamble),
		cmocka_unit_test(a_cut_value_is_shown_as_far_as_it_goes),
		cmocka_unit_test(deflated_is_inflated),
		cmocka_unit_test(too_many_files_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
