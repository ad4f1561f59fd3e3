/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"
#include "policy/values.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* `audit:`, and what must hold within it. Without it nothing of struct audit_config but `has` means anything. */

#define MOST_AUDITORS     16
#define MOST_REPOSITORIES 8
#define MOST_ADDRESSES    8
#define MOST_WITNESSES    8

/* RFC 5424 6: APP-NAME and MSGID. */
#define APP_NAME_MOST 48
#define MSGID_MOST    32

void read_auditors(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct audit_config *a = base;
	a->auditors = parse_blobs(p, k, v, &a->n_auditors);
	if (a->auditors && a->n_auditors == 0) {
		mistake_error(p->mistakes, v->line, v->column,
			"`auditors`%s is empty: nobody could ever read the records", p->in);
	} else if (a->n_auditors > MOST_AUDITORS) {
		mistake_error(p->mistakes, v->line, v->column, "`auditors`%s has more than %u entries", p->in,
			MOST_AUDITORS);
	}
}

/* "tls://host:port", "udp://host". */
static int parse_address(struct parse *p, const struct tree *v, struct repository_address *ret)
{
	static const struct {
		const char *begins;
		bool tls;
		uint16_t port;
	} schemes[] = {{"tls://", true, 6514}, {"udp://", false, 514}};
	char host[254];
	struct repository_address a = {.text = v->text};
	for (unsigned i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i].begins);
		if (strncmp(v->text, schemes[i].begins, n) != 0) {
			continue;
		}
		const char *rest = v->text + n;
		/* Also of an address in digits, whose port may be left out as well. */
		const char *with_port = region_printf(p->region, "%s:%u", rest, schemes[i].port);
		a.tls = schemes[i].tls;
		if (with_port &&
			(value_host_port(rest, host, sizeof(host), &a.port) == 0 ||
				value_host_port(with_port, host, sizeof(host), &a.port) == 0) &&
			(a.host = region_str(p->region, host))) {
			*ret = a;
			return 0;
		}
	}
	mistake_error(p->mistakes, v->line, v->column,
		"`%.80s`%s is no address of a repository: expected tls://host:port or udp://host:port",
		v->text, p->in);
	return ERR_VALUE;
}

void read_repository_addresses(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct repository *r = base;
	struct tree *const *at;
	unsigned n;
	if (parse_items(p, k, v, &at, &n) < 0) {
		return;
	}
	if (n == 0 || n > MOST_ADDRESSES) {
		mistake_error(p->mistakes, v->line, v->column, "`addresses`%s takes 1 to %u addresses", p->in,
			MOST_ADDRESSES);
		return;
	}
	r->address = region_array(p->region, n, sizeof(*r->address));
	for (unsigned i = 0; r->address && i < n; i++) {
		r->n_address += parse_address(p, at[i], &r->address[r->n_address]) == 0;
	}
}

void read_repository_trust(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct repository *r = base;
	r->trust = parse_blobs(p, k, v, &r->n_trust);
}

static bool is_printable(const char *s, size_t most)
{
	size_t n = strlen(s);
	for (size_t i = 0; i < n; i++) {
		if (s[i] <= ' ' || s[i] > '~') {
			return false;
		}
	}
	return n > 0 && n <= most;
}

static void check_repository(struct parse *p, const struct tree *at, const struct repository *r)
{
	if (!is_printable(r->app_name, APP_NAME_MOST)) {
		mistake_error(p->mistakes, at->line, at->column,
			"`app-name`%s: 1 to %u printable characters without spaces (RFC 5424)", p->in,
			APP_NAME_MOST);
	}
	if (!is_printable(r->msgid, MSGID_MOST)) {
		mistake_error(p->mistakes, at->line, at->column,
			"`msgid`%s: 1 to %u printable characters without spaces (RFC 5424)", p->in,
			MSGID_MOST);
	}
	for (unsigned i = 0; i < r->n_address; i++) {
		if (!r->address[i].tls) {
			mistake_warning(p->mistakes, at->line, at->column,
				"`%s`%s is plain UDP: messages, which name patients, can be read, lost and cut on the way",
				r->address[i].text, p->in);
		}
	}
}

