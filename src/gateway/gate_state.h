/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_GATE_STATE_H
#define GATEWAY_GATE_STATE_H

#include "audit/event.h"
#include "gateway/audit_line.h"
#include "gateway/gate_count.h"
#include "gateway/gate_ledger.h"
#include "gateway/gate_tls.h"
#include "policy/hosts.h"
#include "policy/match.h"
#include "policy/site.h"
#include "priv/message.h"
#include "priv/sandbox.h"

#include <jansson.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * All that the gate knows. Shared by the gate_ files; each owns the functions named here under its name. One thread,
 * one epoll loop, nothing blocks.
 */

struct gate;

/* Something that epoll watches. It is the first member of its owner. */
struct source {
	int fd; /* -1: not watched, and any event still in this turn's batch is not for us */
	void (*ready)(struct gate *g, struct source *s, uint32_t events);
};

/* A site with what is made of it once. Kept while an association may still speak of it. */
struct gate_site {
	uint32_t generation;
	struct site *site;
	struct gate_tls tls;
	int keys;         /* channel to the key holder with the site's keys; -1: none */
	int packed;       /* memfd, for associations */
	int64_t since_ms; /* wall */
	struct gate_site *older;
};

struct gate_listener {
	struct source source;
	unsigned index; /* in the newest site */
	struct gate_listener *next;
};

/* A line to the auditor: the end that associations have in turn. */
struct gate_line {
	int fd;              /* -1: broken */
	uint64_t turn, said; /* said: the auditor was told of the end of this one */
	bool busy;           /* an association has it */
	bool owed;           /* the auditor does not know yet that the last one is gone */
};

/* An association's process, or what is left of it. */
struct child {
	struct source channel;
	pid_t pid;
	uint64_t id;
	bool released; /* its flow no longer counts it */
	bool reject_only, killed;
	enum message_type asking; /* of the lookup: one question at a time; 0: none */
	uint32_t generation;      /* of the site it last spoke of: it may speak of this one or a newer one */
	int keys;                 /* its channel's other end, until the real caller is known; -1 */
	struct gate_line *line;   /* to the auditor, that it was given; NULL: none */
	int64_t audit_ms;         /* monotonic: of its last channel to the auditor; 0: none */
	int64_t keep_ms;          /* monotonic: of its last socket to the quarantine; 0: none */
	uint64_t refusal;         /* the number that it was given last; 0: none */
	struct in6_addr ip;       /* the real caller's, after MSG_ADMIT */
	uint16_t port;
	struct address_count *address; /* NULL: behind a load balancer, not told yet */
	bool by_proxy;
	char listener[65];
	int64_t since_ms; /* wall */
	bool associated;
	struct msg_associated who;
	struct flow_count *flows[ROUTE_FLOWS]; /* that join its nodes; it counts in each */
	unsigned n_flows;
	struct node_count *from, *to; /* NULL: unknown */
	struct msg_progress progress;
	struct connecting *connecting; /* at most one at a time */
	struct child *next;
};

/* A name that the lookup is asked for, again and again. */
struct gate_host {
	const char *name; /* of the newest site */
	bool asked, answered, failing;
};

#define HOSTS_AT_ONCE 8 /* questions that wait for the lookup's answer */

struct gate {
	int epoll;
	struct source supervisor, signals, control, door, lookup, store, forwarder;
	struct source auditor;
	struct audit_line *line_table; /* shared with the auditor; NULL: none */
	struct gate_line lines[AUDIT_LINES];
	unsigned n_lines;
	bool serving, stopping, cut;
	int64_t started_ms, stop_deadline_ms;
	pid_t supervisor_pid;
	int64_t kept_ms; /* when a reload was last refused, wall; 0: none since the site in use was taken */
	char kept[256];  /* why */
	uint64_t next_id;

