/* SPDX-License-Identifier: Apache-2.0 */
#include "transform_object.h"

#include "dicom/tag.h"
#include "dicom/vr.h"

/*
 * Values where nobody looks for them: in another VR than the attribute's, in attributes that Table E.1-1 does not name, in what
 * a program was to clean or to replace as a whole.
 */
#define ALL_BUT_KEEPING                                                                                      \
	(OPTION_SHIFTED_DATES | OPTION_DESCRIPTORS | OPTION_STRUCTURED_CONTENT | OPTION_GRAPHICS)
#define CLASS_SR "1.2.840.10008.5.1.4.1.1.88.33"

static const enum encoding explicit = ENCODING_EXPLICIT_LE;

static struct writer object_of(const char *sop_class)
{
	struct writer w = begin(explicit, sop_class);
	put_patient(&w, explicit);
	put_series(&w, explicit);
	return w;
}

static void open_sequence(struct writer *w, uint32_t tag)
{
	put_head(w, explicit, tag, "SQ", UNDEFINED_LENGTH);
	put_item(w, explicit, UNDEFINED_LENGTH);
}

static void close_sequence(struct writer *w)
{
	put_item_end(w, explicit);
	put_sequence_end(w, explicit);
}

/* ---- VRs ---- */

/* Texts and dates under any other VR: cleaned, moved and replaced as what they are. */
static void test_text_in_any_vr(void **state)
{
	static const char vrs[][3] = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "OB", "PN", "SH",
		"ST", "TM", "UC", "UI", "UN", "UR", "UT", "xy"};
	static const uint32_t tags[] = {0x0008103E, 0x00081040, 0x00102110, 0x00104000, 0x00324000};
	for (unsigned i = 0; i < ARRAY_LEN(vrs); i++) {
		for (unsigned options = 0; options < 2; options++) {
			struct deidentify_rules rules = {.options = options ? ALL_BUT_KEEPING : 0};
			struct writer w = begin(explicit, CLASS_CT);
			put_padded(&w, explicit, 0x00080020, vrs[i], "20240229");
			put_patient(&w, explicit);
			put_series(&w, explicit);
			open_sequence(&w, CONTAINER);
			for (unsigned k = 0; k < ARRAY_LEN(tags); k++) {
				put_padded(&w, explicit, tags[k], vrs[i], "ZEBEDEE");
			}
			close_sequence(&w);
			run_of(explicit, &w, &rules);
			assert_false(has("ZEBEDEE") || has("20240229"));
			const struct found *date = out_find(&out, 0, 0x00080020);
			assert_true(date && strcmp(date->vr, "DA") == 0);
			assert_int_equal(date->value.len, options ? 8 : 0);
		}
	}
}

/* Inside of what is replaced nothing passes for a code. */
static void test_codes_in_what_is_replaced(void **state)
{
	struct deidentify_rules rules = {0};
	struct writer w = object_of(CLASS_SR);
	open_sequence(&w, 0x0040A730);
	put_padded(&w, explicit, 0x00100040, "CS", "F");            /* Patient's Sex */
	put_padded(&w, explicit, 0x001021A0, "CS", "YES");          /* Smoking Status */
	put_padded(&w, explicit, 0x0040A040, "CS", "PNAME");        /* Value Type */
	put_padded(&w, explicit, 0x0040A123, "CS", "ZEBEDEE");      /* Person Name */
	put_padded(&w, explicit, 0x0040A160, "CS", "ZEBEDEE OF Z"); /* Text Value */
	close_sequence(&w);
	run_of(explicit, &w, &rules);
	assert_false(has("ZEBEDEE"));
	const struct found *sex = out_find(&out, 1, 0x00100040);
	assert_true(sex && sex->value.len == 0);
	assert_null(out_find(&out, 1, 0x001021A0));
	assert_true(found_is(out_find(&out, 1, 0x0040A040), "PNAME "));
}

