/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/key_holder.h"
#include "gateway/supervisor_state.h"
#include "keys/pseudonym_mark.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The key holder's process. Each site has a fresh one: a configuration whose keys cannot be opened is refused before
 * anything of the old one is let go, and whoever was served by the old one is served by it to the end.
 */

/* How long a key holder may take for its keys: a token that must be asked for a PIN is not quick. */
#define READY_WAIT_MS 10000

/* Descriptors beside one for each association. */
#define FILES_SPARE 64

int keys_begin(struct supervisor *v, const struct site *s, int site_fd, struct role_process *ret)
{
	struct spawn what = {.role = ROLE_KEYS,
		.exe = v->exe,
		.null = v->null,
		.log = v->log,
		.files = s->associations_at_once + FILES_SPARE};
	struct role_process p = {.channel = -1, .started_ms = clock_mono_ms()};
	int e = spawn_role(&what, &p.pid, &p.channel);
	if (e != 0) {
		return e;
	}
	e = message_send(p.channel,
		&(struct message){
			.type = MSG_LOG, .fd = v->log, .number = MSG_LOG_HOW(s->log_json, s->log_level)});
	e = e == 0 ? message_send(p.channel, &(struct message){.type = MSG_SITE, .fd = site_fd}) : e;
	e = e == 0 ? message_send(p.channel, &(struct message){.type = MSG_GO, .fd = -1}) : e;
	if (e != 0) {
		keys_end(v, &p);
		return e;
	}
	*ret = p;
	return 0;
}

void keys_end(struct supervisor *v, struct role_process *p)
{
	(void)kill(p->pid, SIGKILL);
	keys_retire(v, p);
}

void keys_retire(struct supervisor *v, struct role_process *p)
{
	v->old_keys[v->n_old_keys++ % SUPERVISOR_OLD] = p->pid;
	close(p->channel);
	*p = (struct role_process){.channel = -1};
}

bool keys_is_old(struct supervisor *v, pid_t pid)
{
	for (unsigned i = 0; i < SUPERVISOR_OLD; i++) {
		if (pid > 0 && v->old_keys[i] == pid) {
			v->old_keys[i] = 0;
			return true;
		}
	}
	return false;
}

/* Its first word. ERR_TIMEOUT, ERR_CLOSED: it died. */
static int first_word(int channel, struct message *m)
{
	int64_t deadline = clock_mono_ms() + READY_WAIT_MS;
	for (;;) {
		int e = message_recv(channel, FROM_KEYS, m);
		int64_t left = deadline - clock_mono_ms();
		if (e != ERR_AGAIN) {
			return e;
		}
		if (left <= 0) {
			return ERR_TIMEOUT;
		}
		struct pollfd p = {.fd = channel, .events = POLLIN};
		(void)poll(&p, 1, (int)left);
	}
}

int keys_open(struct supervisor *v, const struct site *s, int site_fd, bool reload, char first[256],
	struct role_process *ret)
{
	static struct message m;
	struct role_process p = {.channel = -1};
	if (!site_has_keys(s)) {
		*ret = p;
		return 0;
	}
	int e = keys_begin(v, s, site_fd, &p);
	if (e != 0) {
		supervisor_key_mistake(s, s->n_identities, "the key holder cannot be started", reload, first);
		return e;
	}
	e = first_word(p.channel, &m);
	if (e == 0 && m.number == 0) {
		snprintf(p.mark, sizeof(p.mark), "%.*s", PSEUDONYM_MARK - 1, m.text);
		*ret = p;
		return 0;
	}
	int64_t most = (int64_t)s->n_identities + KEYS_AT_COUNT;
	int64_t at = e == 0 && m.number > 0 && m.number <= most ? m.number - 1 : s->n_identities;
	supervisor_key_mistake(s, (unsigned)at,
		e == 0 ? m.text
		: e == ERR_TIMEOUT
			? "the key holder has not got its keys within 10 seconds: does a token hang?"
			: "the key holder died: see the log",
		reload, first);
	keys_end(v, &p);
	return e == 0 ? ERR_VALUE : e;
}

/* For the next start. */
static void keep_mark(struct supervisor *v)
{
	if (pseudonym_mark_write(v->state_dir, v->mark) < 0) {
		log_event(LOG_LEVEL_WARNING, "keys.mark",
			"what tells the key of `deidentify: key` from another cannot be kept in the state folder: after a start with another key nothing "
			"will be said of it",
			LOG_TEXT("why", strerror(errno)));
	}
}

/* A site without the key may come between two that have it: the last one is kept in mind, and in the state folder. */
void keys_taken(struct supervisor *v)
{
	const char *mark = v->role[ROLE_KEYS].mark;
	if (!mark[0]) {
		return;
	}
	bool knows = v->mark[0] || pseudonym_mark_read(v->state_dir, v->mark) == 0;
	bool same = knows && strcmp(v->mark, mark) == 0;
	if (knows && !same) {
		log_event(LOG_LEVEL_WARNING, "keys.pseudonyms",
			"the key of `deidentify: key` is another than before: pseudonyms change, so that what comes now of a patient or study "
			"is not joined to what came before",
			LOG_TEXT("key", v->site->deidentify.key.path),
			LOG_NUMBER("line", v->site->deidentify.key.line));
	}
	memcpy(v->mark, mark, sizeof(v->mark) - 1);
	if (!same) {
		keep_mark(v);
	}
}

/* A fresh channel between the two; `next`: for the site that the gate is told of next. */
void keys_join(struct supervisor *v, bool next)
{
	int pair[2];
	const struct role_process *keys = &v->role[ROLE_KEYS], *gate = &v->role[ROLE_GATE];
	if (keys->pid == 0 || gate->pid == 0) {
		return; /* it is done when the other one starts */
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		log_say(LOG_LEVEL_ERROR, "role.failed", "no channel to the key holder: %s", strerror(errno));
		return;
	}
	if (message_send(keys->channel,
		    &(struct message){.type = MSG_CHANNEL, .fd = pair[0], .number = ROLE_GATE}) != 0) {
		log_say(LOG_LEVEL_ERROR, "role.deaf", "the key holder could not be told of the gate");
	}
	roles_say_gate(v, &(struct message){.type = MSG_KEYS, .fd = pair[1], .number = next});
	close(pair[0]);
	close(pair[1]);
}
