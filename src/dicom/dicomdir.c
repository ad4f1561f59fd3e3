/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dicomdir.h"

#include "dicom/vr.h"

#define REFERENCED_FILE_ID  0x00041500u
#define REFERENCED_INSTANCE 0x00041511u

void dicomdir_begin(struct dicomdir *d)
{
	file_begin(&d->f, NULL);
	d->reading = 0;
	d->unread = 0;
	d->has = d->over = false;
	d->result = 0;
	d->instance[0] = '\0';
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

/* Behind the elements that say which file it is, and what. */
static bool ends(const struct dataset *d, int event)
{
	switch (event) {
	case DATASET_ELEMENT:
	case DATASET_SEQUENCE:
	case DATASET_ENCAPSULATED:
		return d->tag > REFERENCED_INSTANCE || d->tag == REFERENCED_FILE_ID;
	case DATASET_ITEM:
	case DATASET_ITEM_END:
	case DATASET_SEQUENCE_END:
		return true;
	default:
		return false;
	}
}

static void take(struct dicomdir *d, int event)
{
	struct dataset *s = &d->f.d;
	if (event == DATASET_ELEMENT) {
		bool ours = s->depth > 0 &&
		            (s->tag == REFERENCED_FILE_ID || (d->has && s->tag == REFERENCED_INSTANCE));
		d->reading = ours ? s->tag : 0;
		if (ours) {
			dataset_collect(s, d->value, sizeof(d->value));
		}
	} else if (event == DATASET_VALUE && d->reading == REFERENCED_FILE_ID) {
		d->has = !s->truncated && join(s->value, d->path);
		d->unread += !d->has;
		d->uid[0] = '\0';
	} else if (event == DATASET_VALUE && d->reading == REFERENCED_INSTANCE) {
		struct span uid = uid_trim(s->value);
		if (!s->truncated && uid_valid(uid)) {
			memcpy(d->uid, uid.ptr, uid.len);
			d->uid[uid.len] = '\0';
		}
	}
}

static bool give(struct dicomdir *d, char ret_path[DICOMDIR_PATH + 1])
{
	bool has = d->has;
	if (has) {
		memcpy(ret_path, d->path, sizeof(d->path));
		memcpy(d->instance, d->uid, sizeof(d->uid));
		d->has = false;
	}
	return has;
}

int dicomdir_next(struct dicomdir *d, char ret_path[DICOMDIR_PATH + 1])
{
	while (!d->over) {
		int event = file_next(&d->f);
		if (event == DATASET_MORE) {
			return 0;
		}
		d->over = event < 0 || event == DATASET_END;
		d->result = event < 0 ? event : 0;
		bool given = (d->over || ends(&d->f.d, event)) && give(d, ret_path);
		if (!d->over) {
			take(d, event);
		}
		if (given) {
			return 1;
		}
	}
	return d->result;
}
