/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/armor.h"
#include "audit/proof.h"
#include "audit/verify.h"
#include "base/clock.h"
#include "cli/incident.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the list rests on: the tree, the signed checkpoint, and proofs that others can check. */

bool incident_note(struct notes *n, const char *format, ...)
{
	va_list args;
	char *text = NULL;
	if (n->n == n->cap) {
		size_t cap = n->cap ? 2 * n->cap : 16;
		char **more = realloc(n->at, cap * sizeof(*more));
		if (!more) {
			return false;
		}
		n->at = more;
		n->cap = cap;
	}
	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0) {
		return false;
	}
	n->at[n->n++] = text;
	return true;
}

static int no_memory(const struct incident *in)
{
	fprintf(stderr, "%s: out of memory\n", in->l.name);
	return AUDIT_UNREADABLE;
}

/* ---- Holding the records against the checkpoint ---- */

static void progress(void *arg, uint64_t record, uint64_t until)
{
	const struct incident *in = arg;
	if (in->terminal) {
		fprintf(stderr, "\rverified up to record %" PRIu64 " of %" PRIu64, record, until);
		(void)fflush(stderr);
	}
}

/* The records of the list, which may lie beside the scope: the beginning of a transfer, or its end. */
static void reach(const struct incident *in, uint64_t *ret_least, uint64_t *ret_furthest)
{
	*ret_least = in->first;
	*ret_furthest = in->last;
	for (size_t i = 0; i < in->n_touches; i++) {
		const struct touch *t = &in->touches[i];
		for (unsigned k = 0; k < t->n_parts; k++) {
			*ret_least = t->part[k] < *ret_least ? t->part[k] : *ret_least;
			*ret_furthest = t->part[k] > *ret_furthest ? t->part[k] : *ret_furthest;
		}
	}
}

static struct scope_request request_of(struct incident *in)
{
	struct scope_request q = {.dirs = in->l.folders,
		.n_dirs = in->l.n_folders,
		.keys = in->keys.keys,
		.n_keys = in->keys.n_keys,
		.first = in->first,
		.end = in->last + 1,
		.progress = progress,
		.arg = in};
	q.note = span_of(in->checkpoint_note, in->checkpoint_len);
	reach(in, &q.least, &q.furthest);
	return q;
}

static bool say_scope(struct incident *in)
{
	const struct scope_result *s = &in->scope;
	struct notes *n = &in->lacks;
	if (in->scope_error == ERR_VALUE) {
		return incident_note(
			n, "%s is no checkpoint of this journal that its key signed", in->checkpoint);
	}
	if (in->scope_error != 0) {
		return incident_note(n,
			"there is no checkpoint that the journal's key signed (is --vkey the key of this journal's checkpoints?)");
	}
	if (s->contradicts) {
		return incident_note(n,
			"a signed checkpoint says that the journal's records were others: they were changed since; `gantry audit "
			"verify` says more");
	}
	if (s->damaged <= in->last) {
		return incident_note(n, "record %" PRIu64 " cannot be read, or is missing", s->damaged);
	}
	if (!s->proved) {
		return incident_note(n,
			s->damaged == UINT64_MAX
				? "no signed checkpoint covers these records yet"
				: "the journal is damaged between these records and the checkpoint that covers them");
	}
	return memcmp(s->chain.at, in->totals.chain.at, MERKLE_HASH) == 0 ||
	       incident_note(n, "the journal was changed while it was read");
}

static bool say_search(struct incident *in)
{
	const struct search_totals *t = &in->totals;
	bool ok = true;
	if (t->problems > 0) {
		ok = incident_note(
			&in->lacks, "not all records could be read or opened; standard error has said which");
	}
	if (ok && t->closed > 0) {
		ok = incident_note(&in->lacks,
			"%" PRIu64 " records among %" PRIu64 " to %" PRIu64
			" were sealed for other auditors, and do not open with this key",
			t->closed, t->closed_first, t->closed_last);
	}
	return ok;
}

static bool say_patient(struct incident *in)
{
	const struct search_criteria *c = &in->l.criteria;
	bool of_one = c->patient || c->name || c->accession || c->study;
	return !of_one ||
	       incident_note(&in->uncovered,
		       "What names another identifier, name or number, or none: each is compared as it was told. Refused "
		       "associations, logins and requests for all of something name nobody.");
}

static bool say_tail(struct incident *in)
{
	const struct scope_result *s = &in->scope;
	if (!s->proved || s->covered > in->last) {
		return true;
	}
	return incident_note(&in->uncovered,
		"What was recorded after that checkpoint, from record %" PRIu64
		" on. It is in the list if it belongs there, but nothing that is signed vouches for it yet.",
		s->covered);
}

