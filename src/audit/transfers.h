/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_TRANSFERS_H
#define AUDIT_TRANSFERS_H

#include "audit/frame.h"
#include "base/writer.h"

/*
 * Transfers that began and have not ended, and those that ended last: what must be known when a journal is opened after a
 * crash. A function of the records alone. Each segment's head holds it as it was before the segment's first record, so that
 * only the last segment need be read.
 */

#define TRANSFERS_OPEN_MOST   16384
#define TRANSFERS_CLOSED_MOST 256

struct journal_transfer {
	uint64_t begin; /* index of its AUDIT_BEGIN */
	int64_t time_ms;
	uint64_t association;
	uint64_t epoch; /* of the AUDIT_BEGIN */
	uint32_t count; /* of its last AUDIT_PROGRESS; 0 */
	unsigned n_tokens;
	struct journal_token tokens[JOURNAL_TOKENS_MOST]; /* of its AUDIT_BEGIN */
};

struct journal_closed {
	uint64_t begin;
	uint64_t end; /* index of the record that ended it */
	uint64_t association;
};

struct transfers {
	struct journal_transfer *open; /* by index */
	size_t n_open, cap;
	struct journal_closed closed[TRANSFERS_CLOSED_MOST]; /* oldest first */
	size_t n_closed;
};

/* Room for so many that begin. ERR_LIMIT: more would be open than TRANSFERS_OPEN_MOST; ERR_NO_MEMORY. */
MUST_USE int transfers_reserve(struct transfers *t, size_t more);

/* A record of the journal. Room was reserved if it is an AUDIT_BEGIN; one that found none is passed over. */
void transfers_take(struct transfers *t, uint64_t index, const struct journal_record *record);

/* Bytes that transfers_write() writes. */
size_t transfers_len(const struct transfers *t);
void transfers_write(const struct transfers *t, struct writer *w);
/* *ret_transfers is the caller's, to be given to transfers_done(). ERR_TRUNCATED, ERR_TRAILING, ERR_LIMIT, ERR_ORDER, ERR_NO_MEMORY. */
MUST_USE int transfers_read(struct span bytes, struct transfers *ret_transfers);
void transfers_done(struct transfers *t);

#endif
