/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_print.h"
#include "cli/incident.h"
#include "policy/decide.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How far back a refused transfer's first record is looked for. */
#define AGAIN_MOST 4096

const char *how_name(enum how how)
{
	static const char *const names[HOW_COUNT] = {[HOW_STORED] = "stored",
		[HOW_RETRIEVED] = "retrieved",
		[HOW_QUERIED] = "queried",
		[HOW_SHOWN] = "shown",
		[HOW_REFUSED] = "refused",
		[HOW_INTERRUPTED] = "interrupted",
		[HOW_EXPORTED] = "exported",
		[HOW_IMPORTED] = "imported",
		[HOW_OTHER] = "other"};
	return names[how];
}

/* ---- Touches ---- */

static enum how how_of(const struct search_hit *h)
{
	switch (h->event->kind) {
	case AUDIT_BEGIN:
	case AUDIT_TRANSFERRED:
	case AUDIT_INTERRUPTED:
		return h->state == SEARCH_REFUSED       ? HOW_REFUSED
		       : h->state == SEARCH_INTERRUPTED ? HOW_INTERRUPTED
		       : h->event->to_caller            ? HOW_RETRIEVED
		                                        : HOW_STORED;
	case AUDIT_QUERY:
		return h->refusal ? HOW_REFUSED : HOW_QUERIED;
	case AUDIT_PATIENT_SHOWN:
		return HOW_SHOWN;
	case AUDIT_ALERT:
		/* What people do to an object in quarantine has the number of its refusal, too. */
		return h->refusal && h->outcome > AUDIT_MINOR ? HOW_REFUSED : HOW_OTHER;
	case AUDIT_EXPORT:
		return HOW_EXPORTED;
	case AUDIT_IMPORT:
		return HOW_IMPORTED;
	default:
		return HOW_OTHER;
	}
}

/* Rules of what is in an object or how much comes: each has a transfer that was refused. */
static bool is_of_object(const struct audit_event *ev)
{
	switch (rule_by_name(ev->object)) {
	case RULE_CONTENT:
	case RULE_UNJUDGED:
	case RULE_OBJECT_SIZE:
	case RULE_OBJECT_RATE:
	case RULE_BYTE_RATE:
	case RULE_DEIDENTIFY:
	case RULE_SIGN:
	case RULE_SIGN_KEY:
		return true;
	default:
		return false;
	}
}

static void party(const struct audit_party *p, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s%s%s%s%s", p->node, p->node[0] && p->ae[0] ? " " : "", p->ae,
		(p->node[0] || p->ae[0]) && p->address[0] ? " " : "", p->address);
}

/* "A1\A2" */
static void accessions(const struct audit_event *ev, char *buf, size_t cap)
{
	size_t len = 0;
	buf[0] = 0;
	for (unsigned i = 0; i < ev->n_accession; i++) {
		int n = snprintf(buf + len, cap - len, "%s%s", i ? "\\" : "", ev->accession[i]);
		len += n > 0 && (size_t)n < cap - len ? (size_t)n : 0;
	}
}

static bool has_texts(const struct touch *t)
{
	return t->patient && t->issuer && t->name && t->study && t->accession && t->from && t->to &&
	       t->user && t->what && t->text && t->from_certificate && t->to_certificate && t->issued;
}

