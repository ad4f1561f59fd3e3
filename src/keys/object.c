/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/object.h"
#include "dicom/file.h"
#include "dicom/sign_profile.h"
#include "keys/object_parts.h"
#include "keys/private.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE          (256u * 1024)
#define RSA_BITS_LEAST 2048

const char *const object_hash_words[OBJECT_HASHES + 1] = {"SHA256", "SHA384", "SHA512", NULL};

struct object_key {
	struct private_key *key;
	uint8_t *certificate; /* DER */
	size_t certificate_len;
};

/* ---- The key ---- */

static int take_certificate(struct object_key *k, struct span pem, char *why, size_t cap)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	X509 *cert CLEANUP(x509_freep) = NULL;
	if (!bio || x509_next(bio, &cert) < 0) {
		snprintf(why, cap, "the certificate cannot be read");
		return ERR_VALUE;
	}
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) < RSA_BITS_LEAST) {
		snprintf(why, cap, "objects are signed with RSA alone, of %d bits or more (PS3.15 C.1)",
			RSA_BITS_LEAST);
		return ERR_UNSUPPORTED;
	}
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	k->certificate = len > 0 && len <= (int)SIGNED_CERTIFICATE_MOST ? malloc((size_t)len) : NULL;
	if (k->certificate) {
		memcpy(k->certificate, der, (size_t)len);
		k->certificate_len = (size_t)len;
	}
	OPENSSL_free(der);
	return k->certificate ? 0 : ERR_NO_MEMORY;
}

int object_key_open(
	const char *where, struct span certificate_pem, struct object_key **ret_key, char *why, size_t cap)
{
	return object_key_open_asking(where, certificate_pem, NULL, ret_key, why, cap);
}

int object_key_open_asking(const char *where, struct span certificate_pem,
	const struct private_key_asks *asks, struct object_key **ret_key, char *why, size_t cap)
{
	struct object_key *k = calloc(1, sizeof(*k));
	why[0] = 0;
	int e = k ? take_certificate(k, certificate_pem, why, cap) : ERR_NO_MEMORY;
	e = e < 0 ? e : private_key_open_asking(where, certificate_pem, asks, &k->key, why, cap);
	ERR_clear_error();
	if (e < 0) {
		object_key_free(k);
		if (!why[0]) {
			snprintf(why, cap, "%s", err_str(e));
		}
		return e;
	}
	*ret_key = k;
	return 0;
}

const struct private_key *object_key_private(const struct object_key *k)
{
	return k->key;
}

struct span object_key_certificate(const struct object_key *k)
{
	return span_of(k->certificate, k->certificate_len);
}

const struct sign_scheme *object_scheme(enum object_hash hash)
{
	return sign_scheme_for(SIGN_RSA, object_hash_words[hash], false);
}

void object_key_free(struct object_key *k)
{
	if (k) {
		private_key_free(k->key);
		free(k->certificate);
		free(k);
	}
}

/* ---- A pass over the file ---- */

int object_pass(struct object_pass *p)
{
	struct dicom_file *f = calloc(1, sizeof(*f));
	struct inflater *inflater = calloc(1, sizeof(*inflater));
	struct span rest = p->file;
	bool last = false;
	int e = f && inflater ? 0 : ERR_NO_MEMORY, event;
	if (e == 0) {
		file_begin(f, inflater);
	}
	while (e == 0) {
		event = file_next(f);
		if (event > DATASET_MORE && !f->in_meta && p->data_at == 0) {
			p->data_at = f->d.offset;
		}
		if (event < 0 || event == DATASET_END) {
			e = event;
			p->end = f->d.offset;
			if (event == DATASET_END) {
				e = p->each(p->arg, &f->d, event, f->encoding);
			}
			break;
		}
		if (event == DATASET_MORE && rest.len > 0) {
			size_t n = rest.len < PIECE ? rest.len : PIECE;
			file_feed(f, span_of(rest.ptr, n));
			rest = span_of(rest.ptr + n, rest.len - n);
		} else if (event == DATASET_MORE) {
			e = last ? ERR_TRUNCATED : 0;
			last = true;
			file_last(f);
		} else if (!f->in_meta) {
			e = p->each(p->arg, &f->d, event, f->encoding);
		}
	}
	if (f) {
		p->encoding = f->encoding;
		p->noted = f->d.noted;
		size_t n = f->transfer_syntax.len <= UID_MAX ? f->transfer_syntax.len : 0;
		memcpy(p->syntax, f->transfer_syntax.ptr ? f->transfer_syntax.ptr : (const uint8_t *)"", n);
		p->syntax[n] = 0;
	}
	free(f);
	free(inflater);
	return e;
}

