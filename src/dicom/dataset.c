/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dataset_parts.h"

#include "base/writer.h"
#include "dicom/tag.h"
#include "dicom/vr.h"

enum { GO_ON = 100 }; /* no event yet; more than any enum dataset_event */
#define LENGTH_OF_ITEM_HEAD 8

static int fail(struct dataset *d, int err, uint64_t offset)
{
	d->failed = err;
	d->offset = offset;
	d->pending = 0;
	return err;
}

static void note(struct dataset *d, enum dataset_note n)
{
	d->pending |= 1u << n;
}

/* The next of the notes that wait. */
static int say_note(struct dataset *d)
{
	unsigned n = (unsigned)__builtin_ctz(d->pending);
	d->pending &= d->pending - 1;
	d->noted |= 1u << n;
	d->note = (uint8_t)n;
	return DATASET_NOTE;
}

/* This event, behind its notes. GO_ON: the notes alone. */
static int say(struct dataset *d, int event)
{
	if (d->pending == 0) {
		return event;
	}
	d->held = event == GO_ON ? 0 : (uint8_t)event;
	return say_note(d);
}

/* ---- Bytes ---- */

/* The chunk is used up, and nothing more will come. */
static int finish(struct dataset *d)
{
	if (d->state == AT_HEAD && d->n_frames == 1 && d->n_stash == 0) {
		d->offset = here(d);
		return DATASET_END;
	}
	return fail(d, ERR_TRUNCATED, here(d) + d->n_stash);
}

static int refill_inflated(struct dataset *d)
{
	struct span piece;
	int err = inflater_next(d->inflater, &piece);
	if (err == 0) {
		dataset_chunk(d, piece);
		return GO_ON;
	}
	if (err != ERR_AGAIN) {
		return fail(d, err, here(d));
	}
	if (d->inflater->trailing && !(d->noted & 1u << NOTE_TRAILING)) {
		d->offset = here(d);
		note(d, NOTE_TRAILING);
		return say(d, GO_ON);
	}
	if (!d->is_last) {
		return DATASET_MORE;
	}
	return d->inflater->ended ? finish(d) : fail(d, ERR_TRUNCATED, here(d) + d->n_stash);
}

static int refill(struct dataset *d)
{
	if (d->inflater) {
		return refill_inflated(d);
	}
	return d->is_last ? finish(d) : DATASET_MORE;
}

/* A head that chunks cut: what is stashed of it, and the next bytes. */
static int peek_stash(
	struct dataset *d, uint64_t room, enum encoding encoding, struct element_head *h, size_t *n)
{
	uint8_t all[ELEMENT_HEAD_MAX];
	size_t more = sizeof(all) - d->n_stash;
	more = more < left_in_chunk(d) ? more : left_in_chunk(d);
	memcpy(all, d->stash, d->n_stash);
	if (more > 0) {
		memcpy(all + d->n_stash, d->chunk.ptr + d->pos, more);
	}
	size_t len = d->n_stash + more;
	struct reader r = reader_of(span_of(all, len < room ? len : room));
	int err = element_read_head(&r, encoding, h);
	*n = r.pos;
	if (err != ERR_TRUNCATED) {
		return err;
	}
	if (r.len == room) {
		return ERR_LENGTH;
	}
	memcpy(d->stash, all, len);
	d->n_stash = (uint8_t)len;
	d->pos += more;
	return ERR_AGAIN;
}

/*
 * The next head, which has *n bytes, without stepping over it. room: how many bytes are left of what is around it.
 * ERR_AGAIN: the chunk ends before it does, and is used up.
 */
