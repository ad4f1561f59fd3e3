/* SPDX-License-Identifier: Apache-2.0 */
#include "base/module.h"
#include "pixels/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A decoder that was taken over: its first byte says what it tries, and its samples how that went (1, and errno). What it encodes is
 * its samples, so that the file that is made of them tells of it.
 */

#define TOLD "TOLD"

static int as_errno(long result)
{
	return result < 0 ? errno : 0;
}

static int map_all(int flags)
{
	return mmap(NULL, 3ull << 30, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
	               ? errno
	               : 0;
}

static int descriptors(void)
{
	int n = 0;
	for (int fd = 0; fd < 1024; fd++) {
		n += fcntl(fd, F_GETFD) >= 0;
	}
	return n;
}

/* A file in memory that grows beyond what one may have. */
static int fill(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		if (lseek(fd, 1ll << 30, SEEK_SET) == 1ll << 30) {
			return as_errno(write(fd, "x", 1));
		}
	}
	return EBADF;
}

static int attempt(uint8_t what)
{
	switch (what) {
	case 'o':
		return as_errno(open("/etc/passwd", O_RDONLY));
	case 's':
		return as_errno(socket(AF_INET, SOCK_STREAM, 0));
	case 'u':
		return as_errno(socket(AF_UNIX, SOCK_STREAM, 0));
	case 'e':
		return as_errno(write(STDERR_FILENO, "x", 1));
	case 'd':
		return descriptors();
	case 'm':
		return map_all(MAP_PRIVATE);
	case 'S':
		return map_all(MAP_SHARED);
	case 'c':
		return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		                       MAP_FAILED
		               ? errno
		               : 0;
	case 'w':
		return fill();
	case 'f':
		return as_errno(fork());
	case 'x':
		return as_errno(execl("/bin/true", "true", NULL));
	case 'k':
		return as_errno(kill(1, SIGTERM));
	case 'a':
		__builtin_trap();
	case 'h':
		for (;;) {
			(void)usleep(1000);
		}
	default:
		return 0;
	}
}

static int decode(enum codec_kind kind, struct codec_frame *frame, const uint8_t *in, size_t n_in,
	uint8_t *ret, size_t len)
{
	(void)kind;
	(void)frame;
	if (n_in >= len + sizeof(TOLD) && memcmp(in, TOLD, sizeof(TOLD)) == 0) {
		memcpy(ret, in + sizeof(TOLD), len);
		return 0;
	}
	memset(ret, 1 + attempt(n_in > 0 ? in[n_in - 1] : 0), len); /* 1: what is black stays as it came */
	return 0;
}

static int encode(enum codec_kind kind, struct codec_frame *frame, const uint8_t *samples, size_t len,
	const uint8_t **ret_bytes, size_t *ret_n)
{
	static uint8_t told[4096];
	(void)kind;
	(void)frame;
	if (len > sizeof(told) - sizeof(TOLD)) {
		return -1;
	}
	memcpy(told, TOLD, sizeof(TOLD));
	memcpy(told + sizeof(TOLD), samples, len);
	*ret_bytes = told;
	*ret_n = sizeof(TOLD) + len;
	return 0;
}

MODULE_FUNCTION const struct codec *pixels_codec(void);

const struct codec *pixels_codec(void)
{
	static const struct codec table = {decode, encode};
	return &table;
}
