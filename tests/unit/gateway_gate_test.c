/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/gate_slab.h"
#include "gateway/gate_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * The gate against an association that was taken over: whatever it says on its channel, it gets what is its own, or it
 * is ended. The association is a process that only waits; the test speaks for it.
 */

static const char yaml[] =
	"site: test\n"
	"state: /nowhere\n"
	"run: /nowhere\n"
	"listeners:\n"
	"  - { name: plain, address: 127.0.0.1, port: 11112, transport: plain }\n"
	"nodes:\n"
	"  ct: { ae: [ CT ], from: [ 127.0.0.0/8 ], transport: plain }\n"
	"  pacs: { ae: [ PACS ], transport: plain, from: [ 127.0.0.9 ],\n"
	"          address: [ \"127.0.0.1:%u\", \"127.0.0.1:%u\" ], timeouts: { connect: 2 } }\n"
	"flows:\n"
	"  - { name: all, from: [ ct ], to: pacs, services: [ echo ] }\n";

enum { CT, PACS };

static struct gate gate;
static struct gate_site sites[2];
static int listening = -1; /* the port of PACS's second address; its first is closed */

/* One association: its end of the channel. */
struct puppet {
	struct child *child;
	int channel;
};

static struct puppet puppet(bool by_proxy)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	struct child *c = child_new(&gate, pair[0]);
	assert_non_null(c);
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
		for (;;) {
			(void)pause(); /* *c is not in this process: slab memory does not cross a fork */
		}
	}
	assert_true(pid > 0);
	c->pid = pid;
	c->generation = sites[0].generation;
	c->by_proxy = by_proxy;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &c->ip), 1);
	c->port = 4711;
	if (!by_proxy) {
		c->address = counts_address(gate.counts, &c->ip);
		c->address->at_once++;
	}
	snprintf(c->listener, sizeof(c->listener), "plain");
	return (struct puppet){.child = c, .channel = pair[1]};
}

/* Say it, and let the gate read it. True: the gate ended the association for it. */
static bool says(struct puppet *p, struct message m)
{
	assert_int_equal(message_send(p->channel, &m), 0);
	child_ready(&gate, &p->child->channel, EPOLLIN);
	return p->child->killed;
}

/* The gate's turn until it has answered. */
static struct message *answer(struct puppet *p)
{
	static struct message m;
	for (int i = 0; i < 100; i++) {
		int e = message_recv(p->channel, FROM_GATE_DOWN, &m);
		if (e == 0) {
			return &m;
		}
		assert_int_equal(e, ERR_AGAIN);
		struct epoll_event ev[8];
		int n = epoll_wait(gate.epoll, ev, 8, 5000);
		assert_true(n > 0);
		for (int k = 0; k < n; k++) {
			struct source *s = ev[k].data.ptr;
			if (s->fd >= 0) {
				s->ready(&gate, s, ev[k].events);
			}
		}
	}
	fail_msg("the gate does not answer");
	return NULL;
}

static void leaves(struct puppet *p)
{
	unsigned before = gate.n_children;
	(void)kill(p->child->pid, SIGTERM);
	close(p->channel);
	for (int i = 0; i < 5000 && gate.n_children == before; i++) {
		siginfo_t info;
		/* Waits for the end, and leaves it for the gate to see. */
		assert_int_equal(waitid(P_PID, (id_t)p->child->pid, &info, WEXITED | WNOWAIT), 0);
		child_reap(&gate);
	}
	assert_int_equal(gate.n_children, before - 1);
	child_free_ended(&gate);
	connect_free_ended(&gate);
}

static struct message associated(int32_t from, int32_t to, int32_t flow)
{
	struct message m = {.type = MSG_ASSOCIATED, .fd = -1};
	m.associated = (struct msg_associated){
		.from = from, .to = to, .flow = flow, .calling = "CT", .called = "PACS"};
	return m;
}

static struct message connecting(const struct puppet *p, int32_t node, int32_t address)
{
	struct message m = {.type = MSG_CONNECT, .fd = -1};
	m.connect = (struct msg_connect){.node = node, .address = address, .source = p->child->ip};
	return m;
}

static struct message object(int32_t flow, uint64_t bytes)
{
	struct message m = {.type = MSG_OBJECT, .fd = -1};
	m.object = (struct msg_object){.flow = flow, .bytes = bytes, .objects = 1};
	return m;
}

