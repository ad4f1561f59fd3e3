/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/key_holder.h"
#include "gateway/once.h"
#include "gateway/supervisor_state.h"
#include "priv/memfd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A role that dies is started again after this time, doubled with each death in a row. */
#define RESTART_MS      250
#define RESTART_MOST_MS 30000

/* A role that lived so long has not failed at its start. */
#define RESTART_FORGET_MS 60000

/* Descriptors beside the gate's two or three for each association. */
#define FILES_SPARE 256

static bool is_name(const char *host)
{
	struct in6_addr ignored;
	return host && host[0] && inet_pton(AF_INET, host, &ignored) != 1 &&
	       inet_pton(AF_INET6, host, &ignored) != 1;
}

static bool has_host(const struct site *s)
{
	for (unsigned i = 0; i < s->n_nodes; i++) {
		for (unsigned k = 0; k < s->nodes[i].n_address; k++) {
			if (is_name(s->nodes[i].address[k].host)) {
				return true;
			}
		}
		for (unsigned k = 0; k < s->nodes[i].n_from; k++) {
			if (is_name(s->nodes[i].from[k].host)) {
				return true;
			}
		}
	}
	for (unsigned i = 0; i < s->n_listeners; i++) {
		for (unsigned k = 0; k < s->listeners[i].n_proxy_from; k++) {
			if (is_name(s->listeners[i].proxy_from[k].host)) {
				return true;
			}
		}
	}
	return false;
}

static bool wanted(const struct supervisor *v, enum role_id r)
{
	switch (r) {
	case ROLE_LOOKUP:
		return has_host(v->site) || site_asks(v->site) || v->site->ocsp_staple ||
		       site_verifies(v->site) || v->site->antivirus.has || site_cleans(v->site);
	case ROLE_KEYS:
		return site_has_keys(v->site);
	case ROLE_AUDIT:
		return v->site->audit.has;
	case ROLE_FORWARD:
		return v->site->audit.has && v->site->audit.n_repositories + v->site->audit.n_witnesses > 0;
	default: /* the store too: what comes through the local door may be large, and is held */
		return true;
	}
}

void roles_say(struct supervisor *v, enum role_id r, const struct message *m)
{
	struct role_process *p = &v->role[r];
	if (p->channel < 0) {
		return;
	}
	int e = message_send(p->channel, m);
	if (e != 0) {
		log_event(LOG_LEVEL_ERROR, "role.deaf", e == ERR_SYSTEM ? strerror(errno) : err_str(e),
			LOG_TEXT("role", role_name(r)), LOG_TEXT("not_told", message_name(m->type)));
	}
}

void roles_say_gate(struct supervisor *v, const struct message *m)
{
	roles_say(v, ROLE_GATE, m);
}

static void give_log(struct supervisor *v, enum role_id r)
{
	roles_say(v, r,
		&(struct message){.type = MSG_LOG,
			.fd = v->log,
			.number = MSG_LOG_HOW(v->site->log_json, v->site->log_level)});
}

void roles_give_log(struct supervisor *v)
{
	for (unsigned r = 1; r < ROLE_COUNT; r++) {
		give_log(v, (enum role_id)r);
	}
}

/* A channel between the gate and another role. */
static void join(struct supervisor *v, enum role_id r)
{
	int pair[2];
	if (v->role[r].pid == 0 || v->role[ROLE_GATE].pid == 0) {
		return; /* it is done when the other one starts */
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		log_say(LOG_LEVEL_ERROR, "role.failed", "no channel to the %s: %s", role_name(r),
			strerror(errno));
		return;
	}
	roles_say(v, r, &(struct message){.type = MSG_CHANNEL, .fd = pair[0], .number = ROLE_GATE});
	roles_say(v, ROLE_GATE, &(struct message){.type = MSG_CHANNEL, .fd = pair[1], .number = r});
	close(pair[0]);
	close(pair[1]);
}

void roles_give_site(struct supervisor *v)
{
	keys_join(v, true);
	roles_say(v, ROLE_GATE, &(struct message){.type = MSG_SITE, .fd = v->site_fd});
	for (unsigned i = 0; i < v->site->n_listeners; i++) {
		roles_say(v, ROLE_GATE,
			&(struct message){.type = MSG_LISTENER, .fd = v->bound[i].fd, .number = i});
	}
	roles_say(v, ROLE_GATE, &(struct message){.type = MSG_GO, .fd = -1});
}

/* Without it what is good once is refused. */
static void give_record(struct supervisor *v)
{
	const struct users *u = &v->site->users;
	if (!u->kerberos.principal && !u->saml.issuer) {
		return;
	}
	if (v->once <= 0 && once_open(v->state_dir, clock_wall_ms() / 1000, &v->once) != 0) {
		log_event(LOG_LEVEL_ERROR, "users.record",
			"the record of Kerberos tickets and SAML assertions that were used cannot be opened, and none is taken; mend it and reload",
			LOG_TEXT("file", ONCE_FILE), LOG_TEXT("folder", v->site->state),
			LOG_TEXT("error", strerror(errno)));
		return;
	}
	roles_say(v, ROLE_LOOKUP, &(struct message){.type = MSG_FILE, .fd = v->once, .number = USER_FILES});
}

