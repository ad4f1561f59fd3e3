/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/door.h"

#include <stdlib.h>
#include <string.h>

static uint8_t buf[DOOR_MOST];

static size_t written(const struct door *d)
{
	struct writer w = writer_of(buf, sizeof(buf));
	door_write(&w, d);
	assert_int_equal(writer_end(&w), 0);
	return w.len;
}

/* In an allocation of its very size. */
static int read_exact(size_t n, struct door *d, size_t *used)
{
	uint8_t *copy = malloc(n + 1);
	assert_non_null(copy);
	memcpy(copy, buf, n);
	int e = door_read(span_of(copy, n), d, used);
	free(copy);
	return e;
}

static void what_is_written_is_read(void **state)
{
	struct door d = {.why = DOOR_RELEASE,
			    .makes = DOOR_DEIDENTIFIES | DOOR_SIGNS,
			    .to = "archive",
			    .user = "anna",
			    .flow = "images",
			    .note = "Übergabe 7"},
		    got;
	size_t used = 0;
	(void)state;
	size_t n = written(&d);
	assert_int_equal(read_exact(n, &got, &used), 0);
	assert_int_equal(used, n);
	assert_memory_equal(&got, &d, sizeof(d));
	/* What follows is the association's. */
	memset(buf + n, 0xff, 16);
	assert_int_equal(read_exact(n + 16, &got, &used), 0);
	assert_int_equal(used, n);
	for (size_t i = 0; i < n; i++) {
		used = 4711;
		assert_int_equal(read_exact(i, &got, &used), ERR_AGAIN);
		assert_int_equal(used, 4711);
	}
}

static void the_longest_fits(void **state)
{
	struct door d = {.why = DOOR_IMPORT}, got;
	size_t used;
	(void)state;
	memset(d.to, 'x', sizeof(d.to) - 1);
	memset(d.user, 'x', sizeof(d.user) - 1);
	memset(d.flow, 'x', sizeof(d.flow) - 1);
	memset(d.note, 'x', sizeof(d.note) - 1);
	size_t n = written(&d);
	assert_int_equal(read_exact(n, &got, &used), 0);
	assert_memory_equal(&got, &d, sizeof(d));
	buf[15]++; /* one more than the first text may have */
	assert_int_equal(read_exact(n, &got, &used), ERR_LENGTH);
}

static void others_are_told(void **state)
{
	struct door d = {.why = DOOR_IMPORT, .to = "a", .user = "b", .note = "c"}, got;
	size_t used, n;
	(void)state;
	n = written(&d);
	buf[0] = 'G';
	assert_int_equal(read_exact(1, &got, &used), ERR_TYPE);
	assert_int_equal(read_exact(n, &got, &used), ERR_TYPE);
	for (unsigned why = 0; why < 256; why++) {
		n = written(&d);
		buf[12] = (uint8_t)why;
		assert_int_equal(read_exact(n, &got, &used), why == 1 || why == 2 ? 0 : ERR_VALUE);
	}
	for (unsigned makes = 0; makes < 256; makes++) {
		n = written(&d);
		buf[13] = (uint8_t)makes;
		assert_int_equal(read_exact(n, &got, &used), makes < 4 ? 0 : ERR_VALUE);
	}
	d.note[0] = '\x1b';
	assert_int_equal(read_exact(written(&d), &got, &used), ERR_VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(the_longest_fits),
		cmocka_unit_test(others_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
