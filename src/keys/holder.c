/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/holder.h"
#include "base/clock.h"
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

/*
 * Signatures of objects: more than one association can have need of, and fewer than keep the others waiting. Who comes too early
 * asks again (keys/link.c).
 */
#define VOUCHES_AT_ONCE 64
#define VOUCH_EACH_MS   4

#define KEYS_MOST       64

struct holder {
	struct private_key *keys[KEYS_MOST];
	unsigned n;
	struct sessions *sessions;
	struct record_keys *records;      /* NULL: no audit trail is kept */
	struct list_key *list;            /* NULL: the site has no list of its own */
	struct pseudonym_key *pseudonyms; /* NULL: no flow makes any */
	struct vouch_key *vouch;          /* NULL: no flow signs */
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
		record_keys_free(h->records);
		list_key_free(h->list);
		pseudonym_key_free(h->pseudonyms);
		vouch_key_free(h->vouch);
	}
	free(h);
}

void holder_use_records(struct holder *h, struct record_keys *keys)
{
	h->records = keys;
}

void holder_use_list(struct holder *h, struct list_key *key)
{
	h->list = key;
}

void holder_use_pseudonyms(struct holder *h, struct pseudonym_key *key)
{
	h->pseudonyms = key;
}

void holder_use_vouch(struct holder *h, struct vouch_key *key)
{
	h->vouch = key;
}

static bool may_have(struct holder_bucket *b, unsigned at_once, unsigned each_ms, int64_t now_ms)
{
	int64_t back = (now_ms - b->since_ms) / each_ms;
	if (back > 0) {
		b->used = back >= b->used ? 0 : b->used - (unsigned)back;
		b->since_ms = now_ms;
	}
	if (b->used >= at_once) {
		return false;
	}
	b->used++;
	return true;
}

static bool is_server(unsigned purpose)
{
	return purpose == SIGN_TLS13_SERVER || purpose == SIGN_TLS12_SERVER;
}

/* A request that is answered, and the answer after its head. */
struct turn {
	struct holder *h;
	struct holder_client *client;
	struct reader *r;
	int64_t now_ms;
	struct writer *w;
};

static int answer_sign(const struct turn *t)
{
	uint8_t purpose;
	uint16_t key, code;
	struct span structure;
	size_t len = 0;
	if (reader_u8(t->r, &purpose) < 0 || reader_u16be(t->r, &key) < 0 || reader_u16be(t->r, &code) < 0 ||
		reader_bytes(t->r, reader_left(t->r), &structure) < 0) {
		return ERR_PEER;
	}
	const struct sign_scheme *scheme = sign_scheme_of(code);
	int e = scheme ? sign_check((enum sign_purpose)purpose, scheme, structure) : ERR_TYPE;
	if (e < 0) {
		return e;
	}
	if (key >= t->h->n) {
		return ERR_TYPE;
	}
	if ((is_server(purpose) && t->client->served) ||
		!may_have(&t->client->signs, SIGNS_AT_ONCE, SIGN_EACH_MS, t->now_ms)) {
		return ERR_LIMIT;
	}
	e = private_key_sign(
		t->h->keys[key], scheme, structure, t->w->ptr + t->w->len, t->w->cap - t->w->len, &len);
	t->w->len += e == 0 ? len : 0;
	if (e == 0 && is_server(purpose)) {
		t->client->served = true;
		t->client->session_until_ms = t->now_ms + SESSION_LIFE_MS;
	}
	return e;
}

static int take_id(struct reader *r, struct span *ret_id)
{
	uint8_t n;
	int e = reader_u8(r, &n);
	return e < 0 ? e : reader_bytes(r, n, ret_id);
}

static int answer_put(const struct turn *t)
{
	struct holder_client *c = t->client;
	uint8_t once;
	struct span id, der;
	if (reader_u8(t->r, &once) < 0 || once > 1 || take_id(t->r, &id) < 0 ||
		reader_bytes(t->r, reader_left(t->r), &der) < 0) {
		return ERR_PEER;
	}
	int64_t until_ms = c->session_until_ms;
	c->session_until_ms = 0;
	return t->now_ms < until_ms ? sessions_put(t->h->sessions, &c->from, id, der, once, until_ms)
	                            : ERR_LIMIT;
}

