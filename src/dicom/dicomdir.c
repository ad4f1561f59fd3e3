/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dicomdir.h"

#include "dicom/vr.h"

#define REFERENCED_FILE_ID 0x00041500u

void dicomdir_begin(struct dicomdir *d)
{
	file_begin(&d->f, NULL);
	d->reading = false;
	d->unread = 0;
}

void dicomdir_feed(struct dicomdir *d, struct span chunk)
{
	file_feed(&d->f, chunk);
}

void dicomdir_last(struct dicomdir *d)
{
	file_last(&d->f);
}

/* Padding goes from each component (PS3.5 6.2: CS). False: there is nothing to it. */
static bool join(struct span value, char to[DICOMDIR_PATH + 1])
{
	size_t n = 0;
	for (size_t at = 0; at <= value.len;) {
		const uint8_t *end = value.len > at ? memchr(value.ptr + at, '\\', value.len - at) : NULL;
		size_t stop = end ? (size_t)(end - value.ptr) : value.len;
		struct span part = vr_trim("CS", span_of(value.ptr + at, stop - at));
		if (n > 0) {
			to[n++] = '/';
		}
		for (size_t i = 0; i < part.len; i++) {
			to[n++] = (char)(part.ptr[i] < ' ' || part.ptr[i] == 0x7F ? '?' : part.ptr[i]);
		}
		at = stop + 1;
	}
	to[n] = '\0';
	return n > 0;
}

int dicomdir_next(struct dicomdir *d, char ret_path[DICOMDIR_PATH + 1])
{
	for (;;) {
		int event = file_next(&d->f);
		if (event == DATASET_VALUE && d->reading) {
			d->reading = false;
			if (!d->f.d.truncated && join(d->f.d.value, ret_path)) {
				return 1;
			}
			d->unread++;
		} else if (event == DATASET_ELEMENT && d->f.d.tag == REFERENCED_FILE_ID && d->f.d.depth > 0) {
			d->reading = true;
			dataset_collect(&d->f.d, d->value, sizeof(d->value));
		} else if (event <= 0 || event == DATASET_END) {
			return event == DATASET_END ? 0 : event;
		}
	}
}
