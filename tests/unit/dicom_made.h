/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DICOM_MADE_H
#define TESTS_DICOM_MADE_H

#include "net_bytes.h"

#include "base/writer.h"
#include "dicom/dataset.h"

/* The tests' own writer of elements, in each encoding; it does not use the tables that it tests. */
static inline void put_u16(struct writer *w, enum encoding e, uint16_t v)
{
	if (e == ENCODING_EXPLICIT_BE) {
		writer_u16be(w, v);
	} else {
		writer_u16le(w, v);
	}
}

static inline void put_u32(struct writer *w, enum encoding e, uint32_t v)
{
	if (e == ENCODING_EXPLICIT_BE) {
		writer_u32be(w, v);
	} else {
		writer_u32le(w, v);
	}
}

static inline void put_tag(struct writer *w, enum encoding e, uint32_t tag)
{
	put_u16(w, e, (uint16_t)(tag >> 16));
	put_u16(w, e, (uint16_t)tag);
}

static inline bool is_long_vr(const char *vr)
{
	static const char longs[] = "OB OD OF OL OV OW SQ SV UC UN UR UT UV ZZ";
	return strstr(longs, vr) != NULL;
}

static inline void put_head(struct writer *w, enum encoding e, uint32_t tag, const char *vr, uint32_t len)
{
	put_tag(w, e, tag);
	if (e == ENCODING_IMPLICIT_LE || tag >> 16 == 0xFFFE) {
		put_u32(w, e, len);
		return;
	}
	writer_bytes(w, vr, 2);
	if (is_long_vr(vr)) {
		writer_u16le(w, 0);
		put_u32(w, e, len);
	} else {
		put_u16(w, e, (uint16_t)len);
	}
}

static inline void put_text(struct writer *w, enum encoding e, uint32_t tag, const char *vr, const char *text)
{
	put_head(w, e, tag, vr, (uint32_t)strlen(text));
	writer_bytes(w, text, strlen(text));
}

static inline void put_item(struct writer *w, enum encoding e, uint32_t len)
{
	put_head(w, e, TAG_ITEM, "", len);
}

static inline void put_item_end(struct writer *w, enum encoding e)
{
	put_head(w, e, TAG_ITEM_DELIMITER, "", 0);
}

static inline void put_sequence_end(struct writer *w, enum encoding e)
{
	put_head(w, e, TAG_SEQUENCE_DELIMITER, "", 0);
}

#endif
