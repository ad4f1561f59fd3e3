/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "gateway/courier_state.h"
#include "keys/link.h"
#include "keys/tls.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection to a repository: RFC 5425 over TLS, RFC 5426 over UDP. */

#define HANDSHAKE_MS    15000
#define SIGN_MS         10000
#define STALL_MS        60000 /* a repository that takes nothing for so long is as good as gone */
#define CLOSE_MS        10000
#define DATAGRAM_MS     300 /* for word that nobody listens there */
#define ADDRESSES_TRIED 4   /* of one host name */

/* ---- Connecting ---- */

static const char *hint(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return ": nobody listens there; is it running?";
	case ETIMEDOUT:
		return ": is it running, and does a firewall let us through?";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return ": there is no way there; check the address and the network";
	default:
		return "";
	}
}

static int finish_connect(int fd, int64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);
	int n;
	do {
		int64_t left = deadline_ms - clock_mono_ms();
		n = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n == 0) {
		errno = ETIMEDOUT;
		return ERR_TIMEOUT;
	}
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
		return ERR_SYSTEM;
	}
	errno = error;
	return error ? ERR_SYSTEM : 0;
}

static void set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static int connect_one(const struct addrinfo *ai, int64_t wait_ms, int *ret_fd)
{
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	if (ai->ai_socktype == SOCK_STREAM) {
		set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, STALL_MS);
	}
	int e = connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 ? 0 : ERR_SYSTEM;
	if (e != 0 && errno == EINPROGRESS) {
		e = finish_connect(fd, clock_mono_ms() + wait_ms);
	}
	if (e != 0) {
		int kept = errno;
		close(fd);
		errno = kept;
		return e;
	}
	*ret_fd = fd;
	return 0;
}

