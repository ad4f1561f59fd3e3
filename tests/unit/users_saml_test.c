/* SPDX-License-Identifier: Apache-2.0 */
#include "users/users.h"
#include "users_saml_made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Assertions: a good one, and all that is made of it by who cannot sign. */

#define NOW    1767227400 /* 2026-01-01 00:30:00 UTC, in the middle of it */
#define BEGINS 1767225600
#define ENDS   1767229200

static struct user_saml usual(void)
{
	return (struct user_saml){.issuer = "https://idp.hospital.example",
		.audience = "gantry",
		.recipient = "",
		.name = "",
		.groups = "groups",
		.skew_s = 60};
}

static struct proof judge_at(struct span sent, struct user_saml saml, int64_t now_s, int64_t since_s)
{
	struct users config = {.saml = saml};
	struct proof_request r = {.config = &config, .now_s = now_s, .since_s = since_s, .primary = sent};
	static struct proof p;
	memset(&p, 0x55, sizeof(p));
	r.files[FILE_SAML_CERTIFICATES] = span_str(saml_certificate);
	users_saml(&r, &p);
	assert_true(p.proved == (p.why[0] == 0));
	assert_true(p.proved == (p.name[0] != 0));
	/* Nobody can make it say another name. */
	assert_true(!p.proved || strcmp(p.name, "ann") == 0);
	return p;
}

static struct proof judge(const char *sent)
{
	return judge_at(span_str(sent), usual(), NOW, 0);
}

/* The good one, or another text, with each `from` replaced; freed by the caller. */
static char *made(const char *text, const char *from, const char *to)
{
	size_t room = strlen(text) + 64 * strlen(to) + 1, used = 0;
	char *out = malloc(room);
	assert_non_null(out);
	assert_non_null(strstr(text, from));
	while (*text) {
		if (strncmp(text, from, strlen(from)) == 0) {
			used += (size_t)snprintf(out + used, room - used, "%s", to);
			text += strlen(from);
		} else {
			out[used++] = *text++;
		}
		assert_true(used < room);
	}
	out[used] = 0;
	return out;
}

static void refused(const char *sent, const char *says)
{
	struct proof p = judge(sent);
	if (p.proved || !strstr(p.why, says)) {
		fail_msg("`%s`, and not `%s`, of %s", p.why, says, sent);
	}
}

static void a_good_one(void **state)
{
	struct proof p = judge(saml_good), again;
	assert_true(p.proved);
	assert_string_equal(p.groups, "readers,staff");
	assert_int_equal(p.once_until_s, ENDS + 60 + 1);
	assert_non_null(memmem(p.response, p.response_len, "status:Success", 14));
	assert_non_null(memmem(p.response, p.response_len, ">gantry</saml:Issuer>", 21));
	again = judge(saml_good);
	assert_memory_equal(p.once, again.once, sizeof(p.once));
	/* It may be used again where the site says so. */
	struct user_saml reuse = usual();
	reuse.reuse = true;
	assert_int_equal(judge_at(span_str(saml_good), reuse, NOW, NOW).once_until_s, 0);
	assert_true(judge_at(span_str(saml_good), reuse, NOW, NOW).proved);
	assert_non_null(strstr(judge_at(span_str(saml_good), usual(), NOW, NOW).why, "record"));
	char why[128];
	assert_int_equal(users_check_saml(span_str(saml_certificate), why, sizeof(why)), 0);
	assert_int_equal(users_check_saml(span_str("x"), why, sizeof(why)), ERR_VALUE);
}

