/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/cleaner.h"
#include "pixels/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those before it */
#include <cmocka.h>

/* What becomes of which images: the table's rules, and a site's. */

static const struct pixels_shape mono = {.rows = 7,
	.columns = 10,
	.samples = 1,
	.allocated = 8,
	.stored = 8,
	.high_bit = 7,
	.frames = 2,
	.photometric = "MONOCHROME2"};

static struct survey made(const char *modality, const char *manufacturer, const char *model, unsigned rows)
{
	struct survey s = {.shape = mono, .has_pixels = true};
	s.shape.rows = rows;
	s.shape.columns = 1024;
	snprintf(s.text[PIXELS_MODALITY], PIXELS_TEXT, "%s", modality);
	snprintf(s.text[PIXELS_MANUFACTURER], PIXELS_TEXT, "%s", manufacturer);
	snprintf(s.text[PIXELS_MODEL], PIXELS_TEXT, "%s", model);
	snprintf(s.text[PIXELS_ROWS], PIXELS_TEXT, "%u", rows);
	snprintf(s.text[PIXELS_COLUMNS], PIXELS_TEXT, "1024");
	return s;
}

static void decisions(void **state)
{
	struct pixels_regions r = {0};
	const char *why;
	struct survey s = made("US", "Philips Medical Systems", "EPIQ 7G", 768);
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_CLEAN);
	assert_int_equal(r.n_blank, 1);
	assert_int_equal(r.blank[0].width, 1024);
	assert_int_equal(r.blank[0].height, 49);
	/* Another number of rows is no such screen; and 7680 is not 768. */
	s = made("US", "Philips Medical Systems", "EPIQ 7G", 7680);
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_REFUSE);
	memcpy(s.text[PIXELS_BURNED_IN], "NO", 3);
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_PASS);
	s = made("CT", "x", "y", 512);
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_UNKNOWN);
	memcpy(s.text[PIXELS_BURNED_IN], "NO", 3);
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_PASS);
	memcpy(s.text[PIXELS_BURNED_IN], "YES", 4);
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_REFUSE);
	/* Regions, one of which is all of the image: then they say nothing. */
	s = made("US", "x", "y", 768);
	s.has_regions = true;
	s.n_regions = 1;
	s.regions[0] = (struct pixels_rect){10, 20, 100, 200};
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_CLEAN);
	assert_true(r.keep_only && r.n_keep == 1 && r.keep[0].y == 20);
	s.regions[0] = (struct pixels_rect){0, 0, 1024, 768};
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_REFUSE);
	s.regions_left_out = true;
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_REFUSE);
	s.has_pixels = false;
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_PASS);
}

static void site_rules(void **state)
{
	static const char yaml[] = "rules:\n"
				   "  - name: bedside\n"
				   "    when: { modality: US, manufacturer: acme|other, rows: 768 }\n"
				   "    blank: [ [0, 0, 800, 60], [0, 700, 800, 68] ]\n"
				   "  - when: { sop-class: 1.2.840.10008.5.1.4.1.1.7 }\n"
				   "    keep: [ [100, 100, 50, 60] ]\n"
				   "  - name: known\n"
				   "    when: { modality: US }\n"
				   "    pass: yes\n"
				   "    recognizable: no\n";
	struct pixels_rules *rules = NULL;
	struct pixels_regions r = {0};
	const char *why;
	char text[160] = "";
	assert_int_equal(pixels_rules_read(span_str(yaml), &rules, text, sizeof(text)), 0);
	struct survey s = made("US", "ACME Inc.", "1", 768);
	assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_CLEAN);
	assert_string_equal(why, "bedside");
	assert_int_equal(r.n_blank, 2);
	assert_int_equal(r.blank[1].y, 700);
	assert_false(r.unrecognizable);
	s.shape.rows = 701; /* one of them is out of it, and the other not */
	assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_CLEAN);
	s = made("US", "Philips", "EPIQ", 768);
	assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_PASS);
	assert_true(r.unrecognizable);
	s = made("OT", "", "", 768);
	memcpy(s.text[PIXELS_SOP_CLASS], "1.2.840.10008.5.1.4.1.1.7", 26);
	assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_CLEAN);
	assert_true(r.keep_only && r.n_keep == 1 && r.n_blank == 0);
	pixels_rules_free(rules);
	/* Rectangles of another image than this. */
	rules = NULL;
	assert_int_equal(
		pixels_rules_read(
			span_str(
				"rules: [ { when: { modality: US }, blank: [ [0, 768, 9, 9], [1024, 0, 9, 9] ] } ]"),
			&rules, text, sizeof(text)),
		0);
	s = made("US", "ACME", "1", 768);
	assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_REFUSE);
	assert_non_null(strstr(why, "outside of the image"));
	s = made("US", "ACME", "1", 769);
	assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_CLEAN);
	pixels_rules_free(rules);
}

