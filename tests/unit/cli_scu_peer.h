/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SCU_PEER_H
#define CLI_SCU_PEER_H

#include "base/limits.h"
#include "net/associate.h"
#include "net/dimse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A node, in a process of its own for each association; what it saw lies in memory that is shared with the test. */

#define MOST 400
#define CT   "1.2.840.10008.5.1.4.1.1.2"
#define ILE  "1.2.840.10008.1.2"
#define ELE  "1.2.840.10008.1.2.1"

enum trick {
	TRICK_NONE,
	TRICK_REJECT,       /* the association */
	TRICK_HANG_UP,      /* before it is answered */
	TRICK_NO_DICOM,     /* something else comes */
	TRICK_HUGE,         /* an answer that is longer than may be */
	TRICK_TINY_PDUS,    /* and none that could carry a byte */
	TRICK_ABORT,        /* in place of a response */
	TRICK_CLOSE_HALF,   /* when a part of the object has come */
	TRICK_OTHER_ID,     /* the response to another request */
	TRICK_OTHER_FIELD,  /* a response of another kind */
	TRICK_DATA_SET,     /* a data set where the response should be */
	TRICK_CUT_RESPONSE, /* a command set that ends in its midst */
	TRICK_SPLIT,        /* the response in fragments of two bytes */
};

/* What the node does; inherited by its processes. */
static struct {
	enum trick trick;
	unsigned at_association; /* the trick is done in that one, from 0; ~0u: in each */
	unsigned at_object;      /* of the association */
	uint32_t max_pdu;
	const char *refused; /* transfer syntax of contexts that are not accepted */
	uint16_t status;
	const char *comment;
} node;

static struct seen {
	unsigned associations, objects, releases;
	unsigned contexts[MOST];
	uint32_t longest; /* P-DATA-TF PDU's length */
	char called[AE_SIZE], calling[AE_SIZE];
	struct {
		char instance[65], sop_class[65], syntax[65];
		uint64_t len;
		uint32_t sum;
	} object[MOST];
} * seen;

/* ---- The node ---- */

struct peer {
	int fd;
	bool tricks; /* in this association */
	struct associate rq;
	uint8_t rq_body[LIMIT_ASSOCIATE_PDU];
	uint8_t command[4096];
	size_t command_len;
	struct command c;
	unsigned n; /* objects */
	uint64_t len;
	uint32_t sum;
};

static void must(bool fact)
{
	if (!fact) {
		_exit(3);
	}
}

