/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "base/err.h"
#include "keys/mime.h"

#include <stdio.h>

/* Heads, parts and encodings of mails: as they are, cut off at every byte, and as nobody should write them. */

static char text[65536];
static size_t text_len;

static int put(void *arg, struct span bytes)
{
	(void)arg;
	if (bytes.len > sizeof(text) - text_len) {
		return ERR_SPACE;
	}
	memcpy(text + text_len, bytes.ptr, bytes.len);
	text_len += bytes.len;
	return 0;
}

static void test_heads(void **state)
{
	static const struct {
		const char *head;
		enum mime_kind kind;
		enum mime_encoding encoding;
		const char *boundary, *id, *body;
	} rows[] = {
		{"Subject: x\r\n\r\nbody", MIME_OTHER, MIME_PLAIN, "", "", "body"},
		{"Content-Type: multipart/mixed; boundary=abc\n\nbody", MIME_MULTIPART, MIME_PLAIN, "abc", "",
			"body"},
		{"content-type:\r\n\tMULTIPART/Related;\r\n type=\"application/dicom\";\r\n BOUNDARY=\"a \\\"b\\\" c\"\r\n\r\n",
			MIME_MULTIPART, MIME_PLAIN, "a \"b\" c", "", ""},
		{"Content-Type: multipart/signed; x=\"; boundary=no\"; boundary=yes\r\n\r\n", MIME_SIGNED,
			MIME_PLAIN, "yes", "", ""},
		{"Content-Type: application/x-pkcs7-mime\r\nContent-Transfer-Encoding: BASE64\r\n\r\nAA==",
			MIME_CMS, MIME_BASE64, "", "", "AA=="},
		{"Content-Type: application/pkcs7-signature; name=s\r\n\r\n", MIME_SIGNATURE, MIME_PLAIN, "",
			"", ""},
		{"Content-Type: application/dicom; id=\"D/F\"; name=n\r\nContent-Disposition: attachment; filename=f\r\n\r\n",
			MIME_DICOM, MIME_PLAIN, "", "D/F", ""},
		{"Content-Type: application/dicom; name=n\r\nContent-Disposition: attachment; filename=f\r\n\r\n",
			MIME_DICOM, MIME_PLAIN, "", "f", ""},
		{"Content-Type: application/dicom; name=n\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
			MIME_DICOM, MIME_QUOTED, "", "n", ""},
		{"Content-Type: application/dicom\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n",
			MIME_DICOM, MIME_UNKNOWN, "", "", ""},
		/* The first of two counts; a head may be all that there is. */
		{"Content-Type: application/dicom; id=a\r\nContent-Type: text/plain", MIME_DICOM, MIME_PLAIN,
			"", "a", ""},
		{"X: y", MIME_OTHER, MIME_PLAIN, "", "", ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mime_entity e;
		struct span s = exact(rows[i].head, strlen(rows[i].head));
		assert_int_equal(mime_read(s, &e), 0);
		assert_int_equal(e.kind, rows[i].kind);
		assert_int_equal(e.encoding, rows[i].encoding);
		assert_string_equal(e.boundary, rows[i].boundary);
		assert_string_equal(e.id, rows[i].id);
		assert_span(e.body, rows[i].body);
		exact_free(s);
		for (size_t n = 0; n < strlen(rows[i].head); n++) {
			s = exact(rows[i].head, n);
			(void)!mime_read(s, &e);
			exact_free(s);
		}
	}
}

static void test_no_heads(void **state)
{
	static const struct {
		const char *head;
		int err;
	} rows[] = {{"", ERR_TYPE}, {"\r\nbody", ERR_TYPE}, {"no field\r\n\r\n", ERR_TYPE},
		{": x\r\n\r\n", ERR_TYPE}, {"A: b\r\nno field\r\n\r\n", ERR_TYPE},
		{"\x89PNG: x\r\n\r\n", ERR_TYPE}, {"Content-Type: multipart/mixed\r\n\r\n", ERR_VALUE},
		{"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n", ERR_VALUE},
		{"Content-Type: multipart/mixed; boundary\r\n\r\n", ERR_VALUE},
		/* 71 characters. */
		{"Content-Type: multipart/mixed; boundary=12345678901234567890123456789012345678901234567890123456789012345678901\r\n\r\n",
			ERR_VALUE}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct mime_entity e, before;
		memset(&e, 0x5A, sizeof(e));
		before = e;
		struct span s = exact(rows[i].head, strlen(rows[i].head));
		assert_int_equal(mime_read(s, &e), rows[i].err);
		assert_memory_equal(&e, &before, sizeof(e));
		exact_free(s);
	}
}

static void test_parts(void **state)
{
	static const char mail[] = "Content-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n--ab\r\n"
				   "--a\r\none\r\n--a  \r\n\r\n--ab\r\n--a\n\n--a--x\r\ntwo\n--a--\r\n"
				   "epilogue\r\n--a\r\nnever\r\n--a--\r\n";
	static const char *const wants[] = {"one", "\r\n--ab", "\n--a--x\r\ntwo"};
	struct mime_entity e;
	struct span part;
	(void)state;
	struct span s = exact(mail, strlen(mail));
	assert_int_equal(mime_read(s, &e), 0);
	struct mime_parts parts = mime_parts_of(&e);
	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		assert_int_equal(mime_parts_next(&parts, &part), 1);
		assert_span(part, wants[i]);
	}
	assert_int_equal(mime_parts_next(&parts, &part), 0);
	assert_int_equal(mime_parts_next(&parts, &part), 0);
	exact_free(s);
	/* Cut off before its end: the parts that are there, and never one that is not. */
	size_t end = (size_t)(strstr(mail, "--a--\r\nepi") - mail);
	size_t like = (size_t)(strstr(mail, "--a--x") - mail) + 5; /* cut off here, it is an end */
	for (size_t n = 0; n < strlen(mail); n++) {
		s = exact(mail, n);
		unsigned found = 0;
		int more = ERR_TRUNCATED;
		if (mime_read(s, &e) == 0 && e.kind == MIME_MULTIPART) {
			parts = mime_parts_of(&e);
			while ((more = mime_parts_next(&parts, &part)) > 0) {
				found++;
			}
			assert_int_equal(more, n < end + 5 && n != like ? ERR_TRUNCATED : 0);
		}
		assert_true(found <= 3);
		exact_free(s);
	}
}

