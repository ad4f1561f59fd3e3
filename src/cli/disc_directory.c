/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/disc_directory.h"

#include "cli/disc_keys.h"
#include "dicom/dicomdir_write.h"
#include "keys/uid_make.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_HEAD 512 /* what a record has beside its keys, and more */
#define FILE_HEAD   4096

struct listing {
	const struct media *m;
	struct disc_keys *keys;
	struct dicomdir_record *records;
	size_t n;
	struct writer w; /* keys, which move as they become more */
	size_t *at;      /* where each record's begin */
	char (*files)[DICOMDIR_FILE_ID];
	size_t numbers[4]; /* of the last record of each level */
};

/* Where the walk is. */
struct begun {
	const struct media_study *study;
	const char *series;
	bool nobody; /* only what is of nobody is taken, or only the rest */
};

static int make_room(struct listing *l)
{
	if (l->w.cap - l->w.len >= DISC_KEYS_MOST) {
		return 0;
	}
	size_t cap = 2 * l->w.cap + 4u * DISC_KEYS_MOST;
	uint8_t *more = realloc(l->w.ptr, cap);
	if (!more) {
		return ERR_NO_MEMORY;
	}
	l->w.ptr = more;
	l->w.cap = cap;
	return 0;
}

/* level: 3 also for what is of nobody. */
static int add(struct listing *l, unsigned level, size_t object)
{
	static const char *const types[] = {"PATIENT", "STUDY", "SERIES"};
	const struct described *d = &l->m->objects[object].d;
	char uid[65];
	int e = make_room(l);
	e = e < 0 ? e : uid_make(uid);
	if (e < 0) {
		return e;
	}
	l->numbers[level]++;
	memset(l->numbers + level + 1, 0, (3u - level) * sizeof(l->numbers[0]));
	struct dicomdir_record *r = &l->records[l->n];
	l->at[l->n++] = l->w.len;
	disc_keys_put(l->keys, level, d->sop_class, &(struct disc_made){l->numbers[level], uid}, &l->w);
	*r = (struct dicomdir_record){
		.level = (uint8_t)level, .type = level < 3 ? types[level] : disc_keys_type(d->sop_class)};
	if (level == 3) {
		r->level = disc_keys_of_nobody(d->sop_class) ? 0 : 3;
		r->file = l->files[object];
		r->sop_class = d->sop_class;
		r->sop_instance = d->sop_instance;
		r->transfer_syntax = d->transfer_syntax;
	}
	return writer_end(&l->w);
}

/* Above it are the records of its patient, study and series, if it is the first of them that has any. */
static int add_object(struct listing *l, const struct media_study *study, size_t i, struct begun *b)
{
	const struct media *m = l->m;
	const struct media_object *o = &m->objects[i];
	int e = dicomdir_file_id((uint32_t)i, l->files[i]);
	e = e < 0 ? e : disc_keys_read(l->keys, m->sandbox, m->spool.fd, o->at, o->len, m->seconds);
	if (e < 0 || b->nobody) {
		return e < 0 ? e : add(l, 3, i);
	}
	bool patient = !b->study || b->study->patient != study->patient, whole = b->study != study;
	bool series = whole || strcmp(b->series, o->d.series) != 0;
	*b = (struct begun){.study = study, .series = o->d.series};
	e = patient ? add(l, 0, i) : 0;
	e = e == 0 && whole ? add(l, 1, i) : e;
	e = e == 0 && series ? add(l, 2, i) : e;
	return e == 0 ? add(l, 3, i) : e;
}

/* Can the others be looked at first? */
static bool goes_on(int e, bool *bad, size_t i)
{
	bool on = bad && (e == ERR_VALUE || e == ERR_TIMEOUT);
	if (on) {
		bad[i] = true;
	}
	return on;
}

static int add_all(struct listing *l, bool nobody, size_t *ret_object, bool *bad)
{
	const struct media *m = l->m;
	struct begun b = {.nobody = nobody};
	int e = 0, found = 0;
	for (size_t s = 0; e == 0 && s < m->n_studies; s++) {
		const struct media_study *study = &m->studies[s];
		for (size_t i = study->first; e == 0 && i < study->first + study->objects; i++) {
			*ret_object = i;
			if (disc_keys_of_nobody(m->objects[i].d.sop_class) == nobody) {
				e = add_object(l, study, i, &b);
			}
			if (e < 0 && goes_on(e, bad, i)) {
				found = e;
				e = 0;
			}
		}
	}
	return e < 0 ? e : found;
}

static int write_it(struct listing *l, uint8_t **ret_bytes, size_t *ret_len)
{
	char uid[65];
	size_t cap = FILE_HEAD + l->w.len + l->n * RECORD_HEAD;
	uint8_t *bytes = malloc(cap);
	struct writer w = writer_of(bytes, cap);
	for (size_t i = 0; i < l->n; i++) {
		size_t end = i + 1 < l->n ? l->at[i + 1] : l->w.len;
		l->records[i].keys = span_of(l->w.ptr + l->at[i], end - l->at[i]);
	}
	int e = bytes ? uid_make(uid) : ERR_NO_MEMORY;
	e = e < 0 ? e : dicomdir_write(uid, l->records, l->n, &w);
	if (e < 0) {
		free(bytes);
		return e;
	}
	*ret_bytes = bytes;
	*ret_len = w.len;
	return 0;
}

int disc_directory(
	const struct media *m, uint8_t **ret_bytes, size_t *ret_len, size_t *ret_object, bool *ret_bad)
{
	struct listing l = {.m = m};
	size_t most = 4 * m->n_objects;
	l.records = calloc(most, sizeof(*l.records));
	l.at = calloc(most, sizeof(*l.at));
	l.files = calloc(m->n_objects, sizeof(*l.files));
	int e = l.records && l.at && l.files ? disc_keys_new(&l.keys) : ERR_NO_MEMORY;
	e = e < 0 ? e : add_all(&l, false, ret_object, ret_bad);
	bool on = e == 0 || (ret_bad && (e == ERR_VALUE || e == ERR_TIMEOUT));
	int other = on ? add_all(&l, true, ret_object, ret_bad) : 0;
	e = other < 0 ? other : e;
	e = e < 0 ? e : write_it(&l, ret_bytes, ret_len);
	disc_keys_free(l.keys);
	free(l.records);
	free(l.at);
	free(l.files);
	free(l.w.ptr);
	return e;
}
