/* SPDX-License-Identifier: Apache-2.0 */
#include "keys_ends.h"
#include "keys/crl.h"
#include "keys/list_key.h"
#include "keys/list_make.h"
#include "keys/tbs_list.h"
#include "keys/x509.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The site's own revocation list: drafted, judged and signed as the key holder does, and read as gateways do. */

#define DAY 86400

static struct ca_pair delegate; /* P-256, by site.ca */
static char folder[64], key_path[128];

static void write_key(const struct ca_pair *pair)
{
	FILE *f = fopen(key_path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(pair->key_pem, 1, pair->key_len, f), pair->key_len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(key_path, 0600), 0);
}

static int set_up_all(void **state)
{
	int r = set_up(state);
	issue(&site.ca, "Site lists", CA_KEY_P256, CA_USE_LISTS, -1, 10, &delegate);
	snprintf(folder, sizeof(folder), "/tmp/gantry-list-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(key_path, sizeof(key_path), "%s/key", folder);
	return r;
}

static int tear_down_all(void **state)
{
	(void)unlink(key_path);
	(void)rmdir(folder);
	ca_pair_done(&delegate);
	return tear_down(state);
}

static X509 *certificate(const struct ca_pair *pair)
{
	BIO *bio = x509_bio(ca_certificate(pair));
	X509 *cert = NULL;
	assert_int_equal(x509_next(bio, &cert), 0);
	BIO_free(bio);
	return cert;
}

static int open_key(const struct ca_pair *pair, struct span list, struct list_key **ret, char why[256])
{
	const struct span trust[] = {ca_certificate(&site.other_ca), ca_certificate(&site.ca)},
			  others[] = {ca_certificate(&site.gateway_ec)};
	write_key(pair);
	return list_key_open(&(struct list_key_of){key_path, ca_certificate(pair), trust, 2, others, 1, list},
		ret, why, 256);
}

static struct list_key *key_of(const struct ca_pair *pair, struct span list)
{
	struct list_key *k = NULL;
	char why[256] = "";
	if (open_key(pair, list, &k, why) != 0) {
		fail_msg("%s", why);
	}
	return k;
}

static struct list_target target_of(const struct ca_pair *pair)
{
	const struct span trust[] = {ca_certificate(&site.ca), ca_certificate(&site.other_ca)};
	struct list_target t;
	char why[200] = "";
	if (list_target_certificate(ca_certificate(pair), trust, 2, &t, why, sizeof(why)) != 0) {
		fail_msg("%s", why);
	}
	return t;
}

struct draft {
	uint8_t *tbs;
	size_t len;
	int64_t number;
};

static struct draft draft(const struct ca_pair *by, struct span list, const struct ca_pair *add,
	int64_t from_s, int64_t until_s)
{
	struct draft d = {0};
	struct list_target t = {.serial = ""};
	if (add) {
		t = target_of(add);
	}
	const struct list_draft what = {.certificate = ca_certificate(by),
		.list = list,
		.add = add ? &t : NULL,
		.reason = 1,
		.now_s = from_s,
		.next_s = until_s};
	assert_int_equal(list_draft(&what, &d.tbs, &d.len, &d.number), 0);
	return d;
}

static int sign_it(struct list_key *k, const struct draft *d, uint8_t sig[1024], size_t *len)
{
	return list_key_sign(k, span_of(d->tbs, d->len), site.now, sig, 1024, len);
}

/* The whole way: a list with one more. The caller's. */
static char *next_list(struct list_key *k, const struct ca_pair *by, struct span list,
	const struct ca_pair *add, size_t *ret_len)
{
	struct draft d = draft(by, list, add, site.now, site.now + 30 * DAY);
	uint8_t sig[1024];
	size_t len = 0;
	char *pem = NULL;
	assert_int_equal(sign_it(k, &d, sig, &len), 0);
	assert_int_equal(
		list_finish(ca_certificate(by), span_of(d.tbs, d.len), span_of(sig, len), &pem, ret_len), 0);
	sig[len - 1] ^= 1;
	char *other = NULL;
	size_t ignored;
	assert_int_equal(
		list_finish(ca_certificate(by), span_of(d.tbs, d.len), span_of(sig, len), &other, &ignored),
		ERR_DENIED);
	free(d.tbs);
	return pem;
}

static int lists_of(const char *pem, size_t len, const char *direct, size_t direct_len,
	struct crl_list **ret_list, char why[256])
{
	const struct span crl[] = {span_of(pem, len), span_of(direct, direct_len)},
			  trust[] = {ca_certificate(&site.ca), ca_certificate(&site.other_ca)};
	return crl_list_new(crl, direct ? 2 : 1, trust, 2, ret_list, why, 256);
}

static enum crl_answer asked(const struct crl_list *l, const struct ca_pair *pair, int64_t now_s)
{
	char why[128];
	X509 *cert = certificate(pair);
	enum crl_answer a = crl_ask(l, cert, now_s, why, sizeof(why));
	assert_true(a != CRL_REVOKED || strstr(why, "(key compromise)"));
	X509_free(cert);
	return a;
}

static void count(const struct list_entry *e, void *arg)
{
	assert_true(e->serial[0] && e->issuer[0] && e->reason == 1);
	++*(int *)arg;
}

static void blocks_with(const struct ca_pair *by)
{
	struct list_key *k = key_of(by, span_of(NULL, 0));
	size_t n1 = 0, n2 = 0, n3 = 0, direct_len = 0;
	struct crl_list *l = NULL;
	char why[256], *direct = NULL;
	char *first = next_list(k, by, span_of(NULL, 0), &site.scanner, &n1);
	char *second = next_list(k, by, span_of(first, n1), &site.foreign, &n2);
	char *third = next_list(k, by, span_of(second, n2), NULL, &n3);
	int entries = 0;
	assert_int_equal(list_each(span_of(third, n3), count, &entries), 0);
	assert_int_equal(entries, 2);
	/* It blocks, of each authority, and vouches for nobody. */
	assert_int_equal(lists_of(third, n3, NULL, 0, &l, why), 0);
	assert_int_equal(asked(l, &site.scanner, site.now), CRL_REVOKED);
	assert_int_equal(asked(l, &site.foreign, site.now), CRL_REVOKED);
	assert_int_equal(asked(l, &site.scanner, site.now + 1000 * DAY), CRL_REVOKED);
	assert_int_equal(asked(l, &site.scanner_rsa, site.now), CRL_NOT_ASKED);
	crl_list_free(l);
	assert_int_equal(lists_of(first, n1, NULL, 0, &l, why), 0);
	assert_int_equal(asked(l, &site.foreign, site.now), CRL_NOT_ASKED);
	crl_list_free(l);
	/* Beside the authority's own list. */
	assert_int_equal(
		ca_make_crl(&site.ca, NULL, 0, 1, site.now - 60, site.now + DAY, &direct, &direct_len), 0);
	assert_int_equal(lists_of(third, n3, direct, direct_len, &l, why), 0);
	assert_int_equal(asked(l, &site.scanner, site.now), CRL_REVOKED);
	assert_int_equal(asked(l, &site.scanner_rsa, site.now), CRL_GOOD);
	assert_int_equal(asked(l, &site.foreign, site.now), CRL_REVOKED);
	crl_list_free(l);
	list_key_free(k);
	/* A new key holder goes on from the list that was published. */
	k = key_of(by, span_of(third, n3));
	struct draft d = draft(by, span_of(first, n1), NULL, site.now, site.now + DAY);
	uint8_t sig[1024];
	size_t len;
	assert_int_equal(d.number, 2);
	assert_int_equal(sign_it(k, &d, sig, &len), ERR_ORDER);
	free(d.tbs);
	list_key_free(k);
	free(first);
	free(second);
	free(third);
	free(direct);
}

static void blocks(void **state)
{
	blocks_with(&delegate);
	struct ca_pair rsa = {0};
	issue(&site.ca, "Lists by RSA", CA_KEY_RSA2048, CA_USE_LISTS, -1, 10, &rsa);
	blocks_with(&rsa);
	ca_pair_done(&rsa);
}

/* ---- What is not signed ---- */

static void not_signed(void **state)
{
	struct ca_pair other = {0}, late = {0};
	uint8_t sig[1024];
	size_t len = 0;
	const struct span none = {0};
	struct list_key *k = key_of(&delegate, none);
	issue(&site.ca, "Other lists", CA_KEY_P256, CA_USE_LISTS, -1, 10, &other);
	struct draft good = draft(&delegate, none, &site.scanner, site.now, site.now + DAY);
	const struct {
		struct draft d;
		int want;
	} wrong[] = {
		{draft(&other, none, &site.scanner, site.now, site.now + DAY), ERR_DENIED},
		{draft(&delegate, none, &site.scanner, site.now - 3600, site.now + DAY), ERR_ORDER},
		{draft(&delegate, none, &site.scanner, site.now + 3600, site.now + DAY), ERR_ORDER},
		{draft(&delegate, none, &site.scanner, site.now, site.now - 1), ERR_VALUE},
		{draft(&delegate, none, &site.scanner, site.now, site.now + 94 * (int64_t)DAY), ERR_LIMIT},
	};
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(sign_it(k, &wrong[i].d, sig, &len), wrong[i].want);
		free(wrong[i].d.tbs);
	}
	/* Whole, or not at all; and a digest is no list. */
	for (size_t n = 0; n < good.len; n++) {
		uint8_t *cut = malloc(n ? n : 1);
		memcpy(cut, good.tbs, n);
		assert_int_equal(
			list_key_sign(k, span_of(cut, n), site.now, sig, sizeof(sig), &len), ERR_VALUE);
		free(cut);
	}
	assert_int_equal(list_key_sign(k, span_str("01234567890123456789012345678901"), site.now, sig,
				 sizeof(sig), &len),
		ERR_VALUE);
	/* An entry of an authority that is not the site's: the last byte of its name is another. */
	struct list_target t = target_of(&site.scanner);
	uint8_t *at = memmem(good.tbs, good.len, t.issuer_der, t.issuer_len);
	assert_non_null(at);
	at[t.issuer_len - 1] ^= 1;
	assert_int_equal(sign_it(k, &good, sig, &len), ERR_DENIED);
	at[t.issuer_len - 1] ^= 1;
	/* Nothing of that has moved the number. */
	assert_int_equal(sign_it(k, &good, sig, &len), 0);
	assert_int_equal(sign_it(k, &good, sig, &len), ERR_ORDER);
	free(good.tbs);
	list_key_free(k);
	/* After the delegation's end. */
	issue(&site.ca, "Late lists", CA_KEY_P256, CA_USE_LISTS, -10, -1, &late);
	k = key_of(&late, none);
	good = draft(&late, none, &site.scanner, site.now, site.now + DAY);
	assert_int_equal(sign_it(k, &good, sig, &len), ERR_CLOSED);
	free(good.tbs);
	list_key_free(k);
	ca_pair_done(&other);
	ca_pair_done(&late);
}

