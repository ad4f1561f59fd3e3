/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/sign_profile.h"
#include "base/attr.h"

#include <stdbool.h>

struct profile_entry {
	uint32_t tag;
	unsigned profiles;
};

#include "signature_profile_table.h"

#define ALL (SIGNED_CREATOR | SIGNED_AUTHORIZATION | SIGNED_REPORT | SIGNED_VERIFIED_REPORT)

/* Of repeating groups the first has the entry (PS3.5 7.6). */
static uint32_t first_of(uint32_t tag)
{
	uint32_t kind = tag & 0xFF010000u;
	return kind == 0x50000000u || kind == 0x60000000u ? tag & 0xFF00FFFFu : tag;
}

static unsigned profiles_of(uint32_t tag)
{
	size_t low = 0, high = ARRAY_LEN(profile_table);
	tag = first_of(tag);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (profile_table[middle].tag == tag) {
			return profile_table[middle].profiles;
		}
		if (profile_table[middle].tag < tag) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return 0;
}

static bool has(const uint32_t *tags, size_t n, uint32_t tag)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (tags[middle] == tag) {
			return true;
		}
		if (tags[middle] < tag) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return false;
}

unsigned sign_profiles(const uint32_t *present, size_t n_present, const uint32_t *signed_tags,
	size_t n_signed, unsigned asked, uint32_t *ret_lacking)
{
	/* These are type 1 and asked for whether they are there or not: SOP Class, SOP Instance, Study and Series Instance UID. */
	static const struct profile_entry always[] = {
		{0x00080016, ALL},
		{0x00080018, SIGNED_CREATOR | SIGNED_AUTHORIZATION | SIGNED_VERIFIED_REPORT},
		{0x0020000D, ALL},
		{0x0020000E, ALL},
	};
	unsigned mask = ALL;
	uint32_t lacking = 0;
	for (unsigned i = 0; i < ARRAY_LEN(always); i++) {
		if (!has(signed_tags, n_signed, always[i].tag)) {
			mask &= ~always[i].profiles;
			lacking = lacking || !(always[i].profiles & asked) ? lacking : always[i].tag;
		}
	}
	for (size_t i = 0; i < n_present; i++) {
		unsigned by = profiles_of(present[i]);
		if (by && !has(signed_tags, n_signed, present[i])) {
			mask &= ~by;
			lacking = lacking || !(by & asked) ? lacking : present[i];
		}
	}
	*ret_lacking = lacking;
	return mask;
}
