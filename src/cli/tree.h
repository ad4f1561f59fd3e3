/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_TREE_H
#define CLI_TREE_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The files below a folder that somebody else has filled: no link is followed, and the walk leaves neither the folder nor
 * its device.
 */
enum tree_what {
	TREE_FILE,
	TREE_LINK,
	TREE_SPECIAL,    /* a pipe, a device, a socket */
	TREE_ELSEWHERE,  /* on another device */
	TREE_UNREADABLE, /* a folder that cannot be read */
};

struct tree_entry {
	char *path; /* below the folder, with slashes */
	enum tree_what what;
	uint64_t size; /* of a file, in bytes, as it was then */
};

struct tree {
	int root;
	dev_t device;
	struct tree_entry *entries; /* in the order of names, folder by folder */
	size_t n;
};

#define TREE_NONE ((struct tree){.root = -1})

/* root: an open folder, which becomes the tree's. ERR_LIMIT: more or deeper than base/limits.h has it. ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int tree_walk(struct tree *t, int root);

/* A plain file that is there still, opened for reading, in the same way. -1: errno tells. */
int tree_open(const struct tree *t, const char *path);

void tree_done(struct tree *t);

#endif
