/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_IDENTITY_H
#define POLICY_IDENTITY_H

#include "policy/decide.h"

/* Which node is calling. A node is known only when all that its entry names matches. */

/* How many criteria a node's entry names: the more, the more specific. */
unsigned identity_criteria(const struct node *n);

/* Could one connection match both? Host names count as overlapping only when they are the same. */
bool identity_overlap(const struct node *a, const struct node *b);

/* What of a node's entry a caller does not match. */
#define MISS_TITLE       0x1u
#define MISS_TRANSPORT   0x2u
#define MISS_ADDRESS     0x4u
#define MISS_CERTIFICATE 0x8u
#define MISS_NAMES_NONE                                                                                      \
	0x10u /* the entry names neither address nor certificate: it is for calling, nobody is known as it */

unsigned identity_misses(const struct node *n, const struct hosts *h, const struct caller *c);

/*
 * The node this is: 0 and its index. ERR_DENIED: none; *ret_verdict says which rule and *ret_near the node that came
 * nearest (-1: none).
 */
MUST_USE int identity_of(const struct site *s, const struct hosts *h, const struct caller *c, int *ret_node,
	int *ret_near, struct verdict *ret_verdict);

/* "10.1.1.7", IPv4 without its mapping. */
#define IP_TEXT 46
const char *ip_text(const struct in6_addr *ip, char buf[IP_TEXT]);

#endif
