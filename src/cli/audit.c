/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit.h"
#include "base/attr.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} words[] = {
	{"init", audit_init, "make the keys of an audit trail"},
};

static void usage(FILE *to)
{
	fputs("usage: gantry audit WORD [ARGUMENTS]\n\n", to);
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		fprintf(to, "  %-10s %s\n", words[i].name, words[i].help);
	}
	fputs("\n`gantry audit WORD --help` says more.\n", to);
}

int verb_audit(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		usage(stdout);
		return 0;
	}
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(word, words[i].name) == 0) {
			char name[48];
			snprintf(name, sizeof(name), "gantry audit %s", word);
			argv[1] = name;
			return words[i].run(argc - 1, argv + 1);
		}
	}
	usage(stderr);
	return 2;
}
