/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dataset.h"
#include "dicom/vr.h"
#include "transform/deidentify.h"
#include "transform/leftovers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants those before it */
#include <cmocka.h>

#include "transform_looked.h"

/* What is found of values that were, in values that are. */
static struct leftovers l;

#define NAME  0x00100010u
#define PLACE 0x00080080u

/* One element of explicit VR little endian, whose value is fed in pieces of a size. */
static void look(uint32_t tag, const char *vr, const void *value, size_t n, size_t step)
{
	static uint8_t bytes[9000];
	struct writer w = writer_of(bytes, sizeof(bytes));
	writer_u16le(&w, (uint16_t)(tag >> 16));
	writer_u16le(&w, (uint16_t)tag);
	writer_bytes(&w, vr, 2);
	if (vr_flags(vr) & VR_SHORT) {
		writer_u16le(&w, (uint16_t)n);
	} else {
		writer_u16le(&w, 0);
		writer_u32le(&w, (uint32_t)n);
	}
	writer_bytes(&w, value, n);
	assert_int_equal(writer_end(&w), 0);
	look_through(&l, writer_span_of(&w), step);
}

static void begin(uint32_t tag, const char *vr, const char *value)
{
	leftovers_begin(&l, 0);
	leftovers_add(&l, tag, vr, span_str(value));
}

static bool finds(const char *in, const char *vr)
{
	bool found = true;
	for (size_t step = 1; step <= 40; step++) {
		l.found = l.grave = false;
		look(0x00181210, vr, in, strlen(in), step);
		assert_true(step == 1 || found == l.found);
		found = l.found;
	}
	return found;
}

static void names(void **state)
{
	begin(NAME, "PN", "Zzyzxon^Quentin=\x1b$B;3ED");
	assert_true(finds("seen by quentin", "UT"));
	assert_true(l.grave);
	assert_int_equal(l.of, NAME);
	assert_int_equal(l.in, 0x00181210);
	assert_false(finds("XZZYZXONX", "UT")); /* below eight letters it must stand alone */
	assert_true(finds("quentin", "UT"));
	assert_false(finds("Quent in, Zzyzx on", "UT"));
	begin(NAME, "PN", "Hart^Ann");
	assert_true(finds("Hart, A", "UT"));
	assert_false(
		finds("Harting Charta Ann", "UT")); /* part of another word; and three letters are too few */
}

static void forms(void **state)
{
	begin(NAME, "PN", "Zzyzxon");
	static const char wide[] = {0, 'Z', 0, 'z', 0, 'y', 0, 'z', 0, 'x', 0, 'o', 0, 'n'};
	for (size_t shift = 0; shift < 2; shift++) {
		l.found = l.grave = false;
		look(0x00420011, "OB", wide + shift, sizeof(wide) - shift, 7);
		assert_true(l.found); /* either byte order */
	}
	begin(NAME, "PN", "Zzyzxonville");
	assert_true(finds("Wnp5enhvbnZpbGxl", "UT")); /* Base64 of it, of "Q" with it, of "QQ" with it */
	assert_true(finds("UVp6eXp4b252aWxsZQ==", "UT"));
	assert_true(finds("UVFaenl6eG9udmlsbGU=", "UT"));
}

