/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/ocsp.h"
#include "base/reader.h"
#include "base/writer.h"
#include "keys/crl.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Clocks of responders and ours may differ by so much. */
#define SKEW_S 300

/*
 * RFC 6960 2.4: without nextUpdate there is always newer information. It is asked again after this, and an answer that is older
 * already has been kept by somebody to be shown again.
 */
#define NO_NEXT_S 600

int ocsp_url(X509 *cert, char *url, size_t cap)
{
	int e = ERR_NOT_FOUND;
	STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(cert);
	for (int i = 0; e != 0 && i < sk_OPENSSL_STRING_num(urls); i++) {
		const char *s = sk_OPENSSL_STRING_value(urls, i);
		if (strncasecmp(s, "http://", 7) == 0 && strlen(s) < cap) {
			memcpy(url, s, strlen(s) + 1);
			e = 0;
		}
	}
	X509_email_free(urls);
	return e;
}

int ocsp_request(X509 *cert, X509 *issuer, uint8_t **ret_bytes, size_t *ret_len)
{
	OCSP_REQUEST *request = OCSP_REQUEST_new();
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, cert, issuer);
	uint8_t *bytes = NULL;
	int len = -1;
	if (request && id && OCSP_request_add0_id(request, id)) {
		id = NULL;
		len = i2d_OCSP_REQUEST(request, &bytes);
	}
	OCSP_CERTID_free(id);
	OCSP_REQUEST_free(request);
	ERR_clear_error();
	if (len <= 0) {
		return ERR_NO_MEMORY;
	}
	*ret_bytes = bytes;
	*ret_len = (size_t)len;
	return 0;
}

static void unknown(struct standing *s, const char *text)
{
	*s = (struct standing){.state = STANDING_UNKNOWN};
	snprintf(s->why, sizeof(s->why), "may have been revoked: %s", text);
}

/* RFC 6960 4.2.2.2: by the issuer itself, or by a certificate of its own for this use. */
static bool is_signed(OCSP_BASICRESP *basic, X509 *issuer)
{
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *known = sk_X509_new_null();
	bool ok = store && known && sk_X509_push(known, issuer) > 0 &&
	          X509_STORE_add_cert(store, issuer) == 1 &&
	          X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
	          OCSP_basic_verify(basic, known, store, 0) == 1;
	sk_X509_free(known);
	X509_STORE_free(store);
	return ok;
}

static bool has_weak_hash(const OCSP_BASICRESP *basic)
{
	const ASN1_OBJECT *algorithm = NULL;
	X509_ALGOR_get0(&algorithm, NULL, NULL, OCSP_resp_get0_tbs_sigalg(basic));
	return x509_hash_is_weak(OBJ_obj2nid(algorithm));
}

struct single {
	int status, reason;
	ASN1_GENERALIZEDTIME *revoked, *from, *until;
};

/* Responders name certificates with SHA-1 (the request's way), some with SHA-256. */
static bool find(OCSP_BASICRESP *basic, X509 *cert, X509 *issuer, struct single *ret)
{
	const EVP_MD *names[] = {EVP_sha1(), EVP_sha256()};
	bool found = false;
	for (unsigned i = 0; !found && i < ARRAY_LEN(names); i++) {
		OCSP_CERTID *id = OCSP_cert_to_id(names[i], cert, issuer);
		found = id && OCSP_resp_find_status(basic, id, &ret->status, &ret->reason, &ret->revoked,
				      &ret->from, &ret->until) == 1;
		OCSP_CERTID_free(id);
	}
	return found;
}

static void judge_single(const struct single *one, int64_t now_s, struct standing *ret)
{
	char day[16];
	*ret = (struct standing){.state = STANDING_GOOD};
	if (OCSP_check_validity(one->from, one->until, SKEW_S, one->until ? -1 : NO_NEXT_S) != 1 ||
		x509_time_s(one->from, &ret->from_s) < 0) {
		unknown(ret, "its authority's OCSP answer is not of now");
		return;
	}
	if (!one->until || x509_time_s(one->until, &ret->until_s) < 0) {
		ret->until_s = now_s + NO_NEXT_S;
	}
	switch (one->status) {
	case V_OCSP_CERTSTATUS_GOOD:
		return;
	case V_OCSP_CERTSTATUS_REVOKED:
		ret->state = STANDING_REVOKED;
		x509_day(one->revoked, day);
		snprintf(ret->why, sizeof(ret->why), "was revoked on %s%s", day, crl_reason(one->reason));
		return;
	default:
		unknown(ret, "its authority's OCSP responder does not know it");
	}
}

