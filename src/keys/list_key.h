/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_LIST_KEY_H
#define KEYS_LIST_KEY_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "policy/site.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The key that signs the site's own revocation list, as the key holder has it. An authority has delegated it (`gantry ca
 * delegate`): its certificate says cRLSign and nothing else, so that it makes no certificates and no handshakes. What is
 * signed is a whole TBSCertList, which is parsed here (tbs_list.h), and never a digest.
 */
struct list_key;

/* How long a list may serve, at most; and by how much the times in it may differ from the clock. */
#define LIST_KEY_DAYS_MOST 93
#define LIST_KEY_SLACK_S   120

struct list_key_of {
	const char *key;          /* absolute path of PEM, or `pkcs11:` */
	struct span certificate;  /* PEM */
	const struct span *trust; /* the site's authorities, PEM; one of them has issued the certificate */
	size_t n_trust;
	const struct span *others; /* certificates of other purposes, PEM: the key is none of theirs */
	size_t n_others;
	struct span list; /* that was published last, PEM; empty: none was */
};

/* why (never NULL): a sentence for people on failure. Errors as private_key_open(). */
MUST_USE int list_key_open(const struct list_key_of *what, struct list_key **ret_key, char *why, size_t cap);
/* The same, of a site that has `tls: revocation`. */
MUST_USE int list_key_open_site(const struct site *s, struct list_key **ret_key, char *why, size_t cap);
void list_key_free(struct list_key *k);

/*
 * Sign a TBSCertList. now_s: wall. ERR_VALUE: it is none, or of another algorithm. ERR_DENIED: of another issuer, or with an
 * entry of another authority than the site's. ERR_ORDER: its number is not above the last one's, or it is of another time
 * than now. ERR_LIMIT: it would serve too long. ERR_CLOSED: the delegation is over. ERR_TLS, ERR_SYSTEM: the key does not
 * sign.
 */
MUST_USE int list_key_sign(
	struct list_key *k, struct span tbs, int64_t now_s, uint8_t *sig, size_t cap, size_t *ret_len);

#endif
