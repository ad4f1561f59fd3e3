/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/blind.h"
#include "base/hmac.h"
#include "base/writer.h"

#include <arpa/inet.h>

/* ---- Letters ---- */

static unsigned small_ascii(unsigned c)
{
	return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
}

/*
 * Capital letters whose small ones stand at a fixed distance, or next to them (step 2: each odd, or each even, one).
 * Of Unicode's simple case folding (CaseFolding.txt, C and S) for these blocks, whose UTF-8 has two bytes; the folded
 * ones have two as well.
 */
static const struct {
	uint16_t first, last;
	uint8_t step;
	int16_t by;
} capitals[] = {
	{0x00c0, 0x00d6, 1, 32},
	{0x00d8, 0x00de, 1, 32},
	{0x0100, 0x012e, 2, 1},
	{0x0132, 0x0136, 2, 1},
	{0x0139, 0x0147, 2, 1},
	{0x014a, 0x0176, 2, 1},
	{0x0178, 0x0178, 1, 0x00ff - 0x0178},
	{0x0179, 0x017d, 2, 1},
	{0x0386, 0x0386, 1, 38},
	{0x0388, 0x038a, 1, 37},
	{0x038c, 0x038c, 1, 64},
	{0x038e, 0x038f, 1, 63},
	{0x0391, 0x03a1, 1, 32},
	{0x03a3, 0x03ab, 1, 32},
	{0x03c2, 0x03c2, 1, 1}, /* the sigma at a word's end */
	{0x0400, 0x040f, 1, 80},
	{0x0410, 0x042f, 1, 32},
	{0x0460, 0x0480, 2, 1},
};

static unsigned small_letter(unsigned c)
{
	for (unsigned i = 0; i < ARRAY_LEN(capitals); i++) {
		if (c >= capitals[i].first && c <= capitals[i].last &&
			(c - capitals[i].first) % capitals[i].step == 0) {
			return (unsigned)((int)c + capitals[i].by);
		}
	}
	return c;
}

/* Bytes that are not UTF-8 stay. Returns how many were taken. */
static size_t fold(struct span s, struct writer *w)
{
	if (s.len >= 2 && (s.ptr[0] & 0xe0) == 0xc0 && (s.ptr[1] & 0xc0) == 0x80) {
		unsigned c = small_letter((s.ptr[0] & 0x1fu) << 6 | (s.ptr[1] & 0x3fu));
		writer_u8(w, (uint8_t)(0xc0 | c >> 6));
		writer_u8(w, (uint8_t)(0x80 | (c & 0x3f)));
		return 2;
	}
	writer_u8(w, (uint8_t)small_ascii(s.ptr[0]));
	return 1;
}

/* ---- Kinds ---- */

static struct span trim(struct span s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == 0)) {
		s = span_of(s.ptr + 1, s.len - 1);
	}
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == 0)) {
		s.len--;
	}
	return s;
}

/* Up to `end`, which is not part of it; *s is what comes after. */
static struct span cut_at(struct span *s, uint8_t end)
{
	const uint8_t *at = s->len > 0 ? memchr(s->ptr, end, s->len) : NULL;
	struct span part = at ? span_of(s->ptr, (size_t)(at - s->ptr)) : *s;
	*s = at ? span_of(at + 1, s->len - part.len - 1) : span_of(NULL, 0);
	return part;
}

static void write_id(struct span text, struct span second, struct writer *w)
{
	writer_span(w, trim(text));
}

static void write_id_of_issuer(struct span text, struct span second, struct writer *w)
{
	text = trim(text);
	second = trim(second);
	if (text.len > 0 && second.len > 0) {
		writer_span(w, text);
		writer_u8(w, '\\');
		writer_span(w, second);
	}
}

static void write_component(struct span part, struct writer *w)
{
	bool space = false;
	for (part = trim(part); part.len > 0;) {
		size_t n = 1;
		bool now = part.ptr[0] == ' ';
		if (!now) {
			n = fold(part, w);
		} else if (!space) {
			writer_u8(w, ' ');
		}
		space = now;
		part = span_of(part.ptr + n, part.len - n);
	}
}

/* Directories compare names so (RFC 4518 2.6.1), and people type them so. */
static void write_user(struct span text, struct span second, struct writer *w)
{
	write_component(text, w);
}

