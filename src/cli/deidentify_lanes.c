/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify_lanes.h"

#include "base/attr.h"
#include "cli/boxed.h"
#include "cli/object_job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define AHEAD  2 /* tasks of one lane: one that it does, and one that waits for it or for those before */
#define MEMORY (AHEAD * DEIDENTIFY_BATCH * sizeof(struct deidentify_became))

struct lane {
	pid_t pid;
	int fd;
	struct deidentify_became *became; /* AHEAD times DEIDENTIFY_BATCH */
	unsigned n_given, next;           /* next: where the next one's are, below AHEAD */
	bool is_lost;
};

struct deidentify_lanes {
	struct deidentify_hands hands;
	const struct deidentify_how *how;
	bool is_here; /* in this process, one task after the other */
	unsigned n, n_started;
	struct lane of[DEIDENTIFY_LANES];
	struct given {
		unsigned lane, at;
		struct deidentify_task task;
	} given[AHEAD * DEIDENTIFY_LANES]; /* in their order, round and round */
	unsigned first, n_given;
	bool taken; /* the first of them */
};

/* ---- The end by a signal ---- */

static struct {
	int out_fd;
	const char *manifest;
	const char *lead; /* before a line */
	char out[512];    /* its name, to print */
	pid_t pid;        /* who tells */
	volatile sig_atomic_t n_whole;
	volatile pid_t pids[DEIDENTIFY_LANES];
	volatile sig_atomic_t n_lanes;
} ending = {.out_fd = -1};

static const struct {
	int number;
	const char *name;
} signals[] = {{SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}};

static void add(char *text, size_t cap, size_t *at, const char *more)
{
	for (; *more && *at < cap; more++) {
		text[(*at)++] = *more;
	}
}

/* With nothing that a signal's handler may not call. */
static void tell_end(int signal)
{
	char text[sizeof(ending.out) + 400], digits[16];
	size_t at = 0, n = sizeof(digits);
	unsigned whole = (unsigned)ending.n_whole;
	digits[--n] = '\0';
	do {
		digits[--n] = (char)('0' + whole % 10);
		whole /= 10;
	} while (whole > 0);
	add(text, sizeof(text), &at, ending.lead);
	add(text, sizeof(text), &at, "gantry deidentify: ended by ");
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		add(text, sizeof(text), &at, signals[i].number == signal ? signals[i].name : "");
	}
	add(text, sizeof(text), &at, ": whole copies in ");
	add(text, sizeof(text), &at, ending.out);
	add(text, sizeof(text), &at, ": ");
	add(text, sizeof(text), &at, digits + n);
	add(text, sizeof(text), &at,
		ending.manifest ? ", not of all files; no manifest" : ", not of all files");
	add(text, sizeof(text), &at,
		". To go on: --into-existing (names those that are there), or a new folder\n");
	(void)!write(STDERR_FILENO, text, at);
}

/* Nothing makes another one when they are removed. */
static void end(int signal)
{
	char part[DEIDENTIFY_PART_SIZE];
	for (int i = 0; i < ending.n_lanes; i++) {
		if (ending.pids[i] > 0) {
			(void)kill(ending.pids[i], SIGKILL);
			(void)waitpid(ending.pids[i], NULL, 0);
		}
	}
	for (unsigned i = 0; i < (unsigned)ending.n_lanes * AHEAD * DEIDENTIFY_BATCH; i++) {
		deidentify_part(i, part);
		(void)unlinkat(ending.out_fd, part, 0);
	}
	if (ending.manifest) {
		(void)unlink(ending.manifest);
	}
	if (ending.pid == getpid()) {
		tell_end(signal);
	}
	(void)raise(signal); /* as it would have been; when this returns */
}

void deidentify_lanes_end_clean(int out_fd, const char *out, const char *manifest)
{
	struct sigaction how = {.sa_handler = end, .sa_flags = (int)SA_RESETHAND}, before;
	(void)sigemptyset(&how.sa_mask);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		(void)sigaddset(&how.sa_mask, signals[i].number);
	}
	ending.out_fd = out_fd;
	ending.manifest = manifest;
	snprintf(ending.out, sizeof(ending.out), "%s", out);
	ending.lead = isatty(STDERR_FILENO) ? "\r\033[K" : "";
	ending.pid = getpid();
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (sigaction(signals[i].number, NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
			(void)sigaction(signals[i].number, &how, NULL);
		}
	}
}

