/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/deidentify_parts.h"

#include "base/attr.h"
#include "dicom/tag.h"
#include "dicom/vr.h"

#define TAG_PATIENT_NAME 0x00100010u
#define TAG_PATIENT_ID   0x00100020u
#define TAG_ZONE         0x00080201u
#define TAG_METHOD_CODES 0x00120064u
#define TAG_BURNED_IN    0x00280301u
#define TAG_OVERLAY_BIT  0x60000102u /* of any of its groups */
#define TAG_CONCEPT_NAME 0x0040A043u
#define TAG_TEXT_VALUE   0x0040A160u
#define TAG_CODE_VALUE   0x00080100u
#define TAG_CODE_SCHEME  0x00080102u
#define TAG_CODE_MEANING 0x00080104u
#define UNKNOWN_MOST     256 /* of a private UN, which in implicit VR is a text as often as not */

static bool vr_is(const struct dataset *d, const char *vr)
{
	return d->vr[0] == vr[0] && d->vr[1] == vr[1];
}

static bool vr_is_one_of(const struct dataset *d, const char *vrs)
{
	for (; *vrs; vrs += 2) {
		if (vr_is(d, vrs)) {
			return true;
		}
	}
	return false;
}

void tell(struct deidentify *t, enum confidentiality what)
{
	if (t->log.done && what != CONFIDENTIALITY_KEEP) {
		t->log.done(t->log.arg, &t->d, what);
	}
}

static void write_code(struct deidentify *t)
{
	uint32_t tag = t->d.tag;
	if (code_is_known(t)) {
		t->d.tag = TAG_CODE_VALUE;
		tell(t, CONFIDENTIALITY_CLEAN);
		t->d.tag = tag;
	}
}

static void tell_original(struct deidentify *t)
{
	if (t->log.original) {
		t->log.original(t->log.arg, &t->d, t->d.value);
	}
}

/* ---- Elements ---- */

/* A value that goes: it is read only for who wants to know it. */
static void leave_out(struct deidentify *t)
{
	restore_vr(&t->d);
	bool may_be = vr_is(&t->d, "UN") && t->d.length <= UNKNOWN_MOST;
	bool is_text = may_be || !vr_is_one_of(&t->d, "OBODOFOLOVOWSQUNATFDFLSLSSSVULUSUV");
	t->what = t->log.original && is_text && t->d.length > 0 ? VALUE_ORIGINAL : VALUE_SKIP;
	if (t->what == VALUE_ORIGINAL) {
		dataset_collect(&t->d, t->value, sizeof(t->value));
	}
}

static void read_whole(struct deidentify *t, uint8_t what)
{
	t->what = what;
	dataset_collect(&t->d, t->value, sizeof(t->value));
}

static void copy(struct deidentify *t)
{
	struct dataset *d = &t->d;
	if (code_waits(t)) {
		read_whole(t, VALUE_CODE);
		return;
	}
	if (item_wants(t)) {
		read_whole(t, VALUE_HEARD);
		return;
	}
	if (d->tag >> 16 & 1 && vr_is_one_of(d, "ASDSISTM")) {
		read_whole(t, VALUE_NUMBER); /* it is safe only as what it is known to be (PS3.15 E.3.10) */
		return;
	}
	t->what = VALUE_COPY;
	write_head(t, d->tag, d->vr, d->length);
	dataset_pieces(d);
}

/* As many zeros as it had bytes: counts of points and lengths of tables stay what they are. */
static bool zeros_of_same_length(const struct deidentify *t)
{
	return t->dummy_depth != DEIDENTIFY_NONE && t->d.length <= DEIDENTIFY_VALUE &&
	       vr_is_one_of(&t->d, "FDFLSLSSSVULUSUVOBODOFOLOVOW");
}

