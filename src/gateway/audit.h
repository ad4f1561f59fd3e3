/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_AUDIT_H
#define GATEWAY_AUDIT_H

#include "audit/event.h"
#include "dicom/header_scan.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What an association tells the auditor (PS3.15 A.5), and what waits for it. An object, a query or an answer is looked
 * at while it passes; the queue of the side that it goes to is barred, which means that nothing of it leaves, from its
 * first byte until the record of whose it is is durable. The release is answered when the transfers' ends are. So
 * nothing is copied, and nobody waits who has nothing to record.
 */

/* Patients' studies that are being transferred at once in one association; of more the oldest is ended in the records. */
#define AUDIT_TRANSFERS 16

/* Events that the auditor has not answered. With AUDIT_COPIES full too the association waits. */
#define AUDIT_PENDING 64
#define AUDIT_COPIES  (512u * 1024)

/*
 * What the relay leaves free of both, or it waits: one message ends as many transfers as there can be, each of which may be an import too, and begins one. So
 * nobody waits for the auditor in the midst of a message.
 */
#define AUDIT_SPARE (2 * AUDIT_TRANSFERS + 4)

/* Bytes of a query that are recorded. */
#define AUDIT_QUERY_MOST (48u * 1024)

enum audit_what {
	LOOK_AT_NOTHING,
	LOOK_AT_OBJECT, /* C-STORE-RQ */
	LOOK_AT_QUERY,  /* C-FIND-RQ, C-MOVE-RQ, C-GET-RQ */
	LOOK_AT_ANSWER, /* C-FIND-RSP, pending */
};

/* The message under way from one side. */
struct audit_look {
	enum audit_what what;
	bool refused;     /* it goes nowhere: nobody waits */
	uint64_t refusal; /* its number */
	uint64_t mark;    /* where its command stands in the other side's queue */
	bool held;        /* nothing of it passes yet (gateway/hold.h), */
	bool enough;      /* and all is known of it that will be told when it does */
	bool unreadable;  /* how its data set is encoded is not known */
	bool late; /* it was not known while it could be held: what has gone is recorded as it was known then */
	size_t query_len; /* in struct audit */
	bool query_cut;
	struct header_scan header; /* last, as it need not be cleared */
};

struct audit_transfer {
	bool open, refused;
	uint32_t serial;      /* of the use of this place */
	uint8_t from;         /* 0: the caller's instances, 1: the target's */
	int64_t record;       /* of its AUDIT_BEGIN; -1: not durable yet */
	unsigned outstanding; /* operations that refer to it */
	uint32_t told;        /* instances, in the last AUDIT_PROGRESS */
	int64_t told_ms, used_ms;
	struct audit_event ev; /* of its beginning; sop counts what was taken */
};

/* What the last object had that says whose it is, as it was encoded: of a series each has the same. */
struct audit_seen {
	uint32_t serial; /* of its transfer; 0: none */
	uint8_t transfer;
	uint16_t len;
	uint8_t bytes[384];
};

#define BARS_NONE 2

struct audit_pending {
	uint8_t bars;     /* 0 the caller's queue, 1 the target's, BARS_NONE */
	uint8_t transfer; /* its AUDIT_BEGIN; AUDIT_TRANSFERS: no transfer's */
	uint8_t kind;     /* enum audit_kind */
	uint32_t serial;  /* of that transfer */
	bool follows;   /* not sent until the AUDIT_BEGIN of serial has a number, which is then its own too */
	uint64_t mark;  /* of the barred queue: what stands after it waits */
	int64_t number; /* MSG_EVENT's */
	int64_t since_ms;
	size_t at, len; /* in copies */
};

