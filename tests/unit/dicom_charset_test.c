/* SPDX-License-Identifier: Apache-2.0 */
#include "net_bytes.h"
#include "safe_text.h"

#include "dicom/charset.h"

#define BYTES(s)                                                                                             \
	{                                                                                                    \
		(const uint8_t *)(s), sizeof(s) - 1                                                          \
	}

/* ---- The standard's examples ---- */

static const struct example {
	const char *name;
	const char *charset;
	const char *vr;
	struct span value;
	const char *text;
} examples[] = {
	{"PS3.5 H.3.1", "\\ISO 2022 IR 87", "PN",
		BYTES("Yamada^Tarou=\033$B;3ED\033(B^\033$BB@O:\033(B=\033$B$d$^$@\033(B^\033$B$?$m$&\033(B"),
		"Yamada^Tarou=山田^太郎=やまだ^たろう"},
	{"PS3.5 H.3.2", "ISO 2022 IR 13\\ISO 2022 IR 87", "PN",
		BYTES("\324\317\300\336^\300\333\263=\033$B;3ED\033(J^\033$BB@O:\033(J=\033$B$d$^$@\033(J^\033$B$?$m$&"
		      "\033(J"),
		"ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"},
	{"PS3.5 I.2", "\\ISO 2022 IR 149", "PN",
		BYTES("Hong^Gildong=\033$)C\373\363^\033$)C\321\316\324\327=\033$)C\310\253^\033$)C\261\346\265\277"),
		"Hong^Gildong=洪^吉洞=홍^길동"},
	{"PS3.5 I.3", "\\ISO 2022 IR 149", "LT",
		BYTES("\033$)CThe first line includes \307\321\261\333.\r\n"
		      "\033$)CThe second line includes \307\321\261\333, too.\r\nThe third line"),
		"The first line includes 한글.\nThe second line includes 한글, too.\nThe third line"},
	{"PS3.5 J.1", "ISO_IR 192", "PN", BYTES("Wang^XiaoDong=\347\216\213^\345\260\217\346\235\261="),
		"Wang^XiaoDong=王^小東="},
	{"PS3.5 J.2", "ISO_IR 192", "LT",
		BYTES("The first line includes\344\270\255\346\226\207.\r\n"
		      "The second line includes\344\270\255\346\226\207, too.\r\nThe third line.\r\n"),
		"The first line includes中文.\nThe second line includes中文, too.\nThe third line.\n"},
	{"PS3.5 J.3", "GB18030", "PN", BYTES("Wang^XiaoDong=\315\365^\320\241\266\253="),
		"Wang^XiaoDong=王^小东="},
	{"PS3.5 J.3", "GBK", "PN", BYTES("Wang^XiaoDong=\315\365^\320\241\266\253="),
		"Wang^XiaoDong=王^小东="},
	{"PS3.5 J.4", "GB18030", "LT",
		BYTES("The first line includes\326\320\316\304.\r\n"
		      "The second line includes\326\320\316\304, too.\r\nThe third line.\r\n"),
		"The first line includes中文.\nThe second line includes中文, too.\nThe third line.\n"},
	{"PS3.5 K.2", "\\ISO 2022 IR 58", "PN",
		BYTES("Zhang^XiaoDong=\033$)A\325\305^\033$)A\320\241\266\253= "), "Zhang^XiaoDong=张^小东="},
	{"PS3.5 K.3", "\\ISO 2022 IR 58", "LT",
		BYTES("1.\033$)A\265\332\322\273\320\320\316\304\327\326\241\243\r\n"
		      "2.\033$)A\265\332\266\376\320\320\316\304\327\326\241\243\r\n"
		      "3.\033$)A\265\332\310\375\320\320\316\304\327\326\241\243\r\n"),
		"1.第一行文字。\n2.第二行文字。\n3.第三行文字。\n"},
	{"French", "ISO_IR 100", "PN", BYTES("Buc^J\351r\364me"), "Buc^Jérôme"},
	{"German", "ISO_IR 100", "PN", BYTES("\304neas^R\374diger"), "Äneas^Rüdiger"},
	{"Polish", "ISO_IR 101", "PN", BYTES("Wa\263\352sa"), "Wałęsa"},
	{"Esperanto", "ISO_IR 109", "LO", BYTES("anta\375nomo"), "antaŭnomo"},
	{"Latvian", "ISO_IR 110", "LO", BYTES("v\340rds"), "vārds"},
	{"Turkish", "ISO_IR 148", "PN", BYTES("\307avu\376o\360lu"), "Çavuşoğlu"},
	{"Finnish", "ISO_IR 203", "LO", BYTES("\246ekki, 5 \244"), "Šekki, 5 €"},
	{"Russian", "ISO_IR 144", "PN", BYTES("\273\356\332ce\334\321yp\323"), "Люкceмбypг"},
	{"Arabic", "ISO_IR 127", "PN", BYTES("\342\310\307\346\352^\344\346\322\307\321"), "قباني^لنزار"},
	{"Greek", "ISO_IR 126", "PN", BYTES("\304\351\357\355\365\363\351\357\362"), "Διονυσιος"},
	{"Hebrew", "ISO_IR 138", "PN", BYTES("\371\370\345\357^\343\341\345\370\344"), "שרון^דבורה"},
	{"Thai", "ISO_IR 166", "PN", BYTES("\271\322\301\312\241\330\305"), "นามสกุล"},
	{"katakana", "ISO_IR 13", "PN", BYTES("\324\317\300\336^\300\333\263"), "ﾔﾏﾀﾞ^ﾀﾛｳ"},
	{"extension", "ISO 2022 IR 100\\ISO 2022 IR 126", "PN",
		BYTES("Dionysios=\033-F\304\351\357\355\365\363\351\357\362^J\351r\364me"),
		"Dionysios=Διονυσιος^Jérôme"},
	{"values", "ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126", "PN",
		BYTES("Buc^J\351r\364me\\\033-F\304\351\357\355\365\363\351\357\362\\\033-L\273\356\332ce\334\321yp\323"),
		"Buc^Jérôme\\Διονυσιος\\Люкceмбypг"},
	{"JIS X 0212", "\\ISO 2022 IR 159", "LO", BYTES("\033$(D0!\"\"\"7\033(B."), "丂\xef\xbf\xbd～."},
	{"four bytes", "GB18030", "LO",
		BYTES("\2010\2046|\2252\2201|\2036\3078|\2041\2449|\2041\2450|\3432\2325|\3432\2326"),
		"¥|𠂇|\xed\x9f\xbf|\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd"},
};

