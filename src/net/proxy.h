/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include "base/attr.h"
#include "base/err.h"
#include "base/span.h"
#include "base/writer.h"

#include <netinet/in.h>

/* PROXY protocol, version 2 (HAProxy's proxy-protocol.txt, section 2.2). */

#define PROXY_FIXED 16  /* signature, command, family, length */
#define PROXY_MOST  536 /* the longest header read: fixed part, addresses, TLVs */

struct proxy_header {
	bool is_local; /* LOCAL, or an address family that names no one: the connection's own addresses hold */
	struct in6_addr source, destination; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t source_port, destination_port;
};

/*
 * ERR_AGAIN: bytes are the beginning of a header, needs proxy_wants() more. ERR_TYPE: not a header. ERR_VALUE: another
 * version or command, or a family or protocol other than TCP over IP. ERR_LENGTH: too short for its addresses.
 * ERR_LIMIT: longer than PROXY_MOST. TLVs are not read, but must be whole. *ret_used: the header's bytes.
 */
MUST_USE int proxy_read(struct span bytes, struct proxy_header *ret_header, size_t *ret_used);

/* How many bytes may be read next without reading past the header. 0 when it is whole, or is none. */
size_t proxy_wants(struct span bytes);

/* A PROXY command over TCP: IPv4 where both addresses are mapped IPv4, else IPv6. At most 52 bytes. */
void proxy_write(struct writer *w, const struct in6_addr *source, uint16_t source_port,
	const struct in6_addr *destination, uint16_t destination_port);

#endif
