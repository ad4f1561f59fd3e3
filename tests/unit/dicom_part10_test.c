/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "dicom/part10.h"

static struct part10_meta sample(void)
{
	return (struct part10_meta){.sop_class = span_str("1.2.840.10008.5.1.4.1.1.2"),
		.sop_instance = span_str("1.2.3.4"),
		.transfer_syntax = span_str("1.2.840.10008.1.2.1"),
		.implementation_class = span_str("1.2.3"),
		.implementation_version = "GANTRY_0_1",
		.source_ae = "CT1"};
}

static size_t write_sample(uint8_t *buf, size_t cap)
{
	struct part10_meta m = sample();
	struct writer w = writer_of(buf, cap);
	assert_int_equal(part10_write(&m, &w), 0);
	return w.len;
}

static void round_trip(void **state)
{
	uint8_t buf[PART10_META_MAX];
	size_t n = write_sample(buf, sizeof(buf)), data = 0;
	struct part10_meta m;
	struct parse_fail fail;
	buf[5] = 0x77; /* the preamble is anybody's */
	struct span s = exact(buf, n);
	assert_int_equal(part10_read(s, &m, &data, &fail), 0);
	assert_int_equal(data, n);
	assert_span(m.sop_class, "1.2.840.10008.5.1.4.1.1.2");
	assert_span(m.sop_instance, "1.2.3.4");
	assert_span(m.transfer_syntax, "1.2.840.10008.1.2.1");
	assert_span(m.implementation_class, "1.2.3");
	assert_string_equal(m.implementation_version, "GANTRY_0_1");
	assert_string_equal(m.source_ae, "CT1");
	exact_free(s);
}

static void known_bytes(void **state)
{
	uint8_t buf[PART10_META_MAX];
	size_t n = write_sample(buf, sizeof(buf));
	static const char head[] = "DICM\x02\0\0\0UL\x04\0";
	assert_memory_equal(buf + 128, head, sizeof(head) - 1);
	assert_int_equal(buf[140] | buf[141] << 8, n - 144);
	assert_memory_equal(buf + 144, "\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01", 14);
	assert_memory_equal(buf + 158,
		"\x02\0\x02\0UI\x1a\0"
		"1.2.840.10008.5.1.4.1.1.2\0",
		34);
	assert_memory_equal(buf + n - 12, "\x02\0\x16\0AE\x04\0CT1 ", 12);
}

static void truncated(void **state)
{
	uint8_t buf[PART10_META_MAX];
	size_t n = write_sample(buf, sizeof(buf));
	for (size_t i = 0; i < n; i++) {
		struct span s = exact(buf, i);
		struct part10_meta m = {.source_ae = "before"};
		size_t data = 7;
		assert_int_equal(part10_read(s, &m, &data, NULL), ERR_TRUNCATED);
		assert_string_equal(m.source_ae, "before");
		assert_int_equal(data, 7);
		exact_free(s);
	}
}

static int read_changed(size_t at, const char *with, size_t len)
{
	uint8_t buf[PART10_META_MAX];
	size_t n = write_sample(buf, sizeof(buf)), data;
	struct part10_meta m;
	struct parse_fail fail = {0};
	memcpy(buf + at, with, len);
	struct span s = exact(buf, n);
	int err = part10_read(s, &m, &data, &fail);
	assert_int_equal(err, fail.code);
	exact_free(s);
	return err;
}

static void malformed(void **state)
{
	assert_int_equal(read_changed(128, "DICX", 4), ERR_TYPE);
	assert_int_equal(read_changed(134, "\1", 1), ERR_MISSING); /* no group length */
	assert_int_equal(read_changed(140, "\xff\xff\xff\xff", 4), ERR_TRUNCATED);
	assert_int_equal(read_changed(140, "\x20\0\0\0", 4), ERR_LENGTH);       /* cuts an element */
	assert_int_equal(read_changed(140, "\x0e\0\0\0", 4), ERR_MISSING);      /* the version alone */
	assert_int_equal(read_changed(152, "\xff\xff\xff\xff", 4), ERR_LENGTH); /* the version's length */
	assert_int_equal(read_changed(157, "\0", 1), ERR_VALUE);                /* version 0 */
	assert_int_equal(read_changed(158, "\x08\0", 2), ERR_ORDER);            /* group 0008 in the group */
	assert_int_equal(read_changed(160, "\1", 1), ERR_DUPLICATE);
	assert_int_equal(read_changed(160, "\3", 1), ERR_DUPLICATE);
	assert_int_equal(read_changed(162, "LO", 2), ERR_VALUE);
	assert_int_equal(read_changed(166, "x", 1), ERR_VALUE);
	assert_int_equal(read_changed(192, "\x20", 1), ERR_ORDER); /* (0002,0020) and then (0002,0010) */
}

static void refuses_what_it_could_not_read(void **state)
{
	uint8_t buf[PART10_META_MAX];
	struct part10_meta m = sample();
	struct writer w = writer_of(buf, sizeof(buf));
	m.sop_instance = span_str("1.2.03");
	assert_int_equal(part10_write(&m, &w), ERR_VALUE);
	assert_int_equal(w.len, 0);
	m = sample();
	w = writer_of(buf, 200);
	assert_int_equal(part10_write(&m, &w), ERR_SPACE);
}

static void longest_fits(void **state)
{
	static const char uid[] = "1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.22";
	uint8_t buf[PART10_META_MAX];
	struct span u = span_str(uid);
	struct part10_meta m = {.sop_class = u,
		.sop_instance = u,
		.transfer_syntax = u,
		.implementation_class = u,
		.implementation_version = "SIXTEEN_LETTERS!",
		.source_ae = "SIXTEEN_LETTERS!"};
	struct writer w = writer_of(buf, sizeof(buf));
	assert_int_equal(part10_write(&m, &w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(known_bytes),
		cmocka_unit_test(truncated),
		cmocka_unit_test(malformed),
		cmocka_unit_test(refuses_what_it_could_not_read),
		cmocka_unit_test(longest_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
