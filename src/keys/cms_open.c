/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/cms_open.h"

#include "base/limits.h"
#include "keys/cms_inflate.h"
#include "keys/cms_opening.h"
#include "keys/cms_pbkdf2.h"
#include "keys/cms_recipients.h"
#include "keys/cms_source.h"
#include "keys/x509.h"

#include <errno.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- Layers ---- */

struct layer {
	const struct cms_opening *o;
	struct cms_found *found;
	struct cms_parts parts;
	CMS_ContentInfo *cms;
	uint8_t *around; /* of which it was read */
	size_t around_len;
	BIO *to;
	struct cms_source source;
	int64_t now_s;
	int file;      /* where its content goes; -1: none, and nothing compressed is opened */
	uint64_t room; /* bytes that what is compressed in it may still become */
};

static int fail(struct cms_found *f, int err, const char *why)
{
	snprintf(f->why, sizeof(f->why), "%s", why);
	return err;
}

/* To a key: RSA, or of elliptic curves, which PS3.15 D.1 does not know. */
static bool is_key(int type)
{
	return type == CMS_RECIPINFO_TRANS || type == CMS_RECIPINFO_AGREE;
}

/* Is it sealed to our certificate? Without one, who knows. */
static bool is_ours(const struct layer *l, CMS_RecipientInfo *r)
{
	int type = CMS_RecipientInfo_type(r);
	if (!l->o->cert || type != CMS_RECIPINFO_AGREE) {
		return l->o->cert ? type == CMS_RECIPINFO_TRANS &&
		                            CMS_RecipientInfo_ktri_cert_cmp(r, l->o->cert) == 0
		                  : is_key(type);
	}
	STACK_OF(CMS_RecipientEncryptedKey) *all = CMS_RecipientInfo_kari_get0_reks(r);
	for (int i = 0; i < sk_CMS_RecipientEncryptedKey_num(all); i++) {
		if (CMS_RecipientEncryptedKey_cert_cmp(
			    sk_CMS_RecipientEncryptedKey_value(all, i), l->o->cert) == 0) {
			return true;
		}
	}
	return false;
}

static int use_key(const struct layer *l, bool ours)
{
	if (!ours) {
		return fail(l->found, ERR_NOT_FOUND, "it is sealed to others: this key is of none of them");
	}
	return CMS_decrypt_set1_pkey(l->cms, l->o->key, l->o->cert) == 1
	               ? 0
	               : fail(l->found, ERR_DENIED,
				 "this key does not open it, or where it says to whom it is sealed it is damaged");
}

static int unlock(const struct layer *l)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(l->cms);
	bool pass = false, key = false, ours = false;
	for (int i = 0; i < sk_CMS_RecipientInfo_num(all); i++) {
		CMS_RecipientInfo *r = sk_CMS_RecipientInfo_value(all, i);
		int type = CMS_RecipientInfo_type(r);
		ours = ours || is_ours(l, r);
		pass = pass || type == CMS_RECIPINFO_PASS;
		key = key || is_key(type);
	}
	if (key && l->o->key) {
		return use_key(l, ours);
	}
	if (pass && l->o->passphrase) {
		return CMS_decrypt_set1_password(l->cms, (unsigned char *)(uintptr_t)l->o->passphrase,
			       (ossl_ssize_t)strlen(l->o->passphrase)) == 1
		               ? 0
		               : fail(l->found, ERR_DENIED,
					 "the passphrase is wrong, or the head of the file is damaged");
	}
	return pass  ? fail(l->found, ERR_MISSING,
                              l->o->key || l->o->unwrap ? "it is sealed with a passphrase: leave out --key"
							 : "it is sealed with a passphrase")
	       : key ? fail(l->found, ERR_MISSING, "it is sealed to keys, and none was given")
	             : fail(l->found, ERR_UNSUPPORTED, "it is sealed in a way that PS3.15 D.1 does not know");
}

static bool to_keys(const struct layer *l)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(l->cms);
	bool any = false;
	for (int i = 0; i < sk_CMS_RecipientInfo_num(all); i++) {
		any = any || is_key(CMS_RecipientInfo_type(sk_CMS_RecipientInfo_value(all, i)));
	}
	return any;
}

