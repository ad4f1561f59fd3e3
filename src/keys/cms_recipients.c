/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_recipients.h"

#include "keys/cms_ber.h"
#include "keys/cms_der.h"
#include "keys/cms_seal_parts.h"

#include <openssl/x509v3.h>

#define IDENTIFIER  0x80 /* [0] IMPLICIT of an octet string */
#define ISSUER_MOST 8192

/* ---- How: RFC 8017 A.2 ---- */

static bool is(struct span oid, enum der_oid which)
{
	return span_eq(oid, der_oid_bytes(which));
}

/* AlgorithmIdentifier: its object identifier, and what stands behind it. */
static int read_algorithm(struct reader *r, struct span *ret_oid, struct reader *ret_parameters)
{
	struct ber whole = {0}, oid = {0};
	int e = ber_expect(r, DER_SEQUENCE, &whole);
	if (e < 0) {
		return e;
	}
	struct reader in = reader_of(whole.body);
	e = ber_expect(&in, DER_OID, &oid);
	if (e == 0) {
		*ret_oid = oid.body;
		*ret_parameters = in;
	}
	return e;
}

static int read_hash(struct reader *r, unsigned *ret_hash)
{
	static const struct {
		enum der_oid oid;
		unsigned len;
	} hashes[] = {{DER_SHA1, 20}, {DER_SHA256, 32}, {DER_SHA384, 48}, {DER_SHA512, 64}};
	struct span oid = {0};
	struct reader rest;
	int e = read_algorithm(r, &oid, &rest);
	for (size_t i = 0; e == 0 && i < ARRAY_LEN(hashes); i++) {
		if (is(oid, hashes[i].oid)) {
			*ret_hash = hashes[i].len;
			return 0;
		}
	}
	return e < 0 ? e : ERR_UNSUPPORTED;
}

/* RSAES-OAEP-params: each part is one of 20 bytes, by default. A label is none of CMS's (RFC 3560 3). */
static int read_oaep(struct reader *r, unsigned *ret_hash)
{
	struct ber sequence = {0}, part = {0};
	struct span oid = {0};
	unsigned hash = 20, mask = 20;
	int e = ber_expect(r, DER_SEQUENCE, &sequence);
	struct reader in = reader_of(e == 0 ? sequence.body : span_of(NULL, 0)), inner;
	while (e == 0 && reader_left(&in) > 0 && (e = ber_element(&in, &part)) == 0) {
		inner = reader_of(part.body);
		if (part.tag == DER_CONTEXT(0)) {
			e = read_hash(&inner, &hash);
		} else if (part.tag == DER_CONTEXT(1)) {
			e = read_algorithm(&inner, &oid, &inner);
			e = e < 0 ? e : !is(oid, DER_MGF1) ? ERR_UNSUPPORTED : read_hash(&inner, &mask);
		} else {
			e = ERR_UNSUPPORTED;
		}
	}
	if (e == 0 && hash != mask) {
		e = ERR_UNSUPPORTED;
	}
	if (e == 0) {
		*ret_hash = hash;
	}
	return e;
}

/* ---- Whom: RFC 5652 6.2.1 ---- */

static bool is_of(const struct ber *rid, X509 *cert)
{
	uint8_t bytes[ISSUER_MOST];
	struct writer w = writer_of(bytes, sizeof(bytes));
	if (rid->tag == IDENTIFIER) {
		const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(cert);
		return id &&
		       span_eq(rid->body, span_of(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id)));
	}
	cms_put_issuer(&w, cert);
	return writer_end(&w) == 0 && span_eq(rid->whole, writer_span_of(&w));
}

static int read_transport(struct span body, X509 *cert, struct cms_sealed_key *ret_key)
{
	struct reader r = reader_of(body), parameters;
	struct ber version, rid = {0}, key = {0};
	struct span oid = {0};
	unsigned hash = 0;
	int e = ber_expect(&r, DER_INTEGER, &version);
	e = e < 0 ? e : ber_element(&r, &rid);
	if (e < 0 || !is_of(&rid, cert)) {
		return e < 0 ? e : ERR_NOT_FOUND;
	}
	e = read_algorithm(&r, &oid, &parameters);
	if (e == 0 && is(oid, DER_RSA_OAEP)) {
		e = read_oaep(&parameters, &hash);
	} else if (e == 0 && !is(oid, DER_RSA)) {
		e = ERR_UNSUPPORTED;
	}
	e = e < 0 ? e : ber_expect(&r, DER_OCTETS, &key);
	if (e == 0) {
		*ret_key = (struct cms_sealed_key){.key = key.body, .hash = hash};
	}
	return e;
}

/* ContentInfo, [0], EnvelopedData: what is behind its version and originatorInfo. */
static int read_enveloped(struct span around, struct reader *ret_inside)
{
	struct reader r = reader_of(around);
	struct ber b = {0};
	int e = ber_expect(&r, DER_SEQUENCE, &b);
	r = reader_of(e == 0 ? b.body : span_of(NULL, 0));
	e = e < 0 ? e : ber_expect(&r, DER_OID, &b);
	if (e == 0 && !is(b.body, DER_ENVELOPED)) {
		return ERR_UNSUPPORTED;
	}
	e = e < 0 ? e : ber_expect(&r, DER_CONTEXT(0), &b);
	r = reader_of(e == 0 ? b.body : span_of(NULL, 0));
	e = e < 0 ? e : ber_expect(&r, DER_SEQUENCE, &b);
	r = reader_of(e == 0 ? b.body : span_of(NULL, 0));
	e = e < 0 ? e : ber_expect(&r, DER_INTEGER, &b);
	if (e == 0) {
		(void)!ber_expect(&r, DER_CONTEXT(0), &b);
		*ret_inside = r;
	}
	return e;
}

int cms_recipients_find(struct span around, X509 *cert, struct cms_sealed_key *ret_key)
{
	struct reader r, in;
	struct ber set = {0}, one = {0};
	int e = read_enveloped(around, &r);
	e = e < 0 ? e : ber_expect(&r, DER_SET, &set);
	if (e < 0) {
		return e;
	}
	in = reader_of(set.body);
	int found = ERR_NOT_FOUND;
	while (found == ERR_NOT_FOUND && reader_left(&in) > 0) {
		e = ber_element(&in, &one);
		if (e < 0) {
			return e;
		}
		found = one.tag == DER_SEQUENCE ? read_transport(one.body, cert, ret_key) : ERR_NOT_FOUND;
	}
	return found;
}

int cms_recipients_without(struct span around, struct writer *w)
{
	struct reader r;
	struct ber set, content = {0};
	size_t whole = w->len, mark;
	int e = read_enveloped(around, &r);
	e = e < 0 ? e : ber_expect(&r, DER_SET, &set);
	e = e < 0 ? e : ber_expect(&r, DER_SEQUENCE, &content);
	if (e < 0) {
		return e;
	}
	der_oid(w, DER_ENCRYPTED);
	mark = w->len;
	der_number(w, 0);
	writer_span(w, content.whole);
	der_wrap(w, mark, DER_SEQUENCE);
	der_wrap(w, mark, DER_CONTEXT(0));
	der_wrap(w, whole, DER_SEQUENCE);
	return writer_end(w);
}
