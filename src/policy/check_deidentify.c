/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/encoding.h"
#include "policy/content.h"
#include "policy/deidentify.h"
#include "policy/keys.h"
#include "policy/values.h"
#include "policy/vocabulary.h"

#include <string.h>

/* `deidentify` of a flow, beside what else the site says. */

static bool have_one_caller(const struct flow *a, const struct flow *b)
{
	for (unsigned i = 0; i < a->n_from; i++) {
		for (unsigned k = 0; k < b->n_from; k++) {
			if (a->from[i] == b->from[k]) {
				return true;
			}
		}
	}
	return false;
}

/* A flow that de-identifies is no rule for what its two nodes say in others. */
static void check_beside_deidentify(struct parse *p, const struct flow *f, const struct tree *at)
{
	for (unsigned i = 0; i < p->site->n_flows; i++) {
		const struct flow *other = &p->site->flows[i];
		if (!other->deidentify && other->to == f->to &&
			other->services & ~SERVICE_BIT(SERVICE_ECHO) && have_one_caller(f, other)) {
			mistake_warning(p->mistakes, at->line, at->column,
				"flow %s de-identifies, and flow %s between the same nodes does not: what passes by it "
				"names patients",
				f->name, other->name);
		}
	}
}

/* What leaves in another transfer syntax than it came must find that among those of the flow (gateway/spare.h). */
static void check_cleaned_syntaxes(struct parse *p, const struct flow *f, const struct tree *at)
{
	for (unsigned i = 0; f->has_transfer_syntaxes && i < f->transfer_syntaxes.n; i++) {
		const char *from = f->transfer_syntaxes.at[i], *to = encoding_lossless(span_str(from));
		bool has = !to;
		for (unsigned k = 0; !has && k < f->transfer_syntaxes.n; k++) {
			const char *other = f->transfer_syntaxes.at[k];
			has = strcmp(other, to) == 0 || strcmp(other, SYNTAX_EXPLICIT_LE) == 0 ||
			      strcmp(other, SYNTAX_IMPLICIT_LE) == 0;
		}
		if (!has) {
			mistake_warning(p->mistakes, at->line, at->column,
				"flow %s cleans pixels: what comes as %s leaves as %s, which is not among its "
				"`transfer-syntaxes`, nor is an uncompressed one, and is refused",
				f->name, word_of_uid(from), word_of_uid(to));
		}
	}
}

/* `clean-pixels` has a value that says neither yes nor no: that is the mistake, and not what goes with it. */
static bool is_mistaken(const struct tree *at)
{
	const struct tree *v = at->kind == TREE_MAP ? tree_get(at, "clean-pixels") : NULL;
	bool yes;
	return v && (v->kind != TREE_TEXT || value_bool(v->text, &yes) < 0);
}

static void check_clean_pixels(struct parse *p, const struct flow *f, const struct tree *at)
{
	const struct deidentify_flow *d = f->deidentify;
	if (is_mistaken(at)) {
		return;
	}
	if (d->clean_features && !(d->clean_pixels && d->pixel_rules.path)) {
		mistake_error(p->mistakes, at->line, at->column,
			"flow %s: `clean-features` goes with `clean-pixels` and `pixel-rules`: only a site's rules say so",
			f->name);
	} else if (d->pixel_rules.path && !d->clean_pixels) {
		mistake_error(p->mistakes, at->line, at->column,
			"flow %s: `pixel-rules` goes with `clean-pixels: yes`", f->name);
	}
	if (d->clean_pixels && f->inspect && f->inspect->hold == HOLD_TAIL) {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s cleans pixels, so that its objects are held whole: `hold: tail` does nothing",
			f->name);
	}
	if (d->clean_pixels) {
		check_cleaned_syntaxes(p, f, at);
	}
}

/* What the flow's queries are told. at: its services. */
static void check_queries(struct parse *p, const struct flow *f, const struct tree *at)
{
	if (!(f->services & (1u << SERVICE_FIND | 1u << SERVICE_WORKLIST))) {
		return;
	}
	if (f->services & 1u << SERVICE_STORE) {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s de-identifies: queries by UIDs and patient IDs reach the called node in its own words, those by what "
			"is removed (a patient's name, a date, an accession number) are refused",
			f->name);
	} else {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s de-identifies objects that are fetched, and not what queries are answered: names of patients pass in "
			"answers",
			f->name);
	}
}

void check_deidentify(
	struct parse *p, const struct flow *f, const struct tree *at, const struct tree *services)
{
	if (f->deidentify && !p->site->deidentify.has) {
		mistake_error(p->mistakes, at->line, at->column,
			"flow %s de-identifies its objects, and there is no `deidentify: key` for it; `gantry deidentify --new-key FILE` makes one",
			f->name);
	}
	if (f->deidentify && !(f->services & (1u << SERVICE_STORE | 1u << SERVICE_GET))) {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s has no service by which objects pass: `deidentify` does nothing", f->name);
	}
	if (f->deidentify && f->deidentify->n_originals_to > 0 && f->inspect &&
		f->inspect->hold == HOLD_TAIL) {
		mistake_warning(p->mistakes, at->line, at->column,
			"flow %s encrypts what its objects were, so that they are held whole: `hold: tail` does nothing",
			f->name);
	}
	if (f->deidentify) {
		check_clean_pixels(p, f, at);
	}
	if (f->deidentify && f->services & SERVICE_BIT(SERVICE_STORE)) {
		check_beside_deidentify(p, f, at);
	}
	if (f->deidentify) {
		check_queries(p, f, services);
	}
}
