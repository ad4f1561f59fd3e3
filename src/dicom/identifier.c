/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/identifier.h"

#include "base/reader.h"
#include "dicom/tag.h"

#define ITEM               0xFFFEE000u
#define ITEM_DELIMITER     0xFFFEE00Du
#define SEQUENCE_DELIMITER 0xFFFEE0DDu
#define UNDEFINED_LENGTH   0xFFFFFFFFu

void identifier_begin(struct identifier_walk *w, struct span bytes, enum encoding encoding)
{
	w->bytes = bytes;
	w->pos = 0;
	w->failed = bytes.len > LIMIT_IDENTIFIER ? ERR_LIMIT : 0;
	if (encoding == ENCODING_DEFLATED_LE) {
		w->failed = ERR_UNSUPPORTED;
	}
	w->depth = 0;
	w->n_frames = 1;
	w->frames[0] = (struct identifier_frame){.end = bytes.len, .encoding = encoding};
}

/* ---- Heads ---- */

struct head {
	uint32_t tag, length;
	char vr[3];
};

static int read_u16(struct reader *r, enum encoding encoding, uint16_t *ret)
{
	return encoding == ENCODING_EXPLICIT_BE ? reader_u16be(r, ret) : reader_u16le(r, ret);
}

static int read_u32(struct reader *r, enum encoding encoding, uint32_t *ret)
{
	return encoding == ENCODING_EXPLICIT_BE ? reader_u32be(r, ret) : reader_u32le(r, ret);
}

/* PS3.5 7.1.2: these have a 16-bit length; every other VR, those to come included, has 32 bits. */
static bool has_short_length(const char *vr)
{
	static const char shorts[][3] = {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO",
		"LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"};
	for (size_t i = 0; i < ARRAY_LEN(shorts); i++) {
		if (strcmp(shorts[i], vr) == 0) {
			return true;
		}
	}
	return false;
}

static int read_explicit(struct reader *r, enum encoding encoding, struct head *h)
{
	struct span vr;
	int err = reader_bytes(r, 2, &vr);
	if (err) {
		return err;
	}
	if (vr.ptr[0] < 'A' || vr.ptr[0] > 'Z' || vr.ptr[1] < 'A' || vr.ptr[1] > 'Z') {
		return ERR_VALUE;
	}
	memcpy(h->vr, vr.ptr, 2);
	h->vr[2] = 0;
	if (has_short_length(h->vr)) {
		uint16_t length;
		err = read_u16(r, encoding, &length);
		h->length = err ? 0 : length;
		return err;
	}
	err = reader_skip(r, 2);
	return err ? err : read_u32(r, encoding, &h->length);
}

static void implied_vr(uint32_t tag, char ret[3])
{
	const struct tag_entry *e = tag_find(tag);
	const char *vr = e && e->vr[0] ? e->vr : "UN";
	if ((tag & 0xFFFF) == 0) {
		vr = "UL"; /* PS3.5 7.2: group length */
	}
	memcpy(ret, vr, 3);
}

static int read_head(struct reader *r, enum encoding encoding, struct head *ret)
{
	struct head h = {0};
	uint16_t group, element;
	int err = read_u16(r, encoding, &group);
	err = err ? err : read_u16(r, encoding, &element);
	if (err) {
		return err;
	}
	h.tag = (uint32_t)group << 16 | element;
	if (group == 0xFFFE) {
		err = read_u32(r, encoding, &h.length); /* PS3.5 7.5: items and delimiters have no VR */
	} else if (encoding == ENCODING_IMPLICIT_LE) {
		implied_vr(h.tag, h.vr);
		err = read_u32(r, encoding, &h.length);
	} else {
		err = read_explicit(r, encoding, &h);
	}
	if (err == 0) {
		*ret = h;
	}
	return err;
}

/* ---- Steps ---- */

static struct identifier_frame *top(struct identifier_walk *w)
{
	return &w->frames[w->n_frames - 1];
}

static void pop(struct identifier_walk *w)
{
	if (top(w)->items) {
		w->depth--;
	}
	w->n_frames--;
}

