/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

static const char elf[] = "\x7f"
			  "ELF\2\1\1\0 and so on, and so on";

/* ---- Pixels, and what else has a size ---- */

static void behind_image(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *checks;
	} rows[] = {
		{"ten zeros.", 10, "pixel-data-padded"},
		{elf, 30, "pixel-data-padded embedded-program"},
		{"....#!/bin/sh\n", 14, "pixel-data-padded embedded-script"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = image((struct image){1, 100, 100, 8, 8, 7, "MONOCHROME2", NULL});
		put_head(&w, e, TAG_PIXEL_DATA, "OW", (uint32_t)(10000 + rows[k].n));
		writer_fill(&w, 0x55, 100);
		writer_bytes(&w, elf, sizeof(elf) - 1); /* samples are any number */
		writer_fill(&w, 0x55, 9900 - (sizeof(elf) - 1));
		writer_bytes(&w, rows[k].bytes, rows[k].n);
		expect(&w, rows[k].checks);
	}
}

/* Pixels of floats end where their image does, and pixels inside a private sequence have no image. */
static void behind_other_images(void **state)
{
	struct writer w = image((struct image){1, 10, 10, 32, 32, 31, "MONOCHROME2", NULL});
	put_head(&w, e, 0x7FE00008, "OF", 440);
	writer_fill(&w, 0x55, 404);
	writer_bytes(&w, elf, 30);
	writer_fill(&w, 0, 6);
	expect(&w, "pixel-data-padded embedded-program");

	w = object(SECONDARY);
	put_string(&w, 0x00090010, "LO", "MAKER");
	put_head(&w, e, 0x00091001, "SQ", UNDEFINED_LENGTH);
	put_item(&w, e, UNDEFINED_LENGTH);
	put_head(&w, e, TAG_PIXEL_DATA, "OW", 40);
	writer_fill(&w, 0x55, 10);
	writer_bytes(&w, elf, 30);
	put_item_end(&w, e);
	put_sequence_end(&w, e);
	put_patient(&w, "Doe^Jane");
	expect(&w, "embedded-program");
}

/* Numbers of an image that readers take for different ones. */
static void other_numbers(void **state)
{
	struct writer w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_short(&w, 0x00280010, 10);
	put_short(&w, 0x00280010, 10);
	expect(&w, "tag-duplicate");
	put_short(&w, 0x00280010, 11);
	expect(&w, "tag-duplicate pixel-description");

	w = object(SECONDARY);
	put_patient(&w, "Doe^Jane");
	put_value(&w, 0x00280011, "UL", "\x10\0\1\0", 4);
	expect(&w, "vr-differs pixel-description");
}

static void palettes(void **state)
{
	for (unsigned k = 0; k < 3; k++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, "Doe^Jane");
		put_value(&w, 0x00281101, "US", k == 0 ? "\x20\0\0\0\x8\0" : "\x20\0\0\0\x10\0", 6);
		put_head(&w, e, 0x00281201, "OW", k == 2 ? 64 : 32);
		writer_fill(&w, 0, k == 2 ? 64 : 32);
		expect(&w, k == 1 ? "palette" : "");
	}
}

static void overlays(void **state)
{
	static const struct {
		uint16_t rows, group;
		const char *frames;
		uint32_t bytes;
		const char *checks;
	} rows[] = {{16, 0x6000, NULL, 32, ""}, {17, 0x6000, NULL, 32, "overlay"},
		{17, 0x601E, NULL, 32, "overlay"}, {16, 0x6002, "2", 32, "overlay"},
		{16, 0x6002, "2", 64, ""}, {65535, 0x6000, "4294967295", 64, "overlay"}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		uint32_t group = (uint32_t)rows[k].group << 16;
		put_patient(&w, "Doe^Jane");
		put_short(&w, group | 0x10, rows[k].rows);
		put_short(&w, group | 0x11, 16);
		if (rows[k].frames) {
			put_string(&w, group | 0x15, "IS", rows[k].frames);
		}
		put_head(&w, e, group | 0x3000, "OW", rows[k].bytes);
		writer_fill(&w, 0, rows[k].bytes);
		expect(&w, rows[k].checks);
	}
}

/* Two items, each with a size of its own. */
static void waveforms(void **state)
{
	for (uint16_t channels = 2; channels <= 3; channels++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, "Doe^Jane");
		put_head(&w, e, 0x54000100, "SQ", UNDEFINED_LENGTH);
		for (uint16_t k = 1; k <= 2; k++) {
			put_item(&w, e, UNDEFINED_LENGTH);
			put_short(&w, 0x003A0005, k == 1 ? 1 : channels);
			put_value(&w, 0x003A0010, "UL", "\x10\0\0\0", 4);
			put_short(&w, 0x54001004, 16);
			put_head(&w, e, 0x54001010, "OW", 32u * k);
			writer_fill(&w, 0, 32u * k);
			put_item_end(&w, e);
		}
		put_sequence_end(&w, e);
		expect(&w, channels == 2 ? "" : "waveform");
	}
}

