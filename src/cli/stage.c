/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MOST     8  /* PS3.10 8.2 */
#define COMPONENT_MOST 64 /* more than PS3.10 8.2 allows */
#define FOLDER         (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define PREFIX         ".gantry-stage-"
#define RANDOM         6 /* characters that mkdtemp() makes */
#define MODE           0700
#define KEPT_FROM      256 /* descriptors of kept files, which are more than any other */
#define SPARE          64
#define TRIES          8

/* A file that will have this name. */
struct stage_kept {
	int fd;
	char *name;
};

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

/* "": a folder of its own, the working one. */
static char *folder_of(const char *path)
{
	char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	if (slash) {
		slash[slash == folder] = '\0';
	} else if (folder) {
		free(folder);
		folder = strdup(".");
	}
	return folder;
}

/* ---- What others have left ---- */

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st;
	(void)what;
	(void)at;
	(void)remove(path);
	return 0;
}

static void remove_all(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Nobody holds it: its process is dead. It was made by mkdtemp(), by this user; whose folders have that mode here. */
static bool is_left(int fd, mode_t mode)
{
	struct stat st;
	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 07777) == mode &&
	       flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void remove_left(int beside, const char *folder, mode_t mode)
{
	int own = openat(beside, ".", FOLDER);
	DIR *d = own >= 0 ? fdopendir(own) : NULL;
	if (!d && own >= 0) {
		close(own);
	}
	for (struct dirent *e; d && (e = readdir(d));) {
		char *path = NULL;
		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0 ||
			strlen(e->d_name) != strlen(PREFIX) + RANDOM) {
			continue;
		}
		int fd = openat(beside, e->d_name, FOLDER);
		if (fd >= 0 && is_left(fd, mode) && asprintf(&path, "%s/%s", folder, e->d_name) >= 0) {
			remove_all(path);
			free(path);
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	if (d) {
		(void)closedir(d);
	}
}

/* ---- The folder ---- */

/* Locked, if the file system has locks. Somebody who clears away may have taken it for left until then. */
static int try_begin(struct stage *s, const char *folder)
{
	struct stat st;
	char *path = NULL;
	if (asprintf(&path, "%s/" PREFIX "XXXXXX", folder) < 0) {
		return ERR_NO_MEMORY;
	}
	int fd = mkdtemp(path) ? open(path, FOLDER) : -1;
	if (fd < 0) {
		int kept = errno;
		free(path);
		errno = kept;
		return kept == ENOENT ? ERR_CLOSED : ERR_SYSTEM;
	}
	bool taken = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	if (taken || fstat(fd, &st) < 0 || st.st_nlink == 0) {
		close(fd);
		free(path);
		return ERR_CLOSED;
	}
	s->path = path;
	s->fd = fd;
	return 0;
}

static int name_it(const struct stage *s, int fd, const char *name)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, s->fd, name, AT_SYMLINK_FOLLOW);
}

static int make_nameless(const struct stage *s)
{
	return openat(s->fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0640);
}

/* Has the file system files without a name, which can be given one? As many as may be open. */
static void try_nameless(struct stage *s)
{
	struct rlimit files;
	int fd = make_nameless(s);
	s->nameless = fd >= 0 && name_it(s, fd, "TRIAL") == 0 && unlinkat(s->fd, "TRIAL", 0) == 0;
	if (fd >= 0) {
		close(fd);
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		rlim_t others = KEPT_FROM + SPARE, want = STAGE_KEPT_MOST + others;
		files.rlim_cur = files.rlim_max < want ? files.rlim_max : want;
		(void)setrlimit(RLIMIT_NOFILE, &files);
		s->most_kept = files.rlim_cur > others ? (size_t)(files.rlim_cur - others) : 0;
	}
}

