/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USERS_USERS_H
#define USERS_USERS_H

#include "base/attr.h"
#include "base/err.h"
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
	struct span files[USER_FILES];  /* empty: not configured */
	struct span primary, secondary; /* of the user identity item */
	int64_t now_s;
};

struct proof {
	bool proved;
	char name[256];    /* whose identity it is; "" unless proved */
	char groups[1024]; /* separated by commas */
	char why[256];     /* not proved: a sentence's end, without any secret */
};

typedef void prove_function(const struct proof_request *r, struct proof *ret);

prove_function users_passwords; /* type 2, user name and passcode, with a file of hashes */
prove_function users_jwt;       /* type 5 */

/* ERR_VALUE and a sentence when the content of such a file cannot be used. */
MUST_USE int users_check_passwords(struct span file, char *why, size_t cap);
MUST_USE int users_check_jwks(struct span file, char *why, size_t cap);

/* What the kinds share: a name or group that can be kept, or not. */
bool proof_set_name(struct proof *p, const char *name, size_t len);
void proof_add_group(struct proof *p, const char *name, size_t len);
void proof_refuse(struct proof *p, const char *why);

#endif
