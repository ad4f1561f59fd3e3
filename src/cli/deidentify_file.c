/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify.h"

#include "cli/boxed.h"
#include "cli/deidentify_changes.h"
#include "dicom/file.h"
#include "dicom/implementation.h"
#include "dicom/part10.h"
#include "transform/leftovers.h"
#include "transform/originals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define SOP_DIRECTORY "1.2.840.10008.1.3.10"
#define READ_BUFFER   (64u * 1024)
#define KEPT          (1u << 20) /* bytes of a result that are kept until it has been looked through */
#define PIECES        256        /* and pieces */
#define LONG_PIECE    4096       /* shorter ones are copied */

struct deidentify_work {
	const struct deidentify_how *how;
	struct deidentify_rules rules; /* this file's */
	int in, out;
	struct span in_bytes;
	struct deidentify_said *said;
	struct deidentify t;
	struct leftovers leftovers;
	struct compressed compressed;
	bool has_changes; /* of who cleaned pixels before; and those: */
	struct deidentify_changes changes;
	bool pixels_told;       /* that they were changed */
	bool has_charset;       /* the leftovers know that of the file */
	struct dicom_file file; /* the result, read again */
	struct inflater inflater;
	bool originals_failed;
	struct originals originals;
	uint8_t cms[DEIDENTIFY_ENCRYPTED], mark[ORIGINALS_MARK];
	/* The result: pieces of the file, and of what is kept; after what was written already. */
	bool spilled;
	unsigned n_pieces;
	struct span pieces[PIECES];
	size_t kept_len;
	uint8_t kept[KEPT], buf[READ_BUFFER];
};

static bool is_of_file(const struct deidentify_work *w, struct span bytes)
{
	return bytes.ptr >= w->in_bytes.ptr && bytes.ptr < w->in_bytes.ptr + w->in_bytes.len;
}

/* ---- What was done ---- */

static void list(
	struct deidentify_said *said, const struct dataset *d, enum deidentify_done what, const char *why)
{
	static const char *const names[] = {[DONE_REMOVED] = "removed",
		[DONE_EMPTIED] = "emptied",
		[DONE_REPLACED] = "replaced",
		[DONE_NEW_UID] = "new-uid",
		[DONE_CLEANED] = "cleaned",
		[DONE_ADDED] = "added"};
	char line[40 * (LIMIT_SEQUENCE_DEPTH + 1)];
	size_t n = 0;
	for (unsigned i = 0; i < d->depth; i++) {
		n += (size_t)snprintf(line + n, sizeof(line) - n, "(%04X,%04X)[%u].", d->path[i] >> 16,
			d->path[i] & 0xFFFF, dataset_item_number(d, i));
	}
	if (d->tag == TAG_ITEM) {
		line[n - 1] = ',';
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s,%s\n", names[what], why);
	} else {
		n += (size_t)snprintf(line + n, sizeof(line) - n, "(%04X,%04X),%s,%s\n", d->tag >> 16,
			d->tag & 0xFFFF, names[what], why);
	}
	if (n >= sizeof(said->list) - said->list_len) { /* with room for a NUL */
		said->list_is_cut = true;
		return;
	}
	memcpy(said->list + said->list_len, line, n);
	said->list_len += n;
}

static void note(
	struct deidentify_work *w, const struct dataset *where, enum deidentify_done what, const char *why)
{
	w->said->counts[what]++;
	if (w->how->list) {
		list(w->said, where, what, why);
	}
}

static void done(void *arg, const struct dataset *where, enum confidentiality what)
{
	static const enum deidentify_done as[] = {[CONFIDENTIALITY_X] = DONE_REMOVED,
		[CONFIDENTIALITY_Z] = DONE_EMPTIED,
		[CONFIDENTIALITY_D] = DONE_REPLACED,
		[CONFIDENTIALITY_U] = DONE_NEW_UID,
		[CONFIDENTIALITY_CLEAN] = DONE_CLEANED};
	struct deidentify_work *w = arg;
	w->pixels_told = w->pixels_told || (where->depth == 0 && where->tag == TAG_PIXEL_DATA);
	note(w, where, as[what], "profile");
}

static void added(void *arg, uint32_t tag, bool was)
{
	const struct dataset where = {.tag = tag};
	note(arg, &where, was ? DONE_REPLACED : DONE_ADDED, "profile");
}

/* By who cleaned pixels. */
static void changed(void *arg, uint32_t tag, enum deidentify_done what)
{
	const struct dataset where = {.tag = tag};
	note(arg, &where, what, "pixels");
}

static void original(void *arg, const struct dataset *where, struct span value)
{
	struct deidentify_work *w = arg;
	if (!w->has_charset) {
		w->has_charset = true;
		leftovers_charset(&w->leftovers, header_value(&w->t.head_scan, HEADER_CHARSET));
	}
	leftovers_add(&w->leftovers, where->tag, where->vr, value);
}