int incident_prove(struct incident *in)
{
	if (!in->has_records) {
		return AUDIT_GOOD;
	}
	struct scope_request q = request_of(in);
	in->scope_error = scope_prove(&q, &in->scope);
	if (in->terminal) {
		fputs("\r\033[K", stderr);
	}
	if (in->scope_error == ERR_SYSTEM || in->scope_error == ERR_NO_MEMORY) {
		fprintf(stderr, "%s: %s\n", in->l.name,
			in->scope_error == ERR_SYSTEM ? strerror(errno) : err_str(in->scope_error));
		return AUDIT_UNREADABLE;
	}
	if (!say_scope(in) || !say_search(in) || !incident_say_certificates(in) || !say_patient(in) ||
		!say_tail(in)) {
		return no_memory(in);
	}
	in->complete = in->lacks.n == 0 && in->scope.proved;
	return AUDIT_GOOD;
}

/* ---- Files ---- */

static int write_file(const struct incident *in, int dir, const char *name, const void *bytes, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool ok = f && fwrite(bytes, 1, len, f) == len;
	ok = f && fclose(f) == 0 && ok;
	if (!ok) {
		fprintf(stderr, "%s: cannot write %s/proofs/%s: %s\n", in->l.name, in->out, name,
			strerror(errno));
		return AUDIT_UNREADABLE;
	}
	return AUDIT_GOOD;
}

struct writing {
	struct incident *in;
	int dir;
};

static int write_proof(void *arg, uint64_t index, const char *text, size_t len)
{
	const struct writing *w = arg;
	char name[64];
	snprintf(name, sizeof(name), "record-%" PRIu64 ".tlog-proof", index);
	w->in->n_proofs++;
	return write_file(w->in, w->dir, name, text, len) == AUDIT_GOOD ? 0 : ERR_CLOSED;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* Those that the checkpoint covers, ascending, each once. */
static uint64_t *listed(const struct incident *in, size_t *ret_n)
{
	size_t n = 0, kept = 0;
	uint64_t *all = calloc(in->n_touches * SEARCH_PARTS + 1, sizeof(*all));
	for (size_t i = 0; all && i < in->n_touches; i++) {
		const struct touch *t = &in->touches[i];
		for (unsigned k = 0; k < t->n_parts; k++) {
			if (t->part[k] < in->scope.checkpoint.size) {
				all[n++] = t->part[k];
			}
		}
	}
	if (n > 0) {
		qsort(all, n, sizeof(*all), by_number);
	}
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || all[kept - 1] != all[i]) {
			all[kept++] = all[i];
		}
	}
	*ret_n = kept;
	return all;
}

static int write_records(struct incident *in, int dir)
{
	size_t n;
	struct writing w = {.in = in, .dir = dir};
	struct scope_request q = request_of(in);
	uint64_t *indices = listed(in, &n);
	if (!indices) {
		return no_memory(in);
	}
	int e = scope_proofs(&q, &in->scope, indices, n, write_proof, &w);
	free(indices);
	if (e != 0 && e != ERR_CLOSED) {
		fprintf(stderr, "%s: proofs: %s\n", in->l.name,
			e == ERR_VALUE ? "the journal was changed while it was read" : err_str(e));
	}
	return e == 0 ? AUDIT_GOOD : AUDIT_UNREADABLE;
}

/* The hashes of all records of the scope: with a copy of the journal, `gantry audit verify --leaves` compares them. */
static int write_leaves(const struct incident *in, FILE *to)
{
	struct journal_reader *r = NULL;
	struct journal_entry e;
	char head[NOTE_NAME_MOST + 64], line[ARMOR_LEN(MERKLE_HASH) + 1];
	struct writer w = writer_of(head, sizeof(head));
	int err = journal_reader_open(in->l.folders, in->l.n_folders, &r);
	leaves_write_head(&w, in->origin, in->first);
	(void)fwrite(head, 1, w.len, to);
	if (err == 0) {
		journal_reader_seek(r, in->first);
	}
	for (uint64_t i = in->first; err == 0 && i < in->scope.covered; i++) {
		err = journal_reader_next(r, &e) == 1 && e.index == i ? 0 : ERR_VALUE;
		if (err == 0) {
			w = writer_of(line, sizeof(line));
			armor_write(&w, span_of(e.leaf.at, MERKLE_HASH));
			writer_u8(&w, '\n');
			(void)fwrite(line, 1, w.len, to);
		}
	}
	journal_reader_free(r);
	return err;
}

