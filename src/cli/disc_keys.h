/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DISC_KEYS_H
#define CLI_DISC_KEYS_H

#include "base/writer.h"
#include "cli/disc_sequences.h"
#include "priv/sandbox.h"

#include <stdint.h>

/*
 * What an object says that a DICOMDIR's records of it have (PS3.3 F.5), by a process in the sandbox that reads the object: values as they
 * are encoded there, under the same character set.
 */
struct disc_keys;

MUST_USE int disc_keys_new(struct disc_keys **ret_keys);
void disc_keys_free(struct disc_keys *k);

/* The object is the len bytes at this offset of the file. ERR_VALUE: it cannot be read so far; ERR_TIMEOUT, ERR_SYSTEM. */
MUST_USE int disc_keys_read(struct disc_keys *k, const struct sandbox *sandbox, int file, uint64_t at,
	uint64_t len, unsigned seconds);

/* "IMAGE", "SR DOCUMENT" and so on, by the SOP class. Static. */
const char *disc_keys_type(const char *sop_class);

/* Is it of no patient, so that its record is none of a series (PS3.3 F.4)? */
bool disc_keys_of_nobody(const char *sop_class);

/*
 * The keys of a record of level 0 (PATIENT) to 3, as struct dicomdir_record has them; 3 also for what is of nobody. sop_class: for level 3. More than
 * fits sticks in the writer.
 */
struct disc_made {
	size_t number;   /* of it among its siblings, from 1, for what has to have one and has none; */
	const char *uid; /* the same, of studies and series */
};
void disc_keys_put(const struct disc_keys *k, unsigned level, const char *sop_class,
	const struct disc_made *made, struct writer *w);

/* Bytes that the keys of one record take at most. */
#define DISC_KEYS_MOST (8192 + 2 * DISC_SEQUENCE_MOST)

#endif
