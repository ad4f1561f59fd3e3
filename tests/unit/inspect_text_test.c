/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

/* What texts say as a viewer shows them: in their character set, wherever in them, to a terminal, and with wide letters made plain. */
static struct writer with_charset(const char *charset)
{
	struct writer w = writer_of(bytes, sizeof(bytes));
	put_string(&w, 0x00080005, "CS", charset);
	put_string(&w, 0x00080016, "UI", SECONDARY);
	put_string(&w, 0x00080018, "UI", "1.2.3.4");
	return w;
}

static const struct {
	const char *charset, *text, *checks;
} hidden[] = {
	{"\\ISO 2022 IR 87", "<\x1b(Bscr\x1b(Bipt>", "text-markup"},
	{"\\ISO 2022 IR 149", "\x1b$)C<\x1b(Bscript>", "text-markup"},
	{"ISO_IR 100", "<\x1b(Bscr\x1b(Bipt>", "text-markup text-control text-charset"},
	{"ISO_IR 100", "\xE4<\x1b(Bscr\x1b(Bipt>", "text-markup text-control text-charset"},
	{"GB18030", "\x81\x30<script>", "text-markup text-charset"},
	{"GB18030", "\xB5\x7C\xB5\x7C", ""},
	/* Set by set, what is markup is in ASCII again. */
	{"\\ISO 2022 IR 87", "\x1b$B;3ED\x1b(B<i\x1b(Bframe", "text-markup"},
	{"\\ISO 2022 IR 87", "\x1b$B<script>\x1b(B", "text-markup text-charset"}, /* as it came */
	{"\\ISO 2022 IR 87", "\x1b$B;3ED;3ED\x1b(B", ""},
	/* Wide letters: of UTF-8, JIS X 0208, KS X 1001, GB 18030. */
	{"ISO_IR 192", "\xEF\xBC\x9Cscript\xEF\xBC\x9E", "text-markup"},
	{"ISO_IR 192",
		"\xEF\xBC\x9C\xEF\xBD\x93\xEF\xBD\x83\xEF\xBD\x92\xEF\xBD\x89\xEF\xBD\x90\xEF\xBD\x94\xEF\xBC\x9E",
		"text-markup"},
	{"ISO_IR 192", "\xEF\xB9\xA4IMG\xE3\x80\x80src", "text-markup"},
	{"\\ISO 2022 IR 87", "\x1b$B!c\x1b(Bscript", "text-markup"},
	{"\\ISO 2022 IR 149",
		"\x1b$)C\xA3\xBC"
		"script",
		"text-markup"},
	{"GB18030", "\xA3\xBCsvg", "text-markup"},
	{"ISO_IR 192", "\xEF\xBC\x9C\xE6\x89\x80\xE8\xA6\x8B\xEF\xBC\x9E", ""}, /* a heading */
	{"ISO_IR 192",
		"\xEF\xBC\x8E\xEF\xBC\x8E\xEF\xBC\x8F \xEF\xBC\x86\xEF\xBC\x86 \xEF\xBC\x84\xEF\xBC\x88", ""},
	/* What a terminal takes for a command; letters of code pages, and of UTF-8, that nobody declared. */
	{"ISO_IR 192",
		"\xC2\x9B"
		"31mred",
		"text-control text-charset"},
	{"ISO_IR 192",
		"\xC2\x9D"
		"0;title",
		"text-control text-charset"},
	{"ISO_IR 192", "\xC2\x90$qm", "text-control text-charset"},
	{"ISO_IR 192",
		"\xC2\x9Bz \xC2\x85 \xC2\x9E"
		"1",
		"text-charset"},
	{"ISO_IR 100",
		"\x9B"
		"31mred",
		"text-control text-charset"},
	{"ISO_IR 100", "\x90+q", "text-control text-charset"},
	{"ISO_IR 100", "Kone\x9E, \x93ja\x94, \x9A\x9B, \x80 5", "text-charset"},
	{"", "\x8E\x90\x83\x80\x8D\x9B: \x9D;", "text-charset"}, /* code page 866 */
	{"ISO_IR 100", "\xC5\x9Awi\xC4\x99ty", "text-charset"},
	{"ISO_IR 100",
		"\x90"
		"l \x9B"
		"A",
		"text-charset"},
	{"GB18030",
		"\x81\x30\x83\x37"
		"31m",
		"text-control text-charset"},
	{"\\ISO 2022 IR 87", "\x1b[31mred", "text-control text-charset"},
	{"\\ISO 2022 IR 87",
		"\x1b"
		"c",
		"text-control text-charset"},
	{"\\ISO 2022 IR 87", "\x1b(Ia", "text-charset"}, /* a set that is not the standard's */
	/* What runs when something happens, by any name, and as a browser takes attributes apart. */
	{"ISO_IR 100", "<q x='/'onwheel  =1", "text-markup"},
	{"ISO_IR 100", "<Q oncut oNcopy=1", "text-markup"},
	{"ISO_IR 100", "<q/onsecuritypolicyviolation=1", "text-markup"},
	{"ISO_IR 100", "\xE4<q onend =1", "text-markup"},
	{"ISO_IR 100", "<q onpasted=1 onpast=1 on=1 onpaste x= paste=1 oonpaste=1", ""},
	{"ISO_IR 100", "<1 onpaste=1 < q onpaste=1", ""},
	{"ISO_IR 100", "<q onendx=1 onendon=1 ononend=1", ""},
	{"ISO_IR 100", "<q onwh\x1b(Beel=1", "text-markup text-control text-charset"},
	{"ISO_IR 192", "\xEF\xBC\x9Cq onwheel\xEF\xBC\x9D", "text-markup"},
	{"\\ISO 2022 IR 87", "\x1b$B!c\x1b(Bq onbeforetoggle=", "text-markup"},
};

