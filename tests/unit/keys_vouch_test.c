/* SPDX-License-Identifier: Apache-2.0 */
#include "keys_ends.h"
#include "base/reader.h"
#include "base/writer.h"
#include "dicom/file.h"
#include "keys/half_hash.h"
#include "keys/holder.h"
#include "keys/object_splice.h"
#include "keys/vouch_key.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Signatures in passing: hashed here, finished by the key holder, put in while the object streams past. */

static char folder[64], key_path[128], tls_path[128];
static struct site config;
static struct blob own;
static struct holder *holder;
static struct object_trust *trust;
static struct object_report report;
static enum object_hash hash; /* that objects are signed with */

static void write_key(const char *path, const struct ca_pair *pair)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(pair->key_pem, 1, pair->key_len, f), pair->key_len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static int set_up_all(void **state)
{
	int r = set_up(state);
	char why[256] = "";
	struct vouch_key *key = NULL;
	const struct span anchors[] = {ca_certificate(&site.ca)};
	snprintf(folder, sizeof(folder), "/tmp/gantry-vouch-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(key_path, sizeof(key_path), "%s/key", folder);
	snprintf(tls_path, sizeof(tls_path), "%s/tls", folder);
	write_key(key_path, &site.scanner_rsa);
	write_key(tls_path, &site.gateway_rsa);
	own = (struct blob){.path = key_path};
	config.signatures.key = own;
	config.signatures.certificate =
		(struct blob){.path = "c", .bytes = ca_certificate(&site.scanner_rsa)};
	assert_int_equal(vouch_key_open_site(&config, &key, why, sizeof(why)), 0);
	holder = holder_new();
	assert_non_null(holder);
	holder_use_vouch(holder, key);
	assert_int_equal(object_trust_new(anchors, 1, NULL, &trust), 0);
	return r;
}

static int tear_down_all(void **state)
{
	holder_free(holder);
	object_trust_free(trust);
	(void)unlink(key_path);
	(void)unlink(tls_path);
	(void)rmdir(folder);
	return tear_down(state);
}

/* ---- The key holder ---- */

static size_t request(const struct vouch_sum *sum, uint8_t *buf, size_t cap)
{
	struct writer w = writer_of(buf, cap);
	writer_u8(&w, HOLDER_VERSION);
	writer_u8(&w, ASK_VOUCH);
	writer_u8(&w, sum->hash);
	writer_u16be(&w, sum->id);
	writer_u64be(&w, sum->done);
	writer_bytes(&w, sum->state, sizeof(sum->state));
	writer_bytes(&w, sum->rest, sizeof(sum->rest));
	return w.len;
}

/* As keys/link.c reads it. The answer lies in buf. */
static int ask(const struct vouch_sum *sum, struct holder_client *c, int64_t now_ms, uint8_t *buf,
	struct vouch_made *ret)
{
	uint8_t bytes[512], n = 0;
	uint16_t n_value = 0;
	size_t len = 0;
	struct span s = {0};
	assert_int_equal(holder_answer(holder, c, span_of(bytes, request(sum, bytes, sizeof(bytes))), now_ms,
				 buf, &len),
		0);
	struct reader r = reader_of(span_of(buf, len));
	assert_int_equal(reader_skip(&r, 2), 0);
	if (buf[1] != 0) {
		return -(int)buf[1];
	}
	*ret = (struct vouch_made){0};
	assert_int_equal(reader_u8(&r, &n), 0);
	assert_int_equal(reader_bytes(&r, n, &s), 0);
	memcpy(ret->uid, s.ptr, s.len);
	assert_int_equal(reader_u8(&r, &n), 0);
	assert_int_equal(reader_bytes(&r, n, &s), 0);
	memcpy(ret->time, s.ptr, s.len);
	assert_int_equal(reader_u16be(&r, &n_value), 0);
	assert_int_equal(reader_bytes(&r, n_value, &ret->value), 0);
	assert_int_equal(reader_bytes(&r, reader_left(&r), &ret->certificate), 0);
	return 0;
}

/* ---- Files ---- */

#define FILE_MOST (1u << 20)

struct bytes {
	size_t len, data_at;
	char syntax[UID_MAX + 1];
	uint8_t at[FILE_MOST];
};

static void read_file(const char *name, struct bytes *b)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/dicom/%s.dcm", TESTS_DATA, name);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	b->len = fread(b->at, 1, sizeof(b->at), f);
	assert_true(b->len < sizeof(b->at));
	assert_int_equal(fclose(f), 0);
}