/* ---- Signing ---- */

struct job {
	const struct object_key *k;
	const struct object_wish *wish;
	struct object_signed *ret;
	struct span file;
	struct mac_scope top;
	struct mac_list list;
	struct signed_facts facts;
	struct sign_places places;
	struct mac mac;
	EVP_MD_CTX *hash;
	char syntax[UID_MAX + 1], time[27];
	enum encoding encoding;
	struct sign_fields fields;
};

PRINTF(3, 4) static int fail(struct object_signed *ret, int e, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(ret->why, sizeof(ret->why), format, args);
	va_end(args);
	return e;
}

static int look(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	struct job *j = arg;
	sign_places_event(&j->places, d, event, encoding);
	int e = mac_list_event(&j->list, d, event, encoding);
	return e < 0 ? e : signed_event(&j->facts, d, event, encoding);
}

static int first_pass(struct job *j)
{
	struct object_pass p = {.file = j->file, .each = look, .arg = j};
	int e = object_pass(&p);
	j->encoding = p.encoding;
	memcpy(j->syntax, p.syntax, sizeof(j->syntax));
	sign_places_end(&j->places, p.end);
	if (e < 0) {
		return fail(j->ret, e == ERR_NO_MEMORY || e == ERR_LIMIT ? e : ERR_VALUE,
			"it cannot be read as a DICOM file: %s", err_str(e));
	}
	if (p.noted & MAC_BAD_NOTES || j->places.odd) {
		return fail(j->ret, ERR_VALUE,
			"its structure is broken, and could be read in more than one way: see `gantry inspect`");
	}
	j->ret->deflated_at = j->encoding == ENCODING_DEFLATED_LE ? p.data_at : 0;
	return 0;
}

/* What is signed: each must be there, and able to be. */
static int choose(struct job *j)
{
	uint32_t lacking = 0;
	const struct mac_list *l = &j->list;
	const uint32_t *tags = j->wish->n_tags > 0 ? j->wish->tags : l->tags;
	size_t n = j->wish->n_tags > 0 ? j->wish->n_tags : l->n, at = 0;
	for (size_t i = 0; i < n; i++) {
		while (at < l->n && l->tags[at] < tags[i]) {
			at++;
		}
		if (at == l->n || l->tags[at] != tags[i]) {
			return fail(j->ret, ERR_MISSING,
				"(%04X,%04X) is not there, or cannot be signed (it is of VR UN, or has such in it), or is "
				"listed twice or out of order",
				tags[i] >> 16, tags[i] & 0xFFFF);
		}
		at++;
	}
	if (n == 0) {
		return fail(j->ret, ERR_MISSING, "there is nothing in it that can be signed");
	}
	unsigned asked = j->wish->profile;
	if (asked && (sign_profiles(l->tags, l->n, tags, n, asked, &lacking) & asked) != asked) {
		return fail(j->ret, ERR_MISSING, "the %s asks for (%04X,%04X) as well",
			asked == SIGNED_CREATOR ? "Creator profile (PS3.15 C.2)"
						: "Authorization profile (PS3.15 C.3)",
			lacking >> 16, lacking & 0xFFFF);
	}
	j->fields.tags = tags;
	j->fields.n_tags = n;
	return 0;
}

static int fill(struct job *j, int64_t now_ms)
{
	if (object_new_name(now_ms, j->ret->uid, j->time) < 0) {
		return fail(j->ret, ERR_SYSTEM, "no time, or no random number for its UID");
	}
	j->fields.id = object_free_id(&j->facts);
	j->fields.syntax = object_mac_syntax(j->encoding, j->syntax);
	j->fields.algorithm = object_hash_words[j->wish->hash];
	j->fields.uid = j->ret->uid;
	j->fields.time = j->time;
	j->fields.certificate = span_of(j->k->certificate, j->k->certificate_len);
	return 0;
}

