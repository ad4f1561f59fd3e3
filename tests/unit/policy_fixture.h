/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_FIXTURE_H
#define POLICY_FIXTURE_H

/* Sites and callers for the policy wing's tests. */
#include "policy/decide.h"
#include "policy/site.h"
#include "policy/site_parse.h"
#include "policy/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CT_IMAGE     "1.2.840.10008.5.1.4.1.1.2"
#define MR_IMAGE     "1.2.840.10008.5.1.4.1.1.4"
#define VERIFICATION "1.2.840.10008.1.1"
#define STUDY_FIND   "1.2.840.10008.5.1.4.1.2.2.1"
#define STUDY_MOVE   "1.2.840.10008.5.1.4.1.2.2.2"
#define STUDY_GET    "1.2.840.10008.5.1.4.1.2.2.3"
#define WORKLIST     "1.2.840.10008.5.1.4.31"
#define MPPS         "1.2.840.10008.3.1.2.3.3"
#define COMMIT       "1.2.840.10008.1.20.1"
#define IMPLICIT     "1.2.840.10008.1.2"
#define EXPLICIT     "1.2.840.10008.1.2.1"
#define JPEG         "1.2.840.10008.1.2.4.50"
#define DEFLATED     "1.2.840.10008.1.2.1.99"

#define LISTEN       "listeners: [ { name: plain, address: 127.0.0.1, port: 11112, transport: plain } ]\n"

/* The site with an overlay; every mistake that is an error fails the test. */
static inline struct site *site_with(const char *yaml, const char *overlay)
{
	struct site_text text = {
		.yaml = span_str(yaml), .overlay = span_str(overlay), .file = "/etc/gantry/gantry.yaml"};
	struct site *s = NULL;
	struct mistakes m;
	int err = site_parse_text(&text, &s, &m);
	for (unsigned i = 0; i < m.n_errors; i++) {
		print_message("%u:%u: %s\n", m.at[i].line, m.at[i].column, m.at[i].text);
	}
	mistakes_done(&m);
	assert_int_equal(err, 0);
	return s;
}

static inline struct site *site_of(const char *yaml)
{
	return site_with(yaml, "");
}

static inline struct caller plain_caller(const char *ip, const char *calling, const char *called)
{
	struct caller c = {.transport = TRANSPORT_PLAIN, .calling = calling, .called = called, .port = 4711};
	assert_int_equal(value_ip(ip, &c.ip), 0);
	return c;
}

static inline struct caller tls_caller(
	const char *ip, const char *calling, const char *called, const char *const *san)
{
	struct caller c = plain_caller(ip, calling, called);
	c.transport = TRANSPORT_TLS;
	c.has_certificate = true;
	c.subject = "CN=test";
	c.san = san;
	c.n_san = 1;
	memset(c.spki_sha256, 0xaa, sizeof(c.spki_sha256));
	return c;
}

#endif