static void site_rules_wrong(void **state)
{
	static const char *const wrong[] = {"", "rules: 1", "rules: []", "rules: [ { name: x } ]",
		"rules: [ { when: { modality: US } } ]", "rules: [ { pass: yes } ]",
		"rules: [ { when: {}, pass: yes } ]", "rules: [ { when: { colour: red }, pass: yes } ]",
		"rules: [ { when: { modality: US }, pass: no } ]",
		"rules: [ { when: { modality: US }, pass: yes, blank: [ [0, 0, 1, 1] ] } ]",
		"rules: [ { when: { modality: US }, blank: [ [0, 0, 1] ] } ]",
		"rules: [ { when: { modality: US }, blank: [ [0, 0, 0, 1] ] } ]",
		"rules: [ { when: { modality: US }, blank: [ [-1, 0, 1, 1] ] } ]",
		"rules: [ { when: { modality: US }, keep: [ [0, 0, 1, 65536] ] } ]",
		"rules: [ { when: { modality: US }, keep: [] } ]",
		"rules: [ { when: { modality: US }, pass: yes } ]\nmore: 1", "rules: [ {",
		"rules: [ { when: { rows: all }, pass: yes } ]",
		"rules: [ { when: { columns: 1|x }, pass: yes } ]",
		"rules: [ { when: { modality: \"US|\" }, pass: yes } ]",
		"rules: [ { when: { sop-class: CTImage }, pass: yes } ]",
		"rules: [ { when: { sop-class: 1.2.840.10008.1.2 }, pass: yes } ]"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct pixels_rules *rules = NULL;
		char why[160] = "";
		assert_int_equal(pixels_rules_read(span_str(wrong[i]), &rules, why, sizeof(why)), ERR_VALUE);
		assert_true(why[0] && !rules);
	}
}

static void site_rules_mistakes(void **state)
{
	static const struct {
		const char *yaml, *says;
	} cases[] = {
		{"rules:\n  - when: { modalty: US }\n",
			"line 2: unknown key `modalty` in `when`; did you mean `modality`?"},
		{"rules:\n  - when: { modality: US }\n    blnk: [ [0, 0, 1, 1] ]\n",
			"line 3: unknown key `blnk` in a rule; did you mean `blank`?"},
		{"rules:\n  - name: x\n   when: { modality: US }\n", "line 3: this is not YAML: "},
		{"rules:\n\t- name: x\n", "line 2: this is not YAML: "},
		{"rules:\n  - when: { rows: 10x }\n", "line 2: `rows` and `columns` are numbers"},
		{"rules:\n  - when: { sop-class: Secondary }\n",
			"line 2: `sop-class` is a SOP class of the standard, or a UID"},
		{"", "line 1: there is no list `rules`"},
		{"# none\n\nrule:\n  - when: { modality: US }\n", "line 3: there is no list `rules`"},
		{"\n- when: { modality: US }\n", "line 2: there is no list `rules`"},
		{"# none\nrules: []\n", "line 2: `rules` is a list of rules, and not empty"},
		{"# none\nrules:\n", "line 2: `rules` is a list of rules, and not empty"},
		{"rules: [ { when: { modality: US }, pass: yes } ]\nmore: 1\n",
			"line 2: beside `rules` stands nothing else"},
		{"rules: []\nrules: []\n", "line 2: `rules` stands twice"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pixels_rules *rules = NULL;
		char why[160] = "";
		assert_int_equal(
			pixels_rules_read(span_str(cases[i].yaml), &rules, why, sizeof(why)), ERR_VALUE);
		why[strlen(cases[i].says) < sizeof(why) ? strlen(cases[i].says) : 0] = 0;
		assert_string_equal(why, cases[i].says);
	}
}

static void site_rules_alternatives(void **state)
{
	static const char yaml[] = "rules:\n"
				   "  - when: { modality: ES | US, rows: 512 | 768 }\n"
				   "    blank: [ [0, 0, 800, 60] ]\n"
				   "  - when: { sop-class: CTImageStorage | SecondaryCaptureImageStorage }\n"
				   "    keep: [ [0, 0, 10, 10] ]\n";
	struct pixels_rules *rules = NULL;
	struct pixels_regions r = {0};
	const char *why;
	char text[160] = "";
	(void)state;
	assert_int_equal(pixels_rules_read(span_str(yaml), &rules, text, sizeof(text)), 0);
	struct survey s = made("US", "ACME Inc.", "1", 768);
	assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_CLEAN);
	assert_int_equal(r.n_blank, 1);
	s = made("OT", "", "", 768);
	memcpy(s.text[PIXELS_SOP_CLASS], "1.2.840.10008.5.1.4.1.1.7", 26);
	assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_CLEAN);
	assert_true(r.keep_only);
	pixels_rules_free(rules);
}

