/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/armor.h"
#include "audit_made.h"

/* From the documentation of Go's golang.org/x/mod/sumdb/note (BSD-3-Clause): another's key, text and signature. */
static const char neumann_key[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char neumann[] =
	"If you think cryptography is the answer to your problem,\n"
	"then you don't know what your problem is.\n"
	"\n"
	"\xe2\x80\x94 PeterNeumann "
	"x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

/* The example of c2sp.org/tlog-cosignature. Its keys are not published. */
static const char sofa[] =
	"example.com/behind-the-sofa\n"
	"20852163\n"
	"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	"\n"
	"\xe2\x80\x94 example.com/behind-the-sofa "
	"Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
	"\xe2\x80\x94 witness.example.com/w1 "
	"jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

static void test_others_note(void **state)
{
	struct note_key key;
	struct signed_note note;
	char vkey[NOTE_LINE_MOST];
	assert_int_equal(note_key_read(span_str(neumann_key), &key), 0);
	assert_string_equal(key.name, "PeterNeumann");
	assert_int_equal(key.id, 0xc74f20a3);
	assert_int_equal(note_key_write(&key, vkey, sizeof(vkey)), 0);
	assert_string_equal(vkey, neumann_key);
	assert_int_equal(note_read(span_str(neumann), &note), 0);
	assert_int_equal(note.n, 1);
	uint64_t time_s = 1;
	assert_int_equal(note_check(&note, &key, &time_s), 0);
	assert_int_equal(time_s, 0);
}

/* Each byte of the note changed: it no longer reads, is no longer that key's, or does not verify. */
static void test_every_byte(void **state)
{
	struct note_key key;
	struct signed_note note;
	char changed[sizeof(neumann)];
	size_t len = sizeof(neumann) - 1;
	assert_int_equal(note_key_read(span_str(neumann_key), &key), 0);
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(changed, neumann, sizeof(changed));
			changed[i] ^= (char)(1 << bit);
			int r = note_read(span_of(changed, len), &note);
			assert_int_not_equal(r < 0 ? r : note_check(&note, &key, NULL), 0);
		}
	}
}

static void test_truncated(void **state)
{
	struct signed_note note, untouched;
	memset(&untouched, 0x5a, sizeof(untouched));
	for (size_t len = 0; len < sizeof(neumann) - 1; len++) {
		/* An allocation of its size: what is read too far is seen. */
		char *cut = malloc(len ? len : 1);
		assert_non_null(cut);
		memcpy(cut, neumann, len);
		note = untouched;
		assert_true(note_read(span_of(cut, len), &note) < 0);
		assert_memory_equal(&note, &untouched, sizeof(note));
		free(cut);
	}
}

static void test_malformed_notes(void **state)
{
#define LINE                                                                                                 \
	"\xe2\x80\x94 a x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
	static const char *const bad[] = {
		"", "\n", "text\n", "\n\n" LINE, /* no text */
		"text\n" LINE,                   /* no empty line */
		"text\n\n",                      /* no signature */
		"text\n\n" LINE "more\n",        /* something else behind it */
		"te\txt\n\n" LINE,               /* a control character */
		"te\xffxt\n\n" LINE,             /* not UTF-8 */
		"te\xc0\xae"
		"xt\n\n" LINE,                         /* overlong */
		"te\xed\xa0\x80xt\n\n" LINE,           /* a surrogate */
		"text\n\n- a AAAAAAAA\n",              /* another dash */
		"text\n\n\xe2\x80\x94 a\n",            /* no signature */
		"text\n\n\xe2\x80\x94 a AAAA\n",       /* too short for one */
		"text\n\n\xe2\x80\x94 a+b AAAAAAAA\n", /* a plus in the name */
		"text\n\n\xe2\x80\x94  AAAAAAAA\n",    /* no name */
		"text\n\n\xe2\x80\x94 a\xc2\xa0"
		"b AAAAAAAA\n",                      /* a space of Unicode's in the name */
		"text\n\n\xe2\x80\x94 a AAAAAAA\n",  /* not base64 */
		"text\n\n\xe2\x80\x94 a AAAAAAB=\n", /* not canonical */
	};
	struct signed_note note;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_true(note_read(span_str(bad[i]), &note) < 0);
	}
	assert_int_equal(note_read(span_str("text\n\nmore\n\n" LINE), &note), 0);
	assert_int_equal(note.text.len, strlen("text\n\nmore\n"));
}

