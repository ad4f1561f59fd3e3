/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/pseudonym_mark.h"
#include "base/put.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define LENGTH (PSEUDONYM_MARK - 1)

static bool is_mark(const char *text, size_t n)
{
	return n == LENGTH + 1 && text[LENGTH] == '\n' && strspn(text, "0123456789abcdef") == LENGTH;
}

int pseudonym_mark_read(int dir, char ret_mark[PSEUDONYM_MARK])
{
	char text[LENGTH + 3] = "";
	/* Whatever stands there instead: nobody is to wait for it. */
	int fd = openat(dir, PSEUDONYM_MARK_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM;
	}
	ssize_t n = read(fd, text, sizeof(text) - 1);
	int kept = errno;
	close(fd);
	if (n < 0) {
		errno = kept;
		return ERR_SYSTEM;
	}
	if (!is_mark(text, (size_t)n)) {
		return ERR_VALUE;
	}
	memcpy(ret_mark, text, LENGTH);
	ret_mark[LENGTH] = 0;
	return 0;
}

int pseudonym_mark_write(int dir, const char *mark)
{
	static const char fresh[] = PSEUDONYM_MARK_FILE ".new";
	char text[LENGTH + 2];
	snprintf(text, sizeof(text), "%s\n", mark);
	(void)unlinkat(dir, fresh, 0);
	int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	bool good = put_all(fd, span_str(text)) == 0 && fsync(fd) == 0 &&
	            renameat(dir, fresh, dir, PSEUDONYM_MARK_FILE) == 0;
	int kept = errno;
	close(fd);
	if (!good) {
		(void)unlinkat(dir, fresh, 0);
		errno = kept;
	}
	return good ? 0 : ERR_SYSTEM;
}
