/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_LINK_AUDIT_H
#define KEYS_LINK_AUDIT_H

#include "audit/blind.h"
#include "keys/holder.h"

/*
 * The auditor's end of its channel to the key holder: each waits for the answer. ERR_TIMEOUT: it did not come in time; the
 * next question is put when it has come, and was thrown away, so that it is not taken for another's. ERR_CLOSED, ERR_PEER:
 * the channel is of no more use. ERR_SYSTEM; or what the key holder says, as record_keys.h has it.
 */
struct link_audit {
	int fd; /* SOCK_SEQPACKET; stays the caller's */
	int wait_ms;
	bool late; /* an answer is owed that nobody waits for any more */
};

MUST_USE int link_audit_checkpoint(struct link_audit *l, struct span text, uint8_t ret_public[ED25519_PUBLIC],
	uint8_t ret_signature[ED25519_SIGNATURE]);

/* The same of the text of a record; also on the channel of who was let in at the control socket. */
MUST_USE int link_audit_record(struct link_audit *l, struct span text, uint8_t ret_public[ED25519_PUBLIC],
	uint8_t ret_signature[ED25519_SIGNATURE]);

/* A TBSCertList, on an operator's channel (list_key.h). ERR_SPACE. */
MUST_USE int link_audit_list(
	struct link_audit *l, struct span tbs, uint8_t *sig, size_t cap, size_t *ret_len);

struct link_value {
	enum blind_kind kind;
	struct span value; /* of blind_value() */
};

/* Tokens of n values, 1 to HOLDER_INDEX_MOST. ERR_LIMIT. */
MUST_USE int link_audit_index(struct link_audit *l, const struct link_value *values, unsigned n,
	uint8_t (*ret_tokens)[BLIND_TOKEN]);

/*
 * The same in two steps, so that something else can be done while the key holder does it. Between them nothing else can be asked;
 * after a question that was put its answer must be taken, of the same n.
 */
MUST_USE int link_audit_index_ask(struct link_audit *l, const struct link_value *values, unsigned n);
MUST_USE int link_audit_index_take(struct link_audit *l, unsigned n, uint8_t (*ret_tokens)[BLIND_TOKEN]);

/* The envelopes of the index's key; *ret_len 0: it is on a token. ENVELOPE_MOST is room enough. ERR_SPACE. */
MUST_USE int link_audit_envelope(struct link_audit *l, uint8_t *buf, size_t cap, size_t *ret_len);

#endif
