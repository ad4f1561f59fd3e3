/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/supervisor.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/supervisor_state.h"
#include "priv/memfd.h"
#include "priv/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What roles get beyond the site's `stop` time before they are killed. */
#define STOP_SPARE_MS 3000

static int pack(const struct site *s, int *ret_fd)
{
	uint8_t *bytes = NULL;
	size_t len = 0;
	int e = site_pack(s, &bytes, &len);
	if (e == 0) {
		e = memfd_of("site", span_of(bytes, len), ret_fd);
	}
	free(bytes);
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "site.failed", "the configuration cannot be packed: %s", err_str(e));
	}
	return e;
}

static void use_log(const struct supervisor *v)
{
	log_to(v->log, v->site->log_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
	log_least((enum log_level)v->site->log_level);
}

/* ---- Reload ---- */

static void tell_fixed(const struct site *old, const struct site *fresh, const struct supervisor *v)
{
	const struct {
		const char *key;
		bool changed;
	} fixed[] = {
		{"state", strcmp(old->state, fresh->state) != 0},
		{"run", strcmp(old->run, fresh->run) != 0},
		{"user", strcmp(old->user, fresh->user) != 0},
		{"audit: journal", old->audit.has && fresh->audit.has &&
					   strcmp(old->audit.journal, fresh->audit.journal) != 0},
		{"audit: cold", old->audit.has && fresh->audit.has &&
					strcmp(old->audit.cold, fresh->audit.cold) != 0},
		{"audit: origin", old->audit.has && fresh->audit.has &&
					  strcmp(old->audit.origin, fresh->audit.origin) != 0},
		{"audit: spool-most", old->audit.has && fresh->audit.has &&
					      old->audit.spool_most != fresh->audit.spool_most},
		{"audit: checkpoint-file",
			old->audit.has && fresh->audit.has &&
				strcmp(old->audit.checkpoint_file, fresh->audit.checkpoint_file) != 0},
		{"transparent, or source: caller,", supervisor_needs_net_admin(fresh) && !v->drop.net_admin},
		{"associations: at-once", fresh->associations_at_once > old->associations_at_once},
	};
	for (unsigned i = 0; i < ARRAY_LEN(fixed); i++) {
		if (fixed[i].changed) {
			log_say(LOG_LEVEL_WARNING, "site.restart-needed",
				"the new value of `%s` takes full effect when the gateway is started anew",
				fixed[i].key);
		}
	}
}

static bool logs_elsewhere(const struct site *old, const struct site *fresh)
{
	return strcmp(old->log_file, fresh->log_file) != 0;
}

/* keys: has the keys of the new site, whose packed form is site_fd. Both are taken on success. */
static int take_new(struct supervisor *v, struct site *fresh, int site_fd, const struct role_process *keys)
{
	struct bound bound[SUPERVISOR_LISTENERS];
	unsigned n_old = v->site->n_listeners;
	int log = -1;
	int e = supervisor_log(fresh, &log);
	if (e == 0) {
		e = audit_folders(v, fresh);
	}
	if (e == 0) {
		e = quarantine_folder(v, fresh);
	}
	if (e == 0) {
		e = names_folder(v, fresh);
	}
	if (e == 0) {
		e = supervisor_bind(fresh, v->bound, n_old, bound);
	}
	if (e != 0) {
		if (log >= 0) {
			close(log);
		}
		return e;
	}
	tell_fixed(v->site, fresh, v);
	if (logs_elsewhere(v->site, fresh)) {
		log_say(LOG_LEVEL_NOTICE, "log.moved", "the log goes on in %s",
			fresh->log_file[0] ? fresh->log_file : "standard error");
	}
	supervisor_unbind(v->bound, n_old, bound, fresh->n_listeners);
	memcpy(v->bound, bound, sizeof(bound[0]) * fresh->n_listeners);
	close(v->site_fd);
	close(v->log);
	site_free(v->site);
	v->site = fresh;
	v->site_fd = site_fd;
	v->log = log;
	if (v->role[ROLE_KEYS].pid > 0) {
		keys_retire(v, &v->role[ROLE_KEYS]);
	}
	v->role[ROLE_KEYS] = *keys;
	use_log(v);
	keys_taken(v);
	return 0;
}

static void keep_old(struct supervisor *v, const char *why)
{
	v->kept_ms = clock_wall_ms();
	snprintf(v->kept, sizeof(v->kept), "%s", why[0] ? why : "see the log");
	roles_give_kept(v);
	audit_reloaded(v, v->kept);
	log_event(LOG_LEVEL_ERROR, "site.kept",
		"the new configuration is not used; the old one keeps running", LOG_TEXT("file", v->file));
	notify_say("READY=1\nSTATUS=The last configuration had mistakes; the one before it keeps running.");
}

/* The new site in the old one's place, or the old one as it was. */
static int use(struct supervisor *v, struct site *fresh, char why[256])
{
	struct role_process keys = {.channel = -1};
	int site_fd = -1;
	int e = pack(fresh, &site_fd);
	e = e == 0 ? keys_open(v, fresh, site_fd, true, why, &keys) : e;
	e = e == 0 ? take_new(v, fresh, site_fd, &keys) : e;
	if (e == 0) {
		return 0;
	}
	if (keys.pid > 0) {
		keys_end(v, &keys);
	}
	if (site_fd >= 0) {
		close(site_fd);
	}
	site_free(fresh);
	if (!why[0]) {
		snprintf(why, 256, "it has no mistake, but could not be put to use: see the log");
	}
	return e;
}

static void reload(struct supervisor *v)
{
	struct site *fresh = NULL;
	char state[64], why[256] = "";
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_ms() * 1000);
	notify_say(state);
	int e = supervisor_load(v->file, true, why, &fresh);
	if (e == 0) {
		e = use(v, fresh, why);
	}
	if (e != 0) {
		keep_old(v, why);
		return;
	}
	v->kept_ms = 0;
	v->reloads++;
	roles_give_log(v);
	/* One that is started now is given the site then, and once more: the second changes nothing. */
	roles_start_due(v, clock_mono_ms());
	roles_tell_lookup(v);
	audit_give_site(v, false);
	audit_give_forwarder(v);
	quarantine_give(v);
	names_give(v);
	roles_give_site(v);
}

