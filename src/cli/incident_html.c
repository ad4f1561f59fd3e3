/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/incident.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A page for people and for paper: one file, no script, nothing from elsewhere; every text of others is escaped. */

static const char style[] =
	"@page{size:A4;margin:16mm}"
	"body{font:10.5pt/1.45 'Liberation Sans',Arial,sans-serif;color:#1a1a1a;max-width:178mm;margin:10mm auto;padding:0 4mm}"
	"h1{font-size:17pt;margin:0 0 1mm}h2{font-size:12.5pt;margin:8mm 0 2mm;break-after:avoid}"
	"p,ul{margin:0 0 2.5mm}ul{padding-left:5mm}.sub{color:#555}"
	".statement{border-left:1.2mm solid #1d6b3f;background:#eef6f0;padding:3mm 4mm;white-space:pre-line}"
	".statement.not{border-color:#a32121;background:#faeeee}"
	"table{border-collapse:collapse;width:100%;font-size:8.5pt}"
	"th{text-align:left;border-bottom:.4mm solid #444;vertical-align:bottom}"
	"th,td{padding:.9mm 1.4mm}td{border-bottom:.2mm solid #ccc;vertical-align:top;overflow-wrap:anywhere}"
	"tr{break-inside:avoid}thead{display:table-header-group}.n{text-align:right;white-space:nowrap;overflow-wrap:normal}"
	".t{white-space:nowrap;overflow-wrap:normal}.w{overflow-wrap:normal;min-width:15mm}.uid{font-size:7.5pt}.key{display:inline-block;margin-right:4mm;font-size:9pt}"
	".key i{display:inline-block;width:3mm;height:3mm;margin-right:1.2mm}svg{width:100%;height:auto}"
	"footer{margin-top:8mm;color:#555;font-size:8.5pt}"
	"@media print{body{margin:0;padding:0;max-width:none}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}";

static const char *const colours[HOW_COUNT] = {[HOW_STORED] = "#2f6f9f",
	[HOW_RETRIEVED] = "#6fb1a0",
	[HOW_QUERIED] = "#b7b7b7",
	[HOW_SHOWN] = "#d9a441",
	[HOW_REFUSED] = "#a32121",
	[HOW_INTERRUPTED] = "#7a4f9a",
	[HOW_EXPORTED] = "#c2703d",
	[HOW_IMPORTED] = "#8a9a3b",
	[HOW_OTHER] = "#555555"};

static void text(FILE *to, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			fputs("&amp;", to);
			break;
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		case '\'':
			fputs("&#39;", to);
			break;
		default:
			putc(*s, to);
		}
	}
}

static void cell(FILE *to, const char *class, const char *s)
{
	fprintf(to, "<td%s%s%s>", class[0] ? " class=\"" : "", class, class[0] ? "\"" : "");
	text(to, s);
	fputs("</td>", to);
}

static void number(FILE *to, uint64_t n)
{
	if (n > 0) {
		fprintf(to, "<td class=\"n\">%" PRIu64 "</td>", n);
	} else {
		fputs("<td class=\"n\"></td>", to);
	}
}

/* ---- The chart ---- */

#define WIDTH  720
#define HEIGHT 190
#define LEFT   40
#define BASE   158
#define TOP    10

static uint64_t total(const struct day *d)
{
	uint64_t n = 0;
	for (unsigned h = 0; h < HOW_COUNT; h++) {
		n += d->times[h];
	}
	return n;
}

/* The scale's end: 1, 2 or 5 times a power of ten, and at least 5. */
static uint64_t scale_of(const struct incident *in)
{
	static const unsigned factors[] = {10, 20, 50};
	uint64_t most = 5, ten = 1;
	for (size_t i = 0; i < in->n_days; i++) {
		most = total(&in->days[i]) > most ? total(&in->days[i]) : most;
	}
	if (most == 5) {
		return 5;
	}
	while (ten * 50 < most) {
		ten *= 10;
	}
	unsigned k = 0;
	while (ten * factors[k] < most) {
		k++;
	}
	return ten * factors[k];
}

static void bar(const struct day *d, double x, double width, double unit, FILE *to)
{
	double y = BASE;
	fputs("<g><title>", to);
	fprintf(to, "%s:", d->day);
	for (unsigned h = 0; h < HOW_COUNT; h++) {
		if (d->times[h] > 0) {
			fprintf(to, " %" PRIu64 " %s", d->times[h], how_name(h));
		}
	}
	fputs("</title>", to);
	for (unsigned h = 0; h < HOW_COUNT; h++) {
		double height = (double)d->times[h] * unit;
		if (height > 0) {
			y -= height;
			fprintf(to,
				"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>", x,
				y, width, height, colours[h]);
		}
	}
	fputs("</g>", to);
}

