/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/armor.h"
#include "audit/proof.h"
#include "base/clock.h"
#include "cli/audit.h"
#include "cli/audit_print.h"
#include "cli/options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- gantry audit prove ---- */

static const char prove_usage[] =
	"usage: gantry audit prove JOURNAL --record N [--with-record] [--checkpoint FILE]\n"
	"                    [--cold DIR]... [--output FILE]\n"
	"       gantry audit prove JOURNAL --from FILE [--checkpoint FILE]\n"
	"                    [--cold DIR]... [--output FILE]\n"
	"\n"
	"Write a proof that record N is in the journal, or that a checkpoint continues an\n"
	"older one, for who has no access to the gateway.\n"
	"\n"
	"  --record N         the record's number\n"
	"  --with-record      put the record's bytes into the proof (its body stays\n"
	"                     sealed)\n"
	"  --from FILE        the older checkpoint\n"
	"  --checkpoint FILE  the checkpoint to prove it by; default is the journal's\n"
	"                     latest\n"
	"  --cold DIR         a folder with segments that were handed over\n"
	"  --output FILE      default is standard output\n";

struct proving {
	struct audit_input in;
	const char *journal, *from, *checkpoint, *output;
	bool with_record;
	uint64_t record;
	uint8_t *from_bytes, *checkpoint_bytes;
	size_t from_len, checkpoint_len;
};

static int read_inputs(struct proving *p)
{
	char latest[4096];
	int code = AUDIT_GOOD;
	if (!p->checkpoint) {
		int n = snprintf(latest, sizeof(latest), "%s/checkpoint", p->journal);
		if (n < 0 || (size_t)n >= sizeof(latest)) {
			return AUDIT_USAGE;
		}
	}
	code = audit_read_file(&p->in, p->checkpoint ? p->checkpoint : latest, NOTE_MOST,
		&p->checkpoint_bytes, &p->checkpoint_len);
	if (code == AUDIT_GOOD && p->from) {
		code = audit_read_file(&p->in, p->from, NOTE_MOST, &p->from_bytes, &p->from_len);
	}
	return code;
}

/* What went wrong, in words; the exit status. */
static int refused(const struct proving *p, int r)
{
	static const struct {
		int err, code;
		const char *text;
	} rows[] = {
		{ERR_VALUE, AUDIT_BAD,
			"not proved: the journal is not what the checkpoint vouches for (`gantry audit verify` says more)"},
		{ERR_NOT_FOUND, AUDIT_UNREADABLE,
			"the record is not here; if it was handed over, --cold names the folder"},
		{ERR_MISSING, AUDIT_BAD, "not proved: records are missing from the journal"},
		{ERR_TRUNCATED, AUDIT_BAD, "not proved: the journal is damaged"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].err == r) {
			fprintf(stderr, "gantry audit prove: %s\n", rows[i].text);
			return rows[i].code;
		}
	}
	fprintf(stderr, "gantry audit prove: %s: %s\n", p->journal,
		r == ERR_SYSTEM ? strerror(errno) : err_str(r));
	return AUDIT_UNREADABLE;
}

/* Whether the checkpoints are such that something could be proved by them, before records are read. */
static bool read_notes(const struct proving *p, struct checkpoint *ret_old, struct checkpoint *ret_new)
{
	struct signed_note note;
	const char *bad = NULL;
	if (p->from && checkpoint_read_note(span_of(p->from_bytes, p->from_len), &note, ret_old) < 0) {
		bad = p->from;
	} else if (checkpoint_read_note(span_of(p->checkpoint_bytes, p->checkpoint_len), &note, ret_new) <
		   0) {
		bad = p->checkpoint ? p->checkpoint : "the journal's latest checkpoint";
	}
	if (bad) {
		fprintf(stderr, "gantry audit prove: not proved: %s is no checkpoint\n", bad);
	}
	return !bad;
}