static void what_a_rule_would_say(void **state)
{
	static const struct {
		const char *manufacturer, *model, *when;
	} images[] = {
		{"ACME Inc.", "Sono: #1, {x}",
			"{ modality: \"US\", manufacturer: \"ACME Inc.\", model: \"Sono: #1, {x}\", rows: 768, columns: 1024 }"},
		{"", "\xe4", "{ modality: \"US\", rows: 768, columns: 1024 }"},
		{"A \"B\"", "1|2\n",
			"{ modality: \"US\", manufacturer: \"A\", model: \"1\", rows: 768, columns: 1024 }"},
		{"0123456789012345678901234567890123456789x", "\\",
			"{ modality: \"US\", manufacturer: \"0123456789012345678901234567890123456789\", rows: 768, columns: 1024 }"},
	};
	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		struct survey s = made("US", images[i].manufacturer, images[i].model, 768);
		struct pixels_rules *rules = NULL;
		struct pixels_regions r = {0};
		const char *why;
		char yaml[400], text[160];
		assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_REFUSE);
		const char *when = strstr(why, "`when: ");
		assert_non_null(when);
		assert_memory_equal(when + 7, images[i].when, strlen(images[i].when));
		assert_int_equal(strrchr(why, '`') - when, strlen(images[i].when) + 7);
		/* As it is, it holds for that image, and for none of another size. */
		snprintf(yaml, sizeof(yaml), "rules:\n  - when: %s\n    pass: yes\n", images[i].when);
		assert_int_equal(pixels_rules_read(span_str(yaml), &rules, text, sizeof(text)), 0);
		assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_PASS);
		s = made("US", images[i].manufacturer, images[i].model, 767);
		assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_REFUSE);
		pixels_rules_free(rules);
	}
}

