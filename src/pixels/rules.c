/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/rules.h"

#include "pixels/blank.h"
#include "pixels/rules_parts.h"
#include "policy/vocabulary.h"
#include "pixels_rule_table.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Does it hold? ---- */

static bool is_whole(enum pixels_fact fact)
{
	return fact == PIXELS_ROWS || fact == PIXELS_COLUMNS || fact == PIXELS_WINDOW_WIDTH ||
	       fact == PIXELS_SOP_CLASS;
}

static bool has(const char *value, const char *word, size_t n, bool whole)
{
	size_t len = strlen(value);
	if (whole) {
		return len == n && strncasecmp(value, word, n) == 0;
	}
	for (size_t i = 0; i + n <= len; i++) {
		if (strncasecmp(value + i, word, n) == 0) {
			return true;
		}
	}
	return false;
}

static bool holds_one(const char *value, const char *words, bool whole)
{
	for (;;) {
		size_t n = strcspn(words, "|");
		if (n > 0 && has(value, words, n, whole)) {
			return true;
		}
		if (words[n] == '\0') {
			return false;
		}
		words += n + 1;
	}
}

static bool holds(const struct pixels_rule *r, const struct survey *s)
{
	for (int i = 0; i < PIXELS_FACTS; i++) {
		if (r->when[i] && !holds_one(s->text[i], r->when[i], is_whole((enum pixels_fact)i))) {
			return false;
		}
	}
	return true;
}

/* ---- What usually has text burned in ---- */

#define SECONDARY_CAPTURES                                                                                   \
	"1.2.840.10008.5.1.4.1.1.7|1.2.840.10008.5.1.4.1.1.7.2|1.2.840.10008.5.1.4.1.1.7.3|1.2.840.10008.5.1.4.1.1.7.4"

static const struct {
	enum pixels_fact fact;
	const char *words, *why;
} likely[] = {
	{PIXELS_MODALITY, "US|IVUS|ES|OT|SC",
		"images of this modality usually have text burned in, and no rule says where"},
	{PIXELS_SOP_CLASS, SECONDARY_CAPTURES,
		"secondary captures usually have text burned in, and no rule says where"},
	{PIXELS_IMAGE_TYPE, "SCREEN SAVE|DOSE_INFO|REPORTDATA|DEMOGRAPHICDATA",
		"it is a picture of a screen, and no rule says where text is burned in"},
	{PIXELS_CONVERSION, "DV|DF|WSD|SD|SI|DRW",
		"it was captured from a screen or from paper, and no rule says where text is burned in"},
};

static const char *why_refused(const struct survey *s)
{
	if (holds_one(s->text[PIXELS_BURNED_IN], "YES", true)) {
		return "it says that text is burned into its pixels, and no rule says where";
	}
	if (holds_one(s->text[PIXELS_BURNED_IN], "NO", true)) {
		return NULL;
	}
	for (size_t i = 0; i < sizeof(likely) / sizeof(likely[0]); i++) {
		/* Modalities are words of their own, and so are UIDs. */
		bool whole = likely[i].fact != PIXELS_IMAGE_TYPE;
		if (holds_one(s->text[likely[i].fact], likely[i].words, whole)) {
			return likely[i].why;
		}
	}
	return NULL;
}

/* ---- What a rule would say ---- */

/* A part holds where the whole does: as far as it is plain text that YAML takes between quotes, and no alternative. */
static size_t plain_part(const char *value, size_t most)
{
	size_t n = 0;
	while (n < most && value[n] >= ' ' && value[n] <= '~' && !strchr("\"\\|", value[n])) {
		n++;
	}
	while (n > 0 && value[n - 1] == ' ') {
		n--;
	}
	return n;
}

#define CLASS_MOST 40

/* By its name where there is room for that; "" where a rule needs none: a screen of a CT is no slice of it, and some have no modality. */
static const char *class_of(const struct survey *s)
{
	const char *uid = s->text[PIXELS_SOP_CLASS], *name = word_of_uid(uid);
	bool tells = plain_part(s->text[PIXELS_MODALITY], 1) == 0 || holds_one(uid, SECONDARY_CAPTURES, true);
	if (!tells || !word_is_uid(uid) || strlen(uid) > CLASS_MOST) {
		return "";
	}
	return strlen(name) <= CLASS_MOST ? name : uid;
}

void pixels_when(const struct survey *s, char ret_text[PIXELS_WHEN])
{
	static const struct {
		const char *key;
		enum pixels_fact fact;
		size_t most;
	} texts[] = {{"modality", PIXELS_MODALITY, 16}, {"manufacturer", PIXELS_MANUFACTURER, 40},
		{"model", PIXELS_MODEL, 40}};
	int at = snprintf(ret_text, PIXELS_WHEN, "when: { ");
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *value = s->text[texts[i].fact];
		size_t n = plain_part(value, texts[i].most);
		if (n > 0) {
			at += snprintf(ret_text + at, PIXELS_WHEN - (size_t)at, "%s: \"%.*s\", ",
				texts[i].key, (int)n, value);
		}
	}
	if (class_of(s)[0]) {
		at += snprintf(ret_text + at, PIXELS_WHEN - (size_t)at, "sop-class: %s, ", class_of(s));
	}
	snprintf(ret_text + at, PIXELS_WHEN - (size_t)at, "rows: %.10s, columns: %.10s }",
		s->text[PIXELS_ROWS], s->text[PIXELS_COLUMNS]);
}

