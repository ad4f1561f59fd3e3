/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"
#include "policy/values.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* `users: ldap, kerberos, saml`: what they are asked with, and what must hold between their keys. */

static void store(const struct key *k, void *base, const char *s)
{
	memcpy((uint8_t *)base + k->offset, &s, sizeof(s));
}

static void wrong(struct parse *p, const struct key *k, const struct tree *v, const char *why)
{
	mistake_error(p->mistakes, v->line, v->column, "`%s: %.120s`%s %s", k->name, v->text, p->in, why);
}

/* A path of percent-encoded bytes, as of ldapi. */
static bool is_encoded_path(const char *s)
{
	for (; *s; s++) {
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			s += 2;
		} else if (!isalnum((unsigned char)*s) && !strchr("._-~", *s)) {
			return false;
		}
	}
	return true;
}

static bool is_server(const char *s)
{
	char host[256], with_port[300];
	uint16_t port;
	size_t n = strlen(s);
	if (n == 0 || n > 255) {
		return false;
	}
	bool bare = s[n - 1] == ']' || !strchr(s, ':');
	memcpy(with_port, s, n);
	memcpy(with_port + n, bare ? ":389" : "", bare ? 5 : 1);
	return value_host_port(with_port, host, sizeof(host), &port) == 0;
}

void read_ldap_url(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	static const char *const schemes[] = {"ldaps://", "ldap://", "ldapi://"};
	const char *s = parse_word(p, k, v);
	for (unsigned i = 0; s && i < ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i]);
		if (strncmp(s, schemes[i], n) == 0 &&
			(i == 2 ? s[n] && strlen(s) < 256 && is_encoded_path(s + n) : is_server(s + n))) {
			store(k, base, s);
			return;
		}
	}
	if (s) {
		wrong(p, k, v,
			"is none of ldaps://host, ldap://host and ldapi://path (with %2F for a slash), a port "
			"apart");
	}
}

/* Placeholders are {user} and, where `dn`, {dn}; at least one of them, and nothing else in braces. */
static bool has_place(const char *s, bool dn)
{
	bool found = false;
	while ((s = strpbrk(s, "{}"))) {
		size_t n = strncmp(s, "{user}", 6) == 0 ? 6 : dn && strncmp(s, "{dn}", 4) == 0 ? 4 : 0;
		if (n == 0) {
			return false;
		}
		found = true;
		s += n;
	}
	return found;
}

void read_user_dn(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	if (!s) {
		return;
	}
	if (s[0] && (!has_place(s, false) || !strchr(s, '=') || strlen(s) > 255)) {
		wrong(p, k, v,
			"is no distinguished name with {user} in it, such as uid={user},ou=people,dc=example");
		return;
	}
	store(k, base, s);
}

/* RFC 4515 3, as far as its parentheses: what follows the filter, NULL: it is none. */
#define FILTER_DEPTH 8
static const char *after_filter(const char *s, unsigned depth)
{
	if (*s != '(' || depth == 0) {
		return NULL;
	}
	s++;
	if (*s == '!') {
		s = after_filter(s + 1, depth - 1);
		return s && *s == ')' ? s + 1 : NULL;
	}
	if (*s == '&' || *s == '|') {
		s++;
		do {
			s = after_filter(s, depth - 1);
		} while (s && *s == '(');
		return s && *s == ')' ? s + 1 : NULL;
	}
	size_t n = strcspn(s, "()");
	const char *equals = memchr(s, '=', n);
	return equals && equals != s && s[n] == ')' ? s + n + 1 : NULL;
}

void read_user_filter(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	if (!s) {
		return;
	}
	const char *end = s[0] ? after_filter(s, FILTER_DEPTH) : s;
	if (!end || *end || strlen(s) > 255) {
		wrong(p, k, v, "is no filter (RFC 4515), such as (uid={user})");
		return;
	}
	if (s[0] && !has_place(s, k->in == IN_LDAP_GROUPS)) {
		wrong(p, k, v,
			k->in == IN_LDAP_GROUPS
				? "says nothing of the user: it needs {user} or {dn}, and no other braces"
				: "says nothing of the user: it needs {user}, and no other braces");
		return;
	}
	store(k, base, s);
}

