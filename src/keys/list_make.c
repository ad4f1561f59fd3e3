/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/list_make.h"
#include "keys/ca_parts.h"
#include "keys/delegate.h"
#include "keys/x509.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static inline void crl_freep(X509_CRL **crl)
{
	X509_CRL_free(*crl);
}

static X509 *first_certificate(struct span pem)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	X509 *cert = NULL;
	return bio && x509_next(bio, &cert) == 0 ? cert : NULL;
}

/* ---- Whose it is ---- */

static int serial_text(const ASN1_INTEGER *serial, char text[64])
{
	BIGNUM *n = ASN1_INTEGER_to_BN(serial, NULL);
	char *hex = n && !BN_is_negative(n) ? BN_bn2hex(n) : NULL;
	size_t len = hex ? strlen(hex) : 0;
	for (size_t i = 0; i <= len && len > 0 && len < 64; i++) {
		text[i] = (char)tolower((unsigned char)hex[i]);
	}
	OPENSSL_free(hex);
	BN_free(n);
	return len > 0 && len < 64 ? 0 : ERR_VALUE;
}

static int set_issuer(struct list_target *t, const X509 *anchor)
{
	const X509_NAME *name = X509_get_subject_name(anchor);
	unsigned char *der = NULL;
	int len = i2d_X509_NAME(name, &der);
	bool fits = len > 0 && len <= LIST_NAME;
	if (fits) {
		memcpy(t->issuer_der, der, (size_t)len);
		t->issuer_len = (size_t)len;
		x509_name_text(name, t->issuer, sizeof(t->issuer));
	}
	OPENSSL_free(der);
	return fits ? 0 : ERR_VALUE;
}

/* The i-th anchor of all files. The caller's. */
static X509 *anchor_at(const struct span *trust, size_t n_trust, size_t i)
{
	for (size_t k = 0; k < n_trust; k++) {
		BIO *bio CLEANUP(x509_bio_freep) = x509_bio(trust[k]);
		for (X509 *cert = NULL; bio && x509_next(bio, &cert) == 0; X509_free(cert)) {
			if (i-- == 0) {
				return cert;
			}
		}
	}
	return NULL;
}

int list_target_certificate(struct span pem, const struct span *trust, size_t n_trust,
	struct list_target *ret_target, char *why, size_t cap)
{
	X509 *cert CLEANUP(x509_freep) = first_certificate(pem);
	struct list_target t = {.serial = ""};
	int e = ERR_VALUE;
	if (!cert) {
		snprintf(why, cap, "it holds no certificate in PEM");
		return ERR_VALUE;
	}
	snprintf(why, cap, "it was issued by no authority of tls: trust");
	X509 *anchor;
	for (size_t i = 0; e < 0 && (anchor = anchor_at(trust, n_trust, i)); i++) {
		if (X509_NAME_cmp(X509_get_subject_name(anchor), X509_get_issuer_name(cert)) == 0 &&
			X509_verify(cert, X509_get0_pubkey(anchor)) == 1) {
			e = set_issuer(&t, anchor);
		}
		X509_free(anchor);
	}
	ERR_clear_error();
	e = e < 0 ? e : serial_text(X509_get0_serialNumber(cert), t.serial);
	if (e == 0) {
		x509_name_text(X509_get_subject_name(cert), t.subject, sizeof(t.subject));
		*ret_target = t;
	}
	return e;
}

static int read_serial(const char *text, char ret_serial[64])
{
	char digits[64];
	size_t n = 0;
	for (; *text; text++) {
		if (*text == ':') {
			continue;
		}
		if (!isxdigit((unsigned char)*text) || n + 1 == sizeof(digits)) {
			return ERR_VALUE;
		}
		digits[n++] = *text;
	}
	digits[n] = 0;
	BIGNUM *number = NULL;
	ASN1_INTEGER *serial = n > 0 && BN_hex2bn(&number, digits) > 0 && !BN_is_zero(number)
	                               ? BN_to_ASN1_INTEGER(number, NULL)
	                               : NULL;
	int e = serial && ASN1_STRING_length(serial) <= 20 ? serial_text(serial, ret_serial) : ERR_VALUE;
	BN_free(number);
	ASN1_INTEGER_free(serial);
	return e;
}

