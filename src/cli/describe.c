/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/describe.h"

#include "base/limits.h"
#include "cli/boxed.h"
#include "dicom/charset.h"
#include "dicom/dicomdir.h"
#include "dicom/header_scan.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#define PIECE          (64u * 1024)
#define MEMORY         (32u * 1024 * 1024)

#define META_SOP_CLASS 0x00020002u

/* ---- The child ---- */

static ssize_t read_piece(int file, uint8_t *to)
{
	for (;;) {
		ssize_t n = read(file, to, PIECE);
		if (n >= 0 || errno != EINTR) {
			return n;
		}
	}
}

/* Where the data set begins, and what the meta information says. */
static int read_meta(int file, struct described *d)
{
	static struct dicom_file f;
	static struct inflater inflater;
	static uint8_t buf[PIECE], uid[UID_MAX + 2];
	bool is_class = false;
	file_begin(&f, &inflater);
	for (;;) {
		int event = file_next(&f);
		if (event > 0 && event != DATASET_NOTE && !f.in_meta) {
			size_t n = f.transfer_syntax.len;
			memcpy(d->transfer_syntax, f.transfer_syntax.ptr, n <= UID_MAX ? n : 0);
			d->data_at = f.d.offset;
			return 0;
		}
		if (event == DATASET_ELEMENT && f.d.tag == META_SOP_CLASS) {
			is_class = true;
			dataset_collect(&f.d, uid, sizeof(uid));
		} else if (event == DATASET_VALUE && is_class) {
			is_class = false;
			const char directory[] = DICOMDIR_SOP_CLASS;
			d->directory = f.d.value.len >= sizeof(directory) - 1 &&
			               memcmp(f.d.value.ptr, directory, sizeof(directory) - 1) == 0 &&
			               (f.d.value.len == sizeof(directory) - 1 ||
					       f.d.value.ptr[sizeof(directory) - 1] == '\0');
		} else if (event < 0) {
			return event;
		} else if (event == DATASET_MORE) {
			ssize_t n = read_piece(file, buf);
			if (n <= 0) {
				return ERR_TRUNCATED;
			}
			file_feed(&f, span_of(buf, (size_t)n));
		}
	}
}

static void put_text(
	const struct header_scan *s, enum header_field field, const char *vr, char *to, size_t cap)
{
	struct charset_text ignored;
	const struct charset cs = charset_of(header_value(s, HEADER_CHARSET));
	charset_to_utf8(&cs, vr, CHARSET_NO_BIDI, header_value(s, field), to, cap, &ignored);
}

static void put_uid(const struct header_scan *s, enum header_field field, char to[UID_MAX + 1])
{
	struct span v = header_value(s, field);
	if (uid_valid(v)) {
		memcpy(to, v.ptr, v.len);
		to[v.len] = '\0';
	}
}

static int read_header(int file, struct described *d)
{
	static struct header_scan s;
	static struct inflater inflater;
	static uint8_t buf[PIECE];
	int r = lseek(file, (off_t)d->data_at, SEEK_SET) < 0                          ? ERR_SYSTEM
	        : header_scan_begin(&s, span_str(d->transfer_syntax), &inflater) != 0 ? ERR_VALUE
	                                                                              : HEADER_MORE;
	while (r == HEADER_MORE) {
		ssize_t n = read_piece(file, buf);
		r = n < 0    ? ERR_SYSTEM
		    : n == 0 ? header_scan_end(&s)
		             : header_scan_feed(&s, span_of(buf, (size_t)n));
	}
	if (r < 0) {
		return r;
	}
	put_uid(&s, HEADER_SOP_CLASS, d->sop_class);
	put_uid(&s, HEADER_SOP_INSTANCE, d->sop_instance);
	put_uid(&s, HEADER_STUDY, d->study);
	put_uid(&s, HEADER_SERIES, d->series);
	put_text(&s, HEADER_PATIENT_NAME, "PN", d->name, sizeof(d->name));
	put_text(&s, HEADER_PATIENT_ID, "LO", d->id, sizeof(d->id));
	put_text(&s, HEADER_BIRTH_DATE, "DA", d->birth_date, sizeof(d->birth_date));
	put_text(&s, HEADER_STUDY_DATE, "DA", d->study_date, sizeof(d->study_date));
	put_text(&s, HEADER_DESCRIPTION, "LO", d->description, sizeof(d->description));
	put_text(&s, HEADER_MODALITY, "CS", d->modality, sizeof(d->modality));
	put_text(&s, HEADER_ACCESSION, "SH", d->accession, sizeof(d->accession));
	return 0;
}

static int describe_run(void *arg, int file, int out)
{
	static struct described d;
	(void)arg;
	int err = read_meta(file, &d);
	err = err || d.directory ? err : read_header(file, &d);
	return err == 0 && boxed_write(out, &d, sizeof(d)) ? 0 : 1;
}