static void test_counts(void **state)
{
	struct puppet a = puppet(false), b = puppet(false);
	assert_false(says(&a, associated(CT, PACS, 0)));
	assert_int_equal(answer(&a)->counts.at_once, 1);
	assert_false(says(&b, associated(CT, PACS, 0)));
	struct message *m = answer(&b);
	assert_int_equal(m->counts.at_once, 2);
	assert_int_equal(m->counts.last_minute, 2);
	assert_false(says(&a, object(0, 1000)));
	assert_int_equal(answer(&a)->counts.bytes_hour, 1000);
	assert_false(says(&b, object(0, 500)));
	m = answer(&b);
	assert_int_equal(m->counts.objects_hour, 2);
	assert_int_equal(m->counts.bytes_hour, 1500);
	leaves(&a);
	assert_int_equal(b.child->flows[0]->at_once, 1);
	assert_int_equal(b.child->address->at_once, 1);
	leaves(&b);
	assert_null(
		counts_look(gate.counts, &(struct in6_addr){.s6_addr = {[10] = 0xff, 0xff, 127, 0, 0, 1}}));
}

static struct message of(enum message_type t)
{
	return (struct message){.type = t, .fd = -1};
}

/* Each of these ends the association, after what may rightly come before. */
static void test_breaches(void **state)
{
	for (unsigned i = 0;; i++) {
		struct puppet p = puppet(false);
		struct message good = associated(CT, PACS, 0), bad = of(MSG_PROGRESS);
		bool first = true;
		switch (i) {
		case 0: /* who it is has not been said */
			bad = connecting(&p, PACS, 0);
			first = false;
			break;
		case 1:
			bad = object(0, 1);
			first = false;
			break;
		case 2: /* twice */
			bad = good;
			break;
		case 3: /* indices that are none */
			bad = associated(2, PACS, 0);
			first = false;
			break;
		case 4:
			bad = associated(CT, PACS, 1);
			first = false;
			break;
		case 5:
			bad = associated(-2, PACS, 0);
			first = false;
			break;
		case 6:
			bad = object(1, 1);
			break;
		case 7:
			bad = connecting(&p, 2, 0);
			break;
		case 8:
			bad = connecting(&p, -1, 0);
			break;
		case 9:
			bad = connecting(&p, PACS, -1);
			break;
		case 10: /* in another's name */
			bad = connecting(&p, PACS, 0);
			bad.connect.source.s6_addr[15] = 77;
			break;
		case 11: /* nobody's load balancer */
			bad = of(MSG_ADMIT);
			break;
		case 12: /* a site that is none */
			bad.generation = 9;
			break;
		case 13: /* what only others may say */
			bad = of(MSG_STOP);
			break;
		case 14:
			bad = of(MSG_NUMBER);
			break;
		default:
			leaves(&p);
			assert_int_equal(i, 15);
			return;
		}
		if (first) {
			assert_false(says(&p, good));
			assert_int_equal(answer(&p)->type, MSG_COUNTS);
		}
		if (!says(&p, bad)) {
			fail_msg("breach %u was not noticed", i);
		}
		leaves(&p);
	}
}

static void test_not_even_a_message(void **state)
{
	struct puppet p = puppet(false);
	assert_int_equal(send(p.channel, "nonsense", 8, 0), 8);
	child_ready(&gate, &p.child->channel, EPOLLIN);
	assert_true(p.child->killed);
	leaves(&p);
}

static void test_generations(void **state)
{
	struct puppet p = puppet(false);
	struct message m = of(MSG_PROGRESS);
	assert_false(says(&p, m));
	m.generation = 2;
	assert_false(says(&p, m));
	assert_int_equal(p.child->generation, 2);
	/* It has taken the new one, and cannot go back. */
	m.generation = 1;
	assert_true(says(&p, m));
	leaves(&p);
}

static void test_refusal_is_signed(void **state)
{
	struct puppet p = puppet(false);
	struct message m = of(MSG_REFUSAL);
	m.refusal = (struct refusal){
		.rule = RULE_SERVICE, .address = "10.6.6.6", .port = 1, .listener = "another", .number = 99};
	assert_false(says(&p, m));
	int64_t number = answer(&p)->number;
	const struct refusal *r = ledger_recent(gate.ledger, 0);
	assert_int_equal(r->number, number);
	assert_string_equal(r->address, "127.0.0.1");
	assert_int_equal(r->port, 4711);
	assert_string_equal(r->listener, "plain");
	assert_false(says(&p, m));
	assert_int_equal(answer(&p)->number, number);
	leaves(&p);
}

