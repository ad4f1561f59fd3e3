/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#define IN(kind) (1u << (kind))
#define A        IN(SANDBOX_ASSOCIATION)
#define G        IN(SANDBOX_GATE)
#define F        IN(SANDBOX_FORWARD)
#define C        IN(SANDBOX_COURIER)
#define FC       (F | C)
#define L        (IN(SANDBOX_LOOKUP) | IN(SANDBOX_JOB) | FC)
#define LP       (IN(SANDBOX_LOOKUP) | F)
#define J        IN(SANDBOX_JOB)
#define S        IN(SANDBOX_STORE)
#define Y        IN(SANDBOX_COPY)
#define K        (IN(SANDBOX_KEYS) | IN(SANDBOX_PROOF) | Y)
#define T        IN(SANDBOX_TOKEN)
#define N        IN(SANDBOX_SCAN)
#define ALL      (A | G | L | S | K | T | N)

/* System calls that are allowed whatever their arguments, and to whom. */
static const struct {
	int call;
	unsigned kinds;
} plain[] = {
	/* what it has already: bytes in, bytes out */
	{SCMP_SYS(read), ALL},
	{SCMP_SYS(write), ALL},
	{SCMP_SYS(readv), ALL},
	{SCMP_SYS(writev), ALL},
	{SCMP_SYS(recvfrom), ALL},
	{SCMP_SYS(recvmsg), ALL},
	{SCMP_SYS(sendto), ALL},
	{SCMP_SYS(sendmsg), ALL},
	{SCMP_SYS(poll), ALL},
	{SCMP_SYS(ppoll), ALL},
	{SCMP_SYS(lseek), ALL},
	{SCMP_SYS(close), ALL},
	{SCMP_SYS(shutdown), ALL},
	/* memory; mmap and mprotect stand below, without PROT_EXEC */
	{SCMP_SYS(munmap), ALL},
	{SCMP_SYS(mremap), ALL},
	{SCMP_SYS(brk), ALL},
	{SCMP_SYS(madvise), ALL},
	{SCMP_SYS(futex), ALL},
	/* time, chance, itself */
	{SCMP_SYS(clock_gettime), ALL},
	{SCMP_SYS(clock_getres), ALL},
	{SCMP_SYS(clock_nanosleep), ALL},
	{SCMP_SYS(nanosleep), ALL},
	{SCMP_SYS(gettimeofday), ALL},
	{SCMP_SYS(time), ALL},
	{SCMP_SYS(getrandom), ALL},
	{SCMP_SYS(getpid), ALL},
	{SCMP_SYS(gettid), ALL},
	{SCMP_SYS(sysinfo), ALL}, /* the C library's qsort asks for the memory's size */
	{SCMP_SYS(rt_sigaction), ALL},
	{SCMP_SYS(rt_sigprocmask), ALL},
	{SCMP_SYS(rt_sigreturn), ALL},
	{SCMP_SYS(restart_syscall), ALL},
	{SCMP_SYS(sched_yield), ALL},
	{SCMP_SYS(exit), ALL},
	{SCMP_SYS(exit_group), ALL},
	/* any role that is a program of its own */
	{SCMP_SYS(fstat), G | L | S | T},
	{SCMP_SYS(newfstatat), G | L | S | T},
	{SCMP_SYS(statx), L | S | T},
	{SCMP_SYS(fcntl), G | L | S | K | T},
	{SCMP_SYS(getuid), G | L | S | T},
	{SCMP_SYS(geteuid), G | L | S | T},
	{SCMP_SYS(getgid), G | L | S | T},
	{SCMP_SYS(getegid), G | L | S | T},
	{SCMP_SYS(uname), G | L | S | T},
	{SCMP_SYS(dup), G | L | S | T},
	{SCMP_SYS(dup2), G | L | S | K | T},
	{SCMP_SYS(dup3), G | L | S | T},
	{SCMP_SYS(getsockopt), G | L | S | T},
	{SCMP_SYS(getsockname), G | L | T},
	{SCMP_SYS(getpeername), G | L | S | T},
	{SCMP_SYS(epoll_create1), G | S | T},
	{SCMP_SYS(epoll_ctl), G | S | K | T},
	{SCMP_SYS(epoll_wait), G | S | K | T},
	{SCMP_SYS(epoll_pwait), G | S | K | T},
	{SCMP_SYS(eventfd2), S | T},
	{SCMP_SYS(timerfd_create), G | S},
	{SCMP_SYS(timerfd_settime), G | S},
	{SCMP_SYS(signalfd4), G | S},
	{SCMP_SYS(set_robust_list), G | S | T | LP},
	{SCMP_SYS(rseq), G | S | T | LP},
	{SCMP_SYS(sigaltstack), G | S | T},
	{SCMP_SYS(prlimit64), G | S | T | LP},
	{SCMP_SYS(prctl), G | S | LP},
	/* the gate: connections, associations, their sandbox */
	{SCMP_SYS(accept4), G},
	{SCMP_SYS(connect), G | L | T | N},
	{SCMP_SYS(bind), G | L},
	{SCMP_SYS(setsockopt), G | L | S | T},
	{SCMP_SYS(wait4), G | LP},
	{SCMP_SYS(kill), G | LP},
	{SCMP_SYS(tgkill), G | S},
	{SCMP_SYS(alarm), G | LP},
	{SCMP_SYS(memfd_create), G | S | L},
	{SCMP_SYS(ftruncate), G | S | T | LP},
	{SCMP_SYS(pread64), A | G | L | S | T}, /* A: the file of an object that is held (gateway/hold.c) */
	{SCMP_SYS(pwrite64), A | G | S | T | LP},
	{SCMP_SYS(fdatasync), G | S | T | FC},
	{SCMP_SYS(fsync), G | S | T | F},
	{SCMP_SYS(close_range), G | S | LP},
	{SCMP_SYS(set_tid_address), G | S},
	{SCMP_SYS(seccomp), G | LP},
	{SCMP_SYS(capset), G},
	{SCMP_SYS(landlock_create_ruleset), G | LP},
	{SCMP_SYS(landlock_restrict_self), G | LP},
	/* the lookup and the forwarder: what a resolver does */
	{SCMP_SYS(access), L | S | T},
	{SCMP_SYS(faccessat), L | S | T},
	{SCMP_SYS(faccessat2), L | S | T},
	{SCMP_SYS(readlink), L | S | T},
	{SCMP_SYS(readlinkat), L | S | T},
	{SCMP_SYS(stat), L | S | T},
	{SCMP_SYS(lstat), L | S | T},
	{SCMP_SYS(statfs), L | S | T},
	{SCMP_SYS(fstatfs), L | S | T},
	{SCMP_SYS(getdents64), L | S | T},
	{SCMP_SYS(sendmmsg), L},
	{SCMP_SYS(recvmmsg), L},
	{SCMP_SYS(select), L | T},
	{SCMP_SYS(pselect6), L | T},
	{SCMP_SYS(ioctl), L | T}, /* FIONREAD, of the resolver */
	/* the store, and the forwarder with its spool: their folders, as far as Landlock and the file modes let it */
	{SCMP_SYS(open), S | T | FC},
	{SCMP_SYS(openat), S | T | FC},
	{SCMP_SYS(openat2), S | T},
	{SCMP_SYS(mkdir), S | T},
	{SCMP_SYS(mkdirat), S | T},
	{SCMP_SYS(rmdir), S | T},
	{SCMP_SYS(rename), S | T | FC},
	{SCMP_SYS(renameat), S | T | FC},
	{SCMP_SYS(renameat2), S | T | FC},
	{SCMP_SYS(link), S},
	{SCMP_SYS(linkat), S},
	{SCMP_SYS(unlink), S | T | F},
	{SCMP_SYS(unlinkat), S | T | F},
	{SCMP_SYS(fchmod), S | T},
	{SCMP_SYS(umask), S | T},
	{SCMP_SYS(flock), S | T},
	{SCMP_SYS(fallocate), S},
	{SCMP_SYS(copy_file_range), S | Y},
	{SCMP_SYS(sync_file_range), S},
	{SCMP_SYS(syncfs), S},
	{SCMP_SYS(utimensat), S},
	{SCMP_SYS(fadvise64), S},
};

