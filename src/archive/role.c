/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/role.h"
#include "archive/bookkeeper.h"
#include "archive/folder.h"
#include "archive/held.h"
#include "archive/intake.h"
#include "archive/keepers.h"
#include "archive/session.h"
#include "base/log.h"
#include "priv/role.h"
#include "base/span.h"
#include "priv/message.h"
#include "priv/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Channels at once: to the supervisor, to the gate, and to a gate before it whose last messages are still read. */
#define CHANNELS 4

/* A folder that this process has cleaned. */
struct known {
	struct known *next;
	char path[];
};

struct store {
	int channels[CHANNELS]; /* the first is the one that this process was started with */
	unsigned n_channels;
	int signals;
	bool stopping;
	bool orphaned; /* the supervisor's channel is closed: the first is another's */
	unsigned children;
	struct known *known;
	struct held held;
	struct keepers keepers;
	struct bookkeeper book;
	bool quarantine_new; /* the gate's channel is: it knows nothing of the quarantine */
};

/* What a crash left is removed once, when the folder is first used: later it could be a session's that just begins. */
static void clean_once(struct store *store, const char *path, const struct folder *folder)
{
	for (const struct known *k = store->known; k; k = k->next) {
		if (strcmp(k->path, path) == 0) {
			return;
		}
	}
	size_t n = strlen(path) + 1;
	struct known *k = malloc(sizeof(*k) + n);
	if (!k) {
		return;
	}
	memcpy(k->path, path, n);
	k->next = store->known;
	store->known = k;
	int removed = folder_clean(folder);
	if (removed < 0) {
		log_event(LOG_LEVEL_WARNING, "archive.clean",
			"What was left of incomplete objects was not removed.", LOG_TEXT("folder", path),
			LOG_TEXT("error", strerror(errno)));
	} else if (removed > 0) {
		log_event(LOG_LEVEL_NOTICE, "archive.clean",
			"What was left of incomplete objects was removed.", LOG_TEXT("folder", path),
			LOG_NUMBER("files", removed));
	}
}

/* No file but what lies below the folder, no socket but the one there is, no program (priv/sandbox.h). */
static int enter_sandbox(const char *path)
{
	struct sandbox *sandbox;
	int r = sandbox_new(SANDBOX_STORE, &(struct sandbox_path){.path = path, .write = true}, 1, &sandbox);
	if (r < 0) {
		return r;
	}
	/* It stays: this process has no end but _exit(). */
	return sandbox_load(sandbox);
}

/* What a child must not have: channels, and the files of objects that are held. */
static void close_channels(void *arg)
{
	struct store *store = arg;
	for (unsigned i = 0; i < store->n_channels; i++) {
		close(store->channels[i]);
	}
	close(store->signals);
	held_done(&store->held);
	bookkeeper_forget(&store->book);
}

/* The child: from here on this process knows one socket and one folder. */
static void child_main(struct store *store, int sock, const struct folder *folder, const char *path)
	__attribute__((noreturn));
