/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "dicom/tag.h"
#include "dicom/vr.h"

#include <stdlib.h>

#define ICON_SEQUENCE 0x00880200u
#define FLOAT_PIXELS  0x7FE00008u
#define DOUBLE_PIXELS 0x7FE00009u

/* ---- Structure ---- */

/* PS3.5 7.2: how far its group reaches; only at the top, where it is followed to its end. */
static void check_group_length(struct inspect *i)
{
	uint32_t group = i->e.tag >> 16;
	if (i->f.d.depth > 0 || i->f.in_meta || i->group_known == 0 || group == i->group_known) {
		return;
	}
	if (i->group_end != i->e.offset) {
		found_say(i, CHECK_GROUP_LENGTH, "group %04X", i->group_known);
	}
	i->group_known = 0;
}

static void check_group(struct inspect *i)
{
	uint32_t group = i->e.tag >> 16;
	bool bad = group == 0 || (group == 2 && !i->f.in_meta) || group == 1 || group == 3 || group == 5 ||
	           group == 7 || group == 0xFFFF;
	if (bad && i->f.d.depth == 0) {
		found(i, CHECK_GROUP_INVALID, (struct span){0});
	}
}

static void check_length(struct inspect *i, unsigned unit)
{
	if (unit > 1 && (i->e.length & (unit - 1)) != 0) { /* they are powers of two */
		found_say(i, CHECK_VALUE_LENGTH, "%s of %u bytes", i->e.vr, i->e.length);
	}
	bool large = i->e.tag >> 16 == 0x7FE0 || i->e.tag == 0x00420011;
	if (i->e.length > INT32_MAX && !large) {
		found_say(i, CHECK_ELEMENT_LENGTH, "%u bytes", i->e.length);
	}
}

static void take_element(struct inspect *i)
{
	const struct dataset *d = &i->f.d;
	i->e.tag = d->tag;
	i->e.length = d->length;
	i->e.offset = d->offset;
	memcpy(i->e.vr, d->vr, sizeof(i->e.vr));
	i->e.row = ROW_NONE;
}

/* ---- Values ---- */

static bool is_pixels(uint32_t tag)
{
	return tag == TAG_PIXEL_DATA || tag == FLOAT_PIXELS || tag == DOUBLE_PIXELS;
}

static enum value_kind kind_of(struct inspect *i, unsigned family)
{
	bool is_private = (i->e.tag >> 16) % 2 == 1;
	if (i->e.row == ROW_DOCUMENT) {
		return VALUE_DOCUMENT;
	}
	if (i->e.row == ROW_TABLE) {
		return VALUE_TABLE;
	}
	if (is_pixels(i->e.tag)) {
		return pixels_of(i) ? VALUE_PIXELS : VALUE_BINARY;
	}
	if (family == FAMILY_TEXT || family == FAMILY_UID) {
		return VALUE_TEXT;
	}
	/* More numbers than tell what a file is are room for one behind them. */
	bool roomy = i->e.length > SIGNATURE_BYTES;
	return is_private || roomy || family == FAMILY_BYTES || family == FAMILY_ANY ? VALUE_BINARY
	                                                                             : VALUE_SKIPPED;
}

static unsigned float_bits(uint32_t tag)
{
	return tag == FLOAT_PIXELS ? 32 : tag == DOUBLE_PIXELS ? 64 : 0;
}

/*
 * UN stands for texts that are too long for their own VR (PS3.5 6.2.2): they are judged as what they are. The family that
 * it is of then.
 */
static unsigned take_unknown(struct inspect *i)
{
	const char *dictionary = tag_implied_vr(i->e.tag);
	unsigned family = kind_family(dictionary);
	if (family != FAMILY_TEXT && family != FAMILY_UID) {
		return FAMILY_ANY;
	}
	memcpy(i->e.vr, dictionary, sizeof(i->e.vr));
	return family;
}

