/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/spelling.h"

#include "base/attr.h"
#include "base/writer.h"

#include <string.h>

#define LETTERS_MOST SPELLING_BYTES

enum letters { AS_THEY_ARE, LARGE, SMALL, N_LETTERS };

/* ---- To UTF-8 ---- */

static size_t convert(const struct charset *cs, const char *vr, struct span text, char to[SPELLING_TEXT + 1])
{
	static const char replaced[] = "\xEF\xBF\xBD";
	struct charset_text t;
	charset_to_utf8(cs, vr, 0, text, to, SPELLING_TEXT + 1, &t);
	bool is_cut = t.replaced > 0 && t.len >= 3 && memcmp(to + t.len - 3, replaced, 3) == 0;
	return t.replaced > is_cut ? 0 : t.len - (is_cut ? 3 : 0);
}

size_t spelling_utf8(const struct charset *cs, const char *vr, struct span text, char to[SPELLING_TEXT + 1])
{
	static const char *const others[] = {"ISO_IR 192", "ISO_IR 100"};
	size_t n = convert(cs, vr, text, to);
	for (unsigned i = 0; n == 0 && i < ARRAY_LEN(others); i++) {
		const struct charset other = charset_of(span_str(others[i]));
		n = convert(&other, vr, text, to);
	}
	return n;
}

/* ---- Letters ---- */

static unsigned read_letters(struct span utf8, uint32_t ret[LETTERS_MOST])
{
	unsigned n = 0;
	for (size_t at = 0; at < utf8.len && n < LETTERS_MOST;) {
		uint8_t c = utf8.ptr[at];
		size_t more = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
		uint32_t letter = more == 0 ? c : c & (0x3Fu >> more);
		if (more >= utf8.len - at) {
			break;
		}
		for (size_t i = 1; i <= more; i++) {
			letter = letter << 6 | (utf8.ptr[at + i] & 0x3F);
		}
		ret[n++] = letter;
		at += 1 + more;
	}
	return n;
}

/* Large letters, and how far behind them the small ones are; 1: each is before its own. */
static uint32_t in_case(uint32_t c, enum letters how)
{
	static const struct {
		uint32_t first, last, apart;
	} rows[] = {{'A', 'Z', 32}, {0xC0, 0xD6, 32}, {0xD8, 0xDE, 32}, {0x100, 0x12F, 1}, {0x132, 0x137, 1},
		{0x139, 0x148, 1}, {0x14A, 0x177, 1}, {0x179, 0x17E, 1}, {0x391, 0x3A9, 32},
		{0x400, 0x40F, 80}, {0x410, 0x42F, 32}};
	for (unsigned i = 0; i < ARRAY_LEN(rows) && how != AS_THEY_ARE; i++) {
		uint32_t first = rows[i].first, last = rows[i].last, apart = rows[i].apart;
		if (apart == 1 && c >= first && c <= last) {
			return (c - first) / 2 * 2 + first + (how == SMALL);
		}
		if (apart > 1 && how == SMALL && c >= first && c <= last) {
			return c + apart;
		}
		if (apart > 1 && how == LARGE && c >= first + apart && c <= last + apart) {
			return c - apart;
		}
	}
	return c;
}

/* ---- Bytes ---- */

static void put_utf8(struct writer *w, uint32_t c)
{
	unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const uint8_t heads[] = {0, 0xC0, 0xE0, 0xF0};
	writer_u8(w, (uint8_t)(heads[more] | c >> 6 * more));
	while (more-- > 0) {
		writer_u8(w, (uint8_t)(0x80 | (c >> 6 * more & 0x3F)));
	}
}

static void put_latin1(struct writer *w, uint32_t c)
{
	writer_u8(w, (uint8_t)c);
}

static void put_utf16(struct writer *w, uint32_t c)
{
	if (c >= 0x10000) {
		writer_u16le(w, (uint16_t)(0xD7C0 + (c >> 10)));
		c = 0xDC00 | (c & 0x3FF);
	}
	writer_u16le(w, (uint16_t)c);
}

static void put_utf16be(struct writer *w, uint32_t c)
{
	if (c >= 0x10000) {
		writer_u16be(w, (uint16_t)(0xD7C0 + (c >> 10)));
		c = 0xDC00 | (c & 0x3FF);
	}
	writer_u16be(w, (uint16_t)c);
}

static const struct {
	void (*put)(struct writer *w, uint32_t c);
	uint32_t below; /* letters that it has */
	bool wide;
} codings[] = {{put_utf8, 0x110000, false}, {put_latin1, 0x100, false}, {put_utf16, 0x110000, true},
	{put_utf16be, 0x110000, true}};

static_assert(ARRAY_LEN(codings) * N_LETTERS == SPELLING_MOST, "each in each");

