/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/confidentiality.h"

#include "base/attr.h"
#include "dicom/uid.h"

struct confidentiality_row {
	uint32_t tag, mask; /* digits that count */
	enum confidentiality basic;
	uint16_t keep, clean; /* options that do */
};

struct confidentiality_concept {
	const char *code, *scheme, *type;
	enum confidentiality basic;
	uint16_t keep, clean;
};

struct safe_private {
	const char *creator;
	uint32_t tag;
	const char *vr; /* "OW/OB": either; "", "vr": it is not said */
};

struct confidentiality_type {
	uint32_t tag;
	int type;
	const char *classes;
};

#include "coding_scheme_table.h"
#include "confidentiality_code_table.h"
#include "confidentiality_more_table.h"
#include "confidentiality_table.h"
#include "confidentiality_type_table.h"
#include "safe_private_table.h"

/* ---- Attributes ---- */

static const struct confidentiality_row *find_in(
	const struct confidentiality_row *rows, size_t high, uint32_t tag)
{
	size_t low = 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (rows[middle].tag == tag) {
			return &rows[middle];
		}
		if (rows[middle].tag < tag) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return NULL;
}

static const struct confidentiality_row *find(uint32_t tag)
{
	const struct confidentiality_row *row =
		find_in(confidentiality_tags, ARRAY_LEN(confidentiality_tags), tag);
	for (unsigned i = 0; i < ARRAY_LEN(confidentiality_ranges) && !row; i++) {
		if ((tag & confidentiality_ranges[i].mask) == confidentiality_ranges[i].tag) {
			row = &confidentiality_ranges[i];
		}
	}
	return row;
}

/* One word of `classes`, with a * for any letters once or twice, wherever. */
static bool fits(const char *word, size_t n, const char *keyword, size_t len)
{
	const char *first = memchr(word, '*', n),
		   *last = first ? memrchr(first, '*', n - (size_t)(first - word)) : NULL;
	if (!first) {
		return len == n && memcmp(word, keyword, n) == 0;
	}
	size_t before = (size_t)(first - word), behind = n - (size_t)(last - word) - 1;
	if (len < before + behind || memcmp(word, keyword, before) != 0 ||
		memcmp(last + 1, keyword + len - behind, behind) != 0) {
		return false;
	}
	size_t between = (size_t)(last - first);
	return between <= 1 || memmem(keyword + before, len - before - behind, first + 1, between - 1);
}

static bool has_class(const char *classes, const char *keyword)
{
	size_t len = strlen(keyword);
	while (*classes) {
		size_t n = (size_t)(strchrnul(classes, ' ') - classes);
		if (fits(classes, n, keyword, len)) {
			return true;
		}
		classes += n + (classes[n] == ' ');
	}
	return false;
}

static int type_of(uint32_t tag, struct span sop_class, bool top)
{
	const struct uid_entry *uid = uid_find(sop_class);
	if (!top || !uid || !uid->keyword[0]) {
		return 1; /* what keeps any object valid */
	}
	for (unsigned i = 0; i < ARRAY_LEN(confidentiality_types); i++) {
		const struct confidentiality_type *t = &confidentiality_types[i];
		if (t->tag == tag && has_class(t->classes, uid->keyword)) {
			return t->type;
		}
	}
	return 3;
}

/* Table E.1-1a: the first of its letters that leaves the object valid. */
static enum confidentiality resolve(enum confidentiality c, int type)
{
	switch (c) {
	case CONFIDENTIALITY_ZD:
		return type == 1 ? CONFIDENTIALITY_D : CONFIDENTIALITY_Z;
	case CONFIDENTIALITY_XZ:
		return type == 3 ? CONFIDENTIALITY_X : CONFIDENTIALITY_Z;
	case CONFIDENTIALITY_XD:
		return type == 3 ? CONFIDENTIALITY_X : CONFIDENTIALITY_D;
	case CONFIDENTIALITY_XZD:
		return type == 3 ? CONFIDENTIALITY_X : type == 2 ? CONFIDENTIALITY_Z : CONFIDENTIALITY_D;
	case CONFIDENTIALITY_XZU:
		return type == 3 ? CONFIDENTIALITY_X : type == 2 ? CONFIDENTIALITY_Z : CONFIDENTIALITY_U;
	default:
		return c;
	}
}

