/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/relay.h"
#include "gateway/exchange.h"
#include "gateway/exchange_parts.h"
#include "gateway/hold.h"
#include "gateway/release.h"
#include "base/clock.h"

/*
 * Bytes from one side to the other. P-DATA-TF PDUs are opened, their PDVs' heads checked, and payload of data sets
 * that may pass is sent on by reference, each PDV in a PDU of its own with a head that we write. Where the twelve
 * bytes before the payload were this PDU's own heads, ours are written in their place, so that a stream of PDUs stays
 * one contiguous piece: one system call or a row of full TLS records, and no byte is copied.
 */

#define HEADS 12 /* P-DATA-TF head and PDV head */

/* Fragments of so many bytes are worth a read of their own. */
#define BULK (64u * 1024)

/* What one step in the other direction may queue. */
#define ROOM_PIECES 8

uint32_t relay_payload_limit(const struct side *to)
{
	return (to->max_out == 0 ? UINT32_MAX : to->max_out - 6) & ~1u;
}

bool relay_room(const struct association *as, const struct side *s)
{
	const struct side *o = s == &as->a ? &as->b : &as->a;
	return out_room(&o->out, OUT_SEGMENTS / 2, OUT_CONTROL / 4 * 3) &&
	       out_room(&s->out, ROOM_PIECES, OUT_CONTROL / 4) && audit_room(as) && !hold_is_full(as, s);
}

bool relay_room_for_command(const struct side *to)
{
	return out_room(&to->out, OUT_SEGMENTS / 2, OUT_CONTROL / 2);
}

bool relay_room_for_fragment(const struct side *to)
{
	return out_room(&to->out, ROOM_PIECES + 2, OUT_CONTROL / 4 + HEADS);
}

/* The head of the next chunk of the PDV that is coming in. in_place: write it over the heads that came. */
static void begin_chunk(struct side *s, struct side *to, bool in_place)
{
	uint32_t n = s->pdv_left < relay_payload_limit(to) ? s->pdv_left : relay_payload_limit(to);
	bool last = s->pdv.last && n == s->pdv_left;
	uint8_t *head;
	if (in_place) {
		head = s->in + s->in_pos - HEADS;
		out_borrow(&to->out, head, HEADS);
	} else {
		head = out_control(&to->out, HEADS);
	}
	pdv_write_heads(head, n, s->pdv.context, false, last);
	s->chunk_left = n;
}

static int begin_pdv(struct association *as, struct side *s, bool fresh, struct parse_fail *fail)
{
	struct incoming *m = &s->msg;
	size_t at = s->in_pos;
	const struct agreed *c = &as->context[s->pdv.context];
	if (!c->accepted || (c->spare && s == &as->a)) {
		return parse_fail(fail, ERR_VALUE, at, "PS3.8 9.3.5.1: presentation context not accepted");
	}
	if (s->pdv.command ? m->phase == IN_DATA : m->phase != IN_DATA) {
		return parse_fail(fail, ERR_ORDER, at, "PS3.7 6.3.1: command set, then data set");
	}
	if (m->phase != BETWEEN_MESSAGES && m->context != s->pdv.context) {
		return parse_fail(fail, ERR_ORDER, at, "PS3.8 Annex E.2: one message at a time");
	}
	if (m->phase == BETWEEN_MESSAGES) {
		m->phase = IN_COMMAND;
		m->context = s->pdv.context;
		m->command_len = 0;
	}
	if (!s->pdv.command && m->disposition == PASS && m->command_waits) {
		m->command_waits = false;
		int e = exchange_pass(as, s, m->operation);
		if (e != 0) {
			return e;
		}
	}
	if (!s->pdv.command && m->disposition == PASS) {
		/* After both heads were consumed they stand right before the payload, unless the buffer moved between. */
		begin_chunk(s, other_side(as, s), fresh && s->in_pos >= HEADS);
	}
	return 0;
}

static int take_pdv_head(struct association *as, struct side *s, struct parse_fail *fail)
{
	struct reader r = reader_of(side_unread(s));
	struct pdv_head h;
	if (s->pdu_left < 6) {
		return parse_fail(fail, ERR_LENGTH, s->in_pos, "PS3.8 9.3.5");
	}
	if (reader_left(&r) < 6) {
		return ERR_AGAIN;
	}
	int e = pdv_read_head(&r, &h);
	if (e != 0) {
		return parse_fail(fail, e, s->in_pos, "PS3.8 9.3.5.1");
	}
	if (h.len > s->pdu_left - 4) {
		return parse_fail(fail, ERR_LENGTH, s->in_pos, "PS3.8 9.3.5.1");
	}
	/* A last one is odd where the whole is: that is a fault of the object's, for its checks, and counted. */
	if (h.len % 2 != 0 && !h.last && !(s->tolerate & TOLERATE_ODD_FRAGMENTS)) {
		return parse_fail(fail, ERR_LENGTH, s->in_pos,
			"PS3.8 Annex E.1: a fragment of odd length; `tolerate: [ odd-fragments ]` lets it pass");
	}
	as->totals.tolerated += h.len % 2;
	bool fresh = s->pdu_fresh;
	s->pdu_fresh = false;
	s->pdu_left -= 4 + h.len;
	s->pdv = h;
	s->pdv_left = h.len - 2;
	s->in_pdv = true;
	side_consume(s, 6);
	return begin_pdv(as, s, fresh, fail);
}

