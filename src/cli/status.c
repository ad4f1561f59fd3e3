/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "cli/verbs.h"
#include "base/attr.h"
#include "cli/place.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] = "usage: gantry status [--json | --watch] [-c FILE]\n"
			    "\n"
			    "Show what the running gateway does: live associations, counts and rates,\n"
			    "refusals, the audit trail, days left of certificates.\n"
			    "\n"
			    "      --json         the whole answer, for programs\n"
			    "  -w, --watch        again each second, until Ctrl-C\n"
			    "  -c, --config FILE  whose `run:` folder to look in; default: ./gantry.yaml,\n"
			    "                     then /etc/gantry/gantry.yaml\n"
			    "  -h, --help         print this\n";

#define DAYS_SOON 60
#define DAYS_LAST 7

static void on_interrupt(int sig)
{
	(void)sig;
	control_interrupted = 1;
}

/* ---- For people ---- */

static bool colours;

static const char *paint(const char *code)
{
	return colours ? code : "";
}

#define BOLD  paint("\033[1m")
#define RED   paint("\033[31m")
#define AMBER paint("\033[33m")
#define PLAIN paint("\033[0m")

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static long long number(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

/* Titles and subjects come from peers: nothing of them may command a terminal. */
static const char *safe(const char *s, char *buf, size_t cap)
{
	size_t n = 0;
	for (; *s && n + 1 < cap; s++) {
		buf[n++] = (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s;
	}
	buf[n] = 0;
	return buf;
}

/* A number of things: "1 record", "2 records". For one printf, twice. */
static const char *count(long long n, const char *what)
{
	static char buf[2][64];
	static unsigned at;
	at = !at;
	snprintf(buf[at], sizeof(buf[at]), "%lld %s%s", n, what, n == 1 ? "" : "s");
	return buf[at];
}

static const char *bytes(long long n, char buf[24])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)n;
	unsigned u = 0;
	while (v >= 1024 && u + 1 < ARRAY_LEN(units)) {
		v /= 1024;
		u++;
	}
	snprintf(buf, 24, u == 0 ? "%.0f %s" : "%.1f %s", v, units[u]);
	return buf;
}

/* Where nobody can miss it. */
static void put_unrecorded(const json_t *audit)
{
	static const struct {
		const char *word, *what;
	} happens[] = {{"hold", "what would be recorded waits, and is refused when it has waited too long"},
		{"refuse", "what would be recorded is refused"},
		{"pass", "what would be recorded passes without a record"}};
	const char *state = text(audit, "state");
	const char *what = "";
	char why[160];
	if (strcmp(state, "failing") != 0 && strcmp(state, "away") != 0) {
		return;
	}
	for (unsigned i = 0; i < ARRAY_LEN(happens); i++) {
		what = strcmp(text(audit, "unrecorded"), happens[i].word) == 0 ? happens[i].what : what;
	}
	printf("%sNOTHING IS RECORDED since %.19s UTC%s (%s): %s\n", RED, text(audit, "since"), PLAIN,
		safe(text(audit, "why"), why, sizeof(why)), what);
}

static void put_unscanned(const json_t *antivirus)
{
	char why[200];
	if (strcmp(text(antivirus, "state"), "away") == 0) {
		printf("%sNOTHING IS SCANNED FOR VIRUSES since %.19s UTC%s (%s): what becomes of objects the flows say\n",
			RED, text(antivirus, "since"), PLAIN, safe(text(antivirus, "why"), why, sizeof(why)));
	}
}

static void put_head(const json_t *o)
{
	char name[128];
	printf("%s%s%s  %s, gantry %s, since %.19s UTC\n", BOLD, safe(text(o, "site"), name, sizeof(name)),
		PLAIN, text(o, "mode"), text(o, "version"), text(o, "since"));
	printf("pid %lld, %lld live of %s, %lld closed at once, %lld crashed, last refusal number %lld%s\n",
		number(o, "pid"), number(o, "live"), count(number(o, "connections"), "connection"),
		number(o, "closed_at_once"), number(o, "crashed"),
		number(json_object_get(o, "refusals"), "last_number"),
		json_is_true(json_object_get(o, "stopping")) ? ", stopping" : "");
	if (text(o, "reload_refused")[0]) {
		char why[256];
		printf("%sthe reload of %.19s UTC was refused%s (%s); the configuration of %.19s UTC is in use\n",
			RED, text(o, "reload_refused"), PLAIN,
			safe(text(o, "reload_refused_why"), why, sizeof(why)), text(o, "configured"));
	}
	put_unrecorded(json_object_get(o, "audit"));
	put_unscanned(json_object_get(o, "antivirus"));
	size_t i;
	json_t *l;
	json_array_foreach(json_object_get(o, "listeners"), i, l)
	{
		printf("%s %s port %lld (%s)", i == 0 ? "listening:" : ",", text(l, "address"),
			number(l, "port"), text(l, "transport"));
	}
	putchar('\n');
}