/* In what other formats make of text. */
static void encoded(void **state)
{
	static const struct {
		const char *value, *in;
	} of[] = {
		{"Miller^J\xC3\xBCrg", "name=J%C3%BCrg&x=1"}, {"Miller^J\xC3\xBCrg", "name=J%FCRG"},
		{"Miller^J\xC3\xBCrg", "%4D%69%6C%6c%65%72"}, {"Miller^J\xC3\xBCrg", "J%u00FCrg"},
		{"Zzyzx Hospital", "see?of=Zzyzx+Hospital"}, {"Zzyzx Hospital", "see?of=Zzyzx%20Hospital"},
		{"Miller^J\xC3\xBCrg", "<b>J&uuml;rg</b>"}, {"Miller^J\xC3\xBCrg", "J&#252;rg"},
		{"Miller^J\xC3\xBCrg", "J&#xfc;RG"}, {"Miller^J\xC3\xBCrg", "&#77;&#x69;ller"},
		{"Miller^J\xC3\xBCrg", "{\"a\":\"J\\u00fcrg\"}"}, {"Miller^J\xC3\xBCrg", "J\\xfcrg"},
		{"Miller^J\xC3\xBCrg", "(J\\374rg)"},
		{"\xF0\x9D\x93\x90\xF0\x9D\x93\x91", "\\ud835\\udcd0\\uD835\\uDCD1"},
		{"Miller^J\xC3\xBCrg", "J=C3=BCrg"}, {"Miller^J\xC3\xBCrg", "=?UTF-8?Q?J=C3=BCrg_Miller?="},
		{"Miller^J\xC3\xBCrg", "M=69ll=\r\ner"}, {"Miller^J\xC3\xBCrg", "Mill=\ner"},
		{"Miller^J\xC3\xBCrg", "4d696C6c6572"}, {"Miller^J\xC3\xBCrg", "x=04d696C6c6572"},
		{"Miller^J\xC3\xBCrg", "4D 69 6C 6C 65 72"}, {"Miller^J\xC3\xBCrg", "4D:69:6C:6C:65:72"},
		{"Miller^J\xC3\xBCrg", "4d006900 6c006C00 65007200"}, {"Hart^Ann", "48617274"},
		{"Hart^Ann", "SGFydA=="}, {"Hart^Ann", "id SGFydA, too"}, {"Hart^Ann", "PXIHART=.SEFSVA=="},
		{"Miller^J\xC3\xBCrg", "bWlsbGVy"}, {"Miller^J\xC3\xBCrg", "=?UTF-8?B?SsO8cmc=?="},
		{"Miller^J\xC3\xBCrg", "eyJuYW1lIjoiTWlsbGVyIn0"}, {"Miller^J\xC3\xBCrg", "TQBpAGwAbABlAHIA"},
		{"Miller^J\xC3\xBCrg",
			"eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHggTWls\r\nbGVyIHh4"},
		{"Miller^J\xC3\xBCrg", "eyJhIjoiSlx1MDBmY3JnIn0="}, /* JSON's escapes in Base64 */
		{"Miller^J\xC3\xBCrg", "x%3DTWlsbGVy"},             /* Base64 in a URL */
		{"Miller^J\xC3\xBCrg", "J%26uuml%3Brg"},            /* a reference in a URL */
	};
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		begin(NAME, "PN", of[i].value);
		if (!finds(of[i].in, "UT")) {
			fail_msg("%s is not found", of[i].in);
		}
		assert_true(l.grave);
		assert_true(finds(of[i].in, "UN"));
	}
	begin(0x00100030, "DA", "19610203");
	assert_true(finds("born=1961%2D02%2D03", "UT"));
	assert_true(finds("\"03\\/02\\/1961\"", "UT"));
	assert_true(finds("MTk2MTAyMDM=", "UT"));
	begin(0x00100020, "LO", "PID9988");
	assert_true(finds("50494439393838", "UT"));
}

/* What is a run of letters by chance, and what is not encoded. */
static void not_encoded(void **state)
{
	static const char *const in[] = {"4861727", "48617274FF", "01486172740203", "5848617274",
		"SGFydAQQQQ", "H%61rting", "Ha\\x72tmann", "Ha=\n\nrt", "Ha&#;rt", "Ha%7rt", "SGFy dA=="};
	begin(NAME, "PN", "Hart^Ann");
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		if (finds(in[i], "UT")) {
			fail_msg("%s is found", in[i]);
		}
	}
	assert_false(finds("48617274", "UI")); /* numbers are not text */
	assert_false(finds("48617274", "DS"));
	assert_false(finds("48617274", "OW"));
}

/* Long values, of which every piece is encoded, in whatever pieces they come. */
static void encoded_long(void **state)
{
	static const char *const words[] = {"%4D%69%6C%6C%65%72", "&#77;&#105;&#108;&#108;&#101;&#114;",
		"4D696C6C6572", "TWlsbGVy", "=4Diller"};
	static char text[6000];
	begin(NAME, "PN", "Miller^Joe");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (size_t at = 0; at < 5500; at += 97) {
			memset(text, '.', sizeof(text));
			memcpy(text, "%20 &#32; =20 ", 14);
			memcpy(text + 14 + at, words[i], strlen(words[i]));
			l.found = l.grave = false;
			look(0x00181210, "UT", text, sizeof(text), at % 2 ? 8000 : 700 + at % 100);
			if (!l.found) {
				fail_msg("%s at %zu is not found", words[i], at);
			}
		}
	}
}