/* ---- What happens ---- */

static void stop(struct supervisor *v)
{
	if (v->stopping) {
		/* Asked twice: now. The gate cuts and says whom; what has not ended soon after is killed. */
		v->stop_deadline_ms = clock_mono_ms() + STOP_SPARE_MS;
		roles_stop(v);
		return;
	}
	v->stopping = true;
	v->stop_deadline_ms = clock_mono_ms() + (int64_t)v->site->timeouts.stop * 1000 + STOP_SPARE_MS;
	notify_say("STOPPING=1");
	log_say(LOG_LEVEL_NOTICE, "gateway.stopping", "stopping; associations have %u seconds to finish",
		v->site->timeouts.stop);
	/* Whoever calls now is told by the kernel that nobody listens, and may try another gateway. */
	supervisor_unbind(v->bound, v->site->n_listeners, NULL, 0);
	roles_stop(v);
}

static void take_signals(struct supervisor *v)
{
	struct signalfd_siginfo info;
	while (read(v->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGHUP:
			if (!v->stopping) {
				reload(v);
			}
			break;
		case SIGTERM:
		case SIGINT:
			stop(v);
			break;
		default:
			break;
		}
	}
}

static void take_ready(struct supervisor *v, int64_t number)
{
	/* The first answer is to the start's site, also where a reload came before it. */
	bool again = v->ready_once && v->reloads > 0;
	v->reloads -= again;
	if (number != 0) {
		log_say(LOG_LEVEL_ERROR, "gateway.failed", "the gate could not take the configuration");
		if (!v->ready_once) {
			v->exit_status = 1;
			stop(v);
		}
		return;
	}
	if (v->site->audit.has && !v->trail_begun) {
		audit_started(v, again);
	}
	v->trail_begun = v->site->audit.has;
	if (again) {
		audit_reloaded(v, NULL);
	}
	v->ready_once = true;
	log_event(LOG_LEVEL_NOTICE, again ? "gateway.reloaded" : "gateway.serving",
		again ? "the new configuration is in use" : "ready", LOG_TEXT("site", v->site->name),
		LOG_TEXT("version", GANTRY_VERSION), LOG_NUMBER("pid", getpid()),
		LOG_NUMBER("listeners", v->site->n_listeners), LOG_NUMBER("nodes", v->site->n_nodes),
		LOG_NUMBER("flows", v->site->n_flows),
		LOG_TEXT("mode", v->site->mode == MODE_OBSERVE ? "observe" : "enforce"),
		LOG_NUMBER("landlock", sandbox_landlock()));
	notify_say("READY=1\nSTATUS=Serving.");
}

