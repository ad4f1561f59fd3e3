/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STAGE_H
#define CLI_STAGE_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * A folder that appears whole or not at all: it is filled beside its place under a name of its own, for us alone, and renamed in the end.
 */
struct stage {
	int beside, fd; /* the folder that it will be in; its own */
	char *path;     /* of it as long as it is filled */
	const char *out;
	bool committed;
};

#define STAGE_NONE ((struct stage){.beside = -1, .fd = -1})

/* out: borrowed, what is there in the end. ERR_VALUE: it is there already; ERR_SYSTEM (errno), ERR_NO_MEMORY. */
MUST_USE int stage_begin(struct stage *s, const char *out);

/*
 * A new file, with the folders that it is in: components of letters, digits, _, - and ., not at their beginning, between slashes, eight at
 * most. Its descriptor, for reading and writing, or ERR_VALUE: the name is none; ERR_SYSTEM: errno, EEXIST among others.
 */
MUST_USE int stage_file(const struct stage *s, const char *name);

/* For a file that is there: *name renamed to `to`, which has to be free. */
MUST_USE int stage_rename(const struct stage *s, const char *name, const char *to);
void stage_remove(const struct stage *s, const char *name);

/* On the disk and in its place. ERR_VALUE: something is there meanwhile; ERR_SYSTEM. */
MUST_USE int stage_commit(struct stage *s);

/* What is not committed is removed. */
void stage_done(struct stage *s);

/* The same for a single file of the stage's: it becomes OUT, and the rest goes with stage_done(). */
MUST_USE int stage_commit_file(struct stage *s, const char *name);

#endif
