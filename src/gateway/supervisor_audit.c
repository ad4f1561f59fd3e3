/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event.h"
#include "audit/spool.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/supervisor_state.h"
#include "priv/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the auditor needs before it gives up its rights, and what only the supervisor can tell it. */

int supervisor_folder(const struct supervisor *v, const char *path)
{
	if (mkdir(path, 0750) < 0 && errno != EEXIST) {
		log_say(LOG_LEVEL_ERROR, "folder.failed", "the folder %s cannot be made: %s", path,
			strerror(errno));
		return ERR_SYSTEM;
	}
	/* Its own, never what a link of somebody else's leads to. */
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int e = fd < 0 || (v->drop.change && fchown(fd, v->drop.uid, v->drop.gid) < 0) ? ERR_SYSTEM : 0;
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "folder.failed",
			"the folder %s cannot be given to the role that writes it: %s", path,
			strerror(errno));
	}
	if (fd >= 0) {
		close(fd);
	}
	return e;
}

int audit_folders(const struct supervisor *v, const struct site *s)
{
	char spool[4096];
	if (!s->audit.has) {
		return 0;
	}
	int n = snprintf(spool, sizeof(spool), "%s/spool", s->audit.journal);
	int e = n < 0 || (size_t)n >= sizeof(spool) ? ERR_LIMIT : supervisor_folder(v, s->audit.journal);
	e = e == 0 ? supervisor_folder(v, spool) : e;
	return e == 0 && s->audit.cold[0] ? supervisor_folder(v, s->audit.cold) : e;
}

static void say(struct supervisor *v, const struct message *m)
{
	if (v->role[ROLE_AUDIT].channel >= 0 && message_send(v->role[ROLE_AUDIT].channel, m) != 0) {
		log_say(LOG_LEVEL_ERROR, "role.deaf", "the auditor could not be told `%s`",
			message_name(m->type));
	}
}

static bool say_event(const struct supervisor *v, struct span bytes)
{
	struct message m = {.type = MSG_EVENT, .fd = -1};
	m.number = MSG_EVENT_NEW;
	m.bytes = bytes;
	return v->role[ROLE_AUDIT].channel >= 0 && message_send(v->role[ROLE_AUDIT].channel, &m) == 0;
}

/* The auditor is away: it hears of it when it is back. */
static void keep(struct supervisor *v, enum audit_kind kind, struct span bytes)
{
	uint8_t *copy = v->n_untold < UNTOLD_MOST ? malloc(bytes.len) : NULL;
	if (!copy) {
		log_say(LOG_LEVEL_ERROR, "audit.lost", "the auditor could not be told `%s`: it is away",
			audit_kind_name(kind));
		return;
	}
	memcpy(copy, bytes.ptr, bytes.len);
	v->untold[v->n_untold++] = (struct untold){copy, bytes.len};
}

void audit_tell_kept(struct supervisor *v)
{
	unsigned told = 0;
	while (told < v->n_untold && say_event(v, span_of(v->untold[told].bytes, v->untold[told].len))) {
		free(v->untold[told++].bytes);
	}
	v->n_untold -= told;
	memmove(v->untold, v->untold + told, v->n_untold * sizeof(v->untold[0]));
}

static int spool_key_fd(const struct supervisor *v, int *ret_fd)
{
	uint8_t key[SPOOL_KEY_LEN];
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/spool.key", v->site->state);
	int e = n < 0 || (size_t)n >= sizeof(path) ? ERR_LIMIT : spool_key(path, key);
	e = e == 0 ? memfd_of("spool-key", span_of(key, sizeof(key)), ret_fd) : e;
	explicit_bzero(key, sizeof(key));
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.failed", "the spool's key, %s, cannot be used: %s", path,
			e == ERR_SYSTEM ? strerror(errno)
			: e == ERR_VALUE
				? "it has not 32 bytes; remove it, and the spool's files, which nobody can read "
				  "without it"
				: err_str(e));
	}
	return e;
}

static void give_spool_key(struct supervisor *v, enum role_id r)
{
	int fd;
	if (spool_key_fd(v, &fd) == 0) {
		roles_say(v, r, &(struct message){.type = MSG_SPOOL, .fd = fd, .number = 1});
		close(fd);
	}
}

void audit_join_keys(struct supervisor *v)
{
	int pair[2];
	const struct role_process *keys = &v->role[ROLE_KEYS];
	if (keys->pid == 0 || v->role[ROLE_AUDIT].pid == 0 || !v->site->audit.has) {
		return; /* it is done when the other one starts; who keeps no journal any more stays with its old keys */
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		log_say(LOG_LEVEL_ERROR, "role.failed", "no channel to the key holder: %s", strerror(errno));
		return;
	}
	if (message_send(keys->channel,
		    &(struct message){.type = MSG_CHANNEL, .fd = pair[0], .number = ROLE_AUDIT}) != 0) {
		log_say(LOG_LEVEL_ERROR, "role.deaf", "the key holder could not be told of the auditor");
	}
	say(v, &(struct message){.type = MSG_CHANNEL, .fd = pair[1], .number = ROLE_KEYS});
	close(pair[0]);
	close(pair[1]);
}