/* An argument must be this value; or, under a mask, have these bits. */
static const struct {
	int call;
	unsigned kinds;
	struct scmp_arg_cmp arg[2];
	unsigned n;
} guarded[] = {
#define EQ(i, v)                                                                                             \
	{                                                                                                    \
		(i), SCMP_CMP_EQ, (v), 0                                                                     \
	}
#define BITS(i, m, v)                                                                                        \
	{                                                                                                    \
		(i), SCMP_CMP_MASKED_EQ, (m), (v)                                                            \
	}
	{SCMP_SYS(mmap), A | G | S | K | T | N, {BITS(2, PROT_EXEC, 0)}, 1},
	{SCMP_SYS(mprotect), A | G | S | K | T | N, {BITS(2, PROT_EXEC, 0)}, 1},
	/* A name service module may still have to be loaded. */
	{SCMP_SYS(mmap), L, {{0}}, 0},
	{SCMP_SYS(mprotect), L, {{0}}, 0},
	{SCMP_SYS(ioctl), G, {EQ(1, SIOCOUTQ)}, 1},
	{SCMP_SYS(fcntl), A, {EQ(1, F_GETFL)}, 1},
	{SCMP_SYS(fcntl), A, {EQ(1, F_SETFL)}, 1},
	{SCMP_SYS(fcntl), A, {EQ(1, F_GETFD)}, 1},
	{SCMP_SYS(fcntl), A, {EQ(1, F_GET_SEALS)}, 1},
	{SCMP_SYS(getsockopt), A, {EQ(1, SOL_SOCKET), EQ(2, SO_ERROR)}, 2},
	{SCMP_SYS(setsockopt), A, {EQ(1, IPPROTO_TCP), EQ(2, TCP_NODELAY)}, 2},
	{SCMP_SYS(setsockopt), A, {EQ(1, IPPROTO_TCP), EQ(2, TCP_QUICKACK)}, 2},
	{SCMP_SYS(setsockopt), A, {EQ(1, IPPROTO_TCP), EQ(2, TCP_CORK)}, 2},
	{SCMP_SYS(setsockopt), A, {EQ(1, IPPROTO_TCP), EQ(2, TCP_KEEPIDLE)}, 2},
	{SCMP_SYS(setsockopt), A, {EQ(1, IPPROTO_TCP), EQ(2, TCP_KEEPINTVL)}, 2},
	{SCMP_SYS(setsockopt), A, {EQ(1, IPPROTO_TCP), EQ(2, TCP_KEEPCNT)}, 2},
	{SCMP_SYS(setsockopt), A, {EQ(1, IPPROTO_TCP), EQ(2, TCP_USER_TIMEOUT)}, 2},
	{SCMP_SYS(setsockopt), A, {EQ(1, SOL_SOCKET), EQ(2, SO_KEEPALIVE)}, 2},
	{SCMP_SYS(setsockopt), A, {EQ(1, SOL_SOCKET), EQ(2, SO_RCVLOWAT)}, 2},
	/* A process of the same kind, not one in other namespaces. clone3 hides its flags in memory: see deny(). */
	{SCMP_SYS(clone), G | LP,
		{BITS(0,
			CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
				CLONE_NEWUTS | CLONE_NEWCGROUP,
			0)},
		1},
	/* A thread of the module's. */
	{SCMP_SYS(clone), T, {BITS(0, CLONE_THREAD, CLONE_THREAD)}, 1},
	{SCMP_SYS(socket), G | L, {EQ(0, AF_INET)}, 1},
	{SCMP_SYS(socket), G | L, {EQ(0, AF_INET6)}, 1},
	{SCMP_SYS(socket), L | T | N, {EQ(0, AF_UNIX)}, 1},
	{SCMP_SYS(socket), L, {EQ(0, AF_NETLINK)}, 1},
	{SCMP_SYS(socketpair), G | LP | C, {EQ(0, AF_UNIX)}, 1},
	{SCMP_SYS(accept4), S, {{0}}, 0},
	{SCMP_SYS(openat), L, {BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}, 1},
	{SCMP_SYS(open), L, {BITS(1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)}, 1},
};