static void child_main(struct store *store, int sock, const struct folder *folder, const char *path)
{
	close_channels(store);
	keepers_forget(&store->keepers);
	/* It ends when its association does, and a size limit is an error like a full disk. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	sigset_t none;
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || enter_sandbox(path) < 0) {
		log_say(LOG_LEVEL_ERROR, "archive.failed", "a session's sandbox could not be entered: %s",
			strerror(errno));
		_exit(1);
	}
	int r = session_run(sock, folder);
	if (r < 0 && r != ERR_CLOSED) {
		log_event(LOG_LEVEL_DEBUG, "archive.ended", "A session ended before its time.",
			LOG_TEXT("error", err_str(r)));
	}
	_exit(0);
}

static void serve(struct store *store, const struct message *m)
{
	struct folder folder;
	if (m->text[0] != '/') {
		log_event(LOG_LEVEL_ERROR, "archive.failed", "A folder archive needs an absolute path.",
			LOG_TEXT("folder", m->text));
		return;
	}
	if (folder_open(m->text, &folder) < 0) {
		log_event(LOG_LEVEL_ERROR, "archive.failed", "The folder archive cannot be opened.",
			LOG_TEXT("folder", m->text), LOG_TEXT("error", strerror(errno)));
		return;
	}
	clean_once(store, m->text, &folder);
	pid_t pid = fork();
	if (pid == 0) {
		child_main(store, m->fd, &folder, m->text);
	}
	if (pid < 0) {
		log_event(LOG_LEVEL_ERROR, "archive.failed", "No process for a session.",
			LOG_TEXT("error", strerror(errno)));
	} else {
		store->children++;
	}
	folder_done(&folder);
}

static void close_all(void *arg)
{
	struct store *store = arg;
	close_channels(store);
	keepers_forget(&store->keepers);
}

static void close_channel(struct store *store, unsigned i)
{
	close(store->channels[i]);
	store->channels[i] = store->channels[--store->n_channels];
}

/* Take a message. false: the channel is done with. */
static bool take_message(struct store *store, unsigned i)
{
	static struct message m;
	bool supervisors = i == 0 && !store->orphaned;
	int r = message_recv(
		store->channels[i], supervisors ? FROM_SUPERVISOR | FROM_GATE_STORE : FROM_GATE_STORE, &m);
	if (r == ERR_AGAIN) {
		return true;
	}
	if (r < 0) {
		if (r != ERR_CLOSED) {
			log_event(LOG_LEVEL_ERROR, "archive.channel",
				"Another role broke the protocol between roles.",
				LOG_TEXT("error", err_str(r)));
		}
		return false;
	}
	if (m.type == MSG_STOP) {
		store->stopping = true;
	} else if (m.type == MSG_LOG) {
		role_use_log(&m);
	} else if (m.type == MSG_FOLDER && !store->stopping) {
		serve(store, &m);
	} else if (m.type == MSG_HOLDER && !store->stopping) {
		(void)!held_add(&store->held, m.fd, m.client.association, m.text,
			(uint64_t)(m.number > 0 ? m.number : 0));
		return true;
	} else if (m.type == MSG_KEEPING && !store->stopping) {
		store->children += keepers_serve(&store->keepers, &m, close_channels, store);
	} else if (m.type == MSG_BOOKING && !store->stopping) {
		bookkeeper_serve(&store->book, &m, close_all, store);
	} else if (m.type == MSG_BOOK_FOLDER) {
		bookkeeper_take(&store->book, &m);
		return true;
	} else if (m.type == MSG_QUARANTINE) {
		keepers_take(&store->keepers, &m);
		return true;
	} else if (m.type == MSG_CHANNEL && store->n_channels < CHANNELS) {
		/* A gate that is busy is not waited for. */
		(void)fcntl(m.fd, F_SETFL, O_NONBLOCK);
		store->channels[store->n_channels++] = m.fd;
		store->quarantine_new = true;
		return true;
	}
	if (m.fd >= 0) {
		close(m.fd);
	}
	return true;
}

static void reap(struct store *store)
{
	struct signalfd_siginfo info;
	while (read(store->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		store->stopping = store->stopping || info.ssi_signo == SIGTERM;
	}
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (bookkeeper_ended(&store->book, pid)) {
			if (WIFSIGNALED(status)) {
				log_event(LOG_LEVEL_ERROR, "names.crashed",
					"The process that has the book of names crashed.",
					LOG_NUMBER("signal", WTERMSIG(status)));
			}
			continue;
		}
		store->children--;
		bool kept = keepers_ended(&store->keepers, pid, status);
		if (WIFSIGNALED(status)) {
			log_event(LOG_LEVEL_ERROR, kept ? "quarantine.crashed" : "archive.crashed",
				kept ? "A process that takes an object into quarantine crashed."
				     : "A session of the folder archive crashed.",
				LOG_NUMBER("signal", WTERMSIG(status)));
		}
	}
}

/* The newest channel is the gate's that lives. */
static void tell_quarantine(struct store *store)
{
	if (store->n_channels > 1) {
		keepers_tell(&store->keepers, store->channels[store->n_channels - 1], store->quarantine_new);
		store->quarantine_new = false;
	}
}

static int watch_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return -1;
	}
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* How often files of held objects are looked at. */
#define CHECK_MS 1000

static bool can_be_read(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

/*
 * What the supervisor says comes first, also where poll() had not seen it yet: the gate is told of a new configuration after us, and
 * asks at once for what it says. False: it has gone.
 */
static bool hear_supervisor(struct store *store)
{
	while (can_be_read(store->channels[0])) {
		if (!take_message(store, 0)) {
			return false;
		}
	}
	return true;
}

static void serve_channels(struct store *store, const struct pollfd *fds, unsigned n)
{
	bool has = n > 0 && !store->orphaned, lost = has && !hear_supervisor(store);
	/* From the last on: a channel that goes is replaced by one that was looked at. */
	for (unsigned i = n; i > (has ? 1 : 0); i--) {
		if (fds[i - 1].revents && !take_message(store, i - 1)) {
			close_channel(store, i - 1);
		}
	}
	if (lost) {
		store->stopping = store->orphaned = true;
		close_channel(store, 0);
	}
}

/* Until nobody can ask for a session any more, and the last has ended. */
static int serve_all(struct store *store)
{
	static struct pollfd fds[1 + CHANNELS + HELD_MOST];
	struct held *held = &store->held;
	while (store->children > 0 || held->n > 0 || (store->n_channels > 0 && !store->stopping)) {
		unsigned n = store->n_channels, n_held = held->n;
		fds[0] = (struct pollfd){.fd = store->signals, .events = POLLIN};
		for (unsigned i = 0; i < n; i++) {
			fds[i + 1] = (struct pollfd){.fd = store->channels[i], .events = POLLIN};
		}
		held_poll(held, fds + 1 + n);
		int wait = held->n > 0 ? CHECK_MS : store->keepers.dir < 0 ? -1 : KEEPERS_AGAIN_MS;
		if (poll(fds, 1 + n + n_held, wait) < 0 && errno != EINTR) {
			return ERR_SYSTEM;
		}
		if (fds[0].revents) {
			reap(store);
		}
		held_serve(held, fds + 1 + n, n_held);
		serve_channels(store, fds + 1, n);
		(void)held_check(held);
		tell_quarantine(store);
	}
	return 0;
}

int archive_role_main(int channel)
{
	static struct store store;
	store.channels[0] = channel;
	store.n_channels = 1;
	store.keepers = KEEPERS_NONE;
	store.book = BOOKKEEPER_NONE;
	log_role("store");
	(void)prctl(PR_SET_NAME, "gantry: store");
	umask(027);
	intake_prepare();
	quarantine_prepare();
	store.signals = watch_signals();
	int r = store.signals < 0 ? ERR_SYSTEM : serve_all(&store);
	if (r < 0) {
		log_say(LOG_LEVEL_ERROR, "archive.failed", "the store role ends: %s", strerror(errno));
	}
	held_done(&store.held);
	bookkeeper_forget(&store.book);
	while (store.known) {
		struct known *k = store.known;
		store.known = k->next;
		free(k);
	}
	return r < 0 ? 1 : 0;
}
