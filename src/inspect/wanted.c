/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include <stdio.h>

static bool is_among(const char *words, const char *word)
{
	char between[sizeof(((struct inspect_facts *)0)->modality) + 2];
	snprintf(between, sizeof(between), "\\%s\\", word);
	return word[0] && strstr(words, between);
}

static void want(struct inspect *i, enum inspect_check check, const char *word, const char *words,
	const char *not_words)
{
	if ((words[0] && !is_among(words, word)) || is_among(not_words, word)) {
		found_at(i, check, 0, span_str(word));
	}
}

void inspect_want(struct inspect *i, const struct inspect_wanted *w)
{
	const struct inspect_facts *f = &i->facts;
	want(i, CHECK_MODALITY_UNWANTED, f->modality, w->modalities, w->not_modalities);
	want(i, CHECK_BODY_PART_UNWANTED, f->body_part, w->body_parts, w->not_body_parts);
}
