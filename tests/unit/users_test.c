/* SPDX-License-Identifier: Apache-2.0 */
#include "users/keytab.h"
#include "users/ldap_text.h"
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
	/* Whose affair a name is. */
	assert_true(login(file, "an", "password").unknown);
	assert_false(login(file, "ann", "wrong").unknown || login(file, "nobody", "").unknown ||
		     login(file, "x", "y").unknown);
	assert_int_equal(users_check_passcode(span_str("secret\n"), why, sizeof(why)), 0);
	assert_int_equal(users_check_passcode(span_str("\nsecret"), why, sizeof(why)), ERR_VALUE);
	assert_int_equal(users_check_passcode(span_str(""), why, sizeof(why)), ERR_VALUE);
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

/* ---- Keytabs and LDAP's texts ---- */

/* By ktutil: add_entry -password -p dicom/gw@EXAMPLE -k 3 -e aes256-cts, and one of RC4; then a hole, as ktremove leaves it. */
static const uint8_t keytab[] = {5, 2, 0, 0, 0, 0x47, 0, 2, 0, 7, 'E', 'X', 'A', 'M', 'P', 'L', 'E', 0, 5,
	'd', 'i', 'c', 'o', 'm', 0, 2, 'g', 'w', 0, 0, 0, 1, 0, 0, 0, 0, 3, 0, 18, 0, 32, 0, 1, 2, 3, 4, 5, 6,
	7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 0, 0,
	1, 3, 0xff, 0xff, 0xff, 0xfe, 9, 9, 0, 0, 0, 0x2d, 0, 1, 0, 7, 'E', 'X', 'A', 'M', 'P', 'L', 'E', 0,
	3, 'o', 'l', 'd', 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 23, 0, 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
	13, 14, 15};

static void keytabs(void **state)
{
	struct reader r;
	struct keytab_entry e;
	char why[200];
	assert_int_equal(keytab_begin(span_of(keytab, sizeof(keytab)), &r), 0);
	assert_int_equal(keytab_next(&r, &e), 0);
	assert_true(keytab_is(&e, "dicom/gw@EXAMPLE") && keytab_is_strong(&e));
	assert_int_equal(e.version, 0x103);
	assert_int_equal(e.key.len, 32);
	const char *const others[] = {"", "dicom/gw", "dicom/gw@", "dicom/gw@EXAMPL", "dicom/gw@EXAMPLE2",
		"dicom/g@EXAMPLE", "dicom@EXAMPLE", "dicom/gw/x@EXAMPLE", "/gw@EXAMPLE", "DICOM/gw@EXAMPLE"};
	for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
		assert_false(keytab_is(&e, others[i]));
	}
	assert_int_equal(keytab_next(&r, &e), 0);
	assert_true(keytab_is(&e, "old@EXAMPLE") && !keytab_is_strong(&e));
	assert_int_equal(keytab_next(&r, &e), ERR_NOT_FOUND);
	assert_int_equal(
		users_check_keytab(span_of(keytab, sizeof(keytab)), "dicom/gw@EXAMPLE", why, sizeof(why)), 0);
	assert_int_equal(users_check_keytab(span_of(keytab, sizeof(keytab)), "old@EXAMPLE", why, sizeof(why)),
		ERR_VALUE);
	assert_non_null(strstr(why, "AES"));
	assert_int_equal(users_check_keytab(span_of(keytab, sizeof(keytab)), "x@EXAMPLE", why, sizeof(why)),
		ERR_VALUE);
	assert_non_null(strstr(why, "no key for x@EXAMPLE"));
}

