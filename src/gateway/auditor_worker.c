/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/auditor_state.h"
#include "priv/message.h"
#include "priv/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Processes of the auditor's for what may take longer than anybody who waits for a record should wait. Each is forked before
 * the auditor's sandbox, does one thing at a time, and ends with it.
 */

static void child(struct auditor *a, int fd, const struct worker *w)
{
	struct sandbox *s = NULL;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)prctl(PR_SET_NAME, w->name);
	/* Nothing of the auditor's but the log: no descriptor, and not the spool's key, which it has been told. */
	explicit_bzero(a->spool_key, sizeof(a->spool_key));
	message_wipe();
	if (null < 0 || dup2(fd, 3) != 3 || dup2(null, 0) != 0) {
		_exit(1);
	}
	(void)close_range(4, ~0u, 0);
	if (sandbox_new(SANDBOX_STORE, w->paths, w->n_paths, &s) != 0 || sandbox_load(s) != 0) {
		log_say(LOG_LEVEL_ERROR, w->event, "the sandbox cannot be entered: %s", strerror(errno));
		_exit(1);
	}
	w->work(3, &a->site->audit);
	_exit(0);
}

int worker_start(struct auditor *a, const struct worker *w, int *ret_fd)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_SYSTEM;
	}
	pid_t pid = fork();
	if (pid == 0) {
		child(a, pair[1], w);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return ERR_SYSTEM;
	}
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*ret_fd = pair[0];
	return 0;
}
