/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/disc_keys.h"

#include "cli/boxed.h"
#include "cli/disc_sequences.h"
#include "dicom/file.h"
#include "dicom/vr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE    (64u * 1024)
#define MEMORY   (32u * 1024 * 1024)
#define ROOM     1024 /* of a value: names in three writings, with escape sequences */
#define CONCEPT  0x0040A043u
#define VERIFIED 0x0040A030u /* of the object; its observers have it each */
#define LAST     0x30100034u

/* Which records have it: of patients, studies, series; of objects by what they are. */
enum {
	EACH = 1 << 0,
	PATIENT = 1 << 1,
	STUDY = 1 << 2,
	SERIES = 1 << 3,
	NUMBER = 1 << 4,
	CONTENT = 1 << 5,  /* date and time, which have to be there */
	DOCUMENT = 1 << 6, /* encapsulated */
	REPORT = 1 << 7,
	CODED = 1 << 8, /* with a coded title */
	STATE = 1 << 9, /* of presentation */
	LABEL = 1 << 10,
	DOSE = 1 << 11,
	STRUCTURES = 1 << 12,
	PLAN = 1 << 13,
	TREATMENT = 1 << 14,
	PICTURE = 1 << 15,
	SPECTRUM = 1 << 16,
	TITLE = 1 << 17,
	NOBODY = 1 << 18, /* no record is above it */
	HANGING = 1 << 19,
	IMPLANT = 1 << 20,
	ASSEMBLY = 1 << 21, /* of implants */
	GROUP = 1 << 22,    /* of templates of implants */
	ASSESSMENT = 1 << 23,
	RADIATION = 1 << 24, /* radiotherapy of the second generation */
};