static void uids(void **state)
{
	begin(0x0020000D, "UI", "1.2.3.4.5.6");
	assert_true(finds("1.2.3.4.5.6", "UT") && finds("see 1.2.3.4.5.6, please", "UT"));
	assert_false(finds("1.2.3.4.5.67", "UT") || finds("1.2.3.4.5.6.7", "UT"));
	begin(0x0020000D, "UI", "1.2.3.4.5.6\\1.2.840.10008.5.1.4.1.1.2\\1.2.3.4.7.8"); /* each of several */
	assert_true(finds("1.2.3.4.7.8", "UT") && finds("1.2.3.4.5.6", "UT"));
	assert_false(finds("1.2.840.10008.5.1.4.1.1.2", "UT"));
	begin(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
	assert_false(finds("1.2.840.10008.5.1.4.1.1.2", "UT")); /* the standard's own tell nothing */
}

static void harmless(void **state)
{
	begin(0x00081030, "LO", "HEAD WITHOUT CONTRAST");
	assert_false(finds("HEAD WITHOUT CONTRAST", "UT"));
	begin(0x00104000, "LT", "None");
	assert_false(finds("ORIGINAL\\NONE", "CS"));
	begin(0x00081010, "SH", "1234");
	assert_false(finds("1234", "UT")); /* a short number is anywhere */
	begin(0x00100020, "LO", "1234");
	assert_true(finds("seen as 1234", "UT")); /* … but a patient's is looked for */
	assert_false(finds("12345", "UT"));
	begin(0x00080050, "SH", "123456");
	assert_true(finds("123456", "UT"));
	begin(PLACE, "LO", "Zzyzx Hospital");
	assert_true(finds("ZZYZX HOSPITAL", "UT"));
	assert_false(l.grave); /* for a person to judge */
	begin(NAME, "PN", "Zzyzxon");
	l.found = l.grave = false;
	look(0x00080070, "UT", "Zzyzxon", 7, 100);
	assert_true(l.found && !l.grave); /* the manufacturer's name */
}

/* What stands for values that were is in every result: where it was there before, it is not left over. */
static void dummies(void **state)
{
	begin(0x00080022, "DA", "19000101");
	assert_false(finds("19000101", "UT"));
	begin(NAME, "PN", "REMOVED");
	assert_false(finds("Removed", "UT"));
	begin(NAME, "PN", "Removedson");
	assert_true(finds("Removedson", "UT"));
	begin(0x00080022, "DA", "19000102");
	assert_true(finds("19000102", "UT"));
}

/* Wherever it lies in a binary value, at whatever alignment; shorter ones occur there by chance. */
/* A copy of a copy has the method's name where it had it before; a value that only begins so is searched for. */
static void copies(void **state)
{
	(void)state;
	begin(0x00120063, "LO", "Gantry: PS3.15 Annex E Basic Profile");
	assert_false(finds("Gantry: PS3.15 Annex E Basic Profile", "UT"));
	begin(0x00120063, "LO", "Gantry: PS3.15 Annex E Basic Profile, Miller");
	assert_true(finds("Gantry: PS3.15 Annex E Basic Profile, Miller", "UT"));
}

static void binary(void **state)
{
	static uint8_t pixels[4000];
	begin(NAME, "PN", "Zzyzxonv");
	for (size_t at = 0; at < 600; at++) {
		memset(pixels, 'z', sizeof(pixels));
		memcpy(pixels + at, "ZZYZXONV", 8);
		for (size_t step = 64; step < 70; step++) {
			l.found = l.grave = false;
			look(0x7FE00010, "OW", pixels, sizeof(pixels), step);
			assert_true(l.found);
		}
	}
	begin(NAME, "PN", "Zzyz");
	look(0x7FE00010, "OW", pixels, sizeof(pixels), 100);
	assert_false(l.found);
}

/* Pixels of twelve bits, among which most of the search is done in steps of a block: text, wide text, and what has control characters. */
static void among_pixels(void **state)
{
	static const struct {
		const char *value, *in;
		size_t n;
	} of[] = {{"Zzyzxonv", "ZZYZXONV", 8}, {"Zzyzx", "Z\0Z\0Y\0Z\0X", 9},
		{"\x1b$B;3ED\x1b(B", "\x1b$B;3ED\x1b(B", 10}};
	static uint8_t pixels[4000];
	for (size_t k = 0; k < sizeof(of) / sizeof(of[0]); k++) {
		begin(NAME, "PN", of[k].value);
		for (size_t at = 0; at < 1200; at++) {
			for (size_t i = 0; i < sizeof(pixels); i += 2) {
				pixels[i] = (uint8_t)(i * 31);
				pixels[i + 1] = (uint8_t)(1 + i / 2 % 14);
			}
			memcpy(pixels + at, of[k].in, of[k].n);
			l.found = l.grave = false;
			look(0x7FE00010, "OW", pixels, sizeof(pixels), at % 2 ? sizeof(pixels) + 100 : 700);
			assert_true(l.found);
		}
	}
}

/* Short values are looked for in bytes that may hold anything, but not in numbers. */
static void bytes(void **state)
{
	static const char text[] = "\x01\x02\x03Zzyz\x04\x05\x06\x07";
	static const struct {
		uint32_t tag;
		const char *vr;
		bool found;
	} in[] = {{0x00091001, "UN", true}, {0x00091001, "OB", true}, {0x00420011, "OB", true},
		{0x7FE00010, "OB", false}, {0x54001010, "OB", false}, {0x00091001, "OW", false},
		{0x00091001, "OF", false}};
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		for (size_t step = 1; step < 25; step++) {
			begin(NAME, "PN", "Zzyz");
			look(in[i].tag, in[i].vr, text, sizeof(text) - 1, step);
			assert_int_equal(l.found, in[i].found);
		}
	}
}

