/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/object_site.h"

#include <stdio.h>
#include <stdlib.h>

/* The bytes of blobs, after the n that are there. */
static unsigned put(struct span *to, unsigned n, const struct blob *from, unsigned n_from)
{
	for (unsigned i = 0; i < n_from; i++) {
		to[n++] = from[i].bytes;
	}
	return n;
}

static unsigned put_lists(struct span *to, unsigned n, const struct blob *from, unsigned n_from)
{
	for (unsigned i = 0; i < n_from; i++) {
		n += blob_is_list(&from[i]) ? put(to, n, &from[i], 1) - n : 0;
	}
	return n;
}

int object_trust_of_site(const struct site *s, struct crl_list **ret_lists, struct object_trust **ret_trust,
	char *why, size_t cap)
{
	const struct signing *c = &s->signatures;
	struct crl_list *lists = NULL;
	struct object_trust *trust = NULL;
	struct span *crl = calloc((size_t)s->n_crl + c->n_crl + 1, sizeof(*crl)),
		    *all = calloc((size_t)c->n_trust + c->n_timestamps + s->n_trust + 1, sizeof(*all));
	snprintf(why, cap, "no memory");
	int e = crl && all ? 0 : ERR_NO_MEMORY;
	if (e == 0) {
		/* First those of signers. */
		unsigned signers = put(all, 0, c->trust, c->n_trust), n = signers, n_crl;
		n = put(all, n, s->trust, s->n_trust);
		unsigned before = n;
		n = put(all, n, c->timestamps, c->n_timestamps);
		n_crl = put_lists(crl, 0, c->crl, c->n_crl);
		n_crl = put_lists(crl, n_crl, s->crl, s->n_crl);
		e = crl_list_new(crl, n_crl, all, n, &lists, why, cap);
		if (e == 0 &&
			(e = object_trust_new(all, signers > 0 ? signers : s->n_trust, lists, &trust)) < 0) {
			snprintf(why, cap, "a file with the authorities of signers holds no certificate");
		}
		if (e == 0 && c->n_timestamps > 0 &&
			(e = object_trust_stamps(trust, all + before, c->n_timestamps)) < 0) {
			snprintf(why, cap, "a file with the authorities of timestamps holds no certificate");
		}
	}
	free(crl);
	free(all);
	if (e < 0) {
		object_trust_free(trust);
		crl_list_free(lists);
		return e;
	}
	*ret_lists = lists;
	*ret_trust = trust;
	return 0;
}
