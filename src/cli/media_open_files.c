/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cli/image.h"
#include "cli/media_open.h"
#include "cli/object_job.h"
#include "cli/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who opens one file has nothing of those that were opened before. */
static int forget(void *arg, void *shared)
{
	(void)arg;
	(void)shared;
	stage_forget();
	return 0;
}

struct work {
	const struct media_opening *j;
	bool mail;
	unsigned n;
	struct stage_scratch files[MAIL_FILES]; /* what it writes */
};

static void open_it(void *arg, struct span bytes, void *shared)
{
	const struct work *w = arg;
	struct media_outcome *o = shared;
	int files[MAIL_FILES];
	int64_t now_s = clock_wall_ms() / 1000;
	for (unsigned i = 0; i < w->n; i++) {
		files[i] = w->files[i].fd;
	}
	o->err = w->mail ? mail_open(w->j->opening, bytes, files, now_s, &o->found)
	                 : cms_open(w->j->opening, bytes, files, now_s, &o->found);
}

static void work_done(struct work *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		stage_drop(&w->j->stage, &w->files[i]);
	}
}

/* 0: o says what came of it. ERR_SYSTEM: no file could be made, of which errno tells. To be ended with work_done() in any case. */
static int work_run(struct work *w, const struct media_opening *j, bool mail, int fd, struct media_outcome *o)
{
	const struct object_job job = {
		.prepare = forget, .work = open_it, .arg = w, .sandbox = SANDBOX_KEYS, .ready = j->m.sandbox};
	struct cms_kek kek = o->found.kek;
	int e = 0;
	*w = (struct work){.j = j, .mail = mail};
	while (e == 0 && w->n < (mail ? MAIL_FILES : CMS_LAYERS)) {
		e = stage_scratch(&j->stage, &w->files[w->n]);
		w->n += e == 0;
	}
	if (e < 0) {
		return e;
	}
	*o = (struct media_outcome){.err = ERR_SYSTEM, .found.kek = kek};
	int ran = object_job_run(&job, fd, o);
	o->found.why[sizeof(o->found.why) - 1] = '\0';
	if (ran != 0 || (!mail && o->err == 0 && (o->found.layers < 1 || o->found.layers > CMS_LAYERS))) {
		o->err = ERR_PEER;
		snprintf(o->found.why, sizeof(o->found.why), "the process that opens it has died");
	}
	return 0;
}

/* As systems show names of discs: without the version of ISO 9660 7.5 and an empty ending. */
static void cut_name(const char *name, char *to, size_t size)
{
	size_t n = strlen(name);
	const char *version = strrchr(name, ';');
	n = version ? (size_t)(version - name) : n;
	n -= n > 0 && name[n - 1] == '.';
	snprintf(to, size, "%.*s", (int)n, name);
}

static int refuse(struct media_opening *j, const char *name, const char *why)
{
	return media_add(&j->m.refused, name, NULL, why);
}

/* NULL: it is signed by whom it has to be; or the sentence that says why not. */
static const char *judge(const struct media_opening *j, struct cms_found *f)
{
	static char why[256];
	f->subject[sizeof(f->subject) - 1] = f->doubt[sizeof(f->doubt) - 1] = '\0';
	if (j->n_trust == 0 || f->signer == CMS_TRUSTED) {
		return NULL;
	}
	if (f->signer == CMS_NOBODY) {
		return "nobody has signed it";
	}
	snprintf(why, sizeof(why), "it is signed by somebody whom --trust does not know: %s", f->doubt);
	return why;
}

static void count_signer(struct media_opening *j, const struct cms_found *f)
{
	j->n_unsigned += f->signer == CMS_NOBODY;
	j->n_unchecked += f->signer == CMS_NOBODY && !f->digested;
	j->n_untrusted += f->signer == CMS_UNTRUSTED;
	if (f->signer != CMS_NOBODY && !j->signer[0]) {
		snprintf(j->signer, sizeof(j->signer), "%s", f->subject);
	} else if (f->signer != CMS_NOBODY && strcmp(j->signer, f->subject) != 0) {
		snprintf(j->signer, sizeof(j->signer), "several");
	}
}