/* A name for a number of rows, or in a time: neither stays. */
static void test_text_instead_of_numbers(void **state)
{
	struct deidentify_rules rules = {.options = OPTION_DESCRIPTORS | OPTION_SHIFTED_DATES |
	                                            OPTION_FULL_DATES | OPTION_SAFE_PRIVATE};
	struct writer w = begin(explicit, CLASS_CT);
	put_padded(&w, explicit, 0x00080030, "TM", "Zebedee");
	put_padded(&w, explicit, 0x00080031, "TM", "101112.5");
	put_patient(&w, explicit);
	put_padded(&w, explicit, 0x00190010, "LO", "GEMS_ACQU_01");
	put_padded(&w, explicit, 0x00191023, "DS", "Zebedee");
	put_padded(&w, explicit, 0x00191024, "UN", "Zebedee");
	put_padded(&w, explicit, 0x00191027, "DS", "-1.5e+2");
	put_series(&w, explicit);
	put_padded(&w, explicit, 0x00280010, "LT", "Zebedee");
	put_padded(&w, explicit, 0x00281199, "UT", "Zebedee");
	put_padded(&w, explicit, 0x04000310, "LT",
		"Zebedee"); /* Certified Timestamp: OB, kept with full dates */
	run_of(explicit, &w, &rules);
	assert_false(has("Zebedee"));
	assert_null(out_find(&out, 0, 0x00280010));
	assert_true(found_is(out_find(&out, 0, 0x00080031), "101112.5"));
	assert_true(found_is(out_find(&out, 0, 0x00191027), "-1.5e+2 "));
}

/* ---- Attributes ---- */

/* Which the table of 2026c does not name. */
static void test_unnamed_that_tell(void **state)
{
	struct deidentify_rules rules = {.options = ALL_BUT_KEEPING};
	struct writer w = begin(explicit, CLASS_CT);
	open_sequence(&w, 0x00080051);
	put_padded(&w, explicit, 0x00400031, "UT", "Zebedee Lab");
	put_padded(&w, explicit, 0x00400032, "UT", "zebedee.example");
	close_sequence(&w);
	put_padded(&w, explicit, 0x0008010E, "UR", "http://codes.example");
	put_padded(&w, explicit, 0x00081090, "PN", "Zebedee^Model");
	put_padded(&w, explicit, 0x00081190, "UR", "http://zebedee.example/1");
	put_padded(&w, explicit, 0x00100010, "PN", "Zebedee^Anna");
	put_padded(&w, explicit, 0x00100020, "LO", "4711");
	put_padded(&w, explicit, 0x00100033, "LO", "5710.06.12");
	put_padded(&w, explicit, 0x00181801, "SH", "ntp.zebedee");
	put_series(&w, explicit);
	put_padded(&w, explicit, 0x00400400, "LT", "as for Zebedee");
	put_padded(&w, explicit, 0x0040E001, "ST", "1.2.3^zebedee-5710");
	put_padded(&w, explicit, 0x00420010, "ST", "Letter to Mr Zebedee");
	open_sequence(&w, 0x04000500);
	put_padded(&w, explicit, 0x04000510, "UI", "1.2.840.10008.1.2.1");
	put_padded(&w, explicit, 0x04000520, "OB", "Zebedee encrypted by another");
	close_sequence(&w);
	put_padded(&w, explicit, 0x21000160, "SH", "DR ZEBEDEE");
	run_of(explicit, &w, &rules);
	assert_false(has("ebedee") || has("5710") || has("EBEDEE"));
	assert_true(has("http://codes.example"));
	assert_null(out_find(&out, 0, 0x04000500));
}

/* Every row of confidentiality_more.tsv, with each option, as text: it says what becomes of it. */
static void test_every_one_that_tells(void **state)
{
	struct table *t = table_read(DATA "/confidentiality_more.tsv");
	(void)state;
	assert_true(t->n > 60);
	for (unsigned i = 0; i < t->n; i++) {
		const char *text = cell(t, i, "tag");
		const uint32_t tag =
			(uint32_t)strtoul(text + 1, NULL, 16) << 16 | (uint32_t)strtoul(text + 6, NULL, 16);
		const char *vr = tag_implied_vr(tag);
		const bool is_text = vr_is_text(vr);
		assert_int_equal(confidentiality_basic(tag),
			CONFIDENTIALITY_KEEP); /* the standard's table goes first */
		for (unsigned k = 0; k <= ARRAY_LEN(option_columns) && is_text; k++) {
			const unsigned options = k ? option_columns[k - 1].bit : 0;
			struct deidentify_rules rules = {.options = options};
			struct writer w = begin(explicit, CLASS_CT);
			put_patient(&w, explicit);
			put_series(&w, explicit);
			open_sequence(&w, CONTAINER);
			put_padded(&w, explicit, tag, vr, "HEAD of Zebedee ");
			close_sequence(&w);
			run_of(explicit, &w, &rules);
			const char *says = row_says(t, i, options);
			const struct found *f = out_find(&out, 1, tag);
			bool is_right = strcmp(says, "K") == 0   ? found_is(f, "HEAD of Zebedee ")
			                : strcmp(says, "C") == 0 ? found_is(f, "HEAD of ")
			                : strcmp(says, "X") == 0 ? f == NULL
			                                         : f && f->value.len > 0 && !has("Zebedee");
			if (!is_right) {
				fail_msg("%s under %03X is not %s", text, options, says);
			}
		}
	}
	table_free(t);
}

