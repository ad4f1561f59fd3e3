/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"

#include "keys/cms_der.h"
#include "keys/cms_inflate.h"
#include "keys/cms_open.h"
#include "keys/cms_parts.h"
#include "keys/cms_seal.h"

#include <openssl/cms.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Secure DICOM Files: what we seal, OpenSSL opens; what it seals, we open; what is changed, nobody opens. */

#define NOW       INT64_C(1795000000)
#define SIZE      200001 /* more than three pieces, and no multiple of a block */
#define FILE_MOST (2u << 20)

static const char passphrase[] = "correct horse battery staple";

struct pair {
	EVP_PKEY *key;
	X509 *cert;
	char key_pem[4096], cert_pem[8192], path[64];
};

static struct pair alice, bob;
static uint8_t object[SIZE];

struct sealed {
	uint8_t bytes[FILE_MOST];
	size_t len;
};

static struct sealed made;

static int put(void *arg, struct span bytes)
{
	struct sealed *s = arg;
	if (bytes.len > sizeof(s->bytes) - s->len) {
		return ERR_SPACE;
	}
	memcpy(s->bytes + s->len, bytes.ptr, bytes.len);
	s->len += bytes.len;
	return 0;
}

static size_t text_of(BIO *b, char *to, size_t cap)
{
	int n = BIO_read(b, to, (int)cap - 1);
	assert_true(n > 0);
	to[n] = 0;
	BIO_free(b);
	return (size_t)n;
}

static void make_pair(struct pair *p, const char *name)
{
	p->key = EVP_RSA_gen(2048);
	p->cert = X509_new();
	assert_non_null(p->key);
	X509_NAME *n = X509_get_subject_name(p->cert);
	X509_set_version(p->cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(p->cert), 0x81);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(p->cert, n);
	X509_set_pubkey(p->cert, p->key);
	ASN1_TIME_set(X509_getm_notBefore(p->cert), (time_t)NOW - 86400);
	ASN1_TIME_set(X509_getm_notAfter(p->cert), (time_t)NOW + 86400);
	assert_true(X509_sign(p->cert, p->key, EVP_sha256()) > 0);
	BIO *b = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(b, p->cert), 1);
	(void)text_of(b, p->cert_pem, sizeof(p->cert_pem));
	b = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(b, p->key, NULL, NULL, 0, NULL, NULL), 1);
	size_t len = text_of(b, p->key_pem, sizeof(p->key_pem));
	snprintf(p->path, sizeof(p->path), "/tmp/gantry-cms-XXXXXX");
	int fd = mkstemp(p->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p->key_pem, len), len);
	close(fd);
}

static int set_up(void **state)
{
	make_pair(&alice, "Alice");
	make_pair(&bob, "Bob");
	for (size_t i = 0; i < SIZE; i++) {
		object[i] = (uint8_t)(i * 2654435761u >> 13);
	}
	return 0;
}

static int tear_down(void **state)
{
	struct pair *const both[] = {&alice, &bob};
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		EVP_PKEY_free(both[i]->key);
		X509_free(both[i]->cert);
		(void)unlink(both[i]->path);
	}
	return 0;
}

/* In pieces of several sizes. */
static void seal(bool to_bob, bool with_passphrase, bool by_alice, size_t size)
{
	struct cms_sealing *s;
	struct private_key *key = NULL;
	struct cms_file *f;
	char why[200];
	made.len = 0;
	assert_int_equal(cms_sealing_new(&s), 0);
	if (to_bob) {
		assert_int_equal(cms_sealing_to(s, span_str(bob.cert_pem), why, sizeof(why)), 0);
	}
	if (with_passphrase) {
		assert_int_equal(cms_sealing_passphrase(s, passphrase), 0);
	}
	if (by_alice) {
		assert_int_equal(
			private_key_open(alice.path, span_str(alice.cert_pem), &key, why, sizeof(why)), 0);
		assert_int_equal(cms_sealing_signer(s, key, span_str(alice.cert_pem), why, sizeof(why)), 0);
	}
	assert_int_equal(cms_file_begin(s, NOW, put, &made, &f), 0);
	for (size_t at = 0, n = 1; at < size; at += n, n = n * 3) {
		n = n > size - at ? size - at : n;
		assert_int_equal(cms_file_more(f, span_of(object + at, n)), 0);
	}
	assert_int_equal(cms_file_end(f), 0);
	cms_file_free(f);
	cms_sealing_free(s);
	private_key_free(key);
}

