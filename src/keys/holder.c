/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/holder.h"
#include "base/reader.h"
#include "base/writer.h"
#include "keys/sessions.h"

#include <stdlib.h>

/*
 * Signatures of one association: one for its caller, and then one each time that it opens its target. Of these a channel
 * may have SIGNS_AT_ONCE, and one more each SIGN_EACH_MS, so that a process that was taken over neither keeps the others
 * waiting nor collects signatures.
 */
#define SIGNS_AT_ONCE 8
#define SIGN_EACH_MS  2000

#define KEYS_MOST     64

struct holder {
	struct private_key *keys[KEYS_MOST];
	unsigned n;
	struct sessions *sessions;
};

struct holder *holder_new(void)
{
	struct holder *h = calloc(1, sizeof(*h));
	if (h) {
		h->sessions = sessions_new();
	}
	if (h && !h->sessions) {
		free(h);
		return NULL;
	}
	return h;
}

int holder_add(struct holder *h, struct private_key *key)
{
	if (h->n == KEYS_MOST) {
		private_key_free(key);
		return ERR_NO_MEMORY;
	}
	h->keys[h->n++] = key;
	return 0;
}

void holder_free(struct holder *h)
{
	for (unsigned i = 0; h && i < h->n; i++) {
		private_key_free(h->keys[i]);
	}
	if (h) {
		sessions_free(h->sessions);
	}
	free(h);
}

static bool may_sign(struct holder_client *c, int64_t now_ms)
{
	int64_t back = (now_ms - c->signs_since_ms) / SIGN_EACH_MS;
	if (back > 0) {
		c->signs_used = back >= c->signs_used ? 0 : c->signs_used - (unsigned)back;
		c->signs_since_ms = now_ms;
	}
	if (c->signs_used >= SIGNS_AT_ONCE) {
		return false;
	}
	c->signs_used++;
	return true;
}

static bool is_server(unsigned purpose)
{
	return purpose == SIGN_TLS13_SERVER || purpose == SIGN_TLS12_SERVER;
}

struct sign {
	uint8_t purpose;
	uint16_t key, scheme;
};

static int sign(const struct holder *h, struct holder_client *c, struct reader *r, int64_t now_ms,
	uint8_t *sig, size_t cap, size_t *ret_len)
{
	struct sign s;
	struct span structure;
	if (reader_u8(r, &s.purpose) < 0 || reader_u16be(r, &s.key) < 0 || reader_u16be(r, &s.scheme) < 0 ||
		reader_bytes(r, reader_left(r), &structure) < 0) {
		return ERR_PEER;
	}
	const struct sign_scheme *scheme = sign_scheme_of(s.scheme);
	int e = scheme ? sign_check((enum sign_purpose)s.purpose, scheme, structure) : ERR_TYPE;
	if (e < 0) {
		return e;
	}
	if (s.key >= h->n) {
		return ERR_TYPE;
	}
	if ((is_server(s.purpose) && c->served) || !may_sign(c, now_ms)) {
		return ERR_LIMIT;
	}
	e = private_key_sign(h->keys[s.key], scheme, structure, sig, cap, ret_len);
	if (e == 0 && is_server(s.purpose)) {
		c->served = true;
		c->session_until_ms = now_ms + SESSION_LIFE_MS;
	}
	return e;
}

static int take_id(struct reader *r, struct span *ret_id)
{
	uint8_t n;
	int e = reader_u8(r, &n);
	return e < 0 ? e : reader_bytes(r, n, ret_id);
}

static int put_session(struct holder *h, struct holder_client *c, struct reader *r, int64_t now_ms)
{
	uint8_t once;
	struct span id, der;
	if (reader_u8(r, &once) < 0 || once > 1 || take_id(r, &id) < 0 ||
		reader_bytes(r, reader_left(r), &der) < 0) {
		return ERR_PEER;
	}
	int64_t until_ms = c->session_until_ms;
	c->session_until_ms = 0;
	return now_ms < until_ms ? sessions_put(h->sessions, &c->from, id, der, once, until_ms) : ERR_LIMIT;
}

static int get_session(
	struct holder *h, struct holder_client *c, struct reader *r, int64_t now_ms, struct span *ret_der)
{
	struct span id;
	int64_t until_ms;
	if (take_id(r, &id) < 0 || reader_end(r) < 0) {
		return ERR_PEER;
	}
	/* One handshake, which begins with it: it is not how a process gets at more than its caller's own. */
	if (c->served || c->found) {
		return ERR_LIMIT;
	}
	int e = sessions_get(h->sessions, &c->from, id, now_ms, ret_der, &until_ms);
	if (e == 0) {
		c->found = true;
		c->session_until_ms = until_ms;
	}
	return e;
}

int holder_answer(struct holder *h, struct holder_client *c, struct span request, int64_t now_ms,
	uint8_t *answer, size_t *ret_len)
{
	struct reader r = reader_of(request);
	uint8_t version, what;
	size_t len = 0;
	struct span der = span_of(NULL, 0);
	int e;
	if (reader_u8(&r, &version) < 0 || version != HOLDER_VERSION || reader_u8(&r, &what) < 0) {
		return ERR_PEER;
	}
	switch (what) {
	case ASK_SIGN:
		e = sign(h, c, &r, now_ms, answer + 2, HOLDER_ANSWER_MOST - 2, &len);
		break;
	case ASK_SESSION_PUT:
		*ret_len = 0;
		return put_session(h, c, &r, now_ms) == ERR_PEER ? ERR_PEER : 0;
	case ASK_SESSION_GET:
		e = get_session(h, c, &r, now_ms, &der);
		break;
	default:
		return ERR_PEER;
	}
	if (e == ERR_PEER) {
		return e;
	}
	c->refused += e < 0 && what == ASK_SIGN;
	struct writer w = writer_of(answer, HOLDER_ANSWER_MOST);
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, (uint8_t)-e);
	writer_span(&w, der);
	*ret_len = w.len + (e < 0 ? 0 : len);
	return e == ERR_SYSTEM ? ERR_SYSTEM : 0;
}
