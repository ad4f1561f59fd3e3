/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/*
 * usage: dump FILE: what our parser says of a DICOM file, for tests/dcmdump/compare: a line an element, item or fragment,
 * "INDENT TAG VR LENGTH" as dcmdump indents them; notes as "note NAME OFFSET"; last "end" or "error TEXT OFFSET".
 */
#define PIECE 4096

static struct dicom_file f;
static struct inflater inflater;

static void print_head(int event)
{
	const struct dataset *d = &f.d;
	bool item = event == DATASET_ITEM || event == DATASET_FRAGMENT;
	printf("%u %04x,%04x %s ", 2 * d->depth - item, d->tag >> 16, d->tag & 0xFFFF, item ? "-" : d->vr);
	if (d->length == UNDEFINED_LENGTH) {
		printf("u/l\n");
	} else {
		printf("%u\n", d->length);
	}
}

static void print_event(int event)
{
	switch (event) {
	case DATASET_ELEMENT:
	case DATASET_SEQUENCE:
	case DATASET_ITEM:
	case DATASET_ENCAPSULATED:
	case DATASET_FRAGMENT:
		print_head(event);
		break;
	case DATASET_NOTE:
		printf("note %s %lu\n", dataset_note_name(f.d.note), (unsigned long)f.d.offset);
		break;
	default:
		break;
	}
}

/* What can be said of what was fed; DATASET_MORE, DATASET_END or an error. */
static int pull(void)
{
	int event;
	while ((event = file_next(&f)) > 0 && event != DATASET_END) {
		print_event(event);
	}
	return event;
}

int main(int argc, char **argv)
{
	static uint8_t piece[PIECE];
	FILE *file = argc == 2 ? fopen(argv[1], "rbe") : NULL;
	if (!file) {
		perror(argc == 2 ? argv[1] : "usage: dump FILE");
		return 2;
	}
	size_t n;
	int event = DATASET_MORE;
	file_begin(&f, &inflater);
	while (event == DATASET_MORE && (n = fread(piece, 1, sizeof(piece), file)) > 0) {
		file_feed(&f, span_of(piece, n));
		event = pull();
	}
	if (event == DATASET_MORE) {
		file_last(&f);
		event = pull();
	}
	fclose(file);
	if (event < 0) {
		printf("error %lu %s\n", (unsigned long)f.d.offset, err_str(event));
		return 1;
	}
	printf("end\n");
	return 0;
}
