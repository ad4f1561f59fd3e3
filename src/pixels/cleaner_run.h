/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_CLEANER_RUN_H
#define PIXELS_CLEANER_RUN_H

#include "pixels/clean.h"
#include "pixels/cleaner.h"
#include "pixels/rules.h"

/* What a process that cleans one file's pixels does, of the verb and of the gateway: in a sandbox alone, where there is a codec. */
struct cleaner_how {
	const struct pixels_rules *site; /* NULL: none */
	struct pixels_codecs codecs;     /* NULL: only what needs no library is cleaned */
	bool native;                     /* as pixels_clean() has it */
	bool converts; /* clean nothing: make it a file in Explicit VR Little Endian, which is CLEANER_CLEANED then */
	bool decodes; /* … of encapsulated pixels too */
	bool strips; /* clean nothing but what videos have beside their pictures: CLEANER_TRIMMED, or CLEANER_UNKNOWN */
	bool keeps_videos; /* those that need no cleaning stay as they are */
	bool features; /* refuse images of which no rule of the site says that nobody can be recognized in them */
};

/*
 * Load the module that decodes: once, and before there is anything in memory that it should not see. name: CODEC_MODULE, or the
 * path of one. Errors as of module_open(), with a sentence.
 */
MUST_USE int cleaner_codec(const char *name, const struct codec **ret_codec, char *why, size_t cap);

/* The same of the module that decodes videos. name: VIDEO_MODULE. */
MUST_USE int cleaner_video(const char *name, const struct video_codec **ret_video, char *why, size_t cap);

/*
 * What becomes of a file. *ret_why: a sentence, or the name of the rule, static or the site's rules', and what else is gone of a video, static. Only where cleaner_has_file() is what was
 * written worth anything. Where out says an error, the outcome is CLEANER_LOST.
 */
enum cleaner_outcome cleaner_run(const struct cleaner_how *how, const struct pixels_input *in,
	const struct pixels_output *out, const char **ret_why);

/* For struct pixels_input: of a descriptor that can be sought in. arg: const int *. */
ptrdiff_t cleaner_read_at(void *arg, uint64_t offset, void *to, size_t n);

#endif