static void put_dummy(struct deidentify *t)
{
	const struct dataset *d = &t->d;
	struct writer w = writer_of(t->changed, sizeof(t->changed));
	bool is_patient = d->depth == 0 && (d->tag == TAG_PATIENT_NAME || d->tag == TAG_PATIENT_ID);
	if (is_patient) {
		writer_span(&w, span_str(t->patient)); /* its length is even */
	} else if (zeros_of_same_length(t)) {
		writer_fill(&w, 0, d->length);
	} else {
		value_dummy(d->vr, &w);
	}
	write_element(t, d->tag, d->vr, writer_span_of(&w));
	leave_out(t);
}

/* Does the table let it be absent or empty? */
static bool may_be_empty(uint32_t tag)
{
	enum confidentiality basic = confidentiality_basic(tag);
	return basic == CONFIDENTIALITY_X || basic == CONFIDENTIALITY_Z || basic == CONFIDENTIALITY_XZ;
}

/* C, by what the value is. */
static void clean(struct deidentify *t)
{
	struct dataset *d = &t->d;
	if (vr_is_one_of(d, "DADT")) {
		read_whole(t, VALUE_SHIFT);
	} else if (vr_is(d, "UI")) {
		read_whole(t, VALUE_UID);
	} else if (vr_is_one_of(d, "CSLOLTSHSTUCUT") && d->tag != TAG_ZONE) {
		read_whole(t, VALUE_CLEAN);
	} else if (vr_is_one_of(d, "TMASDSIS") || d->tag == TAG_ZONE) {
		read_whole(t, VALUE_NUMBER); /* days are moved, not hours; numbers are no names */
	} else if (may_be_empty(d->tag)) {
		write_element(t, d->tag, d->vr, span_of("", 0));
		leave_out(t);
	} else {
		put_dummy(t);
	}
}

/* By the dictionary: whatever VR it has been given. */
static bool is_uid(struct dataset *d)
{
	return vr_is(d, "UI") || memcmp(tag_implied_vr(d->tag), "UI", 2) == 0;
}

static void perform(struct deidentify *t, enum confidentiality c)
{
	struct dataset *d = &t->d;
	bool is_patient = d->depth == 0 && (d->tag == TAG_PATIENT_NAME || d->tag == TAG_PATIENT_ID);
	tell(t, c == CONFIDENTIALITY_Z && is_patient ? CONFIDENTIALITY_D : c);
	switch (c) {
	case CONFIDENTIALITY_KEEP:
		copy(t);
		return;
	case CONFIDENTIALITY_X:
		leave_out(t);
		return;
	case CONFIDENTIALITY_CLEAN:
		clean(t);
		return;
	case CONFIDENTIALITY_Z:
		if (!is_patient) {
			write_element(t, d->tag, d->vr, span_of("", 0));
			leave_out(t);
			return;
		}
		put_dummy(t);
		return;
	default: /* U, D */
		if (is_uid(d)) {
			read_whole(t, VALUE_UID);
		} else {
			put_dummy(t);
		}
		return;
	}
}

/* A creator stays if anything of it might: its name is a product's (PS3.5 7.8.1). */
static bool take_creator(struct deidentify *t)
{
	uint32_t element = t->d.tag & 0xFFFF;
	bool is_creator = t->d.tag >> 16 & 1 && element >= 0x10 && element <= 0xFF &&
	                  t->rules.options & OPTION_SAFE_PRIVATE && t->dummy_depth == DEIDENTIFY_NONE;
	if (is_creator) {
		read_whole(t, VALUE_CREATOR);
	}
	return is_creator;
}

/* In big endian, what lies in a UN of undefined length would have to be turned round by VRs that are not known. */
static bool is_foreign(const struct deidentify *t)
{
	return t->encoding == ENCODING_EXPLICIT_BE && dataset_encoding(&t->d) != ENCODING_EXPLICIT_BE;
}

/* What comes after its concept's name: an item of content that has none is decided without. */
static void concept_is_over(struct deidentify *t)
{
	if (t->d.depth > 0 && t->d.tag > TAG_CONCEPT_NAME && !is_left_out(t)) {
		item_is_decided(t, t->d.depth);
	}
}

