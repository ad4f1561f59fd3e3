/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_KEEP_H
#define GATEWAY_KEEP_H

#include "archive/facts.h"
#include "archive/keeper.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct association;

/*
 * One object on its way into the quarantine, from an association (archive/keeper.h). Nothing blocks but the question to the gate:
 *
 *	keep_begin(as, &facts, &k);
 *	while k.state is not KEEP_OVER: poll k.fd for keep_events(&k), then keep_step(&k);
 *	when keep_wants(&k): keep_give(&k, piece) or keep_end(&k)
 *	k.error or k.answer tell what came of it; keep_done(&k)
 */
enum keep_state {
	KEEP_GIVING,  /* pieces come */
	KEEP_WAITING, /* all were given: the answer is waited for */
	KEEP_OVER,
};

struct keep {
	int fd; /* -1: none */
	enum keep_state state;
	bool ended;    /* keep_end() was called */
	uint8_t *head; /* what goes before a piece, owned: the facts, later lengths */
	size_t head_len, head_at;
	struct span piece; /* borrowed */
	uint8_t in[KEEPER_ANSWER];
	size_t in_len;
	int error;                   /* over without an answer: ERR_CLOSED, ERR_PEER, ERR_SYSTEM, … */
	struct keeper_answer answer; /* over, and error is 0 */
};

/*
 * Ask the gate for the quarantine, for one object. ERR_NOT_FOUND: there is none, or the store does not run; ERR_VALUE: the facts are
 * not sound; ERR_TIMEOUT, ERR_CLOSED, ERR_NO_MEMORY. *k needs keep_done() after success only.
 */
MUST_USE int keep_begin(struct association *as, const struct facts *f, struct keep *k);

/* The same over a socket, which does not block and is taken in case of success. */
MUST_USE int keep_over(int fd, const struct facts *f, struct keep *k);

/* What to poll k->fd for. */
short keep_events(const struct keep *k);

/* May more be given? All that was given before has been sent then. */
static inline bool keep_wants(const struct keep *k)
{
	return k->state == KEEP_GIVING && k->piece.len == 0 && k->head_at == k->head_len && !k->ended;
}

/* The next piece, of 1 to KEEPER_PIECE bytes, borrowed until keep_wants() or the state is KEEP_OVER. */
void keep_give(struct keep *k, struct span piece);

/* It was all. */
void keep_end(struct keep *k);

/* Send and receive what can be without waiting. */
void keep_step(struct keep *k);

/* Give up what is not over: nothing is kept. */
void keep_done(struct keep *k);

/* "it was put in quarantine as 17", "it is in quarantine as 17, and came 4 times", "the quarantine is full": for a sentence. */
void keep_text(const struct keep *k, char *buf, size_t cap);

#endif
