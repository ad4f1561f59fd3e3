/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/witness.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/courier_state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Checkpoints to a witness, one after the other, each with the proof that it follows the one before; what it signs is kept beside
 * the spool. A witness that has been away gets all of them in order, as it takes none without its proof.
 */

#define LOOK_MS      500
#define ANSWER_MS    15000
#define REQUEST_MOST (SPOOL_ENTRY_MOST + 2048)

struct exchange {
	struct witness_url url;
	struct note_key key;
	char request[REQUEST_MOST];
	uint8_t answer[WITNESS_ANSWER_MOST];
	char whole[SPOOL_ENTRY_MOST + WITNESS_ANSWER_MOST];
};

/* ---- HTTP ---- */

static int put(struct courier *c, const char *bytes, size_t len, int64_t deadline_ms, char *why, size_t cap)
{
	while (len > 0) {
		ssize_t n = send(c->line.fd, bytes, len, MSG_NOSIGNAL);
		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN && errno != EINTR) {
			snprintf(why, cap, "the connection broke: %s", strerror(errno));
			return ERR_SYSTEM;
		} else if (clock_mono_ms() >= deadline_ms) {
			snprintf(why, cap, "it takes no request: does it hang?");
			return ERR_TIMEOUT;
		} else {
			courier_wait(c, POLLOUT, 500);
		}
	}
	return 0;
}

/* Until it closes. */
static int get(struct courier *c, uint8_t *buf, size_t most, int64_t deadline_ms, size_t *ret_len, char *why,
	size_t cap)
{
	size_t len = 0;
	for (;;) {
		ssize_t n = recv(c->line.fd, buf + len, most - len, 0);
		if (n == 0) {
			*ret_len = len;
			return 0;
		}
		if (n > 0) {
			len += (size_t)n;
		} else if (errno != EAGAIN && errno != EINTR) {
			snprintf(why, cap, "the connection broke: %s", strerror(errno));
			return ERR_SYSTEM;
		} else if (clock_mono_ms() >= deadline_ms) {
			snprintf(why, cap, "it does not answer: does it hang?");
			return ERR_TIMEOUT;
		} else {
			courier_wait(c, POLLIN, 500);
		}
		if (len == most) {
			snprintf(why, cap, "its answer is too long: is it a witness?");
			return ERR_LIMIT;
		}
	}
}

static int ask(struct courier *c, struct exchange *x, const struct witness_submission *s, uint64_t old,
	struct witness_answer *ret, char *why, size_t cap)
{
	size_t len = 0, got = 0;
	int64_t deadline = clock_mono_ms() + ANSWER_MS;
	int e = witness_request(&x->url, s, old, x->request, sizeof(x->request), &len);
	if (e != 0) {
		snprintf(why, cap, "the checkpoint is too long to be sent");
		return e;
	}
	e = line_connect(c, x->url.host, x->url.port, true, &c->line.fd, why, cap);
	e = e == 0 ? put(c, x->request, len, deadline, why, cap) : e;
	e = e == 0 ? get(c, x->answer, sizeof(x->answer), deadline, &got, why, cap) : e;
	line_drop(c);
	if (e == 0 && (e = witness_answer_read(span_of(x->answer, got), ret)) != 0) {
		snprintf(why, cap,
			"its answer is none of a witness (c2sp.org/tlog-witness): is the address right?");
	}
	return e;
}

/* ---- What it signed ---- */

static void keep_name(const struct courier *c, char name[48])
{
	unsigned n = c->say.index - c->f->site->audit.n_repositories;
	snprintf(name, 48, n == 0 ? "checkpoint.cosigned" : "checkpoint.cosigned.%u", n + 1);
}

static int keep(const struct courier *c, const char *note, size_t len)
{
	char name[48], fresh[56];
	int dir = c->f->dir;
	keep_name(c, name);
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	int e = write(fd, note, len) == (ssize_t)len && fdatasync(fd) == 0 ? 0 : ERR_SYSTEM;
	close(fd);
	return e == 0 && renameat(dir, fresh, dir, name) < 0 ? ERR_SYSTEM : e;
}

static int take_lines(struct courier *c, struct exchange *x, const struct witness_submission *s,
	struct span lines, char *why, size_t cap)
{
	size_t len = 0;
	uint64_t time_s = 0;
	int e = witness_cosigned(s->note, lines, &x->key, x->whole, sizeof(x->whole), &len, &time_s);
	if (e != 0) {
		snprintf(why, cap,
			"its answer is not signed with the key of gantry.yaml: has it another key, or is it "
			"another one?");
		return e;
	}
	if (keep(c, x->whole, len) != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.spool-failed", "a cosigned checkpoint cannot be kept",
			LOG_TEXT("witness", c->say.name), LOG_TEXT("error", strerror(errno)));
	}
	return 0;
}