/* ---- By OpenSSL ---- */

static CMS_ContentInfo *read_cms(const uint8_t *bytes, size_t len)
{
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &bytes, (long)len);
	assert_non_null(cms);
	return cms;
}

/* The bare structure becomes a ContentInfo: what docs say to do for OpenSSL's program. */
static size_t wrap(const uint8_t *bytes, size_t len, bool is_signed, uint8_t *to)
{
	static const uint8_t head[] = {0x30, 0x80, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7};
	memcpy(to, head, sizeof(head));
	to[12] = is_signed ? 2 : 5;
	to[13] = 0xA0;
	to[14] = 0x80;
	memcpy(to + 15, bytes, len);
	memset(to + 15 + len, 0, 4);
	return len + 19;
}

static void openssl_opens(bool by_key, bool is_signed, size_t size)
{
	static uint8_t again[FILE_MOST];
	CMS_ContentInfo *cms = read_cms(made.bytes, made.len);
	BIO *out = BIO_new(BIO_s_mem()), *plain = BIO_new(BIO_s_mem());
	char *inner, *got;
	assert_int_equal(
		OBJ_obj2nid(CMS_get0_eContentType(cms)), is_signed ? NID_pkcs7_signed : NID_pkcs7_digest);
	if (by_key) {
		assert_int_equal(CMS_decrypt(cms, bob.key, bob.cert, NULL, out, CMS_BINARY), 1);
	} else {
		assert_int_equal(CMS_decrypt_set1_password(cms, (uint8_t *)(uintptr_t)passphrase, -1), 1);
		assert_int_equal(CMS_decrypt(cms, NULL, NULL, NULL, out, CMS_BINARY), 1);
	}
	CMS_ContentInfo_free(cms);
	long n = BIO_get_mem_data(out, &inner);
	cms = read_cms(again, wrap((const uint8_t *)inner, (size_t)n, is_signed, again));
	if (is_signed) {
		X509_STORE *trust = X509_STORE_new();
		X509_STORE_add_cert(trust, alice.cert);
		X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(trust), (time_t)NOW);
		assert_int_equal(CMS_verify(cms, NULL, trust, NULL, plain, CMS_BINARY), 1);
		X509_STORE_free(trust);
	} else {
		assert_int_equal(CMS_digest_verify(cms, NULL, plain, CMS_BINARY), 1);
	}
	assert_int_equal(BIO_get_mem_data(plain, &got), size);
	assert_true(size == 0 || memcmp(got, object, size) == 0);
	CMS_ContentInfo_free(cms);
	BIO_free(out);
	BIO_free(plain);
}

static void seals_for_openssl(void **state)
{
	static const size_t sizes[] = {0, 1, 15, 16, 65535, SIZE};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		for (unsigned how = 0; how < 2; how++) {
			seal(true, false, how == 1, sizes[i]);
			openssl_opens(true, how == 1, sizes[i]);
		}
	}
	seal(true, true, true, SIZE);
	openssl_opens(true, true, SIZE);
	openssl_opens(false, true, SIZE);
	seal(false, true, false, 100);
	openssl_opens(false, false, 100);
}

/* ---- By us ---- */

static int files[CMS_LAYERS];

/* What is in the last file stands in `got`. */
static uint8_t got[FILE_MOST];

static int open_it(struct span bytes, const struct pair *who, const char *pass, struct cms_found *f)
{
	struct cms_opening *o;
	assert_int_equal(cms_opening_new(&o), 0);
	if (who) {
		assert_int_equal(cms_opening_key(o, span_str(who->key_pem), span_str(who->cert_pem)), 0);
	}
	cms_opening_passphrase(o, pass);
	assert_int_equal(cms_opening_trust(o, span_str(alice.cert_pem)), 0);
	for (unsigned i = 0; i < CMS_LAYERS; i++) {
		files[i] = memfd_create("layer", MFD_CLOEXEC);
	}
	int e = cms_open(o, bytes, files, NOW, f);
	if (e == 0) {
		assert_in_range(f->layers, 1, CMS_LAYERS);
		assert_int_equal(pread(files[f->layers - 1], got, sizeof(got), 0), f->len);
	}
	for (unsigned i = 0; i < CMS_LAYERS; i++) {
		close(files[i]);
	}
	cms_opening_free(o);
	return e;
}

