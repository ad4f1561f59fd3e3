/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/match.h"

#include <string.h>
#include <strings.h>

bool names_have(const struct names *n, const char *s, bool any_case)
{
	for (unsigned i = 0; i < n->n; i++) {
		if (any_case ? strcasecmp(n->at[i], s) == 0 : strcmp(n->at[i], s) == 0) {
			return true;
		}
	}
	return false;
}

bool names_have_sorted(const struct names *n, const char *s)
{
	unsigned low = 0, high = n->n;
	while (low < high) {
		unsigned mid = low + (high - low) / 2;
		int order = strcmp(n->at[mid], s);
		if (order == 0) {
			return true;
		}
		if (order < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return false;
}

bool flow_is_called(const struct site *s, const struct flow *f, const char *called, bool any_case)
{
	return names_have(&f->called, called, any_case) ||
	       (f->to < s->n_nodes && names_have(&s->nodes[f->to].ae, called, any_case));
}
