/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image.h"
#include "cli/left_alone.h"
#include "cli/media.h"
#include "cli/tree.h"
#include "inspect/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of one file; a larger one is put on the disk. */
#define FILE_MEMORY (32u * 1024 * 1024)

static void tell_progress(const struct media *m, unsigned of_1000)
{
	if (m->progress) {
		fprintf(stderr, "\rreading: %zu files, %u %%", m->names.n, of_1000 / 10);
	}
}

static int leave(struct media *m, enum media_left left, const char *name)
{
	return media_add(&m->left[left], name, NULL, media_left_text(left));
}

static int refuse(struct media *m, const char *name, const char *why)
{
	return media_add(&m->refused, name, NULL, why);
}

/* ---- A folder ---- */

/* A copy: what was looked at is what is sent, whatever happens to the folder. */
static int copy(struct media *m, const char *name, int fd)
{
	struct stat st;
	uint8_t head[132];
	struct scrap bytes;
	ssize_t n = pread(fd, head, sizeof(head), 0);
	if (n < 0) { /* as of a disc with a scratch */
		return refuse(m, name, strerror(errno));
	}
	if (n != (ssize_t)sizeof(head) || memcmp(head + 128, "DICM", 4) != 0) {
		bool sealed = inspect_is_sealed(span_of(head, (size_t)n));
		return leave(m, sealed ? LEFT_SEALED : LEFT_OTHER, name);
	}
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size > LIMIT_MEMBER_BYTES) {
		return refuse(m, name, "it is larger than any object would be");
	}
	int err = scrap_new(&bytes, FILE_MEMORY);
	if (err) {
		return err;
	}
	err = scrap_copy(&bytes, fd, (uint64_t)st.st_size);
	int kept = errno;
	if (err == 0) {
		err = media_take_file(m, name, &bytes);
	} else if (err == ERR_TRUNCATED || (err == ERR_SYSTEM && kept != ENOSPC)) {
		char why[160];
		snprintf(why, sizeof(why), "it could not be read, or be kept in TMPDIR meanwhile: %s",
			strerror(kept));
		err = refuse(m, name, err == ERR_SYSTEM ? why : "it became shorter while it was read");
	}
	scrap_done(&bytes);
	errno = kept;
	return err;
}

static int take_entry(struct media *m, const struct tree *t, const struct tree_entry *e)
{
	int err = media_add(&m->names, e->path, NULL, "");
	if (err || e->what == TREE_LINK) {
		return err ? err : leave(m, LEFT_LINK, e->path);
	}
	if (e->what == TREE_UNREADABLE) {
		return refuse(m, e->path, "it cannot be read");
	}
	if (e->what != TREE_FILE) {
		return leave(m, LEFT_SPECIAL, e->path);
	}
	if (left_alone(e->path)) {
		return leave(m, LEFT_PROGRAM, e->path);
	}
	int fd = tree_open(t, e->path);
	if (fd < 0) {
		return refuse(m, e->path, strerror(errno));
	}
	err = copy(m, e->path, fd);
	close(fd);
	return err;
}

static int take_folder(struct media *m, int fd, char *why, size_t cap)
{
	struct tree t = TREE_NONE;
	int err = tree_walk(&t, fd);
	if (err == ERR_LIMIT) {
		snprintf(why, cap, "it has more files or deeper folders than a disc would");
	} else if (err == ERR_SYSTEM) {
		snprintf(why, cap, "%s", strerror(errno));
	}
	for (size_t i = 0; err == 0 && i < t.n; i++) {
		tell_progress(m, (unsigned)(i * 1000 / t.n));
		err = take_entry(m, &t, &t.entries[i]);
	}
	tree_done(&t);
	return err;
}

/* ---- An image ---- */

static int take_member(struct media *m, const struct image_member *got)
{
	static const char *const why[IMAGE_WHATS] = {[IMAGE_OUTSIDE] = "its name leads out of the disc",
		[IMAGE_LOCKED] = "it is encrypted",
		[IMAGE_PACKED] = "it is compressed in a way that is not read"};
	int err = media_add(&m->names, got->name, NULL, "");
	if (err) {
		return err;
	}
	switch (got->what) {
	case IMAGE_AGAIN: /* its other name has its bytes */
		m->repeated++;
		return 0;
	case IMAGE_LINK:
		return leave(m, LEFT_LINK, got->name);
	case IMAGE_SPECIAL:
		return leave(m, LEFT_SPECIAL, got->name);
	case IMAGE_FILE:
		return got->left     ? leave(m, LEFT_PROGRAM, got->name)
		       : got->sealed ? leave(m, LEFT_SEALED, got->name)
		       : got->other  ? leave(m, LEFT_OTHER, got->name)
		       : got->bad    ? refuse(m, got->name, got->why)
		                     : media_take_file(m, got->name, &got->bytes);
	default:
		return refuse(m, got->name, why[got->what]);
	}
}

static int take_image(struct media *m, int fd, char *why, size_t cap)
{
	struct image *image;
	struct image_member got;
	const struct image_how how = {.seconds = m->seconds, .leave = left_alone, .dicom = true};
	int err = image_open(fd, &how, &image, why, cap);
	if (err) {
		return err;
	}
	int more = 0;
	while (err == 0 && (more = image_next(image, &got)) > 0) {
		tell_progress(m, image_progress(image));
		err = take_member(m, &got);
		scrap_done(&got.bytes);
	}
	/* One whose reader died may have meant it to. */
	if (more == ERR_LIMIT || more == ERR_TYPE || more == ERR_SYSTEM || more == ERR_PEER) {
		snprintf(why, cap, "%s", image_why(image));
		err = more;
	} else if (more < 0) {
		/* A disc with a scratch: what was read before it is good. */
		snprintf(m->broken, sizeof(m->broken), "%s", image_why(image));
	}
	image_close(image);
	return err;
}

/* ---- The disc ---- */

int media_take(struct media *m, char *why, size_t cap)
{
	struct stat st;
	int fd = open(m->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	why[0] = '\0';
	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(why, cap, "%s", strerror(errno));
		if (fd >= 0) {
			close(fd);
		}
		return ERR_SYSTEM;
	}
	int err;
	if (S_ISDIR(st.st_mode)) {
		err = take_folder(m, fd, why, cap); /* which has fd now */
	} else {
		enum image_kind kind = S_ISREG(st.st_mode) ? image_kind_of(fd) : IMAGE_NONE;
		if (kind != IMAGE_NONE) {
			err = take_image(m, fd, why, cap);
		} else {
			snprintf(why, cap, "it is neither a folder nor an image of a disc (ISO, UDF or ZIP)");
			err = ERR_TYPE;
		}
		close(fd);
	}
	if (m->progress) {
		fputs("\r\033[K", stderr);
	}
	if (err && !why[0]) {
		snprintf(why, cap, "%s", err == ERR_SYSTEM ? strerror(errno) : err_str(err));
	}
	return err;
}
