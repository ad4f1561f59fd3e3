/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_HOLD_PARTS_H
#define GATEWAY_HOLD_PARTS_H

#include "dicom/encoding.h"
#include "gateway/hold.h"

/* Between the files of what is held. */

static inline struct hold *hold_of(const struct association *as, const struct side *s)
{
	return &as->holds->of[s == &as->b];
}

/* Is the message under way from s an object that is held? */
static inline bool hold_is_kept(const struct side *s)
{
	return s->msg.phase == IN_DATA && s->msg.disposition == KEEP;
}

/* What is in the file already goes on there by the block, while the processor's cache has it. */
static inline size_t hold_capacity(const struct hold *h)
{
	return h->room.stored > 0 ? HOLD_BLOCK : HOLD_MEMORY;
}

/* In what transfer syntax is what is held? */
static inline struct span hold_syntax(const struct association *as, const struct side *s)
{
	const struct hold *h = hold_of(as, s);
	return h->syntax[0] ? span_str(h->syntax) : as->context[s->msg.context].transfer;
}

/* And in what does it leave? */
static inline struct span hold_out_syntax(const struct association *as, const struct side *s)
{
	return hold_of(as, s)->implicit ? span_str(SYNTAX_IMPLICIT_LE) : hold_syntax(as, s);
}

/* ---- hold_scan.c ---- */

/* How the file begins that an archive would make of the object as it came; empty where its UIDs are none. */
struct span hold_file_head(const struct association *as, const struct side *s, uint8_t *buf, size_t cap);

/* ---- hold.c ---- */

/* All is known of it. True: it goes on by hold_pump(). */
MUST_USE bool hold_judge(struct association *as, struct side *s);

/* What leaves is known, or is gone over before: HOLD_PASSING. False: it has been refused, and the message is not over. */
MUST_USE bool hold_go_on(struct association *as, struct side *s);

/* Its memory is full: into the file, once there is room. Until then it stays full. */
void hold_make_room(struct association *as, struct side *s);

/* It cannot be held whole any longer. */
void hold_let_go(struct association *as, struct side *s, const char *why);

/* It ends in our own answer. */
void hold_refuse(struct association *as, struct side *s, const struct verdict *v);

/* ---- hold_pump.c ---- */

/* Bytes that have come and not gone. */
uint64_t hold_waiting(const struct hold *h);

/* The oldest bytes that are in memory, read back from the file where nobody has those of before. */
struct span hold_oldest(struct hold *h, bool lent, int *ret_e);
void hold_advance(struct hold *h, size_t n);

/*
 * To go over an object that is held whole, before it leaves: its next piece, empty where that was all, and it begins again by
 * itself. Errors of hold_room_load().
 */
MUST_USE int hold_read_next(struct hold *h, struct span *ret_piece);
void hold_read_again(struct hold *h);

/* What was kept of it cannot be read back: refused, whatever observe mode says. If it was complete, the message is over. */
void hold_lost(struct association *as, struct side *s, struct hold *h);

/* The command, once the first byte may follow. False: not now, or it has been refused. */
MUST_USE bool hold_begin_passing(struct association *as, struct side *s, struct hold *h);
MUST_USE bool hold_may_begin(const struct association *as, const struct side *s, const struct hold *h);

#endif