/* A secondary capture has whatever modality, or none: its rule is to be one for such captures alone. */
static void what_a_rule_would_say_of_captures(void **state)
{
	static const struct {
		const char *modality, *class, *when;
	} images[] = {
		{"", "1.2.840.10008.5.1.4.1.1.7",
			"{ sop-class: SecondaryCaptureImageStorage, rows: 768, columns: 1024 }"},
		{"CT", "1.2.840.10008.5.1.4.1.1.7.2",
			"{ modality: \"CT\", sop-class: 1.2.840.10008.5.1.4.1.1.7.2, rows: 768, columns: 1024 }"},
		{"", "1.2.3.4.5", "{ sop-class: 1.2.3.4.5, rows: 768, columns: 1024 }"},
		{"", "1.2.840.10008.1.2|1", "{ rows: 768, columns: 1024 }"},
		{"CT", "1.2.840.10008.5.1.4.1.1.2", "{ modality: \"CT\", rows: 768, columns: 1024 }"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		struct survey s = made(images[i].modality, "", "", 768);
		struct pixels_rules *rules = NULL;
		struct pixels_regions r = {0};
		const char *why;
		char yaml[400], text[160], when[PIXELS_WHEN];
		snprintf(s.text[PIXELS_SOP_CLASS], PIXELS_TEXT, "%s", images[i].class);
		pixels_when(&s, when);
		assert_string_equal(when + strlen("when: "), images[i].when);
		snprintf(yaml, sizeof(yaml), "rules:\n  - when: %s\n    pass: yes\n", images[i].when);
		assert_int_equal(pixels_rules_read(span_str(yaml), &rules, text, sizeof(text)), 0);
		assert_int_equal(pixels_decide(&s, rules, &r, &why), PIXELS_PASS);
		snprintf(s.text[PIXELS_SOP_CLASS], PIXELS_TEXT, "1.2.840.10008.5.1.4.1.1.4");
		bool tells = strstr(images[i].when, "sop-class") != NULL;
		assert_int_equal(pixels_decide(&s, rules, &r, &why), tells ? PIXELS_UNKNOWN : PIXELS_PASS);
		pixels_rules_free(rules);
	}
}

static void what_a_rule_would_say_has_room(void **state)
{
	struct pixels_regions r = {0};
	const char *why;
	char longest[PIXELS_TEXT], when[PIXELS_WHEN];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	struct survey s = made(longest, longest, longest, 4294967295u);
	snprintf(s.text[PIXELS_COLUMNS], PIXELS_TEXT, "4294967295");
	pixels_when(&s, when);
	assert_non_null(strstr(when, "rows: 4294967295, columns: 4294967295 }"));
	snprintf(s.text[PIXELS_SOP_CLASS], PIXELS_TEXT, "1.2.840.10008.5.1.4.1.1.7.4");
	snprintf(s.text[PIXELS_CONVERSION], PIXELS_TEXT, "WSD");
	pixels_when(&s, when);
	assert_non_null(strstr(
		when, ", sop-class: 1.2.840.10008.5.1.4.1.1.7.4, rows: 4294967295, columns: 4294967295 }"));
	assert_int_equal(pixels_decide(&s, NULL, &r, &why), PIXELS_REFUSE);
	assert_true(strlen(why) < CLEANER_TEXT); /* nothing is cut off it */
}

/* … and of what else it would say it. */
static void what_a_rule_would_hold_for(void **state)
{
	static const struct {
		const char *modality, *maker, *model, *class, *ends;
	} rows[] = {
		{"US", "ACME", "Zenith", "",
			"`, which holds for all of that modality, manufacturer, model and size"},
		{"US", "ACME", "", "",
			"manufacturer and size, of whatever model, as this one names none: see that all are alike"},
		{"US", "", "Zenith", "",
			"modality, model and size, of whatever manufacturer, as this one names none: see that all are alike"},
		{"US", "", "", "",
			"that modality and size, of whatever device, as this one names none: see that all are alike"},
		{"", "", "", "1.2.840.10008.5.1.4.1.1.7",
			"that SOP class and size, of whatever device, as this one names none: see that all are alike"},
		{"", "\"", "|", "",
			"that size, of whatever device, as this one names none: see that all are alike"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char such[PIXELS_SUCH];
		struct survey s = made(rows[i].modality, rows[i].maker, rows[i].model, 768);
		snprintf(s.text[PIXELS_SOP_CLASS], PIXELS_TEXT, "%s", rows[i].class);
		pixels_such(&s, such);
		size_t n = strlen(such), k = strlen(rows[i].ends);
		assert_memory_equal(such, "for such images: `when: { ", 26);
		assert_true(n > k);
		assert_string_equal(such + n - k, rows[i].ends);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions),
		cmocka_unit_test(site_rules),
		cmocka_unit_test(site_rules_wrong),
		cmocka_unit_test(site_rules_mistakes),
		cmocka_unit_test(site_rules_alternatives),
		cmocka_unit_test(what_a_rule_would_say),
		cmocka_unit_test(what_a_rule_would_say_of_captures),
		cmocka_unit_test(what_a_rule_would_say_has_room),
		cmocka_unit_test(what_a_rule_would_hold_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
