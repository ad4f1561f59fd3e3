/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* One that is being done. */
struct doing {
	int in, out;
	struct scrap cleaned;
	unsigned job;
	bool is_job;
};

void deidentify_part(unsigned place, char ret_name[DEIDENTIFY_PART_SIZE])
{
	char digits[12];
	unsigned n = 0;
	size_t at = sizeof(DEIDENTIFY_PART) - 1;
	memcpy(ret_name, DEIDENTIFY_PART, at);
	do {
		digits[n++] = (char)('0' + place % 10);
		place /= 10;
	} while (place > 0);
	while (n > 0) {
		ret_name[at++] = digits[--n];
	}
	ret_name[at] = 0;
}

/* ---- Folders ---- */

static size_t folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) : 0;
}

bool deidentify_same_folder(const char *a, const char *b)
{
	size_t n = folder_len(a);
	return n == folder_len(b) && memcmp(a, b, n) == 0;
}

/* ---- One file ---- */

static int open_entry(const struct deidentify_hands *h, const struct tree_entry *e)
{
	if (e->what != TREE_FILE) {
		errno = ENOTSUP;
		return -1;
	}
	return h->files->root < 0 ? fcntl(h->in, F_DUPFD_CLOEXEC, 0) : tree_open(h->files, e->path);
}

/* Its descriptors are d's; what it has failed of already: OUTCOME_NONE: it has not. */
static enum deidentify_outcome prepare(const struct deidentify_hands *h, struct doing *d, unsigned place,
	struct deidentify_became *became, struct deidentify_job *ret_job)
{
	char part[DEIDENTIFY_PART_SIZE];
	struct stat st;
	int in = d->in;
	*ret_job = (struct deidentify_job){0};
	if (deidentify_pixels_wanted(h->pixels, d->in)) {
		struct deidentify_pixels_said said = {0};
		if (!deidentify_pixels_clean(h->pixels, d->in, &d->cleaned, &said)) {
			snprintf(became->why, sizeof(became->why), "%s", h->pixels->why);
			return OUTCOME_PIXELS;
		}
		snprintf(became->why, sizeof(became->why), "%s", h->pixels->note);
		ret_job->pixels_cleaned = said.cleaned;
		ret_job->features_cleaned = said.features;
		ret_job->videos_stripped = said.stripped;
		ret_job->pixels_changed = d->cleaned.fd >= 0;
		in = d->cleaned.fd >= 0 ? d->cleaned.fd : d->in;
	}
	if (fstat(in, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
		return OUTCOME_NOT_DICOM;
	}
	deidentify_part(place, part);
	d->out = openat(h->out_fd, part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (d->out < 0) {
		return OUTCOME_NOT_WRITTEN;
	}
	became->has_part = true;
	ret_job->in = in;
	ret_job->was = d->in;
	ret_job->out = d->out;
	ret_job->size = (uint64_t)st.st_size;
	return OUTCOME_NONE;
}

static void start(const struct deidentify_hands *h, const struct tree_entry *e, struct doing *d,
	struct deidentify_became *became)
{
	*d = (struct doing){.in = open_entry(h, e), .out = -1, .cleaned = SCRAP_NONE};
	memset(became, 0, offsetof(struct deidentify_became, said) + offsetof(struct deidentify_said, list));
	became->unopened = d->in < 0 ? errno : 0;
	if (d->in >= 0) {
		deidentify_ask_for(d->in);
	}
}

static void finish(struct doing *d)
{
	scrap_done(&d->cleaned);
	if (d->out >= 0) {
		close(d->out);
	}
	if (d->in >= 0) {
		close(d->in);
	}
}

void deidentify_batch(
	struct deidentify_hands *h, const struct deidentify_task *task, struct deidentify_became *became)
{
	const struct tree_entry *entries = h->files->entries + task->first;
	struct doing doing[DEIDENTIFY_BATCH];
	struct deidentify_job jobs[DEIDENTIFY_BATCH];
	unsigned n_jobs = 0;
	if (h->last && (h->isolate || !deidentify_same_folder(h->last, entries[0].path))) {
		deidentify_worker_stop(&h->worker);
	}
	h->last = entries[0].path;
	for (unsigned i = 0; i < task->n; i++) {
		start(h, &entries[i], &doing[i], &became[i]);
	}
	for (unsigned i = 0; i < task->n; i++) {
		struct doing *d = &doing[i];
		if (d->in >= 0) {
			became[i].said.outcome = prepare(h, d, task->place + i, &became[i], &jobs[n_jobs]);
			d->job = n_jobs;
			d->is_job = became[i].said.outcome == OUTCOME_NONE;
			n_jobs += d->is_job;
		}
	}
	deidentify_worker_run(&h->worker, jobs, n_jobs);
	for (unsigned i = 0; i < task->n; i++) {
		if (doing[i].is_job) {
			deidentify_worker_take(&h->worker, doing[i].job, &became[i].said);
		}
		finish(&doing[i]);
	}
}
