/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/xml_parts.h"

#include <stdlib.h>
#include <string.h>

/* Parts of messages that come again and again: xml_kept() in audit/xml_parts.h. */

#define PLACES    128 /* a power of two */
#define PART_MOST 4096

static struct part {
	size_t key_len, len;
	uint8_t bytes[]; /* the key, and what was written */
} * parts[PLACES];

void xml_key_begin(struct kept *k, char what)
{
	k->key = writer_of(k->bytes, sizeof(k->bytes));
	writer_u8(&k->key, (uint8_t)what);
}

void xml_key_text(struct kept *k, const char *text)
{
	size_t n = text ? strlen(text) : 0;
	writer_u16be(&k->key, (uint16_t)n);
	writer_bytes(&k->key, text, n);
}

/* Who finds two keys with one place has both written again each time. */
static struct part **place_of(struct span key)
{
	uint64_t h = 0, v;
	for (size_t i = 0; i < key.len; i += sizeof(v)) {
		v = 0;
		memcpy(&v, key.ptr + i, key.len - i < sizeof(v) ? key.len - i : sizeof(v));
		h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return &parts[h % PLACES];
}

static void put(struct out *o, const uint8_t *bytes, size_t len)
{
	if (xmlTextWriterWriteRawLen(o->w, bytes, (int)len) < 0 && o->err == 0) {
		o->err = ERR_NO_MEMORY;
	}
}

/* All that was written is in the sink. */
static void flush(struct out *o)
{
	if (xmlTextWriterFlush(o->w) < 0 && o->err == 0) {
		o->err = ERR_NO_MEMORY;
	}
}

bool xml_kept(struct out *o, struct kept *k)
{
	struct span key = writer_span_of(&k->key);
	const struct part *p = writer_end(&k->key) == 0 ? *place_of(key) : NULL;
	if (p && p->key_len == key.len && memcmp(p->bytes, key.ptr, key.len) == 0) {
		put(o, p->bytes + key.len, p->len);
		return true;
	}
	put(o, (const uint8_t *)"", 0); /* what is owed to the element around it is not part of it */
	flush(o);
	k->from = o->sink->len;
	return false;
}

void xml_keep(struct out *o, const struct kept *k)
{
	struct span key = writer_span_of(&k->key);
	flush(o);
	size_t len = o->sink->len - k->from;
	if (o->err != 0 || writer_end(&k->key) != 0 || o->sink->len > o->sink->cap || len > PART_MOST) {
		return;
	}
	struct part *p = malloc(sizeof(*p) + key.len + len);
	if (!p) {
		return;
	}
	p->key_len = key.len;
	p->len = len;
	memcpy(p->bytes, key.ptr, key.len);
	memcpy(p->bytes + key.len, o->sink->buf + k->from, len);
	struct part **at = place_of(key);
	free(*at);
	*at = p;
}
