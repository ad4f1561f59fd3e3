/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/input.h"

#include <errno.h>
#include <unistd.h>

static int fill(struct input *in)
{
	ssize_t n;
	do {
		n = read(in->fd, in->buf + in->len, sizeof(in->buf) - in->len);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return errno == ECONNRESET ? ERR_CLOSED : ERR_SYSTEM;
	}
	in->len += (size_t)n;
	return n == 0 ? ERR_CLOSED : 0;
}

static struct span take(struct input *in, size_t n)
{
	struct span s = span_of(in->buf + in->pos, n);
	in->pos += n;
	return s;
}

int input_exactly(struct input *in, size_t n, struct span *ret_bytes)
{
	if (n > sizeof(in->buf)) {
		return ERR_LIMIT;
	}
	if (n > sizeof(in->buf) - in->pos) {
		memmove(in->buf, in->buf + in->pos, in->len - in->pos);
		in->len -= in->pos;
		in->pos = 0;
	}
	while (in->len - in->pos < n) {
		int r = fill(in);
		if (r < 0) {
			return r;
		}
	}
	*ret_bytes = take(in, n);
	return 0;
}

int input_some(struct input *in, size_t most, struct span *ret_bytes)
{
	if (in->pos == in->len) {
		in->pos = in->len = 0;
		int r = fill(in);
		if (r < 0) {
			return r;
		}
	}
	size_t n = in->len - in->pos;
	*ret_bytes = take(in, n < most ? n : most);
	return 0;
}
