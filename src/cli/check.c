/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/place.h"
#include "base/clock.h"
#include "gateway/gate_tls.h"
#include "gateway/hold_clean.h"
#include "gateway/hold_originals.h"
#include "keys/cert.h"
#include "keys/crl.h"
#include "keys/list_key.h"
#include "keys/object_site.h"
#include "keys/private.h"
#include "keys/pseudonym_mark.h"
#include "keys/record_keys.h"
#include "keys/token.h"
#include "keys/vouch_key.h"
#include "policy/show.h"
#include "policy/site_parse.h"
#include "base/module.h"
#include "users/users.h"

#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAYS_SOON 60 /* a certificate that ends sooner is warned of */

static const char usage[] =
	"usage: gantry check [FILE] [-c FILE] [--json]\n"
	"       gantry check --defaults [--json]\n"
	"\n"
	"Finds every mistake of gantry.yaml in one pass: where it is, what it is, and the\n"
	"likely spelling; and looks at the certificates and keys that it names. Default\n"
	"FILE: ./gantry.yaml, then /etc/gantry/gantry.yaml.\n"
	"\n"
	"  --defaults   print every key with its default and what it is for\n"
	"  --json       for programs\n"
	"\n"
	"Exits with 0 when there is no error (warnings may be), 1 when there are errors,\n"
	"2 for a wrong command line.\n";

struct check {
	const char *path;
	struct span yaml; /* for showing lines; may be empty */
	struct mistakes found;
	struct mistake_list *list; /* while the site is looked at */
	struct site *site;
	json_t *certificates;
};

static void say_days(struct check *c, const struct blob *b, const char *subject, int days)
{
	if (days < 0) {
		mistake_error(c->list, b->line, b->column, "the certificate in %s (%s) expired %d days ago",
			b->path, subject, -days);
	} else if (days < DAYS_SOON) {
		mistake_warning(c->list, b->line, b->column, "the certificate in %s (%s) expires in %d days",
			b->path, subject, days);
	}
	json_t *row = json_pack("{s:s,s:s?,s:i}", "file", b->path, "subject", subject, "days_left", days);
	(void)json_array_append_new(c->certificates, row ? row : json_null());
}

static void check_certificate(struct check *c, const struct blob *b)
{
	char subject[256] = "";
	int days, count;
	if (b->bytes.len == 0) {
		return; /* said already */
	}
	if (cert_count(b->bytes, &count) < 0 ||
		cert_days_left(b->bytes, clock_wall_ms() / 1000, &days, subject) < 0) {
		mistake_error(c->list, b->line, b->column, "%s holds no certificate that can be read (PEM)",
			b->path);
		return;
	}
	say_days(c, b, subject, days);
}

/* As the key holder would. */
static void check_key(struct check *c, const struct identity_files *f)
{
	struct private_key *key = NULL;
	char why[512];
	if (f->certificate.bytes.len == 0 || !f->key.path[0]) {
		return;
	}
	if (private_key_open(f->key.path, f->certificate.bytes, &key, why, sizeof(why)) < 0) {
		mistake_error(c->list, f->key.line, f->key.column, "%s", why);
	}
	private_key_free(key);
}

static void check_record_keys(struct check *c, const struct audit_config *a)
{
	struct record_keys *keys = NULL;
	char why[512];
	if (!a->has || !a->checkpoint_key.path[0] || !a->index_key.path[0]) {
		return;
	}
	for (unsigned i = 0; i < a->n_auditors; i++) {
		if (a->auditors[i].bytes.len == 0) {
			return; /* said already */
		}
	}
	if (record_keys_open_site(a, &keys, why, sizeof(why)) < 0) {
		mistake_error(c->list, a->checkpoint_key.line, a->checkpoint_key.column, "%s", why);
	}
	record_keys_free(keys);
}

