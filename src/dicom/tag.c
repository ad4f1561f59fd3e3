/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/tag.h"

#include <string.h>

#include "tag_table.h"

const struct tag_entry *tag_find(uint32_t tag)
{
	size_t low = 0, high = ARRAY_LEN(tag_table);
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
