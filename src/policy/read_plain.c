/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"
#include "base/limits.h"
#include "policy/values.h"
#include "policy/vocabulary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void *field_of(const struct key *k, void *base)
{
	return (uint8_t *)base + k->offset;
}

/* A number into a field of 1, 2, 4 or 8 bytes. */
static void store(const struct key *k, void *base, uint64_t v)
{
	void *field = field_of(k, base);
	uint8_t v8 = (uint8_t)v;
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;
	switch (k->size) {
	case 1:
		memcpy(field, &v8, sizeof(v8));
		break;
	case 2:
		memcpy(field, &v16, sizeof(v16));
		break;
	case 4:
		memcpy(field, &v32, sizeof(v32));
		break;
	default:
		memcpy(field, &v, sizeof(v));
		break;
	}
}

static void store_str(const struct key *k, void *base, const char *s)
{
	s = s ? s : "";
	memcpy(field_of(k, base), &s, sizeof(s));
}

const char *parse_word(struct parse *p, const struct key *k, const struct tree *v)
{
	if (v->kind != TREE_TEXT) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s takes one value, not a %s", k->name,
			p->in, v->kind == TREE_LIST ? "list" : "map");
		return NULL;
	}
	if (!v->text[0] && !v->quoted) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s has no value", k->name, p->in);
		return NULL;
	}
	return v->text;
}

int parse_items(struct parse *p, const struct key *k, const struct tree *v, struct tree *const **ret_at,
	unsigned *ret_n)
{
	if (v->kind == TREE_MAP) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s takes a list, such as [ a, b ]",
			k->name, p->in);
		return ERR_VALUE;
	}
	if (v->kind == TREE_TEXT) {
		/* One word is a list of one. Nothing at all is a mistake: it could mean anyone or no one. */
		struct tree **one = region_array(p->region, 1, sizeof(*one));
		if (!parse_word(p, k, v)) {
			return ERR_VALUE;
		}
		struct tree *copy = region_alloc(p->region, sizeof(*copy));
		if (!one || !copy) {
			return ERR_VALUE;
		}
		*copy = *v;
		one[0] = copy;
		*ret_at = one;
		*ret_n = 1;
		return 0;
	}
	for (unsigned i = 0; i < v->n; i++) {
		const struct tree *item = v->at[i];
		if (item->kind != TREE_TEXT || (!item->text[0] && !item->quoted)) {
			mistake_error(p->mistakes, item->line, item->column,
				"`%s`%s takes a list of plain words", k->name, p->in);
			return ERR_VALUE;
		}
	}
	*ret_at = v->at;
	*ret_n = v->n;
	return 0;
}

bool parse_name_ok(struct parse *p, const struct tree *t, const char *what)
{
	size_t n = strlen(t->text);
	if (n == 0 || n > 64 || t->text[0] == '-' || t->text[0] == '.' ||
		strspn(t->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != n) {
		mistake_error(p->mistakes, t->line, t->column,
			"`%.80s` is no name for a %s: use 1 to 64 letters, digits, dots, hyphens and underscores, the "
			"first no dot or hyphen",
			t->text, what);
		return false;
	}
	return true;
}

const char *parse_path(struct parse *p, const char *text)
{
	if (text[0] == '/') {
		return text;
	}
	const char *path = region_printf(p->region, "%s%s%s", p->folder, p->folder[1] ? "/" : "", text);
	return path ? path : "";
}

void read_text(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	if (s && strlen(s) > 255) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s is longer than 255 characters",
			k->name, p->in);
		return;
	}
	if (s) {
		store_str(k, base, s);
	}
}

void read_path(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	if (s && !s[0]) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s is empty; a path was expected",
			k->name, p->in);
		return;
	}
	if (s) {
		store_str(k, base, parse_path(p, s));
	}
}

void read_log_file(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	if (v->kind == TREE_TEXT && strcmp(v->text, "stderr") == 0) {
		store_str(k, base, "");
		return;
	}
	read_path(p, k, v, base);
}

void read_word(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	char all[160] = "";
	if (!s) {
		return;
	}
	struct nearest n = nearest_to(s);
	for (unsigned i = 0; k->choice[i]; i++) {
		if (k->choice[i][0] && strcmp(k->choice[i], s) == 0) {
			store(k, base, i);
			return;
		}
		nearest_offer(&n, k->choice[i]);
		size_t used = strlen(all);
		snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", k->choice[i]);
	}
	if (n.best) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s: did you mean `%s`? (one of %s)", k->name, s, p->in, n.best, all);
	} else {
		mistake_error(p->mistakes, v->line, v->column, "`%s: %.80s`%s: expected one of %s", k->name,
			s, p->in, all);
	}
}

void read_bool(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	bool b;
	if (!s) {
		return;
	}
	if (value_bool(s, &b) < 0) {
		mistake_error(p->mistakes, v->line, v->column, "`%s: %.80s`%s: expected yes or no", k->name,
			s, p->in);
		return;
	}
	store(k, base, b);
}

static bool in_range(struct parse *p, const struct key *k, const struct tree *v, uint64_t n)
{
	if (n < k->least || n > k->most) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s is out of range: %" PRIu64 " to %" PRIu64, k->name, v->text, p->in,
			k->least, k->most);
		return false;
	}
	return true;
}

void read_seconds(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	uint64_t n;
	if (!s) {
		return;
	}
	if (value_seconds(s, &n) < 0) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s is no time: expected seconds, or a number with s, m, h or d, such as 10m",
			k->name, s, p->in);
		return;
	}
	if (in_range(p, k, v, n)) {
		store(k, base, n);
	}
}

