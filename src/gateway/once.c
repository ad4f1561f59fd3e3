/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/once.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A table of slots. A key may be in any of WINDOW slots from the one that its first bytes name; one that has run out is free. */
#define SLOTS  65536u /* 40 bytes each; touched as they are used */
#define WINDOW 64u
#define SEALS  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct slot {
	uint8_t key[32];
	int64_t until_s; /* 0: free */
};

struct once {
	int64_t since_s;
	struct slot slots[SLOTS];
};

int once_make(int64_t now_s, int *ret_fd)
{
	int fd = memfd_create("once", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	if (ftruncate(fd, (off_t)sizeof(struct once)) < 0 ||
		pwrite(fd, &now_s, sizeof(now_s), offsetof(struct once, since_s)) != sizeof(now_s) ||
		fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		close(fd);
		return ERR_SYSTEM;
	}
	*ret_fd = fd;
	return 0;
}

int once_map(int fd, struct once **ret_once)
{
	struct stat st;
	if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &st) < 0 ||
		st.st_size != (off_t)sizeof(struct once)) {
		return ERR_PEER;
	}
	void *at = mmap(NULL, sizeof(struct once), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		return ERR_SYSTEM;
	}
	if (madvise(at, sizeof(struct once), MADV_DONTFORK) < 0) {
		(void)munmap(at, sizeof(struct once));
		return ERR_SYSTEM;
	}
	*ret_once = at;
	return 0;
}

int64_t once_since(const struct once *o)
{
	return o->since_s;
}

int once_note(struct once *o, const uint8_t key[32], int64_t until_s, int64_t now_s)
{
	struct slot *free_one = NULL;
	unsigned first = ((unsigned)key[0] << 8 | key[1]) % SLOTS;
	for (unsigned i = 0; i < WINDOW; i++) {
		struct slot *s = &o->slots[(first + i) % SLOTS];
		bool live = s->until_s > now_s;
		if (live && memcmp(s->key, key, sizeof(s->key)) == 0) {
			return ERR_EXISTS;
		}
		free_one = live || free_one ? free_one : s;
	}
	if (!free_one) {
		return ERR_LIMIT;
	}
	memcpy(free_one->key, key, sizeof(free_one->key));
	free_one->until_s = until_s;
	return 0;
}

void once_unmap(struct once *o)
{
	if (o) {
		(void)munmap(o, sizeof(*o));
	}
}
