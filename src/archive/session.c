/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/session.h"
#include "archive/input.h"
#include "archive/intake.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "dicom/implementation.h"
#include "dicom/service.h"
#include "net/associate.h"
#include "net/dimse.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Statuses of PS3.7 Annex C and PS3.4 B.2.3. */
#define STATUS_CLASS_NOT_SUPPORTED 0x0122
#define STATUS_OUT_OF_RESOURCES    0xA700
#define STATUS_CANNOT_UNDERSTAND   0xC000

#define RESPONSE_MOST              2048 /* bytes of a response's command set: UIDs and a comment */
#define LAST_WORD_MS               2000 /* that the other end may take to read our abort */

/* What the message is about whose bytes are being read. */
enum expect { EXPECT_COMMAND, EXPECT_DATA };

struct session {
	int sock;
	const struct folder *folder;
	struct input in;
	uint8_t *request;            /* A-ASSOCIATE-RQ's body; what associate borrows */
	struct associate *associate; /* as answered; the abstract syntaxes still stand in it */
	enum expect expect;
	uint8_t context; /* of the message, 0 between messages */
	size_t command_len;
	uint8_t command_buf[LIMIT_COMMAND_SET];
	struct command command; /* borrows command_buf */
	bool storing;           /* intake is open */
	struct intake intake;
	uint64_t data_bytes;
	uint16_t status; /* what the request will be answered */
	char comment[65];
	int64_t began_ms;
};

static void free_bytes(uint8_t **bytes)
{
	free(*bytes);
}

static int send_bytes(int sock, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t n = send(sock, bytes.ptr, bytes.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : ERR_SYSTEM;
		}
		bytes.ptr += n;
		bytes.len -= (size_t)n;
	}
	return 0;
}

/* Closing with bytes unread would reset the socket, and take the abort with it: read what is on its way, to a limit. */
static void last_word(int sock)
{
	static uint8_t dropped[4096];
	(void)shutdown(sock, SHUT_WR);
	for (size_t n = 0; n < LIMIT_ASSOCIATE_PDU; n += sizeof(dropped)) {
		struct pollfd p = {.fd = sock, .events = POLLIN};
		if (poll(&p, 1, LAST_WORD_MS) <= 0 || read(sock, dropped, sizeof(dropped)) <= 0) {
			return;
		}
	}
}

static int send_abort(struct session *s, const struct parse_fail *fail)
{
	uint8_t buf[16];
	struct writer w = writer_of(buf, sizeof(buf));
	pdu_write_abort(&w, pdu_abort_for(fail));
	log_event(LOG_LEVEL_WARNING, "archive.aborted", "The association broke the protocol and was aborted.",
		LOG_TEXT("error", err_str(fail->code)), LOG_TEXT("spec", fail->spec));
	int r = send_bytes(s->sock, writer_span_of(&w));
	last_word(s->sock);
	return r < 0 ? r : fail->code;
}

static int broken(struct session *s, int code, const char *spec)
{
	return send_abort(s, &(struct parse_fail){.code = code, .spec = spec});
}

/* Our storage is no SOP class's alone: a private one is kept as any other. */
static bool is_ours(struct span sop_class)
{
	const unsigned ours = SERVICE_BIT(SERVICE_ECHO) | SERVICE_BIT(SERVICE_STORE);
	return !uid_find(sop_class) || (service_of_sop_class(sop_class) & ours) != 0;
}

/* Turn the request into its answer: PS3.8 9.3.3. Sub-items that are left out mean their defaults (PS3.7 D.3.3). */
static void answer(struct associate *a)
{
	for (unsigned i = 0; i < a->n_contexts; i++) {
		a->contexts[i].result = is_ours(a->contexts[i].abstract) ? 0 : 3;
		a->contexts[i].n_transfer = 1;
	}
	a->protocol_version = 1;
	a->has_max_pdu = true;
	a->max_pdu = LIMIT_MAX_PDU;
	a->implementation_class = span_str(GANTRY_IMPLEMENTATION_CLASS);
	snprintf(a->implementation_version, sizeof(a->implementation_version), "%s",
		GANTRY_IMPLEMENTATION_VERSION);
	a->async = (struct async_window){.has = false};
	/* PS3.15 B.4: a user name need not be verified, and is answered where an answer was asked for. */
	bool answer = a->identity.has && a->identity.response_requested && a->identity.type <= 2;
	a->identity = (struct identity){.has = answer};
	a->n_roles = a->n_extended = a->n_common_extended = 0;
}

