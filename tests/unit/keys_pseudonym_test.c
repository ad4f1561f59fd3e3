/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "keys/holder.h"
#include "keys/pseudonym_mark.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The key of pseudonyms: what is one, and who may ask for what of it. */

static char path[] = "/tmp/gantry-pseudonym-XXXXXX";

static void make_file(const char *bytes, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int opens(struct pseudonym_key **ret_key)
{
	char why[512] = "";
	int e = pseudonym_key_open(path, ret_key, why, sizeof(why));
	assert_true((e == 0) == (why[0] == '\0'));
	return e;
}

static const char good[PSEUDONYM_KEY + 1] =
	"\x8a\x13\xe0\x57\x21\xf9\x04\xbb\x6d\x90\x3c\xd5\x42\xa7\x1e\x78\x01\xcc\x95\x2b\xf4\x66\xd8\x0f\x73\xae\x19\x5a\xe3\x37\x84\xc1";
static const char another[PSEUDONYM_KEY + 1] =
	"\x31\xd2\x7f\x08\xab\x54\xe6\x99\x1d\x60\xfa\x83\x2e\xb7\x45\xcf\x12\x9c\x68\xe1\x05\x7a\xd3\x4b\xf0\x26\xbd\x91\x5f\x0a\xc8\x3e";

static void marks_of_keys(void **state)
{
	(void)state;
	char first[PSEUDONYM_MARK], again[PSEUDONYM_MARK], other[PSEUDONYM_MARK];
	const struct {
		const char *bytes;
		char *mark;
	} keys[] = {{good, first}, {another, other}, {good, again}};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct pseudonym_key *k = NULL;
		make_file(keys[i].bytes, PSEUDONYM_KEY, 0600);
		assert_int_equal(opens(&k), 0);
		assert_int_equal(pseudonym_key_mark(k, keys[i].mark), 0);
		assert_int_equal(strspn(keys[i].mark, "0123456789abcdef"), PSEUDONYM_MARK - 1);
		pseudonym_key_free(k);
	}
	assert_string_equal(first, again);
	assert_string_not_equal(first, other);
}

/* One that is kept is there again; what is none, a link or a pipe, is none. */
static void marks_that_are_kept(void **state)
{
	(void)state;
	char folder[] = "/tmp/gantry-marks-XXXXXX", mark[PSEUDONYM_MARK] = "x", long_mark[PSEUDONYM_MARK];
	memset(long_mark, 'a', sizeof(long_mark) - 1);
	long_mark[sizeof(long_mark) - 1] = 0;
	assert_non_null(mkdtemp(folder));
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(pseudonym_mark_read(dir, mark), ERR_NOT_FOUND);
	for (int i = 0; i < 2; i++) {
		long_mark[0] = (char)('0' + i);
		assert_int_equal(pseudonym_mark_write(dir, long_mark), 0);
		assert_int_equal(pseudonym_mark_read(dir, mark), 0);
		assert_string_equal(mark, long_mark);
	}
	long_mark[5] = 'A';
	assert_int_equal(pseudonym_mark_write(dir, long_mark), 0);
	assert_int_equal(pseudonym_mark_read(dir, mark), ERR_VALUE);
	assert_int_equal(pseudonym_mark_write(dir, "12"), 0);
	assert_int_equal(pseudonym_mark_read(dir, mark), ERR_VALUE);
	assert_int_equal(unlinkat(dir, PSEUDONYM_MARK_FILE, 0), 0);
	assert_int_equal(symlinkat("/dev/zero", dir, PSEUDONYM_MARK_FILE), 0);
	assert_int_equal(pseudonym_mark_read(dir, mark), ERR_SYSTEM);
	assert_int_equal(unlinkat(dir, PSEUDONYM_MARK_FILE, 0), 0);
	assert_int_equal(mkfifoat(dir, PSEUDONYM_MARK_FILE, 0600), 0);
	assert_int_equal(pseudonym_mark_read(dir, mark), ERR_VALUE);
	assert_int_equal(unlinkat(dir, PSEUDONYM_MARK_FILE, 0), 0);
	close(dir);
	assert_int_equal(rmdir(folder), 0);
}

