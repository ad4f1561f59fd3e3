/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/sign_profile.h"
#include "dicom/uid.h"
#include "dicom/vr.h"
#include "keys/object_parts.h"
#include "keys/timestamp.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TAG_SOP_INSTANCE 0x00080018u
#define OWN_MOST         (64u * 1024) /* of a signature's item what the MAC is over */

const uint32_t object_apart[OBJECT_APART] = {0x04000115, 0x04000120, 0x04000305, 0x04000310};

/* ---- Whom we believe ---- */

static int add_file(X509_STORE *store, struct span pem)
{
	BIO *bio CLEANUP(x509_bio_freep) = x509_bio(pem);
	int n = 0, e = bio ? 0 : ERR_NO_MEMORY;
	for (X509 *cert = NULL; e == 0 && x509_next(bio, &cert) == 0; n++) {
		e = X509_STORE_add_cert(store, cert) == 1 ? 0 : ERR_NO_MEMORY;
		X509_free(cert);
	}
	ERR_clear_error();
	return e < 0 ? e : n > 0 ? 0 : ERR_VALUE;
}

int object_trust_new(
	const struct span *trust, size_t n, const struct crl_list *lists, struct object_trust **ret_trust)
{
	struct object_trust *t = calloc(1, sizeof(*t));
	int e = t && (t->store = X509_STORE_new()) ? 0 : ERR_NO_MEMORY;
	for (size_t i = 0; e == 0 && i < n; i++) {
		e = add_file(t->store, trust[i]);
	}
	e = e < 0 ? e : object_trust_stamps(t, trust, n);
	if (e < 0) {
		object_trust_free(t);
		return e;
	}
	t->lists = lists;
	*ret_trust = t;
	return 0;
}

int object_trust_stamps(struct object_trust *t, const struct span *trust, size_t n)
{
	X509_STORE *store = X509_STORE_new();
	int e = store ? 0 : ERR_NO_MEMORY;
	for (size_t i = 0; e == 0 && i < n; i++) {
		e = add_file(store, trust[i]);
	}
	if (e < 0) {
		X509_STORE_free(store);
		return e;
	}
	X509_STORE_free(t->stamps);
	t->stamps = store;
	return 0;
}

void object_trust_free(struct object_trust *t)
{
	if (t) {
		X509_STORE_free(t->stamps);
		X509_STORE_free(t->store);
		free(t);
	}
}

/* ---- The certificate ---- */

void object_say(struct object_verdict *v, enum object_state state, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(v->why, sizeof(v->why), format, args);
	va_end(args);
	v->state = state;
}

