/* SPDX-License-Identifier: Apache-2.0 */
#include "users/users.h"
#include "policy/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Tokens of RFC 7515's appendix, password files, and who of the users may what. */

/* RFC 7515 A.2 and A.3: keys and tokens that others made. */
#define PAYLOAD                                                                                              \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
static const char rs256[] =
	"eyJhbGciOiJSUzI1NiJ9." PAYLOAD
	".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1d"
	"nZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC"
	"-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
static const char es256[] =
	"eyJhbGciOiJFUzI1NiJ9." PAYLOAD
	".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
static const char jwks[] =
	"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJ"
	"PMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-"
	"KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs"
	"91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"},"
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static struct proof judge(const char *token, const char *keys)
{
	static const struct users config = {
		.jwt_issuer = "joe", .jwt_audience = "gantry", .jwt_name = "sub", .jwt_groups = "groups"};
	struct proof_request r = {.config = &config, .now_s = 1300819000};
	struct proof p;
	memset(&p, 0x55, sizeof(p));
	r.files[FILE_JWT_KEYS] = span_str(keys);
	r.primary = span_str(token);
	users_jwt(&r, &p);
	assert_true(p.proved == (p.why[0] == 0));
	return p;
}

static void tokens_of_the_standard(void **state)
{
	char turned[2048], why[256];
	/* They have no audience, which is looked at when the signature holds. */
	assert_non_null(strstr(judge(rs256, jwks).why, "another audience"));
	assert_non_null(strstr(judge(es256, jwks).why, "another audience"));
	assert_int_equal(users_check_jwks(span_str(jwks), why, sizeof(why)), 0);
	const char *const tokens[] = {rs256, es256};
	for (unsigned t = 0; t < ARRAY_LEN(tokens); t++) {
		size_t len = strlen(tokens[t]);
		for (size_t i = 0; i < len; i++) {
			memcpy(turned, tokens[t], len + 1);
			turned[i] = turned[i] == 'A' ? 'B' : 'A';
			assert_null(strstr(judge(turned, jwks).why, "audience"));
			turned[i] = 0; /* cut there */
			assert_null(strstr(judge(turned, jwks).why, "audience"));
		}
	}
	/* Padding and the other alphabet are not base64url. */
	snprintf(turned, sizeof(turned), "%s=", es256);
	assert_non_null(strstr(judge(turned, jwks).why, "cannot be read"));
	assert_int_equal(users_check_jwks(span_str("{\"keys\":[]}"), why, sizeof(why)), ERR_VALUE);
	assert_int_equal(users_check_jwks(span_str("[]"), why, sizeof(why)), ERR_VALUE);
	assert_int_equal(users_check_jwks(span_str(""), why, sizeof(why)), ERR_VALUE);
}

/* ---- Passwords ---- */

/* By argon2(1): echo -n secret | argon2 somesalt -id -t 2 -m 8 -p 1 -e */
#define HASH "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

static struct proof login(const char *file, const char *name, const char *passcode)
{
	struct proof_request r = {.files[FILE_PASSWORDS] = span_str(file)};
	struct proof p;
	r.primary = span_str(name);
	r.secondary = span_str(passcode);
	users_passwords(&r, &p);
	assert_true(p.proved == (p.why[0] == 0));
	return p;
}

static void password_files(void **state)
{
	static const char file[] = "# users\n\nann:" HASH ":readers,staff\r\nbob:" HASH "\nnobody:\nx:y:z:w";
	char why[256];
	struct proof p = login(file, "ann", "password");
	assert_true(p.proved);
	assert_string_equal(p.name, "ann");
	assert_string_equal(p.groups, "readers,staff");
	assert_string_equal(login(file, "bob", "password").groups, "");
	const char *const wrong[][2] = {{"ann", "Password"}, {"ann", ""}, {"an", "password"},
		{"annn", "password"}, {"", "password"}, {"# users", ""}, {"nobody", ""},
		{"nobody", "password"}, {"x", "y"}, {"ann:" HASH, "password"}, {"ANN", "password"}};
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_false(login(file, wrong[i][0], wrong[i][1]).proved);
	}
	assert_int_equal(users_check_passwords(span_str(file), why, sizeof(why)), ERR_VALUE);
	assert_non_null(strstr(why, "line 5"));
	assert_int_equal(users_check_passwords(span_str("ann:" HASH), why, sizeof(why)), 0);
	assert_int_equal(users_check_passwords(span_str("ann:secret\n"), why, sizeof(why)), ERR_VALUE);
	/* Two lanes would be two threads. */
	assert_int_equal(
		users_check_passwords(span_str("ann:$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$nf65EOgL\n"),
			why, sizeof(why)),
		ERR_VALUE);
}

/* ---- Who may what ---- */

static void users_of_flows(void **state)
{
	static const char yaml[] =
		"listeners: [ { port: 104, transport: plain } ]\n"
		"users: { passwords: u, groups: { night: [ bob ] } }\n"
		"nodes:\n  ct: { ae: [ CT ], from: any, transport: plain }\n  pacs: { ae: [ PACS ], address: \"h:1\", transport: plain }\n"
		"flows:\n"
		"  - { name: a, from: ct, to: pacs, services: [ store ], user-identity: { caller: verify, users: [ ann, \"@night\" ] } }\n"
		"  - { name: b, from: ct, to: pacs, services: [ find ], user-identity: { caller: verify, users: [ \"@day\" ] } }\n"
		"  - { name: c, from: ct, to: pacs, services: [ echo ] }\n"
		"  - { name: d, from: ct, to: pacs, services: [ get ], user-identity: { caller: require } }\n";
	const struct {
		struct user_facts facts;
		const char *flows; /* left; NULL: refused */
		const char *says;
	} cases[] = {
		{{0}, "c", ""},
		{{true, true, "ann", "", NULL}, "acd", ""},
		{{true, true, "bob", "", NULL}, "acd", ""},
		{{true, true, "eve", "x,day", NULL}, "bcd", ""},
		{{true, true, "eve", "daylight,aday,day ", NULL}, "cd", ""},
		{{true, true, "@night", "", NULL}, "cd", ""},
		/* What was to be proved and was not is no way to the flows that want no proof. */
		{{true, false, NULL, NULL, "its passcode is wrong"}, NULL, "its passcode is wrong"},
	};
	struct site *s = NULL;
	struct mistakes m;
	assert_int_equal(site_parse(span_str(yaml), "/etc/gantry/gantry.yaml", &s, &m), 0);
	mistakes_done(&m);
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct route r = {.from = 0, .to = 1, .flows = {0, 1, 2, 3}, .n_flows = 4};
		struct verdict v;
		int e = decide_user(s, &r, &cases[i].facts, &v);
		assert_int_equal(e, cases[i].flows ? 0 : ERR_DENIED);
		for (unsigned k = 0; cases[i].flows && k < r.n_flows; k++) {
			assert_int_equal(s->flows[r.flows[k]].name[0], cases[i].flows[k]);
		}
		assert_true(!cases[i].flows || strlen(cases[i].flows) == r.n_flows);
		assert_non_null(strstr(v.sentence, cases[i].says));
	}
	site_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_of_the_standard),
		cmocka_unit_test(password_files),
		cmocka_unit_test(users_of_flows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
