/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/courier_state.h"

#include <inttypes.h>
#include <stdio.h>

/*
 * A message that a repository does not take. Syslog has no word for it: some receivers end the connection at one that is longer than
 * they are told to take, and all that follows it would wait for ever, behind a query that anybody can make long. So after connections
 * that broke in a row fewer messages go on each, until one that breaks it goes alone. Then a sentence goes in its place, and the
 * message, by turns: when the one was delivered and the other has broken the connection often enough, it is the message, and not the
 * repository that is ill, and it stays with the sentence.
 */

#define BROKEN_MOST 2
#define ALONE_MOST  2 /* connections that one message breaks alone, before a sentence is tried in its place */
#define PAIRS_MOST  2 /* sentences that were delivered before the message broke the next connection */
#define FEWER       16 /* a sixteenth of what was sent on the one that broke */
#define MORE        4
#define LIMIT_MOST  4096

/* What receivers limit is no less. A longer message than that is taken to be refused for its length. */
#define LENGTH_LEAST 4096
#define LEARNED_MS   (60 * 60 * 1000)

static bool is_too_long(const struct refused *r, size_t len)
{
	return r->most > 0 && len > r->most && clock_mono_ms() < r->most_until_ms;
}

static bool is_suspect(const struct refused *r, uint64_t entry)
{
	return r->times >= ALONE_MOST && r->entry == entry && !r->spoken;
}

bool refused_instead(const struct courier *c, const struct spool_entry *e, size_t len, char text[256])
{
	char time[CLOCK_ISO_LEN];
	if (e->type != SPOOL_MESSAGE ||
		(!is_too_long(&c->refused, len) && !is_suspect(&c->refused, e->after.entry))) {
		return false;
	}
	clock_iso(e->time_ms, time);
	if (!is_too_long(&c->refused, len) && c->refused.pairs < PAIRS_MOST) {
		snprintf(text, 256,
			"an audit message of %zu bytes, of %s, ends the connection when it is sent here; it is tried again",
			len, time);
		return true;
	}
	snprintf(text, 256,
		"an audit message of %zu bytes, of %s, is missing here: the repository ends the connection when it is sent; the gateway's "
		"journal has its record",
		len, time);
	return true;
}

void refused_offer(struct courier *c, const struct spool_entry *e, size_t len, bool instead)
{
	struct line *l = &c->line;
	l->offered++;
	l->last = e->after.entry;
	l->instead += instead;
	l->longest = !instead && len > l->longest ? len : l->longest;
}

uint64_t refused_limit(const struct courier *c)
{
	return c->refused.limit > 0 ? c->refused.limit : UINT64_MAX;
}

static void broke_alone(struct refused *r, const struct line *was)
{
	if (r->entry != was->last ||
		was->instead > 0) { /* another message; or the sentence: it is the repository */
		r->times = r->pairs = 0;
		r->spoken = false;
	}
	if (was->instead == 0) {
		r->pairs += r->spoken;
		r->spoken = false;
		r->times++;
		r->entry = was->last;
		r->len = was->longest;
	}
}

void refused_broke(struct courier *c, const struct line *was)
{
	struct refused *r = &c->refused;
	if (!was->ssl || was->offered == 0) {
		return;
	}
	r->broken++;
	if (was->offered == 1) {
		broke_alone(r, was);
	}
	if (r->limit > 0 || r->broken >= BROKEN_MOST) {
		r->limit = was->offered > FEWER ? was->offered / FEWER : 1;
	}
}

static void say(struct courier *c, const struct line *was, size_t len)
{
	struct refused *r = &c->refused;
	if (len >= LENGTH_LEAST && len > r->longest) {
		r->most = len - 1;
		r->most_until_ms = clock_mono_ms() + LEARNED_MS;
	}
	log_event(LOG_LEVEL_ERROR, "audit.repository-refused",
		"a repository ends the connection at a message, and was told of it instead; the journal has its record. Does it take "
		"messages of 256 KiB?",
		LOG_TEXT("repository", c->say.name), LOG_TEXT("address", c->say.address),
		LOG_NUMBER("bytes", (int64_t)len), LOG_NUMBER("missing", (int64_t)was->instead));
}

bool refused_confirmed(struct courier *c, const struct line *was)
{
	struct refused *r = &c->refused;
	bool suspect = was->instead > 0 && is_suspect(r, was->last);
	r->broken = 0;
	r->longest = was->longest > r->longest ? was->longest : r->longest;
	if (suspect && r->pairs < PAIRS_MOST) {
		r->spoken = true;
		return false;
	}
	if (suspect) {
		say(c, was, r->len);
	}
	c->say.lost += was->instead;
	r->limit = r->limit * MORE > LIMIT_MOST ? 0 : r->limit * MORE;
	r->times = r->pairs = 0;
	r->spoken = false;
	r->entry = 0;
	return true;
}