static void dates(void **state)
{
	static const char *const notations[] = {"19610203", "03.02.1961", "1961-02-03", "02/03/1961",
		"03/02/1961", "1961/02/03", "03-02-1961", "02-03-1961", "1961.02.03", "born 03.02.1961!"};
	static const char *const others[] = {"13.02.1961", "1961-02", "0302.1961", "1961_02_03"};
	for (unsigned turn = 0; turn < 2; turn++) {
		begin(0x00100030, turn ? "DT" : "DA", turn ? "19610203101112" : "19610203");
		for (size_t i = 0; i < sizeof(notations) / sizeof(notations[0]); i++) {
			assert_true(finds(notations[i], "UT"));
			assert_true(l.grave);
		}
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
			assert_false(finds(others[i], "UT"));
		}
	}
	begin(0x00080022, "DA", "19000101");
	assert_false(finds("1900-01-01", "UT"));
	begin(0x0008002A, "DT", "19000101\\19610203101112");
	assert_true(finds("03.02.1961", "UT") && finds("19610203101112", "UT"));
}

/* A value without a VR is looked for if it may be text. */
static void unknown(void **state)
{
	(void)state;
	begin(0x00091001, "UN", "Zzyzx^Quentin ");
	assert_true(finds("by quentin", "UT"));
	assert_false(l.grave);
	leftovers_begin(&l, 0);
	leftovers_add(&l, 0x00091001, "UN", span_of((const uint8_t *)"Quentin\0", 8));
	assert_true(finds("by quentin", "UT"));
	leftovers_begin(&l, 0);
	leftovers_add(&l, 0x00091001, "UN", span_of((const uint8_t *)"Quen\0tin", 8));
	leftovers_add(&l, 0x00091001, "UN", span_of((const uint8_t *)"\x01Quentin", 8));
	assert_false(finds("by quentin", "UT"));
}

/* Among the digits of a UID that was made, a date is there by chance; not in another one, nor as all of a component. */
static void dates_by_chance(void **state)
{
	begin(0x00080020, "DA", "19610203");
	assert_false(finds("2.25.331961020377", "UI"));
	assert_true(finds("2.25.331961020377", "UT"));
	assert_true(finds("1.2.331961020377", "UI"));
	assert_true(finds("2.25.19610203", "UI"));
	assert_true(finds("2.26.331961020377", "UI"));
	begin(NAME, "PN", "Zzyz");
	l.found = false;
	look(0x04000520, "OB", "\x01\x02Zzyz\x03\x04", 8, 100); /* nor in what is encrypted */
	assert_false(l.found);
	(void)state;
}

