/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/charset_parts.h"

/* Where a run of characters of four bytes begins, counted from 81 30 81 30, and with which character; 0: with none. */
struct gb18030_run {
	uint16_t linear, first;
};

#include "charset_table.h"

#define REPLACEMENT 0xFFFDu
#define ESC         0x1B
#define GB_LAST_BMP 39419u  /* 84 31 A4 39, U+FFFF */
#define GB_ASTRAL   189000u /* 90 30 81 30, U+10000 */

/* Set 94 or 96 characters, from 2/0 on; or 94 times 94, from 2/1 on. 0 is no character. */
static const struct {
	const uint16_t *cells;
	bool two_bytes;
} sets[SETS] = {
	[SET_NONE] = {NULL, false},
	[SET_ASCII] = {cells_ascii, false},
	[SET_ROMAJI] = {cells_romaji, false},
	[SET_KATAKANA] = {cells_katakana, false},
	[SET_LATIN1] = {cells_latin1, false},
	[SET_LATIN2] = {cells_latin2, false},
	[SET_LATIN3] = {cells_latin3, false},
	[SET_LATIN4] = {cells_latin4, false},
	[SET_LATIN5] = {cells_latin5, false},
	[SET_LATIN9] = {cells_latin9, false},
	[SET_CYRILLIC] = {cells_cyrillic, false},
	[SET_ARABIC] = {cells_arabic, false},
	[SET_GREEK] = {cells_greek, false},
	[SET_HEBREW] = {cells_hebrew, false},
	[SET_THAI] = {cells_thai, false},
	[SET_JISX0208] = {cells_jisx0208, true},
	[SET_JISX0212] = {cells_jisx0212, true},
	[SET_KSX1001] = {cells_ksx1001, true},
	[SET_GB2312] = {cells_gb2312, true},
};

/* The VRs that the Specific Character Set is for (PS3.5 6.1.2.2), and what delimits or breaks lines in them (6.2). */
static const struct vr_rule {
	char vr[3];
	bool lines;
	const char *delimiters; /* after which the sets at the beginning are active again */
} vr_rules[] = {
	{"LO", false, "\\"},
	{"LT", true, ""},
	{"PN", false, "\\^="},
	{"SH", false, "\\"},
	{"ST", true, ""},
	{"UC", false, "\\"},
	{"UT", true, ""},
};
static const struct vr_rule other_vr = {"", false, "\\"};

struct text {
	const struct charset *cs;
	const struct vr_rule *rule;
	unsigned options;
	struct reader r;
	uint8_t g0, g1;
	char *to;
	size_t cap;
	struct charset_text done;
};

/* What one step read: a character, something to replace, or nothing to write. */
enum kind {
	CHARACTER,
	NO_CHARACTER,
	END_OF_LINE,
	TAB,
	NOTHING,
};

/* ---- Reading ---- */

static void reset(struct text *t)
{
	t->g0 = t->cs->g0;
	t->g1 = t->cs->g1;
}

/* The byte after next, which is not consumed; -1 at the end. */
static int peek(const struct reader *r)
{
	struct reader ahead = *r;
	uint8_t c;
	return reader_u8(&ahead, &c) ? -1 : c;
}

static enum kind found(uint32_t c, uint32_t *ret_c)
{
	if (c == 0) {
		return NO_CHARACTER;
	}
	*ret_c = c;
	return CHARACTER;
}

/* Behind ESC: a control function, and not the designation of a set, as there are others than the standard's (ECMA-35 13.2). */
static bool is_function(int next)
{
	return next >= 0x30 && next <= 0x7E;
}

/* CSI, OSC and DCS of C1, as a terminal's commands are written. A colon or a semicolon may stand behind a word of DOS's code pages. */
static bool is_command(uint32_t c, int next)
{
	bool parameter = next >= 0x30 && next <= 0x3F && next != ':' && next != ';';
	return ((c == 0x9B || c == 0x9D) && parameter) ||
	       (c == 0x90 && (parameter || next == '$' || next == '+'));
}

