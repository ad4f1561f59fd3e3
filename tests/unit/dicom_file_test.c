/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_deflate.h"
#include "dicom_events.h"
#include "dicom_made.h"

static struct parse p;
static uint8_t buf[4096];

/* A file's beginning. length: added to the right group length; without one if it is NO_LENGTH. */
#define NO_LENGTH 0x7FFFFFFF

static struct writer file(const char *transfer_syntax, int length)
{
	struct writer w = writer_of(buf, sizeof(buf));
	enum encoding e = ENCODING_EXPLICIT_LE;
	uint32_t syntax = transfer_syntax ? (uint32_t)strlen(transfer_syntax) : 0,
		 padded = syntax + syntax % 2;
	writer_fill(&w, 0x4D, FILE_PREAMBLE);
	writer_bytes(&w, "DICM", 4);
	if (length != NO_LENGTH) {
		put_head(&w, e, 0x00020000, "UL", 4);
		writer_u32le(&w, 14 + (transfer_syntax ? 8 + padded : 0) + (uint32_t)length);
	}
	put_head(&w, e, 0x00020001, "OB", 2);
	writer_bytes(&w, "\0\1", 2);
	if (transfer_syntax) {
		put_head(&w, e, 0x00020010, "UI", padded);
		writer_bytes(&w, transfer_syntax, padded); /* a C string has its NUL */
	}
	return w;
}

static struct digest parse(struct span s, enum ask ask)
{
	p = (struct parse){.is_file = true, .ask = ask};
	struct digest whole = parse_in_pieces(&p, s, 0, true);
	for (size_t at = 0; at <= s.len; at++) {
		assert_true(digest_eq(whole, parse_cut(&p, s, at)));
	}
	assert_true(digest_eq(whole, parse_in_pieces(&p, s, 1, true)));
	return whole;
}

/* The data set's encoding is the transfer syntax's, and the meta information is told from it. */
static void each_encoding(void **state)
{
	static const struct {
		const char *uid;
		enum encoding encoding;
	} rows[] = {{"1.2.840.10008.1.2", ENCODING_IMPLICIT_LE},
		{"1.2.840.10008.1.2.1", ENCODING_EXPLICIT_LE}, {"1.2.840.10008.1.2.2", ENCODING_EXPLICIT_BE},
		{"1.2.840.10008.1.2.4.50", ENCODING_EXPLICIT_LE}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct writer w = file(rows[i].uid, 0);
		size_t meta = w.len;
		put_text(&w, rows[i].encoding, 0x00080060, "CS", "CT");
		for (int ask = ASK_SKIP; ask <= ASK_PIECES; ask++) {
			assert_int_equal(parse(writer_span_of(&w), (enum ask)ask).result, DATASET_END);
			assert_int_equal(p.digest.noted, 0);
			assert_span(p.f.transfer_syntax, rows[i].uid);
			assert_int_equal(p.f.encoding, rows[i].encoding);
		}
		file_begin(&p.f, NULL);
		file_feed(&p.f, writer_span_of(&w));
		int event;
		while ((event = file_next(&p.f)) > 0) {
			assert_int_equal(p.f.in_meta, p.f.d.offset < meta);
		}
		assert_int_equal(event, DATASET_MORE);
		assert_int_equal(p.f.d.tag, 0x00080060);
		assert_int_equal(p.f.preamble[0], 0x4D);
	}
}