/* Convert into a buffer of exactly cap bytes, so that a sanitizer sees every byte too many. */
static struct charset_text convert(
	const char *charset, const char *vr, unsigned options, struct span value, char **ret)
{
	size_t cap = value.len * 3 + 1;
	struct charset cs = charset_of(span_str(charset));
	struct charset_text t;
	*ret = malloc(cap);
	assert_non_null(*ret);
	charset_to_utf8(&cs, vr, options, value, *ret, cap, &t);
	assert_int_equal(strlen(*ret), t.len);
	assert_false(t.truncated);
	unsigned replacements;
	assert_true(safe_text(*ret, t.len, options & CHARSET_LINES, &replacements));
	assert_true(replacements >= t.replaced);
	return t;
}

static void expect(const char *charset, const char *vr, unsigned options, struct span value, const char *text,
	unsigned replaced)
{
	char *got;
	struct charset_text t = convert(charset, vr, options, value, &got);
	assert_string_equal(got, text);
	assert_int_equal(t.replaced, replaced);
	free(got);
}

static unsigned replacements_in(const char *text)
{
	unsigned n = 0;
	while ((text = strstr(text, "\xef\xbf\xbd"))) {
		text += 3;
		n++;
	}
	return n;
}

static void the_standards_examples(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		const struct example *e = &examples[i];
		struct charset cs = charset_of(span_str(e->charset));
		print_message("%s: %s\n", e->name, e->text);
		assert_int_equal(cs.faults, 0);
		struct span value = exact(e->value.ptr, e->value.len);
		expect(e->charset, e->vr, CHARSET_LINES, value, e->text, replacements_in(e->text));
		free((void *)value.ptr);
	}
}

/* Every beginning of a value gives a beginning of its text, and then at most what the cut character's bytes are. */
static void cut_at_every_byte(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		const struct example *e = &examples[i];
		for (size_t len = 0; len < e->value.len; len++) {
			struct span value = exact(e->value.ptr, len);
			char *got;
			struct charset_text t = convert(e->charset, e->vr, CHARSET_LINES, value, &got);
			size_t same = 0;
			while (same < t.len && got[same] == e->text[same]) {
				same++;
			}
			while (same > 0 && ((uint8_t)got[same] & 0xC0) == 0x80) {
				same--; /* U+FFFD and what it replaces may have a first byte in common */
			}
			/* The rest: a lead byte alone, an unfinished escape sequence, or three of four bytes. */
			assert_true(t.len - same <= 9);
			assert_true(strspn(got + same, "\xef\xbf\xbd$()-ABCDIJ0123456789\n") == t.len - same);
			free(got);
			free((void *)value.ptr);
		}
	}
}

