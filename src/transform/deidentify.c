/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/deidentify_parts.h"

#include <stdlib.h>

#define LEARN_STEP (4u * 1024)
#define FLUSH      (64u * 1024)

enum { STAGE_LEARNING, STAGE_RUNNING, STAGE_ENDING, STAGE_ENDED };

int deidentify_begin(struct deidentify *t, const struct deidentify_rules *rules,
	const struct pseudonyms *pseudonyms, struct span transfer_syntax, const struct deidentify_log *log)
{
	memset(t, 0, offsetof(struct deidentify, inflater));
	memset(&t->deflater, 0, sizeof(t->deflater));
	t->head_len = 0;
	t->rules = *rules;
	t->pseudonyms = pseudonyms;
	t->log = log ? *log : (struct deidentify_log){0};
	t->skip_depth = t->dummy_depth = t->clean_depth = t->skip_item = DEIDENTIFY_NONE;
	t->has_remarks = remarks_in(transfer_syntax);
	const struct encoding_coded *coded = encoding_coded(uid_trim(transfer_syntax));
	t->is_video = coded && encoding_is_video(coded->coding);
	t->out = writer_of(t->out_bytes, sizeof(t->out_bytes));
	int e = rules->encrypted.len > DEIDENTIFY_ENCRYPTED ? ERR_LIMIT : 0;
	e = e ? e : encoding_of(transfer_syntax, &t->encoding);
	e = e ? e : header_scan_begin(&t->head_scan, transfer_syntax, &t->head_inflater);
	e = e ? e : dataset_begin(&t->d, t->encoding, &t->inflater);
	if (rules->implicit && t->encoding == ENCODING_EXPLICIT_LE) {
		t->encoding = ENCODING_IMPLICIT_LE; /* of what is written */
	}
	if (e == 0) {
		dataset_open_un(&t->d);
	}
	if (e == 0 && t->encoding == ENCODING_DEFLATED_LE &&
		deflateInit2(&t->deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
			Z_DEFAULT_STRATEGY) != Z_OK) {
		e = ERR_NO_MEMORY;
	}
	t->failed = e;
	return e;
}

void deidentify_done(struct deidentify *t)
{
	if (t->encoding == ENCODING_DEFLATED_LE) {
		(void)deflateEnd(&t->deflater);
	}
}

void deidentify_feed(struct deidentify *t, struct span bytes)
{
	if (t->stage == STAGE_LEARNING) {
		t->chunk = bytes;
	} else {
		dataset_feed(&t->d, bytes);
	}
}

void deidentify_last(struct deidentify *t)
{
	t->last_fed = true;
}

/* ---- Whose it is ---- */

static int uid_of(struct deidentify *t, enum header_field field, uint32_t tag, char ret_uid[UID_MAX + 1])
{
	struct span uid = uid_trim(header_value(&t->head_scan, field));
	if (uid.len > UID_MAX) {
		t->wrong = tag;
		return ERR_VALUE;
	}
	if (!(t->rules.options & OPTION_UIDS)) {
		return pseudonym_uid(t->pseudonyms, uid, ret_uid);
	}
	memcpy(ret_uid, uid.len ? (const char *)uid.ptr : "", uid.len);
	ret_uid[uid.len] = 0;
	return 0;
}

/* A patient without an ID is known by the study alone. */
static int learn_identity(struct deidentify *t)
{
	struct span issuer = header_value(&t->head_scan, HEADER_ISSUER);
	struct span id = header_value(&t->head_scan, HEADER_PATIENT_ID);
	struct span class = uid_trim(header_value(&t->head_scan, HEADER_SOP_CLASS));
	if (id.len == 0) {
		id = header_value(&t->head_scan, HEADER_STUDY);
	}
	if (class.len > UID_MAX) {
		t->wrong = 0x00080016;
		return ERR_VALUE;
	}
	memcpy(t->sop_class, class.len ? (const char *)class.ptr : "", class.len);
	t->sop_class[class.len] = 0;
	t->names.of[0] = header_value(&t->head_scan, HEADER_PATIENT_NAME);
	t->names.of[1] = header_value(&t->head_scan, HEADER_PATIENT_ID);
	t->names.of[2] = header_value(&t->head_scan, HEADER_ACCESSION);
	t->names.of[3] = header_value(&t->head_scan, HEADER_BIRTH_DATE);
	int e = pseudonym_patient(t->pseudonyms, issuer, id, t->patient);
	t->wrong = e == ERR_VALUE ? 0x00100020 : 0;
	e = e ? e : pseudonym_days(t->pseudonyms, issuer, id, &t->days);
	e = e ? e : uid_of(t, HEADER_SOP_INSTANCE, 0x00080018, t->sop_instance);
	e = e ? e : uid_of(t, HEADER_STUDY, 0x0020000D, t->study);
	return e ? e : uid_of(t, HEADER_SERIES, 0x0020000E, t->series);
}