static void fails_to_open(const struct ca_pair *pair, int want, const char *words)
{
	struct list_key *k = NULL;
	char why[256] = "";
	int e = open_key(pair, span_of(NULL, 0), &k, why);
	if (e != want || !strstr(why, words)) {
		fail_msg("%d instead of %d: %s", e, want, why);
	}
}

static void other_keys(void **state)
{
	struct ca_pair stranger_ca = {0}, stranger = {0}, named = {0};
	struct ca_request request = {.common_name = "Stranger",
		.key = CA_KEY_P256,
		.not_before_s = site.now - DAY,
		.not_after_s = site.now + DAY};
	assert_int_equal(ca_make(&request, &stranger_ca), 0);
	issue(&stranger_ca, "Site lists", CA_KEY_P256, CA_USE_LISTS, -1, 10, &stranger);
	issue(&site.ca, "Other CA", CA_KEY_P256, CA_USE_LISTS, -1, 10, &named);
	fails_to_open(&site.scanner, ERR_VALUE, "must be cRLSign, and nothing else");
	fails_to_open(&site.ca, ERR_VALUE, "must be cRLSign, and nothing else");
	fails_to_open(&stranger, ERR_VALUE, "is signed by no authority");
	fails_to_open(&named, ERR_VALUE, "has the name of an authority");
	/* The key of another certificate. */
	struct ca_pair mixed = delegate;
	mixed.key_pem = site.scanner.key_pem;
	mixed.key_len = site.scanner.key_len;
	fails_to_open(&mixed, ERR_DENIED, "does not belong");
	/* The delegated key is an identity's too. */
	struct list_key *k = NULL;
	char why[256];
	const struct span trust[] = {ca_certificate(&site.ca)}, others[] = {ca_certificate(&delegate)};
	write_key(&delegate);
	assert_int_equal(list_key_open(&(struct list_key_of){key_path, ca_certificate(&delegate), trust, 1,
					       others, 1, {0}},
				 &k, why, sizeof(why)),
		ERR_DENIED);
	assert_non_null(strstr(why, "each has one of its own"));
	ca_pair_done(&stranger_ca);
	ca_pair_done(&stranger);
	ca_pair_done(&named);
}