static int check_pdu_length(struct association *as, struct side *s, uint32_t len, struct parse_fail *fail)
{
	if (len < 6) {
		return parse_fail(fail, ERR_LENGTH, s->in_pos, "PS3.8 9.3.5");
	}
	if (s->max_in == 0 || len <= s->max_in) {
		return 0;
	}
	if ((s->tolerate & TOLERATE_PDU_OVERRUN) && len - s->max_in <= LIMIT_PDU_OVERRUN) {
		as->totals.tolerated++;
		return 0;
	}
	return parse_fail(fail, ERR_LIMIT, s->in_pos, "PS3.8 D.1: over the maximum length announced");
}

static int take_pdu_head(struct association *as, struct side *s, struct parse_fail *fail)
{
	struct reader r = reader_of(side_unread(s));
	struct pdu_head h;
	if (pdu_read_head(&r, &h) != 0) {
		return ERR_AGAIN;
	}
	if (h.type != PDU_P_DATA_TF) {
		return release_take_control(as, s, fail);
	}
	int e = check_pdu_length(as, s, h.len, fail);
	if (e != 0) {
		return e;
	}
	if (reader_left(&r) < 6) {
		return ERR_AGAIN; /* both heads together, so that they can be rewritten in place */
	}
	enum ul_action act = ul_step(&s->ul, UL_EV_P_DATA_PDU);
	if (act != UL_DT_2 && act != UL_AR_6) {
		return parse_fail(fail, ERR_ORDER, s->in_pos, "PS3.8 9.2: P-DATA-TF in this state");
	}
	side_consume(s, 6);
	s->pdu_left = h.len;
	s->pdu_fresh = true;
	return 0;
}

static void pass_payload(struct association *as, struct side *s, size_t n)
{
	struct side *to = other_side(as, s);
	while (n > 0) {
		if (s->chunk_left == 0) {
			begin_chunk(s, to, false);
		}
		size_t step = n < s->chunk_left ? n : s->chunk_left;
		out_borrow(&to->out, s->in + s->in_pos, step);
		side_consume(s, step);
		s->pdv_left -= (uint32_t)step;
		s->chunk_left -= (uint32_t)step;
		n -= step;
	}
}

static int take_command_bytes(struct side *s, size_t n, struct parse_fail *fail)
{
	struct incoming *m = &s->msg;
	if (n > LIMIT_COMMAND_SET - m->command_len) {
		return parse_fail(
			fail, ERR_LIMIT, s->in_pos, "the command set is longer than any that is real");
	}
	memcpy(m->command_bytes + m->command_len, s->in + s->in_pos, n);
	m->command_len += n;
	side_consume(s, n);
	s->pdv_left -= (uint32_t)n;
	return 0;
}

static int end_pdv(struct association *as, struct side *s, struct parse_fail *fail)
{
	s->in_pdv = false;
	if (!s->pdv.last) {
		return 0;
	}
	return s->pdv.command ? exchange_command(as, s, fail) : exchange_end(as, s);
}

/* How much of the payload one step may take: a small maximum PDU at the other side needs a head for each chunk. */
static size_t payload_step(const struct association *as, const struct side *s)
{
	const struct side *to = s == &as->a ? &as->b : &as->a;
	size_t n = side_unread(s).len < s->pdv_left ? side_unread(s).len : s->pdv_left;
	if (!s->pdv.command && s->msg.disposition == KEEP) {
		size_t space = hold_space(as, s);
		return n < space ? n : space;
	}
	if (s->pdv.command || s->msg.disposition != PASS || relay_payload_limit(to) > RELAY_BUFFER) {
		return n;
	}
	size_t most = (size_t)relay_payload_limit(to) * 8;
	return n < most ? n : most;
}

/* Bytes of a data set. What passes is still to be queued and consumed, and everything else has been taken. */
static int take_data(struct association *as, struct side *s, struct span bytes)
{
	s->msg.data_bytes += bytes.len;
	if (s->msg.size_limit != 0 && s->msg.data_bytes > s->msg.size_limit) {
		exchange_oversize(as, s);
	}
	if (as->over) {
		return ERR_AGAIN;
	}
	audit_data(as, s, bytes);
	hold_look(as, s, bytes);
	if (as->over) {
		return ERR_AGAIN;
	}
	if (s->msg.disposition != PASS) {
		exchange_data(as, s, bytes);
		s->pdv_left -= (uint32_t)bytes.len;
	}
	return 0;
}