/* A voice that says names is as a document: what it says cannot be judged. */
static void test_voices(void **state)
{
	static const char *const classes[] = {
		"1.2.840.10008.5.1.4.1.1.9.4.1", "1.2.840.10008.5.1.4.1.1.9.4.2"};
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct deidentify_rules rules = {0}, replace = {.replace_documents = true};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct writer w = begin(e, classes[i]);
		put_patient(&w, e);
		put_series(&w, e);
		put_head(&w, e, 0x54000100, "SQ", UNDEFINED_LENGTH);
		put_item(&w, e, UNDEFINED_LENGTH);
		put_head(&w, e, 0x54001010, "OW", 16);
		writer_bytes(&w, "this is Zebedee ", 16);
		put_item_end(&w, e);
		put_sequence_end(&w, e);
		assert_int_equal(result_of(e, &w, &rules), ERR_DENIED);
		run_of(e, &w, &replace);
		assert_false(has("Zebedee"));
		const struct found *f = out_find(&out, 1, 0x54001010);
		assert_true(f && f->value.len > 0);
	}
}

/* In a video a voice may say names: it is taken out before, or kept by who says so, or nothing of it passes. */
static void test_videos(void **state)
{
	static const char *const videos[] = {"1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101.1",
		"1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.106", "1.2.840.10008.1.2.4.108"};
	static const char fragments[] =
		"\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0\4\0\0\0abcd\xfe\xff\xdd\xe0\0\0\0";
	const struct deidentify_rules rules = {0}, keep = {.keep_videos = true},
				      stripped = {.videos_stripped = true};
	struct writer w = object_of(CLASS_CT);
	size_t before = w.len;
	(void)state;
	put_head(&w, explicit, 0x7FE00010, "OB", UNDEFINED_LENGTH);
	writer_bytes(&w, fragments, sizeof(fragments));
	for (unsigned i = 0; i < ARRAY_LEN(videos); i++) {
		static struct made m;
		deidentify_cut(&m, &rules, videos[i], writer_span_of(&w), w.len, NULL);
		assert_int_equal(m.result, ERR_DENIED);
		deidentify_cut(&m, &rules, videos[i], span_of(w.ptr, before), w.len, NULL);
		assert_int_equal(m.result, DEIDENTIFY_END); /* there is none in it */
		deidentify_cut(&m, &keep, videos[i], writer_span_of(&w), w.len, NULL);
		assert_int_equal(m.result, DEIDENTIFY_END);
		deidentify_cut(&m, &stripped, videos[i], writer_span_of(&w), 1, NULL);
		assert_int_equal(m.result, DEIDENTIFY_END);
	}
}

/* What signatures were made with goes with them, and pixels as coefficients, which nobody looks at, go with nothing left of them. */
static void test_left_alone_by_what_goes(void **state)
{
	struct deidentify_rules rules = {0};
	struct writer w = object_of(CLASS_CT);
	(void)state;
	open_sequence(&w, 0x4FFE0001);
	put_padded(&w, explicit, 0x04000010, "UI", "1.2.840.10008.1.2.1");
	close_sequence(&w);
	put_padded(&w, explicit, 0x7FE00010, "OW", "pixels");
	put_padded(&w, explicit, 0x7FE00020, "OW", "Zebedee as coefficients ");
	run_of(explicit, &w, &rules);
	assert_false(has("Zebedee"));
	assert_null(out_find(&out, 0, 0x4FFE0001));
	assert_true(found_is(out_find(&out, 0, 0x7FE00010), "pixels"));
}