static int peek_head(
	struct dataset *d, uint64_t room, enum encoding encoding, struct element_head *h, size_t *n)
{
	if (d->n_stash > 0) {
		return peek_stash(d, room, encoding, h, n);
	}
	size_t len = left_in_chunk(d);
	struct reader r = {.ptr = d->chunk.ptr + d->pos, .len = len < room ? len : room};
	int err = element_read_head(&r, encoding, h);
	*n = r.pos;
	if (err != ERR_TRUNCATED) {
		return err;
	}
	if (r.len == room) {
		return ERR_LENGTH;
	}
	if (len > 0) { /* fewer than ELEMENT_HEAD_MAX, or a head could have been read */
		memcpy(d->stash, d->chunk.ptr + d->pos, len);
	}
	d->n_stash = (uint8_t)len;
	d->pos = d->chunk.len;
	return ERR_AGAIN;
}

static void step_over_head(struct dataset *d, size_t n)
{
	d->pos += n - d->n_stash;
	d->n_stash = 0;
}

/* ---- Frames ---- */

static struct dataset_frame *top(struct dataset *d)
{
	return &d->frames[d->n_frames - 1];
}

static int push(struct dataset *d, enum encoding encoding, bool fragments)
{
	const struct dataset_frame *parent = top(d);
	uint64_t at = here(d);
	bool undefined = d->length == UNDEFINED_LENGTH;
	if (!undefined && d->length > parent->end - at) {
		return ERR_LENGTH;
	}
	if (d->n_frames == ARRAY_LEN(d->frames)) {
		return ERR_LIMIT;
	}
	if (d->n_frames % 2 == 1) {
		d->path[d->n_frames / 2] = d->tag;
	}
	d->frames[d->n_frames++] = (struct dataset_frame){.end = undefined ? parent->end : at + d->length,
		.encoding = (uint8_t)encoding,
		.until_delimiter = undefined,
		.fragments = fragments};
	return 0;
}

/* The innermost ends, at this offset. */
static int pop(struct dataset *d, uint64_t offset)
{
	bool fragments = top(d)->fragments;
	d->n_frames--;
	d->depth = d->n_frames / 2u;
	d->offset = offset;
	d->length = 0;
	d->vr[0] = '\0';
	if (d->n_frames % 2 == 0) {
		d->tag = TAG_ITEM;
		d->number = top(d)->last;
		return say(d, DATASET_ITEM_END);
	}
	d->tried &= ~(1ull << d->depth);
	d->tag = d->path[d->depth];
	return say(d, fragments ? DATASET_ENCAPSULATED_END : DATASET_SEQUENCE_END);
}

static int begin_sequence(struct dataset *d, enum encoding encoding)
{
	int err = push(d, encoding, false);
	return err ? err : say(d, DATASET_SEQUENCE);
}

static int begin_fragments(struct dataset *d)
{
	int err = push(d, top(d)->encoding, true);
	return err ? err : say(d, DATASET_ENCAPSULATED);
}

static int begin_value(struct dataset *d, int event)
{
	if (d->length > top(d)->end - here(d)) {
		return ERR_LENGTH;
	}
	d->left = d->length;
	d->fill = 0;
	d->wish = SKIP;
	d->state = IN_VALUE;
	return say(d, event);
}

/* ---- Heads ---- */

/* It stands where a defined length says where the end is, or at the top, where none is expected. */
static int stray_delimiter(struct dataset *d)
{
	note(d, NOTE_DELIMITER_STRAY);
	return say(d, GO_ON);
}

static void note_delimiter(struct dataset *d)
{
	if (d->length != 0) {
		note(d, NOTE_DELIMITER_LENGTH);
	}
}

static int in_sequence(struct dataset *d, size_t n)
{
	struct dataset_frame *f = top(d);
	if (d->tag == TAG_SEQUENCE_DELIMITER) {
		step_over_head(d, n);
		note_delimiter(d);
		return f->until_delimiter ? pop(d, d->offset) : stray_delimiter(d);
	}
	if (d->tag != TAG_ITEM) {
		return ERR_ORDER;
	}
	step_over_head(d, n);
	if (d->length != UNDEFINED_LENGTH && d->length % 2 == 1) {
		note(d, NOTE_ODD_LENGTH);
	}
	if (f->fragments) {
		if (d->length == UNDEFINED_LENGTH) {
			return ERR_LENGTH;
		}
		d->number = f->last++;
		return begin_value(d, DATASET_FRAGMENT);
	}
	d->number = ++f->last;
	int err = push(d, f->encoding, false);
	return err ? err : say(d, DATASET_ITEM);
}

