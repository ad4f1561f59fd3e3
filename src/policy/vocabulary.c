/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/vocabulary.h"
#include "base/err.h"
#include "dicom/tag.h"
#include "dicom/uid.h"
#include "policy/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const tls_profile_words[PROFILE_COUNT + 1] = {
	[PROFILE_LIVE] = "",
	[PROFILE_BCP195] = "bcp195-rfc9325",
	[PROFILE_BCP195_MODIFIED] = "bcp195-rfc9325-modified",
	[PROFILE_LEGACY_NON_DOWNGRADING] = "legacy-bcp195-non-downgrading",
};

bool word_is_uid(const char *s)
{
	return uid_valid(span_str(s));
}

const char *word_sop_class(const char *s)
{
	const struct uid_entry *e = word_is_uid(s) ? uid_find(span_str(s)) : uid_by_keyword(s);
	if (!e) {
		return word_is_uid(s) ? s : NULL;
	}
	return e->kind == UID_SOP_CLASS || e->kind == UID_META_SOP_CLASS ? e->uid : NULL;
}

const char *word_transfer_syntax(const char *s)
{
	const struct uid_entry *e = word_is_uid(s) ? uid_find(span_str(s)) : uid_by_keyword(s);
	if (!e) {
		return word_is_uid(s) ? s : NULL;
	}
	return e->kind == UID_TRANSFER_SYNTAX ? e->uid : NULL;
}

const char *word_of_uid(const char *uid)
{
	const struct uid_entry *e = uid_find(span_str(uid));
	return e && e->keyword[0] ? e->keyword : uid;
}

static void offer_uids(struct nearest *n, enum uid_kind a, enum uid_kind b)
{
	size_t count;
	const struct uid_entry *e = uid_entries(&count);
	for (size_t i = 0; i < count; i++) {
		if (e[i].kind == a || e[i].kind == b) {
			nearest_offer(n, e[i].keyword);
		}
	}
}

void word_nearest_sop_class(struct nearest *n)
{
	offer_uids(n, UID_SOP_CLASS, UID_META_SOP_CLASS);
}

void word_nearest_transfer_syntax(struct nearest *n)
{
	offer_uids(n, UID_TRANSFER_SYNTAX, UID_TRANSFER_SYNTAX);
}

void word_nearest_tag(struct nearest *n)
{
	size_t count;
	const struct tag_entry *e = tag_entries(&count);
	for (size_t i = 0; i < count; i++) {
		nearest_offer(n, e[i].keyword);
	}
}

/* Exactly n hex digits from *s on. */
static int hex(const char **s, unsigned n, uint32_t *v)
{
	for (unsigned i = 0; i < n; i++, (*s)++) {
		char c = **s;
		uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
		             : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
		             : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
		                                    : 16;
		if (d == 16) {
			return ERR_VALUE;
		}
		*v = *v << 4 | d;
	}
	return 0;
}

int word_tag(const char *s, uint32_t *ret_tag)
{
	uint32_t v = 0;
	const char *p = s;
	bool paired = *p == '(';
	if (tag_by_keyword(s, ret_tag) == 0) {
		return 0;
	}
	p += paired;
	if (hex(&p, 4, &v) < 0 || (paired && *p++ != ',') || hex(&p, 4, &v) < 0 || (paired && *p++ != ')') ||
		*p) {
		return ERR_VALUE;
	}
	*ret_tag = v;
	return 0;
}

const char *word_of_tag(uint32_t tag, char buf[16])
{
	const char *keyword = tag_keyword(tag);
	if (keyword[0]) {
		return keyword;
	}
	snprintf(buf, 16, "(%04X,%04X)", tag >> 16, tag & 0xffff);
	return buf;
}

enum service word_service(const char *s)
{
	return service_by_name(s);
}

const char *word_of_service(enum service s)
{
	return service_name(s);
}

unsigned sop_class_services(const char *uid)
{
	unsigned of = service_of_sop_class(span_str(uid));
	/* C-GET sends its objects back over contexts of the storage SOP classes: PS3.4 C.4.3. */
	return of & SERVICE_BIT(SERVICE_STORE) ? of | SERVICE_BIT(SERVICE_GET) : of;
}
