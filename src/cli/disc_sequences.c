/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/disc_sequences.h"

#include "dicom/vr.h"

#include <string.h>

#define OBSERVERS     0x0040A073u
#define VERIFIED      0x0040A030u
#define RELATIONSHIP  0x0040A010u
#define STUDY         0x0020000Du
#define VERIFYING     (DISC_SEQUENCES + 1) /* nothing is copied */
#define ITEM          0xE000FFFEu          /* as they lie in the file */
#define ITEM_END      0xE00DFFFEu
#define SEQUENCE_END  0xE0DDFFFEu
#define OF_ANY_LENGTH 0xFFFFFFFFu

/* PS3.3 8.8: a value, long or a URN; of which scheme, if it is no URN; and what it means. */
enum { HAS_VALUE = 1, HAS_SCHEME = 2, HAS_MEANING = 4, IS_CODE = 7 };

static const uint32_t tags[DISC_SEQUENCES] = {[DISC_SERIES] = 0x00081115u,
	[DISC_IMAGES] = 0x00081140u,
	[DISC_EVIDENCE] = 0x00089092u,
	[DISC_TITLE] = 0x0040A043u,
	[DISC_CONTENT] = 0x0040A730u,
	[DISC_BLENDING] = 0x00700402u,
	[DISC_HANGING] = 0x0072000Cu,
	[DISC_USERS] = 0x0072000Eu,
	[DISC_PROCEDURES] = 0x00760020u};

unsigned disc_sequence_of(uint32_t tag)
{
	unsigned i = 0;
	while (i < DISC_SEQUENCES && tags[i] != tag) {
		i++;
	}
	return i;
}

void disc_copier_begin(struct disc_copier *c)
{
	memset(c->len, 0, sizeof(c->len));
	c->verified[0] = '\0';
	c->in = DISC_SEQUENCES;
	c->waits = c->apart = false;
	c->code = 0;
}

static void put_head(struct writer *w, uint32_t tag, const char *vr)
{
	writer_u16le(w, (uint16_t)(tag >> 16));
	writer_u16le(w, (uint16_t)tag);
	writer_bytes(w, vr, 2);
}

static void put_sequence(struct writer *w, uint32_t tag)
{
	put_head(w, tag, "SQ");
	writer_u16le(w, 0);
	writer_u32le(w, OF_ANY_LENGTH);
}

static void put_end(struct writer *w, uint32_t which)
{
	writer_u32le(w, which);
	writer_u32le(w, 0);
}

static void put_value(struct writer *w, uint32_t tag, const char *vr, struct span v)
{
	size_t odd = v.len & 1;
	put_head(w, tag, vr);
	if (vr_flags(vr) & VR_SHORT) {
		writer_u16le(w, (uint16_t)(v.len + odd));
	} else {
		writer_u16le(w, 0);
		writer_u32le(w, (uint32_t)(v.len + odd));
	}
	writer_span(w, v);
	writer_fill(w, memcmp(vr, "UI", 2) == 0 ? 0 : ' ', odd);
}

/* ---- A sequence begins ---- */

static bool begin(struct disc_copier *c, const struct dataset *d)
{
	unsigned i = disc_sequence_of(d->tag);
	if (i < DISC_SEQUENCES && c->len[i] == 0) {
		c->in = i;
		c->code = 0;
		c->w = writer_of(c->bytes[i], DISC_SEQUENCE_MOST);
		put_sequence(&c->w, d->tag);
		return true;
	}
	if (d->tag == OBSERVERS) {
		c->in = VERIFYING;
	}
	return d->tag == OBSERVERS;
}

static void end(struct disc_copier *c)
{
	if (c->in < DISC_SEQUENCES) {
		size_t empty = 12;
		bool any = c->w.len > empty && (c->in != DISC_TITLE || c->code == IS_CODE);
		put_end(&c->w, SEQUENCE_END);
		c->len[c->in] = any && writer_end(&c->w) == 0 ? c->w.len : 0;
	}
	c->in = DISC_SEQUENCES;
}

/* ---- What is in it ---- */

