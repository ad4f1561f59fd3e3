/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_UID_H
#define DICOM_UID_H

#include "base/attr.h"
#include "base/span.h"

/* The standard's own UIDs (PS3.6 Annex A), from data/uids.tsv. */
enum uid_kind {
	UID_TRANSFER_SYNTAX,
	UID_SOP_CLASS,
	UID_META_SOP_CLASS,
	UID_WELL_KNOWN_INSTANCE,
	UID_APPLICATION_CONTEXT,
	UID_OTHER,
};

struct uid_entry {
	const char *uid, *name, *keyword; /* keyword is "" where the standard has none */
	enum uid_kind kind;
	bool retired;
};

/* PS3.5 9.1: at most this many characters. */
#define UID_MAX 64

/* NULL for a UID that is not the standard's. Static storage. */
const struct uid_entry *uid_find(struct span uid);

/* "CTImageStorage"; with case. NULL: none. */
const struct uid_entry *uid_by_keyword(const char *keyword);

/* The name, or "". Static storage. */
const char *uid_name(struct span uid);

/* All of them, ordered by UID. Static storage. */
const struct uid_entry *uid_entries(size_t *ret_n);

/* PS3.5 9.1 grammar: 1 to 64 characters, digits and single dots, no component empty or with a leading zero. */
bool uid_valid(struct span uid);

/*
 * Without its padding: one trailing NUL (PS3.5 9.1), or trailing spaces, which old devices write. What is left may
 * still be no UID. Borrows what uid borrows.
 */
struct span uid_trim(struct span uid);

/* As text: its first UID_MAX characters. */
static inline void uid_copy(char to[UID_MAX + 1], struct span uid)
{
	size_t n = uid.len < UID_MAX ? uid.len : UID_MAX;
	if (n > 0) {
		memcpy(to, uid.ptr, n);
	}
	to[n] = '\0';
}

#endif
