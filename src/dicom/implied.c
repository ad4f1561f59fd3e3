/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/implied.h"

enum { UNSAID, UNSIGNED, SIGNED };

/* PS3.6: "US or SS". */
static const uint32_t either[] = {0x00189810, 0x00221452, 0x00280071, 0x00280104, 0x00280105, 0x00280106,
	0x00280107, 0x00280108, 0x00280109, 0x00280110, 0x00280111, 0x00280120, 0x00280121, 0x00281100,
	0x00281101, 0x00281102, 0x00281103, 0x00281111, 0x00281112, 0x00281113, 0x00283002, 0x00409211,
	0x00409216, 0x00603004, 0x00603006};

static bool is_either(uint32_t tag)
{
	for (unsigned i = 0; i < ARRAY_LEN(either); i++) {
		if (either[i] == tag) {
			return true;
		}
	}
	return false;
}

void implied_item(struct implied *i, unsigned depth)
{
	i->is_signed[depth] = UNSAID;
}

void implied_representation(struct implied *i, unsigned depth, bool is_signed)
{
	i->is_signed[depth] = is_signed ? SIGNED : UNSIGNED;
}

bool implied_is_signed(const struct implied *i)
{
	return i->is_signed[0] == SIGNED;
}

/* What the item of the element says, or the nearest data set around it that says anything. */
static uint8_t said(const struct implied *i, const struct dataset *d)
{
	unsigned depth = d->depth;
	while (depth > 0 && i->is_signed[depth] == UNSAID) {
		depth--;
	}
	return i->is_signed[depth];
}

bool implied_is_guess(const struct implied *i, const struct dataset *d)
{
	uint32_t top = d->depth > 0 ? d->path[0] : d->tag;
	return top < TAG_PIXEL_REPRESENTATION && is_either(d->tag) && said(i, d) == UNSAID;
}

const char *implied_vr(const struct implied *i, const struct dataset *d)
{
	if (d->tag == 0x00283006 || d->tag == 0x00281200) {
		return "OW";
	}
	if (!is_either(d->tag)) {
		return d->vr;
	}
	return said(i, d) == SIGNED ? "SS" : "US";
}
