/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TRANSFORM_MADE_H
#define TESTS_TRANSFORM_MADE_H

#include "dicom_made.h"

#include "dicom_deflate.h"
#include "transform/deidentify.h"

#include <stdio.h>
#include <stdlib.h>

/* Objects, what de-identification makes of them, and the tables of data/ as they are written, not as the build made them. */
#define CLASS_UNKNOWN "1.2.3.4.5"
#define CLASS_CT      "1.2.840.10008.5.1.4.1.1.2"
#define CONTAINER     0x00409096u /* a sequence that no table names */

static const char *const syntaxes[] = {
	[ENCODING_IMPLICIT_LE] = "1.2.840.10008.1.2",
	[ENCODING_EXPLICIT_LE] = "1.2.840.10008.1.2.1",
	[ENCODING_EXPLICIT_BE] = "1.2.840.10008.1.2.2",
	[ENCODING_DEFLATED_LE] = "1.2.840.10008.1.2.1.99",
};

/* ---- Tables ---- */

#define TABLE_COLUMNS 16
struct table {
	char *text;
	unsigned n, columns;
	char *head[TABLE_COLUMNS];
	char *cells[700][TABLE_COLUMNS];
};

static inline void split_row(char *line, char *cells[TABLE_COLUMNS])
{
	static char nothing[1];
	for (unsigned i = 0; i < TABLE_COLUMNS; i++) {
		cells[i] = line ? line : nothing;
		char *tab = line ? strchr(line, '\t') : NULL;
		if (tab) {
			*tab = 0;
		}
		line = tab ? tab + 1 : NULL;
	}
}

static inline struct table *table_read(const char *path)
{
	struct table *t = calloc(1, sizeof(*t));
	FILE *f = fopen(path, "r");
	assert_non_null(t);
	assert_non_null(f);
	t->text = calloc(1, 1 << 20);
	assert_non_null(t->text);
	size_t n = fread(t->text, 1, (1 << 20) - 1, f);
	assert_true(n > 0 && n < (1 << 20) - 1);
	fclose(f);
	bool has_head = false;
	for (char *line = t->text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		if (*line == '#' || !*line) {
			continue;
		}
		assert_true(t->n < ARRAY_LEN(t->cells));
		split_row(line, has_head ? t->cells[t->n++] : t->head);
		has_head = true;
	}
	return t;
}

static inline void table_free(struct table *t)
{
	free(t->text);
	free(t);
}

static inline const char *cell(const struct table *t, unsigned row, const char *column)
{
	for (unsigned i = 0; i < TABLE_COLUMNS; i++) {
		if (t->head[i] && strcmp(t->head[i], column) == 0) {
			return t->cells[row][i];
		}
	}
	return "";
}

/* "(0008,0050)", "(50xx,xxxx)": x as zero. */
static inline uint32_t tag_of(const char *text)
{
	char digits[9] = {0};
	for (unsigned n = 0; *text && n < 8; text++) {
		if (strchr("0123456789abcdefABCDEF", *text)) {
			digits[n++] = *text;
		} else if (*text == 'x') {
			digits[n++] = '0';
		}
	}
	return (uint32_t)strtoul(digits, NULL, 16);
}

static const struct {
	const char *column;
	unsigned bit;
} option_columns[] = {
	{"safe-private", OPTION_SAFE_PRIVATE},
	{"uids", OPTION_UIDS},
	{"device", OPTION_DEVICE},
	{"institution", OPTION_INSTITUTION},
	{"patient", OPTION_PATIENT},
	{"full-dates", OPTION_FULL_DATES},
	{"shifted-dates", OPTION_SHIFTED_DATES},
	{"descriptors", OPTION_DESCRIPTORS},
	{"structured-content", OPTION_STRUCTURED_CONTENT},
	{"graphics", OPTION_GRAPHICS},
};

/* "D", "Z/D", …, "K", "C": what a row says under options. */
static inline const char *row_says(const struct table *t, unsigned row, unsigned options)
{
	const char *says = cell(t, row, "basic");
	for (unsigned i = 0; i < ARRAY_LEN(option_columns); i++) {
		const char *c = cell(t, row, option_columns[i].column);
		if (options & option_columns[i].bit && *c && strcmp(says, "C") != 0) {
			says = c;
		}
	}
	return says;
}

/* ---- De-identified ---- */

struct made {
	int result;
	size_t n;
	uint8_t bytes[512 * 1024];
};

static const uint8_t test_key[PSEUDONYM_KEY] = {'a', ' ', 'k', 'e', 'y'};
static const struct pseudonyms test_pseudonyms = {.make = pseudonym_make, .arg = (void *)(uintptr_t)test_key};

static inline int pull(struct deidentify *t, struct made *m)
{
	struct span s;
	int e;
	while ((e = deidentify_next(t, &s)) == DEIDENTIFY_BYTES) {
		assert_true(s.len > 0 && s.len <= sizeof(m->bytes) - m->n);
		memcpy(m->bytes + m->n, s.ptr, s.len);
		m->n += s.len;
	}
	return e;
}

