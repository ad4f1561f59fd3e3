/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/key_holder.h"
#include "base/clock.h"
#include "base/log.h"
#include "keys/holder.h"
#include "keys/token.h"
#include "policy/site.h"
#include "priv/drop.h"
#include "priv/message.h"
#include "priv/role.h"
#include "priv/sandbox.h"
#include "priv/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_A_TURN 64

/* Private halves lie in memory that is locked and guarded. A few KiB each. */
#define SECURE_BYTES (256 * 1024)
#define SECURE_LEAST 32

enum whose { OF_SUPERVISOR, OF_GATE, OF_CLIENT };

struct channel {
	int fd; /* -1: closed */
	enum whose whose;
	struct holder_client client;
	struct channel *next, **at; /* among the clients */
};

struct key_role {
	int epoll;
	struct channel supervisor;
	struct channel gate, forward; /* who name clients: the gate, and the forwarder */
	struct channel *clients;
	struct holder *holder;
	struct site *site;
	bool token, gone;          /* gone: a token does not answer any more */
	char mark[PSEUDONYM_MARK]; /* of the key of pseudonyms; "": there is none */
	uint8_t request[HOLDER_REQUEST_MOST], answer[HOLDER_ANSWER_MOST];
};

static int watch(struct key_role *r, struct channel *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0 ? ERR_SYSTEM : 0;
}

static void unwatch(struct key_role *r, struct channel *c)
{
	if (c->fd >= 0) {
		(void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, c->fd, NULL);
		close(c->fd);
		c->fd = -1;
	}
}

/* ---- Clients ---- */