int line_connect(
	struct courier *c, const char *host, uint16_t port, bool stream, int *ret_fd, char *why, size_t cap)
{
	const struct addrinfo hints = {
		.ai_socktype = stream ? SOCK_STREAM : SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char service[8];
	snprintf(service, sizeof(service), "%u", port);
	int gai = getaddrinfo(host, service, &hints, &found);
	if (gai != 0) {
		snprintf(why, cap, "the name %s is not found (%s): check it, and the name servers", host,
			gai_strerror(gai));
		return ERR_NOT_FOUND;
	}
	int e = ERR_NOT_FOUND;
	unsigned n = 0;
	for (const struct addrinfo *ai = found; ai && e != 0 && n < ADDRESSES_TRIED; ai = ai->ai_next, n++) {
		e = connect_one(ai, (int64_t)c->f->site->timeouts.connect * 1000, ret_fd);
	}
	if (e != 0) {
		snprintf(why, cap, "%s port %u cannot be reached: %s%s", host, port, strerror(errno),
			hint(errno));
	}
	freeaddrinfo(found);
	return e;
}

/* ---- TLS ---- */

/* A channel to the key holder of this connection's own, so that one that broke is not used again. */
static void renew_link(struct courier *c)
{
	int pair[2];
	if (c->link >= 0) {
		close(c->link);
		c->link = -1;
	}
	if (c->f->keys >= 0 &&
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0) {
		struct message m = {.type = MSG_CLIENT, .fd = pair[1]};
		/* A key holder that is away: the handshake finds the channel closed, and says so. */
		(void)!message_send(c->f->keys, &m);
		close(pair[1]);
		c->link = pair[0];
	}
	link_use(c->link, SIGN_MS);
}

/* After a call of OpenSSL's that would block. */
static void wait_for(struct courier *c, int ssl_error, int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_mono_ms();
	if (left > 0) {
		courier_wait(c, ssl_error == SSL_ERROR_WANT_READ ? POLLIN : POLLIN | POLLOUT,
			left < 1000 ? left : 1000);
	}
}

static bool would_block(int ssl_error)
{
	return ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_WRITE;
}

static int handshake(struct courier *c, const char *name, char *why, size_t cap)
{
	int64_t deadline = clock_mono_ms() + HANDSHAKE_MS;
	SSL *ssl = SSL_new(c->tls);
	c->line.ssl = ssl;
	if (!ssl || SSL_set_fd(ssl, c->line.fd) != 1 || tls_expect_server(ssl, name) != 0) {
		snprintf(why, cap, "TLS cannot begin: `%s` is no name that a certificate can have", name);
		return ERR_TLS;
	}
	/* Here an end that TLS does not announce is no end: see line_close(). */
	SSL_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
	renew_link(c);
	for (;;) {
		ERR_clear_error();
		errno = 0;
		int n = SSL_connect(ssl);
		int error = SSL_get_error(ssl, n);
		if (n == 1) {
			return 0;
		}
		if (!would_block(error)) {
			tls_why(ssl, error, why, cap);
			return ERR_TLS;
		}
		if (clock_mono_ms() >= deadline) {
			snprintf(why, cap, "it does not answer the TLS handshake: does it hang?");
			return ERR_TIMEOUT;
		}
		wait_for(c, error, deadline);
	}
}

int line_open(struct courier *c, unsigned address, char *why, size_t cap)
{
	const struct repository_address *a = &c->repository->address[address];
	const char *name = c->repository->server_name[0] ? c->repository->server_name : a->host;
	c->line = (struct line){.fd = -1, .address = address};
	int e = line_connect(c, a->host, a->port, a->tls, &c->line.fd, why, cap);
	e = e == 0 && a->tls ? handshake(c, name, why, cap) : e;
	if (e != 0) {
		line_drop(c);
	}
	return e;
}

void line_drop(struct courier *c)
{
	SSL_free(c->line.ssl);
	ERR_clear_error();
	if (c->line.fd >= 0) {
		close(c->line.fd);
	}
	c->line = (struct line){.fd = -1, .address = c->line.address};
}

/* ---- Sending ---- */

static int send_datagram(struct courier *c, struct span bytes, char *why, size_t cap)
{
	for (int64_t deadline = clock_mono_ms() + STALL_MS;;) {
		if (send(c->line.fd, bytes.ptr, bytes.len, MSG_NOSIGNAL) >= 0) {
			return 0;
		}
		if ((errno != EAGAIN && errno != ENOBUFS && errno != EINTR) || clock_mono_ms() >= deadline) {
			snprintf(
				why, cap, "a datagram could not be sent: %s%s", strerror(errno), hint(errno));
			return ERR_SYSTEM;
		}
		courier_wait(c, POLLOUT, 100);
	}
}

static int send_stream(struct courier *c, struct span bytes, char *why, size_t cap)
{
	int64_t deadline = clock_mono_ms() + STALL_MS;
	while (bytes.len > 0) {
		size_t n = 0;
		ERR_clear_error();
		errno = 0;
		int ok = SSL_write_ex(c->line.ssl, bytes.ptr, bytes.len, &n);
		int error = SSL_get_error(c->line.ssl, ok);
		if (ok == 1) {
			bytes = span_of(bytes.ptr + n, bytes.len - n);
			deadline = clock_mono_ms() + STALL_MS;
			continue;
		}
		if (!would_block(error)) {
			tls_why(c->line.ssl, error, why, cap);
			return ERR_TLS;
		}
		if (clock_mono_ms() >= deadline || (c->stopping && clock_mono_ms() >= c->stop_by_ms)) {
			snprintf(why, cap,
				"it has taken no byte for %d seconds: does it hang, or is its disk full?",
				STALL_MS / 1000);
			return ERR_TIMEOUT;
		}
		wait_for(c, SSL_ERROR_WANT_WRITE, deadline);
		int e = line_look(c, why, cap);
		if (e != 0) {
			return e;
		}
	}
	return 0;
}

int line_send(struct courier *c, struct span bytes, char *why, size_t cap)
{
	int e = c->line.ssl ? send_stream(c, bytes, why, cap) : send_datagram(c, bytes, why, cap);
	if (e == 0) {
		c->line.last_ms = clock_mono_ms();
		c->line.first_ms = c->line.entries == 0 ? c->line.last_ms : c->line.first_ms;
		c->line.entries++;
		c->line.bytes += bytes.len;
	}
	return e;
}

static int look_datagram(struct courier *c, char *why, size_t cap)
{
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(c->line.fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0) {
		return 0;
	}
	snprintf(why, cap, "datagrams are refused: %s%s", strerror(error), hint(error));
	return ERR_SYSTEM;
}

/* One read. ERR_AGAIN: nothing is there; ERR_CLOSED: the other end has closed by TLS's rules; ERR_TLS. */
static int read_some(struct courier *c, char *why, size_t cap)
{
	uint8_t ignored[512];
	ERR_clear_error();
	errno = 0;
	int n = SSL_read(c->line.ssl, ignored, sizeof(ignored));
	int error = SSL_get_error(c->line.ssl, n);
	if (n > 0) {
		return 0;
	}
	if (would_block(error)) {
		return ERR_AGAIN;
	}
	if (error == SSL_ERROR_ZERO_RETURN) {
		return ERR_CLOSED;
	}
	bool bare = error == SSL_ERROR_SSL &&
	            ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
	tls_why(c->line.ssl, error, why, cap);
	return bare ? ERR_TRUNCATED : ERR_TLS;
}

int line_look(struct courier *c, char *why, size_t cap)
{
	if (!c->line.ssl) {
		return look_datagram(c, why, cap);
	}
	int e;
	while ((e = read_some(c, why, cap)) == 0) {
	}
	if (e == ERR_CLOSED) {
		snprintf(why, cap, "it closed the connection: was it stopped?");
	}
	return e == ERR_AGAIN ? 0 : e;
}

/* ---- Closing ---- */

static bool all_taken(int fd)
{
	int left = 0;
	return ioctl(fd, SIOCOUTQ, &left) == 0 && left == 0;
}

/* Our close_notify. ERR_AGAIN: it is on its way, and an answer may come. */
static int say_end(struct courier *c, int64_t deadline_ms, char *why, size_t cap)
{
	for (;;) {
		ERR_clear_error();
		errno = 0;
		int n = SSL_shutdown(c->line.ssl);
		if (n >= 0) {
			return n == 1 ? ERR_CLOSED : ERR_AGAIN;
		}
		int error = SSL_get_error(c->line.ssl, n);
		if (!would_block(error)) {
			tls_why(c->line.ssl, error, why, cap);
			return ERR_TLS;
		}
		if (clock_mono_ms() >= deadline_ms) {
			return ERR_AGAIN;
		}
		wait_for(c, error, deadline_ms);
	}
}

/*
 * Syslog has no acknowledgement. RFC 5425 4.4 has a receiver answer TLS's close_notify with its own, which it can do only when
 * it has read all that came before. Some (rsyslog with GnuTLS) just close; a system whose program closes, or dies, with bytes
 * unread says so with a reset, so that an end without one means that all was read, our close_notify too. That TCP has
 * acknowledged says less: a receiver that hangs has a buffer of megabytes.
 */
static int close_stream(struct courier *c, char *why, size_t cap)
{
	int64_t deadline = clock_mono_ms() + CLOSE_MS;
	int e = say_end(c, deadline, why, cap);
	while (e == ERR_AGAIN && clock_mono_ms() < deadline) {
		e = read_some(c, why, cap);
		if (e == ERR_AGAIN) {
			wait_for(c, SSL_ERROR_WANT_READ, deadline);
		}
		e = e == 0 ? ERR_AGAIN : e;
	}
	if (e == ERR_CLOSED) {
		return 0;
	}
	if (e != ERR_AGAIN && e != ERR_TRUNCATED) {
		return e;
	}
	if (!all_taken(c->line.fd)) {
		snprintf(why, cap, "it does not take what it was sent: does it hang?");
		return ERR_TIMEOUT;
	}
	snprintf(why, cap, "it does not answer the end of a connection (RFC 5425 4.4): does it hang?");
	return e;
}

int line_close(struct courier *c, char *why, size_t cap)
{
	int e;
	if (c->line.ssl) {
		e = close_stream(c, why, cap);
	} else {
		(void)poll(&(struct pollfd){.fd = c->line.fd}, 1, DATAGRAM_MS);
		e = look_datagram(c, why, cap);
	}
	line_drop(c);
	return e;
}
