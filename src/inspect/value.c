/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "base/reader.h"

static const uint8_t places[] = {
	[VALUE_PIXELS] = 0,
	[VALUE_TEXT] = MARK_IN_TEXT,
	[VALUE_BINARY] = MARK_IN_BINARY,
	[VALUE_DOCUMENT] = MARK_IN_DOCUMENT,
	[VALUE_TABLE] = MARK_IN_BINARY,
};

/*
 * Any six bytes stand by chance in one of a million tables of 64 KiB. Where there are more, a mark counts that is longer, or is followed by what
 * must follow it.
 */
#define STRICT_FROM 65536

void value_anew(struct inspect *i, uint64_t length)
{
	struct inspect_stream *s = &i->s;
	s->strict = length > STRICT_FROM;
	s->marks = s->wide_marks = 0;
	s->handlers = s->wide_handlers = (struct inspect_handlers){0};
	s->at = s->said = s->said_short = 0;
	s->n_head = 0;
	s->claim = NULL;
	s->is_pdf = s->has_markup = false;
	s->base64 = (struct inspect_base64){0};
}

/* A value that does not fit is read in pieces, or, if only its beginning matters, skipped behind that. */
void value_begin(struct inspect *i, enum value_kind kind)
{
	struct inspect_stream *s = &i->s;
	s->kind = (uint8_t)kind;
	s->where = places[kind];
	s->classes = 0;
	s->was_items = i->items_broken;
	i->items_broken = false;
	value_anew(i, i->e.length);
	if (kind == VALUE_DOCUMENT) {
		i->s.pdf = (struct inspect_pdf){0};
	} else if (i->e.length > INSPECT_VALUE) {
		i->s.text = (struct inspect_long_text){0};
	}
	if (i->e.length <= INSPECT_VALUE) {
		dataset_collect(&i->f.d, i->value, sizeof(i->value));
	} else if (kind == VALUE_SKIPPED) {
		dataset_collect(&i->f.d, i->value, SIGNATURE_BYTES);
	} else {
		dataset_pieces(&i->f.d);
	}
}

/* A PDF document begins inside a value, and rest is behind its mark. In a document its names were looked for from the beginning. */
void value_mark(struct inspect *i, const struct mark *m, uint64_t at, struct span rest)
{
	static const uint8_t plain = sizeof("%pdf-1.") - 1, base64 = sizeof("jvberi0xl") - 1;
	if (m->check != CHECK_EMBEDDED_DOCUMENT) {
		return;
	}
	if (m->len == plain && !i->s.is_pdf) {
		i->s.is_pdf = true;
		if (i->s.kind != VALUE_DOCUMENT) {
			i->s.pdf = (struct inspect_pdf){0};
			pdf_piece(i, rest);
		}
	} else if (m->len == base64 && at - m->len >= i->s.base64.end) {
		pdf_base64_begin(i, at, rest);
	}
}

static void report_pdf(struct inspect *i)
{
	uint32_t has = (i->s.is_pdf ? pdf_end(i) : 0) | (i->s.base64.met ? pdf_base64_end(i) : 0);
	for (unsigned k = 0; has && k < PDF_NAMES; k++) {
		enum inspect_check check;
		const char *name = pdf_found(has, k, &check);
		if (name) {
			found(i, check, span_str(name));
		}
	}
}

/* ---- Marks; each check once a value ---- */

static void say(struct inspect *i, const struct mark *m, uint64_t at)
{
	struct inspect_stream *s = &i->s;
	uint64_t bit = text_bit(m);
	if (s->kind == VALUE_DOCUMENT && m->len < LEAST_IN_NUMBERS && m->n_then == 0) {
		s->said_short |= bit;
		return;
	}
	if (!(s->said & bit) && s->kind != VALUE_DOCUMENT) {
		found_say(
			i, (enum inspect_check)m->check, "at byte %llu of the value", (unsigned long long)at);
	}
	s->said |= bit;
}

