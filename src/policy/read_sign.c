/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"

#include <string.h>

/* `sign` of a flow: what passes gets a signature. */

void read_sign(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct flow *f = base;
	bool yes = v->kind == TREE_TEXT && !v->quoted && strcmp(v->text, "yes") == 0;
	if (v->kind == TREE_TEXT && !v->quoted && strcmp(v->text, "no") == 0) {
		return;
	}
	if (!yes && v->kind != TREE_MAP) {
		mistake_error(p->mistakes, v->line, v->column,
			"`sign`%s takes yes, no, or keys of its own: profile, when-unable", p->in);
		return;
	}
	f->sign.yes = true;
	if (!yes) {
		key_read_map(p, k->inner, v, &f->sign);
	}
}
