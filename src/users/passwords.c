/* SPDX-License-Identifier: Apache-2.0 */
#include "users/users.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

/*
 * A file of users: `name:hash` or `name:hash:group,group` a line, `#` begins a comment. The hash is Argon2id's own text
 * (RFC 9106), "$argon2id$v=19$m=65536,t=3,p=1$salt$hash", of one lane: more would want threads, which the job may not start.
 */

#define PASSCODE_MOST 1024u
#define HASH_MOST     512

/* Of nobody's passcode: who asks for a name that is not there waits as long. */
static const char nobody[] =
	"$argon2id$v=19$m=65536,t=3,p=1$Z2FudHJ5LW5vYm9keQ$1JqXhd8l6Oe0mSHVKHBhQjIdbUOkj7xZYxqGgqCkkxA";

struct line {
	struct span name, hash, groups;
};

static struct span field(struct span *rest)
{
	const uint8_t *end = rest->len > 0 ? memchr(rest->ptr, ':', rest->len) : NULL;
	size_t n = end ? (size_t)(end - rest->ptr) : rest->len;
	struct span f = span_of(rest->ptr, n);
	*rest = span_of(rest->ptr + n + (end != NULL), rest->len - n - (end != NULL));
	return f;
}

/* False at the end. A line of nothing has an empty name. */
static bool next_line(struct span *file, struct line *ret)
{
	if (file->len == 0) {
		return false;
	}
	const uint8_t *end = memchr(file->ptr, '\n', file->len);
	size_t n = end ? (size_t)(end - file->ptr) : file->len;
	struct span line = span_of(file->ptr, n);
	*file = span_of(file->ptr + n + (end != NULL), file->len - n - (end != NULL));
	if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
		line.len--;
	}
	*ret = (struct line){0};
	if (line.len > 0 && line.ptr[0] != '#') {
		ret->name = field(&line);
		ret->hash = field(&line);
		ret->groups = line;
	}
	return true;
}

static bool find(struct span file, struct span name, struct line *ret)
{
	while (next_line(&file, ret)) {
		if (ret->name.len > 0 && span_eq(ret->name, name)) {
			return true;
		}
	}
	return false;
}

static bool is_hash(struct span s)
{
	static const char begins[] = "$argon2id$v=19$m=", lane[] = ",p=1$";
	return s.len > sizeof(begins) && s.len < HASH_MOST &&
	       memcmp(s.ptr, begins, sizeof(begins) - 1) == 0 && memmem(s.ptr, s.len, lane, sizeof(lane) - 1);
}

static bool matches(const char *hash, struct span passcode)
{
	return argon2id_verify(hash, passcode.ptr, passcode.len) == ARGON2_OK;
}

void users_passwords(const struct proof_request *r, struct proof *ret)
{
	struct line line;
	char hash[HASH_MOST] = "";
	bool there = find(r->files[FILE_PASSWORDS], r->primary, &line), known = there && is_hash(line.hash);
	if (known) {
		memcpy(hash, line.hash.ptr, line.hash.len);
		hash[line.hash.len] = 0;
	}
	bool right =
		r->secondary.len <= PASSCODE_MOST && matches(known ? hash : nobody, r->secondary) && known;
	OPENSSL_cleanse(hash, sizeof(hash));
	if (!right) {
		proof_refuse(ret, "its user name and passcode are not right");
		ret->unknown = !there;
		return;
	}
	*ret = (struct proof){0};
	if (!proof_set_name(ret, (const char *)line.name.ptr, line.name.len)) {
		return;
	}
	while (line.groups.len > 0) {
		const uint8_t *end = memchr(line.groups.ptr, ',', line.groups.len);
		size_t n = end ? (size_t)(end - line.groups.ptr) : line.groups.len;
		proof_add_group(ret, (const char *)line.groups.ptr, n);
		line.groups =
			span_of(line.groups.ptr + n + (end != NULL), line.groups.len - n - (end != NULL));
	}
}

int users_check_passcode(struct span file, char *why, size_t cap)
{
	const uint8_t *end = file.len > 0 ? memchr(file.ptr, '\n', file.len) : NULL;
	size_t n = end ? (size_t)(end - file.ptr) : file.len;
	/* RFC 4513 5.1.2: a bind without one succeeds, and proves nothing. */
	if (n == 0 || n > PASSCODE_MOST) {
		snprintf(why, cap, "its first line must be a passcode, of 1 to %u bytes", PASSCODE_MOST);
		return ERR_VALUE;
	}
	return 0;
}

int users_check_passwords(struct span file, char *why, size_t cap)
{
	struct line line;
	for (unsigned n = 1; next_line(&file, &line); n++) {
		if (line.name.len > 0 && !is_hash(line.hash)) {
			snprintf(why, cap,
				"line %u is none of `name:$argon2id$v=19$m=…,t=…,p=1$…:groups` (see `gantry user`)",
				n);
			return ERR_VALUE;
		}
	}
	return 0;
}