static void rotate(struct supervisor *v)
{
	int fd;
	if (supervisor_rotate(v->state_dir, &fd) != 0) {
		log_say(LOG_LEVEL_ERROR, "ledger.failed", "refusals.jsonl cannot be renewed: %s",
			strerror(errno));
		return;
	}
	close(v->ledger);
	v->ledger = fd;
	roles_say_gate(v, &(struct message){.type = MSG_LEDGER, .fd = fd});
}

static void take_gate(struct supervisor *v)
{
	static struct message m;
	int channel = v->role[ROLE_GATE].channel;
	int e;
	while ((e = message_recv(channel, FROM_GATE_UP, &m)) == 0) {
		if (m.type == MSG_READY) {
			take_ready(v, m.number);
		} else if (m.type == MSG_CUT) {
			v->n_cut += m.number;
		} else if (m.type == MSG_LEDGER_FULL) {
			rotate(v);
		}
	}
	if (e == ERR_PEER || e == ERR_SYSTEM) {
		log_say(LOG_LEVEL_ERROR, "role.failed", "the gate broke the protocol and is ended");
		(void)kill(v->role[ROLE_GATE].pid, SIGKILL);
	}
}

/* False: no child is left. */
static bool reap(struct supervisor *v)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		bool gate = pid == v->role[ROLE_GATE].pid;
		if (gate) {
			take_gate(v); /* its last words */
		}
		roles_ended(v, pid, status);
		if (gate && v->stopping) {
			roles_stop(v);
		} else if (gate && !v->ready_once) {
			log_say(LOG_LEVEL_ERROR, "gateway.failed", "the gate could not start");
			v->exit_status = 1;
			stop(v);
		}
	}
	return pid == 0 || errno != ECHILD;
}

static int next_wait(const struct supervisor *v)
{
	int64_t now = clock_mono_ms(), next = roles_next_ms(v);
	if (v->stopping && !v->killed && v->stop_deadline_ms < next) {
		next = v->stop_deadline_ms;
	}
	if (v->watchdog_ms && v->next_watchdog_ms < next) {
		next = v->next_watchdog_ms;
	}
	if (next == INT64_MAX) {
		return -1;
	}
	return next <= now ? 0 : (int)(next - now < 60000 ? next - now : 60000);
}

static void check_clocks(struct supervisor *v)
{
	int64_t now = clock_mono_ms();
	roles_start_due(v, now);
	if (v->watchdog_ms && now >= v->next_watchdog_ms) {
		v->next_watchdog_ms = now + v->watchdog_ms;
		notify_say("WATCHDOG=1");
	}
	if (v->stopping && !v->killed && now >= v->stop_deadline_ms) {
		log_say(LOG_LEVEL_WARNING, "gateway.cut",
			"the gate did not end in time: what is left of the gateway is killed");
		roles_kill(v);
	}
}

