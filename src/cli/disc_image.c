/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/disc_image.h"
#include "base/put.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBISOFS_WITHOUT_LIBBURN
#include <libisofs/libisofs.h>

#define SECTOR 2048

static int fail(int said, const char *what, char *why, size_t cap)
{
	int code = 0, image = 0;
	char text[ISO_MSGS_MESSAGE_LEN] = "", severity[80];
	if (iso_obtain_msgs("SORRY", &code, &image, text, severity) != 1 && said < 0) {
		snprintf(text, sizeof(text), "%s", iso_error_to_msg(said));
	}
	snprintf(why, cap, "%s: %.200s", what, text[0] ? text : "it failed");
	return ERR_SYSTEM;
}

/* All of the image, a sector at a time as libisofs has it; written in larger pieces. */
static int copy(struct burn_source *from, int fd, char *why, size_t cap)
{
	static uint8_t buf[128 * SECTOR];
	size_t len = 0;
	for (;;) {
		int n = from->read_xt ? from->read_xt(from, buf + len, SECTOR)
		                      : from->read(from, buf + len, SECTOR);
		if (n < 0) {
			return fail(0, "the image could not be made", why, cap);
		}
		len += (size_t)n;
		if ((n == 0 || len == sizeof(buf)) && put_all(fd, span_of(buf, len)) < 0) {
			snprintf(why, cap, "%s", strerror(errno));
			return ERR_SYSTEM;
		}
		if (n == 0) {
			return 0;
		}
		len = len == sizeof(buf) ? 0 : len;
	}
}

static int write_it(IsoImage *image, IsoWriteOpts *opts, int fd, char *why, size_t cap)
{
	struct burn_source *source = NULL;
	int e = iso_write_opts_set_iso_level(opts, 1);
	e = e < 0 ? e : iso_write_opts_set_rockridge(opts, 0);
	e = e < 0 ? e : iso_write_opts_set_joliet(opts, 0);
	e = e < 0 ? e : iso_write_opts_set_always_gmt(opts, 1);
	e = e < 0 ? e : iso_image_create_burn_source(image, opts, &source);
	if (e < 0) {
		return fail(e, "the image could not be begun", why, cap);
	}
	e = copy(source, fd, why, cap);
	source->free_data(source);
	free(source);
	return e;
}

int disc_image_write(const char *folder, int fd, char *why, size_t cap)
{
	IsoImage *image = NULL;
	IsoWriteOpts *opts = NULL;
	int e = iso_init();
	if (e < 0) {
		return fail(e, "libisofs could not be begun", why, cap);
	}
	(void)iso_set_msgs_severities("SORRY", "NEVER", "");
	(void)iso_set_abort_severity("SORRY"); /* a file that cannot be read is no file of zeros */
	e = iso_image_new("SECURE_DICOM", &image);
	e = e < 0 ? e : iso_tree_add_dir_rec(image, iso_image_get_root(image), folder);
	e = e < 0 ? e : iso_write_opts_new(&opts, 0);
	e = e < 0 ? fail(e, "the image could not be laid out", why, cap)
	          : write_it(image, opts, fd, why, cap);
	iso_write_opts_free(opts);
	if (image) {
		iso_image_unref(image);
	}
	iso_finish();
	return e;
}
