/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_KEY_FILE_H
#define KEYS_KEY_FILE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <sys/types.h>

/* A file with a secret in it, whole, in memory that is locked where there is room, and wiped by key_file_done(). */
struct key_file {
	uint8_t *bytes;
	size_t len, room;
};

/*
 * what: "private key", for sentences. others: bits of the file's mode that must not be set, S_IRWXO for instance.
 * why (never NULL): a sentence for people on failure. ERR_SYSTEM, ERR_VALUE (no regular file, too large), ERR_DENIED
 * (others may read it), ERR_NO_MEMORY.
 */
MUST_USE int key_file_read(
	const char *path, const char *what, mode_t others, struct key_file *ret_file, char *why, size_t cap);
void key_file_done(struct key_file *f);

#endif
