/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

/*
 * A text that does not fit is decoded as it comes, from its first character on that is not in ASCII: until there it says decoded
 * what it says as it came. What marks say is kept, and told at its end, so that it does not matter how it was cut.
 */
#define STEP   1024 /* bytes that are decoded at once */
#define MARKUP (1ull << (CHECK_TEXT_MARKUP - CHECK_EMBEDDED_PROGRAM))

static void search(uint16_t *state, struct span s, uint64_t of, uint64_t *said)
{
	while (s.len > 0) {
		const struct mark *m;
		size_t n = marks_find(state, MARK_IN_TEXT, s, &m);
		s = span_of(s.ptr + n, s.len - n);
		*said |= m ? text_bit(m) & of : 0;
	}
}

/* ---- Without escape sequences that nobody declared, as in text.c ---- */

static void search_bare(struct inspect_long_text *t, struct span s)
{
	uint8_t bare[256];
	size_t n = 0;
	for (size_t k = 0; k < s.len; k++) {
		uint8_t c = s.ptr[k];
		if (t->in_escape) {
			t->in_escape = c >= 0x20 && c <= 0x2F;
		} else if (c == 27) {
			t->in_escape = true;
		} else {
			bare[n++] = c;
		}
		if (n == sizeof(bare) || k + 1 == s.len) {
			search(&t->bare_marks, span_of(bare, n), UINT64_MAX, &t->said);
			handlers_look(&t->bare, span_of(bare, n));
			n = 0;
		}
	}
}

/* ---- Wide letters ---- */

static const struct {
	uint8_t bytes[3];
	char plain;
} others[] = {
	{{0xE3, 0x80, 0x80}, ' '}, /* U+3000 */
	{{0xEF, 0xB9, 0x94}, ';'}, /* U+FE54 and so on, small forms */
	{{0xEF, 0xB9, 0x95}, ':'},
	{{0xEF, 0xB9, 0xA0}, '&'},
	{{0xEF, 0xB9, 0xA4}, '<'},
	{{0xEF, 0xB9, 0xA5}, '>'},
	{{0xEF, 0xB9, 0xA6}, '='},
};

/* U+FF01 to U+FF5E, which are ASCII's 21H to 7EH, and the like; 0: another. */
static char plain_of(const uint8_t *b)
{
	if (b[0] == 0xEF && b[1] == 0xBC && b[2] > 0x80) {
		return (char)(b[2] - 0x60);
	}
	if (b[0] == 0xEF && b[1] == 0xBD && b[2] <= 0x9E) {
		return (char)(b[2] - 0x20);
	}
	for (size_t k = 0; k < ARRAY_LEN(others); k++) {
		if (memcmp(b, others[k].bytes, 3) == 0) {
			return others[k].plain;
		}
	}
	return 0;
}

size_t text_fold(char *text, size_t n)
{
	size_t to = 0;
	bool any = false;
	for (size_t k = 0; k < n;) {
		uint8_t b[3] = {(uint8_t)text[k]};
		char plain = 0;
		if ((b[0] == 0xE3 || b[0] == 0xEF) && n - k >= 3) {
			memcpy(b, text + k, 3);
			plain = plain_of(b);
		}
		any |= plain != 0;
		text[to++] = plain ? plain : text[k];
		k += plain ? 3 : 1;
	}
	return any ? to : 0;
}

/* ---- Decoding ---- */

/* s: all that is not decoded yet. How much was. */
static size_t decode(struct inspect *i, struct span s, bool last)
{
	struct inspect_long_text *t = &i->s.text;
	char text[3 * (STEP + CHARSET_AHEAD) + 1];
	struct charset_text done;
	size_t n = charset_piece(
		text_charset_of(i), i->e.vr, CHARSET_LINES, &t->state, s, last, text, sizeof(text), &done);
	t->replaced += done.replaced;
	t->bidi += done.bidi;
	t->controls += done.controls;
	uint16_t before = t->marks;
	struct inspect_handlers handlers = t->shown;
	search(&t->marks, span_of(text, done.len), UINT64_MAX, &t->said);
	handlers_look(&t->shown, span_of(text, done.len));
	size_t folded = text_fold(text, done.len);
	if (folded > 0 && !t->folding) {
		t->folding = true;
		t->folded_marks = before;
		t->folded = handlers;
	}
	if (t->folding) {
		search(&t->folded_marks, span_of(text, folded > 0 ? folded : done.len), MARKUP, &t->said);
		handlers_look(&t->folded, span_of(text, folded > 0 ? folded : done.len));
	}
	return n;
}

static void take(struct inspect *i, struct span piece, bool last)
{
	struct inspect_long_text *t = &i->s.text;
	uint8_t in[STEP + CHARSET_AHEAD];
	while (piece.len > 0 || (last && t->n_left > 0)) {
		size_t room = sizeof(in) - t->n_left, n = piece.len < room ? piece.len : room;
		memcpy(in, t->left, t->n_left);
		memcpy(in + t->n_left, piece.ptr, n);
		piece = span_of(piece.ptr + n, piece.len - n);
		n += t->n_left;
		size_t read = decode(i, span_of(in, n), last && piece.len == 0);
		t->n_left = (uint8_t)(n - read);
		memcpy(t->left, in + read, t->n_left);
	}
}

void text_long_piece(struct inspect *i, struct span piece, bool last)
{
	struct inspect_long_text *t = &i->s.text;
	if (!t->begun) {
		struct span plain = text_plain(piece);
		const struct mark *m;
		/* The marks that are looked for in what comes are where those are that look at it as it comes. */
		t->marks = i->s.marks;
		(void)marks_find(&t->marks, 0, plain, &m);
		handlers_look(&t->came, plain);
		piece = span_of(piece.ptr + plain.len, piece.len - plain.len);
		if (piece.len == 0) {
			return;
		}
		t->begun = true;
		t->bare_marks = t->marks;
		t->shown = t->bare = t->came;
	}
	handlers_look(&t->came, piece);
	const struct charset *cs = text_charset_of(i);
	if (!(cs && cs->extended)) {
		search_bare(t, piece);
	}
	/* A byte of padding is none of the text. */
	size_t padding = last && piece.len > 0 && piece.ptr[piece.len - 1] == 0;
	take(i, span_of(piece.ptr, piece.len - padding), last);
}

void text_long_end(struct inspect *i, struct span beginning, bool undeclared, bool controls)
{
	struct inspect_long_text *t = &i->s.text;
	if (undeclared || (t->controls > 0 && !controls)) {
		found(i, CHECK_TEXT_CONTROL, beginning);
	}
	t->said |= t->shown.met || t->folded.met || t->bare.met ? MARKUP : 0;
	for (unsigned k = 0; t->said >> k; k++) {
		if ((t->said & ~i->s.said) >> k & 1) {
			found_say(i, (enum inspect_check)(CHECK_EMBEDDED_PROGRAM + k),
				"as its character set shows it");
		}
	}
	i->s.said |= t->said;
	if (t->replaced > 0 && !controls) {
		found(i, CHECK_TEXT_CHARSET, beginning);
	}
	if (t->bidi > 0) {
		found(i, CHECK_TEXT_DIRECTION, beginning);
	}
}
