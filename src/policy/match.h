/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_MATCH_H
#define POLICY_MATCH_H

#include "policy/site.h"

/* Does a flow's entry speak of this? The pieces that decisions and checks are made of. */

#define ROUTE_FLOWS 64 /* of struct route */

/* Is the title one that means the flow's target: an AE title of its node, or one of `called`? */
bool flow_is_called(const struct site *s, const struct flow *f, const char *called, bool any_case);

bool names_have(const struct names *n, const char *s, bool any_case);

/* Is this text in a sorted list? */
bool names_have_sorted(const struct names *n, const char *s);

/*
 * The services (SERVICE_BIT) that use a SOP class of the standard; storage ones count for get too. 0 for one that the standard
 * does not know.
 */
unsigned sop_class_services(const char *uid);

/*
 * Services whose SOP classes come with them, whatever the flow lists: echo, worklist, mpps and commit (nobody lists
 * Verification), and those of find, move and get that the list names no SOP class of.
 */
unsigned flow_implied_services(const struct flow *f);

/*
 * May contexts of this SOP class be had on the flow? Listed; or of an implied service; or, where it lists none, a
 * standard one of its services.
 */
bool flow_allows_sop_class(const struct flow *f, const char *uid);

bool flow_allows_transfer_syntax(const struct flow *f, const char *uid);

/* Is a moment (seconds since 1970) within the flow's hours, by local time? */
bool flow_is_open(const struct flow *f, int64_t wall_s);

#endif