int stage_begin(struct stage *s, const char *out)
{
	struct stat st;
	char *path = trimmed(out), *folder = path ? folder_of(path) : NULL;
	*s = STAGE_NONE;
	s->out = out;
	int e = !folder                 ? ERR_NO_MEMORY
	        : lstat(path, &st) == 0 ? ERR_VALUE
	        : errno == ENOENT       ? 0
	                                : ERR_SYSTEM;
	if (e == 0 && (s->beside = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		e = ERR_SYSTEM;
	}
	if (e == 0) {
		remove_left(s->beside, folder, MODE);
		e = ERR_CLOSED;
	}
	for (unsigned i = 0; e == ERR_CLOSED && i < TRIES; i++) {
		e = try_begin(s, folder);
	}
	e = e == ERR_CLOSED ? ERR_SYSTEM : e;
	int kept = errno;
	if (e == 0) {
		/* Below a folder with the setgid bit, or on FAT, mkdtemp() makes another mode, which only one of ours tells. */
		if (fstat(s->fd, &st) == 0 && (st.st_mode & 07777) != MODE) {
			remove_left(s->beside, folder, st.st_mode & 07777);
		}
		try_nameless(s);
	}
	free(folder);
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

bool stage_is_name(const char *name)
{
	char part[COMPONENT_MOST + 1];
	for (unsigned depth = 0; depth < DEPTH_MOST && (name = component(name, part)); depth++) {
		if (name[0] == '\0') {
			return name[-1] != '/';
		}
	}
	return false;
}

int stage_file(const struct stage *s, const char *name)
{
	char part[COMPONENT_MOST + 1];
	int at = s->fd;
	if (!stage_is_name(name)) {
		return ERR_VALUE;
	}
	for (;;) {
		name = component(name, part);
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
}

/* ---- Files that get their names in the end ---- */

int stage_scratch(const struct stage *s, struct stage_scratch *ret_scratch)
{
	struct stage_scratch made = STAGE_NO_SCRATCH;
	if (s->nameless) {
		made.fd = make_nameless(s);
	}
	for (unsigned i = 0; !s->nameless && made.fd < 0 && i < TRIES; i++) {
		snprintf(made.name, sizeof(made.name), "SCRATCH_%u", i);
		made.fd = openat(s->fd, made.name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
		if (made.fd < 0 && errno != EEXIST) {
			break;
		}
	}
	if (made.fd < 0) {
		return ERR_SYSTEM;
	}
	*ret_scratch = made;
	return 0;
}

void stage_drop(const struct stage *s, struct stage_scratch *scratch)
{
	int kept = errno;
	if (scratch->fd >= 0) {
		close(scratch->fd);
	}
	if (scratch->name[0]) {
		(void)unlinkat(s->fd, scratch->name, 0);
	}
	*scratch = STAGE_NO_SCRATCH;
	errno = kept;
}

/* In the place of the empty file that holds its name. */
static int put_name(const struct stage *s, int fd, const char *name)
{
	return unlinkat(s->fd, name, 0) < 0 || name_it(s, fd, name) < 0 ? ERR_SYSTEM : 0;
}

/* Takes scratch->fd, if it could. */
static int note_name(struct stage *s, struct stage_scratch *scratch, const char *name)
{
	if ((s->n_kept & (s->n_kept - 1)) == 0) {
		struct stage_kept *more = realloc(s->kept, (s->n_kept ? 2 * s->n_kept : 1) * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		s->kept = more;
	}
	struct stage_kept k = {.name = strdup(name)};
	if (!k.name) {
		return ERR_NO_MEMORY;
	}
	k.fd = fcntl(scratch->fd, F_DUPFD_CLOEXEC, KEPT_FROM);
	if (k.fd < 0) {
		free(k.name);
		return ERR_SYSTEM;
	}
	s->kept[s->n_kept++] = k;
	return 0;
}

static int keep(struct stage *s, struct stage_scratch *scratch, const char *name)
{
	if (scratch->name[0]) {
		return renameat(s->fd, scratch->name, s->fd, name) < 0 ? ERR_SYSTEM : 0;
	}
	return s->n_kept < s->most_kept ? note_name(s, scratch, name) : put_name(s, scratch->fd, name);
}

int stage_keep(struct stage *s, struct stage_scratch *scratch, const char *name)
{
	int fd = stage_file(s, name); /* its folders, and that it is free */
	if (fd < 0) {
		return fd;
	}
	close(fd);
	int e = keep(s, scratch, name);
	if (e == 0) {
		close(scratch->fd);
		*scratch = STAGE_NO_SCRATCH;
	}
	return e;
}

void stage_forget(void)
{
	(void)close_range(KEPT_FROM, ~0u, 0);
}

int stage_open(const struct stage *s, const char *name)
{
	char path[32];
	for (size_t i = s->n_kept; i-- > 0;) { /* the last is asked for most */
		if (strcmp(s->kept[i].name, name) == 0) {
			snprintf(path, sizeof(path), "/proc/self/fd/%d", s->kept[i].fd);
			int fd = open(path, O_RDONLY | O_CLOEXEC);
			return fd < 0 ? ERR_SYSTEM : fd;
		}
	}
	int fd = openat(s->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? ERR_SYSTEM : fd;
}

/* ---- In its place ---- */

/* Where nothing else is. */
static int rename_to_nothing(int from, const char *name, const char *path)
{
	struct stat st;
	int e = renameat2(from, name, AT_FDCWD, path, RENAME_NOREPLACE);
	if (e < 0 &&
		errno ==
			EINVAL) { /* a file system that cannot, as those of a network: what comes meanwhile is replaced */
		e = lstat(path, &st) == 0 ? -1 : renameat(from, name, AT_FDCWD, path);
		errno = e < 0 && lstat(path, &st) == 0 ? EEXIST : errno;
	}
	return e;
}

static int put_in_place(struct stage *s, int from, const char *name)
{
	char *path = trimmed(s->out);
	if (!path) {
		return ERR_NO_MEMORY;
	}
	int e = syncfs(s->fd) < 0 ? ERR_SYSTEM : 0;
	if (e == 0 && rename_to_nothing(from, name, path) < 0) {
		e = errno == EEXIST ? ERR_VALUE : ERR_SYSTEM;
	}
	int kept = errno;
	free(path);
	(void)fsync(s->beside);
	errno = kept;
	return e;
}

static int name_kept(const struct stage *s)
{
	int e = 0;
	for (size_t i = 0; e == 0 && i < s->n_kept; i++) {
		e = put_name(s, s->kept[i].fd, s->kept[i].name);
	}
	return e;
}

int stage_commit(struct stage *s)
{
	if (name_kept(s) < 0) {
		return ERR_SYSTEM;
	}
	int e = put_in_place(s, AT_FDCWD, s->path);
	s->committed = e == 0;
	if (e == 0) {
		/* As the person's other folders are: mkdtemp() has made it for nobody else, and until here that tells what was left. */
		struct stat st;
		mode_t mask = umask(0), others = fstat(s->fd, &st) == 0 ? st.st_mode & 07000 : 0;
		(void)umask(mask);
		(void)fchmod(s->fd, others | (0750 & ~mask));
	}
	return e;
}

int stage_commit_file(struct stage *s, const char *name)
{
	return name_kept(s) < 0 ? ERR_SYSTEM : put_in_place(s, s->fd, name);
}

void stage_done(struct stage *s)
{
	if (s->path && !s->committed) {
		remove_all(s->path);
	}
	for (size_t i = 0; i < s->n_kept; i++) {
		close(s->kept[i].fd);
		free(s->kept[i].name);
	}
	free(s->kept);
	if (s->fd >= 0) {
		close(s->fd);
	}
	if (s->beside >= 0) {
		close(s->beside);
	}
	free(s->path);
	*s = STAGE_NONE;
}
