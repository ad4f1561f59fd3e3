/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/deidentify.h"

#include "cli/boxed.h"
#include "cli/object_job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MOST 900         /* of CPU, for all that it does */
#define READ_MOST    (16u << 20) /* files up to it are read, longer ones are mapped */
/* As the kernel has a file's bytes: it copies to other places in a line of the cache half as fast, or a quarter. */
#define READ_ALIGN 4096

/* What is behind it the kernel reads ahead itself. */
#define ASKED_FOR (2l << 20)

/* What goes with the descriptors of a batch, in and out of each in turn. */
struct batch {
	unsigned first, n; /* in w->said */
	struct batch_file {
		uint64_t size;
		bool pixels_cleaned, features_cleaned, videos_stripped, pixels_changed;
	} files[DEIDENTIFY_BATCH];
};

#define FDS 3 /* of each file: in, out, was */

union batch_fds {
	struct cmsghdr head;
	char room[CMSG_SPACE(FDS * DEIDENTIFY_BATCH * sizeof(int))];
};

int deidentify_worker_begin(struct deidentify_worker *w, const struct deidentify_how *how)
{
	*w = (struct deidentify_worker){.how = how, .pid = -1, .fd = -1};
	w->said = object_job_memory(DEIDENTIFY_BATCH * sizeof(*w->said));
	return w->said ? 0 : ERR_NO_MEMORY;
}

void deidentify_worker_done(struct deidentify_worker *w)
{
	if (w->said) {
		deidentify_worker_stop(w);
		object_job_free(w->said, DEIDENTIFY_BATCH * sizeof(*w->said));
		w->said = NULL;
	}
}

/* ---- The worker ---- */

/* False: there is nothing more to do. */
static bool take_batch(int fd, struct batch *ret_batch, int fds[FDS * DEIDENTIFY_BATCH])
{
	union batch_fds control;
	struct iovec iov = {ret_batch, sizeof(*ret_batch)};
	struct msghdr h = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room)};
	ssize_t n;
	do {
		n = recvmsg(fd, &h, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	const struct cmsghdr *c = n == sizeof(*ret_batch) ? CMSG_FIRSTHDR(&h) : NULL;
	if (!c || c->cmsg_len != CMSG_LEN(FDS * ret_batch->n * sizeof(int))) {
		return false;
	}
	memcpy(fds, CMSG_DATA(c), FDS * ret_batch->n * sizeof(int));
	return true;
}

/* All of a file, or what is left of it. What is read is what is looked at and written, whatever becomes of the file meanwhile. */
static bool read_all(int fd, uint8_t *to, size_t size, size_t *ret_n)
{
	size_t n = 0;
	if (lseek(fd, 0, SEEK_SET) < 0) {
		return false;
	}
	while (n < size) {
		ssize_t got = read(fd, to + n, size - n);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return false;
		}
		if (got == 0) {
			break;
		}
		n += (size_t)got;
	}
	*ret_n = n;
	return true;
}

/* buffer: READ_MOST bytes. One for all files: its pages are there, and near, from the first of them on. */
static void do_file(struct deidentify_work *work, uint8_t *buffer, const struct batch_file *f,
	const int fds[FDS], struct deidentify_said *said)
{
	struct deidentify_job job = {fds[0], fds[1], fds[2], f->size, f->pixels_cleaned, f->features_cleaned,
		f->videos_stripped, f->pixels_changed};
	size_t n = (size_t)f->size;
	if (f->size <= READ_MOST) {
		if (!read_all(fds[0], buffer, n, &n)) {
			said->error = ERR_SYSTEM;
			said->outcome = OUTCOME_BROKEN;
			return;
		}
		job.in = -1;
		deidentify_file(work, &job, span_of(buffer, n), said);
		return;
	}
	/* If the file is made shorter meanwhile, this process dies of it, and nobody else. */
	void *bytes = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fds[0], 0);
	if (bytes == MAP_FAILED) {
		said->error = ERR_NO_MEMORY;
		said->outcome = OUTCOME_BROKEN;
		return;
	}
	deidentify_file(work, &job, span_of(bytes, n), said);
	(void)munmap(bytes, n);
}

static void work(const struct deidentify_worker *w, int fd)
{
	const struct rlimit cpu = {SECONDS_MOST, SECONDS_MOST};
	struct deidentify_work *files = deidentify_work_new(w->how);
	uint8_t *buffer = aligned_alloc(READ_ALIGN, READ_MOST);
	struct batch batch;
	int fds[FDS * DEIDENTIFY_BATCH];
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CPU, &cpu);
	boxed_close_others(fd, -1, sandbox_fd(w->how->sandbox));
	/* What a library has to say before it aborts must not end in a file that is passed. */
	for (int i = 0; i <= STDERR_FILENO; i++) {
		(void)open("/dev/null", O_RDWR);
	}
	if (!files || !buffer || sandbox_load(w->how->sandbox) != 0) {
		_exit(1);
	}
	while (take_batch(fd, &batch, fds)) {
		for (unsigned i = 0; i < batch.n; i++) {
			do_file(files, buffer, &batch.files[i], &fds[FDS * i], &w->said[batch.first + i]);
			for (unsigned k = 0; k < FDS; k++) {
				close(fds[FDS * i + k]);
			}
		}
		if (!boxed_write(fd, "", 1)) {
			break;
		}
	}
	_exit(0);
}

