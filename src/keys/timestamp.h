/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_TIMESTAMP_H
#define KEYS_TIMESTAMP_H

#include "keys/object.h"

#include <openssl/x509.h>

/*
 * Certified timestamps of signatures (PS3.15 C.1: CMS_TSP, a TimeStampToken of RFC 3161 over the value of Signature (0400,0120)).
 */

/*
 * token: DER, a NUL of padding may follow. over: the signature's value. store: authorities of timestamps; lists: may be NULL. All of ret is
 * set; ret->time_s only if it is good.
 */
void timestamp_judge(struct span token, struct span over, X509_STORE *store, const struct crl_list *lists,
	int64_t now_s, struct object_stamp *ret);

/* Is the token over these bytes? Whose it is is not looked at. 0; ERR_NOT_FOUND: it is over others; ERR_VALUE: it is no token. */
MUST_USE int timestamp_is_over(struct span token, struct span over);

/*
 * The token in a TimeStampResp (RFC 3161 2.4.2), malloc'd. ERR_DENIED: the authority refuses, why says what it says;
 * ERR_VALUE: it is no such thing; ERR_NO_MEMORY.
 */
MUST_USE int timestamp_of_response(
	struct span response, uint8_t **ret_token, size_t *ret_len, char *why, size_t cap);

#endif
