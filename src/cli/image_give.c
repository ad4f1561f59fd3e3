/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_give.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

void image_giver_begin(
	struct image_giver *g, uint64_t size, const struct image_output *out, char *why, size_t cap)
{
	*g = (struct image_giver){.out = *out, .most = limit_unpacked(size), .why = why, .cap = cap};
}

int image_fail(struct image_giver *g, int err, const char *why)
{
	snprintf(g->why, g->cap, "%s", why ? why : "it is damaged");
	return err;
}

bool image_leads_out(const char *name)
{
	if (name[0] == '/' || name[0] == '\\' || (name[0] && name[1] == ':')) {
		return true;
	}
	for (const char *part = name; part; part = strpbrk(part, "/\\")) {
		part += part[0] == '/' || part[0] == '\\';
		size_t n = strcspn(part, "/\\");
		if (n == 2 && part[0] == '.' && part[1] == '.') {
			return true;
		}
	}
	return false;
}

int image_count(struct image_giver *g)
{
	return ++g->members > LIMIT_MEMBERS
	               ? image_fail(g, ERR_LIMIT, "it has more members than a disc would")
	               : 0;
}

int image_give_member(struct image_giver *g, enum image_what what, const char *name)
{
	g->got = 0;
	int err = g->out.member(g->out.arg, what, name);
	return err == 0 && what != IMAGE_FILE ? 1 : err;
}

int image_give_bytes(struct image_giver *g, struct span bytes)
{
	g->got += bytes.len;
	g->unpacked += bytes.len;
	if (g->got > LIMIT_MEMBER_BYTES || g->unpacked > g->most) {
		return image_fail(g, ERR_LIMIT, "it unpacks to more than a disc of pictures would");
	}
	return g->out.data(g->out.arg, bytes);
}
