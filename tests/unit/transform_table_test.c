/* SPDX-License-Identifier: Apache-2.0 */
#include "transform_made.h"

#include "dicom/tag.h"

/*
 * Each row of PS3.15 Table E.1-1, under the profile, each option, and all of them; in each encoding, at the top and in a
 * sequence: one object has them all.
 */
#define INSIDE "Zebedee"

static struct table *rows;
static uint8_t input[512 * 1024];
static struct made made;
static struct out out;

static const char *vr_of_row(uint32_t tag)
{
	return tag_implied_vr(tag);
}

/* A value that says who it is, even where its VR has room for little. */
static void put_value(struct writer *w, enum encoding e, uint32_t tag, const char *vr)
{
	static const struct {
		char vr[3];
		const char *text;
	} values[] = {{"AE", "ZEBEDEE1"}, {"AS", "045Y"}, {"CS", "ZEBEDEE1"}, {"DA", "20240229"},
		{"DS", "12.5"}, {"DT", "20240229101112.5"}, {"IS", "4711"}, {"TM", "101112"},
		{"UI", "1.2.34567"}, {"UR", "http://zebedee/ "}};
	if (strcmp(vr, "SQ") == 0) {
		put_head(w, e, tag, vr, UNDEFINED_LENGTH);
		put_item(w, e, UNDEFINED_LENGTH);
		put_text(w, e, 0x00100010, "PN", INSIDE "^A"); /* nothing may keep it */
		put_item_end(w, e);
		put_sequence_end(w, e);
		return;
	}
	for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
		if (strcmp(values[i].vr, vr) == 0) {
			put_padded(w, e, tag, vr, values[i].text);
			return;
		}
	}
	if (strstr("LO LT PN SH ST UC UT", vr)) {
		put_text(w, e, tag, vr, INSIDE "1");
		return;
	}
	put_head(w, e, tag, vr, 8); /* of any width and either order */
	writer_bytes(w, "\x11\x11\x11\x11\x11\x11\x11\x11", 8);
}

static struct span value_of(const char *vr)
{
	static uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	put_value(&w, ENCODING_IMPLICIT_LE, 0x00081030, vr);
	return span_of(buf + 8, w.len - 8);
}

