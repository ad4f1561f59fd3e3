/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_HOLDER_H
#define KEYS_HOLDER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "keys/list_key.h"
#include "keys/private.h"
#include "keys/pseudonym_key.h"
#include "keys/record_keys.h"
#include "keys/vouch_key.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the key holder does, without its descriptors: a request's bytes in, an answer's bytes out. Each association has
 * a channel of its own to it; keys/link.h is the other end.
 *
 * What a channel may do is what one association's handshake with its caller needs, so that a process that is taken over
 * after it can neither be the gateway to others nor leave a session behind: one signature as a server, and one session,
 * after that signature or after one that it has found. A session that follows from a resumed one ends when that one
 * does (RFC 8446 4.6.1): an hour after the caller has last proved that it holds its key.
 *
 * A request is one datagram: u8 version, u8 what (enum holder_ask), and then
 *   ASK_SIGN          u8 purpose, u16 key, u16 SignatureScheme, the structure     -> the signature
 *   ASK_SESSION_PUT   u8 once, u8 length and bytes of the session's id, its DER   -> no answer
 *   ASK_SESSION_GET   u8 length and bytes of the session's id                     -> its DER
 *   ASK_PSEUDONYM     u8 kind (enum pseudonym), the value                         -> 32 bytes
 *   ASK_VOUCH         u8 hash, u16 MAC ID Number, u64 bytes so far, 64 bytes of state, 128 of the block that is not whole (keys/vouch.h)
 *                                     -> u8 length and bytes of the UID, the same of the time, u16 and bytes of the signature, certificate
 *   ASK_NAME          the same, of UIDs and patients   -> 32 bytes, and an entry for the book of names (keys/pseudonym_key.h), if it fits
 *   ASK_NAME_TOKENS   1 to HOLDER_NAMES_MOST × u8 kind, u8 length, new name        -> 16 bytes of each
 *   ASK_NAME_RECALL   1 to HOLDER_NAMES_MOST entries                               -> u8 length and old name of each; length 0: it is none
 * of an association or the gate; of the auditor, which may ask none of these (keys/record_keys.h):
 *   ASK_CHECKPOINT      the text of a checkpoint                         -> the public key (32 bytes), the signature (64)
 *   ASK_INDEX           1 to HOLDER_INDEX_MOST × u8 kind, u16 length, value of the blind index  -> 16 bytes of each
 *   ASK_INDEX_ENVELOPE  nothing                                          -> envelopes of the index's key (audit/envelope.h),
 *                                                                           or nothing where it is on a token
 * and of the auditor and of who was let in at the control socket, who may ask nothing else, each for kinds of its own:
 *   ASK_RECORD          the text of a record (audit/deed.h)            -> the public key (32 bytes), the signature (64)
 * and of an operator alone:
 *   ASK_LIST            a TBSCertList (keys/list_key.h)                  -> the signature
 * An answer is u8 version, u8 status (0, or -enum err), bytes.
 */
#define HOLDER_VERSION 1
#define HOLDER_REQUEST_MOST                                                                                  \
	(160u * 1024) /* a TLS 1.2 handshake with the longest chains that are taken, and to spare */
#define HOLDER_ANSWER_MOST (8u * 1024 + 16)
#define HOLDER_HEAD        8 /* before the structure of ASK_SIGN, at most */

#define HOLDER_INDEX_MOST  64
#define HOLDER_NAMES_MOST  64

/*
 * Names that a channel may ask for: so many at once, which is more than any study or report has, and then so many a second. What is over
 * it is answered with ERR_AGAIN, and waits: nothing is refused for it, but a process that was taken over cannot try
 * quickly which pseudonym is whose.
 */
#define HOLDER_NAMES_AT_ONCE  50000u
#define HOLDER_NAMES_A_SECOND 1000u /* divides 1000 */

enum holder_ask {
	ASK_SIGN = 1,
	ASK_SESSION_PUT,
	ASK_SESSION_GET,
	ASK_CHECKPOINT,
	ASK_INDEX,
	ASK_INDEX_ENVELOPE,
	ASK_RECORD,
	ASK_LIST,
	ASK_PSEUDONYM,
	ASK_VOUCH,
	ASK_NAME,
	ASK_NAME_TOKENS,
	ASK_NAME_RECALL,
	ASK_COUNT
};

struct holder;

/* Whose channel it is, which says what may be asked on it: never what is said on it. */
enum holder_whose {
	HOLDER_ASSOCIATION, /* or the gate itself, as the gate says */
	HOLDER_AUDITOR,     /* as the supervisor says */
	HOLDER_OPERATOR,    /* a process of the gate's for a client of the control socket, as the gate says */
};

/* What may be had of something: some at once, and then one each time that passes. */
struct holder_bucket {
	int64_t since_ms;
	unsigned used;
};

/* One channel. Plain data; zeroed at first. */
struct holder_client {
	enum holder_whose whose;
	struct in6_addr from;                /* an association's caller, as the gate says */
	struct holder_bucket signs, vouches; /* signatures of handshakes, and of objects */
	struct holder_bucket names;
	uint64_t vouched;         /* objects */
	bool served;              /* it has had its signature as a server */
	bool found;               /* it has had a session */
	int64_t session_until_ms; /* a session of its may be kept, until then; 0: none */
	uint64_t refused;
};

/* NULL: no memory. */
struct holder *holder_new(void);
/* Key number n is the n-th added, from 0. Owned from then on, also on failure. ERR_NO_MEMORY. */
MUST_USE int holder_add(struct holder *h, struct private_key *key);
/* Those of the audit trail. Owned from then on; once. */
void holder_use_records(struct holder *h, struct record_keys *keys);
/* That of the site's own revocation list. Owned from then on; once. */
void holder_use_list(struct holder *h, struct list_key *key);
/* That of pseudonyms. Owned from then on; once. */
void holder_use_pseudonyms(struct holder *h, struct pseudonym_key *key);
/* That of objects which pass. Owned from then on; once. */
void holder_use_vouch(struct holder *h, struct vouch_key *key);
void holder_free(struct holder *h);

/*
 * Answer one request into answer[HOLDER_ANSWER_MOST]; *ret_len 0: none is due. 0, also when what was asked is refused,
 * which the answer says (ERR_DENIED: not to be asked on this channel); ERR_PEER: no request of this protocol, and the channel is to be closed. ERR_SYSTEM: a token
 * is gone; the answer is there, and the process should start anew.
 */
MUST_USE int holder_answer(struct holder *h, struct holder_client *c, struct span request, int64_t now_ms,
	uint8_t *answer, size_t *ret_len);

#endif
