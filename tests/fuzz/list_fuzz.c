/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/tbs_list.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

/*
 * What the key holder may be asked to sign as a revocation list. What our parser takes OpenSSL takes too, once it stands in a
 * list, and sees the same in it.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static size_t head(uint8_t *at, uint8_t tag, size_t len)
{
	at[0] = tag;
	at[1] = 0x83;
	at[2] = (uint8_t)(len >> 16);
	at[3] = (uint8_t)(len >> 8);
	at[4] = (uint8_t)len;
	return 5;
}

static X509_CRL *by_openssl(struct span tbs, struct span algorithm)
{
	static const uint8_t no_signature[] = {0x03, 0x02, 0x00, 0x00};
	size_t body = tbs.len + algorithm.len + sizeof(no_signature);
	uint8_t *der = malloc(body + 5);
	must(der != NULL && body < 0xffffff);
	size_t at = head(der, 0x30, body);
	memcpy(der + at, tbs.ptr, tbs.len);
	memcpy(der + at + tbs.len, algorithm.ptr, algorithm.len);
	memcpy(der + at + tbs.len + algorithm.len, no_signature, sizeof(no_signature));
	const unsigned char *p = der;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)(at + body));
	free(der);
	ERR_clear_error();
	return crl;
}

static void compare(struct span tbs, const struct tbs_list *l, size_t n, bool all)
{
	X509_CRL *crl = by_openssl(tbs, l->algorithm);
	if (!crl) {
		return; /* names and identifiers, which are held against known ones here, are looked into there */
	}
	int64_t number = 0;
	ASN1_INTEGER *value = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	must(value && ASN1_INTEGER_get_int64(&number, value) == 1 && number == l->number);
	must(X509_CRL_get_version(crl) == X509_CRL_VERSION_2 && X509_CRL_get_ext_count(crl) == 3);
	int got = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)); /* -1: there are none */
	must(!all || (got < 0 ? 0 : (size_t)got) == n);
	ASN1_INTEGER_free(value);
	X509_CRL_free(crl);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tbs_list l;
	struct tbs_entry entry;
	uint8_t *copy = malloc(size ? size : 1);
	must(copy != NULL);
	memcpy(copy, data, size);
	if (tbs_list_read(span_of(copy, size), &l) == 0) {
		struct reader entries = l.entries;
		size_t n = 0;
		int e = 0;
		must(l.number > 0 && l.next_s > l.this_s);
		while (reader_left(&entries) > 0 && (e = tbs_entry_next(&entries, &entry)) == 0) {
			must(entry.serial.len > 0 && entry.serial.len <= 20 && entry.issuer.len >= 2);
			n++;
		}
		compare(span_of(copy, size), &l, n, e == 0);
	}
	free(copy);
	return 0;
}
