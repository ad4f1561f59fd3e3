/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/incident.h"
#include "policy/refusal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int failed(const struct incident *in, int e)
{
	fprintf(stderr, "%s: %s\n", in->l.name, e == ERR_SYSTEM ? strerror(errno) : err_str(e));
	return AUDIT_UNREADABLE;
}

/* ---- Which records ---- */

/* What is told late has its own time, by some seconds; a clock that was set back has no such bound. */
#define BACK_MS 1000

static void widen(struct incident *in, const struct journal_entry *e)
{
	bool has = in->has_records;
	int64_t ms = e->record.time_ms;
	int64_t back = has ? in->before_ms - ms : 0;
	in->before_ms = ms;
	in->n_back += back > BACK_MS;
	in->back_ms = back > in->back_ms ? back : in->back_ms;
	in->first = !has || e->index < in->first ? e->index : in->first;
	in->last = !has || e->index > in->last ? e->index : in->last;
	in->first_ms = !has || ms < in->first_ms ? ms : in->first_ms;
	in->last_ms = !has || ms > in->last_ms ? ms : in->last_ms;
	in->has_records = true;
}

/*
 * Nothing was recorded in that time. Between two records that are there it is known what went on meanwhile, where the second
 * stands; of a time before the journal, or after it, nothing is.
 */
static int find_next(struct incident *in)
{
	struct journal_reader *r = NULL;
	struct journal_entry next = {0}, e;
	char before[WHEN_ZONED_LEN], after[WHEN_ZONED_LEN];
	if (in->l.criteria.until_ms == INT64_MAX || in->l.criteria.from_ms == INT64_MIN) {
		return 0;
	}
	int err = journal_reader_open(in->l.folders, in->l.n_folders, &r);
	if (err == 0) {
		journal_reader_times(r, in->l.criteria.until_ms + 1, INT64_MAX);
		do {
			err = journal_reader_next(r, &next);
		} while (err < 0 && err != ERR_SYSTEM && err != ERR_NO_MEMORY);
	}
	if (err == 1 && next.index > 0) {
		journal_reader_times(r, INT64_MIN, INT64_MAX);
		journal_reader_seek(r, next.index - 1);
		if (journal_reader_next(r, &e) == 1 && e.index + 1 == next.index) {
			widen(in, &next);
			when_zoned(e.record.time_ms, before);
			when_zoned(next.record.time_ms, after);
			err = incident_note(&in->uncovered,
				      "No record is of that time itself: record %" PRIu64
				      " is of %s, and the next one, record %" PRIu64
				      ", of %s. The list has what went on meanwhile. Whether the gateway was idle or away the records around it say.",
				      e.index, before, next.index, after)
			              ? 0
			              : ERR_NO_MEMORY;
		}
	}
	journal_reader_free(r);
	return err == 1 ? 0 : err;
}

/* From the first to the last record of that time. Where a clock was set back others lie between them: they are read too. */
int incident_find_records(struct incident *in)
{
	struct journal_reader *r = NULL;
	struct journal_entry e;
	int err = journal_reader_open(in->l.folders, in->l.n_folders, &r);
	err = err == 0 ? journal_reader_origin(r, in->origin) : err;
	if (err == 0) {
		journal_reader_times(r, in->l.criteria.from_ms, in->l.criteria.until_ms);
		while ((err = journal_reader_next(r, &e)) != 0 && err != ERR_SYSTEM && err != ERR_NO_MEMORY) {
			if (err == 1) {
				widen(in, &e);
			}
			/* Damage is found again by those that read all of it. */
		}
	}
	journal_reader_free(r);
	if (err == 0 && !in->has_records) {
		err = find_next(in);
	}
	return err == 0 ? AUDIT_GOOD : failed(in, err);
}