/* ---- What is not read ---- */

/* An indirect list by anybody's key. */
static char *list_by(const struct ca_pair *by, size_t *ret_len)
{
	struct draft d = draft(by, span_of(NULL, 0), &site.scanner, site.now, site.now + DAY);
	BIO *bio = x509_bio(ca_private_key(by));
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t sig[1024];
	size_t len = sizeof(sig);
	char *pem = NULL;
	assert_int_equal(EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(c, sig, &len, d.tbs, d.len), 1);
	assert_int_equal(
		list_finish(ca_certificate(by), span_of(d.tbs, d.len), span_of(sig, len), &pem, ret_len), 0);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
	BIO_free(bio);
	free(d.tbs);
	return pem;
}

static void not_read(const struct ca_pair *by, const char *words)
{
	size_t len;
	char *pem = list_by(by, &len), why[256] = "";
	struct crl_list *l = NULL;
	int e = lists_of(pem, len, NULL, 0, &l, why);
	if (e != ERR_VALUE || !strstr(why, words)) {
		fail_msg("%d: %s", e, why);
	}
	free(pem);
}

static void lists_that_are_refused(void **state)
{
	struct ca_pair stranger_ca = {0}, stranger = {0}, late = {0};
	struct ca_request request = {.common_name = "Site CA", /* the name is not what counts */
		.key = CA_KEY_P256,
		.not_before_s = site.now - DAY,
		.not_after_s = site.now + DAY};
	assert_int_equal(ca_make(&request, &stranger_ca), 0);
	issue(&stranger_ca, "Site lists", CA_KEY_P256, CA_USE_LISTS, -1, 10, &stranger);
	issue(&site.ca, "Late lists", CA_KEY_P256, CA_USE_LISTS, -10, -1, &late);
	not_read(&site.scanner, "with a certificate that is not for that");
	not_read(&stranger, "with a certificate that is not for that");
	not_read(&late, "when its signer's certificate was not valid");
	/* Without the certificate beside it. */
	size_t len, direct_len;
	char *pem = list_by(&delegate, &len), why[256] = "", *direct = NULL;
	struct crl_list *l = NULL;
	char *end = strstr(pem, "-----BEGIN CERTIFICATE");
	assert_non_null(end);
	assert_int_equal(lists_of(pem, (size_t)(end - pem), NULL, 0, &l, why), ERR_VALUE);
	assert_non_null(strstr(why, "by nobody whose certificate is in the same file"));
	/* The authority has taken the delegation back. */
	struct ca_revoked one = {.at_s = site.now - 60, .reason = 1};
	struct ca_facts facts;
	assert_int_equal(ca_read_certificate(ca_certificate(&delegate), &facts), 0);
	snprintf(one.serial, sizeof(one.serial), "%s", facts.serial);
	assert_int_equal(
		ca_make_crl(&site.ca, &one, 1, 2, site.now - 60, site.now + DAY, &direct, &direct_len), 0);
	assert_int_equal(lists_of(pem, len, direct, direct_len, &l, why), ERR_VALUE);
	assert_non_null(strstr(why, "was revoked"));
	free(pem);
	free(direct);
	ca_pair_done(&stranger_ca);
	ca_pair_done(&stranger);
	ca_pair_done(&late);
}

