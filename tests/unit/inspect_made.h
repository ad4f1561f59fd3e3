/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_INSPECT_MADE_H
#define TESTS_INSPECT_MADE_H

#include "inspect_said.h"

#include "dicom_made.h"

/* Each check: what it must find, and what is near and must not be found. */
#define EXPLICIT  "1.2.840.10008.1.2.1"
#define JPEG      "1.2.840.10008.1.2.4.50"
#define RLE       "1.2.840.10008.1.2.5"
#define CT        "1.2.840.10008.5.1.4.1.1.2"
#define SECONDARY "1.2.840.10008.5.1.4.1.1.7"

static const enum encoding e = ENCODING_EXPLICIT_LE;
static uint8_t bytes[65536];

static inline void put_value(struct writer *w, uint32_t tag, const char *vr, const void *value, size_t n)
{
	put_head(w, e, tag, vr, (uint32_t)(n + n % 2));
	writer_bytes(w, value, n);
	writer_fill(w, vr[0] == 'U' || vr[0] == 'O' ? 0 : ' ', n % 2);
}

static inline void put_string(struct writer *w, uint32_t tag, const char *vr, const char *text)
{
	put_value(w, tag, vr, text, strlen(text));
}

static inline void put_short(struct writer *w, uint32_t tag, uint16_t v)
{
	put_head(w, e, tag, "US", 2);
	writer_u16le(w, v);
}

/* An object's beginning, to which nothing is to be said. */
static inline struct writer object(const char *sop_class)
{
	struct writer w = writer_of(bytes, sizeof(bytes));
	put_string(&w, 0x00080016, "UI", sop_class);
	put_string(&w, 0x00080018, "UI", "1.2.3.4");
	return w;
}

static inline void put_patient(struct writer *w, const char *name)
{
	put_string(w, 0x00100010, "PN", name);
	put_string(w, 0x00100020, "LO", "4711");
	put_string(w, 0x0020000D, "UI", "1.2.3");
	put_string(w, 0x0020000E, "UI", "1.2.3.1");
}

static inline void expect_in(const char *syntax, const struct writer *w, const char *checks)
{
	char is[1024], whole[SAID_MOST], cut[SAID_MOST];
	struct inspect_about about = {.transfer_syntax = span_str(syntax)};
	inspect_pieces(&inspected, &about, writer_span_of(w), 0, 0, true);
	said_checks(&inspected, is, sizeof(is));
	assert_string_equal(is, checks);
	said_text(&inspected, whole);
	inspect_pieces(&inspected, &about, writer_span_of(w), 0, 1, false);
	said_text(&inspected, cut);
	assert_string_equal(cut, whole);
}

static inline void expect(const struct writer *w, const char *checks)
{
	expect_in(EXPLICIT, w, checks);
}

struct image {
	uint16_t samples, rows, columns, allocated, stored, high;
	const char *photometric, *frames;
};

static inline struct writer image(struct image m)
{
	struct writer w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_short(&w, 0x00280002, m.samples);
	put_string(&w, 0x00280004, "CS", m.photometric);
	if (m.samples > 1) {
		put_short(&w, 0x00280006, 0);
	}
	if (m.frames) {
		put_string(&w, 0x00280008, "IS", m.frames);
	}
	put_short(&w, 0x00280010, m.rows);
	put_short(&w, 0x00280011, m.columns);
	put_short(&w, 0x00280100, m.allocated);
	put_short(&w, 0x00280101, m.stored);
	put_short(&w, 0x00280102, m.high);
	put_short(&w, 0x00280103, 0);
	return w;
}

static inline void put_fragment(struct writer *w, const void *head, size_t n, uint32_t length)
{
	put_item(w, e, length);
	writer_bytes(w, head, n);
	writer_fill(w, 1, length - n);
}

#endif
