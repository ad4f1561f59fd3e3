/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"
#include "policy/match.h"
#include "policy/values.h"
#include "policy/vocabulary.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A site beyond these is a mistake, and the checks between entries stay quick. */
#define MOST_ENTRIES    1000
#define MOST_IDENTITIES 8

static const char *word_or(const char *s, const char *otherwise)
{
	return s && s[0] ? s : otherwise;
}

bool parse_entries_ok(
	struct parse *p, const struct key *k, const struct tree *v, enum tree_kind kind, unsigned most)
{
	if (v->kind != kind) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s takes a %s", k->name, p->in,
			kind == TREE_LIST ? "list of entries, each begun with -"
					  : "map of entries, each begun with its name");
		return false;
	}
	if (v->n > most) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s has more than %u entries", k->name,
			p->in, most);
		return false;
	}
	return true;
}

void read_listeners(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	if (!parse_entries_ok(p, k, v, TREE_LIST, MOST_ENTRIES)) {
		return;
	}
	s->listeners = region_array(p->region, v->n, sizeof(*s->listeners));
	p->listener_at = region_array(p->region, v->n, sizeof(*p->listener_at));
	for (unsigned i = 0; s->listeners && p->listener_at && i < v->n; i++) {
		struct listener *l = &s->listeners[i];
		const struct tree *name = tree_get(v->at[i], "name");
		snprintf(p->in, sizeof(p->in), " in listener %.64s",
			name && name->kind == TREE_TEXT ? name->text : "without a name");
		p->listener_at[i] = v->at[i];
		l->line = v->at[i]->line;
		key_defaults(p, IN_LISTENER, l);
		key_read_map(p, IN_LISTENER, v->at[i], l);
		if (l->name[0] && !parse_name_ok(p, name, "listener")) {
			l->name = "";
		}
		l->name = word_or(l->name, region_printf(p->region, "listener-%u", i + 1));
		s->n_listeners = i + 1;
	}
	p->in[0] = '\0';
}

void read_nodes(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	if (!parse_entries_ok(p, k, v, TREE_MAP, MOST_ENTRIES)) {
		return;
	}
	s->nodes = region_array(p->region, v->n, sizeof(*s->nodes));
	p->node_at = region_array(p->region, v->n, sizeof(*p->node_at));
	for (unsigned i = 0; s->nodes && p->node_at && i < v->n; i++) {
		const struct tree *name = v->at[2 * i], *entry = v->at[2 * i + 1];
		if (!parse_name_ok(p, name, "node") || parse_is_duplicate(p, v, i)) {
			continue;
		}
		struct node *n = &s->nodes[s->n_nodes];
		snprintf(p->in, sizeof(p->in), " in node %s", name->text);
		*n = (struct node){.name = name->text, .line = name->line, .column = name->column};
		p->node_at[s->n_nodes++] = entry;
		key_defaults(p, IN_NODE, n);
		key_read_map(p, IN_NODE, entry, n);
		p->in[0] = '\0';
	}
}

void read_groups(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	(void)base;
	if (!parse_entries_ok(p, k, v, TREE_MAP, MOST_ENTRIES)) {
		return;
	}
	p->group_uids = region_array(p->region, v->n, sizeof(*p->group_uids));
	p->group_open = region_array(p->region, v->n, sizeof(*p->group_open));
	if (!p->group_uids || !p->group_open) {
		return;
	}
	p->groups = v;
	for (unsigned i = 0; i < v->n; i++) {
		if (!parse_is_duplicate(p, v, i) && parse_name_ok(p, v->at[2 * i], "group") &&
			word_sop_class(v->at[2 * i]->text)) {
			mistake_error(p->mistakes, v->at[2 * i]->line, v->at[2 * i]->column,
				"group `%s` has the name of a SOP class", v->at[2 * i]->text);
		}
	}
	parse_groups(p);
}

void read_flows(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	if (!parse_entries_ok(p, k, v, TREE_LIST, MOST_ENTRIES)) {
		return;
	}
	s->flows = region_array(p->region, v->n, sizeof(*s->flows));
	p->flow_at = region_array(p->region, v->n, sizeof(*p->flow_at));
	for (unsigned i = 0; s->flows && p->flow_at && i < v->n; i++) {
		struct flow *f = &s->flows[i];
		const struct tree *name = tree_get(v->at[i], "name");
		snprintf(p->in, sizeof(p->in), " in flow %.64s",
			name && name->kind == TREE_TEXT ? name->text : "without a name");
		p->flow_at[i] = v->at[i];
		f->line = v->at[i]->line;
		f->column = v->at[i]->column;
		f->to = (unsigned)-1; /* until it is known */
		key_defaults(p, IN_FLOW, f);
		key_read_map(p, IN_FLOW, v->at[i], f);
		f->implied = flow_implied_services(f);
		if (f->name[0] && !parse_name_ok(p, name, "flow")) {
			f->name = "";
		}
		f->name = word_or(f->name, region_printf(p->region, "flow-%u", i + 1));
		s->n_flows = i + 1;
	}
	p->in[0] = '\0';
}

void read_file(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct blob *b = (struct blob *)((uint8_t *)base + k->offset);
	const char *s = parse_word(p, k, v);
	if (s && !s[0]) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s is empty; a file was expected",
			k->name, p->in);
		return;
	}
	if (s) {
		*b = (struct blob){.path = parse_path(p, s), .line = v->line, .column = v->column};
	}
}