/* ---- The parser ---- */

/* A direct list, as the authority makes it, is of another form; and no change of a byte is read as the same list. */
static void one_form(void **state)
{
	char *pem = NULL;
	size_t len;
	struct tbs_list l;
	assert_int_equal(ca_make_crl(&site.ca, NULL, 0, 1, site.now - 60, site.now + DAY, &pem, &len), 0);
	BIO *bio = x509_bio(span_of(pem, len));
	X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	unsigned char *der = NULL;
	int n = i2d_re_X509_CRL_tbs(crl, &der);
	assert_true(n > 0);
	assert_int_equal(tbs_list_read(span_of(der, (size_t)n), &l), ERR_VALUE);
	OPENSSL_free(der);
	X509_CRL_free(crl);
	BIO_free(bio);
	free(pem);

	struct draft d = draft(&delegate, span_of(NULL, 0), &site.scanner, site.now, site.now + DAY);
	struct tbs_entry entry;
	struct list_target t = target_of(&site.scanner);
	assert_int_equal(tbs_list_read(span_of(d.tbs, d.len), &l), 0);
	assert_int_equal(l.number, 1);
	assert_int_equal(l.this_s, site.now);
	assert_int_equal(l.next_s, site.now + DAY);
	struct reader entries = l.entries;
	assert_int_equal(tbs_entry_next(&entries, &entry), 0);
	assert_int_equal(reader_end(&entries), 0);
	assert_int_equal(entry.reason, 1);
	assert_int_equal(entry.at_s, site.now);
	assert_true(span_eq(entry.issuer, span_of(t.issuer_der, t.issuer_len)));
	size_t taken = 0;
	for (size_t i = 0; i < d.len; i++) {
		struct tbs_list m = l;
		d.tbs[i] ^= 0x80;
		int e = tbs_list_read(span_of(d.tbs, d.len), &m);
		taken += e == 0;
		assert_true(e == 0 || memcmp(&m, &l, sizeof(m)) == 0);
		d.tbs[i] ^= 0x80;
	}
	/* What is not looked at here is in names, key identifier and entries, and held against others there. */
	assert_true(taken > 0 && taken < d.len - 60);
	/* Trailing, and giant. */
	uint8_t *longer = malloc(d.len + 1);
	memcpy(longer, d.tbs, d.len);
	longer[d.len] = 0;
	assert_int_equal(tbs_list_read(span_of(longer, d.len + 1), &l), ERR_TRAILING);
	assert_true(tbs_list_read(span_of("\x30\x84\xff\xff\xff\xff", 6), &l) < 0);
	assert_true(tbs_list_read(span_of("\x30\x83\xff\xff\xff", 5), &l) < 0);
	assert_true(tbs_list_read(span_of("\x30\x80\0\0", 4), &l) < 0);
	free(longer);
	free(d.tbs);
}

