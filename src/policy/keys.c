/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"
#include "base/limits.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define STRINGIFY_VALUE(x) STRINGIFY(x)
#define STRINGIFY(x)       #x
#define FIELD(type, field) .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)
#define YEAR               (366u * 86400)

static const char *const mode_words[] = {"", "enforce", "observe", NULL};
static const char *const transport_words[] = {"tls", "plain", NULL};
static const char *const format_words[] = {"text", "json", NULL};
static const char *const level_words[] = {"debug", "info", "notice", "warning", "error", NULL};
static const char *const over_words[] = {"alarm", "refuse", NULL};
static const char *const revocation_words[] = {"open", "closed", NULL};
static const char *const user_caller_words[] = {"ignore", "require", "verify", NULL};
static const char *const user_called_words[] = {"forward", "strip", "replace", NULL};
static const char *const user_certificate_words[] = {"no", "common-name", "email", NULL};
static const char *const source_words[] = {"gateway", "caller", NULL};
static const char *const implementation_words[] = {"caller", "gateway", NULL};
static const char *const unrecorded_words[] = {"hold", "refuse", "pass", NULL};
static const char *const proxy_words[] = {"none", "v2", NULL};

const char *const place_path[PLACE_COUNT] = {
	[IN_TOP] = "",
	[IN_LOG] = "log.",
	[IN_TLS] = "tls.",
	[IN_IDENTITY] = "tls.identities[].",
	[IN_OCSP] = "tls.ocsp.",
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
};

/* A time in seconds of `timeouts`. */
#define TIMEOUT(name_, field, default_, help_)                                                               \
	{                                                                                                    \
		.in = IN_TIMEOUTS, .name = (name_), .read = read_seconds, FIELD(struct timeouts, field),     \
		.least = 1, .most = YEAR, .fallback = STRINGIFY_VALUE(default_), .help = (help_)             \
	}

