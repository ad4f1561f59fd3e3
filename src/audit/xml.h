/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_XML_H
#define AUDIT_XML_H

#include "audit/event.h"
#include "base/module.h"

/* A source's texts, with their NUL, have at most so many bytes. */
#define AUDIT_SOURCE_TEXT 257

/* Who reports. All text by the rules of audit/event.h, NULL or "" where nobody knows; borrowed. */
struct audit_source {
	const char *site;      /* AuditEnterpriseSiteID */
	const char *id;        /* AuditSourceID; must be there */
	unsigned type;         /* AuditSourceTypeCode 1 to 9 (PS3.15 A.5.1.2.1); 0 none */
	const char *host;      /* the machine's name; must be there. Users and nodes get it for a domain */
	const char *address;   /* its one IP address, the same in all messages (A.5.2.4) */
	const char *const *ae; /* AE titles that it answers to */
	unsigned n_ae;
	uint32_t process; /* its process identifier, as the system's log has it; 0 unknown */
};

/*
 * The message of PS3.15 A.5 for an event, in UTF-8, with its XML declaration, on one line. The same event and source give the
 * same bytes. ERR_VALUE: AUDIT_PROGRESS, which has no message; an event that audit_event_check() refuses (or
 * ERR_LENGTH, as it says); a source without id or host, or with a bad text or type. ERR_SPACE, ERR_NO_MEMORY.
 *
 * What partly succeeded should be split before (audit_event_split()): this writes one message in any case.
 *
 * Is in the module "audit/gantry-audit-xml", by the name of the function. It allocates, and opens no file.
 */
MODULE_FUNCTION MUST_USE int audit_xml_write(const struct audit_event *ev, const struct audit_source *src,
	uint8_t *buf, size_t cap, size_t *ret_len);

typedef int audit_xml_function(const struct audit_event *ev, const struct audit_source *src, uint8_t *buf,
	size_t cap, size_t *ret_len);

/*
 * Enough room for any message: a query of LIMIT_IDENTIFIER in base64, and every text at its longest, as often as a
 * message has it, each byte of it escaped.
 */
#define AUDIT_XML_MOST (256u * 1024)

#endif
