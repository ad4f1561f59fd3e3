/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_JOURNAL_H
#define AUDIT_JOURNAL_H

#include "audit/frame.h"
#include "audit/io.h"
#include "audit/note.h"
#include "audit/transfers.h"

/*
 * The journal: records appended to segments in a folder of their own, leaves of one Merkle tree. One writer; readers beside it.
 *
 * A record is durable when journal_commit() returned 0, and never before. Many appends, one commit: the caller decides
 * who waits for whom. Checkpoints (c2sp.org/tlog-checkpoint) are written by the journal and signed by whoever holds the key.
 */

struct journal_params {
	uint64_t segment_bytes; /* a new segment from this size on; 0: 64 MiB */
	int64_t segment_ms;  /* or when its first record is this old, by the records' own times; 0: a day */
	size_t pending_most; /* bytes appended and not committed; 0: 8 MiB */
};

enum journal_damage {
	JOURNAL_UNDAMAGED = 0,
	JOURNAL_CUT,         /* records that a stored checkpoint vouches for are gone */
	JOURNAL_HOLE,        /* bytes that are no record, and records after them */
	JOURNAL_HEAD,        /* the last segment's head */
	JOURNAL_CONTRADICTS, /* the records are there and are not those that a stored checkpoint vouches for */
	JOURNAL_CHECKPOINT,  /* the stored checkpoint cannot be read, or is another journal's */
};

/* What was found when the journal was opened. Pointers are good until the first append. */
struct journal_recovered {
	uint64_t size;      /* records */
	bool fresh;         /* there was no journal */
	uint64_t cut_bytes; /* of an append that was never committed, taken off the end */
	enum journal_damage damage;
	char damaged[64];        /* the file */
	char kept[64];           /* what it was renamed or copied to; "" nothing to keep */
	uint64_t damaged_offset; /* in the file */
	uint64_t damaged_index;  /* first record that cannot be read, or is missing */
	uint64_t vouched;        /* size of the greatest stored checkpoint; 0: none */
	const struct journal_transfer
		*open; /* transfers that nobody ended: each wants an AUDIT_INTERRUPTED */
	size_t n_open;
	const struct journal_closed *closed; /* the last that ended, oldest first */
	size_t n_closed;
};

/* A sentence about damage, without the file's name. Static. */
const char *journal_damage_text(enum journal_damage damage);

struct journal;

/*
 * Open or make the journal in the folder `dir` (not closed; the journal has a descriptor of its own, and a lock on the
 * folder). The last segment is read and verified. An append that was cut short is taken off the end if no stored checkpoint
 * vouches for more than what is left. Anything else that is wrong is damage: the file is kept aside under another name, the
 * journal goes on after the last good record, and the caller must raise an alarm.
 * io: NULL is journal_io_system; it must outlive the journal. ERR_EXISTS: another process writes to it; ERR_VALUE: origin is
 * no key name, or not the journal's; ERR_SPACE, ERR_SYSTEM, ERR_NO_MEMORY: nothing is known, try again.
 */
MUST_USE int journal_open(int dir, const char *origin, const struct journal_params *params,
	const struct journal_io *io, struct journal **ret_journal, struct journal_recovered *ret_recovered);
/* Does not commit. */
void journal_close(struct journal *j);

/*
 * Append; what the record borrows is copied. *ret_index is its number once it is committed. ERR_LIMIT: too long, too much
 * pending, or more transfers open than TRANSFERS_OPEN_MOST; ERR_VALUE: kind 0; ERR_NO_MEMORY. After an error what was
 * appended before stands.
 */
MUST_USE int journal_append(struct journal *j, const struct journal_record *record, uint64_t *ret_index);

/*
 * Make all that was appended durable. After an error none of it counts, indices are given again, and the next commit mends the
 * file first: ERR_SPACE, ERR_SYSTEM. ERR_VALUE: what was committed before can no longer be read back; close, and open anew.
 * (If the process ends before the file is mended, records of a failed commit may be found when it is opened.)
 */
MUST_USE int journal_commit(struct journal *j);