static int nothing(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	return 0;
}

static void find_data(struct bytes *b)
{
	struct object_pass p = {.file = span_of(b->at, b->len), .each = nothing};
	assert_int_equal(object_pass(&p), 0);
	b->data_at = (size_t)p.data_at;
	memcpy(b->syntax, p.syntax, sizeof(b->syntax));
}

static struct vouch_sum sum_of(const struct bytes *b, size_t piece, struct vouch **ret_vouch)
{
	struct vouch_sum sum;
	assert_int_equal(vouch_new(span_str(b->syntax), hash, ret_vouch), 0);
	for (size_t at = b->data_at; at < b->len; at += piece) {
		size_t n = b->len - at < piece ? b->len - at : piece;
		uint8_t *copy = malloc(n);
		memcpy(copy, b->at + at, n);
		vouch_feed(*ret_vouch, span_of(copy, n));
		free(copy);
	}
	assert_int_equal(vouch_end(*ret_vouch, VOUCH_BASE, &sum), 0);
	return sum;
}

static void put(struct bytes *to, struct span s)
{
	assert_true(s.len > 0 && s.len <= sizeof(to->at) - to->len);
	memcpy(to->at + to->len, s.ptr, s.len);
	to->len += s.len;
}

/* The file with the signature, in pieces of that size; 0 or splice_next()'s error. */
static int splice(const struct bytes *b, const struct object_signed *edits, uint64_t length, size_t piece,
	struct bytes *ret)
{
	static struct splice s;
	bool deflated = strcmp(b->syntax, "1.2.840.10008.1.2.1.99") == 0, last = false;
	size_t at = b->data_at;
	struct span out;
	ret->len = 0;
	put(ret, span_of(b->at, b->data_at));
	assert_int_equal(splice_begin(&s, edits, length, deflated), 0);
	for (;;) {
		int e = splice_next(&s, &out);
		if (e == SPLICE_BYTES) {
			put(ret, out);
		} else if (e != SPLICE_MORE) {
			splice_done(&s);
			return e == SPLICE_END ? 0 : e;
		} else if (at == b->len) {
			assert_false(last);
			last = true;
			splice_last(&s);
		} else {
			size_t n = b->len - at < piece ? b->len - at : piece;
			splice_feed(&s, span_of(b->at + at, n));
			at += n;
		}
	}
}

static struct object_signed edits;

static void sign(const struct bytes *b, size_t piece, struct bytes *ret)
{
	uint8_t buf[HOLDER_ANSWER_MOST];
	struct holder_client c = {.whose = HOLDER_ASSOCIATION};
	struct vouch_made made;
	struct vouch *v = NULL;
	struct vouch_sum sum = sum_of(b, piece, &v);
	assert_int_equal(ask(&sum, &c, 1, buf, &made), 0);
	assert_int_equal(vouch_edits(v, &made, &edits), 0);
	assert_int_equal(splice(b, &edits, vouch_length(v), piece, ret), 0);
	/* Of a data set that is longer, or shorter, than the one that was looked at nothing is made. */
	static struct bytes other;
	assert_int_equal(splice(b, &edits, vouch_length(v) + 1, FILE_MOST, &other), ERR_ORDER);
	assert_int_equal(splice(b, &edits, vouch_length(v) - 1, FILE_MOST, &other), ERR_ORDER);
	vouch_free(v);
}

static const struct object_verdict *verdict(const struct bytes *b, uint32_t n)
{
	assert_int_equal(object_verify(span_of(b->at, b->len), trust, time(NULL), &report), 0);
	assert_int_equal(report.n, n);
	return &report.verdicts[n - 1];
}

