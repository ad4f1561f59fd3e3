/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decide.h"
#include "base/err.h"
#include "dicom/dataset.h"
#include "policy/rules.h"
#include "policy/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODALITY_WORKLIST "1.2.840.10008.5.1.4.31" /* PS3.4 K.7 */

#define NOT_FOUND         0
#define BARE              1 /* only wildcards */
#define VALUE             2

/* PS3.5 6.1.2.5.3: an escape sequence switches the character set and is no character. Its length, 0: none. */
static size_t escape_len(struct span v, size_t at)
{
	size_t i = at + 1;
	if (v.ptr[at] != 0x1b) {
		return 0;
	}
	while (i < v.len && v.ptr[i] >= 0x20 && v.ptr[i] <= 0x2f) {
		i++;
	}
	return (i < v.len ? i + 1 : v.len) - at;
}

/* Does a key restrict anything? Universal matching (an empty value) does not: PS3.4 C.2.2.2.3. */
static int judge_value(struct span v)
{
	bool any = false, real = false;
	for (size_t i = 0; i < v.len; i++) {
		size_t escape = escape_len(v, i);
		if (escape > 0) {
			i += escape - 1;
			continue;
		}
		uint8_t c = v.ptr[i];
		bool padding = c <= ' ' || c == 0x7f;
		/* ^ and = part the components of a name, \ parts values, - is a range without ends: nothing by themselves. */
		bool wild = c == '*' || c == '?' || c == '^' || c == '=' || c == '\\' || c == '-';
		any |= !padding;
		real |= !padding && !wild;
	}
	return real ? VALUE : any ? BARE : NOT_FOUND;
}

#define STEP_SEQUENCE 0x00400100u /* Scheduled Procedure Step Sequence */
#define MODALITY      0x00080060u

/* Each required tag's value, where an archive matches on it. */
struct found {
	const uint32_t *tags;
	unsigned n;
	bool worklist;
	uint8_t *best;
};

/* Keys of a scheduled procedure step: PS3.4 K.6.1.2.2. */
static bool is_step_key(uint32_t tag)
{
	return tag == MODALITY || (tag >= 0x00400001u && tag <= 0x00400020u);
}

/*
 * A key restricts where it stands in the information model, and nowhere else: an archive ignores a patient ID inside a
 * private sequence, and so a guard must.
 */
static bool in_its_place(const struct found *f, const struct dataset *d)
{
	if (f->worklist && is_step_key(d->tag)) {
		return d->depth == 1 && d->path[0] == STEP_SEQUENCE;
	}
	return d->depth == 0;
}

/* A value was read. */
static void note(const struct found *f, const struct dataset *d)
{
	for (unsigned i = 0; in_its_place(f, d) && i < f->n; i++) {
		int v = f->tags[i] == d->tag ? judge_value(d->value) : NOT_FOUND;
		f->best[i] = v > f->best[i] ? (uint8_t)v : f->best[i];
	}
}

#define MOST_TAGS 64 /* as read_flow.c admits */

struct guard {
	uint8_t any[MOST_TAGS], all[MOST_TAGS];
};

/* Of a longer value the beginning is judged: one that has only wildcards there does not count. */
#define VALUE_JUDGED 1024

/* Where an archive may read something else than we do, the guard reads nothing. The others are harmless. */
static const int refused_notes[NOTE_N] = {
	[NOTE_ORDER] = ERR_ORDER,
	[NOTE_DUPLICATE] = ERR_DUPLICATE,
	[NOTE_VR_MALFORMED] = ERR_VALUE,
	[NOTE_UNDEFINED_LENGTH] = ERR_LENGTH,
	[NOTE_DELIMITER_LENGTH] = ERR_LENGTH,
	[NOTE_DELIMITER_STRAY] = ERR_ORDER,
	[NOTE_DELIMITER_MISSING] = ERR_ORDER,
};

/* Deflated, 64 KiB may say a thousand times as much. */
static bool is_too_much(const struct dataset *d)
{
	return d->offset > LIMIT_IDENTIFIER ||
	       (d->length != UNDEFINED_LENGTH && d->length > LIMIT_IDENTIFIER);
}

