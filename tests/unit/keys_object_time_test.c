/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/object_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* What a signature says of when it was made: judged by its certificate, by now, and by its timestamp. */

#define NOW   INT64_C(1795690800) /* 2026-11-26 11:00:00 UTC */
#define DAY   INT64_C(86400)
#define FROM  (NOW - 30 * DAY) /* 2026-10-27 */
#define UNTIL (NOW + 30 * DAY)

static const struct {
	const char *time;
	enum object_time when;
} rows[] = {{"20261126110000.000+0000", OBJECT_TIME_FITS}, {"20261126110459+0000", OBJECT_TIME_FITS},
	{"20261126110601+0000", OBJECT_TIME_LATER}, {"20261126120000+0100", OBJECT_TIME_FITS},
	{"20261126120601+0100", OBJECT_TIME_LATER}, {"20261126060000.123456-0500", OBJECT_TIME_FITS},
	{"20261126060601-0500", OBJECT_TIME_LATER},
	/* Without a zone it may be anywhere. */
	{"20261127005500", OBJECT_TIME_FITS}, {"20261127010601", OBJECT_TIME_LATER},
	{"20261026230000", OBJECT_TIME_FITS}, {"20261026225000", OBJECT_TIME_OUTSIDE},
	/* Of less than a second. */
	{"20261126", OBJECT_TIME_FITS}, {"20261128", OBJECT_TIME_LATER}, {"20261027+0000", OBJECT_TIME_FITS},
	{"20261026+0000", OBJECT_TIME_OUTSIDE}, {"2026102710+0000", OBJECT_TIME_FITS},
	{"202610271054+0000", OBJECT_TIME_OUTSIDE}, {"202610271055+0000", OBJECT_TIME_FITS},
	{"20261027105459+0000", OBJECT_TIME_OUTSIDE}, {"19500101", OBJECT_TIME_OUTSIDE},
	/* No day, or no time. */
	{"", OBJECT_TIME_UNKNOWN}, {"2026", OBJECT_TIME_UNKNOWN}, {"202611", OBJECT_TIME_UNKNOWN},
	{"202611261", OBJECT_TIME_UNKNOWN}, {"2026112611000000", OBJECT_TIME_UNKNOWN},
	{"yesterday", OBJECT_TIME_UNKNOWN}};

static void says_when(void **state)
{
	X509 *cert = X509_new();
	(void)state;
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)FROM));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)UNTIL));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct object_verdict v = {0};
		snprintf(v.time, sizeof(v.time), "%s", rows[i].time);
		enum object_time when = object_time_of(&v, cert, NOW);
		if (when != rows[i].when) {
			fail_msg("`%s`: %d", rows[i].time, (int)when);
		}
	}
	/* A timestamp that is good says when it was there. Otherwise a certificate that has ended is one that was over then. */
	struct object_verdict v = {.time = "20261126110000+0000",
		.stamp = {.present = 1, .state = OBJECT_GOOD, .time_s = NOW - 10 * DAY}};
	assert_int_equal(object_time_of(&v, cert, NOW), OBJECT_TIME_LATER);
	v.stamp.state = OBJECT_FALSE;
	assert_int_equal(object_time_of(&v, cert, NOW), OBJECT_TIME_FITS);
	snprintf(v.time, sizeof(v.time), "20270101000000+0000");
	assert_int_equal(object_time_of(&v, cert, NOW + 90 * DAY), OBJECT_TIME_OUTSIDE);
	X509_free(cert);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(says_when)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
