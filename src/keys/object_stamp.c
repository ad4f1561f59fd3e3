/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/sign_write.h"
#include "keys/object.h"
#include "keys/timestamp.h"

#include <openssl/err.h>
#include <openssl/ts.h>
#include <stdio.h>
#include <stdlib.h>

#define TAG_SIGNATURES 0xFFFAFFFAu
#define TAG_STAMP_TYPE 0x04000305u
#define TAG_STAMP      0x04000310u

/* Where the timestamp of a data set's own signature goes, by the signature's number. */
struct place {
	uint64_t at, length_at;
	uint32_t length; /* of the item; UNDEFINED_LENGTH */
	bool found;
};

struct job {
	struct signed_facts facts;
	struct place items[SIGNED_MOST + 1];
	struct place *item; /* that is being read */
	uint64_t length_at; /* of the sequence */
	uint32_t length;
	enum encoding encoding;
};

static void look_for(struct job *j, const struct dataset *d, int event, enum encoding encoding)
{
	bool begins = event == DATASET_ELEMENT || event == DATASET_SEQUENCE;
	if (event == DATASET_SEQUENCE && d->depth == 0 && d->tag == TAG_SIGNATURES) {
		j->length = d->length;
		j->length_at = d->offset + (encoding == ENCODING_IMPLICIT_LE ? 4 : 8);
	}
	if (d->depth != 1 || d->path[0] != TAG_SIGNATURES) {
		return;
	}
	if (event == DATASET_ITEM) {
		j->item = d->number <= SIGNED_MOST ? &j->items[d->number] : NULL;
		if (j->item) {
			*j->item = (struct place){.length = d->length, .length_at = d->offset + 4};
		}
	} else if (j->item && !j->item->found &&
		   (event == DATASET_ITEM_END || (begins && d->tag > TAG_STAMP))) {
		j->item->found = true;
		j->item->at = d->offset;
	}
}

static int look(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	struct job *j = arg;
	look_for(j, d, event, encoding);
	return signed_event(&j->facts, d, event, encoding);
}

static int fail(struct object_signed *ret, int e, const char *why)
{
	snprintf(ret->why, sizeof(ret->why), "%s", why);
	return e;
}

/* The signature that it is over; with and without padding (see object_verify.c). */
static const struct signed_signature *find(const struct job *j, struct span token)
{
	for (unsigned i = 0; i < j->facts.n_signatures; i++) {
		const struct signed_signature *s = &j->facts.signatures[i];
		bool padded = s->value_len > 0 && s->value[s->value_len - 1] == 0;
		if (s->scope.depth == 0 && s->value_len > 0 &&
			(timestamp_is_over(token, span_of(s->value, s->value_len)) == 0 ||
				(padded && timestamp_is_over(token, span_of(s->value, s->value_len - 1)) ==
						   0))) {
			return s;
		}
	}
	return NULL;
}

static void add_edit(struct object_signed *r, uint64_t at, uint32_t leave_out, struct writer *w, size_t from)
{
	r->edits[r->n_edits++] =
		(struct object_edit){at, leave_out, (uint32_t)from, (uint32_t)(w->len - from)};
}

static int longer(struct object_signed *r, uint64_t at, uint32_t length, size_t by, enum encoding encoding,
	struct writer *w)
{
	uint8_t bytes[4];
	size_t from = w->len;
	if (length == UNDEFINED_LENGTH) {
		return 0;
	}
	if (by > UINT32_MAX - 1 - length) {
		return ERR_LENGTH;
	}
	sign_write_length(length + (uint32_t)by, encoding, bytes);
	writer_bytes(w, bytes, 4);
	add_edit(r, at, 4, w, from);
	return writer_end(w);
}

static int put_in(struct job *j, const struct place *p, struct span token, struct object_signed *ret)
{
	struct writer w = writer_of(ret->bytes, sizeof(ret->bytes)), trial = w;
	int e = sign_write_stamp(token, j->encoding, &trial);
	size_t len = trial.len;
	e = e < 0 ? e : longer(ret, j->length_at, j->length, len, j->encoding, &w);
	e = e < 0 ? e : longer(ret, p->length_at, p->length, len, j->encoding, &w);
	size_t from = w.len;
	e = e < 0 ? e : sign_write_stamp(token, j->encoding, &w);
	if (e == 0) {
		add_edit(ret, p->at, 0, &w, from);
	}
	return e < 0 ? fail(ret, e, "the timestamp does not fit") : 0;
}

static int stamp(struct job *j, struct span file, struct span token, struct object_signed *ret)
{
	struct object_pass p = {.file = file, .each = look, .arg = j};
	int e = object_pass(&p);
	if (e < 0 || p.noted & MAC_BAD_NOTES) {
		return fail(ret, e < 0 ? e : ERR_VALUE,
			"it cannot be read as a DICOM file, or its structure is broken");
	}
	ret->deflated_at = p.encoding == ENCODING_DEFLATED_LE ? p.data_at : 0;
	j->encoding = p.encoding;
	const struct signed_signature *s = find(j, token);
	if (!s) {
		return fail(ret, ERR_NOT_FOUND, "the timestamp is over none of its signatures");
	}
	if (s->has_timestamp || s->timestamp_type[0]) {
		return fail(ret, ERR_EXISTS, "its signature has a timestamp already");
	}
	if (s->number > SIGNED_MOST || !j->items[s->number].found) {
		return fail(ret, ERR_VALUE, "its signatures cannot be read");
	}
	memcpy(ret->uid, s->uid, sizeof(ret->uid));
	return put_in(j, &j->items[s->number], token, ret);
}

int object_stamp(struct span file, struct span response, struct object_signed *ret)
{
	uint8_t *token = NULL;
	size_t len = 0;
	struct job *j = calloc(1, sizeof(*j));
	ret->n_edits = 0;
	ret->why[0] = 0;
	int e = j ? timestamp_of_response(response, &token, &len, ret->why, sizeof(ret->why)) : ERR_NO_MEMORY;
	e = e < 0 ? e : stamp(j, file, span_of(token, len), ret);
	if (e < 0) {
		ret->n_edits = 0;
	}
	if (j) {
		signed_done(&j->facts);
	}
	free(j);
	free(token);
	return e;
}

int object_stamp_query(const uint8_t sha256[32], uint8_t *buf, size_t cap, size_t *ret_len)
{
	TS_REQ *q = TS_REQ_new();
	TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	X509_ALGOR *algorithm = X509_ALGOR_new();
	unsigned char *der = NULL;
	bool ok = q && imprint && algorithm;
	ok = ok && X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) == 1 &&
	     TS_MSG_IMPRINT_set_algo(imprint, algorithm) == 1 &&
	     TS_MSG_IMPRINT_set_msg(imprint, (unsigned char *)(uintptr_t)sha256, 32) == 1 &&
	     TS_REQ_set_version(q, 1) == 1 && TS_REQ_set_msg_imprint(q, imprint) == 1 &&
	     TS_REQ_set_cert_req(q, 1) == 1;
	int len = ok ? i2d_TS_REQ(q, &der) : -1;
	ok = len > 0 && (size_t)len <= cap;
	if (ok) {
		memcpy(buf, der, (size_t)len);
		*ret_len = (size_t)len;
	}
	OPENSSL_free(der);
	X509_ALGOR_free(algorithm);
	TS_MSG_IMPRINT_free(imprint);
	TS_REQ_free(q);
	ERR_clear_error();
	return ok ? 0 : ERR_NO_MEMORY;
}
