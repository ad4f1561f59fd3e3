/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DICOM_EVENTS_H
#define TESTS_DICOM_EVENTS_H

#include "net_bytes.h"

#include <stdio.h>

#include "dicom/file.h"

/* What a parse said, as a digest; two parses that say the same have the same. */
struct digest {
	uint64_t hash;
	unsigned n; /* events */
	int result; /* DATASET_END or the error */
	uint32_t noted;
};

enum ask { ASK_SKIP, ASK_COLLECT, ASK_PIECES };

/* A parse of one file or data set. */
struct parse {
	bool is_file;
	bool tries;             /* dataset_try_un() */
	enum encoding encoding; /* of a data set */
	enum ask ask;
	FILE *text; /* events are printed here too, unless NULL */
	struct dicom_file f;
	struct inflater inflater;
	uint8_t buf[40];
	struct digest digest;
};

static inline void mix(struct digest *g, uint64_t v)
{
	g->hash = (g->hash ^ v) * 0x9E3779B97F4A7C15u;
	g->hash ^= g->hash >> 29;
}

static inline void mix_bytes(struct digest *g, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		g->hash = (g->hash ^ s.ptr[i]) * 0x100000001B3u;
	}
}

static inline const char *event_name(int event)
{
	static const char *const names[] = {"more", "element", "value", "sequence", "sequence-end", "item",
		"item-end", "encapsulated", "fragment", "encapsulated-end", "note", "end"};
	return names[event];
}

static inline void print_event(FILE *to, const struct dataset *d, int event)
{
	if (event == DATASET_NOTE) {
		fprintf(to, "note %s @%lu\n", dataset_note_name(d->note), (unsigned long)d->offset);
	} else if (event == DATASET_VALUE) {
		fprintf(to, "value %zu%s\n", d->value.len, d->truncated ? "+" : "");
	} else {
		fprintf(to, "%s %08x%s%s %x @%lu /%u\n", event_name(event), d->tag, d->vr[0] ? " " : "",
			d->vr, d->length, (unsigned long)d->offset, d->depth);
	}
}

static inline void parse_event(struct parse *p, int event)
{
	struct dataset *d = &p->f.d;
	struct digest *g = &p->digest;
	if (p->text) {
		print_event(p->text, d, event);
	}
	if (event == DATASET_VALUE && p->ask == ASK_PIECES) {
		mix_bytes(g, d->value);
		g->n += d->last_piece;
		return;
	}
	g->n++;
	mix(g, (uint64_t)event << 32 | d->tag);
	if (event == DATASET_VALUE) {
		mix(g, d->truncated);
		mix_bytes(g, d->value);
		return;
	}
	mix(g, d->offset);
	mix(g, (uint64_t)d->length << 32 | (uint32_t)d->vr[0] << 8 | (uint8_t)d->vr[1]);
	if (event == DATASET_NOTE) {
		mix(g, d->note);
		return;
	}
	mix(g, d->depth);
	for (unsigned i = 0; i < d->depth; i++) {
		mix(g, d->path[i]);
		mix(g, dataset_item_number(d, i));
	}
	if (event == DATASET_ITEM || event == DATASET_FRAGMENT) {
		mix(g, d->number);
	}
	if (event == DATASET_ELEMENT || event == DATASET_FRAGMENT) {
		if (p->ask == ASK_COLLECT) {
			dataset_collect(d, p->buf, sizeof(p->buf));
		} else if (p->ask == ASK_PIECES) {
			dataset_pieces(d);
		}
	}
}

static inline void parse_begin(struct parse *p)
{
	p->digest = (struct digest){.hash = 1};
	if (p->is_file) {
		file_begin(&p->f, &p->inflater);
	} else {
		assert_int_equal(dataset_begin(&p->f.d, p->encoding, &p->inflater), 0);
	}
	if (p->tries) {
		dataset_try_un(&p->f.d);
	}
}

static inline int parse_run(struct parse *p)
{
	int event;
	while ((event = p->is_file ? file_next(&p->f) : dataset_next(&p->f.d)) > 0) {
		parse_event(p, event);
		if (event == DATASET_END) {
			break;
		}
	}
	return event;
}

static inline void parse_feed(struct parse *p, struct span piece)
{
	if (p->digest.result == 0) {
		dataset_feed(&p->f.d, piece);
		p->digest.result = parse_run(p);
	}
}

static inline struct digest parse_end(struct parse *p)
{
	if (p->digest.result == 0) {
		dataset_last(&p->f.d);
		p->digest.result = parse_run(p);
	}
	mix(&p->digest, p->f.d.offset);
	p->digest.noted = p->f.d.noted;
	return p->digest;
}

/* In pieces of this many bytes; 0: whole. Each in an allocation of its own, if exactly. */
static inline struct digest parse_in_pieces(struct parse *p, struct span s, size_t step, bool exactly)
{
	parse_begin(p);
	for (size_t at = 0; at < s.len;) {
		size_t n = step > 0 && step < s.len - at ? step : s.len - at;
		struct span piece = span_of(s.ptr + at, n);
		if (exactly) {
			struct span copy = exact(piece.ptr, piece.len);
			parse_feed(p, copy);
			exact_free(copy);
		} else {
			parse_feed(p, piece);
		}
		at += n;
	}
	return parse_end(p);
}

/* In two pieces, cut here. */
static inline struct digest parse_cut(struct parse *p, struct span s, size_t at)
{
	parse_begin(p);
	parse_feed(p, span_of(s.ptr, at));
	parse_feed(p, span_of(s.ptr + at, s.len - at));
	return parse_end(p);
}

static inline bool digest_eq(struct digest a, struct digest b)
{
	return a.hash == b.hash && a.n == b.n && a.result == b.result && a.noted == b.noted;
}

#endif
