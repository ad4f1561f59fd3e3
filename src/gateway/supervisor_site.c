/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/gate_tls.h"
#include "gateway/hold_clean.h"
#include "gateway/hold_originals.h"
#include "gateway/key_holder.h"
#include "gateway/supervisor_state.h"
#include "policy/facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- The configuration ---- */

static void say_mistake(const char *file, const struct mistake *m, bool error, bool reload)
{
	char at[32] = "";
	if (m->line > 0) {
		snprintf(at, sizeof(at), "%u:%u:", m->line, m->column);
	}
	if (reload) {
		log_event(error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "site.mistake", m->text,
			LOG_TEXT("file", file), LOG_NUMBER("line", m->line), LOG_NUMBER("column", m->column));
		return;
	}
	fprintf(stderr, "%s:%s %s%s\n", file, at, error ? "" : "warning: ", m->text);
}

static void keep_first(char first[256], const struct mistake *m)
{
	if (!first[0]) {
		char at[32] = "";
		if (m->line > 0) {
			snprintf(at, sizeof(at), "line %u: ", m->line);
		}
		snprintf(first, 256, "%s%.220s", at, m->text);
	}
}

/* As `gantry check` has them. NULL: no key is to blame. */
static const struct blob *key_at(const struct site *s, unsigned at)
{
	const struct blob *single[] = {[KEYS_AT_NONE] = NULL,
		[KEYS_AT_RECORDS] = &s->audit.checkpoint_key,
		[KEYS_AT_LIST] = &s->revocation.certificate,
		[KEYS_AT_PSEUDONYMS] = &s->deidentify.key,
		[KEYS_AT_SIGNATURES] = &s->signatures.key};
	if (at < s->n_identities) {
		return &s->identities[at].key;
	}
	at -= s->n_identities;
	return at < ARRAY_LEN(single) ? single[at] : NULL;
}

void supervisor_key_mistake(const struct site *s, unsigned at, const char *text, bool reload, char first[256])
{
	const struct blob *key = key_at(s, at);
	struct mistake m = {.line = key ? key->line : 0, .column = key ? key->column : 0, .text = text};
	say_mistake(s->file, &m, true, reload);
	keep_first(first, &m);
}

static int check_certificates(const struct site *s, bool reload, char first[256])
{
	char why[256];
	unsigned line = 0;
	const struct blob *at = NULL;
	int e = gate_tls_check(s, &line, why, sizeof(why));
	const char *of = e != 0 ? "tls: " : "";
	e = e != 0 ? e : hold_originals_check(s, &at, why, sizeof(why));
	e = e != 0 ? e : hold_clean_check(s, &at, why, sizeof(why));
	if (e != 0) {
		char text[300];
		snprintf(text, sizeof(text), "%s%s", of, why);
		struct mistake m = {
			.line = at ? at->line : line, .column = at ? at->column : 1, .text = text};
		say_mistake(s->file, &m, true, reload);
		keep_first(first, &m);
	}
	return e;
}

int supervisor_load(const char *file, bool reload, char ret_first[256], struct site **ret_site)
{
	struct mistakes mistakes = {0};
	struct site *s = NULL;
	ret_first[0] = 0;
	int e = site_load(file, &s, &mistakes);
	for (unsigned i = 0; i < mistakes.n; i++) {
		say_mistake(file, &mistakes.at[i], i < mistakes.n_errors, reload);
	}
	struct mistake whole = {.text = NULL};
	if (mistakes.n_errors > 0) {
		keep_first(ret_first, &mistakes.at[0]);
	} else if (e != 0) {
		whole.text = e == ERR_SYSTEM ? strerror(errno) : err_str(e);
	} else if (s->n_listeners > SUPERVISOR_LISTENERS) {
		whole.text = "too many listeners: 64 at most";
		e = ERR_LIMIT;
	}
	if (whole.text) {
		say_mistake(file, &whole, true, reload);
		keep_first(ret_first, &whole);
	}
	mistakes_done(&mistakes);
	if (e == 0) {
		e = check_certificates(s, reload, ret_first);
	}
	if (e != 0) {
		site_free(s);
		return e;
	}
	*ret_site = s;
	return 0;
}

