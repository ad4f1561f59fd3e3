/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "dicom/service.h"
#include "net/associate.h"
#include "net/dimse.h"
#include "policy/hosts.h"
#include "policy/site.h"

/*
 * Decisions. Pure: facts in, a verdict out. Nothing here waits, counts or logs; counters are the gate's, and come in
 * as numbers.
 */

/* The rules that can refuse. One table (policy/rules.c) has for each its name, A-ASSOCIATE-RJ triple, context result and a sentence's frame. */
enum rule {
	RULE_NONE,               /* allowed */
	RULE_TLS,                /* the caller's TLS handshake failed: nothing of DICOM was said yet */
	RULE_CALLER_UNKNOWN,     /* no node has this calling AE title */
	RULE_CALLER_ADDRESS,     /* a node has the title, not the address */
	RULE_CALLER_CERTIFICATE, /* … not the certificate */
	RULE_CALLER_TRANSPORT, /* … came in plain and must use TLS, or the reverse, or outside its profile */
	RULE_USER_IDENTITY, /* a user identity is wanted and was not sent, was not proved, or is not among the flow's */
	RULE_REVOKED, /* the caller's certificate is revoked, or may be and its node is closed to that */
	RULE_EXPIRED, /* a certificate has expired since the association began */
	RULE_TRANSPORT_UNTIL, /* plain transport or a retired profile, after its end date */
	RULE_CALLED_UNKNOWN,  /* no node has the called AE title */
	RULE_NO_FLOW,         /* both known; no flow joins them */
	RULE_APPLICATION_CONTEXT,
	RULE_PROTOCOL_VERSION,
	RULE_ASSOCIATIONS, /* at once: site, address or flow */
	RULE_ASSOCIATION_RATE,
	RULE_HELD_OFF, /* this peer's associations crashed repeatedly */
	RULE_STOPPING,
	RULE_UPSTREAM_DOWN, /* no address of the target answered */
	RULE_UPSTREAM_TLS,
	RULE_UPSTREAM_REJECTED, /* it sent A-ASSOCIATE-RJ: its triple is passed on */
	RULE_SOP_CLASS,         /* context: no flow allows the SOP class */
	RULE_TRANSFER_SYNTAX,   /* context: none of the transfer syntaxes is allowed */
	RULE_UPSTREAM_CONTEXT,  /* context: the target refused it */
	RULE_SERVICE,           /* message: the command is not of an allowed service */
	RULE_DESTINATION,       /* C-MOVE */
	RULE_OBJECT_SIZE,
	RULE_OBJECT_RATE,
	RULE_BYTE_RATE,
	RULE_HOURS,
	RULE_UNTIL,
	RULE_QUERY_KEYS,
	RULE_QUERY_MATCHES,
	RULE_CONTENT, /* what is in an object: src/inspect */
	RULE_UNJUDGED, /* an object could not be judged: it was held for too long, or there was no room for it */
	RULE_DEIDENTIFY,    /* the object cannot be de-identified */
	RULE_SIGN,          /* the object cannot be signed */
	RULE_SIGN_KEY,      /* nothing can be signed now */
	RULE_UPSTREAM_LOST, /* the target closed, aborted or fell silent with the request outstanding */
	RULE_MALFORMED,
	RULE_UNRECORDED, /* no record of it could be made in the journal */
	RULE_COUNT,
};

#define RULE_BIT(rule) ((uint64_t)1 << (rule))
static_assert(RULE_COUNT <= 64, "a bit each");

const char *rule_name(enum rule r);       /* "caller-unknown"; static */
enum rule rule_by_name(const char *name); /* RULE_COUNT when there is none */
bool rule_is_policy(enum rule r); /* false: not softened by observe mode (unroutable, malformed, upstream) */
struct pdu_reject rule_reject(enum rule r); /* PS3.8 9.3.4 */
uint8_t rule_context_result(enum rule r);   /* PS3.8 9.3.3.2: 1..4 */

#define VERDICT_SENTENCE 512

struct verdict {
	enum rule rule;                  /* RULE_NONE: allowed, and nothing to remark */
	bool refuse;                     /* the rule applies and refuses */
	bool observed;                   /* it would refuse, but observe mode lets it pass */
	bool alarm;                      /* a limit that only alarms was passed */
	bool lasting;                    /* RULE_UNJUDGED: sent again it could not be judged either */
	int flow;                        /* index of the flow that allowed or refused; -1 */
	unsigned line;                   /* of the flow, node or listener in gantry.yaml; 0 */
	char sentence[VERDICT_SENTENCE]; /* for people: what, why, what would help; "" for RULE_NONE */
};

/* What is known of the one who called. Borrowed strings. */
struct caller {
	struct in6_addr ip; /* the real one: after the PROXY header */
	uint16_t port;
	enum transport transport;
	const char *calling, *called; /* AE titles, trimmed */
	bool has_certificate;
	const char *subject;
	const char *const *san;
	unsigned n_san;
	uint8_t spki_sha256[32];
	unsigned
		outside; /* TLS: profiles that the connection does not keep to, 1u << enum tls_profile each */
	const char *suite;     /* TLS: "TLSv1.2 ECDHE-RSA-…", for sentences; NULL: none */
	const char *revoked;   /* "was revoked on …"; NULL: it was not, as far as is known */
	const char *unrevoked; /* why it is not known whether it was; NULL: it is known, or nobody asks */
	const char *expired;   /* "expired on …": since the association began; NULL */
	const struct listener *listener; /* that it called; NULL: not judged */
	int64_t wall_s;                  /* now, for end dates; 0: not judged */
	unsigned
		tolerated; /* AE_TOLERATE_… met while parsing: refused later where the node does not tolerate it */
};

