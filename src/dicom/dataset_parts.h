/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_DATASET_PARTS_H
#define DICOM_DATASET_PARTS_H

#include "dicom/dataset.h"

/* For dataset.c, dataset_begin.c alone. */
enum { AT_HEAD, IN_VALUE, IN_STASH, AT_UNKNOWN }; /* d->state */
enum { SKIP, COLLECT, PIECES };                   /* d->wish */
enum { UN_IS_BYTES, UN_IS_OPENED, UN_IS_TRIED };  /* d->opens_un */

/* The offset of the next byte that is read. */
static inline uint64_t here(const struct dataset *d)
{
	return d->base + d->pos - d->n_stash;
}

static inline size_t left_in_chunk(const struct dataset *d)
{
	return d->chunk.len - d->pos;
}

/* The chunk before it is used up. */
static inline void dataset_chunk(struct dataset *d, struct span chunk)
{
	static const uint8_t nothing[1];
	d->base += d->chunk.len;
	d->chunk = chunk.len > 0 ? chunk : span_of(nothing, 0); /* nothing is added to a null pointer */
	d->pos = 0;
}

#endif
