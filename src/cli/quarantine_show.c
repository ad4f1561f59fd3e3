/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "cli/audit.h"
#include "cli/audit_print.h"
#include "cli/fresh_file.h"
#include "cli/quarantine.h"
#include "cli/quarantine_json.h"
#include "cli/when.h"
#include "dicom/implementation.h"
#include "dicom/part10.h"
#include "dicom/uid.h"
#include "inspect/check.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "usage: gantry quarantine show N [--findings] [--json] [-c FILE]\n"
			    "       gantry quarantine show N --export FILE [--unrecorded] [-c FILE]\n"
			    "\n"
			    "All that is known of object N: why it is in quarantine, from whom it came and\n"
			    "when, whose data it has, and who asked for its release.\n"
			    "\n"
			    "  --findings     also each thing that was found in it, and where\n"
			    "  --json         as JSON\n"
			    "  --export FILE  write the object into a new DICOM file, for a specialist to\n"
			    "                 look at; the audit trail records it. It is as hostile as it\n"
			    "                 was: do not open it with a viewer\n"
			    "  --unrecorded   go on if it cannot be recorded\n";

/* ---- For people ---- */

static void put(const char *name, const char *text)
{
	if (text[0]) {
		printf("  %-16s", name);
		audit_print_text(text);
		putchar('\n');
	}
}

static void put_time(const char *name, int64_t ms)
{
	char when[WHEN_LEN];
	if (ms > 0) {
		when_text(ms, when);
		put(name, when);
	}
}

static void put_uid(const char *name, const char *uid)
{
	char text[256];
	const struct uid_entry *known = uid_find(span_str(uid));
	snprintf(text, sizeof(text), "%s%s%s%s", uid, known ? " (" : "", known ? known->name : "",
		known ? ")" : "");
	put(name, text);
}

static void put_two(const char *name, const char *node, const char *title, const char *address)
{
	char text[256];
	snprintf(text, sizeof(text), "%s%s%s%s%s", node[0] ? node : "a node that is not known",
		title[0] ? ", AE title " : "", title, address[0] ? ", address " : "", address);
	put(name, text);
}

static void put_person(const char *name, const struct quarantine_person *p)
{
	char text[256], when[WHEN_LEN];
	if (p->has) {
		when_text(p->at_ms, when);
		snprintf(text, sizeof(text), "%s (Unix user %u), %s", p->name, (unsigned)p->uid, when);
		put(name, text);
	}
}

static void put_facts(const struct facts *f)
{
	char text[600];
	snprintf(text, sizeof(text), "%" PRIu64 "; `gantry explain %" PRIu64 "` says more", f->refusal,
		f->refusal);
	put("why", f->why);
	put("refusal", f->refusal ? text : "");
	put("flow", f->flow);
	put_two("from", f->from, f->calling, f->address);
	put("certificate", f->subject);
	put("fingerprint", f->certificate);
	put("serial number", f->serial);
	put("issuer", f->issuer);
	snprintf(text, sizeof(text), "%s%s", f->user, f->user[0] && !f->user_proved ? " (not proved)" : "");
	put("user", text);
	put_two("bound for", f->to, f->called, "");
	put_uid("SOP class", f->sop_class);
	put("SOP instance", f->sop_instance);
	put_uid("transfer syntax", f->transfer_syntax);
	put("patient ID", f->patient_id);
	put("patient's name", f->patient_name);
	put("study", f->study);
}

static void put_state(const struct quarantine_state *s)
{
	char text[64], size[24];
	put_time("first came", s->first_ms);
	put_time("last came", s->count > 1 ? s->last_ms : 0);
	snprintf(text, sizeof(text), "%" PRIu64, s->count);
	put("times", text);
	quarantine_size(s->size, size);
	put("size", size);
	printf("  %-16s", "SHA-256");
	for (unsigned i = 0; i < sizeof(s->sha256); i++) {
		printf("%02x", s->sha256[i]);
	}
	puts(" (of the data set)");
	put_person("release asked", &s->asked);
	put_person("approved", &s->approved);
	put_time("delivery", s->ended_ms);
	put("outcome", s->outcome);
}

static void put_findings(const struct facts *f, bool all)
{
	printf("\n%u finding%s%s\n", f->n_findings, f->n_findings == 1 ? "" : "s",
		f->n_findings > 0 && !all ? "; --findings shows where" : "");
	for (unsigned i = 0; i < f->n_findings; i++) {
		const struct facts_finding *one = &f->finding[i];
		printf("  %-8s ", inspect_severity_name((enum inspect_severity)one->severity));
		audit_print_text(one->check);
		fputs(": ", stdout);
		audit_print_text(one->sentence);
		putchar('\n');
		if (all) {
			printf("           at %s%sbyte %" PRIu64, one->path, one->path[0] ? ", " : "",
				one->offset);
			if (one->excerpt[0]) {
				fputs(": ", stdout);
				audit_print_text(one->excerpt);
			}
			putchar('\n');
		}
	}
}

static int show(const struct quarantine_item *item, const struct quarantine_options *o)
{
	if (o->json) {
		json_t *all = quarantine_json(item, 0);
		(void)json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(all);
		return QUARANTINE_DONE;
	}
	printf("object %" PRIu64 ": %s\n", item->object.number, quarantine_word(&item->state));
	put_facts(&item->facts);
	put_state(&item->state);
	put_findings(&item->facts, o->findings);
	return QUARANTINE_DONE;
}

/* ---- A copy ---- */