int list_target_serial(const char *serial, const struct span *issuer, const struct span *trust,
	size_t n_trust, struct list_target *ret_target, char *why, size_t cap)
{
	struct list_target t = {.subject = ""};
	X509 *only CLEANUP(x509_freep) = issuer ? first_certificate(*issuer) : anchor_at(trust, n_trust, 0);
	X509 *second CLEANUP(x509_freep) = issuer ? NULL : anchor_at(trust, n_trust, 1);
	ERR_clear_error();
	if (read_serial(serial, t.serial) < 0) {
		snprintf(why, cap, "`%.70s` is no serial number in hexadecimal, and no file", serial);
		return ERR_VALUE;
	}
	if (!only || second) {
		snprintf(why, cap, "%s",
			issuer ? "the issuer's file holds no certificate in PEM"
			: second
				? "there are several authorities: name the one whose certificate it is with --issuer FILE"
				: "there is no authority in tls: trust");
		return ERR_VALUE;
	}
	int e = set_issuer(&t, only);
	if (e == 0) {
		*ret_target = t;
	}
	return e;
}

/* ---- The list ---- */

static X509_CRL *read_list(struct span pem)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	X509_CRL *crl = bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
	ERR_clear_error();
	return crl;
}

static GENERAL_NAMES *names_of(struct span name_der)
{
	const unsigned char *at = name_der.ptr;
	X509_NAME *name = d2i_X509_NAME(NULL, &at, (long)name_der.len);
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *one = GENERAL_NAME_new();
	if (!name || !names || !one || sk_GENERAL_NAME_push(names, one) <= 0) {
		GENERAL_NAME_free(one);
		GENERAL_NAMES_free(names);
		X509_NAME_free(name);
		return NULL;
	}
	GENERAL_NAME_set0_value(one, GEN_DIRNAME, name);
	return names;
}

/* The order of extensions is tbs_list.c's. */
static int add_entry(X509_CRL *crl, const struct list_draft *d)
{
	X509_REVOKED *entry = X509_REVOKED_new();
	BIGNUM *number = NULL;
	ASN1_INTEGER *serial =
		BN_hex2bn(&number, d->add->serial) > 0 ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
	ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)d->now_s);
	ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
	GENERAL_NAMES *names = names_of(span_of(d->add->issuer_der, d->add->issuer_len));
	bool ok = entry && serial && when && reason && names &&
	          X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
	          X509_REVOKED_set_revocationDate(entry, when) == 1;
	if (ok && d->reason > 0) {
		ok = ASN1_ENUMERATED_set(reason, d->reason) == 1 &&
		     X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0, 0) == 1;
	}
	ok = ok && X509_REVOKED_add1_ext_i2d(entry, NID_certificate_issuer, names, 1, 0) == 1 &&
	     X509_CRL_add0_revoked(crl, entry) == 1;
	if (!ok) {
		X509_REVOKED_free(entry);
	}
	BN_free(number);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(when);
	ASN1_ENUMERATED_free(reason);
	GENERAL_NAMES_free(names);
	return ok ? 0 : ERR_NO_MEMORY;
}

static int copy_entries(X509_CRL *from, X509_CRL *to)
{
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(from);
	for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
		X509_REVOKED *copy = X509_REVOKED_dup(sk_X509_REVOKED_value(entries, i));
		if (!copy || X509_CRL_add0_revoked(to, copy) != 1) {
			X509_REVOKED_free(copy);
			return ERR_NO_MEMORY;
		}
	}
	return 0;
}

static bool has_entry(X509_CRL *crl, const struct list_target *t)
{
	const unsigned char *at = t->issuer_der;
	X509_NAME *issuer = d2i_X509_NAME(NULL, &at, (long)t->issuer_len);
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
	bool found = false;
	for (int i = 0; issuer && !found && i < sk_X509_REVOKED_num(entries); i++) {
		const X509_REVOKED *one = sk_X509_REVOKED_value(entries, i);
		char serial[64];
		GENERAL_NAMES *names = X509_REVOKED_get_ext_d2i(one, NID_certificate_issuer, NULL, NULL);
		const GENERAL_NAME *name =
			sk_GENERAL_NAME_num(names) == 1 ? sk_GENERAL_NAME_value(names, 0) : NULL;
		found = name && name->type == GEN_DIRNAME &&
		        X509_NAME_cmp(name->d.directoryName, issuer) == 0 &&
		        serial_text(X509_REVOKED_get0_serialNumber(one), serial) == 0 &&
		        strcmp(serial, t->serial) == 0;
		GENERAL_NAMES_free(names);
	}
	X509_NAME_free(issuer);
	return found;
}

