/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "users/ldap_text.h"
#include "users/users.h"

#include <fcntl.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

/*
 * A user name and passcode shown to an LDAP server: a simple bind (RFC 4513 5.1.3) as the user's entry, which is a
 * template's or is searched for. In a module of its own, and in a process that ends with the answer: nothing is freed.
 */

#define NAME_MOST     255
#define PASSCODE_MOST 1024
#define DN_MOST       1024
#define FILTER_MOST   2048

static const char not_right[] = "its user name and passcode are not right";

struct talk {
	const struct proof_request *r;
	const struct user_ldap *c;
	LDAP *ld;
	int64_t deadline_ms;
	char dn[DN_MOST], name[256];
	struct proof *ret;
};

/* ---- What is left of the time ---- */

static struct timeval time_left(const struct talk *t)
{
	int64_t ms = t->deadline_ms - clock_mono_ms();
	ms = ms < 1 ? 1 : ms;
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static void set_times(struct talk *t)
{
	struct timeval left = time_left(t);
	(void)ldap_set_option(t->ld, LDAP_OPT_NETWORK_TIMEOUT, &left);
	(void)ldap_set_option(t->ld, LDAP_OPT_TIMEOUT, &left);
}

/* ---- Failures, each with its sentence ---- */

static void refuse(struct talk *t, const char *why)
{
	proof_refuse(t->ret, why);
}

/* What the server did instead of answering. */
static void refuse_server(struct talk *t, const char *doing, int e)
{
	char why[256];
	if (e == LDAP_SERVER_DOWN || e == LDAP_TIMEOUT || e == LDAP_CONNECT_ERROR || e == LDAP_UNAVAILABLE ||
		e == LDAP_BUSY || e == LDAP_TIMELIMIT_EXCEEDED) {
		snprintf(why, sizeof(why), "the LDAP server (%.100s) did not answer, %s", t->c->url, doing);
	} else if (e == LDAP_REFERRAL) {
		snprintf(why, sizeof(why),
			"the LDAP server (%.100s) refers to another one, which is not followed", t->c->url);
	} else {
		snprintf(why, sizeof(why), "the LDAP server (%.100s) refused, %s: %.80s", t->c->url, doing,
			ldap_err2string(e));
	}
	refuse(t, why);
}

static void refuse_tls(struct talk *t, int e)
{
	char why[256], *diagnostic = NULL;
	(void)ldap_get_option(t->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &diagnostic);
	if (e == LDAP_SERVER_DOWN && !diagnostic) {
		refuse_server(t, "when TLS was to begin", e);
		return;
	}
	snprintf(why, sizeof(why), "TLS with the LDAP server (%.80s) failed: %.120s", t->c->url,
		diagnostic ? diagnostic : ldap_err2string(e));
	refuse(t, why);
}

/* ---- The connection ---- */

/* The library wants a file of authorities: it gets one in memory. */
static int trust_file(const struct talk *t, char path[64])
{
	const struct proof_request *r = t->r;
	struct span own = r->files[FILE_LDAP_TRUST];
	int fd = memfd_create("trust", MFD_CLOEXEC);
	bool good = fd >= 0;
	for (unsigned i = 0; good && own.len == 0 && i < r->n_trust; i++) {
		struct span pem = r->trust[i].bytes;
		good = write(fd, pem.ptr, pem.len) == (ssize_t)pem.len && write(fd, "\n", 1) == 1;
	}
	good = good && (own.len == 0 || write(fd, own.ptr, own.len) == (ssize_t)own.len);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return good ? 0 : ERR_SYSTEM;
}

static bool set_tls(struct talk *t)
{
	const int demand = LDAP_OPT_X_TLS_DEMAND, least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, client = 0;
	char path[64], *package = NULL;
	/* GnuTLS, which Debian's library has, does not look at the least version: its own words say it. */
	if (ldap_get_option(NULL, LDAP_OPT_X_TLS_PACKAGE, &package) == LDAP_OPT_SUCCESS && package &&
		strcmp(package, "GnuTLS") == 0 &&
		ldap_set_option(t->ld, LDAP_OPT_X_TLS_CIPHER_SUITE,
			"SECURE128:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3") != LDAP_OPT_SUCCESS) {
		return false;
	}
	return trust_file(t, path) == 0 &&
	       ldap_set_option(t->ld, LDAP_OPT_X_TLS_CACERTFILE, path) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(t->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(t->ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(t->ld, LDAP_OPT_X_TLS_NEWCTX, &client) == LDAP_OPT_SUCCESS;
}

/* True: it is there, and by TLS where it is to be. */
static bool begin(struct talk *t)
{
	const int version = LDAP_VERSION3;
	bool tls = t->c->transport == TRANSPORT_TLS;
	int e = ldap_initialize(&t->ld, t->c->url);
	if (e != LDAP_SUCCESS) {
		refuse_server(t, "because its address cannot be used", e);
		return false;
	}
	set_times(t);
	if (ldap_set_option(t->ld, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_OPT_SUCCESS ||
		ldap_set_option(t->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_OPT_SUCCESS ||
		ldap_set_option(t->ld, LDAP_OPT_RESTART, LDAP_OPT_ON) != LDAP_OPT_SUCCESS ||
		(tls && !set_tls(t))) {
		refuse(t, "the gateway's LDAP library could not be set up");
		return false;
	}
	if (tls && strncmp(t->c->url, "ldap:", 5) == 0) {
		e = ldap_start_tls_s(t->ld, NULL, NULL);
	} else {
		e = ldap_connect(t->ld);
	}
	if (e != LDAP_SUCCESS && tls) {
		refuse_tls(t, e);
	} else if (e != LDAP_SUCCESS) {
		refuse_server(t, "when it was called", e);
	}
	return e == LDAP_SUCCESS;
}

static int bind_as(struct talk *t, const char *dn, struct span passcode)
{
	struct berval secret = {.bv_len = passcode.len, .bv_val = (char *)(uintptr_t)passcode.ptr};
	set_times(t);
	return ldap_sasl_bind_s(t->ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

/* ---- Entries ---- */

static int search(struct talk *t, const char *base, int scope, const char *filter, char **attributes,
	int most, LDAPMessage **ret)
{
	struct timeval left = time_left(t);
	set_times(t);
	return ldap_search_ext_s(t->ld, base, scope, filter, attributes, 0, NULL, NULL, &left, most, ret);
}

/* The user's entry, by the search. True: there is one, and t->dn is its name. */
static bool find_entry(struct talk *t)
{
	const struct user_ldap *c = t->c;
	char filter[FILTER_MOST], *none[] = {LDAP_NO_ATTRS, NULL};
	LDAPMessage *found = NULL;
	const uint8_t *end = NULL;
	struct span passcode = t->r->files[FILE_LDAP_PASSCODE];
	if (c->as[0]) {
		end = passcode.len > 0 ? memchr(passcode.ptr, '\n', passcode.len) : NULL;
		passcode.len = end ? (size_t)(end - passcode.ptr) : passcode.len;
		int e = passcode.len > 0 ? bind_as(t, c->as, passcode) : LDAP_INAPPROPRIATE_AUTH;
		if (e != LDAP_SUCCESS) {
			refuse_server(t, "when the gateway showed its own passcode", e);
			return false;
		}
	}
	if (ldap_text(c->filter, t->r->primary, span_of(NULL, 0), filter, sizeof(filter)) != 0) {
		refuse(t, not_right);
		return false;
	}
	int e = search(t, c->base, LDAP_SCOPE_SUBTREE, filter, none, 2, &found);
	int n = found ? ldap_count_entries(t->ld, found) : 0;
	if (e != LDAP_SUCCESS && e != LDAP_SIZELIMIT_EXCEEDED && e != LDAP_NO_SUCH_OBJECT) {
		refuse_server(t, "when the user was looked for", e);
		return false;
	}
	char *dn = n == 1 ? ldap_get_dn(t->ld, ldap_first_entry(t->ld, found)) : NULL;
	/* A bind without a name is anonymous, and succeeds. */
	if (!dn || !dn[0] || strlen(dn) >= sizeof(t->dn)) {
		refuse(t, n > 1 ? "the LDAP server has more than one entry for its user name" : not_right);
		return false;
	}
	memcpy(t->dn, dn, strlen(dn) + 1);
	return true;
}

static bool make_dn(struct talk *t)
{
	if (!t->c->dn[0]) {
		return find_entry(t);
	}
	if (ldap_text(t->c->dn, t->r->primary, span_of(NULL, 0), t->dn, sizeof(t->dn)) != 0) {
		refuse(t, not_right);
		return false;
	}
	return true;
}

/* ---- Names and groups ---- */

/* The first value of a distinguished name that stands right below `base`, whose parts are compared without case. */
static char *name_below(const char *text, const char *base)
{
	LDAPDN dn = NULL, above = NULL;
	char *one = NULL, *two = NULL, *name = NULL;
	if (ldap_str2dn(text, &dn, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS && dn && dn[0] && dn[0][0] &&
		!dn[0][1] && ldap_str2dn(base, &above, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS &&
		ldap_dn2str(dn + 1, &one, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS &&
		ldap_dn2str(above, &two, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS &&
		strcasecmp(one, two) == 0) {
		const struct berval *v = &dn[0][0]->la_value;
		name = memchr(v->bv_val, 0, v->bv_len) ? NULL : strndup(v->bv_val, v->bv_len);
	}
	ldap_dnfree(dn);
	ldap_dnfree(above);
	ldap_memfree(one);
	ldap_memfree(two);
	return name;
}

static void add_group(struct talk *t, const struct berval *v, bool may_be_dn)
{
	const char *base = t->c->group_base;
	char *text = strndup(v->bv_val, v->bv_len);
	char *below = text && may_be_dn && base[0] ? name_below(text, base) : NULL;
	const char *name = may_be_dn && base[0] ? below : text;
	if (name && !memchr(v->bv_val, 0, v->bv_len)) {
		proof_add_group(t->ret, name, strlen(name));
	}
	free(below);
	free(text);
}

static void add_groups(struct talk *t, LDAPMessage *entry, const char *attribute, bool may_be_dn)
{
	struct berval **values = ldap_get_values_len(t->ld, entry, attribute);
	for (int i = 0; values && values[i]; i++) {
		add_group(t, values[i], may_be_dn);
	}
	ldap_value_free_len(values);
}

/* From the user's own entry. False: it was to be read and was not. */
static bool read_entry(struct talk *t)
{
	const struct user_ldap *c = t->c;
	char *wanted[] = {(char *)(uintptr_t)c->name, (char *)(uintptr_t)c->group_attribute, NULL};
	char **attributes = c->name[0] ? wanted : wanted + 1;
	LDAPMessage *found = NULL;
	if (!c->name[0] && !c->group_attribute[0]) {
		return true;
	}
	wanted[1] = c->group_attribute[0] ? wanted[1] : NULL;
	int e = search(t, t->dn, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 1, &found);
	LDAPMessage *entry = e == LDAP_SUCCESS ? ldap_first_entry(t->ld, found) : NULL;
	if (!entry) {
		refuse_server(t, "when the user's entry was read",
			e == LDAP_SUCCESS ? LDAP_INSUFFICIENT_ACCESS : e);
		return false;
	}
	if (c->group_attribute[0]) {
		add_groups(t, entry, c->group_attribute, true);
	}
	struct berval **values = c->name[0] ? ldap_get_values_len(t->ld, entry, c->name) : NULL;
	bool one = values && ldap_count_values_len(values) == 1 && values[0]->bv_len < sizeof(t->name) &&
	           !memchr(values[0]->bv_val, 0, values[0]->bv_len);
	if (c->name[0] && !one) {
		refuse(t, "its entry on the LDAP server has not one name (`user`)");
		return false;
	}
	if (one) {
		memcpy(t->name, values[0]->bv_val, values[0]->bv_len);
		t->name[values[0]->bv_len] = 0;
	}
	return true;
}

static bool search_groups(struct talk *t)
{
	const struct user_ldap *c = t->c;
	char filter[FILTER_MOST], *attributes[] = {(char *)(uintptr_t)c->group_name, NULL};
	LDAPMessage *found = NULL;
	if (!c->group_filter[0]) {
		return true;
	}
	if (ldap_text(c->group_filter, t->r->primary, span_str(t->dn), filter, sizeof(filter)) != 0) {
		refuse(t, "its name is too long to look for its groups");
		return false;
	}
	int e = search(t, c->group_base, LDAP_SCOPE_ONELEVEL, filter, attributes, 0, &found);
	if (e != LDAP_SUCCESS) {
		refuse_server(t, "when the user's groups were looked for", e);
		return false;
	}
	for (LDAPMessage *m = ldap_first_entry(t->ld, found); m; m = ldap_next_entry(t->ld, m)) {
		add_groups(t, m, c->group_name, false);
	}
	return true;
}

/* ---- All of it ---- */

static bool bind_user(struct talk *t)
{
	int e = bind_as(t, t->dn, t->r->secondary);
	if (e == LDAP_INVALID_CREDENTIALS || e == LDAP_NO_SUCH_OBJECT || e == LDAP_INVALID_DN_SYNTAX ||
		e == LDAP_INAPPROPRIATE_AUTH) {
		refuse(t, not_right);
	} else if (e != LDAP_SUCCESS) {
		refuse_server(t, "when the user's passcode was shown to it", e);
	}
	return e == LDAP_SUCCESS;
}

void users_ldap(const struct proof_request *r, struct proof *ret)
{
	static struct talk t;
	static struct proof groups;
	t = (struct talk){.r = r, .c = &r->config->ldap, .ret = ret};
	t.deadline_ms = clock_mono_ms() + (int64_t)t.c->timeout_s * 1000;
	/* RFC 4513 5.1.2: a bind with a name and no passcode is anonymous, and succeeds. */
	if (r->primary.len == 0 || r->primary.len > NAME_MOST || r->secondary.len == 0 ||
		r->secondary.len > PASSCODE_MOST || memchr(r->primary.ptr, 0, r->primary.len)) {
		refuse(&t, not_right);
		return;
	}
	/* No file of the machine's, and no variable, has a say. */
	(void)setenv("LDAPNOINIT", "1", 1);
	*ret = (struct proof){0};
	bool searches = !t.c->dn[0];
	if (!begin(&t) || !make_dn(&t) || (!searches && !bind_user(&t)) || !read_entry(&t) ||
		!search_groups(&t)) {
		return;
	}
	groups = *ret;
	if (searches && !bind_user(&t)) {
		return;
	}
	*ret = (struct proof){0};
	const char *name = t.name[0] ? t.name : (const char *)r->primary.ptr;
	if (proof_set_name(ret, name, t.name[0] ? strlen(t.name) : r->primary.len)) {
		memcpy(ret->groups, groups.groups, sizeof(ret->groups));
	}
}
