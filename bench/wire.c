/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void wire_die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, errno ? strerror(errno) : "protocol");
	ERR_print_errors_fp(stderr);
	exit(1);
}

double wire_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

SSL_CTX *wire_context(const struct wire_tls *t, bool server)
{
	if (!t->cert) {
		return NULL;
	}
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, t->cert) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, t->key, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_load_verify_locations(ctx, t->ca, NULL) != 1) {
		wire_die("TLS context");
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
	SSL_CTX_set_session_cache_mode(ctx, t->resume ? SSL_SESS_CACHE_BOTH : SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bench", 5);
	if (server && !t->resume) {
		SSL_CTX_set_num_tickets(ctx, 0);
	}
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, 65536);
	return ctx;
}

static struct addrinfo *resolve(const char *host, const char *port, int flags)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICHOST}, *ai;
	if (getaddrinfo(host, port, &hints, &ai) != 0) {
		wire_die("address");
	}
	return ai;
}

int wire_connect(const char *host, const char *port)
{
	struct addrinfo *ai = resolve(host, port, 0);
	int one = 1, fd = socket(ai->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		wire_die("connect");
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	freeaddrinfo(ai);
	return fd;
}

int wire_listen(const char *host, const char *port)
{
	struct addrinfo *ai = resolve(host, port, AI_PASSIVE);
	int one = 1, fd = socket(ai->ai_family, SOCK_STREAM, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 1024) < 0) {
		wire_die("listen");
	}
	freeaddrinfo(ai);
	return fd;
}

void wire_open(struct wire *w, int fd, SSL_CTX *ctx, bool server, SSL_SESSION *session)
{
	*w = (struct wire){.fd = fd, .buf = malloc(WIRE_BUFFER)};
	if (!w->buf) {
		wire_die("memory");
	}
	if (!ctx) {
		return;
	}
	w->ssl = SSL_new(ctx);
	SSL_set_fd(w->ssl, fd);
	if (session) {
		SSL_set_session(w->ssl, session);
	}
	if ((server ? SSL_accept(w->ssl) : SSL_connect(w->ssl)) != 1) {
		if (server) {
			return; /* a client that gave up is no fault of the measurement; the next read ends */
		}
		wire_die("TLS handshake");
	}
}

void wire_close(struct wire *w)
{
	if (w->ssl) {
		(void)SSL_shutdown(w->ssl);
		SSL_free(w->ssl);
	}
	close(w->fd);
	free(w->buf);
}

static ssize_t get(struct wire *w, void *to, size_t cap)
{
	return w->ssl ? SSL_read(w->ssl, to, (int)cap) : read(w->fd, to, cap);
}

bool wire_need(struct wire *w, size_t n)
{
	if (w->len - w->pos >= n) {
		return true;
	}
	memmove(w->buf, w->buf + w->pos, w->len - w->pos);
	w->len -= w->pos;
	w->pos = 0;
	while (w->len < n) {
		ssize_t got = get(w, w->buf + w->len, WIRE_BUFFER - w->len);
		if (got <= 0) {
			return false;
		}
		w->len += (size_t)got;
	}
	return true;
}

void wire_put(struct wire *w, const void *p, size_t n)
{
	const uint8_t *at = p;
	while (n > 0) {
		ssize_t put = w->ssl ? SSL_write(w->ssl, at, (int)n) : write(w->fd, at, n);
		if (put <= 0) {
			wire_die("write");
		}
		at += put;
		n -= (size_t)put;
	}
}

size_t wire_command(uint8_t *to, const struct command *c, uint8_t context)
{
	struct writer w = writer_of(to + 12, 4096);
	if (command_write(c, &w) != 0) {
		errno = 0;
		wire_die("command");
	}
	pdv_write_heads(to, (uint32_t)w.len, context, true, true);
	return 12 + w.len;
}

static void add_context(struct associate *a, uint8_t id, const char *abstract)
{
	struct context *c = &a->contexts[a->n_contexts++];
	c->id = id;
	c->abstract = span_str(abstract);
	c->n_transfer = 1;
	c->transfer[0] = span_str("1.2.840.10008.1.2.1");
}

void wire_associate(
	struct wire *w, const char *calling, const char *called, uint32_t max_pdu, uint32_t *ret_max)
{
	static uint8_t buf[4096];
	struct associate *a = calloc(1, sizeof(*a));
	struct parse_fail fail = {0};
	struct pdu_head head;
	a->protocol_version = 1;
	a->application_context = span_str("1.2.840.10008.3.1.1.1");
	snprintf(a->calling, sizeof(a->calling), "%s", calling);
	snprintf(a->called, sizeof(a->called), "%s", called);
	a->has_max_pdu = true;
	a->max_pdu = max_pdu;
	a->implementation_class = span_str("2.25.1");
	add_context(a, WIRE_CONTEXT_ECHO, WIRE_SOP_ECHO);
	add_context(a, WIRE_CONTEXT_STORE, WIRE_SOP_STORE);
	struct writer out = writer_of(buf, sizeof(buf));
	if (associate_write(PDU_ASSOCIATE_RQ, a, &out) != 0) {
		wire_die("A-ASSOCIATE-RQ");
	}
	wire_put(w, buf, out.len);
	errno = 0;
	if (!wire_need(w, 6)) {
		wire_die("no A-ASSOCIATE-AC");
	}
	struct reader r = reader_of(span_of(w->buf + w->pos, 6));
	if (pdu_read_head(&r, &head) != 0 || head.type != PDU_ASSOCIATE_AC || !wire_need(w, 6 + head.len)) {
		wire_die("association refused");
	}
	if (associate_read(span_of(w->buf + w->pos + 6, head.len), PDU_ASSOCIATE_AC, 0, a, &fail) != 0) {
		wire_die("A-ASSOCIATE-AC");
	}
	w->pos += 6 + head.len;
	*ret_max = a->max_pdu;
	free(a);
}

void wire_release(struct wire *w)
{
	uint8_t buf[10];
	struct writer out = writer_of(buf, sizeof(buf));
	pdu_write_release_rq(&out);
	wire_put(w, buf, out.len);
	errno = 0;
	if (!wire_need(w, 10) || w->buf[w->pos] != PDU_RELEASE_RP) {
		wire_die("no A-RELEASE-RP");
	}
	w->pos += 10;
}

uint16_t wire_response(struct wire *w)
{
	struct pdu_head head;
	struct command c;
	struct parse_fail fail = {0};
	errno = 0;
	if (!wire_need(w, 12)) {
		wire_die("no response");
	}
	struct reader r = reader_of(span_of(w->buf + w->pos, 6));
	if (pdu_read_head(&r, &head) != 0 || head.type != PDU_P_DATA_TF || !wire_need(w, 6 + head.len)) {
		wire_die("no P-DATA-TF");
	}
	if (command_read(span_of(w->buf + w->pos + 12, head.len - 6), 0, &c, &fail) != 0) {
		wire_die("response");
	}
	w->pos += 6 + head.len;
	return c.status;
}
