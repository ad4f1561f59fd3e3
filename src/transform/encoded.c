/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/encoded.h"

#include "base/attr.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LEAST     4
#define CONTEXT   160 /* bytes before the first that is encoded */
#define HEX_LEAST 8   /* digits */
#define BASE64_MOST                                                                                          \
	16            /* letters; a longer run may begin in the midst of a quantum, as behind other letters */
#define LINE_LEAST 60 /* letters; Base64 goes on behind the end of such a line */
#define NAME_MOST  24
#define GAP_MOST   24

struct character_reference {
	const char *name;
	uint16_t letter;
};

#include "character_reference_table.h"

/* ---- Bytes by what they may be of ---- */

enum {
	HEX = 1,
	HEX_OR_BETWEEN = 2,
	BASE64 = 4,
	END_OF_LINE = 8,
	PERCENT = 16,
	REFERENCE = 32,
	BACKSLASH = 64,
	QUOTED = 128,
	SHOWN = 256
};

static const uint16_t kinds[256] = {
	['0' ... '9'] = HEX | HEX_OR_BETWEEN | BASE64,
	['A' ... 'F'] = HEX | HEX_OR_BETWEEN | BASE64,
	['a' ... 'f'] = HEX | HEX_OR_BETWEEN | BASE64,
	['G' ... 'Z'] = BASE64,
	['g' ... 'z'] = BASE64,
	[' '] = HEX_OR_BETWEEN,
	[':'] = HEX_OR_BETWEEN,
	[','] = HEX_OR_BETWEEN,
	['-'] = HEX_OR_BETWEEN | BASE64,
	['+'] = BASE64 | PERCENT,
	['/'] = BASE64,
	['_'] = BASE64,
	['\r'] = END_OF_LINE,
	['\n'] = END_OF_LINE,
	['%'] = PERCENT,
	['&'] = REFERENCE,
	['\\'] = BACKSLASH,
	['='] = QUOTED,
	[')'] = SHOWN,
};

static unsigned value_of_digit(uint8_t c)
{
	return c <= '9' ? (unsigned)c - '0' : (c | 0x20u) - 'a' + 10u;
}

/* Some digits of a base: how many there are, up to most. */
static size_t read_digits(struct span s, unsigned base, size_t most, uint32_t *ret)
{
	size_t n = 0;
	uint32_t v = 0;
	while (n < most && n < s.len && kinds[s.ptr[n]] & HEX && value_of_digit(s.ptr[n]) < base) {
		v = v * base + value_of_digit(s.ptr[n++]);
	}
	*ret = v;
	return n;
}

/* ---- What is given ---- */

struct reading {
	encoded_take *take;
	void *arg;
	bool packed, open_start;
	size_t n;
	uint8_t bytes[ENCODED_PIECE];
};

static void give(struct reading *r, bool open_end)
{
	const struct encoded_piece p = {{r->bytes, r->n}, r->packed, r->open_start, open_end};
	if (r->n >= LEAST) {
		r->take(r->arg, &p);
	}
}

static void put(struct reading *r, uint8_t byte)
{
	if (r->n == sizeof(r->bytes)) {
		give(r, true);
		memmove(r->bytes, r->bytes + r->n - ENCODED_OVERLAP, ENCODED_OVERLAP);
		r->n = ENCODED_OVERLAP;
		r->open_start = true;
	}
	r->bytes[r->n++] = byte;
}

static void put_letter(struct reading *r, uint32_t c)
{
	static const uint8_t heads[] = {0, 0xC0, 0xE0, 0xF0};
	unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	put(r, (uint8_t)(heads[more] | c >> 6 * more));
	while (more-- > 0) {
		put(r, (uint8_t)(0x80 | (c >> 6 * more & 0x3F)));
	}
}

static void begin(struct reading *r, bool packed, bool open_start)
{
	r->packed = packed;
	r->open_start = open_start;
	r->n = 0;
}

/* ---- Letters that are escaped ---- */

struct escape {
	enum { NOTHING, BYTE, LETTER } what;
	uint32_t value;
	bool is_usual; /* stands in what is not encoded too */
};

/* rest begins with a mark: how many bytes are encoded there; 0: nothing is. */
typedef size_t read_escape(struct span rest, struct escape *ret);

static size_t read_percent(struct span rest, struct escape *ret)
{
	bool wide = rest.len > 1 && (rest.ptr[1] | 0x20) == 'u';
	size_t head = wide ? 2 : 1, n = wide ? 4 : 2;
	*ret = (struct escape){wide ? LETTER : BYTE, ' ', false};
	if (rest.ptr[0] == '+') {
		return rest.len > 1 && kinds[rest.ptr[1]] & (BASE64 | PERCENT);
	}
	return read_digits(span_of(rest.ptr + head, rest.len > head ? rest.len - head : 0), 16, n,
		       &ret->value) == n
	               ? head + n
	               : 0;
}

static int compare_names(const void *key, const void *row)
{
	return strcmp(key, ((const struct character_reference *)row)->name);
}

