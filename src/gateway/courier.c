/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "base/reader.h"
#include "gateway/courier_state.h"
#include "gateway/gate_tls.h"
#include "keys/link.h"
#include "priv/sandbox.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * A courier. TLS syslog acknowledges nothing, so that what was sent counts as delivered only when a connection was closed in
 * order (courier_line.c): five seconds after the first message on it, or after four megabytes, with a second of silence before,
 * for what the repository has read but not yet written. Whatever else ends a connection, all that was sent on it is sent again.
 */
#define TURN_MS        5000
#define TURN_SOON_MS   1000 /* after a failure: to know, and to say, that it is over */
#define TURN_BYTES     (4u * 1024 * 1024)
#define TURN_DATAGRAMS 100
#define SETTLE_MS      1000
#define LOOK_MS        250 /* how often the spool is looked into when it is empty */
#define TELL_MS        2000

/* An address that failed is held off: a second, doubled with each failure in a row. */
#define HOLD_MS      1000
#define HOLD_MOST_MS 60000

/* A repository that never answers closings, but does answer handshakes: TCP's own word is taken then. */
#define MUTE_MOST 3

/* Told to stop: for what is still to be sent, such as word of the stop itself. */
#define STOP_MS       2000
#define STOP_QUIET_MS 400

#define WHY_LEN       512

static const char *kind(const struct courier *c)
{
	return c->witness ? "witness" : "repository";
}

/* ---- The forwarder ---- */

void courier_tell(struct courier *c)
{
	static struct message m;
	c->said_ms = clock_mono_ms();
	(void)!spool_queue(c->spool, &c->say.waiting, &c->say.bytes);
	c->say.damaged = spool_damaged(c->spool);
	m = (struct message){.type = MSG_COURIER, .fd = -1};
	m.courier = c->say;
	(void)!message_send(c->channel, &m);
}

