/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/object_watch.h"
#include "keys/object_parts.h"
#include "keys/x509.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

#define TAG_MAC_PARAMETERS 0x4FFE0001u
#define ELEMENTS_MOST      8192
#define GUESSES            64
#define OWN_MOST           (16u * 1024)

/* An element of the data set, as the MAC is over it. */
struct kept {
	uint32_t tag;
	bool lost;   /* its bytes did not fit */
	bool spoilt; /* it cannot be signed */
	size_t from, len;
};

/* A MAC that is made: of the parameters of that number in facts.macs. */
struct made {
	EVP_MD_CTX *ctx; /* NULL: it cannot be */
	size_t n;        /* of its elements that came */
	bool lost, spoilt;
	bool beyond; /* there were enough of them */
};

/* Of a signature's item what the MAC is over, after everything else. */
struct own {
	uint8_t *bytes; /* malloc'd; NULL: they did not fit */
	size_t len;
};

struct object_watch {
	struct dataset d;
	struct inflater inflater;
	enum encoding encoding;
	int failed;
	bool over, known; /* known: the parameters are behind us, or cannot come any more */
	struct mac_scope top, item;
	struct mac all, own;
	struct signed_facts facts;
	/* Until the parameters come */
	struct kept *elements; /* malloc'd, as bytes is */
	uint8_t *bytes;
	size_t n_elements, len;
	bool full; /* more elements than that */
	struct kept present;
	size_t guesses
		[GUESSES]; /* VRs among the bytes, which are US or SS: it is known when the parameters come (PS3.3 C.7.6.3.1) */
	unsigned n_guesses;
	bool is_listed[SIGNED_MOST]; /* the present element, by each MAC */
	struct made made[SIGNED_MOST];
	/* A signature's item */
	bool in_item, own_lost;
	size_t own_len;
	uint8_t own_bytes[OWN_MOST];
	struct own owns[SIGNED_MOST];
};

/* ---- Bytes of elements ---- */

static void sink(void *arg, struct span s)
{
	struct object_watch *w = arg;
	if (w->known) {
		for (unsigned i = 0; i < w->facts.n_macs; i++) {
			if (w->made[i].ctx && w->is_listed[i]) {
				(void)EVP_DigestUpdate(w->made[i].ctx, s.ptr, s.len);
			}
		}
		return;
	}
	if (w->present.lost || s.len > OBJECT_WATCH_MOST - w->len) {
		w->present.lost = true;
		return;
	}
	if (w->all.guesses && s.len == 2) {
		w->all.guesses = false;
		if (w->n_guesses == GUESSES) {
			w->present.lost = true;
			return;
		}
		w->guesses[w->n_guesses++] = w->len;
	}
	memcpy(w->bytes + w->len, s.ptr, s.len);
	w->len += s.len;
}

static void guess_right(struct object_watch *w)
{
	for (unsigned i = 0; i < w->n_guesses && mac_is_signed(&w->all); i++) {
		memcpy(w->bytes + w->guesses[i], "SS", 2);
	}
}

static void sink_own(void *arg, struct span s)
{
	struct object_watch *w = arg;
	if (w->own_lost || s.len > sizeof(w->own_bytes) - w->own_len) {
		w->own_lost = true;
		return;
	}
	memcpy(w->own_bytes + w->own_len, s.ptr, s.len);
	w->own_len += s.len;
}

