/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tree.h"

#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int add(struct tree *t, char *path, enum tree_what what)
{
	if (t->n >= LIMIT_MEMBERS) {
		free(path);
		return ERR_LIMIT;
	}
	if ((t->n & (t->n - 1)) == 0) {
		struct tree_entry *more = realloc(t->entries, (t->n ? 2 * t->n : 1) * sizeof(*more));
		if (!more) {
			free(path);
			return ERR_NO_MEMORY;
		}
		t->entries = more;
	}
	t->entries[t->n++] = (struct tree_entry){.path = path, .what = what};
	return 0;
}

/* ---- Names of one folder ---- */

struct names {
	char **at;
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct names *l, const char *name)
{
	if (l->n >= LIMIT_MEMBERS) {
		return ERR_LIMIT;
	}
	if ((l->n & (l->n - 1)) == 0) {
		char **more = realloc(l->at, (l->n ? 2 * l->n : 1) * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		l->at = more;
	}
	l->at[l->n] = strdup(name);
	return l->at[l->n] ? (l->n++, 0) : ERR_NO_MEMORY;
}

static void names_free(struct names *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i]);
	}
	free(l->at);
}

/* fd stays the caller's. */
static int read_names(int fd, struct names *l)
{
	int own = openat(fd, ".", FOLDER); /* with a place in it of its own */
	DIR *dir = own >= 0 ? fdopendir(own) : NULL;
	if (!dir) {
		if (own >= 0) {
			close(own);
		}
		return ERR_SYSTEM;
	}
	const struct dirent *e;
	int err = 0;
	errno = 0;
	while (err == 0 && (e = readdir(dir))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			err = add_name(l, e->d_name);
		}
	}
	err = err == 0 && errno != 0 ? ERR_SYSTEM : err;
	closedir(dir);
	if (l->n > 0) {
		qsort(l->at, l->n, sizeof(*l->at), by_name);
	}
	return err;
}

/* ---- The walk ---- */

static enum tree_what what_of(const struct tree *t, const struct stat *st)
{
	return S_ISLNK(st->st_mode)      ? TREE_LINK
	       : st->st_dev != t->device ? TREE_ELSEWHERE
	       : S_ISREG(st->st_mode)    ? TREE_FILE
	                                 : TREE_SPECIAL;
}

static int walk(struct tree *t, int fd, const char *path, unsigned depth);

/* A folder that became something else meanwhile is one that cannot be read. */
static int walk_below(struct tree *t, int fd, const char *name, char *path, unsigned depth)
{
	struct stat st;
	int below = openat(fd, name, FOLDER);
	if (below < 0 || fstat(below, &st) < 0 || st.st_dev != t->device) {
		if (below >= 0) {
			close(below);
		}
		return add(t, path, below < 0 ? TREE_UNREADABLE : TREE_ELSEWHERE);
	}
	int err = depth >= LIMIT_FOLDER_DEPTH ? ERR_LIMIT : walk(t, below, path, depth + 1);
	close(below);
	free(path);
	return err;
}

static int take(struct tree *t, int fd, const char *folder, const char *name, unsigned depth)
{
	struct stat st;
	char *path;
	if (asprintf(&path, "%s%s%s", folder, folder[0] ? "/" : "", name) < 0) {
		return ERR_NO_MEMORY;
	}
	if (strlen(path) > LIMIT_MEMBER_NAME || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return add(t, path, TREE_UNREADABLE);
	}
	if (S_ISDIR(st.st_mode) && st.st_dev == t->device) {
		return walk_below(t, fd, name, path, depth);
	}
	int err = add(t, path, what_of(t, &st));
	if (err == 0 && S_ISREG(st.st_mode)) {
		t->entries[t->n - 1].size = (uint64_t)st.st_size;
	}
	return err;
}

static int walk(struct tree *t, int fd, const char *path, unsigned depth)
{
	struct names l = {0};
	int err = read_names(fd, &l);
	for (size_t i = 0; err == 0 && i < l.n; i++) {
		err = take(t, fd, path, l.at[i], depth);
	}
	names_free(&l);
	return err;
}

int tree_walk(struct tree *t, int root)
{
	struct stat st;
	*t = (struct tree){.root = root};
	if (fstat(root, &st) < 0) {
		return ERR_SYSTEM;
	}
	t->device = st.st_dev;
	return walk(t, root, "", 0);
}

/* One step down at a time, as openat2() is not everywhere. */
int tree_open(const struct tree *t, const char *path)
{
	struct stat st;
	char name[LIMIT_MEMBER_NAME + 1];
	int at = t->root;
	for (;;) {
		size_t n = strcspn(path, "/");
		if (n == 0 || n >= sizeof(name)) {
			errno = ENOENT;
			break;
		}
		memcpy(name, path, n);
		name[n] = '\0';
		bool last = path[n] == '\0';
		int fd = strcmp(name, "..") == 0
		                 ? -1
		                 : openat(at, name,
					   last ? O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
						: FOLDER);
		if (at != t->root) {
			close(at);
		}
		if (fd < 0 || !last) {
			at = fd;
			path += n + 1;
			if (fd < 0) {
				return -1;
			}
			continue;
		}
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == t->device) {
			return fd;
		}
		close(fd);
		errno = EINVAL;
		return -1;
	}
	if (at != t->root) {
		close(at);
	}
	return -1;
}

void tree_done(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->entries[i].path);
	}
	free(t->entries);
	if (t->root >= 0) {
		close(t->root);
	}
	*t = TREE_NONE;
}
