/* SPDX-License-Identifier: Apache-2.0 */
#include "keys_ends.h"
#include "keys_object_made.h"
#include "dicom/sign_profile.h"
#include "dicom/transcode.h"
#include "keys/object.h"
#include "keys/object_watch.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Signatures of objects: what they are over, made and verified. tests/e2e/test_sign.py does so with DCMTK. */

static char folder[64], key_path[128];
static struct object_key *key;
static struct object_trust *trust;
static struct object_signed made;
static struct object_report report;

static int set_up_all(void **state)
{
	int r = set_up(state);
	char why[256];
	const struct span anchors[] = {ca_certificate(&site.ca)};
	snprintf(folder, sizeof(folder), "/tmp/gantry-object-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(key_path, sizeof(key_path), "%s/key", folder);
	FILE *f = fopen(key_path, "we");
	assert_non_null(f);
	assert_int_equal(
		fwrite(site.scanner_rsa.key_pem, 1, site.scanner_rsa.key_len, f), site.scanner_rsa.key_len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(key_path, 0600), 0);
	assert_int_equal(
		object_key_open(key_path, ca_certificate(&site.scanner_rsa), &key, why, sizeof(why)), 0);
	assert_int_equal(object_trust_new(anchors, 1, NULL, &trust), 0);
	return r;
}

static int tear_down_all(void **state)
{
	object_key_free(key);
	object_trust_free(trust);
	(void)unlink(key_path);
	(void)rmdir(folder);
	return tear_down(state);
}

/* ---- Files ---- */

/* With all that is told apart: lengths, a UN at the top and in a sequence, empty and nested sequences, fragments, padding. */
static size_t native(uint8_t *buf)
{
	uint8_t inner[256], outer[256], spoilt[64];
	struct writer i = writer_of(inner, sizeof(inner)), o = writer_of(outer, sizeof(outer)),
		      s = writer_of(spoilt, sizeof(spoilt)), w = writer_of(buf, FILE_MOST);
	element(&i, 8, 0, "UL", "\1\0\0\0", 4); /* a group's length, in an item */
	element(&i, 8, 0x50, "SH", "AB", 2);
	element(&i, 8, 0x1140, "SQ", "", 0);
	element(&i, 0x40, 0xA160, "UT", "TEXT", 4);
	item(&s, 0xE000, "\0\4\5\0US\2\0\0\0", 10);
	element(&i, 0xFFFA, 0xFFFA, "SQ", spoilt,
		s.len); /* the item's own signatures, which are not looked into here */
	s.len = 0;
	item(&o, 0xE000, inner, i.len);
	item(&o, 0xE000, "", 0);
	element(&i, 9, 0x1001, "UN", "zz", 2);
	struct writer z = writer_of(inner, sizeof(inner));
	element(&z, 9, 0x1001, "UN", "zz", 2);
	item(&s, 0xE000, inner, z.len);
	begin(&w, "1.2.840.10008.1.2.1");
	element(&w, 8, 0, "UL", "\0\0\0\0", 4);
	element(&w, 8, 1, "UL", "\1\0\0\0", 4);
	element(&w, 8, 0x18, "UI", "1.2.3.4\0", 8);
	element(&w, 8, 0x1110, "SQ", spoilt, s.len);
	element(&w, 8, 0x1115, "SQ", outer, o.len);
	element(&w, 9, 0x10, "LO", "PRIV", 4);
	element(&w, 9, 0x1001, "UN", "zz", 2);
	element(&w, 0x28, 0x10, "US", "\1\0", 2);
	element(&w, 0x7FE0, 0x10, "OW", "PIXL", 4);
	element(&w, 0xFFFC, 0xFFFC, "OB", "\0\0", 2);
	assert_int_equal(writer_end(&w), 0);
	return w.len;
}

/* What dcmsign 3.6.7 hashes of it (--dump), but for the signature's own item. */
static const uint8_t native_mac[] =
	"\x08\0\x18\0UI\x08\0"
	"1.2.3.4\0"
	"\x08\0\x15\x11SQ\0\0\xfe\xff\0\xe0\x08\0\x50\0SH\2\0AB\x08\0\x40\x11SQ\0\0\xfe\xff\xdd\xe0"
	"\x40\0\x60\xa1UT\0\0\4\0\0\0TEXT\xfe\xff\0\xe0\xfe\xff\xdd\xe0"
	"\x09\0\x10\0LO\4\0PRIV"
	"\x28\0\x10\0US\2\0\1\0"
	"\xe0\x7f\x10\0OW\0\0\4\0\0\0PIXL";

/* ---- The bytes of the MAC ---- */

struct stream {
	struct mac_scope top;
	uint32_t tags[MAC_TAGS_MOST];
	struct mac_list list;
	struct mac mac;
	uint8_t bytes[4096];
	size_t len;
	enum encoding encoding;
};

static struct stream st;

static void keep(void *arg, struct span bytes)
{
	struct stream *s = arg;
	assert_true(bytes.len <= sizeof(s->bytes) - s->len);
	memcpy(s->bytes + s->len, bytes.ptr, bytes.len);
	s->len += bytes.len;
}

/* A data set in pieces of that size, twice: what can be signed, and its bytes. */
static int run(const uint8_t *bytes, size_t len, enum encoding encoding, size_t piece)
{
	st = (struct stream){.encoding = encoding};
	st.list = (struct mac_list){.scope = &st.top, .tags = st.tags};
	for (int turn = 0; turn < 2; turn++) {
		struct dataset d;
		size_t at = 0;
		int event = 0, e = 0;
		assert_int_equal(dataset_begin(&d, encoding, NULL), 0);
		st.mac = (struct mac){
			.scope = &st.top, .tags = st.tags, .n_tags = st.list.n, .sink = keep, .arg = &st};
		bool last = false;
		while (e == 0 && event != DATASET_END) {
			event = dataset_next(&d);
			if (event < 0) {
				return event;
			}
			if (event == DATASET_MORE) {
				size_t n = len - at < piece ? len - at : piece;
				if (n > 0) {
					dataset_feed(&d, span_of(bytes + at, n));
				} else {
					assert_false(last);
					last = true;
					dataset_last(&d);
				}
				at += n;
				continue;
			}
			e = turn == 0 ? mac_list_event(&st.list, &d, event, encoding)
			              : mac_event(&st.mac, &d, event, encoding);
		}
		if (e < 0) {
			return e;
		}
	}
	assert_int_equal(st.mac.n_signed, st.list.n);
	return 0;
}

static size_t data_at(const uint8_t *file, size_t len)
{
	const uint8_t *at = memmem(file, len, "\x08\0\0\0UL", 6);
	assert_non_null(at);
	return (size_t)(at - file);
}

static void as_dcmtk_has_it(void **state)
{
	static uint8_t file[FILE_MOST];
	size_t len = native(file), from = data_at(file, len);
	for (size_t piece = 1; piece < 300; piece++) {
		assert_int_equal(run(file + from, len - from, ENCODING_EXPLICIT_LE, piece), 0);
		assert_int_equal(st.len, sizeof(native_mac) - 1);
		assert_memory_equal(st.bytes, native_mac, st.len);
	}
	static const uint32_t tags[] = {0x00080018, 0x00081115, 0x00090010, 0x00280010, 0x7FE00010};
	assert_int_equal(st.list.n, ARRAY_LEN(tags));
	assert_memory_equal(st.tags, tags, sizeof(tags));
	/* Cut anywhere it fails, or is a shorter data set. */
	for (size_t n = from; n < len; n++) {
		(void)run(file + from, n - from, ENCODING_EXPLICIT_LE, 1000);
	}
}

static void in_other_encodings(void **state)
{
	/* Rows, Pixel Representation 1, Smallest Image Pixel Value (US or SS), a DS. */
	static const uint8_t implicit[] = "\x28\0\x10\0\2\0\0\0\1\0"
					  "\x28\0\3\1\2\0\0\0\1\0"
					  "\x28\0\6\1\2\0\0\0\xff\xff"
					  "\x28\0\x50\x10\2\0\0\0"
					  "1 ",
			     want[] = "\x28\0\x10\0US\2\0\1\0"
				      "\x28\0\3\1US\2\0\1\0"
				      "\x28\0\6\1SS\2\0\xff\xff"
				      "\x28\0\x50\x10"
				      "DS\2\0"
				      "1 ",
			     big[] = "\0\x28\0\x10US\0\2\0\1"
				     "\0\x28\1\3US\0\2\0\1"
				     "\0\x28\1\6SS\0\2\xff\xff"
				     "\0\x28\x10\x50"
				     "DS\0\2"
				     "1 ",
			     /* AT is two numbers, FD one of eight bytes; OB is not turned. */
		many[] = "\0\x18\x91\x51"
			 "FD\0\x08"
			 "abcdefgh"
			 "\0\x28\0\x09"
			 "AT\0\4\0\x18\x10\x63"
			 "\0\x42\0\x11OB\0\0\0\0\0\2xy",
			     turned[] = "\x18\0\x51\x91"
					"FD\x08\0"
					"hgfedcba"
					"\x28\0\x09\0"
					"AT\4\0\x18\0\x63\x10"
					"\x42\0\x11\0OB\0\0\2\0\0\0xy";
	for (size_t piece = 1; piece < 30; piece++) {
		assert_int_equal(run(implicit, sizeof(implicit) - 1, ENCODING_IMPLICIT_LE, piece), 0);
		assert_int_equal(st.len, sizeof(want) - 1);
		assert_memory_equal(st.bytes, want, st.len);
		assert_int_equal(run(big, sizeof(big) - 1, ENCODING_EXPLICIT_BE, piece), 0);
		assert_int_equal(st.len, sizeof(want) - 1);
		assert_memory_equal(st.bytes, want, st.len);
		assert_int_equal(run(many, sizeof(many) - 1, ENCODING_EXPLICIT_BE, piece), 0);
		assert_int_equal(st.len, sizeof(turned) - 1);
		assert_memory_equal(st.bytes, turned, st.len);
	}
	/* A value that is too long for its VR in explicit VR is left out. */
	static uint8_t longer[70000] = "\x28\0\x50\x10\x00\x11\x01\x00";
	memset(longer + 8, '1', 0x11100);
	assert_int_equal(run(longer, 8 + 0x11100, ENCODING_IMPLICIT_LE, 1000), 0);
	assert_int_equal(st.list.n, 0);
}

static void fragments(void **state)
{
	uint8_t buf[256];
	struct writer w = writer_of(buf, sizeof(buf));
	static const uint8_t want[] = "\xe0\x7f\x10\0OB\0\0\xfe\xff\0\xe0\xfe\xff\0\xe0JPEG\xfe\xff\0\xe0"
				      "FRAG\xfe\xff\xdd\xe0";
	for (int vr = 0; vr < 2; vr++) {
		w.len = 0;
		writer_u16le(&w, 0x7FE0);
		writer_u16le(&w, 0x10);
		writer_bytes(&w, vr ? "OW" : "OB", 2); /* some write OW, against PS3.5 A.4 */
		writer_u16le(&w, 0);
		writer_u32le(&w, UNDEFINED_LENGTH);
		item(&w, 0xE000, "", 0);
		item(&w, 0xE000, "JPEG", 4);
		item(&w, 0xE000, "FRAG", 4);
		item(&w, 0xE0DD, "", 0);
		for (size_t piece = 1; piece < 40; piece++) {
			assert_int_equal(run(buf, w.len, ENCODING_EXPLICIT_LE, piece), 0);
			assert_int_equal(st.len, sizeof(want) - 1);
			assert_memory_equal(st.bytes, want, st.len);
		}
	}
}

/* ---- Signing and verifying ---- */

static size_t edit(const uint8_t *file, size_t len, uint8_t *out)
{
	size_t at = 0, n = 0;
	for (uint32_t i = 0; i < made.n_edits; i++) {
		const struct object_edit *e = &made.edits[i];
		assert_true(e->at >= at && e->at <= len && e->leave_out <= len - e->at);
		memcpy(out + n, file + at, e->at - at);
		n += e->at - at;
		memcpy(out + n, made.bytes + e->from, e->len);
		n += e->len;
		at = e->at + e->leave_out;
	}
	memcpy(out + n, file + at, len - at);
	return n + len - at;
}

static struct object_wish wish;

static size_t sign_file(const uint8_t *file, size_t len, uint8_t *out)
{
	int e = object_sign(key, span_of(file, len), &wish, site.now * 1000 + 7, &made);
	if (e < 0) {
		fail_msg("%s", made.why);
	}
	return edit(file, len, out);
}

/* In passing, in pieces of any size, the same is found, where `report` has no signature of an item. */
static void watch(const uint8_t *file, size_t len)
{
	static struct object_report passing;
	size_t size = file[138] | (size_t)file[139] << 8, at = 140 + size;
	for (size_t piece = 1; piece <= len; piece = piece * 3 + 1) {
		struct object_watch *w;
		assert_int_equal(object_watch_new(uid_trim(span_of(file + 140, size)), &w), 0);
		for (size_t i = at; i < len; i += piece) {
			uint8_t *copy = malloc(piece);
			size_t n = len - i < piece ? len - i : piece;
			memcpy(copy, file + i, n);
			object_watch_feed(w, span_of(copy, n));
			free(copy);
		}
		assert_int_equal(object_watch_end(w, trust, site.now, &passing), 0);
		object_watch_free(w);
		assert_int_equal(passing.n, report.n);
		for (uint32_t i = 0; i < passing.n; i++) {
			const struct object_verdict *a = &passing.verdicts[i], *b = &report.verdicts[i];
			assert_int_equal(a->state, b->where[0] ? OBJECT_UNKNOWN : b->state);
			assert_string_equal(a->uid, b->uid);
			if (!b->where[0] && b->state != OBJECT_UNKNOWN) {
				assert_string_equal(a->subject, b->subject);
				assert_string_equal(a->why, b->why);
			}
		}
	}
}

static const struct object_verdict *verdict(const uint8_t *file, size_t len, unsigned n)
{
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, file, len);
	int e = object_verify(span_of(copy, len), trust, site.now, &report);
	free(copy);
	if (e == 0) {
		watch(file, len);
	}
	for (uint32_t i = 0; e == 0 && i < report.n; i++) {
		if (!report.verdicts[i].where[0] && n-- == 0) {
			return &report.verdicts[i];
		}
	}
	return NULL;
}

