/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dataset_parts.h"

#define WITHOUT_END UINT64_MAX

static void begin_top(struct dataset *d, enum encoding encoding)
{
	if (encoding == ENCODING_DEFLATED_LE) {
		encoding = ENCODING_EXPLICIT_LE;
	}
	d->n_frames = 1;
	d->frames[0] = (struct dataset_frame){.end = WITHOUT_END, .encoding = (uint8_t)encoding};
}

static int begin_inflating(struct dataset *d, struct inflater *inflater)
{
	d->inflater = inflater;
	d->failed = inflater ? inflater_begin(inflater) : ERR_UNSUPPORTED;
	return d->failed;
}

int dataset_begin(struct dataset *d, enum encoding encoding, struct inflater *inflater)
{
	memset(d, 0, offsetof(struct dataset, frames));
	dataset_chunk(d, (struct span){0});
	begin_top(d, encoding);
	return encoding == ENCODING_DEFLATED_LE ? begin_inflating(d, inflater) : 0;
}

int dataset_go_on(struct dataset *d, enum encoding encoding, struct inflater *inflater)
{
	d->only_group = 0;
	begin_top(d, encoding);
	if (encoding != ENCODING_DEFLATED_LE) {
		return 0;
	}
	int err = begin_inflating(d, inflater);
	if (err) {
		return err;
	}
	struct span rest = span_of(d->chunk.ptr + d->pos, left_in_chunk(d)), piece;
	d->base = here(d);
	d->chunk.len = 0;
	d->pos = 0;
	dataset_chunk(d, (struct span){0});
	if (d->n_stash > 0) {
		inflater_feed(inflater, span_of(d->stash, d->n_stash));
		d->n_stash = 0;
		if (inflater_next(inflater, &piece) == 0) {
			return ERR_VALUE; /* no deflated stream says anything in its first eight bits */
		}
	}
	inflater_feed(inflater, rest);
	return 0;
}

void dataset_feed(struct dataset *d, struct span chunk)
{
	if (d->inflater) {
		inflater_feed(d->inflater, chunk);
	} else {
		dataset_chunk(d, chunk);
	}
}

void dataset_last(struct dataset *d)
{
	d->is_last = true;
}

void dataset_collect(struct dataset *d, void *buf, size_t cap)
{
	d->wish = COLLECT;
	d->buf = buf;
	d->cap = cap;
}

void dataset_pieces(struct dataset *d)
{
	d->wish = PIECES;
}

void dataset_open_un(struct dataset *d)
{
	d->opens_un = UN_IS_OPENED;
}

void dataset_try_un(struct dataset *d)
{
	d->opens_un = UN_IS_TRIED;
}

const char *dataset_note_name(enum dataset_note n)
{
	static const char *const names[] = {
		[NOTE_ORDER] = "order",
		[NOTE_DUPLICATE] = "duplicate",
		[NOTE_ODD_LENGTH] = "odd-length",
		[NOTE_VR_UNKNOWN] = "vr-unknown",
		[NOTE_VR_MALFORMED] = "vr-malformed",
		[NOTE_RESERVED] = "reserved",
		[NOTE_UNDEFINED_LENGTH] = "undefined-length",
		[NOTE_DELIMITER_LENGTH] = "delimiter-length",
		[NOTE_DELIMITER_STRAY] = "delimiter-stray",
		[NOTE_DELIMITER_MISSING] = "delimiter-missing",
		[NOTE_FILE_META_LENGTH] = "file-meta-length",
		[NOTE_TRAILING] = "trailing",
		[NOTE_UNKNOWN_BROKEN] = "unknown-broken",
	};
	static_assert(ARRAY_LEN(names) == NOTE_N, "a name for each");
	return names[n];
}
