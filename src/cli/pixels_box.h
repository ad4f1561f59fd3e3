/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PIXELS_BOX_H
#define CLI_PIXELS_BOX_H

#include "cli/scrap.h"
#include "pixels/codec.h"
#include "pixels/rules.h"
#include "priv/sandbox.h"

/*
 * One file's pixels, cleaned by a process of its own that has the file, a pipe to us, and nothing else: decoders of others run in it
 * on bytes that nobody trusts. What it says is bytes for one file, within limits.
 */
struct pixels_box_how {
	const struct sandbox *sandbox;   /* SANDBOX_PROOF */
	const struct pixels_rules *site; /* NULL: none */
	const struct codec *codec;       /* NULL: only what needs no library is cleaned */
	unsigned seconds;                /* of silence */
	bool features; /* refuse images of which no rule of the site says that nobody can be recognized in them */
};

enum pixels_boxed {
	PIXELS_BOX_NO_IMAGE, /* there are no pixels */
	PIXELS_BOX_PASS,     /* nothing is burned in: a rule or the object says so; nothing was written */
	PIXELS_BOX_UNKNOWN,  /* … as of its kind, but nobody says so */
	PIXELS_BOX_CLEANED,
	PIXELS_BOX_REFUSED, /* it is not known what is burned in, or it cannot be cleaned */
	PIXELS_BOX_BROKEN,  /* no DICOM file, or not one that can be read */
	PIXELS_BOX_LOST,    /* the process died or was silent, or the result could not be written */
};

/* Load the module, once, before there is anything in memory that it should not see. ERR_NOT_FOUND…, with a sentence. */
MUST_USE int pixels_box_codec(const struct codec **ret_codec, char *why, size_t cap);

/* in: seekable. out: new; it has the file when PIXELS_BOX_CLEANED. why: a sentence, or the name of the rule. */
enum pixels_boxed pixels_box(
	const struct pixels_box_how *how, int in, struct scrap *out, char *why, size_t cap);

#endif
