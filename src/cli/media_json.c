/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media.h"
#include "cli/scu.h"

#include <stdio.h>
#include <string.h>

static json_t *lines(const struct media_list *l, bool why)
{
	json_t *a = json_array();
	for (size_t i = 0; i < l->n; i++) {
		json_t *o = json_object();
		json_object_set_new(o, "file", json_string(media_printed(l->at[i].file)));
		if (why) {
			json_object_set_new(o, "why", json_string(media_printed(l->at[i].why)));
		}
		if (l->at[i].check) {
			json_object_set_new(o, "check", json_string(l->at[i].check));
		}
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *warnings(const struct media *m, const struct media_study *s)
{
	json_t *a = json_array();
	for (unsigned c = 0; c < CHECK_N; c++) {
		const struct inspect_check_row *row = inspect_check_row((enum inspect_check)c);
		size_t n = media_warned(m, s, (enum inspect_check)c);
		if (n > 0) {
			json_array_append_new(a, json_pack("{s:s,s:I,s:s}", "check", row->name, "objects",
							 (json_int_t)n, "why", row->sentence));
		}
	}
	return a;
}

static json_t *study(const struct media *m, const struct media_study *s)
{
	const struct described *d = s->of;
	json_t *modalities = json_array();
	for (const char *at = s->modalities; *at;) {
		size_t n = strcspn(at, " ");
		json_array_append_new(modalities, json_stringn(at, n));
		at += n + (at[n] == ' ');
	}
	return json_pack("{s:s,s:s,s:s,s:s,s:o,s:I,s:I,s:o}", "study", d->study, "date", d->study_date,
		"description", d->description, "accession", d->accession, "modalities", modalities, "series",
		(json_int_t)s->series, "objects", (json_int_t)s->objects, "warnings", warnings(m, s));
}

static json_t *patients(const struct media *m)
{
	json_t *all = json_array(), *studies = NULL;
	for (size_t i = 0; i < m->n_studies; i++) {
		const struct media_study *s = &m->studies[i];
		if (i == 0 || m->studies[i - 1].patient != s->patient) {
			studies = json_array();
			json_array_append_new(
				all, json_pack("{s:s,s:s,s:s,s:o}", "id", s->of->id, "name", s->of->name,
					     "birth_date", s->of->birth_date, "studies", studies));
		}
		json_array_append_new(studies, study(m, s));
	}
	return all;
}

static json_t *left(const struct media *m)
{
	json_t *o = json_object();
	for (unsigned k = 0; k < LEFT_KINDS; k++) {
		json_object_set_new(o, media_left_name((enum media_left)k), lines(&m->left[k], false));
	}
	return o;
}

static json_t *failed(const struct media *m)
{
	json_t *a = json_array();
	for (size_t i = 0; i < m->n_objects; i++) {
		const struct media_object *o = &m->objects[i];
		char status[8] = "";
		if (o->status == MEDIA_UNSENT || scu_is_taken(o->status)) {
			continue;
		}
		if (o->status >= 0) {
			snprintf(status, sizeof(status), "%04X", (unsigned)o->status & 0xFFFF);
		}
		json_array_append_new(a, json_pack("{s:s,s:s,s:s,s:s}", "file", media_printed(o->file),
						 "sop_instance", o->d.sop_instance, "status", status, "why",
						 o->comment      ? o->comment
						 : o->status < 0 ? err_str(o->status)
								 : ""));
	}
	return a;
}

json_t *media_json(const struct media *m)
{
	json_t *o = json_object();
	json_object_set_new(o, "source", json_string(media_printed(m->source)));
	json_object_set_new(o, "node", json_string(m->to));
	json_object_set_new(o, "flow", m->by[0] ? json_string(m->by) : json_null());
	json_object_set_new(o, "deidentified", json_boolean(m->deidentifies));
	json_object_set_new(o, "signed", json_boolean(m->signs));
	json_object_set_new(o, "objects", json_integer((json_int_t)m->n_objects));
	json_object_set_new(o, "sent", json_integer((json_int_t)m->n_sent));
	json_object_set_new(o, "repeated", json_integer((json_int_t)m->repeated));
	json_object_set_new(o, "patients", patients(m));
	json_object_set_new(o, "refused", lines(&m->refused, true));
	json_object_set_new(o, "failed", failed(m));
	json_object_set_new(o, "left_alone", left(m));
	json_object_set_new(o, "dicomdir",
		json_pack("{s:I,s:I,s:o}", "files", (json_int_t)m->listed.n, "unreadable",
			(json_int_t)m->unread, "missing", lines(&m->missing, false)));
	json_object_set_new(o, "broken", json_string(media_printed(m->broken)));
	return o;
}