static int read_request(struct session *s, uint32_t len)
{
	if (len > LIMIT_ASSOCIATE_PDU) {
		return broken(s, ERR_LIMIT, "PS3.8 9.3.2");
	}
	s->request = malloc(len + 1);
	s->associate = malloc(sizeof(*s->associate));
	if (!s->request || !s->associate) {
		return ERR_NO_MEMORY;
	}
	for (size_t at = 0; at < len;) {
		struct span part;
		int r = input_some(&s->in, len - at, &part);
		if (r < 0) {
			return r;
		}
		memcpy(s->request + at, part.ptr, part.len);
		at += part.len;
	}
	struct parse_fail fail = {0};
	int r = associate_read(span_of(s->request, len), PDU_ASSOCIATE_RQ, 0, s->associate, &fail);
	return r < 0 ? send_abort(s, &fail) : 0;
}

/* The first PDU: A-ASSOCIATE-RQ. */
static int open_association(struct session *s)
{
	struct span head_bytes;
	struct pdu_head head = {0};
	int r = input_exactly(&s->in, PDU_HEAD, &head_bytes);
	if (r < 0) {
		return r;
	}
	struct reader reader = reader_of(head_bytes);
	r = pdu_read_head(&reader, &head);
	if (r < 0 || head.type != PDU_ASSOCIATE_RQ) {
		return broken(s, r < 0 ? r : ERR_ORDER, "PS3.8 9.2.3");
	}
	r = read_request(s, head.len);
	if (r < 0) {
		return r;
	}
	uint32_t peer_max = s->associate->max_pdu;
	answer(s->associate);
	CLEANUP(free_bytes) uint8_t *buf = malloc(LIMIT_ASSOCIATE_PDU);
	if (!buf) {
		return ERR_NO_MEMORY;
	}
	struct writer w = writer_of(buf, LIMIT_ASSOCIATE_PDU);
	r = associate_write(PDU_ASSOCIATE_AC, s->associate, &w);
	s->associate->max_pdu = peer_max;
	return r < 0 ? r : send_bytes(s->sock, writer_span_of(&w));
}

/* The accepted context of this identifier, or NULL. */
static const struct context *context_of(const struct session *s, uint8_t id)
{
	for (unsigned i = 0; i < s->associate->n_contexts; i++) {
		const struct context *c = &s->associate->contexts[i];
		if (c->id == id && c->result == 0) {
			return c;
		}
	}
	return NULL;
}

static int respond(struct session *s)
{
	struct command response;
	uint8_t set[RESPONSE_MOST], out[RESPONSE_MOST + 12];
	struct writer w = writer_of(set, sizeof(set));
	command_make_response(&s->command, s->status, s->comment, &response);
	int r = command_write(&response, &w);
	/* A PDU of the peer's maximum at a time, and a useful one if it named fewer bytes than a head has. */
	size_t most = s->associate->max_pdu > 12 ? s->associate->max_pdu - PDU_HEAD : sizeof(set);
	for (size_t at = 0; r == 0 && at < w.len;) {
		size_t n = w.len - at < most ? w.len - at : most;
		pdv_write_heads(out, (uint32_t)n, s->context, true, at + n == w.len);
		memcpy(out + 12, set + at, n);
		r = send_bytes(s->sock, span_of(out, 12 + n));
		at += n;
	}
	s->context = 0;
	s->command_len = 0;
	s->expect = EXPECT_COMMAND;
	return r;
}

static void uid_text(struct span uid, char ret_text[UID_MAX + 1])
{
	size_t n = uid.len < UID_MAX ? uid.len : UID_MAX;
	memcpy(ret_text, uid.ptr, n);
	ret_text[n] = '\0';
}

/* One line an object. */
static void log_object(const struct session *s, const char *event, enum log_level level, const char *sentence,
	const char *file, const char *error)
{
	char sop_class[UID_MAX + 1], instance[UID_MAX + 1], syntax[UID_MAX + 1];
	uid_text(s->command.affected_sop_class, sop_class);
	uid_text(s->command.affected_sop_instance, instance);
	uid_text(context_of(s, s->context)->transfer[0], syntax);
	log_event(level, event, sentence, LOG_TEXT("sop_class", sop_class), LOG_TEXT("instance", instance),
		LOG_TEXT("transfer_syntax", syntax), LOG_NUMBER("bytes", (int64_t)s->data_bytes),
		LOG_NUMBER("ms", clock_mono_ms() - s->began_ms), LOG_TEXT("file", file),
		LOG_TEXT("error", error), LOG_TEXT("calling", s->associate->calling));
}

