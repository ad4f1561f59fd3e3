/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/remake.h"

#include "dicom/tag.h"
#include "gateway/book.h"
#include "keys/link.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct remake_known *find(struct remake_names *n, enum pseudonym kind, struct span value)
{
	unsigned most = n->n < REMAKE_KNOWN ? n->n : REMAKE_KNOWN;
	for (unsigned i = 0; i < most; i++) {
		struct remake_known *k = &n->known[i];
		if (k->kind == kind && k->len == value.len && memcmp(k->value, value.ptr, value.len) == 0) {
			return k;
		}
	}
	return NULL;
}

/* A patient without an ID has no old one: its pseudonym is the study's. */
static bool is_entered(const struct remake_names *n, enum pseudonym kind)
{
	bool nameless = n->engine && header_value(&n->engine->head_scan, HEADER_PATIENT_ID).len == 0;
	return n->book && (kind == PSEUDONYM_UID || (kind == PSEUDONYM_PATIENT && !nameless));
}

static int enter(struct remake_names *n, enum pseudonym kind, struct span value, uint8_t ret[32])
{
	uint8_t entry[NAME_ENTRY];
	bool has = false;
	int e = link_name(kind, value, ret, entry, &has);
	return e == 0 && has ? book_note(n->book, entry) : e;
}

void remake_forget(struct remake_names *names)
{
	names->n = 0;
}

static int make(void *arg, enum pseudonym kind, struct span value, uint8_t ret[32])
{
	struct remake_names *n = arg;
	bool fits = value.len > 0 && value.len <= REMAKE_VALUE, enters = is_entered(n, kind);
	struct remake_known *k = fits ? find(n, kind, value) : NULL;
	if (k && (k->entered || !enters)) {
		memcpy(ret, k->pseudonym, sizeof(k->pseudonym));
		return 0;
	}
	int e = enters ? enter(n, kind, value, ret) : link_pseudonym(kind, value, ret);
	if (e == 0 && k) {
		k->entered = true;
	} else if (e == 0 && fits) {
		struct remake_known *new = &n->known[n->n++ % REMAKE_KNOWN];
		n->n = n->n == 2 * REMAKE_KNOWN ? REMAKE_KNOWN : n->n;
		*new = (struct remake_known){
			.kind = (uint8_t)kind, .len = (uint8_t)value.len, .entered = enters};
		memcpy(new->value, value.ptr, value.len);
		memcpy(new->pseudonym, ret, sizeof(new->pseudonym));
	}
	return e;
}

const struct pseudonyms *remake_pseudonyms(struct remake_names *names)
{
	names->pseudonyms = (struct pseudonyms){.make = make, .arg = names};
	return &names->pseudonyms;
}

int remake_uid(struct remake_names *names, const struct deidentify_rules *rules, struct span uid,
	char ret_uid[UID_MAX + 1])
{
	uid = uid_trim(uid);
	if (!(rules->options & OPTION_UIDS)) {
		return pseudonym_uid(remake_pseudonyms(names), uid, ret_uid);
	}
	if (uid.len > UID_MAX) {
		return ERR_VALUE;
	}
	memcpy(ret_uid, uid.len ? (const char *)uid.ptr : "", uid.len);
	ret_uid[uid.len] = 0;
	return 0;
}

int remake_begin(struct remake *r, const struct deidentify_rules *rules, struct remake_names *names,
	struct span transfer_syntax)
{
	remake_drop(r);
	r->anew = rules != NULL;
	r->on = !rules;
	if (!rules) {
		return 0;
	}
	if (!r->engine) {
		r->engine = malloc(sizeof(*r->engine));
	}
	if (!r->engine) {
		return ERR_NO_MEMORY;
	}
	r->rules = *rules;
	r->names = names;
	r->book = names->book;
	int e = deidentify_begin(r->engine, &r->rules, remake_pseudonyms(names), transfer_syntax, NULL);
	names->engine = r->engine;
	r->on = e == 0;
	return e;
}

void remake_drop(struct remake *r)
{
	if (r->on && r->anew) {
		deidentify_done(r->engine);
	}
	r->on = r->anew = r->ended = r->last = false;
	r->splice = NULL;
	r->piece = r->fed = span_of(NULL, 0);
	r->len = r->passed = 0;
}

int remake_again(struct remake *r, struct span encrypted, struct span mark, const struct deidentify_log *log,
	struct span transfer_syntax)
{
	deidentify_done(r->engine);
	r->on = r->last = false;
	r->rules.encrypted = encrypted;
	r->rules.mark = mark;
	int e = deidentify_begin(r->engine, &r->rules, remake_pseudonyms(r->names), transfer_syntax, log);
	r->on = e == 0;
	return e;
}

