/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_state.h"
#include "keys/ocsp.h"
#include "keys/tls.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

/* The gate passes certificates and user identities on and answers back, and reads none. Staples it keeps for who comes next. */

static void answer_none(struct gate *g, struct child *c)
{
	static struct message m;
	m = (struct message){.type = c->asking == MSG_WHO ? MSG_USER : MSG_STANDING, .fd = -1};
	if (c->asking == MSG_WHO) {
		snprintf(m.text, sizeof(m.text), "the lookup, which proves users, is away");
	} else {
		m.standing = (struct msg_standing){.state = STANDING_UNKNOWN, .again_s = 1};
		snprintf(m.text, sizeof(m.text), "may have been revoked: the lookup, which asks, is away");
	}
	c->asking = 0;
	child_send(g, c, &m);
}

bool standing_ask(struct gate *g, struct child *c, const struct message *m, const struct gate_site *gs)
{
	struct message ask = {.type = m->type, .fd = -1};
	if (c->asking) {
		return false;
	}
	ask.number = (int64_t)c->id;
	ask.bytes = m->bytes;
	c->asking = m->type;
	if (g->lookup.fd < 0 || message_send(g->lookup.fd, &ask) != 0) {
		answer_none(g, c);
	}
	if (m->type == MSG_WHO) {
		message_wipe();
	}
	return true;
}

static void take_staple(struct gate *g, const struct message *m)
{
	const struct gate_site *gs = g->sites;
	uint8_t hash[SHA256_DIGEST_LENGTH];
	if (!gs || m->bytes.len < sizeof(hash)) {
		return;
	}
	struct span answer = span_of(m->bytes.ptr + sizeof(hash), m->bytes.len - sizeof(hash));
	for (unsigned i = 0; i < gs->site->n_identities; i++) {
		struct span file = gs->site->identities[i].certificate.bytes;
		(void)SHA256(file.ptr, file.len, hash);
		for (unsigned p = 0; p < PROFILE_COUNT && memcmp(hash, m->bytes.ptr, sizeof(hash)) == 0;
			p++) {
			if (gs->tls.server[p]) {
				tls_staple(gs->tls.server[p], i, answer);
			}
		}
	}
}

void standing_take(struct gate *g, const struct message *m)
{
	if (m->type == MSG_STAPLE) {
		take_staple(g, m);
		return;
	}
	struct child *c = g->children;
	while (c && (int64_t)c->id != m->number) {
		c = c->next;
	}
	if (c && c->asking == (m->type == MSG_USER ? MSG_WHO : MSG_CHAIN)) {
		c->asking = 0;
		child_send(g, c, m);
	}
}

void standing_lost(struct gate *g)
{
	for (struct child *c = g->children; c; c = c->next) {
		if (c->asking) {
			answer_none(g, c);
		}
	}
}