static void round_trip(void **state)
{
	static uint8_t file[FILE_MOST], one[FILE_MOST], two[FILE_MOST];
	size_t len = native(file);
	wish = (struct object_wish){.hash = OBJECT_SHA256};
	size_t n1 = sign_file(file, len, one);
	const struct object_verdict *v = verdict(one, n1, 0);
	assert_non_null(v);
	assert_string_equal(v->why, "");
	assert_int_equal(v->state, OBJECT_GOOD);
	assert_true(v->covers_all && !v->weak && !v->where[0] && v->n_signed == 5);
	assert_string_equal(v->subject, "CN=scanner");
	assert_string_equal(v->algorithm, "SHA256");
	assert_string_equal(v->uid, made.uid);
	/* That of an item is none. */
	assert_int_equal(report.n, 2);
	assert_int_equal(report.verdicts[0].state, OBJECT_UNKNOWN);
	assert_string_equal(report.verdicts[0].where, "(0008,1115)[1]");
	/* And another one beside it; the first still holds. */
	wish.hash = OBJECT_SHA512;
	wish.n_tags = 2;
	wish.tags[0] = 0x00080018;
	wish.tags[1] = 0x7FE00010;
	size_t n2 = sign_file(one, n1, two);
	assert_int_equal(verdict(two, n2, 0)->state, OBJECT_GOOD);
	v = verdict(two, n2, 1);
	assert_int_equal(v->state, OBJECT_GOOD);
	assert_true(!v->covers_all && v->n_signed == 2);
	assert_int_equal(report.n, 3);
	/* Its time is what it says, and its authority is asked for. */
	struct object_trust *other = NULL;
	const struct span anchors[] = {ca_certificate(&site.other_ca)};
	assert_int_equal(object_trust_new(anchors, 1, NULL, &other), 0);
	assert_int_equal(object_verify(span_of(one, n1), other, site.now, &report), 0);
	assert_int_equal(report.verdicts[1].state, OBJECT_UNTRUSTED);
	object_trust_free(other);
	assert_int_equal(report.verdicts[1].when, OBJECT_TIME_FITS);
	assert_int_equal(object_verify(span_of(one, n1), trust, site.now + 1000 * 86400, &report), 0);
	assert_int_equal(report.verdicts[1].state, OBJECT_UNTRUSTED);
}

