/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_AUDIT_ENDS_H
#define GATEWAY_AUDIT_ENDS_H

#include "base/clock.h"
#include "gateway/exchange.h"
#include "gateway/hold.h"
#include "gateway/relay.h"
#include "gateway/release.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * What waits for its record: a caller, a target and an auditor, all on socket pairs, and the test says when the auditor
 * answers and what.
 */

#define CT   "1.2.840.10008.5.1.4.1.1.2"
#define FIND "1.2.840.10008.5.1.4.1.2.2.1"

static const char audit_yaml[] = "nodes:\n"
				 "  ct: { ae: [CT], from: [127.0.0.1], transport: plain }\n"
				 "  pacs: { ae: [PACS], address: [\"127.0.0.1:1\"], transport: plain }\n"
				 "listeners:\n"
				 "  - { name: p, address: 127.0.0.1, port: 11112, transport: plain }\n"
				 "flows:\n"
				 "  - { name: all, from: [ct], to: pacs, services: [store, find] }\n";

struct fixture {
	struct association_start start;
	struct association as;
	struct audit audit;
	struct associate rq;
	int caller, target, auditor; /* the far ends */
	struct site *site;
	uint8_t got[1u << 16]; /* what came last at the far end that was read */
	size_t got_len;
	struct audit_event ev; /* that the auditor took last */
	int64_t number;
	uint16_t next_id;
};

static inline void pair(int type, int *ret_near, int *ret_far)
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fd), 0);
	*ret_near = fd[0];
	*ret_far = fd[1];
}

static inline void open_side(struct side *s, int fd, bool requestor)
{
	stream_open(&s->t, fd);
	s->up = true;
	ul_init(&s->ul, requestor);
	s->ul.state = UL_STA6;
}

static struct holds holds;

static inline void *memory(size_t n)
{
	void *p = calloc(1, n);
	assert_non_null(p);
	return p;
}

static inline struct fixture *begin(enum unrecorded unrecorded)
{
	struct fixture *f = memory(sizeof(*f));
	struct mistakes mistakes = {0};
	int near;
	assert_int_equal(site_parse(span_str(audit_yaml), "/etc/gantry.yaml", &f->site, &mistakes), 0);
	mistakes_done(&mistakes);
	f->site->audit.has = true;
	f->site->audit.unrecorded = unrecorded;
	f->site->audit.hold_most = 5;
	f->start.channel = -1;
	f->start.audit = -1;
	f->as.start = &f->start;
	f->as.gate_lost = true;
	f->as.audit = &f->audit;
	f->as.holds = &holds;
	f->as.rq = &f->rq;
	f->as.loss = RULE_UPSTREAM_LOST;
	f->as.site = f->site;
	f->as.caller.calling = "CT";
	f->as.caller.called = "PACS";
	f->as.caller.transport = TRANSPORT_PLAIN;
	f->as.route = (struct route){.from = 0, .to = 1, .flows = {0}, .n_flows = 1};
	f->as.unreported_flow = -1;
	side_init(&f->as.a, "caller", memory(sizeof(struct side_memory)));
	side_init(&f->as.b, "target", memory(sizeof(struct side_memory)));
	pair(SOCK_STREAM, &near, &f->caller);
	open_side(&f->as.a, near, false);
	pair(SOCK_STREAM, &near, &f->target);
	open_side(&f->as.b, near, true);
	pair(SOCK_SEQPACKET, &f->audit.fd, &f->auditor);
	f->as.context[1] = (struct agreed){
		.accepted = true, .abstract = span_str(CT), .transfer = span_str("1.2.840.10008.1.2")};
	f->as.context[3] = (struct agreed){
		.accepted = true, .abstract = span_str(FIND), .transfer = span_str("1.2.840.10008.1.2")};
	return f;
}

static inline void release_memory(struct side *s)
{
	side_close(s);
	free(s->msg.held);
	free((void *)(s->in - offsetof(struct side_memory, in)));
}

static inline void done(struct fixture *f)
{
	release_memory(&f->as.a);
	release_memory(&f->as.b);
	close(f->caller);
	close(f->target);
	close(f->auditor);
	if (f->audit.fd >= 0) {
		close(f->audit.fd);
	}
	site_free(f->site);
	free(f);
}

/* ---- What peers say ---- */

static const char *accession; /* in data sets; NULL: none */

static inline size_t put_command(uint8_t *to, const struct command *c, uint8_t context)
{
	uint8_t bytes[1024];
	struct writer w = writer_of(bytes, sizeof(bytes));
	assert_int_equal(command_write(c, &w), 0);
	pdv_write_heads(to, (uint32_t)w.len, context, true, true);
	memcpy(to + 12, bytes, w.len);
	return 12 + w.len;
}

static inline void put_element(struct writer *w, uint16_t group, uint16_t element, const char *value)
{
	uint8_t head[8] = {(uint8_t)group, (uint8_t)(group >> 8), (uint8_t)element, (uint8_t)(element >> 8),
		(uint8_t)strlen(value)};
	writer_bytes(w, head, sizeof(head));
	writer_bytes(w, value, strlen(value));
}