static size_t read_name(struct span rest, struct escape *ret)
{
	char name[NAME_MOST + 1];
	size_t n = 0;
	while (n < NAME_MOST && 1 + n < rest.len && rest.ptr[1 + n] != ';') {
		name[n] = (char)rest.ptr[1 + n];
		n++;
	}
	name[n] = 0;
	const struct character_reference *row =
		n + 1 < rest.len && rest.ptr[1 + n] == ';'
			? bsearch(name, character_references, ARRAY_LEN(character_references),
				  sizeof(character_references[0]), compare_names)
			: NULL;
	*ret = (struct escape){LETTER, row ? row->letter : 0, false};
	return row ? n + 2 : 0;
}

static size_t read_reference(struct span rest, struct escape *ret)
{
	if (rest.len < 3 || rest.ptr[1] != '#') {
		return read_name(rest, ret);
	}
	bool hex = (rest.ptr[2] | 0x20) == 'x';
	size_t head = hex ? 3 : 2;
	*ret = (struct escape){LETTER, 0, false};
	size_t n = read_digits(span_of(rest.ptr + head, rest.len - head), hex ? 16 : 10, 8, &ret->value);
	bool ends = head + n < rest.len && rest.ptr[head + n] == ';';
	return n == 0 ? 0 : head + n + ends;
}

/* \u, with the second half of what is written as two. */
static size_t read_unicode(struct span rest, struct escape *ret)
{
	uint32_t low;
	*ret = (struct escape){LETTER, 0, false};
	if (read_digits(span_of(rest.ptr + 2, rest.len - 2), 16, 4, &ret->value) < 4) {
		return 0;
	}
	bool is_half =
		ret->value >> 10 == 0x36 && rest.len >= 12 && rest.ptr[6] == '\\' && rest.ptr[7] == 'u';
	if (is_half && read_digits(span_of(rest.ptr + 8, 4), 16, 4, &low) == 4 && low >> 10 == 0x37) {
		ret->value = 0x10000 + ((ret->value & 0x3FF) << 10 | (low & 0x3FF));
		return 12;
	}
	return 6;
}

static size_t read_backslash(struct span rest, struct escape *ret)
{
	uint8_t c = rest.len > 1 ? rest.ptr[1] : 0;
	*ret = (struct escape){BYTE, c, false};
	switch (c) {
	case 'u':
		return read_unicode(rest, ret);
	case 'x':
		return read_digits(span_of(rest.ptr + 2, rest.len - 2), 16, 2, &ret->value) == 2 ? 4 : 0;
	case '/':
	case '\'':
		return 2;
	case 'n':
	case 'r':
	case 't':
		*ret = (struct escape){BYTE, '\n', true};
		return 2;
	case '"':
	case '\\':
		ret->is_usual = true;
		return 2;
	default:
		return rest.len > 1 && read_digits(span_of(rest.ptr + 1, rest.len - 1), 8, 3, &ret->value) ==
		                               3
		               ? 4
		               : 0;
	}
}

static size_t read_quoted(struct span rest, struct escape *ret)
{
	*ret = (struct escape){BYTE, 0, false};
	if (read_digits(span_of(rest.ptr + 1, rest.len - 1), 16, 2, &ret->value) == 2) {
		return 3;
	}
	ret->what = NOTHING;
	if (rest.len > 2 && rest.ptr[1] == '\r' && rest.ptr[2] == '\n') {
		return 3;
	}
	return rest.len > 1 && rest.ptr[1] == '\n' ? 2 : 0;
}

/* Between pieces of text that a page shows with other gaps than the font's (ISO 32000-1 9.4.3, TJ): a number. */
static size_t read_gap(struct span rest, struct escape *ret)
{
	size_t at = 1;
	while (at < rest.len && at < GAP_MOST && rest.ptr[at] != 0 &&
		strchr("0123456789.+- \r\n", rest.ptr[at])) {
		at++;
	}
	*ret = (struct escape){NOTHING, 0, false};
	return at < rest.len && rest.ptr[at] == '(' ? at + 1 : 0;
}

static const struct coding {
	uint16_t mark;
	read_escape *read;
} codings[] = {{PERCENT, read_percent}, {REFERENCE, read_reference}, {BACKSLASH, read_backslash},
	{QUOTED, read_quoted}, {SHOWN, read_gap}};

static size_t escape_at(const struct coding *c, struct span text, size_t at, struct escape *ret)
{
	return kinds[text.ptr[at]] & c->mark ? c->read(span_of(text.ptr + at, text.len - at), ret) : 0;
}

/* The first from there on that is no usual text; the length, if there is none. */
static size_t next_escape(const struct coding *c, struct span text, size_t at)
{
	struct escape e;
	while (at < text.len && (escape_at(c, text, at, &e) == 0 || e.is_usual)) {
		at++;
	}
	return at;
}

/* From a little before one to a little behind the last that is near. Where it ends. */
static size_t read_near(struct reading *r, const struct coding *c, struct span text, size_t at, size_t first)
{
	size_t behind = first;
	while (at < text.len && at < behind + CONTEXT) {
		struct escape e = {0};
		size_t n = escape_at(c, text, at, &e);
		if (n == 0) {
			put(r, text.ptr[at]);
		} else if (e.what == LETTER && e.value < 0x110000) {
			put_letter(r, e.value);
		} else if (e.what != NOTHING) {
			put(r, (uint8_t)e.value);
		}
		at += n == 0 ? 1 : n;
		behind = n == 0 || e.is_usual ? behind : at;
	}
	return at;
}