static void test_empty_part(void **state)
{
	struct mime_entity e;
	struct span part;
	(void)state;
	assert_int_equal(
		mime_read(SPAN_LITERAL("Content-Type: multipart/x; boundary=a\n\n--a\n--a\n\n--a--"), &e), 0);
	struct mime_parts parts = mime_parts_of(&e);
	assert_int_equal(mime_parts_next(&parts, &part), 1);
	assert_int_equal(part.len, 0);
	assert_int_equal(mime_parts_next(&parts, &part), 1);
	assert_int_equal(part.len, 0);
	assert_int_equal(mime_parts_next(&parts, &part), 0);
}

static void test_encodings(void **state)
{
	static const struct {
		enum mime_encoding encoding;
		const char *body;
		int err;
		const char *wants;
	} rows[] = {
		{MIME_PLAIN, "a\r\nb", 0, "a\r\nb"},
		{MIME_PLAIN, "", 0, ""},
		{MIME_BASE64, "", 0, ""},
		{MIME_BASE64, "YQ==", 0, "a"},
		{MIME_BASE64, "Y Q\r\n=\n=\r\n", 0, "a"},
		{MIME_BASE64, "YWJj\r\nZGVm\r\n", 0, "abcdef"},
		{MIME_BASE64, "YWJj\r\nZGU", 0, "abcde"}, /* some leave the signs of the end away */
		{MIME_BASE64, "YWJj-", ERR_VALUE, NULL},
		{MIME_BASE64, "YQ==YQ==", ERR_VALUE, NULL},
		{MIME_BASE64, "YQ===", ERR_VALUE, NULL},
		{MIME_BASE64, "Y", ERR_VALUE, NULL},
		{MIME_QUOTED, "a=3Db=\r\nc  \r\nd", 0, "a=bc\r\nd"},
		{MIME_QUOTED, "=00=fF", 0, NULL},
		{MIME_QUOTED, "a=3", ERR_VALUE, NULL},
		{MIME_QUOTED, "a=G0", ERR_VALUE, NULL},
		{MIME_UNKNOWN, "a", ERR_UNSUPPORTED, NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span s = exact(rows[i].body, strlen(rows[i].body));
		text_len = 0;
		assert_int_equal(mime_decode(rows[i].encoding, s, put, NULL), rows[i].err);
		if (rows[i].wants) {
			assert_span(span_of((const uint8_t *)text, text_len), rows[i].wants);
		}
		exact_free(s);
	}
	text_len = 0;
	assert_int_equal(mime_decode(MIME_QUOTED, SPAN_LITERAL("=00=fF"), put, NULL), 0);
	assert_int_equal(text_len, 2);
	assert_memory_equal(text, "\0\xFF", 2);
	/* More than a piece, and a sink that is full. */
	static char long_text[80000];
	memset(long_text, 'A', sizeof(long_text));
	text_len = 0;
	assert_int_equal(mime_decode(MIME_BASE64, span_of((uint8_t *)long_text, 80000), put, NULL), 0);
	assert_int_equal(text_len, 60000);
	assert_int_equal(
		mime_decode(MIME_BASE64, span_of((uint8_t *)long_text, 80000), put, NULL), ERR_SPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_no_heads),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_empty_part),
		cmocka_unit_test(test_encodings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
