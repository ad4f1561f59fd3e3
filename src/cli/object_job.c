/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/object_job.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_MOST 900 /* of CPU: an object of the greatest size, for each of many signatures */

enum { DONE = 0, DENIED = 1, BROKEN = 2 };

void *object_job_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

void object_job_free(void *shared, size_t size)
{
	if (shared) {
		(void)munmap(shared, size);
	}
}

void object_job_warm(void)
{
	tzset();
	(void)OPENSSL_init_crypto(
		OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_ADD_ALL_DIGESTS | OPENSSL_INIT_ADD_ALL_CIPHERS, NULL);
}

static void child(const struct object_job *job, int file, size_t size, void *shared)
{
	struct sandbox *own = NULL;
	const struct rlimit cpu = {SECONDS_MOST, SECONDS_MOST};
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CPU, &cpu);
	/* If the file is made shorter meanwhile, this process dies of it, and nobody else. */
	const void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
	if (bytes == MAP_FAILED) {
		_exit(BROKEN);
	}
	if (job->prepare && job->prepare(job->arg, shared) != 0) {
		_exit(DENIED);
	}
	object_job_warm();
	if (!job->ready && sandbox_new(job->sandbox, job->paths, job->n_paths, &own) != 0) {
		_exit(BROKEN);
	}
	if (sandbox_load(job->ready ? job->ready : own) != 0) {
		_exit(BROKEN);
	}
	job->work(job->arg, span_of(bytes, size), shared);
	_exit(DONE);
}

int object_job_run(const struct object_job *job, int file, void *shared)
{
	struct stat st;
	int status = 0;
	if (fstat(file, &st) < 0) {
		return ERR_SYSTEM;
	}
	if (!S_ISREG(st.st_mode)) {
		return ERR_TYPE;
	}
	if (st.st_size == 0) {
		return ERR_LENGTH;
	}
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		child(job, file, (size_t)st.st_size, shared);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (pid < 0 || !WIFEXITED(status)) {
		return ERR_SYSTEM;
	}
	return WEXITSTATUS(status) == DONE ? 0 : WEXITSTATUS(status) == DENIED ? ERR_DENIED : ERR_SYSTEM;
}