void read_repositories(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct audit_config *a = base;
	char outer[sizeof(p->in)];
	memcpy(outer, p->in, sizeof(outer));
	if (!parse_entries_ok(p, k, v, TREE_LIST, MOST_REPOSITORIES)) {
		return;
	}
	a->repositories = region_array(p->region, v->n, sizeof(*a->repositories));
	for (unsigned i = 0; a->repositories && i < v->n; i++) {
		struct repository *r = &a->repositories[i];
		const struct tree *name = tree_get(v->at[i], "name");
		snprintf(p->in, sizeof(p->in), " in repository %.64s",
			name && name->kind == TREE_TEXT ? name->text : "without a name");
		*r = (struct repository){.line = v->at[i]->line, .column = v->at[i]->column};
		key_defaults(p, IN_REPOSITORY, r);
		key_read_map(p, IN_REPOSITORY, v->at[i], r);
		if (!r->name[0] || !parse_name_ok(p, name, "repository")) {
			r->name = region_printf(p->region, "repository-%u", i + 1);
		}
		check_repository(p, v->at[i], r);
		a->n_repositories = i + 1;
	}
	memcpy(p->in, outer, sizeof(outer));
}

void read_witnesses(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct audit_config *a = base;
	if (!parse_entries_ok(p, k, v, TREE_LIST, MOST_WITNESSES)) {
		return;
	}
	a->witnesses = region_array(p->region, v->n, sizeof(*a->witnesses));
	for (unsigned i = 0; a->witnesses && i < v->n; i++) {
		struct witness *w = &a->witnesses[i];
		*w = (struct witness){.url = "", .key = ""};
		key_read_map(p, IN_WITNESS, v->at[i], w);
		if (w->key[0] && (!strchr(w->key, '+') || !is_printable(w->key, 255))) {
			mistake_error(p->mistakes, v->at[i]->line, v->at[i]->column,
				"`key`%s is no verifier key of the form NAME+HASH+KEY (C2SP signed-note)",
				p->in);
		}
		a->n_witnesses = i + 1;
	}
}

/* C2SP signed-note: a key's name has no space and no plus sign; tlog-checkpoint: an origin is one line. */
static void check(struct parse *p, const struct tree *at)
{
	const struct audit_config *a = &p->site->audit;
	if (a->origin[0] && (!is_printable(a->origin, 128) || strchr(a->origin, '+'))) {
		mistake_error(p->mistakes, at->line, at->column,
			"`origin: %.80s` in audit: 1 to 128 printable characters without spaces and plus signs, such as "
			"hospital.example/gantry1",
			a->origin);
	}
	if (strcmp(a->cold, a->journal) == 0) {
		mistake_error(
			p->mistakes, at->line, at->column, "`cold` in audit is the journal's own folder");
	}
	if (a->unrecorded == UNRECORDED_PASS) {
		mistake_warning(p->mistakes, at->line, at->column,
			"`unrecorded: pass`: with a full disk images pass without a record of them");
	}
}

void read_audit(struct parse *p, const struct key *k, const struct tree *v, void *base)
{
	struct site *s = base;
	struct audit_config *a = &s->audit;
	const char **may_be_absent[] = {&a->journal, &a->origin, &a->checkpoint_file, &a->cold};
	a->has = v->kind == TREE_MAP;
	snprintf(p->in, sizeof(p->in), " in audit");
	key_read_map(p, IN_AUDIT, v, a);
	if (!a->journal) {
		a->journal = region_printf(p->region, "%s/audit", s->state);
	}
	for (unsigned i = 0; i < ARRAY_LEN(may_be_absent); i++) {
		*may_be_absent[i] = *may_be_absent[i] ? *may_be_absent[i] : "";
	}
	check(p, v);
	p->in[0] = '\0';
}