static int take_payload(struct association *as, struct side *s, struct parse_fail *fail)
{
	size_t n = payload_step(as, s);
	int e = 0;
	if (n == 0 && s->pdv_left > 0) {
		return ERR_AGAIN;
	}
	if (s->pdv.command) {
		e = take_command_bytes(s, n, fail);
	} else {
		e = take_data(as, s, span_of(s->in + s->in_pos, n));
		if (e != 0) {
			return e;
		}
		if (s->msg.disposition == PASS) {
			pass_payload(as, s, n);
		} else {
			side_consume(s, n);
		}
	}
	if (e == 0 && s->pdv_left == 0) {
		e = end_pdv(as, s, fail);
	}
	return e;
}

int relay_take(struct association *as, struct side *s, struct parse_fail *fail)
{
	int e = 0;
	while (e == 0 && !as->over && s->up) {
		s->blocked = !relay_room(as, s);
		if (s->blocked) {
			return ERR_AGAIN;
		}
		if (s->in_pdv) {
			e = take_payload(as, s, fail);
		} else if (s->pdu_left > 0) {
			e = take_pdv_head(as, s, fail);
		} else {
			e = take_pdu_head(as, s, fail);
		}
	}
	return e == 0 ? ERR_AGAIN : e;
}

/* An object is held that comes in large fragments: the next one's heads are read alone, and the rest to where it is held. */
static bool is_kept_in_bulk(const struct association *as, const struct side *s)
{
	const struct side *to = s == &as->a ? &as->b : &as->a;
	return s->msg.phase == IN_DATA && s->msg.disposition == KEEP && !s->pdv.command &&
	       s->pdv.len >= BULK && !to->out.borrows && relay_room(as, s);
}

static int fill_hold(
	struct association *as, struct side *s, size_t most, struct parse_fail *fail, int *ret_broke)
{
	uint8_t *at = hold_place(as, s);
	size_t n = 0;
	int e = stream_read(&s->t, at, most, &n);
	if (e != 0) {
		return e;
	}
	s->last_in_ms = clock_tick_ms();
	int broke = take_data(as, s, span_of(at, n));
	if (broke == 0 && s->pdv_left == 0) {
		broke = end_pdv(as, s, fail);
	}
	*ret_broke = broke == ERR_AGAIN ? 0 : broke;
	return 0;
}

int relay_fill(struct association *as, struct side *s, struct parse_fail *fail, int *ret_broke)
{
	size_t unread = side_unread(s).len;
	*ret_broke = 0;
	if (is_kept_in_bulk(as, s) && !s->in_pdv && s->pdu_left == 0 && unread < HEADS) {
		return side_fill_to(s, HEADS);
	}
	if (is_kept_in_bulk(as, s) && s->in_pdv && unread == 0) {
		size_t n = hold_space(as, s) < s->pdv_left ? hold_space(as, s) : s->pdv_left;
		n = n < RELAY_BUFFER ? n : RELAY_BUFFER;
		if (n > 0) {
			return fill_hold(as, s, n, fail, ret_broke);
		}
	}
	return side_fill(s, other_side(as, s)->out.borrows);
}

void relay_put_fragment(struct side *to, uint8_t context, struct span bytes, bool last)
{
	uint8_t *head = out_control(&to->out, HEADS);
	pdv_write_heads(head, (uint32_t)bytes.len, context, false, last);
	out_borrow(&to->out, bytes.ptr, bytes.len);
}

bool relay_put(struct side *to, uint8_t context, bool command, struct span bytes)
{
	size_t limit = relay_payload_limit(to), at = 0;
	size_t chunks = bytes.len / limit + 1;
	if (!out_room(&to->out, (unsigned)chunks, bytes.len + chunks * HEADS)) {
		return false;
	}
	do {
		size_t n = bytes.len - at < limit ? bytes.len - at : limit;
		uint8_t *p = out_control(&to->out, HEADS + n);
		pdv_write_heads(p, (uint32_t)n, context, command, at + n == bytes.len);
		if (n > 0) {
			memcpy(p + HEADS, bytes.ptr + at, n);
		}
		at += n;
	} while (at < bytes.len);
	return true;
}

bool relay_put_command(struct side *to, uint8_t context, const struct command *c)
{
	static uint8_t buf[LIMIT_COMMAND_SET];
	struct writer w = writer_of(buf, sizeof(buf));
	/* What was read from at most this many bytes is never longer when written anew. */
	if (command_write(c, &w) != 0 || writer_end(&w) != 0) {
		return false;
	}
	return relay_put(to, context, true, writer_span_of(&w));
}
