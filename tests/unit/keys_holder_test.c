/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "keys/sessions.h"
#include "keys/sign.h"
#include "keys/token.h"
#include "keys_ends.h"

#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

/* The key holder's own parts: what it signs, for whom it keeps sessions, which keys it opens. */

/* ---- Structures ---- */

static uint8_t room[8192];

static struct span tls13(const char *who, size_t hash_len)
{
	struct writer w = writer_of(room, sizeof(room));
	for (int i = 0; i < 64; i++) {
		writer_u8(&w, ' ');
	}
	writer_span(&w, span_str(who));
	writer_u8(&w, 0);
	for (size_t i = 0; i < hash_len; i++) {
		writer_u8(&w, (uint8_t)i);
	}
	return writer_span_of(&w);
}

#define SERVER13 "TLS 1.3, server CertificateVerify"
#define CLIENT13 "TLS 1.3, client CertificateVerify"

static void begin12(struct writer *w)
{
	*w = writer_of(room, sizeof(room));
	for (int i = 0; i < 56; i++) {
		writer_u8(w, (uint8_t)i);
	}
	writer_span(w, span_str("DOWNGRD\1"));
}

static struct span ecdhe(unsigned group, unsigned len)
{
	struct writer w;
	begin12(&w);
	writer_u8(&w, 3);
	writer_u16be(&w, (uint16_t)group);
	writer_u8(&w, (uint8_t)len);
	for (unsigned i = 0; i < len; i++) {
		writer_u8(&w, 4);
	}
	return writer_span_of(&w);
}

/* A group of RFC 3526, by the bytes of its prime; of other sizes one that nobody knows. */
static struct span dhe(unsigned prime, unsigned share)
{
	uint8_t bytes[1024];
	BIGNUM *p = prime == 256    ? BN_get_rfc3526_prime_2048(NULL)
	            : prime == 384  ? BN_get_rfc3526_prime_3072(NULL)
	            : prime == 1024 ? BN_get_rfc3526_prime_8192(NULL)
	                            : NULL;
	struct writer w;
	memset(bytes, 2, sizeof(bytes));
	assert_true(!p || BN_bn2bin(p, bytes) == (int)prime);
	BN_free(p);
	begin12(&w);
	writer_u16be(&w, (uint16_t)prime);
	writer_bytes(&w, bytes, prime);
	writer_u16be(&w, 1);
	writer_u8(&w, 2);
	writer_u16be(&w, (uint16_t)share);
	memset(bytes, 2, sizeof(bytes));
	writer_bytes(&w, bytes, share);
	return writer_span_of(&w);
}

static struct span client12(const char *types)
{
	struct writer w = writer_of(room, sizeof(room));
	for (size_t i = 0; types[i]; i++) {
		writer_u8(&w, (uint8_t)types[i]);
		writer_u8(&w, 0);
		writer_u16be(&w, 4);
		writer_u32be(&w, 0x03030000);
	}
	return writer_span_of(&w);
}

#define PSS   0x0804
#define PKCS1 0x0401
#define ECDSA 0x0403

/* Whole it is taken; cut at any byte, or with one more, it is not. */
static void whole_only(enum sign_purpose purpose, unsigned scheme, struct span s)
{
	const struct sign_scheme *how = sign_scheme_of((uint16_t)scheme);
	assert_int_equal(sign_check(purpose, how, s), 0);
	for (size_t n = 0; n < s.len; n++) {
		assert_true(sign_check(purpose, how, span_of(s.ptr, n)) < 0);
	}
	room[s.len] = 0;
	assert_true(sign_check(purpose, how, span_of(s.ptr, s.len + 1)) < 0);
	/* And for no other purpose. */
	for (int p = 0; p <= SIGN_PURPOSE_COUNT; p++) {
		assert_true(p == (int)purpose || sign_check((enum sign_purpose)p, how, s) < 0);
	}
}