static bool is_listed(const struct signed_mac *m, uint32_t tag)
{
	for (size_t low = 0, high = m->n_tags; low < high;) {
		size_t middle = low + (high - low) / 2;
		if (m->tags[middle] == tag) {
			return true;
		}
		if (m->tags[middle] < tag) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return false;
}

/* What came before the parameters. */
static void replay(struct object_watch *w, const struct signed_mac *m, struct made *made)
{
	for (size_t i = 0; i < w->n_elements; i++) {
		const struct kept *k = &w->elements[i];
		if (!is_listed(m, k->tag)) {
			continue;
		}
		made->n++;
		made->lost |= k->lost;
		made->spoilt |= k->spoilt;
		if (made->ctx && !k->lost) {
			(void)EVP_DigestUpdate(made->ctx, w->bytes + k->from, k->len);
		}
	}
}

static void end_element(struct object_watch *w)
{
	if (w->known) {
		for (unsigned i = 0; i < w->facts.n_macs; i++) {
			w->made[i].spoilt |= w->is_listed[i] && w->present.spoilt;
		}
	} else if (w->present.tag != 0) {
		struct kept *k = &w->present;
		if (k->lost) {
			w->len = k->from;
		}
		while (w->n_guesses > 0 && w->guesses[w->n_guesses - 1] >= w->len) {
			w->n_guesses--;
		}
		k->len = w->len - k->from;
		if (w->n_elements < ELEMENTS_MOST) {
			w->elements[w->n_elements++] = *k;
		} else {
			w->full = true;
		}
	}
	w->present = (struct kept){.from = w->len};
}

static void know(struct object_watch *w)
{
	unsigned n = 0;
	end_element(w);
	guess_right(w);
	for (unsigned i = 0; i < w->facts.n_macs; i++) {
		const struct signed_mac *m = &w->facts.macs[i];
		uint8_t weak;
		const EVP_MD *hash = m->scope.depth == 0 ? object_hash_of(m->algorithm, &weak) : NULL;
		struct made *made = &w->made[i];
		*made = (struct made){.lost = w->full, .beyond = hash && n == OBJECT_WATCH_MACS};
		made->ctx = hash && !made->beyond ? EVP_MD_CTX_new() : NULL;
		n += made->ctx != NULL;
		if (made->ctx && EVP_DigestInit_ex(made->ctx, hash, NULL) != 1) {
			EVP_MD_CTX_free(made->ctx);
			made->ctx = NULL;
		}
		if (m->scope.depth == 0) {
			replay(w, m, made);
		}
	}
	free(w->elements);
	free(w->bytes);
	w->elements = NULL;
	w->bytes = NULL;
	w->known = true;
}

static void begin_element(struct object_watch *w)
{
	uint32_t tag = w->d.tag;
	if (!w->known && tag > TAG_MAC_PARAMETERS) {
		know(w);
	}
	end_element(w);
	w->present.tag = tag == TAG_MAC_PARAMETERS ? 0 : tag;
	for (unsigned i = 0; w->known && i < w->facts.n_macs; i++) {
		const struct signed_mac *m = &w->facts.macs[i];
		w->is_listed[i] = m->scope.depth == 0 && mac_is_signable(tag) && is_listed(m, tag);
		w->made[i].n += w->is_listed[i];
	}
}

/* ---- A signature's item ---- */

static void begin_item(struct object_watch *w)
{
	w->in_item = true;
	w->own_lost = false;
	w->own_len = 0;
	w->item = (struct mac_scope){.depth = 1, .path = {TAG_SIGNATURES}, .item = {w->d.number}};
	w->own = (struct mac){.scope = &w->item,
		.tags = object_apart,
		.n_tags = OBJECT_APART,
		.but = true,
		.sink = sink_own,
		.arg = w};
}

/* Its own elements are kept to the end: what is signed may stand behind them, in private groups FFFB and FFFD. */
static void end_item(struct object_watch *w)
{
	w->in_item = false;
	if (w->facts.n_signatures == 0 || w->own_lost) {
		return;
	}
	struct own *o = &w->owns[w->facts.n_signatures - 1];
	o->bytes = malloc(w->own_len + 1);
	if (o->bytes) {
		memcpy(o->bytes, w->own_bytes, w->own_len);
		o->len = w->own_len;
	}
}

/* ---- Events ---- */

static int take(struct object_watch *w, int event)
{
	struct dataset *d = &w->d;
	bool begins = event == DATASET_ELEMENT || event == DATASET_SEQUENCE || event == DATASET_ENCAPSULATED;
	bool of_signature = d->depth == 1 && d->path[0] == TAG_SIGNATURES;
	if (begins && d->depth == 0) {
		begin_element(w);
	}
	/* What cannot be signed is no failure of what is. */
	w->present.spoilt |= mac_event(&w->all, d, event, w->encoding) < 0;
	if (event == DATASET_ITEM && of_signature) {
		begin_item(w);
	}
	if (w->in_item) {
		w->own_lost |= mac_event(&w->own, d, event, w->encoding) < 0;
		w->own_lost |= event == DATASET_VALUE && d->truncated;
	}
	/* After those: an element of an item is collected, in one piece. */
	int e = signed_event(&w->facts, d, event, w->encoding);
	if (event == DATASET_ITEM_END && of_signature) {
		end_item(w);
	}
	if (e == 0 && event == DATASET_SEQUENCE_END && d->depth == 0 && d->tag == TAG_MAC_PARAMETERS &&
		!w->known) {
		know(w);
	}
	return e;
}

static void run(struct object_watch *w)
{
	while (!w->over) {
		int event = dataset_next(&w->d);
		if (event == DATASET_MORE) {
			return;
		}
		w->over = event < 0 || event == DATASET_END;
		w->failed = event < 0 ? event : w->over ? 0 : take(w, event);
		w->over = w->over || w->failed < 0;
	}
}

int object_watch_new(struct span transfer_syntax, struct object_watch **ret_watch)
{
	struct object_watch *w = calloc(1, sizeof(*w));
	int e = w ? encoding_of(transfer_syntax, &w->encoding) : ERR_NO_MEMORY;
	e = e < 0 ? (w ? ERR_UNSUPPORTED : e) : dataset_begin(&w->d, w->encoding, &w->inflater);
	if (e == 0) {
		w->elements = calloc(ELEMENTS_MOST, sizeof(*w->elements));
		w->bytes = malloc(OBJECT_WATCH_MOST);
		e = w->elements && w->bytes ? 0 : ERR_NO_MEMORY;
		w->all = (struct mac){.scope = &w->top, .but = true, .sink = sink, .arg = w};
	}
	if (e < 0) {
		object_watch_free(w);
		return e;
	}
	*ret_watch = w;
	return 0;
}

void object_watch_free(struct object_watch *w)
{
	if (!w) {
		return;
	}
	for (unsigned i = 0; i < SIGNED_MOST; i++) {
		EVP_MD_CTX_free(w->made[i].ctx);
		free(w->owns[i].bytes);
	}
	signed_done(&w->facts);
	free(w->elements);
	free(w->bytes);
	free(w);
}

void object_watch_feed(struct object_watch *w, struct span bytes)
{
	if (!w->over) {
		dataset_feed(&w->d, bytes);
		run(w);
	}
}

/* ---- The verdicts ---- */

/* A MAC that several signatures may have, and then the item's own elements. 0: there is none. */
static unsigned digest_of(const struct made *made, const struct own *own, uint8_t to[EVP_MAX_MD_SIZE])
{
	unsigned len = 0;
	EVP_MD_CTX *copy = made->ctx && own->bytes ? EVP_MD_CTX_new() : NULL;
	bool ok = copy && EVP_MD_CTX_copy_ex(copy, made->ctx) == 1 &&
	          EVP_DigestUpdate(copy, own->bytes, own->len) == 1 &&
	          EVP_DigestFinal_ex(copy, to, &len) == 1;
	EVP_MD_CTX_free(copy);
	return ok ? len : 0;
}

static bool is_right(EVP_PKEY *key, const EVP_MD *hash, struct span digest, struct span value)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool right = ctx && value.len == (size_t)EVP_PKEY_get_size(key) && EVP_PKEY_verify_init(ctx) == 1 &&
	             EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	             EVP_PKEY_CTX_set_signature_md(ctx, hash) == 1 &&
	             EVP_PKEY_verify(ctx, value.ptr, value.len, digest.ptr, digest.len) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return right;
}

