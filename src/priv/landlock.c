/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's header is of version 2; later kernels know more, and take a longer structure. */
struct attributes {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* from version 4 */
	uint64_t scoped;             /* from version 6 */
};

#define FS_VERSION_1          ((1ull << 13) - 1) /* EXECUTE … MAKE_SYM */
#define FS_REFER              (1ull << 13)       /* version 2 */
#define FS_TRUNCATE           (1ull << 14)       /* version 3 */
#define FS_IOCTL_DEV          (1ull << 15)       /* version 5 */
#define NET_BIND_TCP          (1ull << 0)
#define NET_CONNECT_TCP       (1ull << 1)
#define SCOPE_ABSTRACT_SOCKET (1ull << 0)
#define SCOPE_SIGNAL          (1ull << 1)

#define FILE_ONLY                                                                                            \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |         \
		FS_TRUNCATE | FS_IOCTL_DEV)
#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING                                                                                              \
	(READING | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
		LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
		FS_REFER | FS_TRUNCATE)

int landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	return v < 0 ? 0 : (int)v;
}

static uint64_t known_fs(int version)
{
	uint64_t fs = FS_VERSION_1;
	fs |= version >= 2 ? FS_REFER : 0;
	fs |= version >= 3 ? FS_TRUNCATE : 0;
	fs |= version >= 5 ? FS_IOCTL_DEV : 0;
	return fs;
}

static int allow(int ruleset, const struct sandbox_path *p, uint64_t known)
{
	struct stat st;
	int fd = open(p->path, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT || errno == EACCES ? 0 : ERR_SYSTEM;
	}
	uint64_t access = (p->write ? WRITING : READING) & known;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
		access &= FILE_ONLY;
	}
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
	long r = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(fd);
	return r < 0 ? ERR_SYSTEM : 0;
}

int landlock_new(const struct sandbox_path *paths, unsigned n, bool no_network, bool alone, int *ret_fd)
{
	int version = landlock_version();
	if (version == 0) {
		*ret_fd = -1;
		return 0;
	}
	struct attributes a = {.handled_access_fs = known_fs(version)};
	size_t size = sizeof(a.handled_access_fs);
	if (version >= 4) {
		size = offsetof(struct attributes, scoped);
		a.handled_access_net = no_network ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
	}
	if (version >= 6) {
		size = sizeof(a);
		a.scoped = alone ? SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL : 0;
	}
	int fd = (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
	if (fd < 0) {
		return ERR_SYSTEM;
	}
	for (unsigned i = 0; i < n; i++) {
		if (allow(fd, &paths[i], a.handled_access_fs) != 0) {
			close(fd);
			return ERR_SYSTEM;
		}
	}
	*ret_fd = fd;
	return 0;
}

int landlock_enter(int fd)
{
	return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? ERR_SYSTEM : 0;
}
