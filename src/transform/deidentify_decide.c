/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/deidentify_parts.h"

#include "base/attr.h"
#include "dicom/tag.h"
#include "dicom/vr.h"

#define TAG_VALUE_TYPE       0x0040A040u
#define TAG_CONCEPT_NAME     0x0040A043u
#define TAG_CODE_VALUE       0x00080100u
#define TAG_CODE_SCHEME      0x00080102u
#define TAG_CONCEPT_CODE     0x0040A168u
#define TAG_DOCUMENT         0x00420011u
#define TAG_REFERENCED_STUDY 0x00081110u
#define TAG_REQUEST          0x00400275u
#define TAG_WAVEFORM         0x54001010u
#define SOP_VOICE            "1.2.840.10008.5.1.4.1.1.9.4.1"
#define SOP_AUDIO            "1.2.840.10008.5.1.4.1.1.9.4.2"
#define GROUP_CURVES         0x5000u
#define GROUP_OVERLAYS       0x6000u
#define GROUP_DIRECTORIES    0x0008u /* below: E.1.1, group 0004, and what belongs into no data set */
#define GROUP_PIXELS         0x7FE0u
#define TAG_ENCRYPTED        0x04000500u

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

/* ---- VRs ---- */

/* By the dictionary. Asked for one element again and again, and then for one behind it: from where the last was. */
static const char *implied_vr(struct dataset *d)
{
	return tag_implied_vr(d->tag);
}

/* Text is what the dictionary says it is, if it came as UN (PS3.5 6.2.2), as bytes, as another text or as what is no VR. */
void restore_vr(struct dataset *d)
{
	const char *vr = implied_vr(d);
	bool may_be = vr_is_text(d->vr) || vr_is_one_of(d, "UNOB") || !(vr_flags(d->vr) & VR_STANDARD);
	if (may_be && vr_is_text(vr)) {
		memcpy(d->vr, vr, sizeof(d->vr));
	}
}

/* ---- Content items (PS3.15 E.3.4) ---- */

/* The sequences whose items are judged by their concept: those that the table cleans under that option. */
bool is_content(const struct deidentify *t, uint32_t sequence)
{
	return t->rules.options & OPTION_STRUCTURED_CONTENT &&
	       confidentiality_of(sequence, OPTION_STRUCTURED_CONTENT, span_str(""), false) ==
	               CONFIDENTIALITY_CLEAN;
}

void item_begins(struct deidentify *t)
{
	struct deidentify_item *item = &t->items[t->d.depth];
	*item = (struct deidentify_item){.state = ITEM_PLAIN, .mark = t->out.len};
	if (is_content(t, t->d.path[t->d.depth - 1])) {
		item->state = ITEM_UNDECIDED;
		t->held = true;
	}
}

/* The item of content that the concept name being read is of; NULL: it is of none. */
static struct deidentify_item *item_of_name(struct deidentify *t)
{
	const struct dataset *d = &t->d;
	bool named = d->depth >= 2 && d->path[d->depth - 1] == TAG_CONCEPT_NAME;
	return named && t->items[d->depth - 1].state == ITEM_UNDECIDED ? &t->items[d->depth - 1] : NULL;
}

static void remember(char *to, size_t size, const char *vr, struct span value)
{
	value = vr_trim(vr, value);
	size_t n = value.len < size - 1 ? value.len : size - 1;
	if (n > 0) {
		memcpy(to, value.ptr, n);
	}
	to[n] = 0;
}

/* In what is cleaned for its words; of an item of content its value, as concepts are a program's. */
bool is_cleaned_code(const struct deidentify *t)
{
	return t->clean_depth < t->d.depth &&
	       (!is_content(t, t->d.path[t->clean_depth]) || t->d.path[t->d.depth - 1] == TAG_CONCEPT_CODE);
}

bool item_wants(const struct deidentify *t)
{
	bool held = t->d.tag == TAG_VALUE_TYPE || t->d.tag == TAG_CODE_VALUE || t->d.tag == TAG_CODE_SCHEME;
	return t->held ? held : is_cleaned_code(t) && t->d.tag == TAG_CODE_SCHEME;
}

