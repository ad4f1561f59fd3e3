/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/hold_room.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * What is read back from the file of a held object is what was written, or an error: whoever can write the file changes bytes,
 * moves blocks, brings back those of another object, or cuts it. The test is the store, and has given more room than is used.
 */

#define BLOCKS 4
#define STRIDE (HOLD_BLOCK + 4096)

static struct hold_room room;
static uint8_t *plain, *back;

static int set_up(void **state)
{
	(void)state;
	int file = memfd_create("held", MFD_CLOEXEC);
	plain = malloc(BLOCKS * HOLD_BLOCK);
	back = malloc(BLOCKS * HOLD_BLOCK);
	if (file < 0 || !plain || !back) {
		return -1;
	}
	for (size_t i = 0; i < BLOCKS * HOLD_BLOCK; i++) {
		plain[i] = (uint8_t)(i * 7 + i / HOLD_BLOCK);
	}
	room = (struct hold_room){
		.open = true, .channel = dup(file), .file = file, .room = (uint64_t)STRIDE * BLOCKS};
	return hold_room_store(NULL, &room, plain, BLOCKS * HOLD_BLOCK);
}

static int tear_down(void **state)
{
	(void)state;
	if (room.open) {
		close(room.file);
		close(room.channel);
	}
	free(plain);
	free(back);
	return 0;
}

/* How many bytes are read back, block by block, before the error; each is what was written. */
static size_t read_back(int *ret_e)
{
	size_t all = 0, n = 1;
	hold_room_again(&room);
	for (*ret_e = 0; *ret_e == 0 && n > 0; all += *ret_e == 0 ? n : 0) {
		n = 0;
		*ret_e = hold_room_load(&room, back, HOLD_BLOCK, &n);
		assert_true(*ret_e != 0 || memcmp(back, plain + all, n) == 0);
	}
	assert_int_equal(room.loaded, all); /* a block that is bad is not passed over */
	return all;
}

static void change(off_t at)
{
	uint8_t b;
	assert_int_equal(pread(room.file, &b, 1, at), 1);
	b ^= 0x80;
	assert_int_equal(pwrite(room.file, &b, 1, at), 1);
}

static void ends_at_block(unsigned block, int error)
{
	int e = 0;
	assert_int_equal(read_back(&e), block * HOLD_BLOCK);
	assert_int_equal(e, error);
}

static void what_is_unchanged_comes_back(void **state)
{
	int e = 1;
	(void)state;
	assert_int_equal(read_back(&e), BLOCKS * HOLD_BLOCK);
	assert_int_equal(e, 0);
	/* It is not to be read in the file. */
	assert_int_equal(pread(room.file, back, HOLD_BLOCK, 0), HOLD_BLOCK);
	assert_memory_not_equal(back, plain, 64);
}

static void a_changed_byte_is_seen(void **state)
{
	static const off_t places[] = {
		0, 1, HOLD_BLOCK / 2, HOLD_BLOCK - 1, HOLD_BLOCK, HOLD_BLOCK + AEAD_TAG - 1};
	(void)state;
	for (unsigned block = 0; block < BLOCKS; block++) {
		for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
			off_t at = (off_t)block * STRIDE + places[i];
			change(at);
			ends_at_block(block, ERR_DENIED);
			change(at);
		}
	}
	/* Between blocks there is nothing. */
	uint8_t b = 1;
	assert_int_equal(pwrite(room.file, &b, 1, HOLD_BLOCK + AEAD_TAG), 1);
	ends_at_block(BLOCKS, 0);
}

static void a_block_elsewhere_is_seen(void **state)
{
	uint8_t *sealed = malloc(HOLD_BLOCK + AEAD_TAG);
	(void)state;
	assert_non_null(sealed);
	assert_int_equal(pread(room.file, sealed, HOLD_BLOCK + AEAD_TAG, STRIDE), HOLD_BLOCK + AEAD_TAG);
	assert_int_equal(pwrite(room.file, sealed, HOLD_BLOCK + AEAD_TAG, 2 * STRIDE), HOLD_BLOCK + AEAD_TAG);
	ends_at_block(2, ERR_DENIED);
	/* The next object has the file too, and a key of its own: this one's blocks are none of its. */
	assert_int_equal(pread(room.file, sealed, HOLD_BLOCK + AEAD_TAG, STRIDE), HOLD_BLOCK + AEAD_TAG);
	hold_room_reset(&room);
	assert_int_equal(hold_room_store(NULL, &room, plain, BLOCKS * HOLD_BLOCK), 0);
	ends_at_block(BLOCKS, 0);
	assert_int_equal(pwrite(room.file, sealed, HOLD_BLOCK + AEAD_TAG, STRIDE), HOLD_BLOCK + AEAD_TAG);
	ends_at_block(1, ERR_DENIED);
	free(sealed);
}

static void what_was_cut_is_seen(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(room.file, 3 * STRIDE + 100), 0);
	ends_at_block(3, ERR_SYSTEM);
	assert_int_equal(ftruncate(room.file, 0), 0);
	ends_at_block(0, ERR_SYSTEM);
	/* Zeros in its place. */
	assert_int_equal(ftruncate(room.file, (off_t)BLOCKS * STRIDE), 0);
	ends_at_block(0, ERR_DENIED);
}

/* Others may want it. */
static void what_is_idle_is_given_back(void **state)
{
	int file = room.file;
	(void)state;
	assert_int_equal(hold_room_rest(&room, INT64_MAX), INT64_MAX);
	assert_true(room.open);
	hold_room_reset(&room);
	int64_t due = hold_room_rest(&room, room.idle_ms);
	assert_int_equal(due, room.idle_ms + 1000);
	assert_int_equal(hold_room_rest(&room, due - 1), due);
	assert_true(room.open);
	assert_int_equal(hold_room_rest(&room, due), INT64_MAX);
	assert_false(room.open);
	assert_int_equal(room.room, 0);
	assert_int_equal(close(file), -1);
	assert_int_equal(hold_room_rest(&room, INT64_MAX), INT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_unchanged_comes_back),
		TEST(a_changed_byte_is_seen),
		TEST(a_block_elsewhere_is_seen),
		TEST(what_was_cut_is_seen),
		TEST(what_is_idle_is_given_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