static int by_tag(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* All rows' tags, in order. Group 0000 cannot stand in an implicit data set's beginning that is none: it is put too. */
static unsigned sorted_tags(uint32_t tags[700])
{
	unsigned n = 0;
	for (unsigned i = 0; i < rows->n; i++) {
		tags[n++] = tag_of(cell(rows, i, "tag"));
	}
	qsort(tags, n, sizeof(tags[0]), by_tag);
	return n;
}

static struct span make_object(enum encoding e, const char *sop_class)
{
	static uint32_t tags[700];
	struct writer w = writer_of(input, sizeof(input));
	unsigned n = sorted_tags(tags);
	bool class_done = false, nested_done = false;
	for (unsigned i = 0; i < n; i++) {
		if (!class_done && tags[i] > 0x00080016) {
			put_padded(&w, e, 0x00080016, "UI", sop_class);
			class_done = true;
		}
		if (!nested_done && tags[i] > CONTAINER) {
			put_head(&w, e, CONTAINER, "SQ", UNDEFINED_LENGTH);
			put_item(&w, e, UNDEFINED_LENGTH);
			for (unsigned k = 0; k < n; k++) {
				put_value(&w, e, tags[k], vr_of_row(tags[k]));
			}
			put_item_end(&w, e);
			put_sequence_end(&w, e);
			nested_done = true;
		}
		put_value(&w, e, tags[i], vr_of_row(tags[i]));
	}
	assert_true(class_done && nested_done);
	assert_int_equal(writer_end(&w) < 0, 0);
	return writer_span_of(&w);
}

/* ---- What is right ---- */

static bool is_empty(const struct found *f)
{
	bool has_items = f && f->is_sequence && f + 1 < out.of + out.n && f[1].depth > f->depth;
	return f && f->value.len == 0 && !has_items;
}

static bool is_replaced(const struct found *f, const char *vr)
{
	return f && (f->is_sequence || (f->value.len > 0 && !span_eq(f->value, value_of(vr))));
}

static bool is_new_uid(const struct found *f)
{
	return f && (f->is_sequence || (f->value.len > 5 && memcmp(f->value.ptr, "2.25.", 5) == 0));
}

static bool is_kept(const struct found *f, const char *vr)
{
	return f && (strcmp(vr, "SQ") == 0 ? f->is_sequence : span_eq(f->value, value_of(vr)));
}

static bool is_clean(const struct found *f, const char *vr)
{
	if (!f || strcmp(vr, "SQ") == 0) {
		return f && f->is_sequence;
	}
	if (strcmp(vr, "DA") == 0 || strcmp(vr, "DT") == 0) {
		struct span old = value_of(vr);
		return f->value.len == old.len && memcmp(f->value.ptr, old.ptr, 8) != 0 &&
		       memcmp(f->value.ptr + 8, old.ptr + 8, old.len - 8) == 0;
	}
	return strstr("TM AS DS IS", vr) ? is_kept(f, vr)
	                                 : !bytes_have(f->value, INSIDE) && !bytes_have(f->value, "ZEBEDEE");
}

/* What belongs into no data set, overlays and curves: gone, whatever the row says (PS3.15 E.1.1, E.3.3). */
static bool is_never_kept(uint32_t tag)
{
	uint32_t group = tag >> 16;
	return group < 8 || group >> 8 == 0x50 || group >> 8 == 0x60;
}

/* says: with its first letter that a type 1 attribute allows. */
static bool is_right(const struct found *f, uint32_t tag, unsigned depth, const char *says)
{
	const char *vr = vr_of_row(tag);
	const char *last = strrchr(says, '/');
	char action = last ? last[1] : says[0];
	if (is_never_kept(tag)) {
		return f == NULL;
	}
	switch (action) {
	case 'X':
		return f == NULL;
	case 'Z':
		return depth == 0 && tag == 0x00100010 ? is_replaced(f, vr) : is_empty(f);
	case 'D':
		return is_replaced(f, vr);
	case 'U':
		return is_new_uid(f);
	case 'K':
		return is_kept(f, vr);
	case 'C':
		return is_clean(f, vr);
	default:
		return false;
	}
}

static const struct found *in_container(uint32_t tag)
{
	for (unsigned i = 0; i < out.n; i++) {
		if (out.of[i].depth == 1 && out.of[i].tag == tag && out.of[i].path[0] == CONTAINER) {
			return &out.of[i];
		}
	}
	return NULL;
}

static unsigned check_rows(unsigned options, unsigned depth)
{
	unsigned wrong = 0;
	for (unsigned i = 0; i < rows->n; i++) {
		uint32_t tag = tag_of(cell(rows, i, "tag"));
		const char *says = row_says(rows, i, options);
		const struct found *f = depth ? in_container(tag) : out_find(&out, 0, tag);
		if (!is_right(f, tag, depth, says)) {
			print_error("%s %s: not %s under %03X, depth %u\n", cell(rows, i, "tag"),
				cell(rows, i, "name"), says, options, depth);
			wrong++;
		}
	}
	return wrong;
}

static void check(enum encoding e, unsigned options)
{
	struct deidentify_rules rules = {.options = options, .replace_documents = true};
	enum encoding written = e == ENCODING_DEFLATED_LE ? ENCODING_EXPLICIT_LE : e;
	deidentified(&made, &rules, e, make_object(written, CLASS_UNKNOWN));
	out_read(&out, &made, e);
	assert_int_equal(check_rows(options, 0) + check_rows(options, 1), 0);
	for (unsigned i = 0; i < out.n; i++) {
		bool is_inside = out.of[i].tag == 0x00100010 && out.of[i].depth > 0;
		assert_false(is_inside && bytes_have(out.of[i].value, INSIDE));
	}
}

static void test_every_row_and_option(void **state)
{
	for (enum encoding e = ENCODING_IMPLICIT_LE; e <= ENCODING_DEFLATED_LE; e++) {
		check(e, 0);
		for (unsigned i = 0; i < ARRAY_LEN(option_columns); i++) {
			check(e, option_columns[i].bit);
		}
		check(e, 0x3FF);
	}
}

/* Under the profile alone nothing is left of any value that a row has. */
/* What comes in Explicit VR Little Endian and leaves in Implicit is what it would be had it come so. */
static void test_implicit(void **state)
{
	static const unsigned options[] = {
		0, OPTION_SAFE_PRIVATE | OPTION_DESCRIPTORS | OPTION_SHIFTED_DATES};
	static struct made same;
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(options); i++) {
		struct deidentify_rules rules = {.options = options[i], .replace_documents = true};
		deidentified(
			&same, &rules, ENCODING_IMPLICIT_LE, make_object(ENCODING_IMPLICIT_LE, CLASS_CT));
		rules.implicit = true;
		deidentified(
			&made, &rules, ENCODING_EXPLICIT_LE, make_object(ENCODING_EXPLICIT_LE, CLASS_CT));
		assert_int_equal(made.n, same.n);
		assert_memory_equal(made.bytes, same.bytes, same.n);
	}
}

