/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/crl.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CRL_MOST 64 /* lists of one site */

struct list {
	X509_CRL *crl;
	EVP_PKEY *key; /* that has signed it */
};

struct crl_list {
	struct list at[CRL_MOST];
	size_t n;
	unsigned others; /* who have it too */
};

struct crl_list *crl_list_share(struct crl_list *l)
{
	l->others++;
	return l;
}

void crl_list_free(struct crl_list *l)
{
	if (l && l->others > 0) {
		l->others--;
		return;
	}
	for (size_t i = 0; l && i < l->n; i++) {
		X509_CRL_free(l->at[i].crl);
		EVP_PKEY_free(l->at[i].key);
	}
	free(l);
}

/* The next list of a file. DER is told by its first byte. ERR_NOT_FOUND at the end. */
static int next_crl(struct span bytes, BIO *bio, bool first, X509_CRL **ret_crl)
{
	if (bytes.len > 0 && bytes.ptr[0] == 0x30) {
		const unsigned char *at = bytes.ptr;
		X509_CRL *crl = first ? d2i_X509_CRL(NULL, &at, (long)bytes.len) : NULL;
		*ret_crl = crl;
		return crl ? 0 : first ? ERR_VALUE : ERR_NOT_FOUND;
	}
	ERR_clear_error();
	*ret_crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	if (*ret_crl) {
		return 0;
	}
	bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	return end && !first ? ERR_NOT_FOUND : ERR_VALUE;
}

/* RFC 5280 5.2: a critical extension tells that the list is not the whole truth about its issuer's certificates. */
static bool is_partial(const X509_CRL *crl)
{
	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
		if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i))) {
			return true;
		}
	}
	return false;
}

static bool signed_by(X509_CRL *crl, X509 *authority)
{
	return X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(authority)) == 0 &&
	       (X509_get_key_usage(authority) & X509v3_KU_CRL_SIGN) != 0 &&
	       X509_CRL_verify(crl, X509_get0_pubkey(authority)) == 1;
}

/* The key of a trust anchor that has signed it, or NULL. The caller's. */
static EVP_PKEY *signer_of(X509_CRL *crl, const struct span *trust, size_t n_trust)
{
	EVP_PKEY *key = NULL;
	for (size_t i = 0; !key && i < n_trust; i++) {
		BIO *bio CLEANUP(x509_bio_freep) = x509_bio(trust[i]);
		for (X509 *cert = NULL; bio && !key && x509_next(bio, &cert) == 0;) {
			key = signed_by(crl, cert) ? X509_get_pubkey(cert) : NULL;
			X509_free(cert);
		}
	}
	ERR_clear_error();
	return key;
}

static int add(struct crl_list *l, X509_CRL *crl, const struct span *trust, size_t n_trust, size_t number,
	char *why, size_t cap)
{
	char issuer[200];
	x509_name_text(X509_CRL_get_issuer(crl), issuer, sizeof(issuer));
	const char *fault = NULL;
	EVP_PKEY *key = NULL;
	if (is_partial(crl)) {
		fault = "is a partial list (a delta, or of some certificates only), which is not understood";
	} else if (x509_hash_is_weak(X509_CRL_get_signature_nid(crl))) {
		fault = "is signed with a hash weaker than SHA-256";
	} else if (!(key = signer_of(crl, trust, n_trust))) {
		fault = "is signed by no authority of tls: trust that may sign lists (an intermediate authority must be "
			"listed there too)";
	} else if (!X509_CRL_get0_nextUpdate(crl)) {
		fault = "does not say when the next one comes";
	} else if (l->n == CRL_MOST) {
		fault = "is one list too many: 64 at most";
	}
	if (fault) {
		snprintf(why, cap, "revocation list %zu, of %s, %s", number, issuer, fault);
		X509_CRL_free(crl);
		EVP_PKEY_free(key);
		return ERR_VALUE;
	}
	l->at[l->n++] = (struct list){crl, key};
	return 0;
}

static int read_file(struct crl_list *l, struct span bytes, const struct span *trust, size_t n_trust,
	size_t number, char *why, size_t cap)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(bytes);
	if (!bio) {
		return ERR_NO_MEMORY;
	}
	for (bool first = true;; first = false) {
		X509_CRL *crl;
		int e = next_crl(bytes, bio, first, &crl);
		if (e == ERR_NOT_FOUND) {
			return 0;
		}
		if (e < 0) {
			snprintf(why, cap, "file %zu of tls: crl holds no revocation list in PEM or DER",
				number);
			return e;
		}
		e = add(l, crl, trust, n_trust, number, why, cap);
		if (e < 0) {
			return e;
		}
	}
}

int crl_list_new(const struct span *crl, size_t n, const struct span *trust, size_t n_trust,
	struct crl_list **ret_list, char *why, size_t cap)
{
	struct crl_list *l = calloc(1, sizeof(*l));
	int e = l ? 0 : ERR_NO_MEMORY;
	for (size_t i = 0; e == 0 && i < n; i++) {
		e = read_file(l, crl[i], trust, n_trust, i + 1, why, cap);
	}
	ERR_clear_error();
	if (e < 0) {
		crl_list_free(l);
		return e;
	}
	*ret_list = l;
	return 0;
}

