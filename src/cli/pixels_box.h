/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PIXELS_BOX_H
#define CLI_PIXELS_BOX_H

#include "cli/scrap.h"
#include "pixels/cleaner_run.h"
#include "priv/sandbox.h"

/*
 * One file's pixels, cleaned by a process of its own that has the file, a pipe to us, and nothing else: decoders of others run in it
 * on bytes that nobody trusts. What it says is bytes for one file, within limits.
 */
struct pixels_box_how {
	const struct sandbox *sandbox; /* SANDBOX_PROOF */
	struct cleaner_how cleaner;
	unsigned seconds; /* of silence */
};

/* in: seekable. out: new; it has the file where cleaner_has_file(). why: a sentence, or the name of the rule. */
enum cleaner_outcome pixels_box(
	const struct pixels_box_how *how, int in, struct scrap *out, char *why, size_t cap);

#endif
