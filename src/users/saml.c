/* SPDX-License-Identifier: Apache-2.0 */
#include "users/saml_parts.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * A SAML 2.0 assertion (PS3.7 D.3.3.7): read, its signature verified, what it says held against the site. In a module of its own,
 * and in a process that ends with the answer.
 */

/* For &, < and > of the audience. */
static void put_escaped(char *to, size_t cap, const char *text)
{
	static const struct {
		char c;
		const char *as;
	} escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}};
	size_t used = 0;
	for (; *text && used + 6 < cap; text++) {
		const char *as = NULL;
		for (unsigned i = 0; i < ARRAY_LEN(escapes); i++) {
			as = escapes[i].c == *text ? escapes[i].as : as;
		}
		used += (size_t)snprintf(to + used, cap - used, as ? "%s" : "%.1s", as ? as : text);
	}
	to[used] = 0;
}

/* PS3.7 D.3.3.7.2: "the SAML response". There is no request that it would be to; it says success. */
static void respond(const struct proof_request *r, struct proof *ret)
{
	char now[32] = "", issuer[512];
	uint8_t id[16];
	struct tm tm;
	time_t t = (time_t)r->now_s;
	if (RAND_bytes(id, sizeof(id)) != 1 || !gmtime_r(&t, &tm) ||
		strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		return;
	}
	put_escaped(issuer, sizeof(issuer), r->config->saml.audience);
	char hex[2 * sizeof(id) + 1];
	for (unsigned i = 0; i < sizeof(id); i++) {
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	}
	int n = snprintf((char *)ret->response, sizeof(ret->response),
		"<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_%s\" Version=\"2.0\" "
		"IssueInstant=\"%s\"><saml:Issuer xmlns:saml=\"%s\">%s</saml:Issuer><samlp:Status><samlp:StatusCode "
		"Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status></samlp:Response>",
		hex, now, saml_ns, issuer);
	ret->response_len = n > 0 && (size_t)n < sizeof(ret->response) ? (size_t)n : 0;
}

void users_saml(const struct proof_request *r, struct proof *ret)
{
	struct saml s = {.r = r};
	const char *fault = saml_read(r->primary, &s);
	fault = fault ? fault : saml_verify(&s);
	fault = fault ? fault : saml_take(&s, ret);
	if (fault) {
		proof_refuse(ret, fault);
	} else {
		respond(r, ret);
	}
	xmlFreeDoc(s.doc);
}
