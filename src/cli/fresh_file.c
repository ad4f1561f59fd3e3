/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fresh_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 3

/* ---- Without a name ---- */

static int open_nameless(const char *path, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	int fd = folder ? open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, mode) : -1;
	int kept = folder ? errno : ENOMEM;
	free(folder);
	errno = kept;
	return fd;
}

/* Without the right to look into folders, as /proc has it. */
static int name_it(int fd, const char *name)
{
	char at[64];
	snprintf(at, sizeof(at), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, at, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* ---- With one ---- */

/* One that nobody has locked was left by a process that was killed. False: somebody has. */
static bool remove_left(const char *name)
{
	struct stat st, now;
	int fd = open(name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool left = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	            flock(fd, LOCK_EX | LOCK_NB) == 0 && lstat(name, &now) == 0 && now.st_dev == st.st_dev &&
	            now.st_ino == st.st_ino && unlink(name) == 0;
	if (fd >= 0) {
		close(fd);
	}
	return left;
}

/* Another process may take a name without a lock for one that was left: then what has it is not this file. */
static bool hold(int fd, const char *name)
{
	struct stat st, now;
	bool locked =
		flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; /* some file systems have none */
	return locked && fstat(fd, &st) == 0 && lstat(name, &now) == 0 && now.st_dev == st.st_dev &&
	       now.st_ino == st.st_ino;
}

static int open_named(const char *name, mode_t mode)
{
	for (unsigned i = 0; i < TRIES; i++) {
		int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
		if (fd >= 0 && hold(fd, name)) {
			return fd;
		}
		if (fd >= 0) {
			close(fd);
		} else if (errno != EEXIST) {
			return -1;
		} else if (!remove_left(name)) {
			break;
		}
	}
	errno = EBUSY;
	return -1;
}

static int name_of(const char *path, char **ret_name)
{
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash - path) + 1 : 0;
	return asprintf(ret_name, "%.*s.%s.gantry-new", folder, path, path + folder) < 0 ? -1 : 0;
}

bool fresh_begin(struct fresh_file *f, const char *path, mode_t mode)
{
	struct fresh_file made = {.fd = open_nameless(path, mode), .path = path};
	if (made.fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		if (name_of(path, &made.name) < 0) {
			errno = ENOMEM;
			return false;
		}
		made.fd = open_named(made.name, mode);
	}
	if (made.fd < 0) {
		int kept = errno;
		free(made.name);
		errno = kept;
		return false;
	}
	*f = made;
	return true;
}

/* ---- In its place ---- */

static int put_in_place(const char *name, const char *path, bool replace)
{
	if (replace) {
		return rename(name, path);
	}
	int e = renameat2(AT_FDCWD, name, AT_FDCWD, path, RENAME_NOREPLACE);
	if (e < 0 && errno == EINVAL) { /* a file system that cannot, as those of a network */
		e = link(name, path);
		e = e == 0 ? unlink(name) : e;
	}
	return e;
}

bool fresh_commit(struct fresh_file *f, bool replace)
{
	if (fsync(f->fd) < 0) {
		return false;
	}
	if (!f->name && !replace) {
		return name_it(f->fd, f->path) == 0;
	}
	if (!f->name) { /* nothing takes another's place but by its name */
		if (name_of(f->path, &f->name) < 0) {
			errno = ENOMEM;
			return false;
		}
		int e = name_it(f->fd, f->name);
		bool taken = e < 0 && errno == EEXIST, left = taken && remove_left(f->name);
		e = left ? name_it(f->fd, f->name) : e;
		if (e < 0) {
			int kept = (taken && !left) || errno == EEXIST ? EBUSY : errno;
			free(f->name);
			f->name = NULL;
			errno = kept;
			return false;
		}
	}
	if (put_in_place(f->name, f->path, replace) < 0) {
		return false;
	}
	free(f->name);
	f->name = NULL;
	return true;
}

void fresh_done(struct fresh_file *f)
{
	int kept = errno;
	if (f->name) {
		(void)unlink(f->name);
	}
	if (f->fd >= 0) {
		close(f->fd);
	}
	free(f->name);
	*f = FRESH_NONE;
	errno = kept;
}

static bool write_all(int fd, const char *from, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, from, n);
		if (put < 0 && errno != EINTR) {
			return false;
		}
		from += put < 0 ? 0 : put;
		n -= put < 0 ? 0 : (size_t)put;
	}
	return true;
}

bool fresh_write(const char *path, mode_t mode, const void *bytes, size_t len)
{
	struct fresh_file f = FRESH_NONE;
	bool ok = fresh_begin(&f, path, mode) && fchmod(f.fd, mode) == 0 && write_all(f.fd, bytes, len) &&
	          fresh_commit(&f, true);
	fresh_done(&f);
	return ok;
}
