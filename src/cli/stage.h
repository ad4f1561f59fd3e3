/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STAGE_H
#define CLI_STAGE_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * A folder that appears whole or not at all: it is filled beside its place under a hidden name of its own, for us alone, and renamed in
 * the end. It is locked meanwhile: one that is not, as its process was killed, is removed by the next that makes one there.
 */
struct stage {
	int beside, fd; /* the folder that it will be in; its own */
	char *path;     /* of it as long as it is filled */
	const char *out;
	bool committed;
	bool nameless; /* files can be given a name later */
	struct stage_kept *kept;
	size_t n_kept, most_kept;
};

#define STAGE_NONE ((struct stage){.beside = -1, .fd = -1})

/* out: borrowed, what is there in the end. ERR_VALUE: it is there already; ERR_SYSTEM (errno), ERR_NO_MEMORY. */
MUST_USE int stage_begin(struct stage *s, const char *out);

/*
 * A new file, with the folders that it is in: components of letters, digits, _, - and ., not at their beginning, between slashes, eight at
 * most. Its descriptor, for reading and writing, or ERR_VALUE: the name is none; ERR_SYSTEM: errno, EEXIST among others.
 */
MUST_USE int stage_file(const struct stage *s, const char *name);

/* Is it one for stage_file()? */
bool stage_is_name(const char *name);

/*
 * A file without a name, so that nothing of it is left if we are killed; where the file system has no such files, one with a name in the
 * folder. ERR_SYSTEM.
 */
struct stage_scratch {
	int fd;        /* for reading and writing; -1: none */
	char name[16]; /* "": it has none */
};
#define STAGE_NO_SCRATCH ((struct stage_scratch){.fd = -1})
MUST_USE int stage_scratch(const struct stage *s, struct stage_scratch *ret_scratch);

/*
 * It becomes the file `name` of the folder, as stage_file() has them, when that is committed; of more than STAGE_KEPT_MOST, or than the
 * process may have open, at once. ERR_VALUE, ERR_SYSTEM (EEXIST: it has one of this name), ERR_NO_MEMORY: then it stays the caller's.
 */
#define STAGE_KEPT_MOST 16384
MUST_USE int stage_keep(struct stage *s, struct stage_scratch *scratch, const char *name);
void stage_drop(const struct stage *s, struct stage_scratch *scratch);

/* In a process that is forked and is not to get at what is kept: it has no descriptors of it any more. */
void stage_forget(void);

/* A file that was kept, from its beginning, for reading. ERR_SYSTEM. */
MUST_USE int stage_open(const struct stage *s, const char *name);

/* On the disk and in its place. ERR_VALUE: something is there meanwhile; ERR_SYSTEM. */
MUST_USE int stage_commit(struct stage *s);

/* What is not committed is removed. */
void stage_done(struct stage *s);

/* The same for a single file of the stage's, made or kept: it becomes OUT, and the rest goes with stage_done(). */
MUST_USE int stage_commit_file(struct stage *s, const char *name);

#endif