/* A tag of group FFFE among elements. */
static int delimiter(struct dataset *d, size_t n)
{
	const struct dataset_frame *f = top(d);
	if (d->tag != TAG_ITEM_DELIMITER && d->tag != TAG_SEQUENCE_DELIMITER) {
		return ERR_ORDER;
	}
	if (d->tag == TAG_SEQUENCE_DELIMITER && f->until_delimiter) {
		if (!(f - 1)->until_delimiter) {
			return ERR_ORDER;
		}
		note(d, NOTE_DELIMITER_MISSING);
		return pop(d, d->offset); /* the delimiter is read again, as the sequence's */
	}
	step_over_head(d, n);
	note_delimiter(d);
	return f->until_delimiter ? pop(d, d->offset) : stray_delimiter(d);
}

static bool vr_is(const struct dataset *d, const char *vr)
{
	return d->vr[0] == vr[0] && d->vr[1] == vr[1];
}

static void imply_vr(struct dataset *d)
{
	const char *vr = tag_implied_vr(d->tag);
	memcpy(d->vr, vr, sizeof(d->vr));
}

static void note_vr(struct dataset *d)
{
	if (vr_flags(d->vr) == 0) {
		bool capitals = d->vr[0] >= 'A' && d->vr[0] <= 'Z' && d->vr[1] >= 'A' && d->vr[1] <= 'Z';
		note(d, capitals ? NOTE_VR_UNKNOWN : NOTE_VR_MALFORMED);
	}
}

static void note_order(struct dataset *d, struct dataset_frame *f)
{
	if (d->tag <= f->last && f->seen) {
		note(d, d->tag == f->last ? NOTE_DUPLICATE : NOTE_ORDER);
	}
	f->seen = true;
	f->last = d->tag;
}

/* PS3.5 7.1.1, 6.2.2, A.4 */
static int undefined_length(struct dataset *d)
{
	bool implicit = top(d)->encoding == ENCODING_IMPLICIT_LE;
	if (vr_is(d, "SQ") || vr_is(d, "UN")) {
		return begin_sequence(d, vr_is(d, "UN") ? ENCODING_IMPLICIT_LE : top(d)->encoding);
	}
	if (implicit || d->tag != TAG_PIXEL_DATA) {
		note(d, NOTE_UNDEFINED_LENGTH);
	}
	if (implicit ? d->tag == TAG_PIXEL_DATA : vr_flags(d->vr) & VR_FRAGMENTS) {
		return begin_fragments(d);
	}
	return implicit ? begin_sequence(d, ENCODING_IMPLICIT_LE) : ERR_LENGTH;
}

/* PS3.5 6.2.2, note 2. */
static int unknown(struct dataset *d)
{
	const char *vr = tag_implied_vr(d->tag);
	bool sequence = memcmp(vr, "SQ", 2) == 0, none = memcmp(vr, "UN", 2) == 0;
	if (d->opens_un == UN_IS_OPENED) {
		return sequence ? begin_sequence(d, ENCODING_IMPLICIT_LE) : begin_value(d, DATASET_ELEMENT);
	}
	if ((!sequence && !none) || d->length < LENGTH_OF_ITEM_HEAD || d->length > top(d)->end - here(d)) {
		return begin_value(d, DATASET_ELEMENT);
	}
	d->state = AT_UNKNOWN;
	return say(d, GO_ON);
}