/* The value that has just come, whole. */
void item_hears(struct deidentify *t)
{
	const struct dataset *d = &t->d;
	struct deidentify_item *own = &t->items[d->depth], *named;
	if (d->depth == 0) {
		return;
	}
	if (d->tag == TAG_CODE_SCHEME) {
		own->has_public_scheme = confidentiality_is_public_scheme(vr_trim("SH", d->value));
	}
	if (d->tag == TAG_VALUE_TYPE && own->state == ITEM_UNDECIDED) {
		remember(own->type, sizeof(own->type), "CS", d->value);
	} else if (d->tag == TAG_CODE_VALUE && (named = item_of_name(t))) {
		remember(named->code, sizeof(named->code), "SH", d->value);
	} else if (d->tag == TAG_CODE_SCHEME && (named = item_of_name(t))) {
		remember(named->scheme, sizeof(named->scheme), "SH", d->value);
	}
}

/* ---- Codes in what is cleaned ---- */

bool code_waits(const struct deidentify *t)
{
	return t->d.tag == TAG_CODE_VALUE && t->d.length > 0 && !t->held && is_cleaned_code(t);
}

/* The value that has just come, whole. One that is too long for a code counts as none. */
void code_is_heard(struct deidentify *t)
{
	const struct dataset *d = &t->d;
	struct deidentify_code *c = &t->code;
	bool fits = !d->truncated && d->value.len <= sizeof(c->bytes);
	*c = (struct deidentify_code){
		.waits = true, .depth = d->depth, .len = fits ? (uint8_t)d->value.len : 0};
	memcpy(c->vr, d->vr, sizeof(c->vr));
	if (c->len > 0) {
		memcpy(c->bytes, d->value.ptr, c->len);
	}
}

bool code_is_known(struct deidentify *t)
{
	struct deidentify_code *c = &t->code;
	struct span value = span_of(c->bytes, c->len);
	uint8_t bytes[sizeof(c->bytes) + 2];
	struct writer w = writer_of(bytes, sizeof(bytes));
	if (!c->waits || c->depth != t->d.depth) {
		return false;
	}
	bool stays = t->items[c->depth].has_public_scheme;
	c->waits = false;
	if (!stays) {
		value_clean_each(value, &t->names, &w);
		if (w.len == 0) {
			value_dummy(c->vr, &w);
		}
		value = writer_span_of(&w);
	}
	write_element(t, TAG_CODE_VALUE, c->vr, value);
	return !stays;
}

void item_is_decided(struct deidentify *t, unsigned depth)
{
	struct deidentify_item *item = &t->items[depth];
	if (item->state != ITEM_UNDECIDED) {
		return;
	}
	item->state = ITEM_DECIDED;
	item->action = confidentiality_of_concept(
		span_str(item->code), span_str(item->scheme), span_str(item->type), t->rules.options);
	if (item->action == CONFIDENTIALITY_X) {
		t->out.len = item->mark; /* nothing has gone since it was held */
		t->skip_item = depth;
	}
	t->held = false;
	for (unsigned i = 1; i < depth; i++) {
		t->held = t->held || t->items[i].state == ITEM_UNDECIDED;
	}
}

/*
 * Is it the value of an item of content? Then what is done with it is the concept's; before that is known, it is removed. Of a value
 * that is not of the type that the item says, both must let it stay.
 */
static bool is_value_of_content(const struct deidentify *t, enum confidentiality *ret)
{
	static const struct {
		uint32_t tag;
		const char *type;
	} values[] = {{0x0040A120, "DATETIME"}, {0x0040A121, "DATE"}, {0x0040A122, "TIME"},
		{0x0040A123, "PNAME"}, {0x0040A124, "UIDREF"}, {0x0040A160, "TEXT"}, {0x0040A168, "CODE"},
		{0x0040A300, "NUM"}};
	const struct deidentify_item *item = &t->items[t->d.depth];
	if (t->d.depth == 0 || item->state == ITEM_PLAIN) {
		return false;
	}
	for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
		if (values[i].tag != t->d.tag) {
			continue;
		}
		*ret = item->state == ITEM_DECIDED ? item->action : CONFIDENTIALITY_X;
		if (*ret == CONFIDENTIALITY_KEEP && strcmp(values[i].type, item->type) != 0) {
			*ret = confidentiality_of_concept(span_str(item->code), span_str(item->scheme),
				span_str(values[i].type), t->rules.options);
		}
		return true;
	}
	return false;
}

