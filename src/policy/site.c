/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/site.h"
#include "dicom/service.h"
#include "policy/content.h"
#include "policy/deidentify.h"
#include "base/limits.h"
#include "policy/keys.h"
#include "policy/site_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The folder of a path, without its last slash: "/" for a file of the root. */
static const char *folder_of(struct region *r, const char *file)
{
	const char *slash = strrchr(file, '/');
	if (!slash) {
		return region_str(r, ".");
	}
	return slash == file ? region_str(r, "/") : region_strn(r, file, (size_t)(slash - file));
}

/* Everything that needs the tree. A NULL *ret_site with 0: there were mistakes. */
static int read_site(
	struct region *r, const struct site_text *text, struct mistake_list *m, struct site **ret_site)
{
	struct tree *root = NULL, *over = NULL;
	struct site *s = region_alloc(r, sizeof(*s));
	const char *file = region_str(r, text->file), *folder = folder_of(r, text->file);
	int err = s && file && folder ? tree_parse(r, text->yaml, m, &root) : ERR_NO_MEMORY;
	if (err == 0 && text->overlay.len > 0) {
		err = tree_parse(r, text->overlay, m, &over);
		err = err < 0 ? err : tree_overlay(r, root, over);
	}
	if (err < 0) {
		return err;
	}
	struct parse p = {.region = r, .mistakes = m, .site = s, .folder = folder, .top = root};
	s->file = file;
	s->yaml = span_of(region_strn(r, text->yaml.len ? (const char *)text->yaml.ptr : "", text->yaml.len),
		text->yaml.len);
	s->region = r;
	key_defaults(&p, IN_TOP, s);
	key_read_map(&p, IN_TOP, root, s);
	parse_check(&p);
	if (text->read_files) {
		site_read_files(s, m);
		site_check_folders(s, m);
	}
	if (text->look) {
		text->look(text->look_arg, s, m);
	}
	if (region_failed(r) || region_failed(m->region)) {
		return ERR_NO_MEMORY;
	}
	if (m->n_errors > 0) {
		return ERR_VALUE;
	}
	*ret_site = s;
	return 0;
}

int site_parse_list(const struct site_text *text, struct mistake_list *m, struct site **ret_site)
{
	struct region *r = region_new();
	if (!r) {
		return ERR_NO_MEMORY;
	}
	int err;
	if (text->yaml.len > LIMIT_CONFIG_FILE || text->overlay.len > LIMIT_CONFIG_FILE) {
		mistake_error(m, 0, 0, "the file is larger than %u bytes", LIMIT_CONFIG_FILE);
		err = ERR_VALUE;
	} else {
		err = read_site(r, text, m, ret_site);
	}
	if (err < 0) {
		region_free(r);
	}
	return err;
}

int site_parse_text(const struct site_text *text, struct site **ret_site, struct mistakes *ret_mistakes)
{
	struct mistake_list m;
	struct site *s = NULL;
	*ret_mistakes = (struct mistakes){0};
	if (mistakes_begin(&m) < 0) {
		return ERR_NO_MEMORY;
	}
	int err = site_parse_list(text, &m, &s);
	int end = mistakes_end(&m, ret_mistakes);
	err = end < 0 ? end : err;
	if (err < 0) {
		site_free(s);
		return err;
	}
	*ret_site = s;
	return 0;
}

int site_parse(struct span yaml, const char *file, struct site **ret_site, struct mistakes *ret_mistakes)
{
	struct site_text text = {.yaml = yaml, .file = file};
	return site_parse_text(&text, ret_site, ret_mistakes);
}

const struct blob *site_user_file(const struct site *s, enum user_file which)
{
	const struct blob *files[] = {[FILE_PASSWORDS] = &s->users.passwords,
		[FILE_JWT_KEYS] = &s->users.jwt_keys,
		[FILE_LDAP_TRUST] = &s->users.ldap.trust,
		[FILE_LDAP_PASSCODE] = &s->users.ldap.passcode,
		[FILE_KEYTAB] = &s->users.kerberos.keytab,
		[FILE_SAML_CERTIFICATES] = &s->users.saml.certificates};
	return files[which];
}

