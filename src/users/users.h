/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USERS_USERS_H
#define USERS_USERS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/module.h"
#include "base/span.h"
#include "policy/site.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Is a caller who it says (PS3.7 D.3.3.7)? One function a kind of proof; each reads what strangers send and runs in a
 * lookup's job, a process of its own that ends with the answer. Nothing is remembered: a wrong proof is refused whatever
 * was said before.
 */

struct proof_request {
	const struct users *config;
	struct span files[USER_FILES]; /* empty: not configured */
	const struct blob *trust;      /* the site's authorities */
	unsigned n_trust;
	struct span primary, secondary; /* of the user identity item */
	int64_t now_s;
	int64_t since_s; /* what was good once and was used from then on is known to the caller */
};

struct proof {
	bool proved;
	char name[256];    /* whose identity it is; "" unless proved */
	char groups[1024]; /* separated by commas */
	char why[256];     /* not proved: a sentence's end, without any secret */
	bool unknown;      /* not proved: the name is not this file's affair */
	/* Good once: the caller refuses it when it comes again with the same `once` before until_s. 0: as often as you like. */
	uint8_t once[32];
	int64_t once_until_s;
	uint8_t response[LIMIT_USER_RESPONSE]; /* for who sent it (PS3.7 D.3.3.7.2) */
	size_t response_len;
};

typedef void prove_function(const struct proof_request *r, struct proof *ret);

prove_function users_passwords; /* type 2, user name and passcode, with a file of hashes */
prove_function users_jwt;       /* type 5 */

/*
 * Of these each is the one function of a module (base/module.h) that brings others' libraries along. They print
 * nothing and keep nothing, and leave what they have allocated to the end of the process, but for users_saml.
 */
MODULE_FUNCTION prove_function users_ldap;     /* type 2, with a server: uses the network */
MODULE_FUNCTION prove_function users_kerberos; /* type 3 */
MODULE_FUNCTION prove_function users_saml;     /* type 4 */

/* ERR_VALUE and a sentence when the content of such a file cannot be used. */
MUST_USE int users_check_passwords(struct span file, char *why, size_t cap);
MUST_USE int users_check_jwks(struct span file, char *why, size_t cap);
MUST_USE int users_check_passcode(
	struct span file, char *why, size_t cap); /* of a service, in its first line */
MUST_USE int users_check_keytab(struct span file, const char *principal, char *why, size_t cap);
MUST_USE int users_check_saml(struct span certificates, char *why, size_t cap);

/* What the kinds share: a name or group that can be kept, or not. */
bool proof_set_name(struct proof *p, const char *name, size_t len);
void proof_add_group(struct proof *p, const char *name, size_t len);
void proof_refuse(struct proof *p, const char *why);

#endif