#ifdef WITH_ASAN
/* What the address sanitizer needs to write its report. Files still cannot be opened: it is told so. */
static const int asan_allowed[] = {
	SCMP_SYS(sigaltstack), SCMP_SYS(prctl), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64)};
static const int asan_refused[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(readlink), SCMP_SYS(stat),
	SCMP_SYS(newfstatat), SCMP_SYS(getcwd), SCMP_SYS(ioctl), SCMP_SYS(tgkill), SCMP_SYS(pipe2),
	SCMP_SYS(fstat), SCMP_SYS(getppid), SCMP_SYS(sched_getaffinity), SCMP_SYS(ptrace), SCMP_SYS(wait4)};
#endif

/* A negative number is a call that this machine's architecture does not have. */
static int add(scmp_filter_ctx ctx, uint32_t action, int call, const struct scmp_arg_cmp *arg, unsigned n)
{
	if (call < 0) {
		return 0;
	}
	int r = seccomp_rule_add_array(ctx, action, call, n, arg);
	return r == 0 || r == -EEXIST || r == -EACCES ? 0 : r;
}

static int allow(scmp_filter_ctx ctx, enum sandbox_kind kind)
{
	int r = 0;
	for (unsigned i = 0; r == 0 && i < ARRAY_LEN(plain); i++) {
		if (plain[i].kinds & IN(kind)) {
			r = add(ctx, SCMP_ACT_ALLOW, plain[i].call, NULL, 0);
		}
	}
	for (unsigned i = 0; r == 0 && i < ARRAY_LEN(guarded); i++) {
		if (guarded[i].kinds & IN(kind)) {
			r = add(ctx, SCMP_ACT_ALLOW, guarded[i].call, guarded[i].arg, guarded[i].n);
		}
	}
	return r;
}