static void structures(void **state)
{
	/* A hash may be 32 or 48 bytes, so that 48 cut to 32 is whole too: those are looked at below. */
	whole_only(SIGN_TLS13_SERVER, PSS, tls13(SERVER13, 32));
	whole_only(SIGN_TLS13_CLIENT, ECDSA, tls13(CLIENT13, 32));
	whole_only(SIGN_TLS12_SERVER, ECDSA, ecdhe(23, 65));
	whole_only(SIGN_TLS12_SERVER, PSS, ecdhe(24, 97));
	whole_only(SIGN_TLS12_SERVER, PKCS1, ecdhe(29, 32));
	whole_only(SIGN_TLS12_SERVER, PKCS1, dhe(256, 256));
	whole_only(SIGN_TLS12_SERVER, PSS, dhe(384, 384));
	whole_only(SIGN_TLS12_SERVER, PSS, dhe(1024, 1000));
	whole_only(SIGN_TLS12_CLIENT, PKCS1, client12("\1\2\13\14\15\16\13\20"));
	whole_only(SIGN_TLS12_CLIENT, ECDSA, client12("\1\2\13\26\14\15\16\13\20"));
	assert_int_equal(sign_check(SIGN_TLS13_SERVER, sign_scheme_of(PSS), tls13(SERVER13, 48)), 0);
}

static void not_structures(void **state)
{
	static const char digest[] = "01234567890123456789012345678901";
	const struct sign_scheme *pss = sign_scheme_of(PSS), *ecdsa = sign_scheme_of(ECDSA);
	for (int p = 0; p <= SIGN_PURPOSE_COUNT; p++) {
		/* A digest, a certificate to be signed, our own text. */
		assert_true(sign_check((enum sign_purpose)p, pss, span_str(digest)) < 0);
		assert_true(sign_check((enum sign_purpose)p, pss, ca_certificate(&site.scanner)) < 0);
		assert_true(sign_check((enum sign_purpose)p, pss, span_of("", 0)) < 0);
	}
	assert_int_equal(sign_check(SIGN_TLS13_SERVER, pss, tls13(CLIENT13, 32)), ERR_VALUE);
	assert_int_equal(sign_check(SIGN_TLS13_SERVER, pss, tls13(SERVER13, 20)), ERR_LENGTH);
	assert_int_equal(sign_check(SIGN_TLS13_SERVER, sign_scheme_of(PKCS1), tls13(SERVER13, 32)), ERR_TYPE);
	/* Small or unknown groups, wrong lengths, ECDSA with a prime. */
	assert_int_equal(sign_check(SIGN_TLS12_SERVER, ecdsa, ecdhe(19, 49)), ERR_VALUE);
	assert_int_equal(sign_check(SIGN_TLS12_SERVER, ecdsa, ecdhe(23, 64)), ERR_LENGTH);
	assert_true(sign_check(SIGN_TLS12_SERVER, ecdsa, dhe(256, 256)) < 0);
	assert_true(sign_check(SIGN_TLS12_SERVER, pss, dhe(128, 128)) < 0);
	assert_true(sign_check(SIGN_TLS12_SERVER, pss, dhe(256, 257)) < 0);
	/* A group of somebody's own, another generator: room for a text. */
	assert_int_equal(sign_check(SIGN_TLS12_SERVER, pss, dhe(512, 512)), ERR_VALUE);
	struct span other = dhe(256, 256);
	room[64 + 2 + 256 + 2] = 5;
	assert_int_equal(sign_check(SIGN_TLS12_SERVER, pss, other), ERR_VALUE);
	other = ecdhe(23, 65);
	room[64 + 4] = 2;
	assert_int_equal(sign_check(SIGN_TLS12_SERVER, ecdsa, other), ERR_VALUE);
	/* Whoever could have had TLS 1.3 must be able to see that he did not. */
	struct span s = ecdhe(23, 65);
	room[63] = 0;
	assert_int_equal(sign_check(SIGN_TLS12_SERVER, ecdsa, s), ERR_VALUE);
	/* A handshake out of order, one without the certificate, one that goes on, one of an old version. */
	assert_int_equal(sign_check(SIGN_TLS12_CLIENT, ecdsa, client12("\2\1\13\14\15\16\13\20")), ERR_ORDER);
	assert_int_equal(sign_check(SIGN_TLS12_CLIENT, ecdsa, client12("\1\2\13\14\15\16\20")), ERR_ORDER);
	assert_int_equal(
		sign_check(SIGN_TLS12_CLIENT, ecdsa, client12("\1\2\13\14\15\16\13\20\20")), ERR_ORDER);
	s = client12("\1\2\13\14\15\16\13\20");
	room[13] = 1;
	assert_int_equal(sign_check(SIGN_TLS12_CLIENT, ecdsa, s), ERR_VALUE);
}

/* ---- Requests ---- */

static struct holder *one_key(void)
{
	struct holder *h = holder_new();
	assert_non_null(h);
	assert_int_equal(
		holder_add(h, held_open(ca_private_key(&site.gateway_ec), ca_certificate(&site.gateway_ec))),
		0);
	return h;
}