static void on_element(struct inspect *i)
{
	const struct dataset *d = &i->f.d;
	const struct element_kind *k = kind_of_element(i);
	unsigned family = k->family;
	if (d->depth > 0 && i->e.tag >= 0x20000000) {
		tail_in_sequence(i);
	}
	check_group_length(i);
	check_group(i);
	check_length(i, k->unit);
	/* Sequences have images of their own, and other objects' identities. */
	bool top_alone = k->row == ROW_IDENTITY || k->row == ROW_MIME || k->row == ROW_TABLE;
	bool elsewhere = k->row == ROW_IDENTITY && (i->e.tag >> 16 == 2) != i->f.in_meta;
	i->e.row = (top_alone && d->depth > 0) || elsewhere ? ROW_NONE : k->row;
	i->e.which = k->which;
	if (!k->vr_fits && dataset_encoding(d) != ENCODING_IMPLICIT_LE) {
		kind_check_vr(i);
	}
	if (i->e.vr[0] == 'U' && i->e.vr[1] == 'N') {
		family = take_unknown(i);
	}
	enum value_kind is = kind_of(i, family);
	if (is == VALUE_DOCUMENT) {
		document_begin(i);
	}
	if (is == VALUE_PIXELS) {
		pixel_begin(i, float_bits(i->e.tag));
	}
	value_begin(i, is);
}

static void palette_data(struct inspect *i, unsigned which)
{
	if (!i->has_palette[which]) {
		return;
	}
	uint32_t entries = i->palette[which] ? i->palette[which] : 65536;
	i->has_palette[which] = false;
	if (i->e.length < (i->palette_wide[which] ? 2 * entries : entries)) {
		found_say(i, CHECK_PALETTE, "%u bytes for %u entries", i->e.length, entries);
	}
}

/* More than a 32-bit integer has room for, as viewers that count with such do. */
static bool is_huge(struct span v)
{
	char text[32];
	size_t n = v.len < sizeof(text) ? v.len : sizeof(text) - 1;
	memcpy(text, v.ptr, n);
	text[n] = '\0';
	double d = strtod(text, NULL);
	return d > INT32_MAX || d < INT32_MIN;
}

/* PS3.3 C.11.2.1.2: a centre can be anything, a width is at least one, or more than nothing where it is not of pixels. */
static void window(struct inspect *i, struct span all, bool width)
{
	for (size_t at = 0; at < all.len;) {
		const uint8_t *end = memchr(all.ptr + at, '\\', all.len - at);
		size_t stop = end ? (size_t)(end - all.ptr) : all.len;
		struct span v = vr_trim("DS", span_of(all.ptr + at, stop - at));
		bool nonzero = false;
		for (size_t k = 0; k < v.len && v.ptr[k] != 'E' && v.ptr[k] != 'e'; k++) {
			nonzero |= v.ptr[k] >= '1' && v.ptr[k] <= '9';
		}
		if (v.len > 0 && ((width && (!nonzero || v.ptr[0] == '-')) || is_huge(v))) {
			found(i, CHECK_WINDOW, v);
			return;
		}
		at = stop + 1;
	}
}

/* Only what was made of others has a source, and no series or study is one of its own instances. */
static void reference(struct inspect *i, struct span value)
{
	struct span v = uid_trim(value);
	const char *own = i->facts.sop_instance;
	if (i->f.d.depth > 0 && v.len > 0 && v.len == strlen(own) && memcmp(v.ptr, own, v.len) == 0) {
		found(i, CHECK_REFERENCE_TO_ITSELF, (struct span){0});
	}
}

