/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/leftovers.h"

#include "dicom/uid.h"
#include "dicom/vr.h"

#define WHOLE_BELOW  8
#define BINARY_LEAST 8
#define FORM_MOST    (2 * LEFTOVERS_LONG)
#define DIGITS_LEAST 6 /* a shorter number is anywhere */

static_assert(FORM_MOST <= UINT8_MAX, "a pattern's length");

static uint8_t fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool is_word(uint8_t c)
{
	c = fold(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

static uint32_t slot_of(const uint8_t *four)
{
	uint32_t v = (uint32_t)four[0] | (uint32_t)four[1] << 8 | (uint32_t)four[2] << 16 |
	             (uint32_t)four[3] << 24;
	return v * 2654435761u >> 16;
}

void leftovers_begin(struct leftovers *l)
{
	memset(l, 0, sizeof(*l));
}

/* ---- What is searched for ---- */

static bool is_there(const struct leftovers *l, const uint8_t *folded, size_t n)
{
	for (uint32_t i = l->slots[slot_of(folded)]; i != 0; i = l->patterns[i - 1].next) {
		const struct leftover_pattern *p = &l->patterns[i - 1];
		if (p->len == n && memcmp(l->bytes + p->at, folded, n) == 0) {
			return true;
		}
	}
	return false;
}

static void add_form(struct leftovers *l, const struct leftover_pattern *like, const uint8_t *bytes, size_t n)
{
	uint8_t folded[FORM_MOST];
	n = n < FORM_MOST ? n : FORM_MOST;
	for (size_t i = 0; i < n; i++) {
		folded[i] = fold(bytes[i]);
	}
	if (n < LEFTOVERS_LEAST || is_there(l, folded, n)) {
		return;
	}
	if (l->n_patterns == LEFTOVERS_MOST || n > sizeof(l->bytes) - l->n_bytes) {
		l->full = true;
		return;
	}
	uint32_t *slot = &l->slots[slot_of(folded)];
	memcpy(l->bytes + l->n_bytes, folded, n);
	struct leftover_pattern *p = &l->patterns[l->n_patterns++];
	*p = *like;
	p->at = l->n_bytes;
	p->next = *slot;
	p->len = (uint8_t)n;
	*slot = l->n_patterns;
	l->n_bytes += (uint32_t)n;
}

/* The middle of what Base64 makes of it, where the bytes before it are 0, 1 or 2 more than a multiple of three. */
static void add_base64(struct leftovers *l, const struct leftover_pattern *like, struct span value)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t skip = 0; skip < 3; skip++) {
		uint8_t form[FORM_MOST];
		size_t n = 0;
		for (size_t at = skip; at + 3 <= value.len && n + 4 <= sizeof(form); at += 3) {
			uint32_t v = (uint32_t)value.ptr[at] << 16 | (uint32_t)value.ptr[at + 1] << 8 |
			             value.ptr[at + 2];
			for (int shift = 18; shift >= 0; shift -= 6) {
				form[n++] = (uint8_t)letters[v >> shift & 63];
			}
		}
		if (n >= BINARY_LEAST) {
			add_form(l, like, form, n);
		}
	}
}

static bool is_grave(uint32_t tag, const char *vr)
{
	return memcmp(vr, "PN", 2) == 0 || memcmp(vr, "UI", 2) == 0 || memcmp(vr, "DA", 2) == 0 ||
	       memcmp(vr, "DT", 2) == 0 || tag >> 16 == 0x0010 || tag >> 16 == 0x0038 || tag == 0x00080050;
}

static bool is_short_number(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9') {
			return false;
		}
	}
	return value.len < DIGITS_LEAST;
}

static void add_value(struct leftovers *l, uint32_t tag, const char *vr, struct span value)
{
	struct leftover_pattern like = {.tag = tag, .grave = is_grave(tag, vr)}, exact;
	uint8_t wide[2 * LEFTOVERS_LONG];
	while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == 0)) {
		value.len--;
	}
	while (value.len > 0 && value.ptr[0] == ' ') {
		value = span_of(value.ptr + 1, value.len - 1);
	}
	if (value.len < LEFTOVERS_LEAST || is_short_number(value) || value_is_clean(value, NULL)) {
		return;
	}
	value.len = value.len < LEFTOVERS_LONG ? value.len : LEFTOVERS_LONG;
	exact = like;
	exact.whole = value.len < WHOLE_BELOW;
	exact.uid = memcmp(vr, "UI", 2) == 0;
	add_form(l, &exact, value.ptr, value.len);
	for (size_t i = 0; i < value.len; i++) {
		wide[2 * i] = value.ptr[i];
		wide[2 * i + 1] = 0;
	}
	add_form(l, &like, wide, 2 * value.len - 1); /* of both byte orders the same */
	add_base64(l, &like, value);
}

