/* SPDX-License-Identifier: Apache-2.0 */
#include "users/saml_parts.h"

#include <libxml/parser.h>
#include <libxml/valid.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <xmlsec/crypto.h>
#include <xmlsec/errors.h>
#include <xmlsec/openssl/evp.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmlsec.h>

/*
 * The signature of an assertion (SAML core 5.4): of one shape, which is looked at first, so that the library is asked one
 * question alone: is all of the root, without the signature, signed by this key? What a signature says of its key is taken out.
 */

#define DSIG "http://www.w3.org/2000/09/xmldsig#"
#define MORE "http://www.w3.org/2001/04/xmldsig-more#"
#define ENC  "http://www.w3.org/2001/04/xmlenc#"
#define C14N "http://www.w3.org/2001/10/xml-exc-c14n#"
#define KEYS 16

static const char *const signature_methods[] = {MORE "rsa-sha256", MORE "rsa-sha384", MORE "rsa-sha512",
	MORE "ecdsa-sha256", MORE "ecdsa-sha384", MORE "ecdsa-sha512", NULL};
static const char *const digest_methods[] = {ENC "sha256", MORE "sha384", ENC "sha512", NULL};
static const char *const c14n_methods[] = {C14N, NULL};
static const char *const enveloped[] = {DSIG "enveloped-signature", NULL};

static const char shape[] =
	"the signature of its SAML assertion is not over all of it and nothing else, or is made otherwise "
	"than SAML has it";

static bool has_algorithm(const xmlNode *n, const char *name, const char *const *allowed)
{
	char algorithm[128];
	if (!n || !saml_is(n, saml_signature_ns, name) ||
		!saml_attribute(n, "Algorithm", algorithm, sizeof(algorithm))) {
		return false;
	}
	while (*allowed && strcmp(*allowed, algorithm) != 0) {
		allowed++;
	}
	return *allowed != NULL;
}

static bool is_empty(const xmlNode *n)
{
	return !saml_element(n->children);
}

/* An exclusive canonicalisation may name prefixes, and nothing else. */
static bool is_c14n(const xmlNode *n, const char *name)
{
	xmlNode *inside = n ? saml_element(n->children) : NULL;
	return has_algorithm(n, name, c14n_methods) &&
	       (!inside || (saml_is(inside, C14N, "InclusiveNamespaces") && is_empty(inside) &&
				   !saml_element(inside->next)));
}

/* The first child that is an element, then the next one. */
static xmlNode *first(const xmlNode *n)
{
	return n ? saml_element(n->children) : NULL;
}

static xmlNode *next(const xmlNode *n)
{
	return n ? saml_element(n->next) : NULL;
}

static bool is_reference(const struct saml *s, const xmlNode *reference)
{
	char uri[300];
	const xmlNode *transforms = first(reference), *method = next(transforms), *value = next(method);
	const xmlNode *one = first(transforms), *two = next(one);
	return reference && saml_is(reference, saml_signature_ns, "Reference") &&
	       saml_attribute(reference, "URI", uri, sizeof(uri)) && uri[0] == '#' &&
	       strcmp(uri + 1, s->id) == 0 && transforms &&
	       saml_is(transforms, saml_signature_ns, "Transforms") &&
	       has_algorithm(one, "Transform", enveloped) && is_empty(one) && is_c14n(two, "Transform") &&
	       !next(two) && has_algorithm(method, "DigestMethod", digest_methods) && is_empty(method) &&
	       value && saml_is(value, saml_signature_ns, "DigestValue") && is_empty(value) && !next(value);
}

static bool is_shaped(const struct saml *s)
{
	const xmlNode *info = first(s->signature), *value = next(info), *key = next(value);
	const xmlNode *c14n = first(info), *method = next(c14n), *reference = next(method);
	return info && saml_is(info, saml_signature_ns, "SignedInfo") &&
	       is_c14n(c14n, "CanonicalizationMethod") &&
	       has_algorithm(method, "SignatureMethod", signature_methods) && is_empty(method) &&
	       is_reference(s, reference) && !next(reference) && value &&
	       saml_is(value, saml_signature_ns, "SignatureValue") && is_empty(value) &&
	       (!key || (saml_is(key, saml_signature_ns, "KeyInfo") && !next(key)));
}

