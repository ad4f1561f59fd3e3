/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/stream.h"
#include "keys/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ciphertext gathered for one system call: eight full records with their framing. */
#define WRITE_GATHER (8 * (16384 + 64))

/* Less than this in one read, of a socket that gives twice as much at once, is what was there: a message, and not a stream of data. */
#define SMALL_READ (32u * 1024)

static void set_option(int fd, int level, int name, int value)
{
	/* A socket that is no TCP (the store role's) refuses: it has nothing to tune. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void stream_open(struct stream *t, int fd)
{
	*t = (struct stream){.fd = fd};
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 20);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

int stream_tls(struct stream *t, SSL_CTX *ctx, bool server, const char *name)
{
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	if (!ssl) {
		snprintf(t->why, sizeof(t->why),
			"no TLS is ready for it: has the site an identity, or was it reloaded since? A new association has it");
		return ERR_TLS;
	}
	BIO *out = BIO_new(BIO_f_buffer());
	BIO *sock = BIO_new_socket(t->fd, BIO_NOCLOSE);
	if (!out || !sock || BIO_set_write_buffer_size(out, WRITE_GATHER) != 1 || BIO_up_ref(sock) != 1) {
		BIO_free(out);
		BIO_free(sock);
		SSL_free(ssl);
		return ERR_NO_MEMORY;
	}
	BIO_push(out, sock);
	SSL_set_bio(ssl, sock, out);
	t->ssl = ssl;
	if (server) {
		SSL_set_accept_state(ssl);
		return 0;
	}
	SSL_set_connect_state(ssl);
	if (name[0] && tls_expect_server(ssl, name) != 0) {
		snprintf(t->why, sizeof(t->why), "`%.100s` is neither a host name nor an address", name);
		return ERR_TLS;
	}
	return 0;
}

/*
 * SSL_get_error() goes by what stands in the queue, so that it must be empty before a call. Emptying it walks through all of its
 * entries, whether there is one or not: asking costs a tenth.
 */
static void forget_errors(void)
{
	if (ERR_peek_error() != 0) {
		ERR_clear_error();
	}
}

/* The reason of a failed SSL call as an enum err. */
static int ssl_failed(struct stream *t, int ret)
{
	int saved = errno;
	int e = SSL_get_error(t->ssl, ret);
	switch (e) {
	case SSL_ERROR_WANT_READ:
		return ERR_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		t->want_write = true;
		return ERR_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		t->eof = true;
		return ERR_CLOSED;
	default:
		errno = saved;
		tls_why(t->ssl, e, t->why, sizeof(t->why));
		return ERR_TLS;
	}
}

int stream_flush(struct stream *t)
{
	if (!t->ssl || !t->flush_pending) {
		return 0;
	}
	if (BIO_flush(SSL_get_wbio(t->ssl)) > 0) {
		t->flush_pending = false;
		return 0;
	}
	if (errno == EAGAIN || errno == EINTR) {
		return ERR_AGAIN;
	}
	snprintf(t->why, sizeof(t->why), "%s", strerror(errno));
	return ERR_SYSTEM;
}

int stream_handshake(struct stream *t)
{
	t->want_write = false;
	ERR_clear_error();
	errno = 0;
	int ret = SSL_do_handshake(t->ssl);
	/* Also after a failure: the alert that tells the peer why is in the buffer. */
	t->flush_pending = true;
	int reason = ret == 1 ? 0 : ssl_failed(t, ret);
	int flushed = stream_flush(t);
	if (reason == 0 || reason == ERR_AGAIN) {
		if (flushed == ERR_SYSTEM) {
			return ERR_SYSTEM;
		}
		return reason == 0 && flushed == ERR_AGAIN ? 0 : reason;
	}
	return reason;
}

static int plain_failed(struct stream *t)
{
	if (errno == EAGAIN || errno == EINTR) {
		return ERR_AGAIN;
	}
	snprintf(t->why, sizeof(t->why), "%s", strerror(errno));
	return ERR_SYSTEM;
}

static int read_plain(struct stream *t, uint8_t *buf, size_t cap, size_t *ret_n)
{
	ssize_t n = read(t->fd, buf, cap);
	if (n < 0) {
		return plain_failed(t);
	}
	if (n == 0) {
		t->eof = true;
		return ERR_CLOSED;
	}
	*ret_n = (size_t)n;
	return 0;
}

static int read_tls(struct stream *t, uint8_t *buf, size_t cap, size_t *ret_n)
{
	size_t have = 0;
	int reason = 0;
	t->want_write = false;
	while (have < cap && reason == 0) {
		size_t n = 0;
		forget_errors();
		errno = 0;
		int ret = SSL_read_ex(t->ssl, buf + have, cap - have, &n);
		have += n;
		if (ret != 1) {
			reason = ssl_failed(t, ret);
		} else if (have < SMALL_READ && SSL_has_pending(t->ssl) == 0) {
			break; /* a message alone: asking the socket again would most likely be in vain */
		}
	}
	/* Handshake messages of TLS 1.3 (key update) may have put an answer into the buffer. */
	if (BIO_wpending(SSL_get_wbio(t->ssl)) > 0) {
		t->flush_pending = true;
	}
	t->more = have == cap;
	if (have > 0) {
		*ret_n = have;
		return 0;
	}
	return reason;
}

int stream_read(struct stream *t, uint8_t *buf, size_t cap, size_t *ret_n)
{
	size_t n = 0;
	int e = t->ssl ? read_tls(t, buf, cap, &n) : read_plain(t, buf, cap, &n);
	if (e != 0) {
		return e;
	}
	t->ack_due |= n < cap;
	t->bytes_in += n;
	*ret_n = n;
	return 0;
}

void stream_ack(struct stream *t)
{
	if (t->ack_due) {
		t->ack_due = false;
		set_option(t->fd, IPPROTO_TCP, TCP_QUICKACK, 1);
	}
}

static int write_tls(struct stream *t, const struct iovec *iov, unsigned n, size_t *ret_n)
{
	size_t done = 0;
	for (unsigned i = 0; i < n; i++) {
		size_t at = 0;
		while (at < iov[i].iov_len) {
			size_t put = 0;
			forget_errors();
			errno = 0;
			int ret = SSL_write_ex(
				t->ssl, (const uint8_t *)iov[i].iov_base + at, iov[i].iov_len - at, &put);
			if (ret != 1) {
				int e = ssl_failed(t, ret);
				t->flush_pending = true;
				*ret_n = done;
				/* A write that waits for the peer's bytes is a renegotiation: there is none. */
				return e == ERR_AGAIN && done > 0 ? 0 : e;
			}
			t->flush_pending = true;
			at += put;
			done += put;
		}
	}
	*ret_n = done;
	return 0;
}

int stream_write(struct stream *t, const struct iovec *iov, unsigned n, size_t *ret_n)
{
	size_t done = 0;
	int e = 0;
	if (t->ssl) {
		e = write_tls(t, iov, n, &done);
		if (e == 0 || e == ERR_AGAIN) {
			int flushed = stream_flush(t);
			e = flushed == ERR_SYSTEM ? flushed : e;
		}
	} else {
		ssize_t put = writev(t->fd, iov, (int)n);
		if (put < 0) {
			e = plain_failed(t);
		} else {
			done = (size_t)put;
		}
	}
	t->bytes_out += done;
	*ret_n = done;
	return e;
}

void stream_close(struct stream *t)
{
	if (t->ssl) {
		if (!t->eof && SSL_is_init_finished(t->ssl)) {
			ERR_clear_error();
			(void)SSL_shutdown(t->ssl);
			(void)BIO_flush(SSL_get_wbio(t->ssl));
		}
		SSL_free(t->ssl);
		t->ssl = NULL;
	}
	if (t->fd >= 0) {
		close(t->fd);
		t->fd = -1;
	}
}