/* ---- The tests ---- */

static struct bytes file, one, two;

static void in_passing(void **state)
{
	static const char *const names[] = {"CT_small", "MR_small_implicit", "SC_rgb_small_odd_big_endian",
		"sr", "SC_rgb_rle_2frame", "rtplan"};
	static const size_t pieces[] = {1, 7, 1000, FILE_MOST};
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		for (unsigned k = i < 2 ? 0 : 2; k < ARRAY_LEN(pieces); k++) {
			read_file(names[i], &file);
			find_data(&file);
			hash = (enum object_hash)((i + k) % OBJECT_HASHES);
			sign(&file, pieces[k], &one);
			const struct object_verdict *v = verdict(&one, 1);
			assert_int_equal(v->state, OBJECT_GOOD);
			assert_true(v->covers_all);
			assert_string_equal(v->algorithm, object_hash_words[hash]);
			assert_string_equal(v->subject, "CN=scanner");
			/* Once more: both hold, by numbers of their own. */
			find_data(&one);
			sign(&one, pieces[k], &two);
			assert_int_equal(verdict(&two, 2)->state, OBJECT_GOOD);
			assert_int_equal(report.verdicts[0].state, OBJECT_GOOD);
		}
	}
	/* One bit of the pixels, which are signed, and of the padding behind them, which is not. */
	read_file("CT_small", &file);
	find_data(&file);
	sign(&file, FILE_MOST, &one);
	const uint8_t *pixels = memmem(one.at, one.len, "\xe0\x7f\x10\0OW", 6);
	assert_non_null(pixels);
	for (size_t at = (size_t)(pixels - one.at) + 12; at < (size_t)(pixels - one.at) + 32000; at += 3333) {
		one.at[at] ^= 1;
		assert_int_equal(verdict(&one, 1)->state, OBJECT_FALSE);
		one.at[at] ^= 1;
	}
	assert_int_equal(verdict(&one, 1)->state, OBJECT_GOOD);
	one.at[one.len - 1] ^= 1;
	assert_int_equal(verdict(&one, 1)->state, OBJECT_GOOD);
}

/* Wherever it changes hands, it is the hash that OpenSSL has of all of it. */
static void half_way(void **state)
{
	uint8_t text[300], theirs[EVP_MAX_MD_SIZE], bytes[SHA512_DIGEST_LENGTH];
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = (uint8_t)(i * 7 + 1);
	}
	for (int kind = 0; kind < OBJECT_HASHES; kind++) {
		const EVP_MD *md = EVP_get_digestbyname(object_hash_words[kind]);
		unsigned n = 0;
		assert_int_equal(EVP_Digest(text, sizeof(text), theirs, &n, md, NULL), 1);
		for (size_t at = 1; at <= sizeof(text); at++) {
			struct half_hash first, second;
			struct vouch_sum sum;
			half_hash_begin(&first, (enum object_hash)kind);
			half_hash_add(&first, span_of(text, at));
			half_hash_give(&first, &sum);
			assert_int_equal(sum.done, at);
			assert_int_equal(half_hash_take(&sum, &second), 0);
			half_hash_add(&second, span_of(text + at, sizeof(text) - at));
			struct span ours = half_hash_end(&second, bytes);
			assert_int_equal(ours.len, n);
			assert_memory_equal(ours.ptr, theirs, n);
		}
	}
}

/* The file as a deflated one. */
static void deflate_file(struct bytes *b)
{
	static uint8_t out[FILE_MOST];
	z_stream z = {.next_in = b->at + b->data_at,
		.avail_in = (uInt)(b->len - b->data_at),
		.next_out = out,
		.avail_out = sizeof(out)};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t n = sizeof(out) - z.avail_out;
	assert_int_equal(deflateEnd(&z), Z_OK);
	struct writer w = writer_of(b->at, sizeof(b->at));
	writer_fill(&w, 0, 128);
	writer_bytes(&w,
		"DICM\2\0\x10\0UI\x16\0"
		"1.2.840.10008.1.2.1.99",
		34);
	writer_bytes(&w, out, n);
	b->len = w.len;
}

