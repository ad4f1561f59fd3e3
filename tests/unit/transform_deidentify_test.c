/* SPDX-License-Identifier: Apache-2.0 */
#include "transform_object.h"

/* What de-identification does beside the table: how it is cut, what it adds, what it refuses, and what could hide from it. */
static struct made whole;

/* ---- Cuts ---- */

static void put_content(struct writer *w, enum encoding e)
{
	put_head(w, e, 0x0040A730, "SQ", UNDEFINED_LENGTH);
	for (unsigned i = 0; i < 2; i++) {
		put_item(w, e, UNDEFINED_LENGTH);
		put_padded(w, e, 0x0040A040, "CS", i ? "PNAME" : "TEXT");
		put_head(w, e, 0x0040A043, "SQ", UNDEFINED_LENGTH);
		put_item(w, e, UNDEFINED_LENGTH);
		put_padded(w, e, 0x00080100, "SH", i ? "121008" : "121071");
		put_padded(w, e, 0x00080102, "SH", "DCM");
		put_item_end(w, e);
		put_sequence_end(w, e);
		put_padded(w, e, i ? 0x0040A123 : 0x0040A160, i ? "PN" : "UT", "Zebedee: left lung");
		put_item_end(w, e);
	}
	put_sequence_end(w, e);
}

