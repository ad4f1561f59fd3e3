/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_RULES_PARTS_H
#define PIXELS_RULES_PARTS_H

#include "pixels/rules.h"
#include "policy/region.h"

struct pixels_rules {
	struct region *region;
	struct pixels_rule *rules;
	size_t n;
};

#endif