/* Behind the head, from which was learned whose it is: it would be taken for another's. */
static bool is_late(const struct deidentify *t)
{
	static const struct {
		uint32_t tag;
		enum header_field field;
	} facts[] = {{0x00080016, HEADER_SOP_CLASS}, {0x00080018, HEADER_SOP_INSTANCE},
		{0x00100010, HEADER_PATIENT_NAME}, {0x00100020, HEADER_PATIENT_ID},
		{0x00100021, HEADER_ISSUER}, {0x0020000D, HEADER_STUDY}, {0x0020000E, HEADER_SERIES}};
	for (unsigned i = 0; i < ARRAY_LEN(facts); i++) {
		if (facts[i].tag == t->d.tag) {
			return !t->head_scan.values[facts[i].field].present;
		}
	}
	return false;
}

static int element(struct deidentify *t)
{
	struct dataset *d = &t->d;
	bool top = d->depth == 0;
	concept_is_over(t);
	if (d->tag != TAG_CODE_SCHEME) {
		write_code(t); /* it has no scheme, or it has been read */
	}
	if (is_left_out(t) || is_foreign(t)) {
		leave_out(t);
		return 0;
	}
	if (top && is_late(t)) {
		return ERR_ORDER;
	}
	if (top) {
		write_additions(t, d->tag);
	}
	if (is_document(t) && !t->rules.replace_documents) {
		t->why = DEIDENTIFY_DOCUMENT;
		return ERR_DENIED;
	}
	if (top && is_added(t, d->tag)) {
		added_was_there(t, d->tag);
		leave_out(t);
		return 0;
	}
	if (take_creator(t)) {
		return 0;
	}
	if (top && d->tag == TAG_BURNED_IN) {
		read_whole(t, VALUE_BURNED_IN);
		return 0;
	}
	enum confidentiality c = decide(t, false);
	if (top && (d->tag & 0xFF00FFFFu) == TAG_OVERLAY_BIT) {
		tell(t, c);
		read_whole(t, VALUE_OVERLAY_BIT);
		return 0;
	}
	bool is_judged = d->tag == TAG_TEXT_VALUE && t->items[d->depth].state != ITEM_PLAIN;
	bool is_free = vr_is_one_of(d, "STLTUTUC") || (d->tag == TAG_CODE_MEANING && is_cleaned_code(t) &&
							      !t->items[d->depth].has_public_scheme);
	if (c == CONFIDENTIALITY_KEEP && t->clean_depth != DEIDENTIFY_NONE && !is_judged && is_free &&
		d->length > 0) {
		c = CONFIDENTIALITY_CLEAN; /* free text in what is to be cleaned */
	}
	perform(t, c);
	return 0;
}

/* ---- Values ---- */

/* Each of several. */
static int new_uids(struct deidentify *t, struct span value, struct writer *w)
{
	size_t from = 0;
	for (size_t at = 0; at <= value.len; at++) {
		char uid[UID_MAX + 1];
		if (at < value.len && value.ptr[at] != '\\') {
			continue;
		}
		int e = pseudonym_uid(t->pseudonyms, span_of(value.ptr + from, at - from), uid);
		if (e < 0) {
			t->wrong = e == ERR_VALUE ? t->d.tag : 0;
			return e;
		}
		if (from > 0) {
			writer_u8(w, '\\');
		}
		writer_span(w, span_str(uid));
		from = at + 1;
	}
	if (w->len % 2 != 0) {
		writer_u8(w, 0);
	}
	return 0;
}

/* Each of several. What nothing is left of becomes empty where the table lets it be absent or empty, else a dummy. */
static void clean_text(struct deidentify *t, struct writer *w)
{
	const struct dataset *d = &t->d;
	if (vr_is_one_of(d, "CSLOSHUC")) {
		value_clean_each(d->value, &t->names, w);
	} else {
		value_clean(d->value, &t->names, w);
	}
	if (w->len == 0 && d->value.len > 0 && !may_be_empty(d->tag)) {
		value_dummy(d->vr, w); /* as Text Value (0040,A160), which a content item must have */
	}
}

