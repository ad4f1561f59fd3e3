/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/search_parts.h"

#include <openssl/crypto.h>
#include <stdlib.h>

void epochs_init(struct epochs *e, const struct hpke_opener *opener, const struct matcher *m)
{
	*e = (struct epochs){.opener = opener, .matcher = m};
	for (unsigned i = 0; i < EPOCHS_KEPT; i++) {
		e->at[i].index = JOURNAL_NONE;
	}
}

static void forget(struct epoch *p)
{
	seal_epoch_free(p->seal);
	free(p->body);
	*p = (struct epoch){.index = JOURNAL_NONE};
}

void epochs_done(struct epochs *e)
{
	for (unsigned i = 0; i < EPOCHS_KEPT; i++) {
		forget(&e->at[i]);
	}
}

struct epoch *epochs_find(struct epochs *e, uint64_t index)
{
	for (unsigned i = 0; i < EPOCHS_KEPT; i++) {
		if (e->at[i].index == index) {
			e->at[i].used = ++e->turn;
			return &e->at[i];
		}
	}
	return NULL;
}

int epochs_add(struct epochs *e, uint64_t index, const struct journal_record *key, struct epoch **ret_epoch)
{
	struct span key_body = key ? key->body : span_of(NULL, 0);
	struct epoch *p = &e->at[0];
	for (unsigned i = 1; i < EPOCHS_KEPT; i++) {
		if (e->at[i].used < p->used) {
			p = &e->at[i];
		}
	}
	forget(p);
	p->body = malloc(key_body.len + 1);
	if (!p->body) {
		return ERR_NO_MEMORY;
	}
	if (key_body.len > 0) {
		memcpy(p->body, key_body.ptr, key_body.len);
	} else {
		p->tried = p->tried_tokens = true;
		p->error = ERR_MISSING;
	}
	p->len = key_body.len;
	p->rules = key ? key->count : 0;
	p->index = index;
	p->used = ++e->turn;
	*ret_epoch = p;
	return 0;
}

/* 0, or an error that ends the search. */
static int fatal(int e)
{
	return e == ERR_SYSTEM || e == ERR_NO_MEMORY ? e : 0;
}

static int open_index(struct epochs *e, const struct epoch *p, struct span envelope)
{
	uint8_t key[ENVELOPE_SECRET];
	int r = seal_index_key(span_of(p->body, p->len), e->opener, key);
	if (r == 0) {
		r = matcher_tokens(e->matcher, key, &e->tokens);
		e->envelope_len = r == 0 ? envelope.len : 0;
		memcpy(e->envelope, envelope.ptr, e->envelope_len);
	}
	OPENSSL_cleanse(key, sizeof(key));
	return r;
}

int epoch_tokens(struct epochs *e, struct epoch *p)
{
	struct span envelope;
	if (p->tried_tokens) {
		return 0;
	}
	p->tried_tokens = true;
	/* Where there is none all is opened: it is on a token, or the record is damaged. */
	if (seal_index_envelope(span_of(p->body, p->len), &envelope) != 0 || envelope.len == 0 ||
		envelope.len > sizeof(e->envelope)) {
		return 0;
	}
	int r = span_eq(envelope, span_of(e->envelope, e->envelope_len)) ? 0 : open_index(e, p, envelope);
	if (r == 0) {
		p->tokens = e->tokens;
		p->has_tokens = true;
	}
	return fatal(r);
}

int epoch_open(struct epochs *e, struct epoch *p)
{
	if (p->tried) {
		return 0;
	}
	p->tried = true;
	p->error = seal_epoch_open(span_of(p->body, p->len), e->opener, &p->seal);
	return fatal(p->error);
}
