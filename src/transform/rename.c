/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/rename.h"
#include "dicom/header_scan.h"
#include "dicom/vr.h"
#include "transform/deidentify_parts.h"

#include <string.h>

#define TAG_PATIENT_ID 0x00100020u
#define TAG_ISSUER     0x00100021u

struct work {
	const struct rename *how;
	enum encoding encoding;
	struct span issuer;
	bool has_patient; /* it names one, who is known by the issuer too */
	unsigned closed;  /* the depth of a sequence that must not be told; DEIDENTIFY_NONE */
	struct dataset d;
	struct writer *w;
};

static void put16(const struct work *k, uint16_t v)
{
	if (k->encoding == ENCODING_EXPLICIT_BE) {
		writer_u16be(k->w, v);
	} else {
		writer_u16le(k->w, v);
	}
}

static void put32(const struct work *k, uint32_t v)
{
	if (k->encoding == ENCODING_EXPLICIT_BE) {
		writer_u32be(k->w, v);
	} else {
		writer_u32le(k->w, v);
	}
}

static void put_tag(const struct work *k, uint32_t tag)
{
	put16(k, (uint16_t)(tag >> 16));
	put16(k, (uint16_t)tag);
}

/* PS3.5 7.1.2, 7.1.3. A VR that is not the standard's is left as it is, with a 32-bit length. */
static void put_head(const struct work *k, uint32_t tag, const char *vr, uint32_t length)
{
	put_tag(k, tag);
	if (k->encoding == ENCODING_IMPLICIT_LE) {
		put32(k, length);
		return;
	}
	writer_bytes(k->w, vr, 2);
	if (vr_flags(vr) & VR_SHORT) {
		put16(k, (uint16_t)length);
	} else {
		put16(k, 0);
		put32(k, length);
	}
}

/* Each of a list, in *out. */
static int rename_uids(const struct work *k, struct span value, struct writer *out)
{
	while (value.len > 0) {
		const uint8_t *end = memchr(value.ptr, '\\', value.len);
		size_t n = end ? (size_t)(end - value.ptr) : value.len;
		struct span uid = uid_trim(span_of(value.ptr, n));
		char name[RENAME_NAME] = "";
		int e = uid.len > 0 ? k->how->uid(k->how->arg, uid, name) : 0;
		if (e < 0) {
			return e;
		}
		writer_span(out, span_str(name));
		n += end ? 1 : 0;
		if (end) {
			writer_u8(out, '\\');
		}
		value = span_of(value.ptr + n, value.len - n);
	}
	if (out->len % 2 != 0) {
		writer_u8(out, 0);
	}
	return writer_end(out);
}

static int rename_patient(const struct work *k, struct span value, struct writer *out)
{
	struct span id = vr_trim("LO", value);
	char name[RENAME_NAME] = "";
	int e = id.len > 0 ? k->how->patient(k->how->arg, k->issuer, id, name) : 0;
	if (e < 0) {
		return e;
	}
	writer_span(out, span_str(name));
	if (out->len % 2 != 0) {
		writer_u8(out, ' ');
	}
	return writer_end(out);
}

/* Nothing, or wildcards alone: it matches everybody (PS3.4 C.2.2.2). */
static bool says_nothing(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (!memchr("*^=\\ ", value.ptr[i], 6)) {
			return false;
		}
	}
	return true;
}

static bool is_uid(const struct dataset *d)
{
	return memcmp(d->vr, "UI", 2) == 0;
}

enum { STAYS, UIDS, PATIENT, NOTHING };

/* What becomes of the value; or ERR_DENIED. */
static int judge(struct work *k)
{
	struct dataset *d = &k->d;
	if (d->tag == TAG_PATIENT_ID && d->depth == 0) {
		return PATIENT;
	}
	if (!k->how->rules) {
		return is_uid(d) ? UIDS : STAYS;
	}
	enum confidentiality c = decide_alone(d, k->how->rules->options);
	if (d->tag == TAG_ISSUER && d->depth == 0 && k->has_patient) {
		return NOTHING;
	}
	if (is_uid(d) && c == CONFIDENTIALITY_U) {
		return UIDS;
	}
	bool told = c == CONFIDENTIALITY_KEEP && k->closed == DEIDENTIFY_NONE;
	return told || says_nothing(d->value) ? STAYS : ERR_DENIED;
}