static void times_and_names(void **state)
{
	const struct {
		int64_t now_s;
		bool good;
	} times[] = {{BEGINS - 61, false}, {BEGINS - 60, true}, {ENDS + 59, true}, {ENDS + 60, false}};
	for (unsigned i = 0; i < ARRAY_LEN(times); i++) {
		assert_true(
			judge_at(span_str(saml_good), usual(), times[i].now_s, 0).proved == times[i].good);
	}
	struct user_saml other = usual();
	other.issuer = "https://idp.hospital.example/";
	assert_non_null(strstr(judge_at(span_str(saml_good), other, NOW, 0).why, "issuer"));
	other = usual();
	other.audience = "gantr";
	assert_non_null(strstr(judge_at(span_str(saml_good), other, NOW, 0).why, "audience"));
	other = usual();
	other.recipient = "https://gw2";
	assert_non_null(strstr(judge_at(span_str(saml_good), other, NOW, 0).why, "recipient"));
	other.recipient = "https://gw";
	assert_true(judge_at(span_str(saml_good), other, NOW, 0).proved);
	other.name = "groups"; /* two values are no name */
	assert_non_null(strstr(judge_at(span_str(saml_good), other, NOW, 0).why, "more than one"));
}

/* ---- What can be made of it without the key ---- */

#define SIGNED     "was changed since"
#define SHAPE      "not over all of it"
#define ANOTHER    "holds another one"
#define NOTHING    "no SAML 2.0 assertion"
#define MORE       "http://www.w3.org/2001/04/xmldsig-more#"
#define DSIG       "http://www.w3.org/2000/09/xmldsig#"
#define EXC        "http://www.w3.org/2001/10/xml-exc-c14n#"
#define ID         "_22056dc4dd1fccb91"
#define TRANSFORMS "<ds:Transforms>"

