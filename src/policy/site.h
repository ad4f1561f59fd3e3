/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_SITE_H
#define POLICY_SITE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * gantry.yaml as immutable structs. One allocation region a site: everything a struct site points to lives until
 * site_free(). Strings are NUL-terminated and never NULL ("" where absent) unless a comment says so.
 * An index of -1 means "none".
 */

enum site_mode { MODE_INHERIT, MODE_ENFORCE, MODE_OBSERVE };
enum transport { TRANSPORT_TLS, TRANSPORT_PLAIN };
enum over { OVER_ALARM, OVER_REFUSE };

/*
 * The secure transport connection profiles of PS3.15 Annex B that may be named. Which suites, groups and signatures
 * they are is in keys/profile.h.
 */
enum tls_profile {
	PROFILE_LIVE,                   /* none named: any that is not retired; where one is offered, B.12 */
	PROFILE_BCP195,                 /* B.12 */
	PROFILE_BCP195_MODIFIED,        /* B.13 */
	PROFILE_LEGACY_NON_DOWNGRADING, /* B.10, retired: for old devices, by name only */
	PROFILE_COUNT,
};

/* "bcp195-rfc9325"; NULL-ended, by enum tls_profile, "" for PROFILE_LIVE. */
extern const char *const tls_profile_words[PROFILE_COUNT + 1];

/* An end date of something that is to be replaced. */
struct ending {
	int64_t until_s; /* wall seconds of the first moment after it, local time; 0: none */
	enum over over;
};

/* `tolerate:`, a bit each. The first two have the values of AE_TOLERATE_… and are given to the parsers as they are. */
#define TOLERATE_NUL_PADDING   0x1u
#define TOLERATE_AE_CASE       0x2u
#define TOLERATE_PDU_OVERRUN   0x4u
#define TOLERATE_ODD_FRAGMENTS 0x8u

/* What becomes of a node whose certificate's revocation cannot be told. */
enum revocation { REVOCATION_OPEN, REVOCATION_CLOSED };

/* A list of a fixed number of strings. */
struct names {
	const char **at;
	unsigned n;
};

/* A file that gantry.yaml names, with its content once site_load() or site_unpack() has it. */
struct blob {
	const char *path; /* absolute */
	struct span bytes;
	unsigned line, column; /* where gantry.yaml names it */
	bool may_be_absent;    /* then it has no bytes */
};

/* `tls: revocation`: the list that the gateway's key holder signs (keys/list_key.h). */
struct own_list {
	struct blob key, certificate; /* key has no bytes; certificate.path NULL: there is no such list */
	struct blob list;             /* its path; its bytes are the last of struct site's crl */
};

/* `signatures:`: digital signatures of objects (PS3.15 Annex C). */
struct signing {
	struct blob key, certificate; /* key has no bytes; certificate.path NULL: nothing is signed */
	struct blob *trust;           /* authorities of signers; none: those of TLS */
	unsigned n_trust;
	struct blob *timestamps; /* authorities of certified timestamps (RFC 3161); none: those of signers */
	unsigned n_timestamps;
	struct blob *crl; /* lists of these authorities, beside those of TLS */
	unsigned n_crl;
};

/* `sign` of a flow: objects get a signature by the key of `signatures` as they pass. */
enum sign_profile_kind { SIGN_PROFILE_OF_FLOW, SIGN_PROFILE_BASE, SIGN_PROFILE_CREATOR };
enum sign_hash { SIGN_HASH_SHA256, SIGN_HASH_SHA384, SIGN_HASH_SHA512 };
enum sign_unable { SIGN_UNABLE_REFUSE, SIGN_UNABLE_PASS };
struct sign_rules {
	bool yes;
	/* OF_FLOW: Creator where the flow makes objects anew, Base where it does not. */
	enum sign_profile_kind profile;
	enum sign_hash hash;
	enum sign_unable unable; /* what happens to an object that cannot be signed */
};

/* What a flow wants of a caller's user identity (PS3.7 D.3.3.7), and what the target is told of it. */
enum user_caller { USER_IGNORE, USER_REQUIRE, USER_VERIFY };
enum user_called { USER_FORWARD, USER_STRIP, USER_REPLACE };

