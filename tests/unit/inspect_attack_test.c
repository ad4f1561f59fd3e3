/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_made.h"

/* What was written to pass without a finding; and what honest texts have that looks like it. */
#define CDA_CLASS "1.2.840.10008.5.1.4.1.1.104.2"

static void texts(void **state)
{
	static const struct {
		const char *text, *checks;
	} rows[] = {
		/* Whatever runs, in whatever element, however it is set apart. */
		{"<x onpageshow=a>", "text-markup"},
		{"<x onclick =a>", "text-markup"},
		{"<x\tonresize\n=a", "text-markup"},
		{"<x a=\"b\"onpaste=c", "text-markup"},
		{"<x/ONDBLCLICK/onPointerRawUpdate=c", "text-markup"},
		{"<q title='>'onfocus=c", "text-markup"},
		{"<a/href=\"&#106;avascript:a\">", "text-markup"},
		{"<isindex type=image>", "text-markup"},
		{"</script", "text-markup"},
		{"<![CDATA[x", "text-markup"},
		{"%3CScript%3E", "text-markup"},
		{"\\u003cscript", "text-markup"},
		{"x:expression(y)", "text-markup"},
		{"x<y on=5 and z>2", ""},
		{"a <b once = 3, only = 4", ""},
		{"value <LOQ; onset = 4, depression = 4", ""},
		{"on = 5 <a", ""},
		{"onload <a", ""},
		{"<5 onload", ""},
		{"< 5 onend=x", ""},
		{"..%2f..%2fx", "text-path"},
		{"%2E%2e/x", "text-path"},
		{"/proc/self/environ", "text-path"},
		{"c:\\windows\\win.ini", "text-path"},
		{"/root/.ssh/id_rsa", "text-path"},
		{"1; WAITFOR DELAY '0:0:5'", "text-sql"},
		{"x') OR ('1'='1", "text-sql"},
		{"he snores, and sleep (apnea) is bad; 'A' or \"B\"", ""},
		{"{% import os %}", "text-template"},
		{"<%@ page", "text-template"},
		{"().__class__", "text-template"},
		{"%1$n", "text-format"},
		{"%hhn", "text-format"},
		{"50 % normal, 40 %hypo", ""},
		{"mshta http", "text-shell"},
		{"x|calc.exe", "text-shell"},
		{"@SUM(1+1)", "text-shell"},
		{"bash -i >/dev/tcp/1", "text-shell"},
		{"x; ls /", "text-shell"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		char *texts[] = {"UT", "UN"};
		for (size_t vr = 0; vr < ARRAY_LEN(texts); vr++) {
			struct writer w = object(SECONDARY);
			put_string(&w, 0x00090010, "LO", "MAKER");
			put_string(&w, 0x00091001, texts[vr], rows[k].text);
			put_patient(&w, "Doe^Jane");
			expect(&w, rows[k].checks);
		}
	}
}

/* In another character set, and in a long text's beginning. */
static void texts_of_other_kinds(void **state)
{
	static const char handler[] = "\xC3\xA4  <x onpageshow=a>";
	for (unsigned k = 0; k < 2; k++) {
		struct writer w = writer_of(bytes, sizeof(bytes));
		put_string(&w, 0x00080005, "CS", "ISO_IR 192");
		put_string(&w, 0x00080016, "UI", SECONDARY);
		put_string(&w, 0x00080018, "UI", "1.2.3.4");
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_head(&w, e, 0x00091001, "UT", k ? 6000 : sizeof(handler) - 1);
		writer_bytes(&w, handler, sizeof(handler) - 1);
		writer_fill(&w, 'x', k ? 6001 - sizeof(handler) : 0);
		put_patient(&w, "Doe^Jane");
		expect(&w, "text-markup");
	}
}

static void values(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *checks;
	} rows[] = {
		{"[Desktop Entry]\nExec=x", 22, "embedded-script"},
		{"[InternetShortcut]\nURL=x", 24, "embedded-script"},
		{"[AutoRun]\nopen=x", 16, "embedded-script"},
		{"Windows Registry Editor Version", 31, "embedded-script"},
		{"x.DownloadString('y')", 21, "embedded-script"},
		{"[Convert]::FromBase64String(x)", 30, "embedded-script"},
		{"ITSF\3\0\0\0abcd", 12, "embedded-program"},
		{"PE\0\0\xC4\1", 6, "embedded-program"},
		{".......**ACE**..", 16, "embedded-archive"},
		{"MSWIM\0\0\0abcd", 12, "embedded-archive"},
		{"vhdxfileabcd", 12, "embedded-archive"},
		{"xar!\0\x1C\0\1abcd", 12, "embedded-archive"},
		{"!<arch>\ndebian-binary", 21, "embedded-archive"},
		{"\xED\xAB\xEE\xDB\3\0\0\1ab", 10, "embedded-archive"},
	};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(SECONDARY);
		put_string(&w, 0x00090010, "LO", "MAKER");
		put_value(&w, 0x00091001, "OB", rows[k].bytes, rows[k].n);
		put_patient(&w, "Doe^Jane");
		expect(&w, rows[k].checks);
	}
}

/* Pages and pictures with scripts, in base64 in a CDA document: with nothing, one byte and two bytes before the script. */
static void documents(void **state)
{
	static const char *const rows[] = {"<a>PHNjcmlwdD5hPC9zY3JpcHQ+</a>",
		"<a>LjxzY3JpcHQ+YTwvc2NyaXB0Pg==</a>", "<a>Li48c2NyaXB0PmE8L3NjcmlwdD4=</a>",
		"<a>PFNDUklQVD5hPC9TQ1JJUFQ+</a>", "<a>PHN2ZyBvbmxvYWQ9YT4=</a>",
		"<a>PHN2ZyAgb25sb2FkPWE+</a>", "<a>PHN2ZyAgIG9ubG9hZD1hPg==</a>"};
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct writer w = object(CDA_CLASS);
		put_patient(&w, "Doe^Jane");
		put_string(&w, 0x00420011, "OB", rows[k]);
		put_string(&w, 0x00420012, "LO", "text/xml");
		expect(&w, "document-script");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(texts_of_other_kinds),
		cmocka_unit_test(values),
		cmocka_unit_test(documents),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