static void put_associations(const json_t *o)
{
	size_t i;
	json_t *a;
	char calling[20], called[20], in[24];
	const json_t *list = json_object_get(o, "associations");
	if (json_array_size(list) == 0) {
		return;
	}
	printf("\n%s%-8s %-22s %-16s %-16s %-24s %-8s %-12s %8s %10s%s\n", BOLD, "since", "address",
		"calling", "called", "nodes", "tls", "state", "messages", "received", PLAIN);
	json_array_foreach(list, i, a)
	{
		char nodes[80];
		snprintf(nodes, sizeof(nodes), "%s > %s", text(a, "from"), text(a, "to"));
		const char *since = text(a, "since");
		printf("%-8.8s %-22s %-16s %-16s %-24s %-8s %-12s %8lld %10s\n",
			strlen(since) > 11 ? since + 11 : since, text(a, "address"),
			safe(text(a, "calling"), calling, sizeof(calling)),
			safe(text(a, "called"), called, sizeof(called)), nodes,
			json_is_true(json_object_get(a, "tls")) ? text(a, "tls_version") : "plain",
			text(a, "state"), number(a, "messages"), bytes(number(a, "bytes_in"), in));
	}
}

static void put_flows(const json_t *o)
{
	size_t i;
	json_t *f;
	char hour[24], all[24];
	printf("\n%s%-24s %8s %10s %12s %12s %10s %12s%s\n", BOLD, "flow", "at once", "per minute",
		"objects/hour", "bytes/hour", "objects", "bytes", PLAIN);
	json_array_foreach(json_object_get(o, "flows"), i, f)
	{
		printf("%-24s %8lld %10lld %12lld %12s %10lld %12s\n", text(f, "name"), number(f, "at_once"),
			number(f, "associations_last_minute"), number(f, "objects_last_hour"),
			bytes(number(f, "bytes_last_hour"), hour), number(f, "objects"),
			bytes(number(f, "bytes"), all));
	}
	json_array_foreach(json_object_get(o, "flows"), i, f)
	{
		if (json_object_get(f, "deidentified")) {
			printf("flow %s de-identifies: %lld objects\n", text(f, "name"),
				number(f, "deidentified"));
		}
	}
}

static void put_nodes(const json_t *o)
{
	size_t i;
	json_t *n;
	char in[24];
	printf("\n%s%-24s %6s %8s %8s %10s %12s %9s %9s  %s%s\n", BOLD, "node", "live", "called us", "called",
		"objects", "received", "refusals", "tolerated", "last seen", PLAIN);
	json_array_foreach(json_object_get(o, "nodes"), i, n)
	{
		printf("%-24s %6lld %9lld %8lld %10lld %12s %9lld %9lld  %.19s\n", text(n, "name"),
			number(n, "live"), number(n, "associations"), number(n, "called"),
			number(n, "objects"), bytes(number(n, "bytes_in"), in), number(n, "refusals"),
			number(n, "tolerated"), text(n, "last_seen")[0] ? text(n, "last_seen") : "never");
	}
}

static void put_refusals(const json_t *o)
{
	size_t i;
	json_t *r;
	char calling[20], sentence[512];
	const json_t *list = json_object_get(json_object_get(o, "refusals"), "recent");
	if (json_array_size(list) > 0) {
		printf("\n%srecent refusals (`gantry explain NUMBER` says more)%s\n", BOLD, PLAIN);
	}
	json_array_foreach(list, i, r)
	{
		if (i == 10) {
			break;
		}
		char alike[64] = "";
		if (number(r, "alike") > 0) {
			snprintf(alike, sizeof(alike), " (and %lld like it)", number(r, "alike"));
		}
		const char *last = text(r, "last");
		/* Observe mode and alarms let it pass, and say so in its answer. */
		bool passed = strncmp(text(r, "answered"), "passed", 6) == 0;
		printf("%6lld  %.8s  %lldx  %s%s%s%s%s  %s %s: %s%s\n", number(r, "number"),
			strlen(last) > 11 ? last + 11 : last, number(r, "count"), AMBER, text(r, "rule"),
			PLAIN, passed ? ", " : "", passed ? text(r, "answered") : "", text(r, "address"),
			safe(text(r, "calling"), calling, sizeof(calling)),
			safe(text(r, "sentence"), sentence, sizeof(sentence)), alike);
	}
}

