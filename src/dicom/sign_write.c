/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/sign_write.h"
#include "dicom/vr.h"

#define TAG_MAC_PARAMETERS 0x4FFE0001u
#define TAG_SIGNATURES     0xFFFAFFFAu

/* ---- Places ---- */

static void look_for(struct sign_places *all, struct sign_place *p, bool *found, uint32_t sequence,
	const struct dataset *d, int event, enum encoding encoding)
{
	bool begins = event == DATASET_ELEMENT || event == DATASET_SEQUENCE || event == DATASET_ENCAPSULATED;
	if (begins && d->tag == sequence) {
		*found = true;
		p->is_there = true;
		p->has_length = d->length != UNDEFINED_LENGTH;
		p->length = d->length;
		p->length_at = d->offset + (encoding == ENCODING_IMPLICIT_LE ? 4 : 8);
		all->odd = all->odd || event != DATASET_SEQUENCE || memcmp(d->vr, "SQ", 2) != 0;
	} else if (event == DATASET_SEQUENCE_END && d->tag == sequence) {
		p->at = d->offset;
	} else if (begins && d->tag > sequence && !*found) {
		*found = true;
		p->at = d->offset;
	}
}

void sign_places_event(struct sign_places *p, const struct dataset *d, int event, enum encoding encoding)
{
	if (d->depth == 0) {
		look_for(p, &p->mac, &p->mac_found, TAG_MAC_PARAMETERS, d, event, encoding);
		look_for(p, &p->signature, &p->signature_found, TAG_SIGNATURES, d, event, encoding);
	}
}

void sign_places_end(struct sign_places *p, uint64_t end)
{
	p->mac.at = p->mac_found ? p->mac.at : end;
	p->signature.at = p->signature_found ? p->signature.at : end;
}

/* ---- Bytes ---- */

static void put_u16(struct writer *w, uint16_t n, enum encoding encoding)
{
	if (encoding == ENCODING_EXPLICIT_BE) {
		writer_u16be(w, n);
	} else {
		writer_u16le(w, n);
	}
}

static void put_u32(struct writer *w, uint32_t n, enum encoding encoding)
{
	if (encoding == ENCODING_EXPLICIT_BE) {
		writer_u32be(w, n);
	} else {
		writer_u32le(w, n);
	}
}

static void put_tag(struct writer *w, uint32_t tag, enum encoding encoding)
{
	put_u16(w, (uint16_t)(tag >> 16), encoding);
	put_u16(w, (uint16_t)tag, encoding);
}

static void put_head(struct writer *w, uint32_t tag, const char *vr, size_t length, enum encoding encoding)
{
	put_tag(w, tag, encoding);
	if (encoding == ENCODING_IMPLICIT_LE) {
		put_u32(w, (uint32_t)length, encoding);
		return;
	}
	writer_bytes(w, vr, 2);
	if (vr_flags(vr) & VR_SHORT) {
		put_u16(w, (uint16_t)length, encoding);
	} else {
		writer_u16le(w, 0);
		put_u32(w, (uint32_t)length, encoding);
	}
}

static void put_bytes(
	struct writer *w, uint32_t tag, const char *vr, struct span s, uint8_t pad, enum encoding encoding)
{
	put_head(w, tag, vr, s.len + s.len % 2, encoding);
	writer_span(w, s);
	if (s.len % 2 == 1) {
		writer_u8(w, pad);
	}
}

static void put_text(struct writer *w, uint32_t tag, const char *vr, const char *text, enum encoding encoding)
{
	put_bytes(w, tag, vr, span_str(text), memcmp(vr, "UI", 2) == 0 ? 0 : ' ', encoding);
}

static void put_id(struct writer *w, uint16_t id, enum encoding encoding)
{
	put_head(w, 0x04000005, "US", 2, encoding);
	put_u16(w, id, encoding);
}

static void put_mac(const struct sign_fields *f, enum encoding encoding, struct writer *w)
{
	put_id(w, f->id, encoding);
	put_text(w, 0x04000010, "UI", f->syntax, encoding);
	put_text(w, 0x04000015, "CS", f->algorithm, encoding);
	put_head(w, 0x04000020, "AT", 4 * f->n_tags, encoding);
	for (size_t i = 0; i < f->n_tags; i++) {
		put_tag(w, f->tags[i], encoding);
	}
}

static void put_signature(const struct sign_fields *f, enum encoding encoding, struct writer *w)
{
	put_id(w, f->id, encoding);
	put_text(w, 0x04000100, "UI", f->uid, encoding);
	put_text(w, 0x04000105, "DT", f->time, encoding);
	put_text(w, 0x04000110, "CS", "X509_1993_SIG", encoding); /* PS3.15 C.1 */
	if (f->value.len > 0) {
		put_bytes(w, 0x04000115, "OB", f->certificate, 0, encoding);
		put_bytes(w, 0x04000120, "OB", f->value, 0, encoding);
	}
}

/* An item of a known length, by writing it twice: once to see how long it is. */
static int put_item(const struct sign_fields *f,
	void (*put)(const struct sign_fields *f, enum encoding encoding, struct writer *w), uint32_t sequence,
	bool whole, enum encoding encoding, struct writer *w)
{
	struct writer trial = *w;
	size_t before = w->len;
	put(f, encoding, &trial);
	if (writer_end(&trial) < 0) {
		return ERR_SPACE;
	}
	size_t len = trial.len - before;
	if (whole) {
		put_head(w, sequence, "SQ", len + 8, encoding);
	}
	put_tag(w, TAG_ITEM, encoding);
	put_u32(w, (uint32_t)len, encoding);
	put(f, encoding, w);
	return writer_end(w);
}

int sign_write_mac(const struct sign_fields *f, bool whole, enum encoding encoding, struct writer *w)
{
	return put_item(f, put_mac, TAG_MAC_PARAMETERS, whole, encoding, w);
}

int sign_write_signature(const struct sign_fields *f, bool whole, enum encoding encoding, struct writer *w)
{
	if (f->value.len == 0) {
		put_signature(f, encoding, w);
		return writer_end(w);
	}
	return put_item(f, put_signature, TAG_SIGNATURES, whole, encoding, w);
}

int sign_write_stamp(struct span token, enum encoding encoding, struct writer *w)
{
	put_text(w, 0x04000305, "CS", "CMS_TSP", encoding);
	put_bytes(w, 0x04000310, "OB", token, 0, encoding);
	return writer_end(w);
}

void sign_write_length(uint32_t length, enum encoding encoding, uint8_t ret_bytes[4])
{
	struct writer w = writer_of(ret_bytes, 4);
	put_u32(&w, length, encoding);
}