static void hash_bytes(void *arg, struct span bytes)
{
	struct job *j = arg;
	(void)EVP_DigestUpdate(j->hash, bytes.ptr, bytes.len);
}

static int second(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	return mac_event(&((struct job *)arg)->mac, d, event, encoding);
}

static int second_pass(struct job *j, uint8_t digest[EVP_MAX_MD_SIZE], unsigned *ret_len)
{
	struct object_pass p = {.file = j->file, .each = second, .arg = j};
	uint8_t item[512];
	struct writer w = writer_of(item, sizeof(item));
	j->mac = (struct mac){.scope = &j->top,
		.tags = j->fields.tags,
		.n_tags = j->fields.n_tags,
		.sink = hash_bytes,
		.arg = j};
	mac_representation(&j->mac, j->facts.is_signed);
	j->hash = EVP_MD_CTX_new();
	if (!j->hash || EVP_DigestInit_ex(j->hash, EVP_get_digestbyname(j->fields.algorithm), NULL) != 1) {
		return ERR_NO_MEMORY;
	}
	int e = object_pass(&p);
	e = e == 0 && j->mac.n_signed != j->fields.n_tags ? ERR_MISSING : e;
	/* And the signature's own item, but for the certificate and the signature (PS3.3 C.12.1.1.3.1.2). */
	e = e < 0 ? e : sign_write_signature(&j->fields, false, ENCODING_EXPLICIT_LE, &w);
	if (e == 0) {
		hash_bytes(j, writer_span_of(&w));
		e = EVP_DigestFinal_ex(j->hash, digest, ret_len) == 1 ? 0 : ERR_NO_MEMORY;
	}
	return e < 0 ? fail(j->ret, e, "what is to be signed cannot be read: %s", err_str(e)) : 0;
}

/* ---- What the file becomes ---- */

static int edit(struct job *j, struct span signature)
{
	j->fields.value = signature;
	int e = object_edits(&j->places, &j->fields, j->encoding, j->ret);
	return e < 0 ? fail(j->ret, e, "the signature does not fit: %s", err_str(e)) : 0;
}

static int sign(struct job *j, int64_t now_ms)
{
	uint8_t digest[EVP_MAX_MD_SIZE], sig[PRIVATE_KEY_SIGNATURE_MOST];
	unsigned digest_len = 0;
	size_t len = 0;
	int e = first_pass(j);
	e = e < 0 ? e : choose(j);
	e = e < 0 ? e : fill(j, now_ms);
	e = e < 0 ? e : second_pass(j, digest, &digest_len);
	if (e < 0) {
		return e;
	}
	e = private_key_sign_hash(j->k->key, object_scheme((enum object_hash)j->wish->hash),
		span_of(digest, digest_len), sig, sizeof(sig), &len);
	if (e < 0) {
		return fail(j->ret, e, "the key does not sign: %s", err_str(e));
	}
	j->ret->n_signed = (uint32_t)j->fields.n_tags;
	if (EVP_Digest(sig, len, j->ret->value_sha256, NULL, EVP_sha256(), NULL) != 1) {
		return fail(j->ret, ERR_NO_MEMORY, "%s", err_str(ERR_NO_MEMORY));
	}
	return edit(j, span_of(sig, len));
}

int object_sign(const struct object_key *k, struct span file, const struct object_wish *wish, int64_t now_ms,
	struct object_signed *ret)
{
	struct job *j = calloc(1, sizeof(*j));
	uint32_t *tags = calloc(MAC_TAGS_MOST, sizeof(*tags));
	ret->n_edits = 0;
	ret->why[0] = 0;
	int e = ERR_NO_MEMORY;
	if (j && tags && wish->hash < OBJECT_HASHES && wish->n_tags <= MAC_TAGS_MOST) {
		j->k = k;
		j->wish = wish;
		j->ret = ret;
		j->file = file;
		j->list = (struct mac_list){.scope = &j->top, .tags = tags};
		e = sign(j, now_ms);
	}
	if (j) {
		signed_done(&j->facts);
		EVP_MD_CTX_free(j->hash);
	}
	free(j);
	free(tags);
	ERR_clear_error();
	return e;
}
