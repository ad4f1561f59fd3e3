/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/incident.h"
#include "cli/audit_print.h"
#include "cli/verbs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry incident --key KEY [SCOPE] [--out FOLDER]\n"
	"                       [-c FILE | --journal DIR --vkey KEY]\n"
	"\n"
	"List the patients and studies that a device, a user, a certificate or a version\n"
	"touched, how, and by day; and show by the journal's signed tree that the list is\n"
	"complete for what crossed this gateway.\n"
	"\n"
	"  --node NODE, --user USER, --certificate FILE|SHA256|SUBJECT|serial=HEX,\n"
	"  --certificate-issuer FILE|NAME, --refusal N, --version VERSION\n"
	"                   all must be met\n"
	"  --patient ID [--issuer ISSUER], --name NAME, --accession NUMBER, --study UID\n"
	"                   what became of them\n"
	"  --from TIME, --to TIME (--until is the same as --to)\n"
	"           " WHEN_FORM "\n"
	"  --out FOLDER     a new folder: incident.csv, .json, .html (to print),\n"
	"                   statement.txt and proofs\n"
	"\n"
	"  --key KEY        an auditor's private key: a PEM file, or a pkcs11: URI\n"
	"  --passphrase-file FILE  its first line; otherwise it is asked for\n"
	"  --vkey KEY       the public key of checkpoints, or a file with it; default:\n"
	"                   beside the checkpoint key\n"
	"  --checkpoint FILE  one that left the gateway, to hold the records against;\n"
	"                     default: the journal's\n"
	"  -c, --config FILE  whose journal; default: ./gantry.yaml, then\n"
	"                     /etc/gantry/gantry.yaml\n"
	"  --journal DIR    another journal's folder; --cold DIR: where older segments of\n"
	"                   it are\n"
	"  --unrecorded     go on even if the gateway cannot record that somebody\n"
	"                   searches\n"
	"  -h, --help       print this\n"
	"\n"
	"Exit status: 0 listed, and complete; 1 nothing to list, and complete; 2 wrong\n"
	"usage; 3 not shown to be complete.\n";

/* `gantry audit init` puts it beside the private key. */
static int find_vkey(struct incident *in)
{
	static const char private[] = ".key";
	char path[4200] = "";
	const char *key = in->l.has_place ? in->l.place.checkpoint_key : "";
	size_t n = strlen(key), cut = sizeof(private) - 1;
	if (in->vkey) {
		return AUDIT_GOOD; /* it was read */
	}
	if (n > cut && n < 4096 && strcmp(key + n - cut, private) == 0) {
		snprintf(path, sizeof(path), "%.*s.vkey", (int)(n - cut), key);
	}
	if (!path[0] || access(path, R_OK) != 0) {
		fprintf(stderr, "%s: --vkey is wanted: the public key of the journal's checkpoints\n",
			in->l.name);
		return AUDIT_USAGE;
	}
	return audit_add_keys(&in->keys, path);
}

static int print(const struct incident *in)
{
	incident_statement(in, stdout);
	if (in->n_days > 0) {
		puts("\nBy day:");
	}
	for (size_t i = 0; i < in->n_days; i++) {
		const struct day *d = &in->days[i];
		printf("  %s  %" PRIu64 " stud%s:", d->day, d->studies, d->studies == 1 ? "y" : "ies");
		for (unsigned h = 0; h < HOW_COUNT; h++) {
			if (d->times[h] > 0) {
				printf(" %" PRIu64 " %s", d->times[h], how_name(h));
			}
		}
		putchar('\n');
	}
	if (in->n_studies > 0) {
		puts("\nPatients and studies:");
	}
	for (size_t i = 0; i < in->n_studies; i++) {
		const struct study *s = &in->studies[i];
		const struct touch *t = &in->touches[s->first];
		const char *const parts[] = {t->patient, t->issuer, s->names, s->accessions, t->study};
		fputs(" ", stdout);
		for (unsigned k = 0; k < ARRAY_LEN(parts); k++) {
			if (parts[k][0]) {
				putchar(' ');
				audit_print_text(parts[k]);
			}
		}
		putchar(':');
		for (unsigned h = 0; h < HOW_COUNT; h++) {
			if (s->times[h] > 0) {
				printf(" %s %" PRIu64, how_name(h), s->times[h]);
			}
		}
		putchar('\n');
	}
	if (in->out) {
		printf("\n%s has the report, with %zu proofs.\n", in->out, in->n_proofs);
	}
	return fflush(stdout) == 0 ? AUDIT_GOOD : AUDIT_UNREADABLE;
}

static int report(struct incident *in)
{
	int code = lookup_open(&in->l);
	code = code == AUDIT_GOOD ? find_vkey(in) : code;
	code = code == AUDIT_GOOD ? incident_find_records(in) : code;
	code = code == AUDIT_GOOD ? incident_find_ends(in) : code;
	code = code == AUDIT_GOOD ? incident_find_versions(in) : code;
	code = code == AUDIT_GOOD ? incident_list(in) : code;
	code = code == AUDIT_GOOD ? incident_find_gaps(in) : code;
	code = code == AUDIT_GOOD ? studies_make(in) : code;
	code = code == AUDIT_GOOD ? incident_prove(in) : code;
	code = code == AUDIT_GOOD && in->out ? incident_write(in) : code;
	code = code == AUDIT_GOOD ? print(in) : code;
	if (code == AUDIT_GOOD && in->n_touches == 0) {
		lookup_nothing(&in->l, &in->totals);
	}
	return code;
}

/* What can be mistaken is found before a journal of years is read, and before anybody is said to have looked. */
static int run(struct incident *in)
{
	int code = in->vkey ? audit_add_keys(&in->keys, in->vkey) : AUDIT_GOOD;
	if (code == AUDIT_GOOD && in->checkpoint) {
		code = audit_read_file(
			&in->keys, in->checkpoint, NOTE_MOST, &in->checkpoint_note, &in->checkpoint_len);
	}
	if (code == AUDIT_GOOD && in->l.key && in->out) {
		code = incident_make_folder(in);
		in->made = code == AUDIT_GOOD;
	}
	code = code == AUDIT_GOOD ? report(in) : code;
	if (code != AUDIT_GOOD) {
		if (in->made) {
			(void)rmdir(in->out); /* if nothing is in it yet */
		}
		return code;
	}
	return !in->complete ? AUDIT_UNREADABLE : in->n_touches > 0 ? AUDIT_GOOD : AUDIT_BAD;
}

static void notes_done(struct notes *n)
{
	while (n->n > 0) {
		free(n->at[--n->n]);
	}
	free(n->at);
}

static void done(struct incident *in)
{
	lookup_done(&in->l);
	touches_done(in);
	notes_done(&in->lacks);
	notes_done(&in->uncovered);
	scope_done(&in->scope);
	free(in->intervals);
	free(in->checkpoint_note);
}

int verb_incident(int argc, char **argv)
{
	static struct incident in;
	static const struct option_row rows[] = {LOOKUP_ROWS(in.l),
		{"version", "VERSION", .text = &in.version, LOOKUP_TEXT}, {"vkey", "KEY", .text = &in.vkey},
		{"checkpoint", "FILE", .text = &in.checkpoint}, {"out", "FOLDER", .text = &in.out}, {0}};
	int code;
	lookup_init(&in.l, "incident", "incident");
	in.keys.verb = "incident";
	in.keys.beside = true;
	in.terminal = isatty(STDERR_FILENO) != 0;
	if (lookup_read(&in.l, rows, usage, argc, argv, &code)) {
		code = run(&in);
	}
	done(&in);
	return code;
}
