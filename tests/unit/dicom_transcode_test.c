/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom_deflate.h"
#include "dicom_made.h"

#include "dicom/implementation.h"
#include "dicom/mac.h"
#include "dicom/transcode.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LE  ENCODING_EXPLICIT_LE
#define BE  ENCODING_EXPLICIT_BE
#define IMP ENCODING_IMPLICIT_LE
#define U   UNDEFINED_LENGTH

static struct transcode t;
static uint8_t in_bytes[400000], want_bytes[400000], got_bytes[400000], again_bytes[400000];
static struct writer in, want, got;
static unsigned n_puts, fails_at;

static int put(void *arg, struct span bytes)
{
	struct writer *w = arg;
	assert_true(bytes.len > 0);
	if (++n_puts == fails_at) {
		return ERR_CLOSED;
	}
	writer_span(w, bytes);
	return writer_end(w);
}

static int run(struct span file, size_t piece, uint8_t *to, bool is_signed)
{
	got = writer_of(to, sizeof(got_bytes));
	n_puts = 0;
	transcode_begin(&t, is_signed, put, &got);
	for (size_t at = 0; at < file.len; at += piece) {
		size_t n = file.len - at < piece ? file.len - at : piece;
		int e = transcode_feed(&t, span_of(file.ptr + at, n));
		if (e < 0) {
			return e;
		}
	}
	return transcode_end(&t);
}

static void put_padded(struct writer *w, uint32_t tag, const char *vr, const char *text, char pad)
{
	size_t n = strlen(text);
	put_head(w, LE, tag, vr, (uint32_t)(n + n % 2));
	writer_bytes(w, text, n);
	writer_fill(w, (uint8_t)pad, n % 2);
}

/* A file's beginning, in whatever; and the same as it is to become. */
static void begin_file(const char *syntax)
{
	in = writer_of(in_bytes, sizeof(in_bytes));
	writer_fill(&in, 'x', FILE_PREAMBLE);
	writer_bytes(&in, "DICM", 4);
	put_head(&in, LE, 0x00020000, "UL", 4);
	size_t mark = in.len;
	writer_u32le(&in, 0);
	put_padded(&in, 0x00020002, "UI", "1.2.840.10008.5.1.4.1.1.7", 0);
	put_padded(&in, 0x00020010, "UI", syntax, 0);
	put_padded(&in, 0x00020012, "UI", "1.2.3", 0);
	put_padded(&in, 0x00020016, "AE", "SENDER", ' ');
	in.ptr[mark] = (uint8_t)(in.len - mark - 4);
	want = writer_of(want_bytes, sizeof(want_bytes));
	writer_fill(&want, 0, FILE_PREAMBLE);
	writer_bytes(&want, "DICM", 4);
	put_head(&want, LE, 0x00020000, "UL", 4);
	mark = want.len;
	writer_u32le(&want, 0);
	put_padded(&want, 0x00020002, "UI", "1.2.840.10008.5.1.4.1.1.7", 0);
	put_padded(&want, 0x00020010, "UI", "1.2.840.10008.1.2.1", 0);
	put_padded(&want, 0x00020012, "UI", GANTRY_IMPLEMENTATION_CLASS, 0);
	put_padded(&want, 0x00020013, "SH", GANTRY_IMPLEMENTATION_VERSION, ' ');
	put_padded(&want, 0x00020016, "AE", "SENDER", ' ');
	want.ptr[mark] = (uint8_t)(want.len - mark - 4);
}

/* It becomes that, in whatever pieces it comes; that becomes itself; and cut anywhere it becomes nothing, or less. */
static void is_made(bool is_signed)
{
	struct span file = writer_span_of(&in);
	assert_int_equal(writer_end(&in), 0);
	for (size_t piece = 1; piece <= file.len; piece = piece < 40 ? piece + 1 : 3 * piece) {
		assert_int_equal(run(file, piece, got_bytes, is_signed), 0);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.ptr, want.ptr, want.len);
	}
	assert_int_equal(run(file, file.len, got_bytes, is_signed), 0);
	assert_int_equal(got.len, want.len);
	size_t len = got.len;
	assert_int_equal(run(span_of(got_bytes, len), 4096, again_bytes, is_signed), 0);
	assert_int_equal(got.len, len);
	assert_memory_equal(again_bytes, got_bytes, len);
}

