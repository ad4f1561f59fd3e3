/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/forwarder.h"
#include "base/clock.h"
#include "base/log.h"
#include "audit/syslog.h"
#include "gateway/forwarder_state.h"
#include "priv/memfd.h"
#include "priv/role.h"
#include "priv/sandbox.h"
#include "priv/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The forwarder's parent: starts couriers, passes on what they say, and erases what all of them have delivered. */

#define SWEEP_MS          2000
#define END_MS            4000 /* what couriers get to end when they are told to */
#define RESTART_MS        1000
#define RESTART_MOST_MS   60000
#define RESTART_FORGET_MS 60000

/* ---- Couriers ---- */

static void tell_couriers(struct forwarder *f, const struct message *m)
{
	for (unsigned i = 0; i < f->n; i++) {
		if (f->at[i].pid > 0) {
			(void)!message_send(f->at[i].channel, m);
		}
	}
}

static unsigned living(const struct forwarder *f)
{
	unsigned n = 0;
	for (unsigned i = 0; i < f->n; i++) {
		n += f->at[i].pid > 0;
	}
	return n;
}

static void start_courier(struct forwarder *f, unsigned i)
{
	int pair[2];
	struct courier_process *p = &f->at[i];
	p->started_ms = clock_mono_ms();
	p->restart_ms = p->started_ms + RESTART_MOST_MS;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		log_say(LOG_LEVEL_ERROR, "audit.forwarder-failed", "no channel for a courier: %s",
			strerror(errno));
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(ROLE_CHANNEL);
		close(pair[0]);
		if (f->gate >= 0) {
			close(f->gate);
		}
		for (unsigned k = 0; k < f->n; k++) {
			if (f->at[k].pid > 0) {
				close(f->at[k].channel);
			}
		}
		courier_main(f, i, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		log_say(LOG_LEVEL_ERROR, "audit.forwarder-failed", "no process for a courier: %s",
			strerror(errno));
		return;
	}
	p->pid = pid;
	p->channel = pair[0];
}

static void courier_ended(struct forwarder *f, unsigned i)
{
	struct courier_process *p = &f->at[i];
	int64_t now = clock_mono_ms(), wait = RESTART_MS;
	int status = 0;
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, &status, 0);
	close(p->channel);
	p->channel = -1;
	p->pid = 0;
	if (f->stopping || f->replacing) {
		return;
	}
	p->failures = now - p->started_ms > RESTART_FORGET_MS ? 0 : p->failures + 1;
	for (unsigned k = 1; k < p->failures && wait < RESTART_MOST_MS; k++) {
		wait *= 2;
	}
	p->restart_ms = now + wait;
	log_event(LOG_LEVEL_ERROR, "audit.courier-ended",
		"the process for a repository ended; it is started again", LOG_TEXT("name", f->names[i]),
		LOG_NUMBER("status", status), LOG_NUMBER("restart_in_ms", wait));
}

static void take_courier(struct forwarder *f, unsigned i)
{
	static struct message m;
	int e;
	while ((e = message_recv(f->at[i].channel, FROM_COURIER, &m)) == 0) {
		/* Of itself alone. */
		if (m.courier.index == i && m.courier.total == f->n && f->gate >= 0 && !f->replacing) {
			(void)!message_send(f->gate, &m);
		}
	}
	if (e != ERR_AGAIN) {
		courier_ended(f, i);
	}
}

/* What the spool knows them by: a repository's name, and a witness's address. */
static void name_couriers(struct forwarder *f)
{
	const struct audit_config *a = &f->site->audit;
	f->n = 0;
	for (unsigned i = 0; a->has && i < a->n_repositories && f->n < MSG_COURIERS_MOST; i++) {
		snprintf(f->names[f->n++], sizeof(f->names[0]), "%s", a->repositories[i].name);
	}
	for (unsigned i = 0; a->has && i < a->n_witnesses && f->n < MSG_COURIERS_MOST; i++) {
		snprintf(f->names[f->n++], sizeof(f->names[0]), "witness %s", a->witnesses[i].url);
	}
	for (unsigned i = 0; i < f->n; i++) {
		f->at[i] = (struct courier_process){.channel = -1};
	}
}

/* ---- The site ---- */

static void replace(struct forwarder *f)
{
	if (!f->next) {
		return;
	}
	f->replacing = true;
	f->end_by_ms = clock_mono_ms() + END_MS;
	tell_couriers(f, &(struct message){.type = MSG_STOP, .fd = -1});
}

static void use_next(struct forwarder *f)
{
	f->replacing = false;
	site_free(f->site);
	f->site = f->next;
	f->next = NULL;
	name_couriers(f);
}

/* ---- The supervisor ---- */

static void take_site(struct forwarder *f, int fd)
{
	struct site *fresh = NULL;
	int e = role_site(fd, &fresh);
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.forwarder-failed",
			"the configuration could not be unpacked: %s", err_str(e));
		return;
	}
	site_free(f->next);
	f->next = fresh;
}

static void take_spool(struct forwarder *f, int64_t number, int fd)
{
	struct memfd_map map;
	if (number == 0) {
		if (f->dir < 0) {
			f->dir = fcntl(fd, F_DUPFD_CLOEXEC, 5);
		}
		return;
	}
	if (memfd_map(fd, &map) == 0) {
		if (map.bytes.len == SPOOL_KEY_LEN) {
			memcpy(f->key, map.bytes.ptr, SPOOL_KEY_LEN);
			f->has_key = true;
		}
		memfd_unmap(&map);
	}
}

static void use(int *at, int fd)
{
	if (*at >= 0) {
		close(*at);
	}
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	*at = fd;
}

