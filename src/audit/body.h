/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_BODY_H
#define AUDIT_BODY_H

#include "audit/event.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

/*
 * What is sealed in a record: the event (audit/event.h's wire form), for searches, and the message that was made of it,
 * for whoever must show it. u8 version 1, u32 length and bytes of the event, u32 length of the message, and the message
 * deflated (RFC 1951) with a dictionary of ours of what messages have in common.
 */
#define BODY_WIRE_MOST (AUDIT_EVENT_MOST + LIMIT_IDENTIFIER)
#define BODY_XML_MOST  (256u * 1024)
#define BODY_MOST      (BODY_WIRE_MOST + BODY_XML_MOST + 1024)

/* Of an event and a message of these lengths, at most: nothing of the message may be alike. */
#define BODY_MOST_OF(event_len, xml_len) ((event_len) + (xml_len) + (xml_len) / 8 + 64)

/* What writing needs again and again: some hundred KiB. NULL: no memory. */
struct body_packer;
struct body_packer *body_packer_new(void);
void body_packer_free(struct body_packer *p);

/* ERR_SPACE. */
MUST_USE int body_write(
	struct body_packer *p, struct span event, struct span xml, uint8_t *buf, size_t cap, size_t *ret_len);

/* The event alone, borrowed: as body_read(), and cheaper. */
MUST_USE int body_event(struct span body, struct span *ret_event);

/*
 * *ret_event borrows body; the message is written to xml (BODY_XML_MOST bytes suffice). ERR_UNSUPPORTED (another version),
 * ERR_TRUNCATED, ERR_VALUE (it does not inflate to the length it says), ERR_SPACE, ERR_NO_MEMORY.
 */
MUST_USE int body_read(
	struct span body, struct span *ret_event, uint8_t *xml, size_t cap, size_t *ret_xml_len);

#endif