static struct span ask_sign(
	unsigned purpose, unsigned key, unsigned scheme, struct span structure, uint8_t *buf)
{
	struct writer w = writer_of(buf, 1024);
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, ASK_SIGN);
	writer_u8(&w, (uint8_t)purpose);
	writer_u16be(&w, (uint16_t)key);
	writer_u16be(&w, (uint16_t)scheme);
	writer_span(&w, structure);
	return writer_span_of(&w);
}

/* 0, or the error that the answer tells. */
static int answer(struct holder *h, struct holder_client *c, struct span request, int64_t now)
{
	uint8_t buf[HOLDER_ANSWER_MOST];
	size_t len = 0;
	assert_int_equal(holder_answer(h, c, request, now, buf, &len), 0);
	assert_true(len >= 2);
	assert_int_equal(buf[0], HOLDER_VERSION);
	assert_true(buf[1] == 0 || len == 2);
	return -(int)buf[1];
}

static void signs_by_purpose(void **state)
{
	uint8_t buf[1024];
	struct holder *h = one_key();
	struct holder_client c = {0};
	struct span good = tls13(SERVER13, 32);
	assert_int_equal(answer(h, &c, ask_sign(SIGN_TLS13_CLIENT, 0, ECDSA, good, buf), 1000), ERR_VALUE);
	assert_int_equal(answer(h, &c, ask_sign(SIGN_TLS13_SERVER, 1, ECDSA, good, buf), 1000), ERR_TYPE);
	assert_int_equal(answer(h, &c, ask_sign(SIGN_TLS13_SERVER, 0, PSS, good, buf), 1000), ERR_TYPE);
	assert_int_equal(answer(h, &c, ask_sign(SIGN_TLS13_SERVER, 0, 0x0203, good, buf), 1000), ERR_TYPE);
	assert_int_equal(answer(h, &c, ask_sign(9, 0, ECDSA, good, buf), 1000), ERR_TYPE);
	assert_int_equal(c.refused, 5);
	assert_int_equal(answer(h, &c, ask_sign(SIGN_TLS13_SERVER, 0, ECDSA, good, buf), 1000), 0);
	/* One handshake a channel. */
	assert_int_equal(answer(h, &c, ask_sign(SIGN_TLS13_SERVER, 0, ECDSA, good, buf), 100000), ERR_LIMIT);
	assert_int_equal(
		answer(h, &c, ask_sign(SIGN_TLS12_SERVER, 0, ECDSA, ecdhe(23, 65), buf), 100000), ERR_LIMIT);
	assert_int_equal(
		answer(h, &c, ask_sign(SIGN_TLS13_CLIENT, 0, ECDSA, tls13(CLIENT13, 32), buf), 100000), 0);
	holder_free(h);
}

/* A process that was taken over does not have the key work for it at will. */
static void signs_so_often(void **state)
{
	uint8_t buf[1024];
	struct holder *h = one_key();
	struct holder_client c = {0};
	struct span request = ask_sign(SIGN_TLS13_CLIENT, 0, ECDSA, tls13(CLIENT13, 32), buf);
	int signs = 0;
	for (int64_t ms = 0; ms < 20000; ms += 10) {
		signs += answer(h, &c, request, 1000000 + ms) == 0;
	}
	assert_in_range(signs, 16, 19);
	holder_free(h);
}

static void no_requests(void **state)
{
	uint8_t buf[1024], out[HOLDER_ANSWER_MOST];
	struct holder *h = one_key();
	struct holder_client c = {0};
	size_t len;
	struct span whole = ask_sign(SIGN_TLS13_SERVER, 0, ECDSA, tls13(SERVER13, 32), buf);
	for (size_t n = 0; n < 7; n++) {
		assert_int_equal(holder_answer(h, &c, span_of(buf, n), 1, out, &len), ERR_PEER);
	}
	buf[0]++;
	assert_int_equal(holder_answer(h, &c, whole, 1, out, &len), ERR_PEER);
	buf[0]--;
	buf[1] = 77;
	assert_int_equal(holder_answer(h, &c, whole, 1, out, &len), ERR_PEER);
	holder_free(h);
}

/* ---- Sessions ---- */

static struct in6_addr address(uint32_t n)
{
	struct in6_addr a = {0};
	memcpy(&a.s6_addr[12], &n, sizeof(n));
	return a;
}