/* Which name of a caller's certificate is a user's. */
enum user_certificate { USER_OF_NO_CERTIFICATE, USER_OF_COMMON_NAME, USER_OF_EMAIL };

struct user_group {
	const char *name;
	struct names members;
};

/* An LDAP server that a user name and passcode are shown to (RFC 4513 5.1.3). */
struct user_ldap {
	const char *url;          /* "": none */
	enum transport transport; /* TRANSPORT_PLAIN: by name only */
	struct blob trust;        /* path NULL: the site's own */
	const char *dn;           /* the user's, with {user}; "": it is searched for */
	const char *base, *filter, *as;
	struct blob passcode; /* of `as`: a file's first line */
	const char *name;     /* attribute that is the user's name; "": as it was sent */
	const char *group_attribute, *group_base, *group_filter, *group_name;
	uint32_t timeout_s; /* of all that is asked, together */
};

struct user_kerberos {
	struct blob keytab;
	const char *principal; /* with its realm; "": none */
	struct names realms;   /* of users; none: the principal's own */
	bool keep_realm;       /* in the names of users, of the principal's own realm too */
	uint32_t skew_s;
};

struct user_saml {
	struct blob certificates; /* of the identity provider, PEM */
	const char *issuer, *audience, *recipient, *name, *groups;
	uint32_t skew_s;
	bool reuse; /* until it ends, unless it says OneTimeUse */
};

/* How users are verified. Files have no bytes but in the supervisor and the tools: their content is the lookup's alone. */
struct users {
	struct blob passwords; /* Argon2id; path "": none, as of the others */
	struct blob jwt_keys;  /* a JWKS */
	const char *jwt_issuer, *jwt_audience, *jwt_name, *jwt_groups; /* the last two: claims */
	struct user_ldap ldap;
	struct user_kerberos kerberos;
	struct user_saml saml;
	enum user_certificate certificate;
	struct user_group *groups;
	unsigned n_groups;
};

/* What an association does when what it is about to do cannot be recorded. */
enum unrecorded {
	UNRECORDED_HOLD,   /* wait, at most `hold-most`, then refuse */
	UNRECORDED_REFUSE, /* refuse at once */
	UNRECORDED_PASS,   /* go on, with an alarm */
};

/* Where audit messages are sent (RFC 5424): its addresses are tried in order, each of several repositories gets all. */
struct repository_address {
	bool tls; /* RFC 5425; else UDP, RFC 5426 */
	const char *text, *host;
	uint16_t port;
};

struct repository {
	const char *name;
	unsigned line, column;
	struct repository_address *address;
	unsigned n_address;
	struct blob *trust; /* authorities of its certificate; none: the site's */
	unsigned n_trust;
	const char *server_name; /* "": the address's host */
	const char *msgid, *app_name;
};

/* Who cosigns checkpoints (C2SP tlog-witness). */
struct witness {
	const char *url; /* http://host:port/path, to which /add-checkpoint is added */
	const char *key; /* its verifier key, NAME+HASH+KEY */
};

/* `audit:` */
struct audit_config {
	bool has;
	const char *journal; /* folder, absolute */
	const char *origin;  /* of checkpoints, and the name of their key */
	struct blob *auditors;
	unsigned n_auditors; /* public keys or certificates of who may read records */
	/* No bytes: the key holder alone opens them. path: absolute, or `pkcs11:`; NULL in record_key: no records are signed */
	struct blob checkpoint_key, index_key, record_key;
	uint32_t checkpoint_every;   /* seconds */
	const char *checkpoint_file; /* "": no copy */
	enum unrecorded unrecorded;
	uint32_t hold_most; /* seconds */
	uint32_t keep;      /* seconds; older segments are handed over */
	const char *cold;   /* folder for them; "": they stay */
	const char *enterprise_site, *source_id;
	uint32_t source_type; /* PS3.15 A.5.1.2.1, 1 to 9 */
	struct repository *repositories;
	unsigned n_repositories;
	struct witness *witnesses;
	unsigned n_witnesses;
	uint64_t spool_most; /* bytes that wait for repositories */
};