/* A file, or a token's URI, which is looked at where it is used. */
void read_key(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct blob *b = (struct blob *)((uint8_t *)base + k->offset);
	read_file(p, k, v, base);
	if (b->path && v->kind == TREE_TEXT && strncmp(v->text, "pkcs11:", 7) == 0) {
		b->path = v->text;
	}
}

void read_identities(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	if (!parse_entries_ok(p, k, v, TREE_LIST, MOST_IDENTITIES)) {
		return;
	}
	s->identities = region_array(p->region, v->n, sizeof(*s->identities));
	for (unsigned i = 0; s->identities && i < v->n; i++) {
		struct identity_files *f = &s->identities[i];
		f->certificate.path = f->key.path = "";
		key_read_map(p, IN_IDENTITY, v->at[i], f);
		s->n_identities = i + 1;
	}
}

struct blob *parse_blobs(struct parse *p, const struct key *k, const struct tree *v, unsigned *ret_n)
{
	struct tree *const *at;
	unsigned n;
	if (parse_items(p, k, v, &at, &n) < 0) {
		return NULL;
	}
	if (n > MOST_ENTRIES) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s has more than %u entries", k->name,
			p->in, MOST_ENTRIES);
		return NULL;
	}
	struct blob *blobs = region_array(p->region, n, sizeof(*blobs));
	for (unsigned i = 0; blobs && i < n; i++) {
		blobs[i] = (struct blob){
			.path = parse_path(p, at[i]->text), .line = at[i]->line, .column = at[i]->column};
	}
	*ret_n = blobs ? n : 0;
	return blobs;
}

void read_token_folders(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	s->token_folders = parse_blobs(p, k, v, &s->n_token_folders);
}

/* What is fetched is signed: https would add nothing but another authority to trust. */
bool parse_url_ok(struct parse *p, const struct key *k, const struct tree *v)
{
	const char *host = strncmp(v->text, "http://", 7) == 0 ? v->text + 7 : "";
	if (!host[0] || host[0] == '/' || strchr(host, ' ') || strlen(v->text) > 500) {
		mistake_error(p->mistakes, v->line, v->column,
			"`%s: %.80s`%s is no address of the form http://host/path", k->name, v->text, p->in);
		return false;
	}
	return true;
}

void read_url(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	const char *s = parse_word(p, k, v);
	if (s && (!s[0] || parse_url_ok(p, k, v))) {
		memcpy((uint8_t *)base + k->offset, &s, sizeof(s));
	}
}

void read_user_groups(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	const struct key members = {.name = k->name, .offset = offsetof(struct user_group, members)};
	if (!parse_entries_ok(p, k, v, TREE_MAP, MOST_ENTRIES)) {
		return;
	}
	s->users.groups = region_array(p->region, v->n, sizeof(*s->users.groups));
	for (unsigned i = 0; s->users.groups && i < v->n; i++) {
		const struct tree *name = v->at[2 * i];
		if (!parse_name_ok(p, name, "group") || parse_is_duplicate(p, v, i)) {
			continue;
		}
		struct user_group *g = &s->users.groups[s->users.n_groups++];
		g->name = name->text;
		read_users(p, &members, v->at[2 * i + 1], g);
	}
}

void read_trust(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	s->trust = parse_blobs(p, k, v, &s->n_trust);
}

void read_signatures(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	read_table(p, k, v, base);
	if ((s->signatures.key.path != NULL) != (s->signatures.certificate.path != NULL)) {
		mistake_error(p->mistakes, v->line, v->column,
			"`signatures` needs both `key` and `certificate`, or neither");
	}
}

void read_signature_trust(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	s->signatures.trust = parse_blobs(p, k, v, &s->signatures.n_trust);
}

void read_signature_timestamps(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	s->signatures.timestamps = parse_blobs(p, k, v, &s->signatures.n_timestamps);
}

void read_signature_crl(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	s->signatures.crl = parse_blobs(p, k, v, &s->signatures.n_crl);
}

/* Read after `crl`, as the table has it: the own list is one more of them. */
void read_own_list(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	read_table(p, k, v, base);
	if (!s->revocation.list.path || !s->revocation.certificate.path || !s->revocation.key.path) {
		s->revocation = (struct own_list){0}; /* said already */
		return;
	}
	struct blob *all = region_array(p->region, s->n_crl + 1, sizeof(*all));
	if (!all) {
		return;
	}
	for (unsigned i = 0; i < s->n_crl; i++) {
		all[i] = s->crl[i];
	}
	all[s->n_crl] = s->revocation.list;
	all[s->n_crl++].may_be_absent = true;
	s->crl = all;
	if (s->n_trust == 0) {
		mistake_error(p->mistakes, v->line, v->column,
			"`revocation` in tls needs `trust`: an authority of it has delegated the list");
	}
}

void read_crl(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	struct tree *const *at;
	unsigned n;
	s->crl = parse_blobs(p, k, v, &s->n_crl);
	if (parse_items(p, k, v, &at, &n) < 0) {
		return; /* said already */
	}
	for (unsigned i = 0; i < s->n_crl; i++) {
		if (strstr(at[i]->text, "://") && parse_url_ok(p, k, at[i])) {
			s->crl[i].path = at[i]->text;
		}
	}
}
