/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "net/associate.h"
#include "net/dimse.h"
#include "net/pdu.h"

#include <openssl/ssl.h>
#include <stdbool.h>

/* A blocking DICOM peer for measurements: as little work as possible, so that the proxy between is what is measured. */

#define WIRE_CONTEXT_ECHO  1
#define WIRE_CONTEXT_STORE 3
#define WIRE_SOP_STORE     "1.2.840.10008.5.1.4.1.1.2"
#define WIRE_SOP_ECHO      "1.2.840.10008.1.1"

struct wire {
	int fd;
	SSL *ssl;
	uint8_t *buf; /* WIRE_BUFFER */
	size_t pos, len;
};
#define WIRE_BUFFER (1u << 20)

struct wire_tls {
	const char *cert, *key, *ca;
	bool resume;
};

/* NULL when there is no certificate: plain. Exits with a sentence on a fault, as all of these do. */
SSL_CTX *wire_context(const struct wire_tls *t, bool server);

void wire_open(struct wire *w, int fd, SSL_CTX *ctx, bool server, SSL_SESSION *session);
void wire_close(struct wire *w);
int wire_connect(const char *host, const char *port);
int wire_listen(const char *host, const char *port);

/* false at the end of the stream. */
bool wire_need(struct wire *w, size_t n);
void wire_put(struct wire *w, const void *p, size_t n);

/* The requestor's half of the negotiation, and the release. */
void wire_associate(
	struct wire *w, const char *calling, const char *called, uint32_t max_pdu, uint32_t *ret_max);
void wire_release(struct wire *w);
size_t wire_command(uint8_t *to, const struct command *c, uint8_t context);

/* Read PDUs until a response command is complete; returns its status. */
uint16_t wire_response(struct wire *w);

double wire_now(void);
void wire_die(const char *what) __attribute__((noreturn));

#endif
