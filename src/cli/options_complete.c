/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "cli/place.h"
#include "policy/facts.h"
#include "policy/refusal.h"
#include "policy/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * For shells, from the verbs' own tables: a line for each word that may come next, with a tab and what it is for; `:files` and `:folders`
 * stand for names that the shell knows better.
 */

#define LEDGER_LOOK 65536 /* bytes of its end: what is asked about has just happened */

bool options_completing;

void options_offer(const char *begun, const char *word, const char *help)
{
	if (strncmp(word, begun, strlen(begun)) == 0) {
		printf("%s%s%s\n", word, help ? "\t" : "", help ? help : "");
	}
}

/* ---- What a value may be, by its name in the usage ---- */

struct completing {
	const struct options *o;
	const char *config; /* named before; NULL: the usual one */
	const char *begun;
};

static void files(const struct completing *c)
{
	(void)c;
	puts(":files");
}

static void folders(const struct completing *c)
{
	(void)c;
	puts(":folders");
}

static struct site *open_site(const struct completing *c)
{
	struct mistakes mistakes = {0};
	struct site *s = NULL;
	(void)!site_load_settings(c->config ? c->config : site_default_path(), &s, &mistakes);
	mistakes_done(&mistakes);
	return s;
}

static void nodes(const struct completing *c)
{
	struct site *s = open_site(c);
	for (unsigned i = 0; s && i < s->n_nodes; i++) {
		options_offer(c->begun, s->nodes[i].name, NULL);
	}
	site_free(s);
}

static void flows(const struct completing *c)
{
	struct site *s = open_site(c);
	for (unsigned i = 0; s && i < s->n_flows; i++) {
		options_offer(c->begun, s->flows[i].name, NULL);
	}
	site_free(s);
}

/* Of the ledger's end, if it may be read. */
static void refusals(const struct completing *c)
{
	char path[4200], line[8192], number[24];
	char *state = place_folder(c->config ? c->config : site_default_path(), "state", "/var/lib/gantry");
	snprintf(path, sizeof(path), "%s/" LEDGER_FILE, state ? state : "");
	free(state);
	FILE *f = fopen(path, "re");
	if (f && fseek(f, -LEDGER_LOOK, SEEK_END) != 0) {
		rewind(f);
	}
	while (f && fgets(line, sizeof(line), f)) {
		struct refusal r;
		bool is_count;
		if (refusal_from_json(span_str(line), &r, &is_count) == 0 && !is_count) {
			snprintf(number, sizeof(number), "%llu", (unsigned long long)r.number);
			options_offer(c->begun, number, r.sentence);
		}
	}
	if (f) {
		(void)fclose(f);
	}
}

static const struct {
	const char *value;
	void (*offer)(const struct completing *c);
} kinds[] = {{"FILE", files}, {"KEY", files}, {"CERT", files}, {"CERTIFICATE", files}, {"SERIAL", files},
	{"QUERY", files}, {"RESPONSE", files}, {"REQUEST", files}, {"SOCKET", files}, {"RECORD", files},
	{"LOG", files}, {"IN", files}, {"OUT", files}, {"DISC", files}, {"FOLDER|ISO|ZIP", files},
	{"FILE|FOLDER|IMAGE", files}, {"FOLDER", folders}, {"DIR", folders}, {"JOURNAL", folders},
	{"NODE", nodes}, {"FLOW", flows}, {"NUMBER", refusals}};

/* "[FILE]", "FILE...", "FILE|SHA256|SUBJECT": as a whole, or by the first. */
static void offer_kind(const struct completing *c, const char *value)
{
	char name[64];
	size_t n = strcspn(value, " ");
	snprintf(name, sizeof(name), "%.*s", (int)n, value + (value[0] == '['));
	name[strcspn(name, "].")] = 0;
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
			if (strcmp(kinds[i].value, name) == 0) {
				kinds[i].offer(c);
				return;
			}
		}
		name[strcspn(name, "|")] = 0;
	}
}

static void offer_value(const struct completing *c, const struct option_row *row)
{
	for (const struct word *w = row->words; w && w->word; w++) {
		options_offer(c->begun, w->word, NULL);
	}
	if (!row->words) {
		offer_kind(c, row->value);
	}
}

/* ---- Options ---- */

/* The first line of what the usage says of it. */
static const char *help_of(const char *usage, const char *dashed, char *buf, size_t cap)
{
	const char *list = strstr(usage, "\n\n");
	size_t n = strlen(dashed);
	for (const char *at = list; at && (at = strstr(at, dashed)); at += n) {
		const char *begin = at;
		while (begin > list && begin[-1] != '\n') {
			begin--;
		}
		const char *gap = strstr(at, "  ");
		if (strncmp(begin, "  ", 2) == 0 && strchr(" \n", at[n]) && gap &&
			!memchr(at, '\n', (size_t)(gap - at))) {
			gap += strspn(gap, " ");
			snprintf(buf, cap, "%.*s", (int)strcspn(gap, "\n"), gap);
			return buf;
		}
	}
	return NULL;
}

static void offer_options(const struct completing *c)
{
	char dashed[64], help[96];
	for (const struct option_row *row = c->o->rows; row->name; row++) {
		snprintf(dashed, sizeof(dashed), "--%s", row->name);
		options_offer(c->begun, dashed, help_of(c->o->usage, dashed, help, sizeof(help)));
	}
	options_offer(c->begun, "--help", "print how it is called");
}

/* The option that waits for the next word as its value. */
static const struct option_row *waiting(const struct options *o, const char *word)
{
	for (const struct option_row *row = o->rows; row->name; row++) {
		bool named = strncmp(word, "--", 2) == 0 && strcmp(row->name, word + 2) == 0;
		bool lettered = row->letter && word[0] == '-' && word[1] == row->letter && !word[2];
		if (row->value && (named || lettered)) {
			return row;
		}
	}
	return NULL;
}

/* ---- What is no option ---- */

static void offer_argument(const struct completing *c, const struct options_what *what, unsigned place)
{
	const char *names = what ? what->arguments : c->o->arguments;
	for (const struct options_what *w = c->o->whats; w && !what && w->word; w++) {
		options_offer(c->begun, w->word, NULL);
	}
	for (const char *at = names ? names : ""; *at; at += strcspn(at, " "), at += *at == ' ') {
		size_t n = strcspn(at, " ");
		bool several = n > 3 && memcmp(at + n - 3, "...", 3) == 0;
		if (place == 0 || several) {
			offer_kind(c, at);
			return;
		}
		place--;
	}
}

void options_complete(const struct options *o, int argc, char **argv)
{
	struct completing c = {.o = o, .begun = argc > 1 ? argv[argc - 1] : ""};
	const struct option_row *open = NULL;
	const struct options_what *what = NULL;
	unsigned place = 0;
	for (int i = 1; i < argc - 1; i++) {
		if (open) {
			c.config = strcmp(open->name, "config") == 0 ? argv[i] : c.config;
			open = NULL;
		} else if (argv[i][0] == '-') {
			open = waiting(o, argv[i]);
		} else if (o->whats && !what && place == 0) {
			for (what = o->whats; what->word && strcmp(what->word, argv[i]) != 0; what++) {
			}
			what = what->word ? what : NULL;
			place += !what;
		} else {
			place++;
		}
	}
	if (open) {
		offer_value(&c, open);
	} else if (c.begun[0] == '-') {
		offer_options(&c);
	} else {
		offer_argument(&c, what, place);
	}
}