static void ask(struct disc_copier *c, struct dataset *d)
{
	bool of_item = c->in == VERIFYING                        ? d->depth == 1 && d->tag == VERIFIED
	               : c->in == DISC_BLENDING && d->depth == 1 ? d->tag == STUDY && vr_is_text(d->vr)
	                                                         : c->wanted && vr_is_text(d->vr);
	if (of_item) {
		c->waits = true;
		c->tag = d->tag;
		memcpy(c->vr, d->vr, sizeof(c->vr));
		dataset_collect(d, c->value, sizeof(c->value));
	}
}

static void note_code(struct disc_copier *c, const struct dataset *d, struct span v)
{
	if (c->in == DISC_TITLE && d->depth == 1 && v.len > 0) {
		c->code |= c->tag == 0x00080100u || c->tag == 0x00080119u ? HAS_VALUE
		           : c->tag == 0x00080120u                        ? HAS_VALUE | HAS_SCHEME
		           : c->tag == 0x00080102u                        ? HAS_SCHEME
		           : c->tag == 0x00080104u                        ? HAS_MEANING
		                                                          : 0;
	}
}

static void take_value(struct disc_copier *c, const struct dataset *d)
{
	struct span v = vr_trim(c->vr, d->value);
	c->waits = false;
	if (d->truncated) {
		return;
	}
	if (c->in == VERIFYING) {
		/* As text: with the same offset from UTC, or none, they are in order. */
		if (v.len < sizeof(c->verified) &&
			(strlen(c->verified) < v.len || memcmp(c->verified, v.ptr, v.len) < 0)) {
			memcpy(c->verified, v.ptr, v.len);
			c->verified[v.len] = '\0';
		}
		return;
	}
	if (c->in == DISC_CONTENT && d->depth == 1 && c->tag == RELATIONSHIP) {
		c->known = true;
		c->wanted = span_eq(v, span_str("HAS CONCEPT MOD"));
	}
	note_code(c, d, v);
	put_value(&c->w, c->tag, c->vr, v);
}

static void begin_item(struct disc_copier *c, const struct dataset *d)
{
	if (d->depth == 1) {
		c->item = c->w.len;
		c->wanted = c->in != DISC_TITLE || d->number == 1;
		c->known = false;
	}
	if (c->wanted) {
		writer_u32le(&c->w, ITEM);
		writer_u32le(&c->w, OF_ANY_LENGTH);
	}
}

static void end_item(struct disc_copier *c, const struct dataset *d)
{
	if (c->wanted) {
		put_end(&c->w, ITEM_END);
	}
	if (d->depth == 1 && (!c->wanted || (c->in == DISC_CONTENT && !c->known)) && c->w.err == 0) {
		c->w.len = c->item; /* it does not belong here */
	}
}

static void take_inner(struct disc_copier *c, struct dataset *d, int event)
{
	bool copies = c->in < DISC_SEQUENCES;
	if (c->apart) {
		c->apart = event != DATASET_SEQUENCE_END || d->depth != 1;
		return;
	}
	switch (event) {
	case DATASET_ELEMENT:
		ask(c, d);
		break;
	case DATASET_VALUE:
		if (c->waits) {
			take_value(c, d);
		}
		break;
	case DATASET_ITEM:
		if (copies) {
			begin_item(c, d);
		}
		break;
	case DATASET_ITEM_END:
		if (copies) {
			end_item(c, d);
		}
		break;
	case DATASET_SEQUENCE:
		/* Of what is blended, which images it is. */
		c->apart = c->in == DISC_BLENDING && d->depth == 1 && d->tag != tags[DISC_SERIES];
		if (copies && c->wanted && !c->apart) {
			put_sequence(&c->w, d->tag);
		}
		break;
	case DATASET_SEQUENCE_END:
		if (copies && c->wanted) {
			put_end(&c->w, SEQUENCE_END);
		}
		break;
	default:
		break;
	}
}

bool disc_copier_take(struct disc_copier *c, struct dataset *d, int event)
{
	if (c->in == DISC_SEQUENCES) {
		return event == DATASET_SEQUENCE && d->depth == 0 && begin(c, d);
	}
	if (event == DATASET_MORE || event < 0 || event == DATASET_END) {
		return false;
	}
	if (event == DATASET_SEQUENCE_END && d->depth == 0) {
		end(c);
	} else {
		take_inner(c, d, event);
	}
	return true;
}