/* A mark says nothing before what must follow it came. A second one before that is no chance either; both are said. */
static bool claim_begin(struct inspect *i, const struct mark *m, uint64_t at)
{
	struct inspect_stream *s = &i->s;
	if (m->n_then == 0 || (m->alone && !s->strict)) {
		return false;
	}
	if (s->claim && s->claim_at != at) {
		say(i, s->claim, s->claim_at);
		s->claim = NULL;
		return false;
	}
	s->claim = m; /* the longer one of two that begin here */
	s->claim_at = at;
	s->n_claim = 0;
	s->claim_code = false;
	return true;
}

/* What must follow it byte by byte is there; and so is the code, or there may be none. */
static bool is_claim_met(const struct inspect_stream *s)
{
	return s->n_claim >= s->claim->n_then && (s->claim->code == 0 || s->claim_code);
}

static void claim_go_on(struct inspect *i, struct span bytes)
{
	struct inspect_stream *s = &i->s;
	for (size_t k = 0; k < bytes.len && s->claim; k++) {
		const struct mark *m = s->claim;
		bool goes_on = s->n_claim >= m->n_then || marks_follows(m, s->n_claim, bytes.ptr[k]);
		s->n_claim++;
		if (goes_on && is_claim_met(s)) {
			say(i, m, s->claim_at);
			goes_on = false;
		}
		s->claim = goes_on && s->n_claim <= (uint32_t)m->n_then + m->code ? m : NULL;
	}
}

/* What a script or a program has, and alone is no mark. */
static void claim_code(struct inspect *i, const struct mark *m)
{
	struct inspect_stream *s = &i->s;
	if (s->claim && s->claim->code > 0 && s->claim->check == m->check) {
		s->claim_code = true;
		if (is_claim_met(s)) {
			say(i, s->claim, s->claim_at);
			s->claim = NULL;
		}
	}
}

/* So near the end there is no room for chance, but for the shortest marks, and for code that did not come. */
static void claim_end(struct inspect *i)
{
	const struct mark *m = i->s.claim;
	if (m && m->alone && (m->len > 5 || i->s.n_claim >= 4) && i->s.n_claim < m->n_then) {
		say(i, i->s.claim, i->s.claim_at);
	}
	i->s.claim = NULL;
}

void value_search(struct inspect *i, struct span piece)
{
	struct inspect_stream *s = &i->s;
	uint64_t at = s->at;
	if (s->is_pdf && s->kind != VALUE_DOCUMENT) {
		pdf_piece(i, piece);
	}
	if (s->base64.in) {
		pdf_base64(i, at, piece);
	}
	while (piece.len > 0) {
		const struct mark *m;
		unsigned code = s->claim && s->claim->code > 0 ? MARK_IN_CODE : 0;
		size_t n = marks_find(&s->marks, s->where | code, piece, &m);
		if (s->claim) {
			claim_go_on(i, span_of(piece.ptr, n));
		}
		piece = span_of(piece.ptr + n, piece.len - n);
		at += n;
		if (!m) {
			return;
		}
		if (m->where & MARK_IN_CODE) {
			claim_code(i, m);
			continue;
		}
		static_assert(CHECK_INSPECTION_FAILED - CHECK_EMBEDDED_PROGRAM < 64, "a bit for each");
		value_mark(i, m, at, piece);
		uint64_t from = at > m->len ? at - m->len : 0; /* it may begin in the fragment before */
		if (!(s->said & text_bit(m)) && !claim_begin(i, m, from)) {
			say(i, m, from);
		}
	}
}

/* What pixel data has more than its image is of no use to anyone, and is searched as what is behind the object is. */
static void behind_pixels(struct inspect *i, struct span piece)
{
	struct inspect_stream *s = &i->s;
	if (s->at + piece.len <= i->pixels_end) {
		return;
	}
	size_t skip = s->at < i->pixels_end ? (size_t)(i->pixels_end - s->at) : 0;
	s->where = MARK_IN_BINARY;
	s->at += skip;
	value_search(i, span_of(piece.ptr + skip, piece.len - skip));
	s->at -= skip;
	s->where = 0;
}

/* The first 4096 bytes of a long text are kept for what looks at characters. */
static void keep(struct inspect *i, struct span piece)
{
	if (i->s.at < INSPECT_VALUE && i->e.length > INSPECT_VALUE) {
		size_t room = INSPECT_VALUE - (size_t)i->s.at, n = piece.len < room ? piece.len : room;
		memcpy(i->value + i->s.at, piece.ptr, n);
	}
}

