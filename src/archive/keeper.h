/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_KEEPER_H
#define ARCHIVE_KEEPER_H

#include "archive/quarantine.h"
#include "priv/message.h"

/*
 * How an association brings one object to the quarantine, over a stream socket to a process of the store role's:
 *
 *	u8 version 1, u32 length, the facts (facts.h)
 *	the data set in pieces: u32 length, 1 to KEEPER_PIECE, and the bytes
 *	u32 0: it was all
 *
 * Then, or as soon as it can be said that the object cannot be kept, the answer comes, of KEEPER_ANSWER bytes, and the socket is
 * closed. An association that closes it before the end has changed its mind.
 */
#define KEEPER_VERSION 1
#define KEEPER_HEAD    5
#define KEEPER_PIECE   (256u * 1024)

enum keeper_result {
	KEEPER_NEW = 1, /* kept as `number` */
	KEEPER_SEEN,    /* was there as `number`, and has come `count` times */
	KEEPER_FULL,    /* not kept: no room */
	KEEPER_FAILED,  /* not kept */
};

struct keeper_answer {
	uint8_t result; /* enum keeper_result */
	uint64_t number, count;
	char why[64]; /* not kept: a sentence's end, "the quarantine is full" */
};

/* u8 version, u8 result, u64 number, u64 count, why filled with zeros. */
#define KEEPER_ANSWER (2 + 16 + 64)

MUST_USE int keeper_answer_write(const struct keeper_answer *a, uint8_t ret_buf[KEEPER_ANSWER]);
/* ERR_TRUNCATED, ERR_TRAILING, ERR_VALUE; *ret_answer is untouched then. */
MUST_USE int keeper_answer_read(struct span bytes, struct keeper_answer *ret_answer);

/*
 * Put what the gate knows in the place of what an association says: its number, the refusal's, the time, the caller's address, title
 * and certificate, and the two nodes, where the association says only which of them is the sender (of C-GET the called one); the
 * flow, if there is but one. All else is the association's word. False: it had said something else of the nodes or the flow.
 */
MUST_USE bool keeper_vouch(const struct msg_keeping *known, int64_t now_ms, struct facts *f);

/* A session, and what came of it. */
struct keeper_session {
	struct facts facts; /* for the log; zeros if they could not be read */
	bool disputed;      /* they were not what the gate knows, see keeper_vouch() */
	struct keeper_answer answer;
};

/*
 * Take the object of one socket, which blocks.
 * ERR_CLOSED: the other end gave up; ERR_PEER: it broke the protocol. No answer was sent then. 0: answered.
 */
MUST_USE int keeper_run(
	int sock, const struct quarantine *q, const struct msg_keeping *known, struct keeper_session *ret);

#endif
