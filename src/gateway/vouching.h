/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_VOUCHING_H
#define GATEWAY_VOUCHING_H

#include "keys/object_splice.h"
#include "keys/vouch.h"
#include "policy/site.h"

/* The signature that an object gets as it passes: of struct hold. Zeroed at first. */
struct vouching {
	bool on; /* the object under way is to be signed, and nothing has been in the way of that */
	struct sign_rules rules;
	enum vouch_profile profile;
	struct vouch *vouch; /* what is signed, as it comes in */
	/* The object is made anew first: what it becomes is seen here once before it leaves. Kept for the next object; NULL. */
	struct deidentify *ahead;
	bool is_ahead; /* ahead is in use */
	/* It goes with what it was, or is cleaned first, which is known when it is complete: only then it is gone over. */
	bool later, rehearses; /* it will be; it is */
	int failed;            /* of ahead */
	struct object_signed *edits;
	struct splice *splice; /* in use where edits is */
};

#endif