static void read_escapes(struct reading *r, const struct coding *c, const struct encoded_piece *in)
{
	const struct span text = in->bytes;
	size_t at = 0, first;
	while ((first = next_escape(c, text, at)) < text.len) {
		at = first - at < CONTEXT ? at : first - CONTEXT;
		begin(r, false, in->open_start || at > 0);
		at = read_near(r, c, text, at, first);
		give(r, in->open_end || at < text.len);
	}
}

/* ---- Digits ---- */

/* Bytes of one kind; open where there may be more of it than was given. */
struct run {
	struct span bytes;
	bool open_start, open_end;
};

/* Pairs; between two there may be one other byte. second: each run begins with the second digit of a pair. */
static void read_pairs(struct reading *r, const struct run *run, bool second)
{
	unsigned high = 0, n_digits = second, between = 0;
	begin(r, true, run->open_start);
	for (size_t at = 0; at < run->bytes.len; at++) {
		uint8_t c = run->bytes.ptr[at];
		if (kinds[c] & HEX) {
			unsigned v = value_of_digit(c);
			if (n_digits % 2 && n_digits > second) {
				put(r, (uint8_t)(high << 4 | v));
			}
			high = v;
			n_digits += 1;
			between = 0;
		} else if (n_digits % 2 || ++between > 1) {
			give(r, false);
			begin(r, true, false);
			n_digits = second;
			between = 0;
		}
	}
	give(r, run->open_end);
}

/* ---- Base64 ---- */

static unsigned value_of_letter(uint8_t c)
{
	if (c >= 'A' && c <= 'Z') {
		return (unsigned)c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26u;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52u;
	}
	return c == '+' || c == '-' ? 62 : 63;
}

static void read_base64(struct reading *r, const struct run *run, size_t skip)
{
	uint32_t v = 0;
	unsigned bits = 0;
	begin(r, true, run->open_start);
	for (size_t at = skip; at < run->bytes.len; at++) {
		uint8_t c = run->bytes.ptr[at];
		if (!(kinds[c] & BASE64)) {
			continue;
		}
		v = v << 6 | value_of_letter(c);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			put(r, (uint8_t)(v >> bits));
		}
	}
	give(r, run->open_end);
}

/* ---- All ---- */

/* A run of Base64's letters goes on behind the end of a long line. */
static bool goes_on(struct span s, size_t line, size_t at)
{
	return at - line >= LINE_LEAST ||
	       (at > 0 && s.ptr[at] == '\n' && s.ptr[at - 1] == '\r' && at - line == 0);
}

static struct run run_of(const struct encoded_piece *in, size_t from, size_t to)
{
	return (struct run){span_of(in->bytes.ptr + from, to - from), in->open_start && from == 0,
		in->open_end && to == in->bytes.len};
}

static void read_base64_run(struct reading *r, const struct encoded_piece *in, size_t from, size_t to)
{
	const struct run run = run_of(in, from, to);
	size_t ways = run.open_start || to - from >= BASE64_MOST ? 4 : 1;
	for (size_t skip = 0; skip < ways && to - from > LEAST + skip; skip++) {
		read_base64(r, &run, skip);
	}
}

static void read_digit_run(struct reading *r, const struct encoded_piece *in, size_t from, size_t to)
{
	const struct run run = run_of(in, from, to);
	read_pairs(r, &run, false);
	read_pairs(r, &run, true);
}

/* Runs of digits and of Base64's letters. The kinds of bytes that there are. */
static unsigned read_runs(struct reading *r, const struct encoded_piece *in)
{
	const struct span s = in->bytes;
	size_t run = 0, line = 0, digits = 0, n_digits = 0;
	unsigned all = 0;
	for (size_t at = 0; at <= s.len; at++) {
		unsigned kind = at < s.len ? kinds[s.ptr[at]] : 0;
		all |= kind;
		n_digits += kind & HEX;
		if (!(kind & HEX_OR_BETWEEN)) {
			if (n_digits >= HEX_LEAST) {
				read_digit_run(r, in, digits, at);
			}
			digits = at + 1;
			n_digits = 0;
		}
		if (kind & BASE64) {
			continue;
		}
		if (!(kind & END_OF_LINE) || !goes_on(s, line, at)) {
			if (at - run > LEAST) {
				read_base64_run(r, in, run, at);
			}
			run = at + 1;
		}
		line = at + 1;
	}
	return all;
}

void encoded_read(const struct encoded_piece *in, encoded_take *take, void *arg)
{
	struct reading r;
	r.take = take;
	r.arg = arg;
	unsigned all = read_runs(&r, in);
	for (unsigned i = 0; i < ARRAY_LEN(codings); i++) {
		if (all & codings[i].mark) {
			read_escapes(&r, &codings[i], in);
		}
	}
}
