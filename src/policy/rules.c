/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decide.h"
#include "policy/rules.h"

#include <string.h>

/*
 * The rules that refuse, one row each. Reject: result, source, reason (PS3.8 9.3.4). Context: PS3.8 9.3.3.2.
 * Policy: observe mode lets it pass. Frame: what verdict_of() says when the caller has nothing more to tell.
 */
struct rule_row {
	const char *name;
	bool policy;
	uint8_t reject[3];
	uint8_t context;
	const char *frame;
};

#define PERMANENT 1
#define TRANSIENT 2
#define BY_USER   1
#define BY_ACSE   2
#define BY_LAYER  3 /* the presentation service provider */

static const struct rule_row rows[RULE_COUNT] = {
	[RULE_NONE] = {"none", false, {PERMANENT, BY_USER, 1}, 0, ""},
	[RULE_TLS] = {"tls", false, {PERMANENT, BY_USER, 1}, 1, "the TLS handshake failed"},
	[RULE_CALLER_UNKNOWN] = {"caller-unknown", true, {PERMANENT, BY_USER, 3}, 1,
		"the caller is not known"},
	[RULE_CALLER_ADDRESS] = {"caller-address", true, {PERMANENT, BY_USER, 3}, 1,
		"the caller's address is not the one that its node names"},
	[RULE_CALLER_CERTIFICATE] = {"caller-certificate", true, {PERMANENT, BY_USER, 3}, 1,
		"the caller's certificate is not the one that its node names"},
	[RULE_CALLER_TRANSPORT] = {"caller-transport", true, {PERMANENT, BY_USER, 3}, 1,
		"the caller did not use its node's transport"},
	/* PS3.7 D.3.3.7.3: rejected-permanent by the ACSE provider, no reason given. */
	[RULE_USER_IDENTITY] = {"user-identity", true, {PERMANENT, BY_ACSE, 1}, 1,
		"the caller's user is unknown, or may not"},
	[RULE_REVOKED] = {"revoked", false, {PERMANENT, BY_USER, 3}, 1,
		"the caller's certificate is revoked"},
	[RULE_EXPIRED] = {"expired", true, {PERMANENT, BY_USER, 3}, 1,
		"a certificate has expired since the association began"},
	[RULE_TRANSPORT_UNTIL] = {"transport-until", true, {PERMANENT, BY_USER, 1}, 1,
		"the end date of an old transport has passed"},
	[RULE_CALLED_UNKNOWN] = {"called-unknown", false, {PERMANENT, BY_USER, 7}, 1,
		"no node has the called AE title"},
	[RULE_NO_FLOW] = {"no-flow", true, {PERMANENT, BY_USER, 7}, 1,
		"no flow joins the caller to the called node"},
	[RULE_APPLICATION_CONTEXT] = {"application-context", false, {PERMANENT, BY_USER, 2}, 1,
		"the application context is not DICOM's"},
	[RULE_PROTOCOL_VERSION] = {"protocol-version", false, {PERMANENT, BY_ACSE, 2}, 1,
		"the caller does not offer version 1 of the upper-layer protocol"},
	[RULE_ASSOCIATIONS] = {"associations", true, {TRANSIENT, BY_LAYER, 2}, 1,
		"too many associations at once"},
	[RULE_ASSOCIATION_RATE] = {"association-rate", true, {TRANSIENT, BY_LAYER, 1}, 1,
		"too many associations within a minute"},
	[RULE_HELD_OFF] = {"held-off", false, {TRANSIENT, BY_LAYER, 1}, 1,
		"associations from this address crashed repeatedly; it is held off for some minutes"},
	[RULE_STOPPING] = {"stopping", false, {TRANSIENT, BY_LAYER, 1}, 1, "the gateway is stopping"},
	[RULE_UPSTREAM_DOWN] = {"upstream-down", false, {TRANSIENT, BY_LAYER, 1}, 2,
		"none of the called node's addresses answered"},
	[RULE_UPSTREAM_TLS] = {"upstream-tls", false, {TRANSIENT, BY_LAYER, 1}, 2,
		"the TLS handshake with the called node failed"},
	[RULE_UPSTREAM_REJECTED] = {"upstream-rejected", false, {PERMANENT, BY_USER, 1}, 2,
		"the called node rejected the association"},
	[RULE_SOP_CLASS] = {"sop-class", true, {PERMANENT, BY_USER, 1}, 3, "no flow allows the SOP class"},
	[RULE_TRANSFER_SYNTAX] = {"transfer-syntax", true, {PERMANENT, BY_USER, 1}, 4,
		"no flow allows any of the transfer syntaxes"},
	[RULE_UPSTREAM_CONTEXT] = {"upstream-context", false, {PERMANENT, BY_USER, 1}, 2,
		"the called node refused the presentation context"},
	[RULE_SERVICE] = {"service", true, {PERMANENT, BY_USER, 1}, 1, "no flow allows the service"},
	[RULE_DESTINATION] = {"destination", true, {PERMANENT, BY_USER, 1}, 1,
		"no flow allows the C-MOVE destination"},
	[RULE_OBJECT_SIZE] = {"object-size", true, {PERMANENT, BY_USER, 1}, 1,
		"the object is over the flow's size limit"},
	[RULE_OBJECT_RATE] = {"object-rate", true, {PERMANENT, BY_USER, 1}, 1,
		"more objects within an hour than the flow's limit"},
	[RULE_BYTE_RATE] = {"byte-rate", true, {PERMANENT, BY_USER, 1}, 1,
		"more bytes within an hour than the flow's limit"},
	[RULE_HOURS] = {"hours", true, {PERMANENT, BY_USER, 1}, 1, "it is outside the flow's hours"},
	[RULE_UNTIL] = {"until", true, {PERMANENT, BY_USER, 1}, 1, "the flow's end date has passed"},
	[RULE_QUERY_KEYS] = {"query-keys", true, {PERMANENT, BY_USER, 1}, 1,
		"the query lacks the keys that the flow requires"},
	[RULE_QUERY_MATCHES] = {"query-matches", true, {PERMANENT, BY_USER, 1}, 1,
		"the query matches more than the flow's limit; ask more narrowly"},
	[RULE_CONTENT] = {"content", true, {PERMANENT, BY_USER, 1}, 1,
		"what is in the object is not let pass"},
	[RULE_UNJUDGED] = {"unjudged", true, {TRANSIENT, BY_LAYER, 1}, 1, "the object could not be judged"},
	[RULE_DEIDENTIFY] = {"deidentify", false, {PERMANENT, BY_USER, 1}, 1,
		"what was sent cannot be de-identified, and does not pass as it is"},
	[RULE_SIGN] = {"sign", true, {PERMANENT, BY_USER, 1}, 1, "the object cannot be signed"},
	[RULE_SIGN_KEY] = {"sign-key", true, {TRANSIENT, BY_LAYER, 1}, 1,
		"the key that signs objects cannot be used now"},
	[RULE_UPSTREAM_LOST] = {"upstream-lost", false, {TRANSIENT, BY_LAYER, 1}, 2,
		"the called node closed, aborted or fell silent with the request outstanding"},
	[RULE_MALFORMED] = {"malformed", false, {PERMANENT, BY_ACSE, 1}, 2, "malformed"},
	[RULE_UNRECORDED] = {"unrecorded", false, {TRANSIENT, BY_LAYER, 1}, 2,
		"the audit journal could not take a record of it, and what is not recorded does not pass"},
};

static const struct rule_row *row_of(enum rule r)
{
	return &rows[(unsigned)r < RULE_COUNT ? r : RULE_MALFORMED];
}

const char *rule_name(enum rule r)
{
	return row_of(r)->name;
}

enum rule rule_by_name(const char *name)
{
	int r = 0;
	while (r < RULE_COUNT && strcmp(rows[r].name, name) != 0) {
		r++;
	}
	return (enum rule)r;
}

bool rule_is_policy(enum rule r)
{
	return row_of(r)->policy;
}

const char *rule_frame(enum rule r)
{
	return row_of(r)->frame;
}

struct pdu_reject rule_reject(enum rule r)
{
	const uint8_t *t = row_of(r)->reject;
	return (struct pdu_reject){.result = t[0], .source = t[1], .reason = t[2]};
}

uint8_t rule_context_result(enum rule r)
{
	return row_of(r)->context;
}