/* In the order of tags. */
static const struct {
	uint32_t tag;
	char vr[3];
	bool optional;        /* there only if the object has it */
	unsigned of;          /* of the kinds above */
	const char *fallback; /* where a value has to be and there is none. "#": its number; "@": a UID */
} rows[] = {
	{0x00080005, "CS", true, EACH, NULL},
	{0x00080008, "CS", true, PICTURE | SPECTRUM, NULL},
	{0x00080012, "DA", false, ASSESSMENT, "19000101"},
	{0x00080013, "TM", false, ASSESSMENT, NULL},
	{0x00080020, "DA", false, STUDY, "19000101"},
	{0x00080021, "DA", true, 0, NULL}, /* of the series and of acquisition: see other_than() */
	{0x00080022, "DA", true, 0, NULL},
	{0x00080023, "DA", false, CONTENT, "19000101"},
	{0x00080023, "DA", false, DOCUMENT, NULL},
	{0x00080030, "TM", false, STUDY, "000000"},
	{0x00080031, "TM", true, 0, NULL},
	{0x00080032, "TM", true, 0, NULL},
	{0x00080033, "TM", false, CONTENT, "000000"},
	{0x00080033, "TM", false, DOCUMENT, NULL},
	{0x00080050, "SH", false, STUDY, NULL},
	{0x00080060, "CS", false, SERIES, "OT"},
	{0x00080070, "LO", false, IMPLANT | ASSEMBLY, "UNKNOWN"},
	{0x00081030, "LO", false, STUDY, NULL},
	{0x00081115, "SQ", true, STATE, NULL},
	{0x00081140, "SQ", true, PICTURE, NULL},
	{0x00089092, "SQ", true, SPECTRUM, NULL},
	{0x00100010, "PN", false, PATIENT, NULL},
	{0x00100020, "LO", false, PATIENT, "#"},
	{0x0020000D, "UI", false, STUDY, "@"},
	{0x0020000E, "UI", false, SERIES, "@"},
	{0x00200010, "SH", false, STUDY, "#"},
	{0x00200011, "IS", false, SERIES, "#"},
	{0x00200013, "IS", false, NUMBER, "#"},
	{0x00221095, "LO", false, IMPLANT, "UNKNOWN"},
	{0x00221097, "LO", false, IMPLANT, "UNKNOWN"},
	{0x00280008, "IS", false, SPECTRUM, "1"},
	{0x00280010, "US", false, SPECTRUM, "1"},
	{0x00280011, "US", false, SPECTRUM, "1"},
	{0x00289001, "UL", false, SPECTRUM, "1"},
	{0x00289002, "UL", false, SPECTRUM, "1"},
	{VERIFIED, "DT", true, REPORT, NULL},
	{CONCEPT, "SQ", false, CODED, NULL},
	{0x0040A491, "CS", false, REPORT, "PARTIAL"},
	{0x0040A493, "CS", false, REPORT, "UNVERIFIED"},
	{0x0040A730, "SQ", true, CODED, NULL},
	{0x0040E001, "ST", true, DOCUMENT, NULL},
	{0x00420010, "ST", false, DOCUMENT, NULL},
	{0x00420012, "LO", false, DOCUMENT, "application/octet-stream"},
	{0x00686210, "LO", true, IMPLANT, NULL},
	{0x00700080, "CS", false, LABEL | TITLE, "UNKNOWN"},
	{0x00700081, "LO", false, LABEL | TITLE | RADIATION, NULL},
	{0x00700082, "DA", false, STATE, "19000101"},
	{0x00700083, "TM", false, STATE, "000000"},
	{0x00700084, "PN", false, LABEL | RADIATION, NULL},
	{0x00700402, "SQ", true, STATE, NULL},
	{0x00720002, "SH", false, HANGING, "UNKNOWN"},
	{0x00720004, "LO", false, HANGING, "UNKNOWN"},
	{0x00720006, "CS", false, HANGING, "SITE"},
	{0x00720008, "LO", false, HANGING, "UNKNOWN"},
	{0x0072000A, "DT", false, HANGING, "19000101"},
	{0x0072000C, "SQ", false, HANGING, NULL},
	{0x0072000E, "SQ", false, HANGING, NULL},
	{0x00720014, "US", false, HANGING, "0"},
	{0x00760001, "LO", false, ASSEMBLY, "UNKNOWN"},
	{0x00760003, "LO", false, ASSEMBLY, "UNKNOWN"},
	{0x00760020, "SQ", false, ASSEMBLY, NULL},
	{0x00780001, "LO", false, GROUP, "UNKNOWN"},
	{0x00780020, "LO", false, GROUP, "UNKNOWN"},
	{0x3004000A, "CS", false, DOSE, "PLAN"},
	{0x30060002, "SH", false, STRUCTURES, "UNKNOWN"},
	{0x30060008, "DA", false, STRUCTURES, NULL},
	{0x30060009, "TM", false, STRUCTURES, NULL},
	{0x30080250, "DA", false, TREATMENT, NULL},
	{0x30080251, "TM", false, TREATMENT, NULL},
	{0x300A0002, "SH", false, PLAN, "UNKNOWN"},
	{0x300A0006, "DA", false, PLAN, NULL},
	{0x300A0007, "TM", false, PLAN, NULL},
	{0x30100033, "SH", true, RADIATION, NULL},
	{LAST, "LO", true, RADIATION, NULL},
};

#define ROWS ARRAY_LEN(rows)

struct fixed_keys {
	uint16_t len[ROWS];
	uint8_t there[ROWS];
	uint8_t values[ROWS][ROOM];
	uint32_t sequence_len[DISC_SEQUENCES];
};

/* Beside them, as many bytes as they say. */
struct disc_keys {
	struct fixed_keys f;
	uint8_t sequences[DISC_SEQUENCES][DISC_SEQUENCE_MOST];
};

