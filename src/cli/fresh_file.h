/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_FRESH_FILE_H
#define CLI_FRESH_FILE_H

#include "base/attr.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * A file that appears whole or not at all: it has no name until it is, so that nothing of it is left of who is killed. Where the file system has
 * no such files it has a hidden one of ours meanwhile (.NAME.gantry-new), and is locked: one that is not is of a process that was killed, and makes room.
 */
struct fresh_file {
	int fd;           /* for reading and writing; -1: none */
	const char *path; /* borrowed */
	char *name;       /* that it has meanwhile; NULL: none */
};
#define FRESH_NONE ((struct fresh_file){.fd = -1})

/* False: errno; EBUSY: another process is making it. */
MUST_USE bool fresh_begin(struct fresh_file *f, const char *path, mode_t mode);

/* On the disk, and then in its place; only with `replace` in that of another file. False: errno, EEXIST among others; it is as it was. */
MUST_USE bool fresh_commit(struct fresh_file *f, bool replace);

/* What was not committed is gone. errno stays. */
void fresh_done(struct fresh_file *f);

/* A whole file in the place of what there is, of this mode whatever the umask. False: errno, as above, and nothing has changed. */
MUST_USE bool fresh_write(const char *path, mode_t mode, const void *bytes, size_t len);

#endif
