/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/likeness.h"

#include "dicom/dataset.h"
#include "dicom/encoding.h"
#include "transform/originals.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#define TAG_SIGNATURES 0xFFFAFFFAu
#define TAG_UID        0x04000100u
#define TAG_TIME       0x04000105u
#define TAG_SIGNATURE  0x04000120u
#define TAG_ENCRYPTED  0x04000500u
#define TAG_CONTENT    0x04000520u
#define BUFFER         (64u * 1024)

struct likeness {
	EVP_MD_CTX *ctx, *aside; /* aside: of encrypted content, until it is known whether it counts */
	bool is_aside;
	uint8_t creator[sizeof(ORIGINALS_CREATOR) - 1];
	unsigned n_creator;         /* of the value that passes; more than there is room for: it is another */
	bool is_creator, is_marked; /* of this item */
	bool has_mark;              /* of any */
	struct dataset d;
	struct inflater inflater;
	bool is_signed, failed;
	uint8_t buf[BUFFER];
};

static void hash_to(struct likeness *l, EVP_MD_CTX *ctx, const void *bytes, size_t n)
{
	l->failed = (n > 0 && EVP_DigestUpdate(ctx, bytes, n) != 1) || l->failed;
}

static void hash(struct likeness *l, const void *bytes, size_t n)
{
	hash_to(l, l->ctx, bytes, n);
}

void likeness_prepare(void)
{
	uint8_t digest[LIKENESS_LEN];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1) {
		(void)EVP_DigestFinal_ex(c, digest, NULL);
	}
	EVP_MD_CTX_free(c);
}

/* In an item of the signatures. */
static bool is_within(const struct dataset *d)
{
	return d->depth > 0 && d->path[0] == TAG_SIGNATURES;
}

/* What each signature has of its own. */
static bool is_own(const struct dataset *d)
{
	return is_within(d) && d->depth == 1 &&
	       (d->tag == TAG_UID || d->tag == TAG_TIME || d->tag == TAG_SIGNATURE);
}

/* ---- What was encrypted ---- */

/* In an item of it. */
static bool is_sealed(const struct dataset *d)
{
	return d->depth == 1 && d->path[0] == TAG_ENCRYPTED;
}

static void begin_sealed(struct likeness *l, int event)
{
	const struct dataset *d = &l->d;
	if (event == DATASET_ITEM) {
		l->is_creator = l->is_marked = l->is_aside = false;
	} else if (event == DATASET_ELEMENT) {
		l->n_creator = 0;
		l->is_marked =
			l->is_marked || (l->is_creator && d->tag == TAG_MARK && d->length == ORIGINALS_MARK);
		if (d->tag == TAG_CONTENT && !l->is_aside) {
			l->is_aside = true;
			l->failed = EVP_DigestInit_ex(l->aside, EVP_sha256(), NULL) != 1 || l->failed;
		}
	}
}

static void take_creator(struct likeness *l)
{
	struct span v = l->d.value;
	if (v.len > sizeof(l->creator) - l->n_creator) {
		l->n_creator = sizeof(l->creator) + 1;
		return;
	}
	if (v.len > 0) {
		memcpy(l->creator + l->n_creator, v.ptr, v.len);
		l->n_creator += (unsigned)v.len;
	}
	l->is_creator = l->d.last_piece && l->n_creator == sizeof(l->creator) &&
	                memcmp(l->creator, ORIGINALS_CREATOR, sizeof(l->creator)) == 0;
}

static void take_sealed(struct likeness *l)
{
	const struct dataset *d = &l->d;
	if (d->tag == TAG_CONTENT) {
		hash_to(l, l->aside, d->value.ptr, d->value.len);
		return;
	}
	if (d->tag == TAG_MARK_CREATOR && l->n_creator <= sizeof(l->creator)) {
		take_creator(l);
	}
	hash(l, d->value.ptr, d->value.len);
}

