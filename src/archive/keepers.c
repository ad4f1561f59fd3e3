/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/keepers.h"
#include "archive/keeper.h"
#include "base/clock.h"
#include "base/log.h"
#include "priv/memfd.h"
#include "priv/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* How a child ends, for the role's count. */
enum { ENDED_GOOD = 0, ENDED_BAD = 1, ENDED_FULL = 3, ENDED_FAILED = 4 };

/* An association that is silent for so long in the midst of an object has lost its way. */
#define SILENCE_S 120

/* ---- What the supervisor gives ---- */

static void take_key(struct keepers *k, int fd)
{
	struct memfd_map map;
	if (memfd_map(fd, &map) != 0) {
		log_say(LOG_LEVEL_ERROR, "quarantine.key", "the quarantine's key could not be read");
		return;
	}
	k->has_key = map.bytes.len == QUARANTINE_KEY && quarantine_site(map.bytes.ptr, &k->site) == 0;
	memfd_unmap(&map);
}

static void take_folder(struct keepers *k, int fd)
{
	if (k->dir >= 0) {
		close(k->dir);
	}
	k->dir = fd;
	if (k->n > 0) {
		return; /* what a child makes at this moment is not locked yet */
	}
	int removed = quarantine_clean(fd);
	if (removed < 0) {
		log_event(LOG_LEVEL_WARNING, "quarantine.clean",
			"What was left of incomplete objects was not removed from the quarantine.",
			LOG_TEXT("error", strerror(errno)));
	} else if (removed > 0) {
		log_event(LOG_LEVEL_NOTICE, "quarantine.clean",
			"What was left of incomplete objects was removed from the quarantine.",
			LOG_NUMBER("files", removed));
	}
}

void keepers_take(struct keepers *k, const struct message *m)
{
	if (m->number == 0) {
		take_folder(k, m->fd);
		return;
	}
	take_key(k, m->fd);
	close(m->fd);
}

void keepers_forget(struct keepers *k)
{
	quarantine_site_done(&k->site);
	k->has_key = false;
	if (k->dir >= 0) {
		close(k->dir);
	}
	k->dir = -1;
}

/* ---- One object ---- */

static int enter_sandbox(const struct keepers *k)
{
	char folder[32];
	struct sandbox *sandbox;
	/* By its descriptor: the folders above it may be closed to us. */
	snprintf(folder, sizeof(folder), "/proc/self/fd/%d", k->dir);
	int e = sandbox_new(
		SANDBOX_STORE, &(struct sandbox_path){.path = folder, .write = true}, 1, &sandbox);
	/* It stays: this process has no end but _exit(). */
	return e == 0 ? sandbox_load(sandbox) : e;
}

static int log_answer(const struct keeper_session *s)
{
	const struct facts *f = &s->facts;
	const struct keeper_answer *a = &s->answer;
	const char *sentence = "An object was put in quarantine.";
	enum log_level level = LOG_LEVEL_WARNING;
	int code = ENDED_GOOD;
	if (a->result == KEEPER_SEEN) {
		/* A scanner that resends for ever fills no log. */
		sentence = "An object came again that is in quarantine.";
		level = (a->count & (a->count - 1)) == 0 ? LOG_LEVEL_NOTICE : LOG_LEVEL_DEBUG;
	} else if (a->result != KEEPER_NEW) {
		sentence = "An object was not put in quarantine, and is lost unless its sender keeps it.";
		level = LOG_LEVEL_ERROR;
		code = a->result == KEEPER_FULL ? ENDED_FULL : ENDED_FAILED;
	}
	log_event(level, code == ENDED_GOOD ? "quarantine.kept" : "quarantine.not-kept", sentence,
		LOG_NUMBER("number", (int64_t)a->number), LOG_NUMBER("count", (int64_t)a->count),
		LOG_TEXT("error", a->why), LOG_TEXT("flow", f->flow), LOG_TEXT("from", f->from),
		LOG_TEXT("to", f->to), LOG_TEXT("instance", f->sop_instance),
		LOG_NUMBER("refusal", (int64_t)f->refusal));
	if (s->disputed) {
		log_event(LOG_LEVEL_WARNING, "quarantine.disputed",
			"An association named other nodes or another flow for an object in quarantine than the gate knows: the "
			"gate's stand there. It was reloaded meanwhile, or taken over.",
			LOG_NUMBER("number", (int64_t)a->number),
			LOG_NUMBER("association", (int64_t)f->association), LOG_TEXT("flow", f->flow),
			LOG_TEXT("from", f->from), LOG_TEXT("to", f->to));
	}
	return code;
}