/* The object cannot be kept. What comes of it is read and dropped, and then answered. */
static void fail_store(struct session *s, int error)
{
	const char *text = error == ERR_SPACE || error == ERR_SYSTEM ? strerror(errno) : err_str(error);
	if (s->storing) {
		intake_drop(&s->intake);
		s->storing = false;
	}
	s->status = STATUS_OUT_OF_RESOURCES;
	snprintf(s->comment, sizeof(s->comment), "Archive folder: %s", text);
	log_object(s, "archive.failed", LOG_LEVEL_ERROR, "An object could not be stored.", "", text);
}

static void finish_store(struct session *s)
{
	char file[INTAKE_NAME];
	enum intake_result result;
	int r = intake_finish(&s->intake, &result, file);
	s->storing = false;
	if (r < 0) {
		fail_store(s, r);
	} else if (result == INTAKE_SAME) {
		log_object(
			s, "archive.same", LOG_LEVEL_INFO, "An object came that is there already.", file, "");
	} else if (result == INTAKE_MADE_AGAIN) {
		log_object(s, "archive.same", LOG_LEVEL_INFO,
			"An object came that is there already, signed at another time by the same, or with its originals encrypted anew. The one that is there stays.",
			file, "");
	} else if (result == INTAKE_CONFLICT) {
		log_object(s, "archive.conflict", LOG_LEVEL_WARNING,
			"An object came whose UID another object has. It is kept beside the other.", file,
			"");
	} else {
		log_object(s, "archive.stored", LOG_LEVEL_INFO, "An object was stored.", file, "");
	}
}

static void begin_store(struct session *s, const struct context *context)
{
	struct part10_meta meta = {.sop_class = s->command.affected_sop_class,
		.sop_instance = s->command.affected_sop_instance,
		.transfer_syntax = context->transfer[0],
		.implementation_class = span_str(GANTRY_IMPLEMENTATION_CLASS)};
	snprintf(meta.implementation_version, sizeof(meta.implementation_version), "%s",
		GANTRY_IMPLEMENTATION_VERSION);
	snprintf(meta.source_ae, sizeof(meta.source_ae), "%s", s->associate->calling);
	int r = intake_begin(s->folder, &meta, &s->intake);
	s->storing = r == 0;
	if (r < 0) {
		fail_store(s, r);
	}
}

static void refuse(struct session *s, uint16_t status, const char *comment)
{
	s->status = status;
	snprintf(s->comment, sizeof(s->comment), "%s", comment);
}

/* A request has come whole, its data set apart: decide, and begin what needs the data set. */
static void begin_request(struct session *s, const struct context *context)
{
	const struct command *c = &s->command;
	bool echo = span_eq(context->abstract, span_str("1.2.840.10008.1.1"));
	s->status = STATUS_SUCCESS;
	s->comment[0] = '\0';
	s->data_bytes = 0;
	s->began_ms = clock_mono_ms();
	if (c->field != C_ECHO_RQ && c->field != C_STORE_RQ) {
		refuse(s, STATUS_UNRECOGNIZED, "The archive folder does echo and store alone");
	} else if ((c->field == C_ECHO_RQ) != echo || !span_eq(c->affected_sop_class, context->abstract)) {
		refuse(s, STATUS_CLASS_NOT_SUPPORTED, "Not the SOP class of this presentation context");
	} else if (c->field == C_STORE_RQ) {
		begin_store(s, context);
	}
}

static int end_command(struct session *s)
{
	struct parse_fail fail = {0};
	int r = command_read(span_of(s->command_buf, s->command_len), 0, &s->command, &fail);
	if (r < 0) {
		return send_abort(s, &fail);
	}
	if (command_is_response(s->command.field)) {
		return broken(s, ERR_ORDER, "PS3.7 9.3");
	}
	if (s->command.field == C_CANCEL_RQ) {
		/* Too late for whatever it names: each request is answered before the next is read. */
		s->context = 0;
		s->command_len = 0;
		return 0;
	}
	begin_request(s, context_of(s, s->context));
	if (!command_has_data_set(&s->command)) {
		return respond(s);
	}
	s->expect = EXPECT_DATA;
	return 0;
}

static int end_data(struct session *s)
{
	if (s->storing && s->data_bytes == 0) {
		intake_drop(&s->intake);
		s->storing = false;
		refuse(s, STATUS_CANNOT_UNDERSTAND, "The data set is empty");
	}
	if (s->storing) {
		finish_store(s);
	}
	return respond(s);
}