static void deflated(void **state)
{
	static const size_t pieces[] = {1, 1000, FILE_MOST};
	for (unsigned k = 0; k < ARRAY_LEN(pieces); k++) {
		read_file("CT_small", &file);
		find_data(&file);
		deflate_file(&file);
		find_data(&file);
		sign(&file, pieces[k], &one);
		assert_int_equal((one.len - file.data_at) % 2, 0);
		const struct object_verdict *v = verdict(&one, 1);
		assert_int_equal(v->state, OBJECT_GOOD);
		assert_true(v->covers_all);
	}
}

/* The time is the key holder's: what is given is over another one, it is no signature. */
static void when_is_not_ours_to_say(void **state)
{
	uint8_t buf[HOLDER_ANSWER_MOST];
	struct holder_client c = {.whose = HOLDER_ASSOCIATION};
	struct vouch_made made = {0};
	struct vouch *v = NULL;
	read_file("CT_small", &file);
	find_data(&file);
	struct vouch_sum sum = sum_of(&file, FILE_MOST, &v);
	assert_int_equal(ask(&sum, &c, 1, buf, &made), 0);
	char now[32];
	time_t t = time(NULL);
	struct tm tm;
	assert_true(strftime(now, sizeof(now), "%Y%m%d%H", gmtime_r(&t, &tm)) > 0);
	assert_memory_equal(made.time, now, 8);
	assert_int_equal(strlen(made.time), 23);
	made.time[3]--;
	assert_int_equal(vouch_edits(v, &made, &edits), 0);
	assert_int_equal(splice(&file, &edits, vouch_length(v), FILE_MOST, &one), 0);
	assert_int_equal(verdict(&one, 1)->state, OBJECT_FALSE);
	made.time[3]++;
	made.uid[10] = made.uid[10] == '1' ? '2' : '1';
	assert_int_equal(vouch_edits(v, &made, &edits), 0);
	assert_int_equal(splice(&file, &edits, vouch_length(v), FILE_MOST, &one), 0);
	assert_int_equal(verdict(&one, 1)->state, OBJECT_FALSE);
	vouch_free(v);
}

static void who_may_ask(void **state)
{
	uint8_t buf[HOLDER_ANSWER_MOST], bytes[512];
	struct vouch_made made;
	struct vouch_sum sum = {.done = 200};
	size_t len = 0;
	for (int whose = HOLDER_ASSOCIATION; whose <= HOLDER_OPERATOR; whose++) {
		struct holder_client c = {.whose = (enum holder_whose)whose};
		assert_int_equal(ask(&sum, &c, 1, buf, &made), whose == HOLDER_ASSOCIATION ? 0 : ERR_DENIED);
		assert_int_equal(c.vouched, whose == HOLDER_ASSOCIATION);
		assert_int_equal(c.refused, whose != HOLDER_ASSOCIATION);
	}
	struct holder_client c = {.whose = HOLDER_ASSOCIATION};
	sum.done = 0;
	assert_int_equal(ask(&sum, &c, 1, buf, &made), ERR_VALUE);
	sum.done = UINT64_MAX / 8;
	assert_int_equal(ask(&sum, &c, 1, buf, &made), ERR_VALUE);
	sum.done = 64;
	sum.hash = OBJECT_HASHES;
	assert_int_equal(ask(&sum, &c, 1, buf, &made), ERR_VALUE);
	sum.hash = OBJECT_SHA512;
	size_t n = request(&sum, bytes, sizeof(bytes));
	for (size_t i = 2; i < n; i++) {
		assert_int_equal(holder_answer(holder, &c, span_of(bytes, i), 1, buf, &len), ERR_PEER);
	}
	assert_int_equal(holder_answer(holder, &c, span_of(bytes, n + 1), 1, buf, &len), ERR_PEER);
	/* Some at once, then as time goes by. */
	int signs = 0;
	c = (struct holder_client){.whose = HOLDER_ASSOCIATION};
	for (int i = 0; i < 400; i++) {
		signs += ask(&sum, &c, 1000000 + i / 4, buf, &made) == 0;
	}
	assert_in_range(signs, 64, 64 + 26);
	/* Who has no such key. */
	struct holder *bare = holder_new(), *with = holder;
	holder = bare;
	c = (struct holder_client){.whose = HOLDER_ASSOCIATION};
	assert_int_equal(ask(&sum, &c, 1, buf, &made), ERR_DENIED);
	holder = with;
	holder_free(bare);
}

