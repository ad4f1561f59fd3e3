/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_event_made.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/tree.h>

static uint8_t buf[AUDIT_XML_MOST];

/* ---- The schema ---- */

static xmlRelaxNGPtr schema;

static void quiet(void *ctx, const char *fmt, ...)
{
}

static int load_schema(void **state)
{
	xmlRelaxNGParserCtxtPtr ctx = xmlRelaxNGNewParserCtxt(AUDIT_SCHEMA);
	schema = xmlRelaxNGParse(ctx);
	xmlRelaxNGFreeParserCtxt(ctx);
	xmlSetGenericErrorFunc(NULL, quiet);
	return schema ? 0 : -1;
}

static int free_schema(void **state)
{
	xmlRelaxNGFree(schema);
	xmlCleanupParser();
	return 0;
}

static bool is_valid(xmlDocPtr doc)
{
	xmlRelaxNGValidCtxtPtr ctx = xmlRelaxNGNewValidCtxt(schema);
	xmlRelaxNGSetValidErrors(ctx, quiet, quiet, NULL);
	int r = xmlRelaxNGValidateDoc(ctx, doc);
	xmlRelaxNGFreeValidCtxt(ctx);
	return r == 0;
}

static bool has_text(const xmlNode *node)
{
	for (const xmlNode *n = node ? node->children : NULL; n; n = n->next) {
		const char *s = (const char *)n->content;
		if (n->type == XML_TEXT_NODE && s && s[strspn(s, " \t\r\n")] != '\0') {
			return true;
		}
	}
	return false;
}

/* PS3.15 A.5.2: no attribute is empty, and no element has neither attributes, elements nor text. */
static bool has_empty(const xmlNode *node)
{
	for (const xmlAttr *a = node->properties; a; a = a->next) {
		if (!has_text((const xmlNode *)a)) {
			return true;
		}
	}
	bool elements = false;
	for (const xmlNode *n = node->children; n; n = n->next) {
		if (n->type == XML_ELEMENT_NODE) {
			elements = true;
			if (has_empty(n)) {
				return true;
			}
		}
	}
	return !node->properties && !elements && !has_text(node);
}

