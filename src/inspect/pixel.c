/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "dicom/vr.h"

#define ICON_SEQUENCE 0x00880200u
#define LARGE         ((uint64_t)INT32_MAX)

/* NULL: pixels of a sequence that has none of the standard's. */
struct inspect_pixels *pixels_of(struct inspect *i)
{
	const struct dataset *d = &i->f.d;
	unsigned depth = d->depth;
	if (depth > 0 && d->path[depth - 1] == TAG_PIXEL_DATA) {
		depth--; /* at a fragment */
	}
	if (depth == 0) {
		return &i->pixels[0];
	}
	return d->path[depth - 1] == ICON_SEQUENCE ? &i->pixels[1] : NULL;
}

static void take_frames(struct inspect *i, struct inspect_pixels *p, struct span value)
{
	struct span v = vr_trim("IS", value);
	uint64_t n = 0;
	size_t k = v.len > 0 && v.ptr[0] == '+';
	bool good = v.len > k && v.len <= 12;
	for (; good && k < v.len; k++) {
		good = v.ptr[k] >= '0' && v.ptr[k] <= '9';
		n = n * 10 + (v.ptr[k] - '0');
	}
	if (value.len == 0) {
		return;
	}
	if (!good || n == 0 || n > INT32_MAX) {
		found(i, CHECK_FRAMES_NUMBER, v);
	} else {
		p->frames = n;
	}
}

void pixel_element(struct inspect *i, enum pixel_element which, struct span value)
{
	struct inspect_pixels *p = pixels_of(i);
	if (!p || (value.len == 0 && which != PIXEL_FRAMES)) {
		return;
	}
	bool again = p->seen & 1u << which;
	p->seen |= 1u << which;
	if (which == PIXEL_FRAMES) {
		take_frames(i, p, value);
		return;
	}
	if (which == PIXEL_PHOTOMETRIC) {
		struct span v = vr_trim("CS", value);
		size_t n = v.len < sizeof(p->photometric) ? v.len : sizeof(p->photometric) - 1;
		memcpy(p->photometric, v.ptr, n);
		p->photometric[n] = '\0';
		if (p == &i->pixels[0]) {
			memcpy(i->facts.photometric, p->photometric, sizeof(p->photometric));
		}
		return;
	}
	uint16_t *const fields[] = {[PIXEL_SAMPLES] = &p->samples,
		[PIXEL_PLANAR] = &p->planar,
		[PIXEL_ROWS] = &p->rows,
		[PIXEL_COLUMNS] = &p->columns,
		[PIXEL_ALLOCATED] = &p->allocated,
		[PIXEL_STORED] = &p->stored,
		[PIXEL_HIGH] = &p->high,
		[PIXEL_REPRESENTATION] = &p->representation};
	uint16_t is = (uint16_t)number_of(i, span_of(value.ptr, value.len < 2 ? value.len : 2));
	if (i->e.length != 2) {
		found_say(i, CHECK_PIXEL_DESCRIPTION, "%u bytes, and it must be two", i->e.length);
	} else if (again && *fields[which] != is) {
		found_say(i, CHECK_PIXEL_DESCRIPTION, "it stands twice, as %u and as %u", *fields[which], is);
	}
	*fields[which] = is;
}

/* PS3.3 C.7.6.3.1.2 */
static const struct {
	const char *name;
	uint8_t samples;
} photometrics[] = {{"MONOCHROME1", 1}, {"MONOCHROME2", 1}, {"PALETTE COLOR", 1}, {"RGB", 3}, {"HSV", 3},
	{"ARGB", 4}, {"CMYK", 4}, {"YBR_FULL", 3}, {"YBR_FULL_422", 3}, {"YBR_PARTIAL_422", 3},
	{"YBR_PARTIAL_420", 3}, {"YBR_ICT", 3}, {"YBR_RCT", 3}, {"XYB", 3}};

static void check_samples(struct inspect *i, const struct inspect_pixels *p)
{
	for (size_t k = 0; k < ARRAY_LEN(photometrics); k++) {
		if (strcmp(photometrics[k].name, p->photometric) != 0) {
			continue;
		}
		if (photometrics[k].samples != p->samples) {
			found_say(i, CHECK_PIXEL_SAMPLES, "%u samples of %s", p->samples, p->photometric);
		}
		return;
	}
}

/* PS3.3 C.7.6.3.1, PS3.5 8.1.1 */
static void check_bits(struct inspect *i, const struct inspect_pixels *p)
{
	const uint32_t both = 1u << PIXEL_STORED | 1u << PIXEL_HIGH;
	bool allocated =
		p->allocated == 1 || (p->allocated % 8 == 0 && p->allocated > 0 && p->allocated <= 64);
	if (!allocated || p->allocated == 48 || p->allocated == 56 || p->allocated == 40) {
		found_say(i, CHECK_PIXEL_DESCRIPTION, "%u bits allocated", p->allocated);
	} else if ((p->seen & both) == both && (p->stored == 0 || p->stored > p->allocated ||
						       p->high >= p->allocated || p->high + 1 < p->stored)) {
		found_say(i, CHECK_PIXEL_DESCRIPTION, "%u bits allocated, %u stored, high bit %u",
			p->allocated, p->stored, p->high);
	} else if ((p->seen & both) == both && p->high + 1 != p->stored) {
		found_say(i, CHECK_PIXEL_HIGH_BIT, "%u bits stored, high bit %u", p->stored, p->high);
	}
	if (p->samples == 0 || (p->samples > 1 && p->planar > 1) || p->representation > 1) {
		found_say(i, CHECK_PIXEL_DESCRIPTION,
			"%u samples, planar configuration %u, representation %u", p->samples, p->planar,
			p->representation);
	}
}

