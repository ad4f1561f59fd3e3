/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit.h"
#include "cli/media.h"
#include "cli/passphrase.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEM_MOST (1u << 20)

/* A byte at a time: what is behind the line is somebody else's. */
static bool line_of(int fd, char buf[MEDIA_PASSPHRASE])
{
	size_t n = 0;
	for (;;) {
		ssize_t got = read(fd, buf + n, 1);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0 || (got > 0 && n == MEDIA_PASSPHRASE - 1)) {
			return false;
		}
		if (got == 0 || buf[n] == '\n') {
			break;
		}
		n++;
	}
	n -= n > 0 && buf[n - 1] == '\r';
	buf[n] = '\0';
	return n > 0;
}

bool media_with_option(struct media_with *w, int c)
{
	char *end;
	switch (c) {
	case 'f':
		w->passphrase_fd = (int)strtol(optarg, &end, 10);
		return optarg[0] && !*end && w->passphrase_fd >= 0;
	case 'k':
		w->key = optarg;
		return true;
	case 'e':
		w->cert = optarg;
		return true;
	case 'i':
		w->incomplete = true;
		return true;
	case 'r':
		w->recorded = true;
		return true;
	case 'c':
		w->config = optarg;
		return true;
	default:
		return false;
	}
}

bool media_passphrase(const char *verb, int fd, bool twice, char buf[MEDIA_PASSPHRASE])
{
	bool ok = fd >= 0 ? line_of(fd, buf)
	          : twice ? passphrase_ask_twice("Passphrase for the disc: ", buf, MEDIA_PASSPHRASE)
	                  : passphrase_ask("Passphrase of the disc: ", buf, MEDIA_PASSPHRASE);
	if (!ok) {
		fprintf(stderr, "gantry media %s: there was no passphrase%s\n", verb,
			fd >= 0 ? ""
			: !passphrase_asks()
				? "; where nobody can be asked, `--passphrase-fd N` names a descriptor that has it"
			: twice ? ", or not the same twice"
				: "");
	}
	return ok;
}

bool media_read_pem(const char *verb, const char *path, uint8_t **ret_bytes, size_t *ret_len)
{
	char name[32];
	snprintf(name, sizeof(name), "media %s", verb);
	const struct audit_input in = {.verb = name, .beside = true};
	return audit_read_file(&in, path, PEM_MOST, ret_bytes, ret_len) == AUDIT_GOOD;
}