/* A number, as it was, or a zone, which belongs to the times. What is none goes, as text does that nothing is left of. */
static void clean_number(const struct deidentify *t, struct writer *w)
{
	const struct dataset *d = &t->d;
	if (d->tag == TAG_ZONE ? value_is_zone(d->value) : value_is_number(d->value)) {
		writer_span(w, d->value);
	} else if (!may_be_empty(d->tag) && !(d->tag >> 16 & 1)) {
		value_dummy(d->vr, w);
	}
}

static int change(struct deidentify *t)
{
	const struct dataset *d = &t->d;
	struct writer w = writer_of(t->changed, sizeof(t->changed));
	int e = 0;
	if (d->truncated) {
		t->wrong = d->tag;
		return ERR_LIMIT;
	}
	switch (t->what) {
	case VALUE_UID:
		e = new_uids(t, d->value, &w);
		break;
	case VALUE_SHIFT:
		value_shift(d->vr, d->value, t->days, &w);
		if (w.len == 0 && d->value.len > 0 && !may_be_empty(d->tag)) {
			value_dummy(d->vr, &w); /* it was no date */
		}
		break;
	case VALUE_NUMBER:
		clean_number(t, &w);
		break;
	default:
		clean_text(t, &w);
		break;
	}
	if (e == 0) {
		e = writer_end(&w) < 0 ? ERR_LIMIT : 0;
	}
	if (e == 0) {
		bool same = span_eq(d->value, writer_span_of(&w));
		if (!same) {
			tell_original(t);
		}
		write_element(t, d->tag, t->what == VALUE_UID ? "UI" : d->vr, writer_span_of(&w));
	}
	return e;
}

static void remember_creator(struct deidentify *t)
{
	const struct dataset *d = &t->d;
	struct span name = vr_trim("LO", d->value);
	uint16_t group = (uint16_t)(d->tag >> 16);
	if (d->truncated || name.len >= sizeof(t->creators[0].name) ||
		t->n_creators == ARRAY_LEN(t->creators) || !confidentiality_knows_creator(name, group)) {
		tell(t, CONFIDENTIALITY_X);
		return;
	}
	struct deidentify_creator *c = &t->creators[t->n_creators++];
	*c = (struct deidentify_creator){.depth = d->depth, .group = group, .block = (uint8_t)d->tag};
	if (name.len > 0) {
		memcpy(c->name, name.ptr, name.len);
	}
	write_element(t, d->tag, d->vr, d->value);
}

static int value(struct deidentify *t)
{
	switch (t->what) {
	case VALUE_HEARD:
		item_hears(t);
		write_code(t);
		write_element(t, t->d.tag, t->d.vr, t->d.value);
		return t->d.truncated ? ERR_LIMIT : 0;
	case VALUE_COPY:
		pixels_count(t);
		give(t, t->d.value);
		return 0;
	case VALUE_CODED:
		t->coded = t->d.value;
		return 0;
	case VALUE_ORIGINAL:
		tell_original(t);
		return 0;
	case VALUE_CODE:
		code_is_heard(t);
		return 0;
	case VALUE_CREATOR:
		remember_creator(t);
		return 0;
	case VALUE_BURNED_IN:
		return pixels_burned_in(t);
	case VALUE_OVERLAY_BIT: /* the bit that it is in; 0 where it has data of its own */
		for (size_t i = 0; i < t->d.value.len; i++) {
			t->overlays_in_pixels = t->overlays_in_pixels || t->d.value.ptr[i] != 0;
		}
		return 0;
	case VALUE_SKIP:
		return 0;
	default:
		return change(t);
	}
}

/* ---- Sequences ---- */

