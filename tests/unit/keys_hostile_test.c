/* SPDX-License-Identifier: Apache-2.0 */
#include "keys_ends.h"
#include "base/writer.h"
#include "dicom/sign_write.h"
#include "keys/object.h"
#include "keys/object_watch.h"
#include "keys/vouch.h"
#include "keys/x509.h"

/* Signatures that somebody has made up: each is told as what it is, in bounded time, in a file and in passing. */

static struct object_trust *trust;
static struct object_report report, passing;
static uint8_t certificate[4096];
static size_t certificate_len;

static int set_up_all(void **state)
{
	int r = set_up(state);
	const struct span anchors[] = {ca_certificate(&site.ca)};
	BIO *bio = x509_bio(ca_certificate(&site.scanner_rsa));
	X509 *cert = NULL;
	uint8_t *at = certificate;
	assert_int_equal(x509_next(bio, &cert), 0);
	assert_in_range(i2d_X509(cert, NULL), 1, sizeof(certificate));
	certificate_len = (size_t)i2d_X509(cert, &at);
	X509_free(cert);
	BIO_free(bio);
	assert_int_equal(object_trust_new(anchors, 1, NULL, &trust), 0);
	return r;
}

static int tear_down_all(void **state)
{
	object_trust_free(trust);
	return tear_down(state);
}

/* ---- Files ---- */

#define FILE_MOST (4u << 20)
#define ELE       "1.2.840.10008.1.2.1"

static uint8_t file[FILE_MOST];
static struct writer w;

static void head(uint16_t group, uint16_t number, const char *vr, uint32_t len)
{
	writer_u16le(&w, group);
	writer_u16le(&w, number);
	writer_bytes(&w, vr, 2);
	if (memcmp(vr, "SQ", 2) == 0) {
		writer_u16le(&w, 0);
		writer_u32le(&w, len);
	} else {
		writer_u16le(&w, (uint16_t)len);
	}
}

static size_t begin(void)
{
	w = writer_of(file, sizeof(file));
	writer_fill(&w, 0, 128);
	writer_bytes(&w, "DICM", 4);
	head(2, 0x10, "UI", sizeof(ELE));
	writer_bytes(&w, ELE, sizeof(ELE));
	size_t at = w.len;
	head(8, 0x18, "UI", 8);
	writer_bytes(&w, "1.2.3.4\0", 8);
	return at;
}

static const uint32_t one_tag[] = {0x00080018}, absent[] = {0x00080018, 0x00100010},
		      twice[] = {0x00080018, 0x00080018}, backwards[] = {0x00100010, 0x00080018},
		      itself[] = {0x00080018, 0xFFFAFFFA};
static uint8_t value[4096];

static struct sign_fields fields(const uint32_t *tags, size_t n, uint16_t id)
{
	return (struct sign_fields){.id = id,
		.syntax = ELE,
		.algorithm = "SHA256",
		.tags = tags,
		.n_tags = n,
		.uid = "1.2.3",
		.time = "20261126083000.000+0000",
		.certificate = span_of(certificate, certificate_len),
		.value = span_of(value, 256)};
}

/* So many items of each; ids: how many numbers they have between them. */
static void put_all(struct sign_fields f, unsigned n_macs, unsigned n_signatures, unsigned ids)
{
	for (unsigned part = 0; part < 2; part++) {
		unsigned n = part == 0 ? n_macs : n_signatures;
		head(part == 0 ? 0x4FFE : 0xFFFA, part == 0 ? 1 : 0xFFFA, "SQ", UNDEFINED_LENGTH);
		for (unsigned i = 0; i < n; i++) {
			f.id = (uint16_t)(i % ids);
			assert_int_equal(part == 0
						 ? sign_write_mac(&f, false, ENCODING_EXPLICIT_LE, &w)
						 : sign_write_signature(&f, false, ENCODING_EXPLICIT_LE, &w),
				0);
		}
		writer_bytes(&w, "\xfe\xff\xdd\xe0\0\0\0\0", 8);
	}
}

