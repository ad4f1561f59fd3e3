/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

static void usage(const struct options_verbs *v, FILE *to)
{
	int width = 10;
	for (unsigned i = 0; i < v->n; i++) {
		int n = (int)strlen(v->verbs[i].name);
		width = n > width ? n : width;
	}
	fprintf(to, "usage: %s VERB [ARGUMENTS]\n\n%s\n", v->name, v->about);
	for (unsigned i = 0; i < v->n; i++) {
		fprintf(to, "  %-*s %s\n", width, v->verbs[i].name, v->verbs[i].help);
	}
	fprintf(to, "\n%s", v->more);
}

static int complete(const struct options_verbs *v, const char *begun)
{
	for (unsigned i = 0; i < v->n; i++) {
		options_offer(begun, v->verbs[i].name, v->verbs[i].help);
	}
	options_offer(begun, "--help", NULL);
	return 0;
}

int options_run(const struct options_verbs *v, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	struct nearest near = nearest_to(word);
	if (options_completing && argc == 2) {
		return complete(v, word);
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
		usage(v, stdout);
		return 0;
	}
	for (unsigned i = 0; i < v->n; i++) {
		if (strcmp(word, v->verbs[i].name) == 0) {
			/* What is said begins with it. */
			char name[64];
			snprintf(name, sizeof(name), "%s %s", v->name, v->verbs[i].name);
			argv[1] = name;
			return v->verbs[i].run(argc - 1, argv + 1);
		}
		nearest_offer(&near, v->verbs[i].name);
	}
	if (options_completing) {
		return 0;
	}
	if (word[0] && near.best) {
		fprintf(stderr, "%s: there is no verb `%.64s`: is `%s` meant?\n\n", v->name, word, near.best);
	} else if (argc > 1) {
		fprintf(stderr, "%s: there is no verb `%.64s`\n\n", v->name, word);
	}
	usage(v, stderr);
	return 2;
}