/* Without a mark the content counts as it is. */
static void end_sealed(struct likeness *l)
{
	uint8_t digest[LIKENESS_LEN];
	if (l->is_aside && !l->is_marked) {
		l->failed = EVP_DigestFinal_ex(l->aside, digest, NULL) != 1 || l->failed;
		hash(l, digest, sizeof(digest));
	}
	l->has_mark = l->has_mark || (l->is_aside && l->is_marked);
	l->is_aside = false;
}

static void take(struct likeness *l, int event)
{
	struct dataset *d = &l->d;
	bool is_around = is_within(d) || d->tag == TAG_SIGNATURES;
	const struct {
		uint32_t event, tag, depth, length, number;
		char vr[4];
	} head = {.event = (uint32_t)event,
		.tag = d->tag,
		.depth = d->depth,
		.length = is_around && (event != DATASET_ELEMENT || is_own(d)) ? 0 : d->length,
		.number = event == DATASET_NOTE                                ? d->note
	                  : event == DATASET_ITEM || event == DATASET_FRAGMENT ? d->number
	                                                                       : 0,
		.vr = {d->vr[0], d->vr[0] ? d->vr[1] : '\0'}};
	bool sealed = is_sealed(d);
	if (event == DATASET_VALUE && sealed) {
		take_sealed(l);
		return;
	}
	if (event == DATASET_VALUE) {
		hash(l, d->value.ptr, d->value.len);
		return;
	}
	if (sealed && event == DATASET_ITEM_END) {
		end_sealed(l);
	} else if (sealed) {
		begin_sealed(l, event);
	}
	hash(l, &head, sizeof(head));
	l->is_signed = l->is_signed || (event == DATASET_ELEMENT && is_within(d) && d->tag == TAG_SIGNATURE);
	if ((event == DATASET_ELEMENT && !is_own(d)) || event == DATASET_FRAGMENT) {
		dataset_pieces(d);
	}
}

static int read_on(struct likeness *l)
{
	int event;
	while ((event = dataset_next(&l->d)) > 0 && event != DATASET_END) {
		take(l, event);
	}
	return event;
}

static int read_all(struct likeness *l, int fd, uint64_t at)
{
	int e = DATASET_MORE;
	while (e == DATASET_MORE) {
		ssize_t n = pread(fd, l->buf, sizeof(l->buf), (off_t)at);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return ERR_SYSTEM;
		}
		if (n == 0) {
			dataset_last(&l->d);
			e = read_on(l);
			break;
		}
		dataset_feed(&l->d, span_of(l->buf, (size_t)n));
		at += (uint64_t)n;
		e = read_on(l);
	}
	return e == DATASET_END ? 0 : e == ERR_NO_MEMORY ? e : ERR_VALUE;
}

int likeness_of(int fd, uint64_t at, struct span transfer_syntax, uint8_t ret[LIKENESS_LEN])
{
	enum encoding encoding;
	struct likeness *l = calloc(1, sizeof(*l));
	if (!l) {
		return ERR_NO_MEMORY;
	}
	l->ctx = EVP_MD_CTX_new();
	l->aside = EVP_MD_CTX_new();
	int e = l->ctx && l->aside && EVP_DigestInit_ex(l->ctx, EVP_sha256(), NULL) == 1 ? 0 : ERR_NO_MEMORY;
	e = e ? e : encoding_of(transfer_syntax, &encoding) < 0 ? ERR_VALUE : 0;
	e = e ? e : dataset_begin(&l->d, encoding, &l->inflater);
	e = e ? e : read_all(l, fd, at);
	e = e ? e : !l->is_signed && !l->has_mark ? ERR_NOT_FOUND : 0;
	e = e == 0 && (l->failed || EVP_DigestFinal_ex(l->ctx, ret, NULL) != 1) ? ERR_SYSTEM : e;
	EVP_MD_CTX_free(l->aside);
	EVP_MD_CTX_free(l->ctx);
	free(l);
	return e;
}