static int answer_get(const struct turn *t)
{
	struct holder_client *c = t->client;
	struct span id, der;
	int64_t until_ms;
	if (take_id(t->r, &id) < 0 || reader_end(t->r) < 0) {
		return ERR_PEER;
	}
	/* One handshake, which begins with it: it is not how a process gets at more than its caller's own. */
	if (c->served || c->found) {
		return ERR_LIMIT;
	}
	int e = sessions_get(t->h->sessions, &c->from, id, t->now_ms, &der, &until_ms);
	if (e == 0) {
		c->found = true;
		c->session_until_ms = until_ms;
		writer_span(t->w, der);
	}
	return e;
}

/* ---- Names ---- */

static int may_name(struct holder_client *c, int64_t now_ms)
{
	return may_have(&c->names, HOLDER_NAMES_AT_ONCE, 1000 / HOLDER_NAMES_A_SECOND, now_ms) ? 0
	                                                                                       : ERR_AGAIN;
}

static int answer_pseudonym(const struct turn *t)
{
	uint8_t kind, pseudonym[PSEUDONYM_SIZE];
	struct span value;
	if (reader_u8(t->r, &kind) < 0 || reader_bytes(t->r, reader_left(t->r), &value) < 0) {
		return ERR_PEER;
	}
	int e = may_name(t->client, t->now_ms);
	e = e == 0 ? pseudonym_key_make(t->h->pseudonyms, kind, value, pseudonym) : e;
	if (e == 0) {
		writer_bytes(t->w, pseudonym, sizeof(pseudonym));
	}
	return e;
}

static void write_made(const struct vouch_made *made, struct writer *w)
{
	size_t uid = strlen(made->uid), time = strlen(made->time);
	writer_u8(w, (uint8_t)uid);
	writer_bytes(w, made->uid, uid);
	writer_u8(w, (uint8_t)time);
	writer_bytes(w, made->time, time);
	writer_u16be(w, (uint16_t)made->value.len);
	writer_span(w, made->value);
	writer_span(w, made->certificate);
}

/* What is signed is what passes, or what a process that was taken over makes up: but now, and by this key alone. */
static int answer_vouch(const struct turn *t)
{
	struct vouch_sum sum;
	struct vouch_made made;
	struct span state, rest;
	uint8_t value[PRIVATE_KEY_SIGNATURE_MOST];
	if (reader_u8(t->r, &sum.hash) < 0 || reader_u16be(t->r, &sum.id) < 0 ||
		reader_u64be(t->r, &sum.done) < 0 || reader_bytes(t->r, sizeof(sum.state), &state) < 0 ||
		reader_bytes(t->r, sizeof(sum.rest), &rest) < 0 || reader_end(t->r) < 0) {
		return ERR_PEER;
	}
	memcpy(sum.state, state.ptr, sizeof(sum.state));
	memcpy(sum.rest, rest.ptr, sizeof(sum.rest));
	if (!may_have(&t->client->vouches, VOUCHES_AT_ONCE, VOUCH_EACH_MS, t->now_ms)) {
		return ERR_AGAIN;
	}
	int e = vouch_key_sign(t->h->vouch, &sum, clock_wall_ms(), value, &made);
	if (e == 0) {
		t->client->vouched++;
		write_made(&made, t->w);
		e = writer_end(t->w);
	}
	return e;
}

static int answer_name(const struct turn *t)
{
	uint8_t kind, pseudonym[PSEUDONYM_SIZE], entry[NAME_ENTRY];
	struct span value;
	if (reader_u8(t->r, &kind) < 0 || reader_bytes(t->r, reader_left(t->r), &value) < 0) {
		return ERR_PEER;
	}
	int e = may_name(t->client, t->now_ms);
	e = e == 0 ? pseudonym_key_enter(t->h->pseudonyms, kind, value, pseudonym, entry) : e;
	bool fits = e == 0;
	e = e == ERR_LENGTH ? pseudonym_key_make(t->h->pseudonyms, kind, value, pseudonym) : e;
	if (e == 0) {
		writer_bytes(t->w, pseudonym, sizeof(pseudonym));
		writer_bytes(t->w, entry, fits ? sizeof(entry) : 0);
	}
	return e;
}