/* ---- The question ---- */

static int begin_library(void)
{
	static bool begun;
	if (begun) {
		return 0;
	}
	xmlSecErrorsDefaultCallbackEnableOutput(0);
	if (xmlSecInit() < 0 || xmlSecCryptoAppInit(NULL) < 0 || xmlSecCryptoInit() < 0) {
		return ERR_SYSTEM;
	}
	begun = true;
	return 0;
}

static xmlSecKey *key_of(X509 *cert)
{
	EVP_PKEY *public = X509_get_pubkey(cert);
	xmlSecKey *key = xmlSecKeyCreate();
	xmlSecKeyData *data = public ? xmlSecOpenSSLEvpKeyAdopt(public) : NULL;
	if (public && !data) {
		EVP_PKEY_free(public);
	}
	if (key && data && xmlSecKeySetValue(key, data) == 0) {
		return key;
	}
	if (data) {
		xmlSecKeyDataDestroy(data);
	}
	if (key) {
		xmlSecKeyDestroy(key);
	}
	return NULL;
}

/* The second lock on the door: what is_shaped() has let through is all that the library may do. */
static bool narrow(xmlSecDSigCtx *ctx)
{
	const xmlSecTransformId of_signature[] = {xmlSecTransformExclC14NId, xmlSecTransformRsaSha256Id,
		xmlSecTransformRsaSha384Id, xmlSecTransformRsaSha512Id, xmlSecTransformEcdsaSha256Id,
		xmlSecTransformEcdsaSha384Id, xmlSecTransformEcdsaSha512Id};
	const xmlSecTransformId of_reference[] = {xmlSecTransformEnvelopedId, xmlSecTransformExclC14NId,
		xmlSecTransformSha256Id, xmlSecTransformSha384Id, xmlSecTransformSha512Id};
	ctx->enabledReferenceUris = xmlSecTransformUriTypeSameDocument;
	for (unsigned i = 0; i < ARRAY_LEN(of_signature); i++) {
		if (xmlSecDSigCtxEnableSignatureTransform(ctx, of_signature[i]) < 0) {
			return false;
		}
	}
	for (unsigned i = 0; i < ARRAY_LEN(of_reference); i++) {
		if (xmlSecDSigCtxEnableReferenceTransform(ctx, of_reference[i]) < 0) {
			return false;
		}
	}
	return true;
}

static bool is_signed_by(const struct saml *s, X509 *cert)
{
	xmlSecDSigCtx *ctx = xmlSecDSigCtxCreate(NULL);
	bool good = false;
	if (!ctx) {
		return false;
	}
	ctx->signKey = key_of(cert);
	if (ctx->signKey && narrow(ctx) && xmlSecDSigCtxVerify(ctx, s->signature) == 0) {
		good = ctx->status == xmlSecDSigStatusSucceeded &&
		       xmlSecPtrListGetSize(&ctx->signedInfoReferences) == 1;
	}
	xmlSecDSigCtxDestroy(ctx);
	return good;
}

const char *saml_verify(struct saml *s)
{
	struct span pem = s->r->files[FILE_SAML_CERTIFICATES];
	const xmlNode *value = next(first(s->signature));
	xmlNode *key = next(value);
	xmlAttr *id = xmlHasNsProp(s->root, (const xmlChar *)"ID", NULL);
	bool found = false;
	X509 *cert;
	if (!is_shaped(s)) {
		return shape;
	}
	if (begin_library() != 0 || !id || !xmlAddID(NULL, s->doc, (const xmlChar *)s->id, id)) {
		return "the gateway's library of signatures could not be set up";
	}
	if (key) {
		xmlUnlinkNode(key);
		xmlFreeNode(key);
	}
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	for (unsigned i = 0; bio && !found && i < KEYS && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL));
		i++) {
		found = is_signed_by(s, cert);
		X509_free(cert);
	}
	BIO_free(bio);
	ERR_clear_error();
	return found ? NULL
	             : "its SAML assertion is not signed by the identity provider, or was changed since";
}