unsigned spelling_all(struct span utf8, struct spelling ret[SPELLING_MOST])
{
	uint32_t letters[LETTERS_MOST];
	unsigned n = read_letters(utf8, letters), n_spelt = 0;
	for (unsigned how = 0; how < N_LETTERS; how++) {
		for (unsigned i = 0; i < ARRAY_LEN(codings); i++) {
			struct spelling *s = &ret[n_spelt];
			struct writer w = writer_of(s->bytes, sizeof(s->bytes));
			size_t whole = 0;
			for (unsigned at = 0; at < n && writer_end(&w) == 0; at++) {
				uint32_t c = in_case(letters[at], how);
				if (c >= codings[i].below) {
					whole = 0;
					break;
				}
				codings[i].put(&w, c);
				whole = writer_end(&w) == 0 ? w.len : whole;
			}
			s->len = (uint8_t)whole;
			s->wide = codings[i].wide;
			n_spelt += whole > 0;
		}
	}
	return n_spelt;
}

/* ---- Without what is on letters ---- */

/* Of a letter of either case; NULL: it is of another script. */
static const char *plain_of(uint32_t c, bool as_two)
{
	static const struct {
		uint16_t first, last;
		const char *one, *two;
	} rows[] = {{0xC4, 0xC4, "a", "ae"}, {0xC5, 0xC5, "a", "aa"}, {0xC0, 0xC5, "a", "a"},
		{0xC6, 0xC6, "ae", "ae"}, {0xC7, 0xC7, "c", "c"}, {0xC8, 0xCB, "e", "e"},
		{0xCC, 0xCF, "i", "i"}, {0xD0, 0xD0, "d", "d"}, {0xD1, 0xD1, "n", "n"},
		{0xD6, 0xD6, "o", "oe"}, {0xD2, 0xD6, "o", "o"}, {0xD8, 0xD8, "o", "oe"},
		{0xDC, 0xDC, "u", "ue"}, {0xD9, 0xDC, "u", "u"}, {0xDD, 0xDD, "y", "y"},
		{0xDE, 0xDE, "th", "th"}, {0xDF, 0xDF, "ss", "ss"}, {0x100, 0x105, "a", "a"},
		{0x106, 0x10D, "c", "c"}, {0x10E, 0x111, "d", "d"}, {0x112, 0x11B, "e", "e"},
		{0x11C, 0x123, "g", "g"}, {0x124, 0x127, "h", "h"}, {0x128, 0x131, "i", "i"},
		{0x132, 0x133, "ij", "ij"}, {0x134, 0x135, "j", "j"}, {0x136, 0x138, "k", "k"},
		{0x139, 0x142, "l", "l"}, {0x143, 0x14B, "n", "n"}, {0x14C, 0x151, "o", "o"},
		{0x152, 0x153, "oe", "oe"}, {0x154, 0x159, "r", "r"}, {0x15A, 0x161, "s", "s"},
		{0x162, 0x167, "t", "t"}, {0x168, 0x173, "u", "u"}, {0x174, 0x175, "w", "w"},
		{0x176, 0x178, "y", "y"}, {0x179, 0x17E, "z", "z"}};
	if (c >= 0xE0 && c < 0xFF && c != 0xF7) {
		c -= 0x20;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (c >= rows[i].first && c <= rows[i].last) {
			return as_two ? rows[i].two : rows[i].one;
		}
	}
	return NULL;
}

size_t spelling_plain(struct span utf8, bool as_two, uint8_t to[SPELLING_BYTES])
{
	uint32_t letters[LETTERS_MOST];
	unsigned n = read_letters(utf8, letters);
	struct writer w = writer_of(to, SPELLING_BYTES);
	for (unsigned i = 0; i < n; i++) {
		const char *plain = letters[i] < 0x80 ? "" : plain_of(letters[i], as_two);
		if (!plain) {
			return 0;
		}
		if (letters[i] < 0x80) {
			writer_u8(&w, (uint8_t)in_case(letters[i], SMALL));
		} else {
			writer_span(&w, span_str(plain));
		}
	}
	return writer_end(&w) < 0 ? 0 : w.len;
}

size_t spelling_umlauts(struct span text, uint8_t to[SPELLING_BYTES])
{
	static const struct {
		char first;
		uint16_t letter;
	} rows[] = {{'a', 0xE4}, {'o', 0xF6}, {'u', 0xFC}};
	struct writer w = writer_of(to, SPELLING_BYTES);
	bool any = false;
	for (size_t at = 0; at < text.len; at++) {
		uint16_t letter = 0;
		for (size_t i = 0; i < ARRAY_LEN(rows) && at + 1 < text.len; i++) {
			bool is = (text.ptr[at] | 0x20) == rows[i].first && (text.ptr[at + 1] | 0x20) == 'e';
			letter = is ? rows[i].letter : letter;
		}
		if (letter) {
			put_utf8(&w, letter);
			at++;
		} else {
			writer_u8(&w, text.ptr[at]);
		}
		any = any || letter;
	}
	return any && writer_end(&w) == 0 ? w.len : 0;
}