static int push(struct identifier_walk *w, const struct head *h, bool items, enum encoding encoding)
{
	const struct identifier_frame *parent = top(w);
	bool undefined = h->length == UNDEFINED_LENGTH;
	if (!undefined && h->length > parent->end - w->pos) {
		return ERR_TRUNCATED;
	}
	if (items) {
		if (w->depth == LIMIT_SEQUENCE_DEPTH) {
			return ERR_LIMIT;
		}
		w->path[w->depth++] = h->tag;
	}
	size_t end = undefined ? parent->end : w->pos + h->length;
	w->frames[w->n_frames++] = (struct identifier_frame){
		.end = end, .until_delimiter = undefined, .items = items, .encoding = encoding};
	return 0;
}

static int delimiter(struct identifier_walk *w, const struct head *h, uint32_t expected)
{
	if (h->tag != expected || !top(w)->until_delimiter) {
		return ERR_ORDER;
	}
	if (h->length != 0) {
		return ERR_LENGTH;
	}
	pop(w);
	return 0;
}

static int in_sequence(struct identifier_walk *w, const struct head *h)
{
	if (h->tag == ITEM) {
		return push(w, h, false, top(w)->encoding);
	}
	return delimiter(w, h, SEQUENCE_DELIMITER);
}

/* An element's head was read: 1 with the element, or an error. */
static int in_item(struct identifier_walk *w, const struct head *h, struct element *ret)
{
	struct identifier_frame *f = top(w);
	if (f->seen && h->tag <= f->last) {
		return h->tag == f->last ? ERR_DUPLICATE : ERR_ORDER; /* PS3.5 7.1 */
	}
	struct element e = {.tag = h->tag, .depth = w->depth, .path = w->path};
	memcpy(e.vr, h->vr, sizeof(e.vr));
	bool sequence = strcmp(h->vr, "SQ") == 0, unknown = strcmp(h->vr, "UN") == 0;
	if (h->length == UNDEFINED_LENGTH && !sequence && !unknown) {
		return ERR_UNSUPPORTED;
	}
	f->seen = true;
	f->last = h->tag;
	if (sequence || h->length == UNDEFINED_LENGTH) {
		int err = push(w, h, true, unknown ? ENCODING_IMPLICIT_LE : f->encoding);
		if (err) {
			return err;
		}
	} else {
		if (h->length > f->end - w->pos) {
			return ERR_TRUNCATED;
		}
		e.value = span_of(w->bytes.ptr + w->pos, h->length);
		w->pos += h->length;
	}
	*ret = e;
	return 1;
}

/* 1 an element, 0 something between elements, or an error. */
static int step(struct identifier_walk *w, struct element *ret)
{
	const struct identifier_frame *f = top(w);
	if (w->pos == f->end) {
		if (f->until_delimiter) {
			return ERR_TRUNCATED;
		}
		pop(w);
		return 0;
	}
	struct reader r = reader_of(span_of(w->bytes.ptr + w->pos, f->end - w->pos));
	struct head h;
	int err = read_head(&r, f->encoding, &h);
	if (err) {
		return err;
	}
	w->pos += r.pos;
	if (f->items) {
		return in_sequence(w, &h);
	}
	if (h.tag >> 16 == 0xFFFE) {
		return delimiter(w, &h, ITEM_DELIMITER);
	}
	return in_item(w, &h, ret);
}

int identifier_next(struct identifier_walk *w, struct element *ret_element)
{
	while (w->failed == 0 && w->n_frames > 0) {
		int err = step(w, ret_element);
		if (err > 0) {
			return err;
		}
		w->failed = err;
	}
	return w->failed;
}

int identifier_find(struct span bytes, enum encoding encoding, uint32_t tag, struct span *ret_value)
{
	struct identifier_walk w;
	struct element e = {0};
	struct span value = {0};
	bool found = false;
	int err;
	identifier_begin(&w, bytes, encoding);
	while ((err = identifier_next(&w, &e)) == 1) {
		if (e.tag == tag && !found) {
			found = true;
			value = e.value;
		}
	}
	if (err == 0 && found) {
		*ret_value = value;
	}
	return err ? err : found ? 0 : ERR_NOT_FOUND;
}
