/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event.h"
#include "audit/xml.h"

#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

/*
 * What a process tells the auditor. Whatever can be read is written again as the same bytes, and as a message that an XML
 * parser takes.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static void must_be_xml(const uint8_t *bytes, size_t len)
{
	xmlDocPtr doc = xmlReadMemory((const char *)bytes, (int)len, NULL, NULL, XML_PARSE_NONET);
	must(doc != NULL);
	const xmlNode *root = xmlDocGetRootElement(doc);
	must(root && strcmp((const char *)root->name, "AuditMessage") == 0);
	xmlFreeDoc(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct audit_source src = {.id = "gantry", .host = "gw", .type = 4, .process = 1};
	static struct audit_event ev, failed;
	static uint8_t xml[AUDIT_XML_MOST];
	size_t len = 0;
	uint8_t *again = malloc(size + 1);
	must(again != NULL);
	if (audit_event_read(span_of(data, size), &ev) == 0) {
		must(audit_event_write(&ev, again, size, &len) == 0);
		must(len == size && memcmp(again, data, size) == 0);
		int e = audit_xml_write(&ev, &src, xml, sizeof(xml), &len);
		must(e == (ev.kind == AUDIT_PROGRESS ? ERR_VALUE : 0));
		if (e == 0) {
			must_be_xml(xml, len);
		}
		if (audit_event_split(&ev, &failed)) {
			must(audit_xml_write(&ev, &src, xml, sizeof(xml), &len) == 0);
			must_be_xml(xml, len);
			must(audit_xml_write(&failed, &src, xml, sizeof(xml), &len) == 0);
			must_be_xml(xml, len);
		}
	}
	/* A peer's bytes as a text. */
	size_t cap = size / 2 + 1;
	audit_text_set((char *)again, cap, span_of(data, size));
	must(audit_text_check((const char *)again, cap) == 0);
	free(again);
	return 0;
}
