/* SPDX-License-Identifier: Apache-2.0 */
#include "users/users.h"
#include "../unit/users_saml_made.h"

#include <stdlib.h>
#include <string.h>

/* A SAML assertion that a caller sends. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct users config = {.saml = {.issuer = "https://idp.hospital.example",
						    .audience = "gantry",
						    .recipient = "",
						    .name = "",
						    .groups = "groups",
						    .skew_s = 60}};
	struct proof_request r = {.config = &config, .now_s = 1767227400};
	static struct proof p;
	uint8_t *copy = malloc(size + 1);
	must(copy != NULL);
	memcpy(copy, data, size);
	r.files[FILE_SAML_CERTIFICATES] = span_str(saml_certificate);
	r.primary = span_of(copy, size);
	users_saml(&r, &p);
	/* Nobody has the key any more: there is one thing that can be proved. */
	must(p.proved == (p.why[0] == 0));
	must(!p.proved || (strcmp(p.name, "ann") == 0 && strcmp(p.groups, "readers,staff") == 0 &&
				  p.once_until_s > r.now_s));
	must(saml_by_another[0] != 0);
	free(copy);
	return 0;
}
