/* SPDX-License-Identifier: Apache-2.0 */
/* What the transform alone costs: files that are in memory, de-identified into nowhere, in CPU time. */
#include "dicom/part10.h"
#include "transform/deidentify.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct deidentify t;

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct span whole(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(path);
		exit(1);
	}
	void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	return span_of(bytes, (size_t)st.st_size);
}

/* Each byte of the result is read once, as who writes it would. */
static size_t take(struct span bytes)
{
	static uint8_t to[1 << 20];
	for (size_t at = 0; at < bytes.len; at += sizeof(to)) {
		size_t n = bytes.len - at < sizeof(to) ? bytes.len - at : sizeof(to);
		memcpy(to, bytes.ptr + at, n);
	}
	return bytes.len;
}

static size_t one(struct span file)
{
	static uint8_t key[PSEUDONYM_KEY] = {1};
	const struct deidentify_rules rules = {.keep_burned_in = true};
	const struct pseudonyms pseudonyms = {pseudonym_make, key};
	struct part10_meta meta;
	struct span bytes;
	size_t at, n = 0;
	int e = part10_read(file, &meta, &at, NULL);
	e = e ? e : deidentify_begin(&t, &rules, &pseudonyms, meta.transfer_syntax, NULL);
	if (e == 0) {
		deidentify_feed(&t, span_of(file.ptr + at, file.len - at));
		deidentify_last(&t);
		while ((e = deidentify_next(&t, &bytes)) == DEIDENTIFY_BYTES) {
			n += take(bytes);
		}
		deidentify_done(&t);
	}
	if (e != DEIDENTIFY_END) {
		fprintf(stderr, "deidentify_bench: %s\n", err_str(e));
		exit(1);
	}
	return n;
}

int main(int argc, char **argv)
{
	size_t bytes = 0;
	double used = 0;
	for (int i = 1; i < argc; i++) {
		struct span file = whole(argv[i]);
		double begun = now();
		bytes += one(file);
		used += now() - begun;
		(void)munmap((void *)file.ptr, file.len);
	}
	printf("%.4f s, %d files, %zu bytes\n", used, argc - 1, bytes);
	return 0;
}
