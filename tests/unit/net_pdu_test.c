/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "net/pdu.h"

static void heads(void **state)
{
	struct pdu_head h = {.type = 9};
	uint8_t buf[PDU_HEAD];
	struct writer w = writer_of(buf, sizeof(buf));
	pdu_write_head(&w, PDU_ASSOCIATE_AC, 0x01020304);
	assert_int_equal(writer_end(&w), 0);
	assert_memory_equal(buf, "\2\0\1\2\3\4", 6);
	for (size_t i = 0; i < PDU_HEAD; i++) {
		struct span s = exact(buf, i);
		struct reader r = reader_of(s);
		assert_int_equal(pdu_read_head(&r, &h), ERR_TRUNCATED);
		assert_int_equal(r.pos, 0);
		assert_int_equal(h.type, 9);
		exact_free(s);
	}
	buf[1] = 0x55; /* reserved, not tested */
	struct reader r = reader_of(span_of(buf, sizeof(buf)));
	assert_int_equal(pdu_read_head(&r, &h), 0);
	assert_int_equal(h.type, PDU_ASSOCIATE_AC);
	assert_int_equal(h.len, 0x01020304);
	assert_string_equal(pdu_name(PDU_P_DATA_TF), "P-DATA-TF");
	assert_string_equal(pdu_name(0), "unknown PDU");
	assert_string_equal(pdu_name(255), "unknown PDU");
}

static int read_pdv(const char *bytes, struct pdv_head *h)
{
	struct span s = exact(bytes, 6);
	struct reader r = reader_of(s);
	int err = pdv_read_head(&r, h);
	assert_int_equal(r.pos, err ? 0 : 6);
	exact_free(s);
	return err;
}

static void pdv_heads(void **state)
{
	struct pdv_head h = {.context = 99};
	assert_int_equal(read_pdv("\0\0\0\1\1\0", &h), ERR_LENGTH);
	assert_int_equal(read_pdv("\0\0\0\2\2\0", &h), ERR_VALUE);
	assert_int_equal(read_pdv("\0\0\0\2\0\0", &h), ERR_VALUE);
	assert_int_equal(h.context, 99);
	assert_int_equal(read_pdv("\0\0\0\2\1\3", &h), 0); /* PS3.8 E.1: empty ones are to be processed */
	assert_true(h.command && h.last);
	assert_int_equal(h.len, 2);
	assert_int_equal(read_pdv("\xff\xff\xff\xff\xff\2", &h), 0);
	assert_true(!h.command && h.last && h.len == 0xFFFFFFFF && h.context == 255);
	assert_int_equal(read_pdv("\0\0\0\4\3\xfd", &h), 0); /* PS3.8 E.2: bits 2 to 7 are never checked */
	assert_true(h.command && !h.last);
	for (size_t i = 0; i < 6; i++) {
		struct span s = exact("\0\0\0\2\1\0", i);
		struct reader r = reader_of(s);
		assert_int_equal(pdv_read_head(&r, &h), ERR_TRUNCATED);
		exact_free(s);
	}
	uint8_t out[12];
	pdv_write_heads(out, 0x100, 7, false, true);
	assert_memory_equal(out, "\4\0\0\0\1\6\0\0\1\2\7\2", 12);
	pdv_write_heads(out, 0, 7, true, false);
	assert_memory_equal(out, "\4\0\0\0\0\6\0\0\0\2\7\1", 12);
}

