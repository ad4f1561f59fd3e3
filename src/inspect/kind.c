/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "dicom/tag.h"
#include "dicom/vr.h"

/* ---- Kinds of value representations ---- */

static const struct {
	char vr[3];
	uint8_t family, unit; /* unit: bytes of one value; 1: no matter */
} vrs[] = {
	{"AE", FAMILY_TEXT, 1},
	{"AS", FAMILY_TEXT, 1},
	{"AT", FAMILY_NUMBER, 4},
	{"CS", FAMILY_TEXT, 1},
	{"DA", FAMILY_TEXT, 1},
	{"DS", FAMILY_TEXT, 1},
	{"DT", FAMILY_TEXT, 1},
	{"FD", FAMILY_NUMBER, 8},
	{"FL", FAMILY_NUMBER, 4},
	{"IS", FAMILY_TEXT, 1},
	{"LO", FAMILY_TEXT, 1},
	{"LT", FAMILY_TEXT, 1},
	{"OB", FAMILY_BYTES, 1},
	{"OD", FAMILY_BYTES, 8},
	{"OF", FAMILY_BYTES, 4},
	{"OL", FAMILY_BYTES, 4},
	{"OV", FAMILY_BYTES, 8},
	{"OW", FAMILY_BYTES, 2},
	{"PN", FAMILY_TEXT, 1},
	{"SH", FAMILY_TEXT, 1},
	{"SL", FAMILY_NUMBER, 4},
	{"SQ", FAMILY_SEQUENCE, 1},
	{"SS", FAMILY_NUMBER, 2},
	{"ST", FAMILY_TEXT, 1},
	{"SV", FAMILY_NUMBER, 8},
	{"TM", FAMILY_TEXT, 1},
	{"UC", FAMILY_TEXT, 1},
	{"UI", FAMILY_UID, 1},
	{"UL", FAMILY_NUMBER, 4},
	{"UN", FAMILY_ANY, 1},
	{"UR", FAMILY_TEXT, 1},
	{"US", FAMILY_NUMBER, 2},
	{"UT", FAMILY_TEXT, 1},
	{"UV", FAMILY_NUMBER, 8},
};

/* Index of each pair of letters in the table above, and one more; filled by the first letter. */
static unsigned vr_row(const char vr[2])
{
	static const uint8_t first[26] = {['A' - 'A'] = 0,
		['C' - 'A'] = 3,
		['D' - 'A'] = 4,
		['F' - 'A'] = 7,
		['I' - 'A'] = 9,
		['L' - 'A'] = 10,
		['O' - 'A'] = 12,
		['P' - 'A'] = 18,
		['S' - 'A'] = 19,
		['T' - 'A'] = 25,
		['U' - 'A'] = 26};
	unsigned letter = (uint8_t)vr[0] - 'A';
	for (unsigned k = letter < 26 ? first[letter] : (unsigned)ARRAY_LEN(vrs);
		k < ARRAY_LEN(vrs) && vrs[k].vr[0] == vr[0]; k++) {
		if (vrs[k].vr[1] == vr[1]) {
			return k;
		}
	}
	return 29; /* UN */
}

/* Where the dictionary leaves a choice it names one of these (PS3.6 6, "US or SS or OW", "OB or OW"). */
static bool is_choice(const char *vr, const char *other)
{
	static const char *const choices[] = {"USSS", "USOW", "OWOB", "OBOW", "OWUS", "OWSS", "ULUS", "SSUS"};
	for (size_t k = 0; k < ARRAY_LEN(choices); k++) {
		if (memcmp(choices[k], other, 2) == 0 && memcmp(choices[k] + 2, vr, 2) == 0) {
			return true;
		}
	}
	return false;
}

/* Nothing is to be said of it where the dictionary has this. */
static bool fits(const char *vr, const char *dictionary)
{
	if (dictionary[0] == vr[0] && dictionary[1] == vr[1]) {
		return true;
	}
	unsigned is = vrs[vr_row(vr)].family, must = vrs[vr_row(dictionary)].family;
	return is == FAMILY_ANY || must == FAMILY_ANY || vr_flags(vr) == 0 || is_choice(vr, dictionary);
}

unsigned kind_family(const char *vr)
{
	return vrs[vr_row(vr)].family;
}

void kind_check_vr(struct inspect *i)
{
	const char *dictionary = tag_implied_vr(i->e.tag);
	if (!fits(i->e.vr, dictionary)) {
		bool alike = kind_family(i->e.vr) == kind_family(dictionary);
		found_say(i, alike ? CHECK_VR_DIFFERS : CHECK_VR_MISMATCH, "%s, where the dictionary has %s",
			i->e.vr, dictionary);
	}
}

/* ---- Elements that are read for themselves ---- */