int incident_find_ends(struct incident *in)
{
	struct scope_ends ends;
	bool ok = true;
	if (!in->has_records) {
		return AUDIT_GOOD;
	}
	scope_find_ends(in->l.folders, in->l.n_folders, in->first, in->last, &ends);
	in->ends = ends.ends;
	if (ends.before_absent) {
		ok = incident_note(&in->lacks,
			"record %" PRIu64
			" and those before it are in none of the folders, and may be of that time; name the folder that they were handed over to with --cold",
			in->first - 1);
	}
	if (ok && ends.after_absent) {
		ok = incident_note(&in->lacks,
			"a checkpoint speaks of %" PRIu64 " records; those from %" PRIu64
			" on are in none of the folders, and may be of that time",
			ends.spoken_of, in->last + 1);
	}
	if (ok && in->n_back > 0) {
		ok = incident_note(&in->uncovered,
			"%" PRIu64 " record%s of an earlier time than the one before, by %" PRId64
			" s at most: the gateway's clock was set back, or what was told of was kept until it could be recorded. "
			"Times are that clock's.",
			in->n_back, in->n_back == 1 ? " is" : "s are", in->back_ms / 1000);
	}
	return ok ? AUDIT_GOOD : failed(in, ERR_NO_MEMORY);
}

/* ---- Versions ---- */

static int add_interval(struct incident *in, int64_t from_ms)
{
	struct interval *more = realloc(in->intervals, (in->n_intervals + 1) * sizeof(*more));
	if (!more) {
		return failed(in, ERR_NO_MEMORY);
	}
	in->intervals = more;
	in->intervals[in->n_intervals++] = (struct interval){.from_ms = from_ms, .until_ms = INT64_MAX};
	return AUDIT_GOOD;
}

/* "Gantry 1.2.3 serves with …": what AUDIT_START says. */
static bool is_version(const char *text, const char *version)
{
	static const char before[] = "Gantry ";
	size_t n = strlen(version);
	return strncmp(text, before, sizeof(before) - 1) == 0 &&
	       strncmp(text + sizeof(before) - 1, version, n) == 0 && text[sizeof(before) - 1 + n] == ' ';
}

static int each_start(struct incident *in, struct search *s)
{
	struct search_hit h;
	int e, code = AUDIT_GOOD;
	bool open = false;
	while (code == AUDIT_GOOD && ((e = search_next(s, &h)) == 1 || e == ERR_AGAIN)) {
		if (e != 1) {
			continue;
		}
		if (open) {
			in->intervals[in->n_intervals - 1].until_ms = h.time_ms;
			open = false;
		}
		if (h.event->kind == AUDIT_START && is_version(h.event->text, in->version)) {
			code = add_interval(in, h.time_ms);
			open = code == AUDIT_GOOD;
		}
	}
	return code != AUDIT_GOOD ? code : e < 0 ? failed(in, e) : AUDIT_GOOD;
}

/* From a start of that version until the next start or stop, from the journal's beginning on. */
int incident_find_versions(struct incident *in)
{
	struct search *s = NULL;
	struct search_criteria c = SEARCH_ALL;
	if (!in->version) {
		return AUDIT_GOOD;
	}
	c.until_ms = in->l.criteria.until_ms;
	c.kinds = 1u << AUDIT_START | 1u << AUDIT_STOP;
	int e = search_open(
		in->l.folders, in->l.n_folders, &in->l.auditor.opener, &c, lookup_problem, &in->l, &s);
	if (e != 0) {
		return failed(in, e);
	}
	int code = each_start(in, s);
	const struct search_totals *t = search_totals(s);
	if (code == AUDIT_GOOD && (t->problems > 0 || t->closed > 0) &&
		!incident_note(&in->lacks,
			"not all records that say which version ran could be read: it may have run at other times too")) {
		code = failed(in, ERR_NO_MEMORY);
	}
	search_free(s);
	return code;
}

/* ---- What the journal says of itself ---- */

struct recording {
	bool stopped, known; /* known: there was a word of it in the scope */
	int64_t stopped_ms;
	uint64_t stopped_record;
};

