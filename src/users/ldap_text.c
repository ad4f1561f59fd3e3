/* SPDX-License-Identifier: Apache-2.0 */
#include "users/ldap_text.h"
#include "base/writer.h"

#include <string.h>

static bool is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static void put_value(struct writer *w, struct span value)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.ptr[i];
		if (is_plain(c)) {
			writer_u8(w, c);
		} else {
			writer_u8(w, '\\');
			writer_u8(w, (uint8_t)digits[c >> 4]);
			writer_u8(w, (uint8_t)digits[c & 15]);
		}
	}
}

int ldap_text(const char *template, struct span user, struct span dn, char *ret, size_t cap)
{
	struct writer w = writer_of(ret, cap);
	while (*template) {
		if (strncmp(template, "{user}", 6) == 0) {
			put_value(&w, user);
			template += 6;
		} else if (strncmp(template, "{dn}", 4) == 0) {
			put_value(&w, dn);
			template += 4;
		} else {
			writer_u8(&w, (uint8_t) * template ++);
		}
	}
	writer_u8(&w, 0);
	return writer_end(&w);
}
