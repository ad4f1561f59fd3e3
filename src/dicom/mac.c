/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/mac.h"
#include "dicom/vr.h"

#define TAG_LENGTH_TO_END  0x00080001u
#define TAG_MAC_PARAMETERS 0x4FFE0001u
#define GROUP_SIGNATURES   0xFFFAu
#define TAG_PADDING        0xFFFCFFFCu

bool mac_scope_is_here(const struct mac_scope *s, const struct dataset *d)
{
	if (d->depth != s->depth) {
		return false;
	}
	for (unsigned i = 0; i < s->depth; i++) {
		if (d->path[i] != s->path[i] || dataset_item_number(d, i) != s->item[i]) {
			return false;
		}
	}
	return true;
}

bool mac_scope_same(const struct mac_scope *a, const struct mac_scope *b)
{
	size_t n = a->depth * sizeof(a->path[0]);
	return a->depth == b->depth && memcmp(a->path, b->path, n) == 0 && memcmp(a->item, b->item, n) == 0;
}

bool mac_is_signable(uint32_t tag)
{
	return tag >> 16 >= 8 && tag != TAG_LENGTH_TO_END && (tag & 0xFFFF) != 0 &&
	       tag >> 16 != GROUP_SIGNATURES && tag != TAG_MAC_PARAMETERS && tag != TAG_PADDING;
}

static const char *vr_of(const struct mac *m, const struct dataset *d, enum encoding encoding)
{
	return encoding == ENCODING_IMPLICIT_LE ? implied_vr(&m->implied, d) : d->vr;
}

void mac_representation(struct mac *m, bool is_signed)
{
	implied_representation(&m->implied, 0, is_signed);
}

bool mac_is_signed(const struct mac *m)
{
	return implied_is_signed(&m->implied);
}

/* ---- Bytes ---- */

static void put(struct mac *m, const void *bytes, size_t n)
{
	m->sink(m->arg, span_of(bytes, n));
}

static void put_tag(struct mac *m, uint32_t tag)
{
	const uint8_t bytes[4] = {
		(uint8_t)(tag >> 16), (uint8_t)(tag >> 24), (uint8_t)tag, (uint8_t)(tag >> 8)};
	put(m, bytes, sizeof(bytes));
}

/* Without a length: PS3.3 C.12.1.1.3.1.2 of sequences and fragments. */
static void put_open(struct mac *m, uint32_t tag, const char *vr)
{
	const uint8_t rest[4] = {(uint8_t)vr[0], (uint8_t)vr[1], 0, 0};
	put_tag(m, tag);
	put(m, rest, sizeof(rest));
}

static int put_head(struct mac *m, uint32_t tag, const char *vr, uint32_t length)
{
	const uint8_t size[4] = {
		(uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16), (uint8_t)(length >> 24)};
	unsigned flags = vr_flags(vr);
	if (!(flags & VR_STANDARD) || memcmp(vr, "UN", 2) == 0) {
		return ERR_UNSUPPORTED;
	}
	if (!(flags & VR_SHORT)) {
		put_open(m, tag, vr);
		put(m, size, 4);
		return 0;
	}
	if (length > 0xFFFF) {
		return ERR_LENGTH;
	}
	put_tag(m, tag);
	put(m, vr, 2);
	put(m, size, 2);
	return 0;
}

static void put_value(struct mac *m, struct span value)
{
	if (m->unit == 1) {
		put(m, value.ptr, value.len);
		return;
	}
	for (size_t i = 0; i < value.len; i++) {
		m->carry[m->unit - 1 - m->n_carry++] = value.ptr[i];
		if (m->n_carry == m->unit) {
			put(m, m->carry, m->unit);
			m->n_carry = 0;
		}
	}
}

/* ---- Events ---- */

static bool is_listed(const struct mac *m, uint32_t tag)
{
	size_t low = 0, high = m->n_tags;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (m->tags[middle] == tag) {
			return true;
		}
		if (m->tags[middle] < tag) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return false;
}

/* Does an element of the scope begin that is signed? */
static bool begins(const struct mac *m, const struct dataset *d)
{
	return !m->inside && mac_scope_is_here(m->scope, d) && mac_is_signable(d->tag) &&
	       is_listed(m, d->tag) != m->but;
}

static int begin_element(struct mac *m, struct dataset *d, enum encoding encoding)
{
	if (m->inside ? m->apart || !mac_is_signable(d->tag) : !begins(m, d)) {
		return 0;
	}
	const char *vr = vr_of(m, d, encoding);
	m->guesses = encoding == ENCODING_IMPLICIT_LE && implied_is_guess(&m->implied, d);
	m->n_signed += !m->inside;
	m->has_value = true;
	m->unit = encoding == ENCODING_EXPLICIT_BE ? (uint8_t)vr_unit(vr) : 1;
	m->n_carry = 0;
	dataset_pieces(d);
	return put_head(m, d->tag, vr, d->length);
}