const char *crl_reason(long reason)
{
	static const char *const reasons[] = {"", " (key compromise)", " (authority's key compromise)",
		" (affiliation changed)", " (superseded)", " (out of use)", " (on hold)", "", "",
		" (privilege withdrawn)", " (attribute authority's compromise)"};
	return reason > 0 && reason < (long)ARRAY_LEN(reasons) ? reasons[reason] : "";
}

static void say_revoked(X509_REVOKED *entry, char *why, size_t cap)
{
	char day[16];
	int critical;
	ASN1_ENUMERATED *code = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, &critical, NULL);
	long reason = code ? ASN1_ENUMERATED_get(code) : 0;
	ASN1_ENUMERATED_free(code);
	x509_day(X509_REVOKED_get0_revocationDate(entry), day);
	snprintf(why, cap, "was revoked on %s%s", day, crl_reason(reason));
}

static bool has_name(const struct list *l, const X509 *cert)
{
	return X509_NAME_cmp(X509_CRL_get_issuer(l->crl), X509_get_issuer_name(cert)) == 0;
}

/* RFC 5280 5.6.1, 6.3.3 f: an authority that has a new key signs a list with each, and each has its own certificates. */
static bool has_several_keys(const struct crl_list *l, const X509 *cert)
{
	const struct list *first = NULL;
	for (size_t i = 0; i < l->n; i++) {
		if (!has_name(&l->at[i], cert)) {
			continue;
		}
		if (first && EVP_PKEY_eq(first->key, l->at[i].key) != 1) {
			return true;
		}
		first = first ? first : &l->at[i];
	}
	return false;
}

/* Of several lists of one issuer the youngest. */
static X509_CRL *list_of_issuer(const struct crl_list *l, X509 *cert)
{
	X509_CRL *found = NULL;
	bool several = has_several_keys(l, cert);
	(void)ERR_set_mark();
	for (size_t i = 0; i < l->n; i++) {
		const struct list *one = &l->at[i];
		if (!has_name(one, cert) || (several && X509_verify(cert, one->key) != 1)) {
			continue;
		}
		if (!found || ASN1_TIME_compare(X509_CRL_get0_lastUpdate(one->crl),
				      X509_CRL_get0_lastUpdate(found)) > 0) {
			found = one->crl;
		}
	}
	(void)ERR_pop_to_mark();
	return found;
}

enum crl_answer crl_ask(const struct crl_list *l, X509 *cert, int64_t now_s, char *why, size_t cap)
{
	why[0] = 0;
	if (l->n == 0) {
		return CRL_NOT_ASKED;
	}
	X509_CRL *crl = list_of_issuer(l, cert);
	X509_REVOKED *entry = NULL;
	if (!crl) {
		snprintf(why, cap, "may have been revoked: there is no revocation list of its authority");
		return CRL_UNKNOWN;
	}
	/* 2: its reason is removeFromCRL, which only a delta has. */
	if (X509_CRL_get0_by_cert(crl, &entry, cert) == 1) {
		say_revoked(entry, why, cap);
		return CRL_REVOKED;
	}
	time_t now = (time_t)now_s;
	if (X509_cmp_time(X509_CRL_get0_nextUpdate(crl), &now) < 0) {
		char day[16];
		x509_day(X509_CRL_get0_nextUpdate(crl), day);
		snprintf(why, cap, "may have been revoked: the list of its authority was to be renewed on %s",
			day);
		return CRL_UNKNOWN;
	}
	return CRL_GOOD;
}

int crl_days_left(struct span bytes, int64_t now_s, int *ret_days, char ret_issuer[256])
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(bytes);
	X509_CRL *crl = NULL;
	int64_t next = 0;
	int e = bio ? next_crl(bytes, bio, true, &crl) : ERR_NO_MEMORY;
	if (e == 0) {
		const ASN1_TIME *time = X509_CRL_get0_nextUpdate(crl);
		e = time ? x509_time_s(time, &next) : ERR_VALUE;
	}
	if (e == 0) {
		int64_t left = next - now_s;
		*ret_days = (int)(left >= 0 ? left / 86400 : -((-left + 86399) / 86400));
		x509_name_text(X509_CRL_get_issuer(crl), ret_issuer, 256);
	}
	X509_CRL_free(crl);
	ERR_clear_error();
	return e;
}

static X509_CRL *first_of(struct span bytes)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(bytes);
	X509_CRL *crl = NULL;
	return bio && next_crl(bytes, bio, true, &crl) == 0 ? crl : NULL;
}

bool crl_is_older(struct span bytes, struct span than)
{
	X509_CRL *a = first_of(bytes), *b = first_of(than);
	bool older = a && b && X509_NAME_cmp(X509_CRL_get_issuer(a), X509_CRL_get_issuer(b)) == 0 &&
	             ASN1_TIME_compare(X509_CRL_get0_lastUpdate(a), X509_CRL_get0_lastUpdate(b)) == -1;
	X509_CRL_free(a);
	X509_CRL_free(b);
	ERR_clear_error();
	return older;
}
