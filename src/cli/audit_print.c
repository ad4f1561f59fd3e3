/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_print.h"
#include "base/clock.h"
#include "cli/when.h"

#include <inttypes.h>
#include <string.h>

/* ---- Words ---- */

const char *outcome_name(enum audit_outcome o)
{
	switch (o) {
	case AUDIT_SUCCESS:
		return "success";
	case AUDIT_MINOR:
		return "minor";
	case AUDIT_SERIOUS:
		return "serious";
	case AUDIT_MAJOR:
		return "major";
	}
	return "unknown";
}

const char *hit_how(const struct search_hit *h)
{
	switch (h->event->kind) {
	case AUDIT_BEGIN:
	case AUDIT_TRANSFERRED:
	case AUDIT_INTERRUPTED:
		return h->state == SEARCH_REFUSED            ? "refused"
		       : h->event->to_caller                 ? "retrieved"
		       : h->event->kind == AUDIT_INTERRUPTED ? "interrupted"
		                                             : "stored";
	case AUDIT_QUERY:
		return h->refusal ? "refused" : "queried";
	case AUDIT_PATIENT_SHOWN:
		return "shown";
	case AUDIT_ALERT:
		return h->refusal && h->outcome > AUDIT_MINOR ? "refused" : "alert";
	default:
		return audit_kind_name(h->event->kind);
	}
}

static bool is_transfer(const struct search_hit *h)
{
	return h->state != SEARCH_EVENT;
}

void hit_what(const struct search_hit *h, char buf[HIT_WHAT_MOST])
{
	const char *how = hit_how(h);
	const char *least = h->at_least ? "at least " : "";
	if (!is_transfer(h)) {
		snprintf(buf, HIT_WHAT_MOST, "%s%s", how,
			h->event->kind == AUDIT_QUERY && h->refusal ? " query" : "");
	} else if (h->state == SEARCH_REFUSED) {
		snprintf(buf, HIT_WHAT_MOST, "refused %" PRIu64, h->failed);
	} else if (h->state == SEARCH_FAILED) {
		snprintf(buf, HIT_WHAT_MOST, "%s none of %" PRIu64, how, h->failed);
	} else if (h->failed > 0) {
		snprintf(buf, HIT_WHAT_MOST, "%s %s%" PRIu64 " of %" PRIu64, how, least, h->count,
			h->count + h->failed);
	} else {
		snprintf(buf, HIT_WHAT_MOST, "%s %s%" PRIu64 "%s%s", how, least, h->count,
			h->state == SEARCH_COMPLETE ? "" : ", ",
			h->state == SEARCH_COMPLETE ? "" : search_state_name(h->state));
	}
}

/* ---- Text ---- */

/* How many bytes at p command a terminal or turn the direction of what follows; 0: none do. */
static size_t commands(const unsigned char *p)
{
	if (*p < 0x20 || *p == 0x7f) {
		return 1;
	}
	/* C1's control characters are C2 80 to C2 9F; U+061C is D8 9C. */
	if ((p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) || (p[0] == 0xd8 && p[1] == 0x9c)) {
		return 2;
	}
	/* U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069 */
	bool mark = p[0] == 0xe2 && p[1] == 0x80 &&
	            (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xaa && p[2] <= 0xae));
	bool isolate = p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9;
	return mark || isolate ? 3 : 0;
}

size_t audit_put_text(FILE *to, const char *text)
{
	size_t columns = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = commands(p);
		putc(n > 0 ? '?' : *p, to);
		columns += (*p & 0xc0) != 0x80;
		p += n > 0 ? n : 1;
	}
	return columns;
}

void audit_print_text(const char *text)
{
	(void)audit_put_text(stdout, text);
}

static void column(FILE *to, const char *text, size_t width)
{
	size_t n = audit_put_text(to, text);
	fprintf(to, "%*s", n < width ? (int)(width - n) + 2 : 2, "");
}

#define WHAT_WIDTH    24
#define WHO_WIDTH     22
#define PATIENT_WIDTH 28

void print_text_head(FILE *to)
{
	column(to, "TIME", WHEN_LEN - 1);
	column(to, "WHAT", WHAT_WIDTH);
	column(to, "WHO", WHO_WIDTH);
	column(to, "PATIENT", PATIENT_WIDTH);
	fputs("ACCESSION, STUDY, MORE\n", to);
}

static void party(const struct audit_party *p, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s", p->node[0] ? p->node : p->ae[0] ? p->ae : p->address);
}

static void who(const struct audit_event *ev, char *buf, size_t cap)
{
	char from[66], to[66];
	party(&ev->from, from, sizeof(from));
	party(&ev->to, to, sizeof(to));
	if (!from[0] && !to[0]) {
		snprintf(buf, cap, "%s", ev->user);
		return;
	}
	snprintf(buf, cap, "%s%s%s%s%s%s", from, to[0] ? (ev->to_caller ? " < " : " > ") : "", to,
		ev->user[0] ? " (" : "", ev->user, ev->user[0] ? ")" : "");
}