/* ---- What is written ---- */

static bool write_piece(struct deidentify_work *w, struct span piece)
{
	/* Of a file that is mapped: the kernel moves it. */
	while (w->in >= 0 && piece.len > 0 && is_of_file(w, piece)) {
		off_t from = piece.ptr - w->in_bytes.ptr;
		ssize_t n = copy_file_range(w->in, &from, w->out, NULL, piece.len, 0);
		if (n <= 0) {
			break;
		}
		piece = span_of(piece.ptr + n, piece.len - (size_t)n);
	}
	return piece.len == 0 || boxed_write(w->out, piece.ptr, piece.len);
}

/*
 * In one call: a file system that is told all the length that comes takes large folios for it, and has so much less to do. What it
 * does not take at once is left to the caller.
 */
static bool write_gathered(const struct deidentify_work *w, size_t *ret_n)
{
	struct iovec iov[PIECES];
	ssize_t n;
	for (unsigned i = 0; i < w->n_pieces; i++) {
		iov[i] = (struct iovec){(void *)(uintptr_t)w->pieces[i].ptr, w->pieces[i].len};
	}
	do {
		n = writev(w->out, iov, (int)w->n_pieces);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return false;
	}
	*ret_n = (size_t)n;
	return true;
}

static bool write_pieces(struct deidentify_work *w)
{
	size_t written = 0;
	bool good = w->in >= 0 || w->n_pieces == 0 || write_gathered(w, &written);
	for (unsigned i = 0; i < w->n_pieces && good; i++) {
		struct span piece = w->pieces[i];
		size_t n = written < piece.len ? written : piece.len;
		written -= n;
		good = write_piece(w, span_of(piece.ptr + n, piece.len - n));
	}
	return good;
}

/* No room to keep it all until it has been looked through: it is written now, and read again then. */
static bool spill(struct deidentify_work *w)
{
	bool good = write_pieces(w);
	w->spilled = true;
	w->n_pieces = 0;
	w->kept_len = 0;
	return good;
}

static void add_piece(struct deidentify_work *w, struct span bytes)
{
	struct span *last = w->n_pieces > 0 ? &w->pieces[w->n_pieces - 1] : NULL;
	if (last && last->ptr + last->len == bytes.ptr) {
		last->len += bytes.len;
	} else {
		w->pieces[w->n_pieces++] = bytes;
	}
}

static bool put(struct deidentify_work *w, struct span bytes)
{
	bool stays = bytes.len >= LONG_PIECE && is_of_file(w, bytes);
	if ((w->n_pieces == PIECES || (!stays && bytes.len > sizeof(w->kept) - w->kept_len)) && !spill(w)) {
		return false;
	}
	if (!stays && bytes.len > sizeof(w->kept)) {
		return boxed_write(w->out, bytes.ptr, bytes.len);
	}
	if (!stays) {
		memcpy(w->kept + w->kept_len, bytes.ptr, bytes.len);
		bytes.ptr = w->kept + w->kept_len;
		w->kept_len += bytes.len;
	}
	add_piece(w, bytes);
	return true;
}

/* PS3.15 E.1.1: preamble and file meta information say who de-identified it, and nothing of before. */
static int put_meta(struct deidentify_work *w, struct span syntax)
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

static int encrypt(
	struct deidentify_work *w, const struct pseudonyms *pseudonyms, struct span plain, size_t *ret_n)
{
	char why[160];
	uint8_t digest[ATTRIBUTES_DIGEST];
	struct attributes_recipients *to = NULL;
	int e = attributes_recipients_new(w->how->recipients, w->how->n_recipients, &to, why, sizeof(why));
	e = e < 0 ? e : attributes_recipients_digest(to, digest);
	e = e < 0 ? e : originals_mark(pseudonyms, plain, span_of(digest, sizeof(digest)), w->mark);
	e = e < 0 ? e : attributes_encrypt_to(plain, to, w->cms, sizeof(w->cms), ret_n, why, sizeof(why));
	attributes_recipients_free(to);
	return e;
}

/* A run whose result is not wanted: DEIDENTIFY_END, or why not. */
static int try_run(struct deidentify_work *w, const struct deidentify_rules *rules,
	const struct deidentify_log *log, struct span data, struct span syntax)
{
	struct pseudonyms pseudonyms = {pseudonym_make, (void *)w->how->key};
	struct span bytes;
	int e = deidentify_begin(&w->t, rules, &pseudonyms, syntax, log);
	if (e < 0) {
		return e;
	}
	deidentify_feed(&w->t, data);
	deidentify_last(&w->t);
	while ((e = deidentify_next(&w->t, &bytes)) == DEIDENTIFY_BYTES) {
	}
	deidentify_done(&w->t);
	return e;
}

