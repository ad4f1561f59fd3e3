/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/restore.h"

#include "base/writer.h"
#include "dicom/dataset.h"
#include "dicom/tag.h"
#include "dicom/uid.h"
#include "dicom/vr.h"

#define TAG_ENCRYPTED        0x04000500u
#define TAG_SYNTAX           0x04000510u
#define TAG_CONTENT          0x04000520u
#define TAG_MODIFIED         0x04000550u
#define TAG_IDENTITY_REMOVED 0x00120062u
#define TAG_METHOD           0x00120063u
#define TAG_METHOD_CODES     0x00120064u
#define TAG_SOP_INSTANCE     0x00080018u

static int begin(struct dataset *d, struct span data_set, enum encoding encoding)
{
	int e = encoding == ENCODING_DEFLATED_LE ? ERR_UNSUPPORTED : dataset_begin(d, encoding, NULL);
	if (e == 0) {
		dataset_feed(d, data_set);
		dataset_last(d);
	}
	return e;
}

/* ---- What is encrypted ---- */

int restore_find(struct span data_set, enum encoding encoding, struct restore_found ret_found[RESTORE_FOUND],
	unsigned *ret_n)
{
	struct dataset d;
	struct restore_found now = {0};
	unsigned n = 0;
	int e = begin(&d, data_set, encoding), event = DATASET_MORE;
	while (e == 0 && (event = dataset_next(&d)) > 0 && event != DATASET_END) {
		if (d.depth != 1 || d.path[0] != TAG_ENCRYPTED) {
			continue;
		}
		if (event == DATASET_ITEM) {
			now = (struct restore_found){0};
		} else if (event == DATASET_ELEMENT && (d.tag == TAG_SYNTAX || d.tag == TAG_CONTENT)) {
			dataset_pieces(&d);
		} else if (event == DATASET_VALUE) {
			*(d.tag == TAG_SYNTAX ? &now.syntax : &now.cms) = d.value;
		} else if (event == DATASET_ITEM_END && now.cms.len > 0 && n < RESTORE_FOUND) {
			ret_found[n++] = now;
		}
	}
	e = e < 0 ? e : event < 0 ? event : n == 0 ? ERR_MISSING : 0;
	if (e == 0) {
		*ret_n = n;
	}
	return e;
}

/* ---- The originals ---- */

/* An element ends where the next one, or its item's end, begins. */
static void end_one(struct restore *r, struct span all, uint64_t at)
{
	struct span *raw = r->n > 0 ? &r->of[r->n - 1].raw : NULL;
	if (raw && raw->len == 0) {
		raw->len = (size_t)at - (size_t)(raw->ptr - all.ptr);
	}
}

static int take_one(struct restore *r, const struct dataset *d, struct span all, bool is_sequence)
{
	if (r->n == RESTORE_MOST) {
		return ERR_LIMIT;
	}
	if (r->n > 0 && d->tag <= r->of[r->n - 1].tag) {
		return ERR_ORDER;
	}
	struct restore_one *one = &r->of[r->n++];
	*one = (struct restore_one){
		.tag = d->tag, .is_sequence = is_sequence, .raw = {all.ptr + (size_t)d->offset, 0}};
	memcpy(one->vr, d->vr, sizeof(one->vr));
	return 0;
}

static int take(struct restore *r, struct dataset *d, int event, struct span all)
{
	if (d->depth != 1 || d->path[0] != TAG_MODIFIED || dataset_item_number(d, 0) > 1) {
		return 0;
	}
	int e = 0;
	switch (event) {
	case DATASET_ELEMENT:
	case DATASET_SEQUENCE:
	case DATASET_ENCAPSULATED:
		end_one(r, all, d->offset);
		e = take_one(r, d, all, event != DATASET_ELEMENT);
		if (e == 0 && event == DATASET_ELEMENT) {
			dataset_pieces(d);
		}
		return e;
	case DATASET_VALUE:
		r->of[r->n - 1].value = d->value;
		return 0;
	case DATASET_ITEM_END:
		end_one(r, all, d->offset);
		return 0;
	default:
		return 0;
	}
}

int restore_read(struct restore *r, struct span originals, struct span transfer_syntax)
{
	struct dataset d;
	int event = DATASET_MORE;
	r->n = 0;
	int e = encoding_of(transfer_syntax, &r->encoding);
	e = e ? e : begin(&d, originals, r->encoding);
	while (e == 0 && (event = dataset_next(&d)) > 0 && event != DATASET_END) {
		e = take(r, &d, event, originals);
	}
	return e < 0 ? e : event < 0 ? event : r->n == 0 ? ERR_MISSING : 0;
}

struct span restore_instance(const struct restore *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		if (r->of[i].tag == TAG_SOP_INSTANCE) {
			return uid_trim(r->of[i].value);
		}
	}
	return span_of(NULL, 0);
}