static struct span all(void)
{
	return span_of(made.bytes, made.len);
}

static void is_object(const struct cms_found *f, size_t size)
{
	assert_int_equal(f->len, size);
	assert_memory_equal(got, object, size);
}

static void opens_its_own(void **state)
{
	struct cms_found f = {0};
	seal(true, true, true, SIZE);
	assert_int_equal(open_it(all(), &bob, NULL, &f), 0);
	is_object(&f, SIZE);
	assert_int_equal(f.signer, CMS_TRUSTED);
	assert_string_equal(f.subject, "CN=Alice");
	assert_int_equal(f.kek.len, 0);
	assert_int_equal(open_it(all(), NULL, passphrase, &f), 0);
	is_object(&f, SIZE);
	assert_int_equal(f.kek.len, 32);
	struct cms_kek kek = f.kek;
	assert_int_equal(open_it(all(), NULL, passphrase, &f), 0);
	assert_memory_equal(&f.kek, &kek, sizeof(kek));
	seal(true, false, false, 70000);
	assert_int_equal(open_it(all(), &bob, NULL, &f), 0);
	is_object(&f, 70000);
	assert_int_equal(f.signer, CMS_NOBODY);
	assert_int_equal(f.digested, 1);
}

static void says_what_is_wrong(void **state)
{
	struct cms_found f = {0};
	seal(true, false, true, 1000);
	assert_int_equal(open_it(all(), &alice, NULL, &f), ERR_NOT_FOUND);
	assert_non_null(strstr(f.why, "to others"));
	assert_int_equal(open_it(all(), NULL, passphrase, &f), ERR_MISSING);
	assert_int_equal(open_it(span_of(object, SIZE), &bob, NULL, &f), ERR_TYPE);
	seal(false, true, true, 1000);
	assert_int_equal(open_it(all(), NULL, "correct horse battery stable", &f), ERR_DENIED);
	assert_non_null(strstr(f.why, "the passphrase is wrong"));
	assert_int_equal(open_it(all(), &bob, NULL, &f), ERR_MISSING);
	assert_non_null(strstr(f.why, "a passphrase"));
}

/* Every byte that is another is found, wherever it stands; and every end that is missing. */
static void finds_each_change(void **state)
{
	struct cms_found f = {0};
	for (unsigned how = 0; how < 2; how++) {
		seal(true, false, how == 1, 40);
		for (size_t i = 0; i < made.len; i += 1) {
			made.bytes[i] ^= 0x01;
			int e = open_it(all(), &bob, NULL, &f);
			/* What nothing depends on: the number of a version. */
			if (e == 0) {
				is_object(&f, 40);
			} else {
				assert_true(f.why[0] != 0);
			}
			made.bytes[i] ^= 0x01;
		}
		for (size_t n = 2; n < made.len; n++) {
			assert_int_equal(open_it(span_of(made.bytes, n), &bob, NULL, &f), ERR_TRUNCATED);
		}
	}
}

static BIO *object_bio(size_t size)
{
	return BIO_new_mem_buf(object, (int)size);
}

static void keep(BIO *b)
{
	char *bytes;
	long n = BIO_get_mem_data(b, &bytes);
	made.len = 0;
	assert_int_equal(put(&made, span_of(bytes, (size_t)n)), 0);
	BIO_free(b);
}

/* Signed by Alice, nested in id-data as OpenSSL's program does it, or plain. */
static BIO *sign(void)
{
	BIO *b = BIO_new(BIO_s_mem()), *in = object_bio(SIZE);
	CMS_ContentInfo *cms = CMS_sign(alice.cert, alice.key, NULL, in, CMS_BINARY);
	assert_int_equal(i2d_CMS_bio(b, cms), 1);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	return b;
}