/* By the beginning of the UID, the longer before the shorter. PS3.3 F.4: what is in none is an IMAGE. */
static const struct {
	const char *sop_class, *type;
	unsigned keys;
} types[] = {
	{"1.2.840.10008.5.1.4.1.1.88.59", "KEY OBJECT DOC", NUMBER | CONTENT | CODED},
	{"1.2.840.10008.5.1.4.1.1.88.", "SR DOCUMENT", NUMBER | CONTENT | CODED | REPORT},
	{"1.2.840.10008.5.1.4.1.1.104.", "ENCAP DOC", NUMBER | DOCUMENT | CODED},
	{"1.2.840.10008.5.1.4.1.1.11.", "PRESENTATION", NUMBER | STATE | LABEL},
	{"1.2.840.10008.5.1.4.1.1.131", "PRESENTATION", NUMBER | STATE | LABEL},
	{"1.2.840.10008.5.1.4.1.1.9.100.", "PRESENTATION", NUMBER | STATE | LABEL},
	{"1.2.840.10008.5.1.4.1.1.9.", "WAVEFORM", NUMBER | CONTENT},
	{"1.2.840.10008.5.1.4.1.1.4.2", "SPECTROSCOPY", NUMBER | CONTENT | SPECTRUM},
	{"1.2.840.10008.5.1.4.1.1.67", "VALUE MAP", NUMBER | CONTENT | LABEL},
	{"1.2.840.10008.5.1.4.1.1.68.", "SURFACE SCAN", CONTENT},
	{"1.2.840.10008.5.1.4.1.1.77.1.5.3", "STEREOMETRIC", 0},
	{"1.2.840.10008.5.1.4.1.1.78.6", "SR DOCUMENT", NUMBER | CONTENT | CODED | REPORT},
	{"1.2.840.10008.5.1.4.1.1.78.", "MEASUREMENT", NUMBER | CONTENT | LABEL},
	{"1.2.840.10008.5.1.4.1.1.79.1", "SR DOCUMENT", NUMBER | CONTENT | CODED | REPORT},
	{"1.2.840.10008.5.1.4.1.1.80.1", "MEASUREMENT", NUMBER | CONTENT | LABEL},
	{"1.2.840.10008.5.1.4.1.1.90.1", "ASSESSMENT", NUMBER | ASSESSMENT},
	{"1.2.840.10008.5.1.4.1.1.91.", "ANNOTATION", NUMBER | CONTENT | LABEL},
	{"1.2.840.10008.5.1.4.1.1.66.6", "TRACT", NUMBER | CONTENT | LABEL},
	{"1.2.840.10008.5.1.4.1.1.481.2", "RT DOSE", NUMBER | DOSE},
	{"1.2.840.10008.5.1.4.1.1.481.3", "RT STRUCTURE SET", NUMBER | STRUCTURES},
	{"1.2.840.10008.5.1.4.1.1.481.5", "RT PLAN", NUMBER | PLAN},
	{"1.2.840.10008.5.1.4.1.1.481.8", "RT PLAN", NUMBER | PLAN},
	{"1.2.840.10008.5.1.4.1.1.481.4", "RT TREAT RECORD", NUMBER | TREATMENT},
	{"1.2.840.10008.5.1.4.1.1.481.6", "RT TREAT RECORD", NUMBER | TREATMENT},
	{"1.2.840.10008.5.1.4.1.1.481.7", "RT TREAT RECORD", NUMBER | TREATMENT},
	{"1.2.840.10008.5.1.4.1.1.481.9", "RT TREAT RECORD", NUMBER | TREATMENT},
	{"1.2.840.10008.5.1.4.1.1.481.1", "IMAGE", NUMBER | PICTURE},
	{"1.2.840.10008.5.1.4.1.1.481.23", "IMAGE", NUMBER | PICTURE},
	{"1.2.840.10008.5.1.4.1.1.481.24", "IMAGE", NUMBER | PICTURE},
	{"1.2.840.10008.5.1.4.1.1.481.", "RADIOTHERAPY", NUMBER | RADIATION},
	{"1.2.840.10008.5.1.4.34.7", "PLAN", 0},
	{"1.2.840.10008.5.1.4.34.10", "PLAN", 0},
	{"1.2.840.10008.5.1.4.1.1.66.1", "REGISTRATION", NUMBER | CONTENT | LABEL},
	{"1.2.840.10008.5.1.4.1.1.66.2", "FIDUCIAL", NUMBER | CONTENT | LABEL},
	{"1.2.840.10008.5.1.4.1.1.66.3", "REGISTRATION", NUMBER | CONTENT | LABEL},
	{"1.2.840.10008.5.1.4.1.1.66.5", "SURFACE", NUMBER | CONTENT | LABEL},
	{"1.2.840.10008.5.1.4.1.1.66", "RAW DATA", NUMBER | CONTENT},
	{"1.2.840.10008.5.1.4.38.1", "HANGING PROTOCOL", HANGING | NOBODY},
	{"1.2.840.10008.5.1.4.39.1", "PALETTE", TITLE | NOBODY},
	{"1.2.840.10008.5.1.4.43.1", "IMPLANT", IMPLANT | NOBODY},
	{"1.2.840.10008.5.1.4.44.1", "IMPLANT ASSY", ASSEMBLY | NOBODY},
	{"1.2.840.10008.5.1.4.45.1", "IMPLANT GROUP", GROUP | NOBODY},
	{"", "IMAGE", NUMBER | PICTURE},
};

