/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_SIDE_H
#define GATEWAY_SIDE_H

#include "base/limits.h"
#include "gateway/out.h"
#include "gateway/stream.h"
#include "net/dimse.h"
#include "net/pdu.h"
#include "net/ul.h"

/*
 * One side of an association: the caller (a) or the target (b). The same struct and the same functions serve both;
 * the relay pumps a to b and b to a with the same code.
 */

/* A request from this side that has no final response yet. */
enum operation_state {
	OPERATION_FREE,
	OPERATION_RECEIVING, /* its data set is still coming in */
	OPERATION_FORWARDED, /* the other side owes the response */
	OPERATION_ANSWER,    /* we owe it: refused, or the other side was lost */
	OPERATION_CUT,       /* we have answered; what still comes from the other side is drained */
};

struct operation {
	enum operation_state state;
	uint8_t context;
	uint8_t out_context; /* by which it has gone to the other side; mostly the same (gateway/spare.h) */
	uint16_t field, id;
	int flow;         /* index of the flow that allowed it; -1 */
	bool unallowed;   /* no flow allows it: it passes because it is observed only */
	uint32_t matches; /* pending responses so far */
	bool cancel;      /* a C-CANCEL is to be sent to the other side */
	bool answer_cut;  /* OPERATION_CUT: our answer has not left yet */
	uint16_t status;  /* OPERATION_ANSWER */
	char comment[65];
	uint64_t object_bytes;
	unsigned transfer;  /* 1 + the index of its audit_transfer; 0: none */
	uint64_t sent_mark; /* the other side's out.sent when all of the request has left us */
	int64_t since_ms;   /* of the request, or of its last pending response */
	char sop_class[65], sop_instance[65];
	char renamed[65]; /* the instance in the other side's words; "": the same (gateway/renaming.h) */
	bool remade;      /* its object is known to the other side by another UID */
	bool held;        /* nothing of it has been sent: the other side has no part in it yet */
	bool requested; /* the class and instance are the Requested ones (N-SET, N-GET, N-ACTION, N-DELETE) */
};

enum disposition {
	PASS,  /* forward fragment by fragment */
	DRAIN, /* read and drop */
	HOLD,  /* keep: a guard must read it whole */
	KEEP,  /* an object that is held until the verdict (gateway/hold.h) */
};

enum phase { BETWEEN_MESSAGES, IN_COMMAND, IN_DATA };

/* The message that is coming in from a side. Fragments of messages do not interleave (PS3.8 Annex E). */
struct incoming {
	enum phase phase;
	enum disposition disposition;
	uint8_t context;
	uint8_t *command_bytes; /* LIMIT_COMMAND_SET */
	size_t command_len;
	struct command command;      /* borrows command_bytes */
	struct operation *operation; /* of this side for a request; of the other for a response; NULL */
	int flow;           /* that allowed the request, also when it has been answered already; -1 */
	bool alarmed;       /* an object over its size limit is said once */
	bool command_waits; /* until its data set begins to come: alone it is of no use to anybody */
	uint64_t data_bytes;
	uint64_t size_limit; /* of the data set; 0 none */
	uint8_t *held;       /* made when first needed */
	size_t held_len, held_cap;
};

struct side {
	const char *name; /* "caller" or "target" */
	struct stream t;
	struct ul ul;
	bool up;     /* the transport is open */
	uint8_t *in; /* SIDE_BUFFER */
	size_t in_pos, in_len;
	/* the PDU and the PDV that are coming in */
	uint32_t pdu_left;
	bool pdu_fresh; /* no PDV of it has been begun */
	bool in_pdv;
	struct pdv_head pdv;
	uint32_t pdv_left;
	uint32_t chunk_left; /* of the PDV that we are writing to the other side for it */
	bool blocked;        /* bytes wait in the buffer for room in a queue */
	struct incoming msg;
	struct operation *operations; /* LIMIT_OUTSTANDING */
	unsigned operations_end;      /* those from here on were never used: nobody need look there */
	unsigned n_operations;
	struct out out;
	uint32_t max_in, max_out; /* P-DATA-TF sizes after the head; 0 unlimited */
	unsigned tolerate;
	int64_t last_in_ms, last_out_ms;
	uint64_t
		bar_mark; /* what is queued beyond it may not leave: its record is not durable yet (gateway/audit.h) */
};

/* Big enough for a whole A-ASSOCIATE PDU; data is read RELAY_BUFFER at a time, so that the rest stays untouched. */
#define SIDE_BUFFER (LIMIT_ASSOCIATE_PDU + 6)

/* What a side works in. Zeroed; as large as it is, only what is used is touched, and costs pages. */
struct side_memory {
	uint8_t in[SIDE_BUFFER];
	uint8_t command[LIMIT_COMMAND_SET];
	uint8_t control[OUT_CONTROL];
	struct operation operations[LIMIT_OUTSTANDING];
};

/* The memory is borrowed, for as long as the side lives. */
void side_init(struct side *s, const char *name, struct side_memory *m);

static inline bool side_barred(const struct side *s)
{
	return s->bar_mark < s->out.queued;
}

/* Bytes that were read and not yet consumed. */
static inline struct span side_unread(const struct side *s)
{
	return span_of(s->in + s->in_pos, s->in_len - s->in_pos);
}

/*
 * Read more. Must not be called while the other side's queue borrows from this buffer, unless behind: then what is there
 * stays where it is. 0, ERR_AGAIN, or the transport's error. ERR_SPACE when the buffer is full.
 */
MUST_USE int side_fill(struct side *s, bool behind);

/* Read no more than until so many bytes are unread; less than that are. Elsewhere as side_fill(). */
MUST_USE int side_fill_to(struct side *s, size_t most);

/*
 * Make room in the full buffer of s by moving what is unread, and what the other side's queue still borrows, to its
 * beginning. False: it stands there already.
 */
bool side_make_room(struct side *s, struct out *borrower);

/* 0, ERR_AGAIN (also while part of it is barred), or the transport's error. */
MUST_USE int side_flush(struct side *s);

/* Last words before a close: what does not go now does not go. What is barred does not go. */
void side_goodbye(struct side *s);

/* poll() events this side waits for. may_read: the relay has room for more. */
short side_events(const struct side *s, bool may_read);

/*
 * A whole PDU at the front of the buffer. 0 with its head and body (borrowed until consumed); ERR_AGAIN for more bytes;
 * ERR_TYPE for a type that is no PDU; ERR_LIMIT for one that is longer than we hold; ERR_ORDER for P-DATA-TF,
 * which the relay takes piece by piece.
 */
MUST_USE int side_whole_pdu(const struct side *s, struct pdu_head *ret_head, struct span *ret_body);
void side_consume(struct side *s, size_t n);

/* Queue a control PDU. ERR_SPACE cannot happen for these short ones on a flushed queue. */
void side_send_abort(struct side *s, uint8_t source, uint8_t reason);
void side_send_reject(struct side *s, struct pdu_reject why);
void side_send_release(struct side *s, bool response);

/* Close the transport and forget what was queued or half read. Operations stay. */
void side_close(struct side *s);

/* Keep a fragment of the message that comes in. ERR_LIMIT: it is longer than most; ERR_NO_MEMORY. */
MUST_USE int side_hold(struct side *s, struct span fragment, size_t most);

struct operation *side_operation_new(struct side *s);
struct operation *side_operation_find(struct side *s, uint16_t id);
void side_operation_free(struct side *s, struct operation *o);

#endif