static bool says_nothing(struct span group)
{
	for (size_t i = 0; i < group.len; i++) {
		if (group.ptr[i] != ' ' && group.ptr[i] != '^' && group.ptr[i] != 0) {
			return false;
		}
	}
	return true;
}

unsigned blind_name_groups(struct span name, struct span ret_groups[BLIND_GROUPS])
{
	unsigned n = 0;
	while (name.len > 0 && n < BLIND_GROUPS) {
		struct span group = cut_at(&name, '=');
		if (!says_nothing(group)) {
			ret_groups[n++] = group;
		}
	}
	return n;
}

static void write_name(struct span text, struct span second, struct writer *w)
{
	struct span groups[BLIND_GROUPS];
	struct span group = blind_name_groups(text, groups) > 0 ? groups[0] : span_of(NULL, 0);
	size_t end = 0;
	while (group.len > 0) {
		write_component(cut_at(&group, '^'), w);
		end = w->len > 0 && w->ptr[w->len - 1] != '^' ? w->len : end;
		writer_u8(w, '^');
	}
	w->len = end;
}

static void write_address(struct span text, struct span second, struct writer *w)
{
	char at[INET6_ADDRSTRLEN + 1] = "", to[INET6_ADDRSTRLEN];
	struct in6_addr ip;
	text = trim(text);
	if (text.len > 0 && text.len < sizeof(at)) {
		memcpy(at, text.ptr, text.len);
	}
	if (inet_pton(AF_INET6, at, &ip) == 1) {
		bool four = IN6_IS_ADDR_V4MAPPED(&ip);
		(void)inet_ntop(four ? AF_INET : AF_INET6, ip.s6_addr + (four ? 12 : 0), to, sizeof(to));
		writer_span(w, span_str(to));
		return;
	}
	for (size_t i = 0; i < text.len; i++) {
		writer_u8(w, (uint8_t)small_ascii(text.ptr[i]));
	}
}

static const struct {
	const char *name;
	void (*write)(struct span text, struct span second, struct writer *w);
} kinds[BLIND_KIND_COUNT] = {
	[BLIND_PATIENT] = {"patient", write_id},
	[BLIND_PATIENT_OF_ISSUER] = {"patient-of-issuer", write_id_of_issuer},
	[BLIND_ACCESSION] = {"accession", write_id},
	[BLIND_STUDY] = {"study", write_id},
	[BLIND_USER] = {"user", write_user},
	[BLIND_NAME] = {"name", write_name},
	[BLIND_NODE] = {"node", write_id},
	[BLIND_ADDRESS] = {"address", write_address},
};

const char *blind_kind_name(enum blind_kind kind)
{
	return kind > 0 && kind < BLIND_KIND_COUNT ? kinds[kind].name : "unknown";
}

int blind_value(enum blind_kind kind, struct span text, struct span second, uint8_t value[BLIND_VALUE_MOST],
	size_t *ret_len)
{
	if (kind <= 0 || kind >= BLIND_KIND_COUNT) {
		return ERR_TYPE;
	}
	/* Nothing grows but a pair, by its backslash. */
	size_t most = kind == BLIND_PATIENT_OF_ISSUER ? (BLIND_VALUE_MOST - 1) / 2 : BLIND_VALUE_MOST - 1;
	struct writer w = writer_of(value, BLIND_VALUE_MOST);
	text.len = text.len < most ? text.len : most;
	second.len = second.len < most ? second.len : most;
	kinds[kind].write(text, second, &w);
	if (w.len == 0) {
		return ERR_MISSING;
	}
	*ret_len = w.len;
	return 0;
}

int blind_token(
	const uint8_t key[BLIND_KEY], enum blind_kind kind, struct span value, uint8_t ret_token[BLIND_TOKEN])
{
	const uint8_t first = (uint8_t)kind;
	uint8_t mac[HMAC_LEN];
	if (kind <= 0 || kind >= BLIND_KIND_COUNT || value.len > BLIND_VALUE_MOST) {
		return ERR_TYPE;
	}
	int e = hmac_sha256(key, span_of(&first, 1), value, mac);
	if (e == 0) {
		memcpy(ret_token, mac, BLIND_TOKEN);
	}
	return e;
}
