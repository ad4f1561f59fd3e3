/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/witness.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void urls(void **state)
{
	static const struct {
		const char *url, *host, *path;
		unsigned port; /* 0: it is none */
	} rows[] = {
		{"http://witness.example", "witness.example", "/add-checkpoint", 80},
		{"http://witness.example/", "witness.example", "/add-checkpoint", 80},
		{"HTTP://w:8080/a/b", "w", "/a/b/add-checkpoint", 8080},
		{"http://[2001:db8::1]:81/x/", "2001:db8::1", "/x/add-checkpoint", 81},
		{"http://[::1]", "::1", "/add-checkpoint", 80},
		{"https://witness.example", "", "", 0},
		{"http://", "", "", 0},
		{"http:///x", "", "", 0},
		{"http://:80/", "", "", 0},
		{"http://w:0/", "", "", 0},
		{"http://w:65536/", "", "", 0},
		{"http://w:/", "", "", 0},
		{"http://w:80x/", "", "", 0},
		{"http://w:123456789/", "", "", 0},
		{"http://u@w/", "", "", 0},
		{"http://w/a?b", "", "", 0},
		{"http://w/a b", "", "", 0},
		{"http://w/a\r\nX: y", "", "", 0},
		{"http://[::1", "", "", 0},
		{"http://[::1]x:80", "", "", 0},
		{"", "", "", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct witness_url u = {.port = 7};
		int e = witness_url_read(rows[i].url, &u);
		assert_int_equal(e, rows[i].port ? 0 : ERR_VALUE);
		assert_int_equal(u.port, rows[i].port ? rows[i].port : 7);
		assert_string_equal(u.host, rows[i].host);
		assert_string_equal(u.path, rows[i].path);
	}
}

#define CHECKPOINT                                                                                           \
	"log.example/1\n20\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\xe2\x80\x94 log.example/1 AAAAAAAA\n"
#define PROOF "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"

static void submissions(void **state)
{
	static const char text[] = "old 15\n" PROOF PROOF "\n" CHECKPOINT;
	const struct witness_url url = {.host = "::1", .path = "/add-checkpoint", .port = 81};
	struct witness_submission s;
	char buf[2048];
	size_t len = 0;
	assert_int_equal(witness_submission_read(span_str(text), &s), 0);
	assert_int_equal(s.old, 15);
	assert_int_equal(s.size, 20);
	assert_true(span_eq(s.proof, span_str(PROOF PROOF)));
	assert_true(span_eq(s.note, span_str(CHECKPOINT)));
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		assert_true(witness_submission_read(span_of(text, n), &s) < 0);
	}
	assert_true(witness_submission_read(span_str("new 1\n\n" CHECKPOINT), &s) < 0);
	assert_true(witness_submission_read(span_str("old 01\n\n" CHECKPOINT), &s) < 0);
	assert_int_equal(witness_submission_read(span_str(text), &s), 0);
	assert_int_equal(witness_request(&url, &s, 15, buf, sizeof(buf), &len), 0);
	buf[len] = 0;
	assert_non_null(strstr(buf, "POST /add-checkpoint HTTP/1.0\r\nHost: [::1]:81\r\n"));
	char *body = strstr(buf, "\r\n\r\n");
	assert_string_equal(body + 4, text);
	assert_int_equal(strtoul(strstr(buf, "Content-Length: ") + 16, NULL, 10), sizeof(text) - 1);
	assert_int_equal(witness_request(&url, &s, 0, buf, sizeof(buf), &len), 0);
	buf[len] = 0;
	assert_string_equal(strstr(buf, "\r\n\r\n") + 4, "old 0\n\n" CHECKPOINT);
	for (size_t cap = 0; cap < len; cap++) {
		assert_int_equal(witness_request(&url, &s, 0, buf, cap, &len), ERR_SPACE);
	}
}

