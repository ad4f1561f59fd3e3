/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/bookkeeper.h"
#include "base/log.h"
#include "gateway/supervisor_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the store needs for the book of names: its folder, `names` in `state`. */

#define DAY 86400u

static int path_of(const struct site *s, char *path, size_t cap)
{
	int n = snprintf(path, cap, "%s/names", s->state);
	return n < 0 || (size_t)n >= cap ? ERR_LIMIT : 0;
}

int names_folder(const struct supervisor *v, const struct site *s)
{
	char path[4096];
	if (!site_keeps_names(s)) {
		return 0;
	}
	int e = path_of(s, path, sizeof(path));
	return e < 0 ? e : supervisor_folder(v, path);
}

void names_give(struct supervisor *v)
{
	char path[4096];
	const struct deidentify_config *d = &v->site->deidentify;
	if (!site_keeps_names(v->site) || v->role[ROLE_STORE].pid == 0 ||
		path_of(v->site, path, sizeof(path)) < 0) {
		return;
	}
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0) {
		log_say(LOG_LEVEL_ERROR, "names.failed",
			"the folder of the book of names, %s, cannot be opened: %s", path, strerror(errno));
		return;
	}
	roles_say(v, ROLE_STORE,
		&(struct message){.type = MSG_BOOK_FOLDER,
			.fd = dir,
			.number = BOOK_LIMITS(d->names_most >> 20, (d->names_keep_s + DAY - 1) / DAY)});
	close(dir);
}