/* It was denied: if it were not for that, would it be for the other? */
static bool is_both(struct deidentify_work *w, struct span data, struct span syntax)
{
	const enum deidentify_why why = w->t.why;
	struct deidentify_rules rules = w->rules;
	if (why == DEIDENTIFY_BURNED_IN) {
		rules.keep_burned_in = true;
	} else {
		rules.replace_documents = true;
	}
	bool both = try_run(w, &rules, NULL, data, syntax) == ERR_DENIED && w->t.why != why;
	w->t.why = why;
	return both;
}

/* What the object was, encrypted, becomes w->rules.encrypted: a run before the one that counts. */
static int encrypt_originals(struct deidentify_work *w, struct span data, struct span syntax)
{
	struct pseudonyms pseudonyms = {pseudonym_make, (void *)w->how->key};
	struct deidentify_log log = {.original = originals_take, .arg = &w->originals};
	struct span plain;
	size_t n = 0;
	originals_begin(&w->originals);
	int e = try_run(w, &w->rules, &log, data, syntax);
	if (e != DEIDENTIFY_END) {
		return e;
	}
	w->originals_failed = true;
	e = originals_end(&w->originals, header_value(&w->t.head_scan, HEADER_CHARSET), &plain);
	e = e < 0 ? e : encrypt(w, &pseudonyms, plain, &n);
	w->originals_failed = e < 0 && e != ERR_MISSING;
	w->rules.encrypted = span_of(w->cms, n);
	w->rules.mark = span_of(w->mark, n > 0 ? sizeof(w->mark) : 0);
	return e == ERR_MISSING ? 0 : e;
}

static int transform(struct deidentify_work *w, struct span data, struct span syntax)
{
	struct pseudonyms pseudonyms = {pseudonym_make, (void *)w->how->key};
	struct deidentify_log log = {done, original, w, added};
	struct span bytes;
	bool begun = false;
	int e = w->how->n_recipients > 0 ? encrypt_originals(w, data, syntax) : 0;
	if (e < 0) {
		return e;
	}
	e = deidentify_begin(&w->t, &w->rules, &pseudonyms, syntax, &log);
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
	return e == DEIDENTIFY_END ? 0 : e;
}

/* ---- What is left ---- */

static int read_events(struct deidentify_work *w)
{
	int event;
	while ((event = file_next(&w->file)) > 0 && event != DATASET_END) {
		if (w->has_changes) {
			deidentify_changes_event(&w->changes, &w->file.d, event, true);
		}
		if (!w->file.in_meta) {
			leftovers_event(&w->leftovers, &w->file.d, event);
		}
	}
	return event;
}

static int look_at_pieces(struct deidentify_work *w)
{
	int e = DATASET_MORE;
	for (unsigned i = 0; i < w->n_pieces && e == DATASET_MORE; i++) {
		file_feed(&w->file, w->pieces[i]);
		e = read_events(w);
	}
	return e;
}

static int look_at_file(struct deidentify_work *w)
{
	int e = DATASET_MORE;
	if (!write_pieces(w) || lseek(w->out, 0, SEEK_SET) < 0) {
		return ERR_SYSTEM;
	}
	while (e == DATASET_MORE) {
		ssize_t n = read(w->out, w->buf, sizeof(w->buf));
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? ERR_SYSTEM : e;
		}
		file_feed(&w->file, span_of(w->buf, (size_t)n));
		e = read_events(w);
	}
	return e;
}

/* The result is read as anybody would read it, not as it was made. */
static int look_for_leftovers(struct deidentify_work *w)
{
	file_begin(&w->file, &w->inflater);
	int e = w->spilled ? look_at_file(w) : look_at_pieces(w);
	if (e == DATASET_MORE) {
		file_last(&w->file);
		e = read_events(w);
	}
	return e == DATASET_END ? 0 : e < 0 ? e : ERR_TRUNCATED;
}

/* ---- What was changed before ---- */

/* Up to the pixels, behind which nothing is that is wanted; as far as it can be read. */
static void hear_what_was(struct deidentify_work *w, int was)
{
	int event = DATASET_MORE;
	bool before = lseek(was, 0, SEEK_SET) == 0;
	deidentify_changes_begin(&w->changes);
	file_begin(&w->file, &w->inflater);
	while (before && event == DATASET_MORE) {
		ssize_t n = read(was, w->buf, sizeof(w->buf));
		before = n > 0;
		file_feed(&w->file, span_of(w->buf, n > 0 ? (size_t)n : 0));
		while (before && (event = file_next(&w->file)) > 0 && event != DATASET_END) {
			const struct dataset *d = &w->file.d;
			before = w->file.in_meta || d->depth > 0 || d->tag < TAG_PIXEL_DATA;
			if (before) {
				deidentify_changes_event(&w->changes, &w->file.d, event, false);
			}
		}
	}
}

