/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/leftovers_parts.h"

#include "base/attr.h"
#include "dicom/vr.h"
#include "transform/deidentify.h"

#define TAG_WAVEFORM     0x54001010u
#define TAG_MANUFACTURER 0x00080070u
#define TAG_MODEL        0x00081090u
#define TAG_ENCRYPTED    0x04000520u
#define TAG_RELATIONSHIP 0x0040A010u
#define TAG_VALUE_TYPE   0x0040A040u
#define AROUND           4  /* bytes, which are text around a short word that is packed */
#define DEPTH            2  /* of what is encoded in what is encoded */
#define LETTERS_LEAST    16 /* bytes that letters stand for them in */
#define COMPRESSED_LEAST 8  /* bytes: shorter than any four that are compressed */

static const char derived[] = "2.25.";

static bool is_word(uint8_t c)
{
	c = leftovers_fold(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

/* ---- The search ---- */

/* Bytes that are looked through: an encoded_piece. Of those that go on before or after them, another look has both sides of the edge. */

/* far: letters of more than ASCII are text too. */
static bool is_text(const struct encoded_piece *s, size_t from, size_t to, bool far)
{
	bool is = true;
	for (size_t at = from; at < to && is; at++) {
		uint8_t c = s->bytes.ptr[at];
		is = (c >= 0x20 && c < 0x7F) || c == '\t' || c == '\r' || c == '\n' || (far && c >= 0x80);
	}
	return is;
}

/* Is there text on both sides? At an open end that is not known here. */
static bool is_among_text(
	const struct leftovers *l, const struct leftover_pattern *p, const struct encoded_piece *s, size_t at)
{
	const size_t behind = at + p->len, rest = s->bytes.len - behind;
	bool far = false;
	for (size_t i = 0; i < p->len; i++) {
		far = far || l->bytes[p->at + i] >= 0x80;
	}
	if ((s->open_start && at < AROUND) || (s->open_end && rest < AROUND)) {
		return false;
	}
	return is_text(s, at < AROUND ? 0 : at - AROUND, at, far) &&
	       is_text(s, behind, behind + (rest < AROUND ? rest : AROUND), far);
}

/*
 * What is beside it says that it is part of another word, or of another UID. Among the digits that are made for a UID of ours (PS3.5 B.2) a
 * date stands by chance, once in some ten thousand objects.
 */
static bool is_of_more(
	const struct leftovers *l, const struct leftover_pattern *p, const struct encoded_piece *s, size_t at)
{
	size_t end = at + p->len;
	if (!p->whole && !p->uid && l->n_derived < sizeof(derived) - 1) {
		return false;
	}
	if ((at == 0 && s->open_start) || (end == s->bytes.len && s->open_end)) {
		return true;
	}
	bool before = at > 0 && (is_word(s->bytes.ptr[at - 1]) || (p->uid && s->bytes.ptr[at - 1] == '.'));
	bool after =
		end < s->bytes.len && (is_word(s->bytes.ptr[end]) || (p->uid && s->bytes.ptr[end] == '.'));
	return before || after;
}

static bool stands_at(const struct leftovers *l, const struct leftover_pattern *p, const uint8_t *bytes)
{
	for (size_t i = 0; i < p->len; i++) {
		if (leftovers_fold(bytes[i]) != l->bytes[p->at + i]) {
			return false;
		}
	}
	return true;
}

/*
 * Dates and UIDs that were to stay: a date that is in them, and was removed elsewhere, is where it was wanted. But of a date of birth a
 * person may judge, and of any in a UID, where dates were not to stay.
 */
static bool is_wanted(const struct leftovers *l, const struct leftover_pattern *p)
{
	return p->date && p->tag != LEFTOVERS_BIRTH_DATE && l->options & OPTION_FULL_DATES &&
	       (l->in_date || (l->in_uid && l->options & OPTION_UIDS));
}

static bool is_for_a_person(const struct leftovers *l, const struct leftover_pattern *p)
{
	bool in_product = l->here == TAG_MANUFACTURER || l->here == TAG_MODEL;
	return in_product || (p->date && ((l->in_uid && l->options & OPTION_UIDS) ||
						 (l->in_date && l->options & OPTION_FULL_DATES)));
}

static bool is_grave_here(const struct leftovers *l, const struct leftover_pattern *p)
{
	return p->grave && !is_for_a_person(l, p);
}

/*
 * One of the words that content items have there, and nothing else (PS3.3 C.17.3.2.1, C.17.3.2.4): of what was removed it is the word, and
 * not the value.
 */
static bool is_of_standard(const struct leftovers *l, struct span value)
{
	static const struct {
		uint32_t tag;
		const char *word;
	} rows[] = {{TAG_VALUE_TYPE, "TEXT"}, {TAG_VALUE_TYPE, "NUM"}, {TAG_VALUE_TYPE, "CODE"},
		{TAG_VALUE_TYPE, "DATETIME"}, {TAG_VALUE_TYPE, "DATE"}, {TAG_VALUE_TYPE, "TIME"},
		{TAG_VALUE_TYPE, "UIDREF"}, {TAG_VALUE_TYPE, "PNAME"}, {TAG_VALUE_TYPE, "COMPOSITE"},
		{TAG_VALUE_TYPE, "IMAGE"}, {TAG_VALUE_TYPE, "WAVEFORM"}, {TAG_VALUE_TYPE, "SCOORD"},
		{TAG_VALUE_TYPE, "SCOORD3D"}, {TAG_VALUE_TYPE, "TCOORD"}, {TAG_VALUE_TYPE, "CONTAINER"},
		{TAG_VALUE_TYPE, "TABLE"}, {TAG_RELATIONSHIP, "CONTAINS"},
		{TAG_RELATIONSHIP, "HAS OBS CONTEXT"}, {TAG_RELATIONSHIP, "HAS ACQ CONTEXT"},
		{TAG_RELATIONSHIP, "HAS CONCEPT MOD"}, {TAG_RELATIONSHIP, "HAS PROPERTIES"},
		{TAG_RELATIONSHIP, "INFERRED FROM"}, {TAG_RELATIONSHIP, "SELECTED FROM"}};
	bool is = false;
	for (size_t i = 0; i < ARRAY_LEN(rows) && !is; i++) {
		is = l->here == rows[i].tag && span_eq(vr_trim("CS", value), span_str(rows[i].word));
	}
	return is;
}

/* What is left first, but a grave one before others. */
static void tell(struct leftovers *l, const struct leftover_pattern *p)
{
	bool grave = is_grave_here(l, p);
	if (!l->found || grave) {
		l->found = true;
		l->grave = grave;
		l->of = p->tag;
		l->in = l->here;
	}
}

static bool is_left_at(
	const struct leftovers *l, const struct leftover_pattern *p, const struct encoded_piece *s, size_t at)
{
	return p->object == l->object && p->len <= s->bytes.len - at &&
	       (!l->numbers || p->len >= LEFTOVERS_BINARY_LEAST) && stands_at(l, p, s->bytes.ptr + at) &&
	       !is_of_more(l, p, s, at) && (!s->packed || !p->whole || is_among_text(l, p, s, at)) &&
	       !is_wanted(l, p);
}

/* Of several the gravest, and then the longest: in whatever order they were added. */
static void look_at(struct leftovers *l, const struct encoded_piece *s, size_t at)
{
	const uint8_t *bytes = s->bytes.ptr + at;
	const uint8_t four[4] = {leftovers_fold(bytes[0]), leftovers_fold(bytes[1]), leftovers_fold(bytes[2]),
		leftovers_fold(bytes[3])};
	const struct leftover_pattern *best = NULL;
	for (uint32_t i = l->slots[leftovers_slot(four)]; i != 0; i = l->patterns[i - 1].next) {
		const struct leftover_pattern *p = &l->patterns[i - 1];
		if (!is_left_at(l, p, s, at)) {
			continue;
		}
		bool grave = is_grave_here(l, p);
		if (!best || (grave && !is_grave_here(l, best)) ||
			(grave == is_grave_here(l, best) && p->len > best->len)) {
			best = p;
		}
	}
	if (best) {
		tell(l, best);
	}
}

static void look_around(struct leftovers *l, const struct encoded_piece *s, size_t at)
{
	for (size_t back = 0; back < LEFTOVERS_STRIDE && back <= at; back++) {
		look_at(l, s, at - back);
	}
}

static void look_through_numbers(struct leftovers *l, const struct encoded_piece *s)
{
	size_t at = 0;
	uint64_t bits = 1;
	while (!l->grave) {
		at += sieve_fourth(&l->binary, s->bytes.ptr + at, s->bytes.len - at, &bits);
		if (bits == 0) {
			break;
		}
		for (; bits != 0; bits &= bits - 1) {
			look_around(l, s, at + (unsigned)__builtin_ctzll(bits));
		}
		at += SIEVE_BLOCK;
	}
	for (; at + 4 <= s->bytes.len && !l->grave; at += LEFTOVERS_STRIDE) {
		if (sieve_has(&l->binary, s->bytes.ptr + at)) {
			look_around(l, s, at);
		}
	}
}

static void look_through_any(struct leftovers *l, const struct encoded_piece *s)
{
	size_t at = 0;
	uint64_t bits = 1;
	while (!l->grave) {
		at += sieve_every(&l->any, s->bytes.ptr + at, s->bytes.len - at, &bits);
		if (bits == 0) {
			break;
		}
		for (; bits != 0 && !l->grave; bits &= bits - 1) {
			look_at(l, s, at + (unsigned)__builtin_ctzll(bits));
		}
		at += SIEVE_BLOCK;
	}
	for (; at + 4 <= s->bytes.len && !l->grave; at++) {
		if (sieve_has(&l->any, s->bytes.ptr + at)) {
			look_at(l, s, at);
		}
	}
}

static void look_through_encoded(struct leftovers *l, const struct encoded_piece *s);

static void take_encoded(void *arg, const struct encoded_piece *piece)
{
	struct leftovers *l = arg;
	if (!l->grave) {
		look_through_any(l, piece);
		look_through_encoded(l, piece);
	}
}

/* And in what is encoded there, to a depth. */
static void look_through_encoded(struct leftovers *l, const struct encoded_piece *s)
{
	if (l->depth < DEPTH && !l->grave && s->bytes.len > LEFTOVERS_LEAST) {
		l->depth++;
		encoded_read(s, take_encoded, l);
		l->depth--;
	}
}

static void look_through(struct leftovers *l, const struct encoded_piece *s)
{
	if (l->numbers) {
		look_through_numbers(l, s);
		return;
	}
	look_through_any(l, s);
	if (!l->plain) {
		look_through_encoded(l, s);
	}
}

/* ---- What is compressed ---- */

static void take_compressed(void *arg, const struct encoded_piece *piece)
{
	struct leftovers *l = arg;
	bool numbers = l->numbers;
	l->numbers = false; /* what they are of no more */
	if (!l->grave) {
		look_through_any(l, piece);
		look_through_encoded(l, piece);
	}
	l->numbers = numbers;
}

/* Is it looked into? Not coded pixels, which are no text, nor digits. */
static bool may_be_compressed(const struct leftovers *l, const struct dataset *d, bool is_fragment)
{
	bool is_coded = is_fragment || d->tag >> 16 == TAG_PIXEL_DATA >> 16 || d->tag == TAG_WAVEFORM ||
	                d->tag == TAG_ENCRYPTED;
	size_t least = vr_is_text(d->vr) ? LETTERS_LEAST : COMPRESSED_LEAST;
	return l->compressed && !is_coded && !l->plain && d->length >= least;
}

static void look_into(struct leftovers *l, struct span piece, bool last)
{
	compressed_feed(l->compressed, piece);
	if (!last) {
		return;
	}
	compressed_end(l->compressed);
	if (l->unread == COMPRESSED_READ && l->compressed->unread != COMPRESSED_READ) {
		l->unread = l->compressed->unread;
		l->unread_in = l->here;
	}
}

/* ---- Values ---- */

/* How much of the beginning of a derived UID the value has begun with. */
static void hear_beginning(struct leftovers *l, struct span piece)
{
	for (size_t i = 0; l->in_uid && l->seen + i < sizeof(derived) - 1 && i < piece.len; i++) {
		l->n_derived += l->n_derived == l->seen + i && piece.ptr[i] == (uint8_t)derived[l->seen + i];
	}
}

/* A piece of a value: over the edge to the one before, and by itself. */
static void look(struct leftovers *l, struct span piece, bool last)
{
	uint8_t edge[2 * sizeof(l->carry)];
	const size_t most = sizeof(l->carry);
	size_t n = piece.len < most ? piece.len : most;
	if (piece.len == 0 || (last && l->seen == 0 && is_of_standard(l, piece))) {
		return;
	}
	hear_beginning(l, piece);
	struct encoded_piece s = {piece, false, l->n_carry > 0, !last};
	look_through(l, &s);
	if (l->n_carry > 0) {
		memcpy(edge, l->carry, l->n_carry);
		memcpy(edge + l->n_carry, piece.ptr, n);
		s = (struct encoded_piece){
			span_of(edge, l->n_carry + n), false, l->seen > l->n_carry, !last || n < piece.len};
		look_through(l, &s);
	}
	l->seen += piece.len;
	if (n < most && l->n_carry > 0) { /* a short piece: what was before it counts for the next edge too */
		size_t keep = l->n_carry < most - n ? l->n_carry : most - n;
		memmove(l->carry, l->carry + l->n_carry - keep, keep);
		memcpy(l->carry + keep, piece.ptr, n);
		l->n_carry = (unsigned)(keep + n);
	} else {
		memcpy(l->carry, piece.ptr + piece.len - n, n);
		l->n_carry = (unsigned)n;
	}
}

static bool is_one_of(const char (*vrs)[3], size_t n, const char *vr)
{
	bool is = false;
	for (size_t i = 0; i < n && !is; i++) {
		is = memcmp(vrs[i], vr, 2) == 0;
	}
	return is;
}

static void begin_value(struct leftovers *l, const struct dataset *d, bool is_fragment)
{
	static const char numbers[][3] = {
		"OD", "OF", "OL", "OV", "OW", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "AT"};
	static const char plain[][3] = {"UI", "DA", "TM", "DT", "IS", "DS", "AS"};
	l->n_carry = 0;
	l->seen = 0;
	l->n_derived = 0;
	/* What is encrypted is so by us. */
	l->numbers = is_fragment || d->tag == TAG_PIXEL_DATA || d->tag == TAG_WAVEFORM ||
	             d->tag == TAG_ENCRYPTED || is_one_of(numbers, ARRAY_LEN(numbers), d->vr);
	l->plain = is_one_of(plain, ARRAY_LEN(plain), d->vr);
	l->here = d->tag;
	l->in_uid = memcmp(d->vr, "UI", 2) == 0;
	l->in_date = memcmp(d->vr, "DA", 2) == 0 || memcmp(d->vr, "DT", 2) == 0;
	l->inflates = may_be_compressed(l, d, is_fragment);
	if (l->inflates) {
		compressed_begin(l->compressed, !vr_is_text(d->vr), take_compressed, l);
	}
}

/* What may be one of the standard's words comes in one. */
static void ask_for(struct leftovers *l, struct dataset *d)
{
	bool may_be = l->here == TAG_VALUE_TYPE || l->here == TAG_RELATIONSHIP;
	if (may_be && d->length <= sizeof(l->word)) {
		dataset_collect(d, l->word, sizeof(l->word));
	} else {
		dataset_pieces(d);
	}
}

void leftovers_event(struct leftovers *l, struct dataset *d, int event)
{
	if (event == DATASET_ELEMENT || event == DATASET_FRAGMENT) {
		begin_value(l, d, event == DATASET_FRAGMENT);
		if (!l->grave) {
			ask_for(l, d);
		}
	} else if (event == DATASET_VALUE && !l->grave) {
		look(l, d->value, d->last_piece);
		if (l->inflates) {
			look_into(l, d->value, d->last_piece);
		}
	}
}