static int fill(const struct incident *in, struct touch *t, const struct search_hit *h)
{
	const struct audit_event *ev = h->event;
	char from_certificate[AUDIT_FINGERPRINT_TEXT], to_certificate[AUDIT_FINGERPRINT_TEXT];
	char from[160], to[160], issued[INCIDENT_ISSUED], what[HIT_WHAT_MOST],
		numbers[AUDIT_ACCESSIONS * AUDIT_ID_MOST];
	party(&ev->from, from, sizeof(from));
	party(&ev->to, to, sizeof(to));
	hit_what(h, what);
	audit_fingerprint_text(&ev->from_certificate, from_certificate);
	audit_fingerprint_text(&ev->to_certificate, to_certificate);
	accessions(ev, numbers, sizeof(numbers));
	incident_issued(in, ev, issued, sizeof(issued));
	*t = (struct touch){.n_parts = h->n_parts,
		.time_ms = h->time_ms,
		.end_ms = h->end_ms,
		.since_ms = h->time_ms,
		.alert = ev->kind == AUDIT_ALERT,
		.of_object = ev->kind == AUDIT_ALERT && is_of_object(ev),
		.how = how_of(h),
		.count = h->count,
		.failed = h->failed,
		.refusal = h->refusal,
		.association = ev->association,
		.at_least = h->at_least,
		.to_caller = ev->to_caller,
		.by_subject = h->by_subject,
		.from_certificate = strdup(from_certificate),
		.to_certificate = strdup(to_certificate),
		.issued = strdup(issued),
		.patient = strdup(ev->patient_id),
		.issuer = strdup(ev->patient_issuer),
		.name = strdup(ev->patient_name),
		.study = strdup(ev->study),
		.accession = strdup(numbers),
		.from = strdup(from),
		.to = strdup(to),
		.user = strdup(ev->user),
		.what = strdup(what),
		.text = strdup(ev->text)};
	memcpy(t->part, h->part, sizeof(t->part));
	t->certificate = has_texts(t) ? incident_certificate_of(in, t, ev) : NULL;
	return has_texts(t) ? 0 : ERR_NO_MEMORY;
}

static void touch_done(struct touch *t)
{
	char *const texts[] = {t->patient, t->issuer, t->name, t->study, t->accession, t->from, t->to,
		t->user, t->what, t->text, t->from_certificate, t->to_certificate, t->issued};
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		free(texts[i]);
	}
}

void touches_done(struct incident *in)
{
	for (size_t i = 0; i < in->n_touches; i++) {
		touch_done(&in->touches[i]);
	}
	free(in->touches);
	for (size_t i = 0; i < in->n_studies; i++) {
		free(in->studies[i].names);
		free(in->studies[i].accessions);
		free(in->studies[i].certificates);
	}
	free(in->studies);
	free(in->days);
}

static bool has_transfer(const struct touch *t)
{
	return t->how == HOW_REFUSED && t->failed > 0;
}

/*
 * A transfer that was refused is recorded with its first instance, and once more at its end with all of them: the first then
 * counts no more.
 */
static void count_once(struct incident *in, struct touch *last)
{
	if (!has_transfer(last) || last->failed < 2) {
		return;
	}
	for (size_t i = 0; i < in->n_touches && i < AGAIN_MOST; i++) {
		struct touch *t = &in->touches[in->n_touches - 1 - i];
		if (has_transfer(t) && t->failed == 1 && !t->again && t->association == last->association &&
			t->refusal == last->refusal && strcmp(t->patient, last->patient) == 0 &&
			strcmp(t->study, last->study) == 0) {
			t->again = true;
			last->since_ms = t->time_ms;
			return;
		}
	}
}

/*
 * The touch of what was refused of a transfer that had begun to pass. Its record has one count of all that was not taken: some of it may
 * have been refused by the called node.
 */
static int make_cut_off(struct touch *t)
{
	char what[64];
	snprintf(what, sizeof(what),
		t->failed > 1 ? "refused some of %" PRIu64 " not taken" : "refused %" PRIu64, t->failed);
	char *copy = strdup(what);
	if (!copy) {
		return ERR_NO_MEMORY;
	}
	free(t->what);
	t->what = copy;
	t->how = HOW_REFUSED;
	t->count = 0;
	return 0;
}