static void check_list_key(struct check *c, const struct site *s)
{
	struct list_key *key = NULL;
	char why[512];
	if (!s->revocation.certificate.path || s->revocation.certificate.bytes.len == 0) {
		return;
	}
	if (list_key_open_site(s, &key, why, sizeof(why)) < 0) {
		mistake_error(
			c->list, s->revocation.certificate.line, s->revocation.certificate.column, "%s", why);
	}
	list_key_free(key);
}

/* Is it another than the gateway last had? Who may not read its state folder is told nothing. */
static void check_pseudonym_mark(struct check *c, const struct site *s, struct pseudonym_key *key)
{
	char last[PSEUDONYM_MARK], mark[PSEUDONYM_MARK];
	const struct blob *file = &s->deidentify.key;
	int dir = open(s->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		return;
	}
	if (pseudonym_mark_read(dir, last) == 0 && pseudonym_key_mark(key, mark) == 0 &&
		strcmp(last, mark) != 0) {
		mistake_warning(c->list, file->line, file->column,
			"the key of `deidentify: key` is another than the gateway last had: pseudonyms change, so that what comes then of a "
			"patient or study is not joined to what came before");
	}
	close(dir);
}

static void check_pseudonym_key(struct check *c, const struct site *s)
{
	struct pseudonym_key *key = NULL;
	const struct blob *file = &s->deidentify.key;
	char why[512];
	int e = file->path ? pseudonym_key_open(file->path, &key, why, sizeof(why)) : ERR_NOT_FOUND;
	if (e == 0) {
		check_pseudonym_mark(c, s, key);
	} else if (file->path) {
		mistake_error(c->list, file->line, file->column, "%s", why);
	}
	pseudonym_key_free(key);
}

static void check_object_key(struct check *c, const struct site *site)
{
	const struct signing *s = &site->signatures;
	struct object_key *key = NULL;
	struct vouch_key *vouch = NULL;
	char why[512];
	if (!s->certificate.path || s->certificate.bytes.len == 0 || !s->key.path) {
		return;
	}
	int e = site_signs(site) ? vouch_key_open_site(site, &vouch, why, sizeof(why))
	                         : object_key_open(s->key.path, s->certificate.bytes, &key, why, sizeof(why));
	if (e < 0) {
		mistake_error(c->list, s->key.line, s->key.column, "`signatures`: %s", why);
	}
	object_key_free(key);
	vouch_key_free(vouch);
}

static void check_crl(struct check *c, const struct blob *b)
{
	char issuer[256] = "";
	int days;
	if (b->bytes.len == 0) {
		return;
	}
	if (crl_days_left(b->bytes, clock_wall_ms() / 1000, &days, issuer) < 0) {
		mistake_error(c->list, b->line, b->column,
			"%s holds no revocation list (PEM or DER) that says when the next one comes",
			b->path);
	} else if (days < 0) {
		mistake_warning(c->list, b->line, b->column,
			"the revocation list in %s (%s) was to be renewed %d days ago: nobody of its authority is known to "
			"be unrevoked",
			b->path, issuer, -days);
	}
}

/* As those who verify would read them. An authority may have expired: its timestamps and signatures are judged by their time. */
static void check_believed(struct check *c, const struct site *site)
{
	const struct signing *s = &site->signatures;
	const struct {
		const struct blob *at;
		unsigned n;
	} all[] = {{s->trust, s->n_trust}, {s->timestamps, s->n_timestamps}, {s->crl, s->n_crl}};
	const struct blob *first = NULL;
	struct crl_list *lists = NULL;
	struct object_trust *trust = NULL;
	char why[512];
	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		for (unsigned k = 0; k < all[i].n; k++) {
			first = first ? first : all[i].at;
			if (all[i].at[k].bytes.len == 0) {
				return; /* said already */
			}
		}
	}
	if (first && object_trust_of_site(site, &lists, &trust, why, sizeof(why)) < 0) {
		mistake_error(c->list, first->line, first->column, "`signatures`: %s", why);
	}
	object_trust_free(trust);
	crl_list_free(lists);
}