/* With a key that somebody else has. */
static int decrypt_elsewhere(const struct layer *l)
{
	struct cms_sealed_key sealed;
	uint8_t key[CMS_UNWRAPPED_MOST];
	size_t len = 0;
	struct span around = span_of(l->around, l->around_len);
	int e = cms_recipients_find(around, l->o->cert, &sealed);
	if (e == ERR_NOT_FOUND && !to_keys(l)) {
		return unlock(l); /* which says how */
	}
	if (e == ERR_NOT_FOUND) {
		return fail(l->found, e, "it is sealed to others: this key is of none of them");
	}
	e = e < 0 ? e : l->o->unwrap(l->o->unwrap_arg, sealed.key, sealed.hash, key, &len);
	if (e < 0) {
		return fail(l->found, e == ERR_UNSUPPORTED ? e : ERR_DENIED,
			e == ERR_UNSUPPORTED
				? "it is sealed in a way that keys on tokens do not open"
				: "the token does not open it, or where it says to whom it is sealed it is damaged");
	}
	uint8_t *without = malloc(CMS_AROUND_MOST);
	struct writer w = writer_of(without, CMS_AROUND_MOST);
	const uint8_t *at = without;
	e = without ? cms_recipients_without(around, &w) : ERR_NO_MEMORY;
	CMS_ContentInfo *cms = e == 0 ? d2i_CMS_ContentInfo(NULL, &at, (long)w.len) : NULL;
	bool ok = cms && CMS_EncryptedData_decrypt(cms, key, len, l->source.bio, l->to, CMS_BINARY) == 1;
	CMS_ContentInfo_free(cms);
	free(without);
	OPENSSL_cleanse(key, sizeof(key));
	return ok ? 0 : fail(l->found, ERR_VALUE, "it is damaged, or it was sealed to another key");
}

static int decrypt(const struct layer *l)
{
	if (l->o->unwrap) {
		l->found->enveloped = 1;
		return decrypt_elsewhere(l);
	}
	int e = unlock(l);
	l->found->enveloped = 1;
	/* Its tag says that it is as it was sealed. */
	l->found->digested = l->found->digested || l->parts.type == CMS_AUTH_ENVELOPED_DATA;
	if (e < 0) {
		return e;
	}
	return CMS_decrypt(l->cms, NULL, NULL, l->source.bio, l->to, CMS_BINARY) == 1
	               ? 0
	               : fail(l->found, ERR_VALUE, "it is damaged, or it was sealed to another key");
}

/* The hash that is signed, by PS3.15 D.1. */
static bool has_known_hash(CMS_ContentInfo *cms)
{
	static const int known[] = {NID_sha1, NID_sha256, NID_sha384, NID_sha512};
	X509_ALGOR *hash = NULL;
	const ASN1_OBJECT *oid = NULL;
	CMS_SignerInfo_get0_algs(
		sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0), NULL, NULL, &hash, NULL);
	X509_ALGOR_get0(&oid, NULL, NULL, hash);
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (OBJ_obj2nid(oid) == known[i]) {
			return true;
		}
	}
	return false;
}

/* NULL: by somebody who is believed. Otherwise why not; buf of cap bytes may have it. */
static const char *doubt(const struct layer *l, X509_STORE_CTX *c, X509 *signer, char *buf, size_t cap)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(c);
	X509_VERIFY_PARAM_set_time(param, (time_t)l->now_s);
	(void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	return !(X509_get_key_usage(signer) & (X509v3_KU_DIGITAL_SIGNATURE | X509v3_KU_NON_REPUDIATION))
	               ? "its certificate is not for signatures"
	       : X509_verify_cert(c) != 1 ? X509_verify_cert_error_string(X509_STORE_CTX_get_error(c))
	       : crl_chain_revoked(
			 l->o->lists, X509_STORE_CTX_get0_chain(c), l->now_s, "its certificate", buf, cap)
	               ? buf
	       : x509_key_is_short(signer) ? "its key is too short to prove anything"
	       : !has_known_hash(l->cms)   ? "it is signed with a hash that PS3.15 D.1 does not know"
	                                   : NULL;
}

static void judge(const struct layer *l, X509 *signer)
{
	X509_STORE_CTX *c = X509_STORE_CTX_new();
	STACK_OF(X509) *with = CMS_get1_certs(l->cms);
	struct cms_found *f = l->found;
	char buf[sizeof(f->doubt)];
	const char *why = "its certificate cannot be judged";
	x509_name_text(X509_get_subject_name(signer), f->subject, sizeof(f->subject));
	if (c && X509_STORE_CTX_init(c, l->o->trust, signer, with) == 1) {
		why = doubt(l, c, signer, buf, sizeof(buf));
	}
	f->signer = why ? CMS_UNTRUSTED : CMS_TRUSTED;
	snprintf(f->doubt, sizeof(f->doubt), "%s", why ? why : "");
	X509_STORE_CTX_free(c);
	sk_X509_pop_free(with, X509_free);
	ERR_clear_error();
}

