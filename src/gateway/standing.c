/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "gateway/state.h"
#include "keys/note.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

/*
 * What their authorities say of the certificates of both sides, asked of the lookup by way of the gate: in the handshake, so
 * that a peer whose certificate is revoked is told by TLS's own alert; and again at the caller's next message when the
 * answer has grown old.
 */

/* The lookup gives up a little earlier, and says so. */
#define WAIT_MS 9000

static void ask(struct association *as, X509 *const *at, unsigned n, struct standing_note *note)
{
	static uint8_t bytes[12 * 1024];
	struct message *m = &as->ask, *reply = &as->reply;
	size_t len = 0;
	const char *why = NULL;
	*m = (struct message){.type = MSG_CHAIN, .fd = -1};
	*note = (struct standing_note){.asked = true, .state = STANDING_UNKNOWN};
	note->again_ms = clock_mono_ms() + 1000;
	if (chain_write(at, n, bytes, sizeof(bytes), &len) != 0) {
		why = "its certificates are too many or too large to be asked about";
	} else {
		m->bytes = span_of(bytes, len);
		why = gate_ask(as, m, MSG_STANDING, reply, WAIT_MS) == 0
		              ? NULL
		              : "the gateway's lookup did not answer";
	}
	if (why) {
		snprintf(note->why, sizeof(note->why), "may have been revoked: %s", why);
		return;
	}
	note->state = (enum standing_state)reply->standing.state;
	note->again_ms = clock_mono_ms() + (int64_t)reply->standing.again_s * 1000;
	snprintf(note->why, sizeof(note->why), "%.*s", (int)sizeof(note->why) - 1, reply->text);
}

static struct standing_note *note_of_side(struct association *as, const SSL *ssl)
{
	return &as->standing[ssl == as->b.t.ssl];
}

static void ask_stack(struct association *as, struct stack_st_X509 *chain, struct standing_note *note)
{
	X509 *at[CHAIN_CERTIFICATES];
	unsigned n = 0;
	for (int i = 0; i < sk_X509_num(chain) && n < ARRAY_LEN(at); i++) {
		at[n++] = sk_X509_value(chain, i);
	}
	ask(as, at, n, note);
}

static enum standing_state in_handshake(
	void *arg, const SSL *ssl, struct stack_st_X509 *chain, char *why, size_t cap)
{
	struct association *as = arg;
	struct standing_note *note = note_of_side(as, ssl);
	if (!as->asks) {
		return STANDING_GOOD;
	}
	ask_stack(as, chain, note);
	snprintf(why, cap, "%s", note->why);
	return note->state;
}

void standing_prepare(struct association *as)
{
	as->asks = site_asks(as->site);
	note_ask_with(in_handshake, as);
}

const struct standing_note *standing_after(struct association *as, SSL *ssl)
{
	struct standing_note *note = note_of_side(as, ssl);
	X509 *cert = SSL_get0_peer_certificate(ssl);
	/* A session was resumed: of the chain only this one is left, and the lookup may still have the rest. */
	if (!note->asked && cert && as->asks) {
		ask(as, &cert, 1, note);
	}
	return note->asked ? note : NULL;
}

void standing_apply(struct association *as)
{
	const struct standing_note *note = &as->standing[0];
	if (!note->asked) {
		return;
	}
	if (note->state == STANDING_REVOKED) {
		as->caller.revoked = note->why;
	} else {
		/* Who has answered knows; what files do not tell is of no more weight. */
		as->caller.unrevoked = note->state == STANDING_UNKNOWN ? note->why : NULL;
	}
}

void standing_again(struct association *as)
{
	struct standing_note *note = &as->standing[0];
	SSL *ssl = as->a.t.ssl;
	if (!as->asks || !ssl || clock_mono_ms() < note->again_ms || as->gate_lost) {
		return;
	}
	enum standing_state before = note->state;
	struct stack_st_X509 *chain = SSL_get0_verified_chain(ssl);
	X509 *cert = SSL_get0_peer_certificate(ssl);
	if (chain) {
		ask_stack(as, chain, note);
	} else if (cert) {
		ask(as, &cert, 1, note);
	}
	standing_apply(as);
	if (note->state != before) {
		route_again(as);
	}
}