	struct gate_site *sites; /* newest first; NULL before the first MSG_GO */
	struct gate_site *pending;
	int pending_keys;                      /* for the site that comes next; -1 */
	struct msg_journal journal;            /* what the auditor said last */
	bool journal_known;                    /* it has said so, and is there */
	int64_t auditor_lost_ms;               /* wall; 0: it has not been lost */
	uint64_t unrecorded[AUDIT_KIND_COUNT]; /* that the auditor has not been told of */
	struct msg_quarantined quarantined;    /* what the store said last */
	bool quarantined_known;                /* it has said so, and is there */
	struct msg_antivirus antivirus;        /* what the lookup said last of the virus scanner */
	bool antivirus_known;
	struct msg_courier
		couriers[MSG_COURIERS_MOST]; /* what the forwarder said last; name "": nothing yet */
	struct gate_listener *listeners, *pending_listeners;
	int64_t next_expiry_ms;
	int64_t paused_until_ms; /* no descriptors left: do not accept before */

	struct hosts *hosts;
	struct gate_host *wanted;
	unsigned n_wanted, n_waiting;
	int64_t next_lookup_ms;
	int64_t ready_by_ms; /* serve then, whatever the lookup has said; 0: serving already */

	/* Of gate_slab.h, as all that tells of peers: associations do not inherit what others have said. */
	struct said {
		struct message message; /* of an association, while it is taken */
		struct refusal refusal;
	} * said;
	struct sandbox *sandbox; /* of an association */
	struct child *children;
	unsigned n_children, n_reject_only, n_reports;
	uint64_t accepted, closed_at_once, crashed;

	struct counts *counts;
	struct ledger *ledger;
	struct child *ended; /* to free after this turn's batch of events */
	struct connecting *ended_connects;
};

/* gate.c */
void gate_say(struct gate *g, const struct message *m); /* to the supervisor */
MUST_USE int gate_watch(struct gate *g, struct source *s, uint32_t events);
void gate_unwatch(struct gate *g, struct source *s); /* and close */
static inline const struct site *gate_newest(const struct gate *g)
{
	return g->sites ? g->sites->site : NULL;
}

/* gate_site.c */
void site_pending(struct gate *g, int fd);
void site_listener(struct gate *g, unsigned index, int fd);
void site_go(struct gate *g);
void site_serve(struct gate *g); /* begin to accept, and say MSG_READY */
const struct gate_site *site_of_generation(const struct gate *g, uint32_t generation);
void site_drop_old(struct gate *g);
void site_stop_listening(struct gate *g);

/* gate_keys.c */
void keys_take(struct gate *g, int64_t number, int fd); /* of MSG_KEYS */
/* A channel to the key holder for one process: *ret_other is to be given away with keys_give(). ERR_CLOSED, ERR_SYSTEM. */
MUST_USE int keys_channel(const struct gate_site *gs, int *ret_own, int *ret_other);
void keys_give(
	const struct gate_site *gs, int *fd, const struct in6_addr *ip); /* and close; nothing if it is -1 */
void keys_leave(struct gate
		*g); /* the key holders of older sites, so that they end with the associations they serve */
void keys_warm_up(const struct gate_site *gs);

/* gate_accept.c */
/* Why this address may not have one more association: RULE_NONE, RULE_ASSOCIATIONS, RULE_HELD_OFF. a may be NULL. */
enum rule accept_rule(const struct gate *g, const struct address_count *a, int64_t now_ms);
/* Record a connection that was closed without a word. */
void accept_refused(
	struct gate *g, const char *listener, const struct in6_addr *ip, uint16_t port, enum rule rule);
void accept_ready(struct gate *g, struct source *s, uint32_t events);
void accept_resume(struct gate *g, int64_t now_ms);

/* gate_child.c */
MUST_USE struct child *child_new(struct gate *g, int channel); /* watched; NULL: no memory */
void child_ready(struct gate *g, struct source *s, uint32_t events);
void child_reap(struct gate *g);
void child_send(struct gate *g, struct child *c, const struct message *m);
void child_tell_all(struct gate *g, const struct message *m);
void child_kill(struct gate *g, struct child *c, const char *why);
void child_give_up(struct gate *g, struct child *c); /* its fork failed */
unsigned child_kill_all(struct gate *g, const char *why);
void child_free_ended(struct gate *g);

