/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_VOUCH_KEY_H
#define KEYS_VOUCH_KEY_H

#include "keys/private.h"
#include "keys/vouch.h"
#include "policy/site.h"

/*
 * The key that objects are signed with in passing, as the key holder has it. It serves nothing else: what is signed with it cannot be
 * taken for a handshake, a list or a certificate. It is given a hash half way (keys/vouch.h), goes on with the signature's own elements, whose
 * UID and time it makes, and signs what that becomes: nobody gets a signature of another time than now, or a digest signed.
 */
struct vouch_key;

/* The longest certificate (DER) that goes into an answer with the signature. */
#define VOUCH_CERTIFICATE_MOST 6144u

/*
 * Of a site one of whose flows signs. why (never NULL): a sentence for people on failure. Errors as object_key_open(), and ERR_DENIED: the
 * key serves another purpose too.
 */
MUST_USE int vouch_key_open_site(const struct site *s, struct vouch_key **ret_key, char *why, size_t cap);
void vouch_key_free(struct vouch_key *k);

/*
 * Sign. now_ms: wall. *ret_value: bytes of value; ret->value and ret->certificate borrow value and k. ERR_VALUE: no such sum. ERR_ORDER: the
 * certificate is not valid now. ERR_SYSTEM, ERR_TLS: the key does not sign.
 */
MUST_USE int vouch_key_sign(const struct vouch_key *k, const struct vouch_sum *sum, int64_t now_ms,
	uint8_t value[PRIVATE_KEY_SIGNATURE_MOST], struct vouch_made *ret);

#endif