static void which_files(void **state)
{
	(void)state;
	struct pseudonym_key *k = NULL;
	make_file(good, PSEUDONYM_KEY, 0600);
	assert_int_equal(opens(&k), 0);
	uint8_t own[PSEUDONYM_SIZE], desk[PSEUDONYM_SIZE];
	/* As `gantry deidentify` makes them with the same file. */
	assert_int_equal(pseudonym_key_make(k, PSEUDONYM_UID, span_str("1.2.3"), own), 0);
	assert_int_equal(pseudonym_make((void *)(uintptr_t)good, PSEUDONYM_UID, span_str("1.2.3"), desk), 0);
	assert_memory_equal(own, desk, sizeof(own));
	assert_int_equal(pseudonym_key_make(k, PSEUDONYM_ORIGINALS + 1, span_str("1.2.3"), own), ERR_TYPE);
	pseudonym_key_free(k);
	k = NULL;
	make_file(good, PSEUDONYM_KEY - 1, 0600);
	assert_int_equal(opens(&k), ERR_VALUE);
	char why[512] = "";
	assert_int_equal(pseudonym_key_open(path, &k, why, sizeof(why)), ERR_VALUE);
	assert_non_null(strstr(why, "which has 32 bytes"));
	make_file(good, PSEUDONYM_KEY, 0640);
	assert_int_equal(opens(&k), ERR_DENIED);
	assert_null(k);
	pseudonym_key_free(NULL);
}

/* A file of 32 bytes that is no key: nobody has to find out by guessing which it was. */
static void which_bytes(void **state)
{
	static const char *const texts[] = {
		"0123456789abcdef0123456789abcdee", "correct horse battery staple 22\n"};
	char row[PSEUDONYM_KEY], nearly[PSEUDONYM_KEY];
	struct pseudonym_key *k = NULL;
	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		make_file(texts[i], PSEUDONYM_KEY, 0600);
		assert_int_equal(opens(&k), ERR_VALUE);
	}
	for (int step = 0; step < 256; step++) {
		for (int i = 0; i < PSEUDONYM_KEY; i++) {
			row[i] = (char)(200 + i * step);
		}
		make_file(row, PSEUDONYM_KEY, 0600);
		assert_int_equal(opens(&k), ERR_VALUE);
	}
	for (unsigned i = 0; i < PSEUDONYM_KEY; i++) {
		nearly[i] = good[i % 15];
	}
	make_file(nearly, PSEUDONYM_KEY, 0600);
	assert_int_equal(opens(&k), ERR_VALUE);
	nearly[15] = good[15]; /* 16 that are not the same */
	make_file(nearly, PSEUDONYM_KEY, 0600);
	assert_int_equal(opens(&k), 0);
	pseudonym_key_free(k);
}

static int ask(struct holder *h, enum holder_whose whose, uint8_t kind, uint8_t *answer, size_t *ret_len)
{
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	struct holder_client c = {.whose = whose};
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, ASK_PSEUDONYM);
	writer_u8(&w, kind);
	writer_span(&w, span_str("1.2.3"));
	assert_int_equal(holder_answer(h, &c, writer_span_of(&w), 0, answer, ret_len), 0);
	assert_int_equal(c.refused, answer[1] != 0);
	return -(int)answer[1];
}

static void who_may_ask(void **state)
{
	(void)state;
	uint8_t answer[HOLDER_ANSWER_MOST];
	size_t len = 0;
	struct holder *h = holder_new();
	struct pseudonym_key *k = NULL;
	assert_non_null(h);
	/* Without a key there are none. */
	assert_int_equal(ask(h, HOLDER_ASSOCIATION, PSEUDONYM_UID, answer, &len), ERR_DENIED);
	make_file(good, PSEUDONYM_KEY, 0600);
	assert_int_equal(opens(&k), 0);
	holder_use_pseudonyms(h, k);
	assert_int_equal(ask(h, HOLDER_ASSOCIATION, PSEUDONYM_UID, answer, &len), 0);
	assert_int_equal(len, 2 + PSEUDONYM_SIZE);
	assert_int_equal(ask(h, HOLDER_ASSOCIATION, 99, answer, &len), ERR_TYPE);
	assert_int_equal(ask(h, HOLDER_AUDITOR, PSEUDONYM_UID, answer, &len), ERR_DENIED);
	assert_int_equal(ask(h, HOLDER_OPERATOR, PSEUDONYM_UID, answer, &len), ERR_DENIED);
	holder_free(h);
}

