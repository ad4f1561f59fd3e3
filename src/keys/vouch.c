/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/vouch.h"
#include "dicom/sign_profile.h"
#include "keys/half_hash.h"
#include "keys/object_parts.h"

#include <stdio.h>
#include <stdlib.h>

struct vouch {
	struct dataset d;
	struct inflater inflater;
	enum encoding encoding;
	char syntax[UID_MAX + 1];
	int failed;
	bool over;
	struct mac_scope top;
	struct mac mac;
	struct mac_list list;
	struct signed_facts facts;
	struct sign_places places;
	/* Of the element at the top that is being read: what to go back to if it cannot be signed. */
	struct half_hash hash, before;
	size_t n_before;
	bool spoilt;
	uint16_t id;
	char why[160];
	uint32_t tags[MAC_TAGS_MOST];
};

static int fail(struct vouch *v, int e, const char *why)
{
	snprintf(v->why, sizeof(v->why), "%s", why);
	return e;
}

static void sink(void *arg, struct span s)
{
	struct vouch *v = arg;
	half_hash_add(&v->hash, s);
}

/* ---- Events ---- */

/* The element before is whole: is it signed? */
static void settle(struct vouch *v)
{
	if (v->spoilt && v->list.n > v->n_before) {
		v->list.n = v->n_before;
	}
	if (v->list.n == v->n_before) {
		v->hash = v->before;
	}
}

static int take(struct vouch *v, int event)
{
	struct dataset *d = &v->d;
	bool begins = event == DATASET_ELEMENT || event == DATASET_SEQUENCE || event == DATASET_ENCAPSULATED;
	if (begins && d->depth == 0) {
		settle(v);
		v->before = v->hash;
		v->n_before = v->list.n;
		v->spoilt = false;
	}
	sign_places_event(&v->places, d, event, v->encoding);
	int e = mac_list_event(&v->list, d, event, v->encoding);
	if (e < 0) {
		return fail(v, e, "it has more elements than one signature can be over");
	}
	v->spoilt |= mac_event(&v->mac, d, event, v->encoding) < 0 || v->mac.guesses;
	v->mac.guesses = false;
	/* After that: an element of a signature is collected, in one piece. */
	e = signed_event(&v->facts, d, event, v->encoding);
	return e == ERR_LIMIT ? fail(v, e, "it has more signatures than are looked at") : e;
}

static void run(struct vouch *v)
{
	while (!v->over) {
		int event = dataset_next(&v->d);
		if (event == DATASET_MORE) {
			return;
		}
		v->over = event < 0 || event == DATASET_END;
		v->failed = event < 0 ? event : v->over ? 0 : take(v, event);
		v->over = v->over || v->failed < 0;
	}
}

int vouch_new(struct span transfer_syntax, enum object_hash hash, struct vouch **ret_vouch)
{
	struct vouch *v = calloc(1, sizeof(*v));
	transfer_syntax = uid_trim(transfer_syntax);
	int e = !v ? ERR_NO_MEMORY : transfer_syntax.len > UID_MAX ? ERR_UNSUPPORTED : 0;
	if (e == 0 && encoding_of(transfer_syntax, &v->encoding) < 0) {
		e = ERR_UNSUPPORTED;
	}
	e = e == 0 ? dataset_begin(&v->d, v->encoding, &v->inflater) : e;
	if (e < 0) {
		free(v);
		return e;
	}
	memcpy(v->syntax, transfer_syntax.ptr, transfer_syntax.len);
	v->mac = (struct mac){.scope = &v->top, .but = true, .sink = sink, .arg = v};
	v->list = (struct mac_list){.scope = &v->top, .tags = v->tags};
	half_hash_begin(&v->hash, hash);
	v->before = v->hash;
	*ret_vouch = v;
	return 0;
}

void vouch_free(struct vouch *v)
{
	if (v) {
		signed_done(&v->facts);
		free(v);
	}
}

void vouch_feed(struct vouch *v, struct span bytes)
{
	if (!v->over) {
		dataset_feed(&v->d, bytes);
		run(v);
	}
}

/* ---- The end ---- */

static int judge(struct vouch *v, enum vouch_profile profile)
{
	uint32_t lacking = 0;
	if (v->failed < 0) {
		if (!v->why[0]) {
			snprintf(v->why, sizeof(v->why), "at byte %llu: %s", (unsigned long long)v->d.offset,
				err_str(v->failed));
		}
		return v->failed == ERR_NO_MEMORY || v->failed == ERR_LIMIT ? v->failed : ERR_VALUE;
	}
	if (v->d.noted & MAC_BAD_NOTES || v->places.odd) {
		return fail(v, ERR_VALUE, "its structure is broken, and could be read in more than one way");
	}
	if (v->list.n == 0) {
		return fail(v, ERR_MISSING, "there is nothing in it that can be signed");
	}
	if (profile == VOUCH_CREATOR &&
		!(sign_profiles(v->tags, v->list.n, v->tags, v->list.n, SIGNED_CREATOR, &lacking) &
			SIGNED_CREATOR)) {
		snprintf(v->why, sizeof(v->why), "the Creator profile asks for (%04X,%04X)", lacking >> 16,
			lacking & 0xFFFF);
		return ERR_MISSING;
	}
	return 0;
}

int vouch_end(struct vouch *v, enum vouch_profile profile, struct vouch_sum *ret_sum)
{
	if (!v->over) {
		dataset_last(&v->d);
		run(v);
	}
	settle(v);
	int e = judge(v, profile);
	if (e < 0) {
		return e;
	}
	sign_places_end(&v->places, v->d.offset);
	v->id = object_free_id(&v->facts);
	ret_sum->id = v->id;
	half_hash_give(&v->hash, ret_sum);
	return 0;
}

const char *vouch_why(const struct vouch *v)
{
	return v->why;
}

uint64_t vouch_length(const struct vouch *v)
{
	return v->d.offset;
}

size_t vouch_count(const struct vouch *v)
{
	return v->list.n;
}

enum encoding vouch_encoding(const struct vouch *v)
{
	return v->encoding;
}

int vouch_edits(struct vouch *v, const struct vouch_made *made, struct object_signed *ret)
{
	const struct sign_fields f = {.id = v->id,
		.syntax = object_mac_syntax(v->encoding, v->syntax),
		.algorithm = object_hash_words[v->hash.kind],
		.tags = v->tags,
		.n_tags = v->list.n,
		.uid = made->uid,
		.time = made->time,
		.certificate = made->certificate,
		.value = made->value};
	ret->n_edits = 0;
	ret->deflated_at = 0;
	ret->n_signed = (uint32_t)v->list.n;
	memcpy(ret->uid, made->uid, sizeof(ret->uid));
	return object_edits(&v->places, &f, v->encoding, ret);
}