/* In two pieces, cut after `cut` bytes, each of which is gone when the next comes; or, cut SIZE_MAX: byte by byte. */
static inline void deidentify_cut(struct made *m, const struct deidentify_rules *rules, const char *syntax,
	struct span in, size_t cut, const struct deidentify_log *log)
{
	static struct deidentify t;
	m->n = 0;
	assert_int_equal(deidentify_begin(&t, rules, &test_pseudonyms, span_str(syntax), log), 0);
	m->result = DEIDENTIFY_MORE;
	for (size_t at = 0; at < in.len && m->result == DEIDENTIFY_MORE;) {
		size_t n = cut == SIZE_MAX ? 1 : at < cut ? cut : in.len - at;
		n = n < in.len - at ? n : in.len - at;
		uint8_t *piece = malloc(n);
		assert_non_null(piece);
		memcpy(piece, in.ptr + at, n);
		deidentify_feed(&t, span_of(piece, n));
		m->result = pull(&t, m);
		free(piece);
		at += n;
	}
	if (m->result == DEIDENTIFY_MORE) {
		deidentify_last(&t);
		m->result = pull(&t, m);
	}
	deidentify_done(&t);
}

static inline void deidentified(
	struct made *m, const struct deidentify_rules *rules, enum encoding e, struct span in)
{
	static uint8_t deflated[512 * 1024];
	if (e == ENCODING_DEFLATED_LE) {
		in = span_of(deflated, deflate_raw(in, deflated, sizeof(deflated)));
	}
	deidentify_cut(m, rules, syntaxes[e], in, in.len, NULL);
	assert_int_equal(m->result, DEIDENTIFY_END);
}

/* ---- What came out ---- */

struct found {
	uint32_t tag;
	unsigned depth;
	uint32_t path[4], item; /* the number of the innermost item */
	bool is_sequence;
	char vr[3];
	struct span value;
};

struct out {
	unsigned n;
	size_t used;
	struct found of[4096];
	uint8_t values[512 * 1024];
};

static inline void out_add(struct out *o, const struct dataset *d, bool is_sequence)
{
	assert_true(o->n < ARRAY_LEN(o->of));
	struct found *f = &o->of[o->n++];
	*f = (struct found){.tag = d->tag, .depth = d->depth, .is_sequence = is_sequence};
	memcpy(f->vr, d->vr, sizeof(f->vr));
	for (unsigned i = 0; i < d->depth && i < ARRAY_LEN(f->path); i++) {
		f->path[i] = d->path[i];
		f->item = dataset_item_number(d, i);
	}
}

/* The result is read to its end, and is in order. */
static inline void out_read(struct out *o, const struct made *m, enum encoding e)
{
	static struct dataset d;
	static struct inflater inflater;
	static uint8_t buf[128 * 1024];
	int event;
	o->n = 0;
	o->used = 0;
	assert_int_equal(dataset_begin(&d, e, &inflater), 0);
	dataset_feed(&d, span_of(m->bytes, m->n));
	dataset_last(&d);
	while ((event = dataset_next(&d)) != DATASET_END) {
		assert_true(event > 0);
		if (event == DATASET_ELEMENT) {
			out_add(o, &d, false);
			dataset_collect(&d, buf, sizeof(buf));
		} else if (event == DATASET_SEQUENCE || event == DATASET_ENCAPSULATED) {
			out_add(o, &d, true);
		} else if (event == DATASET_VALUE && o->n > 0 && !o->of[o->n - 1].is_sequence) {
			assert_true(d.value.len <= sizeof(o->values) - o->used);
			if (d.value.len > 0) {
				memcpy(o->values + o->used, d.value.ptr, d.value.len);
			}
			o->of[o->n - 1].value = span_of(o->values + o->used, d.value.len);
			o->used += d.value.len;
		}
	}
	assert_int_equal(d.noted & ~(1u << NOTE_UNDEFINED_LENGTH), 0);
}

/* The first with that tag at that depth; NULL. */
static inline const struct found *out_find(const struct out *o, unsigned depth, uint32_t tag)
{
	for (unsigned i = 0; i < o->n; i++) {
		if (o->of[i].tag == tag && o->of[i].depth == depth) {
			return &o->of[i];
		}
	}
	return NULL;
}

static inline bool bytes_have(struct span s, const char *text)
{
	return s.len > 0 && memmem(s.ptr, s.len, text, strlen(text)) != NULL;
}

static inline bool found_is(const struct found *f, const char *text)
{
	return f && span_eq(f->value, span_str(text));
}

/* What every object begins with, up to before group 0010; sop_class has an even length or is padded here. */
static inline void put_padded(
	struct writer *w, enum encoding e, uint32_t tag, const char *vr, const char *text)
{
	size_t n = strlen(text);
	put_head(w, e, tag, vr, (uint32_t)(n + n % 2));
	writer_bytes(w, text, n);
	if (n % 2) {
		writer_u8(w, memcmp(vr, "UI", 2) == 0 ? 0 : ' ');
	}
}

#endif
