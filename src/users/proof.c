/* SPDX-License-Identifier: Apache-2.0 */
#include "users/users.h"

#include <stdio.h>
#include <string.h>

/* Commas part groups, and control characters have no place in a log. */
static bool can_be_kept(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || s[i] == ',') {
			return false;
		}
	}
	return len > 0;
}

bool proof_set_name(struct proof *p, const char *name, size_t len)
{
	if (len >= sizeof(p->name) || !can_be_kept(name, len) || name[0] == '@') {
		proof_refuse(
			p, "its user name is empty, too long, or has characters that are none of a name's");
		return false;
	}
	memcpy(p->name, name, len);
	p->name[len] = 0;
	p->proved = true;
	return true;
}

void proof_add_group(struct proof *p, const char *name, size_t len)
{
	size_t used = strlen(p->groups);
	if (!can_be_kept(name, len) || used + len + 2 > sizeof(p->groups)) {
		return; /* a right that is not given */
	}
	if (used > 0) {
		p->groups[used++] = ',';
	}
	memcpy(p->groups + used, name, len);
	p->groups[used + len] = 0;
}

void proof_refuse(struct proof *p, const char *why)
{
	*p = (struct proof){0};
	snprintf(p->why, sizeof(p->why), "%s", why);
}
