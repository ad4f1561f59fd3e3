/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/scrap.h"
#include "base/put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PIECE (64u * 1024)

/* What stays free on the disk, or a twentieth of it: others live there too, as a gateway's journal may. */
#define KEEP (1024ull * 1024 * 1024)

int scrap_new(struct scrap *s, uint64_t memory)
{
	int fd = memfd_create("gantry-scrap", MFD_CLOEXEC);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	*s = (struct scrap){.fd = fd, .memory = memory};
	return 0;
}

/* Not every file system can make files that never had a name. */
static int nameless(void)
{
	char path[4096];
	const char *folder = getenv("TMPDIR");
	folder = folder && folder[0] ? folder : "/var/tmp";
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)) {
		return fd;
	}
	int n = snprintf(path, sizeof(path), "%s/gantry-XXXXXX", folder);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0) {
		(void)unlink(path);
	}
	return fd;
}

bool scrap_has_room(uint64_t size, uint64_t available, uint64_t more)
{
	uint64_t keep = size / 20 < KEEP ? size / 20 : KEEP;
	return more <= available && available - more >= keep;
}

static int look_for_room(int fd, uint64_t more)
{
	struct statvfs st;
	if (fstatvfs(fd, &st) < 0) {
		return ERR_SYSTEM;
	}
	if (!scrap_has_room((uint64_t)st.f_blocks * st.f_frsize, (uint64_t)st.f_bavail * st.f_frsize, more)) {
		errno = ENOSPC;
		return ERR_SYSTEM;
	}
	return 0;
}

/* Exactly n bytes. */
static int get(int fd, uint64_t at, uint8_t *to, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, to + done, n - done, (off_t)(at + done));
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			return got == 0 ? ERR_TRUNCATED : ERR_SYSTEM;
		}
		done += (size_t)got;
	}
	return 0;
}

static int copy(int to, int from, uint64_t len)
{
	uint8_t buf[PIECE];
	for (uint64_t at = 0; at < len;) {
		size_t n = len - at < sizeof(buf) ? (size_t)(len - at) : sizeof(buf);
		int err = get(from, at, buf, n);
		err = err ? err : put_all(to, span_of(buf, n));
		if (err) {
			return err;
		}
		at += n;
	}
	return 0;
}

static int make_room(struct scrap *s, uint64_t more)
{
	if (s->on_disk) {
		return look_for_room(s->fd, more);
	}
	if (s->len <= s->memory && more <= s->memory - s->len) {
		return 0;
	}
	int fd = nameless();
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	int err = more > UINT64_MAX - s->len ? ERR_LIMIT : look_for_room(fd, s->len + more);
	err = err ? err : copy(fd, s->fd, s->len);
	if (err) {
		int kept = errno;
		close(fd);
		errno = kept;
		return err;
	}
	close(s->fd);
	s->fd = fd;
	s->on_disk = true;
	return 0;
}

int scrap_add(struct scrap *s, struct span bytes)
{
	int err = make_room(s, bytes.len);
	err = err ? err : put_all(s->fd, bytes);
	s->len += err ? 0 : bytes.len;
	return err;
}

int scrap_copy(struct scrap *s, int from, uint64_t len)
{
	int err = make_room(s, len);
	err = err ? err : copy(s->fd, from, len);
	s->len += err ? 0 : len;
	return err;
}

void scrap_rewind(const struct scrap *s)
{
	(void)lseek(s->fd, 0, SEEK_SET);
}

bool scrap_same(int a, uint64_t a_at, int b, uint64_t b_at, uint64_t len)
{
	uint8_t one[PIECE / 2], other[PIECE / 2];
	for (uint64_t at = 0; at < len;) {
		size_t n = len - at < sizeof(one) ? (size_t)(len - at) : sizeof(one);
		if (get(a, a_at + at, one, n) != 0 || get(b, b_at + at, other, n) != 0 ||
			memcmp(one, other, n) != 0) {
			return false;
		}
		at += n;
	}
	return true;
}

void scrap_done(struct scrap *s)
{
	if (s->fd >= 0) {
		close(s->fd);
	}
	*s = SCRAP_NONE;
}
