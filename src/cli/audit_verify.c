/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/armor.h"
#include "audit/verify.h"
#include "base/clock.h"
#include "cli/audit.h"
#include "cli/audit_print.h"
#include "cli/options.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char verify_usage[] =
	"usage: gantry audit verify [JOURNAL] --key KEY [--cold DIR]...\n"
	"                    [--checkpoint FILE]... [--leaves FILE] [--json]\n"
	"\n"
	"Read the whole journal, compute its Merkle tree anew, and hold it against every\n"
	"checkpoint that its key signed.\n"
	"\n"
	"  --key KEY          the journal's public key, NAME+HASH+KEY, or a file with\n"
	"                     such keys (also witnesses'), one a line\n"
	"  --cold DIR         a folder with segments that were handed over; without\n"
	"                     JOURNAL what lies in it is judged by itself\n"
	"  --checkpoint FILE  a checkpoint that left the machine earlier: a journal\n"
	"                     rewritten since contradicts it\n"
	"  --leaves FILE      a good copy of `gantry audit leaves`: names the records\n"
	"                     that were changed\n"
	"  --json             for programs\n"
	"\n"
	"Exit status: 0 good, 1 tampered with or damaged, 2 wrong usage, 3 could not be\n"
	"read, 4 what was given is good, and is a part: folders are missing.\n";

#define LEAVES_FILE_MOST ((size_t)8 * 1024 * 1024 * 1024)

struct verifying {
	struct audit_input in;
	struct verify_exported exported[AUDIT_CHECKPOINTS_MOST];
	uint8_t *exported_bytes[AUDIT_CHECKPOINTS_MOST];
	unsigned n_exported;
	const char *checkpoints[AUDIT_CHECKPOINTS_MOST];
	const char *journal, *leaves_path;
	struct merkle_hash *leaves;
	bool json, terminal;
	json_t *findings;
};

/* ---- What is found ---- */

/* A file's name may be any bytes, and JSON is UTF-8. */
static void ascii(const char *from, char *to, size_t cap)
{
	size_t n = 0;
	for (; from[n] && n + 1 < cap; n++) {
		to[n] = from[n];
		unsigned char c = (unsigned char)from[n];
		if (c < 0x20 || c >= 0x7f) {
			to[n] = '?';
		}
	}
	to[n] = 0;
}

static void clear_progress(const struct verifying *v)
{
	if (v->terminal) {
		fputs("\r\033[K", stderr);
	}
}

static void found(void *arg, const struct verify_finding *f)
{
	struct verifying *v = arg;
	char file[256];
	ascii(f->file, file, sizeof(file));
	if (v->json) {
		json_t *o = json_pack(
			"{s:s,s:b,s:s}", "kind", verify_kind_name(f->kind), "bad", f->bad, "text", f->text);
		if (file[0]) {
			(void)json_object_set_new(o, "file", json_string(file));
			(void)json_object_set_new(o, "offset", json_integer((json_int_t)f->offset));
		}
		if (f->end > f->first) {
			(void)json_object_set_new(o, "first", json_integer((json_int_t)f->first));
			(void)json_object_set_new(o, "last", json_integer((json_int_t)f->end - 1));
		}
		(void)json_array_append_new(v->findings, o);
		return;
	}
	clear_progress(v);
	printf("%s  ", f->bad ? "BAD " : "note");
	if (file[0]) {
		printf("%s", file);
		if (f->offset > 0) {
			printf(" at %" PRIu64, f->offset);
		}
		fputs(": ", stdout);
	}
	audit_print_text(f->text);
	putchar('\n');
}

static void progress(void *arg, uint64_t done, uint64_t all)
{
	(void)arg;
	fprintf(stderr, "\r%3u %% of %" PRIu64 " MB", (unsigned)(all > 0 ? done * 100 / all : 100),
		all / 1000000);
	(void)fflush(stderr);
}

/* ---- The outcome ---- */

static void root_text(const struct verify_result *r, char buf[ARMOR_LEN(MERKLE_HASH) + 1])
{
	struct writer w = writer_of(buf, ARMOR_LEN(MERKLE_HASH) + 1);
	armor_write(&w, span_of(r->root.at, MERKLE_HASH));
	writer_u8(&w, 0);
}