/* ---- One checkpoint ---- */

/* What it holds can be followed by nothing that we have. */
static int contradict(const struct witness_submission *s, uint64_t holds, char *why, size_t cap)
{
	if (holds < s->old) {
		snprintf(why, cap,
			"it holds a checkpoint of %llu records and has none of those between that and %llu, which it wants proved: it "
			"was away for too long, or what was for it was lost; `gantry audit prove` makes the proof to be given to it",
			(unsigned long long)holds, (unsigned long long)s->old);
		return ERR_DENIED;
	}
	snprintf(why, cap,
		"it holds a checkpoint of %llu records, and ours goes from %llu to %llu: either it is none of this journal, "
		"or the journal was cut short or rewritten; compare both before anything else",
		(unsigned long long)holds, (unsigned long long)s->old, (unsigned long long)s->size);
	return ERR_DENIED;
}

/* It knows another size than we thought. */
static int settle_conflict(struct courier *c, struct exchange *x, const struct witness_submission *s,
	struct witness_answer *a, char *why, size_t cap)
{
	uint64_t holds = a->size;
	/* It has never heard of us, and takes the first as it is; or its answer was lost, and it signs the same again. */
	bool again = (holds == 0 && s->old != 0) || (holds == s->size && s->old != s->size);
	int e = again ? ask(c, x, s, holds, a, why, cap) : 0;
	if (e != 0) {
		return e;
	}
	return a->said == WITNESS_COSIGNED ? take_lines(c, x, s, a->lines, why, cap)
	                                   : contradict(s, holds, why, cap);
}

static int submit(
	struct courier *c, struct exchange *x, const struct witness_submission *s, char *why, size_t cap)
{
	struct witness_answer a;
	int e = ask(c, x, s, s->old, &a, why, cap);
	if (e != 0) {
		return e;
	}
	switch (a.said) {
	case WITNESS_COSIGNED:
		return take_lines(c, x, s, a.lines, why, cap);
	case WITNESS_CONFLICT:
		return settle_conflict(c, x, s, &a, why, cap);
	default:
		snprintf(why, cap, "it refuses the checkpoint with HTTP status %u%s", a.status,
			a.status == 404   ? ": it does not know our origin, or the address is wrong"
			: a.status == 403 ? ": it does not know the key that signed it"
			: a.status == 422 ? ": the proof does not hold"
					  : "");
		return ERR_DENIED;
	}
}

static void wait_after_failure(struct courier *c)
{
	while (c->held[0].until_ms > clock_mono_ms()) {
		if (c->stopping) {
			_exit(0);
		}
		courier_wait(c, 0, c->held[0].until_ms - clock_mono_ms());
	}
}

static void pass(struct courier *c, const struct spool_place *place)
{
	if (spool_confirm(c->spool, place) != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.spool-failed",
			"how far a witness is cannot be written down", LOG_TEXT("witness", c->say.name),
			LOG_TEXT("error", strerror(errno)));
	}
}

static void serve(struct courier *c, struct exchange *x, const struct spool_entry *e)
{
	struct witness_submission s;
	char why[512] = "";
	if (witness_submission_read(e->bytes, &s) != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.witness-failed",
			"a checkpoint in the spool is none that a witness takes, and is passed over",
			LOG_TEXT("witness", c->say.name));
		pass(c, &e->after);
		return;
	}
	if (submit(c, x, &s, why, sizeof(why)) != 0) {
		spool_rewind(c->spool);
		courier_failed(c, 0, why);
		wait_after_failure(c);
		return;
	}
	pass(c, &e->after);
	c->say.delivered++;
	courier_worked(c, 0);
}

void courier_serve_witness(struct courier *c)
{
	struct exchange *x = calloc(1, sizeof(*x));
	struct spool_entry entry;
	if (!x || witness_url_read(c->witness->url, &x->url) != 0 ||
		note_key_read(span_str(c->witness->key), &x->key) != 0 || x->key.type != NOTE_COSIGNATURE) {
		log_event(LOG_LEVEL_ERROR, "audit.witness-failed",
			"the address must be http://host:port, and the key a verifier key for cosignatures (type 4)",
			LOG_TEXT("witness", c->witness->url));
		_exit(1);
	}
	for (;;) {
		int e = spool_next(c->spool, &entry);
		if (e == 0 && entry.type == SPOOL_WITNESS) {
			serve(c, x, &entry);
		} else if (e != 0 && e != ERR_AGAIN) {
			courier_unreadable(c);
		} else if (e != 0) {
			const struct spool_place at = spool_at(c->spool);
			pass(c, &at);
			if (c->stopping) {
				_exit(0);
			}
			courier_wait(c, 0, LOOK_MS);
		}
		courier_hear(c);
	}
}
