/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SEGMENT_H
#define AUDIT_SEGMENT_H

#include "audit/frame.h"
#include "audit/io.h"
#include "audit/note.h"
#include "audit/transfers.h"

/*
 * A segment: one file of the journal, "segment-" and the index of its first record in 20 digits. Its head says all that must
 * be known of the records before it, and is a function of them, so that a verifier can make it anew:
 *
 * "GANTRYJ1" | u32be length of the rest of the head | u8 length, origin | u64be first index |
 * u8 nodes, 32 bytes each: the Merkle range of [0, first) |
 * u64be first index of the segment before, i64be least and greatest time of its records (all 0: there is none) |
 * transfers (audit/transfers.h) | first 8 bytes of SHA-256 of all of the head before
 *
 * Frames follow (audit/frame.h) to the end of the file.
 */

#define SEGMENT_NAME_LEN    29 /* with its NUL */
#define CHECKPOINT_NAME_LEN (SEGMENT_NAME_LEN + 11)

void segment_name(uint64_t first, char ret_name[SEGMENT_NAME_LEN]);
void segment_checkpoint_name(uint64_t first, char ret_name[CHECKPOINT_NAME_LEN]);

/* What a name in the journal's folder is. */
enum journal_file {
	FILE_SEGMENT, /* segment-N; *ret_first is N */
	FILE_SEGMENT_CHECKPOINT, /* segment-N.checkpoint: signed when segment N was finished, of its last record's size */
	FILE_CHECKPOINT, /* checkpoint: the latest */
	FILE_NEW,        /* *.new: was being made when something stopped */
	FILE_DAMAGED,    /* damaged-*: kept aside when the journal was opened */
	FILE_HANDOVER,   /* hand-over-*: statements, in the cold folder */
	FILE_RECORD,     /* record-hand-over-*: signed records of them (audit/deed.h) */
	FILE_OWED,       /* owed-hand-over: one that the journal has no record of yet */
	FILE_FOREIGN,
};
enum journal_file segment_file_of(const char *name, uint64_t *ret_first);

/* First indices of the segments of a folder, ascending; malloc'd. dir is not closed. ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int segment_list(int dir, uint64_t **ret_first, size_t *ret_n);

struct segment_head {
	char origin[NOTE_NAME_MOST + 1];
	uint64_t first;
	struct merkle_range before; /* of [0, first) */
	uint64_t previous;          /* first index of the segment before */
	int64_t least_ms, greatest_ms;
	struct span transfers; /* borrowed */
};

#define SEGMENT_HEAD_MOST (24u * 1024 * 1024)

/* malloc'd. ERR_NO_MEMORY, ERR_LIMIT. */
MUST_USE int segment_head_write(const struct segment_head *head, uint8_t **ret_bytes, size_t *ret_len);
/* From the file's first bytes; all of the head must be there. *ret_len: where frames begin. ERR_TRUNCATED, ERR_TYPE (not a
 * segment), ERR_VALUE (checksum, size of the range), ERR_LIMIT, ERR_TRAILING. */
MUST_USE int segment_head_read(struct span bytes, struct segment_head *ret_head, size_t *ret_len);

/* A segment that is read from its beginning to its end. */
struct segment;

/* ERR_NOT_FOUND, ERR_SYSTEM, ERR_NO_MEMORY, or those of segment_head_read(): its head is damaged. */
MUST_USE int segment_open(const struct journal_io *io, int dir, uint64_t first, struct segment **ret_segment);
void segment_free(struct segment *s);
const struct segment_head *segment_head_of(const struct segment *s);

struct frame {
	uint64_t index;      /* of the record, if all before it were read */
	uint64_t offset;     /* in the file */
	struct span payload; /* borrowed until the next frame is asked for */
	struct merkle_hash leaf;
	bool whole; /* the hash beside it is its own */
};

/*
 * 1: a frame; 0: the file's end, after a whole frame. ERR_TRUNCATED: the file ends within a frame; ERR_LENGTH: what stands
 * there cannot be a frame's length; ERR_SYSTEM. After an error segment_offset() is where that frame would begin.
 */
MUST_USE int segment_next(struct segment *s, struct frame *ret_frame);
uint64_t segment_offset(const struct segment *s);
/* Bytes of the file from there on, as it is now. ERR_SYSTEM. */
MUST_USE int segment_rest(struct segment *s, uint64_t *ret_bytes);

/* After an error: is there a whole frame in what follows (the first 64 KiB, or as many as 4096 tries reach)? Then it was not
 * an append that was cut short. 1, 0, ERR_SYSTEM. */
MUST_USE int segment_more(struct segment *s);

#endif
