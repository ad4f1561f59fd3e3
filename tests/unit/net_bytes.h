/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_NET_BYTES_H
#define TESTS_NET_BYTES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/span.h"

/* A copy in an allocation of exactly this size, so that a sanitizer sees the first byte read too many. */
static inline struct span exact(const void *ptr, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	if (len > 0) {
		memcpy(copy, ptr, len);
	}
	if (len == 0) {
		free(copy);
		return (struct span){0};
	}
	return span_of(copy, len);
}

static inline void exact_free(struct span s)
{
	free((void *)(uintptr_t)s.ptr);
}

#define SPAN_LITERAL(s) span_of((s), sizeof(s) - 1)

static inline void assert_span(struct span s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	if (s.len > 0) {
		assert_memory_equal(s.ptr, text, s.len);
	}
}

#endif