static int in_item(struct dataset *d, size_t n)
{
	struct dataset_frame *f = top(d);
	if (d->tag >> 16 == 0xFFFE) {
		return delimiter(d, n);
	}
	step_over_head(d, n);
	note_order(d, f);
	if (f->encoding == ENCODING_IMPLICIT_LE) {
		imply_vr(d);
	} else {
		note_vr(d);
	}
	if (d->length == UNDEFINED_LENGTH) {
		return undefined_length(d);
	}
	if (d->length % 2 == 1) {
		note(d, NOTE_ODD_LENGTH);
	}
	if (d->opens_un && vr_is(d, "UN")) {
		return unknown(d);
	}
	return vr_is(d, "SQ") ? begin_sequence(d, f->encoding) : begin_value(d, DATASET_ELEMENT);
}

/* Does the next element belong to the one group that is wanted? GO_ON: yes. */
static int check_group(struct dataset *d)
{
	size_t n = d->n_stash + left_in_chunk(d);
	uint8_t bytes[2];
	for (size_t i = 0; i < sizeof(bytes) && i < n; i++) {
		bytes[i] = i < d->n_stash ? d->stash[i] : d->chunk.ptr[d->pos + i - d->n_stash];
	}
	if (n >= sizeof(bytes) && (bytes[0] != d->only_group || bytes[1] != 0)) {
		d->offset = here(d);
		return DATASET_END;
	}
	return GO_ON;
}

/* Is what begins here an item, as far as its head says? */
static int step_unknown(struct dataset *d)
{
	struct element_head h = {0};
	size_t n;
	if (peek_head(d, d->length, ENCODING_IMPLICIT_LE, &h, &n) == ERR_AGAIN) {
		return refill(d);
	}
	d->state = AT_HEAD;
	if (h.tag == TAG_ITEM &&
		(h.length == UNDEFINED_LENGTH || h.length <= d->length - LENGTH_OF_ITEM_HEAD)) {
		if (d->depth < LIMIT_SEQUENCE_DEPTH) { /* or it is refused, as too deep */
			d->tried |= 1ull << d->depth;
		}
		return begin_sequence(d, ENCODING_IMPLICIT_LE);
	}
	int r = begin_value(d, DATASET_ELEMENT);
	d->state = d->n_stash > 0 ? IN_STASH : IN_VALUE;
	return r;
}

/* As at, where a head was that may have been stepped over; inside a UN all heads are of implicit VR. */
static void step_back(struct dataset *d, uint64_t at)
{
	if (here(d) > at) {
		struct writer w = writer_of(d->stash, sizeof(d->stash));
		writer_u16le(&w, (uint16_t)(d->tag >> 16));
		writer_u16le(&w, (uint16_t)d->tag);
		writer_u32le(&w, d->length);
		d->n_stash = (uint8_t)w.len;
	}
}

/* Inside what was tried as a sequence, the rest of that is bytes. Depth is no matter of how it is read. */
static int wrong(struct dataset *d, int err, uint64_t at)
{
	if (d->tried == 0 || (err != ERR_LENGTH && err != ERR_ORDER)) {
		return fail(d, err, at);
	}
	step_back(d, at);
	d->depth = 63 - (unsigned)__builtin_clzll(d->tried);
	d->tried &= ~(1ull << d->depth);
	d->n_frames = (uint8_t)(2 * d->depth + 1);
	d->tag = d->path[d->depth];
	memcpy(d->vr, "UN", sizeof(d->vr));
	d->length = (uint32_t)(d->frames[d->n_frames].end - at);
	d->offset = at;
	d->pending = 0;
	note(d, NOTE_UNKNOWN_BROKEN);
	int r = begin_value(d, DATASET_ELEMENT);
	d->state = d->n_stash > 0 ? IN_STASH : IN_VALUE;
	return r;
}

