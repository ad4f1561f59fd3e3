/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANTIVIRUS_DEFINITIONS_H
#define ANTIVIRUS_DEFINITIONS_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Sets of a scanner's definitions in a folder, each known by the hash of all its files:
 *
 *	sets/<hash>/       the files, a list of them (gantry-set.txt), and a definition of ours that tells the set
 *	staged, current, previous    links to one of them: to be tried, in use (clamd's DatabaseDirectory), in use before
 *
 * A set is complete and durable before a link leads to it, and a link is replaced in one step. Functions that fail write a
 * sentence to why. ERR_SYSTEM: a file could not be read, written or made; ERR_VALUE: what is there is not as it must be.
 */
#define DEFINITIONS_HASH 64
#define DEFINITIONS_MOST 1024 /* files */

struct definitions {
	char hash[DEFINITIONS_HASH + 1]; /* SHA-256 of the list, in hex */
	unsigned files;
	uint64_t bytes;
};

/* SHA-256 of a file from where it stands, in hex. ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int definitions_hash(int fd, char ret_hash[DEFINITIONS_HASH + 1]);

/* Does clamd read a file of that name? */
bool definitions_is_file(const char *name);

/* Read all files of a folder. ERR_NOT_FOUND: there are none. */
MUST_USE int definitions_read(const char *folder, struct definitions *ret, char *why, size_t cap);

/* Copy a folder's definitions to a new set, and let `staged` lead to it. */
MUST_USE int definitions_stage(
	const char *from, const char *store, struct definitions *ret, char *why, size_t cap);

/* Where a link leads. ERR_NOT_FOUND: it is not there; ERR_VALUE: it is no such link. */
MUST_USE int definitions_linked(const char *store, const char *link, char ret_hash[DEFINITIONS_HASH + 1]);

/* Let a link lead to that set; hash NULL: remove it. ERR_SYSTEM: nothing has changed. */
MUST_USE int definitions_link(const char *store, const char *link, const char *hash);

/* Remove sets to which no link leads. How many. */
unsigned definitions_tidy(const char *store);

/*
 * What only a clamd that has loaded this very set finds, and the name by which it does. No file that anybody sends has
 * these bytes.
 */
#define DEFINITIONS_MARK 32
#define DEFINITIONS_NAME 32
void definitions_mark(const char *hash, uint8_t ret_bytes[DEFINITIONS_MARK], char ret_name[DEFINITIONS_NAME]);

#endif
