/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "keys/holder.h"

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

static const char good[PSEUDONYM_KEY + 1] = "0123456789abcdef0123456789abcdef";

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
	assert_int_equal(pseudonym_key_make(k, PSEUDONYM_DATES + 1, span_str("1.2.3"), own), ERR_TYPE);
	pseudonym_key_free(k);
	k = NULL;
	make_file(good, PSEUDONYM_KEY - 1, 0600);
	assert_int_equal(opens(&k), ERR_VALUE);
	make_file(good, PSEUDONYM_KEY, 0640);
	assert_int_equal(opens(&k), ERR_DENIED);
	assert_null(k);
	pseudonym_key_free(NULL);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_files),
		cmocka_unit_test(who_may_ask),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
