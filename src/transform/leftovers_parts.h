/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSFORM_LEFTOVERS_PARTS_H
#define TRANSFORM_LEFTOVERS_PARTS_H

#include "transform/leftovers.h"

/* Between what is searched for (leftovers.c), what is remembered of it (leftovers_memory.c), and the search (leftovers_look.c). */

#define LEFTOVERS_BINARY_LEAST 8 /* in pixels and numbers, shorter ones are there by chance */
/* Each pattern for binary values has four bytes at a multiple of it, one of its first five. */
#define LEFTOVERS_STRIDE     4
#define LEFTOVERS_BIRTH_DATE 0x00100030u

static inline uint8_t leftovers_fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Of the first four bytes of a pattern, folded. */
static inline uint32_t leftovers_slot(const uint8_t *four)
{
	uint32_t v = (uint32_t)four[0] | (uint32_t)four[1] << 8 | (uint32_t)four[2] << 16 |
	             (uint32_t)four[3] << 24;
	return (v * 2654435761u >> 16) % LEFTOVERS_SLOTS;
}

/* The pattern is searched for in this object, as that one is. False: there are too many. */
bool leftovers_use(struct leftovers *l, struct leftover_pattern *p, const struct leftover_pattern *like);

/* All is forgotten that is not of use any more; before each object. */
void leftovers_memory_begin(struct leftovers *l, unsigned options);

/* The patterns of a value that was there before are used. False: they are to be added now. Between this and the end each use is remembered. */
bool leftovers_recall(struct leftovers *l, uint32_t tag, const char *vr, struct span value);
void leftovers_remember(
	struct leftovers *l, const struct leftover_pattern *p, const struct leftover_pattern *like);
void leftovers_recall_end(struct leftovers *l, uint32_t tag, const char *vr, struct span value);

#endif