/* What is not used is not touched, and costs no page. */
struct audit {
	int fd;               /* channel to the auditor; -1: none yet, or lost */
	bool leaving;         /* nothing more will be told: what is pending is the last */
	bool told;            /* and the auditor knows that */
	bool moved;           /* the channel that it began with is lost; another may have its number */
	bool passing;         /* `unrecorded: pass`, and the alarm was given */
	const char *hopeless; /* why what is pending is to be given up; NULL */
	int64_t retry_ms;     /* nothing is sent before */
	unsigned first, n, n_sent, n_open, n_shown;
	unsigned n_used; /* of transfer[]: those behind have never been touched */
	unsigned stale;  /* answers still to come on this channel for events that were given up */
	uint32_t serial;
	size_t copies_len;
	struct audit_seen seen;
	struct audit_look look[2];
	struct audit_pending pending[AUDIT_PENDING]; /* a ring */
	uint64_t shown[256]; /* patients in the answers to the query under way, hashed */
	struct audit_transfer transfer[AUDIT_TRANSFERS];
	struct inflater inflater[2]; /* of looks at deflated data sets */
	uint8_t query[2][AUDIT_QUERY_MOST];
	uint8_t copies[AUDIT_COPIES]; /* of what is pending, so that it can be sent again */
};

struct association;
struct side;
struct operation;

/* ---- audit_look.c: messages ---- */

/* Of a request, before its command is passed on. */
void audit_request(struct association *as, struct side *from, const struct operation *o);
/* It does not go on; number: of its refusal. Also after audit_request(). */
void audit_refused(struct association *as, struct side *from, struct operation *o, uint64_t number);
/* What follows of the message is held, and does not begin to pass before audit_pass(). */
void audit_hold(struct association *as, struct side *from);
void audit_pass(struct association *as, struct side *from);
void audit_response(struct association *as, struct side *from, const struct operation *o);
void audit_data(struct association *as, struct side *from, struct span fragment);
void audit_message_end(struct association *as, struct side *from);
/* No more bytes can come until the other side's queue has moved: be content with what is known. */
void audit_no_room(struct association *as, struct side *from);
void audit_target_lost(struct association *as);
bool audit_room(const struct association *as); /* for the events of one more message */
bool audit_wants_more(const struct association *as, const struct side *from);

/* ---- audit_transfer.c ---- */

/* Of an object that is known: begins its transfer where none is open, and ties the operation to it. */
void audit_object(struct association *as, struct side *from, const struct audit_look *look);
/* The operation is over; taken: with success or a warning. */
void audit_stored(struct association *as, struct operation *o, bool taken);
/* It is over because the rest of the object was refused. */
void audit_cut_off(struct association *as, struct operation *o, uint64_t refusal);
void audit_progress(struct association *as, int64_t now_ms); /* counts, to the auditor, each 100 ms */
int64_t audit_progress_due(const struct association *as);
/* Those whose beginning could not be recorded: nothing of them has passed. */
void audit_drop_unrecorded(struct association *as);
/* The caller's whose beginning is not recorded yet: what comes next of the same study must wait for a beginning of its own. */
void audit_end_unrecorded(struct association *as, const char *why);
/* All transfers are over. why NULL: in good order, and the caller's queue is barred until it is recorded. */
void audit_end_transfers(struct association *as, const char *why);

/* ---- audit_event.c: facts of the association ---- */
void audit_fill(const struct association *as, enum audit_kind kind, struct audit_event *ev);
void audit_fill_header(const struct header_scan *h, struct audit_event *ev);
#define AUDIT_TEXT(to, s) audit_text_set((to), sizeof(to), (s))
void audit_login(struct association *as, bool proved, const char *why);

/* ---- audit_link.c: the channel ---- */
bool audit_on(const struct association *as);
/* bars: whose queue waits for its record, from mark on; transfer: its AUDIT_BEGIN, or AUDIT_TRANSFERS. */
void audit_tell(
	struct association *as, const struct audit_event *ev, int64_t number, struct audit_pending how);
void audit_tell_progress(struct association *as, struct audit_transfer *t); /* how far it is; no answer */
void audit_leave(struct association *as);                                   /* nothing more will be told */
void audit_take(struct association *as); /* answers, and what has to be sent again */
/* What waits too long is given up as the site says. Returns when to be called again (now: it was given up); INT64_MAX. */
int64_t audit_check(struct association *as, int64_t now_ms);
short audit_events(const struct association *as);
void audit_rest(struct association *as); /* at the end: wait a moment for what is pending */
void audit_bar(struct association *as);  /* both queues, as far as is to be */

#endif
