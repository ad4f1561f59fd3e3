/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/scu.h"
#include "base/limits.h"
#include "base/span.h"
#include "base/writer.h"
#include "dicom/implementation.h"
#include "dicom/uid.h"
#include "net/associate.h"
#include "net/dimse.h"
#include "net/pdu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* How long the other end may be silent: an archive may take its time over a large object, and the gateway over a verdict. */
#define SILENCE_S     900

#define MAX_PDU       65536u                  /* what we take; responses are small */
#define FRAGMENT      65536u                  /* what we send in one PDU at most */
#define FAILURES      3                       /* associations in a row that brought nothing there */
#define APPLICATION   "1.2.840.10008.3.1.1.1" /* PS3.7 A.2.1 */
#define HEADS         12
#define CONTEXT_ID(k) ((uint8_t)(2 * (k) + 1)) /* PS3.8 9.3.2.2 */

static volatile sig_atomic_t stopped;

struct pair {
	const char *sop_class, *transfer_syntax;
	bool accepted;
};

struct session {
	int fd;
	uint32_t fragment; /* payload of a PDU at most */
	uint16_t id;
	struct pair pairs[LIMIT_CONTEXTS];
	unsigned n_pairs;
	char why[160];
};

static int say(struct session *s, int e, const char *why)
{
	snprintf(s->why, sizeof(s->why), "%s", why);
	return e;
}

/* ---- Bytes ---- */