/* Every size of the buffer: a beginning of the text, cut between characters, and told. */
static void every_size(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		const struct example *e = &examples[i];
		struct charset cs = charset_of(span_str(e->charset));
		size_t full = strlen(e->text);
		for (size_t cap = 0; cap <= full + 2; cap++) {
			char *to = malloc(cap ? cap : 1);
			struct charset_text t;
			unsigned n;
			assert_non_null(to);
			to[0] = 'x';
			charset_to_utf8(&cs, e->vr, CHARSET_LINES, e->value, to, cap, &t);
			assert_int_equal(t.truncated, cap < full + 1);
			if (cap == 0) {
				assert_int_equal(to[0], 'x');
				assert_int_equal(t.len, 0);
			} else {
				assert_true(t.len < cap);
				assert_true(cap - t.len <= 4 || !t.truncated);
				assert_int_equal(to[t.len], 0);
				assert_memory_equal(to, e->text, t.len);
				assert_true(safe_text(to, t.len, true, &n));
				assert_int_equal(t.replaced, n);
			}
			free(to);
		}
	}
}

/* ---- Specific Character Set ---- */

static void spellings(void **state)
{
	static const struct {
		const char *charset, *like;
		unsigned faults;
	} rows[] = {
		{"", "ISO_IR 6", 0},
		{"  ", "ISO_IR 6", 0},
		{" ISO_IR 100 ", "ISO_IR 100", 0},
		{"ISO-IR 100", "ISO_IR 100", CHARSET_MISSPELT},
		{"ISO IR 100", "ISO_IR 100", CHARSET_MISSPELT},
		{"ISO_IR_100", "ISO_IR 100", CHARSET_MISSPELT},
		{"ISOIR100", "ISO_IR 100", CHARSET_MISSPELT},
		{"iso_ir 100", "ISO_IR 100", CHARSET_MISSPELT},
		{"ISO_8859-1", "ISO_IR 100", CHARSET_MISSPELT},
		{"ISO_IR 10", "ISO_IR 6", CHARSET_UNKNOWN},
		{"ISO_IR 1000", "ISO_IR 6", CHARSET_UNKNOWN},
		{"-", "ISO_IR 6", CHARSET_UNKNOWN},
		{"UTF8", "ISO_IR 192", CHARSET_MISSPELT},
		{"utf-8", "ISO_IR 192", CHARSET_MISSPELT},
		{"ISO 2022 IR 192", "ISO_IR 192", CHARSET_MISSPELT},
		{"GB 18030", "GB18030", CHARSET_MISSPELT},
		{"GB2312", "GBK", CHARSET_MISSPELT},
		{"ISO_IR 192\\ISO 2022 IR 100", "ISO_IR 192", CHARSET_MIXED},
		{"\\ISO_IR 192", "ISO_IR 192", CHARSET_MIXED},
		{"ISO 2022 IR 6\\GBK", "GBK", CHARSET_MIXED},
		{"ISO_IR 192\\GBK", "ISO_IR 192", CHARSET_MIXED},
		{"ISO 2022 IR 100\\ISO_IR 192", "ISO 2022 IR 100\\ISO 2022 IR 100", CHARSET_MIXED},
		{"ISO_2022-IR 87\\ISO-2022-IR+149", "ISO 2022 IR 87\\ISO 2022 IR 149",
			CHARSET_MISSPELT | CHARSET_FIRST},
		{"ISO_IR 100\\ISO 2022 IR 126", "ISO 2022 IR 100\\ISO 2022 IR 126", CHARSET_EXTENSION},
		{"ISO 2022 IR 100\\FOO\\ISO 2022 IR 87", "ISO 2022 IR 100\\ISO 2022 IR 87", CHARSET_UNKNOWN},
		{"ISO 2022 IR 100\\\\ISO 2022 IR 87", "ISO 2022 IR 100\\ISO 2022 IR 87", CHARSET_MISSPELT},
		{"ISO_IR 87", "ISO 2022 IR 87", CHARSET_MISSPELT | CHARSET_FIRST | CHARSET_EXTENSION},
		{"\\ISO 2022 IR 6\\ISO 2022 IR 6\\ISO 2022 IR 6\\ISO 2022 IR 6\\ISO 2022 IR 6\\ISO 2022 IR 6\\ISO 2022 IR 87",
			"\\ISO 2022 IR 87", 0},
		{"\\ISO 2022 IR 6\\ISO 2022 IR 6\\ISO 2022 IR 6\\ISO 2022 IR 6\\ISO 2022 IR 6\\ISO 2022 IR 6\\ISO 2022 IR 6"
		 "\\ISO 2022 IR 87",
			"\\ISO 2022 IR 6", CHARSET_MANY},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span value = exact(rows[i].charset, strlen(rows[i].charset));
		struct charset cs = charset_of(value), like = charset_of(span_str(rows[i].like));
		print_message("%s\n", rows[i].charset);
		assert_int_equal(cs.faults, rows[i].faults);
		assert_int_equal(cs.coding, like.coding);
		assert_int_equal(cs.extended, like.extended);
		if (cs.coding == CHARSET_ISO2022) {
			assert_int_equal(cs.g0, like.g0);
			assert_int_equal(cs.g1, like.g1);
			assert_int_equal(cs.declared, like.declared);
		}
		free((void *)value.ptr);
	}
	/* One with code extensions, alone, allows them. */
	assert_true(charset_of(span_str("ISO 2022 IR 100")).extended);
	assert_int_equal(charset_of(span_str("ISO 2022 IR 100")).faults, CHARSET_EXTENSION);
	assert_false(charset_of(span_str("ISO_IR 100")).extended);
	assert_false(charset_of(span_str("ISO_IR 192\\ISO 2022 IR 87")).extended);
}