static void test_many_signatures(void **state)
{
	char text[8192] = "text\n\n";
	struct signed_note note;
	for (unsigned i = 0; i < NOTE_SIGNATURES_MOST; i++) {
		memcpy(text + strlen(text), LINE, sizeof(LINE));
	}
	assert_int_equal(note_read(span_str(text), &note), 0);
	assert_int_equal(note.n, NOTE_SIGNATURES_MOST);
	memcpy(text + strlen(text), LINE, sizeof(LINE));
	assert_int_equal(note_read(span_str(text), &note), ERR_LIMIT);
	char *giant = calloc(1, NOTE_MOST + 1);
	assert_non_null(giant);
	assert_int_equal(note_read(span_of(giant, NOTE_MOST + 1), &note), ERR_LENGTH);
	free(giant);
}

static void test_keys(void **state)
{
	static const struct {
		const char *vkey;
		int err;
	} bad[] = {
		{"", ERR_VALUE},
		{"PeterNeumann", ERR_VALUE},
		{"PeterNeumann+c74f20a3", ERR_VALUE},
		{"PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", ERR_VALUE},
		{"PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", ERR_VALUE},
		{"PeterNeumamm+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", ERR_VALUE},
		{"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T", ERR_VALUE},
		{"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy", ERR_VALUE},
		{"+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", ERR_VALUE},
		{"PeterNeumann+c74f20a3+AhpcAA==", ERR_UNSUPPORTED},
	};
	struct note_key key;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(note_key_read(span_str(bad[i].vkey), &key), bad[i].err);
	}
	uint8_t public_key[32] = {0};
	assert_int_equal(note_key_make("a b", NOTE_ED25519, public_key, &key), ERR_VALUE);
	assert_int_equal(note_key_make("\xe3\x80\x80", NOTE_ED25519, public_key, &key), ERR_VALUE);
	char longest[NOTE_NAME_MOST + 2];
	memset(longest, 'n', sizeof(longest));
	longest[NOTE_NAME_MOST + 1] = 0;
	assert_int_equal(note_key_make(longest, NOTE_ED25519, public_key, &key), ERR_VALUE);
	longest[NOTE_NAME_MOST] = 0;
	assert_int_equal(note_key_make(longest, NOTE_ED25519, public_key, &key), 0);
	char vkey[NOTE_LINE_MOST];
	struct note_key again;
	assert_int_equal(note_key_write(&key, vkey, sizeof(vkey)), 0);
	assert_int_equal(note_key_read(span_str(vkey), &again), 0);
	assert_string_equal(again.name, longest);
}

/* A line of the key's that is false makes the note worthless, whatever else stands there. */
static void test_false_line(void **state)
{
	struct note_key key;
	struct signed_note note;
	char buf[1024];
	made_key(1, MADE_ORIGIN, NOTE_ED25519, &key);
	size_t len = made_note(span_str("one\n"), buf, sizeof(buf));
	assert_int_equal(note_read(span_of(buf, len), &note), 0);
	assert_int_equal(note_check(&note, &key, NULL), 0);
	uint8_t signature[NOTE_SIGNATURE];
	size_t more;
	made_sign(1, span_str("two\n"), signature);
	assert_int_equal(note_line_write(&key, signature, 0, buf + len, sizeof(buf) - len, &more), 0);
	assert_int_equal(note_read(span_of(buf, len + more), &note), 0);
	assert_int_equal(note.n, 2);
	assert_int_equal(note_check(&note, &key, NULL), ERR_DENIED);
	/* Of another key, though of the same name, it is nobody's. */
	struct note_key other;
	made_key(2, MADE_ORIGIN, NOTE_ED25519, &other);
	assert_int_equal(note_check(&note, &other, NULL), ERR_NOT_FOUND);
}

