/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate.h"
#include "gateway/gate_slab.h"
#include "gateway/gate_state.h"
#include "priv/role.h"
#include "priv/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/*
 * The gate: accepts, counts, forks one association a connection, connects to targets on request. It has no secrets, opens
 * no file, and reads no byte of a peer.
 */

#define EVENTS_A_TURN 64

/* The loop looks at its clocks at least this often. */
#define TICK_MS 1000

/* How long the start waits for host names before it serves without them. */
#define READY_WAIT_MS 5000

int gate_watch(struct gate *g, struct source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};
	return epoll_ctl(g->epoll, EPOLL_CTL_ADD, s->fd, &ev) < 0 ? ERR_SYSTEM : 0;
}

void gate_unwatch(struct gate *g, struct source *s)
{
	if (s->fd >= 0) {
		/* A copy in another process would keep the registration alive past our close. */
		(void)epoll_ctl(g->epoll, EPOLL_CTL_DEL, s->fd, NULL);
		close(s->fd);
		s->fd = -1;
	}
}

void gate_say(struct gate *g, const struct message *m)
{
	if (g->supervisor.fd >= 0 && message_send(g->supervisor.fd, m) != 0) {
		log_say(LOG_LEVEL_WARNING, "gate.supervisor", "the supervisor could not be told `%s`",
			message_name(m->type));
	}
}

/* ---- From the supervisor ---- */

static void stop(struct gate *g)
{
	if (g->stopping) {
		g->stop_deadline_ms = 0; /* told twice: now */
		return;
	}
	const struct site *s = gate_newest(g);
	g->stopping = true;
	g->stop_deadline_ms = clock_mono_ms() + (s ? (int64_t)s->timeouts.stop * 1000 : 0);
	site_stop_listening(g);
	log_event(LOG_LEVEL_NOTICE, "gate.stopping", "no new associations; those that live may finish",
		LOG_NUMBER("associations", g->n_children));
	child_tell_all(g, &(struct message){.type = MSG_STOP, .fd = -1});
}

static void take_control(struct gate *g, int fd)
{
	gate_unwatch(g, &g->control);
	g->control = (struct source){.fd = fd, .ready = gate_status_ready};
	if (gate_watch(g, &g->control, EPOLLIN) != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.control", "the control socket cannot be watched: %s",
			strerror(errno));
	}
}

static void take_door(struct gate *g, int fd)
{
	gate_unwatch(g, &g->door);
	g->door = (struct source){.fd = fd, .ready = door_ready};
	if (gate_watch(g, &g->door, EPOLLIN) != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.door", "the local door cannot be watched: %s",
			strerror(errno));
	}
}

static void take_log(struct gate *g, struct message *m)
{
	role_use_log(m);
	child_tell_all(g, &(struct message){.type = MSG_LOG, .fd = m->fd, .number = m->number});
	close(m->fd);
}

static void take_channel(struct gate *g, const struct message *m)
{
	(void)fcntl(m->fd, F_SETFL, O_NONBLOCK);
	if (m->number == ROLE_LOOKUP) {
		hosts_channel(g, m->fd);
		return;
	}
	if (m->number == ROLE_AUDIT) {
		audit_channel(g, m->fd);
		return;
	}
	if (m->number == ROLE_FORWARD) {
		couriers_channel(g, m->fd);
		return;
	}
	quarantine_channel(g, m->fd);
}

static void take(struct gate *g, struct message *m)
{
	switch (m->type) {
	case MSG_SITE:
		site_pending(g, m->fd);
		break;
	case MSG_KEYS:
		keys_take(g, m->number, m->fd);
		break;
	case MSG_LISTENER:
		site_listener(g, m->number >= 0 && m->number < UINT32_MAX ? (unsigned)m->number : UINT32_MAX,
			m->fd);
		break;
	case MSG_CHANNEL:
		take_channel(g, m);
		break;
	case MSG_LEDGER:
		if (ledger_open(g->ledger, m->fd) != 0) {
			log_say(LOG_LEVEL_ERROR, "ledger.failed",
				"refusals.jsonl cannot be read back: numbers start anew");
		}
		break;
	case MSG_CONTROL:
		take_control(g, m->fd);
		break;
	case MSG_DOOR:
		take_door(g, m->fd);
		break;
	case MSG_LOG:
		take_log(g, m);
		break;
	case MSG_GO:
		if (!g->sites) {
			g->ready_by_ms = clock_mono_ms() + READY_WAIT_MS;
		}
		site_go(g);
		break;
	case MSG_STOP:
		stop(g);
		break;
	case MSG_KEPT:
		g->kept_ms = m->number;
		snprintf(g->kept, sizeof(g->kept), "%.255s", m->text);
		break;
	default:
		break;
	}
}

static void supervisor_ready(struct gate *g, struct source *s, uint32_t events)
{
	static struct message m;
	int e;
	while (s->fd >= 0 && (e = message_recv(s->fd, FROM_SUPERVISOR, &m)) != ERR_AGAIN) {
		if (e != 0) {
			/* Nobody is there to start us again with a new site: finish what lives, and end. */
			log_say(LOG_LEVEL_ERROR, "gate.supervisor", "the supervisor is gone");
			gate_unwatch(g, s);
			stop(g);
			return;
		}
		take(g, &m);
	}
}

/* ---- The loop ---- */