/* What is found in the file, and in passing: the same, or there it cannot be told. */
static int look(size_t data_at)
{
	struct object_watch *watching;
	assert_int_equal(writer_end(&w), 0);
	int e = object_verify(span_of(file, w.len), trust, site.now, &report);
	assert_int_equal(object_watch_new(span_str(ELE), &watching), 0);
	object_watch_feed(watching, span_of(file + data_at, w.len - data_at));
	assert_int_equal(object_watch_end(watching, trust, site.now, &passing), e);
	object_watch_free(watching);
	assert_true(e == 0 || (report.why[0] && passing.why[0]));
	for (uint32_t i = 0; e == 0 && i < report.n; i++) {
		assert_true(passing.verdicts[i].state == OBJECT_UNKNOWN ||
			    passing.verdicts[i].state == report.verdicts[i].state);
	}
	return e;
}

static void told(const struct sign_fields *f, enum object_state state, const char *words)
{
	size_t at = begin();
	put_all(*f, 1, 1, 1);
	assert_int_equal(look(at), 0);
	assert_int_equal(report.n, 1);
	assert_int_equal(report.verdicts[0].state, state);
	assert_int_equal(passing.verdicts[0].state, state);
	assert_says(report.verdicts[0].why, words);
	assert_says(passing.verdicts[0].why, words);
}

/* ---- The tests ---- */

static void lists(void **state)
{
	static uint32_t many[MAC_TAGS_MOST];
	struct sign_fields f = fields(one_tag, 1, 0);
	told(&f, OBJECT_FALSE, "something else");
	f = fields(one_tag, 0, 0);
	told(&f, OBJECT_UNKNOWN, "its list of elements is empty");
	f = fields(absent, 2, 0);
	told(&f, OBJECT_FALSE, "not there any more");
	f = fields(twice, 2, 0);
	told(&f, OBJECT_UNKNOWN, "out of order");
	f = fields(backwards, 2, 0);
	told(&f, OBJECT_UNKNOWN, "out of order");
	f = fields(itself, 2, 0);
	told(&f, OBJECT_UNKNOWN, "what cannot be signed");
	for (unsigned i = 0; i < MAC_TAGS_MOST; i++) {
		many[i] = 0x00091000 + i;
	}
	f = fields(many, MAC_TAGS_MOST, 0);
	told(&f, OBJECT_FALSE, "not there any more");
	assert_false(report.verdicts[0].over_instance);
}

static void parts(void **state)
{
	struct sign_fields f = fields(one_tag, 1, 0);
	f.algorithm = "SHA3-256";
	told(&f, OBJECT_UNKNOWN, "MAC algorithm");
	f = fields(one_tag, 1, 0);
	f.syntax = "1.2.840.10008.1.2";
	told(&f, OBJECT_UNKNOWN, "another encoding");
	f = fields(one_tag, 1, 0);
	f.certificate = span_of(certificate, certificate_len - 3);
	told(&f, OBJECT_UNKNOWN, "certificate cannot be read");
	f.certificate = span_of(value, 64);
	told(&f, OBJECT_UNKNOWN, "certificate cannot be read");
	/* With more behind it, and longer than any is read. */
	static uint8_t longer[SIGNED_CERTIFICATE_MOST + 64];
	memcpy(longer, certificate, certificate_len);
	f.certificate = span_of(longer, certificate_len + 2 + certificate_len % 2);
	told(&f, OBJECT_UNKNOWN, "certificate cannot be read");
	f.certificate = span_of(longer, sizeof(longer));
	told(&f, OBJECT_UNKNOWN, "certificate cannot be read");
	f = fields(one_tag, 1, 0);
	for (size_t n = 2; n <= 4096; n *= 2) {
		f.value = span_of(value, n);
		told(&f, n > SIGNED_VALUE_MOST ? OBJECT_UNKNOWN : OBJECT_FALSE,
			n > SIGNED_VALUE_MOST ? "no signature" : "another key");
	}
}

