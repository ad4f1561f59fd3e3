/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_FAULTY_H
#define AUDIT_FAULTY_H

/* The journal's calls, of which one fails, or falls short, or all from one on. */

#include "audit/io.h"

#include <errno.h>
#include <unistd.h>

enum fault {
	FAULT_ONCE,      /* that call fails, the next is well */
	FAULT_SHORT,     /* a write takes one byte less than asked, and goes on */
	FAULT_TORN,      /* a write takes half, and the process ends */
	FAULT_EVER,      /* that call and all after it */
	FAULT_FOR_WHILE, /* that call and five more: no space, and then space again */
};

struct faulty {
	unsigned calls;
	unsigned at; /* the call that fails; 0: none */
	enum fault fault;
	int error;
	bool failed;
};

static inline bool fails(struct faulty *y)
{
	unsigned call = ++y->calls;
	if (y->at == 0 || call < y->at || y->fault == FAULT_SHORT) {
		return false;
	}
	bool bad = call == y->at || y->fault == FAULT_EVER || (y->fault == FAULT_TORN) ||
	           (y->fault == FAULT_FOR_WHILE && call < y->at + 6);
	if (bad) {
		errno = y->error;
		y->failed = true;
	}
	return bad;
}

static inline int f_open(void *arg, int dir, const char *name, int flags, mode_t mode)
{
	return fails(arg) ? -1 : journal_io_system.open(NULL, dir, name, flags, mode);
}

/* Closes all the same, as close(2) does. */
static inline int f_close(void *arg, int fd)
{
	int r = close(fd);
	return fails(arg) ? -1 : r;
}

static inline ssize_t f_pread(void *arg, int fd, void *buf, size_t n, off_t at)
{
	return fails(arg) ? -1 : pread(fd, buf, n, at);
}

static inline ssize_t f_pwrite(void *arg, int fd, const void *buf, size_t n, off_t at)
{
	struct faulty *y = arg;
	unsigned call = y->calls + 1;
	if (fails(y)) {
		if (y->fault == FAULT_TORN && call == y->at) {
			(void)!pwrite(fd, buf, n / 2, at);
		}
		return -1;
	}
	if (y->fault == FAULT_SHORT && call == y->at && n > 1) {
		y->failed = true;
		n--;
	}
	return pwrite(fd, buf, n, at);
}

static inline int f_fdatasync(void *arg, int fd)
{
	return fails(arg) ? -1 : fdatasync(fd);
}

static inline int f_fsync(void *arg, int fd)
{
	return fails(arg) ? -1 : fsync(fd);
}

static inline int f_truncate(void *arg, int fd, off_t len)
{
	return fails(arg) ? -1 : ftruncate(fd, len);
}

static inline int f_rename(void *arg, int dir, const char *from, const char *to)
{
	return fails(arg) ? -1 : journal_io_system.rename(NULL, dir, from, to);
}

static inline int f_link(void *arg, int dir, const char *from, const char *to)
{
	return fails(arg) ? -1 : journal_io_system.link(NULL, dir, from, to);
}

static inline int f_unlink(void *arg, int dir, const char *name)
{
	return fails(arg) ? -1 : journal_io_system.unlink(NULL, dir, name);
}

static inline struct journal_io faulty_io(struct faulty *y)
{
	return (struct journal_io){f_open, f_close, f_pread, f_pwrite, f_fdatasync, f_fsync, f_truncate,
		f_rename, f_link, f_unlink, y};
}

#endif
