/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "priv/message.h"

#include <stdlib.h>
#include <string.h>

/*
 * A message from another role that may have been taken over. The first byte says who sits at the other end, the
 * second whether a descriptor came with it.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read has one form only: written again it is the same bytes. */
static void check_again(struct message *m, bool has_fd, const uint8_t *bytes, size_t len)
{
	static uint8_t again[LIMIT_ROLE_MESSAGE];
	size_t again_len = 0;
	m->fd = has_fd ? 0 : -1;
	if (message_write(m, again, sizeof(again), &again_len) != 0 || again_len != len ||
		memcmp(again, bytes, len) != 0) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct message m;
	if (size < 2 || size - 2 > LIMIT_ROLE_MESSAGE) {
		return 0;
	}
	size_t len = size - 2;
	bool has_fd = data[1] & 1;
	uint8_t *copy = malloc(len ? len : 1);
	if (!copy) {
		return 0;
	}
	memcpy(copy, data + 2, len);
	if (message_read(span_of(copy, len), data[0] | (unsigned)(data[1] >> 1) << 8, has_fd, &m) == 0) {
		check_again(&m, has_fd, copy, len);
		(void)message_name(m.type);
	}
	free(copy);
	return 0;
}
