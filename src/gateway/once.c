/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/once.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A table of slots. A key may be in any of WINDOW slots from the one that its first bytes name; one that has run out is free. */
#define SLOTS  65536u /* 40 bytes each */
#define WINDOW 64u
#define MAGIC  "gantry once 1\n"
#define BOOT   40 /* an identifier of Linux has 36 characters */

struct slot {
	uint8_t key[32];
	int64_t until_s; /* 0: free */
};

struct once {
	char magic[16];
	char boot[BOOT];
	int64_t since_s;
	struct slot slots[SLOTS];
};

/* Is it whole, and of this start of the machine? Without power what was noted last may never have come to the disk. */
static bool goes_on(int fd, const char boot[BOOT])
{
	struct once *o;
	if (!boot[0] || once_map(fd, &o) != 0) {
		return false;
	}
	bool same = memcmp(o->magic, MAGIC, sizeof(MAGIC)) == 0 && memcmp(o->boot, boot, BOOT) == 0;
	once_unmap(o);
	return same;
}

static int begin(int fd, const char boot[BOOT], int64_t now_s)
{
	struct once *o;
	/* All of it has its place on the disk, or a full one would end whoever notes something. */
	if (ftruncate(fd, 0) < 0 || (errno = posix_fallocate(fd, 0, (off_t)sizeof(*o))) != 0 ||
		once_map(fd, &o) != 0) {
		return ERR_SYSTEM;
	}
	memcpy(o->boot, boot, BOOT);
	o->since_s = now_s;
	memcpy(o->magic, MAGIC, sizeof(MAGIC));
	once_unmap(o);
	return 0;
}

static void read_boot(char boot[BOOT])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	memset(boot, 0, BOOT);
	if (fd >= 0) {
		ssize_t n = read(fd, boot, BOOT - 1);
		boot[n > 0 ? n : 0] = '\0';
		close(fd);
	}
}

int once_open(int dir, int64_t now_s, int *ret_fd)
{
	char boot[BOOT];
	int fd = openat(dir, ONCE_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	read_boot(boot);
	int e = goes_on(fd, boot) ? 0 : begin(fd, boot, now_s);
	if (e != 0) {
		close(fd);
		return e;
	}
	*ret_fd = fd;
	return 0;
}

int once_map(int fd, struct once **ret_once)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != (off_t)sizeof(struct once)) {
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
