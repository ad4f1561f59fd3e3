/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_spool_folder.h"

/* The spool's key, the files of places, and what is seen without the key. */

/* Another key reads nothing, and the folder tells nothing without it. */
static void other_key(void **state)
{
	static const uint8_t other[SPOOL_KEY_LEN] = {9};
	char name[SPOOL_NAME_LEN], bytes[4096];
	struct spool *s = open_spool(ROOMY, 0, NULL);
	add_all(s, 0, 5);
	spool_close(s);
	off_t size = size_of_only(name);
	int fd = openat(dir, name, O_RDONLY);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), size);
	close(fd);
	assert_null(memmem(bytes, (size_t)size, "message", 7));
	struct stat st;
	assert_int_equal(fstatat(dir, name, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	struct spool_reader *r = NULL;
	struct spool_entry e;
	assert_int_equal(spool_reader_open(dir, other, "r", &r), 0);
	assert_int_equal(spool_next(r, &e), ERR_AGAIN);
	assert_int_equal(spool_damaged(r), 5);
	spool_reader_close(r);
}

static void places(void **state)
{
	const struct spool_place p = {.file = 3, .offset = 99, .frame = 2, .entry = 77, .id = {5}};
	struct spool_place got = {0};
	uint8_t bytes[SPOOL_PLACE_MOST + 1];
	size_t len = spool_place_write(&p, "group", bytes);
	assert_int_equal(spool_place_read(span_of(bytes, len), "group", &got), 0);
	assert_memory_equal(&got, &p, sizeof(p));
	assert_int_equal(spool_place_read(span_of(bytes, len), "groups", &got), ERR_VALUE);
	for (size_t n = 0; n < len; n++) {
		assert_true(spool_place_read(span_of(bytes, n), "group", &got) < 0);
		bytes[n] ^= 1;
		assert_true(spool_place_read(span_of(bytes, len), "group", &got) < 0);
		bytes[n] ^= 1;
	}
	bytes[len] = 0;
	assert_int_equal(spool_place_read(span_of(bytes, len + 1), "group", &got), ERR_TRAILING);
	/* A damaged one: everything is sent again. */
	struct spool *s = open_spool(ROOMY, 0, NULL);
	add_all(s, 0, 3);
	struct spool_reader *r = open_reader("r");
	expect_all(r, 0, 3);
	const struct spool_place at = spool_at(r);
	assert_int_equal(spool_confirm(r, &at), 0);
	spool_reader_close(r);
	char name[SPOOL_NAME_LEN];
	spool_place_name("r", name);
	int fd = openat(dir, name, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	close(fd);
	r = open_reader("r");
	expect_all(r, 0, 3);
	spool_reader_close(r);
	spool_close(s);
}

static void key_file(void **state)
{
	char path[128];
	uint8_t first[SPOOL_KEY_LEN], again[SPOOL_KEY_LEN];
	struct stat st;
	snprintf(path, sizeof(path), "%s/key", folder);
	assert_int_equal(spool_key(path, first), 0);
	assert_int_equal(spool_key(path, again), 0);
	assert_memory_equal(first, again, sizeof(first));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(truncate(path, 31), 0);
	assert_int_equal(spool_key(path, again), ERR_VALUE);
	assert_memory_equal(first, again, sizeof(first));
	assert_int_equal(truncate(path, 33), 0);
	assert_int_equal(spool_key(path, again), ERR_VALUE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(spool_key(path, again), 0);
	assert_memory_not_equal(first, again, sizeof(first));
	assert_int_equal(spool_key("/nonexistent/key", again), ERR_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(other_key, fresh),
		cmocka_unit_test_setup(places, fresh),
		cmocka_unit_test_setup(key_file, fresh),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
