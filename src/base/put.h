/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PUT_H
#define BASE_PUT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <errno.h>
#include <unistd.h>

/* All of it into a file, here so that modules have it too (module.h). ERR_SYSTEM; errno is ENOSPC also where a file takes nothing more and says no why. */
MUST_USE static inline int put_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			errno = n == 0 ? ENOSPC : errno;
			return ERR_SYSTEM;
		}
		bytes = span_of(bytes.ptr + n, bytes.len - (size_t)n);
	}
	return 0;
}

#endif
