/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_STATE_H
#define GATEWAY_STATE_H

#include "gateway/association.h"
#include "gateway/audit.h"
#include "gateway/side.h"
#include "keys/ocsp.h"
#include "keys/tls.h"
#include "net/associate.h"
#include "net/door.h"
#include "policy/decide.h"
#include "policy/refusal.h"
#include "priv/message.h"

/* All that one association process knows. Shared by the files association, negotiate, target, relay, exchange, report. */

/* A presentation context, by its identifier. */
struct agreed {
	bool accepted;     /* by the target and by policy: data may flow */
	bool reopened_out; /* the target, opened again, did not accept it again */
	bool spare;        /* the caller has not asked for it, and does not know it (gateway/spare.h) */
	struct span abstract, transfer;
};

struct totals {
	uint64_t messages, objects, remade;
	uint32_t refusals, tolerated;
};

/* What has been logged as allowed: one line for each kind of request, not for each request. */
#define SEEN_KINDS 64
struct seen {
	uint8_t context;
	uint16_t field;
	int flow;
};

/* What the authority of a side's certificate says of it. */
struct standing_note {
	bool asked;
	enum standing_state state;
	int64_t again_ms; /* ask again from then on */
	uint8_t *chain;   /* what is asked about (keys/ocsp.h), owned; NULL: none */
	size_t len;
	char why[192]; /* "was revoked on …", "may have been revoked: …" */
};

struct association {
	const struct association_start *start;
	const struct site *site;
	struct site *reloaded; /* owned: the site of the last reload, or NULL */
	bool gate_lost;
	int pending_site; /* a memfd with the site of a reload that is not applied yet; 0 none */
	uint32_t pending_generation;
	int log_fd;                /* of the log after a rotation; 0: the one that we were forked with */
	struct message ask, reply; /* every question to the gate is put in these: few pages are touched */
	uint32_t generation;       /* of the site: every message to the gate carries it */
	int64_t stop_ms;           /* 0, or the moment by which it must have ended */
	int64_t begun_ms;

	struct door door;     /* what the caller came through the local door for; why 0: it did not */
	struct side a, b;     /* caller, target */
	struct tls_peer peer; /* of the caller; san borrowed by caller.san */
	const char *san[TLS_SAN_MAX];
	struct caller caller;
	char suite[80];                   /* version and suite, for caller.suite */
	char revocation[128];             /* what a list that came with a reload says of the caller */
	bool asks;                        /* the site wants the authorities to be asked */
	struct standing_note standing[2]; /* of the caller, of the target */
	enum message_type owed;      /* the lookup's answer to what we have stopped waiting for; 0: none */
	int owed_side;               /* whose standing it is: an index; -1: nobody's any more */
	bool late_caller;            /* it has come, and is to be applied */
	char target_revocation[128]; /* as revocation, of the target */
	char expired[2][48];         /* "expired on …": of the caller, of the target */
	int64_t target_until_s;
	char target_last_day[16];
	const char *target_revoked, *target_unrevoked; /* as those of the caller; NULL */
	char caller_text[46];
	struct timeouts timeouts_a, timeouts_b;

	uint8_t *rq_body; /* the caller's A-ASSOCIATE-RQ; rq borrows it */
	struct associate *rq;
	struct associate *proposal; /* what the target is asked; borrows rq */
	uint8_t *ac_body;           /* the target's answer; ac borrows it */
	struct associate *ac;
	struct agreed context[256];
	bool answered;    /* the caller has its A-ASSOCIATE-AC */
	bool no_target;   /* every context was refused by policy: nobody to relay to */
	bool target_lost; /* the target's association ended under us; opened again at the next request */

	struct audit *audit;
	struct holds *holds;
	char target_address[46];                             /* of the target, where it is known */
	bool target_certified;                               /* it showed a certificate; */
	char target_subject[TLS_NAME_LEN];                   /* whose, */
	uint8_t target_sha256[32];                           /* its fingerprint, */
	char target_serial[64], target_issuer[TLS_NAME_LEN]; /* and its number, of whom */
	enum rule
		loss; /* why requests fail when the target is ended; RULE_UPSTREAM_LOST, save for a moment */

	struct user_facts user;
	char user_name[256], user_groups[1024], user_why[256];
	uint8_t user_response[LIMIT_USER_RESPONSE]; /* what the caller is answered by whoever proved it */
	size_t user_response_len;

	struct route route;
	char target_name[65]; /* of the node that the target's association is open to */
	bool route_denied;    /* after a reload: every further request is refused with route_verdict */
	struct verdict route_verdict;

	struct seen seen[SEEN_KINDS];
	unsigned n_seen;
	uint64_t unreported_bytes; /* of finished objects, for the gate's hourly counts */
	int unreported_flow;
	struct totals totals;
	int64_t progress_ms; /* of the last report to the gate */
	bool progress_due;
	char ended[192]; /* why it ended, for the closing log line */
	bool over;       /* leave the loop */
};