static inline size_t put_data(uint8_t *to, uint8_t context, const char *patient, const char *study)
{
	uint8_t bytes[512];
	struct writer w = writer_of(bytes, sizeof(bytes));
	if (accession) {
		put_element(&w, 0x8, 0x50, accession);
	}
	put_element(&w, 0x10, 0x20, patient);
	put_element(&w, 0x20, 0xD, study);
	put_element(&w, 0x20, 0xE, "1.22");
	put_element(&w, 0x28, 0x10, "pixels");
	assert_int_equal(writer_end(&w), 0);
	pdv_write_heads(to, (uint32_t)w.len, context, false, true);
	memcpy(to + 12, bytes, w.len);
	return 12 + w.len;
}

static inline size_t put_object(struct fixture *f, uint8_t *to, const char *patient, const char *study)
{
	const struct command c = {.field = C_STORE_RQ,
		.message_id = ++f->next_id,
		.data_set_type = COMMAND_DATA_SET,
		.affected_sop_class = span_str(CT),
		.affected_sop_instance = span_str("1.2.3")};
	size_t n = put_command(to, &c, 1);
	return n + put_data(to + n, 1, patient, study);
}

/* As the loop does: read, relay, answer what is owed, flush. */
static inline void turn(struct fixture *f)
{
	struct side *sides[] = {&f->as.a, &f->as.b};
	struct parse_fail fail = {0};
	for (unsigned i = 0; i < 2 && !f->as.over; i++) {
		struct side *s = sides[i], *to = sides[!i];
		if (s->up && (!to->out.borrows || (side_barred(to) && audit_wants_more(&f->as, s)))) {
			int e = side_fill(s, to->out.borrows);
			assert_true(e == 0 || e == ERR_AGAIN || e == ERR_SPACE);
		}
		if (s->up) {
			assert_int_equal(relay_take(&f->as, s, &fail), ERR_AGAIN);
		}
		exchange_owed(&f->as);
		for (unsigned k = 0; k < 2; k++) {
			if (sides[k]->up) {
				int e = side_flush(sides[k]);
				assert_true(e == 0 || e == ERR_AGAIN);
			}
		}
	}
}

static inline void says(struct fixture *f, int fd, const uint8_t *bytes, size_t len)
{
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	turn(f);
}

static inline void store(struct fixture *f, const char *patient, const char *study)
{
	uint8_t wire[1024];
	says(f, f->caller, wire, put_object(f, wire, patient, study));
}

/* What is there, of whole PDUs; their number. */
static inline unsigned came(struct fixture *f, int fd)
{
	ssize_t n;
	unsigned pdus = 0;
	struct pdu_head h;
	f->got_len = 0;
	while ((n = read(fd, f->got + f->got_len, sizeof(f->got) - f->got_len)) > 0) {
		f->got_len += (size_t)n;
	}
	struct reader r = reader_of(span_of(f->got, f->got_len));
	while (reader_left(&r) > 0) {
		assert_int_equal(pdu_read_head(&r, &h), 0);
		assert_int_equal(reader_skip(&r, h.len), 0);
		pdus++;
	}
	return pdus;
}

static inline uint8_t last_pdu(const struct fixture *f)
{
	struct reader r = reader_of(span_of(f->got, f->got_len));
	struct pdu_head h = {0};
	while (reader_left(&r) > 0 && pdu_read_head(&r, &h) == 0 && reader_skip(&r, h.len) == 0) {
	}
	return (uint8_t)h.type;
}

/* The status of the only response that came at the caller. */
static inline uint16_t status_at_caller(struct fixture *f)
{
	struct parse_fail fail;
	struct command c;
	assert_int_equal(came(f, f->caller), 1);
	assert_int_equal(command_read(span_of(f->got + 12, f->got_len - 12), 0, &c, &fail), 0);
	return c.status;
}

static inline void target_answers(struct fixture *f, uint16_t id, uint16_t status)
{
	uint8_t wire[1024];
	struct command rq = {.field = C_STORE_RQ, .message_id = id, .has = HAS_MESSAGE_ID}, rsp;
	rq.affected_sop_class = span_str(CT);
	command_make_response(&rq, status, "", &rsp);
	says(f, f->target, wire, put_command(wire, &rsp, 1));
}

/* ---- The auditor ---- */

/* Its next event; *ret_last: and all is told. False: none has come. */
static inline bool told_last(struct fixture *f, bool *ret_last)
{
	static struct message m;
	if (message_recv(f->auditor, FROM_TELLER, &m) != 0) {
		return false;
	}
	*ret_last = m.type == MSG_LAST_EVENT;
	assert_int_equal(audit_event_read(m.bytes, &f->ev), 0);
	f->number = m.number;
	return true;
}

static inline bool told(struct fixture *f)
{
	bool last = false;
	return told_last(f, &last) && !last;
}

static inline void answers(struct fixture *f, int64_t number)
{
	const struct message m = {.type = MSG_RECORDED, .fd = -1, .number = number};
	assert_int_equal(message_send(f->auditor, &m), 0);
	audit_take(&f->as);
	turn(f);
}

static inline void tries_again(struct fixture *f)
{
	f->audit.retry_ms = 0;
	audit_take(&f->as);
}

static inline void event_is(const struct fixture *f, enum audit_kind kind, const char *patient)
{
	assert_int_equal(f->ev.kind, kind);
	assert_string_equal(f->ev.patient_id, patient);
}

#endif