void read_principal(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	const char *at = s ? strchr(s, '@') : NULL;
	if (!s) {
		return;
	}
	/* Without escapes, so that a name has one spelling. */
	if (!at || at == s || !at[1] || strchr(at + 1, '@') || strpbrk(s, "\\ ") || strlen(s) > 255 ||
		strstr(s, "//") || s[0] == '/' || at[-1] == '/') {
		wrong(p, k, v,
			"is no principal with its realm, such as dicom/gw.hospital.example@HOSPITAL.EXAMPLE");
		return;
	}
	store(k, base, s);
}

/* ---- Between the keys ---- */

static bool is_set(const char *s)
{
	return s && s[0];
}

bool parse_can_prove(const struct users *u)
{
	return is_set(u->passwords.path) || is_set(u->jwt_keys.path) || is_set(u->ldap.url) ||
	       is_set(u->kerberos.principal) || is_set(u->saml.certificates.path) ||
	       u->certificate != USER_OF_NO_CERTIFICATE;
}

static void check_transport(struct parse *p, const struct user_ldap *l, const struct tree *at)
{
	const struct tree *url = tree_get(at, "url");
	bool plain = l->transport == TRANSPORT_PLAIN;
	if (strncmp(l->url, "ldaps:", 6) == 0 && plain) {
		mistake_error(p->mistakes, url->line, url->column,
			"`users: ldap:` is `transport: plain`, and its address is ldaps://: write one or the other");
	} else if (strncmp(l->url, "ldapi:", 6) == 0 && !plain) {
		mistake_error(p->mistakes, url->line, url->column,
			"`users: ldap:` has an address of ldapi://, a socket that has no TLS: write `transport: plain` if "
			"that is meant");
	} else if (plain) {
		mistake_warning(p->mistakes, url->line, url->column,
			"`users: ldap:` is `transport: plain`: every passcode crosses to the server readable by anyone on "
			"the way");
	} else if (!is_set(l->trust.path) && p->site->n_trust == 0) {
		mistake_error(p->mistakes, url->line, url->column,
			"`users: ldap:` uses TLS, but neither its `trust` nor `tls: trust:` names an authority to verify "
			"the server by");
	}
}

static void check_ldap(struct parse *p, const struct user_ldap *l, const struct tree *at)
{
	const struct tree *search = tree_get(at, "search"), *groups = tree_get(at, "groups");
	if (is_set(l->dn) == (search != NULL)) {
		mistake_error(p->mistakes, at->line, at->column, "`users: ldap:` needs %s",
			search ? "`dn` or `search`, and has both"
			       : "`dn` or `search`, to know whose passcode it is");
	}
	if (search && is_set(l->as) != is_set(l->passcode.path)) {
		mistake_error(p->mistakes, search->line, search->column, "`users: ldap: search:` has %s",
			is_set(l->as) ? "`as`, and no `passcode` of it" : "a `passcode`, and no `as`");
	}
	if (groups && !is_set(l->group_attribute) && !is_set(l->group_filter)) {
		mistake_error(p->mistakes, groups->line, groups->column,
			"`users: ldap: groups:` names neither an `attribute` nor a `filter`");
	}
	if (groups && is_set(l->group_filter) && !is_set(l->group_base)) {
		mistake_error(p->mistakes, groups->line, groups->column,
			"`users: ldap: groups:` has a `filter`, and no `base` to search below");
	}
	if (is_set(l->url)) {
		check_transport(p, l, at);
	}
}

void parse_check_users(struct parse *p)
{
	const struct tree *users = tree_get(p->top, "users");
	const struct tree *ldap = users && users->kind == TREE_MAP ? tree_get(users, "ldap") : NULL;
	if (ldap && ldap->kind == TREE_MAP) {
		check_ldap(p, &p->site->users.ldap, ldap);
	}
}
