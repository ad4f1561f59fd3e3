/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_REGION_H
#define POLICY_REGION_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Memory that is given back all at once. Everything a site points to lives in one region.
 * Running out is remembered: after a first failure each call returns NULL, so that one question at the end serves.
 */
struct region;

/* NULL when there is no memory. */
MUST_USE struct region *region_new(void);
void region_free(struct region *r);

/* Zeroed, aligned for any type. NULL when there is no memory, or when the region holds REGION_LIMIT bytes. */
#define REGION_LIMIT (256u * 1024 * 1024)
void *region_alloc(struct region *r, size_t n);
void *region_array(struct region *r, size_t count, size_t size);

/* Copies, NUL-terminated. */
char *region_strn(struct region *r, const char *s, size_t n);
char *region_str(struct region *r, const char *s);
char *region_printf(struct region *r, const char *fmt, ...) PRINTF(2, 3);

/* Did any call fail? */
bool region_failed(const struct region *r);

#endif