static void put_pixels(struct writer *w, enum encoding e, bool fragments)
{
	if (!fragments) {
		put_head(w, e, TAG_PIXEL_DATA, "OW", 400);
		writer_fill(w, 0x5A, 400);
		return;
	}
	put_head(w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
	put_item(w, e, 0);
	put_item(w, e, 318);
	writer_span(w, span_str("\xFF\xD8\xFF\xFE"));
	writer_u16be(w, 9);
	writer_span(w, span_str("Zebedee\xFF\xDA"));
	writer_u16be(w, 2);
	writer_fill(w, 0xA5, 301);
	put_sequence_end(w, e);
}

/* A little of all that is treated in its own way. */
static struct writer a_bit_of_all(enum encoding e, bool fragments)
{
	struct writer w = begin(e, CLASS_CT);
	put_padded(&w, e, 0x00080020, "DA", "20240229");
	put_padded(&w, e, 0x00081030, "LO", "CT HEAD Zebedee");
	put_head(&w, e, 0x00081115, "SQ", UNDEFINED_LENGTH);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_padded(&w, e, 0x0020000E, "UI", "1.2.3.4");
	put_item_end(&w, e);
	put_sequence_end(&w, e);
	put_patient(&w, e);
	put_head(&w, e, 0x00120064, "SQ", UNDEFINED_LENGTH);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_padded(&w, e, 0x00080100, "SH", "113999");
	put_item_end(&w, e);
	put_sequence_end(&w, e);
	put_padded(&w, e, 0x00190010, "LO", "SIEMENS MR HEADER");
	put_padded(&w, e, 0x0019100C, "IS", "1000");
	put_padded(&w, e, 0x00191099, "LO", "Zebedee");
	put_series(&w, e);
	put_content(&w, e);
	put_head(&w, e, 0x60003000, "OW", 8);
	writer_fill(&w, 1, 8);
	put_pixels(&w, e, fragments);
	return w;
}

/* The result does not depend on where the bytes were cut: at each byte, and at all. */
static void check_cuts(enum encoding e, bool fragments)
{
	static uint8_t deflated[64 * 1024];
	struct deidentify_rules rules = {.options = 0x3FF & ~(unsigned)(OPTION_FULL_DATES | OPTION_UIDS)};
	enum encoding written = e == ENCODING_DEFLATED_LE ? ENCODING_EXPLICIT_LE : e;
	struct writer w = a_bit_of_all(written, fragments);
	struct span in = writer_span_of(&w);
	const char *syntax = fragments ? "1.2.840.10008.1.2.4.70" : syntaxes[e];
	assert_int_equal(writer_end(&w) < 0, 0);
	if (e == ENCODING_DEFLATED_LE) {
		in = span_of(deflated, deflate_raw(in, deflated, sizeof(deflated)));
	}
	deidentify_cut(&whole, &rules, syntax, in, in.len, NULL);
	assert_int_equal(whole.result, DEIDENTIFY_END);
	assert_false(bytes_have(span_of(whole.bytes, whole.n), "Zebedee"));
	for (size_t cut = 1; cut <= in.len; cut++) {
		deidentify_cut(&made, &rules, syntax, in, cut == in.len ? SIZE_MAX : cut, NULL);
		assert_int_equal(made.result, DEIDENTIFY_END);
		assert_int_equal(made.n, whole.n);
		assert_memory_equal(made.bytes, whole.bytes, made.n);
	}
}

static void test_cuts(void **state)
{
	for (enum encoding e = ENCODING_IMPLICIT_LE; e <= ENCODING_DEFLATED_LE; e++) {
		check_cuts(e, false);
	}
	check_cuts(ENCODING_EXPLICIT_LE, true);
}

/* Each beginning of an object fails, and none is taken for a whole; but one that ends between elements is one. */
static void test_truncated(void **state)
{
	struct deidentify_rules rules = {0};
	struct writer w = a_bit_of_all(ENCODING_EXPLICIT_LE, true);
	unsigned failed = 0;
	for (size_t n = 0; n < w.len; n++) {
		deidentify_cut(
			&made, &rules, syntaxes[ENCODING_EXPLICIT_LE], span_of(input, n), n ? n : 1, NULL);
		assert_true(made.result == DEIDENTIFY_END || made.result == ERR_TRUNCATED);
		failed += made.result == ERR_TRUNCATED;
	}
	assert_true(failed > w.len - 40);
}

static void test_pixels_are_the_same(void **state)
{
	static uint8_t pixels[200 * 1024];
	struct deidentify_rules rules = {0};
	for (size_t i = 0; i < sizeof(pixels); i++) {
		pixels[i] = (uint8_t)(i * 31 + i / 256);
	}
	for (enum encoding e = ENCODING_IMPLICIT_LE; e <= ENCODING_DEFLATED_LE; e++) {
		enum encoding written = e == ENCODING_DEFLATED_LE ? ENCODING_EXPLICIT_LE : e;
		struct writer w = begin(written, CLASS_CT);
		put_patient(&w, written);
		put_series(&w, written);
		put_head(&w, written, TAG_PIXEL_DATA, "OW", sizeof(pixels));
		writer_bytes(&w, pixels, sizeof(pixels));
		deidentified(&made, &rules, e, writer_span_of(&w));
		static struct dataset d;
		static struct inflater inflater;
		static uint8_t buf[sizeof(pixels)];
		int event;
		bool seen = false;
		assert_int_equal(dataset_begin(&d, e, &inflater), 0);
		dataset_feed(&d, span_of(made.bytes, made.n));
		dataset_last(&d);
		while ((event = dataset_next(&d)) != DATASET_END) {
			assert_true(event > 0);
			if (event == DATASET_ELEMENT && d.tag == TAG_PIXEL_DATA) {
				dataset_collect(&d, buf, sizeof(buf));
			} else if (event == DATASET_VALUE) {
				seen = d.value.len == sizeof(pixels) &&
				       memcmp(d.value.ptr, pixels, sizeof(pixels)) == 0;
			}
		}
		assert_true(seen);
	}
}

/* ---- What is added ---- */

static unsigned codes_of(char codes[16][8])
{
	unsigned n = 0;
	for (unsigned i = 0; i < out.n; i++) {
		const struct found *f = &out.of[i];
		if (f->depth == 1 && f->path[0] == 0x00120064 && f->tag == 0x00080100) {
			assert_true(n < 16 && f->value.len == 6);
			snprintf(codes[n++], 8, "%.6s", (const char *)f->value.ptr);
		}
	}
	return n;
}

static void test_additions(void **state)
{
	static const struct {
		unsigned options;
		const char *code, *temporal;
	} options[] = {{0, "", "REMOVED "}, {OPTION_GRAPHICS, "113103", "REMOVED "},
		{OPTION_STRUCTURED_CONTENT, "113104", "REMOVED "}, {OPTION_DESCRIPTORS, "113105", "REMOVED "},
		{OPTION_FULL_DATES, "113106", "UNMODIFIED"}, {OPTION_SHIFTED_DATES, "113107", "MODIFIED"},
		{OPTION_PATIENT, "113108", "REMOVED "}, {OPTION_DEVICE, "113109", "REMOVED "},
		{OPTION_UIDS, "113110", "REMOVED "}, {OPTION_SAFE_PRIVATE, "113111", "REMOVED "},
		{OPTION_INSTITUTION, "113112", "REMOVED "}};
	for (enum encoding e = ENCODING_IMPLICIT_LE; e <= ENCODING_EXPLICIT_BE; e++) {
		for (unsigned i = 0; i < ARRAY_LEN(options); i++) {
			char codes[16][8];
			struct deidentify_rules rules = {.options = options[i].options};
			struct writer w = begin(e, CLASS_CT);
			put_patient(&w, e);
			put_series(&w, e);
			run_of(e, &w, &rules);
			assert_true(found_is(out_find(&out, 0, 0x00120062), "YES "));
			assert_non_null(out_find(&out, 0, 0x00120063));
			assert_true(found_is(out_find(&out, 0, 0x00280303), options[i].temporal));
			assert_null(out_find(&out, 0, 0x00280301));
			assert_int_equal(codes_of(codes), options[i].options ? 2 : 1);
			assert_string_equal(codes[0], "113100");
			assert_true(!options[i].options || strcmp(codes[1], options[i].code) == 0);
		}
	}
}

/* What the object says itself of an earlier de-identification: its codes stay before ours, the rest is ours. */
static void test_additions_take_their_place(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	char codes[16][8];
	struct deidentify_rules rules = {.pixels_cleaned = true, .features_cleaned = true};
	struct writer w = begin(e, CLASS_CT);
	put_patient(&w, e);
	put_padded(&w, e, 0x00120062, "CS", "NO");
	put_padded(&w, e, 0x00120063, "LO", "by Zebedee");
	put_head(&w, e, 0x00120064, "SQ", 22);
	put_item(&w, e, 14);
	put_text(&w, e, 0x00080100, "SH", "113999");
	put_series(&w, e);
	put_padded(&w, e, 0x00280301, "CS", "YES");
	put_padded(&w, e, 0x00280302, "CS", "YES");
	put_padded(&w, e, 0x00280303, "CS", "UNMODIFIED");
	run_of(e, &w, &rules);
	assert_false(has("Zebedee"));
	assert_int_equal(codes_of(codes), 4);
	assert_string_equal(codes[0], "113999");
	assert_string_equal(codes[1], "113100");
	assert_string_equal(codes[2], "113101");
	assert_string_equal(codes[3], "113102");
	assert_true(found_is(out_find(&out, 0, 0x00280301), "NO"));
	assert_true(found_is(out_find(&out, 0, 0x00280302), "NO"));
	assert_true(found_is(out_find(&out, 0, 0x00280303), "REMOVED "));
	unsigned n = 0;
	for (unsigned i = 0; i < out.n; i++) {
		n += out.of[i].depth == 0 && (out.of[i].tag == 0x00120062 || out.of[i].tag == 0x00120064);
	}
	assert_int_equal(n, 2);
}

/* ---- What is refused ---- */

static void test_burned_in(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct deidentify_rules rules = {0}, keep = {.keep_burned_in = true};
	struct writer w = begin(e, CLASS_CT);
	put_patient(&w, e);
	put_series(&w, e);
	size_t at = w.len;
	put_padded(&w, e, 0x00280301, "CS", "YES");
	assert_int_equal(result_of(e, &w, &rules), ERR_DENIED);
	assert_int_equal(result_of(e, &w, &keep), DEIDENTIFY_END);
	w.len = at;
	put_padded(&w, e, 0x00280301, "CS", "NO");
	assert_int_equal(result_of(e, &w, &rules), DEIDENTIFY_END);
}

static void test_documents(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct deidentify_rules rules = {0}, replace = {.replace_documents = true};
	struct writer w = begin(e, "1.2.840.10008.5.1.4.1.1.104.1");
	put_patient(&w, e);
	put_series(&w, e);
	put_head(&w, e, 0x00420011, "OB", 16);
	writer_bytes(&w, "%PDF of Zebedee ", 16);
	assert_int_equal(result_of(e, &w, &rules), ERR_DENIED);
	run_of(e, &w, &replace);
	assert_false(has("Zebedee"));
	const struct found *f = out_find(&out, 0, 0x00420011);
	assert_true(f && f->value.len > 0);
	/* It says so of itself; with pixels it is none. */
	w = begin(e, "1.2.840.10008.5.1.4.1.1.104.1");
	put_patient(&w, e);
	put_series(&w, e);
	put_padded(&w, e, 0x00280301, "CS", "YES");
	assert_int_equal(result_of(e, &w, &rules), ERR_DENIED);
	assert_int_equal(result_of(e, &w, &replace), DEIDENTIFY_END);
	put_head(&w, e, 0x7FE00010, "OW", 4);
	writer_bytes(&w, "text", 4);
	assert_int_equal(result_of(e, &w, &replace), ERR_DENIED);
}

static void test_head_too_long(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	static uint8_t in[DEIDENTIFY_HEAD + 64 * 1024];
	struct deidentify_rules rules = {0};
	struct writer w = writer_of(in, sizeof(in));
	put_padded(&w, e, 0x00080016, "UI", CLASS_CT);
	put_head(&w, e, 0x00081115, "UN", DEIDENTIFY_HEAD);
	writer_fill(&w, 0, DEIDENTIFY_HEAD);
	put_series(&w, e);
	assert_int_equal(result_of(e, &w, &rules), ERR_LIMIT);
	assert_int_equal(made.n, 0);
}

static void test_long_values_that_change(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct deidentify_rules rules = {.options = OPTION_STRUCTURED_CONTENT}, basic = {0};
	struct writer w = begin(e, CLASS_CT);
	put_patient(&w, e);
	put_series(&w, e);
	put_head(&w, e, 0x00400555, "SQ", UNDEFINED_LENGTH); /* Acquisition Context: C */
	put_item(&w, e, UNDEFINED_LENGTH);
	put_head(&w, e, 0x00400556, "UT", DEIDENTIFY_VALUE + 2);
	writer_fill(&w, 'a', DEIDENTIFY_VALUE + 2);
	put_item_end(&w, e);
	put_sequence_end(&w, e);
	rules.options |= OPTION_DESCRIPTORS;
	assert_int_equal(result_of(e, &w, &rules), ERR_LIMIT);
	assert_false(has("aaaaaaaaaaaaaaaaaaaa"));
	assert_int_equal(result_of(e, &w, &basic), DEIDENTIFY_END);
}

/* ---- What could hide ---- */

/* A sequence of the standard in a UN, of whatever length, is gone through as any. */
static void test_sequence_as_un(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	static const uint32_t tags[] = {0x00081115, 0x00081110, 0x00400275, CONTAINER};
	for (unsigned i = 0; i < ARRAY_LEN(tags); i++) {
		for (unsigned undefined = 0; undefined < 2; undefined++) {
			struct deidentify_rules rules = {.options = 0x3FF};
			struct writer w = begin(e, CLASS_CT);
			uint8_t items[64];
			struct writer in = writer_of(items, sizeof(items));
			put_item(&in, ENCODING_IMPLICIT_LE, 20);
			put_text(&in, ENCODING_IMPLICIT_LE, 0x00100010, "PN", "Zebedee^Anna");
			if (tags[i] > 0x00200000) {
				put_patient(&w, e);
				put_series(&w, e);
			}
			put_head(&w, e, tags[i], "UN", undefined ? UNDEFINED_LENGTH : (uint32_t)in.len);
			writer_span(&w, writer_span_of(&in));
			if (undefined) {
				put_sequence_end(&w, e);
			}
			if (tags[i] < 0x00200000) {
				put_patient(&w, e);
				put_series(&w, e);
			}
			run_of(e, &w, &rules);
			assert_false(has("Zebedee"));
			const struct found *name = out_find(&out, 1, 0x00100010);
			assert_true(tags[i] != CONTAINER || (name && name->value.len == 0));
		}
	}
}

/* Text of the standard as UN is what the dictionary says. */
static void test_text_as_un(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct deidentify_rules rules = {.options = OPTION_SHIFTED_DATES | OPTION_DESCRIPTORS};
	struct writer w = begin(e, CLASS_CT);
	put_padded(&w, e, 0x00080020, "UN", "20240229");
	put_padded(&w, e, 0x00081030, "UN", "HEAD Zebedee");
	put_padded(&w, e, 0x00100010, "UN", "Zebedee^Anna");
	put_padded(&w, e, 0x00100020, "UN", "4711");
	put_series(&w, e);
	run_of(e, &w, &rules);
	assert_false(has("Zebedee") || has("20240229") || has("4711"));
	const struct found *f = out_find(&out, 0, 0x00080020);
	assert_true(f && f->value.len == 8 && strcmp(f->vr, "DA") == 0);
	assert_true(found_is(out_find(&out, 0, 0x00081030), "HEAD"));
}

static void test_overlays_curves_and_padding(void **state)
{
	static const uint32_t tags[] = {0x50000005, 0x50003000, 0x501E3000, 0x60000010, 0x60003000,
		0x60220022, 0x601E4000, 0xFFFCFFFC};
	for (unsigned options = 0; options < 2; options++) {
		enum encoding e = ENCODING_EXPLICIT_LE;
		struct deidentify_rules rules = {.options = options ? 0x3FF : 0};
		struct writer w = begin(e, CLASS_CT);
		put_patient(&w, e);
		put_series(&w, e);
		for (unsigned i = 0; i < ARRAY_LEN(tags); i++) {
			put_head(&w, e, tags[i], "OB", 8);
			writer_bytes(&w, "Zebedee ", 8);
		}
		run_of(e, &w, &rules);
		for (unsigned i = 0; i < ARRAY_LEN(tags); i++) {
			assert_null(out_find(&out, 0, tags[i]));
		}
	}
}

/* A content item must have its text: what cleaning leaves nothing of is a dummy; what may be absent is empty. */
static void test_what_cleaning_leaves_nothing_of(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct deidentify_rules rules = {.options = OPTION_STRUCTURED_CONTENT | OPTION_DESCRIPTORS};
	struct writer w = begin(e, "1.2.840.10008.5.1.4.1.1.88.33");
	put_padded(&w, e, 0x0008103E, "LO", "Zebedee\\Zurich");
	put_patient(&w, e);
	put_padded(&w, e, 0x00181400, "LO", "Zebedee"); /* X/D */
	put_series(&w, e);
	put_head(&w, e, 0x0040A730, "SQ", UNDEFINED_LENGTH);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_padded(&w, e, 0x0040A040, "CS", "TEXT");
	put_padded(&w, e, 0x0040A160, "UT", "Zebedee");
	put_item_end(&w, e);
	put_sequence_end(&w, e);
	run_of(e, &w, &rules);
	assert_false(has("Zebedee") || has("Zurich"));
	const struct found *text = out_find(&out, 1, 0x0040A160), *series = out_find(&out, 0, 0x0008103E);
	const struct found *processing = out_find(&out, 0, 0x00181400);
	assert_true(text && text->value.len > 0);
	assert_true(processing && processing->value.len > 0);
	assert_true(found_is(series, "\\ "));
}

/* In content that is replaced, numbers of parts of something stay, and other numbers do not. */
static void test_references_into_what_is_replaced(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	static const struct {
		uint32_t tag;
		const char *vr;
		const char *value;
		bool stays;
	} rows[] = {
		{0x00081160, "IS", "7 ", true},               /* Referenced Frame Number */
		{0x0040A0B0, "US", "\x05\x01\x06\x01", true}, /* Referenced Waveform Channels */
		{0x0040A30A, "DS", "7.25", false},            /* Numeric Value */
		{0x0040DB73, "UL", "\x05\x01\x01\x01", true}, /* Referenced Content Item Identifier */
		{0x0062000B, "US", "\x05\x01", true},         /* Referenced Segment Number */
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct writer w = begin(e, "1.2.840.10008.5.1.4.1.1.88.33");
		put_patient(&w, e);
		put_series(&w, e);
		put_head(&w, e, 0x0040A730, "SQ", UNDEFINED_LENGTH);
		put_item(&w, e, UNDEFINED_LENGTH);
		put_padded(&w, e, rows[i].tag, rows[i].vr, rows[i].value);
		put_item_end(&w, e);
		put_sequence_end(&w, e);
		run_of(e, &w, &(struct deidentify_rules){0});
		const struct found *f = out_find(&out, 1, rows[i].tag);
		assert_non_null(f);
		assert_true((f->value.len == strlen(rows[i].value) &&
				    memcmp(f->value.ptr, rows[i].value, f->value.len) == 0) == rows[i].stays);
	}
}

/* ---- Who it is ---- */

/* An object's references are all as what they refer to is: in what is replaced, and elsewhere. */
static void test_uids_in_what_is_replaced(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	static const uint32_t sequences[] = {0x0040A375, 0x0040A730};
	(void)state;
	for (unsigned keep = 0; keep < 2; keep++) {
		struct writer w = begin(e, "1.2.840.10008.5.1.4.1.1.88.33");
		put_patient(&w, e);
		put_series(&w, e);
		for (unsigned i = 0; i < 2; i++) {
			put_head(&w, e, sequences[i], "SQ", UNDEFINED_LENGTH);
			put_item(&w, e, UNDEFINED_LENGTH);
			put_padded(&w, e, 0x00081155, "UI", "1.2.3.77.8.9");
			put_item_end(&w, e);
			put_sequence_end(&w, e);
		}
		run_of(e, &w, &(struct deidentify_rules){.options = keep ? OPTION_UIDS : 0});
		unsigned n_old = 0, n_new = 0;
		char uid[UID_MAX + 1];
		assert_int_equal(pseudonym_uid(&test_pseudonyms, span_str("1.2.3.77.8.9"), uid), 0);
		for (size_t at = 0; at < made.n; at++) {
			n_old += made.n - at >= 12 && memcmp(made.bytes + at, "1.2.3.77.8.9", 12) == 0;
			n_new += made.n - at >= strlen(uid) && memcmp(made.bytes + at, uid, strlen(uid)) == 0;
		}
		assert_int_equal(n_old, keep ? 2 : 0);
		assert_int_equal(n_new, keep ? 0 : 2);
	}
}

static void test_same_patient_same_everything(void **state)
{
	char ids[4][64] = {{0}}, uids[4][80] = {{0}}, dates[4][16] = {{0}};
	for (unsigned i = 0; i < 4; i++) { /* the same; another encoding; another patient; without an ID */
		enum encoding e = i == 1 ? ENCODING_EXPLICIT_BE : ENCODING_EXPLICIT_LE;
		struct deidentify_rules rules = {.options = OPTION_SHIFTED_DATES};
		struct writer w = begin(e, CLASS_CT);
		put_padded(&w, e, 0x00080020, "DA", "20240229");
		put_padded(&w, e, 0x00100010, "PN", "Zebedee^Anna");
		put_padded(&w, e, 0x00100020, "LO", i == 2 ? "4712" : i == 3 ? "" : "4711");
		put_series(&w, e);
		run_of(e, &w, &rules);
		const struct found *id = out_find(&out, 0, 0x00100020), *uid = out_find(&out, 0, 0x0020000D);
		const struct found *date = out_find(&out, 0, 0x00080020);
		assert_true(id && uid && date && id->value.len == 16 && date->value.len == 8);
		memcpy(ids[i], id->value.ptr, id->value.len);
		memcpy(uids[i], uid->value.ptr, uid->value.len);
		memcpy(dates[i], date->value.ptr, 8);
	}
	assert_string_equal(ids[0], ids[1]);
	assert_string_not_equal(ids[0], ids[2]);
	assert_string_not_equal(ids[0], ids[3]);
	assert_string_equal(dates[0], dates[1]);
	assert_string_not_equal(dates[0], dates[2]);
	for (unsigned i = 1; i < 4; i++) {
		assert_string_equal(uids[0], uids[i]);
	}
}

/* ---- What is told ---- */

struct told {
	unsigned done, originals;
	bool name, date;
};

static void told_done(void *arg, const struct dataset *where, enum confidentiality what)
{
	struct told *told = arg;
	assert_in_range(what, CONFIDENTIALITY_D, CONFIDENTIALITY_CLEAN);
	told->done++;
}

static void told_original(void *arg, const struct dataset *where, struct span value)
{
	struct told *told = arg;
	told->originals++;
	told->name = told->name || (where->tag == 0x00100010 && bytes_have(value, "Zebedee^Anna"));
	told->date = told->date || (where->tag == 0x00100030 && bytes_have(value, "19500229"));
}

static void test_log(void **state)
{
	struct told told = {0};
	struct deidentify_log log = {.done = told_done, .original = told_original, .arg = &told};
	struct deidentify_rules rules = {0};
	struct writer w = a_bit_of_all(ENCODING_EXPLICIT_LE, false);
	deidentify_cut(&made, &rules, syntaxes[ENCODING_EXPLICIT_LE], writer_span_of(&w), w.len, &log);
	assert_int_equal(made.result, DEIDENTIFY_END);
	assert_true(told.name && told.date && told.done > 10 && told.originals > 5);
	struct made *first = &whole;
	deidentify_cut(first, &rules, syntaxes[ENCODING_EXPLICIT_LE], writer_span_of(&w), w.len, NULL);
	assert_int_equal(first->n, made.n); /* who listens changes nothing */
	assert_memory_equal(first->bytes, made.bytes, made.n);
}

static void told_private(void *arg, const struct dataset *where, struct span value)
{
	unsigned *n = arg;
	*n += where->tag == 0x00091001 && memcmp(where->vr, "UN", 2) == 0 && bytes_have(value, "Zebedee");
}

/* In implicit VR a private value has no VR, and may be text; a long one is none. */
static void test_log_of_private(void **state)
{
	(void)state;
	for (unsigned is_long = 0; is_long < 2; is_long++) {
		unsigned n = 0;
		enum encoding e = ENCODING_IMPLICIT_LE;
		struct deidentify_log log = {.original = told_private, .arg = &n};
		struct writer w = begin(e, CLASS_CT);
		put_head(&w, e, 0x00091001, "UN", is_long ? 258 : 8);
		writer_bytes(&w, "Zebedee ", 8);
		writer_fill(&w, ' ', is_long ? 250 : 0);
		put_patient(&w, e);
		put_series(&w, e);
		deidentify_cut(
			&made, &(struct deidentify_rules){0}, syntaxes[e], writer_span_of(&w), w.len, &log);
		assert_int_equal(made.result, DEIDENTIFY_END);
		assert_int_equal(n, !is_long);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_pixels_are_the_same),
		cmocka_unit_test(test_additions),
		cmocka_unit_test(test_additions_take_their_place),
		cmocka_unit_test(test_burned_in),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_head_too_long),
		cmocka_unit_test(test_long_values_that_change),
		cmocka_unit_test(test_sequence_as_un),
		cmocka_unit_test(test_text_as_un),
		cmocka_unit_test(test_overlays_curves_and_padding),
		cmocka_unit_test(test_what_cleaning_leaves_nothing_of),
		cmocka_unit_test(test_references_into_what_is_replaced),
		cmocka_unit_test(test_uids_in_what_is_replaced),
		cmocka_unit_test(test_same_patient_same_everything),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_log_of_private),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