static int put_transcoded(void *arg, struct span bytes)
{
	writer_span(arg, bytes);
	return 0;
}

/* Of implicit VR, an element that is US or SS by what comes behind it: signed as what it is, so that it holds in explicit VR too. */
static void signed_numbers(void **state)
{
	static uint8_t file[FILE_MOST], one[FILE_MOST], two[FILE_MOST];
	static struct transcode t;
	for (unsigned is_signed = 0; is_signed < 2; is_signed++) {
		uint8_t inner[16], outer[32];
		struct writer w = writer_of(file, sizeof(file)), i = writer_of(inner, sizeof(inner)),
			      o = writer_of(outer, sizeof(outer));
		begin(&w, "1.2.840.10008.1.2");
		put_implied(&w, 8, 0x18, "1.2.3.4", 8);
		put_implied(&w, 0x18, 0x9810, "\xFE\xFF", 2);
		put_implied(&i, 0x22, 0x1452, "\xFD\xFF", 2);
		item(&o, 0xE000, inner, i.len);
		put_implied(&w, 0x22, 0x1450, outer, o.len);
		put_implied(&w, 0x28, 0x103, is_signed ? "\1\0" : "\0\0", 2);
		put_implied(&w, 0x28, 0x120, "\xFC\xFF", 2);
		wish = (struct object_wish){.hash = OBJECT_SHA256};
		size_t n = sign_file(file, w.len, one);
		assert_int_equal(verdict(one, n, 0)->state, OBJECT_GOOD);
		assert_int_equal(verdict(one, n, 0)->n_signed, 5);
		w = writer_of(two, sizeof(two));
		transcode_begin(&t, is_signed, put_transcoded, &w);
		assert_int_equal(transcode_feed(&t, span_of(one, n)), 0);
		assert_int_equal(transcode_end(&t), 0);
		assert_non_null(memmem(two, w.len, is_signed ? "\x18\0\x10\x98SS" : "\x18\0\x10\x98US", 6));
		assert_int_equal(object_verify(span_of(two, w.len), trust, site.now, &report), 0);
		assert_int_equal(report.verdicts[0].state, OBJECT_GOOD);
	}
}