/* The value of an element that has a row: whole, or its beginning. */
static void on_row(struct inspect *i, struct span value)
{
	unsigned which = i->e.which;
	switch (i->e.row) {
	case ROW_IDENTITY:
		identity_element(i, (enum identity_element)which, value);
		break;
	case ROW_PIXEL:
		pixel_element(i, (enum pixel_element)which, value);
		break;
	case ROW_CHARSET:
		text_charset(i, value);
		break;
	case ROW_MIME:
		value = vr_trim("LO", value);
		memcpy(i->mime, value.ptr, value.len < sizeof(i->mime) ? value.len : sizeof(i->mime) - 1);
		break;
	case ROW_WINDOW:
		window(i, value, which == 1);
		break;
	case ROW_DIRECTORY:
		directory_element(i, (enum directory_element)which, value);
		break;
	case ROW_REFERENCE:
		reference(i, value);
		break;
	case ROW_PALETTE:
		pixel_palette(i);
		i->palette[which] = (uint16_t)number_of(i, span_of(value.ptr, value.len < 2 ? value.len : 2));
		i->palette_wide[which] = value.len >= 6 && number_of(i, span_of(value.ptr + 4, 2)) > 8;
		i->has_palette[which] = value.len >= 2;
		break;
	case ROW_PALETTE_DATA:
		palette_data(i, which);
		break;
	case ROW_SHAPE:
		shape_element(i, (enum shape_element)which, value);
		break;
	case ROW_SHAPE_DATA:
		shape_data(i);
		break;
	default:
		break;
	}
}

/* PS3.5 7.2 */
static void take_group_length(struct inspect *i, struct span value)
{
	if ((i->e.tag & 0xFFFF) == 0 && i->f.d.depth == 0 && i->e.tag >> 16 > 2 && value.len == 4) {
		i->group_known = i->e.tag >> 16;
		i->group_end = i->e.offset + 12 + number_of(i, value);
	}
}

static void on_value(struct inspect *i)
{
	const struct dataset *d = &i->f.d;
	if (i->e.tag == TAG_ITEM && i->pixel_fragments) {
		fragment_piece(i, d->value, d->last_piece);
		return;
	}
	value_piece(i, d->value, d->last_piece);
	if (!d->last_piece) {
		return;
	}
	bool whole = i->e.length <= INSPECT_VALUE;
	struct span value = whole ? d->value : span_of(i->s.head, i->s.n_head);
	if (i->e.row && value.ptr) {
		on_row(i, value);
	}
	take_group_length(i, value);
	if (is_pixels(i->e.tag)) {
		pixel_native(i, float_bits(i->e.tag));
		i->after_pixels |= d->depth == 0;
	}
}

/* Other elements than pixel data may not be in fragments (PS3.5 A.4); where one is, its fragments are values as any. */
static void on_fragments(struct inspect *i, int event)
{
	if (event == DATASET_ENCAPSULATED) {
		check_group_length(i);
		i->pixel_fragments = is_pixels(i->e.tag);
	}
	if (!i->pixel_fragments) {
		if (event == DATASET_FRAGMENT) {
			uint16_t marks = i->s.marks; /* a mark may stand in two */
			value_begin(i, VALUE_BINARY);
			i->s.marks = i->f.d.number > 1 ? marks : 0;
		}
	} else if (event == DATASET_ENCAPSULATED) {
		fragments_begin(i);
	} else if (event == DATASET_FRAGMENT) {
		fragment_begin(i);
	} else {
		fragments_end(i);
		i->after_pixels |= i->f.d.depth == 0;
	}
}

/* ---- Events ---- */

static void on_note(struct inspect *i)
{
	static const uint8_t checks[] = {
		[NOTE_ORDER] = CHECK_TAG_ORDER,
		[NOTE_DUPLICATE] = CHECK_TAG_DUPLICATE,
		[NOTE_ODD_LENGTH] = CHECK_ODD_LENGTH,
		[NOTE_VR_UNKNOWN] = CHECK_VR_UNKNOWN,
		[NOTE_VR_MALFORMED] = CHECK_VR_MALFORMED,
		[NOTE_RESERVED] = CHECK_RESERVED_BYTES,
		[NOTE_UNDEFINED_LENGTH] = CHECK_UNDEFINED_LENGTH,
		[NOTE_DELIMITER_LENGTH] = CHECK_DELIMITER_LENGTH,
		[NOTE_DELIMITER_STRAY] = CHECK_DELIMITER_STRAY,
		[NOTE_DELIMITER_MISSING] = CHECK_DELIMITER_MISSING,
		[NOTE_FILE_META_LENGTH] = CHECK_META_LENGTH,
		[NOTE_TRAILING] = CHECK_TRAILING_BYTES,
		[NOTE_UNKNOWN_BROKEN] = CHECK_UNKNOWN_SEQUENCE,
	};
	static_assert(ARRAY_LEN(checks) == NOTE_N, "a check for each");
	bool vr = i->f.d.note == NOTE_VR_UNKNOWN || i->f.d.note == NOTE_VR_MALFORMED;
	found(i, (enum inspect_check)checks[i->f.d.note], vr ? span_of(i->e.vr, 2) : (struct span){0});
	i->items_broken |= i->f.d.note == NOTE_UNKNOWN_BROKEN;
}

