/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/auditor.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/auditor_state.h"
#include "priv/message.h"
#include "priv/role.h"
#include "priv/sandbox.h"
#include "priv/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The auditor's process: who tells, and its loop. */

#define EVENTS_A_TURN 64
#define KEYS_WAIT_MS  5000 /* a token is not quick */

static int watch(struct auditor *a, struct teller *t)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = t};
	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, t->fd, &ev) < 0 ? ERR_SYSTEM : 0;
}

static void unwatch(struct auditor *a, struct teller *t)
{
	if (t->line) {
		t->fd = -1;
		t->line->teller = NULL;
		t->line->ended = true;
	} else if (t->fd >= 0) {
		/* Of an association's nobody else has a copy: closed it is watched no more. */
		if (t->kind != TELLER_ASSOCIATION) {
			(void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, t->fd, NULL);
		}
		close(t->fd);
		t->fd = -1;
	}
}

/* ---- Associations ---- */

void teller_end(struct auditor *a, struct teller *t)
{
	unwatch(a, t);
	open_teller_gone(a, t);
	struct teller **at = &a->tellers;
	while (*at != t) {
		at = &(*at)->next;
	}
	*at = t->next;
	t->next = a->gone;
	a->gone = t;
}

/* It asked for another channel: what it had told goes on there. One association holds one, or a hostile one held them all. */
static void replace_teller(struct auditor *a, struct teller *fresh)
{
	struct teller *old = fresh->next;
	while (old && (old->association != fresh->association || old->gate != fresh->gate)) {
		old = old->next;
	}
	if (old) {
		open_teller_moved(a, old, fresh);
		teller_end(a, old);
	}
}

static void take_teller(struct auditor *a, struct teller *t)
{
	static struct message m;
	int e = 0;
	for (unsigned i = 0; i < TAKE_A_TURN && e == 0; i++) {
		e = message_recv(t->fd, FROM_TELLER, &m);
		if (e == 0 && m.type != MSG_EVENT) {
			e = ERR_PEER;
		}
		if (e == 0) {
			batch_take(a, t, m.number, m.bytes);
		}
	}
	if (e != 0 && e != ERR_AGAIN) {
		teller_end(a, t);
	}
}

void teller_add(struct auditor *a, struct teller *t)
{
	t->next = a->tellers;
	a->tellers = t;
	if (t->kind == TELLER_ASSOCIATION) {
		replace_teller(a, t);
	}
}

static void add_teller(struct auditor *a, const struct message *m)
{
	struct teller *t = calloc(1, sizeof(*t));
	if (!t) {
		close(m->fd);
		return;
	}
	*t = (struct teller){.fd = m->fd,
		.kind = m->client.association == 0 ? TELLER_GATE : TELLER_ASSOCIATION,
		.answers = true,
		.association = m->client.association,
		.gate = a->gates,
		.ip = m->client.ip};
	if (t->kind != TELLER_ASSOCIATION) {
		(void)fcntl(t->fd, F_SETFL, O_NONBLOCK); /* those of associations are made so */
	}
	if (watch(a, t) != 0) {
		close(t->fd);
		free(t);
		return;
	}
	teller_add(a, t);
	take_teller(a, t); /* what it has told already */
}

void teller_free_gone(struct auditor *a)
{
	while (a->gone) {
		struct teller *t = a->gone;
		a->gone = t->next;
		line_gone(a, t);
		free(t);
	}
}

/* ---- Messages ---- */

static void take_gate(struct auditor *a)
{
	static struct message m;
	int e;
	while ((e = message_recv(a->gate.fd, FROM_GATE_AUDITOR, &m)) == 0) {
		if (m.type == MSG_CLIENT) {
			add_teller(a, &m);
		} else if (m.type == MSG_LINE) {
			line_message(a, &m);
		} else if (m.type == MSG_UNRECORDED) {
			kept_missed(
				a, MSG_UNRECORDED_KIND(m.number), (uint64_t)MSG_UNRECORDED_COUNT(m.number));
		} else {
			batch_take(a, &a->gate, m.number, m.bytes);
		}
	}
	if (e != ERR_AGAIN) {
		unwatch(a, &a->gate); /* a new gate's channel will come */
	}
}