static void opens_openssls(void **state)
{
	static const struct {
		const char *cipher;
		bool oaep, stream;
	} rows[] = {
		{"AES-256-CBC", false, false}, {"AES-128-CBC", true, true}, {"DES-EDE3-CBC", false, true}};
	struct cms_found f = {0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		BIO *in = sign(), *out = BIO_new(BIO_s_mem());
		CMS_ContentInfo *cms = CMS_encrypt(NULL, in, EVP_get_cipherbyname(rows[i].cipher),
			CMS_BINARY | CMS_PARTIAL | (rows[i].stream ? CMS_STREAM : 0));
		CMS_RecipientInfo *r = CMS_add1_recipient_cert(cms, bob.cert, CMS_KEY_PARAM);
		assert_non_null(r);
		if (rows[i].oaep) {
			assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(
						 CMS_RecipientInfo_get0_pkey_ctx(r), RSA_PKCS1_OAEP_PADDING),
				1);
		}
		assert_int_equal(rows[i].stream ? i2d_CMS_bio_stream(out, cms, in, CMS_STREAM | CMS_BINARY)
						: CMS_final(cms, in, NULL, CMS_BINARY) == 1 &&
							  i2d_CMS_bio(out, cms) == 1,
			1);
		CMS_ContentInfo_free(cms);
		BIO_free(in);
		keep(out);
		assert_int_equal(open_it(all(), &bob, NULL, &f), 0);
		is_object(&f, SIZE);
		assert_int_equal(f.layers, 2);
		assert_int_equal(f.signer, CMS_TRUSTED);
	}
	keep(sign());
	assert_int_equal(open_it(all(), NULL, NULL, &f), 0);
	is_object(&f, SIZE);
	assert_int_equal(f.enveloped, 0);
}

/* Compressed-data (RFC 3274), in one piece or in segments, of a stream of zlib's with so many bytes cut off. */
static void compress_it(struct span bytes, bool segments, enum der_oid algorithm, size_t cut)
{
	static uint8_t stream[FILE_MOST], out[FILE_MOST];
	uLongf len = sizeof(stream);
	assert_int_equal(compress2(stream, &len, bytes.ptr, bytes.len, 9), Z_OK);
	struct span z = span_of(stream, len - cut);
	struct writer w = writer_of(out, sizeof(out));
	der_open(&w, DER_SEQUENCE);
	der_oid(&w, DER_COMPRESSED);
	der_open(&w, DER_CONTEXT(0));
	der_open(&w, DER_SEQUENCE);
	der_number(&w, 0);
	der_open(&w, DER_SEQUENCE);
	der_oid(&w, algorithm);
	der_close(&w, 1);
	der_open(&w, DER_SEQUENCE);
	der_oid(&w, DER_DATA);
	der_open(&w, DER_CONTEXT(0));
	if (segments) {
		der_open(&w, DER_OCTETS_PARTS);
		for (size_t at = 0; at < z.len; at += 7) {
			der_bytes(&w, DER_OCTETS, span_of(z.ptr + at, z.len - at < 7 ? z.len - at : 7));
		}
		der_close(&w, 1);
	} else {
		der_bytes(&w, DER_OCTETS, z);
	}
	der_close(&w, 5);
	assert_int_equal(writer_end(&w), 0);
	made.len = 0;
	assert_int_equal(put(&made, span_of(out, w.len)), 0);
}

static void opens_compressed(void **state)
{
	static uint8_t inner[FILE_MOST];
	struct cms_found f = {0};
	for (unsigned i = 0; i < 2; i++) {
		compress_it(span_of(object, SIZE), i == 1, DER_ZLIB, 0);
		assert_int_equal(open_it(all(), NULL, NULL, &f), 0);
		is_object(&f, SIZE);
		assert_int_equal(f.enveloped | f.digested | f.signer, 0);
		compress_it(span_of(object, 1000), i == 1, DER_ZLIB, 1);
		assert_int_equal(open_it(all(), NULL, NULL, &f), ERR_VALUE);
		assert_string_equal(f.why, "it is damaged: it is not compressed as it says");
	}
	compress_it(span_of(object, 10), false, DER_RSA, 0);
	assert_int_equal(open_it(all(), NULL, NULL, &f), ERR_UNSUPPORTED);
	compress_it(span_of(object, 0), false, DER_ZLIB, 0);
	assert_int_equal(open_it(all(), NULL, NULL, &f), 0);
	assert_int_equal(f.len, 0);
	/* Around what is signed and encrypted, and so often that nobody would. */
	seal(true, false, true, SIZE);
	memcpy(inner, made.bytes, made.len);
	compress_it(span_of(inner, made.len), false, DER_ZLIB, 0);
	assert_int_equal(open_it(all(), &bob, NULL, &f), 0);
	is_object(&f, SIZE);
	assert_int_equal(f.signer, CMS_TRUSTED);
	memcpy(inner, made.bytes, made.len);
	compress_it(span_of(inner, made.len), false, DER_ZLIB, 0);
	assert_int_equal(open_it(all(), &bob, NULL, &f), ERR_LIMIT);
	/* Each byte that is another, but for those whose changes zlib has no word for: it is one object or none. */
	compress_it(span_of(object, 400), false, DER_ZLIB, 0);
	for (size_t i = 0; i < made.len; i++) {
		made.bytes[i] ^= 0x10;
		if (open_it(all(), NULL, NULL, &f) == 0) {
			is_object(&f, 400);
		}
		made.bytes[i] ^= 0x10;
	}
}

