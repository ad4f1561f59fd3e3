/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_LINK_AUDIT_H
#define KEYS_LINK_AUDIT_H

#include "audit/blind.h"
#include "keys/holder.h"

/*
 * The auditor's end of its channel to the key holder: each waits for the answer. ERR_CLOSED, ERR_TIMEOUT, ERR_PEER: the
 * channel is of no more use, as a late answer would be taken for another question's. ERR_SYSTEM; or what the key holder
 * says, as record_keys.h has it.
 */
struct link_audit {
	int fd; /* SOCK_SEQPACKET; stays the caller's */
	int wait_ms;
};

MUST_USE int link_audit_checkpoint(const struct link_audit *l, struct span text,
	uint8_t ret_public[ED25519_PUBLIC], uint8_t ret_signature[ED25519_SIGNATURE]);

struct link_value {
	enum blind_kind kind;
	struct span value; /* of blind_value() */
};

/* Tokens of n values, 1 to HOLDER_INDEX_MOST. ERR_LIMIT. */
MUST_USE int link_audit_index(const struct link_audit *l, const struct link_value *values, unsigned n,
	uint8_t (*ret_tokens)[BLIND_TOKEN]);

/* The envelopes of the index's key; *ret_len 0: it is on a token. ENVELOPE_MOST is room enough. ERR_SPACE. */
MUST_USE int link_audit_envelope(const struct link_audit *l, uint8_t *buf, size_t cap, size_t *ret_len);

#endif