static const struct {
	uint32_t tag;
	uint8_t row, which;
} rows[] = {
	{0, ROW_NONE, 0},
	{0x00020002, ROW_IDENTITY, IDENTITY_META_CLASS},
	{0x00020003, ROW_IDENTITY, IDENTITY_META_INSTANCE},
	{0x00020010, ROW_IDENTITY, IDENTITY_SYNTAX},
	{0x00041200, ROW_DIRECTORY, DIRECTORY_FIRST},
	{0x00041202, ROW_DIRECTORY, DIRECTORY_LAST},
	{0x00041400, ROW_DIRECTORY, DIRECTORY_NEXT},
	{0x00041410, ROW_DIRECTORY, DIRECTORY_IN_USE},
	{0x00041420, ROW_DIRECTORY, DIRECTORY_LOWER},
	{0x00041430, ROW_DIRECTORY, DIRECTORY_TYPE},
	{0x00080005, ROW_CHARSET, 0},
	{0x00080016, ROW_IDENTITY, IDENTITY_SOP_CLASS},
	{0x00080018, ROW_IDENTITY, IDENTITY_SOP_INSTANCE},
	{0x00080060, ROW_IDENTITY, IDENTITY_MODALITY},
	{0x00081155, ROW_REFERENCE, 0},
	{0x00100020, ROW_IDENTITY, IDENTITY_PATIENT},
	{0x00180015, ROW_IDENTITY, IDENTITY_BODY_PART},
	{0x0020000D, ROW_IDENTITY, IDENTITY_STUDY},
	{0x0020000E, ROW_IDENTITY, IDENTITY_SERIES},
	{0x00280002, ROW_PIXEL, PIXEL_SAMPLES},
	{0x00280004, ROW_PIXEL, PIXEL_PHOTOMETRIC},
	{0x00280006, ROW_PIXEL, PIXEL_PLANAR},
	{0x00280008, ROW_PIXEL, PIXEL_FRAMES},
	{0x00280010, ROW_PIXEL, PIXEL_ROWS},
	{0x00280011, ROW_PIXEL, PIXEL_COLUMNS},
	{0x00280100, ROW_PIXEL, PIXEL_ALLOCATED},
	{0x00280101, ROW_PIXEL, PIXEL_STORED},
	{0x00280102, ROW_PIXEL, PIXEL_HIGH},
	{0x00280103, ROW_PIXEL, PIXEL_REPRESENTATION},
	{0x00280301, ROW_IDENTITY, IDENTITY_BURNED_IN},
	{0x00281050, ROW_WINDOW, 0},
	{0x00281051, ROW_WINDOW, 1},
	{0x00281101, ROW_PALETTE, 0},
	{0x00281102, ROW_PALETTE, 1},
	{0x00281103, ROW_PALETTE, 2},
	{0x00281201, ROW_PALETTE_DATA, 0},
	{0x00281202, ROW_PALETTE_DATA, 1},
	{0x00281203, ROW_PALETTE_DATA, 2},
	{0x00283002, ROW_PALETTE, 0}, /* of the LUTs in sequences, each with its data behind it */
	{0x00283006, ROW_PALETTE_DATA, 0},
	{0x003A0005, ROW_SHAPE, SHAPE_CHANNELS},
	{0x003A0010, ROW_SHAPE, SHAPE_SAMPLES},
	{0x00420011, ROW_DOCUMENT, 0},
	{0x00420012, ROW_MIME, 0},
	{0x54001004, ROW_SHAPE, SHAPE_BITS},
	{0x54001010, ROW_SHAPE_DATA, 0},
	{0x60000010, ROW_SHAPE, SHAPE_ROWS},
	{0x60000011, ROW_SHAPE, SHAPE_COLUMNS},
	{0x60000015, ROW_SHAPE, SHAPE_FRAMES},
	{0x60003000, ROW_SHAPE_DATA, 0},
	{0x7FE00001, ROW_TABLE, 0},
	{0x7FE00002, ROW_TABLE, 1},
};

/* Overlays repeat in groups 6000 to 601E (PS3.5 7.6). */
static uint8_t row_of(uint32_t tag)
{
	tag = tag >> 16 >= 0x6000 && tag >> 16 <= 0x601E && (tag >> 16) % 2 == 0 ? (tag & 0xFFFF) | 0x60000000
	                                                                         : tag;
	size_t low = 1, high = ARRAY_LEN(rows);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (rows[middle].tag == tag) {
			return (uint8_t)middle;
		}
		if (tag < rows[middle].tag) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return 0;
}

/* ---- Both, and the dictionary ---- */

/*
 * Objects have the same elements again and again, and what is known of one depends on nothing but its tag and VR: it is found out once and kept, in
 * the place that the tag says, until another one is met that has the same place. Neighbours have places side by side.
 */
#define KINDS 512

static unsigned place_of(uint32_t tag)
{
	uint32_t group = tag >> 16, element = tag & 0xFFFF;
	return (3 * group + element + (element >> 5)) % KINDS;
}

const struct element_kind *kind_of_element(struct inspect *i)
{
	static struct element_kind kinds[KINDS];
	struct element_kind *k = &kinds[place_of(i->e.tag)];
	if (k->tag == i->e.tag && k->vr[0] == i->e.vr[0] && k->vr[1] == i->e.vr[1]) {
		return k;
	}
	unsigned vr = vr_row(i->e.vr), row = row_of(i->e.tag);
	*k = (struct element_kind){.tag = i->e.tag,
		.vr = {i->e.vr[0], i->e.vr[1]},
		.family = vrs[vr].family,
		.unit = vrs[vr].unit,
		.row = rows[row].row,
		.which = rows[row].which,
		.vr_fits = fits(i->e.vr, tag_implied_vr(i->e.tag))};
	return k;
}
