/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/show.h"
#include "base/clock.h"
#include "policy/facts.h"
#include "policy/keys.h"
#include "policy/vocabulary.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 160 /* columns of a source line */

/* The line's text, without its end. */
static struct span line_of(struct span yaml, unsigned line)
{
	size_t from = 0;
	for (unsigned i = 1; i < line && from < yaml.len; i++) {
		const uint8_t *end = memchr(yaml.ptr + from, '\n', yaml.len - from);
		from = end ? (size_t)(end - yaml.ptr) + 1 : yaml.len;
	}
	const uint8_t *end = from < yaml.len ? memchr(yaml.ptr + from, '\n', yaml.len - from) : NULL;
	return span_of(
		yaml.ptr ? yaml.ptr + from : NULL, end ? (size_t)(end - yaml.ptr) - from : yaml.len - from);
}

/* The column counts characters; tabs stay tabs, so that the caret stands right under any tab width. */
static void show_caret(FILE *out, struct span line, unsigned column)
{
	fputs("    ", out);
	for (unsigned i = 0, c = 1; i < line.len && c < column; i++) {
		if ((line.ptr[i] & 0xc0) != 0x80) {
			fputc(line.ptr[i] == '\t' ? '\t' : ' ', out);
			c++;
		}
	}
	fputs("^\n", out);
}

void show_mistake(
	FILE *out, const char *file, struct span yaml, bool error, const struct mistake *m, bool colour)
{
	const char *on = !colour ? "" : error ? "\033[1;31m" : "\033[1;33m", *off = colour ? "\033[0m" : "";
	fputs(file, out);
	if (m->line && m->column) {
		fprintf(out, ":%u:%u", m->line, m->column);
	}
	fprintf(out, ": %s%s:%s %s\n", on, error ? "error" : "warning", off, m->text);
	if (!m->line || yaml.len == 0) {
		return;
	}
	struct span line = line_of(yaml, m->line);
	if (line.len == 0) {
		return;
	}
	fputs("    ", out);
	for (size_t i = 0; i < line.len && i < SHOWN; i++) {
		uint8_t c = line.ptr[i];
		fputc(c == '\t' || (c >= 0x20 && c != 0x7f) ? c : '?', out);
	}
	fputc('\n', out);
	if (m->column && m->column <= SHOWN) {
		show_caret(out, line, m->column);
	}
}

static const char *default_of(const struct key *k)
{
	if (k->required) {
		return "required";
	}
	return k->fallback && k->fallback[0] ? k->fallback : k->absent ? k->absent : "";
}

void show_defaults(FILE *out)
{
	for (size_t i = 0; i < keys_count; i++) {
		char path[96];
		snprintf(path, sizeof(path), "%s%s", place_path[keys[i].in], keys[i].name);
		fprintf(out, "%-44s %-28s %s\n", path, default_of(&keys[i]), keys[i].help);
	}
}

static int dump(FILE *out, json_t *j)
{
	int bad = j ? json_dumpf(j, out, JSON_INDENT(2)) : -1;
	json_decref(j);
	return bad || fputc('\n', out) == EOF ? ERR_SYSTEM : 0;
}

int show_defaults_json(FILE *out)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < keys_count; i++) {
		char path[96];
		snprintf(path, sizeof(path), "%s%s", place_path[keys[i].in], keys[i].name);
		json_t *row = json_pack("{s:s,s:b,s:s,s:s}", "key", path, "required", keys[i].required,
			"default", default_of(&keys[i]), "help", keys[i].help);
		if (json_array_append_new(list, row) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return dump(out, list);
}

/* "  asked     …", when there is something to say. */
static void row(FILE *out, const char *head, const char *text)
{
	if (text[0]) {
		fprintf(out, "  %-10s %s\n", head, text);
	}
}

static const char *outcome(const struct refusal *r)
{
	return r->observed ? "Observed, not refused" : r->alarm ? "Alarm, not refused" : "Refusal";
}

static void show_asked(FILE *out, const struct refusal *r)
{
	char text[512];
	const char *sop = r->sop_class[0] ? word_of_uid(r->sop_class) : "";
	snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s",
		r->service[0] ? r->service
		: sop[0]      ? "a presentation context"
			      : "an association",
		sop[0] ? ", " : "", sop, r->transfer_syntax[0] ? ", " : "",
		r->transfer_syntax[0] ? word_of_uid(r->transfer_syntax) : "",
		r->destination[0] ? ", destination `" : "", r->destination, r->destination[0] ? "`" : "");
	row(out, "asked", text);
	snprintf(text, sizeof(text), "`%s`%s%s%s at %s port %u, %s%s%s", r->calling,
		r->node[0] ? " (node " : "", r->node, r->node[0] ? ")" : "", r->address, r->port,
		r->tls ? "TLS" : "plain DICOM", r->listener[0] ? ", listener " : "", r->listener);
	row(out, "by", text);
	row(out, "subject", r->subject);
	for (unsigned i = 0; i < ARRAY_LEN(r->san) && r->san[i][0]; i++) {
		row(out, i ? "" : "name", r->san[i]);
	}
	row(out, "key", r->spki);
	row(out, "certificate", r->certificate);
	snprintf(text, sizeof(text), "`%s`%s%s%s", r->called, r->target[0] ? " (node " : "", r->target,
		r->target[0] ? ")" : "");
	row(out, "to", text);
}