/* ---- Private attributes (PS3.15 E.3.10) ---- */

static const struct deidentify_creator *creator_of(const struct deidentify *t)
{
	uint16_t group = (uint16_t)(t->d.tag >> 16);
	uint8_t block = (uint8_t)(t->d.tag >> 8);
	for (unsigned i = t->n_creators; i > 0; i--) {
		const struct deidentify_creator *c = &t->creators[i - 1];
		if (c->depth == t->d.depth && c->group == group && c->block == block) {
			return c;
		}
	}
	return NULL;
}

/* What a number is in, as wide as it says: nothing else fits into it. */
static bool is_numeric(const struct dataset *d)
{
	return vr_is_one_of(d, "FDFLSLSSSVULUSUV");
}

/*
 * Of a VR that the table has it of. A sequence whose items cannot be gone through, and text where the table has numbers, are not what
 * is known to be safe. UIDs are replaced as all are (E.3.9).
 */
static enum confidentiality decide_safe(struct deidentify *t, const char *vr, bool has_items)
{
	struct dataset *d = &t->d;
	bool is_sequence = strcmp(vr, "SQ") == 0;
	if (has_items || is_sequence) {
		return has_items && is_sequence ? CONFIDENTIALITY_KEEP : CONFIDENTIALITY_X;
	}
	bool has_none = vr_is(d, "UN");
	bool is_uid = vr_is(d, "UI") || (has_none && strcmp(vr, "UI") == 0);
	if (is_uid && !(t->rules.options & OPTION_UIDS)) {
		memcpy(d->vr, "UI", 3);
		return CONFIDENTIALITY_U;
	}
	bool known = strlen(vr) >= 2 && strcmp(vr, "vr") != 0;
	bool fits = has_none ? known : strstr(vr, d->vr) != NULL;
	if (has_none && known && vr_is_text(vr)) {
		memcpy(d->vr, vr, sizeof(d->vr)); /* so that it is looked at as what it is */
	}
	return fits || is_numeric(d) ? CONFIDENTIALITY_KEEP : CONFIDENTIALITY_X;
}

static enum confidentiality decide_private(struct deidentify *t, bool has_items)
{
	uint32_t element = t->d.tag & 0xFFFF;
	if (!(t->rules.options & OPTION_SAFE_PRIVATE) || element < 0x1000) {
		return CONFIDENTIALITY_X; /* a creator is looked at before */
	}
	const struct deidentify_creator *c = creator_of(t);
	const char *vr = c ? confidentiality_safe_vr(span_str(c->name), t->d.tag) : NULL;
	return vr ? decide_safe(t, vr, has_items) : CONFIDENTIALITY_X;
}

/* ---- The rest ---- */

/* Numbers of frames, waveform channels, segments and content items: of what there is, and not of anybody. */
static bool is_reference(uint32_t tag)
{
	return tag == 0x00081160 || tag == 0x0040A0B0 || tag == 0x0040DB73 || tag == 0x0062000B;
}

/* Inside of what is replaced as a whole: nothing stays but what a reader needs to make sense of the structure. */
static enum confidentiality decide_dummy(const struct dataset *d, unsigned options)
{
	enum confidentiality basic = confidentiality_basic(d->tag);
	if (vr_is(d, "UI")) { /* what they refer to has, or has not, the same */
		return options & OPTION_UIDS ? CONFIDENTIALITY_KEEP : CONFIDENTIALITY_U;
	}
	if (d->length == 0 || vr_is(d, "SQ") || is_reference(d->tag)) {
		return CONFIDENTIALITY_KEEP;
	}
	if (!vr_is(d, "CS")) {
		return CONFIDENTIALITY_D;
	}
	/* As the sex: codes of which the table knows that they are somebody's. */
	return basic == CONFIDENTIALITY_KEEP || basic == CONFIDENTIALITY_X || basic == CONFIDENTIALITY_Z
	               ? basic
	               : CONFIDENTIALITY_D;
}