static void keytabs_that_are_cut(void **state)
{
	struct reader r;
	struct keytab_entry e;
	char why[200];
	for (size_t n = 0; n < sizeof(keytab); n++) {
		uint8_t *copy = malloc(n + 1);
		assert_non_null(copy);
		memcpy(copy, keytab, n);
		bool whole = n == 2 || n == 77 || n == 83;
		assert_int_equal(users_check_keytab(span_of(copy, n), "none@X", why, sizeof(why)), ERR_VALUE);
		assert_non_null(strstr(why, n < 2 ? "is no keytab" : whole ? "no key for" : "damaged"));
		free(copy);
	}
	/* Sizes that lie, a name of too many parts, and holes that are longer than the file. */
	const struct {
		size_t at;
		uint8_t v;
		const char *says;
	} lies[] = {{2, 0x7f, "damaged"}, {2, 0xff, "damaged"}, {2, 0x80, "damaged"}, {7, 9, "damaged"},
		{7, 0, "damaged"}, {9, 0xff, "damaged"}, {40, 0xff, "damaged"}, {1, 1, "no keytab"},
		{5, 0, "no key for"}, {83, 0x80, "damaged"}};
	uint8_t copy[sizeof(keytab)];
	for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
		memcpy(copy, keytab, sizeof(keytab));
		copy[lies[i].at] = lies[i].v;
		assert_int_equal(users_check_keytab(span_of(copy, sizeof(copy)), "none@X", why, sizeof(why)),
			ERR_VALUE);
		if (!strstr(why, lies[i].says)) {
			fail_msg("lie %u: %s", i, why);
		}
	}
	/* A failed read leaves the output alone. */
	memset(&e, 7, sizeof(e));
	struct keytab_entry before = e;
	assert_int_equal(keytab_begin(span_of(keytab, 60), &r), 0);
	assert_int_equal(keytab_next(&r, &e), ERR_TRUNCATED);
	assert_memory_equal(&e, &before, sizeof(e));
}

static void ldap_texts(void **state)
{
	char text[64];
	const struct {
		const char *template, *user, *dn, *wanted;
	} cases[] = {
		{"uid={user},dc=x", "ann", "", "uid=ann,dc=x"},
		{"uid={user},dc=x", "ann,dc=y", "", "uid=ann\\2cdc\\3dy,dc=x"},
		{"uid={user},dc=x", " a#\"+\\<>;", "", "uid=\\20a\\23\\22\\2b\\5c\\3c\\3e\\3b,dc=x"},
		{"(uid={user})", "*)(uid=*", "", "(uid=\\2a\\29\\28uid\\3d\\2a)"},
		{"(uid={user})", "J\xc3\xb6rg", "", "(uid=J\\c3\\b6rg)"},
		/* What is put in is not looked at again. */
		{"(|(a={user})(m={dn}))", "{dn}", "uid=x", "(|(a=\\7bdn\\7d)(m=uid\\3dx))"},
		{"(uid={user})", "", "", "(uid=)"},
		{"{user", "x", "", "{user"},
	};
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(ldap_text(cases[i].template, span_str(cases[i].user), span_str(cases[i].dn),
					 text, sizeof(text)),
			0);
		assert_string_equal(text, cases[i].wanted);
		size_t n = strlen(text);
		assert_int_equal(
			ldap_text(cases[i].template, span_str(cases[i].user), span_str(cases[i].dn), text, n),
			ERR_SPACE);
		assert_int_equal(ldap_text(cases[i].template, span_str(cases[i].user), span_str(cases[i].dn),
					 text, n + 1),
			0);
	}
	assert_int_equal(ldap_text("{user}", span_of("a\0b", 3), span_of(NULL, 0), text, sizeof(text)), 0);
	assert_string_equal(text, "a\\00b");
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
		/* Whom the system lets through the local door. */
		r = (struct route){.from = -1, .to = 1, .flows = {0, 1, 2, 3}, .n_flows = 4, .local = true};
		assert_int_equal(decide_user(s, &r, &cases[i].facts, &v), 0);
		assert_int_equal(r.n_flows, 4);
		assert_false(v.refuse);
	}
	site_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_of_the_standard),
		cmocka_unit_test(password_files),
		cmocka_unit_test(keytabs),
		cmocka_unit_test(keytabs_that_are_cut),
		cmocka_unit_test(ldap_texts),
		cmocka_unit_test(users_of_flows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
