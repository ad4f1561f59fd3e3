/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_tls.h"
#include "keys/tls.h"

#include <stdio.h>
#include <stdlib.h>

static void find_used(const struct site *s, bool server[PROFILE_COUNT], bool client[PROFILE_COUNT])
{
	for (unsigned i = 0; i < s->n_listeners; i++) {
		server[s->listeners[i].profile] |= s->listeners[i].transport == TRANSPORT_TLS;
	}
	for (unsigned i = 0; i < s->n_nodes; i++) {
		const struct node *n = &s->nodes[i];
		enum tls_profile p = n->profile == PROFILE_LIVE ? PROFILE_BCP195 : n->profile;
		client[p] |= n->transport == TRANSPORT_TLS && n->n_address > 0;
	}
}

static int make_all(
	const struct site *s, struct tls_config *config, struct gate_tls *t, char *why, size_t cap)
{
	bool server[PROFILE_COUNT] = {false}, client[PROFILE_COUNT] = {false};
	int e = 0;
	find_used(s, server, client);
	for (unsigned p = 0; e == 0 && p < PROFILE_COUNT; p++) {
		config->profile = (enum tls_profile)p;
		if (server[p]) {
			e = tls_server_context(config, &t->server[p], why, cap);
		}
		if (e == 0 && client[p]) {
			e = tls_client_context(config, &t->client[p], why, cap);
		}
	}
	/* One is enough: what OpenSSL looks up it keeps for all contexts. */
	for (unsigned p = 0; e == 0 && p < PROFILE_COUNT; p++) {
		if (t->server[p]) {
			config->profile = (enum tls_profile)p;
			SSL_CTX *peer = NULL;
			if (tls_client_context(config, &peer, why, cap) == 0) {
				tls_warm_up(t->server[p], peer);
				SSL_CTX_free(peer);
			}
			break;
		}
	}
	return e;
}

int gate_tls_make(const struct site *s, struct gate_tls *ret_tls, char *why, size_t cap)
{
	struct gate_tls t = {0};
	why[0] = 0;
	struct tls_identity *identities = calloc(s->n_identities + 1, sizeof(*identities));
	struct span *trust = calloc(s->n_trust + 1, sizeof(*trust));
	struct span *crl = calloc(s->n_crl + 1, sizeof(*crl));
	int e = identities && trust && crl ? 0 : ERR_NO_MEMORY;
	for (unsigned i = 0; e == 0 && i < s->n_identities; i++) {
		identities[i].certificate_pem = s->identities[i].certificate.bytes;
		identities[i].key_pem = s->identities[i].key.bytes;
	}
	for (unsigned i = 0; e == 0 && i < s->n_trust; i++) {
		trust[i] = s->trust[i].bytes;
	}
	for (unsigned i = 0; e == 0 && i < s->n_crl; i++) {
		crl[i] = s->crl[i].bytes;
	}
	struct tls_config config = {.identities = identities,
		.n_identities = s->n_identities,
		.trust_pem = trust,
		.n_trust = s->n_trust,
		.crl = crl,
		.n_crl = s->n_crl,
		.resumption = s->resumption};
	if (e == 0 && s->n_identities > 0) {
		e = make_all(s, &config, &t, why, cap);
	}
	free(identities);
	free(trust);
	free(crl);
	if (e != 0) {
		gate_tls_done(&t);
		if (!why[0]) {
			snprintf(why, cap, "%s", err_str(e));
		}
		return e;
	}
	*ret_tls = t;
	return 0;
}

void gate_tls_done(struct gate_tls *t)
{
	for (unsigned p = 0; p < PROFILE_COUNT; p++) {
		SSL_CTX_free(t->server[p]);
		SSL_CTX_free(t->client[p]);
	}
	*t = (struct gate_tls){0};
}
