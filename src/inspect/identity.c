/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "dicom/vr.h"

static void keep(char *to, size_t size, struct span value)
{
	size_t n = value.len < size - 1 ? value.len : size - 1;
	if (n > 0) {
		memcpy(to, value.ptr, n);
	}
	to[n] = '\0';
}

static void compare(struct inspect *i, enum inspect_check check, const char *announced, const char *is)
{
	if (announced[0] && is[0] && strcmp(announced, is) != 0) {
		found_say(i, check, "%s, announced: %s", is, announced);
	}
}

/* A value whole, or its beginning. The first counts, where there are two. */
void identity_element(struct inspect *i, enum identity_element which, struct span value)
{
	struct inspect_facts *f = &i->facts;
	struct span v = vr_trim(i->e.vr, value);
	if (i->seen & 1u << which) {
		return;
	}
	i->seen |= 1u << which;
	switch (which) {
	case IDENTITY_SOP_CLASS:
		keep(f->sop_class, sizeof(f->sop_class), uid_trim(value));
		compare(i, CHECK_SOP_CLASS_DIFFERS, i->sop_class, f->sop_class);
		break;
	case IDENTITY_SOP_INSTANCE:
		keep(f->sop_instance, sizeof(f->sop_instance), uid_trim(value));
		compare(i, CHECK_SOP_INSTANCE_DIFFERS, i->sop_instance, f->sop_instance);
		break;
	case IDENTITY_META_CLASS:
		keep(i->sop_class, sizeof(i->sop_class), uid_trim(value));
		break;
	case IDENTITY_META_INSTANCE:
		keep(i->sop_instance, sizeof(i->sop_instance), uid_trim(value));
		break;
	case IDENTITY_SYNTAX:
		keep(i->syntax, sizeof(i->syntax), uid_trim(value));
		break;
	case IDENTITY_MODALITY:
		keep(f->modality, sizeof(f->modality), v);
		break;
	case IDENTITY_BODY_PART:
		keep(f->body_part, sizeof(f->body_part), v);
		break;
	case IDENTITY_BURNED_IN:
		keep(f->burned_in, sizeof(f->burned_in), v);
		if (strcmp(f->burned_in, "YES") == 0) {
			found(i, CHECK_BURNED_IN_ANNOTATION, v);
		}
		break;
	default:
		break;
	}
}

/* SOP classes that are for one modality alone (PS3.3 C.7.3.1.1.1): what follows STORAGE in their UIDs. */
#define STORAGE "1.2.840.10008.5.1.4.1.1."

static const struct {
	const char *sop_class, *modality;
} modalities[] = {
	{"2", "CT"},
	{"2.1", "CT"},
	{"4", "MR"},
	{"4.1", "MR"},
	{"20", "NM"},
	{"128", "PT"},
	{"481.1", "RTIMAGE"},
	{"481.2", "RTDOSE"},
	{"481.3", "RTSTRUCT"},
	{"481.5", "RTPLAN"},
	{"66.4", "SEG"},
};

static void check_modality(struct inspect *i)
{
	const struct inspect_facts *f = &i->facts;
	if (!f->modality[0] || strncmp(f->sop_class, STORAGE, strlen(STORAGE)) != 0) {
		return;
	}
	const char *is = f->sop_class + strlen(STORAGE);
	for (size_t k = 0; k < ARRAY_LEN(modalities); k++) {
		if (modalities[k].sop_class[0] == is[0] && strcmp(modalities[k].sop_class, is) == 0 &&
			strcmp(modalities[k].modality, f->modality) != 0) {
			found_say(i, CHECK_MODALITY_DIFFERS, "%s, where %s must stand", f->modality,
				modalities[k].modality);
		}
	}
}

void identity_end(struct inspect *i)
{
	const uint32_t meta = 1u << IDENTITY_META_CLASS | 1u << IDENTITY_META_INSTANCE;
	const uint32_t whose = 1u << IDENTITY_PATIENT | 1u << IDENTITY_STUDY | 1u << IDENTITY_SERIES;
	i->e.tag = 0;
	i->e.offset = 0;
	if (i->is_file && (i->seen & meta) != meta) {
		found_at(i, CHECK_META_INCOMPLETE, FILE_PREAMBLE, (struct span){0});
	}
	if (strcmp(i->sop_class, INSPECT_DIRECTORY) == 0) {
		return;
	}
	if (i->facts.sop_class[0] == '\0' || i->facts.sop_instance[0] == '\0') {
		found_at(i, CHECK_SOP_MISSING, 0,
			span_str(i->facts.sop_class[0] ? "no SOP instance" : "no SOP class"));
	}
	if ((i->seen & whose) != whose) {
		found_at(i, CHECK_IDENTITY_MISSING, 0, (struct span){0});
	}
	check_modality(i);
}