void deidentify_lanes_end_as_usual(void)
{
	struct sigaction before;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (sigaction(signals[i].number, NULL, &before) == 0 && before.sa_handler == end) {
			(void)signal(signals[i].number, SIG_DFL);
		}
	}
}

int deidentify_lanes_whole(int from, const char *part, int to, const char *name)
{
	sigset_t ours, before;
	(void)sigemptyset(&ours);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		(void)sigaddset(&ours, signals[i].number);
	}
	(void)sigprocmask(SIG_BLOCK, &ours, &before);
	int e = renameat2(from, part, to, name, RENAME_NOREPLACE), why = errno;
	ending.n_whole = ending.n_whole + (e == 0);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	errno = why;
	return e;
}

/* ---- A lane's process ---- */

struct message {
	struct deidentify_task task;
	unsigned at; /* where it says what became of it, below AHEAD */
};

static bool read_message(int fd, struct message *ret)
{
	ssize_t n;
	do {
		n = read(fd, ret, sizeof(*ret));
	} while (n < 0 && errno == EINTR);
	return n == sizeof(*ret);
}

/* It does no more than this process would, and has what it has. */
static void work(struct deidentify_lanes *l, const struct lane *lane, int fd)
{
	struct deidentify_hands *h = &l->hands;
	struct message m;
	deidentify_lanes_end_as_usual();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Whoever takes a worker over can change its words, but not those that were taken down before. */
	(void)madvise(lane->became, MEMORY, MADV_DONTFORK);
	if (deidentify_worker_begin(&h->worker, l->how) < 0) {
		_exit(1);
	}
	while (read_message(fd, &m)) {
		deidentify_batch(h, &m.task, lane->became + (size_t)m.at * DEIDENTIFY_BATCH);
		if (!boxed_write(fd, "", 1)) {
			break;
		}
	}
	deidentify_worker_done(&h->worker);
	_exit(0);
}

/* ---- Who started them ---- */

int deidentify_lanes_new(const struct deidentify_hands *hands, const struct deidentify_how *how, unsigned n,
	struct deidentify_lanes **ret)
{
	struct deidentify_lanes *l = calloc(1, sizeof(*l));
	if (!l) {
		return ERR_NO_MEMORY;
	}
	l->hands = *hands;
	l->how = how;
	l->n = n;
	l->is_here = n == 1;
	*ret = l;
	return 0;
}

static void stop(struct lane *lane)
{
	if (lane->fd >= 0) {
		close(lane->fd); /* then it ends, and its worker */
	}
	while (lane->pid > 0 && waitpid(lane->pid, NULL, 0) < 0 && errno == EINTR) {
	}
	lane->pid = lane->fd = -1;
}

void deidentify_lanes_free(struct deidentify_lanes *l)
{
	if (!l) {
		return;
	}
	for (unsigned i = 0; i < l->n_started; i++) {
		if (l->is_here) {
			deidentify_worker_done(&l->hands.worker);
		}
		ending.pids[i] = 0; /* before its number can be another's */
		stop(&l->of[i]);
		object_job_free(l->of[i].became, MEMORY);
	}
	free(l);
}

/* Its process is started, or it is this one. */
static bool start_process(struct deidentify_lanes *l, unsigned i)
{
	struct lane *lane = &l->of[i];
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		return false;
	}
	(void)fflush(NULL);
	(void)madvise(lane->became, MEMORY, MADV_DOFORK); /* for this one alone */
	lane->pid = fork();
	if (lane->pid == 0) {
		for (unsigned k = 0; k < l->n_started; k++) {
			if (k != i && l->of[k].fd >= 0) {
				close(l->of[k].fd); /* a lane ends when this process closes its end: nobody else has it */
			}
		}
		close(ends[0]);
		work(l, lane, ends[1]);
	}
	(void)madvise(lane->became, MEMORY, MADV_DONTFORK);
	close(ends[1]);
	if (lane->pid < 0) {
		close(ends[0]);
		return false;
	}
	lane->fd = ends[0];
	ending.pids[i] = lane->pid;
	return true;
}