static size_t place_of(const uint8_t *file, size_t len, const char *words, size_t n)
{
	const uint8_t *at = memmem(file, len, words, n);
	assert_non_null(at);
	return (size_t)(at - file);
}

static void each_byte_counts(void **state)
{
	static uint8_t file[FILE_MOST], out[FILE_MOST];
	size_t len = native(file), first = data_at(file, len) + 24;
	wish = (struct object_wish){.hash = OBJECT_SHA256};
	size_t n = sign_file(file, len, out);
	/* Neither signed nor of the structure: the sequence with a UN, the UN element, and from the MAC's parameters on what only names. */
	size_t un = place_of(out, n, "\x08\0\x10\x11SQ", 6), params = place_of(out, n, "\xfe\x4f\1\0SQ", 6),
	       un_2 = place_of(out, n, "PRIV", 4) + 4, pixels = place_of(out, n, "\xe0\x7f\x10\0OW", 6),
	       own = place_of(out, n, "\xfa\xff\xfa\xffSQ", 6),
	       length = place_of(out, n, "\x08\0\x15\x11SQ", 6) + 20; /* of a group, in the item */
	for (size_t i = first; i < n; i++) {
		bool is_free = (i >= un && i < un + 34) || (i >= un_2 && i < un_2 + 14) ||
		               (i >= params && i < pixels) || (i >= length && i < length + 12) ||
		               (i >= own && i < own + 30) || i >= n - 14;
		for (int bit = 0; bit < 8; bit += 7) {
			out[i] ^= (uint8_t)(1 << bit);
			const struct object_verdict *v = verdict(out, n, 0);
			if (v && v->state == OBJECT_GOOD && !is_free) {
				fail_msg("byte %zu (bit %d) is another one, and the signature is good", i,
					bit);
			}
			out[i] ^= (uint8_t)(1 << bit);
		}
	}
	/* Cut, it is not good. */
	for (size_t cut = 0; cut < n - 14; cut += 3) {
		const struct object_verdict *v = verdict(out, cut, 0);
		assert_true(!v || v->state != OBJECT_GOOD);
	}
}

