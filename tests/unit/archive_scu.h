/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_SCU_H
#define ARCHIVE_SCU_H

#include "net/associate.h"
#include "net/dimse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A blocking SCU for the tests of the folder archive. Any failure fails the test. */

#define SCU_ECHO "1.2.840.10008.1.1"
#define SCU_CT   "1.2.840.10008.5.1.4.1.1.2"
#define SCU_ELE  "1.2.840.10008.1.2.1"
#define SCU_ILE  "1.2.840.10008.1.2"
#define SCU_UID  "1.2.826.0.1.3680043.8.498.1"

static inline void scu_send(int fd, const void *ptr, size_t n)
{
	const uint8_t *p = ptr;
	while (n > 0) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);
		assert_true(r > 0);
		p += r;
		n -= (size_t)r;
	}
}

/* The other end closed before n bytes: how many came. */
static inline size_t scu_recv(int fd, void *ptr, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ssize_t r = read(fd, (uint8_t *)ptr + done, n - done);
		if (r <= 0) {
			break;
		}
		done += (size_t)r;
	}
	return done;
}

/* A PDU. Returns its type, 0 at the end of the stream. */
static inline uint8_t scu_pdu(int fd, uint8_t *body, size_t cap, size_t *ret_len)
{
	uint8_t head[PDU_HEAD];
	struct pdu_head h;
	size_t n = scu_recv(fd, head, sizeof(head));
	if (n == 0) {
		return 0;
	}
	struct reader r = reader_of(span_of(head, n));
	assert_int_equal(pdu_read_head(&r, &h), 0);
	assert_true(h.len <= cap);
	assert_int_equal(scu_recv(fd, body, h.len), h.len);
	*ret_len = h.len;
	return h.type;
}

/* Contexts 1, 3, 5 … with these abstract syntaxes, each with the same transfer syntaxes. */
struct scu_offer {
	const char *abstract[8];
	const char *transfer[4];
};

static inline void scu_request(int fd, const struct scu_offer *offer)
{
	static struct associate a;
	static uint8_t buf[65536];
	memset(&a, 0, sizeof(a));
	a.protocol_version = 1;
	snprintf(a.calling, sizeof(a.calling), "CT1");
	snprintf(a.called, sizeof(a.called), "ARCHIVE");
	a.application_context = span_str("1.2.840.10008.3.1.1.1");
	a.implementation_class = span_str("1.2.3");
	a.has_max_pdu = true;
	a.max_pdu = 16384;
	for (unsigned i = 0; i < ARRAY_LEN(offer->abstract) && offer->abstract[i]; i++) {
		struct context *c = &a.contexts[a.n_contexts++];
		c->id = (uint8_t)(2 * i + 1);
		c->abstract = span_str(offer->abstract[i]);
		for (unsigned t = 0; t < ARRAY_LEN(offer->transfer) && offer->transfer[t]; t++) {
			c->transfer[c->n_transfer++] = span_str(offer->transfer[t]);
		}
	}
	struct writer w = writer_of(buf, sizeof(buf));
	assert_int_equal(associate_write(PDU_ASSOCIATE_RQ, &a, &w), 0);
	scu_send(fd, buf, w.len);
}

/* The answer; it lives until the next call. */
static inline const struct associate *scu_open(int fd, const struct scu_offer *offer)
{
	static struct associate ac;
	static uint8_t body[65536];
	size_t n = 0;
	scu_request(fd, offer);
	assert_int_equal(scu_pdu(fd, body, sizeof(body), &n), PDU_ASSOCIATE_AC);
	assert_int_equal(associate_read(span_of(body, n), PDU_ASSOCIATE_AC, 0, &ac, NULL), 0);
	return &ac;
}

static inline void scu_pdv(int fd, uint8_t context, bool command, bool last, struct span bytes)
{
	uint8_t heads[12];
	pdv_write_heads(heads, (uint32_t)bytes.len, context, command, last);
	scu_send(fd, heads, sizeof(heads));
	scu_send(fd, bytes.ptr, bytes.len);
}

static inline void scu_command(int fd, uint8_t context, const struct command *c)
{
	uint8_t set[2048];
	struct writer w = writer_of(set, sizeof(set));
	assert_int_equal(command_write(c, &w), 0);
	scu_pdv(fd, context, true, true, writer_span_of(&w));
}

static inline struct command scu_store_rq(const char *sop_class, const char *instance)
{
	return (struct command){.field = C_STORE_RQ,
		.has = HAS_AFFECTED_SOP_CLASS | HAS_AFFECTED_SOP_INSTANCE | HAS_MESSAGE_ID | HAS_PRIORITY |
	               HAS_DATA_SET_TYPE,
		.message_id = 7,
		.data_set_type = COMMAND_DATA_SET,
		.affected_sop_class = span_str(sop_class),
		.affected_sop_instance = span_str(instance)};
}

/* The status of the response on this context; ret_comment may be NULL. */
static inline uint16_t scu_status(int fd, uint8_t context, uint16_t field, char ret_comment[65])
{
	uint8_t body[4096];
	size_t n = 0;
	struct pdv_head pdv;
	struct command c;
	assert_int_equal(scu_pdu(fd, body, sizeof(body), &n), PDU_P_DATA_TF);
	struct reader r = reader_of(span_of(body, n));
	assert_int_equal(pdv_read_head(&r, &pdv), 0);
	assert_true(pdv.command && pdv.last);
	assert_int_equal(pdv.context, context);
	assert_int_equal(command_read(span_of(body + PDU_HEAD, n - PDU_HEAD), 0, &c, NULL), 0);
	assert_int_equal(c.field, field);
	assert_int_equal(c.message_id_responded, 7);
	if (ret_comment) {
		memcpy(ret_comment, c.error_comment, sizeof(c.error_comment));
	}
	return c.status;
}

/* An object in two fragments. */
static inline uint16_t scu_store(int fd, uint8_t context, const char *instance, const char *data)
{
	struct command c = scu_store_rq(SCU_CT, instance);
	size_t half = strlen(data) / 2;
	scu_command(fd, context, &c);
	scu_pdv(fd, context, false, false, span_of(data, half));
	scu_pdv(fd, context, false, true, span_str(data + half));
	return scu_status(fd, context, C_STORE_RSP, NULL);
}

static inline void scu_release(int fd)
{
	uint8_t buf[16];
	size_t n = 0;
	struct writer w = writer_of(buf, sizeof(buf));
	pdu_write_release_rq(&w);
	scu_send(fd, buf, w.len);
	assert_int_equal(scu_pdu(fd, buf, sizeof(buf), &n), PDU_RELEASE_RP);
	assert_int_equal(scu_pdu(fd, buf, sizeof(buf), &n), 0);
}

/* The A-ABORT that comes, and the end of the stream after it. */
static inline struct pdu_abort scu_abort(int fd)
{
	uint8_t body[64];
	size_t n = 0;
	struct pdu_abort why = {0};
	assert_int_equal(scu_pdu(fd, body, sizeof(body), &n), PDU_ABORT);
	struct reader r = reader_of(span_of(body, n));
	assert_int_equal(pdu_read_abort(&r, &why, NULL), 0);
	assert_int_equal(scu_pdu(fd, body, sizeof(body), &n), 0);
	return why;
}

#endif
