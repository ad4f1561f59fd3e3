/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/crl.h"
#include "keys/delegate.h"
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
	EVP_PKEY *key;  /* that has signed it */
	X509 *delegate; /* who has signed an indirect one; NULL: an anchor */
	bool indirect;
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

static void destroy(struct crl_list *l)
{
	for (size_t i = 0; l && i < l->n; i++) {
		X509_CRL_free(l->at[i].crl);
		EVP_PKEY_free(l->at[i].key);
		X509_free(l->at[i].delegate);
	}
	free(l);
}

void crl_list_free(struct crl_list *l)
{
	if (l && l->others > 0) {
		l->others--;
		return;
	}
	destroy(l);
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

/* RFC 5280 5.2.5: one of all reasons and of all kinds of certificates, from wherever it is fetched. */
static bool is_indirect(const X509_CRL *crl)
{
	ISSUING_DIST_POINT *p = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, NULL, NULL);
	bool is = p && p->indirectCRL && !p->onlyuser && !p->onlyCA && !p->onlyattr && !p->onlysomereasons &&
	          !p->distpoint;
	ISSUING_DIST_POINT_free(p);
	return is;
}

/* RFC 5280 5.2: a critical extension tells that the list is not the whole truth about its issuer's certificates. */
static bool is_partial(const X509_CRL *crl, bool indirect)
{
	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
		const X509_EXTENSION *ext = X509_CRL_get_ext(crl, i);
		if (X509_EXTENSION_get_critical(ext) &&
			!(indirect &&
				OBJ_obj2nid(X509_EXTENSION_get_object((X509_EXTENSION *)(uintptr_t)ext)) ==
					NID_issuing_distribution_point)) {
			return true;
		}
	}
	return false;
}

/* RFC 5280 5.3: an entry that says more than whose certificate it is must not be taken for less. */
static bool has_strange_entry(X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
	for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
		const X509_REVOKED *one = sk_X509_REVOKED_value(entries, i);
		for (int k = 0; k < X509_REVOKED_get_ext_count(one); k++) {
			X509_EXTENSION *ext = X509_REVOKED_get_ext(one, k);
			if (X509_EXTENSION_get_critical(ext) &&
				OBJ_obj2nid(X509_EXTENSION_get_object(ext)) != NID_certificate_issuer) {
				return true;
			}
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

/* Was the list made while the delegation held? What it blocks stays blocked when that is over. */
static bool made_in_time(const X509_CRL *crl, const X509 *delegate)
{
	int64_t at, from, until;
	return x509_time_s(X509_CRL_get0_lastUpdate(crl), &at) == 0 &&
	       x509_time_s(X509_get0_notBefore(delegate), &from) == 0 &&
	       x509_time_s(X509_get0_notAfter(delegate), &until) == 0 && at >= from - 86400 && at <= until;
}

/* Of an indirect list: a certificate in the same file, which an anchor has issued for that. NULL: *ret_fault says why. */
static X509 *delegate_of(
	X509_CRL *crl, struct span file, const struct span *trust, size_t n_trust, const char **ret_fault)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(file);
	*ret_fault = "is signed by nobody whose certificate is in the same file";
	for (X509 *cert = NULL; bio && x509_next(bio, &cert) == 0; X509_free(cert)) {
		if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(cert)) != 0 ||
			X509_CRL_verify(crl, X509_get0_pubkey(cert)) != 1) {
			continue;
		}
		const char *fault = delegate_fault(cert, trust, n_trust);
		if (!fault && made_in_time(crl, cert)) {
			ERR_clear_error();
			return cert;
		}
		*ret_fault =
			fault ? "is signed with a certificate that is not for that (see `gantry ca delegate`)"
			      : "was signed when its signer's certificate was not valid";
	}
	ERR_clear_error();
	return NULL;
}

struct source {
	struct span file;
	size_t number; /* for people */
	const struct span *trust;
	size_t n_trust;
};

static const char *find_signer(const struct source *from, struct list *one)
{
	const char *fault = NULL;
	one->key = signer_of(one->crl, from->trust, from->n_trust);
	if (one->key || !one->indirect) {
		return one->key
		               ? NULL
		               : "is signed by no authority that is trusted and may sign lists (an intermediate authority must be "
		                 "listed among them too)";
	}
	one->delegate = delegate_of(one->crl, from->file, from->trust, from->n_trust, &fault);
	one->key = one->delegate ? X509_get_pubkey(one->delegate) : NULL;
	return one->key ? NULL : fault;
}

static const char *judge(const struct source *from, struct list *one)
{
	one->indirect = is_indirect(one->crl);
	return is_partial(one->crl, one->indirect)
	               ? "is a partial list (a delta, or of some certificates only), which is not understood"
	       : one->indirect && has_strange_entry(one->crl) ? "has an entry that is not understood"
	       : x509_hash_is_weak(X509_CRL_get_signature_nid(one->crl))
	               ? "is signed with a hash weaker than SHA-256"
	       : !X509_CRL_get0_nextUpdate(one->crl) ? "does not say when the next one comes"
	                                             : find_signer(from, one);
}