static void deflated(void **state)
{
	uint8_t plain[256], packed[256];
	struct writer d = writer_of(plain, sizeof(plain));
	put_text(&d, ENCODING_EXPLICIT_LE, 0x00080060, "CS", "CT");
	put_text(&d, ENCODING_EXPLICIT_LE, 0x00080070, "LO", "AAAAAAAAAAAAAAAAAAAAAAAA");
	size_t n = deflate_raw(writer_span_of(&d), packed, sizeof(packed));
	struct writer w = file("1.2.840.10008.1.2.1.99", 0);
	size_t meta = w.len;
	writer_bytes(&w, packed, n);
	assert_int_equal(parse(writer_span_of(&w), ASK_COLLECT).result, DATASET_END);
	assert_int_equal(p.digest.noted, 0);
	assert_int_equal(p.f.d.offset, meta + d.len); /* as if it were stored inflated */
	file_begin(&p.f, NULL);
	file_feed(&p.f, writer_span_of(&w));
	int event;
	while ((event = file_next(&p.f)) > 0) {
	}
	assert_int_equal(event, ERR_UNSUPPORTED);
	assert_int_equal(p.f.d.offset, meta);
	/* A third type of block, in the one byte that may be stashed. */
	w.ptr[meta] = 0x07;
	assert_int_equal(parse(writer_span_of(&w), ASK_COLLECT).result, ERR_VALUE);
}

static void group_length(void **state)
{
	static const int lengths[] = {NO_LENGTH, -2, 2, 0x7FFFFF00};
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct writer w = file("1.2.840.10008.1.2", lengths[i]);
		size_t meta = w.len;
		put_text(&w, ENCODING_IMPLICIT_LE, 0x00080060, "CS", "CT");
		assert_int_equal(parse(writer_span_of(&w), ASK_COLLECT).result, DATASET_END);
		assert_int_equal(p.digest.noted, 1u << NOTE_FILE_META_LENGTH);
		file_begin(&p.f, NULL);
		file_feed(&p.f, writer_span_of(&w));
		while (file_next(&p.f) != DATASET_NOTE) {
		}
		assert_int_equal(p.f.d.offset, meta);
	}
}

/* The data set begins with a group whose first byte is that of the meta information's. */
static void like_meta(void **state)
{
	struct writer w = file("1.2.840.10008.1.2.1", 0);
	size_t meta = w.len;
	put_text(&w, ENCODING_EXPLICIT_LE, 0x10020010, "CS", "CT");
	assert_int_equal(parse(writer_span_of(&w), ASK_COLLECT).result, DATASET_END);
	assert_int_equal(p.digest.noted, 0);
	file_begin(&p.f, NULL);
	file_feed(&p.f, writer_span_of(&w));
	while (file_next(&p.f) != DATASET_MORE) {
		assert_int_equal(p.f.in_meta, p.f.d.offset < meta);
	}
}

static int result_of(struct span s)
{
	return parse(s, ASK_SKIP).result;
}

static void refused(void **state)
{
	struct writer w = file(NULL, 0);
	assert_int_equal(result_of(writer_span_of(&w)), ERR_MISSING);
	w = file("1.2.3.4", 0);
	assert_int_equal(result_of(writer_span_of(&w)), ERR_NOT_FOUND);
	/* Longer than a UID can be. */
	w = file("1.2.840.10008.1.2.11111111111111111111111111111111111111111111111111", 0);
	assert_int_equal(result_of(writer_span_of(&w)), ERR_NOT_FOUND);
	w = file("1.2.840.10008.1.2", 0);
	w.ptr[FILE_PREAMBLE] = 'd';
	assert_int_equal(result_of(writer_span_of(&w)), ERR_TYPE);
	assert_int_equal(p.f.d.offset, FILE_PREAMBLE);
}

/* Cut at every byte: an end after the meta information, which names the transfer syntax; none before. */
static void truncated(void **state)
{
	struct writer w = file("1.2.840.10008.1.2", 0);
	size_t first = FILE_PREAMBLE + 4 + 12, second = first + 14;
	for (size_t i = 0; i < w.len; i++) {
		bool between = i == FILE_PREAMBLE + 4 || i == first || i == second;
		assert_int_equal(result_of(span_of(buf, i)), between ? ERR_MISSING : ERR_TRUNCATED);
	}
	assert_int_equal(result_of(writer_span_of(&w)), DATASET_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_encoding),
		cmocka_unit_test(deflated),
		cmocka_unit_test(group_length),
		cmocka_unit_test(like_meta),
		cmocka_unit_test(refused),
		cmocka_unit_test(truncated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