static int add_one(struct incident *in, const struct search_hit *h, bool cut_off)
{
	if (in->n_touches == in->cap_touches) {
		size_t cap = in->cap_touches ? 2 * in->cap_touches : 256;
		struct touch *more = realloc(in->touches, cap * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		in->touches = more;
		in->cap_touches = cap;
	}
	struct touch *t = &in->touches[in->n_touches];
	int e = fill(in, t, h);
	e = e == 0 && cut_off ? make_cut_off(t) : e;
	if (e != 0) {
		touch_done(t);
		return e;
	}
	count_once(in, t);
	in->n_touches++;
	return 0;
}

/* A transfer that passed in part, and of which something was refused, was both. */
static int add(struct incident *in, const struct search_hit *h)
{
	int e = add_one(in, h, false);
	return e == 0 && h->state == SEARCH_PARTLY && h->refusal ? add_one(in, h, true) : e;
}

static bool version_ran(const struct incident *in, const struct search_hit *h)
{
	for (size_t i = 0; i < in->n_intervals; i++) {
		if (h->time_ms < in->intervals[i].until_ms && h->end_ms >= in->intervals[i].from_ms) {
			return true;
		}
	}
	return !in->version;
}

static void progress(const struct incident *in, const struct search_totals *t)
{
	if (in->terminal) {
		fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " records read, %zu found", t->read,
			in->last - in->first + 1, in->n_touches);
		(void)fflush(stderr);
	}
}

static int each(struct incident *in, struct search *s)
{
	struct search_hit h;
	int e;
	while ((e = search_next(s, &h)) == 1 || e == ERR_AGAIN) {
		if (e != 1) {
			progress(in, search_totals(s));
		} else if (version_ran(in, &h)) {
			e = add(in, &h);
			if (e != 0) {
				break;
			}
		}
	}
	if (in->terminal) {
		fputs("\r\033[K", stderr);
	}
	return e;
}

int incident_list(struct incident *in)
{
	struct search *s = NULL;
	struct search_criteria c = in->l.criteria;
	if (!in->has_records) {
		return AUDIT_GOOD;
	}
	c.first = in->first;
	c.end = in->last + 1;
	c.open_all = true;
	c.under_way = true;
	c.kinds = 1u << AUDIT_BEGIN | 1u << AUDIT_QUERY | 1u << AUDIT_PATIENT_SHOWN | 1u << AUDIT_ALERT |
	          1u << AUDIT_LOGIN | 1u << AUDIT_IMPORT | 1u << AUDIT_EXPORT;
	int e = search_open(
		in->l.folders, in->l.n_folders, &in->l.auditor.opener, &c, lookup_problem, &in->l, &s);
	if (e == 0) {
		e = each(in, s);
		in->totals = *search_totals(s);
	}
	search_free(s);
	if (e != 0) {
		fprintf(stderr, "%s: %s\n", in->l.name,
			e == ERR_SYSTEM  ? strerror(errno)
			: e == ERR_VALUE ? "a criterion is nothing but spaces"
					 : err_str(e));
		return e == ERR_VALUE ? AUDIT_USAGE : AUDIT_UNREADABLE;
	}
	return AUDIT_GOOD;
}

/* ---- A refusal counts once ---- */

/*
 * Of what was refused the gate has an alert, by the refusal's number; a transfer or query has a record that says whose it was,
 * and that is the one that counts. Where there is none, as of an association, the alert does.
 */