static int begin_open(struct mac *m, const struct dataset *d, const char *vr)
{
	if (m->inside ? m->apart : !begins(m, d)) {
		return 0;
	}
	if (m->inside && !mac_is_signable(d->tag)) {
		m->apart = true;
		m->apart_depth = d->depth;
		return 0;
	}
	if (d->vr[0] && memcmp(d->vr, "UN", 2) == 0) {
		return ERR_UNSUPPORTED;
	}
	if (!m->inside) {
		m->inside = true;
		m->depth = d->depth;
		m->n_signed++;
	}
	put_open(m, d->tag, vr);
	return 0;
}

static void end_open(struct mac *m, const struct dataset *d)
{
	if (m->apart) {
		m->apart = d->depth != m->apart_depth;
	} else if (m->inside) {
		put_tag(m, TAG_SEQUENCE_DELIMITER);
		m->inside = d->depth != m->depth;
	}
}

static void take_value(struct mac *m, const struct dataset *d)
{
	if (m->has_value) {
		put_value(m, d->value);
		m->has_value = !d->last_piece;
	}
}

/* Pixel Representation is looked at whether it is signed or not: its value is seen as it passes. */
static void look(struct mac *m, struct dataset *d, int event)
{
	if (event == DATASET_ITEM) {
		implied_item(&m->implied, d->depth);
	} else if (event == DATASET_ELEMENT) {
		m->wants_representation = d->tag == TAG_PIXEL_REPRESENTATION && d->length == 2;
		if (m->wants_representation && !m->has_value) {
			dataset_collect(d, m->representation, sizeof(m->representation));
		}
	} else if (event == DATASET_VALUE && m->wants_representation && d->value.len > 0) {
		implied_representation(&m->implied, d->depth, d->value.ptr[0] == 1);
		m->wants_representation = false;
	}
}

int mac_event(struct mac *m, struct dataset *d, int event, enum encoding encoding)
{
	int e = 0;
	switch (event) {
	case DATASET_ELEMENT:
		m->has_value = false;
		e = begin_element(m, d, encoding);
		break;
	case DATASET_VALUE:
		take_value(m, d);
		break;
	case DATASET_SEQUENCE:
		e = begin_open(m, d, "SQ");
		break;
	case DATASET_ENCAPSULATED:
		e = begin_open(m, d, "OB"); /* PS3.5 A.4: what else a device may have written */
		break;
	case DATASET_ITEM:
	case DATASET_FRAGMENT:
		m->has_value = event == DATASET_FRAGMENT && m->inside && !m->apart;
		if (m->inside && !m->apart) {
			put_tag(m, TAG_ITEM);
		}
		if (m->has_value) {
			m->unit = 1;
			dataset_pieces(d);
		}
		break;
	case DATASET_SEQUENCE_END:
	case DATASET_ENCAPSULATED_END:
		end_open(m, d);
		break;
	default:
		break;
	}
	if (encoding == ENCODING_IMPLICIT_LE) {
		look(m, d, event);
	}
	return e;
}

/* ---- What can be signed ---- */

static bool is_unknown(const struct dataset *d, enum encoding encoding)
{
	unsigned flags = vr_flags(d->vr);
	bool is_long = d->length != UNDEFINED_LENGTH && d->length > 0xFFFF;
	return !(flags & VR_STANDARD) || memcmp(d->vr, "UN", 2) == 0 ||
	       (encoding == ENCODING_IMPLICIT_LE && flags & VR_SHORT && is_long);
}

int mac_list_event(struct mac_list *l, const struct dataset *d, int event, enum encoding encoding)
{
	bool begins = event == DATASET_ELEMENT || event == DATASET_SEQUENCE || event == DATASET_ENCAPSULATED;
	bool ends = event == DATASET_SEQUENCE_END || event == DATASET_ENCAPSULATED_END;
	bool here = (begins || ends) && mac_scope_is_here(l->scope, d);
	bool unknown = begins && is_unknown(d, encoding);
	if (begins && l->inside) {
		l->spoilt = l->spoilt || unknown;
		return 0;
	}
	if (ends && here && l->inside) {
		l->n -= l->spoilt; /* it is the last that was listed */
		l->inside = false;
		return 0;
	}
	if (!begins || !here || unknown || !mac_is_signable(d->tag)) {
		return 0;
	}
	if (l->n == MAC_TAGS_MOST) {
		return ERR_LIMIT;
	}
	l->tags[l->n++] = d->tag;
	l->inside = event != DATASET_ELEMENT;
	l->spoilt = false;
	return 0;
}