static void put_certificates(const json_t *o)
{
	size_t i;
	json_t *c;
	char subject[128];
	const json_t *list = json_object_get(o, "certificates");
	if (json_array_size(list) > 0) {
		printf("\n%scertificates%s\n", BOLD, PLAIN);
	}
	json_array_foreach(list, i, c)
	{
		const json_t *days = json_object_get(c, "days_left");
		long long left = (long long)json_integer_value(days);
		if (!json_is_integer(days)) {
			printf("  %sunreadable%s  %s\n", RED, PLAIN, text(c, "file"));
			continue;
		}
		printf("  %s%5lld days%s  %-8s %s  %s\n",
			left <= DAYS_LAST  ? RED
			: left < DAYS_SOON ? AMBER
					   : "",
			left, left < DAYS_SOON ? PLAIN : "", text(c, "use"),
			safe(text(c, "subject"), subject, sizeof(subject)), text(c, "file"));
	}
}

static void put_audit(const json_t *o)
{
	const json_t *a = json_object_get(o, "audit"), *c = json_object_get(a, "checkpoint");
	const char *state = text(a, "state"), *signed_at = text(c, "signed");
	char why[160];
	if (!state[0] || strcmp(state, "off") == 0) {
		return;
	}
	printf("\n%saudit trail%s  %s%s%s since %.19s UTC, %s, %s open; ", BOLD, PLAIN,
		strcmp(state, "recording") == 0 ? "" : RED, state, PLAIN, text(a, "since"),
		count(number(a, "records"), "record"), count(number(a, "open_transfers"), "transfer"));
	if (signed_at[0]) {
		printf("last checkpoint of %s, %lld s old\n", count(number(c, "records"), "record"),
			number(c, "age"));
	} else {
		puts("no checkpoint yet");
	}
	if (text(c, "why")[0]) {
		printf("  %sno new checkpoint can be made%s: %s\n", RED, PLAIN,
			safe(text(c, "why"), why, sizeof(why)));
	}
	if (text(c, "copy_why")[0]) {
		printf("  %scheckpoints are not copied to checkpoint-file%s: %s\n", RED, PLAIN,
			safe(text(c, "copy_why"), why, sizeof(why)));
	}
	if (text(a, "cold_why")[0]) {
		printf("  %solder segments do not go to the cold folder%s: %s\n", RED, PLAIN,
			safe(text(a, "cold_why"), why, sizeof(why)));
	}
	if (number(a, "not_sent") > 0) {
		printf("  %s%s had no room in the spool%s: not sent to the repositories\n", RED,
			count(number(a, "not_sent"), "message"), PLAIN);
	}
}

static void put_quarantine(const json_t *o)
{
	const json_t *q = json_object_get(o, "quarantine");
	const char *state = text(q, "state");
	char size[24], most[24], why[80];
	if (!state[0] || strcmp(state, "off") == 0) {
		return;
	}
	printf("\n%squarantine%s  %s%s%s, %lld of %lld objects, %s of %s", BOLD, PLAIN,
		strcmp(state, "open") == 0 ? "" : RED, state, PLAIN, number(q, "objects"),
		number(q, "objects_most"), bytes(number(q, "bytes"), size),
		bytes(number(q, "bytes_most"), most));
	if (text(q, "oldest")[0]) {
		printf(", the oldest since %.19s UTC", text(q, "oldest"));
	}
	putchar('\n');
	if (number(q, "not_kept") > 0) {
		printf("  %s%lld objects were not kept%s, the last at %.19s UTC: %s\n", RED,
			number(q, "not_kept"), PLAIN, text(q, "last_not_kept"),
			safe(text(q, "why"), why, sizeof(why)));
	}
}

