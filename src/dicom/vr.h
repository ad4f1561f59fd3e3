/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_VR_H
#define DICOM_VR_H

#include "base/span.h"

#include <stdbool.h>

/* Value representations (PS3.5 6.2). */
enum vr_flag {
	VR_STANDARD = 1u << 0,
	VR_SHORT = 1u << 1,     /* a 16-bit length in explicit VR; every other VR has 32 bits (PS3.5 7.1.2) */
	VR_FRAGMENTS = 1u << 2, /* with undefined length its value is fragments (PS3.5 A.4) */
	VR_TRIM_LEADING = 1u << 3,  /* leading spaces do not signify */
	VR_TRIM_TRAILING = 1u << 4, /* trailing spaces do not */
	VR_TRIM_NUL = 1u << 5,      /* padded with NUL */
};

/* A mask of enum vr_flag; 0 for what is not a VR of the standard, whatever its two bytes are. */
unsigned vr_flags(const char vr[2]);

/* Are its values characters, names and numbers in writing among them? Those are the ones that are padded so that it can be taken off. */
static inline bool vr_is_text(const char vr[2])
{
	return vr_flags(vr) & (VR_TRIM_TRAILING | VR_TRIM_NUL);
}

/* How many bytes change places between the two byte orders (PS3.5 7.3); 1: none do. */
unsigned vr_unit(const char vr[2]);

/*
 * A value without its padding, by its VR: UI ends in one NUL at most; text has spaces. exception: trailing NULs are
 * taken from text too, and trailing spaces from UI, because old devices write both. Borrows what value borrows.
 */
struct span vr_trim(const char vr[2], struct span value);

#endif
