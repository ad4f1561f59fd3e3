/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_slab.h"

#include <string.h>
#include <sys/mman.h>

#define CHUNK  ((size_t)256 * 1024)
#define CHUNKS 1024 /* 256 MiB: far above the largest site's associations and refusals */
#define SIZES  8    /* kinds of objects */

struct free_one {
	struct free_one *next;
};

static struct {
	void *chunk[CHUNKS];
	unsigned n_chunks;
	struct {
		size_t size;
		struct free_one *first;
	} list[SIZES];
} slab;

static struct free_one **list_of(size_t size)
{
	for (unsigned i = 0; i < SIZES; i++) {
		if (slab.list[i].size == 0) {
			slab.list[i].size = size;
		}
		if (slab.list[i].size == size) {
			return &slab.list[i].first;
		}
	}
	return NULL;
}

static size_t rounded(size_t size)
{
	return (size + 15) & ~(size_t)15;
}

static bool grow(struct free_one **list, size_t size)
{
	if (slab.n_chunks == CHUNKS) {
		return false;
	}
	char *at = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED) {
		return false;
	}
	(void)madvise(at, CHUNK, MADV_DONTFORK);
	slab.chunk[slab.n_chunks++] = at;
	for (size_t off = 0; off + size <= CHUNK; off += size) {
		struct free_one *one = (struct free_one *)(void *)(at + off);
		one->next = *list;
		*list = one;
	}
	return true;
}

void *slab_alloc(size_t size)
{
	size = rounded(size);
	struct free_one **list = list_of(size);
	if (!list || size > CHUNK / 4 || (!*list && !grow(list, size))) {
		return NULL;
	}
	struct free_one *one = *list;
	*list = one->next;
	memset(one, 0, size);
	return one;
}

void slab_free(void *p, size_t size)
{
	if (!p) {
		return;
	}
	struct free_one **list = list_of(rounded(size));
	struct free_one *one = p;
	one->next = *list;
	*list = one;
}

void slab_share(bool shared)
{
	for (unsigned i = 0; i < slab.n_chunks; i++) {
		(void)madvise(slab.chunk[i], CHUNK, shared ? MADV_DOFORK : MADV_DONTFORK);
	}
}
