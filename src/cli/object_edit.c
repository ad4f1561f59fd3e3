/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/object_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY 65536

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return -1;
		}
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int copy(int in, int out, uint64_t from, uint64_t until)
{
	uint8_t buf[COPY];
	while (from < until) {
		size_t want = until - from < COPY ? (size_t)(until - from) : COPY;
		ssize_t n = pread(in, buf, want, (off_t)from);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0 || write_all(out, buf, (size_t)n) < 0) {
			return -1;
		}
		from += (uint64_t)n;
	}
	return 0;
}

/* What the other process says is held against the file: it has parsed what others wrote. */
static int apply(int in, int out, uint64_t size, const struct object_signed *r)
{
	uint64_t at = 0;
	if (r->n_edits > OBJECT_EDITS) {
		return -1;
	}
	for (uint32_t i = 0; i < r->n_edits; i++) {
		const struct object_edit e = r->edits[i];
		if (e.at < at || e.at > size || e.leave_out > size - e.at || e.from > OBJECT_BYTES ||
			e.len > OBJECT_BYTES - e.from || copy(in, out, at, e.at) < 0 ||
			write_all(out, r->bytes + e.from, e.len) < 0) {
			return -1;
		}
		at = e.at + e.leave_out;
	}
	return copy(in, out, at, size);
}

bool object_edit_write(int in, const char *path, const struct object_signed *r)
{
	char fresh[4200];
	struct stat st;
	int n = snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (n <= 0 || (size_t)n >= sizeof(fresh)) {
		errno = ENAMETOOLONG;
		return false;
	}
	int out = fstat(in, &st) == 0
	                  ? open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640)
	                  : -1;
	if (out < 0) {
		return false;
	}
	errno = EPROTO;
	bool ok = apply(in, out, (uint64_t)st.st_size, r) == 0 && fsync(out) == 0 && rename(fresh, path) == 0;
	int kept = errno;
	close(out);
	if (!ok) {
		(void)unlink(fresh);
	}
	errno = kept;
	return ok;
}
