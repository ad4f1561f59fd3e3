/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/sandbox.h"
#include "base/span.h"
#include "priv/memfd.h"
#include "priv/message.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A forked process enters a sandbox and does one thing. 0: it could; KILLED: the kernel ended it; else its errno. */
#define KILLED (-1)

static int inherited = -1; /* a TCP socket from before the sandbox */
static int channel[2];

static int run_in(enum sandbox_kind kind, const struct sandbox_path *paths, unsigned n, long (*act)(void))
{
	struct sandbox *s = NULL;
	/* Made before the fork, as the gate does. */
	assert_int_equal(sandbox_new(kind, paths, n, &s), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_load(s) != 0) {
			_exit(255);
		}
		errno = 0;
		long r = act();
		_exit(r >= 0 ? 0 : errno ? errno : 254);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	sandbox_free(s);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return KILLED;
	}
	assert_int_not_equal(WEXITSTATUS(status), 255);
	return WEXITSTATUS(status);
}

/* ---- What an association may not do. By number: the C library must not choose another way. ---- */

static long act_open(void)
{
	return syscall(SYS_open, "/etc/passwd", O_RDONLY);
}

static long act_openat(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

/* From and to no file: the kernel says so, if it is asked at all. */
static long act_copy(void)
{
	return syscall(SYS_copy_file_range, -1, NULL, -1, NULL, 1, 0);
}

static long act_openat2(void)
{
	return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0);
}

static long act_creat(void)
{
	return syscall(SYS_creat, "/tmp/gantry-sandbox-test", 0600);
}

static long act_unlink(void)
{
	return syscall(SYS_unlinkat, AT_FDCWD, "/tmp/gantry-sandbox-test", 0);
}

static long act_socket(void)
{
	return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static long act_socketpair(void)
{
	int s[2];
	return syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, s);
}

static long act_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = 1};
	return syscall(SYS_connect, inherited, &to, sizeof(to));
}

static long act_bind(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	return syscall(SYS_bind, inherited, &at, sizeof(at));
}

static long act_listen(void)
{
	return syscall(SYS_listen, inherited, 1);
}

static long act_accept(void)
{
	return syscall(SYS_accept4, inherited, NULL, NULL, 0);
}

static long act_execve(void)
{
	char *const argv[] = {"true", NULL};
	return syscall(SYS_execve, "/bin/true", argv, NULL);
}

static long act_execveat(void)
{
	char *const argv[] = {"true", NULL};
	return syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, NULL, 0);
}

static long act_fork(void)
{
	return syscall(SYS_fork);
}

static long act_clone(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
}

static long act_clone3(void)
{
	return syscall(SYS_clone3, NULL, 0);
}

static long act_ptrace(void)
{
	return syscall(SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0);
}

static long act_kill(void)
{
	return syscall(SYS_kill, getpid(), 0);
}

static long act_tgkill(void)
{
	return syscall(SYS_tgkill, getpid(), getpid(), 0);
}

static long act_vm_read(void)
{
	return syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0);
}

static long act_map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
	                                                                                                 : 0;
}

static long act_make_code(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(at, 4096, PROT_READ | PROT_EXEC);
}

static long act_transparent(void)
{
	int on = 1;
	return setsockopt(inherited, SOL_IP, IP_TRANSPARENT, &on, sizeof(on));
}

static long act_mark(void)
{
	int mark = 1;
	return setsockopt(inherited, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

static long act_limits(void)
{
	struct rlimit l = {0};
	return setrlimit(RLIMIT_CORE, &l);
}

static long act_filter(void)
{
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, NULL);
}

static long act_stat(void)
{
	return syscall(SYS_stat, "/etc/passwd", NULL);
}

static long act_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL);
}

static long act_other_world(void)
{
	/* The 32-bit entry has other numbers: 20 is getpid there. */
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
	return r;
}

#define FORBIDDEN(name)                                                                                      \
	{                                                                                                    \
#name, act_##name                                                                            \
	}
static const struct {
	const char *name;
	long (*act)(void);
} forbidden[] = {FORBIDDEN(open), FORBIDDEN(openat), FORBIDDEN(openat2), FORBIDDEN(creat), FORBIDDEN(unlink),
	FORBIDDEN(socket), FORBIDDEN(socketpair), FORBIDDEN(connect), FORBIDDEN(bind), FORBIDDEN(listen),
	FORBIDDEN(accept), FORBIDDEN(execve), FORBIDDEN(execveat), FORBIDDEN(fork), FORBIDDEN(clone),
	FORBIDDEN(clone3), FORBIDDEN(ptrace), FORBIDDEN(kill), FORBIDDEN(tgkill), FORBIDDEN(vm_read),
	FORBIDDEN(map_code), FORBIDDEN(make_code), FORBIDDEN(transparent), FORBIDDEN(mark), FORBIDDEN(limits),
	FORBIDDEN(filter), FORBIDDEN(stat), FORBIDDEN(uring), FORBIDDEN(other_world)};

