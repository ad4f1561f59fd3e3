/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/tag.h"

#include <string.h>

/* Groups and elements that stand for many, such as 60xx: even groups alone. */
struct tag_range {
	uint16_t first_group, last_group, first_element, last_element;
	char vr[3];
};

#include "tag_table.h"

static const struct tag_entry *find_between(uint32_t tag, size_t low, size_t high)
{
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (tag_table[middle].tag == tag) {
			return &tag_table[middle];
		}
		if (tag < tag_table[middle].tag) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return NULL;
}

const struct tag_entry *tag_find(uint32_t tag)
{
	return find_between(tag, 0, ARRAY_LEN(tag_table));
}

/* By steps that double, from where the last lookup ended. */
static const struct tag_entry *find_after(uint32_t tag, uint32_t *hint)
{
	size_t low = *hint, step = 4;
	if (low >= ARRAY_LEN(tag_table) || tag < tag_table[low].tag) {
		low = 0;
		step = 64;
	}
	while (step < ARRAY_LEN(tag_table) - low && tag_table[low + step].tag <= tag) {
		low += step;
		step *= 2;
	}
	size_t high = step < ARRAY_LEN(tag_table) - low ? low + step : ARRAY_LEN(tag_table);
	const struct tag_entry *e = find_between(tag, low, high);
	*hint = e ? (uint32_t)(e - tag_table) : *hint;
	return e;
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

const char *tag_implied_vr(uint32_t tag, uint32_t *hint)
{
	uint16_t group = (uint16_t)(tag >> 16), element = (uint16_t)tag;
	if (element == 0) {
		return "UL"; /* PS3.5 7.2: group length */
	}
	if (group % 2 == 1) {
		return element >= 0x10 && element <= 0xFF ? "LO" : "UN"; /* PS3.5 7.8.1: private creator */
	}
	const struct tag_entry *e = find_after(tag, hint);
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
