/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_AUDIT_SPOOL_FOLDER_H
#define TESTS_AUDIT_SPOOL_FOLDER_H

#include "audit/spool.h"
#include "audit/spool_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static int dir = -1;
static const uint8_t key[SPOOL_KEY_LEN] = {1, 2, 3};

static inline void empty_folder(void)
{
	DIR *d = opendir(folder);
	for (const struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] != '.') {
			assert_int_equal(unlinkat(dir, e->d_name, 0), 0);
		}
	}
	closedir(d);
}

static inline int make_folder(void **state)
{
	/* Where syncing costs nothing, if there is such a place. */
	snprintf(folder, sizeof(folder), "%s/gantry-spool-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0;
}

static inline int remove_folder(void **state)
{
	empty_folder();
	close(dir);
	return rmdir(folder);
}

static inline int fresh(void **state)
{
	empty_folder();
	return 0;
}

static inline struct spool *open_spool(uint64_t most, uint32_t file_bytes, const struct spool_io *io)
{
	struct spool_settings set = {.dir = dir, .most = most, .file_bytes = file_bytes, .io = io};
	struct spool *s = NULL;
	memcpy(set.key, key, sizeof(key));
	assert_int_equal(spool_open(&set, &s), 0);
	return s;
}

#define ROOMY (64u * 1024 * 1024)

static inline int add(struct spool *s, unsigned n)
{
	char text[64];
	snprintf(text, sizeof(text), "message %u", n);
	return spool_append(s, n % 5 == 4 ? SPOOL_CHECKPOINT : SPOOL_MESSAGE, 1000 + n, span_str(text));
}

static inline void add_all(struct spool *s, unsigned from, unsigned to)
{
	for (unsigned n = from; n < to; n++) {
		assert_int_equal(add(s, n), 0);
	}
	assert_int_equal(spool_commit(s, 1), 0);
}

static inline struct spool_reader *open_reader(const char *name)
{
	struct spool_reader *r = NULL;
	assert_int_equal(spool_reader_open(dir, key, name, &r), 0);
	return r;
}

/* The number in a message; the type and the time must be those that it was given. */
static inline unsigned number_in(const struct spool_entry *e)
{
	char text[64] = "";
	assert_true(e->bytes.len < sizeof(text));
	memcpy(text, e->bytes.ptr, e->bytes.len);
	assert_memory_equal(text, "message ", 8);
	unsigned n = (unsigned)strtoul(text + 8, NULL, 10);
	assert_int_equal(e->time_ms, 1000 + n);
	assert_int_equal(e->type, n % 5 == 4 ? SPOOL_CHECKPOINT : SPOOL_MESSAGE);
	return n;
}

static inline void expect_all(struct spool_reader *r, unsigned from, unsigned to)
{
	struct spool_entry e;
	for (unsigned n = from; n < to; n++) {
		assert_int_equal(spool_next(r, &e), 0);
		assert_int_equal(number_in(&e), n);
	}
	assert_int_equal(spool_next(r, &e), ERR_AGAIN);
}

static inline void expect_queue(const struct spool_reader *r, uint64_t wanted)
{
	uint64_t entries, bytes;
	assert_int_equal(spool_queue(r, &entries, &bytes), 0);
	assert_int_equal(entries, wanted);
	assert_true(wanted == 0 || bytes > 0);
}

static inline unsigned files(void)
{
	struct spool_list l;
	assert_int_equal(spool_list(dir, &l), 0);
	unsigned n = l.n;
	spool_list_done(&l);
	return n;
}

static inline off_t size_of_only(char name[SPOOL_NAME_LEN])
{
	struct spool_list l;
	assert_int_equal(spool_list(dir, &l), 0);
	assert_int_equal(l.n, 1);
	off_t size = (off_t)l.at[0].size;
	spool_file_name(l.at[0].number, name);
	spool_list_done(&l);
	return size;
}

#endif
