/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/scanner.h"
#include "base/clock.h"
#include "gateway/lookup_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Objects that are scanned for viruses, each by a job, and how the scanner is. It is tried before it is relied on, and again
 * from time to time; while it is away it is tried anew for who comes, and said to be away at once where it still is.
 */

#define GOOD_MS   60000
#define AWAY_MS   5000
#define LENGTH_MS 600000 /* how large a file it looks at: a restart may have changed that */
#define SOON_MS   1000   /* it was tried just now */
#define TELL_MS   1000

#define SCAN_MS   (6 * 3600 * 1000LL) /* an object may be slow; who sends it has limits of its own */
#define PROBE_MS  300000

#define OF_ONE    4 /* objects of one association at once */

static const struct antivirus_config *config(const struct lookup *l)
{
	return l->site && l->site->antivirus.has ? &l->site->antivirus : NULL;
}

/* ---- How it is ---- */

static void changed(struct lookup *l, bool good, const char *why)
{
	struct msg_antivirus *said = &l->scanning.said;
	if (said->good != good || said->since_ms == 0) {
		said->since_ms = clock_wall_ms();
	}
	said->good = good;
	snprintf(said->why, sizeof(said->why), "%s", why);
	l->scanning.changed = true;
}

static void tell(struct lookup *l, int64_t now)
{
	static struct message m;
	struct scanning *s = &l->scanning;
	if (!s->changed || now - s->told_ms < TELL_MS || s->said.since_ms == 0) {
		return;
	}
	m = (struct message){.type = MSG_ANTIVIRUS, .fd = -1};
	m.antivirus = s->said;
	lookup_tell_gate(l, &m);
	s->told_ms = now;
	s->changed = false;
}

void scan_site(struct lookup *l)
{
	struct scanning *s = &l->scanning;
	s->known = false;
	s->probe_ms = s->long_ms = 0;
}

static void probed(struct lookup *l, const struct job *j, const struct msg_antivirus *a)
{
	struct scanning *s = &l->scanning;
	int64_t now = clock_mono_ms();
	s->probing = false;
	s->probed_ms = now;
	if (j->site != l->number) {
		return; /* of a configuration that is no more */
	}
	s->known = true;
	if (!a) {
		s->probe_ms = now + AWAY_MS;
		s->long_ms = 0;
		changed(l, false, "trying it took too long");
		return;
	}
	/* Whoever has another version may have other limits: by halves, and what waits waits. */
	bool other = strcmp(a->version, s->said.version) != 0;
	if (a->good && j->index == 0 && other) {
		s->known = false;
		s->probe_ms = s->long_ms = 0;
		return;
	}
	s->probe_ms = now + (a->good ? GOOD_MS : AWAY_MS);
	s->long_ms = !a->good ? 0 : j->index ? now + LENGTH_MS : s->long_ms;
	if (a->good) {
		snprintf(s->said.version, sizeof(s->said.version), "%s", a->version);
	}
	bool shorter = a->good && j->index == 0;
	s->said.most = shorter ? s->said.most : a->most;
	if (!shorter || !s->said.good) {
		changed(l, a->good, a->why);
	}
}

static void start_probe(struct lookup *l, int64_t now)
{
	static struct message reply;
	struct scanning *s = &l->scanning;
	struct job *j;
	bool child, at_length = now >= s->long_ms;
	if (job_fork(l, JOB_PROBE, NULL, PROBE_MS, &j, &child) != 0) {
		s->probe_ms = now + SOON_MS;
		return;
	}
	if (child) {
		job_probe(config(l), at_length, &reply);
		(void)!message_send(j->fd, &reply);
		_exit(0);
	}
	j->index = at_length;
	s->probing = true;
}

/* ---- Objects ---- */

/* Said in the parent's name: there is no job that could. */
static void refuse(int fd, const char *why)
{
	uint8_t reply[2 + SCAN_TEXT] = {SCAN_NOT_SCANNED};
	size_t n = strnlen(why, SCAN_TEXT - 1);
	reply[1] = (uint8_t)n;
	memcpy(reply + 2, why, n);
	(void)!send(fd, reply, 2 + n, MSG_NOSIGNAL | MSG_DONTWAIT);
	/* What is on its way to us must not take the reply with it: the other end closes first, or is not there. */
	(void)shutdown(fd, SHUT_WR);
	close(fd);
}

