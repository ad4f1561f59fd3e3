/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify.h"

#include "cli/boxed.h"
#include "cli/object_job.h"
#include "dicom/file.h"
#include "dicom/implementation.h"
#include "dicom/part10.h"
#include "transform/leftovers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SOP_DIRECTORY "1.2.840.10008.1.3.10"
#define WRITE_BUFFER  (64u * 1024)

struct work {
	const struct deidentify_how *how;
	int out;
	struct deidentify_said *said;
	struct deidentify t;
	struct leftovers leftovers;
	struct dicom_file file; /* the result, read again */
	struct inflater inflater;
	uint8_t buf[WRITE_BUFFER];
	size_t buf_len;
};

/* ---- What was done ---- */

static void list(struct deidentify_said *said, const struct dataset *d, enum confidentiality what)
{
	char line[40 * (LIMIT_SEQUENCE_DEPTH + 1)];
	size_t n = 0;
	for (unsigned i = 0; i < d->depth; i++) {
		n += (size_t)snprintf(line + n, sizeof(line) - n, "(%04X,%04X)[%u].", d->path[i] >> 16,
			d->path[i] & 0xFFFF, dataset_item_number(d, i));
	}
	if (d->tag == TAG_ITEM) {
		line[n - 1] = ',';
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s\n", confidentiality_name(what));
	} else {
		n += (size_t)snprintf(line + n, sizeof(line) - n, "(%04X,%04X),%s\n", d->tag >> 16,
			d->tag & 0xFFFF, confidentiality_name(what));
	}
	if (n > sizeof(said->list) - said->list_len) {
		said->list_is_cut = true;
		return;
	}
	memcpy(said->list + said->list_len, line, n);
	said->list_len += n;
}

static void done(void *arg, const struct dataset *where, enum confidentiality what)
{
	struct work *w = arg;
	w->said->counts[what]++;
	if (w->how->list) {
		list(w->said, where, what);
	}
}

static void original(void *arg, const struct dataset *where, struct span value)
{
	struct work *w = arg;
	leftovers_add(&w->leftovers, where->tag, where->vr, value);
}

/* ---- What is written ---- */

static bool put(struct work *w, struct span bytes)
{
	if (bytes.len > sizeof(w->buf) - w->buf_len) {
		if (!boxed_write(w->out, w->buf, w->buf_len)) {
			return false;
		}
		w->buf_len = 0;
	}
	if (bytes.len > sizeof(w->buf)) {
		return boxed_write(w->out, bytes.ptr, bytes.len);
	}
	memcpy(w->buf + w->buf_len, bytes.ptr, bytes.len);
	w->buf_len += bytes.len;
	return true;
}

/* PS3.15 E.1.1: preamble and file meta information say who de-identified it, and nothing of before. */
static int put_meta(struct work *w, struct span syntax)
{
	uint8_t bytes[PART10_META_MAX];
	struct writer to = writer_of(bytes, sizeof(bytes));
	struct part10_meta meta = {.sop_class = span_str(w->t.sop_class),
		.sop_instance = span_str(w->t.sop_instance),
		.transfer_syntax = syntax,
		.implementation_class = span_str(GANTRY_IMPLEMENTATION_CLASS),
		.implementation_version = GANTRY_IMPLEMENTATION_VERSION};
	int e = part10_write(&meta, &to);
	return e < 0 ? e : put(w, writer_span_of(&to)) ? 0 : ERR_SYSTEM;
}

static int transform(struct work *w, struct span data, struct span syntax)
{
	struct pseudonyms pseudonyms = {pseudonym_make, (void *)w->how->key};
	struct deidentify_log log = {done, original, w};
	struct span bytes;
	bool begun = false;
	int e = deidentify_begin(&w->t, &w->how->rules, &pseudonyms, syntax, &log);
	if (e < 0) {
		return e;
	}
	deidentify_feed(&w->t, data);
	deidentify_last(&w->t);
	while ((e = deidentify_next(&w->t, &bytes)) == DEIDENTIFY_BYTES) {
		e = begun ? 0 : put_meta(w, syntax);
		begun = true;
		if (e < 0 || !put(w, bytes)) {
			e = e < 0 ? e : ERR_SYSTEM;
			break;
		}
	}
	deidentify_done(&w->t);
	if (e == DEIDENTIFY_END && !boxed_write(w->out, w->buf, w->buf_len)) {
		e = ERR_SYSTEM;
	}
	return e == DEIDENTIFY_END ? 0 : e;
}

