/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/keeper.h"
#include "archive/input.h"
#include "audit/event.h"
#include "base/clock.h"
#include "priv/message_values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* ---- The answer ---- */

int keeper_answer_write(const struct keeper_answer *a, uint8_t ret_buf[KEEPER_ANSWER])
{
	struct writer w = writer_of(ret_buf, KEEPER_ANSWER);
	size_t n = strnlen(a->why, sizeof(a->why) - 1);
	writer_u8(&w, KEEPER_VERSION);
	writer_u8(&w, a->result);
	writer_u64be(&w, a->number);
	writer_u64be(&w, a->count);
	writer_bytes(&w, a->why, n);
	writer_fill(&w, 0, sizeof(a->why) - n);
	return writer_end(&w);
}

static bool sound(const struct keeper_answer *a)
{
	bool kept = a->result == KEEPER_NEW || a->result == KEEPER_SEEN;
	if (a->result < KEEPER_NEW || a->result > KEEPER_FAILED || a->why[sizeof(a->why) - 1]) {
		return false;
	}
	return kept ? a->number > 0 && a->count > 0 && !a->why[0] : a->why[0] != 0;
}

int keeper_answer_read(struct span bytes, struct keeper_answer *ret_answer)
{
	struct reader r = reader_of(bytes);
	struct keeper_answer a;
	struct span why;
	uint8_t version = 0;
	int e = reader_u8(&r, &version);
	e = GET(e, reader_u8, &r, &a.result);
	e = GET(e, reader_u64be, &r, &a.number);
	e = GET(e, reader_u64be, &r, &a.count);
	e = e == 0 ? reader_bytes(&r, sizeof(a.why), &why) : e;
	e = e == 0 ? reader_end(&r) : e;
	if (e != 0) {
		return e;
	}
	memcpy(a.why, why.ptr, why.len);
	if (version != KEEPER_VERSION || !sound(&a)) {
		return ERR_VALUE;
	}
	*ret_answer = a;
	return 0;
}

/* ---- Who brings it ---- */

static void set_address(const struct in6_addr *ip, char to[46])
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(ip);
	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? (const void *)&ip->s6_addr[12] : (const void *)ip, to,
		    46)) {
		to[0] = '\0';
	}
}

#define SET(to, from) audit_text_set((to), sizeof(to), span_str(from))

bool keeper_vouch(const struct msg_keeping *known, int64_t now_ms, struct facts *f)
{
	bool straight = strcmp(f->from, known->from) == 0 && strcmp(f->to, known->to) == 0;
	bool back = !straight && strcmp(f->from, known->to) == 0 && strcmp(f->to, known->from) == 0;
	bool other_flow = known->flow[0] && f->flow[0] && strcmp(f->flow, known->flow) != 0;
	f->association = known->association;
	f->refusal = known->refusal;
	f->time_ms = now_ms;
	if (other_flow || !f->flow[0]) {
		SET(f->flow, known->flow);
	}
	if (back) {
		SET(f->called, known->calling);
		return !other_flow;
	}
	SET(f->from, known->from);
	SET(f->to, known->to);
	SET(f->calling, known->calling);
	SET(f->subject, known->subject);
	SET(f->certificate, known->certificate);
	SET(f->serial, known->serial);
	SET(f->issuer, known->issuer);
	set_address(&known->ip, f->address);
	return straight && !other_flow;
}

/* ---- The session ---- */

struct keeper {
	const struct quarantine *q;
	struct input in;
	struct quarantine_intake intake;
};

static int send_answer(int sock, const struct keeper_answer *a)
{
	uint8_t buf[KEEPER_ANSWER];
	int e = keeper_answer_write(a, buf);
	size_t at = 0;
	while (e == 0 && at < sizeof(buf)) {
		ssize_t n = send(sock, buf + at, sizeof(buf) - at, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR) {
			return ERR_CLOSED;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	return e;
}

static int read_facts(struct keeper *k, struct facts *ret_facts)
{
	struct span head;
	uint8_t version = 0;
	uint32_t n = 0;
	int e = input_exactly(&k->in, KEEPER_HEAD, &head);
	if (e != 0) {
		return e;
	}
	struct reader r = reader_of(head);
	e = reader_u8(&r, &version);
	e = GET(e, reader_u32be, &r, &n);
	if (e != 0 || version != KEEPER_VERSION || n > FACTS_MOST) {
		return ERR_PEER;
	}
	struct span bytes;
	e = input_exactly(&k->in, n, &bytes);
	if (e != 0) {
		return e;
	}
	e = facts_read(bytes, ret_facts);
	return e == 0 || e == ERR_NO_MEMORY ? e : ERR_PEER;
}

/* One piece. *ret_more: it was not the end. */
static int take_piece(struct keeper *k, bool *ret_more)
{
	struct span head, part;
	uint32_t n = 0;
	int e = input_exactly(&k->in, 4, &head);
	if (e != 0) {
		return e;
	}
	struct reader r = reader_of(head);
	e = reader_u32be(&r, &n);
	if (e != 0 || n > KEEPER_PIECE) {
		return ERR_PEER;
	}
	*ret_more = n > 0;
	while (e == 0 && n > 0) {
		e = input_some(&k->in, n, &part);
		e = e == 0 ? quarantine_write(&k->intake, part) : e;
		n -= e == 0 ? (uint32_t)part.len : 0;
	}
	return e;
}

static void failed(struct keeper_answer *a, int e, const char *why)
{
	*a = (struct keeper_answer){.result = e == ERR_SPACE ? KEEPER_FULL : KEEPER_FAILED};
	snprintf(a->why, sizeof(a->why), "%s", why);
}

static int take_object(struct keeper *k, const struct facts *f, struct keeper_answer *a)
{
	struct quarantine_kept kept;
	bool more = true;
	int e = quarantine_begin(k->q, f, &k->intake);
	if (e != 0) {
		failed(a, e, err_str(e));
		return 0;
	}
	while (e == 0 && more) {
		e = take_piece(k, &more);
	}
	if (e == ERR_CLOSED || e == ERR_PEER) {
		quarantine_drop(&k->intake);
		return e;
	}
	if (e != 0) {
		quarantine_drop(&k->intake);
		failed(a, e, err_str(e));
		return 0;
	}
	e = quarantine_finish(&k->intake, clock_wall_ms(), f->refusal, &kept);
	if (e != 0) {
		failed(a, e, k->intake.full_why);
		return 0;
	}
	*a = (struct keeper_answer){
		.result = kept.is_new ? KEEPER_NEW : KEEPER_SEEN, .number = kept.number, .count = kept.count};
	return 0;
}

int keeper_run(
	int sock, const struct quarantine *q, const struct msg_keeping *known, struct keeper_session *ret)
{
	struct keeper *k = calloc(1, sizeof(*k));
	*ret = (struct keeper_session){0};
	if (!k) {
		return ERR_NO_MEMORY;
	}
	k->q = q;
	k->in.fd = sock;
	int e = read_facts(k, &ret->facts);
	if (e == 0) {
		ret->disputed = !keeper_vouch(known, clock_wall_ms(), &ret->facts);
		e = take_object(k, &ret->facts, &ret->answer);
	}
	if (e == 0) {
		/* Who has gone meanwhile does not learn of it; the object is kept all the same. */
		(void)!send_answer(sock, &ret->answer);
	}
	explicit_bzero(k, sizeof(*k));
	free(k);
	return e;
}
