/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/place.h"
#include "policy/site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *place_file(const char *verb, const char *given)
{
	char here[4096];
	const char *path = given ? given : site_default_path();
	if (access(path, F_OK) == 0) {
		return path;
	}
	if (given || errno != ENOENT) {
		fprintf(stderr, "gantry %s: %s: %s\n", verb, path, strerror(errno));
		return NULL;
	}
	fprintf(stderr,
		"gantry %s: there is no gantry.yaml in %s, and no %s. Go to the folder that has it, name it with\n"
		"-c FILE, or write a starter site with `gantry init FOLDER`.\n",
		verb, getcwd(here, sizeof(here)) ? here : "this folder", path);
	return NULL;
}

/* The value of `key: value` at the beginning of a line. NULL: there is none. */
static char *by_line(const char *file, const char *key)
{
	char line[4096], *found = NULL;
	size_t n = strlen(key);
	FILE *f = fopen(file, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, n) != 0 || line[n] != ':') {
			continue;
		}
		char *value = line + n + 1 + strspn(line + n + 1, " \"'");
		value[strcspn(value, " #\"'\r\n")] = 0;
		found = value[0] ? strdup(value) : NULL;
	}
	if (f) {
		(void)fclose(f);
	}
	return found;
}

/* Relative to the file's folder, as everything in it is. */
static char *beside(const char *file, const char *name)
{
	char *path = NULL;
	const char *slash = strrchr(file, '/');
	int folder = name[0] == '/' || !slash ? 0 : (int)(slash - file) + 1;
	return asprintf(&path, "%.*s%s", folder, file, name) < 0 ? NULL : path;
}

char *place_folder(const char *file, const char *key, const char *fallback)
{
	struct mistakes mistakes = {0};
	struct site *s = NULL;
	char *path;
	/* Without certificates and keys: they may be readable for the gateway alone. */
	if (site_load_settings(file, &s, &mistakes) == 0) {
		path = strdup(strcmp(key, "run") == 0 ? s->run : s->state);
	} else {
		char *value = by_line(file, key);
		path = beside(file, value ? value : fallback);
		free(value);
	}
	mistakes_done(&mistakes);
	site_free(s);
	return path;
}

bool place_audit(const char *verb, const char *file, struct place_audit *ret)
{
	struct mistakes mistakes = {0};
	struct site *s = NULL;
	bool ok = site_load_settings(file, &s, &mistakes) == 0;
	if (!ok || !s->audit.has) {
		if (verb) {
			fprintf(stderr, "gantry %s: %s has %s\n", verb, file,
				ok ? "no `audit:`" : "mistakes; `gantry check` names them");
		}
		ok = false;
	} else {
		*ret = (struct place_audit){.journal = strdup(s->audit.journal),
			.cold = strdup(s->audit.cold),
			.origin = strdup(s->audit.origin),
			.checkpoint_key = strdup(s->audit.checkpoint_key.path),
			.record_key = strdup(s->audit.record_key.path ? s->audit.record_key.path : "")};
		ok = ret->journal && ret->cold && ret->origin && ret->checkpoint_key && ret->record_key;
	}
	mistakes_done(&mistakes);
	site_free(s);
	return ok;
}

bool place_node(const char *file, const char *name, char ret_near[NEAREST_WORD + 1])
{
	struct mistakes mistakes = {0};
	struct site *s = NULL;
	struct nearest nearest = nearest_to(name);
	bool has = site_load_settings(file, &s, &mistakes) != 0;
	for (unsigned i = 0; !has && i < s->n_nodes; i++) {
		has = strcmp(s->nodes[i].name, name) == 0;
		nearest_offer(&nearest, s->nodes[i].name);
	}
	snprintf(ret_near, NEAREST_WORD + 1, "%s", !has && nearest.best ? nearest.best : "");
	mistakes_done(&mistakes);
	site_free(s);
	return has;
}

void place_audit_done(struct place_audit *p)
{
	free(p->journal);
	free(p->cold);
	free(p->origin);
	free(p->checkpoint_key);
	free(p->record_key);
	*p = (struct place_audit){0};
}