static void test_nothing_is_left(void **state)
{
	struct deidentify_rules rules = {.replace_documents = true};
	deidentified(&made, &rules, ENCODING_EXPLICIT_LE, make_object(ENCODING_EXPLICIT_LE, CLASS_CT));
	struct span all = span_of(made.bytes, made.n);
	assert_false(bytes_have(all, INSIDE));
	assert_false(bytes_have(all, "zebedee"));
	assert_false(bytes_have(all, "20240229"));
	assert_false(bytes_have(all, "1.2.34567"));
}

/* ---- Types (PS3.3) ---- */

static const struct {
	const char *sop_class;
	uint32_t tag;
	char action;
} typed[] = {
	{CLASS_CT, 0x00081010, 'X'},                         /* Station Name, 3 */
	{CLASS_CT, 0x00080023, 'Z'},                         /* Content Date, 2C */
	{CLASS_CT, 0x00080022, 'X'},                         /* Acquisition Date, 3 */
	{CLASS_CT, 0x00180010, 'Z'},                         /* Contrast/Bolus Agent, 2 */
	{CLASS_CT, 0x00081070, 'X'},                         /* Operators' Name, 3 */
	{CLASS_CT, 0x00081140, 'X'},                         /* Referenced Image Sequence, 3 */
	{"1.2.840.10008.5.1.4.1.1.2.1", 0x00080023, 'D'},    /* Enhanced CT */
	{"1.2.840.10008.5.1.4.1.1.2.1", 0x00181000, 'D'},    /* Device Serial Number, 1 */
	{"1.2.840.10008.5.1.4.1.1.2.1", 0x00081111, 'D'},    /* Referenced PPS Sequence, 1C */
	{"1.2.840.10008.5.1.4.1.1.128", 0x00080021, 'D'},    /* PET: Series Date, 1 */
	{"1.2.840.10008.5.1.4.1.1.128", 0x00080022, 'Z'},    /* Acquisition Date, 2 */
	{"1.2.840.10008.5.1.4.1.1.128", 0x00080023, 'Z'},    /* Content Date, 2C */
	{"1.2.840.10008.5.1.4.1.1.481.5", 0x00081070, 'Z'},  /* RT Plan: Operators' Name, 2 */
	{"1.2.840.10008.5.1.4.1.1.88.11", 0x00080023, 'D'},  /* Basic Text SR: Content Date, 1 */
	{"1.2.840.10008.5.1.4.1.1.88.11", 0x00081111, 'Z'},  /* Referenced PPS Sequence, 2 */
	{"1.2.840.10008.5.1.4.1.1.104.1", 0x0008002A, 'Z'},  /* Encapsulated PDF: Acquisition DateTime, 2 */
	{"1.2.840.10008.5.1.4.1.1.77.1.4", 0x00080033, 'D'}, /* VL Photographic: Content Time, 1C */
	{"1.2.840.10008.5.1.4.1.1.77.1.4", 0x00400555, 'Z'}, /* Acquisition Context Sequence, 2 */
	{"1.2.840.10008.5.1.4.1.1.9.1.1", 0x0040B020, 'D'},  /* 12-lead ECG: Waveform Annotation Sequence */
	{"1.2.840.10008.5.1.4.1.1.13.1.4", 0x0008002A, 'D'}, /* Breast Projection: Acquisition DateTime */
	{"1.2.840.10008.5.1.4.1.1.7.4", 0x00080023, 'D'}, /* Multi-frame secondary capture: Content Date, 1 */
	{"1.2.840.10008.5.1.4.1.1.20", 0x00400555, 'Z'},  /* NM: Acquisition Context Sequence, 2 */
	{"1.2.840.10008.5.1.4.1.1.77.1.5.4", 0x00080033, 'D'}, /* Ophthalmic tomography: Content Time, 1 */
	{"1.2.840.10008.5.1.4.1.1.77.1.6", 0x00081111, 'D'},   /* Whole slide: Referenced PPS Sequence, 1C */
	{"1.2.840.10008.5.1.4.1.1.9.4.2", 0x00181000, 'D'},    /* General audio waveform: Serial Number, 1 */
	{"1.2.840.10008.5.1.4.1.1.11.5", 0x00181000, 'D'}, /* XA/XRF presentation state: Serial Number, 1 */
	{"1.2.840.10008.5.1.4.1.1.481.10", 0x00080012,
		'D'}, /* RT Physician Intent: Instance Creation Date, 1 */
	{"1.2.840.10008.5.1.4.1.1.481.10", 0x00080021, 'D'}, /* Series Date, 1 */
	{"1.2.840.10008.5.1.4.1.1.481.13", 0x00080023, 'D'}, /* C-arm radiation: Content Date, 1 */
	{"1.2.840.10008.5.1.4.1.1.11.1", 0x00700084, 'Z'}, /* Presentation state: Content Creator's Name, 2 */
};

