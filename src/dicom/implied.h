/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_IMPLIED_H
#define DICOM_IMPLIED_H

#include "dicom/dataset.h"

/*
 * The VR in explicit VR of what is read in implicit VR (PS3.5 A.1), while a data set streams past: the dictionary's, and where that says
 * "US or SS" what Pixel Representation (0028,0103) says, of the item or of the nearest data set around it that has one (PS3.3 C.7.6.3.1). "OB or
 * OW" and "US or OW" are OW, as PS3.5 A.1 has it.
 */
struct implied {
	uint8_t is_signed[LIMIT_SEQUENCE_DEPTH +
			  1]; /* of each depth: enum; not known is that of the one around it */
};

/* An item of this depth begins: it has said nothing yet. */
void implied_item(struct implied *i, unsigned depth);

/* Pixel Representation of the data set of this depth. */
#define TAG_PIXEL_REPRESENTATION 0x00280103u
void implied_representation(struct implied *i, unsigned depth, bool is_signed);

/* Has that of the whole data set said that numbers are signed? */
bool implied_is_signed(const struct implied *i);

/* Of the element that began last. Static, or the data set's own. */
const char *implied_vr(const struct implied *i, const struct dataset *d);

/* Is that a guess? Pixel Representation may still come, behind this element of a group before it, as (0018,9810). */
bool implied_is_guess(const struct implied *i, const struct dataset *d);

#endif
