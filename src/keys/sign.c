/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/sign.h"
#include "base/reader.h"

#include <openssl/bn.h>
#include <string.h>
#include <strings.h>

static const struct sign_scheme schemes[] = {
	{0x0401, SIGN_RSA, "SHA256", false, true},
	{0x0501, SIGN_RSA, "SHA384", false, true},
	{0x0601, SIGN_RSA, "SHA512", false, true},
	{0x0804, SIGN_RSA, "SHA256", true, false},
	{0x0805, SIGN_RSA, "SHA384", true, false},
	{0x0806, SIGN_RSA, "SHA512", true, false},
	{0x0403, SIGN_EC, "SHA256", false, false},
	{0x0503, SIGN_EC, "SHA384", false, false},
	{0x0603, SIGN_EC, "SHA512", false, false},
	{0x0807, SIGN_ED25519, NULL, false, false},
};

const struct sign_scheme *sign_scheme_of(uint16_t code)
{
	for (unsigned i = 0; i < ARRAY_LEN(schemes); i++) {
		if (schemes[i].code == code) {
			return &schemes[i];
		}
	}
	return NULL;
}

/* OpenSSL calls it "SHA256" and "SHA2-256". */
static bool same_digest(const char *ours, const char *theirs)
{
	if (!ours || !theirs) {
		return ours == theirs;
	}
	return strcasecmp(ours, theirs) == 0 ||
	       (strncasecmp(theirs, "SHA2-", 5) == 0 && strcmp(ours + 3, theirs + 5) == 0);
}

const struct sign_scheme *sign_scheme_for(enum sign_kind kind, const char *digest, bool pss)
{
	for (unsigned i = 0; i < ARRAY_LEN(schemes); i++) {
		const struct sign_scheme *s = &schemes[i];
		if (s->kind == kind && s->pss == pss && same_digest(s->digest, digest)) {
			return s;
		}
	}
	return NULL;
}

/* ---- TLS 1.3: RFC 8446 4.4.3 ---- */

static int check_tls13(struct span structure, const char *context)
{
	struct reader r = reader_of(structure);
	struct span spaces, words;
	uint8_t zero;
	if (reader_bytes(&r, SIGN_TLS13_SPACES, &spaces) < 0 ||
		reader_bytes(&r, strlen(context), &words) < 0 || reader_u8(&r, &zero) < 0) {
		return ERR_TRUNCATED;
	}
	for (size_t i = 0; i < spaces.len; i++) {
		if (spaces.ptr[i] != ' ') {
			return ERR_VALUE;
		}
	}
	if (memcmp(words.ptr, context, words.len) != 0 || zero != 0) {
		return ERR_VALUE;
	}
	/* The transcript's hash: of SHA-256 or SHA-384, as the suites have it. */
	return reader_left(&r) == 32 || reader_left(&r) == 48 ? 0 : ERR_LENGTH;
}

/* ---- TLS 1.2, server: RFC 5246 7.4.3 ---- */

#define RANDOM_LEN    32
#define CURVE_NAMED   3
#define POINT_WHOLE   4 /* SEC 1 2.3.3: both coordinates follow */
#define DH_PRIME_MOST 1024

#define GROUP_X25519  29

/* RFC 8422 5.4. Points are not compressed; those of X25519 are 32 bytes. */
static const struct {
	uint16_t group;
	uint8_t point_len;
} curves[] = {{23, 65}, {24, 97}, {25, 133}, {GROUP_X25519, 32}};

static int check_ecdhe(struct reader *r)
{
	uint8_t type, point_len;
	uint16_t group;
	struct span point;
	int e = reader_u8(r, &type);
	e = e < 0 ? e : reader_u16be(r, &group);
	e = e < 0 ? e : reader_u8(r, &point_len);
	if (e < 0) {
		return e;
	}
	for (unsigned i = 0; i < ARRAY_LEN(curves); i++) {
		if (curves[i].group != group) {
			continue;
		}
		e = curves[i].point_len == point_len ? reader_bytes(r, point_len, &point) : ERR_LENGTH;
		if (e < 0) {
			return e;
		}
		return group == GROUP_X25519 || point.ptr[0] == POINT_WHOLE ? reader_end(r) : ERR_VALUE;
	}
	return ERR_VALUE;
}

/*
 * The groups of RFC 3526, of which OpenSSL takes one. Any others, with their thousands of bytes, would be room for a text
 * of somebody's own.
 */