/* ---- Who started it ---- */

static bool start(struct deidentify_worker *w)
{
	int ends[2];
	if (w->pid >= 0) {
		return true;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		return false;
	}
	(void)fflush(NULL);
	w->pid = fork();
	if (w->pid == 0) {
		work(w, ends[1]);
	}
	close(ends[1]);
	if (w->pid < 0) {
		close(ends[0]);
		return false;
	}
	w->fd = ends[0];
	w->n_done = 0;
	return true;
}

void deidentify_worker_stop(struct deidentify_worker *w)
{
	if (w->pid < 0) {
		return;
	}
	close(w->fd);
	/* It has nothing to end with. */
	(void)kill(w->pid, SIGKILL);
	while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR) {
	}
	w->pid = w->fd = -1;
}

/* False: the process has died before it had done all. */
static bool pass(struct deidentify_worker *w, const struct deidentify_job *jobs, unsigned first, unsigned n)
{
	struct batch batch = {.first = first, .n = n};
	int fds[FDS * DEIDENTIFY_BATCH] = {0};
	union batch_fds control = {0};
	struct iovec iov = {&batch, sizeof(batch)};
	struct msghdr h = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(FDS * n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	for (unsigned i = 0; i < n; i++) {
		const struct deidentify_job *j = &jobs[first + i];
		fds[FDS * i] = j->in;
		fds[FDS * i + 1] = j->out;
		fds[FDS * i + 2] = j->was;
		batch.files[i] = (struct batch_file){j->size, j->pixels_cleaned, j->features_cleaned,
			j->videos_stripped, j->pixels_changed};
		memset(&w->said[first + i], 0, offsetof(struct deidentify_said, list));
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(FDS * n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, FDS * n * sizeof(int));
	if (!start(w) || sendmsg(w->fd, &h, MSG_NOSIGNAL) < 0) {
		return false;
	}
	char byte;
	ssize_t got;
	do {
		got = read(w->fd, &byte, 1);
	} while (got < 0 && errno == EINTR);
	w->n_done += got == 1 ? n : 0;
	return got == 1;
}

/* By itself, in a new process, with nothing written yet. */
static void once_more(struct deidentify_worker *w, const struct deidentify_job *jobs, unsigned at)
{
	if (ftruncate(jobs[at].out, 0) < 0 || lseek(jobs[at].out, 0, SEEK_SET) < 0 || !pass(w, jobs, at, 1)) {
		w->said[at].outcome = OUTCOME_NONE;
	}
	deidentify_worker_stop(w);
}

/* Looking is less work than asking for what is there. A program that looks at heads leaves only the first pages in memory. */
void deidentify_ask_for(int in)
{
	static const off_t looked_at[] = {0, 128l << 10};
	char byte;
	const struct iovec iov = {&byte, 1};
	for (unsigned i = 0; i < ARRAY_LEN(looked_at); i++) {
		if (preadv2(in, &iov, 1, looked_at[i], RWF_NOWAIT) < 0) {
			(void)posix_fadvise(in, 0, ASKED_FOR, POSIX_FADV_WILLNEED);
			return;
		}
	}
}

void deidentify_worker_run(struct deidentify_worker *w, const struct deidentify_job *jobs, unsigned n)
{
	unsigned at = 0;
	while (at < n) {
		unsigned first = at, before = w->pid < 0 ? 0 : w->n_done;
		if (pass(w, jobs, at, n - at)) {
			return;
		}
		deidentify_worker_stop(w);
		while (at < n && w->said[at].outcome != OUTCOME_NONE) {
			at++;
		}
		if (at < n && (at > first || before > 0)) {
			once_more(w, jobs, at);
		}
		at++;
	}
}

void deidentify_worker_take(const struct deidentify_worker *w, unsigned i, struct deidentify_said *ret_said)
{
	struct deidentify_said *s = ret_said;
	memcpy(s, &w->said[i], offsetof(struct deidentify_said, list));
	if ((unsigned)s->outcome > OUTCOME_PIXELS) {
		s->outcome = OUTCOME_NONE;
	}
	s->patient[sizeof(s->patient) - 1] = s->study[UID_MAX] = s->series[UID_MAX] = s->instance[UID_MAX] =
		0;
	s->list_len = s->list_len < sizeof(s->list) ? s->list_len : sizeof(s->list) - 1;
	memcpy(s->list, w->said[i].list, s->list_len);
	s->list[s->list_len] = 0;
}
