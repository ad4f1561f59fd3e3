/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold_room.h"
#include "base/clock.h"
#include "gateway/state.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <unistd.h>

#define STORE_WAIT_MS 5000
#define IDLE_MS       1000

/* Asked for at once; what is no more than this is kept for the next object. */
#define EXTENT (64ull << 20)
#define SEALED (HOLD_BLOCK + AEAD_TAG)
#define STRIDE (HOLD_BLOCK + 4096) /* on whole pages: the kernel need not read what it writes */

/*
 * Fetched once, and not looked up for each block. OCB (RFC 7253) takes two thirds of GCM's time; it is not in every provider. A key
 * is of one object and a nonce of one block of it, so neither meets the other twice.
 */
static EVP_CIPHER *cipher;

/* A block as it is in the file. */
static uint8_t sealed[SEALED];

static void give_back(struct hold_room *r)
{
	if (r->open) {
		close(r->channel);
		if (r->file >= 0) {
			close(r->file);
		}
	}
	r->open = r->queued = r->waited = false;
	r->room = r->asked = 0;
}

void hold_room_reset(struct hold_room *r)
{
	/* Where it had to wait others do, too. */
	if (r->room > EXTENT || r->waited || r->asked > 0) {
		give_back(r);
	}
	OPENSSL_cleanse(r->key, sizeof(r->key));
	r->stored = r->loaded = 0;
	r->idle_ms = r->open ? clock_mono_ms() : 0;
}

int64_t hold_room_rest(struct hold_room *r, int64_t now_ms)
{
	if (!r->open || r->stored > 0 || r->asked > 0) {
		return INT64_MAX;
	}
	if (now_ms - r->idle_ms < IDLE_MS) {
		return r->idle_ms + IDLE_MS;
	}
	give_back(r);
	return INT64_MAX;
}

static int wait_for(int channel, struct message *ret_m)
{
	int64_t deadline = clock_mono_ms() + STORE_WAIT_MS;
	int e;
	while ((e = message_recv(channel, FROM_STORE, ret_m)) == ERR_AGAIN) {
		int64_t left = deadline - clock_mono_ms();
		struct pollfd p = {.fd = channel, .events = POLLIN};
		if (left <= 0) {
			return ERR_TIMEOUT;
		}
		(void)poll(&p, 1, (int)left);
	}
	return e;
}

static int open_channel(struct association *as, struct hold_room *r)
{
	struct message *m = &as->ask, *reply = &as->reply;
	*m = (struct message){.type = MSG_HOLD, .fd = -1};
	int e = gate_ask(as, m, MSG_HELD, reply, STORE_WAIT_MS);
	if (e != 0 || reply->number != 0) {
		return e != 0 ? e : ERR_CLOSED;
	}
	r->open = true;
	r->channel = reply->fd;
	r->file = -1;
	return 0;
}

static int ask_for(struct association *as, struct hold_room *r, uint64_t most)
{
	struct message *m = &as->ask;
	int e = r->open ? 0 : open_channel(as, r);
	*m = (struct message){.type = r->waits ? MSG_ROOM : MSG_ROOM_NOW, .fd = -1, .number = (int64_t)most};
	e = e == 0 ? message_send(r->channel, m) : e;
	r->asked = e == 0 ? most : 0;
	r->asked_ms = clock_mono_ms();
	return e;
}

/* Its first answer comes at once, and the second one when others have given back what they have. */
static int hear(struct hold_room *r, struct message *ret_reply)
{
	bool first = !r->queued;
	int e = first ? wait_for(r->channel, ret_reply) : message_recv(r->channel, FROM_STORE, ret_reply);
	if (e == 0 && first && ret_reply->type == MSG_ROOMED && ret_reply->number == ERR_AGAIN && r->waits) {
		r->queued = r->waited = true;
		return ERR_AGAIN;
	}
	return e == ERR_AGAIN && clock_mono_ms() - r->asked_ms >= HOLD_ROOM_WAIT_MS ? ERR_LIMIT : e;
}

static int take_room(struct hold_room *r, const struct message *reply)
{
	bool fits = reply->type == MSG_ROOMED && reply->number == (r->file < 0 ? 0 : 1);
	if (!fits) {
		bool none = reply->type == MSG_ROOMED &&
		            (reply->number == ERR_LIMIT || reply->number == ERR_LENGTH ||
				    reply->number == ERR_SPACE);
		return none ? (int)reply->number : ERR_PEER;
	}
	r->file = r->file < 0 ? reply->fd : r->file;
	r->room = r->asked;
	return 0;
}