/* Private elements of groups FFFB and FFFD stand behind the signatures, and are signed before the signature's own. */
static void behind_the_signatures(void **state)
{
	static uint8_t file[FILE_MOST], out[FILE_MOST], both[FILE_MOST];
	struct writer w = writer_of(file, sizeof(file));
	begin(&w, "1.2.840.10008.1.2.1");
	element(&w, 8, 0x18, "UI", "1.2.3.4\0", 8);
	element(&w, 0xFFFB, 0x10, "LO", "PRIV", 4);
	element(&w, 0xFFFD, 0x10, "LO", "LAST", 4);
	wish = (struct object_wish){.hash = OBJECT_SHA256};
	size_t n = sign_file(file, w.len, out);
	assert_true(place_of(out, n, "\xfa\xff\xfa\xffSQ", 6) < place_of(out, n, "PRIV", 4));
	const struct object_verdict *v = verdict(out, n, 0);
	assert_int_equal(v->state, OBJECT_GOOD);
	assert_int_equal(v->n_signed, 3);
	assert_true(v->covers_all);
	wish.hash = OBJECT_SHA384;
	n = sign_file(out, n, both);
	assert_int_equal(verdict(both, n, 0)->state, OBJECT_GOOD);
	assert_int_equal(verdict(both, n, 1)->state, OBJECT_GOOD);
	both[place_of(both, n, "LAST", 4)] = 'C';
	assert_int_equal(verdict(both, n, 0)->state, OBJECT_FALSE);
	assert_int_equal(verdict(both, n, 1)->state, OBJECT_FALSE);
}