void courier_hear(struct courier *c)
{
	static struct message m;
	int e;
	while ((e = message_recv(c->channel, FROM_SUPERVISOR, &m)) == 0) {
		if (m.type == MSG_LOG) {
			(void)dup2(m.fd, STDERR_FILENO);
			log_to(STDERR_FILENO, MSG_LOG_JSON(m.number) ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
			log_least((enum log_level)MSG_LOG_LEVEL(m.number));
		} else if (m.type == MSG_STOP && !c->stopping) {
			c->stopping = true;
			c->stop_by_ms = clock_mono_ms() + STOP_MS;
		}
		if (m.fd >= 0) {
			close(m.fd);
		}
	}
	if (e != ERR_AGAIN) {
		_exit(0); /* the forwarder is gone */
	}
	if (clock_mono_ms() - c->said_ms >= TELL_MS) {
		courier_tell(c);
	}
}

void courier_wait(struct courier *c, short events, int64_t ms)
{
	struct pollfd p[2] = {
		{.fd = c->channel, .events = POLLIN}, {.fd = events ? c->line.fd : -1, .events = events}};
	(void)poll(p, 2, ms > 0 ? (int)ms : 0);
	courier_hear(c);
}

/* ---- How it goes ---- */

static void become(struct courier *c, enum courier_state state)
{
	if (c->say.state != (uint8_t)state) {
		c->say.state = (uint8_t)state;
		courier_tell(c);
	}
}

void courier_failed(struct courier *c, unsigned address, const char *why)
{
	struct held *h = &c->held[address];
	int64_t wait = HOLD_MS;
	for (unsigned i = 0; i < h->failures && wait < HOLD_MOST_MS; i++) {
		wait *= 2;
	}
	h->failures++;
	h->until_ms = clock_mono_ms() + (wait < HOLD_MOST_MS ? wait : HOLD_MOST_MS);
	c->say.failed_ms = clock_wall_ms();
	snprintf(c->say.error, sizeof(c->say.error), "%s: %s", c->say.address, why);
	if (c->say.state != COURIER_AWAY) {
		char sentence[WHY_LEN];
		snprintf(sentence, sizeof(sentence),
			"%s; what is for it waits in the spool, and it is tried again", why);
		log_event(LOG_LEVEL_WARNING, c->witness ? "audit.witness-away" : "audit.repository-away",
			sentence, LOG_TEXT(kind(c), c->say.name), LOG_TEXT("address", c->say.address));
	}
	become(c, COURIER_AWAY);
}

void courier_worked(struct courier *c, unsigned address)
{
	c->held[address].failures = 0;
	c->held[address].until_ms = 0;
	c->say.delivered_ms = clock_wall_ms();
	if (c->say.state == COURIER_AWAY) {
		(void)!spool_queue(c->spool, &c->say.waiting, &c->say.bytes);
		log_event(LOG_LEVEL_NOTICE, c->witness ? "audit.witness-back" : "audit.repository-back",
			"what is for it is delivered again", LOG_TEXT(kind(c), c->say.name),
			LOG_TEXT("address", c->say.address), LOG_NUMBER("waiting", (int64_t)c->say.waiting));
	}
	become(c, COURIER_IDLE);
}

/* ---- Messages ---- */

static void say_lost(struct courier *c, const struct spool_entry *e, char text[256])
{
	struct reader r = reader_of(e->bytes);
	uint64_t entries = 0, first = 0, last = 0;
	char from[CLOCK_ISO_LEN], to[CLOCK_ISO_LEN];
	if (reader_u64be(&r, &entries) != 0 || reader_u64be(&r, &first) != 0 ||
		reader_u64be(&r, &last) != 0) {
		return; /* as the writer wrote it: it was authentic */
	}
	clock_iso((int64_t)first, from);
	clock_iso((int64_t)last, to);
	c->say.lost += e->after.entry > c->highest ? entries : 0;
	snprintf(text, 256,
		"%llu audit messages from %s to %s are missing here: the spool was full or could not be written; "
		"the gateway's journal has their records",
		(unsigned long long)entries, from, to);
}

void courier_unreadable(struct courier *c)
{
	if (!c->unreadable) {
		log_event(LOG_LEVEL_ERROR, "audit.spool-failed",
			"the spool cannot be read, and nothing is sent: its files must belong to the user of the gateway's roles",
			LOG_TEXT(kind(c), c->say.name), LOG_TEXT("error", strerror(errno)));
	}
	c->unreadable = true;
	courier_wait(c, 0, HOLD_MS);
}

/* Entries that were swept before they could be sent: the spool was full, and others had them. */
static void count_missed(struct courier *c)
{
	uint64_t fresh = spool_missed(c->spool) - c->missed;
	if (fresh == 0) {
		return;
	}
	c->missed += fresh;
	c->say.lost += fresh;
	log_event(LOG_LEVEL_ERROR, "audit.repository-lost",
		"messages will never reach a repository that was away while the spool filled up: the journal has their records",
		LOG_TEXT(kind(c), c->say.name), LOG_NUMBER("messages", (int64_t)fresh));
}

/* A message in c->frame, behind room for its count. */
struct written {
	size_t len;
	size_t whole; /* of the message itself, where a sentence is in its place */
	bool instead;
};

/* ERR_NOT_FOUND: the entry is not for repositories. */
static int write_message(struct courier *c, const struct spool_entry *e, struct written *ret_written)
{
	static const char *const msgid[SPOOL_TYPE_COUNT] = {
		[SPOOL_CHECKPOINT] = SYSLOG_MSGID_CHECKPOINT, [SPOOL_LOST] = SYSLOG_MSGID_LOST};
	struct syslog_from from = {c->f->host, c->repository->app_name, msgid[e->type], c->f->process};
	struct span text = e->bytes;
	char lost[256] = "";
	uint8_t *at = c->frame + SYSLOG_COUNT_MOST;
	const size_t cap = sizeof(c->frame) - SYSLOG_COUNT_MOST;
	struct written w = {.len = 0};
	if (e->type == SPOOL_WITNESS) {
		return ERR_NOT_FOUND;
	}
	if (e->type == SPOOL_MESSAGE) {
		from.msgid = c->repository->msgid;
	}
	if (e->type == SPOOL_LOST) {
		say_lost(c, e, lost);
		text = span_str(lost);
	}
	int r = syslog_write(&from, e->time_ms, text, at, cap, &w.len);
	w.whole = w.len;
	w.instead = r == 0 && refused_instead(c, e, w.len, lost);
	if (w.instead) {
		from.msgid = SYSLOG_MSGID_LOST;
		r = syslog_write(&from, e->time_ms, span_str(lost), at, cap, &w.len);
	}
	*ret_written = w;
	return r == 0 ? 0 : ERR_NOT_FOUND;
}

static struct span framed(struct courier *c, size_t len)
{
	uint8_t *at = c->frame + SYSLOG_COUNT_MOST;
	char count[SYSLOG_COUNT_MOST];
	if (c->line.ssl) {
		size_t n = syslog_count(len, count);
		memcpy(at - n, count, n);
		return span_of(at - n, n + len);
	}
	size_t fits = syslog_fit(span_of(at, len), SYSLOG_DATAGRAM_MOST);
	if (fits < len && c->say.cut++ == 0) {
		log_event(LOG_LEVEL_WARNING, "audit.message-cut",
			"a message is longer than a datagram and was cut (RFC 5426 3.2), as later ones will be: give the "
			"repository a tls:// address",
			LOG_TEXT("repository", c->say.name), LOG_NUMBER("bytes", (int64_t)len));
	}
	return span_of(at, fits);
}

/* ---- The connection ---- */

/* What was sent since it was opened is not known to have been read: from the place that is confirmed on, again. */
static void lose_line(struct courier *c, int e, const char *why)
{
	unsigned address = c->line.address;
	if (e != ERR_TIMEOUT) { /* which hangs, and refuses nothing */
		refused_broke(c, &c->line);
	}
	line_drop(c);
	spool_rewind(c->spool);
	courier_failed(c, address, why);
}

static void confirm(struct courier *c, const struct spool_place *place)
{
	if (spool_confirm(c->spool, place) != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.spool-failed",
			"how far a repository is cannot be written down: after a restart it is sent messages again",
			LOG_TEXT("repository", c->say.name), LOG_TEXT("error", strerror(errno)));
	}
}