/* Korean and Chinese devices that name the set alone write it without an escape sequence. */
static void two_bytes_alone(void **state)
{
	expect("ISO 2022 IR 149", "PN", 0, span_str("\310\253^\261\346\265\277"), "홍^길동", 0);
	expect("ISO_IR 58", "PN", 0, span_str("\325\305^\320\241"), "张^小", 0);
	expect("ISO 2022 IR 87", "PN", 0, span_str("\033$B;3ED\033(B^x"), "山田^x", 0);
}

/* ---- Code extensions ---- */

/* PS3.5 6.1.2.5.3: what was designated ends at delimiters and control characters. */
static void states_end(void **state)
{
	static const char kr[] = "\\ISO 2022 IR 149", gr[] = "ISO 2022 IR 100\\ISO 2022 IR 126";
	expect(gr, "PN", 0, span_str("\033-F\304^\304=\033-F\304=\304\\\304"), "Δ^Ä=Δ=Ä\\Ä", 0);
	expect(gr, "LO", 0, span_str("\033-F\304^\304=\304\\\304"), "Δ^Δ=Δ\\Ä", 0);
	expect(gr, "LT", CHARSET_LINES, span_str("\033-F\304^\304\\\304\r\n\304"), "Δ^Δ\\Δ\nÄ", 0);
	expect(gr, "LT", CHARSET_LINES, span_str("\033-F\304\t\304\033-F\304\f\304"), "Δ\tÄΔ\nÄ", 0);
	expect(kr, "PN", 0, span_str("\033$)C\310\253^\261"), "홍^\xef\xbf\xbd", 1);
	/* In a set of two bytes a character in G0, the bytes of delimiters are no delimiters. */
	expect("\\ISO 2022 IR 87", "PN", 0, span_str("\033$B0^=b\\\\\033(B\\\\"), "緯盾樛\\\\", 0);
	expect("\\ISO 2022 IR 87", "LO", 0, span_str("\033$B;3 ED\r;3"), "山 田\xef\xbf\xbd;3", 1);
}

static void romaji(void **state)
{
	static const char jp[] = "ISO 2022 IR 13\\ISO 2022 IR 87";
	expect("ISO_IR 13", "LO", 0, span_str("a\\b~"), "a\\b‾", 0);
	expect("ISO_IR 13", "LT", 0, span_str("a\\b~"), "a¥b‾", 0);
	expect(jp, "ST", 0, span_str("\\\033(B\\\033(J\\\033$B;3"), "¥\\¥山", 0);
	/* 5C in two bytes delimits nothing. */
	expect("GB18030", "LO", 0, span_str("\201\\\\\201^"), "乗\\乛", 0);
	expect("GBK", "PN", 0, span_str("\201\\\\\201^"), "乗\\乛", 0);
}