/* A byte of C0. */
static enum kind read_control(struct text *t, uint8_t byte)
{
	if (byte == ESC && t->cs->extended) {
		bool declared;
		if (charset_escape(t->cs, &t->r, &t->g0, &t->g1, &declared)) {
			t->done.controls += is_function(peek(&t->r));
			return NO_CHARACTER;
		}
		t->done.undeclared += !declared;
		return NOTHING;
	}
	t->done.controls += byte == ESC && is_function(peek(&t->r));
	reset(t); /* PS3.5 6.1.2.5.3 */
	if (!t->rule->lines) {
		return NO_CHARACTER;
	}
	switch (byte) {
	case '\t':
		return TAB;
	case '\r':
		return peek(&t->r) == '\n' ? NOTHING : END_OF_LINE;
	case '\n':
	case '\f':
		return END_OF_LINE;
	default:
		return NO_CHARACTER;
	}
}

/* A character of G0 or G1, of which the first byte was read. */
static enum kind read_iso2022(struct text *t, uint8_t byte, uint32_t *ret_c)
{
	bool right = byte >= 0x80;
	uint8_t set = right ? t->g1 : t->g0;
	unsigned place = byte & 0x7F;
	if (right && place < 0x20) {
		return found(byte, ret_c); /* C1, which is not written */
	}
	if (place < 0x20 || !sets[set].cells) {
		return NO_CHARACTER; /* nothing designated */
	}
	if (!sets[set].two_bytes) {
		if (!right && strchr(t->rule->delimiters, byte)) {
			reset(t);
			return found(byte, ret_c);
		}
		return found(sets[set].cells[place - 0x20], ret_c);
	}
	if (byte == ' ') {
		return found(byte, ret_c); /* 2/0 is SPACE in G0, whatever the set of 94 */
	}
	int next = peek(&t->r);
	unsigned trail = (unsigned)next & 0x7F;
	if (next < 0 || (next >= 0x80) != right || place == 0x20 || place == 0x7F || trail <= 0x20 ||
		trail == 0x7F) {
		return NO_CHARACTER;
	}
	if (reader_skip(&t->r, 1)) {
		return NO_CHARACTER;
	}
	return found(sets[set].cells[(place - 0x21) * 94 + trail - 0x21], ret_c);
}

/* RFC 3629 4: by the first byte, how many follow, and the range of the second. */
static const struct utf8_row {
	uint8_t first, last, more, low, high;
	uint8_t bits; /* of the first byte */
} utf8_rows[] = {
	{0x00, 0x7F, 0, 0, 0, 0x7F},
	{0xC2, 0xDF, 1, 0x80, 0xBF, 0x1F},
	{0xE0, 0xE0, 2, 0xA0, 0xBF, 0x0F},
	{0xE1, 0xEC, 2, 0x80, 0xBF, 0x0F},
	{0xED, 0xED, 2, 0x80, 0x9F, 0x0F},
	{0xEE, 0xEF, 2, 0x80, 0xBF, 0x0F},
	{0xF0, 0xF0, 3, 0x90, 0xBF, 0x07},
	{0xF1, 0xF3, 3, 0x80, 0xBF, 0x07},
	{0xF4, 0xF4, 3, 0x80, 0x8F, 0x07},
};

static enum kind read_utf8(struct text *t, uint8_t byte, uint32_t *ret_c)
{
	const struct utf8_row *row = NULL;
	for (size_t i = 0; i < ARRAY_LEN(utf8_rows) && !row; i++) {
		row = byte >= utf8_rows[i].first && byte <= utf8_rows[i].last ? &utf8_rows[i] : NULL;
	}
	if (!row) {
		return NO_CHARACTER;
	}
	uint32_t c = byte & row->bits;
	for (unsigned i = 0; i < row->more; i++) {
		int next = peek(&t->r), low = i ? 0x80 : row->low, high = i ? 0xBF : row->high;
		if (next < low || next > high || reader_skip(&t->r, 1)) {
			return NO_CHARACTER;
		}
		c = c << 6 | ((uint32_t)next & 0x3F);
	}
	return found(c, ret_c);
}

/* The character that four bytes of GB 18030 count to, 0 if none. */
static uint32_t gb18030_linear(uint32_t linear)
{
	if (linear >= GB_ASTRAL) {
		return linear - GB_ASTRAL <= 0xFFFFF ? linear - GB_ASTRAL + 0x10000 : 0;
	}
	if (linear > GB_LAST_BMP) {
		return 0;
	}
	size_t low = 0, high = ARRAY_LEN(gb18030_runs);
	while (high - low > 1) { /* the last run that begins at linear or before; the first begins at 0 */
		size_t middle = low + (high - low) / 2;
		if (gb18030_runs[middle].linear <= linear) {
			low = middle;
		} else {
			high = middle;
		}
	}
	const struct gb18030_run *run = &gb18030_runs[low];
	return run->first ? run->first + (linear - run->linear) : 0;
}

