/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 7512 2.3: attributes of the path are parted by ';', those of the query by '&'; bytes may be %-escaped. */

static int hex(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int unescape(const char *from, size_t n, uint8_t *to, size_t cap, size_t *ret_len)
{
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)from[i];
		if (c == '%') {
			if (n - i < 3 || hex(from[i + 1]) < 0 || hex(from[i + 2]) < 0) {
				return ERR_VALUE;
			}
			c = (uint8_t)(hex(from[i + 1]) << 4 | hex(from[i + 2]));
			i += 2;
		}
		if (len == cap) {
			return ERR_LENGTH;
		}
		to[len++] = c;
	}
	*ret_len = len;
	return 0;
}

static int take_text(const char *value, size_t n, char *to, size_t cap)
{
	size_t len;
	int e = unescape(value, n, (uint8_t *)to, cap - 1, &len);
	if (e < 0) {
		return e;
	}
	to[len] = 0;
	return len == 0 || memchr(to, 0, len) ? ERR_VALUE : 0;
}

static int take_path(const char *value, size_t n, char *to, size_t cap)
{
	if (n > 5 && strncmp(value, "file:", 5) == 0) {
		value += 5;
		n -= 5;
		if (n > 2 && strncmp(value, "//", 2) == 0) {
			value += 2;
			n -= 2;
		}
	}
	int e = take_text(value, n, to, cap);
	return e == 0 && to[0] != '/' ? ERR_VALUE : e;
}

static int take_slot(const char *value, size_t n, struct token_uri *u)
{
	char text[32], *end;
	if (take_text(value, n, text, sizeof(text)) < 0 || text[0] < '0' || text[0] > '9') {
		return ERR_VALUE;
	}
	errno = 0;
	u->slot = strtoul(text, &end, 10);
	u->has_slot = true;
	return *end || errno ? ERR_VALUE : 0;
}

static int take(
	struct token_uri *u, bool query, const char *name, size_t name_len, const char *value, size_t n)
{
	const struct {
		const char *name;
		char *to;
		size_t cap;
		bool query, path;
	} texts[] = {
		{"token", u->token, sizeof(u->token), false, false},
		{"serial", u->serial, sizeof(u->serial), false, false},
		{"manufacturer", u->manufacturer, sizeof(u->manufacturer), false, false},
		{"model", u->model, sizeof(u->model), false, false},
		{"object", u->object, sizeof(u->object), false, false},
		{"module-path", u->module, sizeof(u->module), true, true},
		{"pin-source", u->pin_file, sizeof(u->pin_file), true, true},
	};
#define IS(text) (name_len == strlen(text) && memcmp(name, (text), name_len) == 0)
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i].query == query && IS(texts[i].name)) {
			if (texts[i].to[0]) {
				return ERR_DUPLICATE;
			}
			return texts[i].path ? take_path(value, n, texts[i].to, texts[i].cap)
			                     : take_text(value, n, texts[i].to, texts[i].cap);
		}
	}
	if (!query && IS("id")) {
		return u->id_len > 0 ? ERR_DUPLICATE : unescape(value, n, u->id, sizeof(u->id), &u->id_len);
	}
	if (!query && IS("slot-id")) {
		return u->has_slot ? ERR_DUPLICATE : take_slot(value, n, u);
	}
	if (!query && IS("type")) {
		u->secret = n == 10 && memcmp(value, "secret-key", 10) == 0;
		return u->secret || (n == 7 && memcmp(value, "private", 7) == 0) ? 0 : ERR_VALUE;
	}
	if (query && IS("pin-value")) {
		return ERR_DENIED;
	}
#undef IS
	/* RFC 7512 2.3: an attribute of the path that is not understood must not be passed over; of the query it may. */
	return query ? 0 : ERR_TYPE;
}

static void explain(int e, const char *name, size_t name_len, char *why, size_t cap)
{
	static const struct {
		int err;
		const char *text;
	} texts[] = {
		{ERR_DUPLICATE, "stands twice"},
		{ERR_LENGTH, "is too long"},
		{ERR_TYPE, "is no attribute that is known"},
		{ERR_DENIED,
			"would put a secret into the configuration: write it into a file, and name that with "
			"`pin-source`"},
	};
	const char *text = "has a value that cannot be used";
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		text = texts[i].err == e ? texts[i].text : text;
	}
	snprintf(why, cap, "the pkcs11: URI's `%.*s` %s", (int)(name_len < 32 ? name_len : 32), name, text);
}

static int parse_part(struct token_uri *u, bool query, const char *text, size_t len, char *why, size_t cap)
{
	char between = query ? '&' : ';';
	while (len > 0) {
		const char *end = memchr(text, between, len);
		size_t n = end ? (size_t)(end - text) : len;
		const char *is = memchr(text, '=', n);
		size_t name_len = is ? (size_t)(is - text) : n;
		int e = is ? take(u, query, text, name_len, is + 1, n - name_len - 1) : n > 0 ? ERR_VALUE : 0;
		if (e < 0) {
			explain(e, text, name_len, why, cap);
			return ERR_VALUE;
		}
		text += end ? n + 1 : n;
		len -= end ? n + 1 : n;
	}
	return 0;
}

int token_uri_parse(const char *text, struct token_uri *ret_uri, char *why, size_t cap)
{
	struct token_uri u = {0};
	why[0] = 0;
	if (strncmp(text, "pkcs11:", 7) != 0) {
		snprintf(why, cap, "it is no pkcs11: URI");
		return ERR_VALUE;
	}
	const char *path = text + 7, *query = strchr(path, '?');
	int e = parse_part(&u, false, path, query ? (size_t)(query - path) : strlen(path), why, cap);
	if (e == 0 && query) {
		e = parse_part(&u, true, query + 1, strlen(query + 1), why, cap);
	}
	if (e == 0 && !u.module[0]) {
		snprintf(why, cap,
			"the pkcs11: URI lacks `?module-path=`, the file of the token's PKCS#11 module");
		e = ERR_VALUE;
	}
	if (e == 0 && !u.object[0] && u.id_len == 0) {
		snprintf(why, cap, "the pkcs11: URI names no key: `object=` or `id=` is missing");
		e = ERR_VALUE;
	}
	if (e == 0) {
		*ret_uri = u;
	}
	return e;
}
