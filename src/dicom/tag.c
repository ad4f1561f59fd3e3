/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/tag.h"

#include <string.h>

/* Groups and elements that stand for many, such as 60xx: even groups alone. */
struct tag_range {
	uint16_t first_group, last_group, first_element, last_element;
	char vr[3];
};

#include "tag_table.h"

/* The table is too large for caches: here two places of it are looked at, and a dozen where it is halved again and again. */
const struct tag_entry *tag_find(uint32_t tag)
{
	uint32_t slot = tag * 2654435761u >> (32 - TAG_SLOT_BITS);
	while (tag_slots[slot] != 0) {
		const struct tag_entry *e = &tag_table[tag_slots[slot] - 1];
		if (e->tag == tag) {
			return e;
		}
		slot = (slot + 1) % ARRAY_LEN(tag_slots);
	}
	return NULL;
}

static const char *vr_of_range(uint16_t group, uint16_t element)
{
	for (size_t i = 0; i < ARRAY_LEN(tag_ranges); i++) {
		const struct tag_range *r = &tag_ranges[i];
		if (group >= r->first_group && group <= r->last_group && element >= r->first_element &&
			element <= r->last_element) {
			return r->vr;
		}
	}
	return "UN";
}

const char *tag_implied_vr(uint32_t tag)
{
	uint16_t group = (uint16_t)(tag >> 16), element = (uint16_t)tag;
	if (element == 0) {
		return "UL"; /* PS3.5 7.2: group length */
	}
	if (group % 2 == 1) {
		return element >= 0x10 && element <= 0xFF ? "LO" : "UN"; /* PS3.5 7.8.1: private creator */
	}
	const struct tag_entry *e = tag_find(tag);
	if (e) {
		return e->vr[0] ? e->vr : "UN";
	}
	return vr_of_range(group, element);
}

int tag_by_keyword(const char *keyword, uint32_t *ret_tag)
{
	size_t low = 0, high = ARRAY_LEN(tag_keywords);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct tag_entry *e = &tag_table[tag_keywords[middle]];
		int order = strcmp(keyword, e->keyword);
		if (order == 0) {
			*ret_tag = e->tag;
			return 0;
		}
		if (order < 0) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return ERR_NOT_FOUND;
}

const char *tag_keyword(uint32_t tag)
{
	const struct tag_entry *e = tag_find(tag);
	return e ? e->keyword : "";
}

const struct tag_entry *tag_entries(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(tag_table);
	return tag_table;
}
