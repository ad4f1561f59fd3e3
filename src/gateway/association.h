/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_ASSOCIATION_H
#define GATEWAY_ASSOCIATION_H

#include "policy/decide.h"
#include "policy/hosts.h"
#include "policy/site.h"

#include <sys/socket.h>

struct gate_tls;
struct sandbox; /* priv/sandbox.h: made ready by the gate, loaded by the association */

/* What the gate has ready when it forks. All of it is inherited memory; nothing here is freed by the association. */
struct association_start {
	uint64_t id; /* unique in this run of the gate: the log's `association` */
	const struct site *site;
	const struct hosts *hosts;
	const struct gate_tls *tls;
	const struct sandbox *sandbox;
	int socket;              /* accepted, non-blocking */
	int channel;             /* to the gate, non-blocking SOCK_SEQPACKET */
	int keys;                /* to the key holder (keys/link.h); -1: there is nothing to sign */
	int audit;               /* to the auditor (gateway/audit_line.h); -1: to be asked for */
	unsigned listener;       /* index in site->listeners */
	struct in6_addr peer_ip; /* of the socket; IPv4 mapped */
	uint16_t peer_port;
	struct in6_addr local_ip;
	uint16_t local_port;
	bool proxy_header;     /* the peer is a listed load balancer: a PROXY v2 header comes first */
	bool door;             /* it came through the local door: a header of net/door.h comes first, */
	uint32_t uid;          /* and the kernel says which Unix user it is */
	enum rule refuse_rule; /* not RULE_NONE: read the A-ASSOCIATE-RQ and reject it with this rule */
};

/*
 * One connection, start to end: enters the sandbox, then reads its first byte. Returns when all is over; the
 * caller leaves with _exit(0). PS3.8 9.2.
 */
void association_main(const struct association_start *start);

#endif