static int read_keys(struct dataset *d, const struct found *any, const struct found *all)
{
	uint8_t value[VALUE_JUDGED];
	int event;
	while ((event = dataset_next(d)) > 0 && event != DATASET_END) {
		if (event == DATASET_NOTE && refused_notes[d->note] != 0) {
			return refused_notes[d->note];
		}
		if (is_too_much(d)) {
			return ERR_LIMIT;
		}
		if (event == DATASET_ELEMENT) {
			dataset_collect(d, value, sizeof(value));
		} else if (event == DATASET_VALUE) {
			note(any, d);
			note(all, d);
		}
	}
	return event < 0 ? event : 0;
}

static int walk(
	const struct flow *f, struct span identifier, enum encoding encoding, bool worklist, struct guard *g)
{
	struct found any = {f->require_any, f->n_require_any, worklist, g->any},
		     all = {f->require_all, f->n_require_all, worklist, g->all};
	struct inflater *inflater = NULL;
	struct dataset d;
	if (identifier.len > LIMIT_IDENTIFIER) {
		return ERR_LIMIT;
	}
	if (encoding == ENCODING_DEFLATED_LE) {
		inflater = malloc(sizeof(*inflater));
		if (!inflater) {
			return ERR_NO_MEMORY;
		}
	}
	int err = dataset_begin(&d, encoding, inflater);
	if (err == 0) {
		dataset_feed(&d, identifier);
		dataset_last(&d);
		err = read_keys(&d, &any, &all);
	}
	free(inflater);
	return err;
}

static void list_tags(const uint32_t *tags, unsigned n, char *text, size_t cap)
{
	size_t used = 0;
	text[0] = '\0';
	for (unsigned i = 0; i < n && used < cap; i++) {
		char buf[16];
		int k = snprintf(text + used, cap - used, "%s%s", i ? ", " : "", word_of_tag(tags[i], buf));
		used += k > 0 ? (size_t)k : 0;
	}
}

static bool counts(const struct flow *f, uint8_t found)
{
	return found == VALUE || (found == BARE && f->bare_wildcards);
}

/* What the guard misses, as a sentence's end; false: nothing. */
static bool missing(const struct flow *f, const struct guard *g, char *text, size_t cap)
{
	char tags[240], buf[16];
	bool any = f->n_require_any == 0, bare = false;
	for (unsigned i = 0; i < f->n_require_all; i++) {
		if (!counts(f, g->all[i])) {
			snprintf(text, cap, "it must give %s a value%s", word_of_tag(f->require_all[i], buf),
				g->all[i] == BARE ? ", and a bare wildcard does not count" : "");
			return true;
		}
	}
	for (unsigned i = 0; i < f->n_require_any; i++) {
		any |= counts(f, g->any[i]);
		bare |= g->any[i] == BARE;
	}
	if (any) {
		return false;
	}
	list_tags(f->require_any, f->n_require_any, tags, sizeof(tags));
	snprintf(text, cap, "it must give at least one of %s a value%s", tags,
		bare ? ", and a bare wildcard does not count" : "");
	return true;
}

int decide_query(const struct site *s, const struct route *r, int flow, struct span identifier,
	struct span sop_class, struct span transfer_syntax, struct verdict *ret_verdict)
{
	struct verdict v = {.flow = flow};
	struct guard g = {0};
	enum encoding encoding;
	char why[320];
	const struct flow *f = flow >= 0 && (unsigned)flow < s->n_flows ? &s->flows[flow] : NULL;
	*ret_verdict = v;
	if (!f || !f->has_query || f->n_require_any + f->n_require_all == 0) {
		return 0;
	}
	v.line = f->line;
	v.rule = RULE_QUERY_KEYS;
	int err = encoding_of(transfer_syntax, &encoding);
	if (err < 0) {
		snprintf(why, sizeof(why),
			"its keys cannot be read in this transfer syntax (not the standard's)");
	} else if ((err = walk(f, identifier, encoding, span_eq(sop_class, span_str(MODALITY_WORKLIST)),
			    &g)) < 0) {
		snprintf(why, sizeof(why), "its keys cannot be read: the identifier is malformed (%s)",
			err_str(err));
	} else if (!missing(f, &g, why, sizeof(why))) {
		return 0;
	}
	snprintf(v.sentence, sizeof(v.sentence), "flow %s (line %u): the query is too wide: %s", f->name,
		f->line, why);
	if (err < 0) {
		snprintf(v.sentence, sizeof(v.sentence),
			"flow %s (line %u) guards queries, and of this one %s", f->name, f->line, why);
	}
	err = verdict_end(s, r, &v);
	*ret_verdict = v;
	return err;
}
