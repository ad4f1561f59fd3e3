/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_BOOKKEEPER_H
#define ARCHIVE_BOOKKEEPER_H

#include "archive/namebook.h"
#include "priv/message.h"

#include <sys/types.h>

/*
 * The book of names in the store role: one sandboxed child has the folder and serves all associations that may ask, each on a channel
 * (SOCK_SEQPACKET) of its own. A request is u8 version, u8 what, and
 *   BOOK_ENTER  1 to BOOK_ENTER_MOST entries (archive/namebook.h)   -> nothing, when they are durable
 *   BOOK_FIND   1 to BOOK_FIND_MOST tokens                           -> of each u8 1 and what is sealed, or u8 0
 * An answer is u8 version, u8 status (0, or -enum err), bytes. What came in one turn is made durable together. Who sends something else
 * loses the channel.
 */
#define BOOK_VERSION    1
#define BOOK_ENTER_MOST 256
#define BOOK_FIND_MOST  64
#define BOOK_MESSAGE    (2 + BOOK_ENTER_MOST * NAMEBOOK_ENTRY)

enum book_ask { BOOK_ENTER = 1, BOOK_FIND };

/* What a channel may be used for. */
enum book_may { BOOK_MAY_ENTER = 1, BOOK_MAY_FIND = 2 };

/* The number of MSG_BOOKING: whose channel it is, too. An association has one: the one before is closed. */
#define BOOKING(association, may)   ((int64_t)((association) << 2 | (may)))
#define BOOKING_ASSOCIATION(number) ((uint64_t)(number) >> 2)
#define BOOKING_MAY(number)         ((unsigned)((number)&3))

/* The number of MSG_BOOK_FOLDER: bounds of the book. */
#define BOOK_LIMITS(mib, days) ((int64_t)(days) << 32 | (int64_t)(mib))
#define BOOK_MIB(number)       ((uint64_t)((number)&0xFFFFFFFF))
#define BOOK_DAYS(number)      ((int64_t)((number) >> 32))

struct bookkeeper {
	int dir; /* -1: none was given */
	int64_t limits;
	pid_t pid;   /* of the child; 0: none lives */
	int channel; /* to it; -1 */
};

#define BOOKKEEPER_NONE ((struct bookkeeper){.dir = -1, .channel = -1})

/* MSG_BOOK_FOLDER. The descriptor is taken. */
void bookkeeper_take(struct bookkeeper *b, const struct message *m);

/* MSG_BOOKING: pass it on; the descriptor stays the caller's. close_others is called in a child that is forked for it. */
void bookkeeper_serve(
	struct bookkeeper *b, const struct message *m, void (*close_others)(void *arg), void *arg);

/* A child of the role's has ended: true if it was this one. */
bool bookkeeper_ended(struct bookkeeper *b, pid_t pid);

/* The role ends, or the process is one that serves something else: the child ends when its clients have. */
void bookkeeper_forget(struct bookkeeper *b);

/* One turn's work, apart from descriptors: a request's bytes in, an answer's out, all but the commit. may: enum book_may. ERR_PEER. */
MUST_USE int book_answer(struct namebook *book, unsigned may, const uint8_t *request, size_t len,
	int64_t now_s, uint8_t answer[BOOK_MESSAGE], size_t *ret_len);

#endif