void roles_tell_lookup(struct supervisor *v)
{
	for (unsigned f = 0; f < USER_FILES; f++) {
		struct span bytes = site_user_file(v->site, (enum user_file)f)->bytes;
		int fd;
		if (bytes.len > 0 && memfd_of("users", bytes, &fd) == 0) {
			roles_say(v, ROLE_LOOKUP, &(struct message){.type = MSG_FILE, .fd = fd, .number = f});
			close(fd);
		}
	}
	give_record(v);
	roles_say(v, ROLE_LOOKUP, &(struct message){.type = MSG_SITE, .fd = v->site_fd});
}

void roles_give_kept(struct supervisor *v)
{
	static struct message m;
	if (v->kept_ms == 0) {
		return;
	}
	m = (struct message){.type = MSG_KEPT, .fd = -1};
	m.number = v->kept_ms;
	snprintf(m.text, sizeof(m.text), "%s", v->kept);
	roles_say_gate(v, &m);
}

static void give_gate(struct supervisor *v)
{
	roles_say(v, ROLE_GATE, &(struct message){.type = MSG_LEDGER, .fd = v->ledger});
	roles_say(v, ROLE_GATE, &(struct message){.type = MSG_CONTROL, .fd = v->control});
	roles_say(v, ROLE_GATE, &(struct message){.type = MSG_DOOR, .fd = v->door});
	join(v, ROLE_LOOKUP);
	join(v, ROLE_STORE);
	join(v, ROLE_AUDIT);
	join(v, ROLE_FORWARD);
	roles_give_site(v);
	roles_give_kept(v);
}

static int spawn(struct supervisor *v, enum role_id r, struct role_process *p)
{
	struct spawn what = {.role = r,
		.exe = v->exe,
		.null = v->null,
		.log = v->log,
		.drop = &v->drop,
		.files = r == ROLE_GATE    ? 3 * v->site->associations_at_once + FILES_SPARE
	                 : r == ROLE_AUDIT ? v->site->associations_at_once + FILES_SPARE
	                                   : 0};
	struct drop plain = v->drop;
	if (r != ROLE_GATE) {
		plain.net_admin = false;
		what.drop = &plain;
	}
	p->started_ms = clock_mono_ms();
	return spawn_role(&what, &p->pid, &p->channel);
}

static void start(struct supervisor *v, enum role_id r)
{
	struct role_process *p = &v->role[r];
	unsigned failures = p->failures;
	int e = r == ROLE_KEYS ? keys_begin(v, v->site, v->site_fd, p) : spawn(v, r, p);
	p->failures = failures;
	if (e != 0) {
		p->pid = 0;
		p->channel = -1;
		p->restart_ms = clock_mono_ms() + RESTART_MOST_MS;
		log_say(LOG_LEVEL_ERROR, "role.failed", "the %s cannot be started: %s", role_name(r),
			strerror(errno));
		return;
	}
	give_log(v, r);
	if (r == ROLE_GATE) {
		give_gate(v);
	} else if (r == ROLE_KEYS) {
		keys_join(v, false);
		audit_join_keys(v);
		audit_forwarder_keys(v);
	} else if (r == ROLE_AUDIT) {
		join(v, r);
		audit_give_site(v, true);
	} else {
		if (r == ROLE_LOOKUP) {
			roles_tell_lookup(v);
		} else if (r == ROLE_FORWARD) {
			audit_give_forwarder(v);
		} else if (r == ROLE_STORE) {
			quarantine_give(v);
			names_give(v);
		}
		join(v, r);
	}
}

void roles_start_due(struct supervisor *v, int64_t now_ms)
{
	/* The gate last, so that the others' channels are ready for it. */
	static const enum role_id order[] = {
		ROLE_KEYS, ROLE_AUDIT, ROLE_LOOKUP, ROLE_STORE, ROLE_FORWARD, ROLE_GATE};
	for (unsigned i = 0; i < ARRAY_LEN(order) && !v->stopping; i++) {
		struct role_process *p = &v->role[order[i]];
		if (p->pid == 0 && p->restart_ms <= now_ms && wanted(v, order[i])) {
			start(v, order[i]);
		}
	}
}

int64_t roles_next_ms(const struct supervisor *v)
{
	int64_t next = INT64_MAX;
	for (unsigned r = 1; r < ROLE_COUNT && !v->stopping; r++) {
		const struct role_process *p = &v->role[r];
		if (p->pid == 0 && wanted(v, (enum role_id)r) && p->restart_ms < next) {
			next = p->restart_ms;
		}
	}
	return next;
}

