/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_H
#define GATEWAY_HOLD_H

#include "gateway/book.h"
#include "gateway/hold_room.h"
#include "gateway/keep.h"
#include "gateway/remake.h"
#include "gateway/renaming.h"
#include "gateway/scan.h"
#include "gateway/side.h"
#include "gateway/state.h"
#include "gateway/vouching.h"
#include "inspect/inspect.h"
#include "policy/content.h"

#include <poll.h>

/*
 * Objects that are looked into while they stream, and held until the verdict: the data sets of C-STORE, of the caller and
 * of the target (C-GET). One for each direction.
 *
 * Where a flow can refuse nothing by what it finds, fragments go on as always, and what was found is logged. Elsewhere the
 * message's disposition is KEEP: its bytes are copied here, in memory first and then in a file, and leave again in the
 * order in which they came, by hold_pump(), but for the last `keep` of them before the verdict. So nothing of a whole
 * object leaves (keep is without end), or all but its tail does, or, once a guard has failed and the flow says `pass`, all.
 * Objects that are made anew (gateway/remake.h) always come here; where nothing is to be judged before, all of one may leave.
 * Objects that are signed (gateway/hold_vouch.h), or go with what they were (gateway/hold_originals.h), are too, and held whole.
 */
#define HOLD_MEMORY (1u << 20)
#define HOLD_LOAD                                                                                            \
	HOLD_BLOCK /* read back at once, into the memory's second half: the first is enough beside a file */

enum hold_state {
	HOLD_NONE,
	HOLD_TAKING,   /* the object is coming in */
	HOLD_ASKING,   /* it is complete, and the virus scanner has not answered; whether or not it is held */
	HOLD_CLEANING, /* it is complete and good, and its pixels are cleaned (hold_clean.h) */
	HOLD_PASSING,  /* it is complete and good, and goes on */
	HOLD_KEEPING,  /* it is complete and refused, and goes into the quarantine (hold_keep.h) */
};

struct hold {
	enum hold_state state;
	bool inspecting; /* `i` is in use, whether or not the object is held */
	bool begun;      /* its command has been passed on, and maybe more */
	bool failed;     /* it cannot be judged, and passes as the flow says */
	bool judged;     /* what is found in it may refuse it */
	bool too_large;  /* there will never be room for it */
	uint64_t keep;   /* bytes that do not leave before the verdict */
	int64_t until_ms;
	int flow;           /* -1: a reload has come since */
	char flow_name[65]; /* if it is held: by which it came, whatever has come since; "": none */
	struct content content;
	size_t len, passed;           /* in memory; of these, queued */
	size_t load_len, load_passed; /* read back from the file; of these, queued */
	uint8_t out_context;          /* by which it leaves */
	uint64_t borrowed;            /* until the other queue has sent this much, memory is its */
	struct hold_room room;
	bool left;   /* its sender has hung up while the virus scanner was asked */
	bool pinned; /* it is refused, and not to be dropped all the same */
	struct keep keeping;
	struct remake remake;
	struct vouching vouching;
	bool cleans;                    /* its pixels are cleaned first: hold_clean.h */
	struct hold_cleaning *cleaning; /* made when first needed, and kept for the next object; NULL */
	char syntax[UID_MAX + 1]; /* the transfer syntax that this has given it; "": that of its context */
	bool implicit;            /* it is in Explicit VR Little Endian, and leaves in Implicit */
	bool rest_read;           /* of hold_read_next(): what is in memory, too */
	bool encrypts;            /* what the object was goes with it: hold_originals.h */
	bool collects;            /* what it was is collected from what is held */
	struct hold_originals *originals; /* made when first needed, and kept for the next object; NULL */
	size_t fed;                       /* of the oldest bytes, those that remake works on */
	char new_instance[UID_MAX + 1];
	uint8_t *
		message; /* one whose names were replaced, which leaves as an object does; NULL: there was none */
	size_t message_len, message_passed;
	struct span first;          /* the piece of it that was read already; empty: none */
	bool scanning, scan_ending; /* `scan` is in use; the object is complete */
	bool watching;              /* its signatures are looked into */
	struct object_watch *watch; /* NULL: they cannot be */
	size_t n_unscanned;         /* that `scan` had no room for: nothing more is taken meanwhile */
	struct inspect i;
	struct inflater inflater;
	uint8_t memory[HOLD_MEMORY];
	struct scan scan;
	char told[SCAN_TEXT]; /* what it said, if that was a finding */
	uint8_t unscanned[SIDE_BUFFER];
};