/* gate_connect.c: answers with MSG_CONNECTED sooner or later, unless the child ends first. */
void connect_begin(struct gate *g, struct child *c, const struct gate_site *gs, const struct msg_connect *m);
void connect_cancel(struct gate *g, struct child *c);
void connect_free_ended(struct gate *g);
void connect_check(struct gate *g, int64_t now_ms);
uint32_t connect_generation(const struct child *c); /* of the site it still uses; 0: none */
int64_t connect_next_ms(const struct gate *g);      /* INT64_MAX: none */

/* gate_hosts.c */
MUST_USE int hosts_want(struct gate *g);
void hosts_channel(struct gate *g, int fd);
void hosts_check(struct gate *g, int64_t now_ms);
bool hosts_all_answered(const struct gate *g);

/* gate_standing.c: what is asked of the lookup about certificates and users. */
bool standing_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs);
void standing_take(struct gate *g, const struct message *m);
void standing_lost(struct gate *g); /* the lookup: who waits is told */

/* gate_book.c: the book of names. */
bool book_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs);

/* gate_clean.c: pixels. */
bool clean_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs);

/* gate_scan.c: the virus scanner; and a stream to a job of the lookup's, non-blocking, which is told by this message. -1: there is none. */
int lookup_stream(struct gate *g, enum message_type type, int64_t number);
bool scan_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs);
void antivirus_take(struct gate *g, const struct msg_antivirus *a);

/* gate_audit.c */
void audit_channel(struct gate *g, int fd);                         /* takes it */
void door_ready(struct gate *g, struct source *s, uint32_t events); /* gate_accept.c */
bool hold_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs);
bool audit_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs);
bool audit_unrecorded(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs);
void audit_refusal(const struct refusal *r, uint64_t times, void *gate); /* a ledger_told */

/* gate_line.c: lines to the auditor (gateway/audit_line.h). NULL: there is none free, and the association asks for a channel. */
void lines_begin(struct gate *g); /* a new auditor */
void lines_forget(struct gate *g);
struct gate_line *line_give(struct gate *g, uint64_t association, const struct in6_addr *ip);
void line_leave(struct gate *g, struct gate_line *l); /* its association's process is gone */

/* gate_expiry.c: fresh: a configuration was just taken. */
void expiry_check(struct gate *g, int64_t now_ms, bool fresh);

/* gate_couriers.c: what the forwarder says of repositories. */
void couriers_channel(struct gate *g, int fd); /* takes it */

/* gate_quarantine.c: the store's channel, and sockets on which it takes what associations quarantine. */
void quarantine_channel(struct gate *g, int fd); /* takes it */
bool quarantine_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs);

/* gate_request.c: in a process of its own. True: it was one, and has been answered. */
struct audit_event;
bool gate_request(const struct gate *g, int fd);

/* gate_request.c: a text of what was asked; "" if there is none. Borrowed from o. */
const char *request_text(const json_t *o, const char *key);

/* gate_request.c: an event of somebody at the desk, once it is on the disk. ERR_NOT_FOUND: there is no audit trail; ERR_TIMEOUT. */
MUST_USE int request_record(const struct gate *g, const struct audit_event *ev, int64_t *ret_record);

/*
 * gate_request_quarantine.c: what is done to an object in quarantine, as an event, and a line in the log. ERR_DENIED: by somebody
 * who may not; ERR_VALUE.
 */
MUST_USE int request_quarantine(int fd, const json_t *o, struct audit_event *ret_event);

/* gate_request_media.c: the same of one study that was sealed for somebody, or opened. ERR_VALUE. */
MUST_USE int request_media(int fd, const json_t *o, struct audit_event *ret_event);

/* gate_sign.c: the same, of a line that asks for a signature. */
bool gate_sign(const struct gate *g, int fd, const json_t *o);

/* gate_status.c */
void gate_status_ready(struct gate *g, struct source *s, uint32_t events);

#endif
