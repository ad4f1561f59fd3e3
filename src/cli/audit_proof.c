/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/armor.h"
#include "audit/proof.h"
#include "base/clock.h"
#include "cli/audit.h"
#include "cli/audit_print.h"
#include "cli/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
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
	bool has_record, with_record;
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
			" records, which number %" PRIu64 " is none of; the next one may cover it\n",
			new.size, p->record);
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

static bool take_option(struct proving *p, int c)
{
	switch (c) {
	case 'r':
		p->has_record = true;
		if (armor_read_number(span_str(optarg), &p->record) == 0) {
			return true;
		}
		fprintf(stderr, "gantry audit prove: --record `%s`: expected the number of a record\n",
			optarg);
		return false;
	case 'w':
		p->with_record = true;
		return true;
	case 'f':
		p->from = optarg;
		return true;
	case 'p':
		p->checkpoint = optarg;
		return true;
	case 'o':
		p->output = optarg;
		return true;
	default:
		return false;
	}
}

int audit_prove(int argc, char **argv)
{
	static const struct option options[] = {{"record", required_argument, NULL, 'r'},
		{"with-record", no_argument, NULL, 'w'}, {"from", required_argument, NULL, 'f'},
		{"checkpoint", required_argument, NULL, 'p'}, {"cold", required_argument, NULL, 'c'},
		{"output", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct proving p = {.in = {.verb = "prove"}};
	const char *cold[AUDIT_FOLDERS_MOST];
	size_t n_cold = 0;
	bool good = true;
	for (int c; good && (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'h') {
			fputs(prove_usage, stdout);
			return AUDIT_GOOD;
		}
		if (c == 'c' && n_cold < AUDIT_FOLDERS_MOST - 1) {
			cold[n_cold++] = optarg;
		} else {
			good = take_option(&p, c);
		}
	}
	if (!good || argc - optind != 1 || p.has_record == (p.from != NULL) || (p.from && p.with_record)) {
		options_usage(prove_usage);
		return AUDIT_USAGE;
	}
	p.journal = argv[optind];
	int code = audit_add_folder(&p.in, p.journal);
	for (size_t i = 0; code == AUDIT_GOOD && i < n_cold; i++) {
		code = audit_add_folder(&p.in, cold[i]);
	}
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

static int check(const struct audit_input *in, struct span text, struct span record)
{
	struct proof p;
	static struct proof_verdict v;
	int r = proof_read(text, &p);
	if (r < 0) {
		fprintf(stderr, "gantry audit verify-proof: not a proof: %s\n", err_str(r));
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
	static const struct option options[] = {{"key", required_argument, NULL, 'k'},
		{"record", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct audit_input in = {.verb = "verify-proof"};
	const char *record_path = NULL;
	uint8_t *text = NULL, *record = NULL;
	size_t len = 0, record_len = 0;
	int code = AUDIT_GOOD;
	for (int c; code == AUDIT_GOOD && (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'h') {
			fputs(verify_proof_usage, stdout);
			return AUDIT_GOOD;
		}
		if (c == 'r') {
			record_path = optarg;
		} else {
			code = c == 'k' ? audit_add_keys(&in, optarg) : AUDIT_USAGE;
		}
	}
	if (code == AUDIT_GOOD && argc - optind == 1 && in.n_keys == 0) {
		fputs("gantry audit verify-proof: --key is wanted: the public key of the journal's checkpoints\n",
			stderr);
		return AUDIT_USAGE;
	}
	if (code == AUDIT_USAGE || argc - optind != 1) {
		options_usage(verify_proof_usage);
		return AUDIT_USAGE;
	}
	code = code != AUDIT_GOOD ? code : audit_read_file(&in, argv[optind], PROOF_MOST, &text, &len);
	if (code == AUDIT_GOOD && record_path) {
		code = audit_read_file(&in, record_path, PAYLOAD_MOST, &record, &record_len);
	}
	code = code != AUDIT_GOOD ? code : check(&in, span_of(text, len), span_of(record, record_len));
	free(text);
	free(record);
	return code;
}