static void keys_of_their_own(void **state)
{
	char why[256] = "";
	struct vouch_key *k = NULL;
	struct identity_files identity = {.certificate = {.bytes = ca_certificate(&site.gateway_rsa)}};
	struct site s = config;
	s.identities = &identity;
	s.n_identities = 1;
	assert_int_equal(vouch_key_open_site(&s, &k, why, sizeof(why)), 0);
	vouch_key_free(k);
	s.signatures.key.path = tls_path;
	s.signatures.certificate.bytes = ca_certificate(&site.gateway_rsa);
	assert_int_equal(vouch_key_open_site(&s, &k, why, sizeof(why)), ERR_DENIED);
	assert_says(why, "an identity of `tls`");
	s.n_identities = 0;
	s.revocation.certificate.bytes = ca_certificate(&site.gateway_rsa);
	assert_int_equal(vouch_key_open_site(&s, &k, why, sizeof(why)), ERR_DENIED);
	assert_says(why, "`tls: revocation`");
	s.signatures.certificate.bytes = ca_certificate(&site.scanner);
	assert_int_equal(vouch_key_open_site(&s, &k, why, sizeof(why)), ERR_UNSUPPORTED);
}

/* Its time: before and after that of the certificate nothing is signed. */
static void certificates_end(void **state)
{
	char why[256] = "";
	uint8_t value[PRIVATE_KEY_SIGNATURE_MOST];
	struct vouch_key *k = NULL;
	struct vouch_made made;
	const struct vouch_sum sum = {.done = 64};
	assert_int_equal(vouch_key_open_site(&config, &k, why, sizeof(why)), 0);
	assert_int_equal(vouch_key_sign(k, &sum, site.now * 1000, value, &made), 0);
	assert_int_equal(vouch_key_sign(k, &sum, (site.now + 11 * 86400) * 1000, value, &made), ERR_ORDER);
	assert_int_equal(vouch_key_sign(k, &sum, (site.now - 2 * 86400) * 1000, value, &made), ERR_ORDER);
	vouch_key_free(k);
}

static int end_of(const char *syntax, struct span bytes, enum vouch_profile profile, const char *words)
{
	struct vouch *v = NULL;
	struct vouch_sum sum;
	assert_int_equal(vouch_new(span_str(syntax), OBJECT_SHA256, &v), 0);
	vouch_feed(v, bytes);
	int e = vouch_end(v, profile, &sum);
	if (e < 0) {
		assert_says(vouch_why(v), words);
	}
	vouch_free(v);
	return e;
}

#define ELE        "1.2.840.10008.1.2.1"
#define SPAN(text) span_of((text), sizeof(text) - 1)

