/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/extract.h"

#include "dicom/tag.h"
#include "inspect/signature.h"

/* Beside enum extract_to: where a value goes. */
enum { TO_NOWHERE = 0, TO_BE_SEEN = 9 };

#define DOCUMENT      0x00420011u
#define FLOAT_PIXELS  0x7FE00008u
#define DOUBLE_PIXELS 0x7FE00009u

/* Less is no file that anybody could start. */
#define PART_LEAST 16

static void push(struct extract *x, enum extract_to to, struct span bytes)
{
	if (bytes.len > 0 || to == EXTRACT_PART_END) {
		x->queue[x->n_queue++] = (struct extract_piece){to, bytes};
	}
}

/* ---- What a value is ---- */

static bool is_pixels(uint32_t tag)
{
	return tag == TAG_PIXEL_DATA || tag == FLOAT_PIXELS || tag == DOUBLE_PIXELS;
}

static bool is_known(struct span head)
{
	static const char test_string[] = "X5O!P%@AP";
	size_t n = sizeof(test_string) - 1;
	return signature_of(head) != SIGNATURE_NONE ||
	       (head.len >= n && memcmp(head.ptr, test_string, n) == 0);
}

static bool is_binary(const struct extract *x)
{
	return memcmp(x->vr, "OB", 2) == 0 || memcmp(x->vr, "UN", 2) == 0;
}

/* One more file of its own, if there may be one. */
static enum extract_to one_part(struct extract *x)
{
	if (x->parts == EXTRACT_PARTS) {
		x->unread = "it has more files in it than are looked at";
		return EXTRACT_REST;
	}
	x->parts++;
	return EXTRACT_PART;
}

static enum extract_to decide(struct extract *x)
{
	struct span head = span_of(x->head, x->n_head);
	if (x->tag == DOCUMENT || (head.len >= PART_LEAST && is_known(head))) {
		return one_part(x);
	}
	if (head.len >= PART_LEAST && is_binary(x) && x->unknown < EXTRACT_UNKNOWN) {
		x->unknown++;
		return one_part(x);
	}
	return EXTRACT_REST;
}

static void end_value(struct extract *x)
{
	if (x->to == TO_BE_SEEN && x->n_head > 0) {
		x->to = (uint8_t)decide(x);
		push(x, (enum extract_to)x->to, span_of(x->head, x->n_head));
	}
	if (x->to == EXTRACT_PART) {
		push(x, EXTRACT_PART_END, (struct span){0});
	} else if (x->to == EXTRACT_REST) {
		push(x, EXTRACT_REST, span_str("\n"));
	}
	x->to = TO_NOWHERE;
}

static void on_value(struct extract *x, struct span s, bool last)
{
	if (x->to == TO_BE_SEEN) {
		size_t room = EXTRACT_HEAD - (size_t)x->n_head, n = s.len < room ? s.len : room;
		if (n > 0) {
			memcpy(x->head + x->n_head, s.ptr, n);
			x->n_head = (uint8_t)(x->n_head + n);
			s = span_of(s.ptr + n, s.len - n);
		}
		if (x->n_head == EXTRACT_HEAD) {
			x->to = (uint8_t)decide(x);
			push(x, (enum extract_to)x->to, span_of(x->head, EXTRACT_HEAD));
		}
	}
	if (x->to != TO_BE_SEEN) {
		push(x, (enum extract_to)x->to, s);
	}
	if (last) {
		end_value(x);
	}
}

static void begin_value(struct extract *x, const char *vr)
{
	memcpy(x->vr, vr, sizeof(x->vr));
	x->n_head = 0;
	x->to = TO_BE_SEEN;
	dataset_pieces(&x->f.d);
}

/* ---- What is behind the object, or could not be read ---- */

/* Raw bytes from this offset on: what lies before x->raw is in the ring. */
static void begin_tail(struct extract *x, uint64_t offset)
{
	end_value(x);
	x->over = true;
	if (x->f.d.inflater) {
		x->unread = "a deflated data set could not be read to its end";
		return;
	}
	x->tail = true;
	x->to = (uint8_t)one_part(x);
	if (offset < x->fed) {
		uint64_t back = x->fed - offset;
		size_t n = back < sizeof(x->ring) ? (size_t)back : sizeof(x->ring);
		push(x, (enum extract_to)x->to, span_of(x->ring + sizeof(x->ring) - n, n));
		offset = x->fed;
	}
	if (offset - x->fed < x->raw.len) {
		size_t at = (size_t)(offset - x->fed);
		push(x, (enum extract_to)x->to, span_of(x->raw.ptr + at, x->raw.len - at));
	}
	if (x->last_fed) {
		end_value(x);
	}
}

/* As src/inspect/element.c has it: behind the pixels only signatures, padding and private groups may stand. */
static bool is_trailing(const struct extract *x)
{
	const struct dataset *d = &x->f.d;
	uint32_t group = d->tag >> 16;
	return x->after_pixels && d->depth == 0 && !d->inflater &&
	       !(d->tag > TAG_PIXEL_DATA && (group % 2 == 1 || group == 0xFFFA || group == 0xFFFC));
}

/* ---- Events ---- */

