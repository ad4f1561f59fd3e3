/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Larger than any key. */
#define KEY_FILE_MOST (32 * 1024)

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}

static int read_all(int fd, uint8_t *buf, size_t cap, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;
	while (len < cap && (n = read(fd, buf + len, cap - len)) != 0) {
		if (n < 0 && errno != EINTR) {
			return ERR_SYSTEM;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	*ret_len = len;
	return 0;
}

int key_file_read(
	const char *path, const char *what, mode_t others, struct key_file *ret_file, char *why, size_t cap)
{
	struct stat st;
	/* Not blocking: a pipe in a file's place is told apart instead of waited for. */
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(why, cap, "cannot read %s: %s", path, strerror(errno));
		return ERR_SYSTEM;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > KEY_FILE_MOST) {
		snprintf(why, cap, "%s is no %s: %s", path, what,
			S_ISREG(st.st_mode) ? "it is too large" : "it is no regular file");
		return ERR_VALUE;
	}
	if (st.st_mode & others) {
		snprintf(why, cap, "the %s %s can be read by %s: `chmod %s= %s`", what, path,
			st.st_mode & others & S_IRWXO ? "every user of this machine" : "its group",
			others & S_IRWXG ? "go" : "o", path);
		return ERR_DENIED;
	}
	struct key_file f = {.room = (size_t)st.st_size + 1};
	f.bytes = OPENSSL_secure_malloc(f.room);
	if (!f.bytes) {
		return ERR_NO_MEMORY;
	}
	int e = read_all(fd, f.bytes, f.room - 1, &f.len);
	if (e < 0) {
		snprintf(why, cap, "cannot read %s: %s", path, strerror(errno));
		key_file_done(&f);
		return e;
	}
	*ret_file = f;
	return 0;
}

void key_file_done(struct key_file *f)
{
	OPENSSL_secure_clear_free(f->bytes, f->room);
	*f = (struct key_file){0};
}
