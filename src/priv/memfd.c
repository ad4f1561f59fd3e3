/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int write_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return ERR_SYSTEM;
		}
		bytes = span_of(bytes.ptr + n, bytes.len - (size_t)n);
	}
	return 0;
}

int memfd_of(const char *name, struct span bytes, int *ret_fd)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	if (write_all(fd, bytes) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		int kept = errno;
		close(fd);
		errno = kept;
		return ERR_SYSTEM;
	}
	*ret_fd = fd;
	return 0;
}

int memfd_map(int fd, struct memfd_map *ret_map)
{
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS) {
		return ERR_PEER;
	}
	/* lseek and not fstat: the C library's fstat is a call that takes a path, which a sandbox may not allow. */
	off_t size = lseek(fd, 0, SEEK_END);
	if (size < 0) {
		return ERR_SYSTEM;
	}
	if (size > (off_t)MEMFD_MOST) {
		return ERR_LIMIT;
	}
	if (size == 0) {
		*ret_map = (struct memfd_map){0};
		return 0;
	}
	void *at = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED) {
		return ERR_SYSTEM;
	}
	ret_map->bytes = span_of(at, (size_t)size);
	return 0;
}

void memfd_unmap(struct memfd_map *map)
{
	if (map->bytes.ptr) {
		munmap((void *)map->bytes.ptr, map->bytes.len);
	}
	*map = (struct memfd_map){0};
}