#define KEPT_SHOWN 10 /* JSON has all */

static void say_kept(const struct suggestion *g, char *buf, size_t cap)
{
	size_t used = (size_t)snprintf(buf, cap, "in quarantine: object%s", g->n_kept == 1 ? "" : "s");
	for (size_t i = 0; i < g->n_kept && i < KEPT_SHOWN && used < cap; i++) {
		used += (size_t)snprintf(buf + used, cap - used, "%s %" PRIu64, i ? "," : "", g->kept[i]);
	}
	if (g->n_kept > KEPT_SHOWN && used < cap) {
		used += (size_t)snprintf(buf + used, cap - used, " and %zu more", g->n_kept - KEPT_SHOWN);
	}
	if (used < cap) {
		snprintf(buf + used, cap - used, " (`gantry quarantine show %" PRIu64 "`)", g->kept[0]);
	}
}

/* For who cannot see it there. */
static const char *where_kept(const struct refusal *r, const struct suggestion *g)
{
	return r->rule == RULE_CONTENT && g->n_kept == 0 && !g->keeps_none
	               ? " If its flow quarantines, the object is kept: `gantry quarantine list`."
	               : "";
}

/* null: not known, or there could be none. */
static json_t *kept_json(const struct suggestion *g)
{
	json_t *a = g && g->kept ? json_array() : json_null();
	for (size_t i = 0; g && g->kept && i < g->n_kept; i++) {
		(void)json_array_append_new(a, json_integer((json_int_t)g->kept[i]));
	}
	return a;
}

void show_refusal(FILE *out, const char *file, const struct refusal *r, const struct suggestion *g)
{
	char first[CLOCK_ISO_LEN], last[CLOCK_ISO_LEN], text[512];
	clock_iso(r->first_ms, first);
	clock_iso(r->last_ms, last);
	fprintf(out, "%s %" PRIu64 ", %s", outcome(r), r->number, first);
	if (r->count > 1) {
		fprintf(out, ", %" PRIu64 " times, last %s", r->count, last);
	}
	fputc('\n', out);
	show_asked(out, r);
	if (r->line) {
		snprintf(text, sizeof(text), "%s, %s:%u%s%s%s", rule_name(r->rule), file, r->line,
			r->flow[0] ? " (flow " : "", r->flow, r->flow[0] ? ")" : "");
	} else {
		snprintf(text, sizeof(text), "%s%s%s", rule_name(r->rule), r->flow[0] ? ", flow " : "",
			r->flow);
	}
	row(out, "rule", text);
	row(out, "why", r->sentence);
	row(out, "answered", r->answered);
	if (g && g->n_kept > 0) {
		say_kept(g, text, sizeof(text));
		row(out, "kept", text);
	}
	if (g && g->yaml[0]) {
		fprintf(out, "\nThese lines in %s would allow it:\n\n%s", file, g->yaml);
	}
	if (g && g->note[0]) {
		fprintf(out, "\n%s%s\n", g->note, where_kept(r, g));
	}
}

int show_refusal_json(FILE *out, const char *file, const struct refusal *r, const struct suggestion *g)
{
	char *text = NULL;
	int err = refusal_to_json(r, &text);
	if (err < 0) {
		return err;
	}
	json_t *o = json_loads(text, 0, NULL);
	free(text);
	bool ok = o && json_object_set_new(o, "file", json_string(file)) == 0 &&
	          json_object_set_new(o, "kept", kept_json(g)) == 0 &&
	          json_object_set_new(o, "suggestion", json_string(g ? g->yaml : "")) == 0 &&
	          json_object_set_new(
			  o, "note", json_sprintf("%s%s", g ? g->note : "", g ? where_kept(r, g) : "")) == 0;
	if (!ok) {
		json_decref(o);
		return ERR_NO_MEMORY;
	}
	return dump(out, o);
}

int ledger_find(FILE *ledger, uint64_t number, struct refusal *r, uint64_t *last)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int found = 0;
	while ((n = getline(&line, &cap, ledger)) > 0) {
		struct refusal one;
		bool is_count;
		/* A line that was cut by a crash is passed over. */
		if (refusal_from_json(span_of(line, (size_t)n), &one, &is_count) < 0) {
			continue;
		}
		*last = one.number > *last ? one.number : *last;
		if (one.number != number) {
			continue;
		}
		found = 1;
		if (!is_count) {
			*r = one;
		} else {
			r->count = one.count;
			r->last_ms = one.last_ms;
		}
	}
	free(line);
	return found;
}
