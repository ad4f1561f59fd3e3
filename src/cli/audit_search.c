/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/body.h"
#include "cli/audit_lookup.h"
#include "cli/audit_print.h"
#include "cli/when.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry audit search --key KEY [-c FILE | --journal DIR] [CRITERIA]\n"
	"                    [--format FORMAT]\n"
	"\n"
	"Find what the journal says of a patient, a device, a time. All criteria must be\n"
	"met; none finds all.\n"
	"\n"
	"  --patient ID [--issuer ISSUER]  --name NAME  --accession NUMBER  --study UID\n"
	"  --user USER\n"
	"  --node NODE, --address IP, --certificate FILE|SHA256|SUBJECT|serial=HEX,\n"
	"  --certificate-issuer FILE|NAME  of either end\n"
	"  --kind KIND      transfer, query, patient-shown, alert, login, log-used, …;\n"
	"                   several times: any of them\n"
	"  --outcome HOW    success, minor, serious, major; several times: any of them\n"
	"  --refusal N, --association N\n"
	"  --from TIME, --to TIME (--until is the same as --to)\n"
	"           " WHEN_FORM "\n"
	"\n"
	"  --key KEY        an auditor's private key: a PEM file, or a pkcs11: URI\n"
	"  --passphrase-file FILE  its first line; otherwise it is asked for\n"
	"  -c, --config FILE  whose journal; default: ./gantry.yaml, then\n"
	"                     /etc/gantry/gantry.yaml\n"
	"  --journal DIR    another journal's folder; --cold DIR: where older segments of\n"
	"                   it are\n"
	"  --unrecorded     search even if the gateway cannot record that somebody\n"
	"                   searches\n"
	"  --format FORMAT  text, json (an object a line), csv, xml (the audit messages)\n"
	"  --limit N        stop after so many\n"
	"  -h, --help       print this\n"
	"\n"
	"Exit status: 0 found, 1 nothing found, 2 wrong usage, 3 not all could be read,\n"
	"or not recorded.\n";

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV, FORMAT_XML };

struct searching {
	struct audit_lookup l;
	unsigned format; /* enum format */
	uint64_t limit, found;
	bool terminal;
};

/* ---- Output ---- */

/* A message without the XML declaration, which each has for itself. */
static void print_message(struct search *s, unsigned part)
{
	static uint8_t xml[BODY_XML_MOST];
	size_t len, at = 0;
	if (search_message(s, part, xml, sizeof(xml), &len) != 0) {
		fputs("<!-- a record that could not be opened -->\n", stdout);
		return;
	}
	if (len > 5 && memcmp(xml, "<?xml", 5) == 0) {
		const uint8_t *end = memchr(xml, '>', len);
		at = end ? (size_t)(end - xml) + 1 : 0;
	}
	while (at < len && (xml[at] == '\n' || xml[at] == ' ')) {
		at++;
	}
	fwrite(xml + at, 1, len - at, stdout);
	if (len > at && xml[len - 1] != '\n') {
		putchar('\n');
	}
}

static void begin(const struct searching *g)
{
	if (g->format == FORMAT_CSV) {
		print_csv_head(stdout);
	} else if (g->format == FORMAT_XML) {
		fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AuditMessages>\n", stdout);
	}
}

static void clear_progress(const struct searching *g)
{
	if (g->terminal) {
		fputs("\r\033[K", stderr);
	}
}

static void show(struct searching *g, struct search *s, const struct search_hit *h)
{
	json_t *o;
	clear_progress(g);
	switch ((enum format)g->format) {
	case FORMAT_TEXT:
		if (g->found == 0) {
			print_text_head(stdout);
		}
		print_text(stdout, h);
		break;
	case FORMAT_JSON:
		o = hit_json(h);
		(void)json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
		break;
	case FORMAT_CSV:
		print_csv(stdout, h);
		break;
	case FORMAT_XML:
		for (unsigned i = 0; i < h->n_parts; i++) {
			print_message(s, i);
		}
		break;
	}
}

static void progress(const struct searching *g, const struct search_totals *t)
{
	char time[WHEN_LEN] = "";
	if (g->terminal && t->read > 0) {
		when_text(t->last_ms, time);
		fprintf(stderr, "\r%" PRIu64 " records read, %" PRIu64 " found; at %s", t->read, g->found,
			time);
		(void)fflush(stderr);
	}
}

