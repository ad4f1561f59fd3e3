/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "keys/half_hash.h"
#include "base/reader.h"
#include "base/writer.h"

#include <string.h>

static_assert(VOUCH_STATE == SHA512_DIGEST_LENGTH && VOUCH_BLOCK == SHA512_CBLOCK, "room for the largest");

void half_hash_begin(struct half_hash *h, enum object_hash kind)
{
	*h = (struct half_hash){.kind = kind};
	switch (kind) {
	case OBJECT_SHA384:
		(void)SHA384_Init(&h->at.large);
		break;
	case OBJECT_SHA512:
		(void)SHA512_Init(&h->at.large);
		break;
	default:
		(void)SHA256_Init(&h->at.small);
		break;
	}
}

void half_hash_add(struct half_hash *h, struct span bytes)
{
	if (h->kind == OBJECT_SHA256) {
		(void)SHA256_Update(&h->at.small, bytes.ptr, bytes.len);
	} else {
		(void)SHA512_Update(&h->at.large, bytes.ptr, bytes.len);
	}
}

/* OpenSSL counts bits, in two words. */
static uint64_t bytes_of(const struct half_hash *h)
{
	return h->kind == OBJECT_SHA256 ? ((uint64_t)h->at.small.Nh << 32 | h->at.small.Nl) / 8
	                                : h->at.large.Nl / 8 + (h->at.large.Nh << 61);
}

void half_hash_give(const struct half_hash *h, struct vouch_sum *ret_sum)
{
	struct writer w = writer_of(ret_sum->state, sizeof(ret_sum->state));
	memset(ret_sum->state, 0, sizeof(ret_sum->state));
	memset(ret_sum->rest, 0, sizeof(ret_sum->rest));
	ret_sum->hash = (uint8_t)h->kind;
	ret_sum->done = bytes_of(h);
	if (h->kind == OBJECT_SHA256) {
		for (unsigned i = 0; i < ARRAY_LEN(h->at.small.h); i++) {
			writer_u32be(&w, h->at.small.h[i]);
		}
		memcpy(ret_sum->rest, h->at.small.data, h->at.small.num);
	} else {
		for (unsigned i = 0; i < ARRAY_LEN(h->at.large.h); i++) {
			writer_u64be(&w, h->at.large.h[i]);
		}
		memcpy(ret_sum->rest, h->at.large.u.p, h->at.large.num);
	}
}

static int take_small(const struct vouch_sum *sum, struct reader *r, SHA256_CTX *c)
{
	int e = 0;
	for (unsigned i = 0; e == 0 && i < ARRAY_LEN(c->h); i++) {
		uint32_t word = 0;
		e = reader_u32be(r, &word);
		c->h[i] = word;
	}
	c->Nl = (SHA_LONG)(sum->done * 8);
	c->Nh = (SHA_LONG)(sum->done * 8 >> 32);
	c->num = (unsigned)(sum->done % SHA256_CBLOCK);
	memcpy(c->data, sum->rest, c->num);
	return e;
}

static int take_large(const struct vouch_sum *sum, struct reader *r, SHA512_CTX *c)
{
	int e = 0;
	for (unsigned i = 0; e == 0 && i < ARRAY_LEN(c->h); i++) {
		uint64_t word = 0;
		e = reader_u64be(r, &word);
		c->h[i] = word;
	}
	c->Nl = sum->done * 8;
	c->Nh = 0;
	c->num = (unsigned)(sum->done % SHA512_CBLOCK);
	memcpy(c->u.p, sum->rest, c->num);
	return e;
}

int half_hash_take(const struct vouch_sum *sum, struct half_hash *ret_hash)
{
	struct reader r = reader_of(span_of(sum->state, sizeof(sum->state)));
	struct half_hash h;
	if (sum->hash >= OBJECT_HASHES || sum->done == 0 || sum->done > UINT64_MAX / 16) {
		return ERR_VALUE;
	}
	half_hash_begin(&h, (enum object_hash)sum->hash);
	int e = h.kind == OBJECT_SHA256 ? take_small(sum, &r, &h.at.small) : take_large(sum, &r, &h.at.large);
	if (e < 0) {
		return ERR_VALUE;
	}
	*ret_hash = h;
	return 0;
}

struct span half_hash_end(struct half_hash *h, uint8_t bytes[SHA512_DIGEST_LENGTH])
{
	if (h->kind == OBJECT_SHA256) {
		(void)SHA256_Final(bytes, &h->at.small);
		return span_of(bytes, SHA256_DIGEST_LENGTH);
	}
	(void)SHA512_Final(bytes, &h->at.large);
	return span_of(bytes, h->at.large.md_len);
}