/* Where dates are moved times stay, and so does their zone; not what else is in its place. */
static void test_zone(void **state)
{
	static const char *const zones[] = {"+0100", "-1200", "+1400 "};
	static const char *const others[] = {
		"01001961", "+010", "+9900", "+0100 Miller", "4711", "Miller", "+01000"};
	const struct deidentify_rules shift = {.options = ALL_BUT_KEEPING},
				      keep = {.options = OPTION_FULL_DATES}, none = {0};
	for (unsigned i = 0; i < ARRAY_LEN(zones) + ARRAY_LEN(others); i++) {
		const bool is_zone = i < ARRAY_LEN(zones);
		const char *text = is_zone ? zones[i] : others[i - ARRAY_LEN(zones)];
		const struct deidentify_rules *rules[] = {&shift, &keep, &none};
		const size_t wants[] = {is_zone ? 6 : 0, (strlen(text) + 1) / 2 * 2, 0};
		for (unsigned k = 0; k < ARRAY_LEN(rules); k++) {
			struct writer w = begin(explicit, CLASS_CT);
			put_padded(&w, explicit, 0x00080201, "SH", text);
			put_patient(&w, explicit);
			put_series(&w, explicit);
			run_of(explicit, &w, rules[k]);
			const struct found *zone = out_find(&out, 0, 0x00080201);
			assert_int_equal(zone != NULL, k < 2);
			assert_int_equal(zone ? zone->value.len : 0, wants[k]);
			assert_true(wants[k] == 0 || memcmp(zone->value.ptr, text, strlen(text)) == 0);
		}
	}
}

/* All references to SOP instances (PS3.15 E.1.1); not what says what a thing is. */
static void test_uids_that_no_row_has(void **state)
{
	static const struct {
		uint32_t tag;
		bool stays;
	} uids[] = {{0x0008001A, true}, {0x0008010C, true}, {0x00081167, false}, {0x00200242, false},
		{0x00209312, false}, {0x300A0675, false}};
	for (unsigned options = 0; options < 2; options++) {
		for (unsigned i = 0; i < ARRAY_LEN(uids); i++) {
			struct deidentify_rules rules = {.options = options ? OPTION_UIDS : 0};
			struct writer w = object_of(CLASS_CT);
			open_sequence(&w, CONTAINER);
			put_padded(&w, explicit, uids[i].tag, "UI", "1.2.34567.8");
			close_sequence(&w);
			run_of(explicit, &w, &rules);
			const struct found *f = out_find(&out, 1, uids[i].tag);
			assert_true(f && f->value.len > 0);
			assert_int_equal(has("1.2.34567.8"), uids[i].stays || options);
		}
	}
}

/* Where pixels are not looked at there are none. */
static void test_pixels_elsewhere(void **state)
{
	static const uint32_t around[] = {CONTAINER, 0x0040A730};
	for (unsigned i = 0; i < 2 * ARRAY_LEN(around); i++) {
		struct deidentify_rules rules = {.options = i % 2 ? ALL_BUT_KEEPING : 0};
		struct writer w = object_of(CLASS_CT);
		open_sequence(&w, around[i / 2]);
		put_padded(&w, explicit, 0x7FE00008, "OF", "Zebedee Zebedee ");
		put_head(&w, explicit, 0x7FE00010, "OB", UNDEFINED_LENGTH);
		put_item(&w, explicit, 0);
		put_item(&w, explicit, 8);
		writer_bytes(&w, "Zebedee ", 8);
		put_sequence_end(&w, explicit);
		close_sequence(&w);
		put_padded(&w, explicit, 0x7F000010, "OW", "Zebedee ");
		put_padded(&w, explicit, 0x7FE00010, "OW", "pixels");
		run_of(explicit, &w, &rules);
		assert_false(has("Zebedee"));
		assert_true(found_is(out_find(&out, 0, 0x7FE00010), "pixels"));
	}
}

/* ---- What is cleaned ---- */

static void put_coded(struct writer *w, const char *code, const char *scheme, const char *meaning)
{
	open_sequence(w, 0x00081084); /* Admitting Diagnoses Code Sequence */
	put_padded(w, explicit, 0x00080100, "SH", code);
	if (scheme) {
		put_padded(w, explicit, 0x00080102, "SH", scheme);
	}
	put_padded(w, explicit, 0x00080104, "LO", meaning);
	close_sequence(w);
}