static void answers(void **state)
{
	static const struct {
		const char *text;
		int e;
		enum witness_said said;
		uint64_t size;
		const char *lines;
	} rows[] = {
		{"HTTP/1.0 200 OK\r\n\r\nx y\n", 0, WITNESS_COSIGNED, 0, "x y\n"},
		{"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nabc", 0, WITNESS_COSIGNED, 0, "ab"},
		{"HTTP/1.1 409 Conflict\nContent-Type: text/x.tlog.size\n\n17\n", 0, WITNESS_CONFLICT, 17,
			""},
		{"HTTP/1.1 404 Not Found\r\n\r\nnothing", 0, WITNESS_REFUSED, 0, ""},
		{"HTTP/1.1 409 Conflict\r\n\r\n17", ERR_VALUE, 0, 0, ""},
		{"HTTP/1.1 409 Conflict\r\n\r\n017\n", ERR_VALUE, 0, 0, ""},
		{"HTTP/1.1 409 Conflict\r\n\r\n17\nmore", ERR_VALUE, 0, 0, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ERR_TRUNCATED, 0, 0, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nabc", ERR_VALUE, 0, 0, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc", ERR_VALUE, 0, 0, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ERR_UNSUPPORTED, 0, 0, ""},
		{"HTTP/1.1 200 OK\r\n", ERR_TRUNCATED, 0, 0, ""},
		{"HTTP/2.0 200 OK\r\n\r\n", ERR_VALUE, 0, 0, ""},
		{"HTTP/1.1 2000 OK\r\n\r\n", ERR_VALUE, 0, 0, ""},
		{"HTTP/1.1 2x0 OK\r\n\r\n", ERR_VALUE, 0, 0, ""},
		{"SSH-2.0-OpenSSH\r\n\r\n", ERR_VALUE, 0, 0, ""},
		{"", ERR_TRUNCATED, 0, 0, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct witness_answer a = {.status = 1};
		assert_int_equal(witness_answer_read(span_str(rows[i].text), &a), rows[i].e);
		if (rows[i].e != 0) {
			assert_int_equal(a.status, 1);
			continue;
		}
		assert_int_equal(a.said, rows[i].said);
		assert_int_equal(a.size, rows[i].size);
		assert_true(span_eq(a.lines, span_str(rows[i].lines)));
	}
}

static void cosignatures(void **state)
{
	static const char text[] = "log.example/1\n20\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
	struct note_key key, other;
	uint8_t public[32], signature[NOTE_SIGNATURE];
	char signed_text[512], line[NOTE_LINE_MOST], whole[4096];
	size_t len = 0, line_len = 0, sig_len = sizeof(signature), public_len = sizeof(public), whole_len = 0;
	uint64_t time_s = 0;
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, public, &public_len), 1);
	assert_int_equal(note_key_make("w.example", NOTE_COSIGNATURE, public, &key), 0);
	assert_int_equal(note_cosigned_text(span_str(text), 1234, signed_text, sizeof(signed_text), &len), 0);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, signature, &sig_len, (const uint8_t *)signed_text, len), 1);
	assert_int_equal(note_line_write(&key, signature, 1234, line, sizeof(line), &line_len), 0);
	struct span lines = span_of(line, line_len), note = span_str(CHECKPOINT);
	assert_int_equal(witness_cosigned(note, lines, &key, whole, sizeof(whole), &whole_len, &time_s), 0);
	assert_int_equal(time_s, 1234);
	assert_int_equal(whole_len, note.len + line_len);
	/* Another key's, a false one, none, half a line, and one that would change what was signed. */
	public[0] ^= 1;
	assert_int_equal(note_key_make("w.example", NOTE_COSIGNATURE, public, &other), 0);
	assert_int_equal(witness_cosigned(note, lines, &other, whole, sizeof(whole), &whole_len, &time_s),
		ERR_NOT_FOUND);
	assert_int_equal(
		witness_cosigned(note, span_of(line, 0), &key, whole, sizeof(whole), &whole_len, &time_s),
		ERR_VALUE);
	for (size_t n = 1; n < line_len; n++) {
		assert_true(witness_cosigned(note, span_of(line, n), &key, whole, sizeof(whole), &whole_len,
				    &time_s) < 0);
	}
	for (size_t cap = 0; cap < note.len + line_len; cap++) {
		assert_int_equal(
			witness_cosigned(note, lines, &key, whole, cap, &whole_len, &time_s), ERR_SPACE);
	}
	signature[5] ^= 1;
	assert_int_equal(note_line_write(&key, signature, 1234, line, sizeof(line), &line_len), 0);
	assert_int_equal(
		witness_cosigned(note, lines, &key, whole, sizeof(whole), &whole_len, &time_s), ERR_DENIED);
	snprintf(whole, sizeof(whole), "\n%.*s", (int)line_len, line);
	static char more[NOTE_LINE_MOST + 2];
	memcpy(more, whole, line_len + 1);
	assert_int_equal(witness_cosigned(note, span_of(more, line_len + 1), &key, whole, sizeof(whole),
				 &whole_len, &time_s),
		ERR_VALUE);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls),
		cmocka_unit_test(submissions),
		cmocka_unit_test(answers),
		cmocka_unit_test(cosignatures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