static unsigned scans_of(const struct lookup *l, int64_t id)
{
	unsigned n = 0;
	for (unsigned i = 0; i < JOBS_MOST; i++) {
		n += l->jobs[i].kind == JOB_SCAN && l->jobs[i].id == id;
	}
	for (unsigned i = 0; i < l->scanning.n_waiting; i++) {
		n += l->scanning.waiting[i].id == id;
	}
	return n;
}

void scan_asked(struct lookup *l, const struct message *m)
{
	struct scanning *s = &l->scanning;
	if (!config(l) || s->n_waiting == SCANS_WAITING || scans_of(l, m->number) >= OF_ONE) {
		refuse(m->fd, "too many objects are being scanned at once");
		return;
	}
	s->waiting[s->n_waiting++] = (struct waiting_object){.fd = m->fd, .id = m->number};
	int64_t now = clock_mono_ms();
	if (s->known && !s->said.good && now - s->probed_ms >= SOON_MS) {
		s->known = false;
		s->probe_ms = 0;
	}
}

static void start_scan(struct lookup *l, const struct waiting_object *w)
{
	static struct message reply;
	const struct msg_antivirus *said = &l->scanning.said;
	struct job *j;
	bool child;
	int fd = w->fd;
	if (job_fork(l, JOB_SCAN, NULL, SCAN_MS, &j, &child) != 0) {
		refuse(fd, "no process could be had to scan it");
		return;
	}
	if (child) {
		job_scan(config(l), said->most, said->good, fd, &reply);
		(void)!message_send(j->fd, &reply);
		_exit(0);
	}
	j->id = w->id;
	close(fd);
}

static void start_scans(struct lookup *l)
{
	struct scanning *s = &l->scanning;
	while (s->known && s->n_waiting > 0 && jobs_of(l, JOB_SCAN) < JOBS_MOST_SCAN) {
		struct waiting_object w = s->waiting[0];
		memmove(s->waiting, s->waiting + 1, --s->n_waiting * sizeof(w));
		if (s->said.good) {
			start_scan(l, &w);
		} else {
			refuse(w.fd, s->said.why);
			s->said.not_scanned++;
			s->changed = true;
		}
	}
}

static void scanned(struct lookup *l, const struct msg_antivirus *a)
{
	struct scanning *s = &l->scanning;
	uint64_t *const counts[SCAN_VERDICTS] = {[SCAN_CLEAN] = &s->said.scanned,
		[SCAN_FOUND] = &s->said.found,
		[SCAN_PARTLY] = &s->said.partly,
		[SCAN_NOT_SCANNED] = &s->said.not_scanned};
	if (!counts[a->verdict]) {
		return; /* nobody waits for it any more */
	}
	++*counts[a->verdict];
	s->changed = true;
	if (a->verdict == SCAN_NOT_SCANNED && s->said.good) {
		/* It is tried again before the next object: that one alone may have been too much for it. */
		s->known = false;
		s->probe_ms = 0;
	}
}

void scan_answered(struct lookup *l, const struct job *j, const struct message *m)
{
	const struct msg_antivirus *a = m && m->type == MSG_ANTIVIRUS ? &m->antivirus : NULL;
	static const struct msg_antivirus died = {.verdict = SCAN_NOT_SCANNED};
	if (j->kind == JOB_PROBE) {
		probed(l, j, a);
	} else {
		scanned(l, a ? a : &died);
	}
}

/* ---- For the loop ---- */

int64_t scan_start_due(struct lookup *l, int64_t now_ms)
{
	struct scanning *s = &l->scanning;
	if (!config(l)) {
		while (s->n_waiting > 0) {
			refuse(s->waiting[--s->n_waiting].fd, "no virus scanner is configured any more");
		}
		return INT64_MAX;
	}
	if (!s->probing && now_ms >= s->probe_ms) {
		start_probe(l, now_ms);
	}
	start_scans(l);
	tell(l, now_ms);
	int64_t next = s->probing ? INT64_MAX : s->probe_ms;
	int64_t told = s->changed ? s->told_ms + TELL_MS : INT64_MAX;
	return told < next ? told : next;
}

void scan_before_sandbox(struct lookup *l)
{
	struct scanning *s = &l->scanning;
	for (unsigned i = 0; i < s->n_waiting; i++) {
		close(s->waiting[i].fd);
	}
}
