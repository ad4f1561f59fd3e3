/* SPDX-License-Identifier: Apache-2.0 */
#include "priv/role.h"
#include "base/log.h"
#include "priv/memfd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void role_use_log(const struct message *m)
{
	if (dup2(m->fd, STDERR_FILENO) < 0) {
		log_say(LOG_LEVEL_ERROR, "log.failed", "the new log cannot be used: %s", strerror(errno));
	}
	log_to(STDERR_FILENO, MSG_LOG_JSON(m->number) ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
	log_least((enum log_level)MSG_LOG_LEVEL(m->number));
}

int role_site(int fd, struct site **ret_site)
{
	struct memfd_map map;
	struct mistakes mistakes = {0};
	int e = memfd_map(fd, &map);
	if (e == 0) {
		e = site_unpack(map.bytes, ret_site, &mistakes);
		memfd_unmap(&map);
		mistakes_done(&mistakes);
	}
	return e;
}