static int64_t number_of(X509_CRL *crl)
{
	ASN1_INTEGER *value = crl ? X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL) : NULL;
	int64_t n = 0;
	if (value && (ASN1_INTEGER_get_int64(&n, value) != 1 || n < 0 || n == INT64_MAX)) {
		n = 0;
	}
	ASN1_INTEGER_free(value);
	return n;
}

static int add_extensions(X509_CRL *crl, X509 *signer, int64_t number)
{
	ASN1_INTEGER *value = ASN1_INTEGER_new();
	AUTHORITY_KEYID *key = AUTHORITY_KEYID_new();
	ISSUING_DIST_POINT *point = ISSUING_DIST_POINT_new();
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(signer);
	bool ok = value && key && point && id && (key->keyid = ASN1_OCTET_STRING_dup(id)) != NULL &&
	          ASN1_INTEGER_set_int64(value, number) == 1;
	if (ok) {
		point->indirectCRL = 0xff;
		ok = X509_CRL_add1_ext_i2d(crl, NID_authority_key_identifier, key, 0, 0) == 1 &&
		     X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, 0) == 1 &&
		     X509_CRL_add1_ext_i2d(crl, NID_issuing_distribution_point, point, 1, 0) == 1;
	}
	ASN1_INTEGER_free(value);
	AUTHORITY_KEYID_free(key);
	ISSUING_DIST_POINT_free(point);
	return ok ? 0 : ERR_NO_MEMORY;
}

/* The algorithm's place in the list is OpenSSL's to fill, which it does when it signs: with a key that is thrown away. */
static int set_algorithm(X509_CRL *crl, const EVP_PKEY *signer)
{
	struct span algorithm;
	const struct sign_scheme *scheme = delegate_scheme(signer, &algorithm);
	EVP_PKEY *key CLEANUP(x509_pkey_freep) = !scheme                    ? NULL
	                                         : scheme->kind == SIGN_RSA ? EVP_RSA_gen(2048)
	                                         : scheme->kind == SIGN_EC
	                                                 ? EVP_EC_gen("P-256")
	                                                 : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	const EVP_MD *digest = scheme && scheme->digest ? EVP_get_digestbyname(scheme->digest) : NULL;
	return key && X509_CRL_sign(crl, key, digest) > 0 ? 0 : ERR_VALUE;
}

static int fill(X509_CRL *crl, X509 *signer, X509_CRL *last, const struct list_draft *d, int64_t number)
{
	ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)d->now_s),
		  *next = ASN1_TIME_set(NULL, (time_t)d->next_s);
	int e = now && next && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	                        X509_CRL_set_issuer_name(crl, X509_get_subject_name(signer)) == 1 &&
	                        X509_CRL_set1_lastUpdate(crl, now) == 1 &&
	                        X509_CRL_set1_nextUpdate(crl, next) == 1
	                ? add_extensions(crl, signer, number)
	                : ERR_NO_MEMORY;
	e = e == 0 && last ? copy_entries(last, crl) : e;
	e = e == 0 && d->add ? add_entry(crl, d) : e;
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	if (e == 0) {
		(void)X509_CRL_sort(crl);
		e = set_algorithm(crl, X509_get0_pubkey(signer));
	}
	return e;
}

int list_draft(const struct list_draft *d, uint8_t **ret_tbs, size_t *ret_len, int64_t *ret_number)
{
	X509 *signer CLEANUP(x509_freep) = first_certificate(d->certificate);
	X509_CRL *last CLEANUP(crl_freep) = d->list.len > 0 ? read_list(d->list) : NULL;
	X509_CRL *crl CLEANUP(crl_freep) = X509_CRL_new();
	if (!signer || !crl || (d->list.len > 0 && !last)) {
		return signer && !crl ? ERR_NO_MEMORY : ERR_VALUE;
	}
	if (d->add && last && has_entry(last, d->add)) {
		return ERR_EXISTS;
	}
	int64_t number = number_of(last) + 1;
	int e = fill(crl, signer, last, d, number);
	unsigned char *der = NULL;
	int len = e == 0 ? i2d_re_X509_CRL_tbs(crl, &der) : -1;
	uint8_t *tbs = len > 0 ? malloc((size_t)len) : NULL;
	if (tbs) {
		memcpy(tbs, der, (size_t)len);
		*ret_tbs = tbs;
		*ret_len = (size_t)len;
		*ret_number = number;
	}
	OPENSSL_free(der);
	ERR_clear_error();
	return e < 0 ? e : tbs ? 0 : ERR_NO_MEMORY;
}