/* Bytes for so many are enough, and for one less are not; nothing is written beyond. */
static void unpacks_within_bounds(void **state)
{
	static uint8_t zeros[FILE_MOST / 2], around[4096];
	struct cms_parts p;
	struct writer w = writer_of(around, sizeof(around));
	compress_it(span_of(zeros, sizeof(zeros)), false, DER_ZLIB, 0);
	assert_true(made.len < sizeof(zeros) / 900);
	assert_int_equal(cms_parts_read(all(), CMS_NONE, &w, &p), 0);
	for (unsigned less = 0; less < 2; less++) {
		uint64_t room = sizeof(zeros) - less;
		int file = memfd_create("room", MFD_CLOEXEC);
		assert_int_equal(cms_inflate(&p, file, &room), less ? ERR_LIMIT : 0);
		assert_true(lseek(file, 0, SEEK_END) <= (off_t)sizeof(zeros) - less);
		assert_true(less || room == 0);
		close(file);
	}
	/* More behind its end. */
	compress_it(span_of(object, 10), false, DER_ZLIB, 0);
	w.len = 0;
	assert_int_equal(cms_parts_read(all(), CMS_NONE, &w, &p), 0);
	uint8_t more[64];
	memcpy(more, p.content.ptr, p.content.len);
	more[p.content.len] = 0;
	p.content = span_of(more, p.content.len + 1);
	int file = memfd_create("more", MFD_CLOEXEC);
	uint64_t room = 1000;
	assert_int_equal(cms_inflate(&p, file, &room), ERR_VALUE);
	close(file);
}

/* What is not whole is nothing: no content, trailing bytes, nesting without end. */
static void refuses_structures(void **state)
{
	static uint8_t around[CMS_AROUND_MOST], deep[4096];
	struct cms_parts p = {.type = CMS_NONE};
	struct writer w = writer_of(around, sizeof(around));
	seal(true, false, false, 40);
	assert_int_equal(cms_parts_read(all(), CMS_NONE, &w, &p), 0);
	assert_int_equal(p.type, CMS_ENVELOPED_DATA);
	assert_int_equal(p.inner, CMS_DIGESTED_DATA);
	made.bytes[made.len++] = 0;
	assert_int_equal(cms_parts_read(all(), CMS_NONE, &w, &p), ERR_TRAILING);
	for (size_t i = 0; i + 1 < sizeof(deep); i += 2) {
		deep[i] = 0x30;
		deep[i + 1] = 0x80;
	}
	assert_int_equal(cms_parts_read(span_of(deep, sizeof(deep)), CMS_NONE, &w, &p), ERR_LIMIT);
	w = writer_of(around, 10);
	made.len--;
	assert_int_equal(cms_parts_read(all(), CMS_NONE, &w, &p), ERR_SPACE);
}

static void judges_passphrases(void **state)
{
	assert_null(cms_passphrase_fault("123\\$ and more"));
	assert_non_null(cms_passphrase_fault("too short"));
	assert_non_null(cms_passphrase_fault("Stra\xC3\x9F"
					     "e und mehr davon"));
	assert_non_null(cms_passphrase_fault("a tab\tis no graphic character"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(seals_for_openssl),
		cmocka_unit_test(opens_its_own), cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(finds_each_change), cmocka_unit_test(opens_openssls),
		cmocka_unit_test(opens_compressed), cmocka_unit_test(unpacks_within_bounds),
		cmocka_unit_test(refuses_structures), cmocka_unit_test(judges_passphrases)};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
