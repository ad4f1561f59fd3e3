/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/marks.h"

#include "inspect/check.h"

#include "inspect_mark_table.h"

static_assert(CHECK_N <= UINT8_MAX, "struct mark has it in a byte");
static_assert(ARRAY_LEN(mark_next) < (size_t)UINT16_MAX * MARK_CLASSES, "a state is 16 bits");

static bool begins_mark(uint8_t a, uint8_t b)
{
	return mark_pairs[(unsigned)a << 3 | b >> 5] >> (b & 31) & 1;
}

/* At the start, bytes with which no mark begins lead nowhere. */
static size_t skip(struct span bytes, size_t i)
{
	while (i + 1 < bytes.len && !begins_mark(bytes.ptr[i], bytes.ptr[i + 1])) {
		i++;
	}
	return i;
}

bool marks_follows(const struct mark *m, unsigned number, uint8_t byte)
{
	const uint8_t *range = &mark_then_bytes[2 * (m->then + number)];
	return byte >= range[0] && byte <= range[1];
}

size_t marks_find(uint16_t *state, unsigned where, struct span bytes, const struct mark **ret_mark)
{
	unsigned s = *state;
	for (size_t i = 0; i < bytes.len; i++) {
		i = s == 0 ? skip(bytes, i) : i;
		s = mark_next[s * MARK_CLASSES + mark_classes[bytes.ptr[i]]];
		if (s < MARK_FIRST_END) {
			continue;
		}
		for (unsigned m = mark_ends[s - MARK_FIRST_END]; m < mark_ends[s - MARK_FIRST_END + 1]; m++) {
			if (mark_table[m].where & where) {
				*state = (uint16_t)s;
				*ret_mark = &mark_table[m];
				return i + 1;
			}
		}
	}
	*state = (uint16_t)s;
	*ret_mark = NULL;
	return bytes.len;
}
