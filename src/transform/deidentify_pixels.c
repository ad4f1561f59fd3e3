/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/deidentify_parts.h"

#include "base/attr.h"
#include "dicom/tag.h"

#define CLASS_DOCUMENTS "1.2.840.10008.5.1.4.1.1.104." /* … encapsulated */
#define TAG_FRAMES      0x00280008u
#define FRAMES_MOST     100000000u
#define LOOKED_AT       (64u * 1024) /* at once, of what goes out */

/* A number of two bytes, little endian as all that is encapsulated (PS3.5 A.4). */
static void count_number(struct deidentify *t)
{
	static const uint32_t tags[] = {0x00280002, 0x00280010, 0x00280011, 0x00280100};
	uint32_t *const numbers[] = {
		&t->about.samples, &t->about.rows, &t->about.columns, &t->about.allocated};
	const struct dataset *d = &t->d;
	for (size_t k = 0; k < ARRAY_LEN(tags); k++) {
		for (size_t i = 0; tags[k] == d->tag && i < d->value.len && t->n_about[k] < 4; i++) {
			*numbers[k] |= (uint32_t)d->value.ptr[i] << 8 * t->n_about[k]++;
		}
	}
}

void pixels_count(struct deidentify *t)
{
	const struct dataset *d = &t->d;
	if (d->depth > 0 || d->tag >> 16 != 0x0028) {
		return;
	}
	count_number(t);
	if (d->tag != TAG_FRAMES) {
		return;
	}
	for (size_t i = 0; i < d->value.len; i++) {
		unsigned digit = d->value.ptr[i] - (unsigned)'0';
		uint32_t *frames = &t->about.frames;
		*frames = digit <= 9 && *frames < FRAMES_MOST ? *frames * 10 + digit : *frames;
	}
}

void pixels_begin(struct deidentify *t)
{
	struct dataset *d = &t->d;
	if (is_left_out(t)) {
		return;
	}
	if (d->depth == 0) {
		write_additions(t, d->tag);
	}
	if (d->tag != TAG_PIXEL_DATA || d->depth > 0) {
		tell(t, CONFIDENTIALITY_X);
		t->skip_depth =
			d->depth; /* there is nothing else that may be so (PS3.5 A.4), or that is looked at */
		return;
	}
	write_head(t, d->tag, d->vr, UNDEFINED_LENGTH);
	remarks_begin(&t->remarks, t->has_remarks, &t->about);
}

void pixels_fragment(struct deidentify *t)
{
	struct dataset *d = &t->d;
	t->what = VALUE_SKIP;
	if (is_left_out(t)) {
		return;
	}
	t->what = VALUE_COPY;
	if (t->has_remarks != REMARKS_NONE && d->number > 0) { /* 0 is the offset table */
		t->what = VALUE_CODED;
		remarks_fragment(&t->remarks, d->length);
	}
	write_fragment(t, d->length);
	dataset_pieces(d);
}

void pixels_give(struct deidentify *t)
{
	struct span some = span_of(t->coded.ptr, t->coded.len < LOOKED_AT ? t->coded.len : LOOKED_AT);
	bool blank = false;
	size_t n = remarks_run(&t->remarks, some, &blank);
	if (blank) {
		writer_fill(&t->out, 0, n);
	} else {
		give(t, span_of(some.ptr, n));
	}
	t->coded = span_of(t->coded.ptr + n, t->coded.len - n);
}

void pixels_end(struct deidentify *t)
{
	if (t->skip_depth == DEIDENTIFY_NONE && t->remarks.any) {
		tell(t, CONFIDENTIALITY_CLEAN);
		t->remarks.any = false;
	}
}

/* ---- Burned In Annotation ---- */

/* "YES" in any way that a reader might take for it. */
static bool says_yes(struct span value)
{
	for (size_t i = 0; i + 3 <= value.len; i++) {
		if ((value.ptr[i] | 0x20) == 'y' && (value.ptr[i + 1] | 0x20) == 'e' &&
			(value.ptr[i + 2] | 0x20) == 's') {
			return true;
		}
	}
	return false;
}

/* Waveforms, presentation states, real world values, reports, documents, and what of radiotherapy is no image and no dose (PS3.4 B.5). */
static bool is_kind_without_pixels(const char *class)
{
	static const char storage[] = "1.2.840.10008.5.1.4.1.1.";
	static const char *const kinds[] = {"9.", "11.", "67", "88.", "104.", "481.3", "481.5", "481.8"};
	bool is = false;
	for (size_t i = 0; i < ARRAY_LEN(kinds) && strncmp(class, storage, sizeof(storage) - 1) == 0; i++) {
		size_t n = strlen(kinds[i]);
		const char *kind = class + sizeof(storage) - 1;
		is = is || (strncmp(kind, kinds[i], n) == 0 && (kinds[i][n - 1] == '.' || kind[n] == 0));
	}
	return is;
}

/* A document that says so says it of itself; of others without pixels it says nothing. Whether there are pixels all the same is seen later. */
int pixels_burned_in(struct deidentify *t)
{
	const struct dataset *d = &t->d;
	const bool keep = t->rules.keep_burned_in, yes = says_yes(d->value);
	bool of_document =
		strncmp(t->sop_class, CLASS_DOCUMENTS, sizeof(CLASS_DOCUMENTS) - 1) == 0 && !t->has_pixels;
	if (yes && of_document && !t->rules.replace_documents) {
		t->why = DEIDENTIFY_DOCUMENT;
		return ERR_DENIED;
	}
	t->burned_in =
		yes && !t->has_pixels && (of_document || (!keep && is_kind_without_pixels(t->sop_class)));
	if (yes && !keep && !t->burned_in) {
		t->why = DEIDENTIFY_BURNED_IN;
		return ERR_DENIED;
	}
	if (!t->burned_in) {
		write_element(t, d->tag, d->vr, d->value);
		return 0;
	}
	tell(t, of_document ? CONFIDENTIALITY_D : CONFIDENTIALITY_X);
	if (of_document) { /* what it said it of is gone; and it must have it */
		write_element(t, d->tag, "CS", span_str("NO"));
	}
	return 0;
}

/* Pixels of an object that says that text is burned in, and is of a kind that has none; and a video as it came. */
int pixels_hear(struct deidentify *t, int event)
{
	const struct dataset *d = &t->d;
	bool begins = event == DATASET_ELEMENT || event == DATASET_ENCAPSULATED || event == DATASET_SEQUENCE;
	if (!begins || d->depth > 0 || d->tag >> 16 != TAG_PIXEL_DATA >> 16) {
		return 0;
	}
	t->has_pixels = true;
	bool video = t->is_video && !t->rules.keep_videos && !t->rules.videos_stripped;
	if (t->burned_in || video) {
		t->why = t->burned_in ? DEIDENTIFY_BURNED_IN : DEIDENTIFY_VIDEO;
	}
	return t->burned_in || video ? ERR_DENIED : 0;
}