/*
 * A UN of defined length that begins as a sequence does (PS3.5 6.2.2, note 2) is one, and comes here only where it does not go on as one, or is
 * big endian. What it has is shown all the same by programs that know it. Other texts than markup are not told from what any bytes may be.
 */
#define LEAST_OF_MARKUP 5

static bool may_be_items(const struct inspect_stream *s)
{
	return s->was_items || s->n_head < 4 || memcmp(s->head, "\xFE\xFF\0\xE0", 4) == 0 ||
	       memcmp(s->head, "\xFF\xFE\xE0\0", 4) == 0;
}

static void search_items(struct inspect *i, struct span piece)
{
	struct inspect_stream *s = &i->s;
	while (piece.len > 0 && may_be_items(s)) {
		const struct mark *m;
		size_t n = marks_find(&s->wide_marks, MARK_IN_TEXT, piece, &m);
		piece = span_of(piece.ptr + n, piece.len - n);
		s->has_markup |= m && m->check == CHECK_TEXT_MARKUP && m->len >= LEAST_OF_MARKUP;
	}
}

static void report_items(struct inspect *i)
{
	const struct inspect_stream *s = &i->s;
	if (s->has_markup && may_be_items(s)) {
		found(i, CHECK_TEXT_MARKUP, span_of(s->head, s->n_head));
	}
}

void value_end(struct inspect *i)
{
	claim_end(i);
	if (i->zip.met || i->zip.n > 0) {
		zip_end_over(i);
	}
	switch (i->s.kind) {
	case VALUE_TEXT:
		if (i->e.length > INSPECT_VALUE) {
			text_streamed(i);
		}
		report_pdf(i);
		break;
	case VALUE_DOCUMENT:
		document_end(i);
		break;
	case VALUE_BINARY:
	case VALUE_PIXELS:
	case VALUE_SKIPPED:
	case VALUE_TABLE:
		report_items(i);
		text_unknown_end(i);
		binary_end(i);
		report_pdf(i);
		break;
	default:
		break;
	}
}

/* Of what is not held whole as a text. */
static void take_piece(struct inspect *i, struct span piece, bool last)
{
	struct inspect_stream *s = &i->s;
	size_t room = sizeof(s->head) - s->n_head, n = piece.len < room ? piece.len : room;
	memcpy(s->head + s->n_head, piece.ptr, n);
	s->n_head = (uint8_t)(s->n_head + n);
	if (s->kind == VALUE_TEXT) {
		keep(i, piece);
		s->classes |= text_classes_of_piece(piece, last);
		text_long_piece(i, piece, last);
	} else if (s->kind == VALUE_DOCUMENT) {
		document_piece(i, piece);
	} else if (s->kind == VALUE_TABLE) {
		table_take(table_of(i), piece, 8);
	} else if (s->kind == VALUE_PIXELS) {
		behind_pixels(i, piece);
		zip_end_piece(i, piece, i->e.length - s->at);
	}
	if (s->where) {
		value_search(i, piece);
	}
	if (s->kind == VALUE_BINARY && memcmp(i->e.vr, "UN", 2) == 0) {
		search_items(i, piece);
		if (i->e.length > INSPECT_VALUE) {
			text_unknown_piece(i, piece, last);
		} else if (!s->said) {
			text_unknown(i, piece);
		}
	}
}

void value_piece(struct inspect *i, struct span piece, bool last)
{
	if (piece.len > 0) {
		if (i->s.kind == VALUE_TEXT && i->e.length <= INSPECT_VALUE) {
			text_whole(i, piece);
		} else {
			take_piece(i, piece, last);
		}
		i->s.at += piece.len;
	}
	if (last) {
		value_end(i);
	}
}

uint64_t number_of(const struct inspect *i, struct span value)
{
	const struct dataset *d = &i->f.d;
	bool big = d->frames[d->n_frames - 1].encoding == ENCODING_EXPLICIT_BE;
	uint64_t v = 0;
	for (size_t k = 0; k < value.len && k < 8; k++) {
		v |= (uint64_t)value.ptr[k] << 8 * (big ? value.len - 1 - k : k);
	}
	return v;
}
