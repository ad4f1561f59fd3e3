/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TRANSFORM_OBJECT_H
#define TESTS_TRANSFORM_OBJECT_H

#include "transform_made.h"

/* One object at a time. */
static uint8_t input[512 * 1024];
static struct made made;
static struct out out;

static inline struct writer begin(enum encoding e, const char *sop_class)
{
	struct writer w = writer_of(input, sizeof(input));
	put_padded(&w, e, 0x00080005, "CS", "ISO_IR 100");
	put_padded(&w, e, 0x00080016, "UI", sop_class);
	put_padded(&w, e, 0x00080018, "UI", "1.2.3.4.5.6");
	return w;
}

static inline void put_patient(struct writer *w, enum encoding e)
{
	put_padded(w, e, 0x00100010, "PN", "Zebedee^Anna");
	put_padded(w, e, 0x00100020, "LO", "4711");
	put_padded(w, e, 0x00100030, "DA", "19500229");
}

static inline void put_series(struct writer *w, enum encoding e)
{
	put_padded(w, e, 0x0020000D, "UI", "1.2.3");
	put_padded(w, e, 0x0020000E, "UI", "1.2.3.4");
}

static inline void run_of(enum encoding e, struct writer *w, const struct deidentify_rules *rules)
{
	assert_int_equal(writer_end(w) < 0, 0);
	deidentified(&made, rules, e, writer_span_of(w));
	out_read(&out, &made, e);
}

static inline int result_of(enum encoding e, struct writer *w, const struct deidentify_rules *rules)
{
	assert_int_equal(writer_end(w) < 0, 0);
	deidentify_cut(&made, rules, syntaxes[e], writer_span_of(w), w->len, NULL);
	return made.result;
}

static inline bool has(const char *text)
{
	return bytes_have(span_of(made.bytes, made.n), text);
}

#endif
