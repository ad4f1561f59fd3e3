/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/state.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>

/*
 * One side alone, step by step: the negotiation is a conversation, and reads best as one. While we wait on the
 * target the caller's hanging up ends the wait.
 */

static int wait_events(struct association *as, struct side *s, short events, int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_mono_ms();
	if (left <= 0) {
		return ERR_TIMEOUT;
	}
	struct side *o = other_side(as, s);
	struct pollfd p[] = {
		{.fd = s->t.fd, .events = events},
		/* poll ignores a negative descriptor. */
		{.fd = s == &as->b && o->up ? o->t.fd : -1, .events = POLLRDHUP},
		{.fd = as->gate_lost ? -1 : as->start->channel, .events = POLLIN},
	};
	stream_ack(&s->t);
	int n = poll(p, ARRAY_LEN(p), (int)left);
	if (n < 0 && errno != EINTR) {
		return ERR_SYSTEM;
	}
	if (p[2].revents) {
		gate_take(as);
	}
	/* Who has had its last word is not waited for when the gateway stops. */
	if (as->stop_ms != 0 && s->ul.state == UL_STA13) {
		return ERR_TIMEOUT;
	}
	if (p[1].fd >= 0 && (p[1].revents & (POLLERR | POLLHUP))) {
		return ERR_CLOSED;
	}
	return 0;
}

int wait_readable(struct association *as, struct side *s, int64_t deadline_ms)
{
	return wait_events(as, s, POLLIN, deadline_ms);
}

int wait_flush(struct association *as, struct side *s, int64_t deadline_ms)
{
	int e;
	while ((e = side_flush(s)) == ERR_AGAIN) {
		e = wait_events(as, s, POLLOUT, deadline_ms);
		if (e != 0) {
			return e;
		}
	}
	return e;
}

int wait_handshake(struct association *as, struct side *s, int64_t deadline_ms)
{
	int e;
	while ((e = stream_handshake(&s->t)) == ERR_AGAIN) {
		short events = POLLIN;
		if (s->t.flush_pending || s->t.want_write) {
			events |= POLLOUT;
		}
		e = wait_events(as, s, events, deadline_ms);
		if (e != 0) {
			return e;
		}
	}
	return e;
}

int wait_bytes(struct association *as, struct side *s, size_t n, int64_t deadline_ms)
{
	while (side_unread(s).len < n) {
		int e = side_fill(s, false);
		if (e == ERR_AGAIN) {
			e = wait_events(as, s, POLLIN, deadline_ms);
		}
		if (e != 0) {
			return e;
		}
	}
	return 0;
}

int wait_pdu(struct association *as, struct side *s, int64_t deadline_ms, struct pdu_head *ret_head,
	struct span *ret_body)
{
	int e;
	while ((e = side_whole_pdu(s, ret_head, ret_body)) == ERR_AGAIN) {
		e = wait_bytes(as, s, side_unread(s).len + 1, deadline_ms);
		if (e != 0) {
			return e;
		}
	}
	return e;
}
