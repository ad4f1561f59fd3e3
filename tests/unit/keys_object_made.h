/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_KEYS_OBJECT_MADE_H
#define TESTS_KEYS_OBJECT_MADE_H

#include "base/writer.h"

#include <string.h>

/* Files that are signed, element by element. */
#define FILE_MOST (256u * 1024)

static inline void element(
	struct writer *w, uint16_t group, uint16_t number, const char *vr, const void *value, size_t len)
{
	bool is_long = strstr("OB OW SQ UN UT", vr) != NULL;
	writer_u16le(w, group);
	writer_u16le(w, number);
	writer_bytes(w, vr, 2);
	if (is_long) {
		writer_u16le(w, 0);
		writer_u32le(w, (uint32_t)len);
	} else {
		writer_u16le(w, (uint16_t)len);
	}
	writer_bytes(w, value, len);
}

static inline void item(struct writer *w, uint16_t number, const void *value, size_t len)
{
	writer_u16le(w, 0xFFFE);
	writer_u16le(w, number);
	writer_u32le(w, (uint32_t)len);
	writer_bytes(w, value, len);
}

static inline void begin(struct writer *w, const char *syntax)
{
	writer_fill(w, 0, 128);
	writer_bytes(w, "DICM", 4);
	element(w, 2, 0x10, "UI", syntax, strlen(syntax) + 1); /* with its NUL */
}

static inline void put_implied(
	struct writer *w, uint16_t group, uint16_t number, const void *value, size_t len)
{
	writer_u16le(w, group);
	writer_u16le(w, number);
	writer_u32le(w, (uint32_t)len);
	writer_bytes(w, value, len);
}

#endif
