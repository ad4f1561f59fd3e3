/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_ELEMENT_H
#define DICOM_ELEMENT_H

#include "base/attr.h"
#include "base/reader.h"
#include "dicom/encoding.h"

#define TAG_ITEM               0xFFFEE000u
#define TAG_ITEM_DELIMITER     0xFFFEE00Du
#define TAG_SEQUENCE_DELIMITER 0xFFFEE0DDu
#define TAG_PIXEL_DATA         0x7FE00010u
#define UNDEFINED_LENGTH       0xFFFFFFFFu

/* What stands before a value: PS3.5 7.1.2, 7.1.3, 7.5. */
struct element_head {
	uint32_t tag; /* group << 16 | element */
	uint32_t length;
	char vr[3];    /* as encoded, "" where none is: in implicit VR, and of items and delimiters */
	bool reserved; /* the two reserved bytes after the VR are not zero */
};

/* The most bytes of a head. */
#define ELEMENT_HEAD_MAX 12

/*
 * Read a head; deflated data must be inflated before. A VR that is not the standard's has a 32-bit length if it is two
 * capital letters (PS3.5 6.2: it may be one of a later edition). exception: a 16-bit length if it is other printable
 * text, as devices write that put "??" or blanks there; DCMTK reads them so too. ERR_TRUNCATED. ERR_VALUE: the two
 * bytes are no text, so the element is not in explicit VR.
 */
MUST_USE int element_read_head(struct reader *r, enum encoding encoding, struct element_head *ret_head);

#endif
