/* SPDX-License-Identifier: Apache-2.0 */
#include "users/ldap_text.h"
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

/* Whatever a name is, it stays one value of a name or filter: nothing of their grammars is in it. */
static void fill_in(struct span name)
{
	char text[2048];
	if (ldap_text("(uid={user})", name, span_of(NULL, 0), text, sizeof(text)) != 0) {
		must(3 * name.len + 7 >= sizeof(text));
		return;
	}
	size_t n = strlen(text);
	must(n >= 6 && memcmp(text, "(uid=", 5) == 0 && text[n - 1] == ')');
	text[n - 1] = 0;
	must(!strpbrk(text + 5, "()*=,+<>;\"# ") && strlen(text + 5) <= 3 * name.len);
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
	case 3:
		must(users_check_keytab(s, "dicom/gw@EXAMPLE", why, sizeof(why)) == 0 || why[0]);
		break;
	case 4:
		fill_in(s);
		break;
	default:
		must(users_check_passwords(s, why, sizeof(why)) == 0 || why[0]);
		break;
	}
	free(copy);
	return 0;
}
