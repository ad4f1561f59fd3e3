/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MEDIA_CONVERT_H
#define CLI_MEDIA_CONVERT_H

#include "cli/media.h"

/* Objects of a disc, made ones in Explicit VR Little Endian: the one transfer syntax of STD-GEN-SEC (PS3.11 D.3.1). */
struct media_conversion {
	bool off;                  /* they stay as they are */
	bool keep_coded;           /* … those whose pixels are compressed */
	size_t converted, decoded; /* decoded: of those, pixels too */
	size_t others;             /* that are not in it now */
	struct media_list
		kept; /* why each of them could not be, of those that were tried: media_list_done() */
};

/* Is it in another? */
bool media_is_other_syntax(const struct media_object *o);

/*
 * Of what was taken. Each in a process of its own, as pixels are cleaned; what it makes takes the place of the object's bytes in m->spool.
 * What cannot be converted stays. ERR_SYSTEM, ERR_NO_MEMORY.
 */
MUST_USE int media_convert(struct media *m, struct media_conversion *c);

void media_conversion_show(const struct media_conversion *c, size_t n_objects);

#endif
