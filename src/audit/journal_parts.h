/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_JOURNAL_PARTS_H
#define AUDIT_JOURNAL_PARTS_H

#include "audit/journal.h"
#include "audit/segment.h"

/* What journal.c and journal_open.c share. */

/* A finished segment's end, which wants a checkpoint of its own. */
struct boundary {
	uint64_t segment; /* its first index */
	uint64_t size;
	struct merkle_hash root;
};

struct journal {
	const struct journal_io *io;
	int dir;
	char origin[NOTE_NAME_MOST + 1];
	struct journal_params params;

	/* What is committed. */
	struct merkle_range range;
	struct transfers transfers;
	int fd; /* of the last segment; -1: one must be begun */
	uint64_t first;
	uint64_t len;   /* bytes of its file that count */
	bool has_times; /* it has a record */
	int64_t first_ms, least_ms, greatest_ms;
	bool dirty;   /* bytes beyond len may be in the file */
	bool suspect; /* fdatasync failed: what the file holds is not known */

	/* What is appended to that. */
	uint8_t *buf;
	size_t buf_len, buf_cap;
	size_t n_pending, n_begins;
	int64_t pending_first_ms;
	struct merkle_range pending;
	struct merkle_hash last_leaf; /* of the last that was appended */

	struct checkpoint last; /* stored; size 0: none */
	uint8_t *last_note;
	size_t last_note_len;
	struct checkpoint asked; /* given out to be signed; no origin: none */
	struct boundary *boundaries;
	size_t n_boundaries, cap_boundaries;
};

/* A record of the last segment, as it was read or committed. */
void journal_took(struct journal *j, const struct journal_record *record, const struct merkle_hash *leaf);

/* Begin the segment of the next record. ERR_SPACE, ERR_SYSTEM, ERR_NO_MEMORY, ERR_LIMIT. */
MUST_USE int journal_begin_segment(struct journal *j);

/* Remember that a segment's end wants a checkpoint. ERR_NO_MEMORY. */
MUST_USE int journal_add_boundary(
	struct journal *j, uint64_t segment, uint64_t size, const struct merkle_hash *root);

#endif