static int put(struct session *s, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t r = send(s->fd, p, n, MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR) {
			continue;
		}
		if (r <= 0) {
			return say(s, ERR_CLOSED, "the association was cut while it was being sent");
		}
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int get(struct session *s, uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t r = recv(s->fd, p, n, 0);
		if (r < 0 && errno == EINTR) {
			continue;
		}
		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			return say(s, ERR_TIMEOUT, "no answer came");
		}
		if (r <= 0) {
			return say(s, ERR_CLOSED, "the association was closed without an answer");
		}
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* One PDU; body has MAX_PDU bytes. */
static int get_pdu(struct session *s, uint8_t *body, struct pdu_head *ret_head)
{
	uint8_t head[PDU_HEAD];
	int e = get(s, head, sizeof(head));
	struct reader r = reader_of(span_of(head, sizeof(head)));
	if (e != 0) {
		return e;
	}
	if (pdu_read_head(&r, ret_head) != 0 || ret_head->len > MAX_PDU) {
		return say(s, ERR_PEER, "the answer is not DICOM's");
	}
	return get(s, body, ret_head->len);
}

/* ---- The association ---- */

static int request(struct session *s, const char *calling, const char *called)
{
	static struct associate a;
	static uint8_t buf[LIMIT_ASSOCIATE_PDU + 6];
	struct writer w = writer_of(buf, sizeof(buf));
	memset(&a, 0, sizeof(a));
	a.protocol_version = 1;
	snprintf(a.calling, sizeof(a.calling), "%s", calling);
	snprintf(a.called, sizeof(a.called), "%s", called);
	a.application_context = span_str(APPLICATION);
	a.has_max_pdu = true;
	a.max_pdu = MAX_PDU;
	a.implementation_class = span_str(GANTRY_IMPLEMENTATION_CLASS);
	snprintf(a.implementation_version, sizeof(a.implementation_version), "%s",
		GANTRY_IMPLEMENTATION_VERSION);
	for (unsigned i = 0; i < s->n_pairs; i++) {
		struct context *c = &a.contexts[a.n_contexts++];
		c->id = CONTEXT_ID(i);
		c->abstract = span_str(s->pairs[i].sop_class);
		c->n_transfer = 1;
		c->transfer[0] = span_str(s->pairs[i].transfer_syntax);
	}
	int e = associate_write(PDU_ASSOCIATE_RQ, &a, &w);
	e = e == 0 ? writer_end(&w) : e;
	return e == 0 ? put(s, buf, w.len)
	              : say(s, e, "a title or a UID of the objects is none, and cannot be proposed");
}

static int rejected(struct session *s, const struct pdu_head *head, struct span body)
{
	struct reader r = reader_of(body);
	struct pdu_reject why;
	if (head->type == PDU_ASSOCIATE_RJ && pdu_read_reject(&r, &why, NULL) == 0) {
		snprintf(s->why, sizeof(s->why), "the association was rejected: %s", pdu_reject_str(why));
		return ERR_DENIED;
	}
	return say(s, ERR_PEER, "the association was aborted");
}

static int take_answer(struct session *s)
{
	static struct associate ac;
	static uint8_t body[MAX_PDU];
	struct pdu_head head;
	struct parse_fail fail = {0};
	int e = get_pdu(s, body, &head);
	if (e != 0) {
		return e;
	}
	struct span all = span_of(body, head.len);
	if (head.type != PDU_ASSOCIATE_AC) {
		return rejected(s, &head, all);
	}
	if (associate_read(all, PDU_ASSOCIATE_AC, 0, &ac, &fail) != 0) {
		return say(s, ERR_PEER, "the answer to the association request is malformed");
	}
	for (unsigned i = 0; i < ac.n_contexts; i++) {
		unsigned k = ac.contexts[i].id / 2;
		if (ac.contexts[i].id == CONTEXT_ID(k) && k < s->n_pairs) {
			s->pairs[k].accepted = ac.contexts[i].result == 0;
		}
	}
	uint32_t most = ac.max_pdu == 0 || ac.max_pdu > FRAGMENT ? FRAGMENT : ac.max_pdu;
	if (most < LIMIT_LEAST_PDU) {
		return say(s, ERR_PEER, "the other end takes PDUs that are too small to carry anything");
	}
	s->fragment = (most - 6) & ~1u;
	return 0;
}

/* A release that is not answered is nothing to anybody: each object has had its own answer. PS3.8 9.2 */
static void release(struct session *s)
{
	static uint8_t body[MAX_PDU];
	uint8_t buf[16];
	struct writer w = writer_of(buf, sizeof(buf));
	struct pdu_head head;
	pdu_write_release_rq(&w);
	if (put(s, buf, w.len) == 0) {
		(void)!get_pdu(s, body, &head);
	}
}

/* ---- One object ---- */

static int put_command(struct session *s, const struct scu_object *o, uint8_t context)
{
	static uint8_t set[LIMIT_COMMAND_SET];
	struct writer w = writer_of(set, sizeof(set));
	struct command c = {.field = C_STORE_RQ,
		.message_id = s->id,
		.has = HAS_MESSAGE_ID | HAS_PRIORITY,
		.affected_sop_class = span_str(o->sop_class),
		.affected_sop_instance = span_str(o->sop_instance),
		.data_set_type = COMMAND_DATA_SET};
	if (command_write(&c, &w) != 0 || writer_end(&w) != 0) {
		return say(s, ERR_VALUE, "its SOP class or instance is no UID");
	}
	for (size_t at = 0; at < w.len;) {
		uint8_t heads[HEADS];
		size_t n = w.len - at < s->fragment ? w.len - at : s->fragment;
		pdv_write_heads(heads, (uint32_t)n, context, true, at + n == w.len);
		int e = put(s, heads, sizeof(heads));
		e = e == 0 ? put(s, set + at, n) : e;
		if (e != 0) {
			return e;
		}
		at += n;
	}
	return 0;
}

static bool read_data(const struct scu_object *o, uint64_t at, uint8_t *buf, size_t n)
{
	return o->read ? o->read(o->arg, at, buf, n) == 0 : pread(o->fd, buf, n, (off_t)at) == (ssize_t)n;
}

static int put_data(struct session *s, const struct scu_object *o, uint8_t context)
{
	static uint8_t block[HEADS + FRAGMENT];
	uint64_t left = o->len, at = o->at;
	do {
		size_t n = left < s->fragment ? (size_t)left : s->fragment;
		if (n > 0 && !read_data(o, at, block + HEADS, n)) {
			return say(s, ERR_SYSTEM, "it cannot be read to its end");
		}
		pdv_write_heads(block, (uint32_t)n, context, false, n == left);
		int e = put(s, block, HEADS + n);
		if (e != 0) {
			return e;
		}
		at += n;
		left -= n;
	} while (left > 0);
	return 0;
}

/* The response's command set, which may come in several PDUs. */
static int get_response(struct session *s, struct command *ret_command, uint8_t set[LIMIT_COMMAND_SET])
{
	static uint8_t body[MAX_PDU];
	size_t len = 0;
	for (;;) {
		struct pdu_head head;
		int e = get_pdu(s, body, &head);
		if (e != 0) {
			return e;
		}
		if (head.type != PDU_P_DATA_TF) {
			return say(s, ERR_CLOSED, "the association was aborted before its answer");
		}
		struct reader r = reader_of(span_of(body, head.len));
		while (reader_left(&r) > 0) {
			struct pdv_head h;
			struct span piece;
			if (pdv_read_head(&r, &h) != 0 || reader_bytes(&r, h.len - 2, &piece) != 0 ||
				!h.command || piece.len > LIMIT_COMMAND_SET - len) {
				return say(s, ERR_PEER, "the answer is malformed");
			}
			memcpy(set + len, piece.ptr, piece.len);
			len += piece.len;
			if (h.last) {
				struct parse_fail fail = {0};
				e = command_read(span_of(set, len), 0, ret_command, &fail);
				return e == 0 ? 0 : say(s, ERR_PEER, "the answer is malformed");
			}
		}
	}
}

/* The status, or a negative error: the association is of no use any more. */
static int store_one(struct session *s, const struct scu_object *o, uint8_t context, char comment[65])
{
	static uint8_t set[LIMIT_COMMAND_SET];
	struct command rsp;
	s->id++;
	int e = put_command(s, o, context);
	e = e == 0 ? put_data(s, o, context) : e;
	e = e == 0 ? get_response(s, &rsp, set) : e;
	if (e == 0 && (rsp.field != C_STORE_RSP || rsp.message_id_responded != s->id)) {
		e = say(s, ERR_PEER, "the answer is to another request");
	}
	if (e != 0) {
		return e;
	}
	snprintf(comment, 65, "%s", rsp.error_comment);
	return rsp.status;
}

/* ---- All of them ---- */

static unsigned pair_of(struct session *s, const struct scu_object *o)
{
	unsigned k = 0;
	while (k < s->n_pairs && (strcmp(s->pairs[k].sop_class, o->sop_class) != 0 ||
					 strcmp(s->pairs[k].transfer_syntax, o->transfer_syntax) != 0)) {
		k++;
	}
	if (k == s->n_pairs && k < LIMIT_CONTEXTS) {
		s->pairs[s->n_pairs++] =
			(struct pair){.sop_class = o->sop_class, .transfer_syntax = o->transfer_syntax};
	}
	return k;
}

/* One that no request can name would spoil the association for all others. */
static bool can_be_named(const struct scu_object *o)
{
	return uid_valid(span_str(o->sop_class)) && uid_valid(span_str(o->sop_instance)) &&
	       uid_valid(span_str(o->transfer_syntax));
}

/* How many of them, from the first on, have room in one association. */
static size_t gather(struct session *s, const struct scu_object *objects, size_t n)
{
	size_t i = 0;
	s->n_pairs = 0;
	while (i < n && (!can_be_named(&objects[i]) || pair_of(s, &objects[i]) < LIMIT_CONTEXTS)) {
		i++;
	}
	return i;
}

static int open_session(struct session *s, scu_open *open, void *arg, const char *calling, const char *called)
{
	const struct timeval silence = {.tv_sec = SILENCE_S};
	s->fd = -1;
	s->id = 0;
	if (s->n_pairs == 0) {
		return 0; /* nothing to ask for */
	}
	if (open(arg, &s->fd) != 0) {
		return say(s, ERR_CLOSED, "the other end cannot be reached");
	}
	(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	(void)setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence));
	int e = request(s, calling, called);
	return e == 0 ? take_answer(s) : e;
}

