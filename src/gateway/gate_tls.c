/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_tls.h"
#include "keys/tls.h"

#include <stdio.h>
#include <stdlib.h>

int gate_tls_contexts(const struct site *s, SSL_CTX **ret_server, SSL_CTX **ret_client, char *why, size_t cap)
{
	why[0] = 0;
	*ret_server = *ret_client = NULL;
	if (s->n_identities == 0) {
		return 0;
	}
	struct tls_identity *identities = calloc(s->n_identities, sizeof(*identities));
	struct span *trust = calloc(s->n_trust + 1, sizeof(*trust));
	int e = identities && trust ? 0 : ERR_NO_MEMORY;
	for (unsigned i = 0; e == 0 && i < s->n_identities; i++) {
		identities[i].certificate_pem = s->identities[i].certificate.bytes;
		identities[i].key_pem = s->identities[i].key.bytes;
	}
	for (unsigned i = 0; e == 0 && i < s->n_trust; i++) {
		trust[i] = s->trust[i].bytes;
	}
	struct tls_config config = {.identities = identities,
		.n_identities = s->n_identities,
		.trust_pem = trust,
		.n_trust = s->n_trust,
		.resumption = s->resumption};
	if (e == 0) {
		e = tls_server_context(&config, ret_server, why, cap);
	}
	if (e == 0) {
		e = tls_client_context(&config, ret_client, why, cap);
		if (e != 0) {
			SSL_CTX_free(*ret_server);
			*ret_server = NULL;
		}
	}
	if (e == 0) {
		tls_warm_up(*ret_server, *ret_client);
	}
	if (e != 0 && !why[0]) {
		snprintf(why, cap, "%s", err_str(e));
	}
	free(identities);
	free(trust);
	return e;
}