/* The connection's turn is over. */
static void end_line(struct courier *c)
{
	char why[WHY_LEN] = "";
	unsigned address = c->line.address;
	const struct line was = c->line;
	const struct spool_place place = spool_at(c->spool);
	int e = line_close(c, why, sizeof(why));
	if (e == ERR_TRUNCATED) {
		/* Who has answered by TLS's rules before does so always: this is the word of somebody on the way, or of a crash. */
		e = c->held[address].answers ? ERR_TLS : 0;
	} else if (e == 0) {
		c->held[address].answers = true;
	}
	c->mute = e == 0 ? 0 : e == ERR_AGAIN ? c->mute + 1 : c->mute;
	if (e == ERR_AGAIN && c->mute == MUTE_MOST) {
		log_event(LOG_LEVEL_WARNING, "audit.repository-mute",
			"a repository does not answer the end of a connection (RFC 5425 4.4): what its system has taken is "
			"taken to be delivered, and is lost if the repository dies with it unread",
			LOG_TEXT("repository", c->say.name), LOG_TEXT("address", c->say.address));
	}
	if (e == 0 || (e == ERR_AGAIN && c->mute >= MUTE_MOST)) {
		if (refused_confirmed(c, &was)) {
			confirm(c, &place);
			c->say.delivered += was.entries - was.instead;
		} else {
			spool_rewind(c->spool);
		}
		courier_worked(c, address);
		return;
	}
	if (e != ERR_AGAIN && e != ERR_TIMEOUT) {
		refused_broke(c, &was);
	}
	spool_rewind(c->spool);
	courier_failed(c, address, why);
}

/* The first address, in their order, that is not held off; if all are, *ret_wait_ms for the next. */
static bool choose(const struct courier *c, unsigned *ret_address, int64_t *ret_wait_ms)
{
	int64_t now = clock_mono_ms(), least = INT64_MAX;
	for (unsigned i = 0; i < c->repository->n_address && i < COURIER_ADDRESSES_MOST; i++) {
		if (c->held[i].until_ms <= now) {
			*ret_address = i;
			return true;
		}
		least = c->held[i].until_ms < least ? c->held[i].until_ms : least;
	}
	*ret_wait_ms = least - now;
	return false;
}

/* False: there is no connection now; some time has been waited. */
static bool have_line(struct courier *c)
{
	char why[WHY_LEN] = "";
	unsigned address;
	int64_t wait_ms;
	if (c->line.fd >= 0) {
		return true;
	}
	if (!choose(c, &address, &wait_ms)) {
		if (c->stopping) {
			_exit(0); /* it waits in the spool */
		}
		courier_wait(c, 0, wait_ms < 1000 ? wait_ms : 1000);
		return false;
	}
	snprintf(c->say.address, sizeof(c->say.address), "%s", c->repository->address[address].text);
	if (line_open(c, address, why, sizeof(why)) != 0) {
		courier_failed(c, address, why);
		return false;
	}
	return true;
}

static bool is_turn_over(const struct courier *c)
{
	int64_t age = clock_mono_ms() - c->line.first_ms;
	if (c->line.fd < 0 || c->line.entries == 0) {
		return false;
	}
	return c->line.bytes >= TURN_BYTES || c->line.entries >= refused_limit(c) ||
	       (!c->line.ssl && c->line.entries >= TURN_DATAGRAMS) || c->stopping ||
	       age >= (c->say.state == COURIER_AWAY ? TURN_SOON_MS : TURN_MS);
}

/* Nothing is sent for a moment; what the other end says meanwhile is heard. True: it is still there. */
static bool settle(struct courier *c)
{
	char why[WHY_LEN] = "";
	int64_t until = c->line.last_ms + (c->stopping || !c->line.ssl ? 0 : SETTLE_MS);
	for (int64_t left; (left = until - clock_mono_ms()) > 0 && !c->stopping;) {
		courier_wait(c, POLLIN, left);
		int e = line_look(c, why, sizeof(why));
		if (e != 0) {
			lose_line(c, e, why);
			return false;
		}
	}
	return true;
}