/* Values, and the parts of names, lie between these. */
static void add_parts(
	struct leftovers *l, uint32_t tag, const char *vr, struct span value, const char *between)
{
	size_t from = 0;
	for (size_t at = 0; at <= value.len; at++) {
		if (at < value.len && (value.ptr[at] == 0 || !strchr(between, value.ptr[at]))) {
			continue;
		}
		add_value(l, tag, vr, span_of(value.ptr + from, at - from));
		from = at + 1;
	}
}

/* Code Value, Coding Scheme Designator, Version and UID, Code Meaning (PS3.3 8.8): words of a vocabulary. */
static bool is_code(uint32_t tag)
{
	return (tag >= 0x00080100 && tag <= 0x00080104) || tag == 0x0008010C;
}

void leftovers_add(struct leftovers *l, uint32_t tag, const char *vr, struct span value)
{
	if (is_code(tag)) {
		return;
	}
	if (memcmp(vr, "PN", 2) == 0) {
		add_parts(l, tag, vr, value, "\\^= ,");
	} else if (memcmp(vr, "UI", 2) == 0) {
		struct span uid = uid_trim(value);
		if (!uid_find(uid) && uid.len >= 8) {
			add_value(l, tag, vr, uid);
		}
	} else if (memcmp(vr, "LT", 2) == 0 || memcmp(vr, "ST", 2) == 0 || memcmp(vr, "UT", 2) == 0) {
		add_parts(l, tag, vr, value, "\r\n");
	} else if (memcmp(vr, "LO", 2) == 0 || memcmp(vr, "SH", 2) == 0 || memcmp(vr, "UC", 2) == 0 ||
		   memcmp(vr, "AE", 2) == 0 || memcmp(vr, "DA", 2) == 0 || memcmp(vr, "UR", 2) == 0) {
		add_parts(l, tag, vr, value, "\\");
	} else if (memcmp(vr, "DT", 2) == 0 && value.len >= 14) {
		add_value(l, tag, vr, span_of(value.ptr, 14));
	}
}

/* ---- The search ---- */

/* What is beside it says that it is part of another word, or of another UID. */
static bool is_of_more(const struct leftover_pattern *p, const uint8_t *bytes, size_t at, size_t n)
{
	size_t end = at + p->len;
	bool before = at > 0 && (is_word(bytes[at - 1]) || (p->uid && bytes[at - 1] == '.'));
	bool after = end < n && (is_word(bytes[end]) || (p->uid && bytes[end] == '.'));
	return (p->whole || p->uid) && (before || after);
}

/* What is left first, but a grave one before others. */
static void tell(struct leftovers *l, const struct leftover_pattern *p)
{
	bool grave = p->grave && l->here != 0x00080070 && l->here != 0x00081090;
	if (!l->found || grave) {
		l->found = true;
		l->grave = grave;
		l->of = p->tag;
		l->in = l->here;
	}
}

static void look_at(struct leftovers *l, const uint8_t *folded, size_t at, size_t n)
{
	for (uint32_t i = l->slots[slot_of(folded + at)]; i != 0; i = l->patterns[i - 1].next) {
		const struct leftover_pattern *p = &l->patterns[i - 1];
		if (p->len <= n - at && (!l->binary || p->len >= BINARY_LEAST) &&
			memcmp(l->bytes + p->at, folded + at, p->len) == 0 && !is_of_more(p, folded, at, n)) {
			tell(l, p);
		}
	}
}

static void look(struct leftovers *l, const uint8_t *bytes, size_t n)
{
	uint8_t folded[4096 + sizeof(l->carry)];
	while (n > 0 && !l->grave) {
		size_t take = n < 4096 ? n : 4096, len = l->n_carry + take;
		memcpy(folded, l->carry, l->n_carry);
		for (size_t i = 0; i < take; i++) {
			folded[l->n_carry + i] = fold(bytes[i]);
		}
		for (size_t at = 0; at + 4 <= len && !l->grave; at++) {
			if (l->slots[slot_of(folded + at)] != 0) {
				look_at(l, folded, at, len);
			}
		}
		l->n_carry = (unsigned)(len < sizeof(l->carry) ? len : sizeof(l->carry));
		memcpy(l->carry, folded + len - l->n_carry, l->n_carry);
		bytes += take;
		n -= take;
	}
}

void leftovers_event(struct leftovers *l, struct dataset *d, int event)
{
	bool begins = event == DATASET_ELEMENT || event == DATASET_FRAGMENT;
	if (begins) {
		static const char binary[][3] = {"OB", "OD", "OF", "OL", "OV", "OW", "UN", "FD", "FL", "SL",
			"SS", "SV", "UL", "US", "UV", "AT"};
		l->n_carry = 0;
		l->binary = event == DATASET_FRAGMENT;
		for (unsigned i = 0; i < sizeof(binary) / sizeof(binary[0]); i++) {
			l->binary = l->binary || memcmp(binary[i], d->vr, 2) == 0;
		}
		l->here = d->tag;
		if (!l->grave) {
			dataset_pieces(d);
		}
	} else if (event == DATASET_VALUE && !l->grave) {
		look(l, d->value.ptr, d->value.len);
	}
}