/* A channel that is closed here tells who has the other end that the key holder is away. */
static void add_client(struct key_role *r, int fd, const struct holder_client *client)
{
	struct channel *c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	*c = (struct channel){.fd = fd, .whose = OF_CLIENT, .client = *client};
	(void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
	if (watch(r, c) != 0) {
		close(c->fd);
		free(c);
		return;
	}
	c->at = &r->clients;
	c->next = r->clients;
	if (c->next) {
		c->next->at = &c->next;
	}
	r->clients = c;
}

static void take_from(struct key_role *r, struct channel *c)
{
	static struct message m;
	unsigned permitted = c == &r->gate ? FROM_GATE_KEYS | FROM_GATE_ALONE : FROM_GATE_KEYS;
	int e = 0;
	while (c->fd >= 0 && (e = message_recv(c->fd, permitted, &m)) == 0) {
		const struct holder_client client = {
			.whose = m.type == MSG_OPERATOR ? HOLDER_OPERATOR : HOLDER_ASSOCIATION,
			.from = m.type == MSG_OPERATOR ? in6addr_any : m.client.ip};
		add_client(r, m.fd, &client);
	}
	if (c->fd >= 0 && e != ERR_AGAIN) {
		unwatch(r, c); /* a new gate's channel will come, or this site is no longer served */
	}
}

/* All that wait: after each signature, so that a slow token keeps nobody out. */
static void take_clients(struct key_role *r)
{
	take_from(r, &r->gate);
	take_from(r, &r->forward);
}

static void drop_client(struct key_role *r, struct channel *c)
{
	if (c->client.refused > 0) {
		log_event(LOG_LEVEL_ERROR, "keys.refused", "a process asked for what it is not given",
			LOG_NUMBER("times", (int64_t)c->client.refused));
	}
	if (c->client.vouched > 0) {
		/* Beside what the association says of itself. */
		log_event(LOG_LEVEL_INFO, "keys.signed", "objects of an association were signed",
			LOG_NUMBER("objects", (int64_t)c->client.vouched));
	}
	*c->at = c->next;
	if (c->next) {
		c->next->at = c->at;
	}
	unwatch(r, c);
	free(c);
}

/* False: the channel is of no more use. */
static bool serve(struct key_role *r, struct channel *c)
{
	struct iovec part = {r->request, sizeof(r->request)};
	struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n = recvmsg(c->fd, &h, 0);
	size_t len = 0;
	if (n <= 0 || h.msg_flags & MSG_TRUNC) {
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	}
	int e = holder_answer(
		r->holder, &c->client, span_of(r->request, (size_t)n), clock_mono_ms(), r->answer, &len);
	if (e == ERR_SYSTEM) {
		r->gone = true;
	} else if (e != 0) {
		return false;
	}
	/* Who asks waits for the answer, so that there is room for it. */
	return len == 0 || send(c->fd, r->answer, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

/* ---- The supervisor ---- */

static void use_channel(struct key_role *r, struct channel *c, int fd)
{
	take_clients(r); /* of the gate before, whose associations live on */
	unwatch(r, c);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	*c = (struct channel){.fd = fd, .whose = OF_GATE};
	if (watch(r, c) != 0) {
		log_say(LOG_LEVEL_ERROR, "keys.failed", "a channel cannot be watched: %s", strerror(errno));
		unwatch(r, c);
	}
}

enum told { TOLD_MORE, TOLD_GO, TOLD_STOP, TOLD_NOTHING };

static enum told take(struct key_role *r)
{
	static struct message m;
	int e = message_recv(r->supervisor.fd, FROM_SUPERVISOR, &m);
	if (e != 0) {
		return e == ERR_AGAIN ? TOLD_NOTHING : TOLD_STOP;
	}
	switch (m.type) {
	case MSG_LOG:
		role_use_log(&m);
		break;
	case MSG_SITE:
		if (!r->site && role_site(m.fd, &r->site) != 0) {
			log_say(LOG_LEVEL_ERROR, "keys.failed", "the configuration could not be unpacked");
		}
		break;
	case MSG_CHANNEL:
		if (m.number == ROLE_AUDIT) {
			add_client(r, m.fd, &(struct holder_client){.whose = HOLDER_AUDITOR});
		} else {
			use_channel(r, m.number == ROLE_FORWARD ? &r->forward : &r->gate, m.fd);
		}
		return TOLD_MORE;
	case MSG_GO:
		return TOLD_GO;
	case MSG_STOP:
		_exit(0);
	default:
		break;
	}
	if (m.fd >= 0) {
		close(m.fd);
	}
	return TOLD_MORE;
}

static void say_ready(const struct key_role *r, int64_t number, const char *why)
{
	static struct message m;
	m = (struct message){.type = MSG_READY, .fd = -1};
	m.number = number;
	snprintf(m.text, sizeof(m.text), "%s", why);
	(void)!message_send(r->supervisor.fd, &m);
}

/* ---- The start ---- */

static int open_record_keys(struct key_role *r, char *why, size_t cap)
{
	const struct audit_config *a = &r->site->audit;
	struct record_keys *keys = NULL;
	int e = record_keys_open_site(a, &keys, why, cap);
	if (e == 0) {
		holder_use_records(r->holder, keys);
	}
	r->token = r->token || private_key_is_token(a->checkpoint_key.path) ||
	           private_key_is_token(a->index_key.path) ||
	           (a->record_key.path && private_key_is_token(a->record_key.path));
	return e;
}

static int open_list_key(struct key_role *r, char *why, size_t cap)
{
	struct list_key *key = NULL;
	int e = list_key_open_site(r->site, &key, why, cap);
	if (e == 0) {
		holder_use_list(r->holder, key);
	}
	r->token = r->token || private_key_is_token(r->site->revocation.key.path);
	return e;
}

static int open_vouch_key(struct key_role *r, char *why, size_t cap)
{
	struct vouch_key *key = NULL;
	int e = vouch_key_open_site(r->site, &key, why, cap);
	if (e == 0) {
		holder_use_vouch(r->holder, key);
	}
	r->token = r->token || private_key_is_token(r->site->signatures.key.path);
	return e;
}

static int open_pseudonym_key(struct key_role *r, char *why, size_t cap)
{
	struct pseudonym_key *key = NULL;
	int e = pseudonym_key_open(r->site->deidentify.key.path, &key, why, cap);
	if (e == 0) {
		holder_use_pseudonyms(r->holder, key);
		e = pseudonym_key_mark(key, r->mark);
	}
	return e;
}

static int open_keys(struct key_role *r, char *why, size_t cap, unsigned *ret_at)
{
	r->holder = holder_new();
	int e = r->holder ? token_environment(r->site->token_environment.at, r->site->token_environment.n)
	                  : ERR_NO_MEMORY;
	for (unsigned i = 0; e == 0 && i < r->site->n_identities; i++) {
		const struct identity_files *f = &r->site->identities[i];
		struct private_key *key = NULL;
		*ret_at = i;
		e = private_key_open(f->key.path, f->certificate.bytes, &key, why, cap);
		e = e == 0 ? holder_add(r->holder, key) : e;
		r->token = r->token || private_key_is_token(f->key.path);
	}
	const struct {
		bool wanted;
		enum keys_at at;
		int (*open)(struct key_role *r, char *why, size_t cap);
	} single[] = {{r->site->audit.has, KEYS_AT_RECORDS, open_record_keys},
		{r->site->revocation.certificate.path != NULL, KEYS_AT_LIST, open_list_key},
		{r->site->deidentify.has, KEYS_AT_PSEUDONYMS, open_pseudonym_key},
		{site_signs(r->site), KEYS_AT_SIGNATURES, open_vouch_key}};
	for (unsigned i = 0; e == 0 && i < ARRAY_LEN(single); i++) {
		if (single[i].wanted) {
			*ret_at = r->site->n_identities + single[i].at;
			e = single[i].open(r, why, cap);
		}
	}
	return e;
}

static int drop_privileges(const struct key_role *r, char *why, size_t cap)
{
	struct drop d;
	int e = drop_prepare(r->site->key_user, false, &d);
	if (e == ERR_NOT_FOUND) {
		snprintf(why, cap,
			"there is no user `%s` for the key holder: make it (adduser --system --group %s), or name "
			"another with `key-user:`",
			r->site->key_user, r->site->key_user);
		return e;
	}
	e = e == 0 ? drop_now(&d) : e;
	if (e != 0) {
		snprintf(why, cap, "the key holder cannot become the user `%s`: %s", r->site->key_user,
			strerror(errno));
	}
	return e;
}

static int enter_sandbox(const struct key_role *r)
{
	struct sandbox *s = NULL;
	unsigned n = r->token ? r->site->n_token_folders : 0;
	struct sandbox_path *paths = calloc(n + 1, sizeof(*paths));
	if (!paths) {
		return ERR_NO_MEMORY;
	}
	for (unsigned i = 0; i < n; i++) {
		paths[i] = (struct sandbox_path){r->site->token_folders[i].path, true};
	}
	int e = sandbox_new(r->token ? SANDBOX_TOKEN : SANDBOX_KEYS, paths, n, &s);
	free(paths);
	return e == 0 ? sandbox_load(s) : e;
}

/* Keys are opened while we are what the supervisor is: they may belong to root alone. No peer has been heard yet. */
static int prepare(struct key_role *r)
{
	char why[512] = "";
	unsigned at = 0;
	enum told told;
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)CRYPTO_secure_malloc_init(SECURE_BYTES, SECURE_LEAST);
	(void)OPENSSL_init_ssl(0, NULL);
	tzset();
	while ((told = take(r)) == TOLD_MORE || told == TOLD_NOTHING) {
	}
	if (told == TOLD_STOP || !r->site) {
		return 1;
	}
	int e = open_keys(r, why, sizeof(why), &at);
	at = e == 0 ? r->site->n_identities : at;
	e = e == 0 ? drop_privileges(r, why, sizeof(why)) : e;
	if (e == 0 && (e = enter_sandbox(r)) != 0) {
		snprintf(why, sizeof(why), "the key holder's sandbox could not be entered: %s",
			strerror(errno));
	}
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "keys.failed", "%s", why[0] ? why : err_str(e));
		say_ready(r, 1 + at, why[0] ? why : err_str(e));
		return e == ERR_SYSTEM || e == ERR_NO_MEMORY ? 1 : KEYS_EXIT_DENIED;
	}
	log_event(LOG_LEVEL_INFO, "keys.ready", "the key holder has its keys",
		LOG_NUMBER("keys", r->site->n_identities), LOG_NUMBER("pid", getpid()));
	say_ready(r, 0, r->mark);
	return 0;
}

