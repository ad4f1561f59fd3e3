/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"
#include "inspect/sealed.h"

#include "dicom/vr.h"

/* What stands in the place of the beginning that a file does not have. */
static const uint8_t prefix[FILE_PREAMBLE + 4] = {[FILE_PREAMBLE] = 'D', 'I', 'C', 'M'};

static void begin_data_set(struct inspect *i, enum encoding encoding)
{
	i->begun = true;
	int err = dataset_begin(&i->f.d, encoding, i->inflater);
	if (err) {
		i->over = true;
		found_at(i, CHECK_NOT_INSPECTED, 0, span_str(err_str(err)));
	}
	dataset_try_un(&i->f.d);
}

void inspect_begin(struct inspect *i, const struct inspect_about *about, struct inflater *inflater)
{
	enum encoding encoding;
	const size_t from = offsetof(struct inspect, n_findings), to = offsetof(struct inspect, f);
	memset((char *)i + from, 0, to - from);
	memset(&i->f.d, 0, offsetof(struct dataset, frames));
	i->f.in_meta = false;
	i->inflater = inflater;
	i->file = about->file;
	i->pixels[0].frames = i->pixels[1].frames = 1;
	uid_copy(i->sop_class, uid_trim(about->sop_class));
	uid_copy(i->sop_instance, uid_trim(about->sop_instance));
	if (i->file) {
		return;
	}
	uid_copy(i->syntax, uid_trim(about->transfer_syntax));
	if (encoding_of(uid_trim(about->transfer_syntax), &encoding) == 0) {
		begin_data_set(i, encoding);
		return;
	}
	i->over = i->begun = true;
	found_at(i, CHECK_TRANSFER_SYNTAX_UNKNOWN, 0, about->transfer_syntax);
}

static void run(struct inspect *i)
{
	while (!i->over) {
		int event = i->is_file ? file_next(&i->f) : dataset_next(&i->f.d);
		if (event == DATASET_MORE) {
			return;
		}
		if (event < 0) {
			i->over = true;
			element_failed(i, event);
		} else if (event == DATASET_END) {
			i->over = true;
		} else {
			element_event(i, event);
		}
	}
}

static void parse(struct inspect *i, struct span bytes)
{
	if (!i->over) {
		dataset_feed(&i->f.d, bytes);
		run(i);
	}
}

/* Raw bytes, in their order. */
static void take(struct inspect *i, struct span raw)
{
	if (raw.len == 0) {
		return;
	}
	if (i->watch) {
		preamble_watch(i, raw);
	}
	bool fed = !i->over;
	if (i->f.d.inflater) {
		i->f.d.inflater->most = INSPECT_INFLATED;
	}
	parse(i, raw);
	if (i->f.d.inflater) {
		tail_inflate(i, fed ? span_of(NULL, 0) : raw);
	} else if (i->tail) {
		tail_feed(i, raw);
	}
	size_t n = raw.len < sizeof(i->ring) ? raw.len : sizeof(i->ring);
	memmove(i->ring, i->ring + n, sizeof(i->ring) - n);
	memcpy(i->ring + sizeof(i->ring) - n, raw.ptr + raw.len - n, n);
	i->fed += raw.len;
}

/* ---- How a file begins ---- */

static void begin_file(struct inspect *i, size_t missing)
{
	i->begun = i->is_file = true;
	i->shift = missing;
	file_begin(&i->f, i->inflater);
	dataset_try_un(&i->f.d);
	if (missing > 0) {
		parse(i, span_of(prefix, missing));
	}
}

/* Is it the head of an element of a low group, in this encoding? */
static bool is_head(struct span s, enum encoding encoding)
{
	struct element_head h;
	struct reader r = reader_of(s);
	if (element_read_head(&r, encoding, &h) != 0) {
		return false;
	}
	bool known = encoding == ENCODING_IMPLICIT_LE || vr_flags(h.vr) != 0;
	return known && (h.tag >> 16 == 0x0008 || h.tag >> 16 == 0x0002) && h.length < 0x10000;
}

/* PS3.10 has nothing of it: old devices write data sets without anything before them. */
static void begin_bare(struct inspect *i)
{
	static const enum encoding encodings[] = {
		ENCODING_EXPLICIT_LE, ENCODING_EXPLICIT_BE, ENCODING_IMPLICIT_LE};
	struct span s = span_of(i->head, i->n_head);
	for (size_t k = 0; k < ARRAY_LEN(encodings); k++) {
		if (!is_head(s, encodings[k])) {
			continue;
		}
		found_at(i, CHECK_BARE_DATA_SET, 0, (struct span){0});
		if (encodings[k] == ENCODING_EXPLICIT_LE && s.ptr[0] == 0x02) {
			begin_file(i, sizeof(prefix));
		} else {
			begin_data_set(i, encodings[k]);
		}
		return;
	}
	i->bare = i->over = i->begun = true;
	if (inspect_is_sealed(s)) {
		found_at(i, CHECK_SEALED, 0, (struct span){0});
		return;
	}
	found_at(i, CHECK_NOT_DICOM, 0, span_of(s.ptr, s.len < 16 ? s.len : 16));
	preamble_check(i);
	tail_begin(i, 0);
}

static void begin(struct inspect *i)
{
	if (i->n_head == sizeof(i->head) && memcmp(i->head + FILE_PREAMBLE, "DICM", 4) == 0) {
		begin_file(i, 0);
		preamble_check(i);
	} else if (i->n_head >= 4 && memcmp(i->head, "DICM", 4) == 0) {
		found_at(i, CHECK_PREFIX_MISPLACED, 0, (struct span){0});
		begin_file(i, FILE_PREAMBLE);
	} else {
		begin_bare(i);
	}
	take(i, span_of(i->head, i->n_head));
}

void inspect_feed(struct inspect *i, struct span bytes)
{
	i->facts.bytes += bytes.len;
	if (i->file && !i->begun) {
		size_t n = sizeof(i->head) - i->n_head;
		n = n < bytes.len ? n : bytes.len;
		if (n > 0) {
			memcpy(i->head + i->n_head, bytes.ptr, n);
		}
		i->n_head = (uint8_t)(i->n_head + n);
		bytes = span_of(bytes.ptr + n, bytes.len - n);
		if (i->n_head < sizeof(i->head)) {
			return;
		}
		begin(i);
	}
	take(i, bytes);
}

void inspect_end(struct inspect *i)
{
	if (!i->begun) {
		begin(i);
	}
	if (!i->over) {
		dataset_last(&i->f.d);
		run(i);
		if (i->f.d.inflater) {
			tail_inflate(i, (struct span){0});
		} else if (i->tail) {
			tail_feed(i, (struct span){0});
		}
	}
	preamble_end(i);
	tail_end(i);
	document_object_end(i);
	directory_end(i);
	if (!i->bare && i->counts[CHECK_NOT_INSPECTED] == 0 &&
		i->counts[CHECK_TRANSFER_SYNTAX_UNKNOWN] == 0) {
		identity_end(i);
	}
}
