/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/transcode.h"

#include "dicom/implementation.h"
#include "dicom/vr.h"

#define TAG_META_LENGTH   0x00020000u
#define TAG_LENGTH_TO_END 0x00080001u
#define SHORT_MOST        65534u /* PS3.5 6.2.2 */

static int refuse(struct transcode *t, const char *why)
{
	t->why = why;
	return ERR_UNSUPPORTED;
}

/* ---- Bytes ---- */

static int flush(struct transcode *t)
{
	struct span s = writer_span_of(&t->out);
	t->out = writer_of(t->bytes, sizeof(t->bytes));
	return s.len > 0 ? t->put(t->arg, s) : 0;
}

/* Room for a head, or a number. */
static int make_room(struct transcode *t)
{
	return t->out.cap - t->out.len < ELEMENT_HEAD_MAX ? flush(t) : 0;
}

static int put_plain(struct transcode *t, struct span s)
{
	if (s.len <= t->out.cap - t->out.len) {
		writer_span(&t->out, s);
		return 0;
	}
	int e = flush(t);
	if (e == 0 && s.len < t->out.cap) {
		writer_span(&t->out, s);
		return 0;
	}
	return e < 0 ? e : t->put(t->arg, s);
}

static int put_swapped(struct transcode *t, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		t->carry[t->unit - 1 - t->n_carry++] = s.ptr[i];
		if (t->n_carry == t->unit) {
			int e = make_room(t);
			if (e < 0) {
				return e;
			}
			writer_bytes(&t->out, t->carry, t->unit);
			t->n_carry = 0;
		}
	}
	return 0;
}

static void write_tag(struct writer *w, uint32_t tag)
{
	writer_u16le(w, (uint16_t)(tag >> 16));
	writer_u16le(w, (uint16_t)tag);
}

static void write_explicit(struct writer *w, uint32_t tag, const char *vr, uint32_t length)
{
	write_tag(w, tag);
	writer_bytes(w, vr, 2);
	if (vr_flags(vr) & VR_SHORT) {
		writer_u16le(w, (uint16_t)length);
	} else {
		writer_u16le(w, 0);
		writer_u32le(w, length);
	}
}

/* Of items and delimiters, and in implicit VR. */
static int put_implicit(struct transcode *t, uint32_t tag, uint32_t length)
{
	int e = make_room(t);
	if (e == 0) {
		write_tag(&t->out, tag);
		writer_u32le(&t->out, length);
	}
	return e;
}

static int put_explicit(struct transcode *t, uint32_t tag, const char *vr, uint32_t length)
{
	int e = make_room(t);
	if (e == 0) {
		write_explicit(&t->out, tag, vr, length);
	}
	return e;
}

/* ---- File meta information ---- */

/* What is written anew, where it belongs before this tag. */
static void give(struct transcode *t, uint32_t before)
{
	static const struct {
		uint32_t tag;
		const char *vr, *value;
	} rows[] = {{0x00020010, "UI", SYNTAX_EXPLICIT_LE}, {0x00020012, "UI", GANTRY_IMPLEMENTATION_CLASS},
		{0x00020013, "SH", GANTRY_IMPLEMENTATION_VERSION}};
	while (t->n_given < ARRAY_LEN(rows) && rows[t->n_given].tag <= before) {
		struct span v = span_str(rows[t->n_given].value);
		const char *vr = rows[t->n_given].vr;
		write_explicit(&t->meta, rows[t->n_given].tag, vr, (uint32_t)(v.len + v.len % 2));
		writer_span(&t->meta, v);
		writer_fill(&t->meta, vr[0] == 'U' ? 0 : ' ', v.len % 2);
		t->n_given++;
	}
}

static bool is_given(uint32_t tag)
{
	return tag == TAG_META_LENGTH || tag == 0x00020010 || tag == 0x00020012 || tag == 0x00020013;
}

static int take_meta(struct transcode *t, int event)
{
	struct dataset *d = &t->f.d;
	switch (event) {
	case DATASET_NOTE:
		return 0;
	case DATASET_ELEMENT:
		if (!(vr_flags(d->vr) & VR_STANDARD)) {
			return refuse(t, "its file meta information has a VR that is not known");
		}
		t->has_value = !is_given(d->tag);
		give(t, d->tag);
		if (t->has_value) {
			t->odd = d->length % 2 == 1;
			write_explicit(&t->meta, d->tag, d->vr, d->length + t->odd);
			dataset_pieces(d);
		}
		break;
	case DATASET_VALUE:
		writer_span(&t->meta, d->value);
		writer_fill(&t->meta, 0, d->last_piece && t->odd);
		break;
	default:
		return refuse(t, "its file meta information has a sequence");
	}
	return writer_end(&t->meta) < 0 ? ERR_LIMIT : 0;
}

/* Preamble and meta information, as soon as that is known to be whole. */
static int end_meta(struct transcode *t)
{
	t->has_data = true;
	give(t, UINT32_MAX);
	if (writer_end(&t->meta) < 0) {
		return ERR_LIMIT;
	}
	writer_fill(&t->out, 0, FILE_PREAMBLE);
	writer_bytes(&t->out, "DICM", 4);
	write_explicit(&t->out, TAG_META_LENGTH, "UL", 4);
	writer_u32le(&t->out, (uint32_t)t->meta.len);
	t->data_at = t->out.len + t->meta.len;
	return put_plain(t, writer_span_of(&t->meta));
}

/* ---- Elements ---- */

static bool is_false_then(uint32_t tag)
{
	return (tag & 0xFFFF) == 0 || tag == TAG_LENGTH_TO_END;
}

