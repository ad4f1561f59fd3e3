/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"

/* `sign` of a flow: what passes gets a signature. */

void read_sign(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	if (!parse_yes_or_map(p, k, v, "profile, hash, when-unable")) {
		return;
	}
	f->sign.yes = true;
	if (v->kind == TREE_MAP) {
		key_read_map(p, k->inner, v, &f->sign);
	}
}
