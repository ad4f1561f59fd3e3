/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event.h"
#include "audit/event_parts.h"

#include <string.h>

/* Texts of events: UTF-8 without control characters. */

/* The length of the character at the beginning, which is not empty; 0: none that may stand in a text. */
static size_t character(struct span s)
{
	/* RFC 3629 4: lead bytes, how many follow, and which second bytes are not overlong, surrogates or too great. */
	static const struct {
		uint8_t first, last, more, low, high;
	} leads[] = {{0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf}, {0xe1, 0xec, 2, 0x80, 0xbf},
		{0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf}, {0xf0, 0xf0, 3, 0x90, 0xbf},
		{0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f}};
	const uint8_t *p = s.ptr;
	if (p[0] < 0x80) {
		return p[0] >= 0x20 && p[0] != 0x7f;
	}
	for (unsigned i = 0; i < ARRAY_LEN(leads); i++) {
		if (p[0] < leads[i].first || p[0] > leads[i].last) {
			continue;
		}
		size_t n = leads[i].more + 1u;
		if (s.len < n || p[1] < leads[i].low || p[1] > leads[i].high) {
			return 0;
		}
		for (size_t k = 2; k < n; k++) {
			if ((p[k] & 0xc0) != 0x80) {
				return 0;
			}
		}
		/* C1 controls; and U+FFFE and U+FFFF, which XML 1.0 has no way to write. */
		bool banned = (p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe);
		return banned ? 0 : n;
	}
	return 0;
}

/* Each of the eight bytes from the space to the tilde. */
static bool are_plain(const uint8_t *at)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t v;
	memcpy(&v, at, sizeof(v));
	/* The highest bits: of what is none of ASCII, of what is no control character, of DEL. */
	return ((v | ~(v + 0x60 * each) | (v + each)) & 0x80 * each) == 0;
}

/* So many bytes at the beginning are characters by themselves. Most texts are nothing else, and each is looked at often. */
static size_t plain(struct span s)
{
	size_t n = 0;
	while (s.len - n >= 8 && are_plain(s.ptr + n)) {
		n += 8;
	}
	while (n < s.len && s.ptr[n] >= 0x20 && s.ptr[n] < 0x7f) {
		n++;
	}
	return n;
}

bool event_is_text(struct span s)
{
	size_t n = plain(s);
	while (n < s.len) {
		s = span_of(s.ptr + n, s.len - n);
		n = character(s);
		if (n == 0) {
			return false;
		}
		n += plain(span_of(s.ptr + n, s.len - n));
	}
	return true;
}

int audit_text_check(const char *text, size_t cap)
{
	size_t n = strnlen(text, cap);
	return n < cap && event_is_text(span_of(text, n)) ? 0 : ERR_VALUE;
}

void audit_text_set(char *to, size_t cap, struct span bytes)
{
	static const char instead[] = "\xef\xbf\xbd"; /* U+FFFD */
	size_t len = 0;
	while (bytes.len > 0 && bytes.ptr[0] == ' ') {
		bytes = span_of(bytes.ptr + 1, bytes.len - 1);
	}
	while (bytes.len > 0) {
		size_t n = plain(bytes), room = cap - 1 - len;
		struct span c = span_of(bytes.ptr, n < room ? n : room);
		if (n == 0) {
			n = character(bytes);
			c = n > 0 ? span_of(bytes.ptr, n) : span_of(instead, sizeof(instead) - 1);
			n = n > 0 ? n : 1;
		}
		if (c.len == 0 || c.len > room) {
			break;
		}
		memcpy(to + len, c.ptr, c.len);
		len += c.len;
		bytes = span_of(bytes.ptr + n, bytes.len - n);
	}
	while (len > 0 && to[len - 1] == ' ') {
		len--;
	}
	to[len] = '\0';
}
