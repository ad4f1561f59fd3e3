/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_FRAME_H
#define AUDIT_FRAME_H

#include "audit/event.h"
#include "audit/merkle.h"

/*
 * One record of the journal: a clear head, which says when and what kind and is found by blind tokens, and a body that is
 * sealed (audit/seal.h) and no business of the journal's. Its bytes, the payload, are a leaf of the Merkle tree.
 *
 * payload: u8 version 1 | u8 kind | i64be time ms | u8 outcome | u64be about | u64be association | u64be epoch | u32be turn |
 *          u32be count | u8 number of tokens | tokens: u8 kind, 16 bytes | u32be body length | body
 * frame:   u32be payload length | first 8 bytes of the leaf's hash | payload
 */

/* Kinds beside those of enum audit_kind. */
enum journal_kind {
	JOURNAL_KEY = 0x80,      /* an epoch's key, for the auditors */
	JOURNAL_HANDOVER = 0x81, /* older segments went to a cold folder */
};

#define JOURNAL_NONE        UINT64_MAX /* of about and epoch */
#define JOURNAL_TOKENS_MOST 32
#define JOURNAL_BODY_MOST   (1024u * 1024)

struct journal_token {
	uint8_t kind; /* audit/blind.h */
	uint8_t value[16];
};
static_assert(sizeof(struct journal_token) == 17, "tokens are read in place");

struct journal_record {
	uint8_t kind; /* enum audit_kind or enum journal_kind; not 0 */
	uint8_t outcome;
	int64_t time_ms;      /* wall, since 1970 */
	uint64_t about;       /* index of the AUDIT_BEGIN that this one continues or ends; JOURNAL_NONE */
	uint64_t association; /* 0: none */
	uint64_t epoch;       /* index of the JOURNAL_KEY record for the body; JOURNAL_NONE */
	uint32_t turn;        /* place of the body in its epoch */
	uint32_t
		count; /* instances so far: AUDIT_PROGRESS, _TRANSFERRED, _INTERRUPTED; JOURNAL_KEY: BLIND_RULES */
	unsigned n_tokens;
	const struct journal_token *tokens; /* borrowed */
	struct span body;                   /* borrowed; may be empty */
};

#define FRAME_HEAD       12 /* before the payload */
#define FRAME_FIXED      44 /* of the payload, before the tokens */
#define FRAME_CLEAR_MOST (FRAME_FIXED + JOURNAL_TOKENS_MOST * sizeof(struct journal_token))
#define PAYLOAD_LEAST    (FRAME_FIXED + 4)
#define PAYLOAD_MOST     (FRAME_CLEAR_MOST + 4 + JOURNAL_BODY_MOST)

/* Bytes of the clear head: all before the body's length. Sealing authenticates them. */
static inline size_t record_clear_len(const struct journal_record *r)
{
	return FRAME_FIXED + r->n_tokens * sizeof(struct journal_token);
}

static inline size_t record_len(const struct journal_record *r)
{
	return record_clear_len(r) + 4 + r->body.len;
}

/* The clear head alone. ERR_SPACE (FRAME_CLEAR_MOST suffices), ERR_LIMIT (tokens). */
MUST_USE int record_write_clear(const struct journal_record *r, uint8_t *buf, size_t cap, size_t *ret_len);

/* The payload. ERR_SPACE, ERR_LIMIT (tokens, body), ERR_VALUE (kind 0). */
MUST_USE int record_write(const struct journal_record *r, uint8_t *buf, size_t cap, size_t *ret_len);

/* Tokens and body borrow payload. ERR_TRUNCATED, ERR_TRAILING, ERR_LIMIT, ERR_VALUE (kind 0), ERR_UNSUPPORTED (version). */
MUST_USE int record_read(struct span payload, struct journal_record *ret_record);

/* The frame around a payload that lies behind its FRAME_HEAD bytes in buf already; and the leaf's hash. */
void frame_close(uint8_t *buf, size_t payload_len, struct merkle_hash *ret_leaf);

/* "begin", "key": of both enums; "unknown". Static. */
const char *journal_kind_name(uint8_t kind);

#endif