static int add(struct crl_list *l, X509_CRL *crl, const struct source *from, char *why, size_t cap)
{
	char issuer[200];
	struct list one = {.crl = crl};
	const char *fault = l->n == CRL_MOST ? "is one list too many: 64 at most" : judge(from, &one);
	if (fault) {
		x509_name_text(X509_CRL_get_issuer(crl), issuer, sizeof(issuer));
		snprintf(why, cap, "revocation list %zu, of %s, %s", from->number, issuer, fault);
		X509_CRL_free(crl);
		EVP_PKEY_free(one.key);
		X509_free(one.delegate);
		return ERR_VALUE;
	}
	l->at[l->n++] = one;
	return 0;
}

static int read_file(struct crl_list *l, const struct source *from, char *why, size_t cap)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(from->file);
	if (!bio) {
		return ERR_NO_MEMORY;
	}
	for (bool first = true;; first = false) {
		X509_CRL *crl;
		int e = next_crl(from->file, bio, first, &crl);
		if (e == ERR_NOT_FOUND) {
			return 0;
		}
		if (e < 0) {
			snprintf(why, cap, "file %zu of them holds no revocation list in PEM or DER",
				from->number);
			return e;
		}
		e = add(l, crl, from, why, cap);
		if (e < 0) {
			return e;
		}
	}
}

/* Who signs indirect lists may have been revoked itself, by its authority. */
static int check_delegates(const struct crl_list *l, char *why, size_t cap)
{
	for (size_t i = 0; i < l->n; i++) {
		char revoked[128], name[200];
		if (l->at[i].delegate &&
			crl_ask(l, l->at[i].delegate, 0, revoked, sizeof(revoked)) == CRL_REVOKED) {
			x509_name_text(X509_CRL_get_issuer(l->at[i].crl), name, sizeof(name));
			snprintf(why, cap, "the certificate of %s, who signs a revocation list, %s", name,
				revoked);
			return ERR_VALUE;
		}
	}
	return 0;
}

int crl_list_new(const struct span *crl, size_t n, const struct span *trust, size_t n_trust,
	struct crl_list **ret_list, char *why, size_t cap)
{
	struct crl_list *l = calloc(1, sizeof(*l));
	int e = l ? 0 : ERR_NO_MEMORY;
	for (size_t i = 0; e == 0 && i < n; i++) {
		const struct source from = {crl[i], i + 1, trust, n_trust};
		e = read_file(l, &from, why, cap);
	}
	e = e < 0 ? e : check_delegates(l, why, cap);
	ERR_clear_error();
	if (e < 0) {
		destroy(l);
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

/* By any indirect list, of whatever age: an entry names its certificate's issuer. */
static bool is_blocked(const struct crl_list *l, X509 *cert, char *why, size_t cap)
{
	for (size_t i = 0; i < l->n; i++) {
		X509_REVOKED *entry = NULL;
		if (l->at[i].indirect && X509_CRL_get0_by_cert(l->at[i].crl, &entry, cert) == 1) {
			say_revoked(entry, why, cap);
			return true;
		}
	}
	return false;
}

static bool has_direct(const struct crl_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!l->at[i].delegate) {
			return true;
		}
	}
	return false;
}

enum crl_answer crl_ask(const struct crl_list *l, X509 *cert, int64_t now_s, char *why, size_t cap)
{
	why[0] = 0;
	if (is_blocked(l, cert, why, cap)) {
		return CRL_REVOKED;
	}
	if (!has_direct(l)) {
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

bool crl_chain_revoked(const struct crl_list *l, const STACK_OF(X509) * chain, int64_t now_s,
	const char *whose, char *why, size_t cap)
{
	char said[128], name[200];
	/* An authority between may be listed as trusted, as a signature of an object brings none: it is looked up all the same. */
	for (int i = 0; l && i < sk_X509_num(chain); i++) {
		X509 *cert = sk_X509_value(chain, i);
		if (X509_self_signed(cert, 0) == 1 ||
			crl_ask(l, cert, now_s, said, sizeof(said)) != CRL_REVOKED) {
			continue;
		}
		x509_name_text(X509_get_subject_name(cert), name, sizeof(name));
		if (i == 0) {
			snprintf(why, cap, "%s %s", whose, said);
		} else {
			snprintf(why, cap, "the certificate of %.100s, which is above it, %s", name, said);
		}
		return true;
	}
	return false;
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

int64_t crl_number_of(struct span pem, struct span issuer)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	X509_CRL *crl = NULL;
	int64_t number = 0;
	for (bool first = true; bio && number == 0 && next_crl(pem, bio, first, &crl) == 0; first = false) {
		unsigned char *der = NULL;
		int len = i2d_X509_NAME(X509_CRL_get_issuer(crl), &der);
		ASN1_INTEGER *value = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
		if (len <= 0 || !value || !span_eq(span_of(der, (size_t)len), issuer) ||
			ASN1_INTEGER_get_int64(&number, value) != 1 || number < 0) {
			number = 0;
		}
		ASN1_INTEGER_free(value);
		OPENSSL_free(der);
		X509_CRL_free(crl);
	}
	ERR_clear_error();
	return number;
}