static void test_association_forbidden(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(forbidden); i++) {
		int r = run_in(SANDBOX_ASSOCIATION, NULL, 0, forbidden[i].act);
#ifdef __SANITIZE_ADDRESS__
		/* The sanitizer is told EACCES for what its reports would like to do, and may set limits. */
		if (r == EACCES || forbidden[i].act == act_limits) {
			continue;
		}
#endif
		if (r != KILLED) {
			fail_msg("an association could do `%s` (%d)", forbidden[i].name, r);
		}
	}
}

/* ---- What it must be able to do ---- */

static long act_work(void)
{
	char buf[64];
	int on = 1, err;
	socklen_t len = sizeof(err);
	struct timespec ts;
	struct pollfd p = {.fd = channel[0], .events = POLLOUT};
	struct iovec iov = {.iov_base = "x", .iov_len = 1};
	char *memory = malloc(1 << 20);
	void *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!memory || page == MAP_FAILED) {
		return -1;
	}
	memset(memory, 1, 1 << 20);
	memory = realloc(memory, 8 << 20);
	free(memory);
	bool ok = munmap(page, 65536) == 0 && poll(&p, 1, 0) == 1 && writev(channel[0], &iov, 1) == 1 &&
	          read(channel[1], buf, sizeof(buf)) == 1 && getrandom(buf, 16, 0) == 16 &&
	          clock_gettime(CLOCK_MONOTONIC, &ts) == 0 && getpid() > 1 &&
	          setsockopt(inherited, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	          setsockopt(inherited, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0 &&
	          getsockopt(inherited, SOL_SOCKET, SO_ERROR, &err, &len) == 0 &&
	          fcntl(channel[0], F_GETFL) >= 0 && shutdown(inherited, SHUT_WR) < 0 && errno == ENOTCONN &&
	          close(channel[1]) == 0;
	return ok ? 0 : -1;
}

/* A descriptor from the gate, and a site from it. */
static long act_take_descriptor(void)
{
	static struct message m;
	struct memfd_map map;
	if (message_recv(channel[1], FROM_GATE_DOWN, &m) != 0 || memfd_map(m.fd, &map) != 0) {
		return -1;
	}
	bool ok = map.bytes.len == 4 && memcmp(map.bytes.ptr, "site", 4) == 0;
	memfd_unmap(&map);
	return ok && close(m.fd) == 0 ? 0 : -1;
}

static void test_association_allowed(void **state)
{
	int memfd;
	assert_int_equal(run_in(SANDBOX_ASSOCIATION, NULL, 0, act_work), 0);
	assert_int_equal(memfd_of("site", span_str("site"), &memfd), 0);
	assert_int_equal(message_send(channel[0], &(struct message){.type = MSG_SITE, .fd = memfd}), 0);
	assert_int_equal(run_in(SANDBOX_ASSOCIATION, NULL, 0, act_take_descriptor), 0);
	close(memfd);
}

/* ---- The others ---- */

static const char *folder, *elsewhere;

static long act_write_inside(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/a", folder);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) < 0 || close(fd) < 0) {
		return -1;
	}
	char to[128];
	snprintf(to, sizeof(to), "%s/b", folder);
	return rename(path, to) == 0 ? unlink(to) : -1;
}

/* As a courier writes how far it is. */
static long act_courier_write(void)
{
	char path[128], to[128];
	snprintf(path, sizeof(path), "%s/a", folder);
	snprintf(to, sizeof(to), "%s/courier", folder);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fdatasync(fd) < 0 || close(fd) < 0) {
		return -1;
	}
	return rename(path, to);
}

static long act_courier_unlink(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/courier", folder);
	return unlink(path);
}

static long act_write_outside(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/a", elsewhere);
	return open(path, O_RDWR | O_CREAT, 0600);
}

static long act_read_outside(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long act_gate_fork(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		_exit(7);
	}
	return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7 ? 0 : -1;
}

static long act_new_user(void)
{
	return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);
}

