/* SPDX-License-Identifier: Apache-2.0 */
#include "users/users.h"

#include <stdlib.h>
#include <string.h>

/* A token that a caller sends; and the files that prove users, which a site's people write. Byte 0 says which. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 7515 A.3 */
static const char jwks[] =
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct users config = {
		.jwt_issuer = "joe", .jwt_audience = "gantry", .jwt_name = "sub", .jwt_groups = "groups"};
	struct proof_request r = {.config = &config, .now_s = 1300819000};
	struct proof p;
	char why[256] = "";
	if (size < 1) {
		return 0;
	}
	uint8_t *copy = malloc(size);
	must(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	struct span s = span_of(copy, size - 1);
	switch (data[0]) {
	case 0:
		r.files[FILE_JWT_KEYS] = span_str(jwks);
		r.primary = s;
		users_jwt(&r, &p);
		/* Nobody has the key any more, so that nothing new is proved. */
		must(!p.proved && p.why[0]);
		break;
	case 1:
		must(users_check_jwks(s, why, sizeof(why)) == 0 || why[0]);
		break;
	default:
		must(users_check_passwords(s, why, sizeof(why)) == 0 || why[0]);
		break;
	}
	free(copy);
	return 0;
}