/* Which object it is, and for the record whose. One of nobody's is recorded as that. */
static int note_object(struct media_opening *j, const char *name)
{
	struct described d;
	int fd = stage_open(&j->stage, name);
	int e = fd < 0 ? fd : describe(j->m.sandbox, fd, MEDIA_OPEN_SECONDS, &d);
	if (fd >= 0) {
		close(fd);
	}
	if (e == ERR_VALUE || e == ERR_TIMEOUT) {
		d = (struct described){0};
		e = 0;
	}
	e = e < 0 || d.directory || j->record.why ? e : media_add_object(&j->m, name, &d);
	return e < 0 ? e : media_add(&j->m.names, name, NULL, d.directory ? "" : d.sop_instance);
}

/* A file that was found in what f says, in its place. */
static int keep(struct media_opening *j, const char *name, struct stage_scratch *file, struct cms_found *f)
{
	uint8_t magic[4];
	const char *why = judge(j, f);
	if (!why && (pread(file->fd, magic, sizeof(magic), 128) != (ssize_t)sizeof(magic) ||
			    memcmp(magic, "DICM", 4) != 0)) {
		why = "what is in it is no DICOM file";
	}
	if (why) {
		return refuse(j, name, why);
	}
	int e = stage_keep(&j->stage, file, name);
	if (e == ERR_VALUE || (e == ERR_SYSTEM && errno == EEXIST)) {
		return refuse(j, name,
			e == ERR_VALUE ? "it has a name that no file of a disc has"
				       : "there are two of this name");
	}
	if (e < 0) {
		return e;
	}
	count_signer(j, f);
	return note_object(j, name);
}

static int take_sealed(struct media_opening *j, const char *name, int fd, struct media_outcome *o)
{
	struct work w;
	int e = work_run(&w, j, false, fd, o);
	if (e == 0 && o->err < 0) {
		e = refuse(j, name, o->found.why[0] ? o->found.why : err_str(o->err));
		/* Of the others nothing else would be said. */
		e = e == 0 && (o->err == ERR_DENIED || o->err == ERR_MISSING || o->err == ERR_NOT_FOUND)
		            ? ERR_DENIED
		            : e;
		j->unwritten = o->err == ERR_SYSTEM;
		e = e == 0 && j->unwritten ? ERR_SYSTEM : e;
	} else if (e == 0) {
		e = keep(j, name, &w.files[o->found.layers - 1], &o->found);
	}
	work_done(&w);
	return e;
}

static int take_file(struct media_opening *j, const char *whole_name, int fd, struct media_outcome *o)
{
	char name[LIMIT_MEMBER_NAME + 1];
	uint8_t first = 0, magic[4] = {0};
	cut_name(whole_name, name, sizeof(name));
	if (j->progress) {
		fprintf(stderr, "\ropening: %zu files", j->m.names.n);
	}
	if (pread(fd, magic, sizeof(magic), 128) == (ssize_t)sizeof(magic) && memcmp(magic, "DICM", 4) == 0) {
		return refuse(j, name, "it is not sealed");
	}
	if (pread(fd, &first, 1, 0) != 1 || first != 0x30) {
		return media_add(&j->m.left[LEFT_OTHER], name, NULL, "");
	}
	return take_sealed(j, name, fd, o);
}

/* ---- A mail ---- */

/* A file of its own of a part, whose numbers are others' words. */
static int copy_part(const struct work *w, const struct mail_part *part, struct stage_scratch *to)
{
	off_t from = (off_t)part->at;
	uint64_t left = part->len;
	int e = part->at > INT64_MAX ? ERR_VALUE : stage_scratch(&w->j->stage, to);
	while (e == 0 && left > 0) {
		ssize_t n = copy_file_range(
			w->files[0].fd, &from, to->fd, NULL, left < SSIZE_MAX ? (size_t)left : SSIZE_MAX, 0);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		e = n > 0 ? 0 : n == 0 ? ERR_VALUE : ERR_SYSTEM;
		left -= n > 0 ? (uint64_t)n : 0;
	}
	return e;
}

/* A part without a name that a file of a disc has gets a number. */
static int take_part(struct media_opening *j, const struct work *w, struct mail_part *part, unsigned number)
{
	struct stage_scratch file = STAGE_NO_SCRATCH;
	char name[32];
	part->id[sizeof(part->id) - 1] = '\0';
	snprintf(name, sizeof(name), "PART%04u", number);
	bool named = stage_is_name(part->id);
	int e = copy_part(w, part, &file);
	if (e == ERR_VALUE) {
		e = refuse(j, name, "the process that opens it has died");
	} else if (e == 0 && !part->around.enveloped && part->around.signer == CMS_NOBODY) {
		e = refuse(j, named ? part->id : name, "it is not sealed");
	} else if (e == 0) {
		e = keep(j, named ? part->id : name, &file, &part->around);
	}
	stage_drop(&j->stage, &file);
	return e;
}