static void sessions_by_address(void **state)
{
	struct sessions *s = sessions_new();
	struct in6_addr ct = address(1), other = address(2);
	struct span der, id = span_str("0123456789abcdef");
	int64_t until = 0;
	assert_int_equal(sessions_put(s, &ct, id, span_str("mine"), false, SESSION_LIFE_MS), 0);
	assert_int_equal(sessions_get(s, &other, id, 1, &der, &until), ERR_NOT_FOUND);
	assert_int_equal(sessions_put(s, &other, id, span_str("forged"), false, SESSION_LIFE_MS), 0);
	assert_int_equal(sessions_get(s, &ct, id, 1, &der, &until), 0);
	assert_true(span_eq(der, span_str("mine")));
	assert_int_equal(until, SESSION_LIFE_MS);
	assert_int_equal(sessions_get(s, &ct, span_str("0123456789abcdeX"), 1, &der, &until), ERR_NOT_FOUND);
	assert_int_equal(sessions_get(s, &ct, span_of("", 0), 1, &der, &until), ERR_NOT_FOUND);
	/* Until its end. */
	assert_int_equal(sessions_get(s, &ct, id, SESSION_LIFE_MS - 1, &der, &until), 0);
	assert_int_equal(sessions_get(s, &ct, id, SESSION_LIFE_MS, &der, &until), ERR_NOT_FOUND);
	/* Once, where it was said so. */
	assert_int_equal(sessions_put(s, &ct, id, span_str("once"), true, SESSION_LIFE_MS), 0);
	assert_int_equal(sessions_get(s, &ct, id, 1, &der, &until), 0);
	assert_true(span_eq(der, span_str("once")));
	assert_int_equal(sessions_get(s, &ct, id, 1, &der, &until), ERR_NOT_FOUND);
	sessions_free(s);
}

static void sessions_are_bounded(void **state)
{
	static uint8_t large[SESSION_MOST + 1];
	struct sessions *s = sessions_new();
	struct in6_addr ct = address(1);
	struct span der;
	int64_t until;
	assert_int_equal(
		sessions_put(s, &ct, span_str("x"), span_of(large, sizeof(large)), false, SESSION_LIFE_MS),
		ERR_LIMIT);
	for (uint32_t i = 0; i <= SESSIONS_A_SHELF; i++) {
		assert_int_equal(
			sessions_put(s, &ct, span_of(&i, sizeof(i)), span_str("s"), false, SESSION_LIFE_MS),
			0);
	}
	for (uint32_t i = 0; i <= SESSIONS_A_SHELF; i++) {
		assert_int_equal(sessions_get(s, &ct, span_of(&i, sizeof(i)), 1, &der, &until),
			i == 0 ? ERR_NOT_FOUND : 0);
	}
	/* Many addresses: the one that was unused longest makes room, and a rude one does not push out the rest. */
	unsigned found = 0, many = 3 * SESSIONS_BYTES / SESSION_MOST;
	for (uint32_t i = 2; i < many; i++) {
		struct in6_addr from = address(i);
		assert_int_equal(sessions_put(s, &from, span_str("x"), span_of(large, SESSION_MOST), false,
					 SESSION_LIFE_MS),
			0);
	}
	for (uint32_t i = 2; i < many; i++) {
		struct in6_addr from = address(i);
		found += sessions_get(s, &from, span_str("x"), 1, &der, &until) == 0;
	}
	assert_in_range(found, many / 5, many / 2);
	struct in6_addr last = address(many - 1);
	assert_int_equal(sessions_get(s, &last, span_str("x"), 1, &der, &until), 0);
	sessions_free(s);
}

static struct span put(const char *id, const char *der, uint8_t *buf)
{
	struct writer w = writer_of(buf, 1024);
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, ASK_SESSION_PUT);
	writer_u8(&w, 1);
	writer_u8(&w, (uint8_t)strlen(id));
	writer_span(&w, span_str(id));
	writer_span(&w, span_str(der));
	return writer_span_of(&w);
}

/* What is found, or the error. */
static int look(struct holder *h, struct holder_client *c, const char *id, int64_t now)
{
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, ASK_SESSION_GET);
	writer_u8(&w, (uint8_t)strlen(id));
	writer_span(&w, span_str(id));
	uint8_t out[HOLDER_ANSWER_MOST];
	size_t len = 0;
	assert_int_equal(holder_answer(h, c, writer_span_of(&w), now, out, &len), 0);
	return -(int)out[1];
}

