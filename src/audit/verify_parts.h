/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_VERIFY_PARTS_H
#define AUDIT_VERIFY_PARTS_H

#include "audit/handover.h"
#include "audit/segment.h"
#include "audit/verify.h"

/* What the files of the verifier share. */

/* A checkpoint that is signed. */
struct vouched {
	char file[256];
	struct checkpoint checkpoint;
	bool cosigned;
};

struct leaves {
	struct merkle_hash *hash;
	size_t n, cap;
	uint64_t first;
};

/* A record tells that all before `next` was handed over. */
struct told {
	uint64_t next, by;
	char statement[HANDOVER_STATEMENT_LEN]; /* "": it does not say which */
};

/* Missing before a segment: records [first, end). */
struct gap {
	uint64_t first, end;
	uint64_t agreed; /* what was vouched for then */
	bool elsewhere;  /* in a folder that was not given */
	char file[SEGMENT_NAME_LEN];
};
#define VERIFY_GAPS_MOST 64 /* more are no hand-overs */

struct verifier {
	const struct verify_request *request;
	struct verify_result result;
	const char *origin;      /* of the key */
	struct vouched *vouched; /* by size */
	size_t n_vouched, cap_vouched, at_vouched;
	uint64_t agreed; /* size up to which a checkpoint agrees */

	/* What the records so far make. */
	struct merkle_range range;
	struct transfers transfers;
	bool begun, any;
	uint64_t previous;
	int64_t least_ms, greatest_ms, last_ms;
	uint64_t steps_back, first_back;
	int64_t farthest_back_ms;
	bool gone; /* the segment before this one was listed, and is in none of the folders any more */
	/* Records that are gone from the beginning, and who tells that they went to a cold folder: indices after the last. */
	uint64_t gone_until;
	uint64_t told, told_by,
		told_covered; /* the last hand-over that a record tells of; which; and of one that is covered */
	uint64_t stated;      /* a statement that is signed, and whose files are there */
	bool unknown; /* a record could not be read, so what heads say of transfers and times cannot be made anew */
	struct leaves leaves;

	/* verify_gaps.c */
	struct gap gaps[VERIFY_GAPS_MOST];
	unsigned n_gaps;
	bool own_begun; /* a segment was read that the journal's own folder has */
	struct told *hand_overs;
	size_t n_hand_overs, cap_hand_overs;
};

/* A finding about records [first, end) and a file ("": none). */
void verify_found(struct verifier *v, enum verify_kind kind, uint64_t first, uint64_t end, const char *file,
	uint64_t offset, const char *format, ...) PRINTF(7, 8);

/* All checkpoints of the folders and of the request; what else lies in the folders. ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int verify_collect(struct verifier *v);

/* The tree has v->range.size leaves now: compare. */
void verify_compare(struct verifier *v);

/* No more records: what is vouched for and is not there. */
void verify_compare_rest(struct verifier *v);

/* Records are missing until the segment that begins with record `end`. */
void verify_gap(struct verifier *v, uint64_t end, const char *name);

/* A record of a hand-over. ERR_NO_MEMORY. */
MUST_USE int verify_told(struct verifier *v, uint64_t index, struct span body);

/* All is read: what of it is missing, and what is elsewhere. */
void verify_gaps(struct verifier *v);

/* Are records [first, end) in folders that were not given? */
bool verify_is_elsewhere(const struct verifier *v, uint64_t first, uint64_t end);

/*
 * Until where records were handed over: `known`, or, if that is less than until and the journal is being written, also by what is about
 * to be told.
 */
uint64_t verify_known_gone(const struct verifier *v, uint64_t known, uint64_t until);

/* The leaf hashes against the good ones. ERR_NO_MEMORY. */
MUST_USE int verify_locate(struct verifier *v);

/* Does somebody write to the journal right now? */
bool verify_is_live(int dir);

/* The cold folders' statements, and whether what is gone from the beginning was handed over. ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int verify_statements(struct verifier *v);

#endif