/* PS3.15 E.1.1, note: private codes and meanings that are not of the standard may leak. */
static void test_meanings_of_private_codes(void **state)
{
	static const struct {
		const char *scheme;
		bool stays;
	} schemes[] = {{"SCT", true}, {"DCM", true}, {"99SDM", true}, {"NCDR [2.0b]", true},
		{"99HOSP", false}, {"L", false}, {"HOSP_RIS", false}, {"NPI", false}, {"dcm", false},
		{NULL, false}, {"", false}};
	for (unsigned i = 0; i < ARRAY_LEN(schemes); i++) {
		struct deidentify_rules rules = {.options = OPTION_DESCRIPTORS};
		struct writer w = begin(explicit, CLASS_CT);
		put_coded(&w, "12345", schemes[i].scheme, "HEAD of Zebedee");
		put_patient(&w, explicit);
		put_series(&w, explicit);
		run_of(explicit, &w, &rules);
		assert_true(found_is(
			out_find(&out, 1, 0x00080104), schemes[i].stays ? "HEAD of Zebedee " : "HEAD of "));
	}
}

/* … and what they are, whichever stands first; the scheme is behind the code. */
static void test_private_codes(void **state)
{
	static const struct {
		const char *scheme, *code, *now;
	} codes[] = {{"SCT", "Zebedee1", "Zebedee1"}, {"99HOSP", "Zebedee1", "Removed "},
		{"L", "HEAD", "HEAD"}, {NULL, "Zebedee1", "Removed "}, {"", "HEAD Zeb", "HEAD"},
		{"DCM", "", ""}, {"L", "", ""}};
	for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
		struct deidentify_rules rules = {.options = OPTION_DESCRIPTORS};
		struct writer w = begin(explicit, CLASS_CT);
		put_coded(&w, codes[i].code, codes[i].scheme, "HEAD");
		put_patient(&w, explicit);
		put_series(&w, explicit);
		run_of(explicit, &w, &rules);
		assert_true(found_is(out_find(&out, 1, 0x00080100), codes[i].now));
		assert_true(!codes[i].scheme || found_is(out_find(&out, 1, 0x00080102),
							codes[i].scheme[0] == 'L'   ? "L "
							: codes[i].scheme[0] == 'S' ? "SCT "
							: codes[i].scheme[0] == 'D' ? "DCM "
										    : codes[i].scheme));
	}
	/* Nothing behind it but another sequence, or the end of the item. */
	for (unsigned nested = 0; nested < 2; nested++) {
		struct deidentify_rules rules = {.options = OPTION_DESCRIPTORS};
		struct writer w = begin(explicit, CLASS_CT);
		open_sequence(&w, 0x00081084);
		put_padded(&w, explicit, 0x00080100, "SH", "Zebedee1");
		if (nested) {
			put_coded(&w, "T-11120", "SRT", "HEAD");
		}
		close_sequence(&w);
		put_patient(&w, explicit);
		put_series(&w, explicit);
		run_of(explicit, &w, &rules);
		assert_false(has("Zebedee1"));
		assert_true(found_is(out_find(&out, 1, 0x00080100), "Removed "));
		assert_true(!nested || found_is(out_find(&out, 2, 0x00080100), "T-11120 "));
	}
}

/* The value of an item of a report: its concept is a program's, but its code may be whose it likes. */
static void test_private_codes_in_reports(void **state)
{
	for (unsigned private = 0; private < 2; private ++) {
		struct deidentify_rules rules = {.options = OPTION_STRUCTURED_CONTENT};
		struct writer w = object_of(CLASS_SR);
		open_sequence(&w, 0x0040A730);
		put_padded(&w, explicit, 0x0040A040, "CS", "CODE");
		open_sequence(&w, 0x0040A043);
		put_padded(&w, explicit, 0x00080100, "SH", "F-1");
		put_padded(&w, explicit, 0x00080102, "SH", "99VENDOR");
		put_padded(&w, explicit, 0x00080104, "LO", "Finding");
		close_sequence(&w);
		open_sequence(&w, 0x0040A168);
		put_padded(&w, explicit, 0x00080100, "SH", "Zebedee1");
		put_padded(&w, explicit, 0x00080102, "SH", private ? "99HOSP" : "SCT");
		put_padded(&w, explicit, 0x00080104, "LO", "HEAD of Zebedee");
		close_sequence(&w);
		close_sequence(&w);
		run_of(explicit, &w, &rules);
		assert_int_equal(has("Zebedee"), !private);
		assert_true(has("HEAD of ") && has("F-1") && has("Finding") && has("CODE"));
	}
	(void)state;
}