void ocsp_judge(struct span bytes, X509 *cert, X509 *issuer, int64_t now_s, struct standing *ret)
{
	const unsigned char *at = bytes.ptr;
	struct single one;
	OCSP_RESPONSE *response = bytes.len > 0 ? d2i_OCSP_RESPONSE(NULL, &at, (long)bytes.len) : NULL;
	OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
	int status = response ? OCSP_response_status(response) : -1;
	if (!response || (status == OCSP_RESPONSE_STATUS_SUCCESSFUL && !basic)) {
		unknown(ret, "what its authority's OCSP responder says cannot be read");
	} else if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
		char text[100];
		snprintf(text, sizeof(text), "its authority's OCSP responder says `%s`",
			OCSP_response_status_str(status));
		unknown(ret, text);
	} else if (has_weak_hash(basic)) {
		unknown(ret, "the OCSP answer is signed with a hash weaker than SHA-256");
	} else if (!is_signed(basic, issuer)) {
		unknown(ret, "the OCSP answer is not signed by its authority");
	} else if (!find(basic, cert, issuer, &one)) {
		unknown(ret, "the OCSP answer is about another certificate");
	} else {
		judge_single(&one, now_s, ret);
	}
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
}

/* ---- Chains ---- */

void chain_free(X509 **at, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		X509_free(at[i]);
	}
}

int chain_read(struct span bytes, X509 *ret_at[CHAIN_CERTIFICATES], unsigned *ret_n)
{
	struct reader r = reader_of(bytes);
	unsigned n = 0;
	int e = reader_left(&r) > 0 ? 0 : ERR_TRUNCATED;
	while (e == 0 && reader_left(&r) > 0) {
		uint16_t len;
		struct span der = {0};
		e = n == CHAIN_CERTIFICATES ? ERR_LIMIT : reader_u16be(&r, &len);
		e = e < 0 ? e : reader_bytes(&r, len, &der);
		const unsigned char *at = der.ptr;
		X509 *cert = e == 0 && der.len > 0 ? d2i_X509(NULL, &at, (long)der.len) : NULL;
		if (e == 0 && (!cert || at != der.ptr + der.len)) {
			e = ERR_VALUE;
		}
		if (e == 0) {
			ret_at[n++] = cert;
		} else {
			X509_free(cert);
		}
	}
	ERR_clear_error();
	if (e < 0) {
		chain_free(ret_at, n);
		return e;
	}
	*ret_n = n;
	return 0;
}

int chain_write(X509 *const *at, unsigned n, uint8_t *buf, size_t cap, size_t *ret_len)
{
	struct writer w = writer_of(buf, cap);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *der = NULL;
		int len = i2d_X509(at[i], &der);
		if (len <= 0 || len > UINT16_MAX) {
			OPENSSL_free(der);
			return ERR_SPACE;
		}
		writer_u16be(&w, (uint16_t)len);
		writer_bytes(&w, der, (size_t)len);
		OPENSSL_free(der);
	}
	*ret_len = w.len;
	return n > 0 ? writer_end(&w) : ERR_MISSING;
}

int chain_join(struct span chain, struct span staple, uint8_t *buf, size_t cap, size_t *ret_len)
{
	struct writer w = writer_of(buf, cap);
	writer_span(&w, chain);
	if (staple.len > 0) {
		writer_u16be(&w, 0);
		writer_span(&w, staple);
	}
	*ret_len = w.len;
	return writer_end(&w);
}

int chain_split(struct span bytes, struct span *ret_chain, struct span *ret_staple)
{
	struct reader r = reader_of(bytes);
	size_t end = bytes.len;
	struct span rest = {0};
	while (reader_left(&r) > 0) {
		uint16_t len;
		size_t at = r.pos;
		int e = reader_u16be(&r, &len);
		if (e == 0 && len == 0) {
			end = at;
			e = reader_bytes(&r, reader_left(&r), &rest);
		} else if (e == 0) {
			e = reader_skip(&r, len);
		}
		if (e < 0) {
			return e;
		}
	}
	if (end == 0) {
		return ERR_TRUNCATED;
	}
	*ret_chain = span_of(bytes.ptr, end);
	*ret_staple = rest;
	return 0;
}
