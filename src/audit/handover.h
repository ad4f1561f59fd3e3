/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_HANDOVER_H
#define AUDIT_HANDOVER_H

#include "audit/journal.h"
#include "audit/segment.h"

/*
 * Old segments go from the journal's folder to a cold one, whole and verified, with the checkpoint that was signed at the end of
 * each. What stays verifies from its first head on; both together verify from the first record.
 *
 * A statement is left beside them, "hand-over-" and the index of the first record in 20 digits:
 *
 * gantry-hand-over@v1
 * <origin>
 * records <first index> <index after the last>
 * <file name> <bytes> <SHA-256 in hex>     for each segment
 *                                          an empty line
 * the signed checkpoint of all records up to the last, as it is
 *
 * The checkpoint's signature covers all bytes of the segments: a head is a function of the records before it. Where the gateway
 * has a key for records, "record-" and the statement's name is the signed record of it, with its SHA-256.
 */

#define HANDOVER_SEGMENTS_MOST 4096 /* in one go */

struct handover {
	uint64_t first, next; /* records [first, next) went; equal: none was old enough */
	size_t segments;
	uint64_t bytes;
	char statement[64];        /* its file */
	struct merkle_hash sha256; /* of the statement: for a JOURNAL_HANDOVER record */
};

/*
 * Hand over the oldest segments whose records are all of before before_ms; or, where the journal was not told of one before, as its
 * teller died, finish that one and give it again, and hand over nothing else. A record of after now_ms was made when the clock was wrong:
 * its segment is as old as its other records, and the segments after it, say, both. The last segment never goes, and none without its
 * checkpoint. Copies are synced and read again before anything is removed; what was interrupted is done again. Beside a
 * journal that is open. What lies in the cold folder is never written over. ERR_VALUE: a segment is damaged or not what its
 * checkpoint says; ERR_EXISTS: another file of a name lies in the cold folder, as another journal's would; ERR_DENIED: the cold folder is
 * the journal's own; ERR_MISSING: a hand-over was begun to another cold folder, or its statement here is another one. Nothing was removed
 * then. ERR_SPACE, ERR_SYSTEM, ERR_NO_MEMORY.
 */
MUST_USE int journal_hand_over(int dir, int cold, int64_t before_ms, int64_t now_ms,
	const struct journal_io *io, struct handover *ret_handover);

/*
 * The journal has its record. Until then its folder has "owed-hand-over", written before anything is removed. ERR_NOT_FOUND: nothing was
 * owed; ERR_SYSTEM.
 */
MUST_USE int handover_told(int dir, const struct journal_io *io);

/* The body of a JOURNAL_HANDOVER record: "<statement> <SHA-256 in hex> <index after the last>". */
#define HANDOVER_BODY_MOST (64 + 2 * MERKLE_HASH + 24)
void handover_body(const struct handover *h, char ret_body[HANDOVER_BODY_MOST]);
/* ERR_VALUE: it is none, or of before the index stood in it. */
MUST_USE int handover_body_read(struct span body, uint64_t *ret_next);
/* The statement that it names, if that is "hand-over-" and 20 digits. */
#define HANDOVER_STATEMENT_LEN (10 + 20 + 1)
bool handover_body_statement(struct span body, char ret_statement[HANDOVER_STATEMENT_LEN]);
/* The index after the last of the hand-over that "owed-hand-over" in the folder tells of; 0: there is none. */
uint64_t handover_owed(int dir);

struct handover_segment {
	uint64_t first, bytes;
	struct merkle_hash sha256;
};

/* A statement taken apart. segments is malloc'd; note borrows text. ERR_VALUE, ERR_TRUNCATED, ERR_LIMIT, ERR_ORDER, ERR_NO_MEMORY. */
struct handover_statement {
	char origin[NOTE_NAME_MOST + 1];
	uint64_t first, next;
	struct handover_segment *segments;
	size_t n;
	struct span note;
	struct checkpoint checkpoint;
};
MUST_USE int handover_read(struct span text, struct handover_statement *ret_statement);

/* Size and SHA-256 of a file. ERR_NOT_FOUND, ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int handover_hash(
	const struct journal_io *io, int dir, const char *name, struct handover_segment *ret_segment);

#endif