static void is_cut(void)
{
	for (size_t n = 0; n < in.len; n++) {
		int e = run(span_of(in.ptr, n), 4096, got_bytes, false);
		assert_true(e < 0 || got.len < want.len);
	}
}

static void put_value(
	struct writer *w, enum encoding e, uint32_t tag, const char *vr, const void *v, size_t n)
{
	put_head(w, e, tag, vr, (uint32_t)n);
	writer_bytes(w, v, n);
}

/* ---- Implicit VR ---- */

/* VRs of the dictionary, by Pixel Representation where they are either, and of what is not in it. */
static void implicit_values(void **state)
{
	(void)state;
	begin_file("1.2.840.10008.1.2");
	put_value(&in, IMP, 0x00080000, "", "\4\0\0\0", 4);
	put_value(&in, IMP, 0x00080001, "", "\4\0\0\0", 4);
	put_value(&in, IMP, 0x00100010, "", "Doe^J", 5);
	put_value(&want, LE, 0x00100010, "PN", "Doe^J ", 6);
	put_value(&in, IMP, 0x00110010, "", "ACME", 4);
	put_value(&want, LE, 0x00110010, "LO", "ACME", 4);
	put_value(&in, IMP, 0x00111001, "", "\1\2", 2);
	put_value(&want, LE, 0x00111001, "UN", "\1\2", 2);
	put_value(&in, IMP, 0x00189810, "", "\xFF\xFF", 2); /* in front of Pixel Representation */
	put_value(&want, LE, 0x00189810, "SS", "\xFF\xFF", 2);
	put_value(&in, IMP, 0x0020000D, "", "1.2", 3);
	put_value(&want, LE, 0x0020000D, "UI", "1.2\0", 4);
	put_value(&in, IMP, 0x00280103, "", "\1\0", 2);
	put_value(&want, LE, 0x00280103, "US", "\1\0", 2);
	put_value(&in, IMP, 0x00280106, "", "\xFE\xFF", 2);
	put_value(&want, LE, 0x00280106, "SS", "\xFE\xFF", 2);
	put_value(&in, IMP, 0x00281201, "", "\1\2\3\4", 4);
	put_value(&want, LE, 0x00281201, "OW", "\1\2\3\4", 4);
	put_value(&in, IMP, 0x60003000, "", "\1\2", 2);
	put_value(&want, LE, 0x60003000, "OW", "\1\2", 2);
	put_value(&in, IMP, 0x7FE00010, "", "\1\2\3\4", 4);
	put_value(&want, LE, 0x7FE00010, "OW", "\1\2\3\4", 4);
	is_made(true);
	is_cut();
	begin_file("1.2.840.10008.1.2");
	put_value(&in, IMP, 0x00280103, "", "\0\0", 2);
	put_value(&want, LE, 0x00280103, "US", "\0\0", 2);
	put_value(&in, IMP, 0x00280106, "", "\xFE\xFF", 2);
	put_value(&want, LE, 0x00280106, "US", "\xFE\xFF", 2);
	put_value(&in, IMP, 0x00283006, "", "\xFE\xFF", 2);
	put_value(&want, LE, 0x00283006, "OW", "\xFE\xFF", 2);
	is_made(false);
}

