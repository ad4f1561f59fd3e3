/* SPDX-License-Identifier: Apache-2.0 */
/* An SCP that acknowledges and forgets: C-ECHO and C-STORE, a thread a connection. */
#include "wire.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *context;
static uint32_t max_pdu = 131072;
static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;

struct message {
	uint8_t command[4096];
	size_t len;
	struct command c;
};

static void accept_association(struct wire *w, struct span body)
{
	static __thread uint8_t out[65536];
	struct associate *a = calloc(1, sizeof(*a));
	struct parse_fail fail = {0};
	/* It reads into memory of its own, as the gateway has one thread. */
	pthread_mutex_lock(&reading);
	int e = associate_read(body, PDU_ASSOCIATE_RQ, 0, a, &fail);
	pthread_mutex_unlock(&reading);
	if (e != 0) {
		errno = 0;
		wire_die("A-ASSOCIATE-RQ");
	}
	for (unsigned i = 0; i < a->n_contexts; i++) {
		a->contexts[i].result = 0;
		a->contexts[i].n_transfer = 1;
	}
	a->max_pdu = max_pdu;
	a->identity.has = false;
	a->n_roles = a->n_extended = a->n_common_extended = 0;
	struct writer o = writer_of(out, sizeof(out));
	if (associate_write(PDU_ASSOCIATE_AC, a, &o) != 0) {
		wire_die("A-ASSOCIATE-AC");
	}
	wire_put(w, out, o.len);
	free(a);
}

static void respond(struct wire *w, const struct message *m, uint8_t context_id)
{
	uint8_t out[4200];
	struct command rsp;
	command_make_response(&m->c, 0, NULL, &rsp);
	wire_put(w, out, wire_command(out, &rsp, context_id));
}

static bool take_pdv(struct wire *w, struct message *m, uint32_t *left)
{
	struct pdv_head v;
	if (!wire_need(w, 6)) {
		return false;
	}
	struct reader r = reader_of(span_of(w->buf + w->pos, 6));
	if (pdv_read_head(&r, &v) != 0) {
		return false;
	}
	w->pos += 6;
	uint32_t n = v.len - 2;
	*left -= 6 + n;
	if (v.command) {
		struct parse_fail fail = {0};
		if (!wire_need(w, n) || n > sizeof(m->command)) {
			return false;
		}
		memcpy(m->command, w->buf + w->pos, n);
		w->pos += n;
		if (command_read(span_of(m->command, n), 0, &m->c, &fail) != 0) {
			return false;
		}
		if (!command_has_data_set(&m->c)) {
			respond(w, m, v.context);
		}
		return true;
	}
	while (n > 0) {
		if (!wire_need(w, 1)) {
			return false;
		}
		size_t step = w->len - w->pos < n ? w->len - w->pos : n;
		w->pos += step;
		n -= (uint32_t)step;
	}
	if (v.last) {
		respond(w, m, v.context);
	}
	return true;
}

static bool take_pdu(struct wire *w, struct message *m)
{
	struct pdu_head head;
	if (!wire_need(w, 6)) {
		return false;
	}
	struct reader r = reader_of(span_of(w->buf + w->pos, 6));
	if (pdu_read_head(&r, &head) != 0) {
		return false;
	}
	if (head.type == PDU_P_DATA_TF) {
		uint32_t left = head.len;
		w->pos += 6;
		while (left > 0) {
			if (!take_pdv(w, m, &left)) {
				return false;
			}
		}
		return true;
	}
	if (!wire_need(w, 6 + head.len)) {
		return false;
	}
	if (head.type == PDU_ASSOCIATE_RQ) {
		accept_association(w, span_of(w->buf + w->pos + 6, head.len));
		w->pos += 6 + head.len;
		return true;
	}
	if (head.type == PDU_RELEASE_RQ) {
		uint8_t out[10];
		struct writer o = writer_of(out, sizeof(out));
		pdu_write_release_rp(&o);
		wire_put(w, out, o.len);
	}
	return false;
}

static void *serve(void *arg)
{
	struct wire w;
	struct message *m = calloc(1, sizeof(*m));
	wire_open(&w, (int)(intptr_t)arg, context, true, NULL);
	while (take_pdu(&w, m)) {
	}
	wire_close(&w);
	free(m);
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"host", 1, 0, 'h'}, {"port", 1, 0, 'p'}, {"cert", 1, 0, 'c'},
		{"key", 1, 0, 'k'}, {"ca", 1, 0, 'a'}, {"max-pdu", 1, 0, 'm'}, {"resume", 0, 0, 'r'}, {0}};
	const char *host = "127.0.0.1", *port = "11113";
	struct wire_tls tls = {0};
	int o, one = 1;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'h':
			host = optarg;
			break;
		case 'p':
			port = optarg;
			break;
		case 'c':
			tls.cert = optarg;
			break;
		case 'k':
			tls.key = optarg;
			break;
		case 'a':
			tls.ca = optarg;
			break;
		case 'm':
			max_pdu = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			tls.resume = true;
			break;
		default:
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	context = wire_context(&tls, true);
	int fd = wire_listen(host, port);
	for (;;) {
		int c = accept(fd, NULL, NULL);
		pthread_t t;
		pthread_attr_t attr;
		if (c < 0) {
			continue;
		}
		(void)setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 512 * 1024);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		if (pthread_create(&t, &attr, serve, (void *)(intptr_t)c) != 0) {
			close(c);
		}
	}
}
