/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/keep.h"
#include "base/reader.h"
#include "base/writer.h"
#include "gateway/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The gate gives no two sockets within this: it is asked again. */
#define TOO_SOON_MS    25
#define TOO_SOON_TRIES 4

static void over(struct keep *k, int error)
{
	k->state = KEEP_OVER;
	k->error = error;
	k->piece = span_of(NULL, 0);
}

int keep_over(int fd, const struct facts *f, struct keep *k)
{
	size_t n = 0;
	uint8_t *head = malloc(KEEPER_HEAD + FACTS_MOST);
	int e = head ? facts_write(f, head + KEEPER_HEAD, FACTS_MOST, &n) : ERR_NO_MEMORY;
	if (e != 0) {
		free(head);
		return e;
	}
	struct writer w = writer_of(head, KEEPER_HEAD);
	writer_u8(&w, KEEPER_VERSION);
	writer_u32be(&w, (uint32_t)n);
	*k = (struct keep){.fd = fd, .head = head, .head_len = KEEPER_HEAD + n};
	return 0;
}

/* *ret_fd. ERR_AGAIN: too soon. */
static int ask(struct association *as, int *ret_fd)
{
	as->ask = (struct message){.type = MSG_KEEP, .fd = -1};
	int e = gate_ask(as, &as->ask, MSG_KEEPER, &as->reply, GATE_WAIT_MS);
	if (e == 0 && as->reply.number != 0) {
		return as->reply.number == ERR_AGAIN ? ERR_AGAIN : ERR_NOT_FOUND;
	}
	if (e == 0) {
		*ret_fd = as->reply.fd;
	}
	return e;
}

int keep_begin(struct association *as, const struct facts *f, struct keep *k)
{
	int fd = -1;
	int e = ask(as, &fd);
	for (unsigned i = 0; e == ERR_AGAIN && i < TOO_SOON_TRIES; i++) {
		(void)nanosleep(&(struct timespec){.tv_nsec = TOO_SOON_MS * 1000000L}, NULL);
		e = ask(as, &fd);
	}
	if (e != 0) {
		return e == ERR_AGAIN ? ERR_TIMEOUT : e;
	}
	e = keep_over(fd, f, k);
	if (e != 0) {
		close(fd);
	}
	return e;
}

short keep_events(const struct keep *k)
{
	bool sends = k->head_at < k->head_len || k->piece.len > 0;
	return k->state == KEEP_OVER ? 0 : (short)(POLLIN | (sends ? POLLOUT : 0));
}

static void put_length(struct keep *k, size_t n)
{
	struct writer w = writer_of(k->head, 4);
	writer_u32be(&w, (uint32_t)n);
	k->head_at = 0;
	k->head_len = 4;
}

void keep_give(struct keep *k, struct span piece)
{
	if (keep_wants(k) && piece.len > 0 && piece.len <= KEEPER_PIECE) {
		put_length(k, piece.len);
		k->piece = piece;
	}
}

void keep_end(struct keep *k)
{
	if (keep_wants(k)) {
		put_length(k, 0);
		k->ended = true;
	}
}

/* True: go on. */
static bool sent(struct keep *k, ssize_t n)
{
	if (n >= 0) {
		return true;
	}
	if (errno != EINTR && errno != EAGAIN) {
		/* It may have answered before the end, and closed: that is read yet. */
		k->head_at = k->head_len;
		k->piece = span_of(NULL, 0);
		k->state = KEEP_WAITING;
	}
	return errno == EINTR;
}

static void send_some(struct keep *k)
{
	bool more = true;
	while (more && k->head_at < k->head_len) {
		ssize_t n = send(
			k->fd, k->head + k->head_at, k->head_len - k->head_at, MSG_NOSIGNAL | MSG_DONTWAIT);
		k->head_at += n > 0 ? (size_t)n : 0;
		more = sent(k, n);
	}
	while (more && k->piece.len > 0) {
		ssize_t n = send(k->fd, k->piece.ptr, k->piece.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			k->piece = span_of(k->piece.ptr + n, k->piece.len - (size_t)n);
		}
		more = sent(k, n);
	}
	if (k->ended && k->head_at == k->head_len) {
		k->state = KEEP_WAITING;
	}
}

static void receive(struct keep *k)
{
	ssize_t n = recv(k->fd, k->in + k->in_len, sizeof(k->in) - k->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}
	if (n <= 0) {
		over(k, n == 0 || errno == ECONNRESET ? ERR_CLOSED : ERR_SYSTEM);
		return;
	}
	k->in_len += (size_t)n;
	if (k->in_len < sizeof(k->in)) {
		return;
	}
	over(k, keeper_answer_read(span_of(k->in, sizeof(k->in)), &k->answer) == 0 ? 0 : ERR_PEER);
	/* What was not given whole was not kept, whatever is answered. */
	if (k->error == 0 && !k->ended && k->answer.result < KEEPER_FULL) {
		k->error = ERR_PEER;
	}
}

void keep_step(struct keep *k)
{
	if (k->state == KEEP_GIVING) {
		send_some(k);
	}
	if (k->state != KEEP_OVER) {
		receive(k);
	}
}

void keep_done(struct keep *k)
{
	if (k->fd >= 0) {
		close(k->fd);
	}
	if (k->head) {
		explicit_bzero(k->head, KEEPER_HEAD + FACTS_MOST);
		free(k->head);
	}
	*k = (struct keep){.fd = -1, .state = KEEP_OVER, .error = k->error, .answer = k->answer};
}

void keep_text(const struct keep *k, char *buf, size_t cap)
{
	const struct keeper_answer *a = &k->answer;
	if (k->error != 0) {
		snprintf(buf, cap, "it could not be put in quarantine (%s)", err_str(k->error));
	} else if (a->result == KEEPER_NEW) {
		snprintf(buf, cap, "it was put in quarantine as %" PRIu64, a->number);
	} else if (a->result == KEEPER_SEEN) {
		snprintf(buf, cap, "it is in quarantine as %" PRIu64 " and has come %" PRIu64 " times",
			a->number, a->count);
	} else {
		snprintf(buf, cap, "it could not be put in quarantine: %s", a->why);
	}
}