static void test_admit(void **state)
{
	struct puppet p = puppet(true);
	struct message m = of(MSG_ADMIT);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:10.1.2.3", &m.admit.ip), 1);
	assert_false(says(&p, m));
	assert_int_equal(answer(&p)->number, RULE_NONE);
	assert_int_equal(counts_look(gate.counts, &m.admit.ip)->at_once, 1);
	assert_memory_equal(&p.child->ip, &m.admit.ip, sizeof(m.admit.ip));
	/* Once told, it cannot become somebody else. */
	assert_true(says(&p, m));
	leaves(&p);
	assert_int_equal(counts_look(gate.counts, &m.admit.ip)->at_once, 0);
}

static void test_connect(void **state)
{
	struct puppet p = puppet(false);
	assert_false(says(&p, associated(CT, PACS, 0)));
	(void)answer(&p);
	/* The first address is closed: the second answers. */
	assert_false(says(&p, connecting(&p, PACS, 0)));
	struct message *m = answer(&p);
	assert_int_equal(m->type, MSG_CONNECTED);
	assert_int_equal(m->connected.result, 0);
	assert_int_equal(m->connected.address, 1);
	assert_false(m->connected.is_folder);
	assert_true(m->fd >= 0);
	int got = accept(listening, NULL, NULL);
	assert_int_equal(write(m->fd, "x", 1), 1);
	char c = 0;
	assert_int_equal(read(got, &c, 1), 1);
	assert_int_equal(c, 'x');
	close(m->fd);
	close(got);
	/* After the last there is none. */
	assert_false(says(&p, connecting(&p, PACS, 2)));
	m = answer(&p);
	assert_true(m->connected.result < 0);
	assert_int_equal(m->fd, -1);
	assert_true(m->connected.text[0]);
	/* And a node without any address has none. */
	assert_false(says(&p, connecting(&p, CT, 0)));
	assert_true(answer(&p)->connected.result < 0);
	leaves(&p);
}

/* ---- Around it ---- */

static uint16_t listen_somewhere(int *ret_fd)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(*ret_fd, 8), 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin_port);
}

static void leave(int sig)
{
	(void)sig;
	_exit(0);
}

static int set_up(void **state)
{
	/* Inherited by the puppets, so that none is ever without it. */
	(void)signal(SIGTERM, leave);
	static char text[2048];
	struct mistakes mistakes;
	int closed;
	uint16_t open_port = listen_somewhere(&listening), closed_port = listen_somewhere(&closed);
	close(closed);
	snprintf(text, sizeof(text), yaml, closed_port, open_port);
	for (unsigned i = 0; i < ARRAY_LEN(sites); i++) {
		int e = site_parse(span_str(text), "/nowhere/gantry.yaml", &sites[i].site, &mistakes);
		for (unsigned k = 0; k < mistakes.n_errors; k++) {
			print_error("%u: %s\n", mistakes.at[k].line, mistakes.at[k].text);
		}
		mistakes_done(&mistakes);
		assert_int_equal(e, 0);
		sites[i].generation = i + 1;
		sites[i].packed = -1;
	}
	sites[1].older = &sites[0];
	gate.sites = &sites[1];
	gate.epoll = epoll_create1(EPOLL_CLOEXEC);
	gate.control.fd = gate.lookup.fd = gate.store.fd = gate.supervisor.fd = -1;
	gate.hosts = hosts_new();
	gate.said = slab_alloc(sizeof(*gate.said));
	assert_non_null(gate.said);
	gate.counts = counts_new();
	gate.ledger = ledger_new();
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT);
	return gate.hosts && gate.counts && gate.ledger ? 0 : -1;
}

static int tear_down(void **state)
{
	ledger_free(gate.ledger);
	counts_free(gate.counts);
	hosts_free(gate.hosts);
	site_free(sites[0].site);
	site_free(sites[1].site);
	close(gate.epoll);
	close(listening);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_breaches),
		cmocka_unit_test(test_not_even_a_message),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_refusal_is_signed),
		cmocka_unit_test(test_admit),
		cmocka_unit_test(test_connect),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