static void use_channel(struct auditor *a, const struct message *m)
{
	if (m->number == ROLE_KEYS) {
		if (a->keys.fd >= 0) {
			close(a->keys.fd);
		}
		a->keys.fd = m->fd;
		a->keys.late = false;
		tokens_forget();
		a->has_index_envelope = false;
		if (a->seal) {
			seal_drop(
				a->seal); /* the index key may be another one, and the new epoch says which */
		}
		return;
	}
	unwatch(a, &a->gate);
	a->gates++;
	(void)fcntl(m->fd, F_SETFL, O_NONBLOCK);
	a->gate = (struct teller){.fd = m->fd, .kind = TELLER_GATE};
	a->told = (struct msg_journal){0}; /* this one knows nothing yet */
	if (watch(a, &a->gate) != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.failed", "the gate's channel cannot be watched: %s",
			strerror(errno));
		unwatch(a, &a->gate);
	}
}

static void use_spool_key(struct auditor *a, int fd)
{
	a->has_spool_key = pread(fd, a->spool_key, sizeof(a->spool_key), 0) == (ssize_t)sizeof(a->spool_key);
}

static void use_site(struct auditor *a, int fd)
{
	struct site *fresh = NULL;
	if (role_site(fd, &fresh) != 0 || !fresh->audit.has) {
		log_say(LOG_LEVEL_ERROR, "audit.failed",
			"the configuration could not be used by the auditor");
		site_free(fresh);
		return;
	}
	if (!a->site) {
		a->site = fresh;
	} else if (auditor_use_site(a, fresh) != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.failed", "the auditor goes on with the configuration before");
	}
	a->stopping = false; /* a reload that kept no journal is followed by one that does */
}

enum told { TOLD_MORE, TOLD_GO, TOLD_STOP, TOLD_NOTHING };

static enum told take_supervisor(struct auditor *a)
{
	static struct message m;
	int e = message_recv(ROLE_CHANNEL, FROM_SUPERVISOR, &m);
	if (e != 0) {
		return e == ERR_AGAIN ? TOLD_NOTHING : TOLD_STOP;
	}
	switch (m.type) {
	case MSG_LOG:
		role_use_log(&m);
		break;
	case MSG_SPOOL:
		use_spool_key(a, m.fd);
		break;
	case MSG_SITE:
		use_site(a, m.fd);
		break;
	case MSG_CHANNEL:
		use_channel(a, &m);
		return TOLD_MORE;
	case MSG_EVENT:
		batch_take(a, &a->supervisor, m.number, m.bytes);
		return TOLD_MORE;
	case MSG_GO:
		return TOLD_GO;
	case MSG_STOP:
		return TOLD_STOP;
	default:
		break;
	}
	if (m.fd >= 0) {
		close(m.fd);
	}
	return TOLD_MORE;
}

/* ---- The loop ---- */

static int next_wait(const struct auditor *a)
{
	int64_t now = clock_mono_ms(), next = checkpoint_next_ms(a), open = open_next_ms(a);
	next = open < next ? open : next;
	next = a->spool && a->spool_ms < next ? a->spool_ms : next;
	int64_t health = health_next_ms(a);
	next = health < next ? health : next;
	int64_t copy = copy_next_ms(a);
	next = copy < next ? copy : next;
	next = a->cold.fd >= 0 && a->cold_ms < next ? a->cold_ms : next;
	/* A failure is tried again soon; who waits is not answered by itself. */
	next = a->failing && now + 250 > next ? now + 250 : next;
	return next <= now ? 0 : (int)(next - now < 60000 ? next - now : 60000);
}

static void handle(struct auditor *a, struct teller *t)
{
	if (t->fd < 0) {
		return;
	}
	if (t == &a->supervisor) {
		enum told told;
		while ((told = take_supervisor(a)) == TOLD_MORE || told == TOLD_GO) {
		}
		a->stopping = a->stopping || told == TOLD_STOP;
	} else if (t == &a->gate) {
		take_gate(a);
	} else if (t == &a->cold) {
		cold_take(a);
	} else if (t->kind == TELLER_LINE) {
		line_hear(a, (struct line *)t);
	} else if (t == &a->copy.channel) {
		copy_take(a);
	} else {
		take_teller(a, t);
	}
}