static void say_ended(enum role_id r, int status, int64_t wait_ms)
{
	bool by_signal = WIFSIGNALED(status);
	log_event(LOG_LEVEL_ERROR, "role.ended",
		r == ROLE_GATE
			? "the gate ended; associations finish the message in hand, and their callers must call again"
			: "a role ended; it is started again",
		LOG_TEXT("role", role_name(r)),
		LOG_NUMBER(
			by_signal ? "signal" : "status", by_signal ? WTERMSIG(status) : WEXITSTATUS(status)),
		LOG_NUMBER("restart_in_ms", wait_ms));
}

/* The forwarder sends the auditor's last messages, and both need the key holder. */
static void stop_after(struct supervisor *v, enum role_id r)
{
	const struct message stop = {.type = MSG_STOP, .fd = -1};
	if (r == ROLE_AUDIT) {
		roles_say(v, ROLE_FORWARD, &stop);
	}
	if ((r == ROLE_AUDIT || r == ROLE_FORWARD) && v->role[ROLE_AUDIT].pid == 0 &&
		v->role[ROLE_FORWARD].pid == 0) {
		roles_say(v, ROLE_KEYS, &stop);
	}
}

static void ended(struct supervisor *v, enum role_id r, int status)
{
	struct role_process *p = &v->role[r];
	int64_t now = clock_mono_ms(), wait = RESTART_MS;
	if (r == ROLE_GATE) {
		v->old_gates[v->n_old_gates++ % SUPERVISOR_OLD] = p->pid;
		v->reloads = v->reloads > 0; /* the next one is given the last site alone */
	}
	close(p->channel);
	p->channel = -1;
	p->pid = 0;
	if (v->stopping) {
		stop_after(v, r);
		return;
	}
	if (!wanted(v, r) && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		p->restart_ms = 0; /* a reload has ended it; another one may want it again */
		if (r == ROLE_AUDIT) {
			/* Its last messages are in the spool. */
			roles_say(v, ROLE_FORWARD, &(struct message){.type = MSG_STOP, .fd = -1});
		}
		return;
	}
	p->failures = now - p->started_ms > RESTART_FORGET_MS ? 0 : p->failures + 1;
	for (unsigned i = 1; i < p->failures && wait < RESTART_MOST_MS; i++) {
		wait *= 2;
	}
	wait = wait < RESTART_MOST_MS ? wait : RESTART_MOST_MS;
	p->restart_ms = now + wait;
	if (r == ROLE_KEYS && WIFEXITED(status) && WEXITSTATUS(status) == KEYS_EXIT_DENIED) {
		/* A wrong PIN, tried again and again, locks the token. */
		p->restart_ms = INT64_MAX;
		log_say(LOG_LEVEL_ERROR, "keys.denied",
			"the key holder got no keys and is not started again by itself: no TLS handshake succeeds "
			"until the cause is mended and the gateway reloaded");
		return;
	}
	say_ended(r, status, wait);
	audit_role_died(v, role_name(r), status);
}

void roles_ended(struct supervisor *v, pid_t pid, int status)
{
	for (unsigned r = 1; r < ROLE_COUNT; r++) {
		if (v->role[r].pid == pid) {
			ended(v, (enum role_id)r, status);
			return;
		}
	}
	if (keys_is_old(v, pid)) {
		return;
	}
	/* An association whose gate had died. */
	v->n_cut += v->killed;
	if (WIFSIGNALED(status) && !v->killed) {
		log_event(LOG_LEVEL_ERROR, "association.crashed", "an association of an earlier gate crashed",
			LOG_NUMBER("signal", WTERMSIG(status)));
	}
}

void roles_stop(struct supervisor *v)
{
	/* The lookup and the store are still needed by what lives: their turn comes when the gate has ended. */
	const struct message stop = {.type = MSG_STOP, .fd = -1};
	if (v->role[ROLE_GATE].pid > 0) {
		roles_say(v, ROLE_GATE, &stop);
		return;
	}
	audit_stopping(v);
	for (unsigned r = ROLE_LOOKUP; r < ROLE_COUNT; r++) {
		/* The auditor's last records need the key holder, and the forwarder, which needs it too, is to send them. */
		bool needed = r == ROLE_KEYS || r == ROLE_FORWARD;
		if (!needed || v->role[ROLE_AUDIT].pid == 0) {
			roles_say(v, (enum role_id)r, &stop);
		}
	}
}

void roles_kill(struct supervisor *v)
{
	v->killed = true;
	for (unsigned r = 1; r < ROLE_COUNT; r++) {
		if (v->role[r].pid > 0) {
			(void)kill(-v->role[r].pid, SIGKILL);
		}
	}
	unsigned n = v->n_old_gates < SUPERVISOR_OLD ? v->n_old_gates : SUPERVISOR_OLD;
	for (unsigned i = 0; i < n; i++) {
		(void)kill(-v->old_gates[i], SIGKILL);
	}
	for (unsigned i = 0; i < SUPERVISOR_OLD; i++) {
		if (v->old_keys[i] > 0) {
			(void)kill(-v->old_keys[i], SIGKILL);
		}
	}
}
