/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "priv/message.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Messages over a channel between two roles, with at most one descriptor each. */

/*
 * Roles have one thread each. In pages of their own, so that they can be kept from a fork: the type is aligned, and so its
 * size is too, or else what the linker puts behind it would be wiped as well.
 */
#define PAGE 4096
static struct __attribute__((aligned(PAGE))) {
	struct message scratch;
	uint8_t sending[LIMIT_ROLE_MESSAGE], receiving[LIMIT_ROLE_MESSAGE];
} own;
static_assert(sizeof(own) % PAGE == 0, "whole pages");
static bool wiped_on_fork;

void message_keep(void)
{
	wiped_on_fork = madvise(&own, sizeof(own), MADV_WIPEONFORK) == 0;
}

void message_wipe(void)
{
	explicit_bzero(own.sending, sizeof(own.sending));
	explicit_bzero(own.receiving, sizeof(own.receiving));
}

void message_forget(void)
{
	if (!wiped_on_fork) {
		explicit_bzero(&own, sizeof(own));
	}
}

int message_read(struct span bytes, unsigned permitted, bool has_fd, struct message *ret_message)
{
	int e = message_read_into(bytes, permitted, has_fd, &own.scratch);
	if (e == 0) {
		memcpy(ret_message, &own.scratch, message_extent(own.scratch.type));
		memcpy(ret_message->text, own.scratch.text, strlen(own.scratch.text) + 1);
	}
	return e;
}

/* ---- The channel ---- */

/* More room than one descriptor needs, so that a second one is seen and closed, not lost. */
#define FDS_SEEN 4

int message_send(int channel, const struct message *m)
{
	size_t len;
	int e = message_write(m, own.sending, sizeof(own.sending), &len);
	if (e != 0) {
		return e;
	}
	struct iovec iov = {.iov_base = own.sending, .iov_len = len};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	if (m->fd >= 0) {
		h.msg_control = &control;
		h.msg_controllen = sizeof(control.room);
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &m->fd, sizeof(int));
	}
	ssize_t n;
	do {
		n = sendmsg(channel, &h, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0) {
		return 0;
	}
	if (errno == EAGAIN || errno == ENOBUFS) {
		return ERR_AGAIN;
	}
	return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? ERR_CLOSED : ERR_SYSTEM;
}

/* Every descriptor that came; only one may. Returns how many there were, *ret_fd is the first. */
static unsigned take_fds(struct msghdr *h, int *ret_fd)
{
	unsigned n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0)) {
			continue;
		}
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n++ == 0) {
				*ret_fd = fd;
			} else {
				close(fd);
			}
		}
	}
	return n;
}

int message_recv(int channel, unsigned permitted, struct message *ret_message)
{
	struct iovec iov = {.iov_base = own.receiving, .iov_len = sizeof(own.receiving)};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(FDS_SEEN * sizeof(int))];
	} control;
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n;
	do {
		n = recvmsg(channel, &h, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		if (errno == EAGAIN) {
			return ERR_AGAIN;
		}
		return errno == ECONNRESET || errno == ENOTCONN ? ERR_CLOSED : ERR_SYSTEM;
	}
	int fd = -1;
	unsigned n_fds = take_fds(&h, &fd);
	if (n == 0 && n_fds == 0) {
		return ERR_CLOSED;
	}
	int e = ERR_PEER;
	if ((h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && n_fds <= 1) {
		e = message_read(span_of(own.receiving, (size_t)n), permitted, n_fds == 1, ret_message);
	}
	if (e != 0) {
		if (fd >= 0) {
			close(fd);
		}
		return ERR_PEER;
	}
	ret_message->fd = fd;
	return 0;
}