static void keep(struct holder *h, struct holder_client *c, const char *id, int64_t now)
{
	uint8_t buf[1024], out[HOLDER_ANSWER_MOST];
	size_t len = 1;
	assert_int_equal(holder_answer(h, c, put(id, "session", buf), now, out, &len), 0);
	assert_int_equal(len, 0);
}

static int serve_caller(struct holder *h, struct holder_client *c, int64_t now)
{
	uint8_t buf[1024];
	return answer(h, c, ask_sign(SIGN_TLS13_SERVER, 0, ECDSA, tls13(SERVER13, 32), buf), now);
}

/* What a process that was taken over can leave behind for others at its caller's address: one session, or none. */
static void sessions_follow_handshakes(void **state)
{
	struct holder *h = one_key();
	const struct holder_client fresh = {.from = address(1)};
	struct holder_client c = fresh;
	/* Without a handshake there is nothing to resume. */
	keep(h, &c, "planted", 1000);
	assert_int_equal(look(h, &c, "planted", 1000), ERR_NOT_FOUND);
	/* After one there is one, the first. */
	assert_int_equal(serve_caller(h, &c, 1000), 0);
	keep(h, &c, "own", 1000);
	keep(h, &c, "planted", 1000);
	assert_int_equal(serve_caller(h, &c, 100000), ERR_LIMIT);
	keep(h, &c, "planted", 100000);
	/* Who has shaken hands finds none any more, not even its own. */
	assert_int_equal(look(h, &c, "own", 100000), ERR_LIMIT);
	struct holder_client next = fresh;
	assert_int_equal(look(h, &next, "planted", 100000), ERR_NOT_FOUND);
	assert_int_equal(look(h, &next, "own", 100000), 0);
	assert_int_equal(look(h, &next, "own", 100000), ERR_LIMIT);
	/* What follows from a resumed one ends when that one would have, however often it is resumed. */
	keep(h, &next, "second", 100000);
	keep(h, &next, "planted", 100000);
	struct holder_client third = fresh, late = fresh;
	assert_int_equal(look(h, &third, "planted", 100000), ERR_NOT_FOUND);
	assert_int_equal(look(h, &third, "second", 1000 + SESSION_LIFE_MS - 1), 0);
	keep(h, &third, "third", 1000 + SESSION_LIFE_MS - 1);
	assert_int_equal(look(h, &late, "third", 1000 + SESSION_LIFE_MS), ERR_NOT_FOUND);
	/* A full handshake after one that was found and not used begins anew. */
	assert_int_equal(serve_caller(h, &third, 2 * SESSION_LIFE_MS), 0);
	keep(h, &third, "anew", 2 * SESSION_LIFE_MS);
	assert_int_equal(look(h, &late, "anew", 3 * (int64_t)SESSION_LIFE_MS - 1), 0);
	holder_free(h);
}

/* ---- Keys ---- */

static void expect_key(struct span text, mode_t mode, const struct ca_pair *pair, const char *says)
{
	char path[] = "/tmp/gantry-key-XXXXXX", why[512] = "";
	struct private_key *key = NULL;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	assert_true(private_key_open(path, ca_certificate(pair), &key, why, sizeof(why)) < 0);
	assert_null(key);
	unlink(path);
	assert_says(why, says);
	assert_says(why, path);
}

static void keys_of_files(void **state)
{
	struct span good = ca_private_key(&site.scanner);
	char why[512];
	struct private_key *key = NULL;
	expect_key(good, 0644, &site.scanner, "can be read by every user");
	expect_key(good, 0600, &site.gateway_ec, "does not belong to its certificate");
	expect_key(good, 0600, &site.gateway_rsa, "does not belong to its certificate");
	expect_key(span_str("KEY"), 0600, &site.scanner, "holds no private key");
	expect_key(span_str(""), 0600, &site.scanner, "holds no private key");
	expect_key(ca_certificate(&site.scanner), 0600, &site.scanner, "holds no private key");
	assert_int_equal(
		private_key_open("/nowhere/key", ca_certificate(&site.scanner), &key, why, sizeof(why)),
		ERR_SYSTEM);
	assert_says(why, "cannot read /nowhere/key: No such file");
	assert_int_equal(
		private_key_open("/tmp", ca_certificate(&site.scanner), &key, why, sizeof(why)), ERR_VALUE);
	assert_says(why, "no regular file");
}