static void more(FILE *to, const char *before, const char *text)
{
	if (text[0]) {
		fputs("  ", to);
		fputs(before, to);
		(void)audit_put_text(to, text);
	}
}

void print_text(FILE *to, const struct search_hit *h)
{
	const struct audit_event *ev = h->event;
	char time[WHEN_LEN], what[HIT_WHAT_MOST], name[600], patient[AUDIT_ID_MOST + AUDIT_NAME_MOST + 4];
	when_text(h->time_ms, time);
	hit_what(h, what);
	who(ev, name, sizeof(name));
	snprintf(patient, sizeof(patient), "%s%s%s", ev->patient_id, ev->patient_name[0] ? "  " : "",
		ev->patient_name);
	column(to, time, WHEN_LEN - 1);
	column(to, what, WHAT_WIDTH);
	column(to, name, WHO_WIDTH);
	column(to, patient, PATIENT_WIDTH);
	fprintf(to, "#%" PRIu64, h->index);
	for (unsigned i = 0; i < ev->n_accession; i++) {
		more(to, "", ev->accession[i]);
	}
	more(to, "", ev->study);
	if (h->refusal) {
		fprintf(to, "  refusal %" PRIu64, h->refusal);
	}
	more(to, "", ev->text);
	more(to, "", ev->object);
	putc('\n', to);
}

/* ---- CSV ---- */

/* What a cell begins with that is calculated; those of full width are where Japanese is written. */
static bool is_formula(const char *text)
{
	static const char *const wide[] = {"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};
	bool formula = text[0] && strchr("=+-@\t\r", text[0]);
	for (unsigned i = 0; !formula && i < ARRAY_LEN(wide); i++) {
		formula = strncmp(text, wide[i], 3) == 0;
	}
	return formula;
}

void csv_text(FILE *to, const char *text, bool first)
{
	bool formula = is_formula(text);
	bool quoted = strpbrk(text, ",\"\r\n") != NULL;
	if (!first) {
		putc(',', to);
	}
	if (quoted) {
		putc('"', to);
	}
	if (formula) {
		putc('\'', to);
	}
	for (; *text; text++) {
		if (*text == '"') {
			putc('"', to);
		}
		putc(*text, to);
	}
	if (quoted) {
		putc('"', to);
	}
}

void csv_number(FILE *to, uint64_t n, bool first)
{
	fprintf(to, "%s%" PRIu64, first ? "" : ",", n);
}

void csv_end(FILE *to)
{
	fputs("\r\n", to);
}

void print_csv_head(FILE *to)
{
	static const char *const names[] = {"record", "last_record", "time", "end", "kind", "how", "state",
		"outcome", "refusal", "instances", "at_least", "failed", "from_node", "from_ae",
		"from_address", "from_subject", "to_node", "to_ae", "to_address", "to_subject", "user",
		"user_proved", "patient_id", "issuer", "patient_name", "study", "accession", "association",
		"text", "object", "from_certificate", "to_certificate", "by_subject", "from_serial",
		"from_issuer", "to_serial", "to_issuer"};
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		csv_text(to, names[i], i == 0);
	}
	csv_end(to);
}

static const char *kind_of(const struct search_hit *h)
{
	return is_transfer(h) ? "transfer" : audit_kind_name(h->event->kind);
}

static void csv_party(FILE *to, const struct audit_party *p)
{
	csv_text(to, p->node, false);
	csv_text(to, p->ae, false);
	csv_text(to, p->address, false);
	csv_text(to, p->subject, false);
}

static void csv_fingerprint(FILE *to, const struct audit_fingerprint *f)
{
	char text[AUDIT_FINGERPRINT_TEXT];
	audit_fingerprint_text(f, text);
	csv_text(to, text, false);
}

static void csv_accessions(FILE *to, const struct audit_event *ev)
{
	char all[AUDIT_ACCESSIONS * AUDIT_ID_MOST] = "";
	size_t len = 0;
	for (unsigned i = 0; i < ev->n_accession; i++) {
		int n = snprintf(all + len, sizeof(all) - len, "%s%s", i ? "\\" : "", ev->accession[i]);
		len += n > 0 ? (size_t)n : 0;
	}
	csv_text(to, all, false);
}

