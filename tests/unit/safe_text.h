/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SAFE_TEXT_H
#define TESTS_SAFE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The tests' own reading of RFC 3629, by arithmetic rather than by a table: the code point at *pos, which moves on, or
 * -1 where the bytes are not well-formed.
 */
static inline int32_t safe_text_next(const uint8_t *s, size_t len, size_t *pos)
{
	static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint8_t b = s[(*pos)++];
	unsigned more = b < 0x80 ? 0 : b >> 5 == 6 ? 1 : b >> 4 == 14 ? 2 : b >> 3 == 30 ? 3 : 4;
	if (more == 4) {
		return -1;
	}
	int32_t c = more ? b & (0x3F >> more) : b;
	for (unsigned i = 0; i < more; i++) {
		if (*pos == len || s[*pos] >> 6 != 2) {
			return -1;
		}
		c = c << 6 | (s[(*pos)++] & 0x3F);
	}
	return c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? -1 : c;
}

/* What the header promises of a text; lines: TAB and LF may stand in it. *ret_replacements: U+FFFD in it. */
static inline bool safe_text(const char *text, size_t len, bool lines, unsigned *ret_replacements)
{
	size_t pos = 0;
	*ret_replacements = 0;
	while (pos < len) {
		int32_t c = safe_text_next((const uint8_t *)text, len, &pos);
		bool line = lines && (c == '\n' || c == '\t');
		if (c < 0 || (c < 0x20 && !line) || (c >= 0x7F && c < 0xA0) || (c & 0xFFFE) == 0xFFFE ||
			(c >= 0xFDD0 && c <= 0xFDEF) || c == 0x2028 || c == 0x2029) {
			return false;
		}
		*ret_replacements += c == 0xFFFD;
	}
	return true;
}

#endif