const struct key keys[] = {
	{IN_TOP, "site", read_text, FIELD(struct site, name), .fallback = "", .absent = "no name",
		.help = "The site's name, shown in logs."},
	{IN_TOP, "mode", read_word, FIELD(struct site, mode), .choice = mode_words, .fallback = "enforce",
		.help = "enforce, or observe: nothing is refused by policy, what would have been is recorded."},
	{IN_TOP, "state", read_path, FIELD(struct site, state), .fallback = "/var/lib/gantry",
		.help = "Folder of the refusal ledger."},
	{IN_TOP, "run", read_path, FIELD(struct site, run), .fallback = "/run/gantry",
		.help = "Folder of the control socket."},
	{IN_TOP, "user", read_text, FIELD(struct site, user), .fallback = "gantry",
		.help = "What the roles become when started as root."},
	{IN_TOP, "key-user", read_text, FIELD(struct site, key_user), .fallback = "gantry-keys",
		.help = "What the key holder, which alone opens private keys, becomes when started as root."},
	{IN_TOP, "log", read_table, .inner = IN_LOG, .help = "Where the log goes."},
	{IN_LOG, "file", read_log_file, FIELD(struct site, log_file), .fallback = "stderr",
		.help = "stderr, or a file."},
	{IN_LOG, "format", read_word, FIELD(struct site, log_json), .choice = format_words,
		.fallback = "text", .help = "text, or json: one object a line."},
	{IN_LOG, "level", read_word, FIELD(struct site, log_level), .choice = level_words, .fallback = "info",
		.help = "debug, info, notice, warning or error: lines below it are dropped."},
	{IN_TOP, "tls", read_table, .inner = IN_TLS,
		.help = "The gateway's own identity, used on both sides."},
	{IN_TLS, "identities", read_identities, FIELD(struct site, identities), .absent = "none",
		.help = "Certificate chains with their keys (ECDSA, RSA or both)."},
	{IN_IDENTITY, "certificate", read_file, FIELD(struct identity_files, certificate), .required = true,
		.help = "File with the gateway's certificate and its chain (PEM)."},
	{IN_IDENTITY, "key", read_key, FIELD(struct identity_files, key), .required = true,
		.help = "File with the certificate's private key (PEM), or `pkcs11:` and where a token has it."},
	{IN_TLS, "trust", read_trust, FIELD(struct site, trust), .absent = "none",
		.help = "Files with the authorities that peers' certificates must come from (PEM)."},
	{IN_TLS, "crl", read_crl, FIELD(struct site, crl), .absent = "none: revocation is not looked at",
		.help = "Certificate revocation lists of the authorities (PEM or DER): files, or http:// addresses."},
	{IN_TLS, "ocsp", read_table, .inner = IN_OCSP,
		.help = "Asking the authorities about certificates (RFC 6960)."},
	{IN_OCSP, "ask", read_bool, FIELD(struct site, ocsp_ask), .fallback = "no",
		.help = "Ask about peers' certificates."},
	{IN_OCSP, "responder", read_url, FIELD(struct site, ocsp_responder), .fallback = "",
		.absent = "the one that a certificate names", .help = "Whom to ask: http://host:port/path."},
	{IN_OCSP, "staple", read_bool, FIELD(struct site, ocsp_staple), .fallback = "no",
		.help = "Show callers what the authority says of our own certificates (RFC 6066 8)."},
	{IN_TLS, "revocation-again", read_seconds, FIELD(struct site, revocation_again), .least = 1,
		.most = YEAR, .fallback = "600",
		.help = "The network is asked again about a certificate after this."},
	{IN_TLS, "resumption", read_bool, FIELD(struct site, resumption), .fallback = "no",
		.help = "Let a caller resume its TLS session for an hour, from the same address."},
	{IN_TLS, "token-folders", read_token_folders, FIELD(struct site, token_folders), .absent = "none",
		.help = "Files and folders that the modules of `pkcs11:` keys read and write while they sign."},
	{IN_TLS, "token-environment", read_environment, FIELD(struct site, token_environment),
		.absent = "none", .help = "NAME=value: environment of these modules."},
	{IN_TOP, "users", read_table, .inner = IN_USERS, .help = "How the identities of users are proved."},
	{IN_USERS, "passwords", read_file, FIELD(struct site, users.passwords), .absent = "none",
		.help = "File of user names with Argon2id hashes, see `gantry user`: user name and passcode."},
	{IN_USERS, "certificate", read_word, FIELD(struct site, users.certificate),
		.choice = user_certificate_words, .fallback = "no",
		.help = "no, common-name or email: the name of a caller's certificate that is a user's (smart cards)."},
	{IN_USERS, "jwt", read_table, .inner = IN_JWT,
		.help = "JSON Web Tokens (RFC 7519): RS256, ES256, EdDSA."},
	{IN_JWT, "keys", read_file, FIELD(struct site, users.jwt_keys), .required = true,
		.help = "File with the issuer's public keys (JWKS, RFC 7517)."},
	{IN_JWT, "issuer", read_text, FIELD(struct site, users.jwt_issuer), .required = true,
		.help = "The `iss` that a token must have."},
	{IN_JWT, "audience", read_text, FIELD(struct site, users.jwt_audience), .required = true,
		.help = "The `aud` that a token must have, or have among others."},
	{IN_JWT, "user", read_text, FIELD(struct site, users.jwt_name), .fallback = "sub",
		.help = "The claim that is the user's name."},
	{IN_JWT, "groups", read_text, FIELD(struct site, users.jwt_groups), .fallback = "groups",
		.help = "The claim that lists the user's groups."},
	{IN_USERS, "ldap", read_table, .inner = IN_LDAP,
		.help = "An LDAP server that user names and passcodes are shown to, where `passwords` has not the name."},
	{IN_LDAP, "url", read_ldap_url, FIELD(struct site, users.ldap.url), .required = true,
		.help = "ldaps://host[:port], ldap://host[:port] (with StartTLS), or ldapi://path."},
	{IN_LDAP, "transport", read_word, FIELD(struct site, users.ldap.transport), .choice = transport_words,
		.fallback = "tls", .help = "tls, or plain: anybody on the way reads every passcode."},
	{IN_LDAP, "trust", read_file, FIELD(struct site, users.ldap.trust), .absent = "`tls: trust:`",
		.help = "File with the authorities that the server's certificate must come from (PEM)."},
	{IN_LDAP, "dn", read_user_dn, FIELD(struct site, users.ldap.dn), .fallback = "",
		.absent = "see `search`",
		.help = "The user's distinguished name, such as uid={user},ou=people,dc=hospital,dc=example."},
	{IN_LDAP, "user", read_text, FIELD(struct site, users.ldap.name), .fallback = "",
		.absent = "the name that was sent",
		.help = "Attribute of the user's entry that is its name."},
	{IN_LDAP, "timeout", read_seconds, FIELD(struct site, users.ldap.timeout_s), .least = 1, .most = 10,
		.fallback = "5", .help = "What the server has for all that it is asked about one user."},
	{IN_LDAP, "search", read_table, .inner = IN_LDAP_SEARCH, .absent = "see `dn`",
		.help = "Finding the user's entry."},
	{IN_LDAP_SEARCH, "base", read_text, FIELD(struct site, users.ldap.base), .required = true,
		.help = "Below which entry."},
	{IN_LDAP_SEARCH, "filter", read_user_filter, FIELD(struct site, users.ldap.filter),
		.fallback = "(uid={user})", .help = "Which entry: the one that this finds (RFC 4515)."},
	{IN_LDAP_SEARCH, "as", read_text, FIELD(struct site, users.ldap.as), .fallback = "",
		.absent = "nobody (anonymous)", .help = "Distinguished name of who searches."},
	{IN_LDAP_SEARCH, "passcode", read_file, FIELD(struct site, users.ldap.passcode), .absent = "none",
		.help = "File whose first line is the passcode of who searches."},
	{IN_LDAP, "groups", read_table, .inner = IN_LDAP_GROUPS, .absent = "none",
		.help = "The user's groups."},
	{IN_LDAP_GROUPS, "attribute", read_text, FIELD(struct site, users.ldap.group_attribute),
		.fallback = "", .absent = "none",
		.help = "Attribute of the user's entry that lists them, such as memberOf."},
	{IN_LDAP_GROUPS, "base", read_text, FIELD(struct site, users.ldap.group_base), .fallback = "",
		.absent = "none", .help = "Entry right below which groups stand."},
	{IN_LDAP_GROUPS, "filter", read_user_filter, FIELD(struct site, users.ldap.group_filter),
		.fallback = "", .absent = "none",
		.help = "Which groups below `base` are the user's, such as (member={dn}) or (memberUid={user})."},
	{IN_LDAP_GROUPS, "name", read_text, FIELD(struct site, users.ldap.group_name), .fallback = "cn",
		.help = "Attribute of a group that is its name."},
	{IN_USERS, "kerberos", read_table, .inner = IN_KERBEROS,
		.help = "Kerberos service tickets (RFC 4120)."},
	{IN_KERBEROS, "keytab", read_file, FIELD(struct site, users.kerberos.keytab), .required = true,
		.help = "File with the keys of `principal`."},
	{IN_KERBEROS, "principal", read_principal, FIELD(struct site, users.kerberos.principal),
		.required = true,
		.help = "The service that tickets are for, such as dicom/gw.hospital.example@HOSPITAL.EXAMPLE."},
	{IN_KERBEROS, "realms", read_realms, FIELD(struct site, users.kerberos.realms),
		.absent = "that of `principal`", .help = "Realms whose users are taken."},
	{IN_KERBEROS, "keep-realm", read_bool, FIELD(struct site, users.kerberos.keep_realm),
		.fallback = "no",
		.help = "yes: a user is ann@HOSPITAL.EXAMPLE; no: ann, where the realm is that of `principal`."},
	{IN_KERBEROS, "clock-skew", read_seconds, FIELD(struct site, users.kerberos.skew_s), .least = 1,
		.most = 3600, .fallback = "300", .help = "By how much clocks may differ."},
	{IN_USERS, "saml", read_table, .inner = IN_SAML, .help = "SAML 2.0 assertions."},
	{IN_SAML, "certificates", read_file, FIELD(struct site, users.saml.certificates), .required = true,
		.help = "File with the certificates that the identity provider signs with (PEM)."},
	{IN_SAML, "issuer", read_text, FIELD(struct site, users.saml.issuer), .required = true,
		.help = "The Issuer that an assertion must have."},
	{IN_SAML, "audience", read_text, FIELD(struct site, users.saml.audience), .required = true,
		.help = "The Audience that an assertion must have, or have among others."},
	{IN_SAML, "recipient", read_text, FIELD(struct site, users.saml.recipient), .fallback = "",
		.absent = "any", .help = "The Recipient that its SubjectConfirmationData must have."},
	{IN_SAML, "user", read_text, FIELD(struct site, users.saml.name), .fallback = "",
		.absent = "the NameID", .help = "Name of the attribute that is the user's name."},
	{IN_SAML, "groups", read_text, FIELD(struct site, users.saml.groups), .fallback = "groups",
		.help = "Name of the attribute that lists the user's groups."},
	{IN_SAML, "clock-skew", read_seconds, FIELD(struct site, users.saml.skew_s), .least = 0, .most = 600,
		.fallback = "60", .help = "By how much clocks may differ."},
	{IN_SAML, "reuse", read_bool, FIELD(struct site, users.saml.reuse), .fallback = "no",
		.help = "yes: an assertion serves until it ends, unless it says OneTimeUse; no: it serves once."},
	{IN_USERS, "groups", read_user_groups, FIELD(struct site, users.groups), .absent = "none",
		.help = "Groups of users, beside what files and tokens tell: a map of lists of user names."},
	{IN_TOP, "audit", read_audit, FIELD(struct site, audit), .inner = IN_AUDIT,
		.absent = "no audit trail is kept",
		.help = "The audit trail (PS3.15 A.5), see `gantry audit`."},
	{IN_AUDIT, "journal", read_path, FIELD(struct audit_config, journal), .absent = "`audit` in `state`",
		.help = "Folder of the journal."},
	{IN_AUDIT, "origin", read_text, FIELD(struct audit_config, origin), .required = true,
		.help = "Name of the journal, in its checkpoints: hospital.example/gantry1."},
	{IN_AUDIT, "auditors", read_auditors, FIELD(struct audit_config, auditors), .required = true,
		.help = "Files with the public keys, or certificates, of who may read records (X25519 or P-256, PEM)."},
	{IN_AUDIT, "checkpoint-key", read_key, FIELD(struct audit_config, checkpoint_key), .required = true,
		.help = "File with the Ed25519 key that signs checkpoints (PEM), or `pkcs11:` and where a token has it."},
	{IN_AUDIT, "index-key", read_key, FIELD(struct audit_config, index_key), .required = true,
		.help = "File with the key of the blind index (64 hex digits), or `pkcs11:` and where a token has it."},
	{IN_AUDIT, "checkpoint-every", read_seconds, FIELD(struct audit_config, checkpoint_every), .least = 1,
		.most = 60, .fallback = "60",
		.help = "A checkpoint is signed after this, while the journal grows."},
	{IN_AUDIT, "checkpoint-file", read_path, FIELD(struct audit_config, checkpoint_file),
		.absent = "no copy", .help = "File elsewhere that gets a copy of each checkpoint."},
	{IN_AUDIT, "unrecorded", read_word, FIELD(struct audit_config, unrecorded),
		.choice = unrecorded_words, .fallback = "hold",
		.help = "What cannot be recorded: hold, at most `hold-most`, then refuse; refuse; or pass with an alarm."},
	{IN_AUDIT, "hold-most", read_seconds, FIELD(struct audit_config, hold_most), .least = 1, .most = 600,
		.fallback = "30", .help = "How long `hold` waits."},
	{IN_AUDIT, "keep", read_seconds, FIELD(struct audit_config, keep), .least = 86400, .most = 100 * YEAR,
		.fallback = "2192d",
		.help = "Records stay in the journal so long: six years. Then `cold` gets them."},
	{IN_AUDIT, "cold", read_path, FIELD(struct audit_config, cold), .absent = "they stay in the journal",
		.help = "Folder to which older segments of the journal are handed over."},
	{IN_AUDIT, "spool-most", read_bytes, FIELD(struct audit_config, spool_most), .least = 1u << 20,
		.most = INT64_MAX, .fallback = "1G",
		.help = "Bytes that may wait for repositories; units K, M, G, T."},
	{IN_AUDIT, "source", read_table, .inner = IN_AUDIT_SOURCE,
		.help = "AuditSourceIdentification of messages (PS3.15 A.5.2)."},
	{IN_AUDIT_SOURCE, "site", read_text, FIELD(struct audit_config, enterprise_site), .fallback = "",
		.absent = "the site's name", .help = "AuditEnterpriseSiteID."},
	{IN_AUDIT_SOURCE, "id", read_text, FIELD(struct audit_config, source_id), .fallback = "",
		.absent = "`origin`", .help = "AuditSourceID."},
	{IN_AUDIT_SOURCE, "type", read_count, FIELD(struct audit_config, source_type), .least = 1, .most = 9,
		.fallback = "4", .help = "AuditSourceTypeCode, 1 to 9; 4: application server process."},
	{IN_AUDIT, "repositories", read_repositories, FIELD(struct audit_config, repositories),
		.absent = "messages stay here", .help = "Where audit messages are sent (RFC 5424): a list."},
	{IN_REPOSITORY, "name", read_text, FIELD(struct repository, name), .fallback = "",
		.absent = "repository-N", .help = "Its name in the log and in `gantry status`."},
	{IN_REPOSITORY, "addresses", read_repository_addresses, FIELD(struct repository, address),
		.required = true,
		.help = "tls://host:port (RFC 5425, port 6514) or udp://host:port (RFC 5426, port 514), tried in order."},
	{IN_REPOSITORY, "trust", read_repository_trust, FIELD(struct repository, trust),
		.absent = "the site's",
		.help = "Files with the authorities that its certificate must come from (PEM)."},
	{IN_REPOSITORY, "server-name", read_text, FIELD(struct repository, server_name), .fallback = "",
		.absent = "the address's host", .help = "Name that its certificate must have."},
	{IN_REPOSITORY, "msgid", read_text, FIELD(struct repository, msgid), .fallback = "IHE+RFC-3881",
		.help = "MSGID of messages; IHE's by default, PS3.15 A.6 has DICOM+RFC3881."},
	{IN_REPOSITORY, "app-name", read_text, FIELD(struct repository, app_name), .fallback = "gantry",
		.help = "APP-NAME of messages, at most 48 characters."},
	{IN_AUDIT, "witnesses", read_witnesses, FIELD(struct audit_config, witnesses), .absent = "none",
		.help = "Who cosigns checkpoints (C2SP tlog-witness): a list."},
	{IN_WITNESS, "url", read_url, FIELD(struct witness, url), .required = true,
		.help = "http://host:port/path, before /add-checkpoint."},
	{IN_WITNESS, "key", read_text, FIELD(struct witness, key), .required = true,
		.help = "Its verifier key: NAME+HASH+KEY."},
	{IN_TOP, "timeouts", read_table, FIELD(struct site, timeouts), .inner = IN_TIMEOUTS,
		.help = "Seconds, or with a unit: 90s, 10m, 1h, 2d."},
	TIMEOUT("artim", artim, DEFAULT_ARTIM_S,
		"PS3.8's ARTIM: a caller's silence before its A-ASSOCIATE-RQ, and "
		"after the association's end."),
	TIMEOUT("negotiate", negotiate, DEFAULT_NEGOTIATE_S,
		"From accepting a connection to answering the association."),
	TIMEOUT("connect", connect, DEFAULT_CONNECT_S, "One address of a node; then the next is tried."),
	TIMEOUT("idle", idle, DEFAULT_IDLE_S, "Between messages."),
	TIMEOUT("message", message, DEFAULT_MESSAGE_S,
		"Silence in the middle of a message, or a peer that takes no bytes."),
	TIMEOUT("response", response, DEFAULT_RESPONSE_S, "A request waits for its (next) response."),
	TIMEOUT("stop", stop, DEFAULT_STOP_S, "SIGTERM: what associations get to finish."),
	TIMEOUT("lookup", lookup, DEFAULT_LOOKUP_S, "Host names are looked up again after this."),
	{IN_TOP, "associations", read_table, .inner = IN_ASSOCIATIONS, .help = "Associations at once."},
	{IN_ASSOCIATIONS, "at-once", read_count, FIELD(struct site, associations_at_once), .least = 1,
		.most = 1000000, .fallback = STRINGIFY_VALUE(DEFAULT_ASSOCIATIONS), .help = "In all."},
	{IN_ASSOCIATIONS, "per-address", read_count, FIELD(struct site, associations_per_address), .least = 1,
		.most = 1000000, .fallback = STRINGIFY_VALUE(DEFAULT_ASSOCIATIONS_PER_ADDRESS),
		.help = "From one source address."},
	{IN_TOP, "implementation", read_table, .inner = IN_IMPLEMENTATION,
		.help = "The gateway's own implementation identity (PS3.7 D.3.3.2)."},
	{IN_IMPLEMENTATION, "class", read_class_uid, FIELD(struct site, implementation_class), .fallback = "",
		.absent = "Gantry's", .help = "Implementation class UID."},
	{IN_IMPLEMENTATION, "version", read_version_name, FIELD(struct site, implementation_version),
		.fallback = "", .absent = "Gantry's",
		.help = "Implementation version name, at most 16 characters."},

	{IN_TOP, "listeners", read_listeners, FIELD(struct site, listeners), .required = true,
		.help = "Where associations are accepted: a list."},
	{IN_LISTENER, "name", read_text, FIELD(struct listener, name), .fallback = "", .absent = "listener-N",
		.help = "Its name in logs."},
	{IN_LISTENER, "address", read_listen_address, FIELD(struct listener, address), .fallback = "*",
		.help = "IP address, or * for all of both families."},
	{IN_LISTENER, "port", read_port, FIELD(struct listener, port), .required = true,
		.help = "TCP port. Usual: 2762 for TLS, 104 or 11112 for plain."},
	{IN_LISTENER, "transport", read_word, FIELD(struct listener, transport), .choice = transport_words,
		.fallback = "tls", .help = "tls or plain."},
	{IN_LISTENER, "profile", read_profile, FIELD(struct listener, profile), .choice = tls_profile_words,
		.fallback = "bcp195-rfc9325",
		.help = "TLS profile of PS3.15 Annex B: bcp195-rfc9325, bcp195-rfc9325-modified; for old devices "
			"legacy-bcp195-non-downgrading."},
	{IN_LISTENER, "transport-until", read_ending, FIELD(struct listener, transport_until),
		.inner = IN_ENDING, .absent = "no end",
		.help = "When plain transport, or a legacy profile, is to end here."},
	{IN_LISTENER, "transparent", read_bool, FIELD(struct listener, transparent), .fallback = "no",
		.help = "Accept what nftables TPROXY intercepts (IP_TRANSPARENT)."},
	{IN_LISTENER, "proxy-from", read_proxy_from, FIELD(struct listener, proxy_from), .absent = "none",
		.help = "Load balancers, addresses or networks, that send a PROXY protocol v2 header."},
	{IN_LISTENER, "max-pdu", read_max_pdu, FIELD(struct listener, max_pdu), .fallback = "131072",
		.help = "Longest PDU announced to callers, in bytes; 0 announces no limit."},

	{IN_TOP, "nodes", read_nodes, FIELD(struct site, nodes), .absent = "none: nobody is admitted",
		.help = "Who may call or be called: a map, by name. What an entry names must all match."},
	{IN_NODE, "ae", read_ae_titles, FIELD(struct node, ae), .has = offsetof(struct node, has_ae),
		.absent = "not a criterion", .help = "Its AE titles, as caller and as called."},
	{IN_NODE, "from", read_networks, FIELD(struct node, from), .has = offsetof(struct node, has_from),
		.absent = "not a criterion",
		.help = "Source networks, addresses or host names it calls from; [] admits no one; any: from anywhere."},
	{IN_NODE, "certificate", read_certificate, .has = offsetof(struct node, has_certificate),
		.inner = IN_CERTIFICATE, .absent = "not a criterion",
		.help = "How its certificate is known."},
	{IN_CERTIFICATE, "san", read_san, FIELD(struct node, san), .has = offsetof(struct node, has_san),
		.absent = "not a criterion",
		.help = "Subject alternative names; one of them must be in the certificate."},
	{IN_CERTIFICATE, "spki", read_spki, FIELD(struct node, spki), .has = offsetof(struct node, has_spki),
		.absent = "not a criterion",
		.help = "Pins of public keys, sha256:<64 hex digits>; one must match."},
	{IN_NODE, "transport", read_word, FIELD(struct node, transport), .choice = transport_words,
		.fallback = "tls", .help = "tls or plain: how it may call and how it is called."},
	{IN_NODE, "profile", read_profile, FIELD(struct node, profile), .choice = tls_profile_words,
		.absent = "any that is not retired; called with bcp195-rfc9325",
		.help = "TLS profile that its connections must keep to, and that it is called with."},
	{IN_NODE, "transport-until", read_ending, FIELD(struct node, transport_until), .inner = IN_ENDING,
		.absent = "no end", .help = "When its plain transport, or its legacy profile, is to end."},
	{IN_ENDING, "date", read_until, FIELD(struct ending, until_s), .required = true,
		.help = "Last day, YYYY-MM-DD."},
	{IN_ENDING, "over", read_word, FIELD(struct ending, over), .choice = over_words, .fallback = "alarm",
		.help = "After it: alarm or refuse."},
	{IN_NODE, "revocation", read_word, FIELD(struct node, revocation), .choice = revocation_words,
		.fallback = "open",
		.help = "Where no current revocation list tells: open, which alarms, or closed, which refuses."},
	{IN_NODE, "address", read_addresses, FIELD(struct node, address), .absent = "cannot be called",
		.help = "Where it is called, host:port, tried in order; or folder:/path."},
	{IN_NODE, "server-name", read_text, FIELD(struct node, server_name), .fallback = "",
		.absent = "the address's host", .help = "Name that its server certificate must have."},
	{IN_NODE, "source", read_word, FIELD(struct node, source_is_caller), .choice = source_words,
		.fallback = "gateway", .help = "gateway or caller: the source address used when calling it."},
	{IN_NODE, "proxy-protocol", read_word, FIELD(struct node, proxy_v2), .choice = proxy_words,
		.fallback = "none", .help = "none, or v2: send it a PROXY protocol v2 header."},
	{IN_NODE, "tolerate", read_tolerate, FIELD(struct node, tolerate), .absent = "nothing",
		.help = "Known misbehaviour that is let pass and counted: nul-padding, ae-case, pdu-overrun."},
	{IN_NODE, "max-pdu", read_max_pdu, FIELD(struct node, max_pdu), .fallback = "131072",
		.help = "Longest PDU announced when it is called, in bytes; 0 announces no limit."},
	{IN_NODE, "mode", read_word, FIELD(struct node, mode), .choice = mode_words, .absent = "the site's",
		.help = "enforce or observe, for this node."},
	{IN_NODE, "timeouts", read_node_timeouts, FIELD(struct node, timeouts), .inner = IN_TIMEOUTS,
		.absent = "the site's", .help = "As the site's timeouts, for this node."},

	{IN_TOP, "groups", read_groups, .absent = "none",
		.help = "Named groups of SOP classes: names, UIDs, other groups."},

	{IN_TOP, "flows", read_flows, FIELD(struct site, flows), .absent = "none: nothing passes",
		.help = "What may pass between nodes: a list."},
	{IN_FLOW, "name", read_text, FIELD(struct flow, name), .fallback = "", .absent = "flow-N",
		.help = "Its name in logs and refusals."},
	{IN_FLOW, "from", read_flow_from, FIELD(struct flow, from), .required = true,
		.help = "Nodes that open the association."},
	{IN_FLOW, "to", read_flow_to, FIELD(struct flow, to), .required = true,
		.help = "The node that is called."},
	{IN_FLOW, "called", read_ae_titles, FIELD(struct flow, called), .absent = "none",
		.help = "Further called AE titles that mean this node for these callers, beside its own."},
	{IN_FLOW, "services", read_services, FIELD(struct flow, services), .required = true,
		.help = "echo, store, find, move, get, worklist, mpps, commit, n-services."},
	{IN_FLOW, "sop-classes", read_sop_classes, FIELD(struct flow, sop_classes),
		.has = offsetof(struct flow, has_sop_classes), .absent = "every standard one of the services",
		.help = "SOP classes by name, UID or group; any: all, private ones too."},
	{IN_FLOW, "transfer-syntaxes", read_transfer_syntaxes, FIELD(struct flow, transfer_syntaxes),
		.has = offsetof(struct flow, has_transfer_syntaxes), .absent = "any",
		.help = "Transfer syntaxes by name or UID."},
	{IN_FLOW, "destinations", read_destinations, FIELD(struct flow, destinations), .absent = "none",
		.help = "C-MOVE: nodes that may be sent to."},
	{IN_FLOW, "titles", read_table, .inner = IN_TITLES, .absent = "unchanged",
		.help = "AE titles that the called node sees."},
	{IN_TITLES, "calling", read_ae, FIELD(struct flow, title_calling), .fallback = "",
		.absent = "unchanged", .help = "Calling AE title towards the called node."},
	{IN_TITLES, "called", read_ae, FIELD(struct flow, title_called), .fallback = "",
		.absent = "unchanged", .help = "Called AE title towards the called node."},
	{IN_FLOW, "move-titles", read_move_titles, FIELD(struct flow, move_titles), .absent = "unchanged",
		.help = "C-MOVE: destination as asked, to destination as the called node knows it."},
	{IN_FLOW, "implementation", read_word, FIELD(struct flow, implementation_is_gateway),
		.choice = implementation_words, .fallback = "caller",
		.help = "caller or gateway: whose implementation class and version the called node sees."},
	{IN_FLOW, "user-identity", read_table, .inner = IN_USER_IDENTITY, .absent = "ignored and forwarded",
		.help = "User identities that callers send (PS3.7 D.3.3.7)."},
	{IN_USER_IDENTITY, "caller", read_word, FIELD(struct flow, user_caller), .choice = user_caller_words,
		.fallback = "ignore",
		.help = "ignore; require: reject who sends none; verify: reject whose identity cannot be proved by `users`."},
	{IN_USER_IDENTITY, "users", read_users, FIELD(struct flow, users),
		.has = offsetof(struct flow, has_users), .absent = "every user that is verified",
		.help = "With verify: user names, and @groups, that may use the flow."},
	{IN_USER_IDENTITY, "called", read_word, FIELD(struct flow, user_called), .choice = user_called_words,
		.fallback = "forward",
		.help = "forward; strip: the called node does not see it; replace: it is told `as`."},
	{IN_USER_IDENTITY, "as", read_text, FIELD(struct flow, user_as), .fallback = "", .absent = "none",
		.help = "With replace: the user name that the called node is told."},
	{IN_USER_IDENTITY, "as-passcode", read_file, FIELD(struct flow, user_passcode), .absent = "none",
		.help = "With replace: a file whose first line is the passcode."},
	{IN_FLOW, "refusal-status", read_status, FIELD(struct flow, refusal_status),
		.absent = "0124H, or the service's own",
		.help = "DIMSE status of refusals on this flow, such as 0xA700."},
	{IN_FLOW, "mode", read_word, FIELD(struct flow, mode), .choice = mode_words,
		.absent = "the nodes', then the site's", .help = "enforce or observe, for this flow."},
	{IN_FLOW, "hours", read_hours, FIELD(struct flow, hours), .absent = "always",
		.help = "Local times, such as mon-fri 07:00-19:00, or daily 22:00-06:00."},
	{IN_FLOW, "until", read_until, FIELD(struct flow, until_s), .absent = "no end",
		.help = "Last day, YYYY-MM-DD."},
	{IN_FLOW, "limits", read_table, .inner = IN_LIMITS, .absent = "none", .help = "Limits of this flow."},
	{IN_LIMITS, "associations", read_table, .inner = IN_LIMIT_ASSOCIATIONS, .absent = "none",
		.help = "Associations of this flow."},
	{IN_LIMIT_ASSOCIATIONS, "at-once", read_count, FIELD(struct flow, associations_at_once.most),
		.least = 1, .most = 1000000, .absent = "no limit", .help = "At once."},
	{IN_LIMIT_ASSOCIATIONS, "per-minute", read_count, FIELD(struct flow, associations_per_minute.most),
		.least = 1, .most = 1000000, .absent = "no limit", .help = "Begun within a minute."},
	{IN_LIMIT_ASSOCIATIONS, "over", read_over_both, .choice = over_words, .fallback = "refuse",
		.help = "alarm or refuse."},
	{IN_LIMITS, "objects-per-hour", read_limit, FIELD(struct flow, objects_per_hour),
		.inner = IN_LIMIT_COUNT, .absent = "no limit", .help = "Objects stored within an hour."},
	{IN_LIMIT_COUNT, "most", read_count, FIELD(struct limit, most), .least = 1, .most = UINT32_MAX,
		.required = true, .help = "The most that pass without remark."},
	{IN_LIMIT_COUNT, "over", read_word, FIELD(struct limit, over), .choice = over_words,
		.fallback = "alarm", .help = "alarm or refuse."},
	{IN_LIMITS, "bytes-per-hour", read_limit, FIELD(struct flow, bytes_per_hour), .inner = IN_LIMIT_BYTES,
		.absent = "no limit", .help = "Bytes of objects stored within an hour."},
	{IN_LIMITS, "object-size", read_limit, FIELD(struct flow, object_size), .inner = IN_LIMIT_BYTES,
		.absent = "no limit", .help = "Bytes of one object."},
	{IN_LIMIT_BYTES, "most", read_bytes, FIELD(struct limit, most), .least = 1, .most = INT64_MAX,
		.required = true, .help = "The most that passes without remark; units K, M, G, T."},
	{IN_LIMIT_BYTES, "over", read_word, FIELD(struct limit, over), .choice = over_words,
		.fallback = "alarm", .help = "alarm or refuse."},
	{IN_LIMITS, "until", read_table, .inner = IN_LIMIT_UNTIL,
		.help = "What happens after the flow's end date."},
	{IN_LIMIT_UNTIL, "over", read_word, FIELD(struct flow, until_over), .choice = over_words,
		.fallback = "alarm", .help = "alarm or refuse."},
	{IN_LIMITS, "hours", read_table, .inner = IN_LIMIT_HOURS,
		.help = "What happens outside the flow's hours."},
	{IN_LIMIT_HOURS, "over", read_word, FIELD(struct flow, hours_over), .choice = over_words,
		.fallback = "refuse", .help = "alarm or refuse."},
	{IN_FLOW, "query", read_query, .has = offsetof(struct flow, has_query), .inner = IN_QUERY,
		.absent = "none", .help = "Guard of find and worklist queries; refuses, unless observe."},
	{IN_QUERY, "require-any", read_tags, FIELD(struct flow, require_any), .absent = "none",
		.help = "At least one of these attributes has a value."},
	{IN_QUERY, "require-all", read_tags, FIELD(struct flow, require_all), .absent = "none",
		.help = "Each of these attributes has a value."},
	{IN_QUERY, "bare-wildcards", read_bool, FIELD(struct flow, bare_wildcards), .fallback = "no",
		.help = "no: a value of only * and ? does not count."},
	{IN_QUERY, "matches", read_count, FIELD(struct flow, matches), .least = 1, .most = 10000000,
		.absent = "no limit", .help = "More answers than this end in a failure."},
};
const size_t keys_count = ARRAY_LEN(keys);

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
		} else if (k->inner != IN_TOP && k->read != read_node_timeouts) {
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

static void unknown_key(struct parse *p, enum place in, const struct tree *key)
{
	struct nearest n = nearest_to(key->text);
	for (size_t i = 0; i < keys_count; i++) {
		if (keys[i].in == in) {
			nearest_offer(&n, keys[i].name);
		}
	}
	if (n.best) {
		mistake_error(p->mistakes, key->line, key->column, "unknown key `%s`%s; did you mean `%s`?",
			key->text, p->in, n.best);
	} else {
		mistake_error(p->mistakes, key->line, key->column, "unknown key `%s`%s", key->text, p->in);
	}
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

bool parse_is_duplicate(struct parse *p, const struct tree *map, unsigned i)
{
	const struct tree *key = map->at[2 * i], *first = earlier(map, i);
	if (first) {
		mistake_error(p->mistakes, key->line, key->column,
			"`%s`%s stands twice; the first is in line %u", key->text, p->in, first->line);
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
		} else if (k->required) {
			mistake_error(
				p->mistakes, map->line, map->column, "`%s` is missing%s", k->name, p->in);
		}
	}
}