static void say(struct auditor *a, enum audit_kind kind, enum audit_alert alert, const char *text)
{
	struct audit_event ev = {.kind = kind, .alert = alert, .time_ms = clock_wall_ms()};
	snprintf(ev.text, sizeof(ev.text), "%s", text);
	batch_add(a, &ev);
}

static int loop(struct auditor *a)
{
	struct epoll_event events[EVENTS_A_TURN];
	say(a, AUDIT_ALERT, ALERT_RECORDING_STARTED, "The auditor keeps the journal.");
	while (!a->stopping || a->tellers) {
		int n = epoll_wait(a->epoll, events, EVENTS_A_TURN, next_wait(a));
		for (int i = 0; i < n; i++) {
			handle(a, events[i].data.ptr);
		}
		if (a->n_batch > 0) {
			batch_write(a);
		}
		line_settle(a);
		int64_t now = clock_mono_ms();
		copy_check(a, now);
		open_check(a, now);
		checkpoint_check(a, now, false);
		send_check(a, now);
		health_check(a, now);
		cold_check(a, now);
		teller_free_gone(a);
	}
	open_check(a, clock_mono_ms());
	kept_end(a);
	say(a, AUDIT_ALERT, ALERT_RECORDING_STOPPED, "The gateway was told to stop, or to keep no journal.");
	batch_write(a);
	checkpoint_check(a, clock_mono_ms(), true);
	copy_rest(a);
	return a->failing ? 1 : 0;
}

/* ---- The start ---- */

static int enter_sandbox(const struct auditor *a)
{
	struct sandbox *s = NULL;
	const struct sandbox_path paths[] = {{a->site->audit.journal, true}};
	int e = sandbox_new(SANDBOX_STORE, paths, ARRAY_LEN(paths), &s);
	return e == 0 ? sandbox_load(s) : e;
}

static int prepare(struct auditor *a)
{
	char why[512] = "";
	module_function *f = NULL;
	enum told told;
	umask(027);
	if (gethostname(a->host, sizeof(a->host) - 1) < 0 || !a->host[0]) {
		snprintf(a->host, sizeof(a->host), "localhost");
	}
	int e = module_open("audit/gantry-audit-xml", "audit_xml_write", &f, why, sizeof(why));
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.failed", "messages cannot be written: %s", why);
		return e;
	}
	a->xml = (audit_xml_function *)f;
	a->packer = body_packer_new();
	e = a->packer ? merkle_prepare() : ERR_NO_MEMORY;
	while (e == 0 && ((told = take_supervisor(a)) == TOLD_MORE || told == TOLD_NOTHING)) {
	}
	if (e != 0 || told == TOLD_STOP || !a->site) {
		return ERR_CLOSED;
	}
	e = cold_start(a);
	e = e == 0 ? copy_start(a) : e;
	e = e == 0 ? enter_sandbox(a) : e;
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.failed", "the auditor's sandbox cannot be entered: %s",
			strerror(errno));
		return e;
	}
	return auditor_start(a);
}

int role_audit_main(void)
{
	static struct auditor a = {.supervisor = {.fd = ROLE_CHANNEL, .kind = TELLER_SUPERVISOR},
		.gate = {.fd = -1, .kind = TELLER_GATE},
		.spool_dir = -1,
		.keys = {.fd = -1, .wait_ms = KEYS_WAIT_MS}};
	log_role("audit");
	(void)prctl(PR_SET_NAME, "gantry: audit");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN); /* the supervisor's word alone ends us, when all have told */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	a.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (a.epoll < 0 || prepare(&a) != 0) {
		return 1;
	}
	if (fcntl(ROLE_CHANNEL, F_SETFL, O_NONBLOCK) < 0 || watch(&a, &a.supervisor) != 0 ||
		(a.cold.fd >= 0 && watch(&a, &a.cold) != 0) ||
		(a.copy.channel.fd >= 0 && watch(&a, &a.copy.channel) != 0)) {
		log_say(LOG_LEVEL_ERROR, "audit.failed", "the auditor cannot start: %s", strerror(errno));
		return 1;
	}
	return loop(&a);
}
