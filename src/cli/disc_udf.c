/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/disc_udf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "/usr/bin/genisoimage"

enum { NO_PROGRAM = 127, NO_FILES = 126 };

/* With nothing of ours but the folder's name and the image; times without our time zone. It reads no settings of a person's or a site's. */
static _Noreturn void run(const char *folder, int fd)
{
	char *const argv[] = {PROGRAM, "-quiet", "-udf", "-iso-level", "1", "-V", "SECURE_DICOM",
		(char *)(uintptr_t)folder, NULL};
	char *const env[] = {"TZ=UTC", "LC_ALL=C", "PATH=/usr/bin:/bin", "MKISOFSRC=/dev/null", NULL};
	int nothing = open("/dev/null", O_RDWR);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDERR_FILENO) < 0 ||
		dup2(fd, STDOUT_FILENO) < 0 || close_range(3, ~0u, 0) < 0) {
		_exit(NO_FILES);
	}
	execve(PROGRAM, argv, env);
	_exit(errno == ENOENT ? NO_PROGRAM : NO_FILES);
}

int disc_udf_write(const char *folder, int fd, char *why, size_t cap)
{
	int status = 0;
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		run(folder, fd);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return 0;
	}
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM) {
		snprintf(why, cap, "%s, which writes UDF, is not installed (Debian: genisoimage)", PROGRAM);
		return ERR_NOT_FOUND;
	}
	snprintf(why, cap, "genisoimage could not write the image; is there room?");
	return ERR_SYSTEM;
}