/* The date of birth is looked for as people write one, too. */
static void birth(void **state)
{
	static const char *const notations[] = {"3.2.1961", "2/3/1961", "3/2/1961", "03021961", "02031961",
		"03FEB1961", "3 Feb 1961", "03-feb-1961", "Feb 3, 1961", "b. 03 Feb 1961."};
	static const char *const others[] = {"13.2.1961", "3.2.196", "13 Feb 1961", "3 Mar 1961"};
	for (unsigned turn = 0; turn < 2; turn++) {
		begin(turn ? 0x00080020 : 0x00100030, "DA", "19610203");
		for (size_t i = 0; i < sizeof(notations) / sizeof(notations[0]); i++) {
			assert_int_equal(finds(notations[i], "UT"), turn == 0);
		}
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
			assert_false(finds(others[i], "UT"));
		}
	}
	static const struct {
		const char *date, *in;
	} words[] = {{"19610203", "February 3, 1961"}, {"19610203", "am 3. Februar 1961"},
		{"19610203", "3 f\xC3\xA9vrier 1961"}, {"19610203", "n\xE9 le 03 F\xC9VRIER 1961"},
		{"19610203", "3 de febrero de 1961"}, {"19610313", "13. M\xC3\x84RZ 1961"},
		{"19610313", "13 de mar\xE7o de 1961"}, {"19610813", "13 ao%C3%BBt 1961"},
		{"19611203", "3 dicembre 1961"}, {"19610503", "3 mei 1961"}};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		begin(0x00100030, "DA", words[i].date);
		leftovers_charset(&l, span_str("ISO_IR 192"));
		if (!finds(words[i].in, "UT")) {
			fail_msg("%s is not found", words[i].in);
		}
		begin(0x00080020, "DA", words[i].date);
		assert_false(finds(words[i].in, "UT"));
	}
	begin(0x00100030, "DA", "19611399"); /* it has no month's name */
	assert_true(finds("1961-13-99", "UT"));
}

/* In another case, and another character set, than the object has them in. */
static void spellings(void **state)
{
	static const struct {
		const char *charset, *name, *elsewhere;
		bool found;
	} rows[] = {
		{"ISO_IR 192", "M\xC3\xBCller-Wendt^J", "M\xC3\x9CLLER-WENDT", true},
		{"ISO_IR 192", "M\xC3\x9CLLER^J", "seen by M\xC3\xBCller today", true},
		{"ISO_IR 100", "M\xFCller^J", "M\xC3\xBCller", true},
		{"ISO_IR 100", "M\xFCller^J", "M\xDCLLER", true},
		{"ISO_IR 192", "M\xC3\xBCller^J", "m\xFCller", true},
		{"", "M\xFCller^J", "M\xC3\xBCller", true}, /* it has not said which: Latin-1 */
		{"", "M\xC3\xBCller^J", "M\xDCLLER", true}, /* or UTF-8 */
		{"ISO_IR 192", "M\xC3\xBCller^J", "M\xC3\xB6ller", false},
		{"ISO_IR 144", "\xB8\xD2\xD0\xDD\xDE\xD2^\xB8",
			"\xD0\xB8\xD0\xB2\xD0\xB0\xD0\xBD\xD0\xBE\xD0\xB2", true},
		{"ISO_IR 192", "\xC5\x81uka\xC5\xBC^J", "\xC5\x81UKA\xC5\xBB", true},
		{"\\ISO 2022 IR 87", "Yamada^T=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
			"\xE5\xB1\xB1\xE7\x94\xB0\xE5\xA4\xAA\xE9\x83\x8E", true},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		leftovers_begin(&l, 0);
		leftovers_charset(&l, span_str(rows[i].charset));
		leftovers_add(&l, NAME, "PN", span_str(rows[i].name));
		assert_int_equal(finds(rows[i].elsewhere, "UT"), rows[i].found);
	}
	static const char wide[] = {0, 'M', 0, '\xDC', 0, 'L', 0, 'L', 0, 'E', 0, 'R', 0};
	leftovers_begin(&l, 0);
	leftovers_charset(&l, span_str("ISO_IR 192"));
	leftovers_add(&l, NAME, "PN", span_str("M\xC3\xBCller^J"));
	for (size_t shift = 0; shift < 2; shift++) {
		l.found = l.grave = false;
		look(0x00420011, "OB", wide + shift, 12, 7);
		assert_true(l.found);
	}
}