static size_t type_of(const char *sop_class)
{
	size_t i = 0;
	for (; i + 1 < ARRAY_LEN(types); i++) {
		size_t n = strlen(types[i].sop_class);
		bool whole = types[i].sop_class[n - 1] != '.';
		if (strncmp(types[i].sop_class, sop_class, n) == 0 && (!whole || !sop_class[n])) {
			break;
		}
	}
	return i;
}

const char *disc_keys_type(const char *sop_class)
{
	return types[type_of(sop_class)].type;
}

bool disc_keys_of_nobody(const char *sop_class)
{
	return types[type_of(sop_class)].keys & NOBODY;
}

/* ---- The child ---- */

struct reading {
	struct dicom_file f;
	struct inflater inflater;
	struct fixed_keys keys;
	struct disc_copier copier;
	size_t row; /* whose value is waited for; ROWS: none */
	uint8_t buf[PIECE], value[ROOM], number[4];
};

static size_t row_of(const struct dataset *d, const struct fixed_keys *k)
{
	for (size_t i = 0; d->depth == 0 && i < ROWS; i++) {
		if (rows[i].tag == d->tag && !k->there[i]) {
			return i;
		}
	}
	return ROWS;
}

/* Bytes of a US or UL; 0: the row is of text. */
static size_t number_size(size_t row)
{
	return strcmp(rows[row].vr, "US") == 0 ? 2 : strcmp(rows[row].vr, "UL") == 0 ? 4 : 0;
}

/* Numbers are kept in little endian. Others than one of that VR are none. */
static struct span value_of(struct reading *r)
{
	const struct dataset *d = &r->f.d;
	size_t size = number_size(r->row);
	if (d->truncated || (size > 0 && d->value.len != size)) {
		return span_of(NULL, 0);
	}
	if (size == 0) {
		return vr_trim(rows[r->row].vr, d->value);
	}
	for (size_t i = 0; i < size; i++) {
		r->number[i] = d->value.ptr[r->f.encoding == ENCODING_EXPLICIT_BE ? size - 1 - i : i];
	}
	return span_of(r->number, size);
}

/* The same element may have several rows. */
static void keep(struct reading *r)
{
	struct span v = value_of(r);
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].tag == rows[r->row].tag) {
			r->keys.there[i] = 1;
			r->keys.len[i] = (uint16_t)v.len;
			if (v.len > 0) {
				memcpy(r->keys.values[i], v.ptr, v.len);
			}
		}
	}
	r->row = ROWS;
}

/* Of the `left` bytes that are the object's. */
static int feed(struct reading *r, int file, uint64_t *left)
{
	ssize_t n;
	do {
		n = read(file, r->buf, *left < sizeof(r->buf) ? (size_t)*left : sizeof(r->buf));
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		*left -= (uint64_t)n;
		file_feed(&r->f, span_of(r->buf, (size_t)n));
	} else if (n == 0) {
		file_last(&r->f);
	}
	return n < 0 ? 1 : 0;
}