static void test_gate(void **state)
{
	assert_int_equal(run_in(SANDBOX_GATE, NULL, 0, act_gate_fork), 0);
	assert_int_equal(run_in(SANDBOX_GATE, NULL, 0, act_socket), 0);
	assert_int_equal(run_in(SANDBOX_GATE, NULL, 0, act_execve), KILLED);
	assert_int_equal(run_in(SANDBOX_GATE, NULL, 0, act_ptrace) == 0, 0);
	assert_int_equal(run_in(SANDBOX_GATE, NULL, 0, act_map_code), KILLED);
	assert_int_equal(run_in(SANDBOX_GATE, NULL, 0, act_new_user), KILLED);
#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(run_in(SANDBOX_GATE, NULL, 0, act_openat), KILLED);
#endif
}

static void test_lookup(void **state)
{
	const struct sandbox_path etc[] = {{"/etc", false}};
	assert_int_equal(run_in(SANDBOX_LOOKUP, etc, 1, act_read_outside), 0);
	assert_int_equal(run_in(SANDBOX_LOOKUP, etc, 1, act_write_outside), EPERM);
	assert_int_equal(run_in(SANDBOX_LOOKUP, etc, 1, act_socket), 0);
	assert_int_equal(run_in(SANDBOX_LOOKUP, etc, 1, act_gate_fork), 0);
	assert_int_equal(run_in(SANDBOX_LOOKUP, etc, 1, act_execve), KILLED);
	assert_int_equal(run_in(SANDBOX_LOOKUP, etc, 1, act_listen), KILLED);
	assert_int_equal(run_in(SANDBOX_JOB, etc, 1, act_read_outside), 0);
	assert_int_equal(run_in(SANDBOX_JOB, etc, 1, act_write_outside), EPERM);
	assert_int_equal(run_in(SANDBOX_JOB, etc, 1, act_socket), 0);
	assert_int_equal(run_in(SANDBOX_JOB, etc, 1, act_execve), KILLED);
	assert_int_equal(run_in(SANDBOX_JOB, etc, 1, act_fork), KILLED);
	assert_int_equal(run_in(SANDBOX_JOB, etc, 1, act_kill), KILLED);
	assert_int_equal(run_in(SANDBOX_JOB, etc, 1, act_listen), KILLED);
}

/* A key holder: nothing at all; one with a token: its module's files and sockets, and no network. */
static void test_keys(void **state)
{
	const struct sandbox_path etc[] = {{"/etc", false}};
	assert_int_equal(run_in(SANDBOX_KEYS, NULL, 0, act_socket), KILLED);
	assert_int_equal(run_in(SANDBOX_KEYS, NULL, 0, act_fork), KILLED);
	assert_int_equal(run_in(SANDBOX_KEYS, NULL, 0, act_execve), KILLED);
	assert_int_equal(run_in(SANDBOX_KEYS, NULL, 0, act_map_code), KILLED);
#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(run_in(SANDBOX_KEYS, NULL, 0, act_openat), KILLED);
#endif
	assert_int_equal(run_in(SANDBOX_KEYS, NULL, 0, act_copy), KILLED);
	assert_int_equal(run_in(SANDBOX_COPY, NULL, 0, act_copy), EBADF);
	assert_int_equal(run_in(SANDBOX_COPY, NULL, 0, act_socket), KILLED);
	assert_int_equal(run_in(SANDBOX_COPY, NULL, 0, act_execve), KILLED);
	/* Others' libraries are told no, and no more. */
	assert_int_equal(run_in(SANDBOX_PROOF, NULL, 0, act_socket), EPERM);
	assert_int_equal(run_in(SANDBOX_PROOF, NULL, 0, act_openat), EPERM);
	assert_int_equal(run_in(SANDBOX_PROOF, NULL, 0, act_map_code), EPERM);
	assert_int_equal(run_in(SANDBOX_PROOF, NULL, 0, act_fork), KILLED);
	assert_int_equal(run_in(SANDBOX_PROOF, NULL, 0, act_execve), KILLED);
	assert_int_equal(run_in(SANDBOX_PROOF, NULL, 0, act_kill), KILLED);
	assert_int_equal(run_in(SANDBOX_TOKEN, etc, 1, act_read_outside), 0);
	assert_int_equal(run_in(SANDBOX_TOKEN, etc, 1, act_socket) == 0, 0);
	assert_int_equal(run_in(SANDBOX_TOKEN, etc, 1, act_execve), KILLED);
	assert_int_equal(run_in(SANDBOX_TOKEN, etc, 1, act_fork) == 0, 0);
	assert_int_equal(run_in(SANDBOX_TOKEN, etc, 1, act_kill), KILLED);
	assert_int_equal(run_in(SANDBOX_TOKEN, etc, 1, act_listen), KILLED);
}

