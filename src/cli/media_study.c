/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Patients, studies, series ---- */

static int compare_patient(const struct described *a, const struct described *b)
{
	int c = strcmp(a->id, b->id);
	c = c ? c : strcmp(a->name, b->name);
	return c ? c : strcmp(a->birth_date, b->birth_date);
}

static int compare_study(const struct described *a, const struct described *b)
{
	int c = strcmp(a->study_date, b->study_date);
	return c ? c : strcmp(a->study, b->study);
}

static int compare(const void *x, const void *y)
{
	const struct media_object *a = x, *b = y;
	int c = compare_patient(&a->d, &b->d);
	c = c ? c : compare_study(&a->d, &b->d);
	c = c ? c : strcmp(a->d.series, b->d.series);
	return c ? c : a->at < b->at ? -1 : a->at > b->at;
}

static void add_modality(struct media_study *s, const char *modality)
{
	size_t n = strlen(s->modalities), more = strlen(modality);
	for (const char *at = s->modalities; more > 0 && (at = strstr(at, modality)); at += more) {
		if ((at == s->modalities || at[-1] == ' ') && (at[more] == ' ' || !at[more])) {
			return;
		}
	}
	if (more > 0 && n + 1 + more < sizeof(s->modalities)) {
		snprintf(s->modalities + n, sizeof(s->modalities) - n, "%s%s", n ? " " : "", modality);
	}
}

int media_sort(struct media *m)
{
	if (m->n_objects == 0) {
		return 0;
	}
	qsort(m->objects, m->n_objects, sizeof(*m->objects), compare);
	free(m->studies);
	m->n_studies = m->n_patients = 0;
	m->studies = calloc(m->n_objects, sizeof(*m->studies));
	if (!m->studies) {
		return ERR_NO_MEMORY;
	}
	struct media_study *s = NULL;
	const struct described *before = NULL;
	for (size_t i = 0; i < m->n_objects; i++) {
		const struct described *d = &m->objects[i].d;
		bool patient = !before || compare_patient(before, d) != 0;
		bool study = patient || compare_study(before, d) != 0;
		if (study) {
			m->n_patients += patient;
			s = &m->studies[m->n_studies++];
			*s = (struct media_study){.of = d, .patient = m->n_patients - 1, .first = i};
		}
		s->series += study || strcmp(before->series, d->series) != 0;
		s->objects++;
		add_modality(s, d->modality);
		before = d;
	}
	return 0;
}

size_t media_warned(const struct media *m, const struct media_study *s, enum inspect_check check)
{
	size_t n = 0;
	for (size_t i = s->first; i < s->first + s->objects; i++) {
		n += m->objects[i].warned[check / 64] >> (check % 64) & 1;
	}
	return n;
}

/* ---- What DICOMDIRs list ---- */

/* As systems show names of discs: the version of ISO 9660 7.5 and an empty ending are left away, and case is nothing. */
static size_t stem(const char *name)
{
	size_t n = strlen(name);
	const char *version = strrchr(name, ';');
	n = version ? (size_t)(version - name) : n;
	return n > 0 && name[n - 1] == '.' ? n - 1 : n;
}

static int compare_names(const char *a, const char *b)
{
	size_t n = stem(a), k = stem(b);
	int c = strncasecmp(a, b, n < k ? n : k);
	return c ? c : n < k ? -1 : n > k;
}

static int by_name(const void *a, const void *b)
{
	return compare_names(((const struct media_line *)a)->file, ((const struct media_line *)b)->file);
}

/* Those of both lists, sorted; borrowed from them. NULL: no memory. */
static struct media_line *sorted(const struct media_list *a, const struct media_list *b)
{
	struct media_line *all = calloc(a->n + b->n + 1, sizeof(*all));
	for (size_t i = 0; all && i < a->n + b->n; i++) {
		all[i] = i < a->n ? a->at[i] : b->at[i - a->n];
	}
	if (all) {
		qsort(all, a->n + b->n, sizeof(*all), by_name);
	}
	return all;
}

int media_refuse_listed(struct media *m, const char *why)
{
	static const struct media_list none = {0};
	const struct media_list *others = &m->left[LEFT_OTHER];
	struct media_line *all = sorted(&m->listed, &none);
	int err = all ? 0 : ERR_NO_MEMORY;
	for (size_t i = 0; err == 0 && i < others->n; i++) {
		const struct media_line *l = &others->at[i];
		if (compare_names(l->file, "DICOMDIR") == 0 ||
			bsearch(l, all, m->listed.n, sizeof(*l), by_name)) {
			err = media_add(&m->refused, l->file, NULL, why);
		}
	}
	free(all);
	return err;
}

int media_compare(struct media *m)
{
	struct media_line *all = sorted(&m->names, &m->refused);
	int err = all ? 0 : ERR_NO_MEMORY;
	for (size_t i = 0; err == 0 && i < m->listed.n; i++) {
		const struct media_line *l = &m->listed.at[i];
		if (!bsearch(l, all, m->names.n + m->refused.n, sizeof(*l), by_name)) {
			err = media_add(
				&m->missing, l->file, NULL, "the DICOMDIR lists it, and it is not there");
		}
	}
	free(all);
	return err;
}

int media_compare_objects(struct media *m)
{
	static const struct media_list none = {0};
	struct media_line *all = sorted(&m->names, &none);
	int err = all ? 0 : ERR_NO_MEMORY;
	for (size_t i = 0; err == 0 && i < m->listed.n; i++) {
		const struct media_line *l = &m->listed.at[i];
		const struct media_line *found = bsearch(l, all, m->names.n, sizeof(*l), by_name);
		if (found && found->why[0] && l->why[0] && strcmp(found->why, l->why) != 0) {
			err = media_add(
				&m->others, l->file, NULL, "it is another object than the DICOMDIR lists");
		}
	}
	free(all);
	return err;
}