static void test_cosignature(void **state)
{
	struct note_key witness, log;
	struct signed_note note;
	char buf[2048], text[1024];
	uint8_t signature[NOTE_SIGNATURE];
	size_t text_len, more, len;
	struct checkpoint c = {.origin = MADE_ORIGIN, .size = 7};
	char checkpoint[CHECKPOINT_MOST];
	assert_int_equal(checkpoint_write(&c, checkpoint, sizeof(checkpoint), &text_len), 0);
	struct span body = span_of(checkpoint, text_len);
	len = made_note(body, buf, sizeof(buf));
	made_key(3, "witness.example/w1", NOTE_COSIGNATURE, &witness);
	made_key(1, MADE_ORIGIN, NOTE_ED25519, &log);
	assert_int_equal(note_cosigned_text(body, 1679315147, text, sizeof(text), &more), 0);
	assert_memory_equal(text, "cosignature/v1\ntime 1679315147\nhospital.example/gantry\n7\n", 56);
	made_sign(3, span_of(text, more), signature);
	assert_int_equal(
		note_line_write(&witness, signature, 1679315147, buf + len, sizeof(buf) - len, &more), 0);
	assert_int_equal(note_read(span_of(buf, len + more), &note), 0);
	uint64_t time_s = 0;
	assert_int_equal(note_check(&note, &witness, &time_s), 0);
	assert_int_equal(time_s, 1679315147);
	assert_int_equal(note_check(&note, &log, NULL), 0);
	/* The same signature with another time. */
	note.signatures[1].bytes[7] ^= 1;
	assert_int_equal(note_check(&note, &witness, &time_s), ERR_DENIED);
	note.signatures[1].bytes[7] ^= 1;
	note.signatures[1].bytes[0] ^= 0x80;
	assert_int_equal(note_check(&note, &witness, &time_s), ERR_DENIED);
	/* A signature of type 1 by the same key is no cosignature. */
	struct note_key as_log;
	made_key(3, "witness.example/w1", NOTE_ED25519, &as_log);
	assert_int_not_equal(as_log.id, witness.id);
	assert_int_equal(note_check(&note, &as_log, NULL), ERR_NOT_FOUND);
}

static void test_others_checkpoint(void **state)
{
	struct signed_note note;
	struct checkpoint c;
	char text[CHECKPOINT_MOST];
	size_t len;
	assert_int_equal(checkpoint_read_note(span_str(sofa), &note, &c), 0);
	assert_string_equal(c.origin, "example.com/behind-the-sofa");
	assert_int_equal(c.size, 20852163);
	assert_false(c.extended);
	assert_int_equal(note.n, 2);
	assert_int_equal(note.signatures[0].len, NOTE_SIGNATURE);
	assert_int_equal(note.signatures[1].len, NOTE_SIGNATURE + 8);
	assert_int_equal(checkpoint_write(&c, text, sizeof(text), &len), 0);
	assert_true(span_eq(span_of(text, len), note.text));
}

static void test_malformed_checkpoints(void **state)
{
#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	static const char *const bad[] = {"", "a", "a\n", "a\n1\n", "\n1\n" ROOT, "a\n\n" ROOT,
		"a\n01\n" ROOT, "a\n-1\n" ROOT, "a\n1 \n" ROOT, "a\n+1\n" ROOT,
		"a\n9223372036854775808\n" ROOT, "a\n18446744073709551616\n" ROOT, "a\n1\nCsUYapGG\n",
		"a\n1\n\n" ROOT, "a\n1\n" ROOT "\n", "a\n1\n" ROOT "more",
		"a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
		"a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n"};
	struct checkpoint c;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_true(checkpoint_read(span_str(bad[i]), &c) < 0);
	}
	assert_int_equal(checkpoint_read(span_str("a\n0\n" ROOT), &c), 0);
	assert_int_equal(checkpoint_read(span_str("a\n9223372036854775807\n" ROOT), &c), 0);
	assert_false(c.extended);
	assert_int_equal(checkpoint_read(span_str("a\n1\n" ROOT "more\n"), &c), 0);
	assert_true(c.extended);
}

/* RFC 4648 10, and what is not its canonical form. */
static void test_armor(void **state)
{
	static const struct {
		const char *plain, *text;
	} vectors[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "=g==", "Zg=a",
		"Z===", "====", "Zm9v\n", "Zm9vYg==Zm9v", "Zm_v", "Zm9vYmF-"};
	uint8_t out[16];
	size_t len;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		char buf[16];
		struct writer w = writer_of(buf, sizeof(buf));
		armor_write(&w, span_str(vectors[i].plain));
		assert_true(span_eq(writer_span_of(&w), span_str(vectors[i].text)));
		assert_int_equal(armor_read(span_str(vectors[i].text), out, sizeof(out), &len), 0);
		assert_true(span_eq(span_of(out, len), span_str(vectors[i].plain)));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(armor_read(span_str(bad[i]), out, sizeof(out), &len), ERR_VALUE);
	}
	assert_int_equal(armor_read(span_str("Zm9v"), out, 2, &len), ERR_SPACE);
	assert_int_equal(armor_read_exactly(span_str("Zm9v"), out, 2), ERR_LENGTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_others_note),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_malformed_notes),
		cmocka_unit_test(test_many_signatures),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_false_line),
		cmocka_unit_test(test_cosignature),
		cmocka_unit_test(test_others_checkpoint),
		cmocka_unit_test(test_malformed_checkpoints),
		cmocka_unit_test(test_armor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
