/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/originals.h"

#include "base/sha256.h"
#include "dicom/vr.h"
#include "transform/deidentify.h"

#define ROOM         256 /* for what stands before the elements */
#define TAG_CHARSET  0x00080005u
#define TAG_MODIFIED 0x04000550u

void originals_begin(struct originals *o)
{
	o->last = 0;
	o->w = writer_of(o->bytes + ROOM, sizeof(o->bytes) - ROOM);
}

static void put_tag(struct writer *w, uint32_t tag)
{
	writer_u16le(w, (uint16_t)(tag >> 16));
	writer_u16le(w, (uint16_t)tag);
}

static void put_mark(struct writer *w, uint32_t tag, uint32_t length)
{
	put_tag(w, tag);
	writer_u32le(w, length);
}

static void put_element(struct writer *w, uint32_t tag, const char *vr, struct span value)
{
	size_t odd = value.len % 2;
	put_tag(w, tag);
	writer_bytes(w, vr, 2);
	if (vr_flags(vr) & VR_SHORT) {
		writer_u16le(w, (uint16_t)(value.len + odd));
	} else {
		writer_u16le(w, 0);
		writer_u32le(w, (uint32_t)(value.len + odd));
	}
	writer_span(w, value);
	writer_fill(w, memcmp(vr, "UI", 2) == 0 ? 0 : ' ', odd);
}

void originals_take(void *arg, const struct dataset *where, struct span value)
{
	struct originals *o = arg;
	bool is_ours = where->depth == 0 && (where->tag >> 16 & 1) == 0 && where->tag > o->last;
	bool fits = !where->truncated && value.len <= 0xFFFE && value.len > 0;
	if (is_ours && fits && vr_is_text(where->vr)) {
		o->last = where->tag;
		put_element(&o->w, where->tag, where->vr, value);
	}
}

int originals_end(struct originals *o, struct span charset, struct span *ret_data_set)
{
	uint8_t before[ROOM];
	struct writer b = writer_of(before, sizeof(before));
	if (o->last == 0) {
		return ERR_MISSING;
	}
	put_tag(&b, TAG_MODIFIED);
	writer_bytes(&b, "SQ\0\0\xFF\xFF\xFF\xFF", 8);
	put_mark(&b, TAG_ITEM, UNDEFINED_LENGTH);
	if (charset.len > 0) {
		put_element(&b, TAG_CHARSET, "CS", charset);
	}
	put_mark(&o->w, TAG_ITEM_DELIMITER, 0);
	put_mark(&o->w, TAG_SEQUENCE_DELIMITER, 0);
	if (writer_end(&b) < 0 || writer_end(&o->w) < 0) {
		return ERR_LIMIT;
	}
	memcpy(o->bytes + ROOM - b.len, before, b.len);
	*ret_data_set = span_of(o->bytes + ROOM - b.len, b.len + o->w.len);
	return 0;
}

int originals_mark(const struct pseudonyms *p, struct span data_set, struct span recipients,
	uint8_t ret_mark[ORIGINALS_MARK])
{
	uint8_t digest[SHA256_LEN], made[32];
	if (!sha256_of(recipients, data_set, span_of(NULL, 0), digest) || !sha256_forget()) {
		return ERR_TLS;
	}
	int e = p->make(p->arg, PSEUDONYM_ORIGINALS, span_of(digest, sizeof(digest)), made);
	if (e == 0) {
		memcpy(ret_mark, made, ORIGINALS_MARK);
	}
	return e;
}
