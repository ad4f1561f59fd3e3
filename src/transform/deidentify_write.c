/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/deidentify_parts.h"

#include "transform/originals.h"

#include "base/attr.h"
#include "dicom/vr.h"

#define TAG_IDENTITY_REMOVED 0x00120062u
#define TAG_METHOD           0x00120063u
#define TAG_METHOD_CODES     0x00120064u
#define TAG_BURNED_IN        0x00280301u
#define TAG_FEATURES         0x00280302u
#define TAG_TEMPORAL         0x00280303u
#define TAG_ENCRYPTED        0x04000500u

/* ---- Numbers and heads ---- */

static void put16(struct deidentify *t, uint16_t v)
{
	if (t->encoding == ENCODING_EXPLICIT_BE) {
		writer_u16be(&t->out, v);
	} else {
		writer_u16le(&t->out, v);
	}
}

static void put32(struct deidentify *t, uint32_t v)
{
	if (t->encoding == ENCODING_EXPLICIT_BE) {
		writer_u32be(&t->out, v);
	} else {
		writer_u32le(&t->out, v);
	}
}

static void put_tag(struct deidentify *t, uint32_t tag)
{
	put16(t, (uint16_t)(tag >> 16));
	put16(t, (uint16_t)tag);
}

/* PS3.5 7.1.2, 7.1.3. What is no VR of the standard, or has no room for its length, becomes UN (PS3.5 6.2.2). */
void write_head(struct deidentify *t, uint32_t tag, const char *vr, uint32_t length)
{
	unsigned flags = vr_flags(vr);
	put_tag(t, tag);
	if (t->encoding == ENCODING_IMPLICIT_LE) {
		put32(t, length);
		return;
	}
	if (!(flags & VR_STANDARD) || (flags & VR_SHORT && length > 0xFFFF)) {
		vr = "UN";
		flags = 0;
	}
	writer_bytes(&t->out, vr, 2);
	if (flags & VR_SHORT) {
		put16(t, (uint16_t)length);
	} else {
		put16(t, 0);
		put32(t, length);
	}
}

void write_element(struct deidentify *t, uint32_t tag, const char *vr, struct span value)
{
	write_head(t, tag, vr, (uint32_t)value.len);
	writer_span(&t->out, value);
}

void write_item(struct deidentify *t)
{
	put_tag(t, TAG_ITEM);
	put32(t, UNDEFINED_LENGTH);
}

void write_fragment(struct deidentify *t, uint32_t length)
{
	put_tag(t, TAG_ITEM);
	put32(t, length);
}

#define COPIED_MOST (16u * 1024) /* longer pieces pass by reference */

void give(struct deidentify *t, struct span bytes)
{
	if (bytes.len > COPIED_MOST && !t->held && t->encoding != ENCODING_DEFLATED_LE) {
		t->borrowed = bytes;
	} else {
		writer_span(&t->out, bytes);
	}
}

void write_delimiter(struct deidentify *t, uint32_t tag)
{
	put_tag(t, tag);
	put32(t, 0);
}

static void write_text(struct deidentify *t, uint32_t tag, const char *vr, const char *text)
{
	size_t n = strlen(text);
	write_head(t, tag, vr, (uint32_t)(n + n % 2));
	writer_span(&t->out, span_str(text));
	writer_fill(&t->out, memcmp(vr, "UI", 2) == 0 ? 0 : ' ', n % 2);
}

/* ---- What the profile adds (PS3.15 E.1.1, E.3) ---- */

/* PS3.16 CID 7050. */
static void write_method_item(struct deidentify *t, const char *code, const char *meaning)
{
	write_item(t);
	write_text(t, 0x00080100, "SH", code);
	write_text(t, 0x00080102, "SH", "DCM");
	write_text(t, 0x00080104, "LO", meaning);
	write_delimiter(t, TAG_ITEM_DELIMITER);
}

void write_method_items(struct deidentify *t)
{
	static const struct {
		unsigned option;
		const char *code, *meaning;
	} codes[] = {
		{OPTION_GRAPHICS, "113103", "Clean Graphics Option"},
		{OPTION_STRUCTURED_CONTENT, "113104", "Clean Structured Content Option"},
		{OPTION_DESCRIPTORS, "113105", "Clean Descriptors Option"},
		{OPTION_FULL_DATES, "113106", "Retain Longitudinal Temporal Information Full Dates Option"},
		{OPTION_SHIFTED_DATES, "113107",
			"Retain Longitudinal Temporal Information Modified Dates Option"},
		{OPTION_PATIENT, "113108", "Retain Patient Characteristics Option"},
		{OPTION_DEVICE, "113109", "Retain Device Identity Option"},
		{OPTION_UIDS, "113110", "Retain UIDs Option"},
		{OPTION_SAFE_PRIVATE, "113111", "Retain Safe Private Option"},
		{OPTION_INSTITUTION, "113112", "Retain Institution Identity Option"},
	};
	write_method_item(t, "113100", "Basic Application Confidentiality Profile");
	if (t->rules.pixels_cleaned) {
		write_method_item(t, "113101", "Clean Pixel Data Option");
	}
	if (t->rules.features_cleaned) {
		write_method_item(t, "113102", "Clean Recognizable Visual Features Option");
	}
	for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
		if (t->rules.options & codes[i].option) {
			write_method_item(t, codes[i].code, codes[i].meaning);
		}
	}
}