static int by_number(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static bool counts_by_itself(const struct touch *t)
{
	return t->how == HOW_REFUSED && !t->alert && !t->again;
}

struct counted {
	uint64_t *number;             /* of refusals, in order */
	const struct touch **several; /* refused transfers of more than one object, by their first refusal */
	size_t n_numbers, n_several;
};

static int by_since(const void *a, const void *b)
{
	const struct touch *x = *(const struct touch *const *)a, *y = *(const struct touch *const *)b;
	return x->since_ms < y->since_ms ? -1 : x->since_ms > y->since_ms;
}

/* How many of them had begun by then. */
static size_t begun(const struct counted *c, int64_t ms)
{
	size_t low = 0, high = c->n_several;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (c->several[middle]->since_ms <= ms) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* Several objects of a study are one transfer, which has the number of the first of their refusals alone. */
static bool in_transfer(const struct counted *c, const struct touch *alert)
{
	size_t n = alert->of_object ? begun(c, alert->time_ms) : 0;
	for (size_t i = 0; i < n && i < AGAIN_MOST; i++) {
		const struct touch *t = c->several[n - 1 - i];
		if (alert->time_ms <= t->end_ms &&
			(strcmp(t->from, alert->from) == 0 || strcmp(t->to, alert->from) == 0)) {
			return true;
		}
	}
	return false;
}

static void find_counted(const struct incident *in, struct counted *c)
{
	for (size_t i = 0; i < in->n_touches; i++) {
		const struct touch *t = &in->touches[i];
		if (counts_by_itself(t) && t->refusal) {
			c->number[c->n_numbers++] = t->refusal;
		}
		if (counts_by_itself(t) && t->failed > 1) {
			c->several[c->n_several++] = t;
		}
	}
	qsort(c->number, c->n_numbers, sizeof(c->number[0]), by_number);
	qsort(c->several, c->n_several, sizeof(c->several[0]), by_since);
}

static int count_refusals_once(struct incident *in)
{
	struct counted c = {.number = calloc(in->n_touches + 1, sizeof(c.number[0])),
		.several = calloc(in->n_touches + 1, sizeof(c.several[0]))};
	bool good = c.number && c.several;
	if (good) {
		find_counted(in, &c);
	}
	for (size_t i = 0; good && i < in->n_touches; i++) {
		struct touch *t = &in->touches[i];
		if (t->alert && t->how == HOW_REFUSED) {
			t->again = bsearch(&t->refusal, c.number, c.n_numbers, sizeof(c.number[0]),
					   by_number) != NULL ||
			           in_transfer(&c, t);
		}
	}
	free(c.number);
	free(c.several);
	return good ? 0 : ERR_NO_MEMORY;
}

/* ---- Patients and studies ---- */

static bool is_of_patient(const struct touch *t)
{
	return t->patient[0] || t->name[0] || t->study[0] || t->accession[0];
}

static int by_patient(const void *a, const void *b)
{
	const struct touch *x = a, *y = b;
	int c = (int)is_of_patient(y) - (int)is_of_patient(x);
	c = c ? c : strcmp(x->patient, y->patient);
	c = c ? c : strcmp(x->issuer, y->issuer);
	/* Without an identifier the name must do. */
	c = c || x->patient[0] ? c : strcmp(x->name, y->name);
	c = c ? c : strcmp(x->study, y->study);
	c = c || x->time_ms == y->time_ms ? c : x->time_ms < y->time_ms ? -1 : 1;
	return c ? c : x->part[0] < y->part[0] ? -1 : x->part[0] > y->part[0];
}

static bool same_patient(const struct touch *x, const struct touch *y)
{
	return strcmp(x->patient, y->patient) == 0 && strcmp(x->issuer, y->issuer) == 0 &&
	       (x->patient[0] || strcmp(x->name, y->name) == 0);
}

static void count(struct study *s, const struct touch *t)
{
	s->times[t->how] += !t->again;
	s->instances[t->how] += t->how == HOW_REFUSED ? (t->again ? 0 : t->failed) : t->count;
	s->at_least |= t->at_least;
	s->from_ms = s->n == 0 || t->time_ms < s->from_ms ? t->time_ms : s->from_ms;
	s->until_ms = s->n == 0 || t->end_ms > s->until_ms ? t->end_ms : s->until_ms;
	s->n++;
}

static int by_day(const void *a, const void *b)
{
	const struct day *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

static struct day *day_of(struct incident *in, int64_t ms)
{
	struct day key = {.number = when_day_number(ms)};
	when_day(ms, key.day);
	struct day *found = in->n_days ? bsearch(&key, in->days, in->n_days, sizeof(key), by_day) : NULL;
	if (found) {
		return found;
	}
	struct day *more = realloc(in->days, (in->n_days + 1) * sizeof(*more));
	if (!more) {
		return NULL;
	}
	in->days = more;
	in->days[in->n_days++] = key;
	qsort(in->days, in->n_days, sizeof(key), by_day);
	return bsearch(&key, in->days, in->n_days, sizeof(key), by_day);
}

static int count_days(struct incident *in)
{
	for (size_t i = 0; i < in->n_touches; i++) {
		const struct touch *t = &in->touches[i];
		if (t->again && t->alert) {
			continue; /* its day may be another than that of the record that counts */
		}
		struct day *d = day_of(in, t->time_ms);
		if (!d) {
			return ERR_NO_MEMORY;
		}
		d->times[t->how] += !t->again;
		d->instances += t->how == HOW_REFUSED ? 0 : t->count;
		bool first = i == 0 || !same_patient(t, t - 1) || strcmp(t->study, t[-1].study) != 0;
		d->studies += t->study[0] && (first || when_day_number(t[-1].time_ms) != d->number);
	}
	return 0;
}

static bool has_value(const char *list, const char *value, size_t len)
{
	for (const char *s = list;; s++) {
		size_t n = strcspn(s, "\\");
		if (n == len && memcmp(s, value, len) == 0) {
			return true;
		}
		s += n;
		if (!*s) {
			return false;
		}
	}
}

/* Those values of `text` that the list has not yet, behind it. */
static int add_values(char **list, const char *text)
{
	for (const char *s = text; *s;) {
		size_t n = strcspn(s, "\\"), len = strlen(*list);
		if (n > 0 && !has_value(*list, s, n)) {
			char *more = realloc(*list, len + n + 2);
			if (!more) {
				return ERR_NO_MEMORY;
			}
			snprintf(more + len, n + 2, "%s%.*s", len ? "\\" : "", (int)n, s);
			*list = more;
		}
		s += n + (s[n] != 0);
	}
	return 0;
}

static int gather(struct incident *in)
{
	int e = 0;
	for (size_t i = 0; e == 0 && i < in->n_studies; i++) {
		struct study *s = &in->studies[i];
		s->names = calloc(1, 1);
		s->accessions = calloc(1, 1);
		s->certificates = calloc(1, 1);
		e = s->names && s->accessions && s->certificates ? 0 : ERR_NO_MEMORY;
		for (size_t k = s->first; e == 0 && k < s->first + s->n; k++) {
			e = add_values(&s->names, in->touches[k].name);
			e = e == 0 ? add_values(&s->accessions, in->touches[k].accession) : e;
			e = e == 0 ? add_values(&s->certificates, in->touches[k].from_certificate) : e;
			e = e == 0 ? add_values(&s->certificates, in->touches[k].to_certificate) : e;
		}
	}
	return e;
}

int studies_make(struct incident *in)
{
	if (in->n_touches > 0) {
		qsort(in->touches, in->n_touches, sizeof(in->touches[0]), by_patient);
	}
	in->studies = calloc(in->n_touches + 1, sizeof(in->studies[0]));
	int e = in->studies ? count_refusals_once(in) : ERR_NO_MEMORY;
	e = e == 0 ? count_days(in) : e;
	for (size_t i = 0; e == 0 && i < in->n_touches; i++) {
		const struct touch *t = &in->touches[i], *before = i > 0 ? t - 1 : NULL;
		if (!is_of_patient(t)) {
			break; /* they come last */
		}
		bool new_patient = !before || !same_patient(t, before);
		in->n_patients += new_patient && (t->patient[0] || t->name[0]);
		if (new_patient || strcmp(t->study, before->study) != 0) {
			in->n_uids += t->study[0] != 0;
			in->studies[in->n_studies++] = (struct study){.first = i};
		}
		count(&in->studies[in->n_studies - 1], t);
	}
	e = e == 0 ? gather(in) : e;
	if (e != 0) {
		fprintf(stderr, "%s: %s\n", in->l.name, err_str(e));
		return AUDIT_UNREADABLE;
	}
	return AUDIT_GOOD;
}