/* Who signs, and whose signatures are believed. */
static void check_signatures(struct check *c, const struct site *site)
{
	const struct signing *s = &site->signatures;
	if (s->certificate.path) {
		check_certificate(c, &s->certificate);
	}
	for (unsigned i = 0; i < s->n_crl; i++) {
		check_crl(c, &s->crl[i]);
	}
	check_believed(c, site);
	check_object_key(c, site);
}

static int keytab_fault(const struct site *s, struct span file, char *why, size_t cap)
{
	return users_check_keytab(
		file, s->users.kerberos.principal ? s->users.kerberos.principal : "", why, cap);
}

/* What a file of users must hold; and the module that uses it. */
static const struct {
	enum user_file file;
	int (*fault)(struct span file, char *why, size_t cap);
} user_files[] = {{FILE_PASSWORDS, users_check_passwords}, {FILE_JWT_KEYS, users_check_jwks},
	{FILE_LDAP_PASSCODE, users_check_passcode}, {FILE_SAML_CERTIFICATES, users_check_saml}};

static void check_module(struct check *c, bool used, const char *file, const char *what)
{
	char path[PATH_MAX] = "";
	if (used && (module_own_path(file, path, sizeof(path)) != 0 || access(path, R_OK) < 0)) {
		mistake_error(c->list, 0, 0, "`users: %s:` cannot be used: its module %s cannot be read",
			what, path);
	}
}

static void check_users(struct check *c, const struct site *s)
{
	const struct users *u = &s->users;
	const struct blob *keytab = site_user_file(s, FILE_KEYTAB),
			  *trust = site_user_file(s, FILE_LDAP_TRUST);
	char why[256];
	for (unsigned i = 0; i < ARRAY_LEN(user_files); i++) {
		const struct blob *b = site_user_file(s, user_files[i].file);
		if (b->bytes.len > 0 && user_files[i].fault(b->bytes, why, sizeof(why)) < 0) {
			mistake_error(c->list, b->line, b->column, "%s: %s", b->path, why);
		}
	}
	if (keytab->bytes.len > 0 && keytab_fault(s, keytab->bytes, why, sizeof(why)) < 0) {
		mistake_error(c->list, keytab->line, keytab->column, "%s %s", keytab->path, why);
	}
	check_certificate(c, trust);
	check_module(c, u->ldap.url != NULL, "users/gantry-ldap", "ldap");
	check_module(c, u->kerberos.principal != NULL, "users/gantry-kerberos", "kerberos");
	check_module(c, u->saml.certificates.path != NULL, "users/gantry-saml", "saml");
}

/* Also beside other mistakes: a missing file does not hide a key that fits no certificate. */
static void check_files(void *arg, const struct site *s, struct mistake_list *m)
{
	struct check *c = arg;
	c->list = m;
	if (token_environment(s->token_environment.at, s->token_environment.n) < 0) {
		mistake_error(m, 0, 0, "%s", err_str(ERR_NO_MEMORY));
	}
	for (unsigned i = 0; i < s->n_identities; i++) {
		check_certificate(c, &s->identities[i].certificate);
		check_key(c, &s->identities[i]);
	}
	for (unsigned i = 0; i < s->n_trust; i++) {
		check_certificate(c, &s->trust[i]);
	}
	for (unsigned i = 0; i < s->n_crl; i++) {
		check_crl(c, &s->crl[i]);
	}
	if (s->revocation.certificate.path) {
		check_certificate(c, &s->revocation.certificate);
	}
	check_list_key(c, s);
	check_signatures(c, s);
	check_record_keys(c, &s->audit);
	check_pseudonym_key(c, s);
	if (!s->audit.has) {
		mistake_warning(m, 0, 0, "there is no `audit:`: no audit trail is kept");
	}
	check_users(c, s);
	c->list = NULL;
	/* What `gantry run` would still find: the same function, so that the two never differ. */
	char why[256];
	unsigned line = 0;
	const struct blob *at;
	if (m->n_errors == 0 && gate_tls_check(s, &line, why, sizeof(why)) < 0) {
		mistake_error(m, line, line > 0, "tls: %s", why);
	}
	if (m->n_errors == 0 && hold_originals_check(s, &at, why, sizeof(why)) < 0) {
		mistake_error(m, at->line, at->column, "%s", why);
	}
	if (m->n_errors == 0 && hold_clean_check(s, &at, why, sizeof(why)) < 0) {
		mistake_error(m, at->line, at->column, "%s", why);
	}
}