/* ---- The data set ---- */

struct merge {
	const struct restore *r;
	const struct restore_output *out;
	enum encoding encoding;
	unsigned at; /* in the originals */
	bool told;   /* Patient Identity Removed */
};

/* Of the three that say that and how it was de-identified, one is written anew (PS3.15 E.1.2). */
static bool is_ours(uint32_t tag)
{
	return tag == TAG_IDENTITY_REMOVED || tag == TAG_METHOD || tag == TAG_METHOD_CODES ||
	       tag == TAG_ENCRYPTED;
}

static void put16(struct writer *w, enum encoding encoding, uint16_t v)
{
	if (encoding == ENCODING_EXPLICIT_BE) {
		writer_u16be(w, v);
	} else {
		writer_u16le(w, v);
	}
}

static void put32(struct writer *w, enum encoding encoding, uint32_t v)
{
	if (encoding == ENCODING_EXPLICIT_BE) {
		writer_u32be(w, v);
	} else {
		writer_u32le(w, v);
	}
}

static int put_text(const struct merge *m, uint32_t tag, const char *vr, struct span value)
{
	uint8_t head[12];
	struct writer w = writer_of(head, sizeof(head));
	put16(&w, m->encoding, (uint16_t)(tag >> 16));
	put16(&w, m->encoding, (uint16_t)tag);
	if (m->encoding == ENCODING_IMPLICIT_LE) {
		put32(&w, m->encoding, (uint32_t)value.len);
	} else if (vr_flags(vr) & VR_SHORT && value.len <= 0xFFFF) {
		writer_bytes(&w, vr, 2);
		put16(&w, m->encoding, (uint16_t)value.len);
	} else {
		/* PS3.5 6.2.2: what has no room for its length is UN. */
		writer_bytes(&w, vr_flags(vr) & VR_SHORT ? "UN" : vr, 2);
		put16(&w, m->encoding, 0);
		put32(&w, m->encoding, (uint32_t)value.len);
	}
	int e = m->out->write(m->out->arg, writer_span_of(&w));
	return e ? e : m->out->write(m->out->arg, value);
}

static int put_one(const struct merge *m, const struct restore_one *one)
{
	if (m->r->encoding == m->encoding) {
		return m->out->write(m->out->arg, one->raw);
	}
	/* In implicit VR it is read as what the dictionary says. */
	bool other = m->encoding == ENCODING_IMPLICIT_LE && !vr_is_text(tag_implied_vr(one->tag));
	return one->is_sequence || !vr_is_text(one->vr) || other ? ERR_UNSUPPORTED
	                                                         : put_text(m, one->tag, one->vr, one->value);
}

/* What comes before a tag; 1 << 32: all. */
static int put_before(struct merge *m, uint64_t tag)
{
	int e = 0;
	for (; e == 0 && m->at < m->r->n && m->r->of[m->at].tag < tag; m->at++) {
		const struct restore_one *one = &m->r->of[m->at];
		if (!m->told && one->tag > TAG_IDENTITY_REMOVED) {
			m->told = true;
			e = put_text(m, TAG_IDENTITY_REMOVED, "CS", span_str("NO"));
		}
		e = e == 0 && !is_ours(one->tag) ? put_one(m, one) : e;
	}
	if (e == 0 && !m->told && tag > TAG_IDENTITY_REMOVED) {
		m->told = true;
		e = put_text(m, TAG_IDENTITY_REMOVED, "CS", span_str("NO"));
	}
	return e;
}

int restore_merge(const struct restore *r, struct span data_set, enum encoding encoding,
	const struct restore_output *out)
{
	struct merge m = {.r = r, .out = out, .encoding = encoding};
	struct dataset d;
	size_t from = 0;
	bool keeps = false;
	int event = DATASET_MORE, e = begin(&d, data_set, encoding);
	while (e == 0 && event != DATASET_END) {
		event = dataset_next(&d);
		bool begins = event == DATASET_ELEMENT || event == DATASET_SEQUENCE ||
		              event == DATASET_ENCAPSULATED;
		if (event <= 0) {
			return event < 0 ? event : ERR_TRUNCATED;
		}
		if (event != DATASET_END && (!begins || d.depth > 0)) {
			continue;
		}
		size_t at = event == DATASET_END ? data_set.len : (size_t)d.offset;
		e = keeps ? out->write(out->arg, span_of(data_set.ptr + from, at - from)) : 0;
		e = e ? e : put_before(&m, event == DATASET_END ? 1ull << 32 : d.tag);
		keeps = !is_ours(d.tag);
		from = at;
		if (event != DATASET_END && m.at < r->n && r->of[m.at].tag == d.tag) {
			keeps = false; /* the original takes its place with what comes next */
		}
	}
	return e;
}
