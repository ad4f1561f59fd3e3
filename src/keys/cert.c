/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cert.h"
#include "keys/x509.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static int first_certificate(struct span pem, X509 **ret_cert)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	if (!bio) {
		return ERR_NO_MEMORY;
	}
	int r = x509_next(bio, ret_cert);
	ERR_clear_error();
	return r == ERR_NOT_FOUND ? ERR_VALUE : r;
}

int cert_days_left(struct span pem, int64_t now_s, int *ret_days, char ret_subject[256])
{
	X509 *cert CLEANUP(x509_freep) = NULL;
	int r = first_certificate(pem, &cert);
	if (r < 0) {
		return r;
	}
	int64_t end_s;
	r = x509_time_s(X509_get0_notAfter(cert), &end_s);
	if (r < 0) {
		return r;
	}
	int64_t left_s = end_s - now_s;
	int64_t days = left_s / 86400 - (left_s % 86400 < 0);
	*ret_days = days > INT_MAX ? INT_MAX : days < INT_MIN ? INT_MIN : (int)days;
	x509_name_text(X509_get_subject_name(cert), ret_subject, 256);
	return 0;
}

int cert_spki_sha256(struct span pem, uint8_t ret_hash[32])
{
	X509 *cert CLEANUP(x509_freep) = NULL;
	int r = first_certificate(pem, &cert);
	return r < 0 ? r : x509_spki_sha256(cert, ret_hash);
}

static int of_der(struct span der, X509 **ret_cert)
{
	const unsigned char *at = der.ptr;
	X509 *cert = der.len > 0 && der.len <= LONG_MAX ? d2i_X509(NULL, &at, (long)der.len) : NULL;
	ERR_clear_error();
	if (cert && at != der.ptr + der.len) {
		X509_free(cert);
		cert = NULL;
	}
	*ret_cert = cert;
	return cert ? 0 : ERR_VALUE;
}

int cert_who(struct span pem_or_der, char ret_subject[256], uint8_t ret_sha256[32])
{
	X509 *cert CLEANUP(x509_freep) = NULL;
	int r = first_certificate(pem_or_der, &cert);
	r = r == ERR_VALUE ? of_der(pem_or_der, &cert) : r;
	r = r == 0 ? x509_sha256(cert, ret_sha256) : r;
	if (r == 0) {
		x509_name_text(X509_get_subject_name(cert), ret_subject, 256);
	}
	return r;
}

int cert_count(struct span pem, int *ret_count)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	if (!bio) {
		return ERR_NO_MEMORY;
	}
	int count = 0;
	for (;;) {
		X509 *cert CLEANUP(x509_freep) = NULL;
		int r = x509_next(bio, &cert);
		if (r == ERR_NOT_FOUND) {
			break;
		}
		if (r < 0) {
			ERR_clear_error();
			return r;
		}
		count++;
	}
	if (count == 0) {
		return ERR_VALUE;
	}
	*ret_count = count;
	return 0;
}

int cert_signs(struct span pem, int64_t now_s, char *why, size_t cap)
{
	int64_t from, until;
	char day[16];
	X509 *cert CLEANUP(x509_freep) = NULL;
	if (first_certificate(pem, &cert) < 0 || x509_time_s(X509_get0_notBefore(cert), &from) < 0 ||
		x509_time_s(X509_get0_notAfter(cert), &until) < 0) {
		snprintf(why, cap, "the file of the certificate holds none in PEM");
		return ERR_VALUE;
	}
	bool over = now_s > until,
	     signs = (X509_get_key_usage(cert) & (X509v3_KU_DIGITAL_SIGNATURE | X509v3_KU_NON_REPUDIATION)) !=
	             0;
	if (now_s >= from && !over && signs) {
		return 0;
	}
	x509_day(over ? X509_get0_notAfter(cert) : X509_get0_notBefore(cert), day);
	if (now_s >= from && !over) {
		snprintf(why, cap, "the certificate is not for signatures: nobody would believe one");
	} else {
		snprintf(why, cap, "the certificate %s %s: nobody would believe a signature of now",
			over ? "has expired on" : "begins on", day);
	}
	return ERR_DENIED;
}