/* A signature that is right: by somebody whom we believe? */
void object_judge_certificate(
	const struct object_trust *t, X509 *cert, int64_t now_s, struct object_verdict *v)
{
	int64_t at_s = v->stamp.present && v->stamp.state == OBJECT_GOOD ? v->stamp.time_s : now_s;
	char revoked[200] = "";
	uint32_t usage = X509_get_key_usage(cert);
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	bool ready = store && X509_STORE_CTX_init(store, t->store, cert, NULL) == 1;
	if (ready) {
		X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
		X509_VERIFY_PARAM_set_time(param, (time_t)at_s);
		(void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	}
	if (!ready) {
		object_say(v, OBJECT_UNKNOWN, "no memory");
	} else if (!(usage & (X509v3_KU_DIGITAL_SIGNATURE | X509v3_KU_NON_REPUDIATION))) {
		object_say(v, OBJECT_UNTRUSTED, "its certificate is not for signatures");
	} else if (x509_key_is_short(cert)) {
		object_say(v, OBJECT_UNTRUSTED, "its key is too short to prove anything");
	} else if (X509_verify_cert(store) != 1) {
		object_say(v, OBJECT_UNTRUSTED, "its certificate is not to be trusted: %s",
			X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
	} else if (crl_chain_revoked(t->lists, X509_STORE_CTX_get0_chain(store), now_s, "its certificate",
			   revoked, sizeof(revoked))) {
		object_say(v, OBJECT_UNTRUSTED, "%s", revoked);
	}
	X509_STORE_CTX_free(store);
}

/* ---- One signature ---- */

/* What the profile of reports asks of a data set (PS3.15 C.4). */
struct document {
	char sop_class[UID_MAX + 1], verification[17];
	unsigned observers;
	uint32_t value; /* the tag of that which comes; 0: of none */
	uint8_t buf[UID_MAX + 2];
};

struct check {
	const struct document *document;
	const struct signed_mac *params;
	const struct signed_signature *s;
	struct mac_scope item; /* of the signature's own */
	bool is_signed;        /* Pixel Representation */
	struct mac over, own;
	struct mac_list list;
	EVP_MD_CTX *verify;
	uint8_t *own_bytes; /* OWN_MOST of them */
	size_t own_len;
	bool own_lost; /* they did not fit */
};

static void update(void *arg, struct span bytes)
{
	(void)EVP_DigestVerifyUpdate(((struct check *)arg)->verify, bytes.ptr, bytes.len);
}

/* The item's own come last, though elements may stand behind it: private ones of groups FFFB and FFFD. */
static void keep_own(void *arg, struct span bytes)
{
	struct check *c = arg;
	c->own_lost = c->own_lost || bytes.len > OWN_MOST - c->own_len;
	if (!c->own_lost) {
		memcpy(c->own_bytes + c->own_len, bytes.ptr, bytes.len);
		c->own_len += bytes.len;
	}
}

static int pass(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	struct check *c = arg;
	int e = mac_event(&c->over, d, event, encoding);
	e = e < 0 ? e : mac_event(&c->own, d, event, encoding);
	return e < 0 ? e : mac_list_event(&c->list, d, event, encoding);
}

static bool is_in_order(const struct signed_mac *m)
{
	for (size_t i = 0; i < m->n_tags; i++) {
		if (!mac_is_signable(m->tags[i]) || (i > 0 && m->tags[i] <= m->tags[i - 1])) {
			return false;
		}
	}
	return m->n_tags > 0;
}

/* PS3.15 C.1: the hashes that are to be verified. weak: that no new signature is made with. */
const EVP_MD *object_hash_of(const char *algorithm, uint8_t *ret_weak)
{
	static const struct {
		const char *name;
		bool weak;
	} hashes[] = {{"SHA256", false}, {"SHA384", false}, {"SHA512", false}, {"RIPEMD160", true},
		{"SHA1", true}, {"MD5", true}};
	for (unsigned i = 0; i < ARRAY_LEN(hashes); i++) {
		if (strcmp(hashes[i].name, algorithm) == 0) {
			*ret_weak = hashes[i].weak;
			return EVP_get_digestbyname(algorithm);
		}
	}
	return NULL;
}

const char *object_fault(const struct signed_signature *s, const struct signed_mac *m, const EVP_MD *hash)
{
	enum encoding encoding;
	return !m ? "its MAC parameters are missing, or there are several"
	       : strcmp(s->certificate_type, "X509_1993_SIG") != 0
	               ? "its certificate is of another type than X509_1993_SIG"
	       : !hash ? "its MAC algorithm is none of PS3.15 C.1"
	       : m->syntax[0] &&
	                       (encoding_of(span_str(m->syntax), &encoding) < 0 ||
				       (encoding != ENCODING_EXPLICIT_LE && encoding != ENCODING_DEFLATED_LE))
	               ? "its MAC is over another encoding than explicit VR little endian"
	       : !is_in_order(m) ? "its list of elements is empty, out of order, or has what cannot be signed"
	       : s->value_len == 0 ? "it has no signature"
	                           : NULL;
}

X509 *object_certificate(const struct signed_signature *s)
{
	const unsigned char *at = s->certificate;
	X509 *cert = s->certificate ? d2i_X509(NULL, &at, (long)s->certificate_len) : NULL;
	ERR_clear_error();
	/* A NUL of padding may follow. */
	size_t left = cert ? (size_t)(s->certificate + s->certificate_len - at) : 0;
	if (left > 1 || (left == 1 && *at != 0)) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

/* RFC 8017 8.2.2: as long as the modulus, which has an even number of bytes but for odd keys, and then a byte of padding. */
struct span object_value(const struct signed_signature *s, const EVP_PKEY *key)
{
	size_t size = (size_t)EVP_PKEY_get_size(key), len = s->value_len;
	return span_of(s->value, len - (len == size + 1 && s->value[size] == 0));
}

static bool is_right(struct check *c, EVP_PKEY *key)
{
	struct span value = object_value(c->s, key);
	update(c, span_of(c->own_bytes, c->own_len));
	bool right = value.len == (size_t)EVP_PKEY_get_size(key) &&
	             EVP_DigestVerifyFinal(c->verify, value.ptr, value.len) == 1;
	ERR_clear_error();
	return right;
}

void object_judge_stamp(const struct signed_signature *s, const EVP_PKEY *key, const struct object_trust *t,
	int64_t now_s, struct object_verdict *v)
{
	if (!s->has_timestamp) {
		return;
	}
	if (strcmp(s->timestamp_type, "CMS_TSP") == 0 && s->timestamp) {
		timestamp_judge(span_of(s->timestamp, s->timestamp_len), object_value(s, key), t->stamps,
			t->lists, now_s, &v->stamp);
		return;
	}
	snprintf(v->stamp.why, sizeof(v->stamp.why), "%s",
		s->timestamp ? "it is of another type than CMS_TSP" : "it is too long");
}

/* Structured Reports and Key Object Selection Documents, with one Verifying Observer at most. */
static bool is_report(const struct document *d)
{
	static const char of_reports[] = "1.2.840.10008.5.1.4.1.1.88.";
	return strncmp(d->sop_class, of_reports, sizeof(of_reports) - 1) == 0 && d->observers <= 1;
}

static bool is_verified(const struct document *d)
{
	return strcmp(d->verification, "VERIFIED") == 0;
}

static void judge_profiles(const struct check *c, struct object_verdict *v)
{
	v->covers_all = c->params->n_tags == c->list.n &&
	                memcmp(c->params->tags, c->list.tags, c->list.n * sizeof(*c->list.tags)) == 0;
	if (c->s->scope.depth > 0) {
		return;
	}
	v->profiles = sign_profiles(
		c->list.tags, c->list.n, c->params->tags, c->params->n_tags, SIGNED_CREATOR, &v->lacking);
	/* PS3.15 C.4: a purpose, and that of verification (5) of a report that is verified. */
	if (!c->s->purpose[0] || !is_report(c->document)) {
		v->profiles &= ~(unsigned)(SIGNED_REPORT | SIGNED_VERIFIED_REPORT);
	} else if (!is_verified(c->document) || strcmp(c->s->purpose, "5") != 0 ||
		   strcmp(c->s->purpose_scheme, "ASTM-sigpurpose") != 0) {
		v->profiles &= ~(unsigned)SIGNED_VERIFIED_REPORT;
	}
}

static void verify_with(struct check *c, struct span file, const struct object_trust *t, X509 *cert,
	const EVP_MD *hash, int64_t now_s, struct object_verdict *v)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	struct object_pass p = {.file = file, .each = pass, .arg = c};
	c->over = (struct mac){.scope = &c->s->scope,
		.tags = c->params->tags,
		.n_tags = c->params->n_tags,
		.sink = update,
		.arg = c};
	mac_representation(&c->over, c->is_signed);
	c->own = (struct mac){.scope = &c->item,
		.tags = object_apart,
		.n_tags = OBJECT_APART,
		.but = true,
		.sink = keep_own,
		.arg = c};
	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
		EVP_DigestVerifyInit(c->verify, NULL, hash, NULL, key) != 1) {
		object_say(v, OBJECT_UNKNOWN, "its certificate has no RSA key");
		return;
	}
	object_judge_stamp(c->s, key, t, now_s, v);
	int e = object_pass(&p);
	if (e < 0) {
		object_say(v, OBJECT_UNKNOWN, "%s",
			e == ERR_UNSUPPORTED
				? "an element that is signed is of VR UN, or has such in it: it came by another way "
				  "than it was signed on"
				: err_str(e));
	} else if (c->own_lost) {
		object_say(v, OBJECT_UNKNOWN, "its item is longer than those that are read");
	} else if (c->over.n_signed != c->params->n_tags) {
		object_say(v, OBJECT_FALSE, "an element that was signed is not there any more");
	} else if (!is_right(c, key)) {
		object_say(
			v, OBJECT_FALSE, "what was signed is something else, or it is signed by another key");
	} else {
		v->state = OBJECT_GOOD;
		object_judge_certificate(t, cert, now_s, v);
	}
	v->when = (uint8_t)object_time_of(v, cert, now_s);
	if (e == 0) {
		judge_profiles(c, v);
	}
}

void object_copy_facts(const struct signed_signature *s, const struct signed_mac *m, struct object_verdict *v)
{
	size_t len = 0;
	memcpy(v->uid, s->uid, sizeof(v->uid));
	memcpy(v->time, s->time, sizeof(v->time));
	memcpy(v->purpose, s->purpose, sizeof(v->purpose));
	v->stamp.present = s->has_timestamp;
	v->stamp.state = OBJECT_UNKNOWN;
	snprintf(v->stamp.why, sizeof(v->stamp.why), "%s",
		s->has_timestamp ? "the signature that it is over cannot be told" : "");
	if (m) {
		memcpy(v->algorithm, m->algorithm, sizeof(v->algorithm));
		v->n_signed = (uint32_t)m->n_tags;
		for (size_t i = 0; i < m->n_tags; i++) {
			v->over_instance |= m->tags[i] == TAG_SOP_INSTANCE;
		}
	}
	for (unsigned i = 0; i < s->scope.depth && len < sizeof(v->where) - 1; i++) {
		int n = snprintf(v->where + len, sizeof(v->where) - len, "%s(%04X,%04X)[%u]", i ? "." : "",
			s->scope.path[i] >> 16, s->scope.path[i] & 0xFFFF, s->scope.item[i]);
		len += n > 0 ? (size_t)n : 0;
	}
}

static int verify_one(struct check *c, struct span file, const struct object_trust *t, int64_t now_s,
	struct object_verdict *v)
{
	object_copy_facts(c->s, c->params, v);
	const EVP_MD *hash = c->params ? object_hash_of(c->params->algorithm, &v->weak) : NULL;
	const char *fault = object_fault(c->s, c->params, hash);
	X509 *cert CLEANUP(x509_freep) = object_certificate(c->s);
	if (cert) {
		x509_name_text(X509_get_subject_name(cert), v->subject, sizeof(v->subject));
	}
	if (fault || !cert || !c->params) {
		object_say(v, OBJECT_UNKNOWN, "%s", fault ? fault : "its certificate cannot be read");
		return 0;
	}
	if (c->s->scope.depth == LIMIT_SEQUENCE_DEPTH) {
		object_say(v, OBJECT_UNKNOWN, "it lies too deep");
		return 0;
	}
	c->item = c->s->scope;
	c->item.path[c->item.depth] = TAG_SIGNATURES;
	c->item.item[c->item.depth++] = c->s->number;
	c->list.scope = &c->s->scope;
	c->list.tags = calloc(MAC_TAGS_MOST, sizeof(*c->list.tags));
	c->verify = EVP_MD_CTX_new();
	c->own_bytes = malloc(OWN_MOST);
	int e = c->list.tags && c->verify && c->own_bytes ? 0 : ERR_NO_MEMORY;
	if (e == 0) {
		verify_with(c, file, t, cert, hash, now_s, v);
	}
	free(c->own_bytes);
	free(c->list.tags);
	EVP_MD_CTX_free(c->verify);
	ERR_clear_error();
	return e;
}

/* ---- All ---- */

#define TAG_SOP_CLASS          0x00080016u
#define TAG_VERIFYING_OBSERVER 0x0040A073u
#define TAG_VERIFICATION_FLAG  0x0040A493u

struct collected {
	struct signed_facts facts;
	struct document document;
};

static void look_at(struct document *w, struct dataset *d, int event)
{
	if (event == DATASET_ITEM && d->depth == 1 && d->path[0] == TAG_VERIFYING_OBSERVER) {
		w->observers++;
	} else if (event == DATASET_ELEMENT) {
		bool wanted = d->depth == 0 && (d->tag == TAG_SOP_CLASS || d->tag == TAG_VERIFICATION_FLAG);
		w->value = wanted ? d->tag : 0;
		if (wanted) {
			dataset_collect(d, w->buf, sizeof(w->buf));
		}
	} else if (event == DATASET_VALUE && w->value && !d->truncated) {
		bool is_class = w->value == TAG_SOP_CLASS;
		struct span text = vr_trim(is_class ? "UI" : "CS", d->value);
		size_t most = is_class ? sizeof(w->sop_class) : sizeof(w->verification);
		snprintf(is_class ? w->sop_class : w->verification, most, "%.*s", (int)text.len,
			(const char *)(text.ptr ? text.ptr : (const uint8_t *)""));
	}
}

static int collect(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	struct collected *c = arg;
	look_at(&c->document, d, event);
	return signed_event(&c->facts, d, event, encoding);
}

static int look(struct collected *all, struct span file, const struct object_trust *t, int64_t now_s,
	struct object_report *ret)
{
	struct object_pass p = {.file = file, .each = collect, .arg = all};
	const struct signed_facts *f = &all->facts;
	int e = object_pass(&p);
	if (e < 0) {
		snprintf(ret->why, sizeof(ret->why), "it cannot be read as a DICOM file: %s", err_str(e));
		return e;
	}
	ret->verified = is_report(&all->document) && is_verified(&all->document);
	for (unsigned i = 0; e == 0 && i < f->n_signatures; i++) {
		struct object_verdict *v = &ret->verdicts[ret->n++];
		struct check c = {.document = &all->document,
			.s = &f->signatures[i],
			.params = signed_mac_of(f, &f->signatures[i]),
			.is_signed = f->is_signed};
		*v = (struct object_verdict){.state = OBJECT_UNKNOWN};
		if (p.noted & MAC_BAD_NOTES) {
			object_copy_facts(c.s, c.params, v);
			object_say(v, OBJECT_UNKNOWN,
				"the file's structure is broken, and could be read in more than one way");
			continue;
		}
		e = verify_one(&c, file, t, now_s, v);
	}
	return e;
}

int object_verify(
	struct span file, const struct object_trust *trust, int64_t now_s, struct object_report *ret)
{
	struct collected *f = calloc(1, sizeof(*f));
	ret->n = 0;
	ret->verified = 0;
	ret->why[0] = 0;
	int e = f ? look(f, file, trust, now_s, ret) : ERR_NO_MEMORY;
	if (f) {
		signed_done(&f->facts);
	}
	free(f);
	if (e < 0 && !ret->why[0]) {
		snprintf(ret->why, sizeof(ret->why), "%s", err_str(e));
	}
	return e;
}
