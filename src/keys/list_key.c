/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/list_key.h"
#include "keys/crl.h"
#include "keys/delegate.h"
#include "keys/private.h"
#include "keys/tbs_list.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct name {
	uint8_t *der;
	size_t len;
};

struct list_key {
	struct private_key *key;
	const struct sign_scheme *scheme;
	struct span algorithm;
	struct name subject, key_id;
	struct name *authorities; /* whose certificates may be listed */
	size_t n_authorities;
	int64_t from_s, until_s; /* of the delegation */
	int64_t number;          /* of the last list */
};

/* ---- Opening ---- */

static int take_name(const X509_NAME *name, struct name *ret)
{
	unsigned char *der = NULL;
	int len = i2d_X509_NAME(name, &der);
	uint8_t *copy = len > 0 ? malloc((size_t)len) : NULL;
	if (copy) {
		memcpy(copy, der, (size_t)len);
		*ret = (struct name){copy, (size_t)len};
	}
	OPENSSL_free(der);
	return copy ? 0 : ERR_NO_MEMORY;
}

static int take_authorities(const struct list_key_of *what, struct list_key *k)
{
	for (size_t i = 0; i < what->n_trust; i++) {
		BIO *bio CLEANUP(x509_bio_freep) = x509_bio(what->trust[i]);
		int e = bio ? 0 : ERR_NO_MEMORY;
		for (X509 *cert = NULL; e == 0 && x509_next(bio, &cert) == 0; X509_free(cert)) {
			struct name *more =
				realloc(k->authorities, (k->n_authorities + 1) * sizeof(*k->authorities));
			e = more ? 0 : ERR_NO_MEMORY;
			if (more) {
				k->authorities = more;
				e = take_name(X509_get_subject_name(cert), &more[k->n_authorities]);
				k->n_authorities += e == 0;
			}
		}
		if (e < 0) {
			return e;
		}
	}
	return 0;
}

static int take_certificate(
	const struct list_key_of *what, X509 *cert, struct list_key *k, char *why, size_t cap)
{
	const char *fault = delegate_fault(cert, what->trust, what->n_trust);
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(cert);
	if (fault) {
		snprintf(why, cap, "the certificate of `tls: revocation` %s", fault);
		return ERR_VALUE;
	}
	int e = take_name(X509_get_subject_name(cert), &k->subject);
	e = e < 0 ? e : x509_time_s(X509_get0_notBefore(cert), &k->from_s);
	e = e < 0 ? e : x509_time_s(X509_get0_notAfter(cert), &k->until_s);
	if (e < 0) {
		return e;
	}
	k->key_id.len = (size_t)ASN1_STRING_length(id);
	k->key_id.der = malloc(k->key_id.len);
	if (!k->key_id.der) {
		return ERR_NO_MEMORY;
	}
	memcpy(k->key_id.der, ASN1_STRING_get0_data(id), k->key_id.len);
	k->scheme = delegate_scheme(X509_get0_pubkey(cert), &k->algorithm);
	if (!k->scheme) {
		snprintf(why, cap, "the key of `tls: revocation` is of a kind that is not supported");
		return ERR_UNSUPPORTED;
	}
	return 0;
}

/* One key a purpose. */
static int is_its_own(const struct list_key_of *what, const X509 *cert, char *why, size_t cap)
{
	for (size_t i = 0; i < what->n_others; i++) {
		BIO *bio CLEANUP(x509_bio_freep) = x509_bio(what->others[i]);
		X509 *other CLEANUP(x509_freep) = NULL;
		if (bio && x509_next(bio, &other) == 0 &&
			EVP_PKEY_eq(X509_get0_pubkey(other), X509_get0_pubkey(cert)) == 1) {
			snprintf(why, cap,
				"the key of `tls: revocation` is that of an identity: each has one of its own");
			return ERR_DENIED;
		}
	}
	return 0;
}

static int open_all(const struct list_key_of *what, struct list_key *k, char *why, size_t cap)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(what->certificate);
	X509 *cert CLEANUP(x509_freep) = NULL;
	if (!bio) {
		return ERR_NO_MEMORY;
	}
	if (x509_next(bio, &cert) < 0) {
		snprintf(why, cap, "the certificate of `tls: revocation` cannot be read");
		return ERR_VALUE;
	}
	int e = take_certificate(what, cert, k, why, cap);
	e = e < 0 ? e : is_its_own(what, cert, why, cap);
	e = e < 0 ? e : take_authorities(what, k);
	k->number =
		what->list.len > 0 ? crl_number_of(what->list, span_of(k->subject.der, k->subject.len)) : 0;
	return e < 0 ? e : private_key_open(what->key, what->certificate, &k->key, why, cap);
}