static void give(struct peer *p, const void *bytes, size_t n)
{
	must(send(p->fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n);
}

static bool take(struct peer *p, void *to, size_t n)
{
	return n == 0 || recv(p->fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

static bool take_pdu(struct peer *p, uint8_t *body, size_t cap, struct pdu_head *ret_head)
{
	uint8_t head[PDU_HEAD];
	if (!take(p, head, sizeof(head))) {
		return false;
	}
	struct reader r = reader_of(span_of(head, sizeof(head)));
	must(pdu_read_head(&r, ret_head) == 0 && ret_head->len <= cap);
	return take(p, body, ret_head->len);
}

static void give_abort(struct peer *p)
{
	uint8_t buf[16];
	struct writer w = writer_of(buf, sizeof(buf));
	pdu_write_abort(&w, (struct pdu_abort){.source = 2});
	give(p, buf, w.len);
	_exit(0);
}

/* Instead of an answer to the request. True: there is none of the usual kind. */
static void answer_by_trick(struct peer *p)
{
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	switch (p->tricks ? node.trick : TRICK_NONE) {
	case TRICK_REJECT:
		pdu_write_reject(&w, (struct pdu_reject){1, 1, 7});
		break;
	case TRICK_HANG_UP:
		_exit(0);
	case TRICK_NO_DICOM:
		writer_bytes(&w, "HTTP/1.1 400 Bad Request", 24);
		break;
	case TRICK_HUGE:
		pdu_write_head(&w, PDU_ASSOCIATE_AC, 0x10000000);
		break;
	default:
		return;
	}
	give(p, buf, w.len);
	_exit(0);
}

static void answer_request(struct peer *p)
{
	static struct associate ac;
	static uint8_t buf[LIMIT_ASSOCIATE_PDU];
	struct pdu_head head;
	struct writer w = writer_of(buf, sizeof(buf));
	must(take_pdu(p, p->rq_body, sizeof(p->rq_body), &head) && head.type == PDU_ASSOCIATE_RQ);
	must(associate_read(span_of(p->rq_body, head.len), PDU_ASSOCIATE_RQ, 0, &p->rq, NULL) == 0);
	must(seen->associations < MOST);
	seen->contexts[seen->associations++] = p->rq.n_contexts;
	memcpy(seen->called, p->rq.called, AE_SIZE);
	memcpy(seen->calling, p->rq.calling, AE_SIZE);
	answer_by_trick(p);
	ac = p->rq;
	ac.has_max_pdu = true;
	ac.max_pdu = p->tricks && node.trick == TRICK_TINY_PDUS ? 8 : node.max_pdu;
	for (unsigned i = 0; i < ac.n_contexts; i++) {
		struct context *c = &ac.contexts[i];
		must(c->n_transfer == 1);
		c->result = node.refused && span_eq(c->transfer[0], span_str(node.refused)) ? 4 : 0;
		c->n_transfer = c->result == 0;
		c->abstract = (struct span){0};
	}
	must(associate_write(PDU_ASSOCIATE_AC, &ac, &w) == 0 && writer_end(&w) == 0);
	give(p, buf, w.len);
}

static void give_set(
	struct peer *p, uint8_t context, bool command, const uint8_t *set, size_t n, size_t piece)
{
	for (size_t at = 0; at < n; at += piece) {
		uint8_t heads[12];
		size_t some = n - at < piece ? n - at : piece;
		pdv_write_heads(heads, (uint32_t)some, context, command, at + some == n);
		give(p, heads, sizeof(heads));
		give(p, set + at, some);
	}
}

static void answer_object(struct peer *p, uint8_t context)
{
	uint8_t set[1024];
	enum trick trick = p->tricks && p->n == node.at_object ? node.trick : TRICK_NONE;
	struct writer w = writer_of(set, sizeof(set));
	struct command rsp = {.field = trick == TRICK_OTHER_FIELD ? C_ECHO_RSP : C_STORE_RSP,
		.has = HAS_ERROR_COMMENT,
		.message_id_responded = (uint16_t)(p->c.message_id + (trick == TRICK_OTHER_ID)),
		.data_set_type = COMMAND_NO_DATA_SET,
		.status = node.status,
		.affected_sop_class = p->c.affected_sop_class,
		.affected_sop_instance = p->c.affected_sop_instance};
	snprintf(rsp.error_comment, sizeof(rsp.error_comment), "%s", node.comment ? node.comment : "");
	if (trick == TRICK_ABORT) {
		give_abort(p);
	}
	must(command_write(&rsp, &w) == 0 && writer_end(&w) == 0);
	size_t n = trick == TRICK_CUT_RESPONSE ? w.len - 3 : w.len;
	give_set(p, context, trick != TRICK_DATA_SET, set, n, trick == TRICK_SPLIT ? 2 : n);
	p->n++;
}

static void text_of(struct span s, char to[65])
{
	snprintf(to, 65, "%.*s", (int)s.len, (const char *)s.ptr);
}

static void note_object(struct peer *p, uint8_t context)
{
	const struct context *c = &p->rq.contexts[context / 2];
	unsigned k = seen->objects++;
	must(k < MOST && c->id == context);
	must(span_eq(c->abstract, p->c.affected_sop_class));
	text_of(p->c.affected_sop_instance, seen->object[k].instance);
	text_of(p->c.affected_sop_class, seen->object[k].sop_class);
	text_of(c->transfer[0], seen->object[k].syntax);
	seen->object[k].len = p->len;
	seen->object[k].sum = p->sum;
}

static void take_piece(struct peer *p, const struct pdv_head *h, struct span piece)
{
	if (h->command) {
		must(piece.len <= sizeof(p->command) - p->command_len);
		memcpy(p->command + p->command_len, piece.ptr, piece.len);
		p->command_len += piece.len;
		if (h->last) {
			must(command_read(span_of(p->command, p->command_len), 0, &p->c, NULL) == 0);
			must(p->c.field == C_STORE_RQ);
		}
		return;
	}
	p->len += piece.len;
	for (size_t i = 0; i < piece.len; i++) {
		p->sum = p->sum * 31 + piece.ptr[i];
	}
	if (p->tricks && node.trick == TRICK_CLOSE_HALF && p->n == node.at_object) {
		_exit(0);
	}
	if (h->last) {
		note_object(p, h->context);
		answer_object(p, h->context);
		p->command_len = 0;
		p->len = p->sum = 0;
	}
}

static void be_peer(int fd)
{
	static struct peer p;
	static uint8_t body[1u << 20];
	struct pdu_head head;
	p.fd = fd;
	p.tricks = node.at_association == ~0u || node.at_association == seen->associations;
	answer_request(&p);
	while (take_pdu(&p, body, sizeof(body), &head)) {
		if (head.type == PDU_RELEASE_RQ) {
			uint8_t buf[16];
			struct writer w = writer_of(buf, sizeof(buf));
			pdu_write_release_rp(&w);
			give(&p, buf, w.len);
			seen->releases++;
			_exit(0);
		}
		must(head.type == PDU_P_DATA_TF);
		seen->longest = head.len > seen->longest ? head.len : seen->longest;
		struct reader r = reader_of(span_of(body, head.len));
		while (reader_left(&r) > 0) {
			struct pdv_head h;
			struct span piece;
			must(pdv_read_head(&r, &h) == 0 && reader_bytes(&r, h.len - 2, &piece) == 0);
			take_piece(&p, &h, piece);
		}
	}
	_exit(0);
}

static pid_t last_peer;

/* The peer before this one has ended, or failed. */
static void reap(void)
{
	int status = -1;
	pid_t pid = last_peer;
	last_peer = 0;
	if (pid > 0) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

static int opened(void *arg, int *ret_fd)
{
	int pair[2];
	(void)arg;
	reap();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	last_peer = fork();
	assert_true(last_peer >= 0);
	if (last_peer == 0) {
		close(pair[0]);
		be_peer(pair[1]);
	}
	close(pair[1]);
	*ret_fd = pair[0];
	return 0;
}

#endif