static int leaves_file(struct incident *in, int dir)
{
	int fd = openat(dir, "leaves", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
	int e = to ? write_leaves(in, to) : ERR_SYSTEM;
	bool bad = to && ferror(to);
	bad = (to && fclose(to) != 0) || bad;
	if (e != 0 || bad) {
		fprintf(stderr, "%s: cannot write %s/proofs/leaves: %s\n", in->l.name, in->out,
			e == ERR_SYSTEM || bad ? strerror(errno) : err_str(e));
		return AUDIT_UNREADABLE;
	}
	return AUDIT_GOOD;
}

/* That the journal's latest checkpoint continues the one that the list rests on. */
static int write_consistency(struct incident *in, int dir)
{
	uint8_t *latest;
	size_t len, text_len;
	char *text = NULL, name[80];
	struct signed_note note;
	struct checkpoint c;
	int code = AUDIT_GOOD;
	if (io_read_file(&journal_io_system, in->l.folders[0], "checkpoint", NOTE_MOST, &latest, &len) != 0) {
		return AUDIT_GOOD;
	}
	int e = checkpoint_read_note(span_of(latest, len), &note, &c);
	if (e == 0 && c.size > in->scope.checkpoint.size) {
		e = proof_make_consistency(in->l.folders, in->l.n_folders,
			span_of(in->scope.note, in->scope.note_len), span_of(latest, len), &text, &text_len);
		if (e == 0) {
			snprintf(name, sizeof(name), "checkpoint-%" PRIu64 "-to-%" PRIu64 ".proof",
				in->scope.checkpoint.size, c.size);
			code = write_file(in, dir, name, text, text_len);
		}
	}
	/* The list does not rest on it. */
	if (e != 0 && !incident_note(&in->uncovered,
			      "That the journal's latest checkpoint continues that of size %" PRIu64
			      " could not be proved from these folders: %s.",
			      in->scope.checkpoint.size, err_str(e))) {
		code = no_memory(in);
	}
	free(text);
	free(latest);
	return code;
}

static int write_keys(const struct incident *in, int dir)
{
	char text[NOTE_LINE_MOST + 2];
	for (size_t i = 0; i < in->keys.n_keys; i++) {
		if (in->keys.keys[i].type != NOTE_ED25519 || strcmp(in->keys.keys[i].name, in->origin) != 0 ||
			note_key_write(&in->keys.keys[i], text, sizeof(text) - 1) != 0) {
			continue;
		}
		size_t len = strlen(text);
		text[len] = '\n';
		return write_file(in, dir, "checkpoint.vkey", text, len + 1);
	}
	return AUDIT_GOOD;
}

int incident_write_proofs(struct incident *in, int dir)
{
	if (!in->scope.proved) {
		return AUDIT_GOOD;
	}
	if (mkdirat(dir, "proofs", 0700) < 0) {
		fprintf(stderr, "%s: %s/proofs: %s\n", in->l.name, in->out, strerror(errno));
		return AUDIT_UNREADABLE;
	}
	int proofs = openat(dir, "proofs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (proofs < 0) {
		fprintf(stderr, "%s: %s/proofs: %s\n", in->l.name, in->out, strerror(errno));
		return AUDIT_UNREADABLE;
	}
	int code = write_file(in, proofs, "checkpoint", in->scope.note, in->scope.note_len);
	code = code == AUDIT_GOOD ? write_keys(in, proofs) : code;
	code = code == AUDIT_GOOD ? leaves_file(in, proofs) : code;
	code = code == AUDIT_GOOD ? write_records(in, proofs) : code;
	code = code == AUDIT_GOOD ? write_consistency(in, proofs) : code;
	close(proofs);
	return code;
}

/* ---- The statement ---- */

void incident_subject(const struct incident *in, char *buf, size_t cap)
{
	const struct search_criteria *c = &in->l.criteria;
	struct audit_fingerprint f = {.known = c->fingerprint != NULL};
	char fingerprint[AUDIT_FINGERPRINT_TEXT];
	memcpy(f.at, c->fingerprint ? c->fingerprint : f.at, sizeof(f.at));
	audit_fingerprint_text(&f, fingerprint);
	const struct {
		const char *what, *value;
	} parts[] = {{"patient", c->patient}, {"issuer", c->issuer}, {"name", c->name},
		{"accession", c->accession}, {"study", c->study}, {"node", c->node}, {"user", c->user},
		{"certificate", f.known ? fingerprint : c->certificate},
		{f.known && c->certificate ? "its subject" : "", f.known ? c->certificate : NULL},
		{"certificates of serial number", c->serial},
		{c->serial ? "of issuer" : "certificates of issuer", c->certificate_issuer},
		{"version", in->version}};
	size_t len = 0;
	buf[0] = 0;
	for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].value) {
			int n = snprintf(buf + len, cap - len, "%s %s %s", len ? " and" : "for",
				parts[i].what, parts[i].value);
			len += n > 0 && (size_t)n < cap - len ? (size_t)n : 0;
		}
	}
	if (c->refusal) {
		snprintf(buf + len, cap - len, "%s refusal %" PRIu64, len ? " and" : "for", c->refusal);
	}
}

