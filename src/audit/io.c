/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int sys_open(void *arg, int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags, mode);
}

static int sys_close(void *arg, int fd)
{
	return close(fd);
}

static ssize_t sys_pread(void *arg, int fd, void *buf, size_t n, off_t at)
{
	return pread(fd, buf, n, at);
}

static ssize_t sys_pwrite(void *arg, int fd, const void *buf, size_t n, off_t at)
{
	return pwrite(fd, buf, n, at);
}

static int sys_fdatasync(void *arg, int fd)
{
	return fdatasync(fd);
}

static int sys_fsync(void *arg, int fd)
{
	return fsync(fd);
}

static int sys_truncate(void *arg, int fd, off_t len)
{
	return ftruncate(fd, len);
}

static int sys_rename(void *arg, int dir, const char *from, const char *to)
{
	return renameat(dir, from, dir, to);
}

static int sys_link(void *arg, int dir, const char *from, const char *to)
{
	return linkat(dir, from, dir, to, 0);
}

static int sys_unlink(void *arg, int dir, const char *name)
{
	return unlinkat(dir, name, 0);
}

const struct journal_io journal_io_system = {
	.open = sys_open,
	.close = sys_close,
	.pread = sys_pread,
	.pwrite = sys_pwrite,
	.fdatasync = sys_fdatasync,
	.fsync = sys_fsync,
	.truncate = sys_truncate,
	.rename = sys_rename,
	.link = sys_link,
	.unlink = sys_unlink,
};

int io_error(void)
{
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_SPACE;
	case ENOENT:
		return ERR_NOT_FOUND;
	default:
		return ERR_SYSTEM;
	}
}

int io_write(const struct journal_io *io, int fd, const void *buf, size_t n, uint64_t at)
{
	const uint8_t *p = buf;
	while (n > 0) {
		ssize_t done = io->pwrite(io->arg, fd, p, n, (off_t)at);
		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done == 0) {
			errno = ENOSPC; /* a disk that takes nothing and says no more */
		}
		if (done <= 0) {
			return io_error();
		}
		p += done;
		n -= (size_t)done;
		at += (uint64_t)done;
	}
	return 0;
}

int io_read(const struct journal_io *io, int fd, void *buf, size_t n, uint64_t at, size_t *ret_n)
{
	size_t got = 0;
	while (got < n) {
		ssize_t done = io->pread(io->arg, fd, (uint8_t *)buf + got, n - got, (off_t)(at + got));
		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done < 0) {
			return ERR_SYSTEM;
		}
		if (done == 0) {
			break;
		}
		got += (size_t)done;
	}
	*ret_n = got;
	return 0;
}

int io_read_file(const struct journal_io *io, int dir, const char *name, size_t most, uint8_t **ret_bytes,
	size_t *ret_len)
{
	int fd = io->open(io->arg, dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0) {
		return io_error();
	}
	size_t len = 0;
	uint8_t *bytes = malloc(most + 1);
	int r = bytes ? io_read(io, fd, bytes, most + 1, 0, &len) : ERR_NO_MEMORY;
	if (r == 0 && len > most) {
		r = ERR_LIMIT;
	}
	(void)io->close(io->arg, fd);
	if (r < 0) {
		free(bytes);
		return r;
	}
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

int io_begin(const struct journal_io *io, int dir, const char *name, struct span bytes, int *ret_fd)
{
	char fresh[300];
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	int fd = io->open(io->arg, dir, fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0) {
		return io_error();
	}
	int r = io_write(io, fd, bytes.ptr, bytes.len, 0);
	if (r == 0 && (io->fdatasync(io->arg, fd) < 0 || io->rename(io->arg, dir, fresh, name) < 0)) {
		r = io_error();
		(void)io->unlink(io->arg, dir, fresh);
	} else if (r == 0 && io->fsync(io->arg, dir) < 0) {
		r = io_error();
	}
	if (r < 0) {
		int saved = errno;
		(void)io->close(io->arg, fd);
		errno = saved;
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int io_replace(const struct journal_io *io, int dir, const char *name, struct span bytes)
{
	int fd;
	int r = io_begin(io, dir, name, bytes, &fd);
	if (r == 0 && io->close(io->arg, fd) < 0) {
		r = io_error();
	}
	return r;
}
