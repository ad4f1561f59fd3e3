/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* `antivirus:` */
void read_antivirus(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	struct antivirus_config *a = &s->antivirus;
	a->has = v->kind == TREE_MAP;
	snprintf(p->in, sizeof(p->in), " in antivirus");
	key_read_map(p, k->inner, v, a);
	if (!a->corpus) {
		a->corpus = region_printf(p->region, "%s/corpus", a->definitions);
	}
	if (a->socket && strlen(a->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		mistake_error(p->mistakes, v->line, v->column,
			"`socket`%s is longer than a socket's path may be", p->in);
	}
	p->in[0] = '\0';
}