static void escape_sequences(void **state)
{
	static const char greek[] = "x\033-F\304y";
	char *got;
	/* Declared. */
	struct charset_text t = convert("ISO 2022 IR 100\\ISO 2022 IR 126", "LO", 0, span_str(greek), &got);
	assert_string_equal(got, "xΔy");
	assert_int_equal(t.undeclared, 0);
	free(got);
	/* Not declared: heeded, and counted. */
	t = convert("ISO 2022 IR 100\\ISO 2022 IR 144", "LO", 0, span_str(greek), &got);
	assert_string_equal(got, "xΔy");
	assert_int_equal(t.undeclared, 1);
	assert_int_equal(t.replaced, 0);
	free(got);
	t = convert("\\ISO 2022 IR 87", "LO", 0, span_str("\033$B;3\033(J\\\033$B;3\033(B"), &got);
	assert_string_equal(got, "山\\山");
	assert_int_equal(t.undeclared, 1);
	free(got);
	/* ISO-IR 6 need not be. */
	t = convert("ISO 2022 IR 13\\ISO 2022 IR 87", "LO", 0, span_str("\033(B~"), &got);
	assert_string_equal(got, "~");
	assert_int_equal(t.undeclared, 0);
	free(got);
	/* Without code extensions, and in a VR that has none, an ESC is a control character. */
	expect("ISO_IR 100", "LO", 0, span_str(greek), "x\xef\xbf\xbd-FÄy", 1);
	expect("ISO_IR 192", "LO", 0, span_str("\033(B"), "\xef\xbf\xbd(B", 1);
	expect("ISO_IR 192\\ISO 2022 IR 87", "LO", 0, span_str("\033(B"), "\xef\xbf\xbd(B", 1);
	expect("ISO 2022 IR 100\\ISO 2022 IR 126", "AE", 0, span_str(greek), "x\xef\xbf\xbd-F\xef\xbf\xbdy",
		2);
	/* No escape sequence of the standard, or not a whole one: nothing is swallowed. */
	expect("\\ISO 2022 IR 87", "LO", 0, span_str("\033$@;3\033\\\033(\033$"),
		"\xef\xbf\xbd$@;3\xef\xbf\xbd\\\xef\xbf\xbd(\xef\xbf\xbd$", 4);
}

/* ---- What must not pass ---- */

static void control_characters(void **state)
{
	static const char *const charsets[] = {
		"", "ISO_IR 100", "\\ISO 2022 IR 149", "ISO_IR 192", "GB18030", "GBK"};
	static const char *const vrs[] = {"PN", "LO", "LT", "UI", "UN"};
	for (size_t i = 0; i < ARRAY_LEN(charsets); i++) {
		for (size_t v = 0; v < ARRAY_LEN(vrs); v++) {
			for (unsigned b = 0; b < 0xA0; b = b == 0x1F ? 0x7F : b + 1) {
				bool line = v == 2 && (b == '\t' || b == '\n' || b == '\f' || b == '\r');
				char bytes[] = {'a', (char)b, 'z'};
				/* A byte of C1 that begins a character of two bytes would take the letter. */
				bool two = i >= 4 && v < 3 && b > 0x80;
				bytes[2] = two ? '\r' : 'z';
				expect(charsets[i], vrs[v], 0, span_of(bytes, two ? 2 : 3),
					line  ? "a z"
					: two ? "a\xef\xbf\xbd"
					      : "a\xef\xbf\xbdz",
					!line);
			}
		}
	}
	/* As characters of two bytes. */
	expect("ISO_IR 192", "LO", 0, span_str("a\302\200\302\205\302\237\302\240z"),
		"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\302\240z", 3);
}