/* A length, a path and a UID each; at the end a zero and the number of those that could not be read. */
static int directory_run(void *arg, int file, int out)
{
	static struct dicomdir d;
	static uint8_t buf[PIECE];
	static char path[DICOMDIR_PATH + 1];
	(void)arg;
	dicomdir_begin(&d);
	for (bool last = false;;) {
		int more = dicomdir_next(&d, path);
		if (more < 0) {
			return 1;
		}
		if (more > 0) {
			uint16_t n = (uint16_t)strlen(path);
			if (!boxed_write(out, &n, sizeof(n)) || !boxed_write(out, path, n) ||
				!boxed_write(out, d.instance, sizeof(d.instance))) {
				return 1;
			}
			continue;
		}
		if (last) {
			uint16_t end = 0;
			uint32_t unread = (uint32_t)d.unread;
			return boxed_write(out, &end, sizeof(end)) &&
			                       boxed_write(out, &unread, sizeof(unread))
			               ? 0
			               : 1;
		}
		ssize_t n = read_piece(file, buf);
		if (n < 0) {
			return 1;
		}
		if (n > 0) {
			dicomdir_feed(&d, span_of(buf, (size_t)n));
		}
		last = n == 0;
		if (last) {
			dicomdir_last(&d);
		}
	}
}

/* ---- The parent ---- */

static int failed(int err)
{
	return err == ERR_TIMEOUT || err == ERR_SYSTEM ? err : ERR_VALUE;
}

/* Whatever the process was made to say is text again. */
static void make_safe(char *text, size_t size)
{
	char safe[1024];
	struct charset utf8 = {.coding = CHARSET_UTF8};
	struct charset_text ignored;
	size_t n = strnlen(text, size);
	charset_to_utf8(&utf8, "ST", CHARSET_NO_BIDI, span_of(text, n), safe, size, &ignored);
	memcpy(text, safe, ignored.len + 1);
}

static void keep_uid(char uid[UID_MAX + 1])
{
	uid[UID_MAX] = '\0';
	if (!uid_valid(span_str(uid))) {
		uid[0] = '\0';
	}
}

static int start(struct boxed *b, const struct sandbox *sandbox, int file, unsigned seconds, boxed_run *run)
{
	const struct boxed_how how = {.sandbox = sandbox, .cpu_s = seconds, .memory = MEMORY};
	return lseek(file, 0, SEEK_SET) < 0 ? ERR_SYSTEM : boxed_start(b, &how, file, run, NULL);
}

int describe(const struct sandbox *sandbox, int file, unsigned seconds, struct described *ret)
{
	struct boxed b = BOXED_NONE;
	struct described d;
	int err = start(&b, sandbox, file, seconds, describe_run);
	err = err ? err : boxed_read(&b, &d, sizeof(d), BOXED_PATIENCE * (int)seconds * 1000);
	(void)boxed_end(&b);
	if (err) {
		return failed(err);
	}
	char *const uids[] = {d.sop_class, d.sop_instance, d.transfer_syntax, d.study, d.series};
	for (size_t i = 0; i < ARRAY_LEN(uids); i++) {
		keep_uid(uids[i]);
	}
	make_safe(d.name, sizeof(d.name));
	make_safe(d.id, sizeof(d.id));
	make_safe(d.birth_date, sizeof(d.birth_date));
	make_safe(d.study_date, sizeof(d.study_date));
	make_safe(d.description, sizeof(d.description));
	make_safe(d.modality, sizeof(d.modality));
	make_safe(d.accession, sizeof(d.accession));
	if (!d.transfer_syntax[0] || d.data_at > INT64_MAX) {
		return ERR_VALUE;
	}
	*ret = d;
	return 0;
}

static int next_path(
	struct boxed *b, int wait, char path[DICOMDIR_PATH + 1], char uid[UID_MAX + 1], uint32_t *unread)
{
	uint16_t n;
	int err = boxed_read(b, &n, sizeof(n), wait);
	if (err || n > DICOMDIR_PATH) {
		return err ? err : ERR_PEER;
	}
	err = n > 0 ? boxed_read(b, path, n, wait) : boxed_read(b, unread, sizeof(*unread), wait);
	path[n] = '\0';
	if (!err && n > 0) {
		err = boxed_read(b, uid, UID_MAX + 1, wait);
		keep_uid(uid);
	}
	return err ? err : n > 0;
}

int describe_directory(const struct sandbox *sandbox, int file, unsigned seconds,
	int (*listed)(void *arg, const char *path, const char *instance), void *arg, size_t *ret_unread)
{
	struct boxed b = BOXED_NONE;
	char path[DICOMDIR_PATH + 1], uid[UID_MAX + 1] = "";
	uint32_t unread = 0;
	int more = start(&b, sandbox, file, seconds, directory_run);
	more = more ? more : 1;
	for (size_t n = 0; more > 0; n++) {
		more = n > LIMIT_MEMBERS
		               ? ERR_LIMIT
		               : next_path(&b, BOXED_PATIENCE * (int)seconds * 1000, path, uid, &unread);
		if (more > 0) {
			int err = listed(arg, path, uid);
			more = err ? err : more;
		}
	}
	(void)boxed_end(&b);
	if (more < 0) {
		return more == ERR_NO_MEMORY ? more : failed(more);
	}
	*ret_unread = unread;
	return 0;
}