static bool tell(struct reading *r, int out)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].tag == VERIFIED && r->copier.verified[0]) {
			r->keys.len[i] = (uint16_t)strlen(r->copier.verified);
			memcpy(r->keys.values[i], r->copier.verified, r->keys.len[i]);
		}
	}
	for (unsigned i = 0; i < DISC_SEQUENCES; i++) {
		r->keys.sequence_len[i] = (uint32_t)r->copier.len[i];
	}
	bool ok = boxed_write(out, &r->keys, sizeof(r->keys));
	for (unsigned i = 0; ok && i < DISC_SEQUENCES; i++) {
		ok = boxed_write(out, r->copier.bytes[i], r->copier.len[i]);
	}
	return ok;
}

static int run(void *arg, int file, int out)
{
	static struct reading r;
	uint64_t left = *(const uint64_t *)arg;
	file_begin(&r.f, &r.inflater);
	disc_copier_begin(&r.copier);
	r.row = ROWS;
	for (int event;;) {
		event = file_next(&r.f);
		bool begins = event == DATASET_ELEMENT || event == DATASET_SEQUENCE ||
		              event == DATASET_ENCAPSULATED;
		if (event < 0 || (event == DATASET_MORE && feed(&r, file, &left) != 0)) {
			return 1;
		}
		if (event == DATASET_END ||
			(begins && !r.f.in_meta && r.f.d.depth == 0 && r.f.d.tag > LAST)) {
			break;
		}
		if (!r.f.in_meta && disc_copier_take(&r.copier, &r.f.d, event)) {
			continue;
		}
		if (event == DATASET_ELEMENT && !r.f.in_meta && (r.row = row_of(&r.f.d, &r.keys)) < ROWS) {
			dataset_collect(&r.f.d, r.value, sizeof(r.value));
		} else if (event == DATASET_VALUE && r.row < ROWS) {
			keep(&r);
		}
	}
	return tell(&r, out) ? 0 : 1;
}

/* ---- The parent ---- */

int disc_keys_new(struct disc_keys **ret_keys)
{
	struct disc_keys *k = calloc(1, sizeof(*k));
	if (!k) {
		return ERR_NO_MEMORY;
	}
	*ret_keys = k;
	return 0;
}

void disc_keys_free(struct disc_keys *k)
{
	free(k);
}

int disc_keys_read(struct disc_keys *k, const struct sandbox *sandbox, int file, uint64_t at, uint64_t len,
	unsigned seconds)
{
	const struct boxed_how how = {.sandbox = sandbox, .cpu_s = seconds, .memory = MEMORY};
	struct boxed b = BOXED_NONE;
	int e = lseek(file, (off_t)at, SEEK_SET) < 0 ? ERR_SYSTEM : boxed_start(&b, &how, file, run, &len);
	e = e ? e : boxed_read(&b, &k->f, sizeof(k->f), BOXED_PATIENCE * (int)seconds * 1000);
	for (size_t i = 0; e == 0 && i < ROWS; i++) {
		k->f.len[i] = k->f.len[i] > ROOM ? 0 : k->f.len[i];
	}
	for (unsigned i = 0; e == 0 && i < DISC_SEQUENCES; i++) {
		uint32_t n = k->f.sequence_len[i];
		e = n > DISC_SEQUENCE_MOST || n & 1
		            ? ERR_VALUE
		            : boxed_read(&b, k->sequences[i], n, BOXED_PATIENCE * (int)seconds * 1000);
	}
	(void)boxed_end(&b);
	return e == 0 || e == ERR_TIMEOUT || e == ERR_SYSTEM ? e : ERR_VALUE;
}