static void axis(uint64_t scale, FILE *to)
{
	for (unsigned i = 0; i <= 5; i++) {
		double y = BASE - (BASE - TOP) * i / 5.0;
		fprintf(to,
			"<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"%s\"/>"
			"<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%" PRIu64 "</text>",
			LEFT, y, WIDTH, y, i ? "#ddd" : "#444", LEFT - 5, y + 3.5, scale * i / 5);
	}
}

static void chart(const struct incident *in, FILE *to)
{
	uint64_t scale = scale_of(in);
	int64_t first = in->days[0].number, days = in->days[in->n_days - 1].number - first + 1;
	double step = (double)(WIDTH - LEFT) / (double)days, width = step > 40 ? 32 : step * 0.8;
	double last_label = -100;
	fprintf(to,
		"<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Entries by day\" font-size=\"9.5\" "
		"font-family=\"Liberation Sans,Arial,sans-serif\" fill=\"#333\">",
		WIDTH, HEIGHT);
	axis(scale, to);
	for (size_t i = 0; i < in->n_days; i++) {
		const struct day *d = &in->days[i];
		double x = LEFT + step * (double)(d->number - first) + (step - width) / 2;
		bar(d, x, width, (BASE - TOP) / (double)scale, to);
		if (x - last_label > 58) {
			double middle = x + width / 2, most = WIDTH - 28;
			middle = middle < LEFT + 28 ? LEFT + 28 : middle > most ? most : middle;
			fprintf(to, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>", middle,
				BASE + 15, d->day);
			last_label = x;
		}
	}
	fputs("</svg>\n<p>", to);
	for (unsigned h = 0; h < HOW_COUNT; h++) {
		fprintf(to, "<span class=\"key\"><i style=\"background:%s\"></i>%s</span>", colours[h],
			how_name(h));
	}
	fputs("</p>\n", to);
}

/* ---- Tables ---- */

static void head(FILE *to, const char *const *names, unsigned n, bool hows)
{
	fputs("<table><thead><tr>", to);
	for (unsigned i = 0; i < n; i++) {
		fprintf(to, "<th>%s</th>", names[i]);
	}
	for (unsigned h = 0; hows && h < HOW_COUNT; h++) {
		fprintf(to, "<th class=\"n\">%s</th>", how_name(h));
	}
	fputs("</tr></thead><tbody>\n", to);
}

static void end(FILE *to)
{
	fputs("</tbody></table>\n", to);
}

static void days_table(const struct incident *in, FILE *to)
{
	static const char *const names[] = {"day", "studies", "instances"};
	head(to, names, ARRAY_LEN(names), true);
	for (size_t i = 0; i < in->n_days; i++) {
		const struct day *d = &in->days[i];
		fputs("<tr>", to);
		cell(to, "t", d->day);
		number(to, d->studies);
		number(to, d->instances);
		for (unsigned h = 0; h < HOW_COUNT; h++) {
			number(to, d->times[h]);
		}
		fputs("</tr>\n", to);
	}
	end(to);
}

/* Whatever direction it has or makes, it is of no consequence for what stands behind it. */
static void apart(FILE *to, const char *s)
{
	fputs("<bdi>", to);
	text(to, s);
	fputs("</bdi>", to);
}

static void patient(const struct touch *t, FILE *to)
{
	fputs("<td><b>", to);
	apart(to, t->patient[0] ? t->patient : "(no identifier)");
	fputs("</b>", to);
	if (t->issuer[0]) {
		fputs(" ", to);
		apart(to, t->issuer);
	}
	fputs("<br>", to);
	apart(to, t->name);
	fputs("</td><td>", to);
	apart(to, t->accession);
	fputs(t->accession[0] ? "<br><span class=\"uid\">" : "<span class=\"uid\">", to);
	text(to, t->study);
	fputs("</span></td>", to);
}

/* On the page after it is still to be seen whose the line is; and another name or number than above is. */
static void patient_again(const struct touch *t, const struct touch *first, FILE *to)
{
	fputs("<td><span class=\"sub\">", to);
	apart(to, t->patient[0] ? t->patient : t->name);
	fputs("</span>", to);
	if (t->patient[0] && t->name[0] && strcmp(t->name, first->name) != 0) {
		fputs("<br>", to);
		apart(to, t->name);
	}
	fputs("</td><td>", to);
	if (t->accession[0] && strcmp(t->accession, first->accession) != 0) {
		apart(to, t->accession);
	}
	fputs("</td>", to);
}

static void records(const struct touch *t, FILE *to)
{
	fputs("<td class=\"n\">", to);
	for (unsigned k = 0; k < t->n_parts; k++) {
		fprintf(to, "%s%" PRIu64, k ? ", " : "", t->part[k]);
	}
	fputs("</td>", to);
}