static int verify(const struct layer *l)
{
	if (CMS_verify(l->cms, NULL, NULL, l->source.bio, l->to, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) !=
		1) {
		unsigned long e = ERR_peek_error();
		bool unknown = ERR_GET_LIB(e) == ERR_LIB_CMS &&
		               ERR_GET_REASON(e) == CMS_R_SIGNER_CERTIFICATE_NOT_FOUND;
		return unknown ? fail(l->found, ERR_UNSUPPORTED,
					 "it does not have the certificate of who signed it")
		               : fail(l->found, ERR_VALUE,
					 "its signature is false: it is damaged, or was changed by somebody");
	}
	STACK_OF(X509) *signers = CMS_get0_signers(l->cms);
	if (sk_X509_num(signers) < 1) {
		sk_X509_free(signers);
		return fail(l->found, ERR_VALUE, "it should be signed, and nobody has");
	}
	judge(l, sk_X509_value(signers, 0));
	sk_X509_free(signers);
	return 0;
}

static int digest(const struct layer *l)
{
	l->found->digested = 1;
	return CMS_digest_verify(l->cms, l->source.bio, l->to, CMS_BINARY) == 1
	               ? 0
	               : fail(l->found, ERR_VALUE,
				 "its digest is another: it is damaged, or was changed by somebody");
}

static int decompress(struct layer *l)
{
	if (l->file < 0) {
		return fail(l->found, ERR_TYPE, "it is compressed");
	}
	int e = cms_inflate(&l->parts, l->file, &l->room);
	return e == 0           ? 0
	       : e == ERR_LIMIT ? fail(l->found, e, "it unpacks to more than pictures would")
	       : e == ERR_SYSTEM || e == ERR_NO_MEMORY
	               ? fail(l->found, e, e == ERR_SYSTEM ? strerror(errno) : "there is no memory")
	               : fail(l->found, ERR_VALUE, "it is damaged: it is not compressed as it says");
}

static int open_layer(struct layer *l)
{
	switch (l->parts.type) {
	case CMS_ENVELOPED_DATA:
	case CMS_AUTH_ENVELOPED_DATA:
		return decrypt(l);
	case CMS_SIGNED_DATA:
		return verify(l);
	case CMS_DIGESTED_DATA:
		return digest(l);
	case CMS_COMPRESSED_DATA:
		return decompress(l);
	default:
		return fail(l->found, ERR_TYPE, "it is no Secure DICOM File");
	}
}

static int broken(struct cms_found *f, int e)
{
	static const char outer[] = "it is no Secure DICOM File", inner[] = "what is in it is damaged";
	const char *first = f->layers > 0 ? inner : outer;
	return fail(f, f->layers > 0 && e == ERR_TYPE ? ERR_VALUE : e,
		e == ERR_TYPE          ? first
		: e == ERR_TRUNCATED   ? "it ends before its end: it is cut off or damaged"
		: e == ERR_SPACE       ? "it names more recipients or certificates than are read"
		: e == ERR_UNSUPPORTED ? "it is compressed in a way that is not known"
		: e == ERR_NO_MEMORY   ? "there is no memory"
				       : "it is damaged: its structure is none of CMS");
}

static int read_around(struct span bytes, enum cms_type type, struct layer *l)
{
	uint8_t *around = malloc(CMS_AROUND_MOST);
	struct writer w = writer_of(around, CMS_AROUND_MOST);
	int e = around ? cms_parts_read(bytes, type, &w, &l->parts) : ERR_NO_MEMORY;
	if (e == 0) {
		const uint8_t *at = around;
		l->cms = d2i_CMS_ContentInfo(NULL, &at, (long)w.len);
		e = !l->cms || !l->parts.has_content ? ERR_VALUE : 0;
	}
	l->around = around;
	l->around_len = e == 0 ? w.len : 0;
	ERR_clear_error();
	return e < 0 ? broken(l->found, e) : 0;
}

/* One layer, from bytes to where it goes, which stays the caller's. */
static int peel(struct layer *l, struct span bytes, enum cms_type type, BIO *to)
{
	int e = read_around(bytes, type, l);
	if (e < 0) {
		free(l->around);
		l->around = NULL;
		return e;
	}
	l->source = (struct cms_source){.pieces = cms_pieces_of(&l->parts)};
	l->to = to;
	errno = 0;
	e = cms_source_begin(&l->source) == 0 && l->to ? open_layer(l)
	                                               : fail(l->found, ERR_NO_MEMORY, "there is no memory");
	if (e < 0 && (errno == ENOSPC || errno == EFBIG || errno == EDQUOT)) {
		e = fail(l->found, ERR_SYSTEM, strerror(errno));
	}
	cms_source_done(&l->source);
	ERR_clear_error();
	free(l->around);
	l->around = NULL;
	return e;
}