/* `deidentify`: what pseudonyms are made with. */
struct deidentify_config {
	struct blob key;       /* no bytes: the key holder opens it */
	uint32_t names_keep_s; /* old names stay in the book so long; 0: there is none */
	uint64_t names_most;   /* bytes of it */
	bool has;
};

/* Where objects are kept that a flow quarantines (archive/quarantine.h). */
struct quarantine_config {
	bool has;           /* it stands in gantry.yaml */
	const char *folder; /* absolute */
	uint64_t size_most; /* bytes */
	uint32_t objects_most;
};

/* `antivirus:`. Without it nothing of it but `has` means anything. */
struct antivirus_config {
	bool has;
	const char *socket; /* of clamd */
	uint32_t timeout_s; /* that clamd may take nothing, or think */
	uint64_t max_size;  /* bytes of one file that it is shown */
	/* Of `gantry antivirus`. */
	const char *definitions;           /* folder: sets of definitions, staged, in use, and before */
	const char *corpus;                /* folder with good/ and bad/ */
	const char *program, *config;      /* clamd, and its configuration */
	uint32_t load_s;                   /* that it may take to load definitions */
	uint32_t slower_most, larger_most; /* per cent */
};

/* An address of either family; IPv4 is kept as IPv4-mapped IPv6, so that one comparison serves. */
struct netaddr {
	struct in6_addr ip;
	uint16_t port; /* host order */
};

/* A source: a network, or a host name whose addresses the lookup role finds. */
struct network {
	struct in6_addr ip;
	uint8_t prefix;   /* bits of the 128; IPv4 /24 is 120 */
	const char *host; /* not "": a name; ip and prefix mean nothing */
};

struct timeouts { /* seconds; 0 in a node: the site's */
	uint32_t artim, negotiate, connect, idle, message, response, stop, lookup;
};

struct endpoint {
	const char *text; /* as written */
	const char *host; /* name or address literal; "" for a folder */
	uint16_t port;
	const char *folder;    /* absolute path; "" for a network address */
	unsigned line, column; /* in gantry.yaml */
};

struct spki_pin {
	uint8_t sha256[32];
};

struct node {
	const char *name;
	unsigned line, column; /* in gantry.yaml */
	bool has_ae;           /* `ae` is there; an empty list admits no one */
	struct names ae;
	bool has_from; /* `from` is there; an empty list admits no one */
	bool from_any; /* `from: any`: known by its other criteria alone */
	struct network *from;
	unsigned n_from;
	bool has_certificate;
	bool has_san;
	struct names san;
	bool has_spki;
	struct spki_pin *spki;
	unsigned n_spki;
	enum transport transport;
	enum tls_profile profile;
	struct ending transport_until; /* of plain transport, or of a retired profile */
	enum revocation revocation;
	enum over expired; /* of an association that is open when its certificate expires */
	struct endpoint *address;
	unsigned n_address;
	const char *server_name;
	bool source_is_caller; /* call it from the caller's own address */
	bool proxy_v2;         /* send it a PROXY v2 header */
	unsigned tolerate;     /* TOLERATE_… */
	uint32_t max_pdu;      /* announced when we call it; 0 unlimited */
	enum site_mode mode;
	struct timeouts timeouts;
};

/* A volume limit: 0 means none. */
struct limit {
	uint64_t most;
	enum over over;
};

struct hours { /* minutes of a day, local time; days: bit 0 Monday … bit 6 Sunday */
	uint8_t days;
	uint16_t from,
		to; /* to <= 1440; from < to, or from > to for past midnight (belongs to the day it starts on) */
};

struct title_map {
	const char *from, *to;
};

