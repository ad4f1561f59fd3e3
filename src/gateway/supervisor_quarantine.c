/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/quarantine.h"
#include "audit/spool.h"
#include "base/log.h"
#include "gateway/supervisor_state.h"
#include "priv/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the store needs for the quarantine: a folder, and a key that only the supervisor can open. */

static_assert(SPOOL_KEY_LEN == QUARANTINE_KEY, "both are made alike");

int quarantine_folder(const struct supervisor *v, const struct site *s)
{
	return site_quarantines(s) ? supervisor_folder(v, s->quarantine.folder) : 0;
}

/* A fresh key opens nothing of what is there: who has lost the old one must hear of it. */
static void say_if_lost(const char *path, int dir)
{
	struct quarantine_totals t;
	if (access(path, F_OK) < 0 && errno == ENOENT && quarantine_count(dir, &t) == 0 && t.objects > 0) {
		log_event(LOG_LEVEL_ERROR, "quarantine.key-lost",
			"The quarantine has objects, and its key is not there. A new one is made; what was kept before can only be "
			"read with the old one.",
			LOG_TEXT("file", path), LOG_NUMBER("objects", (int64_t)t.objects));
	}
}

static int key_fd(const struct supervisor *v, int dir, int *ret_fd)
{
	uint8_t key[QUARANTINE_KEY];
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/quarantine.key", v->site->state);
	say_if_lost(path, dir);
	int e = n < 0 || (size_t)n >= sizeof(path) ? ERR_LIMIT : spool_key(path, key);
	e = e == 0 ? memfd_of("quarantine-key", span_of(key, sizeof(key)), ret_fd) : e;
	explicit_bzero(key, sizeof(key));
	if (e != 0) {
		log_say(LOG_LEVEL_ERROR, "quarantine.key",
			"the quarantine's key, %s, cannot be used, and nothing can be put in quarantine: %s",
			path,
			e == ERR_SYSTEM ? strerror(errno)
			: e == ERR_VALUE
				? "it has not 32 bytes; what was kept with it cannot be read without it"
				: err_str(e));
	}
	return e;
}

void quarantine_give(struct supervisor *v)
{
	int fd;
	if (!site_quarantines(v->site) || v->role[ROLE_STORE].pid == 0) {
		return;
	}
	int dir = open(v->site->quarantine.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0) {
		log_say(LOG_LEVEL_ERROR, "quarantine.failed", "the quarantine's folder cannot be opened: %s",
			strerror(errno));
		return;
	}
	if (key_fd(v, dir, &fd) == 0) {
		roles_say(v, ROLE_STORE, &(struct message){.type = MSG_QUARANTINE, .fd = fd, .number = 1});
		close(fd);
	}
	roles_say(v, ROLE_STORE, &(struct message){.type = MSG_QUARANTINE, .fd = dir, .number = 0});
	close(dir);
}
