/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/ocsp.h"
#include "keys/x509.h"

#include <stdlib.h>
#include <string.h>

/* What a responder answers, and a chain as roles pass it on. The authority and its certificate are made for this. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char ca_pem[] = "-----BEGIN CERTIFICATE-----\n"
			     "MIIBizCCATGgAwIBAgIUFCUz6ZrcP5o42HHEf9veUK4kPT4wCgYIKoZIzj0EAwIw\n"
			     "EjEQMA4GA1UEAwwHRnV6eiBDQTAgFw0yNjExMjQwMjUwMDZaGA8yMTI2MTAzMTAy\n"
			     "NTAwNlowEjEQMA4GA1UEAwwHRnV6eiBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
			     "A0IABNlBFBosbGIPY/PJLaH/QSoAZhQ0/4JaJtSh2jXOWpvXYJ86MdXKvkry4PYk\n"
			     "5qlUr8DFm+W65Rp9qnNtuyN4LA+jYzBhMB0GA1UdDgQWBBSR7wZAX0ie2JX/fxbG\n"
			     "Yv+PRRZF9zAfBgNVHSMEGDAWgBSR7wZAX0ie2JX/fxbGYv+PRRZF9zAPBgNVHRMB\n"
			     "Af8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAKBggqhkjOPQQDAgNIADBFAiAfsmgW\n"
			     "88Sc7qxIEiyEFy7Mc0XmEyvYy+VPEOqe+OVeFQIhAISF5EqjGBy7NgQXRwIUXPYl\n"
			     "ms90/7/rFDLonB0vFbCm\n"
			     "-----END CERTIFICATE-----\n";
static const char leaf_pem[] = "-----BEGIN CERTIFICATE-----\n"
			       "MIIBkzCCATigAwIBAgICEjQwCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwHRnV6eiBD\n"
			       "QTAgFw0yNjExMjQwMjUwMDZaGA8yMTI2MTAzMTAyNTAwNlowDzENMAsGA1UEAwwE\n"
			       "bGVhZjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIU16wWWFmDawB89IzOmDdlN\n"
			       "G/QHGr/KFUCxM/HM0bqgLU+FvqR39bu1LCohiaDFbgzZxDLmxsDEWsvOEUzBjvGj\n"
			       "fzB9MAkGA1UdEwQCMAAwMAYIKwYBBQUHAQEEJDAiMCAGCCsGAQUFBzABhhRodHRw\n"
			       "Oi8vb2NzcC5leGFtcGxlLzAdBgNVHQ4EFgQUqNaIDyYGxzO5PnW4B2ZcBXm535Iw\n"
			       "HwYDVR0jBBgwFoAUke8GQF9IntiV/38WxmL/j0UWRfcwCgYIKoZIzj0EAwIDSQAw\n"
			       "RgIhAMmKw7SmAModG31uHUZcSVJziNUXxmTHnrP6VX+MaBczAiEAwYDS8yQeAhNk\n"
			       "LnjeEVn48T9yQ4wVRSgSS0p0h5quwkE=\n"
			       "-----END CERTIFICATE-----\n";

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static X509 *read_one(const char *pem)
{
	BIO *bio = x509_bio(span_str(pem));
	X509 *cert = NULL;
	must(bio && x509_next(bio, &cert) == 0);
	BIO_free(bio);
	return cert;
}

static void chain(struct span bytes)
{
	X509 *at[CHAIN_CERTIFICATES];
	unsigned n = 0;
	size_t len = 0;
	char url[512];
	if (chain_read(bytes, at, &n) != 0) {
		return;
	}
	must(n >= 1 && n <= CHAIN_CERTIFICATES);
	uint8_t *again = malloc(bytes.len);
	must(again && chain_write(at, n, again, bytes.len, &len) == 0 && len <= bytes.len);
	if (ocsp_url(at[0], url, sizeof(url)) == 0) {
		must(strncasecmp(url, "http://", 7) == 0);
	}
	free(again);
	chain_free(at, n);
}

/* What is split is what was joined. */
static void split(struct span bytes)
{
	struct span at, staple;
	size_t len = 0;
	if (chain_split(bytes, &at, &staple) != 0) {
		return;
	}
	must(at.len > 0 && at.len + staple.len + (staple.len > 0 ? 2 : 0) <= bytes.len);
	uint8_t *again = malloc(bytes.len);
	must(again && chain_join(at, staple, again, bytes.len, &len) == 0);
	must(memcmp(again, bytes.ptr, len) == 0);
	chain(at);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static X509 *ca, *leaf;
	struct standing s;
	if (!ca) {
		ca = read_one(ca_pem);
		leaf = read_one(leaf_pem);
	}
	uint8_t *copy = malloc(size ? size : 1);
	must(copy != NULL);
	memcpy(copy, data, size);
	ocsp_judge(span_of(copy, size), leaf, ca, 1795392000, &s);
	must((s.state == STANDING_GOOD) == (s.why[0] == 0));
	must(s.state == STANDING_UNKNOWN || s.until_s > 0);
	chain(span_of(copy, size));
	split(span_of(copy, size));
	free(copy);
	return 0;
}
