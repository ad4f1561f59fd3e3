/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/bookkeeper.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The book of names. With a first byte that is even: its last volume is what follows, and whatever it is the book opens, takes a name and
 * has it the next time. Else: what follows is a request of an association.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW (20000 * (int64_t)86400)

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static const struct namebook_limits limits = {.most = NAMEBOOK_LEAST, .keep_s = 86400 * 365};
static const char volume[] = "names-0000000000000007", next[] = "names-0000000000000008";

static void clear(int dir)
{
	(void)unlinkat(dir, volume, 0);
	(void)unlinkat(dir, next, 0);
	(void)unlinkat(dir, "names-0000000000000001", 0);
}

/* The folder goes with the process. */
static char folder[] = "/tmp/namebook-fuzz-XXXXXX";

static void remove_folder(void)
{
	(void)rmdir(folder);
}

static void file(int dir, const uint8_t *data, size_t size)
{
	struct namebook *b = NULL;
	struct namebook_found found;
	uint8_t sealed[NAMEBOOK_SEALED], entry[NAMEBOOK_ENTRY] = {1, 2, 3};
	int fd = openat(dir, volume, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	must(namebook_open(dir, &limits, NOW, &b, &found) == 0);
	must(found.names >= namebook_names(b) || found.names + found.damaged >= namebook_names(b));
	(void)namebook_find(b, data, sealed);
	must(namebook_enter(b, entry, NOW) == 0 && namebook_commit(b) == 0);
	must(namebook_find(b, entry, sealed));
	namebook_close(b);
	must(namebook_open(dir, &limits, NOW, &b, &found) == 0);
	must(found.torn == 0 && namebook_find(b, entry, sealed));
	namebook_close(b);
}

static void request(int dir, const uint8_t *data, size_t size)
{
	static uint8_t answer[BOOK_MESSAGE];
	struct namebook *b = NULL;
	struct namebook_found found;
	size_t len = 0;
	must(namebook_open(dir, &limits, NOW, &b, &found) == 0);
	if (book_answer(b, data[0] % 4, data + 1, size - 1, NOW, answer, &len) == 0) {
		must(len >= 2 && len <= sizeof(answer));
	}
	must(namebook_commit(b) == 0);
	namebook_close(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir = -1;
	if (dir < 0) {
		must(mkdtemp(folder) != NULL);
		dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		must(dir >= 0 && atexit(remove_folder) == 0);
	}
	if (size < 2 + NAMEBOOK_TOKEN) {
		return 0;
	}
	uint8_t *copy = malloc(size - 1);
	must(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	(data[0] % 2 ? request : file)(dir, copy, size - 1);
	free(copy);
	clear(dir);
	return 0;
}