static const struct {
	const char *from, *to, *says;
} changes[] = {
	{">ann<", ">eve<", SIGNED},
	{"readers", "admins!", SIGNED},
	{"2026-01-01T01", "2036-01-01T01", SIGNED},
	{">ann<", ">an<!-- -->n<", "names no user"},
	{">ann<", "><!-- -->ann<", "names no user"},
	{">ann<", ">ann<b/><", SIGNED},
	{">ann<", ">an<?x?>n<", ANOTHER},
	{"https://idp.hospital.example</saml:Issuer>", "https://idp.hospital<!-- -->.example</saml:Issuer>",
		"another issuer"},
	{">gantry<", ">gan<!-- -->try<", "another audience"},
	/* Other ways to sign, and to say what is signed. */
	{MORE "ecdsa-sha256", MORE "hmac-sha256", SHAPE},
	{MORE "ecdsa-sha256", DSIG "hmac-sha1", SHAPE},
	{MORE "ecdsa-sha256", DSIG "rsa-sha1", SHAPE},
	{MORE "ecdsa-sha256", MORE "ecdsa-sha1", SHAPE},
	{MORE "ecdsa-sha256", MORE "rsa-sha256", SIGNED},
	{"http://www.w3.org/2001/04/xmlenc#sha256", DSIG "sha1", SHAPE},
	{"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#md5", SHAPE},
	{"<ds:CanonicalizationMethod Algorithm=\"" EXC "\"/>",
		"<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\"/>",
		SHAPE},
	{"<ds:Transform Algorithm=\"" EXC "\"/>", "", SHAPE},
	{"<ds:Transform Algorithm=\"" DSIG "enveloped-signature\"/>", "", SHAPE},
	{TRANSFORMS, TRANSFORMS "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"/>",
		SHAPE},
	{TRANSFORMS,
		TRANSFORMS
		"<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>self::a</ds:XPath></ds:Transform>",
		SHAPE},
	{"<ds:Transform Algorithm=\"" EXC "\"/>",
		"<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"><xsl:stylesheet "
		"xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\"/></ds:Transform>",
		SHAPE},
	{"<ds:Transform Algorithm=\"" EXC "\"/>", "<ds:Transform Algorithm=\"" EXC "\"><x/></ds:Transform>",
		SHAPE},
	{"URI=\"#" ID "\"", "URI=\"\"", SHAPE},
	{" URI=\"#" ID "\"", "", SHAPE},
	{"URI=\"#" ID "\"", "URI=\"http://127.0.0.1/x\"", SHAPE},
	{"URI=\"#" ID "\"", "URI=\"file:///etc/passwd\"", SHAPE},
	{"URI=\"#" ID "\"", "URI=\"#xpointer(/)\"", SHAPE},
	{"</ds:Reference>", "</ds:Reference><ds:Reference URI=\"#" ID "\"/>", SHAPE},
	{"</ds:KeyInfo>", "</ds:KeyInfo><ds:Object/>", SHAPE},
	{"</ds:SignedInfo>", "</ds:SignedInfo><ds:Object/>", SHAPE},
	{"<ds:SignedInfo>", "<ds:Object/><ds:SignedInfo>", SHAPE},
	/* Identifiers: twice, of something else, and such as end an expression. */
	{"<saml:Subject>", "<saml:Subject ID=\"" ID "\">", ANOTHER},
	{"<saml:Subject>", "<saml:Subject xml:id=\"" ID "\">", ANOTHER},
	{"<saml:Subject>", "<saml:Subject Id=\"" ID "\">", ANOTHER},
	{" ID=\"" ID "\"", " ID=\"_other\"", SHAPE},
	{ID, "_x'] | //*['", "no ID"},
	{" ID=\"" ID "\"", "", "no ID"},
	{" ID=\"" ID "\"", " xmlns:q=\"u:q\" q:ID=\"" ID "\"", "no ID"},
	/* Documents. */
	{"<saml:Assertion ",
		"<!DOCTYPE saml:Assertion [<!ATTLIST saml:Subject x ID #IMPLIED>]><saml:Assertion ", NOTHING},
	{"<saml:Assertion ", "<!DOCTYPE a SYSTEM \"http://127.0.0.1/a.dtd\"><saml:Assertion ", NOTHING},
	{"<saml:Assertion ", "<?xml version=\"1.0\" encoding=\"UTF-16\"?><x/><saml:Assertion ", NOTHING},
	{">ann<", ">&ann;<", NOTHING},
	{"SAML:2.0:assertion\" ID", "SAML:1.0:assertion\" ID", NOTHING},
	{"Version=\"2.0\"", "Version=\"1.1\"", NOTHING},
	{"<saml:Subject>", "<saml:Subject><saml:EncryptedID/>", "encrypted in parts"},
	{"saml:Assertion", "saml:EncryptedAssertion", "is encrypted"},
	{"xmldsig#\">", "xmldsig2#\">", "not one signature"},
	{"<saml:Subject>", "<ds:Signature xmlns:ds=\"" DSIG "\"/><saml:Subject>", "not one signature"},
	{"<saml:Subject>", "<saml:Subject><Signature/>", "not one signature"},
	{"<saml:Subject>", "<saml:Subject><x:assertion xmlns:x=\"u:x\"/>", ANOTHER},
};

static void changed(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(changes); i++) {
		char *text = made(saml_good, changes[i].from, changes[i].to);
		refused(text, changes[i].says);
		free(text);
	}
	refused(saml_by_another, SIGNED);
	/* A character is the same character however it is written, and a key that is named is nobody's. */
	const char *const same[][2] = {{">ann<", ">&#97;nn<"}, {">ann<", "><![CDATA[ann]]><"},
		{"<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyName>evil</ds:KeyName>"},
		{"<saml:Subject>", "<!-- x --><saml:Subject>"}};
	for (unsigned i = 0; i < ARRAY_LEN(same); i++) {
		char *text = made(saml_good, same[i][0], same[i][1]);
		assert_true(judge(text).proved);
		free(text);
	}
}

