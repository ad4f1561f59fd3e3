/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/mail_open.h"

#include "base/put.h"
#include "keys/mime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIGNATURE_MOST (256u * 1024)

struct walk {
	const struct cms_opening *o;
	const int *files;
	unsigned n_files; /* used */
	int64_t now_s;
	struct cms_found *found, around;
	uint64_t at; /* bytes of files[0] */
	unsigned depth;
};

static int walk(struct walk *w, struct span bytes);

static int fail(struct walk *w, int err, const char *why)
{
	snprintf(w->found->why, sizeof(w->found->why), "%s", why);
	return err;
}

static int put_file(void *arg, struct span bytes)
{
	return put_all(*(const int *)arg, bytes);
}

static int decode_failed(struct walk *w, int e)
{
	return e == ERR_SYSTEM        ? fail(w, e, strerror(errno))
	       : e == ERR_UNSUPPORTED ? fail(w, e, "a part of it is encoded in a way that is not known")
	       : e == ERR_SPACE       ? fail(w, ERR_LIMIT, "its signature is longer than any would be")
	                        : fail(w, ERR_VALUE, "it is damaged: a part of it is not encoded as it says");
}

/* ---- DICOM ---- */

static int put_part(void *arg, struct span bytes)
{
	struct walk *w = arg;
	w->at += bytes.len;
	return put_all(w->files[0], bytes);
}

static int take_dicom(struct walk *w, const char *id, enum mime_encoding encoding, struct span body)
{
	struct mail_part part = {.at = w->at, .around = w->around};
	snprintf(part.id, sizeof(part.id), "%s", id);
	int e = mime_decode(encoding, body, put_part, w);
	if (e < 0) {
		return decode_failed(w, e);
	}
	part.len = w->at - part.at;
	e = put_all(w->files[1], span_of((const uint8_t *)&part, sizeof(part)));
	return e < 0 ? decode_failed(w, e) : 0;
}

/* ---- CMS ---- */

/* Whoever signed outside has signed all that is inside, and who is nearer to it counts. */
static void go_in(struct walk *w, const struct cms_found *f)
{
	w->around.enveloped |= f->enveloped;
	w->around.digested |= f->digested;
	if (f->signer != CMS_NOBODY) {
		w->around.signer = f->signer;
		snprintf(w->around.subject, sizeof(w->around.subject), "%s", f->subject);
		snprintf(w->around.doubt, sizeof(w->around.doubt), "%s", f->doubt);
	}
}

static int open_cms(struct walk *w, struct span der)
{
	struct cms_found before = w->around, *f = w->found;
	const int *layers = w->files + w->n_files;
	w->n_files += CMS_LAYERS;
	int e = cms_open(w->o, der, layers, w->now_s, f);
	if (e < 0 || f->len == 0) {
		return e;
	}
	go_in(w, f);
	size_t len = (size_t)f->len;
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, layers[f->layers - 1], 0);
	if (map == MAP_FAILED) {
		return fail(w, ERR_SYSTEM, strerror(errno));
	}
	struct span in = span_of(map, len);
	bool dicom = len > 132 && memcmp(in.ptr + 128, "DICM", 4) == 0;
	e = dicom ? take_dicom(w, "", MIME_PLAIN, in) : walk(w, in);
	(void)munmap(map, len);
	w->around = before;
	return e;
}

/* Room for one more round: the file that it is decoded into, and its layers. */
static bool has_round(const struct walk *w)
{
	return MAIL_FILES - w->n_files >= 1 + CMS_LAYERS;
}

static int take_cms(struct walk *w, const struct mime_entity *entity)
{
	if (!has_round(w)) {
		return fail(w, ERR_LIMIT, "it is sealed in itself too often");
	}
	int file = w->files[w->n_files++], e = mime_decode(entity->encoding, entity->body, put_file, &file);
	off_t len = lseek(file, 0, SEEK_END);
	if (e < 0 || len <= 0) {
		return e < 0 ? decode_failed(w, e)
		             : fail(w, ERR_VALUE, "what should be encrypted or signed is empty");
	}
	void *map = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, file, 0);
	if (map == MAP_FAILED) {
		return fail(w, ERR_SYSTEM, strerror(errno));
	}
	e = open_cms(w, span_of(map, (size_t)len));
	(void)munmap(map, (size_t)len);
	return e;
}

