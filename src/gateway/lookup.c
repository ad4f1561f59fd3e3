/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/lookup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/module.h"
#include "gateway/lookup_state.h"
#include "priv/role.h"
#include "priv/sandbox.h"
#include "priv/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <linux/close_range.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * What the gate wants to know of the world: host names, and what authorities say of certificates. Each question is a job
 * of its own: resolvers and responders may be slow, and what they send is read where nothing else is. Such jobs may read files
 * (the resolver's own, and modules that nsswitch.conf names), ask servers, and nothing else. Others prove users, show objects to
 * the virus scanner, or clean their pixels, each in the sandbox that suits it: sandbox_of().
 */

static const struct sandbox_path readable[] = {
	{"/etc", false}, {"/usr", false}, {"/lib", false}, {"/lib64", false}, {"/run/systemd/resolve", false},
	{"/run/resolvconf", false}, {"/run/NetworkManager", false}, {"/var/run/nscd", false},
	{"/proc/net", false}, /* is there IPv6 */
};

/* The resolver's own patience is less; see the environment that roles get. */
#define RESOLVE_MS 20000

/* Where a module of jobs is. */
static const char *module_folder(const char *name, char path[PATH_MAX])
{
	if (module_own_path(name, path, PATH_MAX) != 0) {
		return "/usr";
	}
	*strrchr(path, '/') = 0;
	return path;
}

static int enter_sandbox(struct lookup *l)
{
	struct sandbox *own = NULL;
	struct addrinfo *found = NULL;
	/* What the resolver and OpenSSL load they load before the sandbox, and before the first job. */
	if (getaddrinfo("localhost", NULL, NULL, &found) == 0) {
		freeaddrinfo(found);
	}
	(void)OPENSSL_init_ssl(0, NULL);
	json_object_seed(0);
	/* Modules are loaded in jobs, before these enter their own; that of pixels once, when it is first needed. */
	static const char *const modules[] = {"users/gantry-saml", CODEC_MODULE};
	struct sandbox_path more[ARRAY_LEN(readable) + ARRAY_LEN(modules)];
	char folders[ARRAY_LEN(modules)][PATH_MAX];
	memcpy(more, readable, sizeof(readable));
	for (unsigned i = 0; i < ARRAY_LEN(modules); i++) {
		more[ARRAY_LEN(readable) + i] =
			(struct sandbox_path){module_folder(modules[i], folders[i]), false};
	}
	int e = sandbox_new(SANDBOX_JOB, readable, ARRAY_LEN(readable), &l->sandbox);
	e = e == 0 ? sandbox_new(SANDBOX_KEYS, NULL, 0, &l->proof_sandbox) : e;
	e = e == 0 ? sandbox_new(SANDBOX_PROOF, NULL, 0, &l->module_sandbox) : e;
	e = e == 0 ? sandbox_new(SANDBOX_SCAN, NULL, 0, &l->scan_sandbox) : e;
	e = e == 0 ? sandbox_new(SANDBOX_LOOKUP, more, ARRAY_LEN(more), &own) : e;
	return e == 0 ? sandbox_load(own) : e;
}

/* ---- Jobs ---- */

unsigned jobs_of(const struct lookup *l, enum job_kind kind)
{
	unsigned n = 0;
	for (unsigned i = 0; i < JOBS_MOST; i++) {
		n += l->jobs[i].kind == kind;
	}
	return n;
}

static const struct sandbox *sandbox_of(
	const struct lookup *l, enum job_kind kind, const struct proof_kind *proof)
{
	if (kind == JOB_SCAN || kind == JOB_PROBE) {
		return l->scan_sandbox;
	}
	if (kind == JOB_CLEAN) {
		return l->module_sandbox;
	}
	if (!proof || proof->network) {
		return l->sandbox;
	}
	return proof->prove ? l->proof_sandbox : l->module_sandbox;
}

static void begin_child(struct lookup *l, enum job_kind kind, const struct proof_kind *proof, int channel)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)prctl(PR_SET_NAME, "gantry: job");
	/* No channel of the parent's; lists that were fetched stay, and so does the log. */
	close(ROLE_CHANNEL);
	if (l->gate >= 0) {
		close(l->gate);
	}
	for (unsigned i = 0; i < JOBS_MOST; i++) {
		if (l->jobs[i].kind != JOB_FREE) {
			close(l->jobs[i].fd);
			user_forget(&l->jobs[i]);
		}
	}
	/* Who asks the network has no business with hashes, who proves by a ticket none with passcodes. */
	for (unsigned f = 0; f < USER_FILES; f++) {
		if (l->files[f] > 0 && !(proof && proof->files & 1u << f)) {
			close(l->files[f]);
		}
	}
	scan_before_sandbox(l);
	clean_before_sandbox(l, kind == JOB_CLEAN, channel);
	if (proof) {
		user_before_sandbox(proof);
	}
	if (sandbox_load(sandbox_of(l, kind, proof)) != 0) {
		_exit(1);
	}
}