/* Pixel Representation of an item is that of the item, and of what is in it that has none. */
static void implicit_items(void **state)
{
	(void)state;
	begin_file("1.2.840.10008.1.2");
	put_value(&in, IMP, 0x00280103, "", "\1\0", 2);
	put_value(&want, LE, 0x00280103, "US", "\1\0", 2);
	/* An icon, of defined length, with an unsigned representation of its own. */
	put_head(&in, IMP, 0x00880200, "", 28);
	put_item(&in, IMP, 20);
	put_value(&in, IMP, 0x00280103, "", "\0\0", 2);
	put_value(&in, IMP, 0x00280107, "", "\1\0", 2);
	put_head(&want, LE, 0x00880200, "SQ", U);
	put_item(&want, LE, U);
	put_value(&want, LE, 0x00280103, "US", "\0\0", 2);
	put_value(&want, LE, 0x00280107, "US", "\1\0", 2);
	put_item_end(&want, LE);
	put_sequence_end(&want, LE);
	/* Functional groups, which have that of the image. */
	put_head(&in, IMP, 0x52009229, "", U);
	put_item(&in, IMP, U);
	put_head(&in, IMP, 0x00409096, "", 18);
	put_item(&in, IMP, 10);
	put_value(&in, IMP, 0x00409216, "", "\xFF\xFF", 2);
	put_item_end(&in, IMP);
	put_sequence_end(&in, IMP);
	put_head(&want, LE, 0x52009229, "SQ", U);
	put_item(&want, LE, U);
	put_head(&want, LE, 0x00409096, "SQ", U);
	put_item(&want, LE, U);
	put_value(&want, LE, 0x00409216, "SS", "\xFF\xFF", 2);
	for (int i = 0; i < 2; i++) {
		put_item_end(&want, LE);
		put_sequence_end(&want, LE);
	}
	is_made(true);
	is_cut();
}

/* What nobody knows and is a sequence stays implicit in its UN (PS3.5 6.2.2), what is known within too. */
static void implicit_private_sequence(void **state)
{
	(void)state;
	begin_file("1.2.840.10008.1.2");
	struct writer *both[] = {&in, &want};
	for (int i = 0; i < 2; i++) {
		if (i == 0) {
			put_head(&in, IMP, 0x00111001, "", U);
		} else {
			put_head(&want, LE, 0x00111001, "UN", U);
		}
		put_item(both[i], IMP, U);
		put_value(both[i], IMP, 0x00100010, "", "Doe", i == 0 ? 3 : 3);
		if (i == 1) {
			want.ptr[want.len - 7] = 4;
			writer_bytes(&want, " ", 1);
		}
		put_head(both[i], IMP, 0x00081140, "", i == 0 ? 0 : U);
		if (i == 1) {
			put_sequence_end(&want, IMP);
		}
		put_item_end(both[i], IMP);
		put_sequence_end(both[i], IMP);
	}
	put_value(&in, IMP, 0x00120062, "", "NO", 2);
	put_value(&want, LE, 0x00120062, "CS", "NO", 2);
	is_made(false);
	is_cut();
}

/* A text that is longer than its VR can say in explicit VR is UN, and one that just fits is not. */
static void long_values(void **state)
{
	(void)state;
	static char text[65537];
	memset(text, 'a', sizeof(text));
	for (uint32_t n = 65533; n <= 65537; n++) {
		uint32_t even = n + n % 2;
		begin_file("1.2.840.10008.1.2");
		put_value(&in, IMP, 0x00104000, "", text, n);
		put_head(&want, LE, 0x00104000, even <= 65534 ? "LT" : "UN", even);
		writer_bytes(&want, text, n);
		writer_fill(&want, ' ', n % 2);
		is_made(false);
	}
}

/* ---- Big endian ---- */