static void numbers(void **state)
{
	const struct sign_fields f = fields(one_tag, 1, 0);
	size_t at = begin();
	/* Several MAC parameters of one number, and none of a number. */
	put_all(f, 2, 1, 1);
	assert_int_equal(look(at), 0);
	assert_int_equal(report.verdicts[0].state, OBJECT_UNKNOWN);
	assert_says(report.verdicts[0].why, "there are several");
	at = begin();
	put_all(f, 1, 2, 2);
	assert_int_equal(look(at), 0);
	assert_int_equal(report.verdicts[0].state, OBJECT_FALSE);
	assert_says(report.verdicts[1].why, "missing");
	/* All that are looked at, and more; in passing fewer of them are made. */
	at = begin();
	put_all(f, SIGNED_MOST, SIGNED_MOST, SIGNED_MOST);
	assert_int_equal(look(at), 0);
	assert_int_equal(report.n, SIGNED_MOST);
	for (unsigned i = 0; i < SIGNED_MOST; i++) {
		assert_int_equal(report.verdicts[i].state, OBJECT_FALSE);
		assert_int_equal(
			passing.verdicts[i].state, i < OBJECT_WATCH_MACS ? OBJECT_FALSE : OBJECT_UNKNOWN);
	}
	assert_says(passing.verdicts[OBJECT_WATCH_MACS].why, "more MAC parameters");
	at = begin();
	put_all(f, SIGNED_MOST, SIGNED_MOST + 1, SIGNED_MOST);
	assert_int_equal(look(at), ERR_LIMIT);
	at = begin();
	put_all(f, SIGNED_MOST + 1, 1, SIGNED_MOST);
	assert_int_equal(look(at), ERR_LIMIT);
	/* The sequence twice: could be read in two ways. */
	at = begin();
	put_all(f, 1, 1, 1);
	put_all(f, 1, 1, 1);
	assert_int_equal(look(at), 0);
	for (unsigned i = 0; i < report.n; i++) {
		assert_int_equal(report.verdicts[i].state, OBJECT_UNKNOWN);
		assert_says(report.verdicts[i].why, "more than one way");
	}
}

/* A signature of an item within items: as deep as sequences may be. What is signed of such an object has all of it. */
static void nested(void **state)
{
	const struct sign_fields f = fields(one_tag, 1, 0);
	for (unsigned depth = 1; depth <= LIMIT_SEQUENCE_DEPTH; depth++) {
		size_t at = begin();
		for (unsigned i = 0; i < depth; i++) {
			head(8, 0x1115, "SQ", UNDEFINED_LENGTH);
			writer_bytes(&w, "\xfe\xff\0\xe0\xff\xff\xff\xff", 8);
		}
		if (depth < LIMIT_SEQUENCE_DEPTH) {
			put_all(f, 1, 1, 1);
		}
		for (unsigned i = 0; i < depth; i++) {
			writer_bytes(&w, "\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0", 16);
		}
		assert_int_equal(look(at), 0);
		assert_int_equal(report.n, depth < LIMIT_SEQUENCE_DEPTH);
		if (report.n > 0) {
			assert_int_equal(report.verdicts[0].state, OBJECT_FALSE);
			assert_int_equal(passing.verdicts[0].state, OBJECT_UNKNOWN);
			assert_int_equal(strnlen(report.verdicts[0].where, 64) < 64, true);
		}
		struct vouch *v = NULL;
		struct vouch_sum sum;
		assert_int_equal(vouch_new(span_str(ELE), OBJECT_SHA256, &v), 0);
		vouch_feed(v, span_of(file + at, w.len - at));
		assert_int_equal(vouch_end(v, VOUCH_BASE, &sum), 0);
		assert_int_equal(vouch_count(v), 2);
		/* Numbers in items are of theirs; a free one is chosen all the same. */
		assert_int_equal(sum.id, depth < LIMIT_SEQUENCE_DEPTH);
		vouch_free(v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(parts),
		cmocka_unit_test(numbers),
		cmocka_unit_test(nested),
	};
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