static void put(struct writer *w, uint32_t tag, const char *vr, struct span value)
{
	size_t odd = value.len & 1;
	writer_u16le(w, (uint16_t)(tag >> 16));
	writer_u16le(w, (uint16_t)tag);
	writer_bytes(w, vr, 2);
	writer_u16le(w, (uint16_t)(value.len + odd));
	writer_span(w, value);
	writer_fill(w, vr[0] == 'U' ? 0 : ' ', odd);
}

/* The title of what has to have one. */
static void put_code(struct writer *w)
{
	writer_u16le(w, (uint16_t)(CONCEPT >> 16));
	writer_u16le(w, (uint16_t)CONCEPT);
	writer_bytes(w, "SQ\0\0", 4);
	size_t sequence = writer_mark_u32le(w);
	writer_u32le(w, 0xE000FFFEu);
	size_t item = writer_mark_u32le(w);
	put(w, 0x00080100, "SH", span_str("121181"));
	put(w, 0x00080102, "SH", span_str("DCM"));
	put(w, 0x00080104, "LO", span_str("DICOM Object Catalog"));
	writer_fill_u32le(w, item);
	writer_fill_u32le(w, sequence);
}

static struct span sequence_of(const struct disc_keys *k, uint32_t tag)
{
	unsigned i = disc_sequence_of(tag);
	return span_of(k->sequences[i], k->f.sequence_len[i]);
}

/* With its head; or an empty one, if it has to be there. */
static void put_sequence(size_t row, struct span value, struct writer *w)
{
	writer_span(w, value);
	if (value.len == 0) {
		writer_u16le(w, (uint16_t)(rows[row].tag >> 16));
		writer_u16le(w, (uint16_t)rows[row].tag);
		writer_bytes(w, "SQ\0\0\0\0\0\0", 8);
	}
}

/* What has to be there and is not. */
static void put_fallback(size_t row, const char *fallback, struct writer *w)
{
	const uint8_t number[4] = {fallback ? (uint8_t)(fallback[0] - '0') : 0};
	size_t size = number_size(row);
	put(w, rows[row].tag, rows[row].vr,
		size > 0 ? span_of(number, size) : span_str(fallback ? fallback : ""));
}

static const char *fallback_of(size_t row, const char *number, const char *uid)
{
	const char *f = rows[row].fallback;
	return f && f[0] == '#' ? number : f && f[0] == '@' ? uid : f;
}

static struct span own(const struct disc_keys *k, size_t row)
{
	return span_of(k->f.values[row], k->f.len[row]);
}

/* Of a study without a date or time that of its series, acquisition or content, which stand behind it in the table. */
static struct span other_than(const struct disc_keys *k, size_t row)
{
	uint32_t tag = rows[row].tag;
	bool study = tag == 0x00080020 || tag == 0x00080030;
	for (size_t i = row + 1; study && i < ROWS && rows[i].tag <= tag + 3; i++) {
		if (own(k, i).len > 0) {
			return own(k, i);
		}
	}
	return span_of(NULL, 0);
}

void disc_keys_put(const struct disc_keys *k, unsigned level, const char *sop_class,
	const struct disc_made *made, struct writer *w)
{
	unsigned wanted = EACH | (level < 3 ? (unsigned)PATIENT << level : types[type_of(sop_class)].keys);
	char text[24];
	snprintf(text, sizeof(text), "%zu", made->number);
	for (size_t i = 0; i < ROWS; i++) {
		bool sequence = strcmp(rows[i].vr, "SQ") == 0;
		struct span value = sequence ? sequence_of(k, rows[i].tag) : own(k, i);
		value = value.len > 0 || sequence ? value : other_than(k, i);
		if (!(rows[i].of & wanted) || (rows[i].optional && value.len == 0)) {
			continue;
		}
		if (rows[i].tag == CONCEPT && value.len == 0 && !(wanted & DOCUMENT)) {
			put_code(w);
		} else if (sequence) {
			put_sequence(i, value, w);
		} else if (value.len > 0) {
			put(w, rows[i].tag, rows[i].vr, value);
		} else {
			put_fallback(i, fallback_of(i, text, made->uid), w);
		}
	}
}
