/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/side.h"
#include "base/clock.h"
#include "base/writer.h"

#include <poll.h>
#include <stdlib.h>

void side_init(struct side *s, const char *name, struct side_memory *m)
{
	*s = (struct side){.name = name,
		.t.fd = -1,
		.in = m->in,
		.msg.command_bytes = m->command,
		.operations = m->operations,
		.out.control = m->control,
		.bar_mark = UINT64_MAX};
}

static void to_beginning(struct side *s)
{
	size_t rest = s->in_len - s->in_pos;
	if (s->in_pos > 0) {
		memmove(s->in, s->in + s->in_pos, rest);
		s->in_pos = 0;
		s->in_len = rest;
	}
}

/* Until the buffer has so many bytes. */
static int read_to(struct side *s, size_t cap)
{
	size_t n = 0;
	int e = stream_read(&s->t, s->in + s->in_len, cap - s->in_len, &n);
	if (e == 0) {
		s->in_len += n;
		s->last_in_ms = clock_tick_ms();
	}
	return e;
}

int side_fill(struct side *s, bool behind)
{
	size_t rest = s->in_len - (behind ? 0 : s->in_pos);
	if (!behind) {
		to_beginning(s);
	}
	size_t cap = rest < RELAY_BUFFER / 2 && !behind ? RELAY_BUFFER : SIDE_BUFFER;
	return rest < cap ? read_to(s, cap) : ERR_SPACE;
}

int side_fill_to(struct side *s, size_t most)
{
	to_beginning(s);
	return read_to(s, most);
}

bool side_make_room(struct side *s, struct out *borrower)
{
	const uint8_t *unread = s->in + s->in_pos, *first = out_first_borrowed(borrower, s->in, s->in_len);
	first = unread < first ? unread : first;
	size_t by = (size_t)(first - s->in);
	if (by == 0) {
		return false;
	}
	out_moved(borrower, s->in, s->in_len, by);
	memmove(s->in, first, s->in_len - by);
	s->in_pos -= by;
	s->in_len -= by;
	return true;
}

int side_flush(struct side *s)
{
	bool moved = false;
	int e = out_flush(&s->out, &s->t, s->bar_mark, &moved);
	if (moved || e == 0) {
		s->last_out_ms = clock_tick_ms();
	}
	return e;
}

void side_goodbye(struct side *s)
{
	if (side_flush(s) != 0) {
		out_drop(&s->out);
	}
}

short side_events(const struct side *s, bool may_read)
{
	int events = may_read ? POLLIN : 0;
	bool may_leave = !out_empty(&s->out) && s->out.sent < s->bar_mark;
	if (may_leave || s->t.flush_pending || s->t.want_write) {
		events |= POLLOUT;
	}
	return (short)events;
}

int side_whole_pdu(const struct side *s, struct pdu_head *ret_head, struct span *ret_body)
{
	struct reader r = reader_of(side_unread(s));
	struct pdu_head head;
	if (pdu_read_head(&r, &head) != 0) {
		return ERR_AGAIN;
	}
	if (head.type < PDU_ASSOCIATE_RQ || head.type > PDU_ABORT) {
		return ERR_TYPE;
	}
	if (head.type == PDU_P_DATA_TF) {
		return ERR_ORDER;
	}
	bool associate = head.type == PDU_ASSOCIATE_RQ || head.type == PDU_ASSOCIATE_AC;
	if (head.len > (associate ? LIMIT_ASSOCIATE_PDU : 4)) {
		return ERR_LIMIT;
	}
	struct span body;
	if (reader_bytes(&r, head.len, &body) != 0) {
		return ERR_AGAIN;
	}
	*ret_head = head;
	*ret_body = body;
	return 0;
}

void side_consume(struct side *s, size_t n)
{
	s->in_pos += n;
}

/* The short control PDUs have ten bytes, head included. */
static struct writer control(struct side *s)
{
	uint8_t *at = out_control(&s->out, 10);
	/* A queue too full for ten bytes has a peer that takes none; its timeout closes it without a goodbye. */
	return writer_of(at, at ? 10 : 0);
}

void side_send_abort(struct side *s, uint8_t source, uint8_t reason)
{
	out_cut(&s->out, s->bar_mark); /* a PDU begins there: the abort can take its place */
	s->bar_mark = UINT64_MAX;
	struct writer w = control(s);
	pdu_write_abort(&w, (struct pdu_abort){.source = source, .reason = reason});
}

void side_send_reject(struct side *s, struct pdu_reject why)
{
	struct writer w = control(s);
	pdu_write_reject(&w, why);
}

void side_send_release(struct side *s, bool response)
{
	struct writer w = control(s);
	if (response) {
		pdu_write_release_rp(&w);
	} else {
		pdu_write_release_rq(&w);
	}
}

void side_close(struct side *s)
{
	stream_close(&s->t);
	out_drop(&s->out);
	s->up = false;
	s->bar_mark = UINT64_MAX;
	s->in_pos = s->in_len = 0;
	s->pdu_left = s->pdv_left = s->chunk_left = 0;
	s->in_pdv = false;
	s->msg.phase = BETWEEN_MESSAGES;
	s->msg.command_len = 0;
	s->msg.operation = NULL;
}

int side_hold(struct side *s, struct span fragment, size_t most)
{
	struct incoming *m = &s->msg;
	size_t cap = m->held_cap;
	if (m->held_len > most || fragment.len > most - m->held_len) {
		return ERR_LIMIT;
	}
	while (cap < m->held_len + fragment.len) {
		cap = cap ? 2 * cap : LIMIT_IDENTIFIER;
	}
	uint8_t *held = cap == m->held_cap ? m->held : realloc(m->held, cap);
	if (!held) {
		return ERR_NO_MEMORY;
	}
	m->held = held;
	m->held_cap = cap;
	if (fragment.len > 0) {
		memcpy(held + m->held_len, fragment.ptr, fragment.len);
	}
	m->held_len += fragment.len;
	return 0;
}

struct operation *side_operation_new(struct side *s)
{
	unsigned i = 0;
	while (i < s->operations_end && s->operations[i].state != OPERATION_FREE) {
		i++;
	}
	if (i == LIMIT_OUTSTANDING) {
		return NULL;
	}
	s->operations_end = i < s->operations_end ? s->operations_end : i + 1;
	s->operations[i] = (struct operation){.state = OPERATION_RECEIVING, .flow = -1};
	s->n_operations++;
	return &s->operations[i];
}

struct operation *side_operation_find(struct side *s, uint16_t id)
{
	if (s->n_operations == 0) {
		return NULL;
	}
	for (unsigned i = 0; i < s->operations_end; i++) {
		if (s->operations[i].state != OPERATION_FREE && s->operations[i].id == id) {
			return &s->operations[i];
		}
	}
	return NULL;
}

void side_operation_free(struct side *s, struct operation *o)
{
	if (o->state != OPERATION_FREE) {
		o->state = OPERATION_FREE;
		s->n_operations--;
	}
}