/* Code that is not ours may try what it can do without: it is told no. */
static bool runs_others(enum sandbox_kind kind)
{
	return kind == SANDBOX_LOOKUP || kind == SANDBOX_JOB || kind == SANDBOX_PROOF ||
	       kind == SANDBOX_TOKEN || kind == SANDBOX_FORWARD || kind == SANDBOX_COURIER;
}

static bool has_rule(enum sandbox_kind kind, int call)
{
	bool found = false;
	for (unsigned i = 0; !found && i < ARRAY_LEN(plain); i++) {
		found = plain[i].call == call && (plain[i].kinds & IN(kind));
	}
	for (unsigned i = 0; !found && i < ARRAY_LEN(guarded); i++) {
		found = guarded[i].call == call && (guarded[i].kinds & IN(kind));
	}
	return found;
}

static int deny(scmp_filter_ctx ctx, enum sandbox_kind kind)
{
	static const int deadly[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(fork),
		SCMP_SYS(vfork), SCMP_SYS(clone), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
		SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(tgkill), SCMP_SYS(listen), SCMP_SYS(bpf),
		SCMP_SYS(mount), SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(io_uring_setup),
		SCMP_SYS(userfaultfd)};
	int r = 0;
	/* The C library falls back to clone, whose flags can be looked at. */
	if (kind == SANDBOX_GATE || runs_others(kind)) {
		r = add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), NULL, 0);
	}
	/* A call that has a rule for this kind keeps it; other arguments of it are EPERM. */
	for (unsigned i = 0; r == 0 && runs_others(kind) && i < ARRAY_LEN(deadly); i++) {
		r = has_rule(kind, deadly[i]) ? 0 : add(ctx, SCMP_ACT_KILL_PROCESS, deadly[i], NULL, 0);
	}
	return r;
}

static int for_asan(scmp_filter_ctx ctx, enum sandbox_kind kind)
{
	int r = 0;
#ifdef WITH_ASAN
	for (unsigned i = 0; r == 0 && i < ARRAY_LEN(asan_allowed); i++) {
		r = add(ctx, SCMP_ACT_ALLOW, asan_allowed[i], NULL, 0);
	}
	for (unsigned i = 0; !runs_others(kind) && i < ARRAY_LEN(asan_refused); i++) {
		/* Where the kind allows the call the rule there stands already: no harm. */
		(void)seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), asan_refused[i], 0);
	}
#else
	(void)ctx;
	(void)kind;
#endif
	return r;
}

/* libseccomp of Debian 12 exports to a descriptor only. */
static int export(scmp_filter_ctx ctx, struct sock_fprog *ret_program)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	int e = seccomp_export_bpf(ctx, fd) == 0 ? 0 : ERR_SYSTEM;
	off_t size = e == 0 ? lseek(fd, 0, SEEK_END) : 0;
	struct sock_filter *code = NULL;
	if (e == 0 &&
		(size <= 0 || size % (off_t)sizeof(*code) != 0 || size / (off_t)sizeof(*code) > USHRT_MAX)) {
		e = ERR_SYSTEM;
	}
	if (e == 0) {
		code = malloc((size_t)size);
		e = code ? 0 : ERR_NO_MEMORY;
	}
	if (e == 0 && pread(fd, code, (size_t)size, 0) != size) {
		e = ERR_SYSTEM;
	}
	close(fd);
	if (e != 0) {
		free(code);
		return e;
	}
	*ret_program =
		(struct sock_fprog){.len = (unsigned short)(size / (off_t)sizeof(*code)), .filter = code};
	return 0;
}

int filter_build(enum sandbox_kind kind, struct sock_fprog *ret_program)
{
	scmp_filter_ctx ctx = seccomp_init(runs_others(kind) ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
	if (!ctx) {
		return ERR_NO_MEMORY;
	}
	int e = ERR_SYSTEM;
	/* Of another architecture's calls none is allowed. A binary tree: the list is long. */
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 && allow(ctx, kind) == 0 &&
		deny(ctx, kind) == 0 && for_asan(ctx, kind) == 0) {
		e = export(ctx, ret_program);
	}
	seccomp_release(ctx);
	return e;
}
