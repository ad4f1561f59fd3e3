/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DEIDENTIFY_BATCH_H
#define CLI_DEIDENTIFY_BATCH_H

#include "cli/deidentify_pixels.h"
#include "cli/tree.h"

/* `gantry deidentify`: some files, from their names to what is said of them. Nothing is told here, and no copy gets its name. */

/* What a copy is called in OUT before it has its name: by a number. For a signal's handler too. */
#define DEIDENTIFY_PART      ".gantry-deidentify.part"
#define DEIDENTIFY_PART_SIZE (sizeof(DEIDENTIFY_PART) + 12)
void deidentify_part(unsigned place, char ret_name[DEIDENTIFY_PART_SIZE]);

/*
 * What is in a folder is mostly of one source: a process that such a file takes over is not given those of others. A task's files are of
 * one.
 */
bool deidentify_same_folder(const char *a, const char *b);

/* Entries of the tree, DEIDENTIFY_BATCH at most, of one folder; their copies' numbers begin at place. */
struct deidentify_task {
	size_t first;
	unsigned n, place;
};

struct deidentify_became {
	int unopened; /* errno, ENOTSUP for what is no plain file: it has not been looked at; 0: it has */
	bool has_part;
	char why[CLEANER_TEXT]; /* of OUTCOME_PIXELS; or a note on pixels that were cleaned, "": none */
	struct deidentify_said said;
};

/* What does such tasks, one after the other. */
struct deidentify_hands {
	const struct tree *files;
	int in; /* where files->root is -1: the one entry, open */
	int out_fd;
	struct deidentify_pixels *pixels;
	struct deidentify_worker worker;
	bool isolate;
	const char *last; /* the file that was done last */
};

void deidentify_batch(
	struct deidentify_hands *h, const struct deidentify_task *task, struct deidentify_became *became);

#endif
