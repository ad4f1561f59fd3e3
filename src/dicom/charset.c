/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/charset_parts.h"

/*
 * The defined terms of PS3.3 C.12.1.1.2: alone and with code extensions, the sets at the beginning, and the escape
 * sequences (without ESC) that designate them.
 */
static const struct term {
	const char *alone, *extension; /* NULL: there is none */
	enum charset_coding coding;
	uint8_t g0, g1;
	const char *escape_g0, *escape_g1;
} terms[] = {
	{"ISO_IR 6", "ISO 2022 IR 6", CHARSET_ISO2022, SET_ASCII, SET_NONE, "(B", NULL},
	{"ISO_IR 100", "ISO 2022 IR 100", CHARSET_ISO2022, SET_ASCII, SET_LATIN1, "(B", "-A"},
	{"ISO_IR 101", "ISO 2022 IR 101", CHARSET_ISO2022, SET_ASCII, SET_LATIN2, "(B", "-B"},
	{"ISO_IR 109", "ISO 2022 IR 109", CHARSET_ISO2022, SET_ASCII, SET_LATIN3, "(B", "-C"},
	{"ISO_IR 110", "ISO 2022 IR 110", CHARSET_ISO2022, SET_ASCII, SET_LATIN4, "(B", "-D"},
	{"ISO_IR 148", "ISO 2022 IR 148", CHARSET_ISO2022, SET_ASCII, SET_LATIN5, "(B", "-M"},
	{"ISO_IR 203", "ISO 2022 IR 203", CHARSET_ISO2022, SET_ASCII, SET_LATIN9, "(B", "-b"},
	{"ISO_IR 144", "ISO 2022 IR 144", CHARSET_ISO2022, SET_ASCII, SET_CYRILLIC, "(B", "-L"},
	{"ISO_IR 127", "ISO 2022 IR 127", CHARSET_ISO2022, SET_ASCII, SET_ARABIC, "(B", "-G"},
	{"ISO_IR 126", "ISO 2022 IR 126", CHARSET_ISO2022, SET_ASCII, SET_GREEK, "(B", "-F"},
	{"ISO_IR 138", "ISO 2022 IR 138", CHARSET_ISO2022, SET_ASCII, SET_HEBREW, "(B", "-H"},
	{"ISO_IR 166", "ISO 2022 IR 166", CHARSET_ISO2022, SET_ASCII, SET_THAI, "(B", "-T"},
	{"ISO_IR 13", "ISO 2022 IR 13", CHARSET_ISO2022, SET_ROMAJI, SET_KATAKANA, "(J", ")I"},
	{NULL, "ISO 2022 IR 87", CHARSET_ISO2022, SET_JISX0208, SET_NONE, "$B", NULL},
	{NULL, "ISO 2022 IR 159", CHARSET_ISO2022, SET_JISX0212, SET_NONE, "$(D", NULL},
	{NULL, "ISO 2022 IR 149", CHARSET_ISO2022, SET_ASCII, SET_KSX1001, NULL, "$)C"},
	{NULL, "ISO 2022 IR 58", CHARSET_ISO2022, SET_ASCII, SET_GB2312, NULL, "$)A"},
	{"ISO_IR 192", NULL, CHARSET_UTF8, SET_NONE, SET_NONE, NULL, NULL},
	{"GB18030", NULL, CHARSET_GB18030, SET_NONE, SET_NONE, NULL, NULL},
	{"GBK", NULL, CHARSET_GBK, SET_NONE, SET_NONE, NULL, NULL},
};
static_assert(ARRAY_LEN(terms) <= 32, "struct charset has 32 bits for them");

/* Terms that are met, stand in no table, and can mean one thing only. */
static const struct {
	const char *written, *meant;
} aliases[] = {
	{"ISO_IR 87", "ISO 2022 IR 87"},
	{"ISO_IR 159", "ISO 2022 IR 159"},
	{"ISO_IR 149", "ISO 2022 IR 149"},
	{"ISO_IR 58", "ISO 2022 IR 58"},
	{"ISO 2022 58", "ISO 2022 IR 58"},
	{"ISO 2022 IR 192", "ISO_IR 192"},
	{"UTF-8", "ISO_IR 192"},
	{"ISO 2022 GB18030", "GB18030"},
	{"ISO 2022 GBK", "GBK"},
	{"GB2312", "GBK"}, /* which has its characters at the same places */
	{"ISO 8859-1", "ISO_IR 100"},
	{"ISO 8859-2", "ISO_IR 101"},
	{"ISO 8859-5", "ISO_IR 144"},
};

/* ---- Spelling ---- */

static bool is_padding(uint8_t c)
{
	return c == ' ' || c == 0;
}

static struct span trimmed(struct span s)
{
	while (s.len > 0 && is_padding(s.ptr[s.len - 1])) {
		s.len--;
	}
	while (s.len > 0 && is_padding(s.ptr[0])) {
		s = span_of(s.ptr + 1, s.len - 1);
	}
	return s;
}

/* The next letter or digit from *pos on, in upper case; 0 at the end. */
static char next_letter(struct span s, size_t *pos)
{
	while (*pos < s.len) {
		uint8_t c = s.ptr[(*pos)++];
		if (c >= 'a' && c <= 'z') {
			return (char)(c - 'a' + 'A');
		}
		if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
			return (char)c;
		}
	}
	return 0;
}