static void nothing_to_send(struct courier *c)
{
	char why[WHY_LEN] = "";
	int e;
	if (c->line.fd < 0) {
		/* All there is, is delivered, or was not for us: the next file may have begun. */
		const struct spool_place at = spool_at(c->spool);
		confirm(c, &at);
	} else if ((e = line_look(c, why, sizeof(why))) != 0) {
		lose_line(c, e, why);
		return;
	}
	courier_wait(c, c->line.fd >= 0 ? POLLIN : 0, LOOK_MS);
}

static void send_entry(struct courier *c, const struct spool_entry *e, const struct written *w)
{
	char why[WHY_LEN] = "";
	int r = line_look(c, why, sizeof(why));
	if (r == 0) {
		refused_offer(c, e, w->whole, w->instead);
		r = line_send(c, framed(c, w->len), why, sizeof(why));
	}
	if (r != 0) {
		lose_line(c, r, why);
		return;
	}
	c->say.resent += e->after.entry <= c->highest;
	c->highest = e->after.entry > c->highest ? e->after.entry : c->highest;
	if (c->say.state == COURIER_IDLE) {
		become(c, COURIER_SENDING);
	}
}

static void serve_repository(struct courier *c)
{
	struct spool_entry entry;
	int64_t quiet_ms = 0; /* since when there is nothing to send */
	for (;;) {
		struct written written;
		courier_hear(c);
		/* Told to stop, it ends when nothing has come for a moment, or its time is over. */
		bool end = c->stopping && (clock_mono_ms() >= c->stop_by_ms ||
						  (quiet_ms && clock_mono_ms() - quiet_ms >= STOP_QUIET_MS));
		if (is_turn_over(c) && (!c->stopping || end) && settle(c)) {
			end_line(c);
		}
		if (end) {
			_exit(0);
		}
		/* What could be read but not be sent would only have to be read again. */
		if (c->line.fd < 0 && c->say.state == COURIER_AWAY && !have_line(c)) {
			continue;
		}
		int e = spool_next(c->spool, &entry);
		if (e != 0 && e != ERR_AGAIN) {
			courier_unreadable(c);
			continue;
		}
		c->unreadable = false;
		if (e != 0) {
			quiet_ms = quiet_ms ? quiet_ms : clock_mono_ms();
			nothing_to_send(c);
			continue;
		}
		quiet_ms = 0;
		count_missed(c);
		if (write_message(c, &entry, &written) != 0) {
			continue;
		}
		if (!have_line(c)) {
			spool_rewind(c->spool);
			continue;
		}
		send_entry(c, &entry, &written);
	}
}

/* ---- The start ---- */

static void make_tls(struct courier *c, unsigned index)
{
	char why[WHY_LEN] = "";
	bool tls = false;
	for (unsigned i = 0; i < c->repository->n_address; i++) {
		tls = tls || c->repository->address[i].tls;
	}
	if (tls && gate_tls_repository(c->f->site, index, &c->tls, why, sizeof(why)) != 0) {
		log_event(
			LOG_LEVEL_ERROR, "audit.repository-failed", why, LOG_TEXT("repository", c->say.name));
		_exit(1);
	}
}

static void begin(struct courier *c, const struct forwarder *f, unsigned index, int channel)
{
	const struct audit_config *a = &f->site->audit;
	*c = (struct courier){.f = f, .channel = channel, .link = -1, .line = {.fd = -1}};
	c->say.index = (uint8_t)index;
	c->say.total = (uint8_t)f->n;
	c->say.witness = index >= a->n_repositories;
	if (c->say.witness) {
		c->witness = &a->witnesses[index - a->n_repositories];
		snprintf(c->say.name, sizeof(c->say.name), "%.*s", (int)strcspn(c->witness->key, "+"),
			c->witness->key);
		snprintf(c->say.address, sizeof(c->say.address), "%s", c->witness->url);
	} else {
		c->repository = &a->repositories[index];
		snprintf(c->say.name, sizeof(c->say.name), "%s", c->repository->name);
		make_tls(c, index);
	}
	if (spool_reader_open(f->dir, f->key, f->names[index], &c->spool) != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.spool-failed", "the spool cannot be read",
			LOG_TEXT(kind(c), c->say.name), LOG_TEXT("error", strerror(errno)));
		_exit(1);
	}
}

void courier_main(const struct forwarder *f, unsigned index, int channel)
{
	static struct courier c;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)prctl(PR_SET_NAME, "gantry: courier");
	/* From here on it meets what others send. */
	if (sandbox_load(f->sandbox) != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.forwarder-failed", "the sandbox could not be entered: %s",
			strerror(errno));
		_exit(1);
	}
	begin(&c, f, index, channel);
	courier_tell(&c);
	if (c.witness) {
		courier_serve_witness(&c);
	}
	serve_repository(&c);
	_exit(0);
}
