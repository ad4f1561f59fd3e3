/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"

#include <string.h>

const char *const place_path[PLACE_COUNT] = {
	[IN_TOP] = "",
	[IN_LOG] = "log.",
	[IN_TLS] = "tls.",
	[IN_IDENTITY] = "tls.identities[].",
	[IN_OCSP] = "tls.ocsp.",
	[IN_REVOCATION] = "tls.revocation.",
	[IN_SIGNATURES] = "signatures.",
	[IN_USERS] = "users.",
	[IN_JWT] = "users.jwt.",
	[IN_LDAP] = "users.ldap.",
	[IN_LDAP_SEARCH] = "users.ldap.search.",
	[IN_LDAP_GROUPS] = "users.ldap.groups.",
	[IN_KERBEROS] = "users.kerberos.",
	[IN_SAML] = "users.saml.",
	[IN_AUDIT] = "audit.",
	[IN_AUDIT_SOURCE] = "audit.source.",
	[IN_REPOSITORY] = "audit.repositories[].",
	[IN_WITNESS] = "audit.witnesses[].",
	[IN_QUARANTINE] = "quarantine.",
	[IN_ANTIVIRUS] = "antivirus.",
	[IN_TIMEOUTS] = "timeouts.",
	[IN_ASSOCIATIONS] = "associations.",
	[IN_IMPLEMENTATION] = "implementation.",
	[IN_LISTENER] = "listeners[].",
	[IN_NODE] = "nodes.NAME.",
	[IN_ENDING] = "{listeners[],nodes.NAME}.transport-until.",
	[IN_CERTIFICATE] = "nodes.NAME.certificate.",
	[IN_FLOW] = "flows[].",
	[IN_USER_IDENTITY] = "flows[].user-identity.",
	[IN_TITLES] = "flows[].titles.",
	[IN_LIMITS] = "flows[].limits.",
	[IN_LIMIT_ASSOCIATIONS] = "flows[].limits.associations.",
	[IN_LIMIT_COUNT] = "flows[].limits.objects-per-hour.",
	[IN_LIMIT_BYTES] = "flows[].limits.{bytes-per-hour,object-size}.",
	[IN_LIMIT_HOURS] = "flows[].limits.hours.",
	[IN_LIMIT_UNTIL] = "flows[].limits.until.",
	[IN_QUERY] = "flows[].query.",
	[IN_INSPECT] = "flows[].inspect.",
	[IN_DEIDENTIFY] = "deidentify.",
	[IN_FLOW_DEIDENTIFY] = "flows[].deidentify.",
	[IN_FLOW_SIGN] = "flows[].sign.",
};

/* Maps of gantry.yaml, read and given defaults by the table of keys (keys.c). */

/* Places whose keys are fields of the struct around them are given that struct; others have one of their own. */
void key_defaults(struct parse *p, enum place in, void *base)
{
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];
		if (k->in != in) {
			continue;
		}
		uint8_t *inner = (uint8_t *)base + k->offset;
		if (k->fallback) {
			struct tree v = {.kind = TREE_TEXT, .text = k->fallback, .quoted = true};
			k->read(p, k, &v, base);
		} else if (k->inner != IN_TOP && k->read != read_node_timeouts && k->read != read_inspect &&
			   k->read != read_deidentify) {
			key_defaults(p, k->inner, inner);
		}
	}
}

static const struct key *find_key(enum place in, const char *name)
{
	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].in == in && strcmp(keys[i].name, name) == 0) {
			return &keys[i];
		}
	}
	return NULL;
}

/* The key of this place whose name an unknown key's is nearest to, or NULL. */
static const char *meant_by(enum place in, const struct tree *key)
{
	struct nearest n = nearest_to(key->text);
	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].in == in) {
			nearest_offer(&n, keys[i].name);
		}
	}
	return n.best;
}

static void unknown_key(struct parse *p, enum place in, const struct tree *key)
{
	const char *meant = meant_by(in, key);
	if (meant) {
		mistake_error(p->mistakes, key->line, key->column, "unknown key `%s`%s; did you mean `%s`?",
			key->text, p->in, meant);
	} else {
		mistake_error(p->mistakes, key->line, key->column, "unknown key `%s`%s", key->text, p->in);
	}
}

/* One that is there under a wrong name has been said: it is one mistake, and its line is the one to go to. */
static bool is_misspelt(enum place in, const struct tree *map, const char *name)
{
	for (unsigned i = 0; i < map->n; i++) {
		const struct tree *key = map->at[2 * i];
		const char *meant = find_key(in, key->text) ? NULL : meant_by(in, key);
		if (meant && strcmp(meant, name) == 0) {
			return true;
		}
	}
	return false;
}

static const struct tree *earlier(const struct tree *map, unsigned i)
{
	for (unsigned j = 0; j < i; j++) {
		if (strcmp(map->at[2 * j]->text, map->at[2 * i]->text) == 0) {
			return map->at[2 * j];
		}
	}
	return NULL;
}

bool parse_yes_or_map(struct parse *p, const struct key *k, const struct tree *v, const char *some)
{
	bool plain = v->kind == TREE_TEXT && !v->quoted;
	if (v->kind == TREE_MAP || (plain && strcmp(v->text, "yes") == 0)) {
		return true;
	}
	if (!plain || strcmp(v->text, "no") != 0) {
		mistake_error(p->mistakes, v->line, v->column, "`%s`%s takes yes, no, or keys of its own: %s",
			k->name, p->in, some);
	}
	return false;
}

bool parse_is_duplicate(struct parse *p, const struct tree *map, unsigned i)
{
	const struct tree *key = map->at[2 * i], *first = earlier(map, i);
	if (first) {
		bool several = map->at[2 * i + 1]->kind != TREE_TEXT;
		mistake_error(p->mistakes, key->line, key->column,
			"`%s`%s stands twice; the first is in line %u%s", key->text, p->in, first->line,
			several ? ": put these lines under it" : "");
	}
	return first != NULL;
}

void key_read_map(struct parse *p, enum place in, const struct tree *map, void *base)
{
	if (map->kind != TREE_MAP) {
		mistake_error(p->mistakes, map->line, map->column, "expected keys and values%s", p->in);
		return;
	}
	for (unsigned i = 0; i < map->n; i++) {
		const struct tree *key = map->at[2 * i];
		if (!find_key(in, key->text)) {
			unknown_key(p, in, key);
		}
		(void)parse_is_duplicate(p, map, i);
	}
	/* In the table's order: flows speak of nodes, wherever they stand in the file. */
	for (size_t i = 0; i < keys_count; i++) {
		const struct key *k = &keys[i];
		const struct tree *v = k->in == in ? tree_get(map, k->name) : NULL;
		if (k->in != in) {
			continue;
		}
		if (v) {
			if (k->has) {
				*((bool *)((uint8_t *)base + k->has)) = true;
			}
			k->read(p, k, v, base);
		} else if (k->required && !is_misspelt(in, map, k->name)) {
			mistake_error(
				p->mistakes, map->line, map->column, "`%s` is missing%s", k->name, p->in);
		}
	}
}
