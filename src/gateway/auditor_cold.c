/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/deed.h"
#include "audit/handover.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/auditor_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Segments that are older than the site keeps them are handed over to a cold folder by a process of its own: copying them
 * takes longer than anybody who waits for a record should wait. It does one hand-over at a time, and says what went.
 */

#define FIRST_MS 2000
#define EACH_MS  (6 * 60 * 60 * 1000)
#define RETRY_MS 60000
#define AGAIN_MS (10 * 60 * 1000) /* after a failure */

/* Hand over what is older; or, with a note, leave that beside a statement. */
struct ask {
	int64_t before_ms, now_ms;
	char name[80]; /* of the note's file */
	uint32_t note_len;
	char note[DEED_MOST + NOTE_LINE_MOST + 2];
};

struct done {
	int result;   /* 0, or an enum err */
	int err;      /* errno */
	bool is_note; /* it was about one */
	struct handover what;
};

static void work(int fd, const struct audit_config *c)
{
	static struct ask ask;
	int journal = open(c->journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int cold = open(c->cold, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (read(fd, &ask, sizeof(ask)) == (ssize_t)sizeof(ask)) {
		struct done d = {.result = ERR_SYSTEM, .is_note = ask.note_len > 0};
		if (cold >= 0 && d.is_note) {
			d.result = io_replace(
				&journal_io_system, cold, ask.name, span_of(ask.note, ask.note_len));
		} else if (journal >= 0 && cold >= 0) {
			d.result = journal_hand_over(journal, cold, ask.before_ms, ask.now_ms, NULL, &d.what);
		}
		d.err = errno;
		if (write(fd, &d, sizeof(d)) != (ssize_t)sizeof(d)) {
			return;
		}
	}
}

int cold_start(struct auditor *a)
{
	const struct audit_config *c = &a->site->audit;
	const struct sandbox_path paths[] = {{c->journal, true}, {c->cold, true}};
	a->cold.fd = -1;
	if (!c->cold[0]) {
		return 0;
	}
	a->cold_ms = clock_mono_ms() + FIRST_MS;
	return worker_start(a,
		&(struct worker){.name = "gantry: cold",
			.event = "audit.cold",
			.work = work,
			.paths = paths,
			.n_paths = ARRAY_LEN(paths)},
		&a->cold.fd);
}

/* ---- The signed record of it, beside the statement ---- */

static void set_number(struct deed *r, const char *field, uint64_t n)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, n);
	(void)!deed_set(r, field, text);
}

static int sign(struct auditor *a, const struct handover *h, const char *hex, struct ask *ask)
{
	static struct deed r;
	char text[DEED_MOST];
	uint8_t public[ED25519_PUBLIC], signature[ED25519_SIGNATURE];
	struct note_key key;
	size_t len = 0, note_len = 0;
	r = (struct deed){
		.what = DEED_HAND_OVER, .time_s = clock_wall_ms() / 1000, .uid = getuid(), .by = "gantry"};
	snprintf(r.origin, sizeof(r.origin), "%s", a->site->audit.origin);
	set_number(&r, "first", h->first);
	set_number(&r, "next", h->next);
	set_number(&r, "segments", h->segments);
	set_number(&r, "bytes", h->bytes);
	int e = deed_set(&r, "statement", h->statement);
	e = e < 0 ? e : deed_set(&r, "sha256", hex);
	e = e < 0 ? e : deed_write(&r, text, sizeof(text), &len);
	e = e < 0            ? e
	    : a->keys.fd < 0 ? ERR_CLOSED
	                     : link_audit_record(&a->keys, span_of(text, len), public, signature);
	e = e < 0 ? e : deed_key_make(r.origin, public, &key);
	e = e < 0 ? e
	          : note_write(span_of(text, len), &key, signature, ask->note, sizeof(ask->note), &note_len);
	ask->note_len = (uint32_t)note_len;
	return e;
}

static void no_record(const char *statement, const char *why)
{
	log_event(LOG_LEVEL_ERROR, "audit.cold",
		"no signed record of the hand-over is beside its statement, which holds by its checkpoint",
		LOG_TEXT("statement", statement), LOG_TEXT("why", why));
}

/* False: there will be none. */
static bool leave_record(struct auditor *a, const struct handover *h, const char *hex)
{
	static struct ask ask;
	ask = (struct ask){.before_ms = 0};
	snprintf(ask.name, sizeof(ask.name), "record-%s", h->statement);
	int e = sign(a, h, hex, &ask);
	if (e == 0 && send(a->cold.fd, &ask, sizeof(ask), MSG_NOSIGNAL) == (ssize_t)sizeof(ask)) {
		return true;
	}
	no_record(h->statement, e < 0 ? err_str(e) : strerror(errno));
	return false;
}

