/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_LIST_MAKE_H
#define KEYS_LIST_MAKE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stddef.h>
#include <stdint.h>

/* Making the site's own revocation list: what is given to the key holder to be signed (list_key.h), and what comes of it. */

#define LIST_TEXT 256
#define LIST_NAME 1024 /* a Name in DER, at most */

/* Whose certificate is to be blocked. */
struct list_target {
	char serial[64];               /* hexadecimal, lower case */
	char issuer[LIST_TEXT];        /* for people */
	uint8_t issuer_der[LIST_NAME]; /* as the trust anchor has it */
	size_t issuer_len;
	char subject[LIST_TEXT]; /* "": only the serial number is known */
};

/*
 * From a certificate in PEM, which an anchor must have issued. trust: PEM. ERR_VALUE: why says what is wrong with it.
 */
MUST_USE int list_target_certificate(struct span pem, const struct span *trust, size_t n_trust,
	struct list_target *ret_target, char *why, size_t cap);
/* From a serial number in hexadecimal (colons are passed over), of the anchor in `issuer` (PEM), or of the only one. */
MUST_USE int list_target_serial(const char *serial, const struct span *issuer, const struct span *trust,
	size_t n_trust, struct list_target *ret_target, char *why, size_t cap);

struct list_draft {
	struct span certificate;       /* of who signs: PEM */
	struct span list;              /* the last one, PEM; empty: there is none. Its entries stay */
	const struct list_target *add; /* NULL: nobody */
	int reason;                    /* of add: RFC 5280 5.3.1, 0 for none */
	int64_t now_s, next_s;
};

/* The TBSCertList, malloc'd, and its number. ERR_EXISTS: add is in it already. ERR_VALUE, ERR_NO_MEMORY. */
MUST_USE int list_draft(const struct list_draft *d, uint8_t **ret_tbs, size_t *ret_len, int64_t *ret_number);

/*
 * The list in PEM, and behind it the certificate of who has signed, malloc'd with a NUL that is not counted. ERR_DENIED: the
 * signature is none of that key's over tbs.
 */
MUST_USE int list_finish(
	struct span certificate, struct span tbs, struct span signature, char **ret_pem, size_t *ret_len);

/* Each entry of a list in PEM, in its order. ERR_VALUE: no list. */
struct list_entry {
	char serial[64], issuer[LIST_TEXT];
	int64_t at_s;
	int reason;
};
MUST_USE int list_each(struct span pem, void (*told)(const struct list_entry *entry, void *arg), void *arg);

#endif