static void child_main(struct keepers *k, const struct message *m) __attribute__((noreturn));
static void child_main(struct keepers *k, const struct message *m)
{
	static struct keeper_session session;
	const struct timeval silence = {.tv_sec = SILENCE_S};
	sigset_t none;
	sigemptyset(&none);
	/* It ends when its association does, and a size limit is an error like a full disk. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || enter_sandbox(k) < 0) {
		log_say(LOG_LEVEL_ERROR, "quarantine.failed", "a keeper's sandbox could not be entered: %s",
			strerror(errno));
		_exit(ENDED_BAD);
	}
	const struct quarantine q = {.dir = k->dir,
		.site = &k->site,
		.most_bytes = m->keeping.most_bytes,
		.most_objects = m->keeping.most_objects};
	int e = keeper_run(m->fd, &q, &m->keeping, &session);
	if (e == 0) {
		_exit(log_answer(&session));
	}
	log_event(e == ERR_CLOSED ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, "quarantine.ended",
		"An object did not come whole, and was not put in quarantine.", LOG_TEXT("error", err_str(e)),
		LOG_TEXT("instance", session.facts.sop_instance));
	_exit(e == ERR_CLOSED ? ENDED_GOOD : ENDED_BAD);
}

static void note_not_kept(struct keepers *k, const char *why)
{
	k->now.not_kept++;
	k->now.not_kept_ms = clock_wall_ms();
	snprintf(k->now.why, sizeof(k->now.why), "%s", why);
}

bool keepers_serve(struct keepers *k, const struct message *m, void (*close_others)(void *arg), void *arg)
{
	const char *why = k->dir < 0             ? "its folder cannot be opened"
	                  : !k->has_key          ? "its key cannot be used"
	                  : k->n == KEEPERS_MOST ? "too many objects come at once"
	                                         : NULL;
	pid_t pid = why ? -1 : fork();
	if (pid == 0) {
		close_others(arg);
		child_main(k, m);
	}
	if (pid < 0) {
		why = why ? why : strerror(errno);
		note_not_kept(k, why);
		log_event(LOG_LEVEL_ERROR, "quarantine.not-kept", "An object was not put in quarantine.",
			LOG_TEXT("error", why));
		return false;
	}
	k->pids[k->n++] = pid;
	return true;
}

bool keepers_ended(struct keepers *k, pid_t pid, int status)
{
	for (unsigned i = 0; i < k->n; i++) {
		if (k->pids[i] != pid) {
			continue;
		}
		k->pids[i] = k->pids[--k->n];
		int code = WIFEXITED(status) ? WEXITSTATUS(status) : ENDED_BAD;
		if (code != ENDED_GOOD) {
			note_not_kept(k, code == ENDED_FULL     ? "there is no room"
					 : code == ENDED_FAILED ? "it could not be written"
								: "its keeper failed");
		}
		return true;
	}
	return false;
}

/* ---- What the gate is told ---- */

static int64_t time_of(const struct keepers *k, uint64_t number)
{
	const struct quarantine q = {.dir = k->dir, .site = &k->site};
	struct quarantine_object o;
	struct quarantine_file f;
	struct quarantine_state s;
	if (number == 0 || !k->has_key || quarantine_find(k->dir, number, &o) != 0 ||
		quarantine_open(&q, &o, &f, &s, NULL) != 0) {
		return 0;
	}
	quarantine_file_done(&f);
	return s.first_ms;
}

void keepers_tell(struct keepers *k, int channel, bool anew)
{
	static struct message m;
	struct quarantine_totals t;
	if (k->dir < 0 || quarantine_count(k->dir, &t) != 0) {
		return;
	}
	k->now.objects = t.objects;
	k->now.bytes = t.bytes;
	k->now.released = t.released;
	if (t.oldest != k->oldest || (t.oldest > 0 && k->now.oldest_ms == 0)) {
		k->oldest = t.oldest;
		k->now.oldest_ms = time_of(k, t.oldest);
	}
	if (k->has_told && !anew && memcmp(&k->now, &k->told, sizeof(k->now)) == 0) {
		return;
	}
	m = (struct message){.type = MSG_QUARANTINED, .fd = -1};
	m.quarantined = k->now;
	/* A gate that is busy is told the next time. */
	if (message_send(channel, &m) == 0) {
		k->told = k->now;
		k->has_told = true;
	}
}