bool supervisor_needs_net_admin(const struct site *s)
{
	for (unsigned i = 0; i < s->n_listeners; i++) {
		if (s->listeners[i].transparent) {
			return true;
		}
	}
	for (unsigned i = 0; i < s->n_nodes; i++) {
		if (s->nodes[i].source_is_caller) {
			return true;
		}
	}
	return false;
}

/* ---- Listening sockets ---- */

static void set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static int open_listener(const struct listener *l, const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -1;
	}
	bool v6 = sa->sa_family == AF_INET6;
	bool any = strcmp(l->address, "*") == 0;
	int on = 1;
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (v6) {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !any);
	}
	int bad = 0;
	if (l->transparent) {
		/* One flag of the socket, whichever name sets it; a socket of both families takes both names. */
		bad = setsockopt(
			fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof(on));
	}
	if (bad < 0 || bind(fd, sa, len) < 0 || listen(fd, SOMAXCONN) < 0) {
		int kept = errno;
		close(fd);
		errno = kept;
		return -1;
	}
	return fd;
}

static int bind_one(const struct listener *l)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(l->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(l->port)};
	bool any = strcmp(l->address, "*") == 0;
	if (any || inet_pton(AF_INET6, l->address, &v6.sin6_addr) == 1) {
		int fd = open_listener(l, (struct sockaddr *)&v6, sizeof(v6));
		/* "*" on a machine without IPv6 means IPv4. */
		if (fd >= 0 || !any || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) {
			return fd;
		}
	} else if (inet_pton(AF_INET, l->address, &v4.sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	return open_listener(l, (struct sockaddr *)&v4, sizeof(v4));
}

static const char *bind_hint(int err)
{
	switch (err) {
	case EACCES:
		return " (a port below 1024 needs root or CAP_NET_BIND_SERVICE)";
	case EADDRINUSE:
		return " (another program listens there)";
	case EADDRNOTAVAIL:
		return " (no interface of this machine has the address)";
	case EPERM:
		return " (`transparent` needs root or CAP_NET_ADMIN)";
	default:
		return "";
	}
}

static int kept_socket(const struct listener *l, const struct bound *old, unsigned n_old)
{
	for (unsigned i = 0; i < n_old; i++) {
		if (old[i].fd >= 0 && old[i].port == l->port && old[i].transparent == l->transparent &&
			strcmp(old[i].address, l->address) == 0) {
			return old[i].fd;
		}
	}
	return -1;
}

int supervisor_bind(const struct site *s, const struct bound *old, unsigned n_old, struct bound *ret_bound)
{
	for (unsigned i = 0; i < s->n_listeners; i++) {
		const struct listener *l = &s->listeners[i];
		struct bound b = {.port = l->port, .transparent = l->transparent};
		snprintf(b.address, sizeof(b.address), "%s", l->address);
		b.fd = kept_socket(l, old, n_old);
		if (b.fd < 0) {
			b.fd = bind_one(l);
		}
		if (b.fd < 0) {
			log_say(LOG_LEVEL_ERROR, "listener.failed",
				"%s:%u: listener %s cannot listen on %s port %u: %s%s", s->file, l->line,
				l->name, l->address, l->port, strerror(errno), bind_hint(errno));
			supervisor_unbind(ret_bound, i, old, n_old);
			return ERR_SYSTEM;
		}
		ret_bound[i] = b;
	}
	return 0;
}

void supervisor_unbind(struct bound *b, unsigned n, const struct bound *kept, unsigned n_kept)
{
	for (unsigned i = 0; i < n; i++) {
		bool keep = false;
		for (unsigned k = 0; k < n_kept; k++) {
			keep = keep || kept[k].fd == b[i].fd;
		}
		if (!keep && b[i].fd >= 0) {
			close(b[i].fd);
		}
	}
}

/* ---- Files ---- */

int supervisor_log(const struct site *s, int *ret_fd)
{
	int fd = s->log_file[0]
	                 ? open(s->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640)
	                 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	if (fd < 0) {
		log_say(LOG_LEVEL_ERROR, "log.failed", "the log %s cannot be opened: %s", s->log_file,
			strerror(errno));
		return ERR_SYSTEM;
	}
	*ret_fd = fd;
	return 0;
}

static int make_folder(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST) {
		log_say(LOG_LEVEL_ERROR, "folder.failed", "the folder %s cannot be made: %s", path,
			strerror(errno));
		return ERR_SYSTEM;
	}
	return 0;
}