static void short_texts(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(hidden); k++) {
		struct writer w = with_charset(hidden[k].charset);
		put_string(&w, 0x00081030, "LO", hidden[k].text);
		put_patient(&w, "Doe^Jane");
		expect(&w, hidden[k].checks);
	}
}

/* The same in the beginning, in the midst, across what is held at once, and at the end of a long text. */
static void long_texts(void **state)
{
	static const size_t places[] = {
		0, 1000, INSPECT_VALUE - 5, INSPECT_VALUE - 2, INSPECT_VALUE + 700, 9000};
	enum { LONG = 9000 };
	for (size_t k = 0; k < ARRAY_LEN(hidden) * ARRAY_LEN(places); k++) {
		const char *text = hidden[k / ARRAY_LEN(places)].text;
		size_t at = places[k % ARRAY_LEN(places)], n = strlen(text);
		at = at + n > LONG ? LONG - n : at;
		struct writer w = with_charset(hidden[k / ARRAY_LEN(places)].charset);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_head(&w, e, 0x00091001, "UT", LONG);
		writer_fill(&w, 'x', at);
		writer_bytes(&w, text, n);
		writer_fill(&w, 'x', LONG - n - at);
		put_patient(&w, "Doe^Jane");
		expect(&w, hidden[k / ARRAY_LEN(places)].checks);
	}
}

/* The element and what runs are as far from each other as the text is long. In a document, they are looked for in the bytes that its letters have. */
static void far_handlers(void **state)
{
	enum { LONG = 20000, TEXT = 0, XML = 1, WIDE = 2, KINDS = 3 };
	for (unsigned k = 0; k < 2 * KINDS; k++) {
		char text[LONG + 1];
		unsigned kind = k / 2, wide = kind == WIDE;
		bool runs = k % 2 == 0;
		const char *handler = runs ? " onbeforetogglE =" : " onbeforetogglE >";
		memset(text, 'x', LONG);
		memcpy(text, "<x", 2);
		memcpy(text + LONG - strlen(handler), handler, strlen(handler));
		struct writer w = object(kind == TEXT ? SECONDARY : "1.2.840.10008.5.1.4.1.1.104.2");
		put_patient(&w, "Doe^Jane");
		put_string(&w, 0x00400009, "SH", "1");
		put_head(&w, e, kind == TEXT ? 0x0040A160 : 0x00420011, kind == TEXT ? "UT" : "OB",
			LONG << wide);
		for (size_t j = 0; j < LONG; j++) {
			writer_bytes(&w, &text[j], 1);
			writer_fill(&w, 0, wide);
		}
		if (kind != TEXT) {
			put_string(&w, 0x00420012, "LO", "text/XML");
		}
		expect(&w, !runs ? "" : kind == TEXT ? "text-markup" : "document-script");
	}
}

/* A text of ten thousand characters of three bytes, and its padding. */
static void long_honest_text(void **state)
{
	for (unsigned padding = 0; padding < 3; padding++) {
		struct writer w = with_charset("ISO_IR 192");
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_head(&w, e, 0x00091001, "UT", 30000 + padding);
		for (unsigned k = 0; k < 10000; k++) {
			writer_bytes(&w, "\xE6\x89\x80", 3);
		}
		writer_fill(&w, padding == 1 ? 0 : ' ', padding);
		put_patient(&w, "Doe^Jane");
		expect(&w, padding == 1 ? "odd-length" : "");
	}
}

/* Values that may have ASCII alone are printed too. */
static void commands_elsewhere(void **state)
{
	static const struct {
		const char *vr, *text, *checks;
	} rows[] = {
		{"CS",
			"A\x9B"
			"2J",
			"text-control value-grammar"},
		{"CS", "A\xC4", "value-grammar"},
		{"DS",
			"1\x9B"
			"2J",
			"text-control value-grammar"},
		{"UR",
			"http://\x9D"
			"0;ab",
			"text-control text-charset"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		if (rows[k].vr[0] == 'U') {
			put_head(&w, e, 0x00091001, rows[k].vr, (uint32_t)strlen(rows[k].text));
			writer_bytes(&w, rows[k].text, strlen(rows[k].text));
		} else {
			put_string(&w, 0x00091001, rows[k].vr, rows[k].text);
		}
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_texts),
		cmocka_unit_test(long_texts),
		cmocka_unit_test(far_handlers),
		cmocka_unit_test(long_honest_text),
		cmocka_unit_test(commands_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
