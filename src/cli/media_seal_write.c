/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/module.h"
#include "cli/disc_image.h"
#include "cli/disc_page.h"
#include "cli/disc_udf.h"
#include "cli/media_seal.h"
#include "dicom/dicomdir_write.h"
#include "keys/mail_seal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SINGLE "OUT"  /* the file, of an image or a mail */
#define FILES  "DISC" /* what the image is made of, beside it */

/* ---- The files ---- */

static int put(void *arg, struct span bytes)
{
	return fwrite(bytes.ptr, 1, bytes.len, arg) == bytes.len ? 0 : ERR_SYSTEM;
}

static int feed_file(void *f, struct span bytes)
{
	return cms_file_more(f, bytes);
}

/* An object, or the DICOMDIR if i is that of none. */
static int feed(const struct media_sealing *j, size_t i, cms_put *more, void *arg)
{
	static uint8_t buf[CMS_SEAL_PIECE];
	if (i == j->m.n_objects) {
		return more(arg, span_of(j->directory, j->directory_len));
	}
	uint64_t at = j->m.objects[i].at, len = j->m.objects[i].len;
	while (len > 0) {
		ssize_t n =
			pread(j->m.spool.fd, buf, len < sizeof(buf) ? (size_t)len : sizeof(buf), (off_t)at);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		int e = n <= 0 ? ERR_SYSTEM : more(arg, span_of(buf, (size_t)n));
		if (e < 0) {
			return e;
		}
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* With slashes. */
static int name_of(const struct media_sealing *j, size_t i, char name[DICOMDIR_FILE_ID])
{
	if (i == j->m.n_objects) {
		snprintf(name, DICOMDIR_FILE_ID, "DICOMDIR");
		return 0;
	}
	int e = dicomdir_file_id((uint32_t)i, name);
	char *slash = e == 0 ? strchr(name, '\\') : NULL;
	if (slash) {
		*slash = '/';
	}
	return e;
}

static void tell_progress(const struct media_sealing *j, size_t i)
{
	if (j->m.progress && i < j->m.n_objects) {
		fprintf(stderr, "\rsealing: %zu of %zu", i + 1, j->m.n_objects);
	} else if (j->m.progress) {
		fputs("\r\033[K", stderr);
	}
}

static FILE *new_file(const struct media_sealing *j, const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "%s%s", j->form == MEDIA_IMAGE ? FILES "/" : "", name);
	int fd = stage_file(&j->stage, path);
	return fd < 0 ? NULL : fdopen(fd, "wb");
}

static int close_file(const struct media_sealing *j, FILE *f)
{
	int e = fflush(f) == 0 && !ferror(f) ? 0 : ERR_SYSTEM;
	off_t len = ftello(f);
	if (e == 0 && j->form == MEDIA_IMAGE && (uint64_t)len > DISC_IMAGE_FILE_MOST) {
		e = ERR_LIMIT;
	}
	return fclose(f) == 0 ? e : ERR_SYSTEM;
}

static int seal_one(const struct media_sealing *j, size_t i)
{
	struct cms_file *f = NULL;
	char name[DICOMDIR_FILE_ID];
	FILE *to = name_of(j, i, name) < 0 ? NULL : new_file(j, name);
	if (!to) {
		return ERR_SYSTEM;
	}
	int e = cms_file_begin(j->sealing, clock_wall_ms() / 1000, put, to, &f);
	e = e < 0 ? e : feed(j, i, feed_file, f);
	e = e < 0 ? e : cms_file_end(f);
	cms_file_free(f);
	int closed = close_file(j, to);
	return e < 0 ? e : closed;
}

static int write_files(const struct media_sealing *j)
{
	const struct disc_page page = {.by_key = j->n_to > 0,
		.by_passphrase = j->n_to == 0 || j->ask || j->with.passphrase_file,
		.is_signed = j->key != NULL};
	int e = 0;
	for (size_t i = 0; e == 0 && i <= j->m.n_objects; i++) {
		tell_progress(j, i);
		e = seal_one(j, i);
	}
	FILE *f = e == 0 ? new_file(j, "README.TXT") : NULL;
	if (!f) {
		return e < 0 ? e : ERR_SYSTEM;
	}
	disc_page_write(&page, f);
	return close_file(j, f);
}

/* ---- As a mail ---- */

static int feed_mail(void *m, struct span bytes)
{
	return mail_more(m, bytes);
}

static int write_mail(const struct media_sealing *j)
{
	struct mail *mail = NULL;
	char name[DICOMDIR_FILE_ID];
	FILE *to = new_file(j, SINGLE);
	if (!to) {
		return ERR_SYSTEM;
	}
	int e = mail_begin(j->sealing, clock_wall_ms() / 1000, disc_page_mail, put, to, &mail);
	for (size_t i = 0; e == 0 && i <= j->m.n_objects; i++) {
		tell_progress(j, i);
		e = name_of(j, i, name);
		e = e < 0 ? e : mail_file(mail, name);
		e = e < 0 ? e : feed(j, i, feed_mail, mail);
	}
	e = e < 0 ? e : mail_end(mail);
	mail_free(mail);
	int closed = close_file(j, to);
	return e < 0 ? e : closed;
}

/* ---- The disc ---- */

/* Where libisofs finds what the image is made of: it wants a path from the root. */
static char *folder_of(const struct media_sealing *j)
{
	char *path = NULL;
	if (asprintf(&path, "%s/" FILES, j->stage.path) < 0) {
		return NULL;
	}
	char *whole = realpath(path, NULL);
	free(path);
	return whole;
}

static int write_iso(const char *folder, int fd, char *why, size_t cap)
{
	module_function *found;
	int e = module_open("cli/gantry-disc", "disc_image_write", &found, why, cap);
	return e < 0 ? e : ((disc_image_function *)found)(folder, fd, why, cap);
}

static int write_image(const struct media_sealing *j, char *why, size_t cap)
{
	char *folder = folder_of(j);
	int fd = folder ? stage_file(&j->stage, SINGLE) : -1;
	int e = fd < 0   ? ERR_SYSTEM
	        : j->udf ? disc_udf_write(folder, fd, why, cap)
	                 : write_iso(folder, fd, why, cap);
	if (fd < 0) {
		snprintf(why, cap, "%s", strerror(errno));
	} else {
		close(fd);
	}
	free(folder);
	return e;
}

static const char *sentence(int e)
{
	return e == ERR_SYSTEM  ? strerror(errno)
	       : e == ERR_LIMIT ? "a file is larger than an image can have: seal into a folder"
	       : e == ERR_VALUE ? "it is there already"
	                        : err_str(e);
}

/* In its place, once it is recorded. */
static int publish(struct media_sealing *j, char *why, size_t cap)
{
	char whom[300], more[320];
	cms_sealing_for(j->sealing, whom, sizeof(whom));
	snprintf(more, sizeof(more), "for %s", whom);
	if (!media_record(&j->record, &j->m, j->out, more)) {
		snprintf(why, cap, "it could not be recorded: %s", j->record.why);
		return ERR_SYSTEM;
	}
	int e = j->form == MEDIA_FOLDER ? stage_commit(&j->stage) : stage_commit_file(&j->stage, SINGLE);
	int kept = errno;
	if (e < 0) {
		media_record_undone(&j->record, &j->m, j->out, more);
	}
	errno = kept;
	return e;
}

int media_seal_write(struct media_sealing *j, char *why, size_t cap)
{
	why[0] = '\0';
	int e = stage_begin(&j->stage, j->out);
	e = e < 0 ? e : j->form == MEDIA_MAIL ? write_mail(j) : write_files(j);
	e = e == 0 && j->form == MEDIA_IMAGE ? write_image(j, why, cap) : e;
	e = e < 0 ? e : publish(j, why, cap);
	if (e < 0 && !why[0]) {
		snprintf(why, cap, "%s", sentence(e));
	}
	stage_done(&j->stage);
	return e;
}
