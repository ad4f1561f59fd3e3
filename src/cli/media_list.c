/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media.h"

#include <stdlib.h>
#include <string.h>

int media_add(struct media_list *l, const char *file, const char *check, const char *why)
{
	if ((l->n & (l->n - 1)) == 0) {
		struct media_line *more = realloc(l->at, (l->n ? 2 * l->n : 1) * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		l->at = more;
	}
	struct media_line line = {.file = strdup(file), .why = strdup(why), .check = check};
	if (!line.file || !line.why) {
		free(line.file);
		free(line.why);
		return ERR_NO_MEMORY;
	}
	l->at[l->n++] = line;
	return 0;
}

int media_add_object(struct media *m, const char *name, const struct described *d)
{
	if ((m->n_objects & (m->n_objects - 1)) == 0) {
		size_t n = m->n_objects ? 2 * m->n_objects : 1;
		struct media_object *more = realloc(m->objects, n * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		m->objects = more;
	}
	struct media_object o = {.d = *d, .status = MEDIA_UNSENT, .file = strdup(name)};
	if (!o.file) {
		return ERR_NO_MEMORY;
	}
	m->objects[m->n_objects++] = o;
	return 0;
}

int media_leave_out(struct media *m, const bool *bad, const char *why)
{
	size_t n = 0;
	int e = 0;
	for (size_t i = 0; i < m->n_objects; i++) {
		struct media_object *o = &m->objects[i];
		if (!bad[i]) {
			m->objects[n++] = *o;
			continue;
		}
		e = e < 0 ? e : media_add(&m->refused, o->file, NULL, why);
		free(o->file);
		free(o->comment);
	}
	m->n_objects = n;
	return e;
}

void media_list_done(struct media_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].file);
		free(l->at[i].why);
	}
	free(l->at);
	*l = (struct media_list){0};
}

void media_done(struct media *m)
{
	for (size_t i = 0; i < m->n_objects; i++) {
		free(m->objects[i].file);
		free(m->objects[i].comment);
	}
	free(m->objects);
	free(m->by_uid);
	free(m->studies);
	media_list_done(&m->refused);
	media_list_done(&m->names);
	media_list_done(&m->listed);
	media_list_done(&m->missing);
	media_list_done(&m->others);
	for (unsigned k = 0; k < LEFT_KINDS; k++) {
		media_list_done(&m->left[k]);
	}
	scrap_done(&m->spool);
	sandbox_free(m->sandbox);
}