static inline struct side *other_side(struct association *as, const struct side *s)
{
	return s == &as->a ? &as->b : &as->a;
}

/* How long an answer from the gate may take before what asked goes on without it. */
#define GATE_WAIT_MS 5000

/* gatelink.c: requests to the gate. Reloads and stops that arrive meanwhile are taken. */
MUST_USE int gate_ask(struct association *as, struct message *request, enum message_type want,
	struct message *ret_reply, int64_t wait_ms);
void gate_take(struct association *as); /* read what the gate has sent unasked */
void gate_apply(struct association
		*as); /* work with the site of the last reload, and with what authorities now say */
void gate_progress(struct association *as, uint8_t state);
void gate_unrecorded(struct association *as, unsigned kind, unsigned n); /* MSG_UNRECORDED */

/* The route by the same facts under the site and the standing of now; where it changes, route_denied. */
void route_again(struct association *as);

/* The route by what is known of the caller, or by the door that it came through. ERR_DENIED with the verdict. */
MUST_USE int route_find(struct association *as, struct route *ret_route, struct verdict *ret_verdict);

/* user.c: whose identity the caller has, what the target is told of it, what the caller is answered. */
void user_find(struct association *as);
void user_of_door(struct association *as);
void user_told(const struct association *as, const struct flow *f /* may be NULL */, struct identity *ret);
void user_answer(const struct association *as, struct identity *ret);

/* standing.c: what authorities say of certificates. */
void standing_prepare(struct association *as);      /* before the first handshake */
void standing_begin_target(struct association *as); /* before a handshake with it: nothing is known of it */
void standing_apply(struct association *as);        /* to the facts of the caller and of the target */
void standing_late(struct association *as, const struct message *m); /* what was owed */
/* Is the association between messages, with no operation open? */
bool standing_nothing_in_hand(const struct association *as);
/* expiry.c: certificates that have expired since the handshake. Before standing_again(). */
void expiry_again(struct association *as);
/* Until expiry_again() will have something to do, by the wall's clock; INT64_MAX: nothing. */
int64_t expiry_left_ms(const struct association *as);
/* Is every further request refused because the caller's has expired? Then expiry_end() when nothing is in hand. */
bool expiry_refuses(const struct association *as);
void expiry_end(struct association *as);
/* When an answer is old, ask again. A target that is revoked, or not known not to be where that is asked for, is ended. */
void standing_again(struct association *as);

/* report.c: decisions, to the log and to the gate. */
struct subject { /* what a decision was about; any may be empty */
	const char *service;
	struct span sop_class, transfer_syntax;
	const char *destination;
	const char *answered;
	bool minor; /* see struct refusal */
};
uint64_t report_refusal(struct association *as, const struct verdict *v, const struct subject *what);
void report_allowed(struct association *as, int flow, const struct subject *what);
void report_accepted(struct association *as);
void report_end(struct association *as);
void report_ended(struct association *as, const char *fmt, ...) PRINTF(2, 3);

/* negotiate.c: from the first byte to the caller's answer. 0: go on to the relay; otherwise all has been said. */
MUST_USE int negotiate(struct association *as);

/* proposal.c: what the target is asked, into as->proposal; results has the answers to contexts that policy refused. */
void proposal_build(struct association *as, uint8_t results[256]);
/* The implementation that the flow shows: the peer's, or where it has none or the flow says so the gateway's. */
void proposal_implementation(
	const struct association *as, const struct associate *peer, struct associate *to);

/* An address as text, IPv4 in its own form. */
void netaddr_text(const struct in6_addr *ip, char ret_text[46]);

/* wait.c: a side alone, before and beside the relay. Deadlines are of clock_mono_ms. */
MUST_USE int wait_readable(struct association *as, struct side *s, int64_t deadline_ms);
MUST_USE int wait_flush(struct association *as, struct side *s, int64_t deadline_ms);
MUST_USE int wait_handshake(struct association *as, struct side *s, int64_t deadline_ms);
MUST_USE int wait_pdu(struct association *as, struct side *s, int64_t deadline_ms, struct pdu_head *ret_head,
	struct span *ret_body);
MUST_USE int wait_bytes(struct association *as, struct side *s, size_t n, int64_t deadline_ms);

/* target.c: the association to the target, first or again. ERR_DENIED with the verdict; *ret_reject where it rejected. */
MUST_USE int target_open(struct association *as, struct verdict *ret_verdict, struct pdu_reject *ret_reject);
/* After a reload: end it if it is not what the configuration says now. */
void target_again(struct association *as);
/* It is gone (or is given up): outstanding requests become failures, a message under way to the caller ends it all. */
void target_end(struct association *as, bool abort, const char *why);

/*
 * association.c: end it all now. culprit: who broke the protocol, told with the reason that PS3.8 has for it;
 * NULL: nobody did. The other side is told too.
 */
void association_abort(struct association *as, struct side *culprit, const struct parse_fail *fail);

#endif