static int open_ledger(int dir)
{
	return openat(dir, LEDGER_FILE, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
}

int supervisor_state(const struct site *s, int *ret_dir, int *ret_ledger)
{
	if (make_folder(s->state, 0750) != 0) {
		return ERR_SYSTEM;
	}
	int dir = open(s->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ledger = dir < 0 ? -1 : open_ledger(dir);
	if (ledger < 0) {
		log_say(LOG_LEVEL_ERROR, "ledger.failed", "%s/" LEDGER_FILE " cannot be opened: %s", s->state,
			strerror(errno));
		if (dir >= 0) {
			close(dir);
		}
		return ERR_SYSTEM;
	}
	*ret_dir = dir;
	*ret_ledger = ledger;
	return 0;
}

/* The oldest of LEDGER_KEPT goes, the others move up by one. */
int supervisor_rotate(int state_dir, int *ret_ledger)
{
	for (unsigned i = LEDGER_KEPT; i >= 1; i--) {
		char from[32] = LEDGER_FILE, to[32];
		if (i > 1) {
			snprintf(from, sizeof(from), LEDGER_FILE ".%u", i - 1);
		}
		snprintf(to, sizeof(to), LEDGER_FILE ".%u", i);
		if (renameat(state_dir, from, state_dir, to) < 0 && errno != ENOENT) {
			return ERR_SYSTEM;
		}
	}
	int fd = open_ledger(state_dir);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	*ret_ledger = fd;
	return 0;
}

/* ---- The control socket ---- */

static bool somebody_answers(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return false;
	}
	bool answers = connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN;
	close(fd);
	return answers;
}

static int listen_at(const struct sockaddr_un *at, gid_t gid, mode_t mode)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -1;
	}
	/* Never open for a moment to whom it will not be open to. */
	mode_t mask = umask(0777);
	int bad = bind(fd, (const struct sockaddr *)at, sizeof(*at));
	umask(mask);
	if (bad == 0 && geteuid() == 0) {
		bad = lchown(at->sun_path, 0, gid);
	}
	if (bad == 0) {
		bad = chmod(at->sun_path, mode);
	}
	if (bad < 0 || listen(fd, 16) < 0) {
		int kept = errno;
		close(fd);
		errno = kept;
		return -1;
	}
	return fd;
}

static int make_socket(
	const struct site *s, const char *name, gid_t gid, mode_t mode, char ret_path[108], int *ret_fd)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int n = snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", s->run, name);
	if (n < 0 || (size_t)n >= sizeof(at.sun_path)) {
		log_say(LOG_LEVEL_ERROR, "control.failed",
			"the folder of `run:` has too long a name for a socket: %s", s->run);
		return ERR_LIMIT;
	}
	if (somebody_answers(&at)) {
		log_say(LOG_LEVEL_ERROR, "control.failed", "another gateway runs already: it answers on %s",
			at.sun_path);
		return ERR_EXISTS;
	}
	struct stat st;
	if (lstat(at.sun_path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		(void)unlink(at.sun_path);
	}
	int fd = listen_at(&at, gid, mode);
	if (fd < 0) {
		log_say(LOG_LEVEL_ERROR, "control.failed", "%s cannot be made: %s", at.sun_path,
			strerror(errno));
		return ERR_SYSTEM;
	}
	memcpy(ret_path, at.sun_path, sizeof(at.sun_path));
	*ret_fd = fd;
	return 0;
}

int supervisor_control(const struct site *s, gid_t gid, char ret_path[108], int *ret_fd)
{
	if (make_folder(s->run, 0755) != 0) {
		return ERR_SYSTEM;
	}
	return make_socket(s, "control", gid, 0660, ret_path, ret_fd);
}

int supervisor_door(const struct site *s, char ret_path[108], int *ret_fd)
{
	return make_socket(s, "door", getegid(), 0600, ret_path, ret_fd);
}
