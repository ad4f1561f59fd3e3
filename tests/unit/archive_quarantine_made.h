/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_QUARANTINE_MADE_H
#define ARCHIVE_QUARANTINE_MADE_H

#include "archive/quarantine.h"
#include "inspect/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A quarantine in a folder of its own, and facts of an object. */

static char path[64];
static struct quarantine_site site;
static struct quarantine quarantine;

static int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(name);
}

static inline int make_quarantine(void **state)
{
	static const uint8_t key[QUARANTINE_KEY] = {7};
	snprintf(path, sizeof(path), "/tmp/gantry-quarantine-XXXXXX");
	quarantine_prepare();
	if (!mkdtemp(path) || quarantine_site(key, &site) != 0) {
		return -1;
	}
	quarantine =
		(struct quarantine){.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .site = &site};
	return quarantine.dir < 0 ? -1 : 0;
}

static inline int remove_quarantine(void **state)
{
	close(quarantine.dir);
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const struct facts *facts_of(const char *instance, const char *to)
{
	static struct facts f;
	f = (struct facts){.time_ms = 1795659000000,
		.refusal = 42,
		.association = 7,
		.why = "the object has JavaScript",
		.flow = "ct",
		.from = "ct-1",
		.calling = "CT1",
		.called = "ARCHIVE",
		.address = "10.1.2.3",
		.subject = "CN=ct-1",
		.certificate = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		.serial = "4f2a",
		.issuer = "CN=Hospital CA",
		.user = "ann",
		.user_proved = true,
		.sop_class = "1.2.840.10008.5.1.4.1.1.104.1",
		.transfer_syntax = "1.2.840.10008.1.2.1",
		.patient_id = "PAT-4711",
		.patient_name = "Doe^Jane",
		.study = "1.2.3.4",
		.finding = {{.severity = INSPECT_DANGER,
			.offset = 99,
			.check = "pdf-javascript",
			.sentence = "The PDF has JavaScript.",
			.path = "(0042,0011)",
			.excerpt = "/JavaScript"}},
		.n_findings = 1};
	snprintf(f.sop_instance, sizeof(f.sop_instance), "%s", instance);
	snprintf(f.to, sizeof(f.to), "%s", to);
	return &f;
}

/* Bytes that differ from piece to piece. */
static uint8_t *bytes_of(size_t n, uint8_t seed)
{
	uint8_t *bytes = malloc(n + 1);
	assert_non_null(bytes);
	for (size_t i = 0; i < n; i++) {
		bytes[i] = (uint8_t)(i * 31 + i / 65536 + seed);
	}
	return bytes;
}

/* Names in the folder that begin so; "" all. */
static unsigned count_names(const char *begin)
{
	DIR *dir = opendir(path);
	assert_non_null(dir);
	unsigned n = 0;
	const struct dirent *e;
	while ((e = readdir(dir))) {
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		     strncmp(e->d_name, begin, strlen(begin)) == 0;
	}
	closedir(dir);
	return n;
}

#endif
