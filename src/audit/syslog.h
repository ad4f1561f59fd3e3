/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_SYSLOG_H
#define AUDIT_SYSLOG_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* Syslog messages, as PS3.15 A.6 and IHE ITI-20 have audit messages carried. Bytes in, bytes out. */

#define SYSLOG_PORT_TLS 6514 /* RFC 5425 4.1 */
#define SYSLOG_PORT_UDP 514

/* RFC 5424 6: the header's own bounds. */
#define SYSLOG_HOST_MOST  255
#define SYSLOG_APP_MOST   48
#define SYSLOG_MSGID_MOST 32

/* What a message has beside its text, at most. */
#define SYSLOG_MORE 512

/* IHE ITI TF-2 3.20.7; PS3.15 A.6.1 lets a site use "DICOM+RFC3881". */
#define SYSLOG_MSGID_AUDIT "IHE+RFC-3881"
/* Ours: a checkpoint of the journal, and word of messages that are missing. */
#define SYSLOG_MSGID_CHECKPOINT "gantry-checkpoint"
#define SYSLOG_MSGID_LOST       "gantry-lost"

/* Who says it: printable ASCII without spaces, at most as long as above; "" where nobody knows, which is written "-". */
struct syslog_from {
	const char *host, *app_name, *msgid;
	int64_t process; /* 0: not told */
};

/* Is the text what RFC 5424 6 takes there? "" is not. */
bool syslog_is_name(const char *text, size_t most);

/*
 * An RFC 5424 message: <85> (security/authorization, notice), version 1, UTC with milliseconds, no structured data, byte order
 * mark, text (UTF-8). ERR_VALUE: a name of `from` or the time is none; ERR_SPACE.
 */
MUST_USE int syslog_write(const struct syslog_from *from, int64_t time_ms, struct span text, uint8_t *buf,
	size_t cap, size_t *ret_len);

/* RFC 5425 4.3: what stands before a message on a stream, its length in bytes and a space. Returns its own length. */
#define SYSLOG_COUNT_MOST 24
size_t syslog_count(size_t len, char ret_text[SYSLOG_COUNT_MOST]);

/* RFC 5426 3.2: the most that one datagram carries over IPv4. */
#define SYSLOG_DATAGRAM_MOST 65507u

/* How many bytes of a message fit into `most`: all, or up to the end of a whole character. */
size_t syslog_fit(struct span message, size_t most);

#endif
