/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_HOSTS_H
#define POLICY_HOSTS_H

#include "base/attr.h"

#include <netinet/in.h>
#include <stdbool.h>

/*
 * What the lookup role found for the host names of a site. The gate fills it; an association inherits a copy with
 * its fork. A name that has never been found matches nothing.
 */
#define HOSTS_ADDRESSES 16 /* of one name */

struct hosts;

MUST_USE struct hosts *hosts_new(void);
void hosts_free(struct hosts *h);

/* Replace a name's addresses. n at most HOSTS_ADDRESSES, more are ignored. ERR_NO_MEMORY. */
MUST_USE int hosts_set(struct hosts *h, const char *name, const struct in6_addr *ips, unsigned n);

/* How many addresses are known; *ret_ips borrows until the next hosts_set. */
unsigned hosts_get(const struct hosts *h, const char *name, const struct in6_addr **ret_ips);

bool hosts_has(const struct hosts *h, const char *name, const struct in6_addr *ip);

#endif
