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

/* What follows the tag in explicit VR. */
static int read_explicit(struct reader *r, bool big, struct element_head *h)
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
	memcpy(h->vr, vr.ptr, 2);
	err = read_u16(r, big, &length);
	if (err) {
		return err;
	}
	if (has_short_length(vr)) {
		h->length = length;
		return 0;
	}
	h->reserved = length != 0;
	return read_u32(r, big, &h->length);
}

int element_read_head(struct reader *r, enum encoding encoding, struct element_head *ret_head)
{
	struct reader at = *r;
	struct element_head h = {0};
	bool big = encoding == ENCODING_EXPLICIT_BE;
	uint16_t group, element;
	int err = read_u16(&at, big, &group);
	err = err ? err : read_u16(&at, big, &element);
	if (err) {
		return err;
	}
	h.tag = (uint32_t)group << 16 | element;
	if (group == 0xFFFE || encoding == ENCODING_IMPLICIT_LE) { /* PS3.5 7.5: items have no VR */
		err = read_u32(&at, big, &h.length);
	} else {
		err = read_explicit(&at, big, &h);
	}
	if (err == 0) {
		*r = at;
		*ret_head = h;
	}
	return err;
}