static void refusals(void **state)
{
	static uint8_t file[FILE_MOST];
	char why[256];
	size_t len = native(file);
	struct object_key *k = NULL;
	assert_int_equal(object_key_open(key_path, ca_certificate(&site.scanner), &k, why, sizeof(why)),
		ERR_UNSUPPORTED);
	assert_int_equal(object_key_open(key_path, ca_certificate(&site.gateway_rsa), &k, why, sizeof(why)),
		ERR_DENIED);
	static const uint32_t wrong[] = {0x00080000, 0x00080001, 0x00081110, 0x00091001, 0x00100010,
		0x00020010, 0xFFFAFFFA, 0x4FFE0001, 0xFFFCFFFC, 0xFFFFFFFF};
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		wish = (struct object_wish){.n_tags = 1, .tags = {wrong[i]}};
		assert_int_equal(object_sign(key, span_of(file, len), &wish, 1, &made), ERR_MISSING);
		assert_int_equal(made.n_edits, 0);
	}
	wish = (struct object_wish){.n_tags = 2, .tags = {0x00280010, 0x00080018}};
	assert_int_equal(
		object_sign(key, span_of(file, len), &wish, 1, &made), ERR_MISSING); /* out of order */
	wish.tags[1] = 0x00280010;
	assert_int_equal(object_sign(key, span_of(file, len), &wish, 1, &made), ERR_MISSING); /* twice */
	wish = (struct object_wish){.profile = SIGNED_CREATOR};
	assert_int_equal(object_sign(key, span_of(file, len), &wish, 1, &made),
		ERR_MISSING); /* it has no Study Instance UID */
	assert_non_null(strstr(made.why, "(0008,0016)"));
	wish = (struct object_wish){.hash = OBJECT_HASHES};
	assert_true(object_sign(key, span_of(file, len), &wish, 1, &made) < 0);
	/* An element twice: two programs may read two things. */
	wish = (struct object_wish){.hash = OBJECT_SHA256};
	struct writer w = writer_of(file, FILE_MOST);
	begin(&w, "1.2.840.10008.1.2.1");
	element(&w, 0x10, 0x10, "PN", "A^", 2);
	element(&w, 0x10, 0x10, "PN", "B^", 2);
	assert_int_equal(object_sign(key, span_of(file, w.len), &wish, 1, &made), ERR_VALUE);
	for (size_t n = 0; n < 150; n++) {
		assert_int_equal(object_sign(key, span_of(file, n), &wish, 1, &made), ERR_VALUE);
	}
}