static int answer_name_tokens(const struct turn *t)
{
	unsigned n = 0;
	do {
		uint8_t kind, len, token[NAME_TOKEN];
		struct span name;
		if (n++ == HOLDER_NAMES_MOST || reader_u8(t->r, &kind) < 0 || reader_u8(t->r, &len) < 0 ||
			reader_bytes(t->r, len, &name) < 0) {
			return ERR_PEER;
		}
		int e = may_name(t->client, t->now_ms);
		e = e == 0 ? pseudonym_key_token(t->h->pseudonyms, kind, name, token) : e;
		if (e < 0) {
			return e;
		}
		writer_bytes(t->w, token, sizeof(token));
	} while (reader_left(t->r) > 0);
	return 0;
}

static int answer_name_recall(const struct turn *t)
{
	unsigned n = 0;
	do {
		uint8_t old[NAME_OLD_MOST];
		size_t len = 0;
		struct span entry;
		if (n++ == HOLDER_NAMES_MOST || reader_bytes(t->r, NAME_ENTRY, &entry) < 0) {
			return ERR_PEER;
		}
		int e = may_name(t->client, t->now_ms);
		if (e < 0) {
			return e;
		}
		e = pseudonym_key_recall(t->h->pseudonyms, entry.ptr, old, &len);
		writer_u8(t->w, e == 0 ? (uint8_t)len : 0);
		writer_bytes(t->w, old, e == 0 ? len : 0);
	} while (reader_left(t->r) > 0);
	return 0;
}

/* ---- The auditor ---- */

static int answer_checkpoint(const struct turn *t)
{
	struct span text;
	uint8_t public[ED25519_PUBLIC], signature[ED25519_SIGNATURE];
	if (reader_bytes(t->r, reader_left(t->r), &text) < 0) {
		return ERR_PEER;
	}
	int e = record_keys_checkpoint(t->h->records, text, public, signature);
	if (e == 0) {
		writer_bytes(t->w, public, sizeof(public));
		writer_bytes(t->w, signature, sizeof(signature));
	}
	return e;
}

static int answer_record(const struct turn *t)
{
	struct span text;
	uint8_t public[ED25519_PUBLIC], signature[ED25519_SIGNATURE];
	if (reader_bytes(t->r, reader_left(t->r), &text) < 0) {
		return ERR_PEER;
	}
	int e = record_keys_record(t->h->records, text, t->client->whose == HOLDER_AUDITOR,
		clock_wall_ms() / 1000, public, signature);
	if (e == 0) {
		writer_bytes(t->w, public, sizeof(public));
		writer_bytes(t->w, signature, sizeof(signature));
	}
	return e;
}

static int answer_index(const struct turn *t)
{
	unsigned n = 0;
	do {
		uint8_t kind, token[BLIND_TOKEN];
		uint16_t len;
		struct span value;
		if (n++ == HOLDER_INDEX_MOST || reader_u8(t->r, &kind) < 0 || reader_u16be(t->r, &len) < 0 ||
			reader_bytes(t->r, len, &value) < 0) {
			return ERR_PEER;
		}
		int e = record_keys_token(t->h->records, kind, value, token);
		if (e < 0) {
			return e;
		}
		writer_bytes(t->w, token, sizeof(token));
	} while (reader_left(t->r) > 0);
	return 0;
}

static int answer_envelope(const struct turn *t)
{
	return reader_end(t->r) < 0 ? ERR_PEER : record_keys_envelope(t->h->records, t->w);
}

/* ---- An operator ---- */

static int answer_list(const struct turn *t)
{
	struct span tbs;
	size_t len = 0;
	if (reader_bytes(t->r, reader_left(t->r), &tbs) < 0) {
		return ERR_PEER;
	}
	int e = list_key_sign(
		t->h->list, tbs, clock_wall_ms() / 1000, t->w->ptr + t->w->len, t->w->cap - t->w->len, &len);
	t->w->len += e == 0 ? len : 0;
	return e;
}