/* "modality, model and size": what of an image a rule would name. */
static void said_of(const struct survey *s, bool has_maker, bool has_model, char *to, size_t size)
{
	const char *words[5];
	unsigned n = 0;
	size_t at = 0;
	if (plain_part(s->text[PIXELS_MODALITY], 1) > 0) {
		words[n++] = "modality";
	}
	if (has_maker) {
		words[n++] = "manufacturer";
	}
	if (has_model) {
		words[n++] = "model";
	}
	if (class_of(s)[0]) {
		words[n++] = "SOP class";
	}
	words[n++] = "size";
	for (unsigned i = 0; i < n; i++) {
		const char *between = i == 0 ? "" : i + 1 < n ? ", " : " and ";
		at += (size_t)snprintf(to + at, size - at, "%s%s", between, words[i]);
	}
}

/* Without a manufacturer or a model a rule holds for images of other devices too, which have their text elsewhere. */
void pixels_such(const struct survey *s, char ret_text[PIXELS_SUCH])
{
	const bool has_maker = plain_part(s->text[PIXELS_MANUFACTURER], 1) > 0,
		   has_model = plain_part(s->text[PIXELS_MODEL], 1) > 0;
	const char *lacks = has_maker && has_model ? NULL
	                    : has_maker            ? "model"
	                    : has_model            ? "manufacturer"
	                                           : "device";
	char when[PIXELS_WHEN], said[80], rest[96] = "";
	pixels_when(s, when);
	said_of(s, has_maker, has_model, said, sizeof(said));
	if (lacks) {
		snprintf(rest, sizeof(rest),
			", of whatever %s, as this one names none: see that all are alike", lacks);
	}
	snprintf(ret_text, PIXELS_SUCH, "for such images: `%s`, which holds for all of that %s%s", when, said,
		rest);
}

/* ---- The decision ---- */

static const char *with_such(const struct survey *s, const char *why)
{
	static char said[128 + PIXELS_SUCH];
	char such[PIXELS_SUCH];
	pixels_such(s, such);
	snprintf(said, sizeof(said), "%s; %s", why, such);
	return said;
}

static bool add_rule(struct pixels_regions *to, const struct pixels_rule *r)
{
	for (unsigned i = 0; i < r->regions.n_blank; i++) {
		if (to->n_blank == PIXELS_RECTS) {
			return false;
		}
		to->blank[to->n_blank++] = r->regions.blank[i];
	}
	return true;
}

/* Is anything of such an image outside of what is kept? Where its pixels are of an unknown kind, yes: cleaning then says so. */
static bool is_any(const struct survey *s, const struct pixels_regions *regions)
{
	struct blanker b;
	const char *why;
	return blank_begin(&b, &s->shape, regions, false, false, &why) < 0 || blank_any(&b);
}

/* A rule whose rectangles all lie beyond the image was made for another one: where this one's text is, it does not say. */
static enum pixels_decision by_site(const struct pixels_rule *r, const struct survey *s,
	struct pixels_regions *ret_regions, const char **ret_why)
{
	if (r->regions.n_blank > 0 && !is_any(s, &r->regions)) {
		*ret_why =
			"the rectangles of the rule that holds lie outside of the image: name its rows and columns";
		return PIXELS_REFUSE;
	}
	*ret_why = r->name;
	*ret_regions = r->regions;
	return r->pass ? PIXELS_PASS : PIXELS_CLEAN;
}

enum pixels_decision pixels_decide(const struct survey *s, const struct pixels_rules *site,
	struct pixels_regions *ret_regions, const char **ret_why)
{
	struct pixels_regions regions = {0};
	*ret_why = "";
	if (!s->has_pixels && !s->has_other_pixels) {
		return PIXELS_PASS;
	}
	for (size_t i = 0; site && i < site->n; i++) {
		if (holds(&site->rules[i], s)) {
			return by_site(&site->rules[i], s, ret_regions, ret_why);
		}
	}
	const char *name = NULL;
	if (s->has_regions) {
		if (s->regions_left_out) {
			*ret_why = "it has more ultrasound regions than can be kept";
			return PIXELS_REFUSE;
		}
		regions.keep_only = true;
		regions.n_keep = s->n_regions;
		memcpy(regions.keep, s->regions, sizeof(regions.keep));
		name = "ultrasound regions";
	}
	for (size_t i = 0; i < sizeof(pixel_rule_table) / sizeof(pixel_rule_table[0]); i++) {
		if (holds(&pixel_rule_table[i], s)) {
			name = pixel_rule_table[i].name;
			if (!add_rule(&regions, &pixel_rule_table[i])) {
				*ret_why = "too many rules hold for it";
				return PIXELS_REFUSE;
			}
		}
	}
	if (name && is_any(s, &regions)) {
		*ret_why = name;
		*ret_regions = regions;
		return PIXELS_CLEAN;
	}
	const char *why = why_refused(s);
	if (why) {
		*ret_why = with_such(s, why);
		return PIXELS_REFUSE;
	}
	return holds_one(s->text[PIXELS_BURNED_IN], "NO", true) ? PIXELS_PASS : PIXELS_UNKNOWN;
}
