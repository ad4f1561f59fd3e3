/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/signed.h"
#include "dicom/vr.h"

#include <stdlib.h>

#define TAG_MAC_PARAMETERS 0x4FFE0001u
#define TAG_SIGNATURES     0xFFFAFFFAu
#define TAG_PURPOSE        0x04000401u
#define TAG_CODE_VALUE     0x00080100u
#define TAG_CODING_SCHEME  0x00080102u

enum field {
	NO_FIELD,
	MAC_ID,
	MAC_SYNTAX,
	MAC_ALGORITHM,
	MAC_TAGS,
	SIGNATURE_UID,
	SIGNATURE_TIME,
	CERTIFICATE_TYPE,
	CERTIFICATE,
	SIGNATURE,
	TIMESTAMP_TYPE,
	TIMESTAMP,
	PURPOSE,
	PURPOSE_SCHEME,
};

static const struct {
	uint32_t tag;
	enum field field;
	char vr[3];
} fields[] = {
	{0x04000005, MAC_ID, "US"},
	{0x04000010, MAC_SYNTAX, "UI"},
	{0x04000015, MAC_ALGORITHM, "CS"},
	{0x04000020, MAC_TAGS, "AT"},
	{0x04000100, SIGNATURE_UID, "UI"},
	{0x04000105, SIGNATURE_TIME, "DT"},
	{0x04000110, CERTIFICATE_TYPE, "CS"},
	{0x04000115, CERTIFICATE, "OB"},
	{0x04000120, SIGNATURE, "OB"},
	{0x04000305, TIMESTAMP_TYPE, "CS"},
	{0x04000310, TIMESTAMP, "OB"},
};

/* ---- Items ---- */

/* What a sequence that begins at the current path is over: all but its own level. */
static struct mac_scope scope_of(const struct dataset *d)
{
	struct mac_scope s = {.depth = d->depth - 1};
	for (unsigned i = 0; i < s.depth; i++) {
		s.path[i] = d->path[i];
		s.item[i] = dataset_item_number(d, i);
	}
	return s;
}

static int begin_item(struct signed_facts *f, const struct dataset *d)
{
	uint32_t sequence = d->path[d->depth - 1];
	if (f->mac || f->signature || (sequence != TAG_MAC_PARAMETERS && sequence != TAG_SIGNATURES)) {
		return 0; /* also within such an item: there are none of these in one */
	}
	bool is_mac = sequence == TAG_MAC_PARAMETERS;
	if ((is_mac ? f->n_macs : f->n_signatures) == SIGNED_MOST) {
		return ERR_LIMIT;
	}
	f->depth = d->depth;
	if (is_mac) {
		f->mac = &f->macs[f->n_macs++];
		*f->mac = (struct signed_mac){.scope = scope_of(d)};
	} else {
		f->signature = &f->signatures[f->n_signatures++];
		*f->signature = (struct signed_signature){.scope = scope_of(d), .number = d->number};
	}
	return 0;
}

static void begin_element(struct signed_facts *f, struct dataset *d)
{
	f->field = NO_FIELD;
	if (!f->mac && !f->signature) {
		return;
	}
	for (unsigned i = 0; d->depth == f->depth && i < ARRAY_LEN(fields); i++) {
		if (fields[i].tag == d->tag && memcmp(fields[i].vr, d->vr, 2) == 0) {
			f->field = (uint8_t)fields[i].field;
		}
	}
	if (f->signature && d->depth == f->depth + 1 && d->path[f->depth] == TAG_PURPOSE) {
		f->field = d->tag == TAG_CODE_VALUE      ? PURPOSE
		           : d->tag == TAG_CODING_SCHEME ? PURPOSE_SCHEME
		                                         : NO_FIELD;
	}
	if (f->field != NO_FIELD) {
		dataset_collect(d, f->buf, sizeof(f->buf));
	}
}

/* ---- Values ---- */

static void set_text(const char *vr, struct span value, char *text, size_t cap)
{
	struct span s = vr_trim(vr, value);
	if (s.len < cap && !memchr(s.ptr ? s.ptr : (const uint8_t *)"", 0, s.len)) {
		memcpy(text, s.ptr ? s.ptr : (const uint8_t *)"", s.len);
		text[s.len] = 0;
	}
}

static int u16(struct reader *r, enum encoding encoding, uint16_t *ret)
{
	return encoding == ENCODING_EXPLICIT_BE ? reader_u16be(r, ret) : reader_u16le(r, ret);
}

static void set_id(struct span value, enum encoding encoding, bool *has, uint16_t *id)
{
	struct reader r = reader_of(value);
	*has = value.len == 2 && u16(&r, encoding, id) == 0;
}

static int set_tags(struct signed_mac *m, struct span value, enum encoding encoding)
{
	struct reader r = reader_of(value);
	size_t n = value.len / 4;
	free(m->tags);
	m->tags = NULL;
	m->n_tags = 0;
	if (n == 0 || value.len % 4 != 0) {
		return 0;
	}
	m->tags = malloc(n * sizeof(*m->tags));
	if (!m->tags) {
		return ERR_NO_MEMORY;
	}
	for (; m->n_tags < n; m->n_tags++) {
		uint16_t group, element;
		if (u16(&r, encoding, &group) < 0 || u16(&r, encoding, &element) < 0) {
			break;
		}
		m->tags[m->n_tags] = (uint32_t)group << 16 | element;
	}
	return 0;
}