/* ---- The loop ---- */

static void handle(struct key_role *r, struct channel *c)
{
	switch (c->whose) {
	case OF_SUPERVISOR:
		if (take(r) == TOLD_STOP) {
			unwatch(r, &r->supervisor); /* retired: who is served already is served to the end */
		}
		break;
	case OF_GATE:
		take_clients(r);
		break;
	case OF_CLIENT:
		if (!serve(r, c)) {
			drop_client(r, c);
		}
		take_clients(r);
		break;
	}
}

static int loop(struct key_role *r)
{
	struct epoll_event events[EVENTS_A_TURN];
	while (r->supervisor.fd >= 0 || r->gate.fd >= 0 || r->forward.fd >= 0 || r->clients) {
		int n = epoll_wait(r->epoll, events, EVENTS_A_TURN, -1);
		for (int i = 0; i < n; i++) {
			handle(r, events[i].data.ptr);
			if (r->gone) {
				log_say(LOG_LEVEL_ERROR, "keys.token",
					"a token does not answer any more: the key holder starts anew");
				return 1;
			}
		}
	}
	return 0;
}

int role_keys_main(void)
{
	static struct key_role r = {.supervisor = {.fd = ROLE_CHANNEL, .whose = OF_SUPERVISOR},
		.gate = {.fd = -1, .whose = OF_GATE},
		.forward = {.fd = -1, .whose = OF_GATE}};
	log_role("keys");
	(void)prctl(PR_SET_NAME, "gantry: keys");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN); /* the supervisor's end, and that of all we serve, ends us */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	int status = prepare(&r);
	if (status == 0 && (fcntl(ROLE_CHANNEL, F_SETFL, O_NONBLOCK) < 0 || watch(&r, &r.supervisor) != 0)) {
		log_say(LOG_LEVEL_ERROR, "keys.failed", "the key holder cannot start: %s", strerror(errno));
		status = 1;
	}
	_exit(status == 0 ? loop(&r) : status);
}