/* Text where the dictionary has numbers, bytes or a sequence: what it says is nothing that belongs there. */
static bool is_misplaced_text(struct dataset *d)
{
	return vr_is_text(d->vr) && !vr_is_text(implied_vr(d));
}

/* Those of the standard's own, and of who made a vocabulary or a program: they name no object (PS3.15 E.3.9, note 4). */
static bool is_structural_uid(uint32_t tag)
{
	static const uint32_t tags[] = {0x00080016, 0x0008001A, 0x0008001B, 0x00080062, 0x0008010C,
		0x0008010D, 0x00080117, 0x00080118, 0x0008040E, 0x00081150, 0x0008115A, 0x00083002,
		0x00089123, 0x00340003, 0x04000010, 0x04000510, 0x30100052, 0x30100053};
	for (unsigned i = 0; i < ARRAY_LEN(tags); i++) {
		if (tags[i] == tag) {
			return true;
		}
	}
	return false;
}

/* An address, but of a coding scheme. */
static bool is_address(struct dataset *d)
{
	return memcmp(implied_vr(d), "UR", 2) == 0 && d->tag >> 8 != 0x000801;
}

/* PS3.3 A.34.3: what is said, as waveforms. */
static bool is_of_voice(const struct deidentify *t)
{
	return t->d.tag == TAG_WAVEFORM &&
	       (strcmp(t->sop_class, SOP_VOICE) == 0 || strcmp(t->sop_class, SOP_AUDIO) == 0);
}

bool is_document(const struct deidentify *t)
{
	return (t->d.tag == TAG_DOCUMENT && t->d.depth == 0) || is_of_voice(t);
}

/* Pixels elsewhere than where they are looked at and cleaned, and what was encrypted by another's key. */
static bool is_out_of_sight(const struct dataset *d)
{
	uint32_t group = d->tag >> 16;
	return (group >> 8 == GROUP_PIXELS >> 8 && (group != GROUP_PIXELS || d->depth > 0)) ||
	       d->tag == TAG_ENCRYPTED;
}

/* What the table does not name. */
static enum confidentiality decide_unnamed(struct dataset *d, unsigned options)
{
	const char *vr = implied_vr(d);
	if (memcmp(vr, "UN", 2) == 0 || is_out_of_sight(d)) {
		return CONFIDENTIALITY_X; /* or it is of an edition to come, or nobody's */
	}
	if (d->length == 0) {
		return CONFIDENTIALITY_KEEP;
	}
	enum confidentiality more = confidentiality_more(d->tag, options);
	if (more != CONFIDENTIALITY_KEEP) {
		return more;
	}
	if (vr_is(d, "PN") || memcmp(vr, "PN", 2) == 0 || is_address(d)) {
		return CONFIDENTIALITY_D;
	}
	/* PS3.15 E.1.1: all references to SOP instances; the table has not all attributes that may be one. */
	if (memcmp(vr, "UI", 2) == 0 && !is_structural_uid(d->tag) && !(options & OPTION_UIDS)) {
		return CONFIDENTIALITY_U;
	}
	if ((vr_is_one_of(d, "DADT") || memcmp(vr, "DA", 2) == 0 || memcmp(vr, "DT", 2) == 0) &&
		!(options & OPTION_FULL_DATES)) {
		return options & OPTION_SHIFTED_DATES ? CONFIDENTIALITY_CLEAN : CONFIDENTIALITY_D;
	}
	return CONFIDENTIALITY_KEEP;
}

static bool is_repeating(uint32_t tag, uint32_t first)
{
	return tag >> 16 >= first && tag >> 16 <= first + 0xFF;
}