static int set_up(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

/* ---- Entries of the book of names ---- */

static struct pseudonym_key *a_key(const char *bytes)
{
	struct pseudonym_key *k = NULL;
	make_file(bytes, PSEUDONYM_KEY, 0600);
	assert_int_equal(opens(&k), 0);
	return k;
}

static void entries(void **state)
{
	(void)state;
	struct pseudonym_key *k = a_key(good), *other = a_key(another);
	uint8_t mac[PSEUDONYM_SIZE], same[PSEUDONYM_SIZE], entry[NAME_ENTRY], again[NAME_ENTRY],
		token[NAME_TOKEN];
	uint8_t old[NAME_OLD_MOST];
	char uid[UID_MAX + 1], id[PSEUDONYM_PATIENT_SIZE], longest[NAME_OLD_MOST + 3] = "";
	size_t len = 0;
	const struct pseudonyms p = {.make = pseudonym_make, .arg = (void *)(uintptr_t)good};
	/* The pseudonym is what it always was, and the token is that of the name that stands in objects. */
	assert_int_equal(pseudonym_key_enter(k, PSEUDONYM_UID, span_str("1.2.3"), mac, entry), 0);
	assert_int_equal(pseudonym_key_make(k, PSEUDONYM_UID, span_str("1.2.3"), same), 0);
	assert_memory_equal(mac, same, sizeof(mac));
	assert_int_equal(pseudonym_uid(&p, span_str("1.2.3"), uid), 0);
	assert_int_equal(pseudonym_key_token(k, PSEUDONYM_UID, span_str(uid), token), 0);
	assert_memory_equal(token, entry, sizeof(token));
	assert_int_equal(pseudonym_key_recall(k, entry, old, &len), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(old, "1.2.3", 5);
	/* Sealed anew each time. */
	assert_int_equal(pseudonym_key_enter(k, PSEUDONYM_UID, span_str("1.2.3"), mac, again), 0);
	assert_memory_equal(entry, again, NAME_TOKEN);
	assert_memory_not_equal(entry + NAME_TOKEN, again + NAME_TOKEN, NAME_SEALED);
	/* Of a patient the ID comes back. */
	assert_int_equal(
		pseudonym_key_enter(k, PSEUDONYM_PATIENT, span_of((const uint8_t *)"H\0P7", 4), mac, entry),
		0);
	assert_int_equal(pseudonym_patient(&p, span_str("H"), span_str("P7"), id), 0);
	assert_int_equal(pseudonym_key_token(k, PSEUDONYM_PATIENT, span_str(id), token), 0);
	assert_memory_equal(token, entry, sizeof(token));
	assert_int_equal(pseudonym_key_recall(k, entry, old, &len), 0);
	assert_int_equal(len, 2);
	assert_memory_equal(old, "P7", 2);
	/* Changed anywhere, under another token, with another key: nothing. */
	for (size_t i = 0; i < sizeof(entry); i++) {
		entry[i] ^= 1;
		assert_int_equal(pseudonym_key_recall(k, entry, old, &len), ERR_VALUE);
		entry[i] ^= 1;
	}
	assert_int_equal(pseudonym_key_recall(other, entry, old, &len), ERR_VALUE);
	/* What is no name, or too long for an entry. */
	memset(longest, '7', sizeof(longest) - 1);
	longest[0] = 0;
	assert_int_equal(pseudonym_key_enter(k, PSEUDONYM_PATIENT,
				 span_of((uint8_t *)longest, sizeof(longest) - 1), mac, entry),
		ERR_LENGTH);
	assert_int_equal(
		pseudonym_key_enter(k, PSEUDONYM_DATES, span_of((const uint8_t *)"H\0P7", 4), mac, entry),
		ERR_TYPE);
	assert_int_equal(pseudonym_key_enter(k, PSEUDONYM_PATIENT, span_str("P7"), mac, entry), ERR_TYPE);
	assert_int_equal(pseudonym_key_token(k, PSEUDONYM_DATES, span_str("P7"), token), ERR_TYPE);
	pseudonym_key_free(k);
	pseudonym_key_free(other);
}

static int ask_name(struct holder *h, struct holder_client *c, uint8_t what, struct span body, int64_t now_ms,
	uint8_t *answer, size_t *ret_len)
{
	static uint8_t buf[HOLDER_NAMES_MOST * NAME_ENTRY + 512];
	struct writer w = writer_of(buf, sizeof(buf));
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, what);
	writer_span(&w, body);
	int e = holder_answer(h, c, writer_span_of(&w), now_ms, answer, ret_len);
	return e ? e : -(int)answer[1];
}

static void asked_for_names(void **state)
{
	(void)state;
	uint8_t answer[HOLDER_ANSWER_MOST], entry[NAME_ENTRY];
	size_t len = 0;
	struct holder *h = holder_new();
	struct holder_client c = {.whose = HOLDER_ASSOCIATION}, auditor = {.whose = HOLDER_AUDITOR};
	const struct span uid = span_of((const uint8_t *)"\0"
							 "1.2.3",
		6);
	assert_non_null(h);
	assert_int_equal(ask_name(h, &c, ASK_NAME, uid, 0, answer, &len), ERR_DENIED); /* no key */
	holder_use_pseudonyms(h, a_key(good));
	assert_int_equal(ask_name(h, &auditor, ASK_NAME, uid, 0, answer, &len), ERR_DENIED);
	assert_int_equal(ask_name(h, &c, ASK_NAME, uid, 0, answer, &len), 0);
	assert_int_equal(len, 2 + PSEUDONYM_SIZE + NAME_ENTRY);
	memcpy(entry, answer + 2 + PSEUDONYM_SIZE, sizeof(entry));
	assert_int_equal(ask_name(h, &c, ASK_NAME_RECALL, span_of(entry, sizeof(entry)), 0, answer, &len), 0);
	assert_int_equal(len, 2 + 1 + 5);
	assert_memory_equal(answer + 2,
		"\5"
		"1.2.3",
		6);
	entry[50] ^= 1;
	assert_int_equal(ask_name(h, &c, ASK_NAME_RECALL, span_of(entry, sizeof(entry)), 0, answer, &len), 0);
	assert_int_equal(len, 2 + 1);
	assert_int_equal(ask_name(h, &c, ASK_NAME_RECALL, span_of(entry, 7), 0, answer, &len), ERR_PEER);
	assert_int_equal(ask_name(h, &c, ASK_NAME_TOKENS,
				 span_of((const uint8_t *)"\0\1"
							  "7",
					 3),
				 0, answer, &len),
		0);
	assert_int_equal(len, 2 + NAME_TOKEN);
	assert_int_equal(ask_name(h, &c, ASK_NAME_TOKENS,
				 span_of((const uint8_t *)"\0\2"
							  "7",
					 3),
				 0, answer, &len),
		ERR_PEER);
	holder_free(h);
}

static void not_too_fast(void **state)
{
	(void)state;
	uint8_t answer[HOLDER_ANSWER_MOST];
	size_t len = 0;
	struct holder *h = holder_new();
	struct holder_client c = {.whose = HOLDER_ASSOCIATION};
	const struct span uid = span_of((const uint8_t *)"\0"
							 "1.2.3",
		6);
	assert_non_null(h);
	holder_use_pseudonyms(h, a_key(good));
	for (unsigned i = 0; i < HOLDER_NAMES_AT_ONCE; i++) {
		assert_int_equal(ask_name(h, &c, ASK_PSEUDONYM, uid, 1000, answer, &len), 0);
	}
	assert_int_equal(ask_name(h, &c, ASK_PSEUDONYM, uid, 1000, answer, &len), ERR_AGAIN);
	assert_int_equal(ask_name(h, &c, ASK_NAME, uid, 1000, answer, &len), ERR_AGAIN);
	assert_int_equal(ask_name(h, &c, ASK_NAME, uid, 1001, answer, &len), 0);
	assert_int_equal(ask_name(h, &c, ASK_NAME, uid, 1001, answer, &len), ERR_AGAIN);
	for (unsigned i = 0; i < HOLDER_NAMES_A_SECOND; i++) {
		assert_int_equal(ask_name(h, &c, ASK_PSEUDONYM, uid, 2001, answer, &len), 0);
	}
	assert_int_equal(ask_name(h, &c, ASK_PSEUDONYM, uid, 2001, answer, &len), ERR_AGAIN);
	assert_int_equal(c.refused, 0);
	holder_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_files),
		cmocka_unit_test(marks_of_keys),
		cmocka_unit_test(marks_that_are_kept),
		cmocka_unit_test(which_bytes),
		cmocka_unit_test(who_may_ask),
		cmocka_unit_test(entries),
		cmocka_unit_test(asked_for_names),
		cmocka_unit_test(not_too_fast),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