static bool is_un(const char *vr)
{
	return memcmp(vr, "UN", 2) == 0;
}

static int begin_element(struct transcode *t)
{
	struct dataset *d = &t->f.d;
	enum encoding encoding = dataset_encoding(d);
	t->has_value = !is_false_then(d->tag);
	if (!t->has_value) {
		return 0;
	}
	dataset_pieces(d);
	t->wants_representation = d->tag == TAG_PIXEL_REPRESENTATION && d->length == 2;
	t->odd = d->length % 2 == 1;
	t->n_carry = 0;
	t->unit = 1;
	uint32_t length = d->length + t->odd;
	const char *vr = encoding == ENCODING_IMPLICIT_LE ? implied_vr(&t->implied, d) : d->vr;
	memcpy(t->vr, vr, sizeof(t->vr));
	if (t->raw[d->depth]) {
		return put_implicit(t, d->tag, length);
	}
	unsigned flags = vr_flags(vr);
	if (encoding == ENCODING_EXPLICIT_BE) {
		if (!(flags & VR_STANDARD)) {
			return refuse(t, "it is big endian, and has a value of a VR that is not known");
		}
		t->unit = (uint8_t)vr_unit(vr);
	}
	if (!(flags & VR_STANDARD) || (flags & VR_SHORT && length > SHORT_MOST)) {
		vr = "UN";
	}
	return put_explicit(t, d->tag, vr, length);
}

static int end_value(struct transcode *t)
{
	if (t->n_carry > 0) {
		return refuse(t, "it is big endian, and has a value that is no whole number");
	}
	int e = t->odd ? make_room(t) : 0;
	if (e == 0 && t->odd) {
		bool spaces = vr_is_text(t->vr) && memcmp(t->vr, "UI", 2) != 0;
		writer_u8(&t->out, spaces ? ' ' : 0);
	}
	return e;
}

static int take_value(struct transcode *t)
{
	const struct dataset *d = &t->f.d;
	if (!t->has_value) {
		return 0;
	}
	if (t->wants_representation && d->value.len > 0) {
		/* Of use in implicit VR alone, which is little endian. */
		implied_representation(&t->implied, d->depth, d->value.ptr[0] == 1);
		t->wants_representation = false;
	}
	int e = t->unit == 1 ? put_plain(t, d->value) : put_swapped(t, d->value);
	return e == 0 && d->last_piece ? end_value(t) : e;
}

static int begin_sequence(struct transcode *t)
{
	const struct dataset *d = &t->f.d;
	bool raw = t->raw[d->depth];
	t->raw[d->depth + 1] = raw || is_un(d->vr);
	return raw ? put_implicit(t, d->tag, UNDEFINED_LENGTH)
	           : put_explicit(t, d->tag, is_un(d->vr) ? "UN" : "SQ", UNDEFINED_LENGTH);
}

/* What stands first in the new data set would be read as more of the meta information. */
static bool is_of_meta(const struct dataset *d, int event)
{
	bool begins = event == DATASET_ELEMENT || event == DATASET_SEQUENCE || event == DATASET_ENCAPSULATED;
	return begins && d->depth == 0 && d->tag >> 16 == 2;
}

static int take(struct transcode *t, int event)
{
	const struct dataset *d = &t->f.d;
	if (is_of_meta(d, event)) {
		return refuse(t, "its data set has file meta information in it");
	}
	switch (event) {
	case DATASET_ELEMENT:
		return begin_element(t);
	case DATASET_VALUE:
		return take_value(t);
	case DATASET_SEQUENCE:
		return begin_sequence(t);
	case DATASET_SEQUENCE_END:
		return put_implicit(t, TAG_SEQUENCE_DELIMITER, 0);
	case DATASET_ITEM:
		implied_item(&t->implied, d->depth);
		return put_implicit(t, TAG_ITEM, UNDEFINED_LENGTH);
	case DATASET_ITEM_END:
		return put_implicit(t, TAG_ITEM_DELIMITER, 0);
	case DATASET_ENCAPSULATED:
		return refuse(t, "its pixels are encoded");
	default:
		return 0;
	}
}

/* ---- For the caller ---- */

void transcode_begin(struct transcode *t, bool is_signed, transcode_put *put, void *arg)
{
	memset(t, 0, sizeof(*t));
	t->put = put;
	t->arg = arg;
	t->meta = writer_of(t->meta_bytes, sizeof(t->meta_bytes));
	t->out = writer_of(t->bytes, sizeof(t->bytes));
	implied_representation(&t->implied, 0, is_signed);
	file_begin(&t->f, &t->inflater);
}

/* To the end of what was fed: DATASET_MORE, or DATASET_END. */
static int go_on(struct transcode *t)
{
	for (;;) {
		int event = file_next(&t->f);
		int e = event < 0 ? event : 0;
		if (e == 0 && !t->f.in_meta && !t->has_data) {
			e = end_meta(t);
		}
		if (e == 0 && event != DATASET_MORE && event != DATASET_END) {
			e = t->f.in_meta ? take_meta(t, event) : take(t, event);
		}
		if (e < 0 || event == DATASET_MORE || event == DATASET_END) {
			return e < 0 ? e : event;
		}
	}
}

int transcode_feed(struct transcode *t, struct span bytes)
{
	file_feed(&t->f, bytes);
	int e = go_on(t);
	return e < 0 ? e : 0;
}

int transcode_end(struct transcode *t)
{
	file_last(&t->f);
	int e = go_on(t);
	return e < 0 ? e : e != DATASET_END ? ERR_TRUNCATED : flush(t);
}
