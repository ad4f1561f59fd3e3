/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_der.h"
#include "keys/cms_seal_parts.h"

#include <openssl/crypto.h>
#include <string.h>
#include <time.h>

/* Who signs, and what: RFC 5652 5. */

static void put_encoded(struct writer *w, uint8_t *der, int n)
{
	if (n > 0) {
		writer_bytes(w, der, (size_t)n);
	} else {
		w->err = ERR_NO_MEMORY;
	}
	OPENSSL_free(der);
}

void cms_put_issuer(struct writer *w, const X509 *cert)
{
	uint8_t *name = NULL, *serial = NULL;
	size_t mark = w->len;
	int n = i2d_X509_NAME(X509_get_issuer_name(cert), &name);
	put_encoded(w, name, n);
	n = i2d_ASN1_INTEGER(X509_get0_serialNumber(cert), &serial);
	put_encoded(w, serial, n);
	der_wrap(w, mark, DER_SEQUENCE);
}

static void put_time(struct writer *w, int64_t now_s)
{
	char text[16];
	struct tm tm;
	time_t t = (time_t)now_s;
	bool late = !gmtime_r(&t, &tm) || tm.tm_year >= 150; /* RFC 5652 11.3 */
	size_t n = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm), cut = late || n < 2 ? 0 : 2;
	der_bytes(w, late ? DER_GENERALIZED_TIME : DER_UTC_TIME, span_of(text + cut, n - cut));
}

/* The signed attributes, in the order of DER: here that of their lengths. */
static void put_attributes(struct writer *w, int64_t now_s, const uint8_t hash[CMS_HASH])
{
	for (unsigned i = 0; i < 3; i++) {
		static const enum der_oid names[] = {DER_CONTENT_TYPE, DER_SIGNING_TIME, DER_MESSAGE_DIGEST};
		size_t mark = w->len, value;
		der_oid(w, names[i]);
		value = w->len;
		if (i == 0) {
			der_oid(w, DER_DATA);
		} else if (i == 1) {
			put_time(w, now_s);
		} else {
			der_bytes(w, DER_OCTETS, span_of(hash, CMS_HASH));
		}
		der_wrap(w, value, DER_SET);
		der_wrap(w, mark, DER_SEQUENCE);
	}
}

int cms_put_signer(struct writer *w, const struct cms_sealing *s, int64_t now_s, const uint8_t hash[CMS_HASH])
{
	uint8_t attributes[256], signature[PRIVATE_KEY_SIGNATURE_MOST];
	struct writer a = writer_of(attributes, sizeof(attributes));
	size_t len, mark = w->len;
	put_attributes(&a, now_s, hash);
	size_t bare = a.len;
	der_wrap(&a, 0, DER_SET); /* RFC 5652 5.4: what is signed has this tag, */
	int e = writer_end(&a);
	e = e < 0 ? e
	          : private_key_sign(s->key, sign_scheme_for(SIGN_RSA, "SHA256", false), writer_span_of(&a),
			    signature, sizeof(signature), &len);
	if (e < 0) {
		return e;
	}
	der_number(w, 1);
	cms_put_issuer(w, s->signer);
	der_algorithm(w, DER_SHA256);
	size_t at = w->len;
	writer_bytes(w, attributes + a.len - bare, bare);
	der_wrap(w, at, DER_CONTEXT(0)); /* … and what is written this one */
	der_algorithm(w, DER_RSA);
	der_bytes(w, DER_OCTETS, span_of(signature, len));
	der_wrap(w, mark, DER_SEQUENCE);
	der_wrap(w, mark, DER_SET);
	return 0;
}

int cms_put_detached(
	struct writer *w, const struct cms_sealing *s, int64_t now_s, const uint8_t hash[CMS_HASH])
{
	size_t whole = w->len, mark, part;
	der_oid(w, DER_SIGNED);
	mark = w->len;
	der_number(w, 1);
	part = w->len;
	der_algorithm(w, DER_SHA256);
	der_wrap(w, part, DER_SET);
	part = w->len;
	der_oid(w, DER_DATA);
	der_wrap(w, part, DER_SEQUENCE);
	der_bytes(w, DER_CONTEXT(0), span_of(s->chain, s->n_chain));
	int e = cms_put_signer(w, s, now_s, hash);
	der_wrap(w, mark, DER_SEQUENCE);
	der_wrap(w, mark, DER_CONTEXT(0));
	der_wrap(w, whole, DER_SEQUENCE);
	return e < 0 ? e : writer_end(w);
}
