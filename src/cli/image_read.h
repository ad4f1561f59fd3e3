/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_IMAGE_READ_H
#define CLI_IMAGE_READ_H

#include "base/attr.h"
#include "base/err.h"
#include "base/module.h"
#include "base/span.h"

/*
 * The members of an image of a disc: ISO 9660 with or without Joliet and Rock Ridge, or ZIP with members that are stored or
 * deflated, read with libarchive; or UDF, with libudfread. No other process of ours has these: they are in modules, and run in a sandbox
 * (cli/image.h), where this is the whole of what they are given.
 */
struct image_input {
	void *arg;
	/* Bytes read, 0 at the end, negative if it failed. */
	ptrdiff_t (*read)(void *arg, void *to, size_t n);
	/* To this many bytes from the start. */
	int (*seek)(void *arg, uint64_t to);
	uint64_t size;
};

/* What a member is. Only files have bytes. */
enum image_what {
	IMAGE_FILE,
	IMAGE_LINK,    /* a symbolic link */
	IMAGE_AGAIN,   /* one more name of a file that another name has shown */
	IMAGE_SPECIAL, /* a device or the like */
	IMAGE_OUTSIDE, /* its name leads out of the disc */
	IMAGE_LOCKED,  /* encrypted */
	IMAGE_PACKED,  /* compressed in a way that is not read */
	IMAGE_WHATS,
};

struct image_output {
	void *arg;
	/*
	 * A member. The name is UTF-8 if the image makes that possible; no name is longer than LIMIT_MEMBER_NAME. What this
	 * and data() return: 0 go on, 1 no (more) bytes of this member, or an error, which ends it all and is returned.
	 */
	int (*member)(void *arg, enum image_what what, const char *name);
	int (*data)(void *arg, struct span bytes);
	/* err: its bytes could not all be read, because of why. Not called where member() has said 1. */
	int (*end)(void *arg, int err, const char *why);
};

/*
 * All of them, in the order in which the image can be read best. ERR_TYPE: no such image. ERR_LIMIT: more than an image may
 * have (base/limits.h). ERR_VALUE: it is damaged. All with a sentence in why; an error of output's is passed on.
 */
typedef int image_read_function(
	const struct image_input *in, const struct image_output *out, char *why, size_t cap);

MODULE_FUNCTION image_read_function image_read;

/* UDF of blocks of 2048 bytes, as discs have. */
MODULE_FUNCTION image_read_function image_read_udf;

#endif