static const uint8_t jpeg[16] = {0xFF, 0xD8, 0xFF, 0xD9};

/* The lengths of an extended table are those of frames, before they are made even. */
static void lengths_of_frames(void **state)
{
	for (uint8_t length = 14; length <= 17; length++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, "Doe^Jane");
		put_value(&w, 0x7FE00001, "OV", "\0\0\0\0\0\0\0", 8);
		put_value(&w, 0x7FE00002, "OV", (const char[8]){(char)length}, 8);
		put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
		put_item(&w, e, 0);
		put_fragment(&w, jpeg, sizeof(jpeg), 16);
		put_sequence_end(&w, e);
		expect_in(JPEG, &w,
			length == 15 || length == 16 ? "pixel-description-missing"
						     : "pixel-description-missing extended-offset-table");
	}
}

/* Only the first entries are held against each fragment; none may point behind the last. */
static void offsets_behind_the_last(void **state)
{
	enum { FRAMES = INSPECT_KEPT + 10 };
	for (unsigned bad = 0; bad < 2; bad++) {
		char frames[16];
		snprintf(frames, sizeof(frames), "%d", FRAMES);
		struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "MONOCHROME2", frames});
		put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
		put_item(&w, e, 4 * FRAMES);
		for (uint32_t k = 0; k < FRAMES; k++) {
			writer_u32le(&w, bad && k == FRAMES - 1 ? 0x7FFFFFFF : 24 * k);
		}
		for (unsigned k = 0; k <= FRAMES; k++) {
			put_fragment(&w, jpeg, sizeof(jpeg), 16);
		}
		put_sequence_end(&w, e);
		expect_in(JPEG, &w, bad ? "offset-table" : "");
	}
}

/* PS3.3 C.7.6.3.1.2: pixels that are places in a table, and no table. */
static void palettes_that_are_missing(void **state)
{
	for (unsigned k = 0; k < 2; k++) {
		struct writer w = image((struct image){1, 10, 10, 8, 8, 7, "PALETTE COLOR", NULL});
		for (uint32_t c = 0; k && c < 3; c++) {
			put_value(&w, 0x00281101 + c, "US", "\4\0\0\0\x08\0", 6);
		}
		for (uint32_t c = 0; k && c < 3; c++) {
			put_value(&w, 0x00281201 + c, "OW", "\1\2\3\4", 4);
		}
		put_head(&w, e, TAG_PIXEL_DATA, "OW", 100);
		writer_fill(&w, 1, 100);
		expect(&w, k ? "" : "pixel-description-missing");
	}
}

static void first_fragments(void **state)
{
	static const struct {
		const char *syntax, *bytes, *checks;
	} rows[] = {
		{"1.2.840.10008.1.2.4.102", "\xCF\xFA\xED\xFE and so on",
			"pixel-description-missing embedded-program"},
		{"1.2.840.10008.1.2.4.102", "#!/bin/sh\n",
			"pixel-description-missing embedded-program embedded-script"},
		{"1.2.840.10008.1.2.4.102", "\1\2\3\4", "pixel-description-missing"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_patient(&w, "Doe^Jane");
		put_head(&w, e, TAG_PIXEL_DATA, "OB", UNDEFINED_LENGTH);
		put_item(&w, e, 0);
		put_fragment(&w, rows[k].bytes, strlen(rows[k].bytes), 64);
		put_sequence_end(&w, e);
		expect_in(rows[k].syntax, &w, rows[k].checks);
	}
}

/* ---- What a flow takes ---- */

static void wanted(void **state)
{
	static const struct {
		const char *modality, *wanted, *not_wanted;
		bool found;
	} rows[] = {{"CT", "\\CT\\MR\\", "", false}, {"US", "\\CT\\MR\\", "", true},
		{"", "\\CT\\MR\\", "", true}, {"CT\\US", "\\CT\\MR\\", "", true},
		{"CT\\MR", "\\CT\\MR\\", "", false}, {"CT\\US", "", "\\US\\", true},
		{"US\\CT", "", "\\US\\", true}, {"CT", "", "\\US\\", false}, {"", "", "\\US\\", false}};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00080060, "CS", rows[k].modality);
		put_patient(&w, "Doe^Jane");
		expect(&w, "");
		struct inspect_wanted wants = {0};
		snprintf(wants.modalities, sizeof(wants.modalities), "%s", rows[k].wanted);
		snprintf(wants.not_modalities, sizeof(wants.not_modalities), "%s", rows[k].not_wanted);
		inspect_want(&inspected, &wants);
		assert_int_equal(inspected.counts[CHECK_MODALITY_UNWANTED], rows[k].found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behind_image),
		cmocka_unit_test(behind_other_images),
		cmocka_unit_test(other_numbers),
		cmocka_unit_test(palettes),
		cmocka_unit_test(overlays),
		cmocka_unit_test(waveforms),
		cmocka_unit_test(lengths_of_frames),
		cmocka_unit_test(offsets_behind_the_last),
		cmocka_unit_test(palettes_that_are_missing),
		cmocka_unit_test(first_fragments),
		cmocka_unit_test(wanted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
