/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include "dicom/vr.h"

/*
 * The records of a DICOMDIR (PS3.3 F.3.2.2): a tree, made by offsets in the file. They may stand in any order, so that one would have
 * to hold them all to walk it; what is held are sums. Each record is pointed to once, or the sums of where records stand and
 * of where is pointed to differ. If they are the same, each record has one before or above it, and who starts at the first comes
 * to no record twice.
 */

#define DIRECTORY_RECORDS 0x00041220u

/* PS3.3 F.5, and what older editions had. */
static const char *const types[] = {"ANNOTATION", "ASSESSMENT", "CURVE", "ENCAP DOC", "FIDUCIAL", "FILM BOX",
	"FILM SESSION", "HANGING PROTOCOL", "HL7 STRUC DOC", "IMAGE", "IMAGE BOX", "IMPLANT", "IMPLANT ASSY",
	"IMPLANT GROUP", "INTERPRETATION", "INVENTORY", "KEY OBJECT DOC", "MEASUREMENT", "MODALITY LUT",
	"MRDR", "OVERLAY", "PALETTE", "PATIENT", "PLAN", "PRESENTATION", "PRINT QUEUE", "PRIVATE",
	"RADIOTHERAPY", "RAW DATA", "REGISTRATION", "RESULTS", "RT DOSE", "RT PLAN", "RT STRUCTURE SET",
	"RT TREAT RECORD", "SERIES", "SPECTROSCOPY", "SR DOCUMENT", "STEREOMETRIC", "STORED PRINT", "STUDY",
	"STUDY COMPONENT", "SURFACE", "SURFACE SCAN", "TOPIC", "TRACT", "VALUE MAP", "VISIT", "VOI LUT",
	"WAVEFORM"};

static uint64_t mixed(uint64_t v)
{
	v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9u;
	v = (v ^ v >> 27) * 0x94D049BB133111EBu;
	return v ^ v >> 31;
}

static bool is_directory(const struct inspect *i)
{
	return i->is_file && strcmp(i->sop_class, INSPECT_DIRECTORY) == 0;
}

void directory_item(struct inspect *i)
{
	const struct dataset *d = &i->f.d;
	struct inspect_directory *y = &i->directory;
	if (!is_directory(i) || d->depth != 1 || d->path[0] != DIRECTORY_RECORDS) {
		return;
	}
	uint64_t at = d->offset - i->shift;
	y->records++;
	y->record_sum += mixed(at);
	y->active_sum += mixed(at);
	y->at = at;
	y->loose = false;
	y->last_met |= at == y->last;
}

/* One that is not in use, or that is pointed to by files and not by records, need not be in the tree. */
static void let_loose(struct inspect_directory *y)
{
	if (!y->loose && y->records > 0) {
		y->loose = true;
		y->n_loose++;
		y->active_sum -= mixed(y->at);
	}
}

static void check_type(struct inspect *i, struct span value)
{
	struct span v = vr_trim("CS", value);
	for (size_t k = 0; k < ARRAY_LEN(types); k++) {
		if (v.len == strlen(types[k]) && memcmp(v.ptr, types[k], v.len) == 0) {
			if (strcmp(types[k], "MRDR") == 0) {
				let_loose(&i->directory);
			}
			return;
		}
	}
	found(i, CHECK_DIRECTORY, v);
}

void directory_element(struct inspect *i, enum directory_element which, struct span value)
{
	struct inspect_directory *y = &i->directory;
	unsigned depth = which == DIRECTORY_FIRST || which == DIRECTORY_LAST ? 0 : 1;
	if (!is_directory(i) || i->f.d.depth != depth) {
		return;
	}
	if (which == DIRECTORY_TYPE) {
		check_type(i, value);
		return;
	}
	uint64_t n = number_of(i, value);
	if (which == DIRECTORY_LAST) {
		y->last = n;
	} else if (which == DIRECTORY_IN_USE) {
		if (n == 0) {
			let_loose(y);
		}
	} else if (n != 0) {
		y->pointers++;
		y->pointer_sum += mixed(n);
	}
}

void directory_end(struct inspect *i)
{
	const struct inspect_directory *y = &i->directory;
	if (!is_directory(i) || i->failed) {
		return;
	}
	bool all = y->pointers == y->records && y->pointer_sum == y->record_sum;
	bool active = y->pointers == y->records - y->n_loose && y->pointer_sum == y->active_sum;
	if (!all && !active) {
		found_say(i, CHECK_DIRECTORY, "%llu records, %llu pointers, and not one to each",
			(unsigned long long)y->records, (unsigned long long)y->pointers);
	} else if (y->records > 0 && !y->last_met) {
		found_say(i, CHECK_DIRECTORY, "no record stands where the last one should");
	}
}