static void free_digest(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static int put_bytes(FILE *f, const void *bytes, size_t n)
{
	return fwrite(bytes, 1, n, f) == n ? 0 : ERR_SYSTEM;
}

static int put_head(const struct facts *facts, FILE *f)
{
	uint8_t head[PART10_META_MAX];
	struct writer w = writer_of(head, sizeof(head));
	struct part10_meta meta = {.sop_class = span_str(facts->sop_class),
		.sop_instance = span_str(facts->sop_instance),
		.transfer_syntax = span_str(facts->transfer_syntax),
		.implementation_class = span_str(GANTRY_IMPLEMENTATION_CLASS)};
	snprintf(meta.implementation_version, sizeof(meta.implementation_version), "%s",
		GANTRY_IMPLEMENTATION_VERSION);
	snprintf(meta.source_ae, sizeof(meta.source_ae), "%s", facts->calling);
	int e = part10_write(&meta, &w);
	return e == 0 ? put_bytes(f, head, w.len) : e;
}

static int put_data(const struct quarantine_item *item, FILE *f)
{
	static uint8_t piece[QUARANTINE_PIECE];
	uint8_t sha256[EVP_MAX_MD_SIZE];
	bool last = false;
	size_t n = 0;
	CLEANUP(free_digest) EVP_MD_CTX *digest = EVP_MD_CTX_new();
	int e = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 ? 0 : ERR_NO_MEMORY;
	for (uint64_t i = 0; e == 0 && !last; i++) {
		e = quarantine_file_read(&item->file, i, piece, &n, &last);
		e = e == 0 && EVP_DigestUpdate(digest, piece, n) != 1 ? ERR_SYSTEM : e;
		e = e == 0 ? put_bytes(f, piece, n) : e;
	}
	if (e == 0 && (EVP_DigestFinal_ex(digest, sha256, NULL) != 1 ||
			      memcmp(sha256, item->state.sha256, sizeof(item->state.sha256)) != 0)) {
		e = ERR_DENIED;
	}
	return e;
}

static int say_no_copy(int e)
{
	fprintf(stderr, "gantry quarantine: no copy was written: %s\n",
		e == ERR_SYSTEM      ? strerror(errno)
		: e == ERR_NOT_FOUND ? "the object was released, and its data are gone"
		: e == ERR_VALUE     ? "its UIDs are none that a file can have"
				     : "the object's file is damaged");
	return QUARANTINE_FAILED;
}

/* It has its name when it is whole: nothing of a hostile object is left of who is killed, and what is there is one. */
static int write_copy(const struct quarantine_item *item, struct fresh_file *copy)
{
	int fd = dup(copy->fd);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		return say_no_copy(ERR_SYSTEM);
	}
	int e = put_head(&item->facts, f);
	e = e == 0 ? put_data(item, f) : e;
	if (fclose(f) != 0 && e == 0) {
		e = ERR_SYSTEM;
	}
	if (e != 0 || !fresh_commit(copy, false)) {
		return say_no_copy(e != 0 ? e : ERR_SYSTEM);
	}
	printf("object %" PRIu64 " was written to %s. It is as it came: nothing was taken out of it.\n",
		item->object.number, copy->path);
	return QUARANTINE_DONE;
}

/* Nobody else's file is written over, and nobody else reads it. What cannot be is not recorded as done. */
static bool begin_copy(const char *path, struct fresh_file *ret_copy)
{
	struct stat st;
	bool there = lstat(path, &st) == 0;
	if (there || !fresh_begin(ret_copy, path, 0600)) {
		fprintf(stderr, "gantry quarantine: %s: %s\n", path, strerror(there ? EEXIST : errno));
		return false;
	}
	return true;
}

static int export(const struct quarantine_place *p, const struct quarantine_item *item,
	const struct quarantine_options *o)
{
	char where[4096 + 300];
	struct person who;
	struct fresh_file copy = FRESH_NONE;
	int code = QUARANTINE_FAILED;
	if (item->object.released) {
		fputs("gantry quarantine: the object was released, and its data are gone\n", stderr);
		return QUARANTINE_FAILED;
	}
	if (!begin_copy(o->export, &copy)) {
		return QUARANTINE_FAILED;
	}
	char *folder = o->export[0] == '/' ? NULL : getcwd(NULL, 0);
	snprintf(where, sizeof(where), "%s%s%s", folder ? folder : "", folder ? "/" : "", o->export);
	free(folder);
	person_find(&who);
	if (quarantine_record(p, o->unrecorded, "export", &who, item, json_pack("{s:s}", "file", where))) {
		code = write_copy(item, &copy);
	}
	fresh_done(&copy);
	return code;
}

int quarantine_show_verb(int argc, char **argv)
{
	static struct quarantine_item item;
	static struct quarantine_options o;
	static const struct option_row rows[] = {{"findings", .flag = &o.findings}, {"json", .flag = &o.json},
		{"export", "FILE", .text = &o.export}, {"unrecorded", .flag = &o.unrecorded},
		{"config", "FILE", 'c', .text = &o.config}, {0}};
	struct options line = {.usage = usage, .rows = rows, .arguments = "N"};
	struct quarantine_place p;
	bool damaged;
	uint64_t number;
	int code;
	if (!options_read(&line, argc, argv, &code) || !options_number(&line, "N", line.at[0], &number)) {
		return code;
	}
	code = QUARANTINE_FAILED;
	if (quarantine_place(o.config, &p)) {
		if (quarantine_item(&p, number, &item, &damaged)) {
			code = o.export ? export(&p, &item, &o) : show(&item, &o);
			quarantine_file_done(&item.file);
		}
		quarantine_place_done(&p);
	}
	return code;
}