static const char *plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

static void print_all(const struct check *c)
{
	bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	const struct mistakes *m = &c->found;
	for (unsigned i = 0; i < m->n; i++) {
		show_mistake(stdout, c->path, c->yaml, i < m->n_errors, &m->at[i], colour);
	}
	if (m->n > 0) {
		unsigned warnings = m->n - m->n_errors;
		printf("%s: %u error%s, %u warning%s\n", c->path, m->n_errors, plural(m->n_errors), warnings,
			plural(warnings));
		return;
	}
	const struct site *s = c->site;
	printf("%s is in order: %u listener%s, %u node%s, %u flow%s\n", c->path, s->n_listeners,
		plural(s->n_listeners), s->n_nodes, plural(s->n_nodes), s->n_flows, plural(s->n_flows));
}

static int print_json(const struct check *c)
{
	const struct mistakes *m = &c->found;
	json_t *list = json_array();
	for (unsigned i = 0; i < m->n; i++) {
		json_t *row = json_pack("{s:s,s:i,s:i,s:s%}", "severity",
			i < m->n_errors ? "error" : "warning", "line", (int)m->at[i].line, "column",
			(int)m->at[i].column, "text", m->at[i].text, strlen(m->at[i].text));
		(void)json_array_append_new(list, row ? row : json_null());
	}
	json_t *o = json_pack("{s:s,s:i,s:i,s:o,s:O}", "file", c->path, "errors", (int)m->n_errors,
		"warnings", (int)(m->n - m->n_errors), "mistakes", list, "certificates", c->certificates);
	int bad = o ? json_dumpf(o, stdout, JSON_INDENT(2)) : -1;
	json_decref(o);
	putchar('\n');
	return bad;
}

static int run(struct check *c, bool json)
{
	struct site_text text = {.look = check_files, .look_arg = c};
	struct region *r = region_new();
	unsigned mode;
	int err = r ? site_load_look(c->path, &text, &c->site, &c->found) : ERR_NO_MEMORY;
	if (err == ERR_NO_MEMORY) {
		fprintf(stderr, "gantry check: %s\n", err_str(err));
		region_free(r);
		return 1;
	}
	if (file_read(r, c->path, &c->yaml, &mode) < 0) {
		c->yaml = span_of(NULL, 0); /* said by site_load_look() */
	}
	bool bad = c->found.n_errors > 0;
	if (json) {
		bad |= print_json(c) != 0;
	} else {
		print_all(c);
	}
	region_free(r);
	return bad;
}

int verb_check(int argc, char **argv)
{
	static struct check c;
	static bool defaults, json;
	static const struct option_row rows[] = {{"config", "FILE", 'c', .text = &c.path},
		{"defaults", .flag = &defaults}, {"json", .flag = &json}, {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "[FILE]"};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	if (o.n == 1 && (c.path || defaults)) {
		return options_misuse(&o,
			c.path ? "FILE or -c FILE, and not both"
			       : "--defaults is about no FILE: leave out `%.200s`",
			o.at[0]);
	}
	if (defaults) {
		if (json) {
			return show_defaults_json(stdout) < 0;
		}
		show_defaults(stdout);
		return 0;
	}
	c.path = place_file("check", o.n == 1 ? o.at[0] : c.path);
	if (!c.path) {
		return 1;
	}
	c.certificates = json_array();
	code = c.certificates ? run(&c, json) : 1;
	json_decref(c.certificates);
	mistakes_done(&c.found);
	site_free(c.site);
	return code;
}