void element_event(struct inspect *i, int event)
{
	const struct dataset *d = &i->f.d;
	if (event == DATASET_VALUE) {
		on_value(i);
		return;
	}
	bool head = event == DATASET_ELEMENT || event == DATASET_SEQUENCE || event == DATASET_ENCAPSULATED ||
	            (event == DATASET_NOTE && d->note != NOTE_TRAILING);
	if (head && tail_is_here(i)) {
		return;
	}
	take_element(i);
	switch (event) {
	case DATASET_NOTE:
		on_note(i);
		break;
	case DATASET_ELEMENT:
		on_element(i);
		break;
	case DATASET_SEQUENCE:
		check_group_length(i);
		check_group(i);
		if (memcmp(i->e.vr, "SQ", 2) == 0 && (i->e.tag >> 16) % 2 == 0) {
			kind_check_vr(i);
		}
		break;
	case DATASET_ITEM:
	case DATASET_ITEM_END:
		i->has_charset[1] = false;
		if (event == DATASET_ITEM) {
			directory_item(i);
		}
		if (event == DATASET_ITEM && d->depth > 0 && d->path[d->depth - 1] == ICON_SEQUENCE) {
			i->pixels[1] = (struct inspect_pixels){.frames = 1};
		}
		break;
	case DATASET_ENCAPSULATED:
	case DATASET_FRAGMENT:
	case DATASET_ENCAPSULATED_END:
		on_fragments(i, event);
		break;
	default:
		break;
	}
}

void element_failed(struct inspect *i, int err)
{
	static const struct {
		int err;
		enum inspect_check check;
	} checks[] = {{ERR_TRUNCATED, CHECK_TRUNCATED}, {ERR_LENGTH, CHECK_LENGTH_BEYOND_PARENT},
		{ERR_ORDER, CHECK_OUT_OF_PLACE}, {ERR_VALUE, CHECK_NOT_IN_TRANSFER_SYNTAX},
		{ERR_LIMIT, CHECK_TOO_DEEP}, {ERR_SPACE, CHECK_INFLATES_TOO_FAR},
		{ERR_MISSING, CHECK_META_NO_TRANSFER_SYNTAX}, {ERR_NOT_FOUND, CHECK_TRANSFER_SYNTAX_UNKNOWN}};
	const struct dataset *d = &i->f.d;
	enum inspect_check check = CHECK_NOT_INSPECTED;
	for (size_t k = 0; k < ARRAY_LEN(checks); k++) {
		check = checks[k].err == err ? checks[k].check : check;
	}
	if (err == ERR_VALUE && d->inflater) {
		check = CHECK_DEFLATE_BROKEN;
	}
	i->e.tag = 0;
	i->failed = true;
	i->e.offset = d->offset;
	bool behind = i->after_pixels && d->n_frames == 1;
	if (!behind) {
		found_at(i, check, d->offset > i->shift ? d->offset - i->shift : 0,
			err == ERR_NOT_FOUND ? span_str(i->syntax) : (struct span){0});
	}
	if (err != ERR_TRUNCATED || behind) {
		tail_begin(
			i, behind && err == ERR_TRUNCATED && d->n_stash ? d->offset - d->n_stash : d->offset);
	}
}