/* All that is to be said of it is said: a process after this one need not say it again. */
static void settle(struct auditor *a)
{
	if (handover_told(a->dir, NULL) < 0) {
		log_say(LOG_LEVEL_ERROR, "audit.cold",
			"that a hand-over was recorded cannot be noted, and it is recorded again: %s",
			strerror(errno));
	}
}

/* Until it is done: what went must be told of. */
static void say_done(struct auditor *a)
{
	const struct handover *h = &a->cold_done;
	char text[HANDOVER_BODY_MOST], hex[2 * MERKLE_HASH + 1];
	for (unsigned i = 0; i < MERKLE_HASH; i++) {
		snprintf(hex + 2 * i, 3, "%02x", h->sha256.at[i]);
	}
	handover_body(h, text);
	const struct journal_record r = {.kind = JOURNAL_HANDOVER,
		.time_ms = clock_wall_ms(),
		.about = JOURNAL_NONE,
		.epoch = JOURNAL_NONE,
		.body = span_str(text)};
	uint64_t index;
	int e = record_key(a, r.time_ms);
	e = e == 0 ? journal_append(a->journal, &r, &index) : e;
	if (e != 0) {
		journal_drop(a->journal);
		log_event(LOG_LEVEL_ERROR, "audit.cold",
			"what was handed over could not be recorded; it is tried again",
			LOG_TEXT("statement", h->statement), LOG_TEXT("why", err_str(e)));
		a->cold_ms = clock_mono_ms() + RETRY_MS;
		return;
	}
	batch_write(a);
	a->cold_owed = a->failing;
	a->cold_ms = clock_mono_ms() + (a->failing ? RETRY_MS : EACH_MS);
	if (!a->cold_owed) {
		log_event(LOG_LEVEL_NOTICE, "audit.handed-over",
			"older segments of the journal went to the cold folder",
			LOG_TEXT("folder", a->site->audit.cold), LOG_TEXT("statement", h->statement),
			LOG_NUMBER("segments", (int64_t)h->segments), LOG_NUMBER("bytes", (int64_t)h->bytes));
	}
	/* With a signed record it is settled when that is written. */
	if (!a->cold_owed && !(a->site->audit.record_key.path && leave_record(a, h, hex))) {
		settle(a);
	}
}

static const char *why(const struct done *d)
{
	switch (d->result) {
	case ERR_SYSTEM:
		return strerror(d->err);
	case ERR_EXISTS:
		return "the cold folder has another file of that name: is it another journal's?";
	case ERR_MISSING:
		return "a hand-over was begun whose statement is not in this folder (owed-hand-over in the journal's has its name): name the "
		       "cold folder of then until that is done, or bring its files here; nothing was removed, and nothing is lost";
	case ERR_DENIED:
		return "the cold folder is the journal's own, by another name";
	default:
		return err_str(d->result);
	}
}

void cold_take(struct auditor *a)
{
	static struct done d;
	ssize_t n = recv(a->cold.fd, &d, sizeof(d), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n != (ssize_t)sizeof(d)) {
		log_say(LOG_LEVEL_ERROR, "audit.cold",
			"the process that hands segments over has ended: nothing more goes to the cold folder until "
			"the gateway is started anew");
		snprintf(a->health.cold_why, sizeof(a->health.cold_why),
			"the process that hands them over has ended; the gateway must be started anew");
		close(a->cold.fd);
		a->cold.fd = -1;
		return;
	}
	if (d.is_note) {
		if (d.result != 0) {
			no_record(a->cold_done.statement,
				d.result == ERR_SYSTEM ? strerror(d.err) : err_str(d.result));
		}
		settle(a);
		return;
	}
	a->cold_ms = clock_mono_ms() + (d.result != 0 ? AGAIN_MS : EACH_MS);
	snprintf(a->health.cold_why, sizeof(a->health.cold_why), "%s", d.result != 0 ? why(&d) : "");
	if (d.result != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.cold",
			"older segments could not be handed over; they stay in the journal, and it is tried again",
			LOG_TEXT("folder", a->site->audit.cold), LOG_TEXT("why", why(&d)));
	} else if (d.what.segments > 0) {
		a->cold_done = d.what;
		a->cold_owed = true;
		say_done(a);
	}
}

void cold_check(struct auditor *a, int64_t now_ms)
{
	if (a->cold.fd < 0 || now_ms < a->cold_ms) {
		return;
	}
	if (a->cold_owed) {
		say_done(a);
		return;
	}
	static struct ask ask;
	int64_t wall_ms = clock_wall_ms();
	ask = (struct ask){.before_ms = wall_ms - (int64_t)a->site->audit.keep * 1000, .now_ms = wall_ms};
	if (send(a->cold.fd, &ask, sizeof(ask), MSG_NOSIGNAL) == (ssize_t)sizeof(ask)) {
		a->cold_ms = INT64_MAX; /* until it has answered */
	} else {
		a->cold_ms = now_ms + RETRY_MS;
	}
}
