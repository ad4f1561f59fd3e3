/* SPDX-License-Identifier: Apache-2.0 */
#include "users/keytab.h"
#include "users/users.h"

#include <stdio.h>
#include <string.h>

#define VERSION_2 0x0502

static int counted(struct reader *r, struct span *ret)
{
	uint16_t n;
	int e = reader_u16be(r, &n);
	return e == 0 ? reader_bytes(r, n, ret) : e;
}

int keytab_begin(struct span file, struct reader *ret_reader)
{
	struct reader r = reader_of(file);
	uint16_t version;
	if (reader_u16be(&r, &version) < 0 || version != VERSION_2) {
		return ERR_TYPE;
	}
	*ret_reader = r;
	return 0;
}

static int read_entry(struct reader *r, struct keytab_entry *e)
{
	uint16_t n = 0;
	uint32_t kind, stamp, version = 0;
	uint8_t short_version;
	int err = reader_u16be(r, &n);
	if (err == 0 && (n == 0 || n > KEYTAB_PARTS)) {
		return ERR_LIMIT;
	}
	err = err == 0 ? counted(r, &e->realm) : err;
	for (unsigned i = 0; err == 0 && i < n; i++) {
		err = counted(r, &e->part[i]);
	}
	e->n_parts = n;
	err = err == 0 ? reader_u32be(r, &kind) : err;
	err = err == 0 ? reader_u32be(r, &stamp) : err;
	err = err == 0 ? reader_u8(r, &short_version) : err;
	err = err == 0 ? reader_u16be(r, &e->kind) : err;
	err = err == 0 ? counted(r, &e->key) : err;
	if (err != 0) {
		return err;
	}
	e->version = short_version;
	/* What follows is a longer version, if it is not 0; later writers may put more there. */
	if (reader_u32be(r, &version) == 0 && version != 0) {
		e->version = version;
	}
	return 0;
}

int keytab_next(struct reader *r, struct keytab_entry *ret_entry)
{
	struct keytab_entry e = {0};
	struct reader entry;
	uint32_t size;
	while (reader_left(r) > 0) {
		int err = reader_u32be(r, &size);
		if (err == 0 && size == 0) {
			break;
		}
		/* Negative: a hole that an entry has left. */
		bool hole = err == 0 && size > INT32_MAX;
		err = err == 0 ? reader_child(r, hole ? 0u - size : size, &entry) : err;
		err = err == 0 && !hole ? read_entry(&entry, &e) : err;
		if (err != 0) {
			return err;
		}
		if (!hole) {
			*ret_entry = e;
			return 0;
		}
	}
	return ERR_NOT_FOUND;
}

static bool skip(const char **text, struct span s, char after)
{
	if (s.len > strlen(*text) || (s.len > 0 && memcmp(*text, s.ptr, s.len) != 0) ||
		(*text)[s.len] != after) {
		return false;
	}
	*text += s.len + (after != 0);
	return true;
}

bool keytab_is(const struct keytab_entry *e, const char *principal)
{
	for (unsigned i = 0; i < e->n_parts; i++) {
		if (!skip(&principal, e->part[i], i + 1 < e->n_parts ? '/' : '@')) {
			return false;
		}
	}
	return e->n_parts > 0 && skip(&principal, e->realm, 0);
}

bool keytab_is_strong(const struct keytab_entry *e)
{
	return e->kind >= 17 && e->kind <= 20;
}

int users_check_keytab(struct span file, const char *principal, char *why, size_t cap)
{
	struct reader r;
	struct keytab_entry e;
	bool there = false;
	int err = keytab_begin(file, &r);
	if (err != 0) {
		snprintf(why, cap, "is no keytab");
		return ERR_VALUE;
	}
	while ((err = keytab_next(&r, &e)) == 0) {
		bool is = keytab_is(&e, principal);
		if (is && keytab_is_strong(&e)) {
			return 0;
		}
		there = there || is;
	}
	if (err != ERR_NOT_FOUND) {
		snprintf(why, cap, "is damaged");
	} else {
		snprintf(why, cap, "has no key for %.120s%s", principal,
			there ? " that is AES; others are not taken" : "");
	}
	return ERR_VALUE;
}
