/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/lookup.h"
#include "base/log.h"
#include "priv/message.h"
#include "priv/sandbox.h"
#include "priv/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Host names for the gate. The C library's resolver reads what name servers send, so it does it here: it may read
 * files (the resolver's own, and modules that nsswitch.conf names), ask name servers, and nothing else: no program, no
 * other process, no file written, no private key or peer's data in its memory.
 */

static const struct sandbox_path readable[] = {
	{"/etc", false}, {"/usr", false}, {"/lib", false}, {"/lib64", false}, {"/run/systemd/resolve", false},
	{"/run/resolvconf", false}, {"/run/NetworkManager", false}, {"/var/run/nscd", false},
	{"/proc/net", false}, /* is there IPv6 */
};

static int enter_sandbox(void)
{
	struct sandbox *s = NULL;
	struct addrinfo *found = NULL;
	/* What the resolver loads for any name it loads before the sandbox. */
	if (getaddrinfo("localhost", NULL, NULL, &found) == 0) {
		freeaddrinfo(found);
	}
	int e = sandbox_new(SANDBOX_LOOKUP, readable, ARRAY_LEN(readable), &s);
	return e == 0 ? sandbox_load(s) : e;
}

static void add(struct msg_addresses *a, const struct sockaddr *sa)
{
	struct in6_addr ip = {0};
	if (sa->sa_family == AF_INET) {
		ip.s6_addr[10] = ip.s6_addr[11] = 0xff;
		memcpy(&ip.s6_addr[12], &((const struct sockaddr_in *)sa)->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		ip = ((const struct sockaddr_in6 *)sa)->sin6_addr;
	} else {
		return;
	}
	if (a->n < MSG_ADDRESSES_MOST) {
		a->ip[a->n++] = ip;
	}
}

static void resolve(const char *host, struct msg_addresses *ret)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	size_t n = strlen(host);
	*ret = (struct msg_addresses){0};
	memcpy(ret->host, host, n < sizeof(ret->host) ? n : sizeof(ret->host) - 1);
	if (n >= sizeof(ret->host) || getaddrinfo(host, NULL, &hints, &found) != 0) {
		return;
	}
	for (const struct addrinfo *ai = found; ai; ai = ai->ai_next) {
		add(ret, ai->ai_addr);
	}
	freeaddrinfo(found);
}

/* True while the gate's channel is good. */
static bool serve(int gate)
{
	static struct message m, reply;
	int e = message_recv(gate, FROM_GATE_LOOKUP, &m);
	if (e != 0) {
		return e == ERR_AGAIN;
	}
	reply = (struct message){.type = MSG_ADDRESSES, .fd = -1};
	resolve(m.text, &reply.addresses);
	e = message_send(gate, &reply);
	return e == 0 || e == ERR_AGAIN;
}

static void use_log(const struct message *m)
{
	if (dup2(m->fd, STDERR_FILENO) >= 0) {
		log_to(STDERR_FILENO, MSG_LOG_JSON(m->number) ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
		log_least((enum log_level)MSG_LOG_LEVEL(m->number));
	}
}

/* False: nobody is there any more, or it is time to end. */
static bool take(int *gate)
{
	static struct message m;
	int e = message_recv(ROLE_CHANNEL, FROM_SUPERVISOR, &m);
	if (e != 0 || m.type == MSG_STOP) {
		return e == ERR_AGAIN;
	}
	if (m.type == MSG_CHANNEL) {
		if (*gate >= 0) {
			close(*gate);
		}
		*gate = m.fd;
		return true;
	}
	if (m.type == MSG_LOG) {
		use_log(&m);
	}
	if (m.fd >= 0) {
		close(m.fd);
	}
	return true;
}

int role_lookup_main(void)
{
	int gate = -1;
	log_role("lookup");
	(void)prctl(PR_SET_NAME, "gantry: lookup");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN); /* the supervisor's end ends us */
	if (enter_sandbox() != 0) {
		log_say(LOG_LEVEL_ERROR, "lookup.failed", "the sandbox could not be entered: %s",
			strerror(errno));
		return 1;
	}
	for (;;) {
		struct pollfd p[2] = {{.fd = ROLE_CHANNEL, .events = POLLIN}, {.fd = gate, .events = POLLIN}};
		if (poll(p, 2, -1) < 0) {
			continue;
		}
		if (p[0].revents) {
			if (!take(&gate)) {
				return 0;
			}
			continue; /* the gate's channel may be another now */
		}
		if (p[1].revents && !serve(gate)) {
			close(gate);
			gate = -1; /* a new gate will be named */
		}
	}
}