static int peel_to_file(struct layer *l, struct span bytes, enum cms_type type, int file)
{
	BIO *to = BIO_new_fd(file, BIO_NOCLOSE);
	l->file = file;
	int e = peel(l, bytes, type, to);
	BIO_free(to);
	off_t end = lseek(file, 0, SEEK_END);
	if (e == 0) {
		l->found->layers++;
		l->found->len = end > 0 ? (uint64_t)end : 0;
	}
	return e;
}

int cms_open_enveloped(const struct cms_opening *o, struct span bytes, uint8_t *buf, size_t cap,
	size_t *ret_len, struct cms_found *found)
{
	struct layer l = {.o = o, .found = found, .file = -1};
	char *content = NULL;
	BIO *to = BIO_new(BIO_s_mem());
	*found = (struct cms_found){0};
	int e = peel(&l, bytes, CMS_NONE, to);
	if (e == 0 && l.parts.type != CMS_ENVELOPED_DATA) {
		e = fail(found, ERR_TYPE, "it is no Enveloped-data");
	}
	long n = to ? BIO_get_mem_data(to, &content) : 0;
	if (e == 0 && (n <= 0 || (size_t)n > cap)) {
		e = fail(found, n <= 0 ? ERR_DENIED : ERR_SPACE, "what is in it has another length");
	}
	if (e == 0) {
		memcpy(buf, content, (size_t)n);
		*ret_len = (size_t)n;
	}
	if (n > 0) {
		OPENSSL_cleanse(content, (size_t)n);
	}
	CMS_ContentInfo_free(l.cms);
	BIO_free(to);
	return e;
}

int cms_verify_text(const struct cms_opening *o, struct span signature, struct span text, int64_t now_s,
	struct cms_found *found)
{
	struct layer l = {.o = o, .found = found, .now_s = now_s};
	const uint8_t *at = signature.ptr;
	struct cms_kek kept = found->kek;
	*found = (struct cms_found){.kek = kept};
	l.source = (struct cms_source){.left = text, .text = true, .pieces.over = true};
	int begun = cms_source_begin(&l.source);
	l.to = BIO_new(BIO_s_null());
	l.cms = d2i_CMS_ContentInfo(NULL, &at, (long)signature.len);
	int e = begun < 0 || !l.to ? fail(found, ERR_NO_MEMORY, "there is no memory")
	        : !l.cms || OBJ_obj2nid(CMS_get0_type(l.cms)) != NID_pkcs7_signed
	                ? fail(found, ERR_VALUE, "its signature is damaged: its structure is none of CMS")
	                : verify(&l);
	CMS_ContentInfo_free(l.cms);
	cms_source_done(&l.source);
	BIO_free(l.to);
	ERR_clear_error();
	return e;
}

/* Plain content may be CMS again, as OpenSSL's program nests it: a DICOM file never begins like that. */
static bool goes_on(const struct layer *l, struct span bytes)
{
	struct writer w = writer_of(NULL, 0);
	struct cms_parts ignored;
	return l->parts.inner != CMS_PLAIN ||
	       (bytes.len > 0 && cms_parts_read(bytes, CMS_NONE, &w, &ignored) != ERR_TYPE);
}

int cms_open(const struct cms_opening *o, struct span bytes, const int files[CMS_LAYERS], int64_t now_s,
	struct cms_found *found)
{
	struct layer l = {.o = o, .found = found, .now_s = now_s, .room = limit_unpacked(bytes.len)};
	void *map = NULL;
	enum cms_type type = CMS_NONE;
	struct cms_kek kept = found->kek;
	*found = (struct cms_found){.kek = kept};
	int e = cms_pbkdf2_begin(&found->kek);
	for (unsigned i = 0; e == 0; i++) {
		size_t before = bytes.len;
		e = i < CMS_LAYERS ? peel_to_file(&l, bytes, type, files[i])
		                   : fail(found, ERR_LIMIT, "it is sealed in itself too often");
		CMS_ContentInfo_free(l.cms);
		l.cms = NULL;
		if (map) {
			(void)munmap(map, before);
			map = NULL;
		}
		if (e < 0 || found->len == 0) {
			break;
		}
		map = mmap(NULL, (size_t)found->len, PROT_READ, MAP_SHARED, files[i], 0);
		if (map == MAP_FAILED) {
			map = NULL;
			e = fail(found, ERR_SYSTEM, strerror(errno));
			break;
		}
		bytes = span_of(map, (size_t)found->len);
		if (!goes_on(&l, bytes)) {
			break;
		}
		type = l.parts.inner == CMS_PLAIN ? CMS_NONE : l.parts.inner;
	}
	if (map) {
		(void)munmap(map, bytes.len);
	}
	return e;
}
