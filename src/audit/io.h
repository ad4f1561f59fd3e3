/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_IO_H
#define AUDIT_IO_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <sys/types.h>

/*
 * The calls by which the journal touches its folder, so that a test can have each of them fail or fall short. As the calls of
 * the same names: -1 and errno.
 */
struct journal_io {
	int (*open)(void *arg, int dir, const char *name, int flags, mode_t mode);
	int (*close)(void *arg, int fd);
	ssize_t (*pread)(void *arg, int fd, void *buf, size_t n, off_t at);
	ssize_t (*pwrite)(void *arg, int fd, const void *buf, size_t n, off_t at);
	int (*fdatasync)(void *arg, int fd);
	int (*fsync)(void *arg, int fd);
	int (*truncate)(void *arg, int fd, off_t len);
	int (*rename)(void *arg, int dir, const char *from, const char *to);
	int (*link)(void *arg, int dir, const char *from, const char *to);
	int (*unlink)(void *arg, int dir, const char *name);
	void *arg;
};

/* The system's own. */
extern const struct journal_io journal_io_system;

/* The error of the call that just failed: ERR_SPACE (disk, quota, file size), ERR_NOT_FOUND or ERR_SYSTEM; errno stays. */
int io_error(void);

/* All n bytes at an offset. ERR_SPACE, ERR_SYSTEM. */
MUST_USE int io_write(const struct journal_io *io, int fd, const void *buf, size_t n, uint64_t at);

/* As many as there are, up to n; fewer only at the file's end. ERR_SYSTEM. */
MUST_USE int io_read(const struct journal_io *io, int fd, void *buf, size_t n, uint64_t at, size_t *ret_n);

/* A whole small file, malloc'd. ERR_NOT_FOUND, ERR_LIMIT: longer than most; ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int io_read_file(const struct journal_io *io, int dir, const char *name, size_t most,
	uint8_t **ret_bytes, size_t *ret_len);

/*
 * Make or replace a file, so that after any crash the old or the new one is there, whole: written as NAME.new, synced,
 * renamed, and the folder synced. Mode 0640. ERR_SPACE, ERR_SYSTEM: it may be there or not.
 */
MUST_USE int io_replace(const struct journal_io *io, int dir, const char *name, struct span bytes);

/* The same for a file that is begun with `bytes` and written on; its descriptor is the caller's. */
MUST_USE int io_begin(const struct journal_io *io, int dir, const char *name, struct span bytes, int *ret_fd);

#endif
