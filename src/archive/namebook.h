/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_NAMEBOOK_H
#define ARCHIVE_NAMEBOOK_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The book of names: which old name a new one stands for, of objects that a flow has de-identified. It is kept in a folder and
 * outlives everything; what it says is sealed by the key holder (keys/pseudonym_key.h), so that neither the file nor the process that has it knows a name.
 *
 * The folder has volumes, "names-" and 16 hexadecimal digits, which are appended to in order. A volume is a head and records of
 * NAMEBOOK_RECORD bytes each, so that a record is found by its number, and a torn one is known by where it ends and by its sum:
 *   head    "GNTNAME1", u64 number, u32 seconds since 1970 of its making, u32 records of the volume before it (0: there is none), zeros,
 *           u32 CRC-32 of what is before it
 *   record  an entry (token, sealed), u32 seconds, 4 zeros, u32 CRC-32 of what is before it
 * A volume that was cut at a record's end is known by the head of the next one. The last one is not: a count beside it would have to be on the
 * disk with each batch, and who can cut the one can put back the other, or remove the folder. What is cut off is not put back, no more.
 * All integers are big endian. The index is in memory: 16 to 32 bytes for each record that a volume has room for.
 *
 * Bounded: a new volume begins when the last is full, or a NAMEBOOK_VOLUMESth part of `keep` old; there are NAMEBOOK_VOLUMES at most, of
 * an equal share of `most` bytes each, those without a sound head among them, and the oldest goes first. A volume goes too when it was last
 * written to `keep` ago. What is
 * entered again while it stands in one that is younger than half of `keep` is there already.
 */
#define NAMEBOOK_TOKEN   16
#define NAMEBOOK_SEALED  100
#define NAMEBOOK_ENTRY   (NAMEBOOK_TOKEN + NAMEBOOK_SEALED)
#define NAMEBOOK_RECORD  128
#define NAMEBOOK_VOLUMES 16
#define NAMEBOOK_LEAST   (NAMEBOOK_VOLUMES * 8u * NAMEBOOK_RECORD) /* of `most` */

struct namebook_limits {
	uint64_t most; /* bytes of all volumes */
	int64_t keep_s;
};

/* What opening has found. */
struct namebook_found {
	uint64_t names; /* records that count */
	uint64_t torn;  /* bytes that a crash had left at the end of the last volume, and that were cut off */
	/* Records and volumes without a head that say nothing, and records that are gone from before others. */
	uint64_t damaged;
};

struct namebook;

/* dir: borrowed for as long. One process a folder. ERR_SYSTEM (errno), ERR_NO_MEMORY. */
MUST_USE int namebook_open(int dir, const struct namebook_limits *limits, int64_t now_s,
	struct namebook **ret_book, struct namebook_found *ret_found);
void namebook_close(struct namebook *b);
void namebook_limit(struct namebook *b, const struct namebook_limits *limits);

/*
 * Enter one. It is found, and durable, from namebook_commit() on, which says so of all that were entered since it was called last.
 * What could not be entered is not there, and others of the batch are; after a failure to commit none of the batch counts. The book can
 * be used on in either case. ERR_SYSTEM (errno), ERR_NO_MEMORY.
 */
MUST_USE int namebook_enter(struct namebook *b, const uint8_t entry[NAMEBOOK_ENTRY], int64_t now_s);
MUST_USE int namebook_commit(struct namebook *b);

/* What was sealed for that token last. */
bool namebook_find(
	const struct namebook *b, const uint8_t token[NAMEBOOK_TOKEN], uint8_t ret_sealed[NAMEBOOK_SEALED]);

/* Volumes that are too old go. Of no harm whenever it is called. */
void namebook_expire(struct namebook *b, int64_t now_s);

uint64_t namebook_names(const struct namebook *b);

#endif
