/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/leftovers_parts.h"

#define VALUE_MOST 256 /* bytes; longer ones are rare, and not remembered */

static_assert(LEFTOVERS_USES <= UINT16_MAX && LEFTOVERS_VALUE_ROOM <= UINT16_MAX + 1, "places of 16 bits");
static_assert(2 * LEFTOVERS_MOST + LEFTOVERS_STALE <= UINT16_MAX, "patterns of 16 bits");

static void forget_values(struct leftovers *l)
{
	struct leftovers_memory *m = &l->memory;
	m->n_values = m->n_uses = m->n_bytes = 0;
	memset(m->slots, 0, sizeof(m->slots));
}

void leftovers_memory_begin(struct leftovers *l, unsigned options)
{
	const struct leftovers_memory *m = &l->memory;
	bool values = l->options != options || m->n_values > LEFTOVERS_VALUES / 2 ||
	              m->n_uses > LEFTOVERS_USES / 2 || m->n_bytes > LEFTOVERS_VALUE_ROOM / 2;
	bool patterns = l->n_patterns - l->n_searched > LEFTOVERS_STALE ||
	                l->n_bytes - l->bytes_searched > LEFTOVERS_STALE_ROOM || l->object == UINT32_MAX;
	if (patterns) {
		memset(l->slots, 0, sizeof(l->slots));
		memset(&l->any, 0, sizeof(l->any));
		memset(&l->binary, 0, sizeof(l->binary));
		l->n_patterns = l->n_bytes = l->object = 0;
	}
	if (patterns || values) {
		forget_values(l);
	}
	l->n_searched = l->bytes_searched = 0;
	l->object++;
}

bool leftovers_use(struct leftovers *l, struct leftover_pattern *p, const struct leftover_pattern *like)
{
	if (p->object == l->object) {
		if (like->grave && !p->grave) {
			p->grave = true;
			p->tag = like->tag;
		}
		return true;
	}
	if (l->n_searched == LEFTOVERS_MOST || p->len > LEFTOVERS_ROOM - l->bytes_searched) {
		l->full = true;
		return false;
	}
	l->n_searched++;
	l->bytes_searched += p->len;
	p->object = l->object;
	p->tag = like->tag;
	p->whole = like->whole;
	p->uid = like->uid;
	p->grave = like->grave;
	p->date = like->date;
	return true;
}

/* ---- Values ---- */

static uint16_t *slot_of(struct leftovers *l, uint32_t tag, const char *vr, struct span value)
{
	uint32_t h = tag ^ (uint32_t)(uint8_t)vr[0] << 8 ^ (uint8_t)vr[1];
	for (size_t i = 0; i < value.len; i++) {
		h = (h ^ value.ptr[i]) * 16777619u;
	}
	h ^= h >> 16;
	return &l->memory.slots[h % (2 * LEFTOVERS_VALUES)];
}

/* Their patterns are of what they were in that character set. */
static void is_of_charset(struct leftovers *l)
{
	struct leftovers_memory *m = &l->memory;
	bool same = m->charset_len == l->charset_len && m->charset_len <= sizeof(m->charset) &&
	            memcmp(m->charset, l->charset_text, m->charset_len) == 0;
	if (!same) {
		forget_values(l);
		memcpy(m->charset, l->charset_text, sizeof(m->charset));
		m->charset_len = l->charset_len;
	}
}

static const struct leftover_value *find(
	const struct leftovers *l, uint16_t slot, uint32_t tag, const char *vr, struct span value)
{
	const struct leftovers_memory *m = &l->memory;
	for (; slot != 0; slot = m->values[slot - 1].next) {
		const struct leftover_value *v = &m->values[slot - 1];
		if (v->tag == tag && v->len == value.len && memcmp(v->vr, vr, 2) == 0 &&
			memcmp(m->bytes + v->at, value.ptr, value.len) == 0) {
			return v;
		}
	}
	return NULL;
}

bool leftovers_recall(struct leftovers *l, uint32_t tag, const char *vr, struct span value)
{
	struct leftovers_memory *m = &l->memory;
	bool fits = value.len > 0 && value.len <= VALUE_MOST;
	is_of_charset(l);
	const struct leftover_value *v = fits ? find(l, *slot_of(l, tag, vr, value), tag, vr, value) : NULL;
	m->began = m->n_uses;
	m->adding =
		!v && fits && m->n_values < LEFTOVERS_VALUES && value.len < LEFTOVERS_VALUE_ROOM - m->n_bytes;
	for (unsigned i = 0; v && i < v->n; i++) {
		const struct leftover_use *u = &m->uses[v->first + i];
		const struct leftover_pattern like = {
			.tag = tag, .whole = u->whole, .uid = u->uid, .grave = u->grave, .date = u->date};
		(void)leftovers_use(l, &l->patterns[u->pattern], &like);
	}
	return v != NULL;
}

void leftovers_remember(
	struct leftovers *l, const struct leftover_pattern *p, const struct leftover_pattern *like)
{
	struct leftovers_memory *m = &l->memory;
	if (m->n_uses == LEFTOVERS_USES) {
		m->adding = false;
	}
	if (m->adding) {
		m->uses[m->n_uses++] = (struct leftover_use){
			(uint16_t)(p - l->patterns), like->whole, like->uid, like->grave, like->date};
	}
}

void leftovers_recall_end(struct leftovers *l, uint32_t tag, const char *vr, struct span value)
{
	struct leftovers_memory *m = &l->memory;
	if (!m->adding || l->full) { /* not all of it may have been added */
		m->n_uses = m->began;
		return;
	}
	uint16_t *slot = slot_of(l, tag, vr, value);
	memcpy(m->bytes + m->n_bytes, value.ptr, value.len);
	m->values[m->n_values++] = (struct leftover_value){.tag = tag,
		.vr = {vr[0], vr[1]},
		.at = (uint16_t)m->n_bytes,
		.len = (uint16_t)value.len,
		.next = *slot,
		.first = (uint16_t)m->began,
		.n = (uint16_t)(m->n_uses - m->began)};
	*slot = (uint16_t)m->n_values;
	m->n_bytes += (unsigned)value.len;
}