static int step_head(struct dataset *d)
{
	const struct dataset_frame *f = top(d);
	struct element_head h;
	uint64_t at = here(d);
	size_t n;
	if (at == f->end) {
		return f->until_delimiter ? wrong(d, ERR_LENGTH, at) : pop(d, at);
	}
	if (d->only_group && check_group(d) != GO_ON) {
		return DATASET_END;
	}
	int r = peek_head(d, f->end - at, f->encoding, &h, &n);
	if (r == ERR_AGAIN) {
		return refill(d);
	}
	if (r < 0) {
		return wrong(d, r, at);
	}
	d->tag = h.tag;
	d->length = h.length;
	memcpy(d->vr, h.vr, sizeof(d->vr));
	d->offset = at;
	d->depth = d->n_frames / 2u;
	if (h.reserved) {
		note(d, NOTE_RESERVED);
	}
	r = d->n_frames % 2 == 0 ? in_sequence(d, n) : in_item(d, n);
	return r < 0 ? wrong(d, r, at) : r;
}

/* ---- Values ---- */

static void mirror(struct dataset *d, struct span s)
{
	size_t m = d->mirror_cap - d->mirror_len;
	m = s.len < m ? s.len : m;
	memcpy(d->mirror + d->mirror_len, s.ptr, m);
	d->mirror_len += m;
}

static struct span take(struct dataset *d, size_t n)
{
	struct span s = span_of(d->chunk.ptr + d->pos, n);
	d->pos += n;
	d->left -= n;
	if (d->left == 0) {
		d->state = AT_HEAD;
	}
	if (d->mirror && n > 0) {
		mirror(d, s);
	}
	return s;
}

static int say_value(struct dataset *d, struct span value)
{
	d->value = value;
	d->last_piece = d->left == 0;
	return DATASET_VALUE;
}

static void keep(struct dataset *d, struct span s)
{
	size_t room = d->cap - d->fill, m = s.len < room ? s.len : room;
	if (m > 0) {
		memcpy(d->buf + d->fill, s.ptr, m);
	}
	d->fill += m;
}

static int collect(struct dataset *d, size_t n)
{
	bool whole = d->left == d->length && n == d->left;
	struct span s = take(d, n);
	d->truncated = d->length > d->cap;
	if (whole) {
		return say_value(d, span_of(s.ptr, s.len < d->cap ? s.len : d->cap));
	}
	keep(d, s);
	return d->left == 0 ? say_value(d, span_of(d->buf, d->fill)) : refill(d);
}

/* Its first bytes, which were looked at as a head, and are no longer in the chunk. */
static int step_stash(struct dataset *d)
{
	struct span s = span_of(d->stash, d->n_stash);
	d->n_stash = 0;
	d->left -= s.len;
	d->state = d->left > 0 ? IN_VALUE : AT_HEAD;
	if (d->mirror) {
		mirror(d, s);
	}
	if (d->wish == PIECES) {
		d->truncated = false;
		return say_value(d, s);
	}
	if (d->wish == COLLECT) {
		keep(d, s);
		d->truncated = d->length > d->cap;
	}
	return d->wish == COLLECT && d->left == 0 ? say_value(d, span_of(d->buf, d->fill)) : GO_ON;
}

static int step_value(struct dataset *d)
{
	size_t n = left_in_chunk(d);
	n = d->left < n ? (size_t)d->left : n;
	if (n == 0 && d->left > 0) {
		return refill(d);
	}
	if (d->wish == COLLECT) {
		return collect(d, n);
	}
	struct span s = take(d, n);
	if (d->wish == PIECES) {
		d->truncated = false;
		return say_value(d, s);
	}
	return GO_ON;
}

/* ---- For the caller ---- */

int dataset_next(struct dataset *d)
{
	int r = GO_ON;
	while (r == GO_ON) {
		if (d->pending) {
			return say_note(d);
		}
		if (d->held) {
			r = d->held;
			d->held = 0;
			return r;
		}
		if (d->failed) {
			return d->failed;
		}
		r = d->state == IN_VALUE   ? step_value(d)
		    : d->state == AT_HEAD  ? step_head(d)
		    : d->state == IN_STASH ? step_stash(d)
		                           : step_unknown(d);
	}
	return r;
}