static void judge_mac(struct object_watch *w, unsigned at, const struct signed_mac *m, X509 *cert,
	const EVP_MD *hash, const struct object_trust *t, int64_t now_s, struct object_verdict *v)
{
	const struct signed_signature *s = &w->facts.signatures[at];
	const struct made *made = &w->made[m - w->facts.macs];
	EVP_PKEY *key = X509_get0_pubkey(cert);
	uint8_t digest[EVP_MAX_MD_SIZE];
	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
		object_say(v, OBJECT_UNKNOWN, "its certificate has no RSA key");
		return;
	}
	object_judge_stamp(s, key, t, now_s, v);
	unsigned len = digest_of(made, &w->owns[at], digest);
	if (made->spoilt) {
		object_say(v, OBJECT_UNKNOWN, "an element that is signed is of VR UN, or has such in it");
	} else if (made->beyond) {
		object_say(v, OBJECT_UNKNOWN, "it has more MAC parameters than are looked into in passing");
	} else if (made->lost || len == 0) {
		object_say(v, OBJECT_UNKNOWN,
			"what is signed is longer than what is kept of an object in passing");
	} else if (made->n != m->n_tags) {
		object_say(v, OBJECT_FALSE, "an element that was signed is not there any more");
	} else if (!is_right(key, hash, span_of(digest, len), object_value(s, key))) {
		object_say(
			v, OBJECT_FALSE, "what was signed is something else, or it is signed by another key");
	} else {
		v->state = OBJECT_GOOD;
		object_judge_certificate(t, cert, now_s, v);
	}
}

static void judge(struct object_watch *w, unsigned at, const struct object_trust *t, int64_t now_s,
	struct object_verdict *v)
{
	const struct signed_signature *s = &w->facts.signatures[at];
	const struct signed_mac *m = signed_mac_of(&w->facts, s);
	*v = (struct object_verdict){.state = OBJECT_UNKNOWN};
	object_copy_facts(s, m, v);
	const EVP_MD *hash = m ? object_hash_of(m->algorithm, &v->weak) : NULL;
	const char *fault = object_fault(s, m, hash);
	X509 *cert CLEANUP(x509_freep) = object_certificate(s);
	if (cert) {
		x509_name_text(X509_get_subject_name(cert), v->subject, sizeof(v->subject));
	}
	if (w->d.noted & MAC_BAD_NOTES) {
		object_say(v, OBJECT_UNKNOWN,
			"the object's structure is broken, and could be read in more than one way");
	} else if (s->scope.depth > 0) {
		object_say(v, OBJECT_UNKNOWN, "it is over an item, which is not looked into in passing");
	} else if (fault || !cert || !m) {
		object_say(v, OBJECT_UNKNOWN, "%s", fault ? fault : "its certificate cannot be read");
	} else {
		judge_mac(w, at, m, cert, hash, t, now_s, v);
	}
}

int object_watch_end(
	struct object_watch *w, const struct object_trust *trust, int64_t now_s, struct object_report *ret)
{
	ret->n = 0;
	ret->why[0] = 0;
	if (!w->over) {
		dataset_last(&w->d);
		run(w);
	}
	if (w->failed < 0) {
		snprintf(ret->why, sizeof(ret->why), "it cannot be read to its end: %s", err_str(w->failed));
		return w->failed;
	}
	for (unsigned i = 0; i < w->facts.n_signatures; i++) {
		judge(w, i, trust, now_s, &ret->verdicts[ret->n++]);
	}
	ERR_clear_error();
	return 0;
}