bool site_verifies(const struct site *s)
{
	bool verifies = false;
	for (unsigned i = 0; i < s->n_flows; i++) {
		verifies = verifies || s->flows[i].user_caller == USER_VERIFY;
	}
	return verifies;
}

bool site_signs(const struct site *s)
{
	bool signs = false;
	for (unsigned i = 0; i < s->n_flows; i++) {
		signs = signs || s->flows[i].sign.yes;
	}
	return signs;
}

bool site_cleans(const struct site *s)
{
	bool cleans = false;
	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct deidentify_flow *d = s->flows[i].deidentify;
		cleans = cleans || (d && (d->clean_pixels || !d->rules.keep_videos));
	}
	return cleans;
}

bool site_quarantines(const struct site *s)
{
	bool any = s->quarantine.has;
	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct content *c = s->flows[i].inspect;
		any = any || (c && c->strictest == ACTION_QUARANTINE);
	}
	return any;
}

static bool renames(const struct flow *f)
{
	return f->deidentify && f->services & 1u << SERVICE_STORE;
}

bool site_keeps_names(const struct site *s)
{
	bool any = false;
	for (unsigned i = 0; i < s->n_flows; i++) {
		any = any || renames(&s->flows[i]);
	}
	return any && s->deidentify.has && s->deidentify.names_keep_s > 0;
}

static bool joins(const struct flow *f, int from, int to)
{
	bool is_from = false;
	for (unsigned i = 0; i < f->n_from; i++) {
		is_from = is_from || (int)f->from[i] == from;
	}
	return is_from && (int)f->to == to;
}

unsigned site_renames(const struct site *s, int from, int to)
{
	unsigned r = 0;
	for (unsigned i = 0; from >= 0 && to >= 0 && i < s->n_flows; i++) {
		const struct flow *f = &s->flows[i];
		r |= renames(f) && joins(f, from, to) ? SITE_RENAMES_TO : 0;
		r |= renames(f) && joins(f, to, from) ? SITE_RENAMES_FROM : 0;
	}
	return r;
}

bool site_shares_names(const struct site *s, int a, int b, int to)
{
	bool shares = false;
	for (unsigned i = 0; a >= 0 && b >= 0 && to >= 0 && i < s->n_flows; i++) {
		const struct flow *f = &s->flows[i];
		shares = shares || (renames(f) && joins(f, a, to) && joins(f, b, to));
	}
	return shares;
}

bool site_asks(const struct site *s)
{
	bool asks = s->ocsp_ask;
	for (unsigned i = 0; i < s->n_crl; i++) {
		asks = asks || blob_is_url(&s->crl[i]);
	}
	return asks;
}

void site_free(struct site *s)
{
	if (s) {
		region_free(s->region);
	}
}

struct timeouts site_timeouts(const struct site *s, const struct node *n)
{
	struct timeouts t = s->timeouts;
	if (!n) {
		return t;
	}
	t.artim = n->timeouts.artim ? n->timeouts.artim : t.artim;
	t.negotiate = n->timeouts.negotiate ? n->timeouts.negotiate : t.negotiate;
	t.connect = n->timeouts.connect ? n->timeouts.connect : t.connect;
	t.idle = n->timeouts.idle ? n->timeouts.idle : t.idle;
	t.message = n->timeouts.message ? n->timeouts.message : t.message;
	t.response = n->timeouts.response ? n->timeouts.response : t.response;
	t.stop = n->timeouts.stop ? n->timeouts.stop : t.stop;
	t.lookup = n->timeouts.lookup ? n->timeouts.lookup : t.lookup;
	return t;
}

bool network_has(const struct network *n, const struct in6_addr *ip)
{
	if (n->host[0]) {
		return false;
	}
	unsigned whole = n->prefix / 8, rest = n->prefix % 8;
	if (memcmp(n->ip.s6_addr, ip->s6_addr, whole) != 0) {
		return false;
	}
	uint8_t mask = (uint8_t)(0xff00u >> rest);
	return rest == 0 || (n->ip.s6_addr[whole] & mask) == (ip->s6_addr[whole] & mask);
}
