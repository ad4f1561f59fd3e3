/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_PROOF_H
#define AUDIT_PROOF_H

#include "audit/journal.h"

/*
 * Proofs as text, to be checked far from the gateway with nothing but the file and the journal's key.
 *
 * That a record is in the journal: c2sp.org/tlog-proof@v1, whose `extra` is "gantry-record\n" and the record's bytes, or
 * "gantry-leaf\n" and the SHA-256 of its leaf. That one checkpoint continues another, in the same manner:
 *
 * gantry-consistency-proof@v1
 * old <base64 of the old checkpoint, the whole signed note>
 * <base64 hashes of RFC 9162 2.1.4.1, one a line>
 *                                                 an empty line
 * the new checkpoint, as it is
 */

enum proof_kind {
	PROOF_INCLUSION,
	PROOF_CONSISTENCY,
};

#define PROOF_MOST (4u * 1024 * 1024)

struct proof {
	enum proof_kind kind;
	uint64_t index; /* PROOF_INCLUSION */
	struct merkle_proof path;
	struct span note; /* the (new) checkpoint; borrows the text */
	struct span
		extra; /* decoded: PROOF_INCLUSION's extra, PROOF_CONSISTENCY's old checkpoint; in bytes */
	bool has_record;
	struct span record; /* payload; in bytes */
	bool has_leaf;
	struct merkle_hash leaf; /* what the file says, or the record's own */
	uint8_t *bytes;          /* owned */
};

/* ERR_TYPE: no proof that is known; ERR_VALUE, ERR_TRUNCATED, ERR_LENGTH (over PROOF_MOST), ERR_LIMIT (hashes), ERR_NO_MEMORY. */
MUST_USE int proof_read(struct span text, struct proof *ret_proof);
void proof_done(struct proof *p);

/* malloc'd. record: its payload, or ptr NULL: the leaf alone. ERR_NO_MEMORY, ERR_SPACE. */
MUST_USE int proof_write_inclusion(uint64_t index, const struct merkle_hash *leaf, struct span record,
	const struct merkle_proof *path, struct span note, char **ret_text, size_t *ret_len);
MUST_USE int proof_write_consistency(struct span old_note, const struct merkle_proof *path,
	struct span new_note, char **ret_text, size_t *ret_len);

/* Why a proof proves nothing, and what it proves. */
struct proof_verdict {
	bool good;
	char why[300];                     /* a sentence */
	struct checkpoint checkpoint, old; /* as signed */
	const struct note_key
		*witness[NOTE_SIGNATURES_MOST]; /* that cosigned the (new) checkpoint; of keys */
	uint64_t witness_s[NOTE_SIGNATURES_MOST];
	unsigned n_witnesses;
};

/* keys: as of struct verify_request. record: the payload from elsewhere, ptr NULL: none. An inclusion proof without a record
 * proves that some record of that leaf hash is there. */
void proof_check(const struct proof *p, const struct note_key *keys, size_t n_keys, struct span record,
	struct proof_verdict *ret_verdict);

/*
 * Make a proof from the journal's folders, in one pass from the record on. note: the checkpoint. ERR_VALUE: not a checkpoint, or
 * of fewer records, or the journal does not have the checkpoint's root (it is then not proved, and the journal should be
 * verified); ERR_NOT_FOUND: the record is not here (handed over); ERR_MISSING: records are missing; ERR_SYSTEM, ERR_NO_MEMORY.
 */
MUST_USE int proof_make_inclusion(const int *dirs, size_t n_dirs, uint64_t index, bool with_record,
	struct span note, char **ret_text, size_t *ret_len);
MUST_USE int proof_make_consistency(const int *dirs, size_t n_dirs, struct span old_note,
	struct span new_note, char **ret_text, size_t *ret_len);

#endif