/* The signed assertion is in the document, whole and valid, and what would be read is another one. */
static void wrapped(void **state)
{
	static char text[4 * sizeof(saml_good)];
	char *unsigned_one = made(saml_good, ">ann<", ">eve<"),
	     *signature = strstr(saml_good, "<ds:Signature");
	char *end = strstr(saml_good, "</ds:Signature>") + strlen("</ds:Signature>");
	char *evil = made(unsigned_one, " ID=\"" ID "\"", " ID=\"_evil\"");
	char *evil_end = strstr(evil, "</saml:Assertion>");
	*strstr(evil, "<ds:Signature") = 0;
	const char *evil_rest = strstr(unsigned_one, "<saml:Subject>");
	int sig = (int)(end - signature);
	assert_non_null(evil_end);
	/* Its signature moved to the evil one, which holds the good one: in an Object, in Advice, as a sibling. */
	const char *const where[][2] = {{"<saml:Advice>", "</saml:Advice>"},
		{"<saml:Subject>", "</saml:Subject>"}, {"<ds:Object xmlns:ds=\"" DSIG "\">", "</ds:Object>"}};
	for (unsigned i = 0; i < ARRAY_LEN(where); i++) {
		snprintf(text, sizeof(text), "%s%.*s%s%s%s%s", evil, sig, signature, where[i][0], saml_good,
			where[i][1], evil_rest);
		refused(text, ANOTHER);
		/* And without its own. */
		snprintf(text, sizeof(text), "%s%s%s%s%s", evil, where[i][0], saml_good, where[i][1],
			evil_rest);
		refused(text, ANOTHER);
	}
	/* Two, one after the other, in a root of their own. */
	snprintf(text, sizeof(text), "<r>%s%s%s</r>", evil, evil_rest, saml_good);
	refused(text, NOTHING);
	snprintf(text, sizeof(text), "<r>%s%s%s</r>", saml_good, evil, evil_rest);
	refused(text, NOTHING);
	snprintf(text, sizeof(text),
		"<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">%s</samlp:Response>",
		saml_good);
	refused(text, NOTHING);
	snprintf(text, sizeof(text), "%s%s", saml_good, saml_good);
	refused(text, NOTHING);
	/* The signature of the good one on the evil one, which takes its identifier or keeps its own. */
	snprintf(text, sizeof(text), "%s%.*s%s", evil, sig, signature, evil_rest);
	refused(text, SHAPE);
	refused(unsigned_one, SIGNED);
	free(unsigned_one);
	free(evil);
}

static void bytes(void **state)
{
	size_t len = strlen(saml_good);
	char *text = strdup(saml_good);
	assert_non_null(text);
	/* The last byte is the end of a line. */
	for (size_t i = 0; i + 1 < len; i++) {
		assert_false(judge_at(span_of(text, i), usual(), NOW, 0).proved);
	}
	/* Where it is not signed (what it says of its key, white space of base64) a byte may be another. */
	for (size_t i = 0; i < len; i += 3) {
		text[i] = (char)(saml_good[i] ^ 1);
		struct proof p = judge_at(span_of(text, len), usual(), NOW, 0);
		assert_true(!p.proved || strcmp(p.groups, "readers,staff") == 0);
		text[i] = saml_good[i];
	}
	/* Nested beyond reason. */
	static char deep[60000];
	size_t used = 0;
	used += (size_t)snprintf(deep, sizeof(deep),
		"<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" "
		"Version=\"2.0\" ID=\"a\">");
	while (used + 4 < sizeof(deep)) {
		memcpy(deep + used, "<a>", 4);
		used += 3;
	}
	refused(deep, NOTHING);
	used = strlen(
		"<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" Version=\"2.0\" ID=\"a\">");
	for (unsigned i = 0; i < 100; i++) {
		memcpy(deep + used, "<a>", 3);
		memcpy(deep + used + 3 * (100 - i) + 4 * i, "</a>", 4);
		used += 3;
	}
	snprintf(deep + used + 400, sizeof(deep) - used - 400, "</saml:Assertion>");
	refused(deep, NOTHING);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one),
		cmocka_unit_test(times_and_names),
		cmocka_unit_test(changed),
		cmocka_unit_test(wrapped),
		cmocka_unit_test(bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