/* What has been logged of an association's objects: the first of each check. */
struct hold_said {
	uint64_t more; /* objects of which nothing new could be said */
	bool checks[CHECK_N];
};

/* Whom an association believes of signers: the site's, as it is when its first signed object ends. */
struct hold_trust {
	bool read;
	struct crl_list *lists;
	struct object_trust *trust; /* NULL: it cannot be had; why */
	const char *why;
};

static_assert(HOLD_BLOCK + HOLD_LOAD <= HOLD_MEMORY);

/* Where what is read back from the file stands. */
static inline uint8_t *hold_load(struct hold *h)
{
	return h->memory + HOLD_BLOCK;
}

struct holds {
	struct hold of[2]; /* from the caller, from the target */
	struct hold_trust trust;
	struct hold_said said;
	struct remake_names names;
	struct renaming renaming;
	struct book book;
};

/* A request that is allowed: does its data set have to be held? Then its command waits too. */
MUST_USE bool hold_begin(struct association *as, struct side *s, struct operation *o);

/* Bytes of the data set, before they are passed on or given to hold_take(). May refuse it. */
void hold_look(struct association *as, struct side *s, struct span bytes);

/* Of a message whose disposition is KEEP: no more than hold_space(). May refuse it. */
void hold_take(struct association *as, struct side *s, struct span bytes);
size_t hold_space(const struct association *as, const struct side *s);

/* Where hold_take() would put them: there they may be read, and need not be copied. */
uint8_t *hold_place(const struct association *as, const struct side *s);

/* Can nothing be taken from s now, because of what is held of it? */
bool hold_is_full(const struct association *as, const struct side *s);

/* A data set that was held by who calls, and is too long for the queue, leaves by hold_pump(). ERR_NO_MEMORY. */
MUST_USE int hold_message(struct association *as, struct side *s, struct span bytes);

/* The data set is complete. True: the message goes on by hold_pump(), and is not over yet. */
MUST_USE bool hold_end(struct association *as, struct side *s);

/* Queue what may leave, as far as there is room. True: something was. May end the message. */
bool hold_pump(struct association *as, struct side *s);

/* Would hold_pump() do something now? What was in its way may have left since it was last called. */
bool hold_is_ready(const struct association *as, const struct side *s);

/* Is a message from s half-way in the other side's queue? */
bool hold_is_half_way(const struct association *as, const struct side *s);

/* Does s wait for us: is it complete, and leaves or is put in quarantine, or is there no room for more of it, here or at the virus scanner? */
bool hold_is_passing(const struct association *as, const struct side *s);

/* The SOP instance UID by which the object under way from s leaves. NULL: by its own. */
const char *hold_new_instance(const struct association *as, const struct side *s);

/* The target is gone: what was on its way to it, or came from it, ends. What has not begun to go can go to the next one. */
void hold_target_lost(struct association *as, bool half_way);

/* It is refused, or over: forget it. */
void hold_drop(struct association *as, const struct side *s);

/* What to poll for the virus scanner, of the objects of one side; fd -1: nothing. And what to do when it says so. */
struct pollfd hold_poll(const struct association *as, const struct side *s);
void hold_ready(struct association *as, struct side *s);

/* Who waits for the virus scanner is not read; that it hung up is to be seen all the same, once, and the scanner hurried. */
bool hold_watches(const struct association *as, const struct side *s);
void hold_left(struct association *as, struct side *s);

/* Nor is it to be read now but for the beginning of what follows, which may be an A-ABORT: hold_check() looks. */
bool hold_peeks(const struct association *as, const struct side *s);

/* Act on what was held for too long. When to be called again; INT64_MAX. */
int64_t hold_check(struct association *as, int64_t now_ms);

/* At the association's end: wait for what is still to be said of objects that have passed. */
void hold_rest(struct association *as);

/* At its end: what was found beside what was logged. */
void hold_report(const struct association *as);

#endif
