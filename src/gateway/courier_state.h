/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_COURIER_STATE_H
#define GATEWAY_COURIER_STATE_H

#include "audit/syslog.h"
#include "gateway/forwarder_state.h"

#include <openssl/types.h>

/* What one courier knows. One thread, that waits where it has to: nobody waits for it. Shared by the courier_ files. */

#define COURIER_ADDRESSES_MOST 8
#define COURIER_FRAME_MOST     (SPOOL_ENTRY_MOST + SYSLOG_MORE + SYSLOG_COUNT_MOST)

/* Where it is connected. */
struct line {
	int fd;           /* -1: nowhere */
	SSL *ssl;         /* NULL: UDP */
	unsigned address; /* of the repository's */
	uint64_t entries; /* sent on it; none of them is confirmed */
	uint64_t bytes;
	int64_t first_ms, last_ms; /* when the first and the last of them were sent */
	uint64_t offered, last;    /* that were begun to be sent; the index after the last of them */
	uint64_t instead;          /* sentences among them, in place of messages */
	size_t longest;            /* of the messages */
};

/* What it seems not to take. */
struct refused {
	unsigned broken; /* connections in a row */
	uint64_t limit;  /* messages on one; 0: as many as there are */
	uint64_t entry;  /* index after the message that broke the last one alone; */
	unsigned times;  /* how often, */
	unsigned pairs;  /* how often after a sentence in its place had been delivered, */
	bool spoken;     /* as one has been just now, */
	size_t len;      /* and how long it is */
	size_t longest;  /* message that it took */
	size_t most;     /* and will take, it seems; 0: not known */
	int64_t most_until_ms;
};

struct courier {
	const struct forwarder *f;
	const struct repository *repository; /* NULL: a witness */
	const struct witness *witness;
	struct spool_reader *spool;
	int channel; /* to the forwarder */
	int link;    /* to the key holder; -1 */
	SSL_CTX *tls;
	struct line line;
	struct held {
		int64_t until_ms; /* it is not called before */
		unsigned failures;
		bool answers; /* it has ended a connection by TLS's rules, and is expected to */
	} held[COURIER_ADDRESSES_MOST];
	struct refused refused;
	unsigned mute;    /* closings in a row that it did not answer */
	uint64_t missed;  /* of spool_missed(), what was told */
	uint64_t highest; /* index after the last entry that was ever sent */
	bool stopping, unreadable;
	int64_t stop_by_ms;
	struct msg_courier say;
	int64_t said_ms;
	uint8_t frame[COURIER_FRAME_MOST];
};

/* courier.c */
void courier_hear(struct courier *c); /* what the forwarder says, and tell it how things are, if it is time */
void courier_tell(struct courier *c);
/* Wait for what poll(2) says of the line's descriptor (events; 0: of nothing), or of the forwarder, ms at most. */
void courier_wait(struct courier *c, short events, int64_t ms);
void courier_unreadable(struct courier *c); /* the spool: say so, once, and wait */
/* An attempt failed; why: a sentence. Says so in the log, once, and holds the address off. */
void courier_failed(struct courier *c, unsigned address, const char *why);
/* What was sent is delivered. */
void courier_worked(struct courier *c, unsigned address);

/* courier_line.c: 0 or an error, of which why tells. */
MUST_USE int line_open(struct courier *c, unsigned address, char *why, size_t cap);
MUST_USE int line_send(struct courier *c, struct span bytes, char *why, size_t cap);
MUST_USE int line_look(
	struct courier *c, char *why, size_t cap); /* has the other end said or closed something? */
/*
 * Close in order. 0: the other end has read all that it was sent, and has said so by TLS's rules (UDP: has not refused it).
 * ERR_TRUNCATED: it has read all and closed, but TCP alone says so. ERR_AGAIN: its system has taken all, and nobody answers.
 * Other errors: it is not known what was read.
 */
MUST_USE int line_close(struct courier *c, char *why, size_t cap);
void line_drop(struct courier *c);
/* A TCP connection, or a socket for datagrams. For witnesses too. */
MUST_USE int line_connect(
	struct courier *c, const char *host, uint16_t port, bool stream, int *ret_fd, char *why, size_t cap);

/* courier_refused.c */
/* A sentence is to go in place of the message, which has len bytes. */
bool refused_instead(const struct courier *c, const struct spool_entry *e, size_t len, char text[256]);
/* A message, or the sentence in its place, is going to be sent; len: of the message. */
void refused_offer(struct courier *c, const struct spool_entry *e, size_t len, bool instead);
uint64_t refused_limit(const struct courier *c); /* messages on a connection */
/* The connection as it was: it broke, or all on it was delivered. */
void refused_broke(struct courier *c, const struct line *was);
/* False: it was a sentence, and its message is to be tried again. */
bool refused_confirmed(struct courier *c, const struct line *was);

/* courier_witness.c */
void courier_serve_witness(struct courier *c);

#endif