/* Whose pseudonyms the key holder is asked for. */
static void asks(struct remake *r)
{
	r->names->engine = r->engine;
	r->names->book = r->book;
}

int remake_look(struct remake *r)
{
	struct span unused;
	int e;
	asks(r);
	while ((e = deidentify_next(r->engine, &unused)) == DEIDENTIFY_BYTES) {
	}
	return e;
}

void remake_feed(struct remake *r, struct span bytes)
{
	if (r->anew) {
		deidentify_feed(r->engine, bytes);
	} else {
		r->fed = bytes;
	}
}

void remake_last(struct remake *r)
{
	r->last = true;
	if (r->anew) {
		deidentify_last(r->engine);
	}
}

static_assert((int)SPLICE_MORE == DEIDENTIFY_MORE && (int)SPLICE_BYTES == DEIDENTIFY_BYTES &&
		      (int)SPLICE_END == DEIDENTIFY_END,
	"one follows the other");

/* Of the object without a signature. */
static int next_plain(struct remake *r, struct span *ret_piece)
{
	if (r->anew) {
		return deidentify_next(r->engine, ret_piece);
	}
	if (r->fed.len == 0) {
		return r->last ? DEIDENTIFY_END : DEIDENTIFY_MORE;
	}
	*ret_piece = r->fed;
	r->fed = span_of(NULL, 0);
	return DEIDENTIFY_BYTES;
}

static int next(struct remake *r, struct span *ret_piece)
{
	if (!r->splice) {
		return next_plain(r, ret_piece);
	}
	int e;
	while ((e = splice_next(r->splice, ret_piece)) == SPLICE_MORE) {
		struct span plain;
		int got = next_plain(r, &plain);
		if (got == DEIDENTIFY_BYTES) {
			splice_feed(r->splice, plain);
		} else if (got == DEIDENTIFY_END) {
			splice_last(r->splice);
		} else {
			return got;
		}
	}
	return e;
}

int remake_make(struct remake *r)
{
	if (r->anew) {
		asks(r);
	}
	while (!r->ended) {
		size_t room = sizeof(r->made) - r->len, n = r->piece.len < room ? r->piece.len : room;
		if (n > 0) {
			memcpy(r->made + r->len, r->piece.ptr, n);
			r->len += n;
			r->piece = span_of(r->piece.ptr + n, r->piece.len - n);
		}
		if (r->len == sizeof(r->made)) {
			return REMAKE_FULL;
		}
		int e = next(r, &r->piece);
		if (e < 0) {
			return e;
		}
		if (e == DEIDENTIFY_MORE && !r->last) {
			return REMAKE_WANTS;
		}
		if (e == DEIDENTIFY_MORE) {
			return ERR_ORDER; /* it wants more than all */
		}
		r->ended = e == DEIDENTIFY_END;
	}
	return REMAKE_OVER;
}

const char *remake_why(const struct deidentify *engine, int e, char *buf, size_t cap)
{
	if (e == ERR_CLOSED || e == ERR_TIMEOUT || e == ERR_PEER) {
		return "the key holder, which makes pseudonyms, is away";
	}
	if (e == ERR_SPACE) {
		return "the book of names, where old names are kept, does not answer, or cannot be written";
	}
	if (e == ERR_NO_MEMORY) {
		return "there is no memory for it";
	}
	if (e == ERR_NOT_FOUND) {
		return "its transfer syntax is none of the standard's";
	}
	if (e == ERR_DENIED && engine && engine->why == DEIDENTIFY_BURNED_IN) {
		return "it says that text is burned into its pixels, `deidentify: burned-in`";
	}
	if (e == ERR_DENIED && engine && engine->why == DEIDENTIFY_DOCUMENT) {
		return "it holds a document or a voice, `deidentify: documents`";
	}
	if (e == ERR_DENIED && engine && engine->why == DEIDENTIFY_VIDEO) {
		return "it is a video, and its sound and the like could not be taken out, `deidentify: videos`";
	}
	if (engine && engine->wrong && (e == ERR_VALUE || e == ERR_LIMIT)) {
		snprintf(buf, cap, "%s(%04X,%04X) is %s", tag_keyword(engine->wrong), engine->wrong >> 16,
			engine->wrong & 0xFFFF,
			e == ERR_VALUE ? "no UID, or too long" : "too long to be changed");
		return buf;
	}
	snprintf(buf, cap, "at byte %" PRIu64 ": %s", engine ? engine->d.offset : 0, err_str(e));
	return buf;
}
