/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "gateway/state.h"
#include "keys/note.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What their authorities say of the certificates of both sides, asked of the lookup by way of the gate: in the handshake, so
 * that a peer whose certificate is revoked is told by TLS's own alert; and again at the next message when the answer has
 * grown old.
 */

/* The lookup gives up a little earlier, and says so, if it has not too many to ask for. */
#define WAIT_MS 9000

/* An association that is open is not held up for longer: the answer counts when it comes. */
#define AGAIN_WAIT_MS 1000

/* Certificates above this, or a stapled answer above that, are not passed on. */
#define CHAIN_BYTES  (32 * 1024)
#define STAPLE_BYTES (16 * 1024)
static_assert(CHAIN_BYTES + STAPLE_BYTES + 64 < LIMIT_ROLE_MESSAGE, "a question must fit into a message");

static void unknown(struct standing_note *note, const char *why)
{
	note->state = STANDING_UNKNOWN;
	note->again_ms = clock_mono_ms() + 1000;
	snprintf(note->why, sizeof(note->why), "may have been revoked: %s", why);
}

static void take_answer(struct standing_note *note, const struct message *m)
{
	note->state = (enum standing_state)m->standing.state;
	note->again_ms = clock_mono_ms() + (int64_t)m->standing.again_s * 1000;
	snprintf(note->why, sizeof(note->why), "%.*s", (int)sizeof(note->why) - 1, m->text);
}

/* Ask about the chain that the note has, and show what the peer has stapled. */
static void ask(struct association *as, struct standing_note *note, struct span staple, int64_t wait_ms)
{
	static uint8_t bytes[CHAIN_BYTES + 2 + STAPLE_BYTES];
	struct message *m = &as->ask, *reply = &as->reply;
	size_t len = 0;
	bool known = note->asked;
	note->asked = true;
	if (!note->chain ||
		chain_join(span_of(note->chain, note->len), staple, bytes, sizeof(bytes), &len) != 0) {
		unknown(note, "its certificates are too many or too large to be asked about");
		return;
	}
	*m = (struct message){.type = MSG_CHAIN, .fd = -1, .bytes = span_of(bytes, len)};
	int e = gate_ask(as, m, MSG_STANDING, reply, wait_ms);
	if (e == 0) {
		take_answer(note, reply);
		return;
	}
	if (e == ERR_TIMEOUT && as->owed == MSG_STANDING) {
		as->owed_side = (int)(note - as->standing);
	}
	/* What was said last holds until another answer comes, as the lookup itself has it. */
	if (!known || e != ERR_TIMEOUT) {
		unknown(note, "the gateway's lookup did not answer");
	}
}

void standing_late(struct association *as, const struct message *m)
{
	if (as->owed_side >= 0) {
		take_answer(&as->standing[as->owed_side], m);
		as->late_caller |= as->owed_side == 0;
	}
	as->owed_side = -1;
}

static void forget_chain(struct standing_note *note)
{
	free(note->chain);
	note->chain = NULL;
	note->len = 0;
}

/* To be asked about now and again: a session that is resumed has no chain in OpenSSL's hands afterwards. */
static void keep_chain(struct standing_note *note, X509 *const *at, unsigned n)
{
	static uint8_t bytes[CHAIN_BYTES];
	size_t len = 0;
	forget_chain(note);
	uint8_t *copy = chain_write(at, n, bytes, sizeof(bytes), &len) == 0 ? malloc(len) : NULL;
	if (copy) {
		memcpy(copy, bytes, len);
		note->chain = copy;
		note->len = len;
	}
}

static struct standing_note *note_of_side(struct association *as, const SSL *ssl)
{
	return &as->standing[ssl == as->b.t.ssl];
}

/* TLS 1.3 has it with the certificate; that of TLS 1.2 comes only when the certificate has been judged, and is not looked at. */
static struct span stapled(const SSL *ssl)
{
	const unsigned char *bytes = NULL;
	long len = SSL_is_server(ssl) ? 0 : SSL_get_tlsext_status_ocsp_resp((SSL *)(uintptr_t)ssl, &bytes);
	return len > 0 && len <= STAPLE_BYTES ? span_of(bytes, (size_t)len) : span_of(NULL, 0);
}

