/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/uid.h"

#include "uid_table.h"

static int compare(struct span a, const char *b)
{
	size_t n = strlen(b), least = a.len < n ? a.len : n;
	int order = least ? memcmp(a.ptr, b, least) : 0;
	return order != 0 ? order : (a.len > n) - (a.len < n);
}

const struct uid_entry *uid_find(struct span uid)
{
	size_t low = 0, high = ARRAY_LEN(uid_table);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(uid, uid_table[middle].uid);
		if (order == 0) {
			return &uid_table[middle];
		}
		if (order < 0) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return NULL;
}

const struct uid_entry *uid_by_keyword(const char *keyword)
{
	size_t low = 0, high = ARRAY_LEN(uid_keywords);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct uid_entry *e = &uid_table[uid_keywords[middle]];
		int order = strcmp(keyword, e->keyword);
		if (order == 0) {
			return e;
		}
		if (order < 0) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return NULL;
}

const char *uid_name(struct span uid)
{
	const struct uid_entry *e = uid_find(uid);
	return e ? e->name : "";
}

const struct uid_entry *uid_entries(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(uid_table);
	return uid_table;
}

bool uid_valid(struct span uid)
{
	if (uid.len == 0 || uid.len > UID_MAX) {
		return false;
	}
	size_t at = 0;
	for (;;) {
		size_t from = at;
		while (at < uid.len && (uint8_t)(uid.ptr[at] - '0') <= 9) {
			at++;
		}
		/* A component that begins with a zero is that alone. */
		if (at == from || (uid.ptr[from] == '0' && at > from + 1)) {
			return false;
		}
		if (at == uid.len) {
			return true;
		}
		if (uid.ptr[at++] != '.') {
			return false;
		}
	}
}

struct span uid_trim(struct span uid)
{
	if (uid.len > 0 && uid.ptr[uid.len - 1] == 0) {
		uid.len--;
		return uid;
	}
	while (uid.len > 0 && uid.ptr[uid.len - 1] == ' ') {
		uid.len--;
	}
	return uid;
}