static int set_bytes(struct span value, size_t most, uint8_t **bytes, size_t *len)
{
	free(*bytes);
	*bytes = NULL;
	*len = 0;
	if (value.len == 0 || value.len > most) {
		return 0;
	}
	*bytes = malloc(value.len);
	if (!*bytes) {
		return ERR_NO_MEMORY;
	}
	memcpy(*bytes, value.ptr, value.len);
	*len = value.len;
	return 0;
}

static int take_mac(struct signed_facts *f, struct span value, enum encoding encoding)
{
	struct signed_mac *m = f->mac;
	switch (f->field) {
	case MAC_ID:
		set_id(value, encoding, &m->has_id, &m->id);
		return 0;
	case MAC_SYNTAX:
		set_text("UI", value, m->syntax, sizeof(m->syntax));
		return 0;
	case MAC_ALGORITHM:
		set_text("CS", value, m->algorithm, sizeof(m->algorithm));
		return 0;
	case MAC_TAGS:
		return set_tags(m, value, encoding);
	default:
		return 0;
	}
}

static int take_signature(struct signed_facts *f, struct span value, enum encoding encoding)
{
	struct signed_signature *s = f->signature;
	switch (f->field) {
	case MAC_ID:
		set_id(value, encoding, &s->has_id, &s->id);
		return 0;
	case SIGNATURE_UID:
		set_text("UI", value, s->uid, sizeof(s->uid));
		return 0;
	case SIGNATURE_TIME:
		set_text("DT", value, s->time, sizeof(s->time));
		return 0;
	case CERTIFICATE_TYPE:
		set_text("CS", value, s->certificate_type, sizeof(s->certificate_type));
		return 0;
	case CERTIFICATE:
		return set_bytes(value, SIGNED_CERTIFICATE_MOST, &s->certificate, &s->certificate_len);
	case SIGNATURE:
		s->value_len = value.len <= sizeof(s->value) ? value.len : 0;
		memcpy(s->value, value.ptr ? value.ptr : (const uint8_t *)"", s->value_len);
		return 0;
	case TIMESTAMP:
		return set_bytes(value, sizeof(f->buf), &s->timestamp, &s->timestamp_len);
	case TIMESTAMP_TYPE:
		set_text("CS", value, s->timestamp_type, sizeof(s->timestamp_type));
		return 0;
	case PURPOSE:
		set_text("SH", value, s->purpose, sizeof(s->purpose));
		return 0;
	case PURPOSE_SCHEME:
		set_text("SH", value, s->purpose_scheme, sizeof(s->purpose_scheme));
		return 0;
	default:
		return 0;
	}
}

int signed_event(struct signed_facts *f, struct dataset *d, int event, enum encoding encoding)
{
	switch (event) {
	case DATASET_ITEM:
		return begin_item(f, d);
	case DATASET_ITEM_END:
		if ((f->mac || f->signature) && d->depth == f->depth) {
			f->mac = NULL;
			f->signature = NULL;
		}
		return 0;
	case DATASET_ELEMENT:
		begin_element(f, d);
		if (d->depth == 0 && d->tag == TAG_PIXEL_REPRESENTATION && d->length == 2) {
			dataset_collect(d, f->buf, 2);
		}
		return 0;
	case DATASET_VALUE:
		if (d->depth == 0 && d->tag == TAG_PIXEL_REPRESENTATION && d->length == 2) {
			f->is_signed = (d->value.ptr[0] | d->value.ptr[1]) == 1;
		}
		if (f->signature && f->field == TIMESTAMP) {
			f->signature->has_timestamp = d->value.len > 0; /* also one that is too long */
		}
		if (f->field == NO_FIELD || d->truncated) {
			return 0;
		}
		return f->mac         ? take_mac(f, d->value, encoding)
		       : f->signature ? take_signature(f, d->value, encoding)
		                      : 0;
	default:
		return 0;
	}
}

void signed_done(struct signed_facts *f)
{
	for (unsigned i = 0; i < f->n_macs; i++) {
		free(f->macs[i].tags);
	}
	for (unsigned i = 0; i < f->n_signatures; i++) {
		free(f->signatures[i].certificate);
		free(f->signatures[i].timestamp);
	}
	f->n_macs = f->n_signatures = 0;
}

const struct signed_mac *signed_mac_of(const struct signed_facts *f, const struct signed_signature *s)
{
	const struct signed_mac *found = NULL;
	for (unsigned i = 0; s->has_id && i < f->n_macs; i++) {
		const struct signed_mac *m = &f->macs[i];
		if (m->has_id && m->id == s->id && mac_scope_same(&m->scope, &s->scope)) {
			if (found) {
				return NULL;
			}
			found = m;
		}
	}
	return found;
}