int64_t incident_until(const struct incident *in)
{
	int64_t asked = in->l.criteria.until_ms;
	if (in->complete && in->scope.covered <= in->last) {
		return in->scope.covered_ms;
	}
	return in->ends && asked > in->last_ms ? in->last_ms : asked;
}

/* Until the last record that is vouched for, or that there is, if that is before the scope's end. */
static void times_text(const struct incident *in, char *buf, size_t cap)
{
	const struct search_criteria *c = &in->l.criteria;
	bool cut = in->complete && in->scope.covered <= in->last;
	bool last = c->until_ms == INT64_MAX || (in->ends && c->until_ms > in->last_ms);
	char from[WHEN_ZONED_LEN], until[WHEN_ZONED_LEN];
	when_zoned(c->from_ms == INT64_MIN ? in->first_ms : c->from_ms, from);
	when_zoned(incident_until(in), until);
	snprintf(buf, cap, "from %s%s until %s%s", c->from_ms == INT64_MIN ? "its first record at " : "",
		from,
		cut    ? "the last record that is vouched for, at "
		: last ? "its last record at "
		       : "",
		until);
}

static void say_complete(const struct incident *in, const char *times, const char *subject, FILE *to)
{
	const struct scope_result *s = &in->scope;
	uint64_t last = s->covered - 1;
	fprintf(to,
		"This list is complete for what crossed this gateway (origin %s) %s%s%s: records %" PRIu64
		" to %" PRIu64 ", all %" PRIu64 " of them, were read; they are the leaves %" PRIu64
		" to %" PRIu64 " of the tree of the signed checkpoint of size %" PRIu64
		"; none is missing or changed.\n",
		in->origin, times, subject[0] ? ", " : "", subject, in->first, last, last - in->first + 1,
		in->first, last, s->checkpoint.size);
}

static void say_incomplete(const struct incident *in, const char *times, const char *subject, FILE *to)
{
	fprintf(to,
		"This list is NOT shown to be complete for what crossed this gateway (origin %s) %s%s%s:\n",
		in->origin, times, subject[0] ? ", " : "", subject);
	for (size_t i = 0; i < in->lacks.n; i++) {
		fprintf(to, "- %s.\n", in->lacks.at[i]);
	}
	if (in->scope.proved) {
		fprintf(to,
			"Records %" PRIu64 " to %" PRIu64
			" are the leaves of those numbers of the tree of the signed checkpoint of size %" PRIu64
			".\n",
			in->first, in->scope.covered - 1, in->scope.checkpoint.size);
	}
}

void incident_statement(const struct incident *in, FILE *to)
{
	char times[160], subject[INCIDENT_SUBJECT];
	incident_subject(in, subject, sizeof(subject));
	if (!in->has_records) {
		fprintf(to,
			"The journal (origin %s) has no record of that time in these folders. Nothing was recorded, or its segments are in a folder that was not named.\n",
			in->origin);
		return;
	}
	times_text(in, times, sizeof(times));
	if (in->complete) {
		say_complete(in, times, subject, to);
	} else {
		say_incomplete(in, times, subject, to);
	}
	for (size_t i = 0; i < in->n_intervals; i++) {
		char from[WHEN_ZONED_LEN], until[WHEN_ZONED_LEN] = "";
		when_zoned(in->intervals[i].from_ms, from);
		if (in->intervals[i].until_ms != INT64_MAX) {
			when_zoned(in->intervals[i].until_ms, until);
		}
		fprintf(to, "Version %s ran from %s%s%s.\n", in->version, from, until[0] ? " until " : " on",
			until);
	}
	if (in->version && in->n_intervals == 0) {
		fprintf(to,
			"No start of version %s is recorded for that time. A gateway whose trail was switched on by a reload, or whose first records are elsewhere, has none.\n",
			in->version);
	}
	fprintf(to, "\nIt names %zu patient%s and %zu stud%s, in %zu entr%s.\n", in->n_patients,
		in->n_patients == 1 ? "" : "s", in->n_uids, in->n_uids == 1 ? "y" : "ies", in->n_touches,
		in->n_touches == 1 ? "y" : "ies");
	incident_certificates(in, to);
	fputs("\nWhat it does not cover:\n"
	      "- What did not cross this gateway: devices that reach an archive by another way.\n"
	      "- Requests that neither carry nor show images: procedure steps (MPPS), storage commitment, C-ECHO.\n",
		to);
	for (size_t i = 0; i < in->uncovered.n; i++) {
		fprintf(to, "- %s\n", in->uncovered.at[i]);
	}
}
