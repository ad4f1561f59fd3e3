/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MOST     8  /* PS3.10 8.2 */
#define COMPONENT_MOST 64 /* more than PS3.10 8.2 allows */
#define FOLDER         (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Without slashes at its end. */
static char *trimmed(const char *out)
{
	char *path = strdup(out);
	size_t n = path ? strlen(path) : 0;
	while (n > 1 && path[n - 1] == '/') {
		path[--n] = '\0';
	}
	return path;
}

static int open_beside(const char *path)
{
	char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	if (slash) {
		slash[slash == folder] = '\0';
	}
	int fd = folder ? open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	free(folder);
	return fd;
}

int stage_begin(struct stage *s, const char *out)
{
	struct stat st;
	char *path = trimmed(out), *temporary = NULL;
	if (!path) {
		return ERR_NO_MEMORY;
	}
	int e = lstat(path, &st) == 0 ? ERR_VALUE : errno == ENOENT ? 0 : ERR_SYSTEM;
	if (e == 0 && asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		e = ERR_NO_MEMORY;
	}
	*s = STAGE_NONE;
	s->out = out;
	if (e == 0 && ((s->beside = open_beside(path)) < 0 || !mkdtemp(temporary))) {
		e = ERR_SYSTEM;
	} else if (e == 0) {
		s->path = temporary;
		temporary = NULL;
		s->fd = open(s->path, FOLDER);
		e = s->fd < 0 ? ERR_SYSTEM : 0;
	}
	int kept = errno;
	free(temporary);
	free(path);
	errno = kept;
	return e;
}

/* The next component and what is behind its slash; NULL: it is none. */
static const char *component(const char *name, char to[COMPONENT_MOST + 1])
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");
	if (n < 1 || n > COMPONENT_MOST || name[0] == '.' || (name[n] != '/' && name[n] != '\0')) {
		return NULL;
	}
	memcpy(to, name, n);
	to[n] = '\0';
	return name + n + (name[n] == '/');
}

int stage_file(const struct stage *s, const char *name)
{
	char part[COMPONENT_MOST + 1];
	int at = s->fd, e = ERR_VALUE;
	for (unsigned depth = 0; depth < DEPTH_MOST && (name = component(name, part)); depth++) {
		bool last = name[0] == '\0';
		int next =
			!last && mkdirat(at, part, 0750) < 0 && errno != EEXIST
				? -1
				: openat(at, part,
					  last ? O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC : FOLDER,
					  0640);
		int kept = errno;
		if (at != s->fd) {
			close(at);
		}
		errno = kept;
		if (last || next < 0) {
			return next < 0 ? ERR_SYSTEM : next;
		}
		at = next;
	}
	if (at != s->fd) {
		close(at);
	}
	return e;
}

int stage_rename(const struct stage *s, const char *name, const char *to)
{
	int fd = stage_file(s, to); /* its folders, and that it is free */
	if (fd < 0) {
		return fd;
	}
	close(fd);
	return renameat(s->fd, name, s->fd, to) < 0 ? ERR_SYSTEM : 0;
}

void stage_remove(const struct stage *s, const char *name)
{
	(void)unlinkat(s->fd, name, 0);
}

static int put_in_place(struct stage *s, int from, const char *name)
{
	char *path = trimmed(s->out);
	if (!path) {
		return ERR_NO_MEMORY;
	}
	int e = syncfs(s->fd) < 0 ? ERR_SYSTEM : 0;
	if (e == 0 && renameat2(from, name, AT_FDCWD, path, RENAME_NOREPLACE) < 0) {
		e = errno == EEXIST ? ERR_VALUE : ERR_SYSTEM;
	}
	int kept = errno;
	free(path);
	(void)fsync(s->beside);
	errno = kept;
	return e;
}

int stage_commit(struct stage *s)
{
	/* As the person's other folders are: mkdtemp() has made it for nobody else. */
	mode_t mask = umask(0);
	(void)umask(mask);
	int e = fchmod(s->fd, 0750 & ~mask) < 0 ? ERR_SYSTEM : put_in_place(s, AT_FDCWD, s->path);
	s->committed = e == 0;
	return e;
}

int stage_commit_file(struct stage *s, const char *name)
{
	return put_in_place(s, s->fd, name);
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st;
	(void)what;
	(void)at;
	(void)remove(path);
	return 0;
}

void stage_done(struct stage *s)
{
	if (s->path && !s->committed) {
		(void)nftw(s->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	}
	if (s->fd >= 0) {
		close(s->fd);
	}
	if (s->beside >= 0) {
		close(s->beside);
	}
	free(s->path);
	*s = STAGE_NONE;
}
