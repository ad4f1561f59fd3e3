/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/header_scan.h"

#include "dicom/vr.h"

#define SERIES_INSTANCE_UID 0x0020000Eu

/* In the order of enum header_field, and of tags. The room is for multi-byte characters and escape sequences too. */
static const struct {
	uint32_t tag;
	char vr[3];
	uint16_t at, room; /* in bytes[] */
} fields[] = {
	[HEADER_CHARSET] = {0x00080005, "CS", 0, 256},
	[HEADER_SOP_CLASS] = {0x00080016, "UI", 256, 80},
	[HEADER_SOP_INSTANCE] = {0x00080018, "UI", 336, 80},
	[HEADER_STUDY_DATE] = {0x00080020, "DA", 416, 32},
	[HEADER_ACCESSION] = {0x00080050, "SH", 448, 128},
	[HEADER_MODALITY] = {0x00080060, "CS", 576, 32},
	[HEADER_DESCRIPTION] = {0x00081030, "LO", 608, 320},
	[HEADER_PATIENT_NAME] = {0x00100010, "PN", 928, 1024},
	[HEADER_PATIENT_ID] = {0x00100020, "LO", 1952, 320},
	[HEADER_ISSUER] = {0x00100021, "LO", 2272, 320},
	[HEADER_BIRTH_DATE] = {0x00100030, "DA", 2592, 32},
	[HEADER_STUDY] = {0x0020000D, "UI", 2624, 80},
	[HEADER_SERIES] = {SERIES_INSTANCE_UID, "UI", 2704, 80},
};

static_assert(ARRAY_LEN(fields) == HEADER_N, "a row for each");
static_assert(2704 + 80 == HEADER_BYTES, "the last field ends where the room does");

int header_scan_begin(struct header_scan *s, struct span transfer_syntax, struct inflater *inflater)
{
	enum encoding encoding;
	int err = encoding_of(transfer_syntax, &encoding);
	memset(s->values, 0, sizeof(s->values));
	s->current = HEADER_N;
	err = err ? err : dataset_begin(&s->d, encoding, inflater);
	s->result = err ? err : HEADER_MORE;
	return err;
}

/* At the top an element begins. */
static void begin(struct header_scan *s)
{
	for (unsigned i = 0; i < HEADER_N; i++) {
		struct header_value *v = &s->values[i];
		if (fields[i].tag == s->d.tag) {
			v->repeated = v->present;
			v->present = true;
			if (!v->repeated) {
				s->current = (enum header_field)i;
				dataset_collect(&s->d, s->bytes + fields[i].at, fields[i].room);
			}
		}
	}
}

static void keep(struct header_scan *s)
{
	const struct dataset *d = &s->d;
	struct header_value *v = &s->values[s->current];
	uint8_t *room = s->bytes + fields[s->current].at;
	if (d->value.len > 0 && d->value.ptr != room) {
		memcpy(room, d->value.ptr, d->value.len);
	}
	struct span raw = span_of(room, d->value.len);
	struct span trimmed = d->truncated ? raw : vr_trim(fields[s->current].vr, raw);
	v->truncated = d->truncated;
	v->at = (uint16_t)(trimmed.ptr - s->bytes);
	v->len = (uint16_t)trimmed.len;
}

/* The next event's part in it: HEADER_MORE as long as there is more to see. */
static int take(struct header_scan *s, int event)
{
	switch (event) {
	case DATASET_ELEMENT:
	case DATASET_SEQUENCE:
	case DATASET_ENCAPSULATED:
		if (s->d.depth == 0 && s->d.tag > SERIES_INSTANCE_UID) {
			return HEADER_DONE;
		}
		if (s->d.depth == 0 && event == DATASET_ELEMENT) {
			begin(s);
		}
		return HEADER_MORE;
	case DATASET_VALUE:
		keep(s);
		return s->current == HEADER_SERIES ? HEADER_DONE : HEADER_MORE;
	default:
		return event == DATASET_END ? HEADER_DONE : HEADER_MORE;
	}
}

static int run(struct header_scan *s)
{
	int event = DATASET_MORE;
	while (s->result == HEADER_MORE && (event = dataset_next(&s->d)) > 0) {
		s->result = take(s, event);
	}
	if (event < 0) {
		s->result = event;
	}
	return s->result;
}

int header_scan_feed(struct header_scan *s, struct span bytes)
{
	if (s->result == HEADER_MORE) {
		dataset_feed(&s->d, bytes);
	}
	return run(s);
}

int header_scan_end(struct header_scan *s)
{
	dataset_last(&s->d);
	return run(s);
}

struct span header_value(const struct header_scan *s, enum header_field field)
{
	const struct header_value *v = &s->values[field];
	return v->len > 0 ? span_of(s->bytes + v->at, v->len) : (struct span){0};
}