static int put_value(struct work *k)
{
	static uint8_t names[2 * LIMIT_RENAMED];
	const struct dataset *d = &k->d;
	struct writer out = writer_of(names, sizeof(names));
	if (d->truncated || !d->last_piece) {
		return ERR_LIMIT;
	}
	int what = judge(k), e = what < 0 ? what : 0;
	if (what == UIDS) {
		e = rename_uids(k, d->value, &out);
	} else if (what == PATIENT) {
		e = rename_patient(k, d->value, &out);
	}
	if (e < 0) {
		return e;
	}
	struct span value = what == STAYS ? d->value : writer_span_of(&out);
	if (vr_flags(d->vr) & VR_SHORT && value.len > UINT16_MAX) {
		return ERR_LIMIT;
	}
	put_head(k, d->tag, d->vr, (uint32_t)value.len);
	writer_span(k->w, value);
	return 0;
}

static int put_sequence(struct work *k)
{
	struct dataset *d = &k->d;
	if (k->encoding != ENCODING_IMPLICIT_LE && memcmp(d->vr, "SQ", 2) != 0) {
		return ERR_UNSUPPORTED;
	}
	if (k->how->rules && k->closed == DEIDENTIFY_NONE &&
		decide_alone(d, k->how->rules->options) != CONFIDENTIALITY_KEEP) {
		k->closed = d->depth;
	}
	put_head(k, d->tag, "SQ", UNDEFINED_LENGTH);
	return 0;
}

static int put_event(struct work *k, int event)
{
	static const uint32_t refused = 1u << NOTE_VR_MALFORMED | 1u << NOTE_UNDEFINED_LENGTH |
	                                1u << NOTE_DELIMITER_LENGTH | 1u << NOTE_DELIMITER_STRAY |
	                                1u << NOTE_DELIMITER_MISSING;
	static uint8_t value[LIMIT_RENAMED];
	struct dataset *d = &k->d;
	switch (event) {
	case DATASET_ELEMENT:
		if ((d->tag & 0xFFFF) != 0) {
			dataset_collect(d, value, sizeof(value));
		}
		return 0;
	case DATASET_VALUE:
		return put_value(k);
	case DATASET_SEQUENCE:
		return put_sequence(k);
	case DATASET_ITEM:
		put_tag(k, TAG_ITEM);
		put32(k, UNDEFINED_LENGTH);
		return 0;
	case DATASET_ITEM_END:
	case DATASET_SEQUENCE_END:
		put_tag(k, event == DATASET_ITEM_END ? TAG_ITEM_DELIMITER : TAG_SEQUENCE_DELIMITER);
		put32(k, 0);
		if (event == DATASET_SEQUENCE_END && k->closed == d->depth) {
			k->closed = DEIDENTIFY_NONE;
		}
		return 0;
	case DATASET_NOTE:
		/* The other side may read something else than we do, and so another name. */
		return refused & 1u << d->note ? ERR_VALUE : 0;
	default:
		return ERR_UNSUPPORTED;
	}
}

int rename_data_set(const struct rename *r, struct span transfer_syntax, struct span data, struct writer *w,
	uint32_t *ret_tag)
{
	static struct header_scan scan;
	static struct work k;
	k = (struct work){.how = r, .w = w, .closed = DEIDENTIFY_NONE};
	int event, e = encoding_of(transfer_syntax, &k.encoding);
	if (e == 0 && k.encoding == ENCODING_DEFLATED_LE) {
		return ERR_UNSUPPORTED;
	}
	e = e ? e : header_scan_begin(&scan, transfer_syntax, NULL);
	e = e ? e : dataset_begin(&k.d, k.encoding, NULL);
	if (e < 0) {
		return e;
	}
	e = header_scan_feed(&scan, data);
	e = e == HEADER_MORE ? header_scan_end(&scan) : e;
	if (e < 0) {
		return e;
	}
	k.issuer = header_value(&scan, HEADER_ISSUER);
	k.has_patient = header_value(&scan, HEADER_PATIENT_ID).len > 0;
	dataset_feed(&k.d, data);
	dataset_last(&k.d);
	while ((event = dataset_next(&k.d)) > 0 && event != DATASET_END) {
		e = put_event(&k, event);
		if (e == ERR_DENIED && ret_tag) {
			*ret_tag = k.d.tag;
		}
		if (e < 0) {
			return e;
		}
	}
	return event < 0 ? event : writer_end(w) < 0 ? ERR_SPACE : 0;
}