static bool start(struct deidentify_lanes *l)
{
	struct lane *lane = &l->of[l->n_started];
	*lane = (struct lane){.pid = -1, .fd = -1, .became = object_job_memory(MEMORY)};
	if (!lane->became) {
		return false;
	}
	(void)madvise(lane->became, MEMORY, MADV_DONTFORK);
	ending.n_lanes = (sig_atomic_t)l->n_started + 1;
	bool good = l->is_here ? deidentify_worker_begin(&l->hands.worker, l->how) == 0
	                       : start_process(l, l->n_started);
	if (!good) {
		object_job_free(lane->became, MEMORY);
		return false;
	}
	l->n_started++;
	return true;
}

/* The one with the least to do; NULL: all have enough. */
static struct lane *free_lane(struct deidentify_lanes *l)
{
	struct lane *best = NULL;
	for (unsigned i = 0; i < l->n_started; i++) {
		struct lane *lane = &l->of[i];
		if (!lane->is_lost && lane->n_given < AHEAD && (!best || lane->n_given < best->n_given)) {
			best = lane;
		}
	}
	if ((best && best->n_given == 0) || l->n_started == l->n) {
		return best;
	}
	if (start(l)) {
		return &l->of[l->n_started - 1];
	}
	if (l->n_started > 0) {
		l->n = l->n_started; /* it can do without more */
		return best;
	}
	l->is_here = true;
	l->n = 1;
	return start(l) ? &l->of[0] : NULL;
}

static void let_go(struct deidentify_lanes *l)
{
	if (l->taken) {
		l->of[l->given[l->first].lane].n_given--;
		l->first = (l->first + 1) % ARRAY_LEN(l->given);
		l->n_given--;
		l->taken = false;
	}
}

static struct deidentify_became *became_of(const struct deidentify_lanes *l, const struct given *g)
{
	return l->of[g->lane].became + (size_t)g->at * DEIDENTIFY_BATCH;
}

/* False: its process has died; that is found when it is waited for. */
static bool send_to(const struct deidentify_lanes *l, const struct given *g)
{
	const struct message m = {g->task, g->at};
	return send(l->of[g->lane].fd, &m, sizeof(m), MSG_NOSIGNAL) == sizeof(m);
}

bool deidentify_lanes_give(struct deidentify_lanes *l, struct deidentify_task task)
{
	let_go(l);
	struct lane *lane = free_lane(l);
	if (!lane || (l->is_here && l->n_given > 0)) {
		return false;
	}
	unsigned i = (unsigned)(lane - l->of);
	struct given *g = &l->given[(l->first + l->n_given) % ARRAY_LEN(l->given)];
	task.place = (i * AHEAD + lane->next) * DEIDENTIFY_BATCH;
	*g = (struct given){i, lane->next, task};
	lane->next = (lane->next + 1) % AHEAD;
	lane->n_given++;
	l->n_given++;
	if (l->is_here) {
		deidentify_batch(&l->hands, &g->task, became_of(l, g));
	} else {
		(void)send_to(l, g);
	}
	return true;
}

/* Nothing is known of what it did, but that it may have begun copies; what waited for it is done by another process. */
static void is_lost(struct deidentify_lanes *l, const struct given *g)
{
	struct lane *lane = &l->of[g->lane];
	struct deidentify_became *became = became_of(l, g);
	for (unsigned i = 0; i < g->task.n; i++) {
		memset(&became[i], 0,
			offsetof(struct deidentify_became, said) + offsetof(struct deidentify_said, list));
		became[i].has_part = true; /* OUTCOME_NONE */
	}
	ending.pids[g->lane] = 0;
	stop(lane);
	lane->is_lost = !start_process(l, g->lane);
	for (unsigned i = 1; i < l->n_given && !lane->is_lost; i++) {
		const struct given *other = &l->given[(l->first + i) % ARRAY_LEN(l->given)];
		if (other->lane == g->lane) {
			(void)send_to(l, other);
		}
	}
}

struct deidentify_became *deidentify_lanes_take(struct deidentify_lanes *l, struct deidentify_task *ret_task)
{
	char byte;
	ssize_t n = 1;
	let_go(l);
	if (l->n_given == 0) {
		return NULL;
	}
	const struct given *g = &l->given[l->first];
	const struct lane *lane = &l->of[g->lane];
	if (!l->is_here) {
		do {
			n = lane->is_lost ? 0 : read(lane->fd, &byte, 1);
		} while (n < 0 && errno == EINTR);
	}
	if (n != 1) {
		is_lost(l, g);
	}
	l->taken = true;
	*ret_task = g->task;
	return became_of(l, g);
}
