/* SPDX-License-Identifier: Apache-2.0 */
#include "transform_object.h"

/* ---- Private attributes (Table E.3.10-1) ---- */

static bool is_text_vr(const char *vr)
{
	return strstr("CS LO SH ST LT IS DS", vr) != NULL && strlen(vr) == 2;
}

/* One attribute of that creator and VR, in block 10. What became of it; NULL: it is gone. */
static const struct found *private_of(
	enum encoding e, const char *creator, uint32_t tag, const char *vr, unsigned options)
{
	struct deidentify_rules rules = {.options = options};
	struct writer w = begin(e, CLASS_CT);
	put_patient(&w, e);
	if (tag >> 16 > 0x0020) {
		put_series(&w, e);
	}
	uint32_t at = (tag & 0xFFFF00FF) | 0x1000;
	put_padded(&w, e, (tag & 0xFFFF0000) | 0x10, "LO", creator);
	if (strcmp(vr, "SQ") == 0) {
		put_head(&w, e, at, vr, UNDEFINED_LENGTH);
		put_item(&w, e, UNDEFINED_LENGTH);
		put_padded(&w, e, 0x00100010, "PN", "Zebedee^Anna");
		put_item_end(&w, e);
		put_sequence_end(&w, e);
	} else if (is_text_vr(vr) || strcmp(vr, "UI") == 0) {
		put_padded(&w, e, at, vr, "12345678");
	} else {
		put_head(&w, e, at, vr, 8);
		writer_bytes(&w, "12345678", 8);
	}
	if (tag >> 16 <= 0x0020) {
		put_series(&w, e);
	}
	run_of(e, &w, &rules);
	assert_false(has("Zebedee"));
	return out_find(&out, 0, at);
}

static void test_safe_private(void **state)
{
	struct table *t = table_read(DATA "/safe_private.tsv");
	assert_true(t->n > 470);
	for (unsigned i = 0; i < t->n; i++) {
		char tag_text[16], vr[8];
		const char *creator = cell(t, i, "creator");
		snprintf(tag_text, sizeof(tag_text), "%s", cell(t, i, "tag"));
		snprintf(vr, sizeof(vr), "%s", cell(t, i, "vr"));
		bool known = strlen(vr) >= 2 && strcmp(vr, "vr") != 0;
		vr[2] = 0;
		uint32_t tag = tag_of(tag_text);
		const char *used = known ? vr : "FD";
		const struct found *f =
			private_of(ENCODING_EXPLICIT_LE, creator, tag, used, OPTION_SAFE_PRIVATE);
		bool is_sequence = strcmp(vr, "SQ") == 0;
		if (!f ||
			(!is_sequence && strcmp(vr, "UI") != 0 && !span_eq(f->value, span_str("12345678")))) {
			fail_msg("%s %s %s: not kept", tag_text, creator, vr);
		}
		if (strcmp(vr, "UI") == 0) {
			assert_true(f->value.len > 5 && memcmp(f->value.ptr, "2.25.", 5) == 0);
		}
		assert_null(private_of(ENCODING_EXPLICIT_LE, creator, tag, used, 0));
		assert_null(private_of(ENCODING_EXPLICIT_LE, "ZEBRA", tag, used, OPTION_SAFE_PRIVATE));
		/* Neither what is not gone through nor text instead of something else. */
		assert_true(!is_sequence ||
			    !private_of(ENCODING_EXPLICIT_LE, creator, tag, "OB", OPTION_SAFE_PRIVATE));
		assert_true(!is_sequence ||
			    !private_of(ENCODING_EXPLICIT_LE, creator, tag, "UN", OPTION_SAFE_PRIVATE));
		assert_true(is_text_vr(vr) ||
			    !private_of(ENCODING_EXPLICIT_LE, creator, tag, "LT", OPTION_SAFE_PRIVATE));
	}
	table_free(t);
}

/* The block of another item, or of none. */
static void test_creators_are_of_their_item(void **state)
{
	enum encoding e = ENCODING_EXPLICIT_LE;
	struct deidentify_rules rules = {.options = OPTION_SAFE_PRIVATE};
	struct writer w = begin(e, CLASS_CT);
	put_patient(&w, e);
	put_padded(&w, e, 0x00190010, "LO", "SIEMENS MR HEADER");
	put_padded(&w, e, 0x0019100C, "IS", "1000");
	put_padded(&w, e, 0x0019110C, "IS", "1100");
	put_series(&w, e);
	put_head(&w, e, CONTAINER, "SQ", UNDEFINED_LENGTH);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_padded(&w, e, 0x0019100C, "IS", "1200");
	put_item_end(&w, e);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_padded(&w, e, 0x00190010, "LO", "SIEMENS MR HEADER");
	put_padded(&w, e, 0x0019100C, "IS", "1300");
	put_item_end(&w, e);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_padded(&w, e, 0x0019100C, "IS", "1400");
	put_item_end(&w, e);
	put_sequence_end(&w, e);
	run_of(e, &w, &rules);
	assert_true(has("1000") && has("1300"));
	assert_false(has("1100") || has("1200") || has("1400"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_safe_private),
		cmocka_unit_test(test_creators_are_of_their_item),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