/* Room for so many bytes of the file in all. */
static int get_room(struct association *as, struct hold_room *r, uint64_t most)
{
	uint64_t wanted = (most + EXTENT - 1) / EXTENT * EXTENT;
	struct message *reply = &as->reply;
	int e = r->asked > 0 ? 0 : ask_for(as, r, wanted);
	e = e == 0 ? hear(r, reply) : e;
	if (e == ERR_AGAIN || (e == ERR_LIMIT && r->asked > 0)) {
		return e; /* no answer has come, and may still */
	}
	e = e == 0 ? take_room(r, reply) : e;
	r->asked = 0;
	r->queued = false;
	if (e != 0 && e != ERR_LIMIT && e != ERR_LENGTH && e != ERR_SPACE) {
		give_back(r);
	}
	return e;
}

static void nonce_of(uint64_t block, uint8_t nonce[AEAD_NONCE])
{
	memset(nonce, 0, AEAD_NONCE);
	for (unsigned i = 0; i < 8; i++) {
		nonce[AEAD_NONCE - 1 - i] = (uint8_t)(block >> 8 * i);
	}
}

/* Its first block: a key of its own. */
static int begin(struct hold_room *r)
{
	static const char *const names[] = {"AES-256-OCB", "AES-256-GCM"};
	for (unsigned i = 0; !cipher && i < ARRAY_LEN(names); i++) {
		cipher = EVP_CIPHER_fetch(NULL, names[i], NULL);
	}
	ERR_clear_error(); /* of one that is not there */
	return cipher && RAND_bytes(r->key, sizeof(r->key)) == 1 ? 0 : ERR_SYSTEM;
}

static int store_block(const struct hold_room *r, uint64_t block, const uint8_t *bytes)
{
	uint8_t nonce[AEAD_NONCE];
	size_t n = 0;
	nonce_of(block, nonce);
	struct aead_key k = {.key = r->key, .nonce = nonce};
	int e = aead_seal(cipher, &k, span_of(bytes, HOLD_BLOCK), sealed, sizeof(sealed), &n);
	if (e == 0 && pwrite(r->file, sealed, n, (off_t)(block * STRIDE)) != (ssize_t)n) {
		e = errno == ENOSPC || errno == EDQUOT ? ERR_SPACE : ERR_SYSTEM;
	}
	return e;
}

int hold_room_store(struct association *as, struct hold_room *r, const uint8_t *bytes, size_t n)
{
	uint64_t first = r->stored / HOLD_BLOCK, blocks = n / HOLD_BLOCK;
	int e = r->stored == 0 ? begin(r) : 0;
	if (e == 0 && (first + blocks) * STRIDE > r->room) {
		e = get_room(as, r, (first + blocks) * STRIDE);
	}
	for (uint64_t i = 0; e == 0 && i < blocks; i++) {
		e = store_block(r, first + i, bytes + i * HOLD_BLOCK);
	}
	r->stored += e == 0 ? n : 0;
	return e;
}

static int load_block(const struct hold_room *r, uint64_t block, uint8_t *to)
{
	uint8_t nonce[AEAD_NONCE];
	size_t n = 0;
	nonce_of(block, nonce);
	struct aead_key k = {.key = r->key, .nonce = nonce};
	if (pread(r->file, sealed, sizeof(sealed), (off_t)(block * STRIDE)) != (ssize_t)sizeof(sealed)) {
		return ERR_SYSTEM;
	}
	return aead_open(cipher, &k, span_of(sealed, sizeof(sealed)), to, HOLD_BLOCK, &n);
}

int hold_room_load(struct hold_room *r, uint8_t *to, size_t cap, size_t *ret_n)
{
	size_t n = 0;
	int e = 0;
	while (e == 0 && n < cap && r->loaded + n < r->stored) {
		e = load_block(r, (r->loaded + n) / HOLD_BLOCK, to + n);
		n += HOLD_BLOCK;
	}
	if (e == 0) {
		r->loaded += n;
		*ret_n = n;
	}
	return e;
}

void hold_room_again(struct hold_room *r)
{
	r->loaded = 0;
}

const char *hold_room_why(int e)
{
	return e == ERR_LENGTH ? "than one association ever has of `hold-quota`, which is half of it"
	       : e == ERR_LIMIT
	               ? "`hold-quota`, of which one association has half at most, has no room for it"
	       : e == ERR_SPACE ? "the disk is full"
	                        : "the store does not answer";
}