static void entry(const struct touch *t, bool with_text, FILE *to)
{
	char time[WHEN_LEN];
	when_text(t->time_ms, time);
	cell(to, "t", time);
	/* Our own words are not broken, however much room the names of others take. */
	fputs(with_text ? "<td>" : "<td class=\"w\">", to);
	text(to, t->what);
	if (t->refusal) {
		fprintf(to, "<br>refusal %" PRIu64, t->refusal);
	}
	if (t->again) {
		fputs("<br>counted with another record", to);
	}
	if (with_text && t->text[0]) {
		fputs("<br>", to);
		text(to, t->text);
	}
	fputs("</td><td>", to);
	text(to, t->from);
	fputs(t->to[0] ? (t->to_caller ? " \xe2\x86\x90 " : " \xe2\x86\x92 ") : "", to);
	text(to, t->to);
	if (t->certificate) {
		fputs("<br><span class=\"uid\">", to);
		text(to, t->certificate[0] ? t->certificate : "no fingerprint");
		fputs(t->issued[0] ? "<br>" : "", to);
		text(to, t->issued);
		fputs("</span>", to);
	}
	fputs("</td>", to);
	cell(to, "", t->user);
	records(t, to);
}

static void studies_table(const struct incident *in, FILE *to)
{
	static const char *const names[] = {
		"patient", "accession, study", "time", "what", "between", "user", "records"};
	head(to, names, ARRAY_LEN(names), false);
	for (size_t i = 0; i < in->n_studies; i++) {
		const struct study *s = &in->studies[i];
		for (size_t k = 0; k < s->n; k++) {
			fputs("<tr>", to);
			if (k == 0) {
				patient(&in->touches[s->first], to);
			} else {
				patient_again(&in->touches[s->first + k], &in->touches[s->first], to);
			}
			entry(&in->touches[s->first + k], false, to);
			fputs("</tr>\n", to);
		}
	}
	end(to);
}

static void others_table(const struct incident *in, size_t first, FILE *to)
{
	static const char *const names[] = {"time", "what", "between", "user", "records"};
	head(to, names, ARRAY_LEN(names), false);
	for (size_t i = first; i < in->n_touches; i++) {
		fputs("<tr>", to);
		entry(&in->touches[i], true, to);
		fputs("</tr>\n", to);
	}
	end(to);
}

/* ---- The page ---- */

static void statement(const struct incident *in, FILE *to)
{
	char *said = NULL;
	size_t len;
	FILE *f = open_memstream(&said, &len);
	if (!f) {
		return;
	}
	incident_statement(in, f);
	(void)fclose(f);
	fprintf(to, "<div class=\"statement%s\">", in->complete ? "" : " not");
	text(to, said ? said : "");
	fputs("</div>\n", to);
	free(said);
}

static void proofs(const struct incident *in, FILE *to)
{
	if (in->n_proofs == 0) {
		return;
	}
	fprintf(to,
		"<h2>Proofs</h2><p>The folder <code>proofs</code> has one for each of the %zu records that are listed: that it is "
		"in the journal, with its bytes; the signed checkpoint; the key that signed it, which whoever checks should have "
		"from elsewhere; and the hashes of all records of the scope. Each is checked without the gateway and without any "
		"secret:</p><p><code>gantry audit verify-proof proofs/record-N.tlog-proof --key checkpoint.vkey</code></p>\n",
		in->n_proofs);
}

void incident_html(const struct incident *in, FILE *to)
{
	char subject[INCIDENT_SUBJECT], now[WHEN_ZONED_LEN];
	size_t others = in->n_studies > 0
	                        ? in->studies[in->n_studies - 1].first + in->studies[in->n_studies - 1].n
	                        : 0;
	incident_subject(in, subject, sizeof(subject));
	when_zoned(in->l.now_ms, now);
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
	      "<title>Incident report</title><style>",
		to);
	fputs(style, to);
	fputs("</style></head><body>\n<h1>Incident report</h1><p class=\"sub\">", to);
	text(to, in->origin);
	fputs(subject[0] ? ", " : "", to);
	text(to, subject);
	fprintf(to, "; made %s by Gantry " GANTRY_VERSION "</p>\n", now);
	statement(in, to);
	if (in->n_days > 0) {
		fputs("<h2>Entries by day</h2>\n", to);
		chart(in, to);
		days_table(in, to);
	}
	if (in->n_studies > 0) {
		fputs("<h2>Patients and studies</h2>\n", to);
		studies_table(in, to);
	}
	if (others < in->n_touches) {
		fputs("<h2>Entries that name no patient</h2>\n", to);
		others_table(in, others, to);
	}
	proofs(in, to);
	fputs("<footer>Times in tables are local times of the machine that made the report; incident.csv and "
	      "incident.json have UTC. Instances are those that the receiver said it took.</footer>\n</body></html>\n",
		to);
}