static void tell_json(struct verifying *v, const struct verify_result *r)
{
	char root[ARMOR_LEN(MERKLE_HASH) + 1];
	root_text(r, root);
	json_t *o = json_pack("{s:b,s:b,s:I,s:I,s:I,s:s,s:I,s:I,s:i,s:i,s:O}", "good",
		r->bad == 0 && !r->partial, "partial", r->partial, "first", (json_int_t)r->first, "size",
		(json_int_t)r->size, "covered", (json_int_t)r->covered, "root", root, "segments",
		(json_int_t)r->segments, "bytes", (json_int_t)r->bytes, "checkpoints", (int)r->checkpoints,
		"cosigned", (int)r->cosigned, "findings", v->findings);
	(void)json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

#define PLURAL(n) ((n) == 1 ? "" : "s")

static void tell(const struct verify_result *r)
{
	char from[CLOCK_ISO_LEN], until[CLOCK_ISO_LEN];
	printf("%" PRIu64 " record%s", r->size - r->first, PLURAL(r->size - r->first));
	if (r->size > r->first) {
		clock_iso(r->least_ms, from);
		clock_iso(r->greatest_ms, until);
		printf(", %" PRIu64 " to %" PRIu64 ", of %s to %s", r->first, r->size - 1, from, until);
	}
	printf(", in %" PRIu64 " segment%s\n", r->segments, PLURAL(r->segments));
	printf("%u signed checkpoint%s, %u of them cosigned by a witness; records up to %" PRIu64
	       " are covered\n",
		r->checkpoints, r->checkpoints == 1 ? " agrees" : "s agree", r->cosigned, r->covered);
	puts(r->bad > 0 ? "BAD: the journal was tampered with, or is damaged"
		: r->partial
			? "PART: in what was given nothing that is covered was changed, removed, reordered or inserted; the rest was "
			  "not looked at"
			: "good: nothing that is covered was changed, removed, reordered or inserted");
}

/* ---- The command line ---- */

static int read_leaves(struct verifying *v, struct verify_request *q)
{
	uint8_t *text;
	size_t len;
	char origin[NOTE_NAME_MOST + 1];
	int code = audit_read_file(&v->in, v->leaves_path, LEAVES_FILE_MOST, &text, &len);
	if (code != AUDIT_GOOD) {
		return code;
	}
	int r = leaves_read(span_of(text, len), origin, &q->good_first, &v->leaves, &q->n_good);
	free(text);
	if (r < 0) {
		fprintf(stderr, "gantry audit verify: %s: not the output of `gantry audit leaves`: %s\n",
			v->leaves_path, err_str(r));
		return AUDIT_USAGE;
	}
	for (size_t i = 0; i < v->in.n_keys; i++) {
		if (strcmp(v->in.keys[i].name, origin) == 0) {
			q->good = v->leaves;
			return AUDIT_GOOD;
		}
	}
	fprintf(stderr, "gantry audit verify: %s is of another journal\n", v->leaves_path);
	return AUDIT_USAGE;
}

static int read_checkpoints(struct verifying *v)
{
	int code = AUDIT_GOOD;
	for (size_t i = 0; code == AUDIT_GOOD && i < v->n_exported; i++) {
		size_t len;
		code = audit_read_file(&v->in, v->checkpoints[i], NOTE_MOST, &v->exported_bytes[i], &len);
		struct signed_note note;
		struct checkpoint is;
		/* A name that is mistaken is no journal that was tampered with. */
		if (code == AUDIT_GOOD &&
			checkpoint_read_note(span_of(v->exported_bytes[i], len), &note, &is) < 0) {
			fprintf(stderr,
				"gantry audit verify: --checkpoint %s: this is no checkpoint, as the gateway and witnesses sign them\n",
				v->checkpoints[i]);
			code = AUDIT_UNREADABLE;
		}
		if (code == AUDIT_GOOD) {
			v->exported[i] = (struct verify_exported){
				v->checkpoints[i], span_of(v->exported_bytes[i], len)};
		}
	}
	return code;
}

static int verify(struct verifying *v)
{
	struct verify_result result;
	struct verify_request q = {.dirs = v->in.folders,
		.n_dirs = v->in.n_folders,
		.part = !v->journal,
		.keys = v->in.keys,
		.n_keys = v->in.n_keys,
		.exported = v->exported,
		.n_exported = v->n_exported,
		.found = found,
		.progress = v->terminal ? progress : NULL,
		.arg = v};
	int code = read_checkpoints(v);
	if (code == AUDIT_GOOD && v->leaves_path) {
		code = read_leaves(v, &q);
	}
	if (code != AUDIT_GOOD) {
		return code;
	}
	int r = journal_verify(&q, &result);
	clear_progress(v);
	if (r < 0) {
		fprintf(stderr, "gantry audit verify: %s: %s\n", v->journal ? v->journal : "--cold",
			r == ERR_VALUE       ? "no key of a journal was given (witnesses' alone)"
			: r == ERR_NOT_FOUND ? "there is no journal here, neither records nor checkpoints"
			: r == ERR_SYSTEM    ? strerror(errno)
					     : err_str(r));
		return r == ERR_VALUE ? AUDIT_USAGE : AUDIT_UNREADABLE;
	}
	if (v->json) {
		tell_json(v, &result);
	} else {
		tell(&result);
	}
	return result.bad > 0 ? AUDIT_BAD : result.partial ? AUDIT_PART : AUDIT_GOOD;
}

int audit_verify(int argc, char **argv)
{
	static struct verifying v = {.in = {.verb = "verify"}};
	static const char *keys[AUDIT_KEYS_MOST], *cold[AUDIT_FOLDERS_MOST - 1];
	static unsigned n_keys, n_cold;
	static const struct option_row rows[] = {
		{"key", "KEY", .text = keys, .room = AUDIT_KEYS_MOST, .n = &n_keys,
			.needed = "the public key of checkpoints, checkpoint.vkey of `gantry audit init`"},
		{"cold", "DIR", .text = cold, .room = ARRAY_LEN(cold), .n = &n_cold},
		{"checkpoint", "FILE", .text = v.checkpoints, .room = AUDIT_CHECKPOINTS_MOST,
			.n = &v.n_exported},
		{"leaves", "FILE", .text = &v.leaves_path}, {"json", .flag = &v.json}, {0}};
	struct options o = {.usage = verify_usage, .rows = rows, .arguments = "[JOURNAL]"};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	if (o.n == 0 && n_cold == 0) {
		return options_misuse(&o, "JOURNAL is missing, or --cold DIR for what was handed over");
	}
	v.terminal = isatty(STDERR_FILENO) != 0;
	v.journal = o.n > 0 ? o.at[0] : NULL;
	code = audit_add_all_keys(&v.in, keys, n_keys);
	code = code != AUDIT_GOOD ? code : audit_open_folders(&v.in, v.journal, cold, n_cold);
	v.findings = json_array();
	code = code != AUDIT_GOOD ? code : verify(&v);
	json_decref(v.findings);
	for (size_t i = 0; i < v.n_exported; i++) {
		free(v.exported_bytes[i]);
	}
	free(v.leaves);
	audit_input_done(&v.in);
	return code;
}

/* ---- gantry audit leaves ---- */

static const char leaves_usage[] =
	"usage: gantry audit leaves JOURNAL [--cold DIR]...\n"
	"\n"
	"Print the hash of each record. A good copy, kept elsewhere, lets `gantry audit\n"
	"verify --leaves` name the records that were changed, removed, inserted or moved.\n"
	"The hashes say nothing of what is in the records.\n";

static int print_leaves(struct journal_reader *reader)
{
	struct journal_entry e;
	int r;
	while ((r = journal_reader_next(reader, &e)) == 1) {
		char line[ARMOR_LEN(MERKLE_HASH) + 1];
		struct writer w = writer_of(line, sizeof(line));
		armor_write(&w, span_of(e.leaf.at, MERKLE_HASH));
		writer_u8(&w, '\n');
		if (fwrite(line, 1, w.len, stdout) != w.len) {
			return ERR_SYSTEM;
		}
	}
	return r < 0 ? r : fflush(stdout) == 0 ? 0 : ERR_SYSTEM;
}

static int leaves(const struct audit_input *in, const char *journal)
{
	struct journal_reader *reader;
	char head[NOTE_NAME_MOST + 64], origin[NOTE_NAME_MOST + 1];
	int r = journal_reader_open(in->folders, in->n_folders, &reader);
	if (r < 0) {
		fprintf(stderr, "gantry audit leaves: %s: %s\n", journal,
			r == ERR_NOT_FOUND ? "there is no journal here" : err_str(r));
		return AUDIT_UNREADABLE;
	}
	r = journal_reader_origin(reader, origin);
	if (r == 0) {
		struct writer w = writer_of(head, sizeof(head));
		leaves_write_head(&w, origin, journal_reader_first(reader));
		r = fwrite(head, 1, w.len, stdout) == w.len ? print_leaves(reader) : ERR_SYSTEM;
	}
	if (r < 0) {
		uint64_t segment, offset;
		journal_reader_where(reader, &segment, &offset);
		fprintf(stderr, "gantry audit leaves: segment %" PRIu64 " at %" PRIu64 ": %s\n", segment,
			offset, err_str(r));
	}
	journal_reader_free(reader);
	return r == 0 ? AUDIT_GOOD : r == ERR_SYSTEM || r == ERR_NO_MEMORY ? AUDIT_UNREADABLE : AUDIT_BAD;
}

int audit_leaves(int argc, char **argv)
{
	static struct audit_input in = {.verb = "leaves"};
	static const char *cold[AUDIT_FOLDERS_MOST - 1];
	static unsigned n_cold;
	static const struct option_row rows[] = {
		{"cold", "DIR", .text = cold, .room = ARRAY_LEN(cold), .n = &n_cold}, {0}};
	struct options o = {.usage = leaves_usage, .rows = rows, .arguments = "JOURNAL"};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	code = audit_open_folders(&in, o.at[0], cold, n_cold);
	code = code != AUDIT_GOOD ? code : leaves(&in, o.at[0]);
	audit_input_done(&in);
	return code;
}