static bool say_stop(struct incident *in, struct recording *r, const struct search_hit *h)
{
	char from[WHEN_ZONED_LEN], until[WHEN_ZONED_LEN];
	when_zoned(h->time_ms, until);
	bool ok = true;
	if (h->event->alert == ALERT_RECORDING_STOPPED) {
		*r = (struct recording){
			.stopped = true, .known = true, .stopped_ms = h->time_ms, .stopped_record = h->index};
		return true;
	}
	if (r->stopped) {
		when_zoned(r->stopped_ms, from);
		ok = incident_note(&in->uncovered,
			"Nothing was recorded from %s (record %" PRIu64 ") until %s (record %" PRIu64
			"): recording had been stopped in good order.",
			from, r->stopped_record, until, h->index);
	} else if (h->index > in->first + 1) { /* the key of its epoch comes before it */
		ok = incident_note(&in->uncovered,
			"Before %s (record %" PRIu64
			") recording ended without a word, by a crash or a loss of power. Transfers that were under way are listed "
			"as interrupted, with at least as many instances as were recorded.",
			until, h->index);
	} else {
		ok = incident_note(&in->uncovered,
			"Nothing was recorded before %s (record %" PRIu64 "), when recording began.", until,
			h->index);
	}
	*r = (struct recording){.known = true};
	return ok;
}

static bool say_alert(struct incident *in, struct recording *r, const struct search_hit *h)
{
	static const char damaged[] = "The journal is damaged";
	const struct audit_event *ev = h->event;
	char time[WHEN_ZONED_LEN];
	when_zoned(h->time_ms, time);
	if (ev->alert == ALERT_RECORDING_STARTED && ev->outcome != AUDIT_SUCCESS) {
		/* The auditor was there, and could not write; `unrecorded` says what happened to what would have passed. */
		return incident_note(&in->uncovered, "%s (Record %" PRIu64 ")", ev->text, h->index);
	}
	if (ev->alert == ALERT_RECORDING_STOPPED || ev->alert == ALERT_RECORDING_STARTED) {
		return say_stop(in, r, h);
	}
	if (strcmp(ev->object, rule_name(RULE_UNRECORDED)) == 0 && ev->outcome == AUDIT_MINOR) {
		return incident_note(&in->uncovered,
			"At %s (record %" PRIu64
			") objects passed without a record, as `unrecorded: pass` allows: between %s and %s. They are not in this "
			"list.",
			time, h->index, ev->from.node[0] ? ev->from.node : ev->from.address,
			ev->to.node[0] ? ev->to.node : ev->to.ae);
	}
	if (strncmp(ev->text, damaged, sizeof(damaged) - 1) == 0) {
		return incident_note(&in->uncovered, "At %s (record %" PRIu64 ") the gateway found: %s", time,
			h->index, ev->text);
	}
	return true;
}

static int each_alert(struct incident *in, struct search *s)
{
	struct search_hit h;
	struct recording r = {0};
	char from[WHEN_ZONED_LEN];
	int e;
	bool ok = true;
	while (ok && ((e = search_next(s, &h)) == 1 || e == ERR_AGAIN)) {
		ok = e != 1 || say_alert(in, &r, &h);
	}
	if (ok && e == 0 && r.stopped) {
		when_zoned(r.stopped_ms, from);
		ok = incident_note(&in->uncovered,
			"Nothing was recorded from %s (record %" PRIu64
			") on: recording had been stopped in good order.",
			from, r.stopped_record);
	}
	return !ok ? failed(in, ERR_NO_MEMORY) : e < 0 ? failed(in, e) : AUDIT_GOOD;
}

int incident_find_gaps(struct incident *in)
{
	struct search *s = NULL;
	struct search_criteria c = SEARCH_ALL;
	if (!in->has_records) {
		return AUDIT_GOOD;
	}
	c.first = in->first;
	c.end = in->last + 1;
	c.kinds = 1u << AUDIT_ALERT;
	int e = search_open(in->l.folders, in->l.n_folders, &in->l.auditor.opener, &c, NULL, NULL, &s);
	int code = e == 0 ? each_alert(in, s) : failed(in, e);
	search_free(s);
	return code;
}
