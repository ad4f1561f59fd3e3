/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/armor.h"
#include "base/clock.h"
#include "cli/audit_print.h"
#include "cli/incident.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder with the report. What is in it names patients: it is the user's alone. */

/* ---- incident.csv: a line a study ---- */

static void iso(FILE *to, int64_t ms)
{
	char text[CLOCK_ISO_LEN];
	clock_iso(ms, text);
	csv_text(to, text, false);
}

static void csv_records(FILE *to, const struct incident *in, const struct study *s)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	if (!f) {
		csv_text(to, "", false);
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		const struct touch *t = &in->touches[s->first + i];
		for (unsigned k = 0; k < t->n_parts; k++) {
			fprintf(f, "%s%" PRIu64, i + k ? " " : "", t->part[k]);
		}
	}
	(void)fclose(f);
	csv_text(to, text ? text : "", false);
	free(text);
}

static int write_csv(const struct incident *in, FILE *to)
{
	static const char *const names[] = {
		"patient_id", "issuer", "patient_name", "study", "accession", "first", "last"};
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		csv_text(to, names[i], i == 0);
	}
	for (unsigned h = 0; h < HOW_COUNT; h++) {
		csv_text(to, how_name(h), false);
	}
	fputs(",instances_stored,instances_retrieved,instances_refused,instances_interrupted,at_least,records,certificates",
		to);
	csv_end(to);
	for (size_t i = 0; i < in->n_studies; i++) {
		const struct study *s = &in->studies[i];
		const struct touch *t = &in->touches[s->first];
		csv_text(to, t->patient, true);
		csv_text(to, t->issuer, false);
		csv_text(to, s->names, false);
		csv_text(to, t->study, false);
		csv_text(to, s->accessions, false);
		iso(to, s->from_ms);
		iso(to, s->until_ms);
		for (unsigned h = 0; h < HOW_COUNT; h++) {
			csv_number(to, s->times[h], false);
		}
		csv_number(to, s->instances[HOW_STORED], false);
		csv_number(to, s->instances[HOW_RETRIEVED], false);
		csv_number(to, s->instances[HOW_REFUSED], false);
		csv_number(to, s->instances[HOW_INTERRUPTED], false);
		csv_number(to, s->at_least, false);
		csv_records(to, in, s);
		csv_text(to, s->certificates, false);
		csv_end(to);
	}
	return AUDIT_GOOD;
}

/* ---- incident.json ---- */

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text && text[0]) {
		(void)json_object_set_new(o, key, json_string(text));
	}
}

static void set_number(json_t *o, const char *key, uint64_t n)
{
	(void)json_object_set_new(o, key, json_integer((json_int_t)n));
}

static void set_time(json_t *o, const char *key, int64_t ms)
{
	char text[CLOCK_ISO_LEN];
	clock_iso(ms, text);
	set_text(o, key, text);
}

static json_t *counts(const uint64_t n[HOW_COUNT])
{
	json_t *o = json_object();
	for (unsigned h = 0; h < HOW_COUNT; h++) {
		set_number(o, how_name(h), n[h]);
	}
	return o;
}

static json_t *touch_json(const struct touch *t)
{
	json_t *o = json_object(), *records = json_array();
	for (unsigned k = 0; k < t->n_parts; k++) {
		(void)json_array_append_new(records, json_integer((json_int_t)t->part[k]));
	}
	(void)json_object_set_new(o, "records", records);
	set_time(o, "time", t->time_ms);
	set_time(o, "end", t->end_ms);
	set_text(o, "how", how_name(t->how));
	set_text(o, "what", t->what);
	set_text(o, "from", t->from);
	set_text(o, "to", t->to);
	set_text(o, "from_certificate", t->from_certificate);
	set_text(o, "to_certificate", t->to_certificate);
	if (t->by_subject) {
		(void)json_object_set_new(o, "by_subject", json_true());
	}
	set_text(o, "user", t->user);
	set_text(o, "patient_name", t->name);
	set_text(o, "accession", t->accession);
	set_number(o, "instances", t->count);
	set_number(o, "failed", t->failed);
	if (t->refusal) {
		set_number(o, "refusal", t->refusal);
	}
	(void)json_object_set_new(o, "at_least", json_boolean(t->at_least));
	(void)json_object_set_new(o, "counted_with_another", json_boolean(t->again));
	set_text(o, "text", t->text);
	return o;
}

static json_t *study_json(const struct incident *in, const struct study *s)
{
	const struct touch *t = &in->touches[s->first];
	json_t *o = json_object(), *entries = json_array();
	set_text(o, "patient_id", t->patient);
	set_text(o, "issuer", t->issuer);
	set_text(o, "patient_name", s->names);
	set_text(o, "study", t->study);
	set_text(o, "accession", s->accessions);
	set_time(o, "first", s->from_ms);
	set_time(o, "last", s->until_ms);
	(void)json_object_set_new(o, "entries_by_how", counts(s->times));
	(void)json_object_set_new(o, "instances_by_how", counts(s->instances));
	(void)json_object_set_new(o, "at_least", json_boolean(s->at_least));
	for (size_t i = 0; i < s->n; i++) {
		(void)json_array_append_new(entries, touch_json(&in->touches[s->first + i]));
	}
	(void)json_object_set_new(o, "entries", entries);
	return o;
}

static json_t *notes_json(const struct notes *n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n->n; i++) {
		(void)json_array_append_new(list, json_string(n->at[i]));
	}
	return list;
}

