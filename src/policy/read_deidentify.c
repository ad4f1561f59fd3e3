/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/deidentify.h"
#include "policy/keys.h"

#include <stdio.h>
#include <string.h>

/* `deidentify` of a flow: how its objects are made anew. */

const struct word deidentify_retain[] = {{"uids", OPTION_UIDS}, {"device", OPTION_DEVICE},
	{"institution", OPTION_INSTITUTION}, {"patient", OPTION_PATIENT},
	{"safe-private", OPTION_SAFE_PRIVATE}, {NULL, 0}};
const struct word deidentify_clean[] = {{"descriptors", OPTION_DESCRIPTORS},
	{"structured-content", OPTION_STRUCTURED_CONTENT}, {"graphics", OPTION_GRAPHICS}, {NULL, 0}};
const struct word deidentify_dates[] = {
	{"remove", 0}, {"shift", OPTION_SHIFTED_DATES}, {"keep", OPTION_FULL_DATES}, {NULL, 0}};
const char *const deidentify_burned_in[] = {"refuse", "keep", NULL};
const char *const deidentify_videos[] = {"strip", "keep", NULL};
const char *const deidentify_documents[] = {"refuse", "replace", NULL};

void read_deidentify(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	if (!parse_yes_or_map(p, k, v, "dates, retain, clean…")) {
		return;
	}
	f->deidentify = region_alloc(p->region, sizeof(*f->deidentify));
	if (f->deidentify) {
		key_defaults(p, k->inner, f->deidentify);
	}
	if (f->deidentify && v->kind == TREE_MAP) {
		key_read_map(p, k->inner, v, f->deidentify);
	}
}

static const struct word *find(
	struct parse *p, const struct key *k, const struct word *words, const struct tree *v)
{
	struct nearest near = nearest_to(v->text);
	char all[128] = "";
	for (const struct word *w = words; w->word; w++) {
		size_t used = strlen(all);
		if (strcmp(w->word, v->text) == 0) {
			return w;
		}
		nearest_offer(&near, w->word);
		snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", w->word);
	}
	if (near.best) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s: did you mean `%s`? (one of %s)", k->name, v->text, p->in, near.best,
			all);
	} else {
		mistake_error(p->mistakes, v->line, v->column, "`%s: %.80s`%s: expected one of %s", k->name,
			v->text, p->in, all);
	}
	return NULL;
}

/* `retain` and `clean`. */
void read_deidentify_options(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct deidentify_rules *rules = &((struct deidentify_flow *)base)->rules;
	const struct word *words = strcmp(k->name, "retain") == 0 ? deidentify_retain : deidentify_clean;
	struct tree *const *at;
	unsigned n;
	if (parse_items(p, k, v, &at, &n) < 0) {
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct word *w = find(p, k, words, at[i]);
		rules->options |= w ? w->value : 0;
	}
}

void read_deidentify_dates(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct deidentify_rules *rules = &((struct deidentify_flow *)base)->rules;
	const struct word *w = parse_word(p, k, v) ? find(p, k, deidentify_dates, v) : NULL;
	if (w) {
		rules->options &= ~(unsigned)(OPTION_SHIFTED_DATES | OPTION_FULL_DATES);
		rules->options |= w->value;
	}
}

void read_deidentify_originals(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct deidentify_flow *d = base;
	d->originals_to = parse_blobs(p, k, v, &d->n_originals_to);
	if (v->kind == TREE_LIST && v->n == 0) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s`%s is empty: leave it out if nobody is to have the originals", k->name, p->in);
	}
}