int job_fork(struct lookup *l, enum job_kind kind, const struct proof_kind *proof, int64_t wait_ms,
	struct job **ret_job, bool *ret_child)
{
	int pair[2];
	struct job *j = NULL;
	for (unsigned i = 0; i < JOBS_MOST && !j; i++) {
		j = l->jobs[i].kind == JOB_FREE ? &l->jobs[i] : NULL;
	}
	if (!j) {
		return ERR_LIMIT;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_SYSTEM;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(pair[0]);
		begin_child(l, kind, proof, pair[1]);
	} else {
		close(pair[1]);
	}
	if (pid < 0) {
		close(pair[0]);
		return ERR_SYSTEM;
	}
	*j = (struct job){.kind = kind,
		.pid = pid,
		.fd = pair[pid == 0],
		.site = l->number,
		.proof = proof,
		.deadline_ms = clock_mono_ms() + wait_ms};
	*ret_job = j;
	*ret_child = pid == 0;
	return 0;
}

/* Its status, as of waitpid(): of itself, where it came to its end, as its channel is closed by that. */
static int end_job(struct job *j)
{
	int status = 0;
	(void)kill(j->pid, SIGKILL);
	(void)waitpid(j->pid, &status, 0);
	close(j->fd);
	*j = (struct job){.kind = JOB_FREE, .fd = -1};
	return status;
}

void lookup_tell_gate(struct lookup *l, const struct message *m)
{
	int e = l->gate >= 0 ? message_send(l->gate, m) : 0;
	if (e != 0 && e != ERR_CLOSED) {
		log_say(LOG_LEVEL_WARNING, "lookup.deaf", "the gate was not told `%s`: %s",
			message_name(m->type), err_str(e));
	}
}

static void resolved(struct lookup *l, const struct job *j, const struct message *m)
{
	static struct message reply;
	reply = (struct message){.type = MSG_ADDRESSES, .fd = -1};
	if (m) {
		reply.addresses = m->addresses;
	}
	memcpy(reply.addresses.host, j->host, sizeof(reply.addresses.host));
	lookup_tell_gate(l, &reply);
}

static void finish(struct lookup *l, struct job *j, const struct message *m)
{
	struct job ended = *j;
	int status = end_job(j);
	if (m && m->fd >= 0 && ended.kind != JOB_LIST) {
		close(m->fd);
	}
	if (ended.kind == JOB_RESOLVE) {
		resolved(l, &ended, m && m->type == MSG_ADDRESSES ? m : NULL);
	} else if (ended.kind == JOB_USER) {
		user_answered(l, &ended, m);
		user_forget(&ended);
	} else if (ended.kind == JOB_SCAN || ended.kind == JOB_PROBE) {
		scan_answered(l, &ended, m);
	} else if (ended.kind == JOB_CLEAN) {
		clean_ended(&ended, status);
	} else {
		standing_answered(l, &ended, m);
	}
}

static void take_job(struct lookup *l, struct job *j)
{
	static struct message m;
	int e = message_recv(j->fd, FROM_JOB, &m);
	finish(l, j, e == 0 ? &m : NULL);
}

static void ask_host(struct lookup *l, const char *host)
{
	static struct message reply;
	struct job *j;
	bool child;
	size_t n = strlen(host);
	struct job failed = {0};
	memcpy(failed.host, host, n < sizeof(failed.host) ? n : sizeof(failed.host) - 1);
	if (n >= sizeof(failed.host) || job_fork(l, JOB_RESOLVE, NULL, RESOLVE_MS, &j, &child) != 0) {
		resolved(l, &failed, NULL);
		return;
	}
	memcpy(j->host, failed.host, sizeof(j->host));
	if (child) {
		job_resolve(host, &reply);
		(void)!message_send(j->fd, &reply);
		_exit(0);
	}
}

/* ---- Messages ---- */

