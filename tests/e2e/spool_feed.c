/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/spool.h"
#include "audit/spool_file.h"
#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * spool_feed FOLDER KEY MOST message FIRST COUNT SIZE | checkpoint FILE | witness FILE
 *
 * Puts entries into a gateway's spool, for end-to-end tests: messages that say their number as id="0000042", of SIZE bytes, or a
 * file. Prints how many were lost.
 */

static char text[SPOOL_ENTRY_MOST];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Far after what the gateway's own writer has or will have: two writers of one spool must never take the same number. */
static void leave_room(int dir)
{
	struct spool_list l;
	char name[SPOOL_NAME_LEN];
	if (spool_list(dir, &l) != 0) {
		fail("list");
	}
	spool_file_name((l.n > 0 ? l.at[l.n - 1].number : 0) + 1000000, name);
	spool_list_done(&l);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0) {
		fail(name);
	}
	close(fd);
}

static void add_messages(struct spool *s, unsigned first, unsigned count, size_t size)
{
	for (unsigned i = first; i < first + count; i++) {
		int n = snprintf(text, sizeof(text), "<AuditMessage id=\"%07u\">\xc3\xa4", i);
		size = size < sizeof(text) - 20 ? size : sizeof(text) - 20;
		while ((size_t)n < size) {
			text[n] = (char)('a' + n % 23);
			n++;
		}
		n += snprintf(text + n, 20, "</AuditMessage>");
		(void)!spool_append(s, SPOOL_MESSAGE, clock_wall_ms(), span_of(text, (size_t)n));
		if (i % 100 == 99) {
			(void)!spool_commit(s, clock_mono_ms());
		}
	}
}

static void add_file(struct spool *s, enum spool_type type, const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n < 0) {
		fail(path);
	}
	close(fd);
	(void)!spool_append(s, type, clock_wall_ms(), span_of(text, (size_t)n));
}

int main(int argc, char **argv)
{
	struct spool_settings set = {0};
	struct spool *s = NULL;
	struct spool_state look;
	struct stat st;
	if (argc < 6) {
		fputs("usage: spool_feed FOLDER KEY MOST message FIRST COUNT SIZE | checkpoint FILE | witness FILE\n",
			stderr);
		return 2;
	}
	set.dir = open(argv[1], O_RDONLY | O_DIRECTORY);
	set.most = strtoull(argv[3], NULL, 10);
	if (set.dir < 0 || spool_key(argv[2], set.key) != 0) {
		fail(argv[1]);
	}
	/* Files are of whom the folder is of, as the gateway's roles make them. */
	if (fstat(set.dir, &st) < 0 ||
		(st.st_uid != geteuid() && (setegid(st.st_gid) < 0 || seteuid(st.st_uid) < 0))) {
		fail(argv[1]);
	}
	leave_room(set.dir);
	if (spool_open(&set, &s) != 0) {
		fail("spool");
	}
	if (argc == 8 && argv[4][0] == 'm') {
		add_messages(s, (unsigned)strtoul(argv[5], NULL, 10), (unsigned)strtoul(argv[6], NULL, 10),
			strtoul(argv[7], NULL, 10));
	} else {
		add_file(s, argv[4][0] == 'c' ? SPOOL_CHECKPOINT : SPOOL_WITNESS, argv[5]);
	}
	/* Twice: the second ends the file, as an auditor does that lives on. */
	(void)!spool_commit(s, clock_mono_ms());
	(void)!spool_commit(s, clock_mono_ms() + SPOOL_FILE_MS);
	spool_look(s, &look);
	printf("%llu\n", (unsigned long long)look.lost_ever);
	spool_close(s);
	return 0;
}