static void big_endian(void **state)
{
	(void)state;
	begin_file("1.2.840.10008.1.2.2");
	put_value(&in, BE, 0x00080005, "CS", "ISO_IR 100", 10);
	put_value(&want, LE, 0x00080005, "CS", "ISO_IR 100", 10);
	put_value(&in, BE, 0x00090010, "LO", "ACME", 4);
	put_value(&want, LE, 0x00090010, "LO", "ACME", 4);
	put_value(&in, BE, 0x00091001, "UN", "\1\2\3\4", 4);
	put_value(&want, LE, 0x00091001, "UN", "\1\2\3\4", 4);
	put_value(&in, BE, 0x00091002, "FD", "\1\2\3\4\5\6\7\10", 8);
	put_value(&want, LE, 0x00091002, "FD", "\10\7\6\5\4\3\2\1", 8);
	put_head(&in, BE, 0x00091003, "UN", U); /* little endian and implicit in it */
	put_head(&want, LE, 0x00091003, "UN", U);
	put_item(&in, IMP, U);
	put_item(&want, IMP, U);
	put_value(&in, IMP, 0x00280010, "", "\1\2", 2);
	put_value(&want, IMP, 0x00280010, "", "\1\2", 2);
	put_item_end(&in, IMP);
	put_item_end(&want, IMP);
	put_sequence_end(&in, IMP);
	put_sequence_end(&want, IMP);
	put_value(&in, BE, 0x00280009, "AT", "\0\x18\x10\x63", 4);
	put_value(&want, LE, 0x00280009, "AT", "\x18\0\x63\x10", 4);
	put_value(&in, BE, 0x00280010, "US", "\1\2", 2);
	put_value(&want, LE, 0x00280010, "US", "\2\1", 2);
	put_head(&in, BE, 0x00880200, "SQ", 8 + 10);
	put_head(&want, LE, 0x00880200, "SQ", U);
	put_item(&in, BE, 10);
	put_item(&want, LE, U);
	put_value(&in, BE, 0x00280011, "US", "\3\4", 2);
	put_value(&want, LE, 0x00280011, "US", "\4\3", 2);
	put_item_end(&want, LE);
	put_sequence_end(&want, LE);
	put_value(&in, BE, 0x60003000, "OB", "\1\2", 2);
	put_value(&want, LE, 0x60003000, "OB", "\1\2", 2);
	put_value(&in, BE, 0x7FE00010, "OW", "\1\2\3\4", 4);
	put_value(&want, LE, 0x7FE00010, "OW", "\2\1\4\3", 4);
	is_made(false);
	is_cut();
}

static void refuses(const char *word)
{
	assert_int_equal(run(writer_span_of(&in), 7, got_bytes, false), ERR_UNSUPPORTED);
	assert_non_null(strstr(t.why, word));
}

/* What cannot be said in the other order of bytes, or in no other encoding. */
static void refused(void **state)
{
	(void)state;
	begin_file("1.2.840.10008.1.2.2");
	put_value(&in, BE, 0x00091001, "ZZ", "\1\2", 2);
	refuses("a VR that is not known");
	begin_file("1.2.840.10008.1.2.2");
	put_value(&in, BE, 0x00091002, "FD", "\1\2\3\4", 4);
	refuses("no whole number");
	begin_file("1.2.840.10008.1.2.4.50");
	put_value(&in, LE, 0x4FFE0001, "SQ", "", 0);
	put_head(&in, LE, 0x7FE00010, "OB", U);
	put_item(&in, LE, 0);
	put_sequence_end(&in, LE);
	refuses("encoded");
	begin_file("1.2.840.10008.1.2");
	put_value(&in, IMP, 0x00080000, "", "\0\0\0\0", 4); /* is left out */
	put_value(&in, IMP, 0x00020004, "", "", 0);
	refuses("file meta information in it");
	begin_file("1.2.840.10008.1.2.4.50");
	put_value(&in, LE, 0x00100010, "PN", "Doe ", 4);
	put_value(&want, LE, 0x00100010, "PN", "Doe ", 4);
	is_made(false); /* it has no pixels */
	fails_at = 1;
	assert_int_equal(run(writer_span_of(&in), 7, got_bytes, false), ERR_CLOSED);
	fails_at = 0;
}

/* ---- Deflated; meta information ---- */

static void deflated(void **state)
{
	(void)state;
	uint8_t bytes[512];
	struct writer w = writer_of(bytes, sizeof(bytes));
	begin_file("1.2.840.10008.1.2.1.99");
	put_value(&w, LE, 0x00090010, "ZZ", "ACME", 4); /* of a later edition */
	put_value(&want, LE, 0x00090010, "UN", "ACME", 4);
	put_value(&w, LE, 0x00280010, "US", "\1\2", 2);
	put_value(&want, LE, 0x00280010, "US", "\1\2", 2);
	put_head(&w, LE, 0x00081140, "SQ", 0);
	put_head(&want, LE, 0x00081140, "SQ", U);
	put_sequence_end(&want, LE);
	in.len += deflate_raw(writer_span_of(&w), in.ptr + in.len, in.cap - in.len);
	is_made(false);
}

