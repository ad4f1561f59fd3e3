/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/drop.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int drop_prepare(const char *user, bool net_admin, struct drop *ret_drop)
{
	struct drop d = {.net_admin = net_admin, .uid = getuid(), .gid = getgid()};
	if (geteuid() == 0) {
		errno = 0;
		const struct passwd *pw = getpwnam(user);
		if (!pw) {
			return ERR_NOT_FOUND;
		}
		d.change = true;
		d.uid = pw->pw_uid;
		d.gid = pw->pw_gid;
		d.n_groups = DROP_GROUPS;
		if (getgrouplist(user, d.gid, d.groups, &d.n_groups) < 0) {
			d.n_groups = DROP_GROUPS; /* the first ones; more than that many help nobody */
		}
	}
	*ret_drop = d;
	return 0;
}

static int change_user(const struct drop *d)
{
	if (setgroups((size_t)d->n_groups, d->groups) < 0 || setresgid(d->gid, d->gid, d->gid) < 0 ||
		setresuid(d->uid, d->uid, d->uid) < 0) {
		return ERR_SYSTEM;
	}
	return 0;
}

/* Exactly the one capability, or none: permitted, effective, and inheritable so that it can be ambient. */
static int set_capabilities(bool net_admin)
{
	static const cap_value_t kept[] = {CAP_NET_ADMIN};
	cap_t caps = cap_init();
	if (!caps) {
		return ERR_NO_MEMORY;
	}
	int bad = 0;
	if (net_admin) {
		bad |= cap_set_flag(caps, CAP_PERMITTED, 1, kept, CAP_SET);
		bad |= cap_set_flag(caps, CAP_EFFECTIVE, 1, kept, CAP_SET);
		bad |= cap_set_flag(caps, CAP_INHERITABLE, 1, kept, CAP_SET);
	}
	bad = bad || cap_set_proc(caps) < 0;
	cap_free(caps);
	return bad ? ERR_SYSTEM : 0;
}

static bool has_net_admin(void)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t has = CAP_CLEAR;
	if (caps) {
		(void)cap_get_flag(caps, CAP_NET_ADMIN, CAP_PERMITTED, &has);
		cap_free(caps);
	}
	return has == CAP_SET;
}

/* So that not even an exec as root, or of a set-user-ID file, brings a capability. Only root may do this. */
static void close_ways_back(bool keep)
{
	for (int c = 0; prctl(PR_CAPBSET_READ, c) >= 0; c++) {
		if (!keep || c != CAP_NET_ADMIN) {
			(void)prctl(PR_CAPBSET_DROP, c);
		}
	}
	(void)prctl(PR_SET_SECUREBITS,
		SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS);
}

int drop_now(const struct drop *d)
{
	bool keep = d->net_admin && has_net_admin();
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (d->change) {
		/* While still root: afterwards it is too late. Capabilities outlive the change of user, until the exec. */
		close_ways_back(keep);
		if (change_user(d) != 0) {
			return ERR_SYSTEM;
		}
	}
	int e = set_capabilities(keep);
	if (e != 0) {
		return e;
	}
	if (keep && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) < 0) {
		return ERR_SYSTEM;
	}
	/* A user that can become root again has dropped nothing. */
	if (d->change && d->uid != 0 && setuid(0) == 0) {
		errno = EPERM;
		return ERR_SYSTEM;
	}
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? ERR_SYSTEM : 0;
}

int drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
	/* Ambient ones go with the permitted. */
	return syscall(SYS_capset, &head, none) < 0 ? ERR_SYSTEM : 0;
}