struct memory {
	uint8_t *ptr;
	size_t len;
};

static int put_memory(void *arg, struct span bytes)
{
	struct memory *m = arg;
	if (bytes.len > SIGNATURE_MOST - m->len) {
		return ERR_SPACE;
	}
	memcpy(m->ptr + m->len, bytes.ptr, bytes.len);
	m->len += bytes.len;
	return 0;
}

/* RFC 1847 2.1: what is signed, and the signature. */
static int take_signed(struct walk *w, const struct mime_entity *entity)
{
	struct mime_parts parts = mime_parts_of(entity);
	struct mime_entity signature;
	struct span content, second;
	struct cms_found before = w->around;
	struct memory m = {.ptr = malloc(SIGNATURE_MOST)};
	if (!m.ptr) {
		return fail(w, ERR_NO_MEMORY, "there is no memory");
	}
	int e = mime_parts_next(&parts, &content) == 1 && mime_parts_next(&parts, &second) == 1 &&
	                        mime_read(second, &signature) == 0 && signature.kind == MIME_SIGNATURE
	                ? 0
	                : fail(w, ERR_VALUE, "it should be signed, and its signature is not there");
	int decoded = e == 0 ? mime_decode(signature.encoding, signature.body, put_memory, &m) : 0;
	e = decoded < 0 ? decode_failed(w, decoded) : e;
	e = e < 0 ? e : cms_verify_text(w->o, span_of(m.ptr, m.len), content, w->now_s, w->found);
	free(m.ptr);
	if (e < 0) {
		return e;
	}
	go_in(w, w->found);
	e = walk(w, content);
	w->around = before;
	return e;
}

/* ---- Parts ---- */

static int take_parts(struct walk *w, const struct mime_entity *entity)
{
	struct mime_parts parts = mime_parts_of(entity);
	struct span part;
	int more, e = 0;
	while (e == 0 && (more = mime_parts_next(&parts, &part)) != 0) {
		e = more < 0 ? fail(w, more, "it ends before its end: it is cut off or damaged")
		             : walk(w, part);
	}
	return e;
}

static int take_entity(struct walk *w, const struct mime_entity *entity)
{
	switch (entity->kind) {
	case MIME_MULTIPART:
		return take_parts(w, entity);
	case MIME_SIGNED:
		return take_signed(w, entity);
	case MIME_CMS:
		return take_cms(w, entity);
	case MIME_DICOM:
		return take_dicom(w, entity->id, entity->encoding, entity->body);
	default:
		return 0;
	}
}

static int walk(struct walk *w, struct span bytes)
{
	struct mime_entity entity;
	int e = mime_read(bytes, &entity);
	if (e == ERR_TYPE) {
		/* A part without a head is text: RFC 2046 5.1. */
		return w->depth > 0 ? 0 : fail(w, e, "it is no mail");
	}
	if (e < 0) {
		return fail(w, e, "it is damaged: a part of it that has parts does not say where they end");
	}
	if (w->depth == MAIL_DEPTH_MOST) {
		return fail(w, ERR_LIMIT, "it has parts in parts too often");
	}
	w->depth++;
	e = take_entity(w, &entity);
	w->depth--;
	return e;
}

int mail_open(const struct cms_opening *o, struct span bytes, const int files[MAIL_FILES], int64_t now_s,
	struct cms_found *found)
{
	struct walk w = {.o = o, .files = files, .n_files = 2, .now_s = now_s, .found = found};
	bool bare = bytes.len > 0 && bytes.ptr[0] == 0x30;
	int e = bare ? open_cms(&w, bytes) : walk(&w, bytes);
	if (e == 0 && lseek(files[1], 0, SEEK_END) == 0) {
		e = fail(&w, ERR_NOT_FOUND, "no DICOM file is in it");
	}
	return e;
}
