/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_IMAGE_GIVE_H
#define CLI_IMAGE_GIVE_H

#include "cli/image_read.h"

#include <stdbool.h>

/* What readers of images have in common: the bounds of what they give on, and sentences. For their modules, each of which has its own. */
struct image_giver {
	struct image_output out;
	uint64_t got, unpacked, most; /* bytes of this member; of all; and that there may be */
	size_t members;
	char *why;
	size_t cap;
};

void image_giver_begin(
	struct image_giver *g, uint64_t size, const struct image_output *out, char *why, size_t cap);

/* Its sentence; NULL: it is damaged. err, again. */
int image_fail(struct image_giver *g, int err, const char *why);

/* Whatever a system would take for a way out. */
bool image_leads_out(const char *name);

/* One more member, or folder. ERR_LIMIT: there are more than an image may have. */
MUST_USE int image_count(struct image_giver *g);

/* 1: no bytes of it; 0; an error. */
MUST_USE int image_give_member(struct image_giver *g, enum image_what what, const char *name);

/* 1: no more bytes of it; 0; an error, ERR_LIMIT among them. */
MUST_USE int image_give_bytes(struct image_giver *g, struct span bytes);

#endif