/* ---- The search ---- */

static int run(struct searching *g, struct search *s)
{
	struct search_hit h;
	int e = 0;
	begin(g);
	while (g->found < g->limit && ((e = search_next(s, &h)) == 1 || e == ERR_AGAIN)) {
		if (e == 1) {
			show(g, s, &h);
			g->found++;
		} else {
			progress(g, search_totals(s));
		}
	}
	clear_progress(g);
	if (g->format == FORMAT_XML) {
		fputs("</AuditMessages>\n", stdout);
	}
	if (fflush(stdout) != 0) {
		fprintf(stderr, "%s: the output cannot be written: %s\n", g->l.name, strerror(errno));
		return AUDIT_UNREADABLE;
	}
	if (e < 0) {
		fprintf(stderr, "%s: %s\n", g->l.name, e == ERR_SYSTEM ? strerror(errno) : err_str(e));
		return AUDIT_UNREADABLE;
	}
	if (lookup_incomplete(&g->l, search_totals(s))) {
		return AUDIT_UNREADABLE;
	}
	if (g->found == 0) {
		lookup_nothing(&g->l, search_totals(s));
	}
	return g->found > 0 ? AUDIT_GOOD : AUDIT_BAD;
}

static int search(struct searching *g)
{
	struct search *s = NULL;
	int code = lookup_open(&g->l);
	if (code != AUDIT_GOOD) {
		return code;
	}
	int e = search_open(g->l.folders, g->l.n_folders, &g->l.auditor.opener, &g->l.criteria,
		lookup_problem, &g->l, &s);
	if (e != 0) {
		fprintf(stderr, "%s: %s\n", g->l.name,
			e == ERR_VALUE ? "a criterion is nothing but spaces" : err_str(e));
		return e == ERR_VALUE ? AUDIT_USAGE : AUDIT_UNREADABLE;
	}
	code = run(g, s);
	search_free(s);
	return code;
}

/* The records of a transfer are one hit. */
static const struct word kinds[] = {{"transfer", 1u << AUDIT_BEGIN}, {"query", 1u << AUDIT_QUERY},
	{"patient-shown", 1u << AUDIT_PATIENT_SHOWN}, {"alert", 1u << AUDIT_ALERT},
	{"login", 1u << AUDIT_LOGIN}, {"log-used", 1u << AUDIT_LOG_USED}, {"import", 1u << AUDIT_IMPORT},
	{"export", 1u << AUDIT_EXPORT}, {"start", 1u << AUDIT_START}, {"stop", 1u << AUDIT_STOP},
	{"attached", 1u << AUDIT_ATTACHED}, {"detached", 1u << AUDIT_DETACHED}, {0}};
static const struct word outcomes[] = {{"success", 1u << AUDIT_SUCCESS}, {"minor", 1u << AUDIT_MINOR},
	{"serious", 1u << AUDIT_SERIOUS}, {"major", 1u << AUDIT_MAJOR}, {0}};
static const struct word formats[] = {
	{"text", FORMAT_TEXT}, {"json", FORMAT_JSON}, {"csv", FORMAT_CSV}, {"xml", FORMAT_XML}, {0}};

int audit_search(int argc, char **argv)
{
	static struct searching g;
	static const struct option_row rows[] = {LOOKUP_ROWS(g.l),
		{"address", "IP", .text = &g.l.criteria.address, LOOKUP_TEXT},
		{"kind", "KIND", .bits = &g.l.criteria.kinds, .words = kinds, .many = true},
		{"outcome", "HOW", .bits = &g.l.criteria.outcomes, .words = outcomes, .many = true},
		{"association", "N", .number = &g.l.criteria.association, .least = 1, .once = true},
		{"format", "FORMAT", .bits = &g.format, .words = formats},
		{"limit", "N", .number = &g.limit, .least = 1}, {0}};
	int code;
	lookup_init(&g.l, "audit search", "search");
	g.limit = UINT64_MAX;
	g.terminal = isatty(STDERR_FILENO) != 0;
	if (lookup_read(&g.l, rows, usage, argc, argv, &code)) {
		code = search(&g);
	}
	lookup_done(&g.l);
	return code;
}