static void meta_is_bounded(void **state)
{
	(void)state;
	static uint8_t much[TRANSCODE_META];
	begin_file("1.2.840.10008.1.2");
	put_padded(&in, 0x00020100, "UI", "1.2.3.4", 0);
	put_value(&in, LE, 0x00020102, "OB", much, sizeof(much));
	put_value(&in, IMP, 0x00100010, "", "Doe ", 4);
	assert_int_equal(run(writer_span_of(&in), 100, got_bytes, false), ERR_LIMIT);
	assert_int_equal(got.len, 0);
	in = writer_of(in_bytes, sizeof(in_bytes));
	writer_fill(&in, 0, 132);
	assert_int_equal(run(writer_span_of(&in), 100, got_bytes, false), ERR_TYPE);
}

/* ---- What signatures are over ---- */

static uint32_t tags[MAC_TAGS_MOST];
static struct mac_scope top;

static void hash(void *arg, struct span bytes)
{
	uint64_t *sum = arg; /* FNV-1a */
	for (size_t i = 0; i < bytes.len; i++) {
		*sum = (*sum ^ bytes.ptr[i]) * 0x100000001B3u;
	}
}

static void each(struct span file, struct mac_list *l, struct mac *m)
{
	static struct dicom_file f;
	static struct inflater inflater;
	int event;
	file_begin(&f, &inflater);
	file_feed(&f, file);
	file_last(&f);
	while ((event = file_next(&f)) != DATASET_END) {
		assert_true(event > 0 || event == DATASET_MORE);
		if (!f.in_meta) {
			enum encoding e = dataset_encoding(&f.d);
			assert_int_equal(
				l ? mac_list_event(l, &f.d, event, e) : mac_event(m, &f.d, event, e), 0);
		}
	}
}

static uint64_t signed_sum(struct span file, size_t *ret_n)
{
	uint64_t sum = 0xCBF29CE484222325u;
	struct mac_list l = {.scope = &top, .tags = tags};
	each(file, &l, NULL);
	struct mac m = {.scope = &top, .tags = tags, .n_tags = l.n, .sink = hash, .arg = &sum};
	each(file, NULL, &m);
	*ret_n = l.n;
	return sum;
}

/* PS3.3 C.12.1.1.3.1.2: a signature is over the same bytes, whatever the object is written in. */
static void signatures_hold(void **state)
{
	static const char *const names[] = {"dicom/MR_small_implicit.dcm", "dicom/rtplan.dcm",
		"dicom/SC_rgb_small_odd_big_endian.dcm", "dicom/image_dfl.dcm", "dicom/report_dfl.dcm",
		"structure/nested_priv_SQ.dcm", "structure/rtdose_expb.dcm",
		"structure/MR_small_bigendian.dcm", "structure/rwvm.dcm"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[256];
		size_t before, after;
		snprintf(path, sizeof(path), TESTS_DATA "/%s", names[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		ssize_t n = read(fd, in_bytes, sizeof(in_bytes));
		close(fd);
		assert_true(n > 0 && n < (ssize_t)sizeof(in_bytes));
		struct span file = span_of(in_bytes, (size_t)n);
		assert_int_equal(run(file, 1000, got_bytes, false), 0);
		uint64_t sum = signed_sum(file, &before);
		assert_true(sum == signed_sum(span_of(got_bytes, got.len), &after));
		assert_true(before > 0 && before == after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(implicit_values),
		cmocka_unit_test(implicit_items),
		cmocka_unit_test(implicit_private_sequence),
		cmocka_unit_test(long_values),
		cmocka_unit_test(big_endian),
		cmocka_unit_test(refused),
		cmocka_unit_test(deflated),
		cmocka_unit_test(meta_is_bounded),
		cmocka_unit_test(signatures_hold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
