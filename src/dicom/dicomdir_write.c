/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dicomdir_write.h"

#include "dicom/dicomdir.h"
#include "dicom/implementation.h"
#include "dicom/part10.h"

#include <stdio.h>
#include <string.h>

#define EXPLICIT_LE "1.2.840.10008.1.2.1" /* PS3.10 8.6 */
#define LEVELS      4
#define A_FOLDER    1000
#define FILES_MOST  10000000u
#define ITEM_HEAD   8 /* tag and length */
#define NEXT_AT     (ITEM_HEAD + 8)
#define LOWER_AT    (ITEM_HEAD + 12 + 10 + 8)

bool dicomdir_file_id_valid(const char *file)
{
	for (unsigned i = 0; i < 8; i++) {
		size_t n = strspn(file, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
		if (n < 1 || n > 8) {
			return false;
		}
		if (file[n] != '\\') {
			return file[n] == '\0';
		}
		file += n + 1;
	}
	return false;
}

int dicomdir_file_id(uint32_t n, char ret_file[DICOMDIR_FILE_ID])
{
	if (n >= FILES_MOST) {
		return ERR_LIMIT;
	}
	snprintf(ret_file, DICOMDIR_FILE_ID, "D%07u\\F%07u", n / A_FOLDER, n);
	return 0;
}

/* ---- Elements, in explicit VR little endian ---- */

static void put_head(struct writer *w, uint32_t tag, const char vr[2], size_t len)
{
	writer_u16le(w, (uint16_t)(tag >> 16));
	writer_u16le(w, (uint16_t)tag);
	writer_bytes(w, vr, 2);
	writer_u16le(w, (uint16_t)len);
}

static void put_text(struct writer *w, uint32_t tag, const char vr[2], const char *text)
{
	size_t len = strlen(text), odd = len & 1;
	put_head(w, tag, vr, len + odd);
	writer_bytes(w, text, len);
	writer_fill(w, vr[0] == 'U' ? 0 : ' ', odd);
}

static void put_u32(struct writer *w, uint32_t tag, uint32_t v)
{
	put_head(w, tag, "UL", 4);
	writer_u32le(w, v);
}

static void put_u16(struct writer *w, uint32_t tag, uint16_t v)
{
	put_head(w, tag, "US", 2);
	writer_u16le(w, v);
}

static void fill_u32(struct writer *w, size_t at, size_t v)
{
	struct writer there = writer_of(w->ptr + at, 4);
	if (w->err == 0) {
		writer_u32le(&there, (uint32_t)v);
	}
}

/* ---- Records ---- */

static bool is_uid(const char *text)
{
	return text && uid_valid(span_str(text));
}

static int check(const struct dicomdir_record *r, size_t i)
{
	unsigned most = i == 0 ? 0 : r[-1].level + 1u;
	if (r->level > most || r->level >= LEVELS) {
		return ERR_ORDER;
	}
	size_t n = strlen(r->type);
	if (n < 1 || n > 16 || strspn(r->type, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ") != n) {
		return ERR_VALUE;
	}
	bool refers = r->level == LEVELS - 1 || (r->level == 0 && r->file);
	if (refers && (!r->file || !dicomdir_file_id_valid(r->file) || !is_uid(r->sop_class) ||
			      !is_uid(r->sop_instance) || !is_uid(r->transfer_syntax))) {
		return ERR_VALUE;
	}
	return r->keys.len & 1 ? ERR_LENGTH : 0;
}

/* PS3.3 F.3.2.2 */
static void put_record(struct writer *w, const struct dicomdir_record *r)
{
	writer_u32le(w, 0xE000FFFEu);
	size_t length = writer_mark_u32le(w);
	put_u32(w, 0x00041400, 0); /* the next of its level, */
	put_u16(w, 0x00041410, 0xFFFF);
	put_u32(w, 0x00041420, 0); /* … and the first one below: filled in when they come */
	put_text(w, 0x00041430, "CS", r->type);
	if (r->level == LEVELS - 1 || r->file) {
		put_text(w, 0x00041500, "CS", r->file);
		put_text(w, 0x00041510, "UI", r->sop_class);
		put_text(w, 0x00041511, "UI", r->sop_instance);
		put_text(w, 0x00041512, "UI", r->transfer_syntax);
	}
	writer_span(w, r->keys);
	writer_fill_u32le(w, length);
}

static int put_records(const struct dicomdir_record *records, size_t n, size_t start, size_t first,
	size_t last, struct writer *w)
{
	size_t open[LEVELS] = {0}; /* where the last record of each level begins; 0: there is none */
	for (size_t i = 0; i < n; i++) {
		const struct dicomdir_record *r = &records[i];
		int e = check(r, i);
		if (e < 0) {
			return e;
		}
		size_t at = w->len;
		if (open[r->level]) {
			fill_u32(w, open[r->level] + NEXT_AT, at - start);
		} else {
			fill_u32(w, r->level == 0 ? first : open[r->level - 1] + LOWER_AT, at - start);
		}
		open[r->level] = at;
		memset(open + r->level + 1, 0, (LEVELS - 1u - r->level) * sizeof(open[0]));
		put_record(w, r);
		if (w->err == 0 && w->len - start > UINT32_MAX) {
			return ERR_SPACE;
		}
	}
	fill_u32(w, last, open[0] - start);
	return 0;
}

int dicomdir_write(const char *file_set, const struct dicomdir_record *records, size_t n, struct writer *w)
{
	const struct part10_meta meta = {.sop_class = span_str(DICOMDIR_SOP_CLASS),
		.sop_instance = span_str(file_set),
		.transfer_syntax = span_str(EXPLICIT_LE),
		.implementation_class = span_str(GANTRY_IMPLEMENTATION_CLASS),
		.implementation_version = GANTRY_IMPLEMENTATION_VERSION};
	size_t start = w->len;
	if (n == 0) {
		return ERR_ORDER; /* PS3.11 D.3.3: one without records is not allowed */
	}
	int e = part10_write(&meta, w);
	if (e < 0) {
		return e;
	}
	put_text(w, 0x00041130, "CS", "");
	put_u32(w, 0x00041200, 0);
	size_t first = w->len - 4;
	put_u32(w, 0x00041202, 0);
	size_t last = w->len - 4;
	put_u16(w, 0x00041212, 0);
	put_head(w, 0x00041220, "SQ", 0);
	size_t length = writer_mark_u32le(w);
	e = put_records(records, n, start, first, last, w);
	writer_fill_u32le(w, length);
	return e < 0 ? e : writer_end(w);
}
