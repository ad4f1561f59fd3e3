/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "base/writer.h"
#include "dicom/tag.h"
#include "inspect/marks.h"

/* What is behind the object, or behind where it could not be read on: searched, whatever it is. */
void tail_begin(struct inspect *i, uint64_t offset)
{
	i->tail = true;
	i->tail_at = offset;
	i->s = (struct inspect_stream){.where = MARK_IN_TAIL};
}

/* Behind the pixel data only signatures, padding and private groups may stand (PS3.5 7.1: tags ascend). */
static bool is_trailing(const struct inspect *i)
{
	const struct dataset *d = &i->f.d;
	uint32_t group = d->tag >> 16;
	if (!i->after_pixels || d->depth > 0 ||
		(d->tag > TAG_PIXEL_DATA && (group % 2 == 1 || group == 0xFFFA || group == 0xFFFC))) {
		return false;
	}
	return true;
}

/* No file begins as the heads of most groups do. */
static bool may_be_file(uint32_t tag)
{
	uint32_t group = tag >> 16;
	return group >= 0x2000 && group != 0x7FE0 && group != 0xFFFE;
}

/* What the head of the present element is, if it is the beginning of a file. Two letters, and tags of TIFF, are no sign of one. */
static enum signature signature_as_head(const struct inspect *i)
{
	const struct dataset *d = &i->f.d;
	uint8_t head[8];
	struct writer w = writer_of(head, sizeof(head));
	uint16_t group = (uint16_t)(d->tag >> 16), number = (uint16_t)d->tag;
	enum encoding encoding = dataset_encoding(d);
	bool big = encoding == ENCODING_EXPLICIT_BE, implicit = encoding == ENCODING_IMPLICIT_LE;
	(big ? writer_u16be : writer_u16le)(&w, group);
	(big ? writer_u16be : writer_u16le)(&w, number);
	if (implicit) {
		writer_u32le(&w, d->length);
	} else {
		writer_bytes(&w, d->vr, 2);
		(big ? writer_u16be : writer_u16le)(&w, (uint16_t)d->length);
	}
	enum signature is = signature_of(span_of(head, sizeof(head)));
	return is == SIGNATURE_PE || is == SIGNATURE_TIFF ? SIGNATURE_NONE : is;
}

void tail_in_sequence(struct inspect *i)
{
	bool may = i->f.d.depth > 0 && may_be_file(i->f.d.tag);
	enum signature is = may ? signature_as_head(i) : SIGNATURE_NONE;
	if (is != SIGNATURE_NONE) {
		document_found(i, is, span_str("the head of an element"));
	}
}

bool tail_is_here(struct inspect *i)
{
	/* What was put behind an object without pixels is read as one more element, and begins with what is a head to the parser. */
	bool may = i->f.d.depth == 0 && may_be_file(i->f.d.tag);
	if (!is_trailing(i) && (!may || signature_as_head(i) == SIGNATURE_NONE)) {
		return false;
	}
	i->over = true;
	tail_begin(i, i->f.d.offset);
	return true;
}

static void take(struct inspect *i, struct span s)
{
	struct inspect_stream *t = &i->s;
	size_t room = sizeof(t->head) - t->n_head, head = s.len < room ? s.len : room;
	if (head > 0) {
		memcpy(t->head + t->n_head, s.ptr, head);
		t->n_head = (uint8_t)(t->n_head + head);
	}
	for (size_t k = 0; !i->tail_dirty && k < s.len; k++) {
		i->tail_dirty = s.ptr[k] != 0;
	}
	while (s.len > 0) {
		const struct mark *m;
		size_t n = marks_find(&t->marks, MARK_IN_TAIL, s, &m);
		t->at += n;
		s = span_of(s.ptr + n, s.len - n);
		if (m) {
			found_at(i, (enum inspect_check)m->check, i->tail_at - i->shift + t->at - m->len,
				(struct span){0});
		}
	}
}

/* raw begins at i->fed; what lies before it, and belongs here, is in the ring. */
void tail_feed(struct inspect *i, struct span raw)
{
	uint64_t want = i->tail_at - i->shift + i->s.at;
	if (want < i->fed) {
		uint64_t back = i->fed - want;
		size_t n = back < sizeof(i->ring) ? (size_t)back : sizeof(i->ring);
		take(i, span_of(i->ring + sizeof(i->ring) - n, n));
		want = i->fed;
	}
	if (want - i->fed < raw.len) {
		size_t at = (size_t)(want - i->fed);
		take(i, span_of(raw.ptr + at, raw.len - at));
	}
}

/* What the parser had of the inflated bytes, and left: where a head was cut, its beginning is in the stash. */
static void take_left(struct inspect *i)
{
	const struct dataset *d = &i->f.d;
	uint64_t at = i->tail_at;
	i->tail_inflating = true;
	if (at < d->base) {
		uint64_t n = d->base - at;
		take(i, span_of(d->stash, n < sizeof(d->stash) ? (size_t)n : sizeof(d->stash)));
		at = d->base;
	}
	if (at - d->base < d->chunk.len) {
		size_t from = (size_t)(at - d->base);
		take(i, span_of(d->chunk.ptr + from, d->chunk.len - from));
	}
}

/*
 * The parser reads no further: the rest is inflated for the search alone. What stands behind the compressed bytes themselves belongs
 * to it too, with offsets as if it were inflated.
 */
void tail_inflate(struct inspect *i, struct span raw)
{
	struct inflater *inflater = i->f.d.inflater;
	struct span piece;
	if (i->tail && raw.len > 0) {
		inflater_feed(inflater, raw);
	}
	if (i->tail && !i->tail_inflating) {
		take_left(i);
	}
	while (i->tail && inflater_next(inflater, &piece) == 0) {
		take(i, piece);
	}
	if (inflater->behind.len > 0) {
		if (!i->tail) {
			i->tail_inflating = true;
			tail_begin(i, i->f.d.base + i->f.d.pos);
		}
		take(i, inflater->behind);
		inflater->behind = (struct span){0};
	}
}

void tail_end(struct inspect *i)
{
	if (!i->tail || i->s.at == 0) {
		return;
	}
	enum signature is = signature_of(span_of(i->s.head, i->s.n_head));
	uint64_t offset = i->tail_at - i->shift;
	if (is != SIGNATURE_NONE && i->counts[CHECK_TRAILING_CONTENT] == 0) {
		found_at(i, CHECK_TRAILING_CONTENT, offset, span_of(i->s.head, i->s.n_head));
	}
	if (i->after_pixels && i->counts[CHECK_TRAILING_BYTES] == 0) {
		found_at(i, i->tail_dirty ? CHECK_TRAILING_BYTES : CHECK_TRAILING_ZEROS, offset,
			span_of(i->s.head, i->s.n_head));
	}
}