/* Of four bytes the last three. Nothing is consumed if they do not have the form. */
static enum kind read_gb_four(struct text *t, uint8_t byte, uint32_t *ret_c)
{
	struct span rest;
	struct reader ahead = t->r;
	if (reader_bytes(&ahead, 3, &rest)) {
		return NO_CHARACTER;
	}
	const uint8_t *b = rest.ptr;
	if (b[0] < 0x30 || b[0] > 0x39 || b[1] < 0x81 || b[1] > 0xFE || b[2] < 0x30 || b[2] > 0x39) {
		return NO_CHARACTER;
	}
	t->r = ahead;
	uint32_t linear = (byte - 0x81u) * 10 + (b[0] - 0x30u);
	linear = (linear * 126 + (b[1] - 0x81u)) * 10 + (b[2] - 0x30u);
	return found(gb18030_linear(linear), ret_c);
}

/* GB 18030, and GBK, which is what of it has one or two bytes (PS3.5 J). */
static enum kind read_gb(struct text *t, uint8_t byte, uint32_t *ret_c)
{
	if (byte < 0x80) {
		return found(byte, ret_c);
	}
	int next = peek(&t->r);
	if (byte == 0x80 || byte == 0xFF || next < 0) {
		return NO_CHARACTER;
	}
	if (next >= 0x30 && next <= 0x39 && t->cs->coding == CHARSET_GB18030) {
		return read_gb_four(t, byte, ret_c);
	}
	if (next < 0x40 || next == 0x7F || next == 0xFF) {
		return NO_CHARACTER;
	}
	unsigned trail = (unsigned)next - 0x40 - (next > 0x7F);
	uint32_t c = cells_gb18030[(byte - 0x81u) * 190 + trail];
	return c && reader_skip(&t->r, 1) == 0 ? found(c, ret_c) : NO_CHARACTER;
}

static enum kind read_one(struct text *t, uint32_t *ret_c)
{
	static enum kind (*const readers[])(struct text *, uint8_t, uint32_t *) = {
		[CHARSET_ISO2022] = read_iso2022,
		[CHARSET_UTF8] = read_utf8,
		[CHARSET_GB18030] = read_gb,
		[CHARSET_GBK] = read_gb,
	};
	uint8_t byte;
	if (reader_u8(&t->r, &byte)) {
		return NOTHING;
	}
	return byte < 0x20 ? read_control(t, byte) : readers[t->cs->coding](t, byte, ret_c);
}

/* ---- Writing ---- */

/* Characters that are not written as they are, whatever set they come from. */
static const struct {
	uint32_t first, last;
	enum kind kind;
} ranges[] = {
	{0x7F, 0x9F, NO_CHARACTER},
	{0x2028, 0x2029, END_OF_LINE},
	{0xD800, 0xDFFF, NO_CHARACTER},
	{0xFDD0, 0xFDEF, NO_CHARACTER},
};

static const struct {
	uint32_t first, last;
} bidi[] = {
	{0x061C, 0x061C},
	{0x200E, 0x200F},
	{0x202A, 0x202E},
	{0x2066, 0x2069},
};

static enum kind kind_of(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		if (c >= ranges[i].first && c <= ranges[i].last) {
			return ranges[i].kind;
		}
	}
	return (c & 0xFFFE) == 0xFFFE ? NO_CHARACTER : CHARACTER;
}

static bool is_bidi(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_LEN(bidi); i++) {
		if (c >= bidi[i].first && c <= bidi[i].last) {
			return true;
		}
	}
	return false;
}