static bool known_prime(struct span prime)
{
	static BIGNUM *(*const primes[])(BIGNUM *) = {BN_get_rfc3526_prime_2048, BN_get_rfc3526_prime_3072,
		BN_get_rfc3526_prime_4096, BN_get_rfc3526_prime_8192};
	bool known = false;
	for (unsigned i = 0; !known && i < ARRAY_LEN(primes); i++) {
		uint8_t bytes[DH_PRIME_MOST];
		BIGNUM *p = primes[i](NULL);
		known = p && (size_t)BN_num_bytes(p) == prime.len && BN_bn2bin(p, bytes) == (int)prime.len &&
		        memcmp(bytes, prime.ptr, prime.len) == 0;
		BN_free(p);
	}
	return known;
}

static int check_dhe(struct reader *r)
{
	struct span part[3]; /* p, g, Ys */
	for (unsigned i = 0; i < ARRAY_LEN(part); i++) {
		uint16_t len;
		int e = reader_u16be(r, &len);
		e = e < 0 ? e : reader_bytes(r, len, &part[i]);
		if (e < 0) {
			return e;
		}
		if (len == 0 || len > DH_PRIME_MOST) {
			return ERR_LENGTH;
		}
	}
	if (part[1].len != 1 || part[2].len > part[0].len) {
		return ERR_LENGTH;
	}
	return known_prime(part[0]) && part[1].ptr[0] == 2 ? reader_end(r) : ERR_VALUE;
}

static int check_tls12_server(const struct sign_scheme *scheme, struct span structure)
{
	/* We speak TLS 1.3, and say so in each TLS 1.2 handshake (RFC 8446 4.1.3): a caller that offered 1.3 ends it. */
	static const uint8_t downgraded[8] = {'D', 'O', 'W', 'N', 'G', 'R', 'D', 1};
	struct reader r = reader_of(structure);
	struct span server_random;
	int e = reader_skip(&r, RANDOM_LEN);
	e = e < 0 ? e : reader_bytes(&r, RANDOM_LEN, &server_random);
	if (e < 0) {
		return e;
	}
	if (memcmp(server_random.ptr + RANDOM_LEN - sizeof(downgraded), downgraded, sizeof(downgraded)) !=
		0) {
		return ERR_VALUE;
	}
	if (reader_left(&r) == 0) {
		return ERR_TRUNCATED;
	}
	/* DHE begins with the length of a known prime: its first byte is 1, 2 or 4. */
	if (r.ptr[r.pos] == CURVE_NAMED) {
		return check_ecdhe(&r);
	}
	return scheme->kind == SIGN_RSA ? check_dhe(&r) : ERR_VALUE;
}

/* ---- TLS 1.2, client: RFC 5246 7.4.8 ---- */

#define HELLO_SERVER       2
#define CERTIFICATE_STATUS 22

static int check_tls12_client(struct span structure)
{
	/* RFC 5246 7.3: of a full handshake in which the client shows a certificate; a stapled answer may be among it. */
	static const uint8_t order[] = {1, HELLO_SERVER, 11, CERTIFICATE_STATUS, 12, 13, 14, 11, 16};
	struct reader r = reader_of(structure);
	unsigned at = 0;
	while (reader_left(&r) > 0) {
		uint8_t type, high;
		uint16_t low, version;
		struct reader body;
		int e = reader_u8(&r, &type);
		e = e < 0 ? e : reader_u8(&r, &high);
		e = e < 0 ? e : reader_u16be(&r, &low);
		e = e < 0 ? e : reader_child(&r, (size_t)high << 16 | low, &body);
		if (e < 0) {
			return e;
		}
		if (at < ARRAY_LEN(order) && order[at] == CERTIFICATE_STATUS && type != CERTIFICATE_STATUS) {
			at++;
		}
		if (at == ARRAY_LEN(order) || order[at] != type) {
			return ERR_ORDER;
		}
		if (type == HELLO_SERVER && (reader_u16be(&body, &version) < 0 || version != 0x0303)) {
			return ERR_VALUE;
		}
		at++;
	}
	return at == ARRAY_LEN(order) ? 0 : ERR_TRUNCATED;
}

int sign_check(enum sign_purpose purpose, const struct sign_scheme *scheme, struct span structure)
{
	if (scheme->tls12_only && purpose != SIGN_TLS12_SERVER && purpose != SIGN_TLS12_CLIENT) {
		return ERR_TYPE;
	}
	switch (purpose) {
	case SIGN_TLS13_SERVER:
		return check_tls13(structure, "TLS 1.3, server CertificateVerify");
	case SIGN_TLS13_CLIENT:
		return check_tls13(structure, "TLS 1.3, client CertificateVerify");
	case SIGN_TLS12_SERVER:
		return check_tls12_server(scheme, structure);
	case SIGN_TLS12_CLIENT:
		return check_tls12_client(structure);
	default:
		return ERR_TYPE;
	}
}