static void what_cannot_be(void **state)
{
	struct vouch *v = NULL;
	assert_int_equal(vouch_new(span_str("1.2.3"), OBJECT_SHA256, &v), ERR_UNSUPPORTED);
	assert_int_equal(end_of(ELE, SPAN(""), VOUCH_BASE, "nothing in it"), ERR_MISSING);
	assert_int_equal(end_of(ELE,
				 SPAN("\x08\0\x18\0UI\4\0"
				      "1.2\0"),
				 VOUCH_BASE, ""),
		0);
	assert_int_equal(end_of(ELE,
				 SPAN("\x08\0\x18\0UI\4\0"
				      "1.2\0"),
				 VOUCH_CREATOR, "(0008,0016)"),
		ERR_MISSING);
	assert_int_equal(end_of(ELE,
				 SPAN("\x08\0\x18\0UI\6\0"
				      "1.2\0"),
				 VOUCH_BASE, "at byte 12"),
		ERR_VALUE);
	assert_int_equal(end_of(ELE,
				 SPAN("\x08\0\x18\0UI\4\0"
				      "1.2\0\x08\0\x18\0UI\4\0"
				      "1.2\0"),
				 VOUCH_BASE, "more than one way"),
		ERR_VALUE);
	/* A UN alone, at the top and in a sequence: what is there cannot be signed. */
	assert_int_equal(
		end_of(ELE, SPAN("\x09\0\1\x10UN\0\0\2\0\0\0zz"), VOUCH_BASE, "nothing in it"), ERR_MISSING);
	assert_int_equal(
		end_of(ELE,
			SPAN("\x08\0\x10\x11SQ\0\0\x18\0\0\0\xfe\xff\0\xe0\x10\0\0\0\x09\0\1\x10UN\0\0\4\0\0\0zzzz"),
			VOUCH_BASE, "nothing in it"),
		ERR_MISSING);
	/* A sequence of signatures that is none. */
	assert_int_equal(end_of(ELE,
				 SPAN("\x08\0\x18\0UI\4\0"
				      "1.2\0\xfa\xff\xfa\xffOB\0\0\2\0\0\0zz"),
				 VOUCH_BASE, "more than one way"),
		ERR_VALUE);
}

/* More elements than an AT has room for, and more signatures than are looked at. */
/* What is US or SS by what comes behind it in implicit VR is not signed: it has been hashed when that is known. */
static void not_known_yet(void **state)
{
	static const char bytes[] = "\x08\0\x18\0\4\0\0\0"
				    "1.2\0\x18\0\x10\x98\2\0\0\0\xFE\xFF"
				    "\x28\0\x03\x01\2\0\0\0\1\0\x28\0\x20\x01\2\0\0\0\xFC\xFF";
	struct vouch *v = NULL;
	struct vouch_sum sum;
	assert_int_equal(vouch_new(span_str("1.2.840.10008.1.2"), OBJECT_SHA256, &v), 0);
	vouch_feed(v, SPAN(bytes));
	assert_int_equal(vouch_end(v, VOUCH_BASE, &sum), 0);
	assert_int_equal(vouch_count(v), 3);
	vouch_free(v);
}

static void too_many(void **state)
{
	static uint8_t many[40000 * 8];
	struct writer w = writer_of(many, sizeof(many));
	for (unsigned i = 0; i < MAC_TAGS_MOST + 1; i++) {
		writer_u16le(&w, (uint16_t)(0x0009 + 2 * (i / 0xF000)));
		writer_u16le(&w, (uint16_t)(0x1000 + i % 0xF000));
		writer_bytes(&w, "LO\0\0", 4);
	}
	assert_int_equal(end_of(ELE, span_of(many, w.len - 8), VOUCH_BASE, ""), 0);
	assert_int_equal(end_of(ELE, span_of(many, w.len), VOUCH_BASE, "more elements"), ERR_LIMIT);
	w = writer_of(many, sizeof(many));
	writer_bytes(&w,
		"\x08\0\x18\0UI\4\0"
		"1.2\0",
		12);
	writer_bytes(&w, "\xfa\xff\xfa\xffSQ\0\0", 8);
	writer_u32le(&w, 8 * (SIGNED_MOST + 1));
	for (unsigned i = 0; i < SIGNED_MOST + 1; i++) {
		writer_bytes(&w, "\xfe\xff\0\xe0\0\0\0\0", 8);
	}
	assert_int_equal(end_of(ELE, span_of(many, w.len), VOUCH_BASE, "more signatures"), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_passing),
		cmocka_unit_test(half_way),
		cmocka_unit_test(deflated),
		cmocka_unit_test(when_is_not_ours_to_say),
		cmocka_unit_test(who_may_ask),
		cmocka_unit_test(keys_of_their_own),
		cmocka_unit_test(certificates_end),
		cmocka_unit_test(what_cannot_be),
		cmocka_unit_test(not_known_yet),
		cmocka_unit_test(too_many),
	};
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