/* Records committed, and their root. */
uint64_t journal_size(const struct journal *j);
void journal_root(const struct journal *j, struct merkle_hash *ret_root);
void journal_range(const struct journal *j, struct merkle_range *ret_range);

/* Forget what was appended and not committed. */
void journal_drop(struct journal *j);

/* Take back what was appended after a place, which is good until the next commit; the record before it is then not the last. */
struct journal_place {
	size_t buf_len, n_pending, n_begins;
	struct merkle_range pending;
};
void journal_place(const struct journal *j, struct journal_place *ret_place);
void journal_back(struct journal *j, const struct journal_place *place);

/* The last of what was appended and not committed. False: there is none. */
bool journal_pending_last(const struct journal *j, uint64_t *ret_index, struct merkle_hash *ret_leaf);

/* Records appended and not committed. */
size_t journal_pending(const struct journal *j);

/* Will the next commit begin a new segment, if its first record is of that time? */
bool journal_rolls(const struct journal *j, int64_t time_ms);

/* Will the next record, if it is of that time, be the first of a segment? Then it is to be an epoch's key. */
bool journal_at_head(const struct journal *j, int64_t time_ms);

/*
 * The text of the checkpoint that wants to be signed next: that of a segment which was finished, if it has none yet,
 * and otherwise that of all that is committed. ERR_AGAIN: all of it is vouched for; ERR_SPACE (CHECKPOINT_MOST).
 */
MUST_USE int journal_checkpoint_text(struct journal *j, char *buf, size_t cap, size_t *ret_len);

/* Is there another to be signed at once, after the one that was stored? */
bool journal_checkpoint_due(const struct journal *j);

/*
 * Store a signed note of that text, durably. The signature is not verified. ERR_VALUE: not the text that was asked for last;
 * ERR_SPACE, ERR_SYSTEM.
 */
MUST_USE int journal_store_checkpoint(struct journal *j, struct span note);

/* ---- Reading ---- */

/* Reads one or more folders (the journal, and cold ones) as one journal, whether or not somebody writes to it. */
struct journal_reader;

struct journal_entry {
	uint64_t index;
	struct journal_record record; /* borrows payload */
	struct span payload;          /* good until the next entry is asked for */
	struct merkle_hash leaf;
};

#define JOURNAL_FOLDERS_MOST 8

/* dirs are not closed, and must stay open. ERR_NOT_FOUND: no segment in any; ERR_LIMIT, ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int journal_reader_open(const int *dirs, size_t n_dirs, struct journal_reader **ret_reader);
void journal_reader_free(struct journal_reader *r);

/* The first record that is there. */
uint64_t journal_reader_first(const struct journal_reader *r);

/* Whose journal it is, as the first segment's head says. As of segment_open(). */
MUST_USE int journal_reader_origin(const struct journal_reader *r, char ret_origin[NOTE_NAME_MOST + 1]);

/* The Merkle range of what is before the segment that is read next. As of segment_open(): its head. */
MUST_USE int journal_reader_before(struct journal_reader *r, struct merkle_range *ret_before);

/*
 * Transfers that have begun and have not ended before the record that is sought: those of its segment's head, and what the records from
 * there say. *ret_transfers is the caller's. As of segment_open().
 */
MUST_USE int journal_reader_under_way(const struct journal_reader *r, struct transfers *ret_transfers);

/* Go on from record `index`, or from the first that is there after it. */
void journal_reader_seek(struct journal_reader *r, uint64_t index);

/* Leave out what is earlier than from_ms or later than until_ms; segments with no such record are not read. */
void journal_reader_times(struct journal_reader *r, int64_t from_ms, int64_t until_ms);

/*
 * 1: an entry; 0: no more. A last record that is only half there is the end. ERR_VALUE, ERR_TRUNCATED, ERR_MISSING (a gap
 * between segments): damage, at journal_reader_where(); asking again goes on after it. ERR_SYSTEM, ERR_NO_MEMORY.
 */
MUST_USE int journal_reader_next(struct journal_reader *r, struct journal_entry *ret_entry);

/* Segment and offset of what was read last. */
void journal_reader_where(const struct journal_reader *r, uint64_t *ret_segment, uint64_t *ret_offset);

#endif
