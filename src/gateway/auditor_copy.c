/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/auditor_state.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Copies of checkpoints in `checkpoint-file`, which lies on a disk of another machine that may hang. A process of its own writes
 * them, one at a time; while it does, only the newest of those that come waits. One that does not end is told of once, and is
 * waited for by nobody: there is no other process to hang as well.
 */

#define LATE_MS 5000
#define REST_MS 3000 /* at the stop, for the last one */

struct done {
	int result; /* 0, or an enum err */
	int err;    /* errno */
};

/* ---- The process ---- */

static int write_all(int fd, struct span s)
{
	while (s.len > 0) {
		ssize_t n = write(fd, s.ptr, s.len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return ERR_SYSTEM;
		}
		s = span_of(s.ptr + n, s.len - (size_t)n);
	}
	return fsync(fd) == 0 ? 0 : ERR_SYSTEM;
}

/* Renamed into place, so that whoever carries it away never reads half of one. */
static int write_file(const char *path, struct span note)
{
	char fresh[4096];
	int n = snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof(fresh)) {
		errno = ENAMETOOLONG;
		return ERR_SYSTEM;
	}
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int e = fd < 0 ? ERR_SYSTEM : write_all(fd, note);
	int kept = errno;
	if (fd >= 0) {
		close(fd);
	}
	errno = kept;
	return e == 0 && rename(fresh, path) < 0 ? ERR_SYSTEM : e;
}

static void work(int fd, const struct audit_config *c)
{
	static uint8_t note[COPY_MOST];
	ssize_t n;
	while ((n = recv(fd, note, sizeof(note), 0)) > 0) {
		struct done d = {.result = write_file(c->checkpoint_file, span_of(note, (size_t)n))};
		d.err = errno;
		if (send(fd, &d, sizeof(d), MSG_NOSIGNAL) != (ssize_t)sizeof(d)) {
			return;
		}
	}
}

/* ---- The auditor ---- */

int copy_start(struct auditor *a)
{
	char folder[4096];
	const char *file = a->site->audit.checkpoint_file;
	a->copy.channel.fd = -1;
	int n = snprintf(folder, sizeof(folder), "%s", file);
	if (!file[0] || n < 0 || (size_t)n >= sizeof(folder)) {
		return 0;
	}
	const struct sandbox_path paths[] = {{dirname(folder), true}};
	return worker_start(a,
		&(struct worker){.name = "gantry: copy",
			.event = "audit.checkpoint",
			.work = work,
			.paths = paths,
			.n_paths = ARRAY_LEN(paths)},
		&a->copy.channel.fd);
}

/* As the log has it, once for each reason. NULL: all is well. */
static void say(struct auditor *a, const char *why)
{
	char *known = a->health.uncopied_why;
	if (why && strcmp(known, why) != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.checkpoint",
			"the copy of the checkpoint cannot be written; it is tried again",
			LOG_TEXT("file", a->site->audit.checkpoint_file), LOG_TEXT("why", why));
	} else if (!why && known[0]) {
		log_event(LOG_LEVEL_NOTICE, "audit.checkpoint-copied",
			"the copy of the checkpoint is written again",
			LOG_TEXT("file", a->site->audit.checkpoint_file));
	}
	snprintf(known, sizeof(a->health.uncopied_why), "%s", why ? why : "");
}

static void give(struct auditor *a)
{
	struct copier *c = &a->copy;
	int64_t now = clock_mono_ms();
	if (c->busy || !c->owed || c->channel.fd < 0 || now < c->retry_ms) {
		return;
	}
	if (send(c->channel.fd, c->note, c->len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)c->len) {
		c->busy = true;
		c->since_ms = now;
		c->owed = false;
	} else {
		c->retry_ms = now + LATE_MS;
	}
}

void copy_checkpoint(struct auditor *a, struct span note)
{
	struct copier *c = &a->copy;
	if (!a->site->audit.checkpoint_file[0]) {
		a->health.uncopied_why[0] = 0; /* a reload has taken it away */
	}
	if (!a->site->audit.checkpoint_file[0] || c->channel.fd < 0 || note.len > sizeof(c->note)) {
		return;
	}
	memcpy(c->note, note.ptr, note.len);
	c->len = note.len;
	c->owed = true;
	c->retry_ms = 0;
	give(a);
}

void copy_take(struct auditor *a)
{
	struct copier *c = &a->copy;
	struct done d;
	ssize_t n = recv(c->channel.fd, &d, sizeof(d), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	c->busy = c->late = false;
	if (n != (ssize_t)sizeof(d)) {
		say(a, "the process that writes it has ended: start the gateway anew");
		close(c->channel.fd);
		c->channel.fd = -1;
		return;
	}
	if (d.result != 0) {
		c->owed = true;
		c->retry_ms = clock_mono_ms() + (int64_t)a->site->audit.checkpoint_every * 1000;
	}
	say(a, d.result == 0 ? NULL : d.result == ERR_SYSTEM ? strerror(d.err) : err_str(d.result));
	give(a);
}

void copy_check(struct auditor *a, int64_t now_ms)
{
	struct copier *c = &a->copy;
	give(a);
	if (!c->busy || c->late || now_ms < c->since_ms + LATE_MS) {
		return;
	}
	struct audit_event ev = {.kind = AUDIT_ALERT,
		.alert = ALERT_SECURITY_CONFIGURATION,
		.outcome = AUDIT_MAJOR,
		.time_ms = clock_wall_ms()};
	c->late = true;
	say(a, "a write has not ended for 5 s: is its disk away?");
	snprintf(ev.text, sizeof(ev.text),
		"The copy of a checkpoint has not been written within 5 s, and none leaves the machine by it.");
	audit_text_set(ev.object, sizeof(ev.object), span_str(a->site->audit.checkpoint_file));
	batch_add(a, &ev);
	batch_write(a);
}

int64_t copy_next_ms(const struct auditor *a)
{
	const struct copier *c = &a->copy;
	if (c->busy) {
		return c->late ? INT64_MAX : c->since_ms + LATE_MS;
	}
	return c->owed && c->channel.fd >= 0 ? c->retry_ms : INT64_MAX;
}

void copy_rest(struct auditor *a)
{
	struct copier *c = &a->copy;
	int64_t left, until = clock_mono_ms() + REST_MS;
	c->retry_ms = 0;
	give(a);
	while (c->busy && (left = until - clock_mono_ms()) > 0) {
		struct pollfd p = {.fd = c->channel.fd, .events = POLLIN};
		if (poll(&p, 1, (int)left) > 0) {
			copy_take(a);
		}
	}
	if (c->busy) {
		log_event(LOG_LEVEL_ERROR, "audit.checkpoint", "the last checkpoint was not copied in time",
			LOG_TEXT("file", a->site->audit.checkpoint_file));
	}
}
