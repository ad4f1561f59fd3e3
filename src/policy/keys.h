/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_KEYS_H
#define POLICY_KEYS_H

#include "policy/mistakes.h"
#include "policy/nearest.h"
#include "policy/region.h"
#include "policy/site.h"
#include "policy/tree.h"

/*
 * The keys of gantry.yaml: one table row a key. The rows read values, give defaults, and print
 * `gantry check --defaults`; their order within a place is the order of reading.
 */
enum place {
	IN_TOP,
	IN_LOG,
	IN_TLS,
	IN_IDENTITY,
	IN_OCSP,
	IN_REVOCATION,
	IN_SIGNATURES,
	IN_USERS,
	IN_JWT,
	IN_LDAP,
	IN_LDAP_SEARCH,
	IN_LDAP_GROUPS,
	IN_KERBEROS,
	IN_SAML,
	IN_AUDIT,
	IN_AUDIT_SOURCE,
	IN_REPOSITORY,
	IN_WITNESS,
	IN_QUARANTINE,
	IN_ANTIVIRUS,
	IN_TIMEOUTS,
	IN_ASSOCIATIONS,
	IN_IMPLEMENTATION,
	IN_LISTENER,
	IN_NODE,
	IN_ENDING,
	IN_CERTIFICATE,
	IN_FLOW,
	IN_TITLES,
	IN_USER_IDENTITY,
	IN_LIMITS,
	IN_LIMIT_ASSOCIATIONS,
	IN_LIMIT_COUNT,
	IN_LIMIT_BYTES,
	IN_LIMIT_HOURS,
	IN_LIMIT_UNTIL,
	IN_QUERY,
	IN_INSPECT,
	IN_DEIDENTIFY,
	IN_FLOW_DEIDENTIFY,
	IN_FLOW_SIGN,
	PLACE_COUNT,
};

struct parse;
struct key;

/* Read one value into the struct at base. Mistakes go to p; a wrong value leaves the default. */
typedef void key_reader(struct parse *p, const struct key *k, const struct tree *v, void *base);

struct key {
	enum place in;
	const char *name;
	key_reader *read;
	uint16_t offset;  /* of the field, in the place's struct */
	uint16_t size;    /* of the field */
	uint16_t has;     /* offset of a bool that says the key is there; 0: none (no bool stands first) */
	enum place inner; /* of a map's own keys; IN_TOP: not a map with a table */
	bool required;
	uint64_t least, most; /* of a number */
	const char *const
		*choice;      /* of a word: NULL-ended, the index is the value, "" is not to be written */
	const char *fallback; /* read like a value where the key is absent; NULL: none */
	const char *absent;   /* what absence means, for people, where fallback does not say it */
	const char *help;
};

extern const struct key keys[];
extern const size_t keys_count;
extern const char *const place_path[PLACE_COUNT]; /* "nodes.NAME." */

/* One pass over one file. */
struct parse {
	struct region *region;
	struct mistake_list *mistakes;
	struct site *site;
	const char *folder; /* of gantry.yaml, for relative paths */
	char in[96];        /* " in node ct1": what is being read, for sentences; "" at the top */
	const struct tree *top;
	const struct tree *groups; /* NULL: none */
	struct names *group_uids;  /* per pair of groups; at NULL: not resolved yet */
	bool *group_open;          /* being resolved: a second visit is a circle */
	const struct tree **listener_at, **node_at,
		**flow_at; /* where each stands, for the checks afterwards */
};

void key_defaults(struct parse *p, enum place in, void *base);
void key_read_map(struct parse *p, enum place in, const struct tree *map, void *base);

/*
 * A value that is yes, no, or a map of keys of its own, of which `some` is a few for the sentence.
 * False: it is no, or none of these, which is said.
 */
bool parse_yes_or_map(struct parse *p, const struct key *k, const struct tree *v, const char *some);

/* Is pair i of the map a repetition of an earlier key? Says so. */
bool parse_is_duplicate(struct parse *p, const struct tree *map, unsigned i);

/* A list's items; a single word stands for a list of one. 0, or ERR_VALUE after saying so. */
MUST_USE int parse_items(struct parse *p, const struct key *k, const struct tree *v,
	struct tree *const **ret_at, unsigned *ret_n);

/* The word of a value, NULL after saying that it is none. */
const char *parse_word(struct parse *p, const struct key *k, const struct tree *v);

/* A name in gantry.yaml: 1..64 letters, digits, dots, hyphens, underscores. */
bool parse_name_ok(struct parse *p, const struct tree *t, const char *what);

/* An absolute path for one that may be relative to gantry.yaml's folder. Never NULL. */
const char *parse_path(struct parse *p, const char *text);

/* Are these the entries of a list of maps, or a map of them, and not too many? Says so. */
bool parse_entries_ok(
	struct parse *p, const struct key *k, const struct tree *v, enum tree_kind kind, unsigned most);

/* A list of files, NULL after saying what is wrong with it. */
struct blob *parse_blobs(struct parse *p, const struct key *k, const struct tree *v, unsigned *ret_n);

/* Is it an address of the form http://host/path? Says so. */
bool parse_url_ok(struct parse *p, const struct key *k, const struct tree *v);

/* The index of a node, -1 after saying that there is none (and which was meant). */
int parse_node_index(struct parse *p, const struct tree *v);

/* Resolve the groups of SOP classes into UIDs; circles and unknown words are mistakes. (sop_classes.c) */
void parse_groups(struct parse *p);

/* Readers of plain values (read_plain.c) */
key_reader read_text, read_path, read_log_file, read_word, read_bool, read_seconds, read_count, read_port,
	read_max_pdu, read_bytes, read_status, read_until, read_table;

/* Readers of lists and structures (read_node.c, read_flow.c, read_site.c) */
key_reader read_listeners, read_nodes, read_groups, read_flows, read_identities, read_trust, read_crl,
	read_url, read_user_groups, read_users, read_ldap_url, read_user_dn, read_user_filter, read_realms,
	read_principal, read_key, read_own_list, read_signatures, read_signature_trust,
	read_signature_timestamps, read_signature_crl, read_token_folders, read_environment, read_file,
	read_networks, read_proxy_from, read_ae_titles, read_san, read_spki, read_addresses, read_tolerate,
	read_node_timeouts, read_profile, read_ending, read_certificate, read_flow_from, read_flow_to,
	read_services, read_sop_classes, read_transfer_syntaxes, read_destinations, read_ae, read_move_titles,
	read_audit, read_auditors, read_repositories, read_repository_addresses, read_repository_trust,
	read_witnesses, read_antivirus, read_hours, read_limit, read_over_both, read_query, read_tags,
	read_class_uid, read_inspect, read_checks, read_wanted, read_deidentify, read_deidentify_options,
	read_deidentify_dates, read_deidentify_originals, read_sign, read_version_name, read_listen_address;

/* What holds between keys: after everything is read. (check_site.c, check_deidentify.c, and read_users.c for `users`) */
void parse_check(struct parse *p);
/* at, services: where the flow's `deidentify` and `services` stand, or the flow. */
void check_deidentify(
	struct parse *p, const struct flow *f, const struct tree *at, const struct tree *services);
void parse_check_users(struct parse *p);
bool parse_can_prove(const struct users *u);

#endif