bool scu_is_taken(int status)
{
	enum status_kind kind = status < 0 ? STATUS_KIND_FAILURE : status_kind((uint16_t)status);
	return kind == STATUS_KIND_SUCCESS || kind == STATUS_KIND_WARNING;
}

/* Those of one association. Returns how many were dealt with: fewer than n, if it was lost. */
static size_t send_some(struct session *s, const struct scu_object *objects, size_t first, size_t n,
	scu_told *told, void *arg, size_t *taken)
{
	for (size_t i = 0; i < n; i++) {
		const struct scu_object *o = &objects[i];
		char comment[65] = "";
		if (!can_be_named(o)) {
			told(arg, first + i, ERR_VALUE,
				"its SOP class, instance or transfer syntax is no UID");
			continue;
		}
		if (stopped) {
			release(s);
			return i;
		}
		unsigned k = pair_of(s, o);
		if (!s->pairs[k].accepted) {
			told(arg, first + i, ERR_UNSUPPORTED,
				"the node takes no such objects (their SOP class in their transfer syntax)");
			continue;
		}
		int status = store_one(s, o, CONTEXT_ID(k), comment);
		told(arg, first + i, status, status < 0 ? s->why : comment);
		*taken += scu_is_taken(status);
		if (status < 0) {
			return i + 1;
		}
	}
	if (s->fd >= 0) {
		release(s);
	}
	return n;
}

void scu_stop(void)
{
	stopped = 1;
}

size_t scu_store(scu_open *open, void *arg, const char *calling, const char *called,
	const struct scu_object *objects, size_t n, scu_told *told)
{
	static struct session s;
	size_t done = 0, taken = 0;
	unsigned failures = 0;
	while (done < n && failures < FAILURES && !stopped) {
		size_t before = taken, some = gather(&s, objects + done, n - done);
		int e = open_session(&s, open, arg, calling, called);
		size_t sent = e == 0 ? send_some(&s, objects + done, done, some, told, arg, &taken) : 0;
		failures = e != 0 || (sent < some && taken == before) ? failures + 1 : 0;
		failures = e == ERR_DENIED ? FAILURES : failures;
		done += sent;
		if (s.fd >= 0) {
			close(s.fd);
		}
	}
	for (; done < n; done++) {
		told(arg, done, ERR_CLOSED, stopped ? "it was ended by a signal before" : s.why);
	}
	return taken;
}