static void targets(void **state)
{
	const struct span one[] = {ca_certificate(&site.ca)},
			  two[] = {ca_certificate(&site.ca), ca_certificate(&site.other_ca)};
	struct list_target t, by_serial;
	char why[200], spaced[130] = "";
	assert_int_equal(list_target_certificate(ca_certificate(&site.foreign), one, 1, &t, why, sizeof(why)),
		ERR_VALUE);
	assert_int_equal(list_target_certificate(span_str("no"), one, 1, &t, why, sizeof(why)), ERR_VALUE);
	assert_int_equal(
		list_target_certificate(ca_certificate(&site.scanner), one, 1, &t, why, sizeof(why)), 0);
	assert_string_equal(t.subject, "CN=scanner");
	assert_string_equal(t.issuer, "CN=Site CA");
	for (size_t i = 0; t.serial[i]; i += 2) {
		snprintf(spaced + strlen(spaced), sizeof(spaced) - strlen(spaced), "%s%c%c", i ? ":" : "",
			t.serial[i], t.serial[i + 1]);
	}
	assert_int_equal(list_target_serial(spaced, NULL, one, 1, &by_serial, why, sizeof(why)), 0);
	assert_string_equal(by_serial.serial, t.serial);
	assert_memory_equal(by_serial.issuer_der, t.issuer_der, t.issuer_len);
	assert_int_equal(list_target_serial(t.serial, NULL, two, 2, &by_serial, why, sizeof(why)), ERR_VALUE);
	assert_non_null(strstr(why, "--issuer"));
	assert_int_equal(list_target_serial(t.serial, &two[1], two, 2, &by_serial, why, sizeof(why)), 0);
	assert_string_equal(by_serial.issuer, "CN=Other CA");
	static const char *const bad[] = {
		"", ":", "0", "xy", "-1", "0102030405060708090a0b0c0d0e0f101112131415", "../etc/passwd"};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
			list_target_serial(bad[i], NULL, one, 1, &by_serial, why, sizeof(why)), ERR_VALUE);
	}
	/* Blocked once. */
	size_t len;
	char *pem = list_by(&delegate, &len);
	const struct list_draft again = {.certificate = ca_certificate(&delegate),
		.list = span_of(pem, len),
		.add = &t,
		.now_s = site.now,
		.next_s = site.now + DAY};
	uint8_t *tbs = NULL;
	int64_t number;
	assert_int_equal(list_draft(&again, &tbs, &len, &number), ERR_EXISTS);
	free(pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks),
		cmocka_unit_test(not_signed),
		cmocka_unit_test(other_keys),
		cmocka_unit_test(lists_that_are_refused),
		cmocka_unit_test(one_form),
		cmocka_unit_test(targets),
	};
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