/* One question. True while the gate's channel is good. */
static bool serve(struct lookup *l)
{
	static struct message m;
	int e = message_recv(l->gate, FROM_GATE_LOOKUP, &m);
	if (e != 0) {
		return e == ERR_AGAIN;
	}
	if (m.type == MSG_RESOLVE) {
		ask_host(l, m.text);
	} else if (m.type == MSG_WHO) {
		user_asked(l, &m);
		message_wipe();
	} else if (m.type == MSG_SCANNING) {
		scan_asked(l, &m);
	} else if (m.type == MSG_CLEANING) {
		clean_asked(l, &m);
	} else {
		standing_asked(l, &m);
	}
	return true;
}

static void use_site(struct lookup *l, int fd)
{
	struct site *fresh = NULL;
	int e = role_site(fd, &fresh);
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "lookup.failed", "the configuration could not be unpacked: %s",
			err_str(e));
		return;
	}
	standing_site(l, fresh);
	scan_site(l);
}

/* False: nobody is there any more, or it is time to end. */
static bool take(struct lookup *l)
{
	static struct message m;
	int e = message_recv(ROLE_CHANNEL, FROM_SUPERVISOR, &m);
	if (e != 0 || m.type == MSG_STOP) {
		return e == ERR_AGAIN;
	}
	if (m.type == MSG_CHANNEL) {
		if (l->gate >= 0) {
			close(l->gate);
		}
		l->gate = m.fd;
		(void)fcntl(l->gate, F_SETFL, O_NONBLOCK);
		standing_forget_gate(l);
		return true;
	}
	if (m.type == MSG_FILE) {
		user_file(l, m.number, m.fd);
		return true;
	}
	if (m.type == MSG_LOG) {
		role_use_log(&m);
	} else if (m.type == MSG_SITE) {
		use_site(l, m.fd);
	}
	if (m.fd >= 0) {
		close(m.fd);
	}
	return true;
}

/* ---- The loop ---- */

static int next_wait(struct lookup *l)
{
	int64_t now = clock_mono_ms(), next = standing_start_due(l, now), scan = scan_start_due(l, now);
	next = scan < next ? scan : next;
	clean_start(l);
	for (unsigned i = 0; i < JOBS_MOST; i++) {
		const struct job *j = &l->jobs[i];
		next = j->kind != JOB_FREE && j->deadline_ms < next ? j->deadline_ms : next;
	}
	if (next == INT64_MAX) {
		return -1;
	}
	return next <= now ? 0 : (int)(next - now < 60000 ? next - now : 60000);
}

static void check_deadlines(struct lookup *l)
{
	int64_t now = clock_mono_ms();
	for (unsigned i = 0; i < JOBS_MOST; i++) {
		if (l->jobs[i].kind != JOB_FREE && now >= l->jobs[i].deadline_ms) {
			finish(l, &l->jobs[i], NULL);
		}
	}
}

/*
 * The gate is told of a new configuration after us, and asks by it at once. A question that is there now has all that the
 * supervisor said before it there as well, though poll() may have seen it too early for that.
 */
static bool supervisor_waits(void)
{
	struct pollfd p = {.fd = ROLE_CHANNEL, .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

static void loop(struct lookup *l)
{
	for (;;) {
		int wait = next_wait(l);
		struct pollfd p[2 + JOBS_MOST] = {
			{.fd = ROLE_CHANNEL, .events = POLLIN}, {.fd = l->gate, .events = POLLIN}};
		for (unsigned i = 0; i < JOBS_MOST; i++) {
			bool busy = l->jobs[i].kind != JOB_FREE;
			p[2 + i] = (struct pollfd){.fd = busy ? l->jobs[i].fd : -1, .events = POLLIN};
		}
		if (poll(p, ARRAY_LEN(p), wait) < 0) {
			continue;
		}
		for (unsigned i = 0; i < JOBS_MOST; i++) {
			if (p[2 + i].revents) {
				take_job(l, &l->jobs[i]);
			}
		}
		check_deadlines(l);
		if (supervisor_waits()) {
			if (!take(l)) {
				return;
			}
			continue; /* the gate's channel may be another now */
		}
		if (p[1].revents && !serve(l)) {
			close(l->gate);
			l->gate = -1; /* a new gate will be named */
		}
	}
}

int role_lookup_main(void)
{
	static struct lookup lookup = {.gate = -1};
	log_role("lookup");
	(void)prctl(PR_SET_NAME, "gantry: lookup");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN); /* the supervisor's end ends us */
	if (enter_sandbox(&lookup) != 0) {
		log_say(LOG_LEVEL_ERROR, "lookup.failed", "the sandbox could not be entered: %s",
			strerror(errno));
		return 1;
	}
	loop(&lookup);
	_exit(0);
}
