/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/object.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * usage: mac_dump FILE: the bytes that a signature over everything in a DICOM file is over, but for its own item, on standard
 * output; for comparing them with what others have (dcmsign's --dump).
 */

static struct mac_scope top;
static uint32_t tags[MAC_TAGS_MOST];
static struct mac_list list = {.scope = &top, .tags = tags};
static struct mac mac = {.scope = &top, .tags = tags};

static void print(void *arg, struct span bytes)
{
	(void)!fwrite(bytes.ptr, 1, bytes.len, stdout);
}

static int find(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	return mac_list_event(&list, d, event, encoding);
}

static int dump(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	return mac_event(&mac, d, event, encoding);
}

int main(int argc, char **argv)
{
	struct stat st;
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0 || fstat(fd, &st) < 0) {
		fputs("usage: mac_dump FILE\n", stderr);
		return 2;
	}
	void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED) {
		return 1;
	}
	struct object_pass p = {.file = span_of(bytes, (size_t)st.st_size), .each = find};
	int e = object_pass(&p);
	mac.n_tags = list.n;
	mac.sink = print;
	p.each = dump;
	e = e < 0 ? e : object_pass(&p);
	if (e < 0) {
		fprintf(stderr, "mac_dump: %s\n", err_str(e));
	}
	return e < 0 || fflush(stdout) != 0;
}
