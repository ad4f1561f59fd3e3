/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_TAG_H
#define DICOM_TAG_H

#include "base/attr.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* The data dictionary (PS3.6 chapters 6 to 8), from data/dictionary.tsv, without its repeating groups. */
struct tag_entry {
	uint32_t tag; /* group << 16 | element */
	const char *keyword, *name;
	char vr[3]; /* the first where several are possible ("US" of "US or SS"); "" for items and delimiters */
};

/* NULL: not the standard's. Static storage. */
const struct tag_entry *tag_find(uint32_t tag);

/*
 * The VR that a tag has in implicit VR (PS3.5 A.1), repeating groups, group lengths and private creators included; "UN"
 * where the standard says none. Never NULL, static storage.
 */
const char *tag_implied_vr(uint32_t tag);

/* "PatientID", with case. ERR_NOT_FOUND. */
MUST_USE int tag_by_keyword(const char *keyword, uint32_t *ret_tag);

/* The keyword, or "". Static storage. */
const char *tag_keyword(uint32_t tag);

/* All of them, ordered by tag. Static storage. */
const struct tag_entry *tag_entries(size_t *ret_n);

#endif
