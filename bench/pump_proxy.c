/* SPDX-License-Identifier: Apache-2.0 */
/* The floor: a proxy that moves bytes and knows nothing, one process a connection. TLS in, plain or TLS out. */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PUMP 131072

struct end {
	int fd;
	SSL *ssl;
	uint8_t buf[PUMP];
};

static void set(int fd, int name)
{
	int one = 1;
	(void)setsockopt(fd, IPPROTO_TCP, name, &one, sizeof(one));
}

/* Read all there is, up to the buffer. 0: nothing now; -1: the end. */
static ssize_t drain(struct end *e)
{
	size_t have = 0;
	while (have < PUMP) {
		ssize_t n;
		if (e->ssl) {
			n = SSL_read(e->ssl, e->buf + have, (int)(PUMP - have));
			if (n <= 0 && SSL_get_error(e->ssl, (int)n) == SSL_ERROR_WANT_READ) {
				break;
			}
		} else {
			n = read(e->fd, e->buf + have, PUMP - have);
			if (n < 0 && errno == EAGAIN) {
				break;
			}
		}
		if (n <= 0) {
			return have ? (ssize_t)have : -1;
		}
		have += (size_t)n;
	}
	set(e->fd, TCP_QUICKACK);
	return (ssize_t)have;
}

static bool put(struct end *e, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t k = e->ssl ? SSL_write(e->ssl, p, (int)n) : write(e->fd, p, n);
		if (k <= 0) {
			struct pollfd pf = {.fd = e->fd, .events = POLLOUT};
			if (e->ssl ? SSL_get_error(e->ssl, (int)k) != SSL_ERROR_WANT_WRITE
				   : errno != EAGAIN) {
				return false;
			}
			(void)poll(&pf, 1, -1);
			continue;
		}
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static void pump(struct end *a, struct end *b)
{
	struct end *ends[2] = {a, b};
	for (;;) {
		struct pollfd p[2] = {{.fd = a->fd, .events = POLLIN}, {.fd = b->fd, .events = POLLIN}};
		bool waiting = (a->ssl && SSL_has_pending(a->ssl)) || (b->ssl && SSL_has_pending(b->ssl));
		(void)poll(p, 2, waiting ? 1 : -1);
		for (int i = 0; i < 2; i++) {
			if (!p[i].revents && !(ends[i]->ssl && SSL_has_pending(ends[i]->ssl))) {
				continue;
			}
			ssize_t n;
			do { /* a full buffer may have left decrypted bytes that poll cannot see */
				n = drain(ends[i]);
				if (n < 0 || !put(ends[1 - i], ends[i]->buf, (size_t)n)) {
					return;
				}
			} while (n == PUMP);
		}
	}
}

static void open_end(struct end *e, int fd, SSL_CTX *ctx, bool server)
{
	e->fd = fd;
	e->ssl = NULL;
	set(fd, TCP_NODELAY);
	if (ctx) {
		e->ssl = SSL_new(ctx);
		SSL_set_fd(e->ssl, fd);
		if ((server ? SSL_accept(e->ssl) : SSL_connect(e->ssl)) != 1) {
			_exit(1);
		}
	}
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"port", 1, 0, 'p'}, {"to", 1, 0, 't'}, {"cert", 1, 0, 'c'},
		{"key", 1, 0, 'k'}, {"ca", 1, 0, 'a'}, {"out-cert", 1, 0, 'C'}, {"out-key", 1, 0, 'K'}, {0}};
	const char *port = "2762", *to = "11113";
	struct wire_tls in = {0}, out = {0};
	int o;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'p':
			port = optarg;
			break;
		case 't':
			to = optarg;
			break;
		case 'c':
			in.cert = optarg;
			break;
		case 'k':
			in.key = optarg;
			break;
		case 'a':
			in.ca = out.ca = optarg;
			break;
		case 'C':
			out.cert = optarg;
			break;
		case 'K':
			out.key = optarg;
			break;
		default:
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	SSL_CTX *ctx_in = wire_context(&in, true), *ctx_out = wire_context(&out, false);
	int fd = wire_listen("127.0.0.1", port);
	for (;;) {
		int c = accept(fd, NULL, NULL);
		if (c >= 0 && fork() == 0) {
			static struct end a, b;
			close(fd);
			open_end(&a, c, ctx_in, true);
			open_end(&b, wire_connect("127.0.0.1", to), ctx_out, false);
			pump(&a, &b);
			_exit(0);
		}
		if (c >= 0) {
			close(c);
		}
	}
}