enum confidentiality confidentiality_basic(uint32_t tag)
{
	const struct confidentiality_row *row = find(tag);
	return row ? row->basic : CONFIDENTIALITY_KEEP;
}

enum confidentiality confidentiality_of(uint32_t tag, unsigned options, struct span sop_class, bool top)
{
	const struct confidentiality_row *row = find(tag);
	if (!row) {
		return CONFIDENTIALITY_KEEP;
	}
	if (row->clean & options) {
		return CONFIDENTIALITY_CLEAN;
	}
	if (row->keep & options) {
		return CONFIDENTIALITY_KEEP;
	}
	bool is_compound = row->basic >= CONFIDENTIALITY_ZD;
	return is_compound ? resolve(row->basic, type_of(tag, sop_class, top)) : row->basic;
}

enum confidentiality confidentiality_more(uint32_t tag, unsigned options)
{
	const struct confidentiality_row *row =
		find_in(confidentiality_more_tags, ARRAY_LEN(confidentiality_more_tags), tag);
	if (!row || row->keep & options) {
		return CONFIDENTIALITY_KEEP;
	}
	return row->clean & options ? CONFIDENTIALITY_CLEAN : row->basic;
}

/* ---- Concepts ---- */

static bool is(struct span s, const char *text)
{
	return span_eq(s, span_str(text));
}

static enum confidentiality unnamed_concept(struct span type, unsigned options)
{
	bool is_date = is(type, "DATE") || is(type, "DATETIME") || is(type, "TIME");
	if (is_date) {
		return options & OPTION_FULL_DATES      ? CONFIDENTIALITY_KEEP
		       : options & OPTION_SHIFTED_DATES ? CONFIDENTIALITY_CLEAN
		                                        : CONFIDENTIALITY_X;
	}
	if (is(type, "UIDREF")) {
		return options & OPTION_UIDS ? CONFIDENTIALITY_KEEP : CONFIDENTIALITY_U;
	}
	return is(type, "TEXT")    ? options & OPTION_DESCRIPTORS ? CONFIDENTIALITY_CLEAN : CONFIDENTIALITY_X
	       : is(type, "PNAME") ? CONFIDENTIALITY_X
	                           : CONFIDENTIALITY_KEEP;
}

enum confidentiality confidentiality_of_concept(
	struct span code, struct span scheme, struct span type, unsigned options)
{
	for (unsigned i = 0; i < ARRAY_LEN(confidentiality_concepts); i++) {
		const struct confidentiality_concept *c = &confidentiality_concepts[i];
		if (is(code, c->code) && is(scheme, c->scheme) && is(type, c->type)) {
			return c->clean & options  ? CONFIDENTIALITY_CLEAN
			       : c->keep & options ? CONFIDENTIALITY_KEEP
			                           : resolve(c->basic, 1);
		}
	}
	return unnamed_concept(type, options);
}

bool confidentiality_is_public_scheme(struct span designator)
{
	bool is_public = false;
	for (unsigned i = 0; i < ARRAY_LEN(public_schemes) && !is_public; i++) {
		is_public = is(designator, public_schemes[i]);
	}
	return is_public;
}

/* ---- Private attributes ---- */

const char *confidentiality_safe_vr(struct span creator, uint32_t tag)
{
	for (unsigned i = 0; i < ARRAY_LEN(safe_privates); i++) {
		if (safe_privates[i].tag == (tag & 0xFFFF00FFu) && is(creator, safe_privates[i].creator)) {
			return safe_privates[i].vr;
		}
	}
	return NULL;
}

bool confidentiality_knows_creator(struct span creator, uint16_t group)
{
	for (unsigned i = 0; i < ARRAY_LEN(safe_privates); i++) {
		if (safe_privates[i].tag >> 16 == group && is(creator, safe_privates[i].creator)) {
			return true;
		}
	}
	return false;
}