static void sequence(struct deidentify *t)
{
	struct dataset *d = &t->d;
	concept_is_over(t);
	write_code(t);
	if (is_left_out(t)) {
		return;
	}
	if (is_foreign(t)) {
		tell(t, CONFIDENTIALITY_X);
		t->skip_depth = d->depth;
		return;
	}
	if (d->depth == 0) {
		write_additions(t, d->tag);
	}
	enum confidentiality c = decide(t, true);
	if (d->depth == 0 && d->tag == TAG_METHOD_CODES) {
		c = take_method_codes(t) ? CONFIDENTIALITY_KEEP : CONFIDENTIALITY_X;
	}
	tell(t, c);
	if (c == CONFIDENTIALITY_X || c == CONFIDENTIALITY_Z) {
		if (c == CONFIDENTIALITY_Z) {
			write_element(t, d->tag, "SQ", span_of("", 0));
		}
		t->skip_depth = d->depth;
		return;
	}
	if (c == CONFIDENTIALITY_D && t->dummy_depth == DEIDENTIFY_NONE) {
		t->dummy_depth = d->depth;
	}
	if (c == CONFIDENTIALITY_CLEAN && t->clean_depth == DEIDENTIFY_NONE) {
		t->clean_depth = d->depth;
	}
	write_head(t, d->tag, "SQ", UNDEFINED_LENGTH);
}

static void sequence_end(struct deidentify *t)
{
	const struct dataset *d = &t->d;
	if (t->skip_item != DEIDENTIFY_NONE) {
		return;
	}
	if (t->skip_depth != DEIDENTIFY_NONE) {
		t->skip_depth = t->skip_depth == d->depth ? DEIDENTIFY_NONE : t->skip_depth;
		return;
	}
	t->dummy_depth = t->dummy_depth == d->depth ? DEIDENTIFY_NONE : t->dummy_depth;
	t->clean_depth = t->clean_depth == d->depth ? DEIDENTIFY_NONE : t->clean_depth;
	if (d->depth == 0 && d->tag == TAG_METHOD_CODES) {
		write_method_items(t);
	}
	write_delimiter(t, TAG_SEQUENCE_DELIMITER);
	if (d->tag == TAG_CONCEPT_NAME && d->depth > 0) { /* PS3.3 C.17.3.1: it stands before the value */
		item_is_decided(t, d->depth);
	}
}

static void item(struct deidentify *t)
{
	if (!is_left_out(t)) {
		item_begins(t);
		write_item(t);
	}
}

static void item_end(struct deidentify *t)
{
	unsigned depth = t->d.depth;
	while (t->n_creators > 0 && t->creators[t->n_creators - 1].depth >= depth) {
		t->n_creators--;
	}
	write_code(t);
	if (!is_left_out(t)) {
		item_is_decided(t, depth);
		if (!is_left_out(t)) {
			write_delimiter(t, TAG_ITEM_DELIMITER);
		}
	}
	if (t->skip_item == depth) {
		tell(t, CONFIDENTIALITY_X);
		t->skip_item = DEIDENTIFY_NONE;
	}
	if (t->skip_depth == DEIDENTIFY_NONE && t->skip_item == DEIDENTIFY_NONE) {
		t->items[depth].state = ITEM_PLAIN;
	}
}

int take_event(struct deidentify *t, int event)
{
	int e = pixels_hear(t, event);
	if (e < 0) {
		return e;
	}
	switch (event) {
	case DATASET_ELEMENT:
		e = element(t);
		break;
	case DATASET_VALUE:
		e = value(t);
		break;
	case DATASET_SEQUENCE:
		sequence(t);
		break;
	case DATASET_ENCAPSULATED_END:
		pixels_end(t);
		sequence_end(t);
		break;
	case DATASET_SEQUENCE_END:
		sequence_end(t);
		break;
	case DATASET_ITEM:
		item(t);
		break;
	case DATASET_ITEM_END:
		item_end(t);
		break;
	case DATASET_ENCAPSULATED:
		pixels_begin(t);
		break;
	case DATASET_FRAGMENT:
		pixels_fragment(t);
		break;
	case DATASET_END:
		write_additions(t, UINT32_MAX);
		break;
	default:
		break; /* notes: what is odd stays so */
	}
	return e < 0 ? e : writer_end(&t->out) < 0 ? ERR_LIMIT : 0;
}
