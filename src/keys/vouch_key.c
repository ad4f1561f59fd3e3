/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/vouch_key.h"
#include "base/writer.h"
#include "keys/half_hash.h"
#include "keys/object_parts.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

struct vouch_key {
	struct object_key *key;
	int64_t from_s, until_s; /* of its certificate */
};

/* ---- Opening ---- */

static X509 *read_certificate(struct span pem)
{
	BIO *bio CLEANUP(x509_bio_freep) = pem.len > 0 ? x509_bio(pem) : NULL;
	X509 *cert = NULL;
	return bio && x509_next(bio, &cert) == 0 ? cert : NULL;
}

static bool is_same(const X509 *cert, const struct blob *other)
{
	X509 *c CLEANUP(x509_freep) = read_certificate(other->bytes);
	return c && EVP_PKEY_eq(X509_get0_pubkey(c), X509_get0_pubkey(cert)) == 1;
}

/* One key a purpose. The audit trail's are of another kind. */
static int is_its_own(const struct site *s, const X509 *cert, char *why, size_t cap)
{
	bool lists = is_same(cert, &s->revocation.certificate), tls = false;
	for (unsigned i = 0; i < s->n_identities; i++) {
		tls = tls || is_same(cert, &s->identities[i].certificate);
	}
	if (lists || tls) {
		snprintf(why, cap,
			"the key of `signatures` is that of %s: where a flow signs it has to be one of its own",
			tls ? "an identity of `tls`" : "`tls: revocation`");
		return ERR_DENIED;
	}
	return 0;
}

static int take_certificate(const struct site *s, struct vouch_key *k, char *why, size_t cap)
{
	X509 *cert CLEANUP(x509_freep) = read_certificate(s->signatures.certificate.bytes);
	if (!cert || x509_time_s(X509_get0_notBefore(cert), &k->from_s) < 0 ||
		x509_time_s(X509_get0_notAfter(cert), &k->until_s) < 0) {
		snprintf(why, cap, "the certificate of `signatures` cannot be read");
		return ERR_VALUE;
	}
	if (object_key_certificate(k->key).len > VOUCH_CERTIFICATE_MOST) {
		snprintf(why, cap, "the certificate of `signatures` is longer than %u bytes",
			VOUCH_CERTIFICATE_MOST);
		return ERR_LIMIT;
	}
	return is_its_own(s, cert, why, cap);
}

int vouch_key_open_site(const struct site *s, struct vouch_key **ret_key, char *why, size_t cap)
{
	const struct signing *files = &s->signatures;
	struct vouch_key *k = calloc(1, sizeof(*k));
	int e = k ? object_key_open(files->key.path, files->certificate.bytes, &k->key, why, cap)
	          : ERR_NO_MEMORY;
	if (!k) {
		snprintf(why, cap, "%s", err_str(e));
	}
	e = e < 0 ? e : take_certificate(s, k, why, cap);
	ERR_clear_error();
	if (e < 0) {
		vouch_key_free(k);
		return e;
	}
	*ret_key = k;
	return 0;
}

void vouch_key_free(struct vouch_key *k)
{
	if (k) {
		object_key_free(k->key);
		free(k);
	}
}

/* ---- Signing ---- */

/* The signature's own elements, but for the certificate and the signature (PS3.3 C.12.1.1.3.1.2). */
static int finish(
	const struct vouch_sum *sum, const struct vouch_made *made, uint8_t buf[], struct span *ret_digest)
{
	uint8_t own[512];
	struct writer w = writer_of(own, sizeof(own));
	struct half_hash hash;
	const struct sign_fields f = {.id = sum->id, .uid = made->uid, .time = made->time};
	int e = half_hash_take(sum, &hash);
	e = e < 0 ? e : sign_write_signature(&f, false, ENCODING_EXPLICIT_LE, &w);
	if (e < 0) {
		return e;
	}
	half_hash_add(&hash, writer_span_of(&w));
	*ret_digest = half_hash_end(&hash, buf);
	return 0;
}

int vouch_key_sign(const struct vouch_key *k, const struct vouch_sum *sum, int64_t now_ms,
	uint8_t value[PRIVATE_KEY_SIGNATURE_MOST], struct vouch_made *ret)
{
	uint8_t buf[SHA512_DIGEST_LENGTH];
	struct span digest;
	struct vouch_made made = {.certificate = object_key_certificate(k->key)};
	size_t len = 0;
	if (now_ms / 1000 < k->from_s || now_ms / 1000 > k->until_s) {
		return ERR_ORDER;
	}
	int e = object_new_name(now_ms, made.uid, made.time);
	e = e < 0 ? e : finish(sum, &made, buf, &digest);
	e = e < 0 ? e
	          : private_key_sign_hash(object_key_private(k->key),
			    object_scheme((enum object_hash)sum->hash), digest, value,
			    PRIVATE_KEY_SIGNATURE_MOST, &len);
	if (e < 0) {
		return e;
	}
	made.value = span_of(value, len);
	*ret = made;
	return 0;
}