static void test_types_decide(void **state)
{
	struct deidentify_rules rules = {.replace_documents = true};
	for (unsigned i = 0; i < ARRAY_LEN(typed); i++) {
		char says[2] = {typed[i].action, 0};
		uint32_t tag = typed[i].tag;
		deidentified(&made, &rules, ENCODING_EXPLICIT_LE,
			make_object(ENCODING_EXPLICIT_LE, typed[i].sop_class));
		out_read(&out, &made, ENCODING_EXPLICIT_LE);
		if (!is_right(out_find(&out, 0, tag), tag, 0, says)) {
			fail_msg("%s %08X: not %s", typed[i].sop_class, tag, says);
		}
	}
}

/* ---- Structured content (Table E.3.4-1) ---- */

#define CLASS_SR "1.2.840.10008.5.1.4.1.1.88.33"
static const struct {
	const char *type;
	uint32_t tag;
	const char *vr, *value;
} content_values[] = {{"TEXT", 0x0040A160, "UT", "Zebedee of Zurich "},
	{"PNAME", 0x0040A123, "PN", "Zebedee^A "}, {"DATE", 0x0040A121, "DA", "20240229"},
	{"TIME", 0x0040A122, "TM", "101112"}, {"DATETIME", 0x0040A120, "DT", "20240229101112"},
	{"UIDREF", 0x0040A124, "UI", "1.2.34567\0"}};

static void put_code(struct writer *w, enum encoding e, uint32_t tag, const char *code, const char *scheme)
{
	put_head(w, e, tag, "SQ", UNDEFINED_LENGTH);
	put_item(w, e, UNDEFINED_LENGTH);
	put_padded(w, e, 0x00080100, "SH", code);
	put_padded(w, e, 0x00080102, "SH", scheme);
	put_padded(w, e, 0x00080104, "LO", "Meaning");
	put_item_end(w, e);
	put_sequence_end(w, e);
}

static struct span make_report(const char *type, const char *code, const char *scheme)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct writer w = writer_of(input, sizeof(input));
	put_padded(&w, e, 0x00080016, "UI", CLASS_SR);
	put_padded(&w, e, 0x0020000D, "UI", "1.2.3");
	put_padded(&w, e, 0x0020000E, "UI", "1.2.3.4");
	put_head(&w, e, 0x0040A730, "SQ", UNDEFINED_LENGTH);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_padded(&w, e, 0x0040A010, "CS", "CONTAINS");
	put_padded(&w, e, 0x0040A040, "CS", type);
	put_code(&w, e, 0x0040A043, code, scheme);
	for (unsigned i = 0; i < ARRAY_LEN(content_values); i++) {
		if (strcmp(type, content_values[i].type) == 0) {
			put_padded(
				&w, e, content_values[i].tag, content_values[i].vr, content_values[i].value);
		}
	}
	if (strcmp(type, "CODE") == 0) {
		put_code(&w, e, 0x0040A168, "Zebedee", "99X");
	}
	put_item_end(&w, e);
	put_item(&w, e, UNDEFINED_LENGTH); /* one that nothing is wrong with */
	put_padded(&w, e, 0x0040A040, "CS", "NUM");
	put_code(&w, e, 0x0040A043, "410668003", "SCT");
	put_item_end(&w, e);
	put_sequence_end(&w, e);
	assert_int_equal(writer_end(&w) < 0, 0);
	return writer_span_of(&w);
}

static const struct found *content_value(const char *type, struct span *ret_old)
{
	for (unsigned i = 0; i < ARRAY_LEN(content_values); i++) {
		if (strcmp(type, content_values[i].type) == 0) {
			*ret_old = span_str(content_values[i].value);
			return out_find(&out, 1, content_values[i].tag);
		}
	}
	return NULL;
}