static void lines(void **state)
{
	static const char text[] = "a\r\nb\rc\nd\fe\tf\n\rg\342\200\250h\342\200\251i";
	expect("ISO_IR 192", "UT", 0, span_str(text), "a b c d e f  g h i", 0);
	expect("ISO_IR 192", "UT", CHARSET_LINES, span_str(text), "a\nb\nc\nd\ne\tf\n\ng\nh\ni", 0);
	expect("ISO_IR 192", "LO", CHARSET_LINES, span_str("a\r\n\t\342\200\250"),
		"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 4);
}

static void not_utf8(void **state)
{
	static const struct {
		struct span value;
		const char *text;
		unsigned replaced;
	} rows[] = {
		{BYTES("\300\257"), "\xef\xbf\xbd\xef\xbf\xbd", 2},                 /* overlong / */
		{BYTES("\340\200\257"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 3}, /* overlong / */
		{BYTES("\355\240\200"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 3}, /* U+D800 */
		{BYTES("\364\220\200\200"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
			4},                                                         /* U+110000 */
		{BYTES("\357\277\276\357\277\277"), "\xef\xbf\xbd\xef\xbf\xbd", 2}, /* U+FFFE, U+FFFF */
		{BYTES("\357\267\220"), "\xef\xbf\xbd", 1},                         /* U+FDD0 */
		{BYTES("\360\237\277\276"), "\xef\xbf\xbd", 1},                     /* U+1FFFE */
		{BYTES("\360\237\230a"),
			"\xef\xbf\xbd"
			"a",
			1},
		{BYTES("\344\270\\x"), "\xef\xbf\xbd\\x", 1},
		{BYTES("\357\277\275"), "\xef\xbf\xbd", 0}, /* U+FFFD itself */
		{BYTES("\360\237\230\200"), "\360\237\230\200", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		expect("ISO_IR 192", "PN", 0, rows[i].value, rows[i].text, rows[i].replaced);
	}
}

/* A byte that would be a character of its own, a delimiter above all, survives what stands before it. */
static void nothing_is_swallowed(void **state)
{
	expect("\\ISO 2022 IR 149", "PN", 0, span_str("\033$)C\310^\033$)C\310\\x"),
		"\xef\xbf\xbd^\xef\xbf\xbd\\x", 2);
	expect("GB18030", "PN", 0, span_str("\201=\2010=\2010\201^\377\\\200\\"),
		"\xef\xbf\xbd=\xef\xbf\xbd"
		"0=\xef\xbf\xbd"
		"0乛\xef\xbf\xbd\\\xef\xbf\xbd\\",
		5);
	expect("\\ISO 2022 IR 87", "PN", 0, span_str("\033$B;\033(B^\033$B;\r^"),
		"\xef\xbf\xbd^\xef\xbf\xbd\xef\xbf\xbd^", 3);
}

static void bidi(void **state)
{
	static const char text[] = "a\342\200\256b\342\200\217c\330\234d\342\201\246e";
	char *got;
	struct charset_text t = convert("ISO_IR 192", "PN", 0, span_str(text), &got);
	assert_string_equal(got, text);
	assert_int_equal(t.bidi, 4);
	assert_int_equal(t.replaced, 0);
	free(got);
	t = convert("ISO_IR 192", "PN", CHARSET_NO_BIDI, span_str(text), &got);
	assert_string_equal(got, "a\xef\xbf\xbd"
				 "b\xef\xbf\xbd"
				 "c\xef\xbf\xbd"
				 "d\xef\xbf\xbd"
				 "e");
	assert_int_equal(t.bidi, 4);
	assert_int_equal(t.replaced, 4);
	free(got);
	/* ISO 8859-8 has two of them. */
	t = convert("ISO_IR 138", "PN", 0, span_str("\375\376"), &got);
	assert_int_equal(t.bidi, 2);
	free(got);
}

static void padding(void **state)
{
	struct charset_text t;
	char to[16];
	expect("ISO_IR 100", "PN", 0, span_str(" A ^ B  "), " A ^ B", 0);
	expect("", "UI", 0, span_of("1.2\0", 4), "1.2", 0);
	expect("", "UI", 0,
		span_of("1\0"
			"2\0",
			4),
		"1\xef\xbf\xbd"
		"2",
		1);
	expect("GBK", "LT", 0, span_str("   "), "", 0);
	charset_to_utf8(NULL, "LO", 0, (struct span){0}, to, sizeof(to), &t);
	assert_string_equal(to, "");
	assert_int_equal(t.len, 0);
	assert_false(t.truncated);
	/* Without a Specific Character Set, and in VRs that have none, it is ASCII. */
	charset_to_utf8(NULL, "LO", 0, span_str("J\351r"), to, sizeof(to), &t);
	assert_string_equal(to, "J\xef\xbf\xbdr");
	expect("ISO_IR 100", "CS", 0, span_str("J\351r"), "J\xef\xbf\xbdr", 1);
	expect("ISO_IR 13", "CS", 0, span_str("A\\B~"), "A\\B~", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_standards_examples),
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(every_size),
		cmocka_unit_test(spellings),
		cmocka_unit_test(two_bytes_alone),
		cmocka_unit_test(states_end),
		cmocka_unit_test(romaji),
		cmocka_unit_test(escape_sequences),
		cmocka_unit_test(control_characters),
		cmocka_unit_test(lines),
		cmocka_unit_test(not_utf8),
		cmocka_unit_test(nothing_is_swallowed),
		cmocka_unit_test(bidi),
		cmocka_unit_test(padding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
