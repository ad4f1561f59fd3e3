/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/link_audit.h"
#include "base/writer.h"
#include "keys/link.h"

#include <poll.h>
#include <sys/socket.h>

static struct span head_of(uint8_t *buf, size_t cap, enum holder_ask what)
{
	struct writer w = writer_of(buf, cap);
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, (uint8_t)what);
	return writer_span_of(&w);
}

/* The answer to what we have stopped waiting for. */
static int throw_away(struct link_audit *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};
	uint8_t ignored;
	if (poll(&p, 1, l->wait_ms) != 1) {
		return ERR_TIMEOUT;
	}
	if (recv(l->fd, &ignored, 1, MSG_DONTWAIT | MSG_TRUNC) <= 0) {
		return ERR_CLOSED;
	}
	l->late = false;
	return 0;
}

static int exchange(struct link_audit *l, struct span head, struct span body, uint8_t *buf, size_t cap,
	struct span *ret_bytes)
{
	int e = l->late ? throw_away(l) : 0;
	e = e == 0 ? link_exchange(l->fd, l->wait_ms, head, body, buf, cap, ret_bytes) : e;
	l->late = l->late || e == ERR_TIMEOUT;
	return e;
}

static int sign(struct link_audit *l, enum holder_ask what, struct span text,
	uint8_t ret_public[ED25519_PUBLIC], uint8_t ret_signature[ED25519_SIGNATURE])
{
	uint8_t head[2], buf[2 + ED25519_PUBLIC + ED25519_SIGNATURE];
	struct span bytes;
	int e = exchange(l, head_of(head, sizeof(head), what), text, buf, sizeof(buf), &bytes);
	if (e < 0) {
		return e;
	}
	if (bytes.len != ED25519_PUBLIC + ED25519_SIGNATURE) {
		return ERR_PEER;
	}
	memcpy(ret_public, bytes.ptr, ED25519_PUBLIC);
	memcpy(ret_signature, bytes.ptr + ED25519_PUBLIC, ED25519_SIGNATURE);
	return 0;
}

int link_audit_checkpoint(struct link_audit *l, struct span text, uint8_t ret_public[ED25519_PUBLIC],
	uint8_t ret_signature[ED25519_SIGNATURE])
{
	return sign(l, ASK_CHECKPOINT, text, ret_public, ret_signature);
}

int link_audit_record(struct link_audit *l, struct span text, uint8_t ret_public[ED25519_PUBLIC],
	uint8_t ret_signature[ED25519_SIGNATURE])
{
	return sign(l, ASK_RECORD, text, ret_public, ret_signature);
}

int link_audit_list(struct link_audit *l, struct span tbs, uint8_t *sig, size_t cap, size_t *ret_len)
{
	uint8_t head[2], buf[2 + PRIVATE_KEY_SIGNATURE_MOST];
	struct span bytes;
	int e = exchange(l, head_of(head, sizeof(head), ASK_LIST), tbs, buf, sizeof(buf), &bytes);
	if (e < 0) {
		return e;
	}
	if (bytes.len == 0 || bytes.len > cap) {
		return ERR_SPACE;
	}
	memcpy(sig, bytes.ptr, bytes.len);
	*ret_len = bytes.len;
	return 0;
}

int link_audit_index_ask(struct link_audit *l, const struct link_value *values, unsigned n)
{
	uint8_t head[2], body[HOLDER_INDEX_MOST * (3 + BLIND_VALUE_MOST)];
	struct writer w = writer_of(body, sizeof(body));
	if (n == 0 || n > HOLDER_INDEX_MOST) {
		return ERR_LIMIT;
	}
	for (unsigned i = 0; i < n; i++) {
		writer_u8(&w, (uint8_t)values[i].kind);
		writer_u16be(&w, (uint16_t)values[i].value.len);
		writer_span(&w, values[i].value);
	}
	int e = writer_end(&w) < 0 ? ERR_LIMIT : l->late ? throw_away(l) : 0;
	e = e == 0 ? link_put(l->fd, l->wait_ms, head_of(head, sizeof(head), ASK_INDEX), writer_span_of(&w))
	           : e;
	l->late = l->late || e == 0;
	return e;
}

int link_audit_index_take(struct link_audit *l, unsigned n, uint8_t (*ret_tokens)[BLIND_TOKEN])
{
	uint8_t buf[2 + HOLDER_INDEX_MOST * BLIND_TOKEN];
	struct span bytes;
	int e = link_get(l->fd, l->wait_ms, buf, sizeof(buf), &bytes);
	l->late = e == ERR_TIMEOUT;
	if (e < 0) {
		return e;
	}
	if (bytes.len != (size_t)n * BLIND_TOKEN) {
		return ERR_PEER;
	}
	memcpy(ret_tokens, bytes.ptr, bytes.len);
	return 0;
}

int link_audit_index(
	struct link_audit *l, const struct link_value *values, unsigned n, uint8_t (*ret_tokens)[BLIND_TOKEN])
{
	int e = link_audit_index_ask(l, values, n);
	return e == 0 ? link_audit_index_take(l, n, ret_tokens) : e;
}

int link_audit_envelope(struct link_audit *l, uint8_t *buf, size_t cap, size_t *ret_len)
{
	uint8_t head[2], answer[HOLDER_ANSWER_MOST];
	struct span bytes;
	int e = exchange(l, head_of(head, sizeof(head), ASK_INDEX_ENVELOPE), span_of(NULL, 0), answer,
		sizeof(answer), &bytes);
	if (e < 0) {
		return e;
	}
	if (bytes.len > cap) {
		return ERR_SPACE;
	}
	memcpy(buf, bytes.ptr, bytes.len);
	*ret_len = bytes.len;
	return 0;
}