static void loop(struct supervisor *v)
{
	do {
		check_clocks(v);
		struct pollfd p[2] = {
			{.fd = v->signals, .events = POLLIN},
			{.fd = v->role[ROLE_GATE].channel, .events = POLLIN},
		};
		if (poll(p, 2, next_wait(v)) < 0) {
			continue;
		}
		if (p[1].revents & POLLIN) {
			take_gate(v);
		}
		if (p[0].revents) {
			take_signals(v);
		}
	} while (reap(v) || !v->stopping);
}

/* ---- The start ---- */

static int watch_signals(struct supervisor *v)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		return ERR_SYSTEM;
	}
	v->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return v->signals < 0 ? ERR_SYSTEM : 0;
}

static int prepare_process(struct supervisor *v)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* The associations of a gate that died become our children. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	v->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (v->null < 0 || spawn_open_self(&v->exe) != 0 || watch_signals(v) != 0) {
		log_say(LOG_LEVEL_ERROR, "gateway.failed", "cannot start: %s", strerror(errno));
		return ERR_SYSTEM;
	}
	return 0;
}

static int prepare_user(struct supervisor *v)
{
	int e = drop_prepare(v->site->user, supervisor_needs_net_admin(v->site), &v->drop);
	if (e == ERR_NOT_FOUND) {
		log_say(LOG_LEVEL_ERROR, "gateway.failed",
			"there is no user `%s`: make it (adduser --system --group %s), or name another with `user:`",
			v->site->user, v->site->user);
	}
	return e;
}

static int prepare(struct supervisor *v)
{
	char first[256];
	int e = supervisor_load(v->file, false, first, &v->site);
	if (e == 0) {
		e = prepare_process(v);
	}
	if (e == 0) {
		e = prepare_user(v);
	}
	if (e == 0) {
		e = supervisor_log(v->site, &v->log);
	}
	if (e == 0) {
		use_log(v);
		e = supervisor_control(v->site, v->drop.gid, v->control_path, &v->control);
	}
	if (e == 0) {
		e = supervisor_door(v->site, v->door_path, &v->door);
	}
	if (e == 0) {
		e = supervisor_bind(v->site, NULL, 0, v->bound);
	}
	if (e == 0) {
		e = supervisor_state(v->site, &v->state_dir, &v->ledger);
	}
	if (e == 0) {
		e = audit_folders(v, v->site);
	}
	if (e == 0) {
		e = quarantine_folder(v, v->site);
	}
	if (e == 0) {
		e = names_folder(v, v->site);
	}
	if (e == 0) {
		e = pack(v->site, &v->site_fd);
	}
	e = e == 0 ? keys_open(v, v->site, v->site_fd, false, first, &v->role[ROLE_KEYS]) : e;
	if (e == 0) {
		keys_taken(v);
	}
	return e;
}

static void remove_sockets(const struct supervisor *v)
{
	if (v->control_path[0]) {
		(void)unlink(v->control_path);
	}
	if (v->door_path[0]) {
		(void)unlink(v->door_path);
	}
}

int supervisor_main(const char *file)
{
	static struct supervisor v;
	char absolute[4096];
	log_role("supervisor");
	v.control_path[0] = v.door_path[0] = 0;
	/* The folder may change its meaning while we run; the file may not. */
	v.file = realpath(file, absolute) ? absolute : file;
	for (unsigned r = 0; r < ROLE_COUNT; r++) {
		v.role[r].channel = -1;
	}
	if (prepare(&v) != 0) {
		if (v.log > STDERR_FILENO) { /* who started it looks here */
			fprintf(stderr, "gantry run: it did not start, and %s says why\n", v.site->log_file);
		}
		remove_sockets(&v);
		return 1;
	}
	v.watchdog_ms = notify_watchdog_ms();
	loop(&v);
	remove_sockets(&v);
	log_event(LOG_LEVEL_NOTICE, "gateway.stopped", "stopped", LOG_NUMBER("cut", v.n_cut));
	site_free(v.site);
	return v.exit_status;
}