/* What may be absent and may not be empty is absent. */
static void test_study_of_request(void **state)
{
	struct deidentify_rules rules = {.options = OPTION_DESCRIPTORS};
	struct writer w = object_of(CLASS_CT);
	(void)state;
	open_sequence(&w, 0x00400275);
	open_sequence(&w, 0x00081110);
	put_padded(&w, explicit, 0x00081155, "UI", "1.2.3.4.5");
	close_sequence(&w);
	put_padded(&w, explicit, 0x00401001, "SH", "Zebedee1");
	close_sequence(&w);
	run_of(explicit, &w, &rules);
	assert_null(out_find(&out, 1, 0x00081110));
	assert_non_null(out_find(&out, 0, 0x00400275));
}

/* What was no date is none when it was moved; what must have a value has one. */
static void test_no_dates(void **state)
{
	struct deidentify_rules rules = {.options = OPTION_SHIFTED_DATES};
	struct writer w = begin(explicit, CLASS_CT);
	(void)state;
	put_padded(&w, explicit, 0x00080020, "DA", "20260104-20260203 "); /* Study Date: Z */
	put_padded(&w, explicit, 0x00080023, "DA", "4 January ");         /* Content Date: Z/D */
	put_patient(&w, explicit);
	put_series(&w, explicit);
	run_of(explicit, &w, &rules);
	assert_true(found_is(out_find(&out, 0, 0x00080020), ""));
	assert_true(found_is(out_find(&out, 0, 0x00080023), "19000101"));
}

/* What must have a value has one when it was cleaned: an AE title that D would replace. */
static void test_cleaned_is_not_empty(void **state)
{
	struct deidentify_rules rules = {.options = OPTION_DEVICE};
	struct writer w = object_of(CLASS_CT);
	put_padded(&w, explicit, 0x21000140, "AE", "ZEBEDEE"); /* Destination AE: D, C */
	run_of(explicit, &w, &rules);
	assert_true(found_is(out_find(&out, 0, 0x21000140), "REMOVED "));
}

/* ---- What it says of itself ---- */

static void test_burned_in_anyhow(void **state)
{
	static const char *const words[] = {"YES", " YES", "yes", "NO\\YES", "YES.", "Yes "};
	struct deidentify_rules rules = {0};
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		struct writer w = object_of(CLASS_CT);
		put_padded(&w, explicit, 0x00280301, i % 2 ? "LO" : "CS", words[i]);
		assert_int_equal(result_of(explicit, &w, &rules), ERR_DENIED);
	}
}

/* Whose it is, behind where it was looked for: its dates would be another's, and its names no names. */
static void test_identity_that_comes_late(void **state)
{
	static const uint32_t tags[] = {0x00080018, 0x00100010, 0x00100020, 0x00100021, 0x0020000D};
	struct deidentify_rules rules = {.options = ALL_BUT_KEEPING};
	for (unsigned i = 0; i < ARRAY_LEN(tags); i++) {
		struct writer w = writer_of(input, sizeof(input));
		put_padded(&w, explicit, 0x00080016, "UI", CLASS_CT);
		put_padded(&w, explicit, 0x0020000E, "UI", "1.2.3.4");
		put_padded(&w, explicit, 0x00280010, "US", "12");
		put_padded(&w, explicit, tags[i], "LO", "12");
		assert_int_equal(result_of(explicit, &w, &rules), ERR_ORDER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_in_any_vr),
		cmocka_unit_test(test_codes_in_what_is_replaced),
		cmocka_unit_test(test_text_instead_of_numbers),
		cmocka_unit_test(test_unnamed_that_tell),
		cmocka_unit_test(test_every_one_that_tells),
		cmocka_unit_test(test_voices),
		cmocka_unit_test(test_videos),
		cmocka_unit_test(test_left_alone_by_what_goes),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_uids_that_no_row_has),
		cmocka_unit_test(test_pixels_elsewhere),
		cmocka_unit_test(test_meanings_of_private_codes),
		cmocka_unit_test(test_private_codes),
		cmocka_unit_test(test_private_codes_in_reports),
		cmocka_unit_test(test_study_of_request),
		cmocka_unit_test(test_no_dates),
		cmocka_unit_test(test_cleaned_is_not_empty),
		cmocka_unit_test(test_burned_in_anyhow),
		cmocka_unit_test(test_identity_that_comes_late),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