struct flow {
	const char *name;
	unsigned line, column;
	unsigned *from; /* node indices */
	unsigned n_from;
	unsigned to; /* node index */
	struct names called;
	unsigned services; /* 1u << enum service */
	bool any_sop_class;
	bool has_sop_classes;     /* false and not any: every standard SOP class of the services */
	struct names sop_classes; /* UIDs, groups expanded, sorted */
	unsigned implied;         /* services whose SOP classes need not be listed (policy/match.h) */
	bool has_transfer_syntaxes;
	struct names transfer_syntaxes; /* UIDs, sorted */
	unsigned *destinations;         /* node indices */
	unsigned n_destinations;
	const char *title_calling, *title_called; /* "": unchanged */
	struct title_map *move_titles;
	unsigned n_move_titles;
	bool implementation_is_gateway;
	enum user_caller user_caller;
	enum user_called user_called;
	bool has_users;
	struct names users;        /* who may use the flow: names, and groups as "@name" */
	const char *user_as;       /* USER_REPLACE: the user name that the target is told */
	struct blob user_passcode; /* and the passcode, a file's first line; path "": none */
	uint16_t refusal_status;   /* 0: the service's own */
	enum site_mode mode;
	struct hours *hours; /* n 0: always */
	unsigned n_hours;
	enum over hours_over;
	int64_t until_s; /* wall seconds of the first moment after the end date, local time; 0: none */
	enum over until_over;
	struct limit associations_at_once, associations_per_minute;
	struct limit objects_per_hour, bytes_per_hour, object_size;
	bool has_query;
	uint32_t *require_any, *require_all; /* tags */
	unsigned n_require_any, n_require_all;
	bool bare_wildcards;
	uint32_t matches;                   /* 0: no limit */
	struct content *inspect;            /* NULL: objects are not looked into (policy/content.h) */
	struct deidentify_flow *deidentify; /* NULL: objects pass as they are (policy/deidentify.h) */
	struct sign_rules sign;
};

struct listener {
	const char *name;
	unsigned line;
	const char *address; /* IP or "*" */
	uint16_t port;
	enum transport transport;
	enum tls_profile profile; /* never PROFILE_LIVE */
	struct ending transport_until;
	bool transparent;
	struct network *proxy_from;
	unsigned n_proxy_from;
	uint32_t max_pdu;
};

struct identity_files {
	struct blob certificate;
	struct blob
		key; /* no bytes: the key holder alone opens it. path: absolute, or a `pkcs11:` URI (keys/token.h) */
};

struct site {
	const char *name;
	const char *file; /* gantry.yaml's absolute path */
	struct span yaml; /* its text */
	enum site_mode mode;
	const char *state, *run;
	uint64_t hold_quota;         /* bytes of all objects that are held on disk */
	const char *user, *key_user; /* what the roles become, and the key holder, when started as root */
	const char *log_file;        /* "" : standard error */
	bool log_json;
	int log_level; /* enum log_level */
	struct identity_files *identities;
	unsigned n_identities;
	struct blob *trust;
	unsigned n_trust;
	struct blob *crl; /* the last is the site's own list, where it has `tls: revocation` */
	unsigned n_crl;
	struct own_list revocation;
	struct signing signatures;
	struct blob *
		token_folders; /* no bytes: what a token's module may use when the key holder is in its sandbox */
	unsigned n_token_folders;
	struct names token_environment; /* NAME=value, for the modules of tokens */
	bool resumption;
	bool ocsp_ask, ocsp_staple;
	const char *ocsp_responder; /* "": the one that a certificate names */
	uint32_t revocation_again;  /* seconds until the network is asked again of one certificate */
	struct users users;
	struct audit_config audit;
	struct quarantine_config quarantine;
	struct antivirus_config antivirus;
	struct deidentify_config deidentify;
	struct timeouts timeouts;
	uint32_t associations_at_once, associations_per_address;
	const char *implementation_class, *implementation_version;
	struct listener *listeners;
	unsigned n_listeners;
	struct node *nodes;
	unsigned n_nodes;
	struct flow *flows;
	unsigned n_flows;
	struct region *region; /* owns all of it */
};

/* Of a site that has `tls: revocation`: the list that it publishes, which may have no bytes yet. */
static inline const struct blob *site_own_list(const struct site *s)
{
	return &s->crl[s->n_crl - 1];
}

/* A revocation list that is fetched, and not read. */
static inline bool blob_is_url(const struct blob *b)
{
	return strncmp(b->path, "http://", 7) == 0;
}

/* A revocation list whose bytes are here: not one of an address, and not the site's own before there is one. */
static inline bool blob_is_list(const struct blob *b)
{
	return !blob_is_url(b) && !(b->may_be_absent && b->bytes.len == 0);
}