static bool may_be_proved(const struct proving *p)
{
	struct checkpoint old = {0}, new;
	if (!read_notes(p, &old, &new)) {
		return false;
	}
	if (!p->from && p->record >= new.size) {
		fprintf(stderr,
			"gantry audit prove: not proved: the checkpoint covers %" PRIu64
			" records, which number %" PRIu64 " is none of%s\n",
			new.size, p->record,
			p->checkpoint ? ": give a later one"
				      : ". If it is in the journal, the next checkpoint covers it");
		return false;
	}
	if (p->from && strcmp(old.origin, new.origin) != 0) {
		fputs("gantry audit prove: not proved: the checkpoints are of two journals\n", stderr);
		return false;
	}
	if (p->from && old.size > new.size) {
		fprintf(stderr,
			"gantry audit prove: not proved: the checkpoint that is to be the older one covers %" PRIu64
			" records, and the other %" PRIu64 "%s\n",
			old.size, new.size,
			p->checkpoint ? "" : ", all that this journal vouches for: was it cut?");
		return false;
	}
	return true;
}

static int write_out(const struct proving *p, const char *text, size_t len)
{
	FILE *out = p->output ? fopen(p->output, "wxe") : stdout;
	bool good = out && fwrite(text, 1, len, out) == len && fflush(out) == 0;
	if (!good) {
		fprintf(stderr, "gantry audit prove: %s: %s\n", p->output ? p->output : "standard output",
			strerror(errno));
	}
	if (out && out != stdout && fclose(out) != 0) {
		good = false;
	}
	return good ? AUDIT_GOOD : AUDIT_UNREADABLE;
}

static int prove(struct proving *p)
{
	char *text;
	size_t len;
	int code = read_inputs(p);
	if (code != AUDIT_GOOD) {
		return code;
	}
	if (!may_be_proved(p)) {
		return AUDIT_BAD;
	}
	struct span note = span_of(p->checkpoint_bytes, p->checkpoint_len);
	int r = p->from ? proof_make_consistency(p->in.folders, p->in.n_folders,
				  span_of(p->from_bytes, p->from_len), note, &text, &len)
	                : proof_make_inclusion(p->in.folders, p->in.n_folders, p->record, p->with_record,
				  note, &text, &len);
	if (r < 0) {
		return refused(p, r);
	}
	code = write_out(p, text, len);
	free(text);
	return code;
}

int audit_prove(int argc, char **argv)
{
	static struct proving p = {.in = {.verb = "prove"}};
	static const char *cold[AUDIT_FOLDERS_MOST - 1];
	static unsigned n_cold;
	static const struct option_row rows[] = {{"record", "N", .number = &p.record},
		{"with-record", .flag = &p.with_record}, {"from", "FILE", .text = &p.from},
		{"checkpoint", "FILE", .text = &p.checkpoint},
		{"cold", "DIR", .text = cold, .room = ARRAY_LEN(cold), .n = &n_cold},
		{"output", "FILE", .text = &p.output}, {0}};
	struct options o = {.usage = prove_usage, .rows = rows, .arguments = "JOURNAL"};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	if (options_given(&o, "record") == (p.from != NULL)) {
		return options_misuse(&o,
			"say what is to be proved: --record N that a record is there, or --from FILE that a checkpoint continues an older one");
	}
	if (p.from && p.with_record) {
		return options_misuse(&o, "--with-record goes with --record");
	}
	p.journal = o.at[0];
	code = audit_open_folders(&p.in, p.journal, cold, n_cold);
	code = code != AUDIT_GOOD ? code : prove(&p);
	free(p.from_bytes);
	free(p.checkpoint_bytes);
	audit_input_done(&p.in);
	return code;
}

/* ---- gantry audit verify-proof ---- */

static const char verify_proof_usage[] =
	"usage: gantry audit verify-proof FILE --key KEY [--record FILE]\n"
	"\n"
	"Check a proof that `gantry audit prove` wrote. Nothing else is needed: no\n"
	"gateway, no journal.\n"
	"\n"
	"  --key KEY      the journal's public key, NAME+HASH+KEY, or a file with such\n"
	"                 keys (also witnesses'), one a line\n"
	"  --record FILE  the record's bytes, if they are not in the proof\n"
	"\n"
	"Exit status: 0 proved, 1 not proved, 2 wrong usage, 3 could not be read.\n";

