/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYS_OBJECT_SITE_H
#define KEYS_OBJECT_SITE_H

#include "keys/object.h"
#include "policy/site.h"

/*
 * Whose signatures and timestamps a site believes: `signatures: trust` and `timestamps`, or else those of `tls: trust`; and the revocation
 * lists in files of `signatures: crl` and `tls: crl`, each signed by any of these authorities. why: a sentence's end on failure. ret_lists
 * has to outlive ret_trust, which borrows it. ERR_VALUE: an authority, or a list, that cannot be read, or is of nobody of them; ERR_NO_MEMORY.
 */
MUST_USE int object_trust_of_site(const struct site *s, struct crl_list **ret_lists,
	struct object_trust **ret_trust, char *why, size_t cap);

#endif