void read_count(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	uint64_t n;
	if (!s) {
		return;
	}
	if (value_number(s, UINT64_MAX, &n) < 0) {
		mistake_error(p->mistakes, v->line, v->column, "`%s: %.80s`%s: expected a number", k->name, s,
			p->in);
		return;
	}
	if (in_range(p, k, v, n)) {
		store(k, base, n);
	}
}

void read_port(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	uint64_t n;
	if (!s) {
		return;
	}
	if (value_number(s, UINT16_MAX, &n) < 0 || n == 0) {
		mistake_error(p->mistakes, v->line, v->column, "`%s: %.80s`%s is no TCP port: 1 to 65535",
			k->name, s, p->in);
		return;
	}
	store(k, base, n);
}

void read_bytes(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	uint64_t n;
	if (!s) {
		return;
	}
	if (value_bytes(s, &n) < 0) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s is no size: expected bytes, or a number with K, M, G or T, such as 50M",
			k->name, s, p->in);
		return;
	}
	if (in_range(p, k, v, n)) {
		store(k, base, n);
	}
}

void read_max_pdu(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	uint64_t n;
	if (!s) {
		return;
	}
	if (value_bytes(s, &n) < 0 || (n != 0 && (n < LIMIT_MIN_PDU || n > LIMIT_MAX_PDU))) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s: expected 0 (unlimited) or %u to %u bytes", k->name, s, p->in,
			LIMIT_MIN_PDU, LIMIT_MAX_PDU);
		return;
	}
	store(k, base,
		n & ~(uint64_t)1); /* whoever fills an odd one up sends fragments of odd length (PS3.8 E.1) */
}

void read_status(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	uint16_t n;
	if (!s) {
		return;
	}
	if (value_status(s, &n) < 0) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s is no DIMSE status: expected one such as 0xA700", k->name, s, p->in);
		return;
	}
	/* PS3.7 C: success, pending, cancel and warnings would tell the caller that the request was carried out. */
	bool failure = (n >> 12) == 0xA || (n >> 12) == 0xC ||
	               ((n >> 8) == 0x01 && n != 0x0107 && n != 0x0116) || (n >> 8) == 0x02;
	if (!failure) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s is no failure: a refused request must not look done (01xxH, 02xxH, AxxxH, CxxxH)",
			k->name, s, p->in);
		return;
	}
	store(k, base, n);
}

void read_until(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	int64_t at;
	if (!s) {
		return;
	}
	if (value_until(s, &at) < 0) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s is no date: expected YYYY-MM-DD", k->name, s, p->in);
		return;
	}
	store(k, base, (uint64_t)at);
}

/* { date: 2027-06-30, over: refuse }, or the date alone. */
void read_ending(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct ending *e = field_of(k, base);
	if (v->kind != TREE_TEXT) {
		key_defaults(p, k->inner, e);
		read_table(p, k, v, base);
		return;
	}
	const struct key date = {.in = k->inner,
		.name = k->name,
		.offset = offsetof(struct ending, until_s),
		.size = sizeof(e->until_s)};
	read_until(p, &date, v, e);
}

/* What PS3.15 has retired. Named here so that whoever asks for it is told why it is not given. */
static const struct {
	const char *word, *why;
} retired[] = {
	{"basic-tls", "B.1, retired 2018: it asks for TLS 1.0 with 3DES and NULL ciphers"},
	{"iscl", "B.2, retired 2018: ISCL is no protocol that anybody should speak today"},
	{"aes-tls", "B.3, retired 2018: it asks for TLS 1.0 with CBC ciphers and RSA key exchange"},
	{"bcp195", "B.9, retired 2022: it lets a peer negotiate down to TLS 1.0 and static RSA"},
	{"extended-bcp195", "B.11, retired 2022; `bcp195-rfc9325-modified` has taken its place"},
	{"non-downgrading-bcp195",
		"B.10, retired 2022: for a device that can do nothing better write `legacy-bcp195-non-downgrading`"},
};

void read_profile(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	for (size_t i = 0; v->kind == TREE_TEXT && i < ARRAY_LEN(retired); i++) {
		if (strcmp(v->text, retired[i].word) == 0) {
			mistake_error(p->mistakes, v->line, v->column,
				"`%s: %s`%s is not offered (PS3.15 %s)", k->name, v->text, p->in,
				retired[i].why);
			return;
		}
	}
	read_word(p, k, v, base);
}

void read_table(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	char outer[sizeof(p->in)];
	memcpy(outer, p->in, sizeof(outer));
	if (!p->in[0]) {
		snprintf(p->in, sizeof(p->in), " in %s", k->name);
	}
	key_read_map(p, k->inner, v, field_of(k, base));
	memcpy(p->in, outer, sizeof(outer));
}

void read_class_uid(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	if (s && s[0] && !word_is_uid(s)) {
		mistake_error(p->mistakes, v->line, v->column, "`%s: %.80s`%s is no UID", k->name, s, p->in);
		return;
	}
	if (s) {
		store_str(k, base, s);
	}
}

void read_version_name(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	if (s && s[0] && !value_is_ae(s)) { /* PS3.7 D.3.3.2.3: 1 to 16 characters of ISO 646 */
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s: expected 1 to 16 plain characters", k->name, s, p->in);
		return;
	}
	if (s) {
		store_str(k, base, s);
	}
}

void read_ae(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	if (s && s[0] && !value_is_ae(s)) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s is no AE title: 1 to 16 characters, no backslash", k->name, s, p->in);
		return;
	}
	if (s) {
		store_str(k, base, s);
	}
}

void read_listen_address(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	struct in6_addr ip;
	if (s && strcmp(s, "*") != 0 && value_ip(s, &ip) < 0) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s: expected an IP address of this machine, or \"*\"", k->name, s, p->in);
		return;
	}
	if (s) {
		store_str(k, base, s);
	}
}