/* Who called, whom, and along which flows. */
struct route {
	int from, to;       /* node indices; from is -1 for an unknown caller in observe mode */
	unsigned flows[64]; /* indices, in file order; empty in observe mode when none joins them */
	unsigned n_flows;
	unsigned tolerated; /* misbehaviour tolerated for this node (for counting) */
	bool local; /* through the gateway's own door, of a program on this machine: no flow is asked whether it may */
};

/*
 * Which node this is and where it may go. On a policy refusal in observe mode the route is filled as far as it can be
 * (to is always set), verdict->observed is set and 0 is returned. A near miss names the likely title.
 * 0: go on (look at verdict for remarks). ERR_DENIED: refuse with verdict.
 */
MUST_USE int decide_route(const struct site *s, const struct hosts *h, const struct caller *c,
	struct route *ret_route, struct verdict *ret_verdict);

/*
 * The route of a program that came through the local door, to the node of that name, to deliver an object that had come by that
 * flow once: the route's only one, so that the object leaves as it would have then (titles, de-identified). It must be there, and
 * join that node still. ERR_DENIED, as above.
 */
MUST_USE int decide_release(const struct site *s, const char *node, const char *flow, struct route *ret_route,
	struct verdict *ret_verdict);

/*
 * The same, to bring objects from elsewhere. flow: the one by which they go, as it has it (titles, de-identified, signed); "": none was
 * named. Then they go as they are, by no flow, if every flow that brings objects to that node lets them pass so; by the only one
 * if that does not; and where there are several it must be named. ERR_DENIED, as above.
 */
MUST_USE int decide_import(const struct site *s, const char *node, const char *flow, struct route *ret_route,
	struct verdict *ret_verdict);

/*
 * After a reload the same call gives a live association its route anew, from the same struct caller. The route is
 * filled as far as it is known on a refusal too, for the record.
 */

/*
 * One proposed context: may it be proposed to the target, and with which transfer syntaxes?
 * allowed[i] says whether context->transfer[i] is. Returns 0 or ERR_DENIED (none left, or SOP class not allowed).
 */
MUST_USE int decide_context(const struct site *s, const struct route *r, const struct context *c,
	bool allowed[LIMIT_TRANSFER_SYNTAXES], struct verdict *ret_verdict);

/* One request. reverse: it came from the target (C-GET sub-operation, N-EVENT-REPORT). */
struct request_facts {
	const struct command *command;
	struct span abstract_syntax, transfer_syntax; /* of its context */
	bool reverse;
	uint64_t
		passed; /* RULE_BIT of those found broken before, recorded and let pass: ask for the next one */
	bool get_outstanding; /* a C-GET from the other side waits for its end */
	int64_t wall_s;       /* now */
};

/* Service, SOP class, hours, end date, destination. ret_route_flow: the flow that allows it, for limits and status. */
int decide_request(const struct site *s, const struct route *r, const struct request_facts *f,
	struct verdict *ret_verdict);

/* The service that a request belongs to, SERVICE_COUNT if none does. */
enum service request_service(const struct request_facts *f);

/* Volume limits of the flow, given the gate's counts with this request included (object_bytes: so far). */
struct volume {
	uint64_t objects_hour, bytes_hour, object_bytes;
	uint64_t passed; /* as in struct request_facts */
};
int decide_volume(const struct site *s, const struct route *r, int flow, const struct volume *v,
	struct verdict *ret_verdict);

/* What is known of the caller's user. */
struct user_facts {
	bool sent;          /* it sent an identity (PS3.7 D.3.3.7), or its certificate has one */
	bool verified;      /* and it was proved */
	const char *name;   /* then: whose it is */
	const char *groups; /* then: separated by commas; beside those of the site */
	const char *why;    /* sent, and not proved: a sentence's end */
};

/* Must the user be proved on this route? */
bool route_verifies(const struct site *s, const struct route *r);

/*
 * Flows that the caller's user may not use are taken from the route. ERR_DENIED when none is left, and when an
 * identity that was to be proved was not: a wrong passcode is no way to fewer rights.
 */
MUST_USE int decide_user(
	const struct site *s, struct route *r, const struct user_facts *u, struct verdict *ret_verdict);

/* Association counts of one flow of the route (-1: none) with this one included. */
MUST_USE int decide_associations(const struct site *s, const struct route *r, int flow, unsigned at_once,
	unsigned last_minute, struct verdict *ret_verdict);

/* The identifier of a C-FIND against the flow's query guard. What cannot be read is refused with a reason. */
int decide_query(const struct site *s, const struct route *r, int flow, struct span identifier,
	struct span sop_class, struct span transfer_syntax, struct verdict *ret_verdict);

/* Verdict for matches over the flow's limit, for refusals that the relay itself finds, for the upstream's faults. */
void verdict_of(const struct site *s, const struct route *r /* may be NULL */, int flow, enum rule rule,
	const char *detail, struct verdict *ret_verdict);

/* The DIMSE status a refusal of this request gets: the flow's refusal-status, else command_refusal_status(). */
uint16_t refusal_status(const struct site *s, int flow, uint16_t command_field);

/* C-MOVE's destination as the target knows it (move-titles), or the same. */
const char *route_move_title(const struct site *s, int flow, const char *destination);

/* Is the effective mode of this route (site, node, flow; the first that is not inherit, flow first) observe? flow -1: any. */
bool route_observes(const struct site *s, const struct route *r, int flow);

#endif