/* False, and nothing written, if it does not fit before the NUL. */
static bool put(struct text *t, uint32_t c)
{
	uint8_t b[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t heads[] = {0, 0, 0xC0, 0xE0, 0xF0};
	for (size_t i = n; i-- > 1; c >>= 6) {
		b[i] = (uint8_t)(0x80 | (c & 0x3F));
	}
	b[0] = (uint8_t)(heads[n] | c);
	if (t->cap == 0 || n > t->cap - 1 - t->done.len) {
		return false;
	}
	memcpy(t->to + t->done.len, b, n);
	t->done.len += n;
	return true;
}

static bool write_one(struct text *t, enum kind kind, uint32_t c)
{
	bool turns = kind == CHARACTER && is_bidi(c);
	bool commands = kind == CHARACTER && is_command(c, peek(&t->r));
	if (kind == CHARACTER) {
		kind = kind_of(c);
	}
	if ((kind == END_OF_LINE && !t->rule->lines) || (turns && (t->options & CHARSET_NO_BIDI))) {
		kind = NO_CHARACTER;
	}
	bool lines = t->options & CHARSET_LINES;
	switch (kind) {
	case NOTHING:
		return true;
	case NO_CHARACTER:
		c = REPLACEMENT;
		break;
	case END_OF_LINE:
		c = lines ? '\n' : ' ';
		break;
	case TAB:
		c = lines ? '\t' : ' ';
		break;
	case CHARACTER:
		break;
	}
	if (!put(t, c)) {
		return false;
	}
	t->done.replaced += kind == NO_CHARACTER;
	t->done.bidi += turns;
	t->done.controls += commands;
	return true;
}

static const struct vr_rule *rule_of(const char *vr)
{
	for (size_t i = 0; i < ARRAY_LEN(vr_rules); i++) {
		if (memcmp(vr_rules[i].vr, vr, 2) == 0) {
			return &vr_rules[i];
		}
	}
	return &other_vr;
}

static const struct charset repertoire = {.coding = CHARSET_ISO2022, .g0 = SET_ASCII, .g1 = SET_NONE};

static struct text text_of(
	const struct charset *cs, const char *vr, unsigned options, struct span value, char *to, size_t cap)
{
	struct text t = {
		.rule = rule_of(vr), .options = options, .r = reader_of(value), .to = to, .cap = cap};
	t.cs = cs && t.rule != &other_vr ? cs : &repertoire;
	reset(&t);
	return t;
}

/* So many of the next bytes, at most n, are characters of ASCII that change nothing for what follows: most of all text. */
static size_t plain(const struct text *t, size_t n)
{
	const uint8_t *at = t->r.ptr + t->r.pos;
	size_t i = 0;
	if (t->cs->coding == CHARSET_ISO2022 && t->g0 != SET_ASCII) {
		return 0;
	}
	while (i < n && at[i] >= 0x20 && at[i] < 0x7F && at[i] != '\\' && at[i] != '^' && at[i] != '=') {
		i++;
	}
	return i;
}

static size_t write_plain(struct text *t, size_t most)
{
	size_t room = t->cap > 0 ? t->cap - 1 - t->done.len : 0;
	size_t n = plain(t, most < room ? most : room);
	struct span s;
	if (n == 0 || reader_bytes(&t->r, n, &s)) {
		return 0;
	}
	memcpy(t->to + t->done.len, s.ptr, n);
	t->done.len += n;
	return n;
}

/* All but what is left. */
static void convert(struct text *t, size_t left, struct charset_text *ret_text)
{
	while (reader_left(&t->r) > left) {
		uint32_t c = 0;
		if (write_plain(t, reader_left(&t->r) - left) > 0) {
			continue;
		}
		enum kind kind = read_one(t, &c);
		if (!write_one(t, kind, c)) {
			t->done.truncated = true;
			break;
		}
	}
	if (t->cap > 0) {
		t->to[t->done.len] = 0;
	}
	*ret_text = t->done;
}

void charset_to_utf8(const struct charset *cs, const char *vr, unsigned options, struct span value, char *to,
	size_t cap, struct charset_text *ret_text)
{
	while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == 0)) {
		value.len--;
	}
	struct text t = text_of(cs, vr, options, value, to, cap);
	convert(&t, 0, ret_text);
}

size_t charset_piece(const struct charset *cs, const char *vr, unsigned options, struct charset_state *state,
	struct span piece, bool last, char *to, size_t cap, struct charset_text *ret_text)
{
	struct text t = text_of(cs, vr, options, piece, to, cap);
	if (state->begun) {
		t.g0 = state->g0;
		t.g1 = state->g1;
	}
	convert(&t, last ? 0 : CHARSET_AHEAD - 1, ret_text);
	*state = (struct charset_state){true, t.g0, t.g1};
	return t.r.pos;
}