/* Parts that are too short to be looked for, with each other. */
static void whole_names(void **state)
{
	static const char *const names[] = {"Ng^Ann", "ng ann, 2 views", "ANN NG", "Ng, Ann"};
	begin(NAME, "PN", "Ng^Ann^^Dr=x");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(finds(names[i], "UT"));
	}
	assert_false(finds("annng an ng", "UT"));
	begin(NAME, "PN", "Zzyzxon^Quentin"); /* each is below eight bytes: by chance among pixels */
	assert_true(finds("....Zzyzxon^Quentin....", "OB"));
	l.found = l.grave = false;
	look(0x7FE00010, "OW", "....ZZYZXON^QUENTIN....", 23, 50);
	assert_true(l.found);
	l.found = l.grave = false;
	look(0x7FE00010, "OW", "....Zzyzxon Quentin....", 23, 50);
	assert_false(l.found);
}

/* Found where the options have it stay. */
static void found_in(unsigned options, uint32_t of, const char *vr, const char *value, const char *in,
	const char *in_vr, bool wants_found, bool wants_grave)
{
	leftovers_begin(&l, options);
	leftovers_add(&l, of, vr, span_str(value));
	assert_int_equal(finds(in, in_vr), wants_found);
	assert_int_equal(l.grave, wants_grave);
}

static void wanted(void **state)
{
	const unsigned uids = OPTION_UIDS, full = OPTION_FULL_DATES;
	found_in(0, 0x00080020, "DA", "20040119", "1.2.3.20040119", "UI", true, true);
	found_in(uids, 0x00080020, "DA", "20040119", "1.2.3.20040119", "UI", true, false);
	found_in(uids, 0x00100020, "LO", "20040118", "1.2.3.20040118", "UI", true, true);
	found_in(uids, 0x00080020, "DA", "20040119", "of 20040119", "UT", true, true);
	found_in(uids | full, 0x00080020, "DA", "20040119", "1.2.3.20040119", "UI", false, false);
	found_in(0, 0x00081155, "UI", "1.2.3.4.5.6", "1.2.3.4.5.6", "UI", true, true);
	found_in(uids, 0x00081155, "UI", "1.2.3.4.5.6", "1.2.3.4.5.6", "UI", false, false);
	found_in(full, 0x0040A120, "DT", "20040119101112", "20040119", "DA", false, false);
	found_in(full, 0x00100030, "DA", "20040119", "20040119", "DA", true, false);
	found_in(full, 0x00100030, "DA", "20040119", "20040119", "LO", true, true);
	found_in(OPTION_SHIFTED_DATES, 0x00080020, "DA", "20040119", "20040119", "DA", true, true);
}

/* The same value, first of what a person may judge, then of the patient. */
static void graver(void **state)
{
	begin(PLACE, "LO", "Zzyzxonville");
	leftovers_add(&l, NAME, "PN", span_str("Zzyzxonville"));
	assert_true(finds("Zzyzxonville", "UT"));
	assert_true(l.grave);
	assert_int_equal(l.of, NAME);
	assert_true(finds("UVp6eXp4b252aWxsZQ==", "UT"));
	assert_true(l.grave);
}

static void many(void **state)
{
	leftovers_begin(&l, 0);
	for (unsigned i = 0; i < 2 * LEFTOVERS_MOST; i++) {
		char name[32];
		snprintf(name, sizeof(name), "Name%xq", i * 2654435761u);
		leftovers_add(&l, NAME, "PN", span_str(name));
	}
	assert_true(l.full);
	assert_true(finds("Name0q", "UT"));
}

/*
 * What is remembered of the objects before changes nothing: object after object of some patients, with values of each and of its own, in
 * two character sets and with other options, against one that remembers nothing.
 */