int list_key_open(const struct list_key_of *what, struct list_key **ret_key, char *why, size_t cap)
{
	struct list_key *k = calloc(1, sizeof(*k));
	why[0] = 0;
	int e = k ? open_all(what, k, why, cap) : ERR_NO_MEMORY;
	ERR_clear_error();
	if (e < 0) {
		list_key_free(k);
		if (!why[0]) {
			snprintf(why, cap, "%s", err_str(e));
		}
		return e;
	}
	*ret_key = k;
	return 0;
}

int list_key_open_site(const struct site *s, struct list_key **ret_key, char *why, size_t cap)
{
	struct span *trust = calloc(s->n_trust + 1, sizeof(*trust)),
		    *others = calloc(s->n_identities + 1, sizeof(*others));
	int e = ERR_NO_MEMORY;
	if (trust && others) {
		for (unsigned i = 0; i < s->n_trust; i++) {
			trust[i] = s->trust[i].bytes;
		}
		for (unsigned i = 0; i < s->n_identities; i++) {
			others[i] = s->identities[i].certificate.bytes;
		}
		const struct blob *list = site_own_list(s);
		e = list_key_open(
			&(struct list_key_of){s->revocation.key.path, s->revocation.certificate.bytes, trust,
				s->n_trust, others, s->n_identities, list->bytes},
			ret_key, why, cap);
	} else {
		snprintf(why, cap, "%s", err_str(e));
	}
	free(trust);
	free(others);
	return e;
}

void list_key_free(struct list_key *k)
{
	if (k) {
		private_key_free(k->key);
		free(k->subject.der);
		free(k->key_id.der);
		for (size_t i = 0; i < k->n_authorities; i++) {
			free(k->authorities[i].der);
		}
		free(k->authorities);
		free(k);
	}
}

/* ---- Signing ---- */

static bool is_name(const struct name *n, struct span s)
{
	return span_eq(span_of(n->der, n->len), s);
}

static int judge_entries(const struct list_key *k, struct reader *entries, int64_t now_s)
{
	while (reader_left(entries) > 0) {
		struct tbs_entry entry;
		bool known = false;
		if (tbs_entry_next(entries, &entry) < 0) {
			return ERR_VALUE;
		}
		for (size_t i = 0; !known && i < k->n_authorities; i++) {
			known = is_name(&k->authorities[i], entry.issuer);
		}
		if (!known) {
			return ERR_DENIED;
		}
		if (entry.at_s > now_s + LIST_KEY_SLACK_S) {
			return ERR_ORDER;
		}
	}
	return 0;
}

static int judge(const struct list_key *k, struct tbs_list *l, int64_t now_s)
{
	if (!span_eq(l->algorithm, k->algorithm)) {
		return ERR_VALUE;
	}
	if (!is_name(&k->subject, l->issuer) || !is_name(&k->key_id, l->key_id)) {
		return ERR_DENIED;
	}
	if (now_s < k->from_s - LIST_KEY_SLACK_S || now_s > k->until_s) {
		return ERR_CLOSED;
	}
	if (l->number <= k->number || l->this_s < now_s - LIST_KEY_SLACK_S ||
		l->this_s > now_s + LIST_KEY_SLACK_S) {
		return ERR_ORDER;
	}
	if (l->next_s - l->this_s > (int64_t)LIST_KEY_DAYS_MOST * 86400) {
		return ERR_LIMIT;
	}
	return judge_entries(k, &l->entries, now_s);
}

int list_key_sign(
	struct list_key *k, struct span tbs, int64_t now_s, uint8_t *sig, size_t cap, size_t *ret_len)
{
	struct tbs_list l;
	if (tbs_list_read(tbs, &l) < 0) {
		return ERR_VALUE;
	}
	int e = judge(k, &l, now_s);
	e = e < 0 ? e : private_key_sign(k->key, k->scheme, tbs, sig, cap, ret_len);
	if (e == 0) {
		k->number = l.number;
	}
	return e;
}