static json_t *scope_json(const struct incident *in)
{
	const struct search_criteria *c = &in->l.criteria;
	struct audit_fingerprint f = {.known = c->fingerprint != NULL};
	char fingerprint[AUDIT_FINGERPRINT_TEXT];
	json_t *o = json_object();
	memcpy(f.at, c->fingerprint ? c->fingerprint : f.at, sizeof(f.at));
	audit_fingerprint_text(&f, fingerprint);
	set_text(o, "origin", in->origin);
	if (c->from_ms != INT64_MIN) {
		set_time(o, "from", c->from_ms);
	}
	if (c->until_ms != INT64_MAX) {
		set_time(o, "until", c->until_ms);
	}
	set_text(o, "patient", c->patient);
	set_text(o, "issuer", c->issuer);
	set_text(o, "name", c->name);
	set_text(o, "accession", c->accession);
	set_text(o, "study", c->study);
	set_text(o, "node", c->node);
	set_text(o, "user", c->user);
	set_text(o, "certificate", c->certificate);
	set_text(o, "fingerprint", fingerprint);
	set_text(o, "serial", c->serial);
	set_text(o, "certificate_issuer", c->certificate_issuer);
	set_text(o, "version", in->version);
	if (c->refusal) {
		set_number(o, "refusal", c->refusal);
	}
	if (in->has_records) {
		set_number(o, "first_record", in->first);
		set_number(o, "last_record", in->last);
		set_number(o, "records_read", in->totals.read);
	}
	return o;
}

static json_t *checkpoint_json(const struct incident *in)
{
	char root[ARMOR_LEN(MERKLE_HASH) + 1];
	struct writer w = writer_of(root, sizeof(root));
	json_t *o = json_object();
	armor_write(&w, span_of(in->scope.checkpoint.root.at, MERKLE_HASH));
	writer_u8(&w, 0);
	set_number(o, "size", in->scope.checkpoint.size);
	set_text(o, "root", root);
	set_number(o, "covers_up_to", in->scope.covered - 1);
	return o;
}

static json_t *days_json(const struct incident *in)
{
	json_t *list = json_array();
	for (size_t i = 0; i < in->n_days; i++) {
		json_t *o = json_object();
		set_text(o, "day", in->days[i].day);
		set_number(o, "studies", in->days[i].studies);
		set_number(o, "instances", in->days[i].instances);
		(void)json_object_set_new(o, "entries_by_how", counts(in->days[i].times));
		(void)json_array_append_new(list, o);
	}
	return list;
}

static int write_json(const struct incident *in, FILE *to)
{
	json_t *o = json_object(), *studies = json_array(), *others = json_array();
	size_t first_other = in->n_studies > 0
	                             ? in->studies[in->n_studies - 1].first + in->studies[in->n_studies - 1].n
	                             : 0;
	(void)json_object_set_new(o, "scope", scope_json(in));
	(void)json_object_set_new(o, "complete", json_boolean(in->complete));
	if (in->complete) {
		set_time(o, "complete_until", incident_until(in));
	}
	(void)json_object_set_new(o, "incomplete_because", notes_json(&in->lacks));
	(void)json_object_set_new(o, "not_covered", notes_json(&in->uncovered));
	if (in->scope.proved) {
		(void)json_object_set_new(o, "checkpoint", checkpoint_json(in));
	}
	set_number(o, "patients", in->n_patients);
	(void)json_object_set_new(o, "days", days_json(in));
	for (size_t i = 0; i < in->n_studies; i++) {
		(void)json_array_append_new(studies, study_json(in, &in->studies[i]));
	}
	for (size_t i = first_other; i < in->n_touches; i++) {
		(void)json_array_append_new(others, touch_json(&in->touches[i]));
	}
	(void)json_object_set_new(o, "studies", studies);
	(void)json_object_set_new(o, "without_patient", others);
	int e = json_dumpf(o, to, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	putc('\n', to);
	json_decref(o);
	return e == 0 ? AUDIT_GOOD : AUDIT_UNREADABLE;
}

/* ---- The folder ---- */

static int write_statement(const struct incident *in, FILE *to)
{
	incident_statement(in, to);
	return AUDIT_GOOD;
}

static int write_html(const struct incident *in, FILE *to)
{
	incident_html(in, to);
	return AUDIT_GOOD;
}

static const struct {
	const char *name;
	int (*write)(const struct incident *in, FILE *to);
} files[] = {{"incident.csv", write_csv}, {"incident.json", write_json}, {"incident.html", write_html},
	{"statement.txt", write_statement}};

static int write_one(const struct incident *in, int dir, unsigned which)
{
	int fd = openat(dir, files[which].name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
	int code = to ? files[which].write(in, to) : AUDIT_UNREADABLE;
	bool bad = !to || ferror(to);
	bad = (to && fclose(to) != 0) || bad;
	if (bad || code != AUDIT_GOOD) {
		fprintf(stderr, "%s: cannot write %s/%s: %s\n", in->l.name, in->out, files[which].name,
			strerror(errno));
		return AUDIT_UNREADABLE;
	}
	return AUDIT_GOOD;
}

int incident_make_folder(const struct incident *in)
{
	if (mkdir(in->out, 0700) < 0) {
		fprintf(stderr, "%s: --out %s: %s\n", in->l.name, in->out,
			errno == EEXIST ? "it is there already, and a report has a folder of its own"
					: strerror(errno));
		return AUDIT_UNREADABLE;
	}
	return AUDIT_GOOD;
}

int incident_write(struct incident *in)
{
	int dir = open(in->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		fprintf(stderr, "%s: %s: %s\n", in->l.name, in->out, strerror(errno));
		return AUDIT_UNREADABLE;
	}
	/* Proofs first: the statement says what could not be proved. */
	int code = incident_write_proofs(in, dir);
	for (unsigned i = 0; code == AUDIT_GOOD && i < ARRAY_LEN(files); i++) {
		code = write_one(in, dir, i);
	}
	close(dir);
	return code;
}