/* The files of users, in the order of enum user_file. */
enum user_file {
	FILE_PASSWORDS,
	FILE_JWT_KEYS,
	FILE_LDAP_TRUST,
	FILE_LDAP_PASSCODE,
	FILE_KEYTAB,
	FILE_SAML_CERTIFICATES,
	USER_FILES
};
const struct blob *site_user_file(const struct site *s, enum user_file which);

/* Does any flow verify users? */
bool site_verifies(const struct site *s);

/* Does any flow sign what passes? */
bool site_signs(const struct site *s);

/* Does any flow clean pixels, or take what videos have beside their pictures out of them? */
bool site_cleans(const struct site *s);

/* Has it a key of its own for anything? Then it has a key holder. */
static inline bool site_has_keys(const struct site *s)
{
	return s->n_identities > 0 || s->audit.has || s->revocation.certificate.path || s->deidentify.has ||
	       site_signs(s);
}

/* Is there a quarantine? */
bool site_quarantines(const struct site *s);

/* Is what objects were called before kept in a book (archive/namebook.h)? */
bool site_keeps_names(const struct site *s);

/*
 * Between two nodes (indices; -1: unknown): SITE_RENAMES_TO: what `from` stores at `to` is de-identified by a flow, so that `to` has other
 * names for it; SITE_RENAMES_FROM: the same of what `to` stores at `from`.
 */
enum { SITE_RENAMES_TO = 1, SITE_RENAMES_FROM = 2 };
unsigned site_renames(const struct site *s, int from, int to);

/* Are both of two nodes in one flow that de-identifies what they store at `to`? */
bool site_shares_names(const struct site *s, int a, int b, int to);

/* Is the network asked about peers' certificates? */
bool site_asks(const struct site *s);

/* One mistake, for people: "gantry.yaml:12:5: unknown key `adress` in node ct1; did you mean `address`?" */
struct mistake {
	unsigned line, column; /* 1-based; 0 when it belongs to no place */
	const char *text;      /* without the place */
};

/* All mistakes of one pass, and warnings (plain text across a network, a flow that can never match, …). */
struct mistakes {
	struct mistake *at;
	unsigned n, n_errors; /* errors first, each group in file order */
	struct region *region;
};

void mistakes_done(struct mistakes *m);

/*
 * Parse YAML text. file: gantry.yaml's absolute path, for relative paths in it. Opens nothing. Every mistake of the
 * text is in *ret_mistakes (which the caller empties with mistakes_done), warnings too.
 * 0 and *ret_site, or ERR_VALUE with at least one error in *ret_mistakes. ERR_NO_MEMORY.
 */
MUST_USE int site_parse(
	struct span yaml, const char *file, struct site **ret_site, struct mistakes *ret_mistakes);

/*
 * site_parse of a file, then read the certificates, trust files and revocation lists it names. For the supervisor and
 * the tools; the only functions here that open files. Missing files are mistakes. Private keys are not opened.
 */
MUST_USE int site_load(const char *path, struct site **ret_site, struct mistakes *ret_mistakes);

/* The same without the files that it names: for tools that need none of them, and may not be able to read them. */
MUST_USE int site_load_settings(const char *path, struct site **ret_site, struct mistakes *ret_mistakes);

/* Where gantry.yaml is when nobody says: "gantry.yaml" if the working folder has one, else "/etc/gantry/gantry.yaml". Static. */
const char *site_default_path(void);

/*
 * The site as one block of bytes for the other roles, who may open no file: the YAML text, its path and the blobs.
 * *ret_bytes is malloc'ed, the caller frees.
 */
MUST_USE int site_pack(const struct site *s, uint8_t **ret_bytes, size_t *ret_len);
MUST_USE int site_unpack(struct span packed, struct site **ret_site, struct mistakes *ret_mistakes);

void site_free(struct site *s);

/* Effective values: the node's own, or the site's. */
struct timeouts site_timeouts(const struct site *s, const struct node *n /* may be NULL */);

/* Is the address in the network? A host name's addresses come from the caller's lookup table (policy/hosts.h). */
bool network_has(const struct network *n, const struct in6_addr *ip);

#endif
