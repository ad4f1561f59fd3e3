/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_give.h"

#include "base/limits.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE (64u * 1024)

struct reading {
	struct image_input in;
	struct image_giver g;
	uint64_t at; /* in the image */
	uint8_t raw[PIECE], piece[PIECE];
};

/* ---- What libarchive asks for ---- */

static la_ssize_t on_read(struct archive *a, void *arg, const void **ret)
{
	struct reading *r = arg;
	ptrdiff_t n = r->in.read(r->in.arg, r->raw, sizeof(r->raw));
	if (n < 0) {
		archive_set_error(a, EIO, "it cannot be read");
		return ARCHIVE_FATAL;
	}
	*ret = r->raw;
	r->at += (uint64_t)n;
	return n;
}

static la_int64_t on_seek(struct archive *a, void *arg, la_int64_t offset, int whence)
{
	struct reading *r = arg;
	uint64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? r->at : r->in.size;
	uint64_t back = offset < 0 ? (uint64_t)-offset : 0;
	if (back > from || (offset > 0 && (uint64_t)offset > r->in.size - from) ||
		r->in.seek(r->in.arg, offset < 0 ? from - back : from + (uint64_t)offset) != 0) {
		archive_set_error(a, EIO, "it ends before what it says it has");
		return ARCHIVE_FATAL;
	}
	r->at = offset < 0 ? from - back : from + (uint64_t)offset;
	return (la_int64_t)r->at;
}

static la_int64_t on_skip(struct archive *a, void *arg, la_int64_t n)
{
	struct reading *r = arg;
	uint64_t left = r->in.size > r->at ? r->in.size - r->at : 0;
	uint64_t go = n < 0 ? 0 : (uint64_t)n < left ? (uint64_t)n : left;
	if (go == 0 || r->in.seek(r->in.arg, r->at + go) != 0) {
		return 0;
	}
	r->at += go;
	return (la_int64_t)go;
}

/* ---- A member ---- */

static const char *name_of(struct archive_entry *e)
{
	const char *name = archive_entry_pathname_utf8(e);
	name = name ? name : archive_entry_pathname(e);
	return name && strlen(name) <= LIMIT_MEMBER_NAME ? name : NULL;
}

/* libarchive says "ZIP 2.0 (deflation)". Of what it can do more, discs have no use. */
static bool is_packed(struct archive *a)
{
	const char *format = archive_format_name(a);
	return (archive_format(a) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_ZIP && format &&
	       !strstr(format, "(deflation)") && !strstr(format, "(uncompressed)");
}

static enum image_what what_of(struct archive *a, struct archive_entry *e, const char *name)
{
	if (image_leads_out(name)) {
		return IMAGE_OUTSIDE;
	}
	if (archive_entry_hardlink(e)) {
		return IMAGE_AGAIN;
	}
	if (archive_entry_filetype(e) == AE_IFLNK) {
		return IMAGE_LINK;
	}
	if (archive_entry_filetype(e) != AE_IFREG) {
		return IMAGE_SPECIAL;
	}
	return archive_entry_is_encrypted(e) ? IMAGE_LOCKED : is_packed(a) ? IMAGE_PACKED : IMAGE_FILE;
}

/* Of a member whose bytes cannot be read the others may still be. */
static int broken(struct reading *r, struct archive *a, la_ssize_t n)
{
	char why[160];
	const char *said = archive_error_string(a);
	snprintf(why, sizeof(why), "%s", said ? said : "it is damaged");
	int err = r->g.out.end(r->g.out.arg, ERR_VALUE, why);
	return err != 0 ? err : n == ARCHIVE_FATAL ? image_fail(&r->g, ERR_VALUE, why) : 0;
}

static int give_bytes(struct reading *r, struct archive *a)
{
	for (;;) {
		la_ssize_t n = archive_read_data(a, r->piece, sizeof(r->piece));
		if (n == 0) {
			return r->g.out.end(r->g.out.arg, 0, "");
		}
		if (n == ARCHIVE_RETRY) {
			continue;
		}
		if (n < 0) {
			return broken(r, a, n);
		}
		int err = image_give_bytes(&r->g, span_of(r->piece, (size_t)n));
		if (err) {
			return err > 0 ? 0 : err;
		}
	}
}

static int give(struct reading *r, struct archive *a, struct archive_entry *e)
{
	const char *name = name_of(e);
	int err = image_count(&r->g);
	if (err || archive_entry_filetype(e) == AE_IFDIR) {
		return err;
	}
	enum image_what what = name ? what_of(a, e, name) : IMAGE_OUTSIDE;
	err = image_give_member(&r->g, what, name ? name : "(a name that cannot be read)");
	return err ? (err > 0 ? 0 : err) : give_bytes(r, a);
}

/* ---- All of them ---- */

static int open_it(struct reading *r, struct archive *a)
{
	if (archive_read_support_format_iso9660(a) != ARCHIVE_OK ||
		archive_read_support_format_zip_seekable(a) != ARCHIVE_OK ||
		archive_read_set_read_callback(a, on_read) != ARCHIVE_OK ||
		archive_read_set_seek_callback(a, on_seek) != ARCHIVE_OK ||
		archive_read_set_skip_callback(a, on_skip) != ARCHIVE_OK ||
		archive_read_set_callback_data(a, r) != ARCHIVE_OK) {
		return image_fail(&r->g, ERR_NO_MEMORY, archive_error_string(a));
	}
	return archive_read_open1(a) == ARCHIVE_OK ? 0 : image_fail(&r->g, ERR_TYPE, archive_error_string(a));
}

static int read_all(struct reading *r, struct archive *a)
{
	struct archive_entry *e;
	bool any = false;
	for (;;) {
		int n = archive_read_next_header(a, &e);
		if (n == ARCHIVE_EOF) {
			return 0;
		}
		if (n == ARCHIVE_RETRY) {
			r->g.members++;
			continue;
		}
		if (n < ARCHIVE_WARN) {
			return image_fail(&r->g, any ? ERR_VALUE : ERR_TYPE, archive_error_string(a));
		}
		any = true;
		int err = give(r, a, e);
		if (err) {
			return err;
		}
	}
}

int image_read(const struct image_input *in, const struct image_output *out, char *why, size_t cap)
{
	struct reading *r = calloc(1, sizeof(*r));
	struct archive *a = archive_read_new();
	int err = ERR_NO_MEMORY;
	if (r && a) {
		r->in = *in;
		image_giver_begin(&r->g, in->size, out, why, cap);
		err = open_it(r, a);
		err = err ? err : read_all(r, a);
	} else {
		snprintf(why, cap, "there is no memory");
	}
	archive_read_free(a);
	free(r);
	return err;
}
