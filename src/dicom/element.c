/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/element.h"

#include "dicom/vr.h"

static int read_u16(struct reader *r, bool big, uint16_t *ret)
{
	return big ? reader_u16be(r, ret) : reader_u16le(r, ret);
}

static int read_u32(struct reader *r, bool big, uint32_t *ret)
{
	return big ? reader_u32be(r, ret) : reader_u32le(r, ret);
}

static bool is_capital(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_printable(uint8_t c)
{
	return c >= 0x20 && c <= 0x7E;
}

static bool has_short_length(struct span vr)
{
	unsigned flags = vr_flags((const char *)vr.ptr);
	if (flags) {
		return flags & VR_SHORT;
	}
	return !is_capital(vr.ptr[0]) || !is_capital(vr.ptr[1]);
}

/* What follows the tag in explicit VR; ret_vr: two bytes. */
static int read_explicit(
	struct reader *r, bool big, struct span *ret_vr, uint32_t *ret_length, bool *ret_reserved)
{
	struct span vr;
	uint16_t length;
	int err = reader_bytes(r, 2, &vr);
	if (err) {
		return err;
	}
	if (!is_printable(vr.ptr[0]) || !is_printable(vr.ptr[1])) {
		return ERR_VALUE;
	}
	err = read_u16(r, big, &length);
	if (err) {
		return err;
	}
	*ret_vr = vr;
	if (has_short_length(vr)) {
		*ret_length = length;
		return 0;
	}
	*ret_reserved = length != 0;
	return read_u32(r, big, ret_length);
}

int element_read_head(struct reader *r, enum encoding encoding, struct element_head *ret_head)
{
	static const uint8_t none[2];
	struct reader at = *r;
	bool big = encoding == ENCODING_EXPLICIT_BE, reserved = false;
	uint16_t group, element;
	uint32_t length = 0;
	struct span vr = span_of(none, sizeof(none));
	int err = read_u16(&at, big, &group);
	err = err ? err : read_u16(&at, big, &element);
	if (err) {
		return err;
	}
	if (group == 0xFFFE || encoding == ENCODING_IMPLICIT_LE) { /* PS3.5 7.5: items have no VR */
		err = read_u32(&at, big, &length);
	} else {
		err = read_explicit(&at, big, &vr, &length, &reserved);
	}
	if (err) {
		return err;
	}
	/* Field by field: a struct that was just written so, and is then copied whole, makes the processor wait for it. */
	ret_head->tag = (uint32_t)group << 16 | element;
	ret_head->length = length;
	ret_head->reserved = reserved;
	memcpy(ret_head->vr, vr.ptr, 2);
	ret_head->vr[2] = '\0';
	r->pos = at.pos;
	return 0;
}
