/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

int folder_open(const char *path, struct folder *ret_folder)
{
	struct folder f = FOLDER_NONE;
	if (mkdir(path, 0750) < 0 && errno != EEXIST) {
		return ERR_SYSTEM;
	}
	f.dir = open(path, OPEN_FOLDER);
	if (f.dir < 0) {
		return ERR_SYSTEM;
	}
	if (mkdirat(f.dir, ".incoming", 0750) == 0 || errno == EEXIST) {
		f.incoming = openat(f.dir, ".incoming", OPEN_FOLDER | O_NOFOLLOW);
	}
	if (f.incoming < 0) {
		int error = errno;
		folder_done(&f);
		errno = error;
		return ERR_SYSTEM;
	}
	*ret_folder = f;
	return 0;
}

void folder_done(struct folder *f)
{
	if (f->dir >= 0) {
		close(f->dir);
	}
	if (f->incoming >= 0) {
		close(f->incoming);
	}
	*f = FOLDER_NONE;
}

static bool remove_left(int incoming, const char *name)
{
	int fd = openat(incoming, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	bool removed = flock(fd, LOCK_EX | LOCK_NB) == 0 && unlinkat(incoming, name, 0) == 0;
	close(fd);
	return removed;
}

int folder_clean(const struct folder *f)
{
	/* Opened anew: a duplicate would share its position with the descriptor of every session. */
	int fd = openat(f->incoming, ".", OPEN_FOLDER);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return ERR_SYSTEM;
	}
	int removed = 0;
	const struct dirent *entry;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && remove_left(f->incoming, entry->d_name)) {
			removed++;
		}
	}
	closedir(dir);
	return removed;
}