/* A name by its VR, wherever it is. */
static bool is_misplaced_name(struct dataset *d)
{
	return vr_is(d, "PN") && d->length > 0 && memcmp(implied_vr(d), "PN", 2) != 0;
}

/* PS3.3 10.6: in Request Attributes it may be absent, and may not be empty. */
static bool is_study_of_request(const struct dataset *d)
{
	return d->tag == TAG_REFERENCED_STUDY && d->depth > 0 && d->path[d->depth - 1] == TAG_REQUEST;
}

/* By the table; of what it does not name by what it is. */
static enum confidentiality decide_standard(struct deidentify *t)
{
	struct dataset *d = &t->d;
	enum confidentiality c = CONFIDENTIALITY_KEEP;
	if (t->dummy_depth != DEIDENTIFY_NONE) {
		return decide_dummy(d, t->rules.options);
	}
	if (is_value_of_content(t, &c)) {
		return c;
	}
	if (is_of_voice(t)) {
		return CONFIDENTIALITY_D;
	}
	c = confidentiality_of(d->tag, t->rules.options, span_str(t->sop_class), d->depth == 0);
	if (c == CONFIDENTIALITY_Z && is_study_of_request(d)) {
		return CONFIDENTIALITY_X;
	}
	return c == CONFIDENTIALITY_KEEP && confidentiality_basic(d->tag) == CONFIDENTIALITY_KEEP
	               ? decide_unnamed(d, t->rules.options)
	               : c;
}

enum confidentiality decide_alone(struct dataset *d, unsigned options)
{
	if ((d->tag & 0xFFFF) == 0 || d->tag >> 16 < GROUP_DIRECTORIES || d->tag >> 16 & 1) {
		return CONFIDENTIALITY_X;
	}
	bool is_sequence = memcmp(implied_vr(d), "SQ", 2) == 0, is_name = is_misplaced_name(d);
	restore_vr(d);
	if (is_repeating(d->tag, GROUP_CURVES) || is_repeating(d->tag, GROUP_OVERLAYS) ||
		is_misplaced_text(d) || (is_sequence && !vr_is(d, "SQ") && d->length > 0)) {
		return CONFIDENTIALITY_X;
	}
	enum confidentiality c = confidentiality_of(d->tag, options, span_str(""), d->depth == 0);
	if (c == CONFIDENTIALITY_KEEP && confidentiality_basic(d->tag) == CONFIDENTIALITY_KEEP) {
		c = decide_unnamed(d, options);
	}
	return c == CONFIDENTIALITY_KEEP && is_name ? CONFIDENTIALITY_D : c;
}

enum confidentiality decide(struct deidentify *t, bool has_items)
{
	struct dataset *d = &t->d;
	if ((d->tag & 0xFFFF) == 0 || d->tag >> 16 < GROUP_DIRECTORIES) {
		return CONFIDENTIALITY_X;
	}
	if (d->tag >> 16 & 1) {
		return decide_private(t, has_items);
	}
	/* Without its data a plane of an overlay or a curve is nothing (PS3.3 C.9.2). */
	if (is_repeating(d->tag, GROUP_CURVES) || is_repeating(d->tag, GROUP_OVERLAYS)) {
		return CONFIDENTIALITY_X;
	}
	bool is_name = is_misplaced_name(d);
	restore_vr(d);
	if (is_misplaced_text(d)) {
		return CONFIDENTIALITY_X;
	}
	enum confidentiality c = decide_standard(t);
	c = c == CONFIDENTIALITY_KEEP && is_name ? CONFIDENTIALITY_D : c;
	bool is_closed = !has_items && d->length > 0 && memcmp(implied_vr(d), "SQ", 2) == 0;
	if (is_closed) { /* a sequence as bytes, or in a UN that is none: what is in it is not gone through */
		memcpy(d->vr, "SQ", 3);
		return c == CONFIDENTIALITY_D || c == CONFIDENTIALITY_U ? CONFIDENTIALITY_Z
		       : c == CONFIDENTIALITY_Z                         ? c
		                                                        : CONFIDENTIALITY_X;
	}
	return c;
}