static int take_parts(struct media_opening *j, const struct work *w)
{
	struct mail_part part;
	off_t end = lseek(w->files[1].fd, 0, SEEK_END);
	uint64_t n = end > 0 ? (uint64_t)end / sizeof(part) : 0;
	int e = n > LIMIT_MEMBERS ? ERR_LIMIT : 0;
	for (unsigned i = 0; e == 0 && i < n; i++) {
		ssize_t got = pread(w->files[1].fd, &part, sizeof(part), (off_t)(i * sizeof(part)));
		e = got == (ssize_t)sizeof(part) ? take_part(j, w, &part, i + 1) : ERR_SYSTEM;
	}
	return e;
}

static int take_mail(struct media_opening *j, int fd, struct media_outcome *o, char *why, size_t cap)
{
	struct work w;
	int e = work_run(&w, j, true, fd, o);
	j->is_mail = true;
	if (e == 0 && o->err == ERR_TYPE) {
		snprintf(why, cap,
			"it is neither a folder, nor an image of a disc (ISO, UDF or ZIP), nor a mail");
		e = ERR_TYPE;
	} else if (e == 0 && o->err < 0) {
		snprintf(why, cap, "%s", o->found.why[0] ? o->found.why : err_str(o->err));
		e = ERR_VALUE;
	} else if (e == 0 && (e = take_parts(j, &w)) == ERR_LIMIT) {
		snprintf(why, cap, "it has more files than a disc would");
	}
	work_done(&w);
	return e;
}

/* ---- All of them ---- */

static int take_folder(struct media_opening *j, int root, struct media_outcome *o, char *why, size_t cap)
{
	struct tree t = TREE_NONE;
	int e = tree_walk(&t, root);
	if (e == ERR_LIMIT) {
		snprintf(why, cap, "it has more files or deeper folders than a disc would");
	}
	for (size_t i = 0; e == 0 && i < t.n; i++) {
		const struct tree_entry *entry = &t.entries[i];
		int fd = entry->what == TREE_FILE ? tree_open(&t, entry->path) : -1;
		if (fd >= 0) {
			e = take_file(j, entry->path, fd, o);
			close(fd);
		} else {
			e = refuse(j, entry->path,
				entry->what == TREE_FILE || entry->what == TREE_UNREADABLE
					? "it cannot be read"
					: "it is no plain file");
		}
	}
	tree_done(&t);
	return e;
}

static int take_image(struct media_opening *j, int fd, struct media_outcome *o, char *why, size_t cap)
{
	struct image *image;
	struct image_member got;
	const struct image_how how = {.seconds = MEDIA_OPEN_SECONDS};
	int e = image_open(fd, &how, &image, why, cap), more = 0;
	if (e) {
		return e;
	}
	while (e == 0 && (more = image_next(image, &got)) > 0) {
		e = got.what != IMAGE_FILE ? refuse(j, got.name, "it is no plain file")
		    : got.bad              ? refuse(j, got.name, got.why)
		                           : take_file(j, got.name, got.bytes.fd, o);
		scrap_done(&got.bytes);
	}
	if (e == 0 && more < 0) {
		snprintf(why, cap, "%s", image_why(image));
		e = more == ERR_DENIED ? ERR_VALUE : more;
	}
	image_close(image);
	return e;
}

int media_open_all(struct media_opening *j, struct media_outcome *o, char *why, size_t cap)
{
	struct stat st;
	int fd = open(j->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(why, cap, "%s", strerror(errno));
		if (fd >= 0) {
			close(fd);
		}
		return ERR_SYSTEM;
	}
	if (S_ISDIR(st.st_mode)) {
		return take_folder(j, fd, o, why, cap);
	}
	enum image_kind kind = S_ISREG(st.st_mode) ? image_kind_of(fd) : IMAGE_NONE;
	int e = ERR_TYPE;
	if (kind != IMAGE_NONE) {
		e = take_image(j, fd, o, why, cap);
	} else if (S_ISREG(st.st_mode)) {
		e = take_mail(j, fd, o, why, cap);
	} else {
		snprintf(why, cap, "it is neither a folder nor a file");
	}
	close(fd);
	return e;
}