static void profiles(void **state)
{
	static const uint32_t all[] = {0x00080016, 0x00080018, 0x00080070, 0x00100010, 0x0020000D, 0x0020000E,
		0x00280010, 0x60020010, 0x7FE00010},
			      without_overlay[] = {0x00080016, 0x00080018, 0x00080070, 0x0020000D, 0x0020000E,
				      0x00280010, 0x7FE00010},
			      report_tags[] = {0x00080016, 0x00080070, 0x0020000D, 0x0020000E};
	uint32_t lacking;
	assert_int_equal(sign_profiles(all, 9, all, 9, SIGNED_CREATOR, &lacking), 15);
	assert_int_equal(lacking, 0);
	assert_int_equal(sign_profiles(all, 9, without_overlay, 7, SIGNED_CREATOR, &lacking),
		SIGNED_REPORT | SIGNED_VERIFIED_REPORT);
	assert_int_equal(lacking, 0x60020010);
	assert_int_equal(sign_profiles(without_overlay, 7, without_overlay, 7, SIGNED_CREATOR, &lacking), 15);
	assert_int_equal(sign_profiles(all, 9, report_tags, 4, SIGNED_CREATOR, &lacking), SIGNED_REPORT);
	assert_int_equal(sign_profiles(all, 9, NULL, 0, SIGNED_CREATOR, &lacking), 0);
}

/* What is signed before the parameters come is kept to 1 MiB: one element that is longer leaves those it is in unknown, and no other. */
static void more_than_is_kept(void **state)
{
	size_t most = 3u << 20, n;
	uint8_t *file = calloc(1, most), *out = calloc(1, most);
	static uint8_t longer[2u << 20];
	static const uint32_t tags[2][3] = {
		{0x00080018, 0x00280010, 0x7FE00010}, {0x00080018, 0x0040A160, 0x7FE00010}};
	struct writer w = writer_of(file, most);
	begin(&w, "1.2.840.10008.1.2.1");
	element(&w, 8, 0x18, "UI", "1.2.3.4\0", 8);
	element(&w, 0x28, 0x10, "US", "\1\0", 2);
	element(&w, 0x40, 0xA160, "UT", longer, sizeof(longer));
	element(&w, 0x7FE0, 0x10, "OW", "PIXL", 4);
	for (unsigned i = 0; i < 2; i++) {
		struct object_watch *watching;
		wish = (struct object_wish){.hash = OBJECT_SHA512, .n_tags = 3};
		memcpy(wish.tags, tags[i], sizeof(tags[i]));
		n = sign_file(file, w.len, out);
		size_t from = place_of(out, n, "\x08\0\x18\0UI", 6);
		assert_int_equal(object_watch_new(span_str("1.2.840.10008.1.2.1"), &watching), 0);
		object_watch_feed(watching, span_of(out + from, n - from));
		assert_int_equal(object_watch_end(watching, trust, site.now, &report), 0);
		object_watch_free(watching);
		assert_int_equal(report.n, 1);
		assert_int_equal(report.verdicts[0].state, i == 0 ? OBJECT_GOOD : OBJECT_UNKNOWN);
		assert_true(i == 0 || strstr(report.verdicts[0].why, "longer than what is kept"));
	}
	free(file);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_dcmtk_has_it),
		cmocka_unit_test(in_other_encodings),
		cmocka_unit_test(fragments),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(signed_numbers),
		cmocka_unit_test(each_byte_counts),
		cmocka_unit_test(behind_the_signatures),
		cmocka_unit_test(refusals),
		cmocka_unit_test(profiles),
		cmocka_unit_test(more_than_is_kept),
	};
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