static void rejects(void **state)
{
	unsigned valid = 0;
	for (unsigned i = 0; i < 6 * 6 * 12; i++) {
		struct pdu_reject why = {.result = (uint8_t)(i / 72),
			.source = (uint8_t)(i / 12 % 6),
			.reason = (uint8_t)(i % 12)};
		uint8_t buf[10];
		struct writer w = writer_of(buf, sizeof(buf));
		pdu_write_reject(&w, why);
		assert_int_equal(w.len, 10);
		struct reader r = reader_of(span_of(buf + 6, 4));
		struct pdu_reject got = {0};
		struct parse_fail fail;
		int err = pdu_read_reject(&r, &got, &fail);
		assert_int_equal(err, pdu_reject_valid(why) ? 0 : ERR_VALUE);
		valid += err == 0;
		assert_true(pdu_reject_str(why)[0]);
		if (err == 0) {
			assert_memory_equal(&got, &why, sizeof(why));
		}
	}
	assert_int_equal(valid, 2 * 8); /* PS3.8 Table 9-21 */
	assert_string_equal(pdu_reject_str((struct pdu_reject){1, 1, 3}),
		"rejected permanently: calling AE title not recognized");
	assert_string_equal(
		pdu_reject_str((struct pdu_reject){2, 3, 2}), "rejected transiently: local limit exceeded");
	assert_false(pdu_reject_valid((struct pdu_reject){0, 1, 1}));
	assert_false(pdu_reject_valid((struct pdu_reject){3, 1, 1}));
	assert_false(pdu_reject_valid((struct pdu_reject){1, 3, 0}));
}

static void short_bodies(void **state)
{
	static const uint8_t bytes[] = {0x11, 1, 1, 7, 0};
	for (size_t i = 0; i <= 5; i++) {
		struct span s = exact(bytes, i);
		int expected = i < 4 ? ERR_TRUNCATED : i > 4 ? ERR_TRAILING : 0;
		struct pdu_reject reject = {9, 9, 9};
		struct pdu_abort abort = {9, 9};
		struct parse_fail fail = {0};
		struct reader r = reader_of(s);
		assert_int_equal(pdu_read_reject(&r, &reject, &fail), expected);
		assert_int_equal(r.pos, expected ? 0 : 4);
		assert_int_equal(reject.result, expected ? 9 : 1);
		r = reader_of(s);
		assert_int_equal(pdu_read_abort(&r, &abort, NULL), expected);
		assert_int_equal(abort.source, expected ? 9 : 1);
		r = reader_of(s);
		assert_int_equal(pdu_read_release(&r, &fail), expected);
		exact_free(s);
	}
}

static void short_pdus(void **state)
{
	uint8_t buf[40];
	struct writer w = writer_of(buf, sizeof(buf));
	pdu_write_reject(&w, (struct pdu_reject){1, 1, 7});
	pdu_write_abort(&w, (struct pdu_abort){2, 6});
	pdu_write_release_rq(&w);
	pdu_write_release_rp(&w);
	assert_int_equal(w.len, 40);
	assert_memory_equal(buf, "\3\0\0\0\0\4\0\1\1\7", 10);
	assert_memory_equal(buf + 10, "\7\0\0\0\0\4\0\0\2\6", 10);
	assert_memory_equal(buf + 20, "\5\0\0\0\0\4\0\0\0\0", 10);
	assert_memory_equal(buf + 30, "\6\0\0\0\0\4\0\0\0\0", 10);
}

static void abort_reasons(void **state)
{
	static const struct {
		int code;
		uint8_t reason;
	} expected[] = {{ERR_TYPE, 1}, {ERR_ORDER, 2}, {ERR_DUPLICATE, 5}, {ERR_LENGTH, 6}, {ERR_VALUE, 6},
		{ERR_TRUNCATED, 6}, {ERR_TRAILING, 6}, {ERR_MISSING, 6}, {ERR_LIMIT, 6}, {ERR_NO_MEMORY, 0}};
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		struct parse_fail fail = {.code = expected[i].code};
		struct pdu_abort why = pdu_abort_for(&fail);
		assert_int_equal(why.source, 2);
		assert_int_equal(why.reason, expected[i].reason);
		assert_non_null(strstr(pdu_abort_str(why), "service provider"));
	}
	assert_string_equal(pdu_abort_str((struct pdu_abort){0, 0}), "aborted by the service user");
	assert_non_null(strstr(pdu_abort_str((struct pdu_abort){2, 3}), "does not list"));
	assert_non_null(strstr(pdu_abort_str((struct pdu_abort){1, 0}), "does not list"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads),
		cmocka_unit_test(pdv_heads),
		cmocka_unit_test(rejects),
		cmocka_unit_test(short_bodies),
		cmocka_unit_test(short_pdus),
		cmocka_unit_test(abort_reasons),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