/* The forwarder calls repositories with the gateway's certificates. */
void audit_forwarder_keys(struct supervisor *v)
{
	int pair[2];
	if (v->role[ROLE_KEYS].pid == 0 || v->role[ROLE_FORWARD].pid == 0) {
		return; /* it is done when the other one starts */
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		log_say(LOG_LEVEL_ERROR, "role.failed", "no channel to the key holder: %s", strerror(errno));
		return;
	}
	roles_say(
		v, ROLE_KEYS, &(struct message){.type = MSG_CHANNEL, .fd = pair[0], .number = ROLE_FORWARD});
	roles_say(v, ROLE_FORWARD, &(struct message){.type = MSG_KEYS, .fd = pair[1]});
	close(pair[0]);
	close(pair[1]);
}

void audit_give_forwarder(struct supervisor *v)
{
	char path[4096];
	/* Switched off, it sends with the site before until the auditor has ended. */
	if (v->role[ROLE_FORWARD].pid == 0 || !v->site->audit.has) {
		return;
	}
	/* By its descriptor: the folders above it may be closed to the role. */
	int n = snprintf(path, sizeof(path), "%s/spool", v->site->audit.journal);
	int dir = n < 0 || (size_t)n >= sizeof(path)
	                  ? -1
	                  : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir >= 0) {
		roles_say(v, ROLE_FORWARD, &(struct message){.type = MSG_SPOOL, .fd = dir, .number = 0});
		close(dir);
	} else {
		log_say(LOG_LEVEL_ERROR, "audit.failed", "the spool's folder cannot be opened: %s",
			strerror(errno));
	}
	give_spool_key(v, ROLE_FORWARD);
	audit_forwarder_keys(v);
	roles_say(v, ROLE_FORWARD, &(struct message){.type = MSG_SITE, .fd = v->site_fd});
	roles_say(v, ROLE_FORWARD, &(struct message){.type = MSG_GO, .fd = -1});
}

#define PLURAL(n) ((n) == 1 ? "" : "s")

/* Of the gateway as a whole. */
static void tell_auditor(struct supervisor *v, enum audit_kind kind, enum audit_alert alert,
	enum audit_outcome outcome, const char *text, const char *object)
{
	static struct audit_event ev;
	static uint8_t bytes[AUDIT_EVENT_MOST];
	size_t len;
	ev = (struct audit_event){
		.kind = kind, .alert = alert, .outcome = outcome, .time_ms = clock_wall_ms()};
	audit_text_set(ev.text, sizeof(ev.text), span_str(text));
	audit_text_set(ev.object, sizeof(ev.object), span_str(object));
	int e = audit_event_write(&ev, bytes, sizeof(bytes), &len);
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.lost", "the auditor could not be told `%s`: %s",
			audit_kind_name(kind), err_str(e));
		return;
	}
	audit_tell_kept(v);
	if (v->n_untold > 0 || !say_event(v, span_of(bytes, len))) {
		keep(v, kind, span_of(bytes, len));
	}
}

void audit_give_site(struct supervisor *v, bool first)
{
	if (v->role[ROLE_AUDIT].pid == 0) {
		return;
	}
	if (!v->site->audit.has) {
		/* It ends when the associations that tell it something have. */
		tell_auditor(v, AUDIT_ALERT, ALERT_SECURITY_CONFIGURATION, AUDIT_MAJOR,
			"A new configuration keeps no audit trail.", v->file);
		say(v, &(struct message){.type = MSG_STOP, .fd = -1});
		return;
	}
	give_spool_key(v, ROLE_AUDIT);
	audit_join_keys(v);
	say(v, &(struct message){.type = MSG_SITE, .fd = v->site_fd});
	if (first) {
		say(v, &(struct message){.type = MSG_GO, .fd = -1});
		audit_tell_kept(v);
	}
}

/* One that is about to end, as the site has no trail any more, is told nothing. */
static void tell(struct supervisor *v, enum audit_kind kind, enum audit_alert alert,
	enum audit_outcome outcome, const char *text, const char *object)
{
	if (v->site->audit.has) {
		tell_auditor(v, kind, alert, outcome, text, object);
	}
}

void audit_started(struct supervisor *v, bool reloaded)
{
	char text[512];
	const struct site *s = v->site;
	snprintf(text, sizeof(text), "Gantry %s serves with %u listener%s, %u node%s and %u flow%s.%s",
		GANTRY_VERSION, s->n_listeners, PLURAL(s->n_listeners), s->n_nodes, PLURAL(s->n_nodes),
		s->n_flows, PLURAL(s->n_flows),
		reloaded ? " It has served before; the trail was switched on by a reload." : "");
	tell(v, AUDIT_START, 0, AUDIT_SUCCESS, text, "");
	tell(v, AUDIT_ATTACHED, 0, AUDIT_SUCCESS, "The gateway accepts connections.", "");
}

void audit_reloaded(struct supervisor *v, const char *why)
{
	tell(v, AUDIT_ALERT, ALERT_SECURITY_CONFIGURATION, why ? AUDIT_MINOR : AUDIT_SUCCESS,
		why ? why : "A new configuration is in use.", v->file);
}

void audit_stopping(struct supervisor *v)
{
	tell(v, AUDIT_DETACHED, 0, AUDIT_SUCCESS, "The gateway accepts no more connections.", "");
	tell(v, AUDIT_STOP, 0, AUDIT_SUCCESS, "Every association has ended.", "");
}

void audit_role_died(struct supervisor *v, const char *role, int status)
{
	char text[128];
	snprintf(text, sizeof(text),
		"The process of the role %s ended (wait status %d); it is started again.", role, status);
	tell(v, AUDIT_ALERT, ALERT_SOFTWARE_CONFIGURATION, AUDIT_MAJOR, text, role);
}