static enum standing_state in_handshake(
	void *arg, const SSL *ssl, struct stack_st_X509 *chain, char *why, size_t cap)
{
	struct association *as = arg;
	struct standing_note *note = note_of_side(as, ssl);
	X509 *at[CHAIN_CERTIFICATES];
	unsigned n = 0;
	if (!as->asks) {
		return STANDING_GOOD;
	}
	for (int i = 0; i < sk_X509_num(chain) && n < ARRAY_LEN(at); i++) {
		at[n++] = sk_X509_value(chain, i);
	}
	keep_chain(note, at, n);
	ask(as, note, stapled(ssl), WAIT_MS);
	snprintf(why, cap, "%s", note->why);
	return note->state;
}

void standing_prepare(struct association *as)
{
	as->asks = site_asks(as->site);
	note_ask_with(in_handshake, as);
}

void standing_begin_target(struct association *as)
{
	forget_chain(&as->standing[1]);
	as->standing[1] = (struct standing_note){0};
	as->owed_side = as->owed_side == 1 ? -1 : as->owed_side;
	as->target_revoked = as->target_unrevoked = NULL;
}

/* Who has answered knows; what files do not tell is of no more weight. */
static void apply(const struct standing_note *note, const char **revoked, const char **unrevoked)
{
	if (note->asked && note->state == STANDING_REVOKED) {
		*revoked = note->why;
	} else if (note->asked) {
		*unrevoked = note->state == STANDING_UNKNOWN ? note->why : NULL;
	}
}

void standing_apply(struct association *as)
{
	apply(&as->standing[0], &as->caller.revoked, &as->caller.unrevoked);
	apply(&as->standing[1], &as->target_revoked, &as->target_unrevoked);
}

bool standing_nothing_in_hand(const struct association *as)
{
	return as->a.n_operations == 0 && as->b.n_operations == 0 && as->a.msg.phase == BETWEEN_MESSAGES &&
	       as->b.msg.phase == BETWEEN_MESSAGES;
}

/* The next request opens it again, and is answered by what the handshake says then. */
static void judge_target(struct association *as)
{
	const struct node *node = as->route.to >= 0 ? &as->site->nodes[as->route.to] : NULL;
	const char *why = as->target_revoked;
	char text[256];
	if (!why && node && node->revocation == REVOCATION_CLOSED && standing_nothing_in_hand(as)) {
		why = as->target_unrevoked;
	}
	if (!why || !as->b.up) {
		return;
	}
	snprintf(text, sizeof(text), "the called node's certificate %s", why);
	log_event(LOG_LEVEL_WARNING, "upstream.revoked", text, LOG_TEXT("target", as->target_name));
	standing_begin_target(as);
	target_end(as, true, text);
}

/* True if the answer is another. */
static bool ask_again(struct association *as, const struct side *s, struct standing_note *note)
{
	if (!as->asks || !s->t.ssl || as->gate_lost || as->owed || clock_mono_ms() < note->again_ms) {
		return false;
	}
	enum standing_state before = note->state;
	X509 *cert = SSL_get0_peer_certificate(s->t.ssl);
	struct stack_st_X509 *chain = SSL_get0_verified_chain(s->t.ssl);
	X509 *at[CHAIN_CERTIFICATES] = {cert};
	unsigned n = cert ? 1 : 0;
	/* There is none yet where a reload has begun to ask. */
	for (int i = 1; !note->chain && i < sk_X509_num(chain) && n < ARRAY_LEN(at); i++) {
		at[n++] = sk_X509_value(chain, i);
	}
	if (!note->chain) {
		keep_chain(note, at, n);
	}
	ask(as, note, span_of(NULL, 0), note->asked ? AGAIN_WAIT_MS : WAIT_MS);
	return note->state != before;
}

void standing_again(struct association *as)
{
	bool caller = ask_again(as, &as->a, &as->standing[0]) || as->late_caller;
	(void)ask_again(as, &as->b, &as->standing[1]);
	as->late_caller = false;
	standing_apply(as);
	if (caller) {
		route_again(as);
	}
	judge_target(as);
}