static xmlDocPtr parsed(const uint8_t *bytes, size_t len)
{
	return xmlReadMemory((const char *)bytes, (int)len, NULL, NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

static void assert_good(const uint8_t *bytes, size_t len)
{
	xmlDocPtr doc = parsed(bytes, len);
	if (!doc || !is_valid(doc) || has_empty(xmlDocGetRootElement(doc)) || memchr(bytes, '\n', len)) {
		print_error("%.*s\n", (int)len, (const char *)bytes);
		fail();
	}
	xmlFreeDoc(doc);
}

/* What the checks are worth: each of these has one fault. */
static void checks_can_fail(void **state)
{
#define HEAD                                                                                                 \
	"<AuditMessage><EventIdentification EventDateTime='2026-11-25T10:00:00Z' EventOutcomeIndicator='0'>" \
	"<EventID csd-code='1' codeSystemName='D' originalText='x'/></EventIdentification>"
#define TAIL "<AuditSourceIdentification AuditSourceID='a'/></AuditMessage>"
	static const struct {
		const char *xml;
		bool valid, empty;
	} rows[] = {{HEAD "<ActiveParticipant UserID='a' UserIsRequestor='true'/>" TAIL, true, false},
		{HEAD "<ActiveParticipant UserID='' UserIsRequestor='true'/>" TAIL, true, true},
		{HEAD "<ActiveParticipant UserID='a' UserIsRequestor='TRUE'/>" TAIL, false, false},
		{HEAD TAIL, false, false}};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		xmlDocPtr doc = parsed((const uint8_t *)rows[i].xml, strlen(rows[i].xml));
		assert_non_null(doc);
		assert_int_equal(is_valid(doc), rows[i].valid);
		assert_int_equal(has_empty(xmlDocGetRootElement(doc)), rows[i].empty);
		xmlFreeDoc(doc);
	}
}

static void every_message_is_valid(void **state)
{
	static struct audit_event ev;
	unsigned n = 0;
	for (int kind = AUDIT_START; kind < AUDIT_KIND_COUNT; kind++) {
		for (unsigned i = 0; i < 4 * MADE_STYLES * 40; i++) {
			size_t len = 0;
			made_event(i, (enum audit_kind)kind, made_outcomes[i % 4],
				(enum made_style)(i / 4 % MADE_STYLES), &ev);
			int e = audit_xml_write(&ev, made_source(i / 20), buf, sizeof(buf), &len);
			assert_int_equal(e, kind == AUDIT_PROGRESS ? ERR_VALUE : 0);
			if (e == 0) {
				assert_good(buf, len);
				n++;
			}
		}
	}
	assert_int_equal(n, (AUDIT_KIND_COUNT - 2) * 4 * MADE_STYLES * 40);
}

/* An event of which nothing is known at all. */
static void nothing_known(void **state)
{
	for (int kind = AUDIT_START; kind < AUDIT_KIND_COUNT; kind++) {
		struct audit_event ev = {.kind = (enum audit_kind)kind,
			.alert = kind == AUDIT_ALERT ? ALERT_RECORDING_STARTED : (enum audit_alert)0};
		size_t len = 0;
		if (kind != AUDIT_PROGRESS) {
			assert_int_equal(audit_xml_write(&ev, made_source(1), buf, sizeof(buf), &len), 0);
			assert_good(buf, len);
		}
	}
}

/* Every text at its longest and each byte escaped, with the greatest query. */
static void longest(void **state)
{
	static uint8_t query[LIMIT_IDENTIFIER];
	static char text[AUDIT_SOURCE_TEXT];
	size_t most = 0;
	memset(text, '"', sizeof(text) - 1);
	const char *const ae[] = {text, text, text, text};
	const struct audit_source src = {
		.site = text, .id = text, .host = text, .address = text, .ae = ae, .n_ae = 4};
	for (int kind = AUDIT_START; kind < AUDIT_KIND_COUNT; kind++) {
		for (unsigned i = 0; i < 400; i++) {
			struct audit_event ev;
			size_t len = 0;
			made_event(i, (enum audit_kind)kind, AUDIT_MAJOR, MADE_LONG, &ev);
			ev.query = span_of(query, sizeof(query));
			if (kind != AUDIT_PROGRESS) {
				assert_int_equal(audit_xml_write(&ev, &src, buf, sizeof(buf), &len), 0);
				most = len > most ? len : most;
			}
		}
	}
	assert_in_range(most, 90000, AUDIT_XML_MOST);
}

static void one_whole_message(void **state)
{
	static const char wanted[] =
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?> <AuditMessage>"
		"<EventIdentification EventActionCode=\"R\" EventDateTime=\"2026-11-25T20:53:20.007Z\" "
		"EventOutcomeIndicator=\"0\">"
		"<EventID csd-code=\"110104\" codeSystemName=\"DCM\" originalText=\"DICOM Instances Transferred\"/>"
		"</EventIdentification>"
		"<ActiveParticipant UserID=\"ct1\" AlternativeUserID=\"AETITLES= CT1\" UserName=\"CN=ct1\" "
		"UserIsRequestor=\"true\" NetworkAccessPointID=\"192.0.2.7\" NetworkAccessPointTypeCode=\"2\">"
		"<RoleIDCode csd-code=\"110153\" codeSystemName=\"DCM\" originalText=\"Source Role ID\"/>"
		"<RoleIDCode csd-code=\"110156\" codeSystemName=\"DCM\" originalText=\"Initiator Role ID\"/>"
		"</ActiveParticipant>"
		"<ActiveParticipant UserID=\"archive\" UserIsRequestor=\"false\">"
		"<RoleIDCode csd-code=\"110152\" codeSystemName=\"DCM\" originalText=\"Destination Role ID\"/>"
		"</ActiveParticipant>"
		"<ActiveParticipant UserID=\"4711\" AlternativeUserID=\"AETITLES= GANTRY;ARCHIVE&lt;&amp;&gt;\" "
		"UserName=\"gantry\" UserIsRequestor=\"false\" NetworkAccessPointID=\"192.0.2.1\" "
		"NetworkAccessPointTypeCode=\"2\">"
		"<RoleIDCode csd-code=\"110150\" codeSystemName=\"DCM\" originalText=\"Application\"/>"
		"</ActiveParticipant>"
		"<ActiveParticipant UserID=\"jane@gw.hospital.example\" AlternativeUserID=\"jane\" "
		"UserName=\"jane (claimed, not proved)\" UserIsRequestor=\"false\" NetworkAccessPointID=\"192.0.2.7\" "
		"NetworkAccessPointTypeCode=\"2\">"
		"<RoleIDCode csd-code=\"110156\" codeSystemName=\"DCM\" originalText=\"Initiator Role ID\"/>"
		"</ActiveParticipant>"
		"<AuditSourceIdentification AuditEnterpriseSiteID=\"Hospital &quot;North&quot; &amp; &lt;South&gt;\" "
		"AuditSourceID=\"gantry1\"><AuditSourceTypeCode csd-code=\"4\"/></AuditSourceIdentification>"
		"<ParticipantObjectIdentification ParticipantObjectID=\"1.2.3\" ParticipantObjectTypeCode=\"2\" "
		"ParticipantObjectTypeCodeRole=\"3\">"
		"<ParticipantObjectIDTypeCode csd-code=\"110180\" codeSystemName=\"DCM\" "
		"originalText=\"Study Instance UID\"/>"
		"<ParticipantObjectName>1.2.3</ParticipantObjectName>"
		"<ParticipantObjectDetail type=\"ContainsSOPClass\" value=\"MS4y\"/>"
		"<ParticipantObjectDetail type=\"Association\" value=\"MTc=\"/>"
		"<ParticipantObjectDetail type=\"Claimed User\" value=\"amFuZQ==\"/>"
		"<ParticipantObjectDescription><Accession Number=\"A1\"/>"
		"<SOPClass UID=\"1.2\" NumberOfInstances=\"3\"/></ParticipantObjectDescription>"
		"</ParticipantObjectIdentification>"
		"<ParticipantObjectIdentification ParticipantObjectID=\"unknown\" ParticipantObjectTypeCode=\"1\" "
		"ParticipantObjectTypeCodeRole=\"1\">"
		"<ParticipantObjectIDTypeCode csd-code=\"2\" codeSystemName=\"RFC-3881\" "
		"originalText=\"Patient Number\"/>"
		"<ParticipantObjectName>M\xc3\xbcller^\xe5\xb1\xb1</ParticipantObjectName>"
		"<ParticipantObjectDetail type=\"Missing\" value=\"UGF0aWVudCBJRA==\"/>"
		"</ParticipantObjectIdentification></AuditMessage>";
	struct audit_event ev = {.kind = AUDIT_TRANSFERRED,
		.time_ms = 1795640000007,
		.association = 17,
		.from = {"ct1", "CT1", "192.0.2.7", "CN=ct1"},
		.to = {.node = "archive"},
		.user = "jane",
		.patient_name = "M\xc3\xbcller^\xe5\xb1\xb1",
		.study = "1.2.3",
		.accession = {"A1"},
		.n_accession = 1,
		.sop = {{"1.2", 3}},
		.n_sop = 1};
	size_t len = 0;
	assert_int_equal(audit_xml_write(&ev, made_source(0), buf, sizeof(buf) - 1, &len), 0);
	buf[len] = '\0';
	assert_string_equal((const char *)buf, wanted);
}

#define ORDERED (AUDIT_KIND_COUNT * MADE_STYLES * 12)

static void write_one_of(unsigned i, uint64_t *ret_hash)
{
	static struct audit_event ev;
	size_t len = 0;
	enum audit_kind kind = (enum audit_kind)(AUDIT_START + i % (AUDIT_KIND_COUNT - AUDIT_START));
	*ret_hash = 0;
	made_event(i / 60, kind, AUDIT_SUCCESS, (enum made_style)(i / 12 % MADE_STYLES), &ev);
	if (audit_xml_write(&ev, made_source(i), buf, sizeof(buf), &len) == 0) {
		for (size_t k = 0; k < len; k++) {
			*ret_hash = (*ret_hash ^ buf[k]) * 1099511628211u;
		}
	}
}

/* What is kept of one message is never another's: in the other order, by a process that has kept nothing, each is the same. */
static void in_any_order(void **state)
{
	unsigned n = 0;
	uint64_t *hashes = mmap(
		NULL, ORDERED * sizeof(*hashes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(hashes != MAP_FAILED);
	pid_t child = fork();
	if (child == 0) {
		for (unsigned i = ORDERED; i-- > 0;) {
			write_one_of(i, &hashes[i]);
		}
		_exit(0);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (unsigned i = 0; i < ORDERED; i++) {
		uint64_t hash;
		write_one_of(i, &hash);
		assert_int_equal(hash, hashes[i]);
		n += hash != 0;
	}
	assert_true(n > ORDERED / 2);
	munmap(hashes, ORDERED * sizeof(*hashes));
}

static void refuses(void **state)
{
	static char much[AUDIT_SOURCE_TEXT + 1];
	memset(much, 'x', sizeof(much) - 1);
	static const char *const bad_ae[] = {"A\x01"};
	const struct audit_source sources[] = {{.id = "g"}, {.host = "h"}, {.id = " ", .host = "h"},
		{.id = "g", .host = "h", .type = 10}, {.id = "g\n", .host = "h"}, {.id = "g", .host = "\xff"},
		{.id = "g", .host = "h", .site = "\x7f"}, {.id = "g", .host = "h", .address = "\xc0"},
		{.id = "g", .host = "h", .ae = bad_ae, .n_ae = 1}, {.id = much, .host = "h"}};
	struct audit_event ev = {.kind = AUDIT_START}, bad = {.kind = AUDIT_START, .text = "\x1b[31m"};
	size_t len = 7, whole;
	for (unsigned i = 0; i < ARRAY_LEN(sources); i++) {
		assert_int_equal(audit_xml_write(&ev, &sources[i], buf, sizeof(buf), &len), ERR_VALUE);
	}
	assert_int_equal(audit_xml_write(&bad, made_source(0), buf, sizeof(buf), &len), ERR_VALUE);
	bad = (struct audit_event){.kind = AUDIT_PROGRESS};
	assert_int_equal(audit_xml_write(&bad, made_source(0), buf, sizeof(buf), &len), ERR_VALUE);
	assert_int_equal(audit_xml_write(&ev, made_source(0), buf, sizeof(buf), &whole), 0);
	assert_int_equal(audit_xml_write(&ev, made_source(0), buf, whole - 1, &len), ERR_SPACE);
	assert_int_equal(len, 7);
	assert_int_equal(audit_xml_write(&ev, made_source(0), buf, whole, &len), 0);
}

/* The module that is installed does what the library does, and can be loaded by its path. */
static void as_module(void **state)
{
	static uint8_t other[AUDIT_XML_MOST];
	char why[256] = "";
	union {
		module_function *any;
		audit_xml_function *write;
	} f;
	size_t len = 0, other_len = 0;
	struct audit_event ev;
	assert_int_equal(module_open(AUDIT_MODULE, "audit_xml_write", &f.any, why, sizeof(why)), 0);
	made_event(1, AUDIT_ALERT, AUDIT_MINOR, MADE_XML, &ev);
	assert_int_equal(audit_xml_write(&ev, made_source(0), buf, sizeof(buf), &len), 0);
	assert_int_equal(f.write(&ev, made_source(0), other, sizeof(other), &other_len), 0);
	assert_int_equal(len, other_len);
	assert_memory_equal(buf, other, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_any_order), /* first: nothing is kept yet */
		cmocka_unit_test(checks_can_fail),
		cmocka_unit_test(every_message_is_valid),
		cmocka_unit_test(nothing_known),
		cmocka_unit_test(longest),
		cmocka_unit_test(one_whole_message),
		cmocka_unit_test(refuses),
		cmocka_unit_test(as_module),
	};
	return cmocka_run_group_tests(tests, load_schema, free_schema);
}