/* The same letters and digits, whatever is between them. */
static bool is_like(struct span written, const char *term)
{
	struct span s = term ? span_str(term) : span_of(NULL, 0);
	size_t a = 0, b = 0;
	char x, y;
	do {
		x = next_letter(written, &a);
		y = next_letter(s, &b);
	} while (x == y && x);
	return x == y && term;
}

struct found {
	const struct term *term; /* NULL: none */
	bool extension;          /* written as one with code extensions */
	bool exact;
};

static struct found find(struct span written)
{
	for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
		if (is_like(written, terms[i].alone)) {
			return (struct found){&terms[i], false, span_eq(written, span_str(terms[i].alone))};
		}
		if (is_like(written, terms[i].extension)) {
			return (struct found){
				&terms[i], true, span_eq(written, span_str(terms[i].extension))};
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
		if (is_like(written, aliases[i].written)) {
			struct found f = find(span_str(aliases[i].meant));
			f.exact = false;
			return f;
		}
	}
	return (struct found){NULL, false, false};
}

/* ---- Meaning ---- */

static uint32_t bit(const struct term *t)
{
	return 1u << (t - terms);
}

/* Value 1: what is active at the beginning. */
static void begin_with(struct charset *cs, const struct term *t)
{
	bool may = t->alone; /* the sets of two bytes a character have no term without code extensions */
	cs->coding = t->coding;
	cs->faults |= may ? 0 : CHARSET_FIRST;
	/* Text in such a set begins with an escape sequence in G0, and is met without one in G1. */
	cs->g0 = may ? t->g0 : SET_ASCII;
	cs->g1 = t->g1;
	cs->declared = bit(t);
}

/* Value n > 1. */
static void extend_by(struct charset *cs, const struct term *t)
{
	if (t->coding == CHARSET_ISO2022) {
		cs->declared |= bit(t);
	} else if (cs->declared == bit(&terms[0])) {
		cs->coding = t->coding; /* its first 128 characters are those of ISO-IR 6 */
	}
}

static void take(struct charset *cs, struct span written, unsigned n, bool several)
{
	if (written.len == 0) {
		/* PS3.3 C.12.1.1.2: value 1 may be empty, for ISO-IR 6, and no other. */
		cs->faults |= n > 0 ? CHARSET_MISSPELT : 0;
		return;
	}
	struct found f = find(written);
	if (!f.term) {
		cs->faults |= CHARSET_UNKNOWN;
		return;
	}
	cs->faults |= f.exact ? 0 : CHARSET_MISSPELT;
	if (f.term->coding == CHARSET_ISO2022) {
		cs->extended |= f.extension;
		cs->faults |= f.extension == several ? 0 : CHARSET_EXTENSION;
	} else {
		cs->faults |= several ? CHARSET_MIXED : 0;
	}
	if (n == 0) {
		begin_with(cs, f.term);
	} else if (cs->coding == CHARSET_ISO2022) {
		extend_by(cs, f.term);
	}
}

struct charset charset_of(struct span value)
{
	struct charset cs = {
		.coding = CHARSET_ISO2022, .g0 = SET_ASCII, .g1 = SET_NONE, .declared = bit(&terms[0])};
	value = trimmed(value);
	bool several = value.len > 0 && memchr(value.ptr, '\\', value.len);
	cs.extended = several;
	for (unsigned n = 0;; n++) {
		if (n == CHARSET_VALUES) {
			cs.faults |= CHARSET_MANY;
			break;
		}
		const uint8_t *end = value.len > 0 ? memchr(value.ptr, '\\', value.len) : NULL;
		size_t len = end ? (size_t)(end - value.ptr) : value.len;
		take(&cs, trimmed(span_of(value.ptr, len)), n, several);
		if (!end) {
			break;
		}
		value = span_of(end + 1, value.len - len - 1);
	}
	cs.extended &= cs.coding == CHARSET_ISO2022;
	return cs;
}

/* ---- Escape sequences ---- */

/* The bytes of the escape sequence stand next. */
static bool stands(const struct reader *r, const char *escape)
{
	size_t len = escape ? strlen(escape) : 0;
	return len > 0 && len <= reader_left(r) && memcmp(r->ptr + r->pos, escape, len) == 0;
}

int charset_escape(const struct charset *cs, struct reader *r, uint8_t *g0, uint8_t *g1, bool *ret_declared)
{
	const struct term *last = NULL;
	bool in_g0 = false, declared = false;
	for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
		bool is_g0 = stands(r, terms[i].escape_g0);
		if (is_g0 || stands(r, terms[i].escape_g1)) {
			last = &terms[i];
			in_g0 = is_g0;
			/* ASCII is at hand wherever there are code extensions: delimiters are in it. */
			declared |= (cs->declared & bit(last)) || (in_g0 && last->g0 == SET_ASCII);
		}
	}
	if (!last) {
		return ERR_NOT_FOUND;
	}
	*(in_g0 ? g0 : g1) = in_g0 ? last->g0 : last->g1;
	*ret_declared = declared;
	return reader_skip(r, strlen(in_g0 ? last->escape_g0 : last->escape_g1));
}