static int take_payload(struct session *s, const struct pdv_head *pdv, uint32_t left)
{
	if (pdv->command && left > sizeof(s->command_buf) - s->command_len) {
		return broken(s, ERR_LIMIT, "PS3.7 6.3");
	}
	while (left > 0) {
		struct span part;
		int r = input_some(&s->in, left, &part);
		if (r < 0) {
			return r;
		}
		left -= (uint32_t)part.len;
		if (pdv->command) {
			memcpy(s->command_buf + s->command_len, part.ptr, part.len);
			s->command_len += part.len;
			continue;
		}
		s->data_bytes += part.len;
		r = s->storing ? intake_write(&s->intake, part) : 0;
		if (r < 0) {
			fail_store(s, r);
		}
	}
	return 0;
}

/* One PDV of at most *left bytes, which are counted down. */
static int take_pdv(struct session *s, uint32_t *left)
{
	struct span head_bytes;
	struct pdv_head pdv;
	if (*left < PDU_HEAD) {
		return broken(s, ERR_LENGTH, "PS3.8 9.3.5");
	}
	int r = input_exactly(&s->in, PDU_HEAD, &head_bytes);
	if (r < 0) {
		return r;
	}
	struct reader reader = reader_of(head_bytes);
	r = pdv_read_head(&reader, &pdv);
	if (r == 0 && pdv.len > *left - 4) {
		r = ERR_LENGTH;
	}
	if (r < 0) {
		return broken(s, r, "PS3.8 9.3.5.1");
	}
	if (pdv.command != (s->expect == EXPECT_COMMAND) || (s->context != 0 && s->context != pdv.context)) {
		return broken(s, ERR_ORDER, "PS3.8 E.2");
	}
	if (!context_of(s, pdv.context)) {
		return broken(s, ERR_VALUE, "PS3.8 9.3.5.1");
	}
	s->context = pdv.context;
	*left -= 4 + pdv.len;
	r = take_payload(s, &pdv, pdv.len - 2);
	if (r < 0 || !pdv.last) {
		return r;
	}
	return pdv.command ? end_command(s) : end_data(s);
}

static int take_data(struct session *s, uint32_t len)
{
	if (len > LIMIT_MAX_PDU) {
		return broken(s, ERR_LENGTH, "PS3.8 D.1");
	}
	int r = 0;
	while (r == 0 && len > 0) {
		r = take_pdv(s, &len);
	}
	return r;
}

static int take_release(struct session *s, uint32_t len)
{
	struct span body;
	if (len != 4 || s->context != 0) {
		return broken(s, len != 4 ? ERR_LENGTH : ERR_ORDER, "PS3.8 9.3.6");
	}
	int r = input_exactly(&s->in, len, &body);
	if (r < 0) {
		return r;
	}
	uint8_t buf[16];
	struct writer w = writer_of(buf, sizeof(buf));
	pdu_write_release_rp(&w);
	r = send_bytes(s->sock, writer_span_of(&w));
	return r < 0 ? r : 1;
}

/* 0 to go on, 1 when the association is released. */
static int take_pdu(struct session *s)
{
	struct span head_bytes;
	struct pdu_head head;
	int r = input_exactly(&s->in, PDU_HEAD, &head_bytes);
	if (r < 0) {
		return r;
	}
	struct reader reader = reader_of(head_bytes);
	r = pdu_read_head(&reader, &head);
	if (r < 0) {
		return r;
	}
	switch (head.type) {
	case PDU_P_DATA_TF:
		return take_data(s, head.len);
	case PDU_RELEASE_RQ:
		return take_release(s, head.len);
	case PDU_ABORT:
		return ERR_CLOSED;
	case PDU_ASSOCIATE_RQ:
	case PDU_ASSOCIATE_AC:
	case PDU_ASSOCIATE_RJ:
	case PDU_RELEASE_RP:
		return broken(s, ERR_ORDER, "PS3.8 9.2.3");
	default:
		return broken(s, ERR_TYPE, "PS3.8 9.3.1");
	}
}

int session_run(int sock, const struct folder *folder)
{
	struct session *s = calloc(1, sizeof(*s));
	if (!s) {
		return ERR_NO_MEMORY;
	}
	s->sock = s->in.fd = sock;
	s->folder = folder;
	int r = open_association(s);
	while (r == 0) {
		r = take_pdu(s);
	}
	if (s->storing) {
		intake_drop(&s->intake);
		log_object(s, "archive.incomplete", LOG_LEVEL_WARNING,
			"The association ended in the middle of an object. Nothing was kept of it.", "",
			err_str(r));
	}
	free(s->associate);
	free(s->request);
	free(s);
	return r < 0 ? r : 0;
}