static void remembers_nothing_else(void **state)
{
	static const struct {
		uint32_t tag;
		const char *vr, *value;
	} values[] = {{NAME, "PN", "Zzyzxon^Quentin"}, {NAME, "PN", "M\xFCller^J"}, {NAME, "PN", "Ng^Li"},
		{PLACE, "LO", "Zzyzx Hospital"}, {PLACE, "LO", "Quentin"}, {0x00100030, "DA", "19610203"},
		{0x00080020, "DA", "20260104"}, {0x0020000D, "UI", "1.2.3.4.5.6"}, {0x00081030, "LO", "HEAD"},
		{0x00104000, "LT", "seen\r\nby Zzyzxon"}, {0x00100020, "LO", "PID9988"},
		{0x00080050, "SH", "PID9988"}};
	static const char *const texts[] = {"of quentin", "ZZYZX HOSPITAL", "M\xC3\xBCller", "Li Ng",
		"03.02.1961", "on 20260104", "1.2.3.4.5.6", "head", "by zzyzxon", "PID9988",
		"UElEOTk4OA==", "nobody"};
	static struct leftovers kept, fresh;
	unsigned n_found = 0;
	uint32_t random = 1;
	memset(&kept, 0, sizeof(kept));
	for (unsigned object = 0; object < 3000; object++) {
		char uid[32];
		const char *text = texts[(random >> 8) % (sizeof(texts) / sizeof(texts[0]))];
		snprintf(uid, sizeof(uid), "1.2.3.4.%u", object);
		memset(&fresh, 0, sizeof(fresh));
		for (unsigned turn = 0; turn < 2; turn++) {
			struct leftovers *of = turn ? &fresh : &kept;
			leftovers_begin(of, object % 50 == 0 ? OPTION_UIDS : 0);
			if (object % 7 < 2) {
				leftovers_charset(of, span_str("ISO_IR 100"));
			}
			leftovers_add(of, 0x00080018, "UI", span_str(uid));
			for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
				if (random >> i & 1) {
					leftovers_add(
						of, values[i].tag, values[i].vr, span_str(values[i].value));
				}
			}
			assert_false(of->full);
		}
		memcpy(&l, &kept, sizeof(l));
		look(0x00181210, "UT", text, strlen(text), 100);
		const bool found = l.found, grave = l.grave;
		const uint32_t tag = l.of;
		memcpy(&l, &fresh, sizeof(l));
		look(0x00181210, "UT", text, strlen(text), 100);
		assert_int_equal(found, l.found);
		assert_int_equal(grave, l.grave);
		assert_int_equal(tag, l.of);
		assert_int_equal(kept.n_searched, fresh.n_searched);
		n_found += found;
		random = random * 1664525 + 1013904223;
	}
	assert_in_range(n_found, 500, 2500);
	assert_in_range(kept.n_patterns, 1, LEFTOVERS_MOST);
}

/* As many as there may be in one object, in one after the other. */
static void many_again(void **state)
{
	char text[24];
	memset(&l, 0, sizeof(l));
	for (unsigned object = 0; object < 12; object++) {
		leftovers_begin(&l, 0);
		for (unsigned i = 0; i < 3000 && !l.full; i++) {
			snprintf(text, sizeof(text), "Zz%u.%u", object, i);
			leftovers_add(&l, NAME, "PN", span_str(text));
		}
		assert_true(l.full);
		assert_int_equal(l.n_searched, LEFTOVERS_MOST);
		snprintf(text, sizeof(text), "zz%u.5", object);
		assert_true(finds(text, "UT"));
		snprintf(text, sizeof(text), "zz%u.5", object - 1);
		assert_false(finds(text, "UT"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(forms),
		cmocka_unit_test(encoded),
		cmocka_unit_test(not_encoded),
		cmocka_unit_test(encoded_long),
		cmocka_unit_test(uids),
		cmocka_unit_test(harmless),
		cmocka_unit_test(dummies),
		cmocka_unit_test(copies),
		cmocka_unit_test(binary),
		cmocka_unit_test(among_pixels),
		cmocka_unit_test(bytes),
		cmocka_unit_test(dates),
		cmocka_unit_test(birth),
		cmocka_unit_test(dates_by_chance),
		cmocka_unit_test(unknown),
		cmocka_unit_test(spellings),
		cmocka_unit_test(whole_names),
		cmocka_unit_test(wanted),
		cmocka_unit_test(graver),
		cmocka_unit_test(many),
		cmocka_unit_test(many_again),
		cmocka_unit_test(remembers_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