/* False: nobody is there any more. */
static bool take(struct forwarder *f)
{
	static struct message m;
	int e = message_recv(ROLE_CHANNEL, FROM_SUPERVISOR, &m);
	if (e != 0) {
		return e == ERR_AGAIN;
	}
	switch (m.type) {
	case MSG_CHANNEL:
		use(&f->gate, m.fd);
		return true;
	case MSG_KEYS:
		use(&f->keys, m.fd);
		return true;
	case MSG_LOG:
		role_use_log(&m);
		tell_couriers(f, &m);
		break;
	case MSG_SITE:
		take_site(f, m.fd);
		break;
	case MSG_SPOOL:
		take_spool(f, m.number, m.fd);
		break;
	case MSG_GO:
		replace(f);
		break;
	case MSG_STOP:
		f->stopping = true;
		f->end_by_ms = clock_mono_ms() + END_MS;
		tell_couriers(f, &m);
		break;
	default:
		break;
	}
	if (m.fd >= 0) {
		close(m.fd);
	}
	return true;
}

/* ---- The start ---- */

static int enter_sandbox(struct forwarder *f)
{
	char spool[32];
	struct sandbox *own = NULL;
	struct addrinfo *found = NULL;
	/* By its descriptor: the folders above it may be closed to us. */
	snprintf(spool, sizeof(spool), "/proc/self/fd/%d", f->dir);
	const struct sandbox_path paths[] = {
		{spool, true}, {"/etc", false}, {"/usr", false}, {"/lib", false}, {"/lib64", false},
		{"/run/systemd/resolve", false}, {"/run/resolvconf", false}, {"/run/NetworkManager", false},
		{"/var/run/nscd", false}, {"/proc/net", false}, /* is there IPv6 */
	};
	/* What the resolver and OpenSSL load they load before the sandbox, and before the first courier. */
	if (getaddrinfo("localhost", NULL, NULL, &found) == 0) {
		freeaddrinfo(found);
	}
	(void)OPENSSL_init_ssl(0, NULL);
	int e = sandbox_new(SANDBOX_COURIER, paths, ARRAY_LEN(paths), &f->sandbox);
	e = e == 0 ? sandbox_new(SANDBOX_FORWARD, paths, ARRAY_LEN(paths), &own) : e;
	e = e == 0 ? sandbox_load(own) : e;
	f->sandboxed = e == 0;
	return e;
}

/* All that a courier needs is there, or the reason is in the log. */
static bool is_ready(struct forwarder *f)
{
	if (!f->sandboxed && f->dir >= 0 && enter_sandbox(f) != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.forwarder-failed", "the sandbox could not be entered: %s",
			strerror(errno));
		_exit(1);
	}
	return f->sandboxed && f->has_key && f->site;
}

static void learn_names(struct forwarder *f)
{
	f->process = getppid();
	if (gethostname(f->host, sizeof(f->host) - 1) < 0 || !syslog_is_name(f->host, SYSLOG_HOST_MOST)) {
		f->host[0] = 0;
	}
}

/* ---- The loop ---- */

static void sweep(struct forwarder *f, int64_t now)
{
	const char *names[MSG_COURIERS_MOST];
	for (unsigned i = 0; i < f->n; i++) {
		names[i] = f->names[i];
	}
	if (f->n > 0 && spool_sweep(f->dir, names, f->n, f->site->audit.spool_most) != 0) {
		log_say(LOG_LEVEL_ERROR, "audit.spool-failed", "what was delivered cannot be erased: %s",
			strerror(errno));
	}
	f->next_sweep_ms = now + SWEEP_MS;
}

static void check_clocks(struct forwarder *f)
{
	int64_t now = clock_mono_ms();
	if ((f->stopping || f->replacing) && now >= f->end_by_ms) {
		for (unsigned i = 0; i < f->n; i++) {
			if (f->at[i].pid > 0) {
				courier_ended(f, i);
			}
		}
	}
	if (f->replacing && living(f) == 0) {
		use_next(f);
	}
	if (f->stopping || f->replacing || !is_ready(f)) {
		return;
	}
	for (unsigned i = 0; i < f->n; i++) {
		if (f->at[i].pid == 0 && now >= f->at[i].restart_ms) {
			start_courier(f, i);
		}
	}
	if (now >= f->next_sweep_ms) {
		sweep(f, now);
	}
}

static void loop(struct forwarder *f)
{
	for (;;) {
		check_clocks(f);
		if (f->stopping && living(f) == 0) {
			return;
		}
		struct pollfd p[1 + MSG_COURIERS_MOST] = {{.fd = ROLE_CHANNEL, .events = POLLIN}};
		for (unsigned i = 0; i < MSG_COURIERS_MOST; i++) {
			bool there = i < f->n && f->at[i].pid > 0;
			p[1 + i] = (struct pollfd){.fd = there ? f->at[i].channel : -1, .events = POLLIN};
		}
		if (poll(p, ARRAY_LEN(p), f->stopping || f->replacing ? 100 : 1000) < 0) {
			continue;
		}
		for (unsigned i = 0; i < f->n; i++) {
			if (p[1 + i].revents) {
				take_courier(f, i);
			}
		}
		if (p[0].revents && !take(f)) {
			return;
		}
	}
}

int role_forward_main(void)
{
	static struct forwarder f = {.gate = -1, .keys = -1, .dir = -1};
	log_role("forward");
	(void)prctl(PR_SET_NAME, "gantry: forward");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN); /* the supervisor's end ends us */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	learn_names(&f);
	loop(&f);
	_exit(0);
}