static void tell_record(struct span payload)
{
	struct journal_record r;
	char time[CLOCK_ISO_LEN];
	if (record_read(payload, &r) < 0) {
		puts("the record is of no version that is known here");
		return;
	}
	clock_iso(r.time_ms, time);
	printf("the record: %s, %s, outcome %u, association %" PRIu64 ", %zu bytes sealed\n", time,
		journal_kind_name(r.kind), r.outcome, r.association, r.body.len);
}

static void tell(const struct proof *p, const struct proof_verdict *v, struct span record)
{
	printf("proved: ");
	if (p->kind == PROOF_CONSISTENCY) {
		printf("the checkpoint of %" PRIu64 " records continues that of %" PRIu64
		       " records: none of those was changed or removed\n",
			v->checkpoint.size, v->old.size);
	} else {
		printf("%s is record %" PRIu64 " of the %" PRIu64 " that the checkpoint vouches for\n",
			record.ptr || p->has_record ? "this record" : "a record of this hash", p->index,
			v->checkpoint.size);
	}
	fputs("the journal: ", stdout);
	audit_print_text(v->checkpoint.origin);
	putchar('\n');
	for (unsigned i = 0; i < v->n_witnesses; i++) {
		char time[CLOCK_ISO_LEN];
		clock_iso((int64_t)(v->witness_s[i] % 100000000000) * 1000, time);
		fputs("cosigned: ", stdout);
		audit_print_text(v->witness[i]->name);
		printf(", %s\n", time);
	}
	if (p->kind == PROOF_CONSISTENCY) {
		return;
	}
	if (record.ptr || p->has_record) {
		tell_record(record.ptr ? record : p->record);
	} else {
		char leaf[ARMOR_LEN(MERKLE_HASH) + 1];
		struct writer w = writer_of(leaf, sizeof(leaf));
		armor_write(&w, span_of(p->leaf.at, MERKLE_HASH));
		writer_u8(&w, 0);
		printf("the hash: %s\n", leaf);
	}
}

static int check(const struct audit_input *in, const char *path, struct span text, struct span record)
{
	struct proof p;
	static struct proof_verdict v;
	int r = proof_read(text, &p);
	if (r < 0) {
		fprintf(stderr,
			"gantry audit verify-proof: %s: not a proof, as `gantry audit prove` writes them: %s\n",
			path, err_str(r));
		return r == ERR_NO_MEMORY ? AUDIT_UNREADABLE : AUDIT_BAD;
	}
	proof_check(&p, in->keys, in->n_keys, record, &v);
	if (v.good) {
		tell(&p, &v, record);
	} else {
		fputs("NOT proved: ", stdout);
		audit_print_text(v.why);
		putchar('\n');
	}
	proof_done(&p);
	return v.good ? AUDIT_GOOD : AUDIT_BAD;
}

int audit_verify_proof(int argc, char **argv)
{
	static struct audit_input in = {.verb = "verify-proof"};
	static const char *keys[AUDIT_KEYS_MOST], *record_path;
	static unsigned n_keys;
	static const struct option_row rows[] = {
		{"key", "KEY", .text = keys, .room = AUDIT_KEYS_MOST, .n = &n_keys,
			.needed = "the public key of the journal's checkpoints"},
		{"record", "FILE", .text = &record_path}, {0}};
	struct options o = {.usage = verify_proof_usage, .rows = rows, .arguments = "FILE"};
	uint8_t *text = NULL, *record = NULL;
	size_t len = 0, record_len = 0;
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	code = audit_add_all_keys(&in, keys, n_keys);
	code = code != AUDIT_GOOD ? code : audit_read_file(&in, o.at[0], PROOF_MOST, &text, &len);
	if (code == AUDIT_GOOD && record_path) {
		code = audit_read_file(&in, record_path, PAYLOAD_MOST, &record, &record_len);
	}
	code = code != AUDIT_GOOD ? code
	                          : check(&in, o.at[0], span_of(text, len), span_of(record, record_len));
	free(text);
	free(record);
	return code;
}