static void write_method_codes(struct deidentify *t)
{
	write_head(t, TAG_METHOD_CODES, "SQ", UNDEFINED_LENGTH);
	write_method_items(t);
	write_delimiter(t, TAG_SEQUENCE_DELIMITER);
}

/* PS3.15 E.1.1: what the object was, for who has the key; encrypted by the caller. */
static void write_encrypted(struct deidentify *t)
{
	struct span cms = t->rules.encrypted;
	write_head(t, TAG_ENCRYPTED, "SQ", UNDEFINED_LENGTH);
	write_item(t);
	write_text(t, 0x04000510, "UI", ORIGINALS_SYNTAX);
	write_head(t, 0x04000520, "OB", (uint32_t)(cms.len + cms.len % 2));
	writer_span(&t->out, cms);
	writer_fill(&t->out, 0, cms.len % 2);
	if (t->rules.mark.len > 0) {
		write_text(t, TAG_MARK_CREATOR, "LO", ORIGINALS_CREATOR);
		write_element(t, TAG_MARK, "OB", t->rules.mark);
	}
	write_delimiter(t, TAG_ITEM_DELIMITER);
	write_delimiter(t, TAG_SEQUENCE_DELIMITER);
}

static const uint32_t additions[] = {TAG_IDENTITY_REMOVED, TAG_METHOD, TAG_METHOD_CODES, TAG_BURNED_IN,
	TAG_FEATURES, TAG_TEMPORAL, TAG_ENCRYPTED};

static_assert(ARRAY_LEN(additions) <= 8, "bits of added_before");

bool is_added(const struct deidentify *t, uint32_t tag)
{
	for (unsigned i = 0; i < ARRAY_LEN(additions); i++) {
		if (additions[i] == tag) {
			return tag == TAG_BURNED_IN   ? t->rules.pixels_cleaned
			       : tag == TAG_FEATURES  ? t->rules.features_cleaned
			       : tag == TAG_ENCRYPTED ? t->rules.encrypted.len > 0
			                              : true;
		}
	}
	return false;
}

void added_was_there(struct deidentify *t, uint32_t tag)
{
	for (unsigned i = 0; i < ARRAY_LEN(additions); i++) {
		t->added_before |= additions[i] == tag ? (uint8_t)(1u << i) : 0;
	}
}

/* What tells of pixels is told of by who cleaned them. */
static void tell_added(struct deidentify *t, unsigned i)
{
	bool is_told =
		additions[i] != TAG_BURNED_IN && additions[i] != TAG_FEATURES && is_added(t, additions[i]);
	if (is_told && t->log.added) {
		t->log.added(t->log.arg, additions[i], t->added_before >> i & 1);
	}
}

static void write_addition(struct deidentify *t, uint32_t tag)
{
	unsigned dates = t->rules.options & (OPTION_FULL_DATES | OPTION_SHIFTED_DATES);
	switch (tag) {
	case TAG_IDENTITY_REMOVED:
		write_text(t, tag, "CS", "YES");
		return;
	case TAG_METHOD:
		write_text(t, tag, "LO", DEIDENTIFY_METHOD_TEXT);
		return;
	case TAG_METHOD_CODES:
		write_method_codes(t);
		return;
	case TAG_BURNED_IN:
	case TAG_FEATURES:
		if (is_added(t, tag)) {
			write_text(t, tag, "CS", "NO");
		}
		return;
	case TAG_ENCRYPTED:
		if (is_added(t, tag)) {
			write_encrypted(t);
		}
		return;
	default:
		/* PS3.15 E.3.6 */
		write_text(t, tag, "CS",
			dates & OPTION_SHIFTED_DATES ? "MODIFIED"
			: dates                      ? "UNMODIFIED"
						     : "REMOVED");
		return;
	}
}

void write_additions(struct deidentify *t, uint32_t before)
{
	while (t->next_addition < ARRAY_LEN(additions) && additions[t->next_addition] < before) {
		tell_added(t, t->next_addition);
		write_addition(t, additions[t->next_addition++]);
	}
}

/* The object has some already: ours come behind them. Only one sequence, in its place, is those of the object. */
bool take_method_codes(struct deidentify *t)
{
	if (t->next_addition >= ARRAY_LEN(additions) || additions[t->next_addition] != TAG_METHOD_CODES) {
		return false;
	}
	added_was_there(t, TAG_METHOD_CODES);
	tell_added(t, t->next_addition++);
	return true;
}
