/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "gateway/auditor_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What could not be recorded, and is told by nobody again. What the gate, the supervisor and we have to say waits here until
 * records can be made; of the rest, which passed under `unrecorded: pass` or was lost with an association, there are counts. The
 * first record that can be made tells of both: auditor_health.c.
 */

#define KEPT_MOST 1024

struct kept {
	struct kept *next;
	size_t len;
	uint8_t bytes[];
};

static void keep(struct auditor *a, const struct audit_event *ev)
{
	static uint8_t bytes[AUDIT_EVENT_MOST];
	struct kept *k = NULL;
	size_t len = 0;
	if (a->n_kept < KEPT_MOST && audit_event_write(ev, bytes, sizeof(bytes), &len) == 0) {
		k = malloc(sizeof(*k) + len);
	}
	if (!k) {
		kept_missed(a, ev->kind, 1);
		return;
	}
	k->next = NULL;
	k->len = len;
	memcpy(k->bytes, bytes, len);
	struct kept **at = a->kept ? &a->kept_last->next : &a->kept;
	*at = a->kept_last = k;
	a->n_kept++;
}

void kept_take(struct auditor *a)
{
	for (unsigned i = 0; i < a->n_batch; i++) {
		const struct work *w = &a->batch[i];
		if (!w->answer && !w->of && !w->again && w->err == 0 && !w->has_index) {
			keep(a, &w->ev);
		}
	}
}

static void drop(struct auditor *a, unsigned n)
{
	for (; n > 0 && a->kept; n--) {
		struct kept *k = a->kept;
		a->kept = k->next;
		a->n_kept--;
		explicit_bzero(k->bytes, k->len);
		free(k);
	}
}

void kept_check(struct auditor *a)
{
	static struct audit_event ev;
	unsigned n = 0;
	if (a->n_batch > 0 && a->kept) {
		batch_write(a);
	}
	if (a->failing || !a->kept) {
		return;
	}
	for (const struct kept *k = a->kept; k && n < BATCH_MOST; k = k->next) {
		n++;
		/* It was written by audit_event_write(). */
		if (audit_event_read(span_of(k->bytes, k->len), &ev) == 0) {
			batch_add(a, &ev);
			a->batch[a->n_batch - 1].again = true;
		}
	}
	batch_write(a);
	if (!a->failing) {
		drop(a, n);
	}
}

void kept_end(struct auditor *a)
{
	while (a->kept && !a->failing) {
		kept_check(a);
	}
	uint64_t n = a->n_kept;
	for (unsigned i = 0; i < AUDIT_KIND_COUNT; i++) {
		n += a->missed[i];
	}
	if (n > 0) {
		log_event(LOG_LEVEL_ERROR, "audit.lost",
			"no record could be made until the end: events are in the log and the ledger alone",
			LOG_NUMBER("events", (int64_t)n));
	}
	drop(a, a->n_kept);
}

void kept_missed(struct auditor *a, unsigned kind, uint64_t n)
{
	if (kind == 0 || kind >= AUDIT_KIND_COUNT) {
		return;
	}
	if (!a->has_missed && !a->gap) {
		a->gap_ms = clock_mono_ms() + KEPT_TELL_MS;
	}
	a->has_missed = true;
	a->missed[kind] += n;
}

void kept_text(const struct auditor *a, char *buf, size_t cap)
{
	size_t len = 0;
	buf[0] = 0;
	for (unsigned i = 0; a->has_missed && i < AUDIT_KIND_COUNT; i++) {
		int n = a->missed[i] == 0
		                ? 0
		                : snprintf(buf + len, cap - len, "%s%llu %s",
					  len == 0 ? " Without a record in time passed, or were lost: "
						   : ", ",
					  (unsigned long long)a->missed[i], audit_kind_name(i));
		len += n > 0 && (size_t)n < cap - len ? (size_t)n : 0;
	}
	buf[len] = 0;
	if (len > 0) {
		len += (size_t)snprintf(buf + len, cap - len, ".");
	}
	if (a->n_kept > 0 && len < cap) {
		snprintf(buf + len, cap - len, " %u that were kept follow.", a->n_kept);
	}
}

void kept_told(struct auditor *a)
{
	memset(a->missed, 0, sizeof(a->missed));
	a->has_missed = false;
}
