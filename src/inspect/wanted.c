/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include <stdio.h>

static bool is_among(const char *words, const char *word)
{
	char between[sizeof(((struct inspect_facts *)0)->modality) + 2];
	if (!words[0] || !word[0]) {
		return false;
	}
	snprintf(between, sizeof(between), "\\%s\\", word);
	return strstr(words, between);
}

/* Where one value must stand there may be more, of which programs read this or that: none may be unwanted. */
static void want(struct inspect *i, enum inspect_check check, const char *word, const char *words,
	const char *not_words)
{
	bool unwanted = false, all = true;
	if (!words[0] && !not_words[0]) {
		return; /* as in most flows */
	}
	char one[sizeof(((struct inspect_facts *)0)->modality)];
	for (const char *at = word; *at;) {
		size_t n = strcspn(at, "\\");
		snprintf(one, sizeof(one), "%.*s", (int)n, at);
		unwanted |= is_among(not_words, one);
		all &= is_among(words, one);
		at += n + (at[n] != '\0');
	}
	if (unwanted || (words[0] && (!word[0] || !all))) {
		found_at(i, check, 0, span_str(word));
	}
}

void inspect_want(struct inspect *i, const struct inspect_wanted *w)
{
	const struct inspect_facts *f = &i->facts;
	want(i, CHECK_MODALITY_UNWANTED, f->modality, w->modalities, w->not_modalities);
	want(i, CHECK_BODY_PART_UNWANTED, f->body_part, w->body_parts, w->not_body_parts);
}
