/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media_record.h"

#include "audit/event.h"
#include "cli/person.h"
#include "cli/place.h"
#include "cli/record.h"
#include "policy/site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool media_record_begin(struct media_record *r, const char *verb, const char *given, bool required)
{
	const char *path = given ? given : site_default_path();
	*r = (struct media_record){.verb = verb, .required = required};
	if (access(path, F_OK) == 0) {
		char *control = control_path(path);
		r->config = path;
		r->why = control ? control_fault(control) : err_str(ERR_NO_MEMORY);
		free(control);
	} else if (given) {
		fprintf(stderr, "gantry media %s: %s: %s\n", verb, media_printed(given), strerror(errno));
		return false;
	} else {
		r->why = "there is no gantry.yaml here that names a gateway (-c FILE)";
	}
	if (r->why && required) {
		fprintf(stderr, "gantry media %s: no gateway can record it: %s; nothing was done\n", verb,
			r->why);
		return false;
	}
	return true;
}

/* ---- One study ---- */

/* [["1.2.840…", 12], …]: what is of more classes than an event has is counted with the last. */
static json_t *classes_of(const struct media *m, const struct media_study *s)
{
	json_t *list = json_array();
	for (size_t i = s->first; i < s->first + s->objects; i++) {
		const char *uid = m->objects[i].d.sop_class;
		size_t n = json_array_size(list), k = 0;
		while (k < n &&
			strcmp(json_string_value(json_array_get(json_array_get(list, k), 0)), uid) != 0) {
			k++;
		}
		k = k == AUDIT_CLASSES ? k - 1 : k;
		if (k == n) {
			(void)json_array_append_new(list, json_pack("[s,i]", uid, 0));
		}
		json_t *count = json_array_get(json_array_get(list, k), 1);
		(void)json_integer_set(count, json_integer_value(count) + 1);
	}
	return list;
}

static json_t *request_of(const struct media_record *r, const struct media *m, const struct media_study *s)
{
	char host[256] = "localhost";
	struct person who;
	const struct described *d = s->of;
	json_t *o = json_object();
	person_find(&who);
	(void)gethostname(host, sizeof(host) - 1);
	const struct {
		const char *key, *text;
	} texts[] = {{"record", "media"}, {"act", r->verb}, {"name", who.name}, {"host", host},
		{"patient_id", d->id}, {"patient_name", d->name}, {"study", d->study},
		{"accession", d->accession}};
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		(void)json_object_set_new(o, texts[i].key, json_string(texts[i].text));
	}
	(void)json_object_set_new(o, "uid", json_integer(who.uid));
	(void)json_object_set_new(o, "classes", classes_of(m, s));
	return o;
}

/* ---- All of them ---- */

/* A path from the root, of what may not be there yet. NULL: no memory. */
static char *whole_path(const char *path)
{
	char *whole = realpath(path, NULL), *here = NULL;
	if (!whole && path[0] == '/') {
		whole = strdup(path);
	} else if (!whole && (here = getcwd(NULL, 0))) {
		whole = asprintf(&whole, "%s/%s", here, path) < 0 ? NULL : whole;
	}
	free(here);
	return whole;
}

/* Of study i. NULL, or why not. */
static const char *record_one(const struct media_record *r, const struct media *m, size_t i,
	const char *medium, const char *more, bool good)
{
	char *path = whole_path(medium);
	json_t *o = request_of(r, m, &m->studies[i]);
	(void)json_object_set_new(o, "file", json_string(media_printed(path ? path : medium)));
	(void)json_object_set_new(o, "more", json_string(media_printed(more)));
	(void)json_object_set_new(o, "good", json_boolean(good));
	const char *why = record_request(r->config, o);
	json_decref(o);
	free(path);
	return why;
}

/* The last first, so that the others are the first ones. */
void media_record_undone(struct media_record *r, const struct media *m, const char *medium, const char *more)
{
	while (r->n > 0 && !record_one(r, m, r->n - 1, medium, more, false)) {
		r->n--;
	}
}

bool media_record(struct media_record *r, const struct media *m, const char *medium, const char *more)
{
	while (!r->why && r->n < m->n_studies) {
		r->why = record_one(r, m, r->n, medium, more, true);
		r->n += !r->why;
	}
	if (r->why && r->required) {
		snprintf(r->kept, sizeof(r->kept), "%s", r->why);
		r->why = r->kept;
		media_record_undone(r, m, medium, more);
	}
	return !r->why || !r->required;
}

void media_record_warn(const struct media_record *r, const struct media *m)
{
	const char *done = strcmp(r->verb, "seal") == 0 ? "exported" : "imported";
	for (size_t i = 0; i < r->n; i++) {
		fprintf(stderr,
			"gantry media %s: the audit trail says that the study %s was %s, and could not be told that it was not\n",
			r->verb, media_printed(m->studies[i].of->study), done);
	}
}

void media_record_tell(const struct media_record *r)
{
	bool out = strcmp(r->verb, "seal") == 0;
	if (!r->why) {
		printf("the %s is in the audit trail\n", out ? "export" : "import");
	} else {
		printf("no gateway has recorded this %s%s: %s\n", out ? "export" : "import",
			r->n > 0 ? " whole" : "", r->why);
	}
}