/* Every scheme of every kind, verified with the public half by OpenSSL. */
static void signatures_verify(void **state)
{
	static const uint16_t codes[] = {
		0x0401, 0x0501, 0x0601, 0x0804, 0x0805, 0x0806, 0x0403, 0x0503, 0x0603};
	const struct ca_pair *pairs[] = {&site.gateway_ec, &site.gateway_rsa};
	for (unsigned i = 0; i < ARRAY_LEN(pairs); i++) {
		struct private_key *key = held_open(ca_private_key(pairs[i]), ca_certificate(pairs[i]));
		BIO *bio = BIO_new_mem_buf(ca_certificate(pairs[i]).ptr, (int)ca_certificate(pairs[i]).len);
		X509 *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		for (unsigned k = 0; k < ARRAY_LEN(codes); k++) {
			const struct sign_scheme *how = sign_scheme_of(codes[k]);
			uint8_t sig[PRIVATE_KEY_SIGNATURE_MOST];
			size_t len = 0;
			int e = private_key_sign(key, how, span_str("text"), sig, sizeof(sig), &len);
			assert_int_equal(e, how->kind == private_key_kind(key) ? 0 : ERR_TYPE);
			if (e == 0) {
				EVP_MD_CTX *ctx = EVP_MD_CTX_new();
				EVP_PKEY_CTX *p = NULL;
				assert_int_equal(EVP_DigestVerifyInit_ex(ctx, &p, how->digest, NULL, NULL,
							 X509_get0_pubkey(leaf), NULL),
					1);
				assert_true(!how->pss ||
					    EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1);
				assert_int_equal(
					EVP_DigestVerify(ctx, sig, len, (const uint8_t *)"text", 4), 1);
				EVP_MD_CTX_free(ctx);
			}
		}
		X509_free(leaf);
		BIO_free(bio);
		private_key_free(key);
	}
}

/* ---- Tokens ---- */

static void token_uris(void **state)
{
	static struct token_uri u;
	char why[256];
	static const char *const wrong[] = {"", "pkcs11:", "pkcs11:object=k;token=a",
		"pkcs11:token=a?module-path=/m", "pkcs11:object=k;object=j?module-path=/m", "file:/x",
		"pkcs11:object=k;token=a?module-path=relative.so",
		"pkcs11:object=k;token=a;token=b?module-path=/m", "pkcs11:object=k;colour=red?module-path=/m",
		"pkcs11:object=k;token=a?module-path=/m&pin-value=1234",
		"pkcs11:object=k;token=%zz?module-path=/m", "pkcs11:object=k;token=%4?module-path=/m",
		"pkcs11:object=k;token=%00?module-path=/m", "pkcs11:object=k;slot-id=x?module-path=/m",
		"pkcs11:object=k;type=cert?module-path=/m", "pkcs11:object=k;token?module-path=/m",
		"pkcs11:object=k;token=?module-path=/m",
		"pkcs11:object=k;token=a?module-path=/m&pin-source=pin"};
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		why[0] = 0;
		if (token_uri_parse(wrong[i], &u, why, sizeof(why)) != ERR_VALUE || !why[0]) {
			fail_msg("%s: %s", wrong[i], why);
		}
	}
	assert_int_equal(token_uri_parse("pkcs11:token=My%20token;object=tls;id=%01%ff;slot-id=7;type=private"
					 "?module-path=/usr/lib/m.so&pin-source=file:///etc/pin",
				 &u, why, sizeof(why)),
		0);
	assert_string_equal(u.token, "My token");
	assert_string_equal(u.object, "tls");
	assert_int_equal(u.id_len, 2);
	assert_int_equal(u.id[1], 0xff);
	assert_true(u.has_slot && u.slot == 7);
	assert_string_equal(u.module, "/usr/lib/m.so");
	assert_string_equal(u.pin_file, "/etc/pin");
	/* What a secret does in a configuration is said. */
	assert_int_equal(token_uri_parse("pkcs11:token=a?module-path=/m&pin-value=1", &u, why, sizeof(why)),
		ERR_VALUE);
	assert_says(why, "pin-source");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structures),
		cmocka_unit_test(not_structures),
		cmocka_unit_test(signs_by_purpose),
		cmocka_unit_test(signs_so_often),
		cmocka_unit_test(no_requests),
		cmocka_unit_test(sessions_by_address),
		cmocka_unit_test(sessions_are_bounded),
		cmocka_unit_test(sessions_follow_handshakes),
		cmocka_unit_test(keys_of_files),
		cmocka_unit_test(signatures_verify),
		cmocka_unit_test(token_uris),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