static bool content_is_right(const char *type, const char *says)
{
	struct span old = {0};
	const struct found *f = content_value(type, &old);
	bool both = false, is_uid = strcmp(type, "UIDREF") == 0;
	for (unsigned i = 0; i < out.n; i++) {
		both = both || (out.of[i].tag == 0x0040A040 && out.of[i].depth == 1 && out.of[i].item == 2);
	}
	const char *last = strrchr(says, '/');
	char action = last ? last[1] : says[0]; /* as where it must be there */
	if (action == 'X') {
		return !both && !f;
	}
	if (!both || old.len == 0) {
		return both && strcmp(type, "CODE") != 0 ? true : both;
	}
	if (is_uid) {
		return action == 'K' ? f && bytes_have(f->value, "1.2.34567") : is_new_uid(f);
	}
	switch (action) {
	case 'K':
		return f && span_eq(f->value, old);
	case 'C':
		return f && (strcmp(type, "TIME") == 0 || !span_eq(f->value, old)) &&
		       !bytes_have(f->value, INSIDE);
	case 'Z':
		return is_empty(f) || is_replaced(f, type);
	default:
		return f && f->value.len > 0 && !span_eq(f->value, old);
	}
}

static void test_every_concept(void **state)
{
	struct table *t = table_read(DATA "/confidentiality_codes.tsv");
	unsigned wrong = 0;
	assert_true(t->n > 200);
	for (unsigned i = 0; i < t->n; i++) {
		const char *type = cell(t, i, "type");
		struct span report = make_report(type, cell(t, i, "code"), cell(t, i, "scheme"));
		for (unsigned k = 0; k <= ARRAY_LEN(option_columns); k++) {
			unsigned options = OPTION_STRUCTURED_CONTENT | (k ? option_columns[k - 1].bit : 0);
			struct deidentify_rules rules = {.options = options};
			deidentified(&made, &rules, ENCODING_EXPLICIT_LE, report);
			out_read(&out, &made, ENCODING_EXPLICIT_LE);
			const char *says = row_says(t, i, options);
			if (!content_is_right(type, says)) {
				print_error("%s %s %s: not %s under %03X\n", cell(t, i, "code"), type,
					cell(t, i, "meaning"), says, options);
				wrong++;
			}
		}
	}
	table_free(t);
	assert_int_equal(wrong, 0);
}

/* Without the option there is no content. */
static void test_no_content_without_option(void **state)
{
	struct deidentify_rules rules = {.options = 0x3FF & ~(unsigned)OPTION_STRUCTURED_CONTENT};
	deidentified(&made, &rules, ENCODING_EXPLICIT_LE, make_report("TEXT", "121022", "DCM"));
	assert_false(bytes_have(span_of(made.bytes, made.n), INSIDE));
}

/* Text in an item that says no type, no concept, or another's. */
static void test_content_that_lies(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	for (unsigned i = 0; i < ARRAY_LEN(content_values); i++) {
		for (unsigned k = 0; k < 3; k++) {
			struct writer w = writer_of(input, sizeof(input));
			put_padded(&w, e, 0x00080016, "UI", CLASS_SR);
			put_padded(&w, e, 0x0020000E, "UI", "1.2.3.4");
			put_head(&w, e, 0x0040A730, "SQ", UNDEFINED_LENGTH);
			put_item(&w, e, UNDEFINED_LENGTH);
			if (k > 0) {
				put_padded(&w, e, 0x0040A040, "CS", k == 1 ? "NUM" : "CONTAINER");
			}
			if (k > 1) {
				put_code(&w, e, 0x0040A043, "410668003", "SCT");
			}
			put_padded(
				&w, e, content_values[i].tag, content_values[i].vr, content_values[i].value);
			put_item_end(&w, e);
			put_sequence_end(&w, e);
			struct deidentify_rules rules = {.options = OPTION_STRUCTURED_CONTENT};
			deidentified(&made, &rules, e, writer_span_of(&w));
			assert_false(bytes_have(span_of(made.bytes, made.n), INSIDE));
			assert_false(bytes_have(span_of(made.bytes, made.n), "20240229"));
		}
	}
}

static int read_rows(void **state)
{
	rows = table_read(DATA "/confidentiality.tsv");
	return rows->n < 650;
}

static int free_rows(void **state)
{
	table_free(rows);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_and_option),
		cmocka_unit_test(test_implicit),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_types_decide),
		cmocka_unit_test(test_every_concept),
		cmocka_unit_test(test_no_content_without_option),
		cmocka_unit_test(test_content_that_lies),
	};
	return cmocka_run_group_tests(tests, read_rows, free_rows);
}
