/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify_changes.h"

#include "base/attr.h"

#include <string.h>

/* What survey.c finds beside the pixels, and the transfer syntax. */
static const uint32_t tags[] = {0x00020010, 0x00181063, 0x00280004, 0x00280006, 0x00280008, 0x00280009,
	0x00280034, 0x00280301, 0x00280302, 0x00282110, 0x00282112, 0x00282114, 0x00880200, 0x7FE00001,
	0x7FE00002, 0x7FE00003};

_Static_assert(ARRAY_LEN(tags) == DEIDENTIFY_CHANGES, "one for each");

void deidentify_changes_begin(struct deidentify_changes *c)
{
	memset(c, 0, sizeof(*c));
	c->now = -1;
}

/* FNV-1a: nobody gains anything by two values that seem to be the same. */
static uint64_t add(uint64_t hash, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		hash = (hash ^ bytes.ptr[i]) * 0x100000001B3u;
	}
	return hash;
}

static int place_of(const struct dataset *d)
{
	int found = -1;
	for (size_t i = 0; d->depth == 0 && found < 0 && i < ARRAY_LEN(tags); i++) {
		found = tags[i] == d->tag ? (int)i : -1;
	}
	return found;
}

void deidentify_changes_event(struct deidentify_changes *c, struct dataset *d, int event, bool copy)
{
	if (event == DATASET_VALUE && c->now >= 0) {
		uint64_t *hash = &c->of[c->now].hash[copy];
		*hash = add(*hash, d->value);
		return;
	}
	if (event != DATASET_ELEMENT && event != DATASET_SEQUENCE) {
		c->now = event == DATASET_VALUE ? c->now : -1;
		return;
	}
	int at = place_of(d);
	c->now = event == DATASET_ELEMENT ? at : -1;
	if (at >= 0) {
		struct deidentify_change *of = &c->of[at];
		*(copy ? &of->is : &of->was) = true;
		of->hash[copy] = 0xCBF29CE484222325u;
	}
	if (c->now >= 0) {
		dataset_pieces(d);
	}
}

void deidentify_changes_tell(const struct deidentify_changes *c,
	void (*done)(void *arg, uint32_t tag, enum deidentify_done what), void *arg)
{
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		const struct deidentify_change *of = &c->of[i];
		if (of->was && !of->is) {
			done(arg, tags[i], DONE_REMOVED);
		} else if (of->was && of->hash[0] != of->hash[1]) {
			done(arg, tags[i], DONE_REPLACED);
		} else if (of->is && !of->was) {
			done(arg, tags[i], DONE_ADDED);
		}
	}
}