static void test_store(void **state)
{
	char a[] = "/tmp/gantry-test-XXXXXX", b[] = "/tmp/gantry-test-XXXXXX";
	folder = mkdtemp(a);
	elsewhere = mkdtemp(b);
	const struct sandbox_path paths[] = {{folder, true}};
	assert_int_equal(run_in(SANDBOX_STORE, paths, 1, act_write_inside), 0);
	if (sandbox_landlock() > 0) {
		assert_int_equal(run_in(SANDBOX_STORE, paths, 1, act_write_outside), EACCES);
		assert_int_equal(run_in(SANDBOX_STORE, paths, 1, act_read_outside), EACCES);
	}
	assert_int_equal(run_in(SANDBOX_STORE, paths, 1, act_execve), KILLED);
#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(run_in(SANDBOX_STORE, paths, 1, act_socket), KILLED);
#endif
	rmdir(folder);
	rmdir(elsewhere);
}

/* The forwarder writes, but below its spool alone; it calls, and never listens or starts a program. */
static void test_forward(void **state)
{
	char a[] = "/tmp/gantry-test-XXXXXX", b[] = "/tmp/gantry-test-XXXXXX";
	folder = mkdtemp(a);
	elsewhere = mkdtemp(b);
	const struct sandbox_path paths[] = {{folder, true}, {"/etc", false}};
	assert_int_equal(run_in(SANDBOX_FORWARD, paths, 2, act_write_inside), 0);
	if (sandbox_landlock() > 0) {
		assert_int_equal(run_in(SANDBOX_FORWARD, paths, 2, act_write_outside), EACCES);
	}
	assert_int_equal(run_in(SANDBOX_FORWARD, paths, 2, act_socket), 0);
	assert_int_equal(run_in(SANDBOX_FORWARD, paths, 2, act_gate_fork), 0);
	assert_int_equal(run_in(SANDBOX_FORWARD, paths, 2, act_execve), KILLED);
	assert_int_equal(run_in(SANDBOX_FORWARD, paths, 2, act_listen), KILLED);
	assert_int_equal(run_in(SANDBOX_FORWARD, paths, 2, act_ptrace), KILLED);
	/* A courier has not what its parent needs to have couriers. */
	assert_int_equal(run_in(SANDBOX_COURIER, paths, 2, act_courier_write), 0);
	assert_int_equal(run_in(SANDBOX_COURIER, paths, 2, act_socket), 0);
	assert_int_equal(run_in(SANDBOX_COURIER, paths, 2, act_courier_unlink), EPERM);
	assert_int_equal(run_in(SANDBOX_COURIER, paths, 2, act_fork), KILLED);
	assert_int_equal(run_in(SANDBOX_COURIER, paths, 2, act_kill), KILLED);
	assert_int_equal(run_in(SANDBOX_COURIER, paths, 2, act_execve), KILLED);
	assert_int_equal(run_in(SANDBOX_COURIER, paths, 2, act_listen), KILLED);
	char left[128];
	snprintf(left, sizeof(left), "%s/courier", folder);
	assert_int_equal(unlink(left), 0);
	rmdir(folder);
	rmdir(elsewhere);
}

/* ---- memfd ---- */

static void test_memfd(void **state)
{
	struct memfd_map map = {0};
	int fd;
	assert_int_equal(memfd_of("x", span_str("bytes"), &fd), 0);
	assert_true(write(fd, "y", 1) < 0);
	assert_true(ftruncate(fd, 0) < 0);
	assert_int_equal(memfd_map(fd, &map), 0);
	assert_memory_equal(map.bytes.ptr, "bytes", 5);
	memfd_unmap(&map);
	assert_null(map.bytes.ptr);
	close(fd);
	assert_int_equal(memfd_of("x", (struct span){0}, &fd), 0);
	assert_int_equal(memfd_map(fd, &map), 0);
	assert_int_equal(map.bytes.len, 0);
	memfd_unmap(&map);
	close(fd);
	/* Not sealed, or not sealed against everything: the sender could change it under us. */
	fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(memfd_map(fd, &map), ERR_PEER);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	assert_int_equal(memfd_map(fd, &map), ERR_PEER);
	close(fd);
	fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	assert_int_equal(memfd_map(fd, &map), ERR_PEER);
	close(fd);
}

static int set_up(void **state)
{
	inherited = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return inherited < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_association_forbidden),
		cmocka_unit_test(test_association_allowed),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_memfd),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
