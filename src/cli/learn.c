/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "cli/verbs.h"
#include "cli/place.h"
#include "base/limits.h"
#include "policy/learn.h"
#include "policy/site_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry learn [-c FILE | --whole] [--transfer-syntaxes] LOG...\n"
	"\n"
	"Reads logs (text or JSON; - is standard input) and writes the least YAML that\n"
	"allows what passed in them, best in observe mode. What FILE allows already is\n"
	"left out. Default FILE: ./gantry.yaml, then /etc/gantry/gantry.yaml, where there\n"
	"is one.\n"
	"\n"
	"  --whole               write everything, as if there were no gantry.yaml\n"
	"  --transfer-syntaxes   also restrict the flows to the transfer syntaxes seen\n";

/* Lines longer than this are none of ours. */
#define LINE_MOST (4 * LIMIT_LOG_LINE)

struct counts {
	unsigned long used, lines, of_log; /* decisions; lines; those that are of a log of ours */
};

static int learn_file(struct learn *l, FILE *f, struct counts *n)
{
	static char line[LINE_MOST];
	bool rest = false; /* of a line that was too long */
	while (fgets(line, sizeof(line), f)) {
		size_t len = strlen(line);
		bool whole = len > 0 && line[len - 1] == '\n';
		int err = rest || (!whole && !feof(f)) ? 0 : learn_log_line(l, span_of(line, len));
		n->lines += !rest;
		/* One is enough to know it by. */
		n->of_log += n->of_log == 0 && !rest && learn_is_log_line(span_of(line, len));
		rest = !whole;
		if (err < 0) {
			return err;
		}
		n->used += (unsigned long)err;
	}
	return ferror(f) ? ERR_SYSTEM : 0;
}

/* What is said of a file that cannot be learnt from; NULL: it can. */
static const char *fault_of(int err, const struct counts *n)
{
	return err == ERR_SYSTEM ? strerror(errno)
	       : err < 0         ? err_str(err)
	       : n->lines == 0   ? "it is empty"
	       : n->of_log == 0
	               ? "no line of it is of the gateway's log: `log:` in gantry.yaml says where that is; of systemd's journal it is `journalctl -u gantry -o cat`"
	               : NULL;
}

/* False: one of them is no log, or all are empty, which has been said. */
static bool learn_files(struct learn *l, char **paths, unsigned long *ret_used)
{
	bool has = false;
	for (; *paths; paths++) {
		struct counts n = {0};
		bool in = strcmp(*paths, "-") == 0;
		FILE *f = in ? stdin : fopen(*paths, "re");
		int err = f ? learn_file(l, f, &n) : ERR_SYSTEM;
		const char *fault = fault_of(err, &n);
		if (fault) {
			fprintf(stderr, "gantry learn: %s: %s\n", in ? "standard input" : *paths, fault);
		}
		if (f && !in) {
			fclose(f);
		}
		if (err < 0 || (n.lines > 0 && n.of_log == 0)) {
			return false;
		}
		has |= n.lines > 0;
		*ret_used += n.used;
	}
	return has;
}

/* What is still to be filled in: the mistakes that the lines would make, laid over the site. */
static void say_gaps(const struct site *s, const char *yaml)
{
	struct site_text text = {.yaml = s->yaml, .overlay = span_str(yaml), .file = s->file};
	struct site *tried = NULL;
	struct mistakes m;
	if (site_parse_text(&text, &tried, &m) == ERR_VALUE) {
		for (unsigned i = 0; i < m.n_errors; i++) {
			fprintf(stderr, "gantry learn: to be completed: %s\n", m.at[i].text);
		}
	}
	mistakes_done(&m);
	site_free(tried);
}

static int write_out(struct learn *l, const struct site *s, unsigned long used)
{
	char *yaml;
	int err = learn_write(l, &yaml);
	if (err < 0) {
		fprintf(stderr, "gantry learn: %s\n", err_str(err));
		return 1;
	}
	if (used == 0) {
		printf("# nothing was learnt: no decision that let something pass is in these logs\n");
	} else if (!yaml[0]) {
		printf("# nothing is missing: %lu decisions, all allowed by %s\n", used,
			s ? s->file : "nothing");
	} else {
		printf("# learnt from %lu decisions%s%s\n%s", used, s ? "; what is missing in " : "",
			s ? s->file : "", yaml);
		if (s) {
			say_gaps(s, yaml);
		}
	}
	free(yaml);
	return 0;
}

static int load(const char *path, bool asked, struct site **ret_site)
{
	struct mistakes m;
	if (!asked && access(path, F_OK) != 0) {
		return 0;
	}
	if (!place_file("learn", path)) {
		return ERR_NOT_FOUND;
	}
	int err = site_load_settings(path, ret_site, &m);
	for (unsigned i = 0; err < 0 && i < m.n_errors; i++) {
		fprintf(stderr, "%s:%u:%u: %s\n", path, m.at[i].line, m.at[i].column, m.at[i].text);
	}
	mistakes_done(&m);
	return err;
}

int verb_learn(int argc, char **argv)
{
	static const char *path;
	static bool whole, syntaxes;
	static const struct option_row rows[] = {{"config", "FILE", 'c', .text = &path},
		{"whole", .flag = &whole}, {"transfer-syntaxes", .flag = &syntaxes}, {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "LOG..."};
	struct site *site = NULL;
	unsigned long used = 0;
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	if (whole && path) {
		return options_misuse(&o, "--whole learns without a configuration: leave out -c");
	}
	if (!whole && load(path ? path : site_default_path(), path != NULL, &site) < 0) {
		return 1;
	}
	struct learn *l = learn_new(site, syntaxes ? LEARN_TRANSFER_SYNTAXES : 0);
	code = !l || !learn_files(l, o.at, &used) ? 1 : write_out(l, site, used);
	learn_free(l);
	site_free(site);
	return code;
}
