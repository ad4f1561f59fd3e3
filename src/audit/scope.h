/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SCOPE_H
#define AUDIT_SCOPE_H

#include "audit/journal.h"

/*
 * That what was read of a journal is all there was: records [first, end) are those leaves of the tree of a signed checkpoint.
 * Read from the segment that has the first of them to the checkpoint's end. The records before are known by the segment's
 * head, which need not be believed: a false head gives another root.
 */

struct scope_request {
	const int *dirs;
	size_t n_dirs;
	const struct note_key
		*keys; /* of the journal: its name is the origin. NOTE_COSIGNATUREs are not looked at */
	size_t n_keys;
	uint64_t first, end;      /* first < end */
	uint64_t least, furthest; /* listed beside them: least <= first, furthest >= end - 1 */
	struct span
		note; /* the checkpoint to hold it against; ptr NULL: the first stored one that covers it */
	void (*progress)(void *arg, uint64_t record, uint64_t until); /* may be NULL */
	void *arg;
};

struct scope_result {
	bool proved;        /* records [least, covered) are leaves of the checkpoint's tree */
	bool contradicts;   /* a signed checkpoint says that the records were others */
	uint64_t covered;   /* at most end */
	int64_t covered_ms; /* time of the checkpoint's last record */
	uint64_t from;      /* the first record that was read; the tree was made from there */
	struct checkpoint checkpoint;
	uint8_t *note; /* malloc'd; NULL: none */
	size_t note_len;
	uint64_t damaged;         /* record that cannot be read; UINT64_MAX: all can */
	uint64_t read;            /* of [first, end) */
	struct merkle_hash chain; /* of those, as struct search_totals has it */
};

/* ERR_NOT_FOUND: no journal, or no checkpoint that the key signs; ERR_VALUE: request.note is none; ERR_SYSTEM, ERR_NO_MEMORY. */
MUST_USE int scope_prove(const struct scope_request *request, struct scope_result *ret_result);
void scope_done(struct scope_result *r);

/*
 * Whole segments may be absent before the first record of a time, or after the last: no gap shows it. Only a neighbour that
 * is there, and of another time, or the journal's own beginning and end do.
 */
struct scope_ends {
	bool before_absent, after_absent;
	bool ends; /* no record after the last is there: the journal, or this copy of it, ends with it */
	uint64_t spoken_of; /* records, says the greatest checkpoint in the folders */
};

void scope_find_ends(
	const int *dirs, size_t n_dirs, uint64_t first, uint64_t last, struct scope_ends *ret_ends);

/*
 * A proof of each of the records, with its bytes: text is as proof_write_inclusion() has it. indices: ascending, each once, all
 * below result->checkpoint.size and not below request->least. write() gives 0 or an error, which ends it. ERR_VALUE: the
 * journal is not what it was a moment ago.
 */
MUST_USE int scope_proofs(const struct scope_request *request, const struct scope_result *result,
	const uint64_t *indices, size_t n,
	int (*write)(void *arg, uint64_t index, const char *text, size_t len), void *arg);

#endif