/* ---- All ---- */

#define CHANNEL_OF(whose) (1u << (whose))

static const struct {
	int (*answer)(const struct turn *t);
	unsigned of;             /* whose channel it may be */
	bool no_answer, counted; /* counted: a refusal is worth a line of the log */
} asks[ASK_COUNT] = {
	[ASK_SIGN] = {answer_sign, CHANNEL_OF(HOLDER_ASSOCIATION), .counted = true},
	[ASK_SESSION_PUT] = {answer_put, CHANNEL_OF(HOLDER_ASSOCIATION), .no_answer = true},
	[ASK_SESSION_GET] = {answer_get, CHANNEL_OF(HOLDER_ASSOCIATION)},
	[ASK_CHECKPOINT] = {answer_checkpoint, CHANNEL_OF(HOLDER_AUDITOR), .counted = true},
	[ASK_INDEX] = {answer_index, CHANNEL_OF(HOLDER_AUDITOR), .counted = true},
	[ASK_INDEX_ENVELOPE] = {answer_envelope, CHANNEL_OF(HOLDER_AUDITOR), .counted = true},
	[ASK_RECORD] = {answer_record, CHANNEL_OF(HOLDER_AUDITOR) | CHANNEL_OF(HOLDER_OPERATOR),
		.counted = true},
	[ASK_LIST] = {answer_list, CHANNEL_OF(HOLDER_OPERATOR), .counted = true},
	[ASK_PSEUDONYM] = {answer_pseudonym, CHANNEL_OF(HOLDER_ASSOCIATION), .counted = true},
	[ASK_VOUCH] = {answer_vouch, CHANNEL_OF(HOLDER_ASSOCIATION)},
	[ASK_NAME] = {answer_name, CHANNEL_OF(HOLDER_ASSOCIATION), .counted = true},
	[ASK_NAME_TOKENS] = {answer_name_tokens, CHANNEL_OF(HOLDER_ASSOCIATION), .counted = true},
	[ASK_NAME_RECALL] = {answer_name_recall, CHANNEL_OF(HOLDER_ASSOCIATION), .counted = true},
};

/* Are there the keys that it wants? */
static bool has_keys(const struct holder *h, unsigned what)
{
	switch (what) {
	case ASK_SIGN:
	case ASK_SESSION_PUT:
	case ASK_SESSION_GET:
		return true;
	case ASK_LIST:
		return h->list != NULL;
	case ASK_PSEUDONYM:
	case ASK_NAME:
	case ASK_NAME_TOKENS:
	case ASK_NAME_RECALL:
		return h->pseudonyms != NULL;
	case ASK_VOUCH:
		return h->vouch != NULL;
	default:
		return h->records != NULL;
	}
}

int holder_answer(struct holder *h, struct holder_client *c, struct span request, int64_t now_ms,
	uint8_t *answer, size_t *ret_len)
{
	struct reader r = reader_of(request);
	struct writer w = writer_of(answer, HOLDER_ANSWER_MOST);
	const struct turn t = {h, c, &r, now_ms, &w};
	uint8_t version, what;
	if (reader_u8(&r, &version) < 0 || version != HOLDER_VERSION || reader_u8(&r, &what) < 0 ||
		what >= ASK_COUNT || !asks[what].answer) {
		return ERR_PEER;
	}
	bool may = asks[what].of & CHANNEL_OF(c->whose) && has_keys(h, what);
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, 0);
	int e = may ? asks[what].answer(&t) : ERR_DENIED;
	if (e == ERR_PEER) {
		return e;
	}
	c->refused += e < 0 && e != ERR_AGAIN && (asks[what].counted || !may);
	if (asks[what].no_answer) {
		*ret_len = 0;
		return 0;
	}
	if (e < 0) {
		w.len = 2;
		answer[1] = (uint8_t)-e;
	}
	*ret_len = w.len;
	return e == ERR_SYSTEM ? ERR_SYSTEM : 0;
}
