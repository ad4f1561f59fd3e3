/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_INPUT_H
#define ARCHIVE_INPUT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

/* A blocking socket, read through a buffer. */
struct input {
	int fd;
	size_t pos, len;
	uint8_t buf[256 * 1024];
};

/* Exactly n bytes, n at most the buffer's size. They live until the next call. ERR_CLOSED, ERR_SYSTEM. */
MUST_USE int input_exactly(struct input *in, size_t n, struct span *ret_bytes);

/* At least one byte and at most most. The same. */
MUST_USE int input_some(struct input *in, size_t most, struct span *ret_bytes);

#endif