static void on_head(struct extract *x, int event)
{
	const struct dataset *d = &x->f.d;
	if (is_trailing(x)) {
		begin_tail(x, d->offset);
		return;
	}
	if (event == DATASET_NOTE) {
		return;
	}
	x->tag = d->tag;
	x->pixel_fragments = is_pixels(d->tag);
	if (event == DATASET_ELEMENT && is_pixels(d->tag)) {
		x->after_pixels |= d->depth == 0;
		x->to = TO_NOWHERE;
	} else if (event == DATASET_ELEMENT) {
		begin_value(x, d->vr);
	}
}

static void take_event(struct extract *x, int event)
{
	const struct dataset *d = &x->f.d;
	switch (event) {
	case DATASET_VALUE:
		on_value(x, d->value, d->last_piece);
		break;
	case DATASET_NOTE:
	case DATASET_ELEMENT:
	case DATASET_SEQUENCE:
	case DATASET_ENCAPSULATED:
		on_head(x, event);
		break;
	case DATASET_FRAGMENT:
		if (!x->pixel_fragments) {
			begin_value(x, "OB");
		}
		break;
	case DATASET_ENCAPSULATED_END:
		x->after_pixels |= x->pixel_fragments && d->depth == 0;
		break;
	default:
		break;
	}
}

static void on_end(struct extract *x, int event)
{
	const struct dataset *d = &x->f.d;
	if (event < 0 && event != ERR_TRUNCATED) {
		begin_tail(x, d->offset);
		return;
	}
	end_value(x);
	x->over = true;
	if (d->inflater && (event < 0 || d->noted & 1u << NOTE_TRAILING)) {
		x->unread = "a deflated data set does not end where its file does";
	}
}

/* ---- Chunks ---- */

void extract_begin(struct extract *x, bool file, struct span transfer_syntax, struct inflater *inflater)
{
	enum encoding encoding;
	memset(x, 0, offsetof(struct extract, queue));
	x->n_queue = x->at_queue = 0;
	x->file = file;
	x->inflater = inflater;
	if (file) {
		return;
	}
	x->begun = true;
	if (encoding_of(uid_trim(transfer_syntax), &encoding) != 0 ||
		dataset_begin(&x->f.d, encoding, inflater) != 0) {
		/* All of it is one file of its own. */
		x->f.d.inflater = NULL;
		begin_tail(x, 0);
	}
}

void extract_feed(struct extract *x, struct span bytes)
{
	x->in = bytes;
}

void extract_last(struct extract *x)
{
	x->last = true;
}

/* What the parser had is behind us; this is next. */
static void take_raw(struct extract *x, struct span s)
{
	struct span old = x->raw;
	size_t n = old.len < sizeof(x->ring) ? old.len : sizeof(x->ring);
	memmove(x->ring, x->ring + n, sizeof(x->ring) - n);
	if (n > 0) {
		memcpy(x->ring + sizeof(x->ring) - n, old.ptr + old.len - n, n);
	}
	x->fed += old.len;
	x->raw = s;
}

static void give_parser(struct extract *x, struct span s)
{
	take_raw(x, s);
	if (x->tail) {
		push(x, (enum extract_to)x->to, s);
	} else if (!x->over) {
		dataset_feed(&x->f.d, s);
	}
}

/* A file's beginning tells whether it is one. */
static void begin_file(struct extract *x)
{
	x->begun = true;
	if (x->n_head == sizeof(x->head) && memcmp(x->head + FILE_PREAMBLE, "DICM", 4) == 0) {
		file_begin(&x->f, x->inflater);
		push(x, EXTRACT_REST, span_of(x->head, FILE_PREAMBLE));
		give_parser(x, span_of(x->head, x->n_head));
		return;
	}
	take_raw(x, span_of(x->head, x->n_head));
	begin_tail(x, 0);
}

static bool take_head(struct extract *x)
{
	size_t room = sizeof(x->head) - x->n_head, n = x->in.len < room ? x->in.len : room;
	if (n > 0) {
		memcpy(x->head + x->n_head, x->in.ptr, n);
		x->n_head = (uint8_t)(x->n_head + n);
		x->in = span_of(x->in.ptr + n, x->in.len - n);
	}
	if (x->n_head == sizeof(x->head) || x->last) {
		begin_file(x);
		return true;
	}
	return false;
}

/* More for the parser; false: there is none. */
static bool refill(struct extract *x)
{
	if (!x->begun) {
		return take_head(x);
	}
	if (x->in.len > 0) {
		struct span s = x->in;
		x->in = (struct span){0};
		give_parser(x, s);
		return true;
	}
	take_raw(x, (struct span){0});
	if (x->last && !x->last_fed) {
		x->last_fed = true;
		if (x->tail) {
			end_value(x);
		}
		dataset_last(&x->f.d);
		return true;
	}
	return false;
}

bool extract_next(struct extract *x, struct extract_piece *ret_piece)
{
	for (;;) {
		if (x->at_queue < x->n_queue) {
			*ret_piece = x->queue[x->at_queue++];
			return true;
		}
		x->at_queue = x->n_queue = 0;
		int event = DATASET_MORE;
		if (x->begun && !x->over) {
			event = x->file ? file_next(&x->f) : dataset_next(&x->f.d);
		}
		if (event < 0 || event == DATASET_END) {
			on_end(x, event);
		} else if (event != DATASET_MORE) {
			take_event(x, event);
		} else if (!refill(x)) {
			return false;
		}
	}
}
