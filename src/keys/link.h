/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_LINK_H
#define KEYS_LINK_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "keys/pseudonym_key.h"
#include "keys/sign.h"
#include "keys/vouch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * This process's channel to the key holder. One a process, as the TLS of an association has no way to hand it through
 * OpenSSL; nothing else is global here.
 */

/* A SOCK_SEQPACKET socket; stays the caller's. -1: none, and every request fails. wait_ms: how long for an answer. */
void link_use(int fd, int wait_ms);

/* Ask for a signature of key number `key`. ERR_CLOSED, ERR_TIMEOUT, ERR_SYSTEM, or what the key holder says. */
MUST_USE int link_sign(enum sign_purpose purpose, unsigned key, const struct sign_scheme *scheme,
	struct span structure, uint8_t *sig, size_t cap, size_t *ret_len);

/* Keep a session, find one. What does not work is a session that is not resumed: no error but for want of an answer. */
void link_session_put(struct span id, struct span der, bool once);
MUST_USE int link_session_get(struct span id, uint8_t *der, size_t cap, size_t *ret_len);

/*
 * What stands for a value (transform/pseudonym.h), 32 bytes. ERR_CLOSED, ERR_TIMEOUT: the key holder is away. ERR_DENIED: it has no
 * key for that.
 */
MUST_USE int link_pseudonym(enum pseudonym kind, struct span value, uint8_t ret[PSEUDONYM_SIZE]);

/* The same, with what the book of names enters; *ret_has false: it is nothing that fits there. */
MUST_USE int link_name(enum pseudonym kind, struct span value, uint8_t ret[PSEUDONYM_SIZE],
	uint8_t ret_entry[NAME_ENTRY], bool *ret_has);

/*
 * Of many (n: 1 to HOLDER_NAMES_MOST of keys/holder.h): the tokens of new names, the old names of entries, "" where an entry is none.
 * Errors as link_pseudonym().
 */
struct link_new_name {
	enum pseudonym kind;
	struct span name; /* 255 bytes at most */
};
MUST_USE int link_name_tokens(
	const struct link_new_name *names, unsigned n, uint8_t (*ret_tokens)[NAME_TOKEN]);
MUST_USE int link_name_recall(
	const uint8_t (*entries)[NAME_ENTRY], unsigned n, char (*ret_old)[NAME_OLD_MOST + 1]);

/*
 * A signature of what passes; *ret borrows buf, of HOLDER_ANSWER_MOST bytes. ERR_CLOSED, ERR_TIMEOUT: the key holder is away. ERR_DENIED: it
 * has no key for that. ERR_ORDER: its certificate is not valid now. ERR_AGAIN: asked too often. ERR_SYSTEM, ERR_TLS: the key does not sign.
 */
MUST_USE int link_vouch(const struct vouch_sum *sum, uint8_t *buf, size_t cap, struct vouch_made *ret);

/*
 * One question over any such channel, in two parts; *ret_bytes borrows buf. ERR_CLOSED, ERR_TIMEOUT, ERR_PEER: the channel
 * is of no more use. ERR_SYSTEM, or what the key holder says.
 */
MUST_USE int link_exchange(int fd, int wait_ms, struct span head, struct span body, uint8_t *buf, size_t cap,
	struct span *ret_bytes);

/* Its halves, which wait as long each. */
MUST_USE int link_put(int fd, int wait_ms, struct span head, struct span body);
MUST_USE int link_get(int fd, int wait_ms, uint8_t *buf, size_t cap, struct span *ret_bytes);

/* Why the last link_sign failed, for people: "" when it did not. Static. */
const char *link_why(void);

#endif
