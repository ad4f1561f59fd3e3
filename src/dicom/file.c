/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/file.h"

#include "base/reader.h"

enum { PREAMBLE, META, BODY }; /* f->stage */
#define META_GROUP           0x02
#define META_LENGTH          0x00020000u
#define META_TRANSFER_SYNTAX 0x00020010u

void file_begin(struct dicom_file *f, struct inflater *inflater)
{
	*f = (struct dicom_file){.in_meta = true, .inflater = inflater, .stage = PREAMBLE};
	f->d.failed = dataset_begin(&f->d, ENCODING_EXPLICIT_LE, NULL);
	f->d.only_group = META_GROUP;
}

void file_feed(struct dicom_file *f, struct span chunk)
{
	dataset_feed(&f->d, chunk);
}

void file_last(struct dicom_file *f)
{
	dataset_last(&f->d);
}

static int fail(struct dicom_file *f, int err, uint64_t offset)
{
	f->d.failed = err;
	f->d.offset = offset;
	return err;
}

/* 0 when it is complete. */
static int read_preamble(struct dicom_file *f)
{
	struct dataset *d = &f->d;
	size_t n = sizeof(f->preamble) - f->fill, left = d->chunk.len - d->pos;
	n = n < left ? n : left;
	if (n > 0) {
		memcpy(f->preamble + f->fill, d->chunk.ptr + d->pos, n);
	}
	f->fill = (uint8_t)(f->fill + n);
	d->pos += n;
	if (f->fill < sizeof(f->preamble)) {
		return d->is_last ? fail(f, ERR_TRUNCATED, f->fill) : ERR_AGAIN;
	}
	if (memcmp(f->preamble + FILE_PREAMBLE, "DICM", 4) != 0) {
		return fail(f, ERR_TYPE, FILE_PREAMBLE);
	}
	f->stage = META;
	return 0;
}

static void mirror(struct dataset *d, uint8_t *to, size_t cap)
{
	d->mirror = to;
	d->mirror_cap = cap;
	d->mirror_len = 0;
}

/* What the caller does with these two values, they are read here too. */
static void begin_element(struct dicom_file *f)
{
	struct dataset *d = &f->d;
	if (d->tag == META_LENGTH && d->length == sizeof(f->length) && !f->has_length) {
		f->has_length = true;
		f->meta_end = d->offset + 8 + d->length;
		mirror(d, f->length, sizeof(f->length));
	}
	if (d->tag == META_TRANSFER_SYNTAX && !f->has_syntax) {
		f->has_syntax = true;
		f->transfer_syntax = span_of(f->syntax, d->length < sizeof(f->syntax) ? d->length : 0);
		mirror(d, f->syntax, sizeof(f->syntax));
	}
}

/* The meta information is over: on with the data set. */
static int end_meta(struct dicom_file *f)
{
	struct dataset *d = &f->d;
	struct reader r = reader_of(span_of(f->length, sizeof(f->length)));
	uint32_t length = 0;
	int err = f->has_length ? reader_u32le(&r, &length) : 0;
	bool right = err == 0 && f->has_length && f->meta_end + length == d->offset;
	f->transfer_syntax = uid_trim(f->transfer_syntax);
	err = f->has_syntax ? encoding_of(f->transfer_syntax, &f->encoding) : ERR_MISSING;
	err = err ? err : dataset_go_on(d, f->encoding, f->inflater);
	if (err) {
		return fail(f, err, d->offset);
	}
	f->stage = BODY;
	if (!right) {
		d->note = NOTE_FILE_META_LENGTH;
		d->noted |= 1u << NOTE_FILE_META_LENGTH;
		return DATASET_NOTE;
	}
	return 0;
}

static int next_of_meta(struct dicom_file *f)
{
	int event = dataset_next(&f->d);
	if (event != DATASET_VALUE && event != DATASET_MORE) {
		f->d.mirror = NULL; /* the value that was begun is over */
	}
	if (event == DATASET_ELEMENT && f->d.depth == 0) {
		begin_element(f);
	}
	return event == DATASET_END ? end_meta(f) : event;
}

int file_next(struct dicom_file *f)
{
	if (f->d.failed) {
		return f->d.failed;
	}
	if (f->stage == PREAMBLE) {
		int err = read_preamble(f);
		if (err) {
			return err == ERR_AGAIN ? DATASET_MORE : err;
		}
	}
	if (f->stage == META) {
		int event = next_of_meta(f);
		if (f->stage == META || event != 0) {
			return event;
		}
	}
	f->in_meta = false;
	return dataset_next(&f->d);
}
