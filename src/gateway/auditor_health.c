/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "gateway/auditor_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * How it goes. The gate is told for `gantry status`. When records could not be made, a record says from when to when,
 * why, and how many of what are missing for it, as soon as one can be made; trying to make it is also how a failure ends where nothing else happens.
 */

#define TELL_MS  1000
#define RETRY_MS 1000

const char *health_why(int e)
{
	switch (e) {
	case ERR_SPACE:
		return "no space is left for the journal";
	case ERR_CLOSED:
		return "the key holder is away";
	case ERR_TIMEOUT:
		return "the key holder does not answer";
	default:
		return err_str(e);
	}
}

void health_start(struct auditor *a, uint64_t vouched)
{
	struct stat st;
	a->health.since_ms = clock_wall_ms();
	a->health.vouched = vouched;
	if (vouched > 0 && fstatat(a->dir, "checkpoint", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		a->health.signed_ms = (int64_t)st.st_mtim.tv_sec * 1000;
	}
}

void health_of_records(struct auditor *a, const char *why)
{
	struct msg_journal *h = &a->health;
	if (h->failing != (why != NULL)) {
		h->failing = why != NULL;
		h->since_ms = clock_wall_ms();
		if (!why) {
			a->gap_to_ms = h->since_ms;
		} else if (!a->gap) {
			a->gap = true;
			a->gap_from_ms = h->since_ms;
			a->gap_ms = clock_mono_ms() + RETRY_MS;
			snprintf(a->gap_why, sizeof(a->gap_why), "%s", why);
		}
	}
	snprintf(h->why, sizeof(h->why), "%s", why ? why : "");
}

void health_of_checkpoint(struct auditor *a, const char *why)
{
	snprintf(a->health.unsigned_why, sizeof(a->health.unsigned_why), "%s", why ? why : "");
}

void health_signed(struct auditor *a, uint64_t size)
{
	a->health.vouched = size;
	a->health.signed_ms = clock_wall_ms();
}

static void record_gap(struct auditor *a, int64_t now_ms)
{
	struct audit_event ev = {.kind = AUDIT_ALERT,
		.alert = ALERT_RECORDING_STARTED,
		.outcome = AUDIT_MAJOR,
		.time_ms = clock_wall_ms()};
	char from[CLOCK_ISO_LEN], to[CLOCK_ISO_LEN], more[320];
	clock_iso(a->gap_from_ms, from);
	clock_iso(a->health.failing ? ev.time_ms : a->gap_to_ms, to);
	kept_text(a, more, sizeof(more));
	if (a->gap) {
		snprintf(ev.text, sizeof(ev.text), "From %s to %s no record could be made: %.100s.%s", from,
			to, a->gap_why, more);
	} else {
		snprintf(
			ev.text, sizeof(ev.text), "The auditor was away, or did not answer in time.%s", more);
	}
	a->gap_ms = now_ms + RETRY_MS;
	batch_add(a, &ev);
	a->batch[a->n_batch - 1].again = true;
	batch_write(a);
	a->gap = a->failing;
	if (!a->failing) {
		kept_told(a);
	}
}

static bool same_health(const struct msg_journal *a, const struct msg_journal *b)
{
	return a->failing == b->failing && a->since_ms == b->since_ms && a->records == b->records &&
	       a->open == b->open && a->vouched == b->vouched && a->signed_ms == b->signed_ms &&
	       a->unsent == b->unsent && strcmp(a->why, b->why) == 0 &&
	       strcmp(a->unsigned_why, b->unsigned_why) == 0 &&
	       strcmp(a->uncopied_why, b->uncopied_why) == 0 && strcmp(a->cold_why, b->cold_why) == 0;
}

static void tell(struct auditor *a, int64_t now_ms)
{
	static struct message m;
	struct msg_journal *h = &a->health;
	h->records = journal_size(a->journal);
	h->unsent = a->lost_in_spool;
	h->open = 0;
	for (const struct open_transfer *t = a->open; t; t = t->next) {
		h->open++;
	}
	if (a->gate.fd < 0 || same_health(h, &a->told)) {
		return;
	}
	m = (struct message){.type = MSG_JOURNAL, .fd = -1};
	m.journal = *h;
	int e = message_send(a->gate.fd, &m);
	if (e == 0) {
		a->told = *h;
	}
	a->tell_again = e == ERR_AGAIN;
	a->tell_ms = now_ms + TELL_MS;
}

void health_check(struct auditor *a, int64_t now_ms)
{
	if ((a->gap || a->has_missed) && now_ms >= a->gap_ms) {
		record_gap(a, now_ms);
	}
	if (!a->gap) {
		kept_check(a); /* after the record that announces them */
	}
	/* What has changed so soon after the last time waits for the next. */
	a->tell_again = now_ms < a->tell_ms;
	if (!a->tell_again) {
		tell(a, now_ms);
	}
}

int64_t health_next_ms(const struct auditor *a)
{
	int64_t next = a->gap || a->has_missed ? a->gap_ms : INT64_MAX;
	next = a->kept && !a->gap && !a->failing ? 0 : next;
	return a->tell_again && a->tell_ms < next ? a->tell_ms : next;
}
