/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_DEIDENTIFY_H
#define POLICY_DEIDENTIFY_H

#include "base/word.h"
#include "policy/site.h"
#include "transform/deidentify.h"

/* `deidentify` of a flow, in the words of `gantry deidentify`. */
struct deidentify_flow {
	struct deidentify_rules rules;
	struct blob *
		originals_to; /* certificates, PEM: what objects were goes with them, encrypted (keys/attributes.h) */
	unsigned n_originals_to; /* 0: it does not */
	bool clean_pixels; /* what is burned into pixels is made black, or the object refused (PS3.15 E.3.1) */
	bool clean_features; /* only what nobody can be recognized in passes, by the site's word (E.3.2) */
	struct blob pixel_rules; /* the site's own (pixels/rules.h); path NULL: there are none */
};

/* What stands in `burned-in`, `videos` and `documents`: the second is yes. */
extern const char *const deidentify_burned_in[], *const deidentify_videos[], *const deidentify_documents[];

/* What stands in `retain`, `clean` and `dates`, as enum deidentify_option; 0: none of them. */
extern const struct word deidentify_retain[], deidentify_clean[], deidentify_dates[];

#endif