/* As what is changed here. */
static void tell_changes(struct deidentify_work *w, bool pixels)
{
	deidentify_changes_tell(&w->changes, changed, w);
	if (pixels && !w->pixels_told) {
		changed(w, TAG_PIXEL_DATA, DONE_CLEANED);
	}
}

static void say_identity(struct deidentify_said *said, const struct deidentify *t)
{
	memcpy(said->patient, t->patient, sizeof(said->patient));
	memcpy(said->study, t->study, sizeof(said->study));
	memcpy(said->series, t->series, sizeof(said->series));
	memcpy(said->instance, t->sop_instance, sizeof(said->instance));
}

static enum deidentify_outcome outcome_of(const struct deidentify_work *w, int e)
{
	if (w->originals_failed) {
		return OUTCOME_ORIGINALS;
	}
	if (e == ERR_DENIED) {
		return w->t.why == DEIDENTIFY_BURNED_IN ? OUTCOME_BURNED_IN
		       : w->t.why == DEIDENTIFY_VIDEO   ? OUTCOME_VIDEO
		                                        : OUTCOME_DOCUMENT;
	}
	return e == ERR_SYSTEM ? OUTCOME_NOT_WRITTEN : OUTCOME_BROKEN;
}

static enum deidentify_outcome try(
	struct deidentify_work *w, const struct deidentify_job *job, struct span file)
{
	struct part10_meta meta;
	size_t at = 0;
	int e = part10_read(file, &meta, &at, NULL);
	w->t.d.offset = 0;
	if (e == ERR_TYPE || file.len < FILE_PREAMBLE + 4) {
		return OUTCOME_NOT_DICOM;
	}
	if (e == 0 && span_eq(meta.sop_class, span_str(SOP_DIRECTORY))) {
		return OUTCOME_DIRECTORY;
	}
	e = e < 0 ? e : transform(w, span_of(file.ptr + at, file.len - at), meta.transfer_syntax);
	w->said->offset = at + w->t.d.offset;
	w->said->error = e;
	w->said->wrong = w->t.wrong;
	if (e < 0) {
		w->said->both = e == ERR_DENIED &&
		                is_both(w, span_of(file.ptr + at, file.len - at), meta.transfer_syntax);
		return outcome_of(w, e);
	}
	say_identity(w->said, &w->t);
	w->has_changes = job->pixels_cleaned || job->pixels_changed;
	if (w->has_changes) {
		hear_what_was(w, job->was);
	}
	e = look_for_leftovers(w);
	if (w->has_changes) {
		tell_changes(w, job->pixels_changed);
	}
	w->said->error = e;
	w->said->offset = w->file.d.offset;
	w->said->overlays = w->t.overlays_in_pixels;
	w->said->left = w->leftovers.found;
	w->said->left_of = w->leftovers.of;
	w->said->left_in = w->leftovers.in;
	w->said->unread = w->leftovers.unread;
	w->said->unread_in = w->leftovers.unread_in;
	w->said->unsearched = w->leftovers.full;
	return e < 0 ? outcome_of(w, e) : w->leftovers.grave ? OUTCOME_LEFTOVER : OUTCOME_GOOD;
}

struct deidentify_work *deidentify_work_new(const struct deidentify_how *how)
{
	struct deidentify_work *w = calloc(1, sizeof(*w));
	if (w) {
		w->how = how;
		w->leftovers.compressed = &w->compressed;
	}
	return w;
}

void deidentify_file(struct deidentify_work *w, const struct deidentify_job *job, struct span file,
	struct deidentify_said *said)
{
	w->in = job->in;
	w->out = job->out;
	w->in_bytes = file;
	w->said = said;
	w->rules = w->how->rules;
	w->rules.pixels_cleaned = job->pixels_cleaned;
	w->rules.features_cleaned = job->features_cleaned;
	w->rules.videos_stripped = job->videos_stripped;
	w->spilled = w->originals_failed = false;
	w->n_pieces = 0;
	w->kept_len = 0;
	w->has_charset = w->pixels_told = false;
	leftovers_begin(&w->leftovers, w->rules.options);
	enum deidentify_outcome outcome = try(w, job, file);
	bool stays = outcome == OUTCOME_GOOD || (outcome == OUTCOME_LEFTOVER && w->how->keep_leftovers);
	if (stays && !w->spilled && !write_pieces(w)) {
		outcome = OUTCOME_NOT_WRITTEN;
	}
	said->outcome = outcome;
}
