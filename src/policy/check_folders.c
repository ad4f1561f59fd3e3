/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/site_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS 64

static bool is_of_group(const struct passwd *pw, gid_t gid)
{
	gid_t groups[GROUPS];
	int n = GROUPS;
	if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0) {
		n = GROUPS;
	}
	for (int i = 0; i < n; i++) {
		if (groups[i] == gid) {
			return true;
		}
	}
	return false;
}

/* Who becomes another user asks for that one. In doubt they may. */
static bool may_make_in(const char *user, const char *parent, const struct stat *st)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam(user) : NULL;
	if (geteuid() != 0) {
		return faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) == 0 || errno != EACCES;
	}
	if (!pw || pw->pw_uid == 0) {
		return true;
	}
	unsigned shift = st->st_uid == pw->pw_uid ? 6 : is_of_group(pw, st->st_gid) ? 3 : 0;
	return (st->st_mode >> shift & 3) == 3;
}

/* The archive makes the last folder of a path, no more. */
static bool can_be_made(const char *user, const char *path)
{
	char parent[PATH_MAX];
	struct stat st;
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/') {
		n--;
	}
	while (n > 1 && path[n - 1] != '/') {
		n--;
	}
	if (n >= sizeof(parent)) {
		return false;
	}
	memcpy(parent, path, n);
	parent[n] = 0;
	return stat(parent, &st) == 0 ? may_make_in(user, parent, &st) : errno != ENOENT && errno != ENOTDIR;
}

static void check_folder(const struct site *s, const struct endpoint *e, struct mistake_list *m)
{
	struct stat st;
	if (stat(e->folder, &st) == 0) {
		if (!S_ISDIR(st.st_mode)) {
			mistake_warning(m, e->line, e->column, "%s is no folder", e->folder);
		}
	} else if ((errno == ENOENT || errno == ENOTDIR) && !can_be_made(s->user, e->folder)) {
		mistake_warning(m, e->line, e->column,
			"%s is not there, and the gateway (`user: %s`) cannot make it", e->folder, s->user);
	}
}

void site_check_folders(const struct site *s, struct mistake_list *m)
{
	for (unsigned i = 0; i < s->n_nodes; i++) {
		for (unsigned k = 0; k < s->nodes[i].n_address; k++) {
			if (s->nodes[i].address[k].folder[0]) {
				check_folder(s, &s->nodes[i].address[k], m);
			}
		}
	}
}