void print_csv(FILE *to, const struct search_hit *h)
{
	const struct audit_event *ev = h->event;
	char time[CLOCK_ISO_LEN], end[CLOCK_ISO_LEN];
	clock_iso(h->time_ms, time);
	clock_iso(h->end_ms, end);
	csv_number(to, h->index, true);
	csv_number(to, h->part[h->n_parts - 1], false);
	csv_text(to, time, false);
	csv_text(to, end, false);
	csv_text(to, kind_of(h), false);
	csv_text(to, hit_how(h), false);
	csv_text(to, search_state_name(h->state), false);
	csv_text(to, outcome_name(h->outcome), false);
	csv_number(to, h->refusal, false);
	csv_number(to, h->count, false);
	csv_number(to, h->at_least, false);
	csv_number(to, h->failed, false);
	csv_party(to, &ev->from);
	csv_party(to, &ev->to);
	csv_text(to, ev->user, false);
	csv_number(to, ev->user_proved, false);
	csv_text(to, ev->patient_id, false);
	csv_text(to, ev->patient_issuer, false);
	csv_text(to, ev->patient_name, false);
	csv_text(to, ev->study, false);
	csv_accessions(to, ev);
	csv_number(to, ev->association, false);
	csv_text(to, ev->text, false);
	csv_text(to, ev->object, false);
	csv_fingerprint(to, &ev->from_certificate);
	csv_fingerprint(to, &ev->to_certificate);
	csv_number(to, h->by_subject, false);
	csv_text(to, ev->from.serial, false);
	csv_text(to, ev->from.issuer, false);
	csv_text(to, ev->to.serial, false);
	csv_text(to, ev->to.issuer, false);
	csv_end(to);
}

/* ---- JSON ---- */

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text[0]) {
		(void)json_object_set_new(o, key, json_string(text));
	}
}

static void set_number(json_t *o, const char *key, uint64_t n)
{
	(void)json_object_set_new(o, key, json_integer((json_int_t)n));
}

static json_t *party_json(const struct audit_party *p, const struct audit_fingerprint *f)
{
	char fingerprint[AUDIT_FINGERPRINT_TEXT];
	json_t *o = json_object();
	audit_fingerprint_text(f, fingerprint);
	set_text(o, "node", p->node);
	set_text(o, "ae", p->ae);
	set_text(o, "address", p->address);
	set_text(o, "certificate", p->subject);
	set_text(o, "fingerprint", fingerprint);
	set_text(o, "serial", p->serial);
	set_text(o, "issuer", p->issuer);
	return o;
}

static void set_patient(json_t *o, const struct audit_event *ev)
{
	json_t *patient = json_object(), *accessions = json_array();
	set_text(patient, "id", ev->patient_id);
	set_text(patient, "issuer", ev->patient_issuer);
	set_text(patient, "name", ev->patient_name);
	for (unsigned i = 0; i < ev->n_accession; i++) {
		(void)json_array_append_new(accessions, json_string(ev->accession[i]));
	}
	(void)json_object_set_new(o, "patient", patient);
	set_text(o, "study", ev->study);
	(void)json_object_set_new(o, "accessions", accessions);
}

static void set_transfer(json_t *o, const struct search_hit *h)
{
	json_t *classes = json_array();
	set_text(o, "state", search_state_name(h->state));
	set_number(o, "instances", h->count);
	(void)json_object_set_new(o, "at_least", json_boolean(h->at_least));
	set_number(o, "failed", h->failed);
	for (unsigned i = 0; i < h->event->n_sop; i++) {
		(void)json_array_append_new(
			classes, json_pack("{s:s,s:I}", "uid", h->event->sop[i].uid, "instances",
					 (json_int_t)h->event->sop[i].instances));
	}
	(void)json_object_set_new(o, "classes", classes);
}

static void set_others(json_t *o, const struct audit_event *ev)
{
	set_number(o, "association", ev->association);
	set_text(o, "user", ev->user);
	if (ev->user[0]) {
		(void)json_object_set_new(o, "user_proved", json_boolean(ev->user_proved));
	}
	if (ev->kind == AUDIT_ALERT) {
		set_number(o, "alert", ev->alert);
		set_number(o, "times", ev->times > 1 ? ev->times : 1);
	}
	set_text(o, "query_class", ev->query_class);
	set_text(o, "text", ev->text);
	set_text(o, "object", ev->object);
}

json_t *hit_json(const struct search_hit *h)
{
	const struct audit_event *ev = h->event;
	char time[CLOCK_ISO_LEN];
	json_t *o = json_object(), *records = json_array();
	for (unsigned i = 0; i < h->n_parts; i++) {
		(void)json_array_append_new(records, json_integer((json_int_t)h->part[i]));
	}
	(void)json_object_set_new(o, "records", records);
	clock_iso(h->time_ms, time);
	set_text(o, "time", time);
	clock_iso(h->end_ms, time);
	set_text(o, "end", time);
	set_text(o, "kind", kind_of(h));
	set_text(o, "how", hit_how(h));
	set_text(o, "outcome", outcome_name(h->outcome));
	if (h->refusal) {
		set_number(o, "refusal", h->refusal);
	}
	if (is_transfer(h)) {
		set_transfer(o, h);
	}
	(void)json_object_set_new(o, "from", party_json(&ev->from, &ev->from_certificate));
	(void)json_object_set_new(o, "to", party_json(&ev->to, &ev->to_certificate));
	if (h->by_subject) {
		(void)json_object_set_new(o, "by_subject", json_true());
	}
	set_patient(o, ev);
	set_others(o, ev);
	return o;
}