static void put_repositories(const json_t *o)
{
	size_t i;
	json_t *r;
	char size[24], error[400];
	const json_t *list = json_object_get(o, "audit_repositories");
	if (json_array_size(list) > 0) {
		printf("\n%s%-24s %-10s %-8s %10s %12s %10s %6s  %-19s  %s%s\n", BOLD, "audit repositories",
			"kind", "state", "waiting", "bytes", "delivered", "lost", "last delivered", "address",
			PLAIN);
	}
	json_array_foreach(list, i, r)
	{
		bool away = strcmp(text(r, "state"), "away") == 0;
		printf("%-24s %-10s %s%-8s%s %10lld %12s %10lld %6lld  %-19.19s  %s\n", text(r, "name"),
			text(r, "kind"), away ? RED : "", text(r, "state"), away ? PLAIN : "",
			number(r, "waiting"), bytes(number(r, "waiting_bytes"), size), number(r, "delivered"),
			number(r, "lost"), text(r, "last_delivered")[0] ? text(r, "last_delivered") : "never",
			text(r, "address"));
		if (away) {
			printf("    %s\n", safe(text(r, "error"), error, sizeof(error)));
		}
	}
}

static void put_antivirus(const json_t *o)
{
	const json_t *a = json_object_get(o, "antivirus");
	const char *state = text(a, "state");
	char version[160], why[200], size[24];
	if (!state[0] || strcmp(state, "off") == 0) {
		return;
	}
	printf("\n%svirus scanner%s  %s%s%s, %s, looks at files up to %s; %lld objects clean, %lld found, %lld partly "
	       "scanned, %lld not scanned\n",
		BOLD, PLAIN, strcmp(state, "ready") == 0 ? "" : RED, state, PLAIN,
		text(a, "version")[0] ? safe(text(a, "version"), version, sizeof(version))
				      : "version unknown",
		bytes(number(a, "largest"), size), number(a, "clean"), number(a, "found"),
		number(a, "partly"), number(a, "not_scanned"));
	if (text(a, "why")[0]) {
		printf("  %s%s%s\n", RED, safe(text(a, "why"), why, sizeof(why)), PLAIN);
	}
}

static void put_debts(const json_t *o)
{
	size_t i;
	json_t *d;
	const json_t *list = json_object_get(o, "debts");
	if (json_array_size(list) > 0) {
		printf("\n%sless strict than it could be%s\n", BOLD, PLAIN);
	}
	json_array_foreach(list, i, d)
	{
		printf("  %s\n", json_string_value(d));
	}
}

static void put_all(const json_t *o)
{
	put_head(o);
	put_associations(o);
	put_flows(o);
	put_nodes(o);
	put_refusals(o);
	put_audit(o);
	put_repositories(o);
	put_quarantine(o);
	put_antivirus(o);
	put_certificates(o);
	put_debts(o);
}

/* ---- The verb ---- */

static int once(const char *path, bool json)
{
	json_t *o = control_ask("status", path);
	if (!o) {
		return 1;
	}
	if (json) {
		(void)json_dumpf(o, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		put_all(o);
	}
	json_decref(o);
	return fflush(stdout) == 0 ? 0 : 1;
}

static int watch(const char *path)
{
	/* Without SA_RESTART: the wait ends at once. */
	const struct sigaction end = {.sa_handler = on_interrupt};
	(void)sigaction(SIGINT, &end, NULL);
	(void)sigaction(SIGTERM, &end, NULL);
	bool terminal = isatty(STDOUT_FILENO);
	int code = 0;
	while (!control_interrupted && code == 0) {
		if (terminal) {
			fputs("\033[H\033[2J", stdout);
		}
		code = once(path, false);
		const struct timespec second = {.tv_sec = 1};
		if (!control_interrupted && code == 0) {
			(void)nanosleep(&second, NULL);
		}
	}
	return control_interrupted ? 0 : code;
}

int verb_status(int argc, char **argv)
{
	static const char *file;
	static bool json, again;
	static const struct option_row rows[] = {{"config", "FILE", 'c', .text = &file},
		{"json", .flag = &json}, {"watch", .letter = 'w', .flag = &again}, {0}};
	struct options o = {.usage = usage, .rows = rows};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	if (json && again) {
		return options_misuse(&o, "--json or --watch, and not both");
	}
	colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	file = place_file("status", file);
	char *path = file ? control_path(file) : NULL;
	if (!path) {
		return 1;
	}
	code = again ? watch(path) : once(path, json);
	free(path);
	return code;
}
