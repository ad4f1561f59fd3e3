/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_CONTENT_H
#define POLICY_CONTENT_H

#include "inspect/inspect.h"

/*
 * `inspect` of a flow: what is looked for in its objects, and what is done about it. A value: associations copy it for as
 * long as an object streams, since a reload may take the site away.
 */
enum hold_kind {
	HOLD_WHOLE, /* nothing of an object leaves before the verdict */
	HOLD_TAIL,  /* its end does not */
};

/* What of an object a virus scanner is shown. */
enum antivirus_kind {
	ANTIVIRUS_OFF,
	ANTIVIRUS_VALUES, /* all but its pixels (inspect/extract.h) */
	ANTIVIRUS_WHOLE,  /* that, and the file that an archive would make of it */
};

/* What is asked of an object's digital signatures (PS3.15 Annex C). */
enum signatures_kind {
	SIGNATURES_OFF,
	SIGNATURES_CHECK,   /* those that it has must be good */
	SIGNATURES_REQUIRE, /* and it must have one of the whole data set */
};

/* The longest that an object is held, where the flow does not say it; s. */
#define HOLD_MAX_S 600

enum hold_fail { HOLD_FAIL_REFUSE, HOLD_FAIL_PASS };

struct content {
	struct inspect_policy policy;
	enum inspect_action strictest; /* inspect_policy_strictest() of it, which each object would ask for */
	struct inspect_wanted wanted;
	enum hold_kind hold;
	enum antivirus_kind antivirus;
	enum signatures_kind signatures;
	enum hold_fail fail; /* what happens to an object that could not be judged */
	uint32_t hold_max;   /* s, from an object's first byte to its verdict */
};

#endif
