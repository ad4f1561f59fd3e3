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
	return e;
}

/* The site's blobs as keys/tls.h takes them. */
struct material {
	struct tls_identity *identities;
	struct span *trust, *crl;
	unsigned n_crl; /* those that are files */
};

static void material_done(struct material *m)
{
	free(m->identities);
	free(m->trust);
	free(m->crl);
}

static int material_of(const struct site *s, struct material *m, struct tls_config *ret_config)
{
	m->identities = calloc(s->n_identities + 1, sizeof(*m->identities));
	m->trust = calloc(s->n_trust + 1, sizeof(*m->trust));
	m->crl = calloc(s->n_crl + 1, sizeof(*m->crl));
	if (!m->identities || !m->trust || !m->crl) {
		return ERR_NO_MEMORY;
	}
	for (unsigned i = 0; i < s->n_identities; i++) {
		m->identities[i] = (struct tls_identity){s->identities[i].certificate.bytes, i};
	}
	for (unsigned i = 0; i < s->n_trust; i++) {
		m->trust[i] = s->trust[i].bytes;
	}
	for (unsigned i = 0; i < s->n_crl; i++) {
		if (blob_is_list(&s->crl[i])) {
			m->crl[m->n_crl++] = s->crl[i].bytes;
		}
	}
	*ret_config = (struct tls_config){.identities = m->identities,
		.n_identities = s->n_identities,
		.trust_pem = m->trust,
		.n_trust = s->n_trust,
		.crl = m->crl,
		.n_crl = m->n_crl,
		.ask_staple = s->ocsp_ask,
		.resumption = s->resumption};
	return 0;
}

int gate_tls_make(const struct site *s, struct gate_tls *ret_tls, char *why, size_t cap)
{
	struct gate_tls t = {0};
	struct material m = {0};
	struct tls_config config;
	why[0] = 0;
	int e = material_of(s, &m, &config);
	if (e == 0 && s->n_identities > 0) {
		e = make_all(s, &config, &t, why, cap);
	}
	material_done(&m);
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

int gate_tls_repository(
	const struct site *s, unsigned repository, SSL_CTX **ret_context, char *why, size_t cap)
{
	const struct repository *r = &s->audit.repositories[repository];
	struct material m = {0};
	struct tls_config config;
	why[0] = 0;
	int e = material_of(s, &m, &config);
	struct span *trust = e == 0 ? calloc(r->n_trust + 1, sizeof(*trust)) : NULL;
	e = e == 0 && !trust ? ERR_NO_MEMORY : e;
	if (e == 0) {
		for (unsigned i = 0; i < r->n_trust; i++) {
			trust[i] = r->trust[i].bytes;
		}
		config.trust_pem = r->n_trust > 0 ? trust : config.trust_pem;
		config.n_trust = r->n_trust > 0 ? r->n_trust : config.n_trust;
		/* Lists speak of authorities that the site trusts. */
		config.n_crl = r->n_trust > 0 ? 0 : config.n_crl;
		config.profile = PROFILE_BCP195; /* has what RFC 9662 asks for */
		e = tls_client_context(&config, ret_context, why, cap);
	}
	free(trust);
	material_done(&m);
	if (e != 0 && !why[0]) {
		snprintf(why, cap, "%s", err_str(e));
	}
	return e;
}

static bool has_tls(const struct repository *r)
{
	bool tls = false;
	for (unsigned i = 0; i < r->n_address; i++) {
		tls = tls || r->address[i].tls;
	}
	return tls;
}

int gate_tls_check(const struct site *s, unsigned *ret_line, char *why, size_t cap)
{
	struct gate_tls tls = {0};
	unsigned line = s->n_identities > 0 ? s->identities[0].certificate.line : 0;
	int e = gate_tls_make(s, &tls, why, cap);
	gate_tls_done(&tls);
	for (unsigned i = 0; e == 0 && s->audit.has && i < s->audit.n_repositories; i++) {
		SSL_CTX *context = NULL;
		if (has_tls(&s->audit.repositories[i])) {
			line = s->audit.repositories[i].line;
			e = gate_tls_repository(s, i, &context, why, cap);
			SSL_CTX_free(context);
		}
	}
	if (e != 0 && ret_line) {
		*ret_line = line;
	}
	return e;
}

/* One is enough: what OpenSSL looks up it keeps for all contexts. */
static void warm_up_one(struct tls_config *config, const struct gate_tls *t)
{
	char why[256];
	for (unsigned p = 0; p < PROFILE_COUNT; p++) {
		SSL_CTX *peer = NULL;
		config->profile = (enum tls_profile)p;
		if (t->server[p] && tls_client_context(config, &peer, why, sizeof(why)) == 0) {
			tls_warm_up(t->server[p], peer);
			SSL_CTX_free(peer);
			return;
		}
	}
}

void gate_tls_warm_up(const struct site *s, const struct gate_tls *t)
{
	struct material m = {0};
	struct tls_config config;
	if (material_of(s, &m, &config) == 0) {
		warm_up_one(&config, t);
	}
	material_done(&m);
}

void gate_tls_done(struct gate_tls *t)
{
	for (unsigned p = 0; p < PROFILE_COUNT; p++) {
		SSL_CTX_free(t->server[p]);
		SSL_CTX_free(t->client[p]);
	}
	*t = (struct gate_tls){0};
}
