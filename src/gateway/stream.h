/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_STREAM_H
#define GATEWAY_STREAM_H

#include "base/attr.h"
#include "base/err.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * A connected, non-blocking byte stream, plain or TLS. The only file that reads from and writes to peers.
 *
 * Three habits make it fast. Reads drain the socket into one large buffer. TLS records are gathered in a buffering
 * BIO, so that a batch of records leaves in one system call. And after each read that drained the socket the
 * acknowledgement is sent at once: senders with Nagle's algorithm on (DCMTK's default) otherwise wait 40 ms an
 * object for an acknowledgement that the kernel delays.
 */
struct stream {
	int fd;             /* -1: closed */
	SSL *ssl;           /* NULL: plain */
	bool flush_pending; /* TLS: ciphertext waits in the buffering BIO */
	bool want_write;    /* TLS: a read waits for the socket to take bytes */
	bool more; /* TLS: a read stopped because the buffer was full: poll would not show the rest */
	bool eof;
	bool ack_due;                 /* see stream_ack() */
	uint64_t bytes_in, bytes_out; /* of the application */
	char why[256];                /* a sentence after ERR_TLS or ERR_SYSTEM */
};

/*
 * Before waiting: acknowledge what was read, at once. A sender with Nagle's algorithm on keeps the rest of its message
 * until then. After what was read has been passed on, so that it is not what the message waits for.
 */
void stream_ack(struct stream *t);

/* Take over a connected socket. Sets TCP_NODELAY and keep-alive where it is TCP. */
void stream_open(struct stream *t, int fd);

/* Put TLS on it. server: we accept. name: for a client, the name to verify; "" for none. ERR_TLS, ERR_NO_MEMORY. */
MUST_USE int stream_tls(struct stream *t, SSL_CTX *ctx, bool server, const char *name);

/* Go on with the handshake. 0 done; ERR_AGAIN: poll for transport_events; ERR_TLS with why; ERR_CLOSED. */
MUST_USE int stream_handshake(struct stream *t);

/*
 * Read until cap is full or nothing more is there. 0 with *ret_n > 0; ERR_AGAIN; ERR_CLOSED (in good order, or a
 * plain peer's end of stream); ERR_TLS; ERR_SYSTEM. An error after some bytes is told by the next call.
 */
MUST_USE int stream_read(struct stream *t, uint8_t *buf, size_t cap, size_t *ret_n);

/*
 * Write as much as goes. 0 with *ret_n (may be less than all: poll and come again with the rest), ERR_AGAIN when
 * nothing went, ERR_CLOSED, ERR_TLS, ERR_SYSTEM.
 */
MUST_USE int stream_write(struct stream *t, const struct iovec *iov, unsigned n, size_t *ret_n);

/* Send what the buffering BIO still holds. 0, ERR_AGAIN, ERR_SYSTEM. Plain: 0. */
MUST_USE int stream_flush(struct stream *t);

/* Say goodbye (TLS close_notify, FIN) without waiting, and close. */
void stream_close(struct stream *t);

#endif