/* HEADER_MORE: all that was fed is kept. HEADER_DONE: the data set parser has the head, and `rest` comes after it. */
static int learn(struct deidentify *t)
{
	int e = t->head_scan.result;
	while (e == HEADER_MORE && t->chunk.len > 0) {
		size_t n = t->chunk.len < LEARN_STEP ? t->chunk.len : LEARN_STEP;
		if (n > sizeof(t->head) - t->head_len) {
			return ERR_LIMIT;
		}
		memcpy(t->head + t->head_len, t->chunk.ptr, n);
		t->head_len += n;
		e = header_scan_feed(&t->head_scan, span_of(t->chunk.ptr, n));
		t->chunk = span_of(t->chunk.ptr + n, t->chunk.len - n);
	}
	if (e == HEADER_MORE && t->last_fed) {
		e = header_scan_end(&t->head_scan);
	}
	if (e != HEADER_DONE) {
		return e;
	}
	e = learn_identity(t);
	if (e < 0) {
		return e;
	}
	t->stage = STAGE_RUNNING;
	t->rest = t->chunk;
	dataset_feed(&t->d, span_of(t->head, t->head_len));
	return HEADER_DONE;
}

/* ---- What goes out ---- */

/* DEIDENTIFY_BYTES, or MORE: the compressor has kept it all. */
static int flush(struct deidentify *t, struct span *ret_bytes)
{
	struct span bytes = writer_span_of(&t->out);
	if (t->encoding == ENCODING_DEFLATED_LE) {
		t->deflater.next_in = (Bytef *)t->out_bytes;
		t->deflater.avail_in = (uInt)t->out.len;
		t->deflater.next_out = t->deflated;
		t->deflater.avail_out = sizeof(t->deflated) - 1;
		int z = deflate(&t->deflater, t->stage == STAGE_ENDING ? Z_FINISH : Z_NO_FLUSH);
		if (z != (t->stage == STAGE_ENDING ? Z_STREAM_END : Z_OK) || t->deflater.avail_in > 0) {
			return ERR_LIMIT;
		}
		bytes = span_of(t->deflated, (size_t)(t->deflater.next_out - t->deflated));
		if (t->stage == STAGE_ENDING && t->deflater.total_out % 2 != 0) {
			t->deflated[bytes.len++] = 0; /* PS3.5 A.5 */
		}
	}
	t->flushed = true;
	*ret_bytes = bytes;
	return bytes.len > 0 ? DEIDENTIFY_BYTES : DEIDENTIFY_MORE;
}

static void clear_flushed(struct deidentify *t)
{
	if (t->flushed) {
		t->out.len = 0;
		t->flushed = false;
	}
}

/* All that was fed is read: what comes next? DEIDENTIFY_MORE: nothing. 1: go on. */
static int read_on(struct deidentify *t)
{
	if (t->rest.len > 0) {
		dataset_feed(&t->d, t->rest);
		t->rest = span_of(NULL, 0);
		return 1;
	}
	if (t->last_fed && !t->last_told) {
		t->last_told = true;
		dataset_last(&t->d);
		return 1;
	}
	return 0;
}

/* The next of what is to go out, or an error. */
static int run(struct deidentify *t, struct span *ret_bytes)
{
	for (;;) {
		clear_flushed(t);
		bool full = t->out.len >= FLUSH && !t->held;
		if ((full || (t->borrowed.len > 0 && t->out.len > 0)) &&
			flush(t, ret_bytes) == DEIDENTIFY_BYTES) {
			return DEIDENTIFY_BYTES;
		}
		clear_flushed(t);
		if (t->borrowed.len > 0) {
			*ret_bytes = t->borrowed;
			t->borrowed = span_of(NULL, 0);
			return DEIDENTIFY_BYTES;
		}
		if (t->coded.len > 0) {
			pixels_give(t);
			continue;
		}
		int event = dataset_next(&t->d);
		if (event < 0) {
			return event;
		}
		if (event == DATASET_MORE) {
			if (read_on(t)) {
				continue;
			}
			return t->out.len > 0 && !t->held ? flush(t, ret_bytes) : DEIDENTIFY_MORE;
		}
		int e = take_event(t, event);
		if (e < 0) {
			return e;
		}
		if (event == DATASET_END) {
			t->stage = STAGE_ENDING;
			e = flush(t, ret_bytes);
			t->stage = e < 0 ? STAGE_ENDING : STAGE_ENDED;
			return e == DEIDENTIFY_MORE ? DEIDENTIFY_END : e;
		}
	}
}

int deidentify_next(struct deidentify *t, struct span *ret_bytes)
{
	int e = t->failed;
	if (e == 0 && t->stage == STAGE_LEARNING) {
		e = learn(t);
		if (e == HEADER_MORE) {
			return DEIDENTIFY_MORE;
		}
		e = e == HEADER_DONE ? 0 : e;
	}
	if (e == 0 && t->stage == STAGE_ENDED) {
		return DEIDENTIFY_END;
	}
	e = e < 0 ? e : run(t, ret_bytes);
	t->failed = e < 0 ? e : 0;
	return e;
}