/* ---- What is left ---- */

static int read_events(struct work *w)
{
	int event;
	while ((event = file_next(&w->file)) > 0 && event != DATASET_END) {
		if (!w->file.in_meta) {
			leftovers_event(&w->leftovers, &w->file.d, event);
		}
	}
	return event;
}

/* The file is read as anybody would read it, not as it was written. */
static int look_for_leftovers(struct work *w)
{
	int e = DATASET_MORE;
	if (lseek(w->out, 0, SEEK_SET) < 0) {
		return ERR_SYSTEM;
	}
	file_begin(&w->file, &w->inflater);
	while (e == DATASET_MORE) {
		ssize_t n = read(w->out, w->buf, sizeof(w->buf));
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return ERR_SYSTEM;
		}
		if (n == 0) {
			file_last(&w->file);
			e = read_events(w);
			break;
		}
		file_feed(&w->file, span_of(w->buf, (size_t)n));
		e = read_events(w);
	}
	return e == DATASET_END ? 0 : e < 0 ? e : ERR_TRUNCATED;
}

static void say_identity(struct deidentify_said *said, const struct deidentify *t)
{
	memcpy(said->patient, t->patient, sizeof(said->patient));
	memcpy(said->study, t->study, sizeof(said->study));
	memcpy(said->series, t->series, sizeof(said->series));
	memcpy(said->instance, t->sop_instance, sizeof(said->instance));
}

static enum deidentify_outcome outcome_of(const struct work *w, int e)
{
	if (e == ERR_DENIED) {
		return w->t.why == DEIDENTIFY_BURNED_IN ? OUTCOME_BURNED_IN : OUTCOME_DOCUMENT;
	}
	return e == ERR_SYSTEM ? OUTCOME_NOT_WRITTEN : OUTCOME_BROKEN;
}

static enum deidentify_outcome try(struct work *w, struct span file)
{
	struct part10_meta meta;
	size_t at;
	int e = part10_read(file, &meta, &at, NULL);
	if (e == ERR_TYPE || file.len < FILE_PREAMBLE + 4) {
		return OUTCOME_NOT_DICOM;
	}
	if (e == 0 && span_eq(meta.sop_class, span_str(SOP_DIRECTORY))) {
		return OUTCOME_DIRECTORY;
	}
	e = e < 0 ? e : transform(w, span_of(file.ptr + at, file.len - at), meta.transfer_syntax);
	w->said->offset = at + w->t.d.offset;
	w->said->error = e;
	if (e < 0) {
		return outcome_of(w, e);
	}
	say_identity(w->said, &w->t);
	e = look_for_leftovers(w);
	w->said->error = e;
	w->said->offset = w->file.d.offset;
	w->said->left = w->leftovers.found;
	w->said->left_of = w->leftovers.of;
	w->said->left_in = w->leftovers.in;
	w->said->unsearched = w->leftovers.full;
	return e < 0 ? outcome_of(w, e) : w->leftovers.grave ? OUTCOME_LEFTOVER : OUTCOME_GOOD;
}

struct job {
	const struct deidentify_how *how;
	int out;
};

static void work(void *arg, struct span file, void *shared)
{
	const struct job *j = arg;
	struct deidentify_said *said = shared;
	struct work *w = calloc(1, sizeof(*w));
	if (!w) {
		said->outcome = OUTCOME_BROKEN;
		said->error = ERR_NO_MEMORY;
		return;
	}
	w->how = j->how;
	w->out = j->out;
	w->said = said;
	leftovers_begin(&w->leftovers);
	said->outcome = try(w, file);
	free(w);
}

void deidentify_file(const struct deidentify_how *how, int in, int out, struct deidentify_said *said)
{
	struct job j = {how, out};
	const struct object_job job = {.work = work, .arg = &j, .ready = how->sandbox};
	memset(said, 0, offsetof(struct deidentify_said, list));
	int e = object_job_run(&job, in, said);
	if (e == ERR_LENGTH) {
		said->outcome = OUTCOME_NOT_DICOM;
	} else if (e < 0) {
		said->outcome = OUTCOME_NONE;
	}
}