static uint64_t bits_of_frame(const struct inspect_pixels *p, bool subsampled)
{
	uint64_t bits = (uint64_t)p->rows * p->columns * p->samples * p->allocated;
	return subsampled && strstr(p->photometric, "_422")   ? bits / 3 * 2
	       : subsampled && strstr(p->photometric, "_420") ? bits / 2
	                                                      : bits;
}

static uint64_t bytes_of(const struct inspect_pixels *p)
{
	/* A frame's bits are fewer than 2^54, frames fewer than 2^31. */
	unsigned __int128 all = (unsigned __int128)bits_of_frame(p, true) * p->frames;
	return all / 8 > UINT64_MAX / 2 ? UINT64_MAX / 2 : (uint64_t)((all + 7) / 8);
}

void pixel_begin(struct inspect *i, unsigned bits)
{
	const uint32_t need = 1u << PIXEL_ROWS | 1u << PIXEL_COLUMNS | 1u << PIXEL_SAMPLES,
		       allocated = 1u << PIXEL_ALLOCATED;
	const struct inspect_pixels *p = pixels_of(i);
	i->pixels_end = UINT64_MAX;
	if (!p || (p->seen & need) != need || (!bits && !(p->seen & allocated))) {
		i->pixels_end = p ? 0 : UINT64_MAX; /* nothing says how large an image it has: that is none */
		return;
	}
	struct inspect_pixels is = *p;
	is.allocated = bits ? (uint16_t)bits : p->allocated;
	i->pixels_end = bytes_of(&is) < i->e.length ? bytes_of(&is) : UINT64_MAX;
}

void pixel_palette(struct inspect *i)
{
	struct inspect_pixels *p = pixels_of(i);
	if (p && i->e.tag == 0x00281101) {
		p->seen |= 1u << PIXEL_PALETTE;
	}
}

/* PS3.3 C.7.6.3.1.2: its pixels are places in a table. */
static bool lacks_palette(const struct inspect_pixels *p)
{
	return !(p->seen & 1u << PIXEL_PALETTE) && strncmp(p->photometric, "PALETTE COLOR", 13) == 0;
}

/* False: nothing can be reckoned from it. bits: of a float, which is described by its kind. */
bool pixel_description(struct inspect *i, unsigned bits)
{
	const uint32_t need = 1u << PIXEL_ROWS | 1u << PIXEL_COLUMNS | 1u << PIXEL_SAMPLES;
	const uint32_t also =
		1u << PIXEL_ALLOCATED | 1u << PIXEL_PHOTOMETRIC | 1u << PIXEL_STORED | 1u << PIXEL_HIGH;
	struct inspect_pixels *p = pixels_of(i);
	if (!p) {
		return false;
	}
	uint32_t must = bits ? need : need | also;
	if ((p->seen & must) != must || lacks_palette(p)) {
		found(i, CHECK_PIXEL_DESCRIPTION_MISSING, (struct span){0});
	}
	if (bits) {
		p->allocated = (uint16_t)bits;
	} else if (p->seen & 1u << PIXEL_ALLOCATED) {
		check_bits(i, p);
	}
	if ((p->seen & need) != need || !(p->seen & 1u << PIXEL_ALLOCATED || bits)) {
		return false;
	}
	if (p->rows == 0 || p->columns == 0) {
		found_say(i, CHECK_PIXEL_DIMENSIONS, "%u rows, %u columns", p->rows, p->columns);
		return false;
	}
	check_samples(i, p);
	if (bits_of_frame(p, false) / 8 > LARGE) {
		found_say(i, CHECK_FRAME_TOO_LARGE, "%u rows, %u columns", p->rows, p->columns);
	}
	return true;
}

/* Transfer syntaxes whose pixel data is one value (PS3.5 A.1 to A.3, A.5). */
static bool is_native(const char *uid)
{
	static const char *const native[] = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1",
		"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", ""};
	for (size_t k = 0; k < ARRAY_LEN(native); k++) {
		if (strcmp(native[k], uid) == 0) {
			return true;
		}
	}
	return false;
}

void pixel_native(struct inspect *i, unsigned bits)
{
	struct inspect_pixels *p = pixels_of(i);
	if (!p) {
		return;
	}
	if (i->f.d.depth == 0 && !bits && !is_native(i->syntax)) {
		found(i, CHECK_PIXEL_ENCAPSULATION, span_str(i->syntax));
	}
	if (!pixel_description(i, bits)) {
		return;
	}
	uint64_t want = bytes_of(p), is = i->e.length;
	if (is < want) {
		found_say(i, CHECK_PIXEL_DATA_SHORT, "%llu bytes, the image needs %llu",
			(unsigned long long)is, (unsigned long long)want);
	} else if (is > want + want % 2) {
		found_say(i, is - want <= 512 ? CHECK_PIXEL_DATA_PADDED : CHECK_PIXEL_DATA_LONG,
			"%llu bytes, the image needs %llu", (unsigned long long)is, (unsigned long long)want);
	}
}

/* What of the description is of a compressed image. */
void pixel_codec(struct inspect *i, struct span value)
{
	(void)value;
	if (is_native(i->syntax)) {
		found(i, CHECK_PIXEL_ENCAPSULATION, span_str(i->syntax));
	}
	(void)pixel_description(i, 0);
}