static void signals_ready(struct gate *g, struct source *s, uint32_t events)
{
	struct signalfd_siginfo info[8];
	while (read(s->fd, info, sizeof(info)) > 0) {
	}
	child_reap(g);
}

static void check_clocks(struct gate *g)
{
	int64_t now = clock_mono_ms();
	hosts_check(g, now);
	connect_check(g, now);
	accept_resume(g, now);
	expiry_check(g, now, false);
	ledger_check(g->ledger, clock_wall_ms(), false);
	if (ledger_full(g->ledger)) {
		gate_say(g, &(struct message){.type = MSG_LEDGER_FULL, .fd = -1});
	}
	if (g->ready_by_ms && g->sites && (hosts_all_answered(g) || now >= g->ready_by_ms)) {
		g->ready_by_ms = 0;
		site_serve(g);
	}
	if (g->stopping && g->n_children > 0 && now >= g->stop_deadline_ms && !g->cut) {
		g->cut = true;
		unsigned n =
			child_kill_all(g, g->stop_deadline_ms == 0 ? "cut: the gateway was told twice to stop"
								   : "cut: the time for stopping is over");
		gate_say(g, &(struct message){.type = MSG_CUT, .fd = -1, .number = n});
	}
}

static int next_wait(const struct gate *g)
{
	int64_t now = clock_mono_ms(), next = now + TICK_MS;
	int64_t connect = connect_next_ms(g);
	next = connect < next ? connect : next;
	if (g->paused_until_ms && g->paused_until_ms < next) {
		next = g->paused_until_ms;
	}
	return next <= now ? 0 : (int)(next - now);
}

static void loop(struct gate *g)
{
	struct epoll_event events[EVENTS_A_TURN];
	while (!(g->stopping && g->n_children == 0)) {
		int n = epoll_wait(g->epoll, events, EVENTS_A_TURN, next_wait(g));
		if (n < 0 && errno != EINTR) {
			log_say(LOG_LEVEL_ERROR, "gate.failed", "epoll_wait: %s", strerror(errno));
			return;
		}
		for (int i = 0; i < n; i++) {
			struct source *s = events[i].data.ptr;
			if (s->fd >= 0) {
				s->ready(g, s, events[i].events);
			}
		}
		check_clocks(g);
		child_free_ended(g);
		connect_free_ended(g);
	}
}

/* ---- The start ---- */

static int watch_signals(struct gate *g)
{
	sigset_t set;
	/* Only the supervisor says stop, so that a signal to the whole group cuts nobody short. */
	static const int ignored[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP};
	for (unsigned i = 0; i < ARRAY_LEN(ignored); i++) {
		(void)signal(ignored[i], SIG_IGN);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return ERR_SYSTEM;
	}
	g->signals =
		(struct source){.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), .ready = signals_ready};
	return g->signals.fd < 0 ? ERR_SYSTEM : gate_watch(g, &g->signals, EPOLLIN);
}

/* What the C library and OpenSSL read from files they read now; then the sandbox is entered. */
static int enter_sandbox(struct gate *g)
{
	struct sandbox *own = NULL;
	(void)OPENSSL_init_ssl(0, NULL);
	json_object_seed(0);
	tzset();
	int e = sandbox_new(SANDBOX_ASSOCIATION, NULL, 0, &g->sandbox);
	if (e == 0) {
		e = sandbox_new(SANDBOX_GATE, NULL, 0, &own);
	}
	if (e == 0) {
		e = sandbox_load(own);
	}
	return e;
}

/*
 * Large blocks come fresh from the kernel and go back to it: an association's big, mostly empty structs then cost the
 * pages that are used, and not a copy of what the gate had there before.
 */
#define LARGE_BLOCK (128 * 1024)

static int prepare(struct gate *g)
{
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	g->control.fd = g->door.fd = g->lookup.fd = g->store.fd = g->forwarder.fd = g->auditor.fd = -1;
	g->pending_keys = -1;
	g->started_ms = clock_wall_ms();
	g->supervisor_pid = getppid();
	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	g->hosts = hosts_new();
	g->counts = counts_new();
	g->ledger = ledger_new();
	g->said = slab_alloc(sizeof(*g->said));
	message_keep();
	if (!g->hosts || !g->counts || !g->ledger || !g->said) {
		return ERR_NO_MEMORY;
	}
	ledger_tell(g->ledger, audit_refusal, g);
	g->supervisor = (struct source){.fd = ROLE_CHANNEL, .ready = supervisor_ready};
	if (g->epoll < 0 || fcntl(ROLE_CHANNEL, F_SETFD, FD_CLOEXEC) < 0 ||
		fcntl(ROLE_CHANNEL, F_SETFL, O_NONBLOCK) < 0) {
		return ERR_SYSTEM;
	}
	int e = watch_signals(g);
	if (e == 0) {
		e = gate_watch(g, &g->supervisor, EPOLLIN);
	}
	return e == 0 ? enter_sandbox(g) : e;
}

int role_gate_main(void)
{
	static struct gate gate;
	log_role("gate");
	(void)prctl(PR_SET_NAME, "gantry: gate");
	int e = prepare(&gate);
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "gate.failed", "the gate cannot start: %s",
			e == ERR_SYSTEM ? strerror(errno) : err_str(e));
		return 1;
	}
	loop(&gate);
	ledger_check(gate.ledger, clock_wall_ms(), true);
	/* Not exit(): what is left belongs to the end of the process, and the sandbox has no way to look at it. */
	_exit(gate.cut ? 3 : 0);
}