/* ---- Signed ---- */

static size_t put_head(uint8_t *at, uint8_t tag, size_t len)
{
	unsigned n = len < 0x80 ? 0 : len < 0x100 ? 1 : len < 0x10000 ? 2 : 3;
	at[0] = tag;
	at[1] = n == 0 ? (uint8_t)len : (uint8_t)(0x80 | n);
	for (unsigned i = 0; i < n; i++) {
		at[2 + i] = (uint8_t)(len >> 8 * (n - 1 - i));
	}
	return 2 + n;
}

/* CertificateList ::= SEQUENCE { tbs, algorithm, BIT STRING }: RFC 5280 5.1. */
static X509_CRL *join(struct span tbs, struct span algorithm, struct span signature)
{
	uint8_t outer[8], bits[8];
	size_t n_bits = put_head(bits, 0x03, signature.len + 1);
	bits[n_bits++] = 0; /* none of the last byte's is unused */
	size_t body = tbs.len + algorithm.len + n_bits + signature.len, n_outer = put_head(outer, 0x30, body);
	const struct span parts[] = {
		span_of(outer, n_outer), tbs, algorithm, span_of(bits, n_bits), signature};
	uint8_t *der = malloc(n_outer + body);
	size_t at = 0;
	for (unsigned i = 0; der && i < ARRAY_LEN(parts); i++) {
		memcpy(der + at, parts[i].ptr, parts[i].len);
		at += parts[i].len;
	}
	const unsigned char *p = der;
	X509_CRL *crl = der ? d2i_X509_CRL(NULL, &p, (long)at) : NULL;
	free(der);
	return crl;
}

int list_finish(
	struct span certificate, struct span tbs, struct span signature, char **ret_pem, size_t *ret_len)
{
	X509 *signer CLEANUP(x509_freep) = first_certificate(certificate);
	BIO *out CLEANUP(x509_bio_freep) = BIO_new(BIO_s_mem());
	struct span algorithm;
	if (!signer || !out || tbs.len > 0xf00000 || !delegate_scheme(X509_get0_pubkey(signer), &algorithm)) {
		return ERR_VALUE;
	}
	X509_CRL *crl CLEANUP(crl_freep) = join(tbs, algorithm, signature);
	int e = crl && X509_CRL_verify(crl, X509_get0_pubkey(signer)) == 1 ? 0 : ERR_DENIED;
	if (e == 0) {
		e = PEM_write_bio_X509_CRL(out, crl) == 1 && PEM_write_bio_X509(out, signer) == 1
		            ? ca_take_text(out, ret_pem, ret_len)
		            : ERR_NO_MEMORY;
	}
	ERR_clear_error();
	return e;
}

int list_each(struct span pem, void (*told)(const struct list_entry *entry, void *arg), void *arg)
{
	X509_CRL *crl CLEANUP(crl_freep) = read_list(pem);
	STACK_OF(X509_REVOKED) *entries = crl ? X509_CRL_get_REVOKED(crl) : NULL;
	for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
		const X509_REVOKED *one = sk_X509_REVOKED_value(entries, i);
		struct list_entry entry = {.serial = ""};
		GENERAL_NAMES *names = X509_REVOKED_get_ext_d2i(one, NID_certificate_issuer, NULL, NULL);
		ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(one, NID_crl_reason, NULL, NULL);
		const GENERAL_NAME *name =
			sk_GENERAL_NAME_num(names) == 1 ? sk_GENERAL_NAME_value(names, 0) : NULL;
		if (name && name->type == GEN_DIRNAME) {
			x509_name_text(name->d.directoryName, entry.issuer, sizeof(entry.issuer));
		}
		entry.reason = reason ? (int)ASN1_ENUMERATED_get(reason) : 0;
		if (serial_text(X509_REVOKED_get0_serialNumber(one), entry.serial) == 0 &&
			x509_time_s(X509_REVOKED_get0_revocationDate(one), &entry.at_s) == 0) {
			told(&entry, arg);
		}
		GENERAL_NAMES_free(names);
		ASN1_ENUMERATED_free(reason);
	}
	return crl ? 0 : ERR_VALUE;
}
